"""The draft as it grows, and the items it grows from. Plain data, so that one validation at the end sees everything."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline_magic.agents.specification.planner.entities import TableInfo
from pipeline_magic.agents.specification.planner.grouping import entity_columns
from pipeline_magic.agents.specification.planner.intent import (
    Change,
    Check,
    Derive,
    Distinct,
    Exists,
    Filter,
    Flag,
    Group,
    Item,
    JoinWish,
    Keep,
    Latest,
    Measure,
    Segment,
    Selected,
    Top,
    Use,
    Windowed,
    refs_in,
    render,
)
from pipeline_magic.agents.specification.planner.joingraph import JoinGraph
from pipeline_magic.agents.specification.planner.layout import Layout
from pipeline_magic.runs import Question
from pipeline_magic.spec.names import quote, slug
from pipeline_magic.spec.provenance import Origin

if TYPE_CHECKING:
    from pipeline_magic.agents.specification.planner.unions import Together

__all__ = ["Assembly", "Plan", "sql", "tables_of"]

_Item = TypeVar("_Item", bound=Item)


@dataclass
class Assembly:
    """Sources, steps, expectations and questions, and where each field came from.

    Attributes:
        last: Id of the node that the next step reads.
        grain: Word for what one row of the result is, where that is known.
        subject: Short name of the base table.
        columns: Columns of the result after grouping or selecting; empty while neither is done.
        joined: Columns after the joins.
    """

    sources: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    expectations: list[dict[str, Any]] = field(default_factory=list)
    origins: dict[str, Origin] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    last: str = ""
    grain: str = ""
    subject: str = ""
    columns: list[str] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)

    @property
    def result(self) -> list[str]:
        """Columns of the result: those of the groups or of the selection, else all after the joins and new ones."""
        return self.columns or [*self.joined, *self.added]

    @property
    def added(self) -> list[str]:
        """Columns that steps add to the joined rows."""
        found = [column["name"] for step in self.steps if step["kind"] == "derive" for column in step["columns"]]
        return [*found, *(step["column"] for step in self.steps if step["kind"] == "segment")]

    def step(self, data: dict[str, Any]) -> str:
        """Add a step behind the last one; returns its id, which has a number behind it where the id was taken."""
        taken = {step["id"] for step in self.steps} | {source["alias"] for source in self.sources}
        data["id"] = slug(data["id"], "step")
        base, number = data["id"], 2
        while data["id"] in taken:
            data["id"], number = f"{base[:60]}_{number}", number + 1
        if not {"input", "left", "inputs"} & data.keys():
            data["input"] = self.last
        self.steps.append(data)
        self.last = data["id"]
        return self.last

    def trace_step(self, identity: str) -> None:
        """The step as a whole comes from all clauses that its fields come from."""
        path = f"steps.{identity}"
        clauses = [
            clause for key, origin in self.origins.items() if key.startswith(path + ".") for clause in origin.clauses
        ]
        if clauses:
            self.said(path, clauses)
        else:
            self.assumed(path, "needed by the steps that the statement asks for")

    def said(self, path: str, clauses: Sequence[str]) -> None:
        """The field at `path` was read from these clauses."""
        self.origins[path] = Origin(kind="clause", clauses=tuple(dict.fromkeys(clauses)))

    def assumed(
        self, path: str, reason: str, alternatives: Sequence[str] = (), clauses: Sequence[str] = (), question: str = ""
    ) -> None:
        """Nobody asked for the value at `path` in words."""
        self.origins[path] = Origin(
            kind="assumption",
            reason=reason,
            alternatives=tuple(alternatives),
            clauses=tuple(dict.fromkeys(clauses)),
            question=question,
        )


class Plan:
    """The items of a statement by kind, with what the steps need of them."""

    def __init__(
        self,
        items: Sequence[Item],
        tables: dict[str, TableInfo],
        graph: JoinGraph,
        clause_of: Callable[[Item], tuple[str, ...]],
        answers: dict[str, str],
    ) -> None:
        self.items = items
        self.tables = tables
        self.graph = graph
        self.answers = answers
        self.together: Together | None = None
        self.parts: dict[str, TableInfo] = {}
        self.parting: frozenset[str] = frozenset()
        self._clause_of = clause_of
        self.measures = _unique(self.of(Measure))
        self.filters = self.of(Filter)
        self.groups = self.of(Group)
        self.segments = self.of(Segment)
        self.flags = self.of(Flag)
        self.derives = self.of(Derive)
        self.keeps = self.of(Keep)
        self.joins = self.of(JoinWish)
        self.uses = self.of(Use)
        self.selected = self.of(Selected)
        self.tops = self.of(Top)
        self.latest = self.of(Latest)
        self.windows = self.of(Windowed)
        self.checks = self.of(Check)
        self.distinct = self.of(Distinct)
        self.exists = self.of(Exists)

    def of(self, kind: type[_Item]) -> list[_Item]:
        """The items of one kind, in the order of the statement."""
        return [item for item in self.items if isinstance(item, kind)]

    def clauses(self, *items: Item) -> tuple[str, ...]:
        """Ids of the clauses these items were read from."""
        return tuple(dict.fromkeys(clause for item in items for clause in self._clause_of(item)))

    def before(self, item: Filter, latest: Latest) -> bool:
        """Whether rows are left out before the newest is chosen: said before it, or said to be first."""
        return item.end <= latest.start or item.first

    @property
    def read(self) -> tuple[str, ...]:
        """Tables that words ask to read or join."""
        return tuple(dict.fromkeys(use.table for use in self.uses if use.read))

    @property
    def entity(self) -> str:
        """The table whose rows are the groups: of the grouping, else of the segments."""
        for group in self.groups:
            if group.entity:
                return group.entity
        if not self.groups:
            for segment in self.segments:
                if segment.entity:
                    return segment.entity
            return self._named_entity()
        return ""

    def _named_entity(self) -> str:
        """``member names and number of loans``: names stand for the rows of their table, which may share a name."""
        tables = {item.ref.table for item in self.selected}
        if len(tables) != 1 or not self.measures:
            return ""
        name = tables.pop()
        table = self.tables[name]
        naming = {column.ref for column in entity_columns(table)}
        other = any(measure.table != name for measure in self.measures)
        return name if table.key and other and naming & {item.ref for item in self.selected} else ""

    @property
    def subject(self) -> str:
        """The one table whose rows are asked for, where others only say which: ``authors whose books cost more``."""
        tables = {item.ref.table for item in self.selected}
        tables |= {ref.table for item in self.of(Derive) for ref in refs_in(item.expression)}
        plain = not (
            self.measures
            or self.tops
            or self.latest
            or self.segments
            or self.keeps
            or self.joins
            or self.read
            or any(item.over is None or item.over or item.order for item in self.windows)
        )
        return tables.pop() if plain and len(tables) == 1 else ""

    def wanted(self) -> tuple[str, ...]:
        """Every table the draft needs, those named first."""
        found = [use.table for use in self.uses]
        for item in self.items:
            found += tables_of(item)
        return tuple(dict.fromkeys(name for name in found if name))


def tables_of(item: Item) -> list[str]:
    """Full names of the tables an item speaks of, but for plain uses."""
    texts = [text for name in ("expression", "order", "by") if isinstance(text := getattr(item, name, None), str)]
    found: list[str] = []
    if isinstance(item, Group):
        texts += [text for _, text in item.columns]
    if isinstance(item, Segment):
        texts += [condition for _, condition, _ in item.rules if condition]
    if isinstance(item, Top):
        texts += item.per
    if isinstance(item, Windowed):
        texts += [*(item.over or ()), *(text for text, _ in item.order or ()), *(text for _, text in item.columns)]
    if isinstance(item, (Selected, Change)):
        found.append(item.ref.table)
    if isinstance(item, Keep):
        found += [item.table, item.other]
    if isinstance(item, Latest):
        found += [item.table, *(key.table for key in item.keys)]
    if isinstance(item, Exists):
        found.append(item.subject)
    return [*found, *(ref.table for text in texts for ref in refs_in(text))]


def _unique(measures: Sequence[Measure]) -> list[Measure]:
    kept: dict[str, Measure] = {}
    for measure in measures:
        name, number = measure.name, 2
        while name in kept and kept[name].expression != measure.expression:
            name, number = f"{measure.name}_{number}", number + 1
        if name != measure.name:
            measure = Measure(
                measure.start, measure.end, name, measure.expression, measure.table, measure.words, measure.assumed
            )
        kept.setdefault(name, measure)
    return list(kept.values())


def sql(layout: Layout, template: str) -> str:
    """A template as Spark SQL over the columns after the joins."""
    return render(template, layout.name, quoted)


def quoted(name: str) -> str:
    """A column in an expression, in backticks only where it must be."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else quote(name)
