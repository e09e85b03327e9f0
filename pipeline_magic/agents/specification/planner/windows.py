"""Columns over neighbouring rows: ``running total per customer``, ``month over month change``, ``share of all orders``.

Here: reading the words. What they look at (single rows, or the groups of the statement) is settled when everything is
read; `overrows` makes the steps.
"""

from __future__ import annotations

from dataclasses import replace

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.idioms import wide_state_at
from pipeline_magic.agents.specification.planner.intent import (
    Filter,
    Item,
    Windowed,
    col,
    measure_ref,
    refs_in,
)
from pipeline_magic.agents.specification.planner.text import number_of
from pipeline_magic.agents.specification.planner.windowed import (
    last_value,
    subject_at,
    table_of,
    tail_at,
)
from pipeline_magic.spec.names import slug

__all__ = ["PERCENT", "read_window"]

_RUNNING = (
    "running total|running sum|cumulative total|cumulative sum|cumulated total|running balance|cumulative|running|"
    "cumulated|rolling total|running count|cumulative count|year to date total|total so far"
)
_UNITS = "day|week|month|quarter|year"
_OVER = "|".join(f"{unit} over {unit}|{unit} - over - {unit}|{unit} on {unit}" for unit in _UNITS.split("|"))
_OVER += "".join(f"|from {unit} to {unit}|from one {unit} to the next" for unit in _UNITS.split("|"))
_OVER += "|mom|yoy|qoq|wow|dod|m - o - m|y - o - y|m / m|y / y|q / q"
_CHANGES = "change|growth|difference|delta|increase|development|growth rate|change rate|variation|comparison"
PERCENT = (
    "in percent|, in percent|, in %|, in percentage|in %|in percentage|as a percentage|as percent|as a percent|%|"
    "percent|( in percent )|( % )|rate"
)


def read_window(c: Context, i: int) -> Found | None:
    """One of the constructions over neighbouring rows."""
    for read in (
        _running,
        _moving,
        _period_change,
        _against_previous,
        _from_previous,
    ):
        found = read(c, i)
        if found is not None:
            return found
    return None


# --- running and moving -------------------------------------------------------------------------------------------


def _running(c: Context, i: int) -> Found | None:
    """``running total of the price per customer in order of the order date``."""
    at = c.match(c.skip(i, "the|a|its|their"), _RUNNING)
    if at is None:
        return None
    counting = c.low(at - 1) == "count"
    subject = subject_at(c, at)
    explained_later = _explained_later(c, i, at) if subject is None and not counting else None
    if explained_later is not None:
        return explained_later
    if subject is None:
        meant = _behind(c, at)
        if meant is None:
            return None
        subject = (meant[0], meant[1], meant[2], ())
    end, text, words, items = subject
    end, over, order, more = tail_at(c, end, table_of(c, text))
    explained = c.match(end, ", that is the|, i.e. the|, i.e.|, that is|( the") if not counting else None
    again = _running(c, explained) if explained is not None else None
    if again is not None:
        inner = next(item for item in again.items if isinstance(item, Windowed))
        made = Windowed(
            i, again.end, f"running_{slug(words)}", inner.expression, inner.over or over, inner.order, (None, 0)
        )
        return Found(again.end, "measure", (*(x for x in again.items if x is not inner), *more, made))
    name = slug(f"running_{words}" if words else "running_total")
    made = Windowed(i, end, name, f"sum({text})", over, order, (None, 0))
    return Found(end, "measure", (*items, *more, made))


_THAT_IS = (
    ", that is the|, i.e. the|, i.e.|, that is|( the|( i.e. the|( i.e.|, meaning the|, in other words the|, being the"
)


def _explained_later(c: Context, i: int, at: int) -> Found | None:
    """``running balance per account, that is the cumulative sum of amount``: the partition before the value."""
    first = tail_at(c, at, "")
    explained = c.match(first[0], _THAT_IS) if first[0] > at else None
    again = _running(c, explained) if explained is not None else None
    if again is None:
        return None
    inner = next(item for item in again.items if isinstance(item, Windowed))
    _, over, order, more = tail_at(c, at, table_of(c, inner.expression))
    end = c.skip(again.end, ")") if c.low((explained or 0) - 2) == "(" else again.end
    kept = tuple(item for item in again.items if item is not inner)
    made = replace(inner, start=i, end=end, over=inner.over or over, order=inner.order or order)
    return Found(end, "measure", (*kept, *more, made))


def _behind(c: Context, at: int) -> tuple[int, str, str] | None:
    """What a running total without a word of its own is about: ``that is the cumulative sum of``, else the last."""
    explained = c.match(at, "per|over|,|by|in|across|along|.|for")
    last = last_value(c)
    if last is None or (explained is None and at < c.end(at - 1)):
        return None
    return at, last[0], last[1]


