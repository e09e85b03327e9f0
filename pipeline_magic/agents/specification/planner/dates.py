"""Dates in words: ``1997``, ``March 1996``, ``the last 30 days``, ``Q1 2023`` as half-open periods of Spark SQL.

A relative period stays relative: it is an expression over ``run_time()``, so that a retry of the same run sees the same
rows. Days are calendar days of the session; ``last 30 days`` starts 30 days before the day of the run and has no end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.lexicon import MONTHS
from pipeline_magic.agents.specification.planner.text import number_of

__all__ = ["Period", "back", "period_at"]

_DAY = "to_date(run_time())"


@dataclass(frozen=True)
class Period:
    """From `low` to before `high` (SQL; None: without end); `end` is the index after its last token.

    Attributes:
        year, month: Set for whole years and months, for tables that keep these as numbers.
        relative: It depends on the time of the run.
    """

    end: int
    low: str
    high: str | None
    year: int | None = None
    month: int | None = None
    relative: bool = False


def _literal(day: date) -> str:
    return f"DATE '{day.isoformat()}'"


def _span(end: int, low: date, high: date, year: int | None = None, month: int | None = None) -> Period:
    return Period(end, _literal(low), _literal(high), year, month)


def _month_after(year: int, month: int) -> date:
    return date(year + month // 12, month % 12 + 1, 1)


def period_at(c: Context, i: int) -> Period | None:
    """The period said at token `i`; None when there is none."""
    i = c.skip(i, "the|year|month of|whole of")
    if i >= len(c.tokens):
        return None
    for read in (_iso, _month_and_year, _quarter, _relative, _year):
        try:
            period = read(c, i)
        except (ValueError, OverflowError):
            return None
        if period is not None and period.end <= c.end(i):
            return period
    return None


def _iso(c: Context, i: int) -> Period | None:
    token = c.tokens[i]
    text = token.low.strip() if token.kind in {"date", "quoted"} else ""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        day = date.fromisoformat(text)
        return _span(i + 1, day, day + timedelta(days=1))
    if re.fullmatch(r"\d{4}-\d{2}", text):
        first = date.fromisoformat(text + "-01")
        return _span(i + 1, first, _month_after(first.year, first.month), first.year, first.month)
    return None


def _year_of(c: Context, i: int) -> int | None:
    token = c.tokens[i] if i < c.end(i) else None
    if token is not None and token.kind == "number" and re.fullmatch(r"(19|20)\d\d", token.text):
        return int(token.text)
    return None


def _year(c: Context, i: int) -> Period | None:
    year = _year_of(c, i)
    return _span(i + 1, date(year, 1, 1), date(year + 1, 1, 1), year) if year else None


def _month_and_year(c: Context, i: int) -> Period | None:
    """``March 1996``, ``March 5, 1996``, ``5 March 1996``, ``5th of March 1996``."""
    day, at = None, i
    head = re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?", c.low(at))
    if head and 1 <= int(head[1]) <= 31:
        day, at = int(head[1]), c.skip(at + 1, "of")
    month = MONTHS.get(c.low(at))
    if month is None or (c.low(at) in {"may", "mar", "sep", "dec"} and at + 1 >= c.end(i)):
        return None
    at += 1
    tail = re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?", c.low(at)) if day is None and at < c.end(i) else None
    if tail:
        day, at = int(tail[1]), at + 1
    at = c.skip(at, ",|of")
    year = _year_of(c, at) if at < c.end(i) else None
    if year is None:
        return None
    if day is not None:
        first = date(year, month, day)
        return _span(at + 1, first, first + timedelta(days=1))
    return _span(at + 1, date(year, month, 1), _month_after(year, month), year, month)


_ORDINALS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "last": 4}


def _quarter(c: Context, i: int) -> Period | None:
    """``Q1 2023``, ``first quarter of 2023``, ``first half of 2023``."""
    match = re.fullmatch(r"q([1-4])", c.low(i))
    number, at, months = (int(match[1]), i + 1, 3) if match else (0, i, 3)
    if not number and c.low(i) in _ORDINALS and c.low(i + 1) in {"quarter", "half"}:
        months = 3 if c.low(i + 1) == "quarter" else 6
        number, at = _ORDINALS[c.low(i)], i + 2
        if months == 6:
            number = min(number, 2)
    if not number:
        return None
    at = c.skip(at, "of|the|year|in|,")
    year = _year_of(c, at) if at < c.end(i) else None
    if year is None:
        return None
    first = date(year, months * (number - 1) + 1, 1)
    return _span(at + 1, first, _month_after(year, months * number))


_UNITS = {"day": "DAY", "week": "WEEK", "month": "MONTH", "quarter": "QUARTER", "year": "YEAR"}
_HOURS = {"hour": "HOURS", "minute": "MINUTES"}


def _back(unit: str, count: int, base: str = _DAY) -> str:
    if unit == "DAY":
        return f"date_sub({base}, {count})"
    if unit == "WEEK":
        return f"date_sub({base}, {7 * count})"
    return f"add_months({base}, -{count * {'MONTH': 1, 'QUARTER': 3, 'YEAR': 12}[unit]})"


def back(unit: str, count: int) -> str:
    """The day so many days, weeks, months or years before the run, for the stem of a unit; empty for others."""
    return _back(_UNITS[unit], count) if unit in _UNITS and count <= 100_000 else ""


def _start(unit: str) -> str:
    return _DAY if unit == "DAY" else f"to_date(date_trunc('{unit}', run_time()))"


def _relative(c: Context, i: int) -> Period | None:
    low = c.low(i)
    if low == "today":
        return Period(i + 1, _DAY, None, relative=True)
    if low == "yesterday":
        return Period(i + 1, _back("DAY", 1), _DAY, relative=True)
    if low == "previous" and c.low(i + 1) in {"calendar", "iso", "full"}:
        i, low = i + 1, "previous"
    unit = c.tokens[i + 1].stem if i + 1 < c.end(i) else ""
    if low in {"this", "current"} and unit in _UNITS:
        far = c.match(i + 2, "so far|to date|until now|up to now|until today|up to today")
        if far is not None:
            return Period(far, _start(_UNITS[unit]), f"date_add({_DAY}, 1)", relative=True)
        return Period(i + 2, _start(_UNITS[unit]), None, relative=True)
    if low in {"last", "past", "previous", "prior", "iso", "calendar", "full"}:
        if unit in _UNITS:
            name = _UNITS[unit]
            said = c.match(
                c.skip(i + 2, ",|("),
                f"not including the current {unit}|excluding the current {unit}|not including this {unit}",
            )
            end = c.skip(said, ")") if said is not None else i + 2
            return Period(end, _back(name, 1, _start(name)), _start(name), relative=True)
        return _last_n(c, i)
    if low in {"next", "coming", "following"}:
        return _next_n(c, i)
    count = number_of(c.tokens[i])
    if count and "." not in count and unit in _UNITS and c.low(i + 2) == "ago":
        return Period(i + 3, _back(_UNITS[unit], int(count)), None, relative=True)
    return None


def _next_n(c: Context, i: int) -> Period | None:
    """``next 30 days``: from the day of the run to the day so far ahead, both included."""
    count = number_of(c.tokens[i + 1]) if i + 1 < c.end(i) else None
    days = {"day": 1, "week": 7}.get(c.tokens[i + 2].stem if i + 2 < c.end(i) else "", 0)
    if not count or not count.isdigit() or not days or int(count) > 100_000:
        return None
    return Period(i + 3, _DAY, f"date_add({_DAY}, {int(count) * days + 1})", relative=True)


def _last_n(c: Context, i: int) -> Period | None:
    """``last 30 days``, ``past 6 months excluding the current month``, ``last 3 full months``."""
    count = number_of(c.tokens[i + 1]) if i + 1 < c.end(i) else None
    if not count or "." in count or int(count) > 100_000:
        return None
    at = c.skip(i + 2, "full|calendar|complete|whole|iso")
    whole = at > i + 2
    unit = c.tokens[at].stem if at < c.end(i) else ""
    if unit in _HOURS:
        return Period(at + 1, f"run_time() - INTERVAL {int(count)} {_HOURS[unit]}", None, relative=True)
    if unit not in _UNITS:
        return None
    name = _UNITS[unit]
    end = at + 1
    after = c.skip(end, ",|(|not|excluding|without")
    excluded = c.match(
        after,
        f"the current {unit}|current {unit}|including the current {unit}|this {unit}|the current one|this one|"
        f"the running {unit}|the ongoing {unit}|the running one",
    )
    if whole or (after > end and excluded):
        end = excluded or end
        end = c.skip(end, ")") if excluded else end
        return Period(end, _back(name, int(count), _start(name)), _start(name), relative=True)
    inclusive = c.match(c.skip(end, ",|("), "inclusive of today date|inclusive of today|including today|inclusive")
    return Period(c.skip(inclusive, ")") if inclusive else end, _back(name, int(count)), None, relative=True)
