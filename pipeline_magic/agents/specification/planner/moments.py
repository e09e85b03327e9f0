"""The time between two moments of a row: ``from reported to resolved``, ``between the order and its delivery``.

Both ends are date columns of one table that words tell, wholly and uniquely; where they do not, nothing is read, and
the words are asked about. Days are counted from midnight to midnight; hours and minutes need columns that hold them.
Not here: names that a statement gives such a time; see `durations`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.intent import col
from pipeline_magic.agents.specification.planner.listing import akin
from pipeline_magic.agents.specification.planner.text import number_of

__all__ = ["Span", "compared_with", "in_unit", "length_at", "span_at", "unit_at"]

_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_DAYS = {"day": 1, "week": 7}
_UNITS = (*_SECONDS, *_DAYS)
_MOST = 7
"""Most words of one end."""
_EMPTY = {
    "the", "a", "an", "its", "their", "his", "her", "of", "time", "date", "day", "moment", "timestamp", "when", "it",
    "was", "were", "is", "being", "they", "point", "in", "actually", "really", "been", "has", "had",
}  # fmt: skip
_SIDES = {"scheduled", "planned", "actual", "expected", "estimated", "real", "promised", "due", "requested"}
"""Words that tell two columns of one noun apart: alone, they name no moment beside one that has its noun."""
_KIND_WORDS = {"date", "day", "time", "timestamp", "ts", "at", "on", "dt", "tm", "utc", "when", "moment"}
_STOPS = {
    "and", "to", "until", "till", "for", "per", "by", "in", "from", "with", "that", "which", "who", "where", "as", "is",
    "only", "at", "on", "between", "each", "every",
}  # fmt: skip


@dataclass(frozen=True)
class Span:
    """From `early` to `late`, columns of one table; said up to before token `end`."""

    end: int
    late: ColumnInfo
    early: ColumnInfo

    @property
    def table(self) -> str:
        return self.late.ref.table


def span_at(c: Context, i: int, limit: int | None = None) -> Span | None:
    """``from A to B``, ``between A and B``, ``B minus A``; as much as tells two moments."""
    limit = c.end(i) if limit is None else min(limit, c.end(i))
    opened = c.match(i, "from|between")
    if opened is None:
        return _difference(c, i, limit)
    joiners = {"and"} if c.low(i) == "between" else {"to", "until", "till"}
    for joint in range(opened + 1, min(opened + _MOST, limit)):
        if c.low(joint) not in joiners:
            continue
        after = joint + 1
        last = next((j for j in range(after, min(after + _MOST, limit)) if _ends(c, j)), min(after + _MOST, limit))
        for stop in range(last, after, -1):
            pair = _pair(c, i, (opened, joint), (after, stop))
            if pair is not None:
                return Span(stop, pair[1], pair[0])
    return None


def _difference(c: Context, i: int, limit: int) -> Span | None:
    """``actual arrival minus scheduled arrival``: the later one comes first."""
    minus = next((j for j in range(i + 1, min(i + _MOST, limit)) if c.low(j) in {"-", "minus"}), None)
    if minus is None:
        return None
    after = minus + 1
    last = next((j for j in range(after, min(after + _MOST, limit)) if _ends(c, j)), min(after + _MOST, limit))
    for stop in range(last, after, -1):
        pair = _pair(c, i, (i, minus), (after, stop))
        if pair is not None:
            return Span(stop, pair[0], pair[1])
    return None


def _ends(c: Context, j: int) -> bool:
    return c.tokens[j].kind != "word" or c.low(j) in _STOPS


def _pair(c: Context, i: int, first: tuple[int, int], second: tuple[int, int]) -> tuple[ColumnInfo, ColumnInfo] | None:
    """The two columns, of the one table that has both: one that is named, or else one near by."""
    one, other = _words(c, *first), _words(c, *second)
    if not one or not other:
        return None
    for names in (tuple(c.linker.scope), tuple(c.linker.near)):
        found = [pair for name in dict.fromkeys(names) if (pair := _both(c.linker.tables[name], one, other))]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _words(c: Context, start: int, stop: int) -> tuple[str, ...]:
    """The words of one end that carry meaning; none where something else stands between them."""
    if any(c.tokens[j].kind != "word" for j in range(start, stop)):
        return ()
    return tuple(c.low(j) for j in range(start, stop) if c.low(j) not in _EMPTY)


def _both(table: TableInfo, one: tuple[str, ...], other: tuple[str, ...]) -> tuple[ColumnInfo, ColumnInfo] | None:
    shared = (*one, other[-1]) if len(other) > 1 and len(one) == 1 else ()
    first = _moment(table, shared) if shared else None
    if first is None and not (shared and one[0] in _SIDES):
        first = _moment(table, one)
    second = _moment(table, other)
    if second is None and len(one) > 1 and len(other) == 1:
        second = _moment(table, (*other, one[-1]))
    return (first, second) if first is not None and second is not None and first.ref != second.ref else None


def _moment(table: TableInfo, words: tuple[str, ...]) -> ColumnInfo | None:
    """The one date that all the words fit, best."""
    scored: list[tuple[int, ColumnInfo]] = []
    for column in table.of_kind("date", "timestamp"):
        parts = [part for part in column.words if part not in _KIND_WORDS]
        own = [part for part in parts if any(akin(word, part) for word in words)]
        whole = all(any(akin(word, part) for part in (*parts, *table.words)) for word in words)
        if own and whole:
            scored.append((len(parts) - len(own), column))
    best = min((score for score, _ in scored), default=0)
    fitting = [column for score, column in scored if score == best]
    return fitting[0] if len(fitting) == 1 else None


def in_unit(span: Span, unit: str) -> str | None:
    """The length of a span as a template; None where its columns do not hold what the unit counts."""
    late, early = col(span.late.ref), col(span.early.ref)
    if unit in _SECONDS:
        if "date" in {span.late.kind, span.early.kind}:
            return None
        return f"(unix_timestamp({late}) - unix_timestamp({early})) / {_SECONDS[unit]}"
    if unit == "day":
        late = f"to_date({late})" if span.late.kind == "timestamp" else late
        early = f"to_date({early})" if span.early.kind == "timestamp" else early
        return f"datediff({late}, {early})"
    if unit == "week" and span.late.kind == span.early.kind == "date":
        return f"datediff({late}, {early}) / 7"
    return None


def unit_at(c: Context, i: int) -> tuple[int, str] | None:
    """``in minutes``, ``(in hours)``, ``(days)``: where it ends, and the unit."""
    for unit in _UNITS:
        opened = c.match(i, f"( in {unit}s )|( {unit}s )|( in full {unit}s )")
        end = opened or c.match(i, f"in {unit}s|, in {unit}s|measured in {unit}s|expressed in {unit}s|in whole {unit}s")
        if end is not None and "whole" not in {c.low(i + 1), c.low(i)} and c.low(i + 2) != "full":
            return end, unit
    return None


def length_at(c: Context, i: int) -> tuple[int, int, str] | None:
    """``30 minutes``, ``two hours``, ``a day``: where it ends, the number and the unit."""
    if i + 1 >= c.end(i):
        return None
    number = "1" if c.low(i) in {"a", "an"} else number_of(c.tokens[i])
    unit = c.tokens[i + 1].stem
    if number is None or not number.isdigit() or unit not in _UNITS:
        return None
    return i + 2, int(number), unit


def compared_with(span: Span, operator: str, number: int, unit: str) -> str | None:
    """A condition on how long a span is: exact for hours and minutes, midnights for days of dates."""
    if "date" not in {span.late.kind, span.early.kind}:
        seconds = number * (_SECONDS.get(unit) or _DAYS[unit] * 86_400)
        return f"unix_timestamp({col(span.late.ref)}) - unix_timestamp({col(span.early.ref)}) {operator} {seconds}"
    text = in_unit(span, "day") if unit in _DAYS else None
    return f"{text} {operator} {number * _DAYS[unit]}" if text is not None else None