def _moving(c: Context, i: int) -> Found | None:
    """``7 day moving average of amount``, ``moving average over 3 months``."""
    at = c.skip(i, "the|a|its|their")
    number = number_of(c.tokens[at]) if at < c.end(i) else None
    after = c.match(c.skip(at + 1, "-"), "day|days|week|weeks|month|months|row|rows|period|periods") if number else None
    start = c.skip(after, "-") if after is not None else at
    moving = c.match(
        start, "moving average|rolling average|moving sum|rolling sum|moving total|rolling total|moving mean"
    )
    if moving is None:
        return None
    function = "sum" if c.low(moving - 1) in {"sum", "total"} else "avg"
    subject = subject_at(c, moving)
    last = last_value(c)
    if subject is not None:
        end, text, words, items = subject
    elif last is not None:
        end, text, words, items = moving, last[0], last[1], ()
    else:
        return None
    behind = c.match(end, "over the last|over|of the last|across") if number is None or after is None else None
    if behind is not None and (number := number_of(c.tokens[behind])) is not None:
        end = c.skip(behind + 1, "day|days|week|weeks|month|months|row|rows|periods|period")
    if number is None or not number.isdigit() or int(number) < 2:
        return None
    end, over, order, more = tail_at(c, end, table_of(c, text))
    made = Windowed(
        i,
        end,
        slug(f"moving_{function}_{words}"),
        f"{function}({text})",
        over,
        order,
        (1 - int(number), 0),
        assumed=f"over {number} rows, which are {number} periods where none is missing",
    )
    return Found(end, "measure", (*items, *more, made))


# --- the row before -----------------------------------------------------------------------------------------------


def _change(
    i: int,
    end: int,
    text: str,
    words: str,
    percent: bool,
    over: tuple[str, ...] | None,
    order: tuple[tuple[str, bool], ...] | None,
) -> Windowed:
    """The value of the row before, and the change from it."""
    name = slug(f"previous_{words}")
    change = f"{text} - {measure_ref(name)}"
    columns = [(slug(f"{words}_change"), change)]
    if percent:
        columns.append((slug(f"{words}_change_percent"), f"100 * ({change}) / nullif({measure_ref(name)}, 0)"))
    return Windowed(i, end, name, f"lag({text}, 1)", over, order, None, tuple(columns))


def _period_change(c: Context, i: int) -> Found | None:
    """``month over month change in percent [of revenue]``, ``year over year growth``."""
    at = c.match(c.skip(i, "the|a|its|their"), _OVER)
    if at is None:
        return None
    percent = c.match(at, "percentage|percent|%|relative")
    at = percent or at
    named = c.match(at, _CHANGES)
    rate = named is not None and c.low(named - 1) in {"growth", "rate"}
    at = named or at
    behind = c.match(at, PERCENT)
    subject = (
        subject_at(c, c.skip(behind or at, "of|in|for")) if c.match(behind or at, "of|in|for") is not None else None
    )
    last = last_value(c)
    if subject is not None:
        end, text, words, items = subject
    elif last is not None:
        end, text, words, items = behind or at, last[0], last[1], ()
    else:
        return None
    after = c.match(end, PERCENT)
    made = _change(i, after or end, text, words, bool(percent or behind or after or rate or named is None), None, None)
    return Found(after or end, "measure", (*items, made))


_PREVIOUS = (
    "the previous|previous|the prior|the preceding|the one before|the last|prior|preceding|the month before|"
    "the day before|the week before|the year before|the quarter before|the period before|month before|quarter before|"
    "year before|week before|day before"
)
_THAT = "day|week|month|quarter|year|period|one|value|row|reading|order|record|entry|one before"


def _against_previous(c: Context, i: int) -> Found | None:
    """``compared with the previous month``, ``with the change from the previous month``."""
    at = c.skip(i, ",|and|the|also|its|show|with")
    percent = c.match(at, "percentage change|percent change|relative change|% change|growth rate|growth in percent")
    named = percent or c.match(
        at, "change|difference|growth|increase|delta|compared|comparison|versus|vs|compare it|with"
    )
    if named is None:
        named = at if "with" in {c.low(j) for j in range(i, at)} else None
    start = c.skip(named, "in percent|compared|to|with|from|against|over|versus|vs|and") if named is not None else None
    previous = c.match(start, _PREVIOUS) if start is not None else None
    if previous is None:
        return None
    end = c.match(previous, _THAT) or (previous if "before" in c.low(previous - 1) else None)
    last = last_value(c)
    if end is None or last is None:
        return None
    after = c.match(end, PERCENT)
    return Found(
        after or end, "measure", (_change(i, after or end, last[0], last[1], bool(percent or after), None, None),)
    )


def _from_previous(c: Context, i: int) -> Found | None:
    """``the difference between each value and the previous one, ordered by time``."""
    at = c.match(c.skip(i, "the|a|its"), "difference between|change between|delta between|difference of|change from")
    at = c.skip(at, "each|every|the|a|one|its") if at is not None else None
    if at is None:
        return None
    state = wide_state_at(c, at)
    items: list[Item] = []
    link = c.linker.column_at(at, kinds=("number", "date", "timestamp"), least=0.8)
    if link is None and state is not None:
        owner = (refs_in(state.expression)[0].table,)
        link = c.linker.column_at(state.end, kinds=("number", "date", "timestamp"), tables=owner, least=0.8)
        items.append(Filter(at, state.end, state.expression, state.assumed))
    if link is None or link.end > c.end(i):
        return None
    and_ = c.match(link.end, "and|to|from")
    previous = c.match(and_, _PREVIOUS) if and_ is not None else None
    end = c.match(previous, _THAT) if previous is not None else None
    if end is None:
        return None
    table = link.ref.table
    end, over, order, more = tail_at(c, end, table)
    if order is None:
        dates = c.linker.tables[table].of_kind("date", "timestamp")
        order = ((col(dates[0].ref), False),) if len(dates) == 1 else None
    made = _change(i, end, col(link.ref), link.column.name, False, over, order)
    return Found(end, "measure", (*items, *more, made))
