"""Dates that are shown under other words: ``when it was raised``, ``with its date``, ``order date``."""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.intent import Selected, Top, Use, refs_in
from pipeline_magic.agents.specification.planner.periods import date_column
from pipeline_magic.agents.specification.planner.text import lemmas

__all__ = ["shown_date"]


def shown_date(c: Context, i: int) -> Found | None:
    """A date to be shown that is not called by its column's name."""
    return _when_done(c, i) or _own_date(c, i) or _table_date(c, i)


def _when_done(c: Context, i: int) -> Found | None:
    """``when it was raised``, ``the day it was billed``: the one date called by the verb, of a table that is named."""
    at = c.match(i, "when|the day|the date|the time|day|date|time|the moment|on what day|what day")
    at = c.skip(at, "on which|at which|when|that") if at is not None else None
    done = c.match(at, "it was|they were|it is|it got|it has been|they have been") if at is not None else None
    if done is None or done >= c.end(i) or c.low(done - 1) not in {"was", "were", "is", "got", "been"}:
        return None
    forms = {form for form in lemmas(c.low(done)) if len(form) > 2}
    used = dict.fromkeys([*(use.table for use in c.of(Use)), *c.linker.scope])
    hits = [
        column.ref
        for name in used
        for column in c.linker.tables[name].of_kind("date", "timestamp")
        if forms & {*column.words, *column.said}
    ]
    return Found(done + 1, "select", (Selected(i, done + 1, hits[0]),)) if len(hits) == 1 else None


def _own_date(c: Context, i: int) -> Found | None:
    """``the largest deposit per account with its date``: the date of the rows that are ranked."""
    at = c.match(i, "date|day|time")
    tops = [item for item in c.of(Top) if item.entity]
    if at is None or c.low(i - 1) not in {"its", "their"} or not tops:
        return None
    own = date_column(c, i, c.linker.tables[tops[-1].entity])
    if own is None or own[1]:
        return None
    ranked = [ref for text in (*tops[-1].per, tops[-1].order or "") for ref in refs_in(text)]
    return Found(at, "select", tuple(Selected(i, at, ref) for ref in (*ranked, own[0].ref)))


def _table_date(c: Context, i: int) -> Found | None:
    """``order date`` where the table of orders keeps one date under another name."""
    link = c.table_at(i)
    at = c.match(link.end, "date|time|timestamp") if link is not None else None
    if link is None or at is None or c.linker.column_at(i, kinds=("date", "timestamp"), least=0.9) is not None:
        return None
    own = date_column(c, i, link.table)
    if own is None or own[1]:
        return None
    return Found(at, "select", (Use(link.start, link.end, link.table.name), Selected(i, at, own[0].ref)))
