"""Which datasets a Lakeflow pipeline is made of, and what each of them computes itself.

A person writes one function a dataset, not one a step. A node is a dataset of its own, a temporary view, only where it
must have a name: expectations stand on it, a `sql` step reads it, several datasets use it, or it is read as a stream
and as a table at once. Everything else is computed in the function of the dataset that uses it.

A place is a node together with how it is read. Of a stream, the first input of every step is a stream (every input of a
union), down to the sources; what a join adds is read as a table, whole, at every update. Not here: any Python text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeGuard

from pipeline_magic.compiler.expectations import failing_condition, node_of
from pipeline_magic.spec.legality import STREAMED, streamed_inputs
from pipeline_magic.spec.model import Expectation, Freshness, Referential, Sql, Step
from pipeline_magic.spec.names import split_table
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["Flows", "Place", "of_commit"]


class Place(NamedTuple):
    """A node, read as a stream or as a table."""

    node: str
    stream: bool


class Flows:
    """The datasets of a typed spec.

    Attributes:
        root: What the target reads.
        views: Places that are temporary views, in the order of the nodes.
        table: Name of the target: without catalog and schema, which are the pipeline's own.
    """

    def __init__(self, typed: TypedSpec) -> None:
        self.typed = typed
        self.steps: dict[str, Step] = {step.id: step for step in typed.spec.steps}
        self.items = tuple(item for item in typed.spec.expectations if item.enabled)
        target = typed.spec.target
        self.root = Place(target.input, target.mode in STREAMED)
        self.table = split_table(target.table)[2]
        feeding = {place.node for place in self.closure([self.root])}
        self.standing = tuple(item for item in self.items if self._stands(item, feeding))
        self.measured = tuple(item for item in self.items if item not in self.standing and not of_commit(item))
        self.views: tuple[Place, ...] = ()
        self._find_views()
        self._name()

    # -- expectations

    def _stands(self, item: Expectation, feeding: set[str]) -> bool:
        """Whether it is said of single rows, where they pass on their way."""
        if item.action == "drop":
            return True
        by_row = failing_condition(item, self.typed) is not None and not item.tolerance
        return by_row and node_of(item, self.typed) in feeding

    def on(self, node_id: str) -> tuple[Expectation, ...]:
        """The expectations that stand on a node."""
        return tuple(item for item in self.standing if node_of(item, self.typed) == node_id)

    def lookups(self, node_id: str) -> tuple[Referential, ...]:
        """Those of them that look its rows up in another node."""
        return tuple(item for item in self.on(node_id) if isinstance(item, Referential))

    # -- the graph

    def inputs(self, place: Place) -> tuple[Place, ...]:
        """What a place is computed from, in the order in which its step names it."""
        step = self.steps.get(place.node)
        if step is None:
            return ()
        streams = streamed_inputs(step) if place.stream else ()
        return tuple(dict.fromkeys(Place(name, name in streams) for name in self.typed.node(place.node).inputs))

    def _needs(self, place: Place) -> tuple[Place, ...]:
        return (*self.inputs(place), *(Place(item.to, False) for item in self.items if self._looks(item, place.node)))

    def _looks(self, item: Expectation, node_id: str) -> TypeGuard[Referential]:
        return isinstance(item, Referential) and item.action == "drop" and node_of(item, self.typed) == node_id

    def closure(self, roots: Iterable[Place]) -> set[Place]:
        found: set[Place] = set()
        pending = list(roots)
        while pending:
            place = pending.pop()
            if place not in found:
                found.add(place)
                pending.extend(self._needs(place))
        return found

    def own(self, root: Place) -> tuple[Place, ...]:
        """What the dataset of `root` names, in order: the views that it reads, and what it computes itself."""
        made: dict[Place, None] = {}

        def add(place: Place) -> None:
            if place not in made and (place == root or place not in self.views):
                for other in self.inputs(place):
                    add(other)
            made.setdefault(place)

        add(root)
        return tuple(made)

    def reached(self, place: Place) -> tuple[Place, ...]:
        """The same for a dataset that only uses `place`."""
        return (place,) if place in self.views else self.own(place)

    def _datasets(self) -> Iterator[tuple[Place, ...]]:
        if self.root not in self.views:
            yield self.own(self.root)
        for place in self.views:
            looked = (self.reached(Place(item.to, False)) for item in self.lookups(place.node))
            yield (*self.own(place), *(other for some in looked for other in some))
        for item in self.measured:
            yield tuple(other for place in self.read_by(item) for other in self.reached(place))

    def read_by(self, item: Expectation) -> tuple[Place, ...]:
        """What the check of an expectation reads, but for the target itself."""
        names = [node_of(item, self.typed), *([item.to] if isinstance(item, Referential) else [])]
        return tuple(dict.fromkeys(Place(name, False) for name in names if name != self.root.node))

    def _find_views(self) -> None:
        every = self.closure([self.root, *(place for item in self.measured for place in self.read_by(item))])
        self.views = self._ordered(place for place in every if self._must_be_named(place, every))
        while (shared := self._shared()) is not None:
            self.views = self._ordered({*self.views, shared})

    def _must_be_named(self, place: Place, every: set[Place]) -> bool:
        if self.on(place.node) and (place != self.root or self.lookups(place.node)):
            return True
        if place == self.root:
            return any(place in self._needs(other) for other in every)
        if any(isinstance(self.steps.get(other.node), Sql) and place in self.inputs(other) for other in every):
            return True
        # One function has one variable a node: what is a stream and a table at once is kept apart by views.
        streams = {other.node for other in every if other.stream}
        for other in every:
            sides = [side for side in self._needs(other) if not side.stream] if other.stream else []
            for side in sides:
                if place in {other, side} and any(one.node in streams for one in self.closure([side])):
                    return True
        return False

    def _shared(self) -> Place | None:
        """The last step that two datasets would compute each for itself."""
        counts: Counter[Place] = Counter()
        for inside in self._datasets():
            counts.update(set(inside))
        found = [place for place, count in counts.items() if count > 1 and place.node in self.steps]
        found = [place for place in found if place not in self.views]
        return self._ordered(found)[-1] if found else None

    def _ordered(self, places: Iterable[Place]) -> tuple[Place, ...]:
        order = {node.id: index for index, node in enumerate(self.typed.nodes)}
        return tuple(sorted(places, key=lambda place: (order[place.node], not place.stream)))

    # -- names

    def _name(self) -> None:
        """A name for every dataset; the target keeps its own, whatever the others would like to be called."""
        taken = {self.table.casefold()}
        self.names: dict[Place, str] = {}
        for place in self.views:
            both = not place.stream and Place(place.node, True) in self.views
            self.names[place] = self.free(f"{place.node}_table" if both else place.node, taken)
        self._taken = taken

    def free(self, name: str, taken: set[str] | None = None) -> str:
        """The name, changed where another dataset has it; taken from now on."""
        taken = self._taken if taken is None else taken
        nodes = {node.id for node in self.typed.nodes}
        made = name if name not in taken else f"{name}_rows"
        while made in taken or (made != name and made in nodes):
            made += "_"
        taken.add(made)
        return made


def of_commit(item: Expectation) -> bool:
    """Whether it asks for the last commit of a table, of which a pipeline's code knows nothing."""
    return isinstance(item, Freshness) and item.column is None
