"""Measures that the statement explains elsewhere: ``ASP = average sale price``; the whole explanation must be read."""

from __future__ import annotations

from dataclasses import replace

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.counts import (
    count_of,
    counted_behind,
)
from pipeline_magic.agents.specification.planner.intent import Item, Measure, Use, refs_in
from pipeline_magic.agents.specification.planner.measures import functions_of, revenue_of
from pipeline_magic.agents.specification.planner.text import number_of
from pipeline_magic.spec.names import slug

__all__ = ["read_explained"]


def read_explained(c: Context, i: int) -> Found | None:
    """A short name that the statement explains elsewhere: ``ASP = average sale price``; all of it must be read."""
    place = c.definitions.get(c.low(i)) if i < len(c.tokens) else None
    if place is None or place[0] <= i < place[1]:
        return None
    total = _sum_of(c, place[0], place[1])
    if total is None:
        return None
    again = {token.low for j, token in enumerate(c.tokens) if c.starts[j] != c.starts[place[0]]} | _TRAILING
    if any(c.tokens[j].kind != "punct" and c.low(j) not in again for j in range(total[0], place[1])):
        return None
    _, expression, uses = total
    tables = [ref.table for ref in refs_in(expression)]
    table = tables[0] if tables else next((item.table for item in uses if isinstance(item, Use)), "")
    made = Measure(i, i + 1, slug(c.low(i)), expression, table, (c.low(i),))
    return Found(i + 1, "measure", (*(replace(item, start=i, end=i + 1) for item in uses), made))


_Part = tuple[int, str, tuple[Item, ...]]
"""Where it ends, its template, and the tables it names."""

_TRAILING = {"in", "the", "for", "each", "of", "table", "tables"}


def _sum_of(c: Context, i: int, end: int, *, products: bool = False) -> _Part | None:
    """Measures with signs between them: ``(total revenue - total cost) / total cost * 100``."""
    first = _one_of(c, i, end) if products else _sum_of(c, i, end, products=True)
    signs = (
        {"/": "/|divided by|over", "*": "*|x|times|multiplied by"} if products else {"-": "-|minus|less", "+": "+|plus"}
    )
    while first is not None and first[0] < end:
        sign = next(((s, after) for s, words in signs.items() if (after := c.match(first[0], words)) is not None), None)
        if sign is None:
            break
        following = _one_of(c, sign[1], end) if products else _sum_of(c, sign[1], end, products=True)
        if following is None:
            return None
        right = f"nullif({following[1]}, 0)" if sign[0] == "/" else following[1]
        first = following[0], f"{first[1]} {sign[0]} {right}", (*first[2], *following[2])
    return first


def _one_of(c: Context, i: int, end: int) -> _Part | None:
    i = c.skip(i, "the")
    if c.low(i) == "(":
        inner = _sum_of(c, i + 1, end)
        return (inner[0] + 1, f"({inner[1]})", inner[2]) if inner is not None and c.low(inner[0]) == ")" else None
    found = next((made for read in _SIMPLE if (made := read(c, i)) is not None), None)
    measures = [item for item in found.items if isinstance(item, Measure)] if found is not None else []
    if found is not None and len(measures) == 1 and found.end <= end:
        return found.end, measures[0].expression, tuple(item for item in found.items if isinstance(item, Use))
    number = number_of(c.tokens[i]) if i < end else None
    return (i + 1, number, ()) if number is not None else None


def _plain(c: Context, i: int) -> Found | None:
    return functions_of(c, i, formulas=False)


_SIMPLE = (count_of, _plain, revenue_of, counted_behind)
