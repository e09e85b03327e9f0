"""Which columns a pipeline makes unique by its own steps, whatever the data.

A declared key is a promise that nobody enforces, so it proves nothing here: it is measured. What a step makes (one row
a group, one row a key) is proof, as long as no later step repeats rows. NULL counts as a value, as it does for
`unique`. Where this module is not sure, it says no, and the check is run.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline_magic.compiler.steps.sources import drops_of
from pipeline_magic.spec.model import (
    Aggregate,
    Cast,
    Deduplicate,
    Derive,
    Fill,
    Filter,
    Join,
    Pivot,
    Referential,
    Rename,
    Segment,
    Select,
    Step,
    Top,
    Union,
    Window,
)
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["made_unique_by"]


def made_unique_by(typed: TypedSpec, node_id: str, columns: Iterable[str]) -> str | None:
    """Id of the step that leaves no two rows of the node with the same values of `columns`.

    Args:
        typed: The typed spec.
        node_id: Source or step whose rows are meant.
        columns: Columns of that node.

    Returns:
        None where the data may hold such rows: then they have to be looked for.
    """
    steps = {step.id: step for step in typed.spec.steps}
    if node_id not in steps or not _drops_repeat_nothing(typed, node_id):
        return None
    return _by_step(typed, steps[node_id], set(columns))


def _by_step(typed: TypedSpec, step: Step, wanted: set[str]) -> str | None:
    own = _own_key(typed, step)
    if own is not None and own <= wanted:
        return step.id
    if isinstance(step, Join):
        return _by_join(typed, step, wanted)
    before = _before(step, wanted)
    return made_unique_by(typed, step.input, before) if before is not None else None  # type: ignore[union-attr]  # of one input


def _own_key(typed: TypedSpec, step: Step) -> set[str] | None:
    """The columns of which the step leaves each value once."""
    if isinstance(step, (Aggregate, Pivot)):
        return set(step.group_by)
    if isinstance(step, Deduplicate):
        return set(step.keys)
    if isinstance(step, Top) and step.n == 1 and not step.ties:
        return set(step.partition_by)
    if isinstance(step, Union) and step.distinct:
        return {column.name for column in typed.node(step.id).columns}
    return None


def _before(step: Step, wanted: set[str]) -> set[str] | None:
    """What `wanted` was called in the input of a step that repeats no row; None for one that may repeat some."""
    if isinstance(step, (Filter, Select, Deduplicate, Top)):
        return wanted
    if isinstance(step, (Derive, Window)):
        return wanted - {item.name for item in step.columns}
    if isinstance(step, (Cast, Fill)):
        return wanted - {item.column for item in step.columns}
    if isinstance(step, Segment):
        return wanted - {step.column}
    if isinstance(step, Rename):
        old = {item.name: item.column for item in step.columns}
        return {old.get(name, name) for name in wanted}
    return None


def _by_join(typed: TypedSpec, step: Join, wanted: set[str]) -> str | None:
    """A join keeps the left rows apart if it finds at most one row for each of them."""
    lefts = {column.name for column in typed.node(step.left).columns}
    if step.how in {"semi", "anti"}:
        return made_unique_by(typed, step.left, wanted)
    if step.how not in {"inner", "left"} or not all(
        _same_type(typed, (step.left, key.left), (step.right, key.right)) for key in step.keys
    ):
        return None
    if made_unique_by(typed, step.right, (key.right for key in step.keys)) is None:
        return None
    return made_unique_by(typed, step.left, wanted & lefts)


def _same_type(typed: TypedSpec, one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether equal means the same on both sides: as numbers '1' and '01' are equal, as texts they are not."""
    kinds = [next(c.type for c in typed.node(node).columns if c.name == name) for node, name in (one, other)]
    return kinds[0] == kinds[1]


def _drops_repeat_nothing(typed: TypedSpec, node_id: str) -> bool:
    """Whether the look-up of a `drop` expectation finds at most one row for each."""
    return all(
        _same_type(typed, (node_id, one), (item.to, other))
        for item in drops_of(typed, node_id)
        if isinstance(item, Referential)
        for one, other in zip(item.columns, item.to_columns, strict=True)
    )
