"""Days of the week as conditions: ``on weekends``, ``on a Monday``, ``on Saturdays or Sundays``."""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.datetie import date_meant
from pipeline_magic.agents.specification.planner.entities import TableInfo
from pipeline_magic.agents.specification.planner.intent import col
from pipeline_magic.agents.specification.planner.linking import ColumnLink
from pipeline_magic.agents.specification.planner.values import Condition

__all__ = ["on_days"]

_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_WEEKEND = "on weekends|on a weekend|on the weekend|at the weekend|at weekends|during weekends|during the weekend"
_WORKING = "on weekdays|on a weekday|during weekdays|on working days"


def on_days(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """Rows of these days of any week; weekdays beside weekends are two things, and no condition."""
    out = c.match(i, _WEEKEND)
    working = c.match(i, _WORKING) if out is None else None
    named = _named(c, i) if out is None and working is None else None
    end = out or working or (named[0] if named is not None else None)
    if end is None or _both(c, i):
        return None
    found = date_meant(c, i, about)
    if found is None:
        return None
    tied = ColumnLink(i, i + 1, found[0], 0.5, found[1]) if found[1] else None
    day = f"dayofweek({col(found[0].ref)})"
    if named is not None:
        numbers = [str(number) for number in named[1]]
        text = f"{day} = {numbers[0]}" if len(numbers) == 1 else f"{day} IN ({', '.join(numbers)})"
        return Condition(end, text, f"the day of {found[0].name}", tied)
    within = "IN" if out is not None else "NOT IN"
    return Condition(end, f"{day} {within} (1, 7)", "weekends are Saturday and Sunday", tied)


def _both(c: Context, i: int) -> bool:
    """``on weekdays and on weekends`` parts the rows; nothing is left out."""
    words = {token.stem for token, start in zip(c.tokens, c.starts, strict=False) if start == c.starts[i]}
    return {"weekend", "weekday"} <= words


def _day_at(c: Context, i: int) -> int | None:
    low = c.low(i)
    return _DAYS.index(low.rstrip("s")) + 1 if low.rstrip("s") in _DAYS and i < c.end(i - 1) else None


def _named(c: Context, i: int) -> tuple[int, list[int]] | None:
    """``on a Monday``, ``on Saturdays or Sundays``; a date behind it makes it that one day."""
    at = c.match(i, "on a|on|on any|on every")
    number = _day_at(c, at) if at is not None else None
    if at is None or number is None:
        return None
    found, end = [number], at + 1
    while (after := c.match(end, ", or|or on|or|, and|and on|and|,")) is not None:
        more = _day_at(c, after)
        if more is None:
            break
        found.append(more)
        end = after + 1
    if c.match(end, "and|or") is None and end < c.end(i) and c.tokens[end].kind in {"number", "date", "time"}:
        return None
    plural = c.low(end - 1).endswith("s") or c.low(at - 1) in {"a", "any", "every"}
    return (end, sorted(set(found))) if plural or len(found) > 1 else None
