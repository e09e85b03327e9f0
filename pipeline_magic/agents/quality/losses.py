"""What the counts of a reconciliation mean: notes in words, and findings where rows are lost or counted twice. Pure.

What was asked for is said and not marked: a filter, a top, a semi or anti join. What a plan does on the side is marked:

    red     a step that loses every row; a join in which nothing meets; a sum over left rows that the join multiplied
    amber   rows an inner join drops; rows of the "many" side that no join keeps; keys that repeat on both sides;
            a sum over looked-up values that the join repeats
    info    one row that becomes several, where nothing adds it up
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_magic.agents.quality.columns import made_of, trace
from pipeline_magic.agents.quality.describe import counted, listed, share
from pipeline_magic.agents.quality.reconcile import KEEPS_ROWS, RAW, UNMARKED, JoinKeys
from pipeline_magic.runs import Finding
from pipeline_magic.spec.model import Aggregate, Join, Step
from pipeline_magic.spec.typed import TypedSpec
from pipeline_magic.spec.types import parse_type

__all__ = ["Sum", "findings", "notes", "sums_after", "totals"]

_CONDITION = "Look at the condition: a value may be spelled differently, or a date lie outside the data."
_MOST_TOTALS = 6
Sum = tuple[str, str, str, str, bool]
"""A sum downstream of a join: (aggregate's id, measure, side, column of that side, grouped by the other side)."""


# --- sums after a join -------------------------------------------------------------------------------------------


def sums_after(typed: TypedSpec, join: Join) -> tuple[Sum, ...]:
    """Sums of single columns of one side of a join, in the aggregates that its rows reach first."""
    if join.how in {"semi", "anti"}:
        return ()
    made: list[Sum] = []
    for aggregate in _first_aggregates(typed, join.id):
        groups = {side for name in aggregate.group_by for side in _sides(typed, join, (aggregate.input, name))}
        for measure in aggregate.measures:
            for column in _summed(measure.expression):
                for place in sorted(_join_places(typed, join, (aggregate.input, column))):
                    side = "left" if place[0] == join.left else "right"
                    other = "right" if side == "left" else "left"
                    made.append((aggregate.id, measure.name, side, place[1], other in groups))
    return tuple(dict.fromkeys(made))


def totals(typed: TypedSpec, join: Join) -> tuple[tuple[str, str], ...]:
    """Columns worth a control total: (side, column) of what is added up after the join, numbers only."""
    wanted = dict.fromkeys((side, column) for _, _, side, column, _ in sums_after(typed, join))
    sides = {"left": join.left, "right": join.right}
    kinds = {(side, c.name): parse_type(c.type) for side, name in sides.items() for c in typed.node(name).columns}
    return tuple(column for column in wanted if kinds[column].numeric)[:_MOST_TOTALS]


def _first_aggregates(typed: TypedSpec, start: str) -> Iterator[Aggregate]:
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


# --- notes -------------------------------------------------------------------------------------------------------


def notes(typed: TypedSpec, counts: Mapping[str, int], joins: Mapping[str, JoinKeys]) -> dict[str, str]:
    """One line about each step of which there is something to say, numbers named."""
    made: dict[str, str] = {}
    for source in typed.spec.sources:
        raw = counts.get(source.alias + RAW)
        if raw and source.alias in counts:
            made[source.alias] = f"the filter keeps {share(counts[source.alias], raw)} of the table"
    for step in typed.spec.steps:
        if isinstance(step, Join) and step.id in joins:
            made[step.id] = join_note(typed, step, joins[step.id], counts)
        elif step.kind == "filter" and step.id in counts:
            before = counts.get(typed.node(step.id).inputs[0], 0)
            if before:
                made[step.id] = f"keeps {share(counts[step.id], before)} of the rows"
    return made


def join_note(typed: TypedSpec, join: Join, keys: JoinKeys, counts: Mapping[str, int]) -> str:
    """Who has no partner, and what becomes of them; who has several."""
    left, right = _called(typed, join, "left", counts), _called(typed, join, "right", counts)
    said = [f"{counted(keys.right)} of {right}"]
    if keys.unmatched:
        said.append(f"{without_partner(join, keys, 'left', left, right)}; {_fate(join, 'left', right)}")
    else:
        said.append(f"every row of {left} has a partner" if keys.left else f"{left} has no rows")
    if keys.unmatched_right:
        said.append(f"{without_partner(join, keys, 'right', right, left)}; {_fate(join, 'right', left)}")
    if join.how not in {"semi", "anti"} and keys.widest > 1:
        said.append(f"one row of {left} meets up to {keys.widest:,} of {right}")
    for (side, column), (before, after) in keys.sums.items():
        said.append(_total_in_words(column, left if side == "left" else right, before, after))
    return "; ".join(said)


def without_partner(join: Join, keys: JoinKeys, side: str, name: str, other: str) -> str:
    """``52,606 of 336,776 rows of flights have no partner in planes: 2,512 without a tailnum, 50,094 whose …``."""
    rows, nulls, orphans = (
        (keys.left, keys.left_null, keys.left_orphans)
        if side == "left"
        else (keys.right, keys.right_null, keys.right_orphans)
    )
    columns = listed(dict.fromkeys(getattr(key, side) for key in join.keys))
    parts = [f"{nulls:,} without {_article(columns)}"] if nulls else []
    parts += [f"{orphans:,} whose {columns} is not in {other}"] if orphans else []
    lost = nulls + orphans
    verb = "has" if lost == 1 else "have"
    return f"{lost:,} of {counted(rows)} of {name} {verb} no partner in {other}: {', '.join(parts)}"


def _article(name: str) -> str:
    if "," in name:
        return f"all of {name}"
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _fate(join: Join, side: str, other: str) -> str:
    if join.how == "semi":
        return "they are left out, as asked" if side == "left" else "nothing is taken from them"
    if join.how == "anti":
        return "they are kept, as asked" if side == "left" else "nothing is taken from them"
    kept = join.how in {side, "full"}
    return f"they are kept, with NULL in the columns of {other}" if kept else "they are lost"


def _called(typed: TypedSpec, join: Join, side: str, counts: Mapping[str, int]) -> str:
    """A side of a join, by the source whose rows it still holds where there is one, else by its own id."""
    node = join.left if side == "left" else join.right
    aliases = {source.alias for source in typed.spec.sources}
    if node in aliases:
        return node
    origins = set()
    for key in join.keys:
        for alias in aliases:
            if trace(typed, (node, getattr(key, side)), alias):
                origins.add(alias)
    if len(origins) == 1:
        (origin,) = origins
        if counts.get(origin) == counts.get(node):
            return origin
    return node


def _number(value: Any) -> str:
    number = float(value or 0)
    return f"{number:,.2f}".removesuffix(".00")


def _same(before: Any, after: Any) -> bool:
    return math.isclose(float(before or 0), float(after or 0), rel_tol=1e-9, abs_tol=1e-9)


def _total_in_words(column: str, name: str, before: Any, after: Any) -> str:
    if _same(before, after):
        return f"the sum of {column} stays {_number(before)}"
    return f"the sum of {column} is {_number(before)} in {name} and {_number(after)} after the join"


# --- findings ----------------------------------------------------------------------------------------------------


def findings(typed: TypedSpec, counts: Mapping[str, int], joins: Mapping[str, JoinKeys]) -> tuple[Finding, ...]:
    """What a person should know of rows lost, multiplied or counted twice, in the order of the nodes."""
    made: list[Finding] = []
    steps: dict[str, Step] = {step.id: step for step in typed.spec.steps}
    for node in typed.nodes:
        if node.id not in counts:
            continue
        step = steps.get(node.id)
        if step is None:
            made.extend(_of_source(node.id, counts, typed))
        elif isinstance(step, Join) and step.id in joins:
            made.extend(_of_join(typed, step, joins[step.id], counts))
        elif not counts[node.id] and any(counts.get(name) for name in node.inputs):
            made.append(_nothing_left(step, sum(counts.get(name, 0) for name in node.inputs)))
    return tuple(made)


def _of_source(alias: str, counts: Mapping[str, int], typed: TypedSpec) -> Iterator[Finding]:
    if unmarked := counts.get(alias + UNMARKED):
        mark = next(source.watermark for source in typed.spec.sources if source.alias == alias)
        yield Finding(
            id=f"watermark:{alias}",
            severity="amber",
            message=f"{unmarked:,} of {counted(counts[alias])} of `{alias}` have no {mark}: no run reads them.",
            where=f"sources.{alias}.watermark",
            hint="Choose a column that is never NULL, or read the source whole.",
        )
    if counts[alias]:
        return
    raw = counts.get(alias + RAW, 0)
    where = f"sources.{alias}.filter" if raw else f"sources.{alias}.table"
    message = f"`{typed.tables[alias].table}` has no rows."
    if raw:
        message = f"The filter of `{alias}` keeps none of {counted(raw)}."
    yield Finding(
        id=f"rows:{alias}",
        severity="red" if raw else "amber",
        message=message,
        where=where,
        hint=_CONDITION if raw else "",
    )


def _nothing_left(step: Step, rows: int) -> Finding:
    return Finding(
        id=f"rows:{step.id}",
        severity="red",
        message=f"`{step.id}` ({step.kind}) leaves none of {counted(rows)}.",
        where=f"steps.{step.id}",
        hint=_CONDITION,
    )


def _of_join(typed: TypedSpec, join: Join, keys: JoinKeys, counts: Mapping[str, int]) -> Iterator[Finding]:
    left, right = _called(typed, join, "left", counts), _called(typed, join, "right", counts)
    where = f"steps.{join.id}"
    yield from _loss(join, keys, left, right)
    if counts[join.id] != keys.expected(join.how):
        yield Finding(
            id=f"count:{join.id}",
            severity="amber",
            message=f"`{join.id}` gives {counted(counts[join.id])}, while its keys make {keys.expected(join.how):,}.",
            where=where,
            hint="The keys may have types that compare differently; cast both to one type.",
        )
    if join.how in {"semi", "anti"}:
        return
    counted_twice = list(_counted_twice(typed, join, keys, left, right))
    yield from counted_twice
    if keys.crossed and not any(finding.severity == "red" for finding in counted_twice):
        yield Finding(
            id=f"fanout:{join.id}",
            severity="amber",
            message=(
                f"In `{join.id}` keys repeat on both sides: {keys.crossed:,} of {counted(counts[join.id])} are "
                f"every row of {left} with every row of {right} of the same key."
            ),
            where=where,
            hint="Make one side unique first (deduplicate or aggregate), or add a key to the join.",
        )
    elif keys.multiplied and not keys.crossed and not any(_first_aggregates(typed, join.id)):
        yield Finding(
            id=f"fanout:{join.id}",
            severity="info",
            message=(
                f"`{join.id}` gives one row for each of {right}: {counted(keys.multiplied)} of {left} "
                f"{'stands' if keys.multiplied == 1 else 'stand'} there several times, up to {keys.widest:,}."
            ),
            where=where,
        )


def _loss(join: Join, keys: JoinKeys, left: str, right: str) -> Iterator[Finding]:
    where, kept = f"steps.{join.id}.how", join.how
    if kept in {"semi", "anti"}:
        if keys.left and not keys.expected(kept):
            word = "has a partner" if kept == "anti" else "has no partner"
            yield _red(join, f"`{join.id}` leaves nothing: every row of {left} {word} in {right}.", where)
        return
    if keys.left and keys.right and not keys.pairs:
        names = listed(f"{key.left} = {key.right}" for key in join.keys)
        after = "the result is empty" if kept == "inner" else "the columns of one side would always be NULL"
        met = f"In `{join.id}` no row of {left} meets a row of {right} by {names}; {after}."
        yield _red(join, met, f"steps.{join.id}.keys")
        return
    if kept == "inner" and keys.left and not keys.right:
        yield _red(join, f"`{join.id}` loses all {counted(keys.left)} of {left}, because {right} has no rows.", where)
        return
    lost = []
    if keys.unmatched and kept in {"inner", "right"}:
        lost.append(without_partner(join, keys, "left", left, right))
    many = keys.multiplied > 0 and not keys.multiplied_right
    if keys.unmatched_right and kept in {"inner", "left"} and many:
        lost.append(without_partner(join, keys, "right", right, left))
    if lost:
        money = [
            _total_in_words(column, left if side == "left" else right, before, after)
            for (side, column), (before, after) in keys.sums.items()
            if not _same(before, after)
        ]
        yield Finding(
            id=f"loss:{join.id}",
            severity="amber",
            message=f"`{join.id}` ({kept} join) loses rows: {'; '.join([*lost, *money])}.",
            where=where,
            hint=f"A {'left' if kept == 'inner' and keys.unmatched and len(lost) == 1 else 'full'} join keeps them.",
        )


def _red(join: Join, message: str, where: str) -> Finding:
    hint = "Look at the keys: they may name the wrong columns, or be spelled differently on both sides."
    return Finding(id=f"loss:{join.id}", severity="red", message=message, where=where, hint=hint)


def _counted_twice(typed: TypedSpec, join: Join, keys: JoinKeys, left: str, right: str) -> Iterator[Finding]:
    for aggregate, measure, side, column, grouped in sums_after(typed, join):
        repeated = keys.multiplied if side == "left" else keys.multiplied_right
        if not repeated:
            continue
        name, other = (left, right) if side == "left" else (right, left)
        before, after = keys.sums.get((side, column), (None, None))
        numbers = ""
        if before is not None:
            numbers = f" Its sum is {_number(before)} before the join and {_number(after)} after it."
        several = f"rows of {name} that meet several of {other} count several times ({repeated:,} do)"
        yield Finding(
            id=f"twice:{aggregate}.{measure}",
            severity="red" if side == "left" and not grouped else "amber",
            message=f"`{measure}` adds up `{column}` after `{join.id}`, where {several}.{numbers}",
            where=f"steps.{aggregate}.measures.{measure}",
            hint=f"Add up {name} before the join, or take max({column}) of each row.",
        )
