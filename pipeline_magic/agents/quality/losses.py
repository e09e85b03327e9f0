"""What the counts of a reconciliation mean: findings where rows are lost or counted twice. Pure.

What was asked for is said and not marked: a filter, a top, a semi or anti join. What a plan does on the side is marked:

    red     a step that loses every row; a join in which nothing meets; a sum over left rows that the join multiplied
    amber   rows an inner join drops; rows of the "many" side that no join keeps; keys that repeat on both sides;
            a sum over looked-up values that the join repeats
    info    one row that becomes several, where nothing adds it up
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline_magic.agents.quality.describe import counted, listed
from pipeline_magic.agents.quality.notes import called, figure, same_total, total_in_words, without_partner
from pipeline_magic.agents.quality.reconcile import RAW, UNMARKED, JoinKeys
from pipeline_magic.agents.quality.totals import first_aggregates, sums_after
from pipeline_magic.runs import Finding
from pipeline_magic.spec.model import Join, Step
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["findings"]

_CONDITION = "Look at the condition: a value may be spelled differently, or a date lie outside the data."


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
    left, right = called(typed, join, "left", counts), called(typed, join, "right", counts)
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
    elif keys.multiplied and not keys.crossed and not any(first_aggregates(typed, join.id)):
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
            total_in_words(column, left if side == "left" else right, before, after)
            for (side, column), (before, after) in keys.sums.items()
            if not same_total(before, after)
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
            numbers = f" Its sum is {figure(before)} before the join and {figure(after)} after it."
        several = f"rows of {name} that meet several of {other} count several times ({repeated:,} do)"
        yield Finding(
            id=f"twice:{aggregate}.{measure}",
            severity="red" if side == "left" and not grouped else "amber",
            message=f"`{measure}` adds up `{column}` after `{join.id}`, where {several}.{numbers}",
            where=f"steps.{aggregate}.measures.{measure}",
            hint=f"Add up {name} before the join, or take max({column}) of each row.",
        )
