"""The period that has most of something: ``In which month of 2024 were the most bookings made?``

The period is a group, what is counted or summed stands behind a superlative of the same sentence, and one row is left.
"""

from __future__ import annotations

from dataclasses import replace

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.counts import counted, said
from pipeline_magic.agents.specification.planner.grouping import period_key
from pipeline_magic.agents.specification.planner.intent import (
    Filter,
    Group,
    Measure,
    Top,
    Use,
    col,
    measure_ref,
    refs_in,
    texts_of,
)
from pipeline_magic.agents.specification.planner.measures import functions_of

__all__ = ["read_busiest", "read_which_period"]

_WHICH = "in which|on which|at which|during which|in what|on what|at what|during what|which|what"
_PERIOD = {"month", "day", "weekday", "hour", "year", "quarter", "week"}
_MOST = "the most|most|the highest number of|the largest number of|the greatest number of|the biggest number of"
_LEAST = "the fewest|fewest|the lowest number of|the smallest number of"
_HIGH, _LOW = "the highest|the largest|the greatest|the biggest", "the lowest|the smallest"


def _superlative(c: Context, i: int) -> tuple[int, bool, bool] | None:
    """Where a superlative ends, whether the most is meant, and whether rows are counted."""
    for words, most, rows in ((_MOST, True, True), (_LEAST, False, True), (_HIGH, True, False), (_LOW, False, False)):
        end = c.match(i, words)
        if end is not None:
            return end, most, rows
    return None


def read_which_period(c: Context, i: int) -> Found | None:
    """``In which month``: a group, where the sentence goes on with a superlative."""
    at = c.match(i, _WHICH)
    if at is None or i != c.starts[i] or at >= c.end(i) or c.tokens[at].stem not in _PERIOD:
        return None
    if not any(_what(c, j) is not None for j in range(at + 1, min(c.end(i), at + 24))):
        return None
    found = period_key(c, at)
    refs = (
        {ref for item in found.items for text in texts_of(item) for ref in refs_in(text)} if found is not None else ()
    )
    known = (Filter(i, found.end, f"{col(ref)} IS NOT NULL") for ref in refs) if found is not None else ()
    return replace(found, items=(*found.items, *known)) if found is not None else None


def _what(c: Context, i: int) -> Found | None:
    opened = _superlative(c, i)
    if opened is None:
        return None
    end, most, rows = opened
    if rows:
        link = c.table_at(end)
        if link is None:
            return None
        name = f"{'_'.join(link.table.words)}_count"
        made = Measure(i, link.end, name, counted(c, link.table), link.table.name, said(c, i, link.end))
        top = Top(i, link.end, 1, measure_ref(name), most)
        return Found(link.end, "measure", (Use(link.start, link.end, link.table.name), made, top))
    inner = functions_of(c, end)
    measures = [item for item in inner.items if isinstance(item, Measure)] if inner is not None else []
    if inner is None or len(measures) != 1:
        return None
    top = Top(i, inner.end, 1, measure_ref(measures[0].name), most)
    return Found(inner.end, "measure", (*inner.items, top))


def read_busiest(c: Context, i: int) -> Found | None:
    """What the period has most of, in a sentence that asks for the period."""
    first = c.starts[i]
    asked = c.match(first, _WHICH)
    groups = [item for item in c.of(Group) if item.start == asked]
    if asked is None or not groups or c.tokens[asked].stem not in _PERIOD or c.of(Top):
        return None
    return _what(c, i)
