"""How long something took, by its two ends or by a name: ``average delay in minutes. The delay is the time from …``.

    time in hours between the report and the resolution        minutes from placed to delivered
    delivery time means from placed to delivered               took longer than 24 hours from reported to resolved

A name that the statement explains is read where it is used; its unit must be said there or in the explanation. The two
ends are found by `moments`. Not here: what was late; see `lateness`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.entities import TableInfo
from pipeline_magic.agents.specification.planner.intent import Derive, Measure, Note
from pipeline_magic.agents.specification.planner.listing import akin
from pipeline_magic.agents.specification.planner.moments import (
    Span,
    compared_with,
    in_unit,
    length_at,
    span_at,
    unit_at,
)
from pipeline_magic.agents.specification.planner.values import Condition, comparison_at
from pipeline_magic.spec.names import slug

__all__ = ["Lasting", "duration_at", "find_durations", "read_duration", "took"]

_UNITS = ("second", "minute", "hour", "day", "week")
_MEANS = (
    "is|means|= |=|is defined as|is given by|is calculated as|is computed as|is counted|is measured|equals|refers to|"
    "runs|defined as|meaning|being|stands for"
)
_TIME = (
    "the time that passes|the time elapsed|time elapsed|the time passed|the time it takes|the time it took|the time|"
    "time|the duration|the difference|difference|the period|the interval|how long it takes|how long it took|"
    "the elapsed time|elapsed time|the span"
)


@dataclass(frozen=True)
class Lasting:
    """A name (stems) for the time between two moments, and the tokens that explain it; `unit` where they say one."""

    stems: tuple[str, ...]
    start: int
    end: int
    span: Span
    unit: str = ""


def find_durations(c: Context) -> list[Lasting]:
    """Every explanation of such a name in the statement."""
    found: list[Lasting] = []
    for i, token in enumerate(c.tokens):
        if token.low in {"from", "between", "-", "minus"} and (not found or i >= found[-1].end):
            made = _explained(c, i)
            if made is not None:
                found.append(made)
    return found


def _explained(c: Context, ends: int) -> Lasting | None:
    """The explanation whose ends are told at token `ends`: behind a name and a word for meaning, or in brackets."""
    first = ends
    if c.low(ends) in {"-", "minus"}:
        first = next((j for j in range(ends - 1, max(c.starts[ends], ends - 8), -1) if c.match(j, _MEANS)), -1)
        first = max((after for j in (first,) if j >= 0 and (after := c.match(j, _MEANS)) is not None), default=-1)
        if first < 0:
            return None
    span = span_at(c, first)
    if span is None:
        return None
    said = unit_at(c, span.end)
    end, unit = said if said is not None else (span.end, "")
    for start in range(max(c.starts[ends], ends - 14), ends):
        for size in (4, 3, 2, 1):
            name = _name(c, start, size, first)
            if name is None:
                continue
            opened, inner = name
            unit = unit or inner
            close = c.low(end) == ")"
            if opened and not close:
                continue
            stop = end + 1 if opened else end
            if not opened and stop < c.end(ends) and c.low(stop) not in {".", ",", ";", ")", "and", "!", "?"}:
                continue
            stems = tuple(token.stem for token in c.tokens[start : start + size])
            if opened or _used(c, stems, start, stop):
                begin = start + size if opened else start
                return Lasting(stems, begin, stop, span, unit)
    return None


def _name(c: Context, start: int, size: int, first: int) -> tuple[bool, str] | None:
    """Whether a name of `size` words stands at `start` and is explained at `first`; in brackets? which unit?"""
    after = start + size
    words = range(start, after)
    if after > first or c.low(start) in {"time", "times"}:
        return None
    if any(c.tokens[j].kind != "word" or c.low(j) in _NO_NAME for j in words):
        return None
    before = c.low(start - 1) if start > c.starts[start] else ""
    if before not in {"", "the", "a", "an", "where", ",", "and", "(", ";", ":", "with", "their", "its", "average"}:
        return None
    opened = c.low(after) == "("
    if opened:
        after += 1
    else:
        of = c.match(after, "of a|of an|of the|for a|for an|of each|of")
        link = c.table_at(of) if of is not None else None
        after = link.end if link is not None else after
        means = c.match(after, _MEANS)
        if means is None:
            return None
        after = means
    unit = ""
    after = c.skip(after, "here|always")
    for each in _UNITS:
        counted = c.match(after, f"the number of {each}s|number of {each}s|the {each}s|{each}s|the time in {each}s")
        if counted is not None:
            after, unit = counted, each
            break
    else:
        after = c.match(after, _TIME) or after
    return (opened, unit) if after == first or c.skip(after, "the") == first else None


_NO_NAME = {
    "the", "a", "an", "is", "means", "of", "and", "where", "for", "in", "per", "by", "number", "how", "show", "it",
    "this", "that", "average", "from", "to", "with", "days", "hours", "minutes", "difference",
}  # fmt: skip


def _used(c: Context, stems: tuple[str, ...], start: int, end: int) -> bool:
    size = len(stems)
    return any(
        tuple(token.stem for token in c.tokens[j : j + size]) == stems
        for j in range(len(c.tokens) - size + 1)
        if j + size <= start or j >= end
    )


def _lasting_at(c: Context, i: int) -> tuple[int, Lasting] | None:
    """An explained name at token `i`: ``delay``, also ``departure delay`` where departures are its ends."""
    for lasting in c.durations:
        if lasting.start <= i < lasting.end:
            continue
        ends = (*lasting.span.late.words, *lasting.span.early.words)
        for at in (i, i + 1):
            if at > i and not any(akin(c.low(i), word) for word in ends):
                break
            stop = at + len(lasting.stems)
            if stop <= c.end(i) and tuple(token.stem for token in c.tokens[at:stop]) == lasting.stems:
                if lasting.start == stop:
                    stop = lasting.end  # explained in brackets right behind it
                return stop, lasting
    return None


def duration_at(c: Context, i: int) -> tuple[int, str, str, str] | None:
    """The time between two moments at token `i`: where it ends, its template, a word for it, and the table."""
    named = _lasting_at(c, i)
    if named is not None:
        end, lasting = named
        said = unit_at(c, end) or _behind_rows(c, end, lasting.span.table)
        bound = _bound(c, said[0] if said is not None else end)
        unit = bound or (said[1] if said is not None else lasting.unit)
        text = in_unit(lasting.span, unit) if unit else None
        if text is None or (bound and said is not None and bound != said[1]):
            return None
        return (said[0] if said is not None else end), text, "_".join(lasting.stems), lasting.span.table
    return _spelt_out(c, i)


def _behind_rows(c: Context, end: int, table: str) -> tuple[int, str] | None:
    """``the average delay of the crossings in minutes``: the unit behind the rows."""
    of = c.match(end, "of the|of all|of a|of")
    link = c.table_at(of) if of is not None else None
    return unit_at(c, link.end) if link is not None and link.table.name == table else None


def _bound(c: Context, end: int) -> str:
    """The unit of a number that it is compared with."""
    at = c.skip(end, "is|was|of|that is|exceeds|that was")
    compared = comparison_at(c, at)
    length = length_at(c, compared[0]) if compared is not None else None
    return length[2] if length is not None else ""


_PASSED = "that passed|that elapsed|that lie|elapsed|passed|it took|it takes|that it took|needed"


def _spelt_out(c: Context, i: int) -> tuple[int, str, str, str] | None:
    """``time in hours between A and B``, ``number of minutes from A to B``, ``time from A to B in minutes``."""
    at, unit = None, ""
    for each in _UNITS:
        found = c.match(i, f"number of {each}s|{each}s|difference in {each}s|time in {each}s|duration in {each}s")
        if found is not None:
            at, unit = found, each
            break
    else:
        at = c.match(i, "time|duration|difference|time span|time difference|period|interval|length of time")
        at = _of_rows(c, at) if at is not None else None
        if at is not None and (said := unit_at(c, at)) is not None:
            at, unit = said[0], said[1]
            at = c.skip(at, ",")
    if at is None:
        return None
    span = span_at(c, c.skip(at, _PASSED)) if c.match(c.skip(at, _PASSED), "from|between") is not None else None
    if span is None:
        return None
    end = span.end
    if not unit and (said := unit_at(c, end)) is not None:
        end, unit = said
    text = in_unit(span, unit) if unit else None
    return (end, text, f"{unit}s", span.table) if text is not None else None


def _of_rows(c: Context, at: int) -> int:
    """``duration of a crossing``: the rows, where they are named before the ends."""
    of = c.match(at, "of a|of an|of the|of each|of all|of")
    link = c.table_at(of) if of is not None else None
    return link.end if link is not None else at


def read_duration(c: Context, i: int) -> Found | None:
    """The explanation of a name; how long it took on average; and such a time as a column to be shown."""
    for lasting in c.durations:
        if lasting.start == c.skip(i, "where|, where|with|the|a|an|, with") and c.low(lasting.start) != "(":
            return Found(lasting.end, "comment", (Note(i, lasting.end),))
    asked = _how_long(c, i)
    if asked is not None:
        return asked
    at = c.skip(i, "the|a|an|its|their")
    if c.low(i - 1) in {"average", "mean", "total", "median", "maximum", "minimum"} or not _listed(c, i):
        return None
    found = duration_at(c, at)
    if found is None or comparison_at(c, c.skip(found[0], "is|of|was")) is not None:
        return None
    end = found[0]
    named = c.match(end, "as|called|named")
    name = c.low(named) if named is not None and named < c.end(i) and c.tokens[named].kind == "word" else ""
    end = named + 1 if named is not None and name else end
    return Found(end, "derive", (Derive(i, end, slug(name or found[2], "duration"), found[1]),))


def _listed(c: Context, i: int) -> bool:
    return c.low(i - 1) in {"and", ",", ":", "show", "return", "list", "give", "with", "plus", "its", "their"}


def _how_long(c: Context, i: int) -> Found | None:
    """``how many hours did it take on average from A to B``, ``how long did it take on average … in days``."""
    at, unit = c.match(i, "how long"), ""
    for each in _UNITS:
        found = c.match(i, f"how many {each}s")
        if found is not None:
            at, unit = found, each
    if at is None:
        return None
    if not unit and (said := unit_at(c, at)) is not None:
        at, unit = said
    took = c.match(at, "did it take|does it take|passed|pass|elapsed|elapse|go by|went by|are there|lie|do pass")
    mean = c.match(took, "on average|, on average ,") if took is not None else None
    span = span_at(c, mean) if mean is not None else None
    if span is None:
        return None
    end = span.end
    if not unit and (said := unit_at(c, end)) is not None:
        end, unit = said
    text = in_unit(span, unit) if unit else None
    if text is None:
        return None
    made = Measure(i, end, f"average_{unit}s", f"avg({text})", span.table, ("average", unit))
    return Found(end, "measure", (made,))


_TOOK = "took|take|takes|lasted|lasts|needed|needs|that took|which took|it took"


def took(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``took longer than 24 hours from reported to resolved``, ``a delay of more than 30 minutes``."""
    named = _lasting_at(c, c.skip(i, "a|an|the|their|its"))
    at = c.match(i, _TOOK)
    if named is not None:
        at = c.skip(named[0], "is|was|of|that is|that was|exceeds")
        at = at - 1 if c.low(at - 1) == "exceeds" else at
    if at is None:
        return None
    compared = comparison_at(c, at)
    length = length_at(c, compared[0]) if compared is not None else None
    if compared is None or length is None:
        return None
    end, number, unit = length
    span = named[1].span if named is not None else span_at(c, end)
    if span is None:
        return None
    text = compared_with(span, compared[1], number, unit)
    return Condition(max(end, span.end) if named is None else end, text) if text is not None else None
