"""Which columns of its inputs a column of a step is made of, and which source columns nobody reads. Pure.

Two uses: the ledger of source columns that reach nothing (`unused_columns`), and whose rows a measure adds up
(`trace`). Not here: which columns the artefacts carry; that is the compiler's pruning, which the ledger follows.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline_magic.compiler.columns import needs, reads
from pipeline_magic.compiler.expectations import failing_condition, node_of
from pipeline_magic.spec.model import (
    Aggregate,
    Derive,
    Expectation,
    Explode,
    Join,
    Pivot,
    Referential,
    Rename,
    Segment,
    Sql,
    Step,
    Union,
    Unpivot,
    Window,
)
from pipeline_magic.spec.typed import Node, TypedSpec
from pipeline_magic.spec.typing.sets import join_columns

__all__ = ["Place", "trace", "unused_columns"]

Place = tuple[str, str]
"""A column of a node: (id of the source or step, name of the column)."""


def made_of(typed: TypedSpec, step: Step, column: str) -> set[Place]:
    """Columns of the step's inputs whose values make up `column` of its output."""
    if isinstance(step, Join):
        return _of_join(typed, step, column)
    if isinstance(step, Union):
        wanted = column.casefold()
        return {(name, c.name) for name in step.inputs for c in typed.node(name).columns if c.name.casefold() == wanted}
    if isinstance(step, Sql):
        return {(name, c.name) for name in step.inputs for c in typed.node(name).columns}
    return {(step.input, name) for name in _of_one(step, column, typed.node(step.input))}


def _of_one(step: Step, column: str, node: Node) -> Iterable[str]:
    """For steps with one input: names of its columns."""
    if isinstance(step, (Derive, Window)):
        item = next((item for item in step.columns if item.name == column), None)
        place = "row" if isinstance(step, Derive) else "window"
        return reads(item.expression, node, place) if item else (column,)
    if isinstance(step, Aggregate):
        measure = next((item for item in step.measures if item.name == column), None)
        return reads(measure.expression, node, "aggregate", step.group_by) if measure else (column,)
    if isinstance(step, Segment) and column == step.column:
        ranked = [step.by] if step.by is not None and any(rule.top is not None for rule in step.rules) else []
        return [*(name for rule in step.rules if rule.condition for name in reads(rule.condition, node)), *ranked]
    if isinstance(step, Rename):
        return (next((item.column for item in step.columns if item.name == column), column),)
    if isinstance(step, Pivot) and column not in step.group_by:
        return [step.column, *(name for item in step.measures for name in reads(item.expression, node, "aggregate"))]
    if isinstance(step, Unpivot) and column in {step.value_column, step.name_column}:
        return step.columns if column == step.value_column else ()
    if isinstance(step, Explode) and column in {step.name, step.position}:
        return (step.column,) if column == step.name else ()
    return (column,)


def _of_join(typed: TypedSpec, step: Join, column: str) -> set[Place]:
    left, right = typed.node(step.left).columns, typed.node(step.right).columns
    if step.how in {"semi", "anti"}:
        return {(step.left, column)}
    for old, new in join_columns(step, left, right):
        if new == column:
            return {(step.right, old)}
    for key in step.keys:
        if key.left == column and key.left.casefold() == key.right.casefold():
            pair = {"left": (step.left, key.left), "right": (step.right, key.right)}
            return {pair[side] for side in {"right": ("right",), "full": ("left", "right")}.get(step.how, ("left",))}
    return {(step.left, column)}


def trace(typed: TypedSpec, start: Place, goal: str) -> set[str]:
    """Columns of the node `goal` that a column further down is made of; empty when none is."""
    steps = {step.id: step for step in typed.spec.steps}
    found: set[str] = set()
    seen: set[Place] = set()
    pending = [start]
    while pending:
        place = pending.pop()
        if place in seen:
            continue
        seen.add(place)
        if place[0] == goal:
            found.add(place[1])
        elif place[0] in steps:
            pending.extend(made_of(typed, steps[place[0]], place[1]))
    return found


def unused_columns(typed: TypedSpec) -> dict[str, tuple[str, ...]]:
    """For each source, its columns that reach neither the target nor any expression, key, order or check."""
    spec = typed.spec
    roots: dict[str, set[str]] = {}
    roots.setdefault(spec.target.input, set()).update(c.name for c in typed.node(spec.target.input).columns)
    for expectation in spec.expectations:
        for node, column in _read_by(typed, expectation):
            roots.setdefault(node, set()).add(column)
    used = needs(typed, roots)
    for source in spec.sources:
        mine = used.setdefault(source.alias, set())
        if source.filter is not None:
            mine.update(reads(source.filter, typed.node(source.alias)))
        if source.watermark is not None:
            mine.add(source.watermark)
    return {
        source.alias: tuple(c.name for c in typed.node(source.alias).columns if c.name not in used[source.alias])
        for source in spec.sources
    }


def _read_by(typed: TypedSpec, expectation: Expectation) -> set[Place]:
    """Columns that a check reads."""
    on = node_of(expectation, typed)
    if expectation.kind == "expression":
        condition = failing_condition(expectation, typed)
        return {(on, name) for name in reads(condition or "", typed.node(on))}
    names = getattr(expectation, "columns", None) or (getattr(expectation, "column", None),)
    read = {(on, name) for name in names if name is not None}
    if isinstance(expectation, Referential):
        read |= {(expectation.to, name) for name in expectation.to_columns}
    return read
