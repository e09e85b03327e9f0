"""What is added up after a join, and from which side: control totals, and where rows could count twice. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pipeline_magic.agents.quality.columns import made_of, trace
from pipeline_magic.agents.quality.reconcile import KEEPS_ROWS
from pipeline_magic.spec.model import Aggregate, Join
from pipeline_magic.spec.typed import TypedSpec
from pipeline_magic.spec.types import parse_type

__all__ = ["Sum", "first_aggregates", "sums_after", "totals"]

_MOST_TOTALS = 6


class Sum(NamedTuple):
    """A sum downstream of a join.

    Attributes:
        aggregate: Id of the step that adds up.
        side: ``left`` or ``right``: whose column it is.
        grouped: A column of the other side is among the groups.
    """

    aggregate: str
    measure: str
    side: str
    column: str
    grouped: bool


def sums_after(typed: TypedSpec, join: Join) -> tuple[Sum, ...]:
    """Sums of single columns of one side of a join, in the aggregates that its rows reach first."""
    if join.how in {"semi", "anti"}:
        return ()
    made: list[Sum] = []
    for aggregate in first_aggregates(typed, join.id):
        groups = {side for name in aggregate.group_by for side in _sides(typed, join, (aggregate.input, name))}
        for measure in aggregate.measures:
            for column in _summed(measure.expression):
                for place in sorted(_join_places(typed, join, (aggregate.input, column))):
                    side = "left" if place[0] == join.left else "right"
                    other = "right" if side == "left" else "left"
                    made.append(Sum(aggregate.id, measure.name, side, place[1], other in groups))
    return tuple(dict.fromkeys(made))


def totals(typed: TypedSpec, join: Join) -> tuple[tuple[str, str], ...]:
    """Columns worth a control total: (side, column) of what is added up after the join, numbers only."""
    wanted = dict.fromkeys((one.side, one.column) for one in sums_after(typed, join))
    sides = {"left": join.left, "right": join.right}
    kinds = {(side, c.name): parse_type(c.type) for side, name in sides.items() for c in typed.node(name).columns}
    return tuple(column for column in wanted if kinds[column].numeric)[:_MOST_TOTALS]


def first_aggregates(typed: TypedSpec, start: str) -> Iterator[Aggregate]:
    """Aggregates downstream with nothing between that could undo a fan-out."""
    passes = KEEPS_ROWS | {"filter", "join", "union"}
    pending, seen = [start], {start}
    while pending:
        name = pending.pop()
        for step in typed.spec.steps:
            if name in typed.node(step.id).inputs and step.id not in seen:
                seen.add(step.id)
                if isinstance(step, Aggregate):
                    yield step
                elif step.kind in passes:
                    pending.append(step.id)


def _summed(expression: str) -> tuple[str, ...]:
    """Columns that stand alone inside sum(…), without DISTINCT."""
    from sqlglot import exp

    from pipeline_magic.spec.dialect import parse

    found = []
    for call in parse(expression).find_all(exp.Anonymous):
        inner = call.expressions[0] if len(call.expressions) == 1 else None
        while isinstance(inner, exp.Paren):
            inner = inner.this
        if str(call.this).lower() == "sum" and isinstance(inner, exp.Column) and not inner.args.get("table"):
            found.append(inner.name)
    return tuple(dict.fromkeys(found))


def _join_places(typed: TypedSpec, join: Join, start: tuple[str, str]) -> set[tuple[str, str]]:
    """Columns of the join's inputs behind a column, where a single one is behind it."""
    through = trace(typed, start, join.id)
    places = {place for name in through for place in made_of(typed, join, name)}
    return places if len(places) == 1 else set()


def _sides(typed: TypedSpec, join: Join, start: tuple[str, str]) -> set[str]:
    places = {place for name in trace(typed, start, join.id) for place in made_of(typed, join, name)}
    return {"left" if place[0] == join.left else "right" for place in places}
