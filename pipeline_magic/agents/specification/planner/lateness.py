"""Days between what was due and what was done: ``paid more than 10 days late``, ``the average days late``.

Two date columns of one table tell it: one that is called by the verb (or says that something was done), and one that
says when it was due. Where a table has more than one pair, or none, nothing is read, and the words are asked about.
"""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.intent import col
from pipeline_magic.agents.specification.planner.listing import akin
from pipeline_magic.agents.specification.planner.moments import Span, compared_with, length_at
from pipeline_magic.agents.specification.planner.text import lemmas, number_of
from pipeline_magic.agents.specification.planner.values import Condition, comparison_at

__all__ = ["days_late_at", "late"]

_DUE = {"due", "deadline", "promis", "promised", "expect", "expected", "plan", "planned", "commit", "require",
        "required", "schedul", "scheduled", "target"}  # fmt: skip
_DONE = {"pay", "paid", "receipt", "receive", "received", "deliver", "delivered", "return", "returned", "complete",
         "completed", "finish", "finished", "actual", "close", "closed", "done", "settle", "settled"}  # fmt: skip


def _pair(table: TableInfo, verb: frozenset[str]) -> tuple[ColumnInfo, ColumnInfo] | None:
    """The dates of a table that say when it was done and when it was due; of several, those that the verb names."""
    dates = table.of_kind("date", "timestamp")
    due = _named([column for column in dates if _DUE & {*column.words}], verb)
    done = _named([column for column in dates if column not in due and verb & {*column.words}], verb)
    done = done or _named([c for c in dates if not _DUE & {*c.words} and any(_akin(c, form) for form in verb)], verb)
    done = done or [column for column in dates if column not in due and _DONE & {*column.words}]
    return (done[0], due[0]) if len(due) == 1 and len(done) == 1 else None


def _named(columns: list[ColumnInfo], verb: frozenset[str]) -> list[ColumnInfo]:
    """Of more than one column, those with the noun of the verb: ``departed`` and `scheduled_departure`."""
    own = [column for column in columns if any(_akin(column, form) for form in verb)]
    return own if len(columns) > 1 and own else columns


def _akin(column: ColumnInfo, form: str) -> bool:
    return len(form) > 3 and any(akin(form, word) for word in column.words)


def _found(c: Context, i: int, about: TableInfo | None, verb: frozenset[str]) -> tuple[ColumnInfo, ColumnInfo] | None:
    for table in (about,) if about else c.focus(i):
        pair = _pair(table, verb)
        if pair is not None:
            return pair
    return None


_VERB = re.compile(r"\w{2,}ed|paid|sent|made|done")


def late(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``paid more than 10 days late``, ``delivered late``, ``at least 5 days overdue``; not paid is not paid late."""
    verb = frozenset[str]()
    at = i
    if i < c.end(i) and _VERB.fullmatch(c.low(i)):
        verb, at = frozenset({c.low(i), *lemmas(c.low(i))}), i + 1
    compared = comparison_at(c, at)
    start = compared[0] if compared is not None else at
    number = number_of(c.tokens[start]) if start < c.end(i) else None
    length = length_at(c, start) if number is not None else None
    unit = length[0] if length is not None else None
    end = c.match(unit if unit is not None else at, "too late|late|overdue|behind schedule")
    if end is None or (unit is None and (compared is not None or not verb)):
        return None
    if c.match(end, "night|fee|fees|in the|for") is not None:
        return None
    pair = _found(c, i, about, verb)
    if pair is None:
        return None
    done, due = pair
    reason = f"late is read as {done.name} after {due.name}"
    if unit is None or number is None:
        return Condition(end, f"{col(done.ref)} > {col(due.ref)}", reason)
    operator = compared[1] if compared is not None else "="
    if operator in {"<", "<="} or length is None:
        return None  # whether what came in time is less than 3 days late, the words leave open
    text = compared_with(Span(end, done, due), operator, length[1], length[2])
    if length[2] in {"day", "week"}:
        text = f"datediff({col(done.ref)}, {col(due.ref)}) {operator} {length[1] * (7 if length[2] == 'week' else 1)}"
    return Condition(end, text, reason) if text is not None else None


def days_late_at(c: Context, i: int) -> tuple[int, str, str] | None:
    """``days late``, ``number of days overdue``, ``how many days late they were``: the end, a template, the table."""
    at = c.skip(i, "the|number of|how many")
    end = c.match(at, "days late|days overdue|days of delay|delay in days|lateness in days")
    if end is None or end > c.end(i):
        return None
    pair = _found(c, i, None, frozenset())
    if pair is None:
        return None
    end = c.skip(end, "they were|it was|each was|they are|it is")
    return end, f"datediff({col(pair[0].ref)}, {col(pair[1].ref)})", pair[0].ref.table
