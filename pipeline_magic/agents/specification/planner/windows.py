"""Columns over neighbouring rows: ``running total per customer``, ``month over month change``, ``share of all orders``.

Here: reading the words. What they look at (single rows, or the groups of the statement) is settled when everything is
read; `overrows` makes the steps.
"""

from __future__ import annotations

import re
from dataclasses import replace

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.counts import counted
from pipeline_magic.agents.specification.planner.entities import TableInfo
from pipeline_magic.agents.specification.planner.grouping import read_group
from pipeline_magic.agents.specification.planner.idioms import wide_state_at
from pipeline_magic.agents.specification.planner.intent import (
    Filter,
    Group,
    Item,
    Measure,
    Note,
    Use,
    Windowed,
    col,
    measure_ref,
    measures_in,
    refs_in,
)
from pipeline_magic.agents.specification.planner.measures import read_measure
from pipeline_magic.agents.specification.planner.text import number_of
from pipeline_magic.agents.specification.planner.windowed import (
    last_value,
    over_at,
    subject_at,
    table_of,
    tail_at,
)
from pipeline_magic.spec.names import slug

__all__ = ["read_window"]

_RUNNING = (
    "running total|running sum|cumulative total|cumulative sum|cumulated total|running balance|cumulative|running|"
    "cumulated|rolling total|running count|cumulative count|year to date total|total so far"
)
_UNITS = "day|week|month|quarter|year"
_OVER = "|".join(f"{unit} over {unit}|{unit} - over - {unit}|{unit} on {unit}" for unit in _UNITS.split("|"))
_OVER += "".join(f"|from {unit} to {unit}|from one {unit} to the next" for unit in _UNITS.split("|"))
_OVER += "|mom|yoy|qoq|wow|dod|m - o - m|y - o - y|m / m|y / y|q / q"
_CHANGES = "change|growth|difference|delta|increase|development|growth rate|change rate|variation|comparison"
_PERCENT = (
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
        _share_of_all,
        read_percent,
        _rank,
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
    behind = c.match(at, _PERCENT)
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
    after = c.match(end, _PERCENT)
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
    after = c.match(end, _PERCENT)
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


# --- share of all, rank -------------------------------------------------------------------------------------------

_SHARE = (
    "share of|the share of|percentage of|percent of|fraction of|proportion of|contribution to|the contribution to|"
    "the percentage of|the proportion of|share in|% of|its share of|their share of"
)


def _share_of_all(c: Context, i: int) -> Found | None:
    """``share of all orders``, ``share of the total principal in percent``: of each group, in all groups."""
    at = c.match(c.skip(i, "its|their|the|a"), _SHARE)
    if at is None:
        return None
    percent = re.fullmatch(r"percent\w*|%", c.low(at - 2)) is not None
    each = _share_of_each(c, i, at, percent) if c.low(at) in {"each", "every"} else None
    if each is not None:
        return each
    whole = c.match(
        at,
        "the total number of|total number of|all the|all|the total|total|the overall|overall|the whole|"
        "the grand total|grand total|the sum",
    )
    if whole is None:
        return None
    table = c.table_at(whole)
    items: tuple[Item, ...]
    if table is not None and _narrowed(c, i, table.table):
        return None
    if table is not None and _ends(c, table.end):
        made = Measure(i, table.end, f"{table.table.words[-1]}_count", counted(c, table.table), table.table.name)
        known = next((old for old in c.of(Measure) if old.expression == made.expression), None)
        end, words = table.end, (known or made).name
        text, items = measure_ref(words), () if known else (Use(table.start, table.end, table.table.name), made)
    else:
        subject = _whole(c, whole, i) if table is None else None
        if subject is None:
            return None
        end, text, words, items = subject
    after = c.match(end, _PERCENT)
    share = f"{text} / nullif({measure_ref(slug(f'all_{words}'))}, 0)"
    percent = percent or after is not None
    column = (slug(f"{words}_{'percentage' if percent else 'share'}"), f"100 * {share}" if percent else share)
    window = Windowed(i, after or end, slug(f"all_{words}"), f"sum({text})", (), (), None, (column,), shown=False)
    return Found(after or end, "measure", (*items, window))


def _narrowed(c: Context, i: int, table: TableInfo) -> bool:
    """``cancelled orders … as a percentage of all orders``: the whole may be more than the rows that were kept."""
    for item in c.of(Filter):
        refs = refs_in(item.expression)
        dated = any(
            (column := c.linker.tables[ref.table].column(ref.column)) is not None
            and column.kind in {"date", "timestamp"}
            for ref in refs
        )
        if c.starts[item.start] == c.starts[i] and any(ref.table == table.name for ref in refs) and not dated:
            return True
    return False


def _share_of_each(c: Context, i: int, at: int, percent: bool) -> Found | None:
    """``share of each merchant in the total amount``: the groups, what is measured, and its share of everything."""
    group = read_group(c, at) or read_group(c, at - 1)
    inside = c.match(group.end, "in the|in|of the|of|at the") if group is not None else None
    measured = read_measure(c, inside) if inside is not None else None
    made = [item for item in measured.items if isinstance(item, Measure)] if measured is not None else []
    if group is None or measured is None or len(made) != 1:
        return None
    name = made[0].name
    share = f"{measure_ref(name)} / nullif({measure_ref(slug(f'all_{name}'))}, 0)"
    after = c.match(measured.end, _PERCENT)
    percent = percent or after is not None or any(c.low(j) in {"percent", "%"} for j in range(measured.end, c.end(i)))
    column = (slug(f"{name}_{'percentage' if percent else 'share'}"), f"100 * {share}" if percent else share)
    text = f"sum({measure_ref(name)})"
    window = Windowed(i, after or measured.end, slug(f"all_{name}"), text, (), (), None, (column,), shown=False)
    return Found(after or measured.end, "measure", (*group.items, *measured.items, window))


_IN_PERCENT = re.compile(r"(?:, |\( )?(?:in|as a|as) (?:percent|percentage|percentages|%|per cent)(?: \))?")


def read_percent(c: Context, i: int) -> Found | None:
    """``…, in percent`` at the end of a sentence in which a share was read that is one already."""
    found = c.words(i, _IN_PERCENT) if c.low(i) in {",", "(", "in", "as"} else None
    if found is None or (found[0] < c.end(i) and c.low(found[0]) not in {".", ",", ";", "?"}):
        return None
    here = [item for item in c.of(Windowed) if c.starts[item.start] == c.starts[i]]
    if not here or not here[-1].columns or not here[-1].columns[-1][1].startswith("100 * "):
        return None
    return Found(found[0], "measure", (Note(i, found[0]),))


def _whole(c: Context, whole: int, i: int) -> tuple[int, str, str, tuple[Item, ...]] | None:
    """A column or measure whose sum over everything is the whole; without a word of its own, what was measured last."""
    link = c.linker.column_at(whole, kinds=("number",), least=0.8)
    if link is not None and link.end <= c.end(i):
        expression = f"sum({col(link.ref)})"
        known = next((old for old in c.of(Measure) if old.expression == expression), None)
        name = known.name if known else slug(f"total_{' '.join(link.column.words)}")
        made = Measure(i, link.end, name, expression, link.ref.table, tuple(link.column.words))
        return link.end, measure_ref(name), name, () if known else (made,)
    found = read_measure(c, whole)
    made_ = [item for item in found.items if isinstance(item, Measure)] if found is not None else []
    if found is not None and len(made_) == 1:
        return found.end, measure_ref(made_[0].name), made_[0].name, found.items
    last = last_value(c)
    if last is not None and measures_in(last[0]) and _ends(c, whole):
        return whole, last[0], last[1], ()
    return None


def _ends(c: Context, i: int) -> bool:
    return i >= c.end(i - 1) or c.low(i) in {
        ",",
        ".",
        ";",
        "and",
        "in",
        "per",
        "by",
        "for",
        ")",
        "as",
        "together",
        "with",
    }


def _rank(c: Context, i: int) -> Found | None:
    """``rank the nations by total balance``, ``rank of the client by total principal within its country``."""
    verb = c.verb(i, "rank") and c.low(i) != "ranked"
    at = i + 1 if verb else c.match(c.skip(i, "the|a|its|their|add a|add the"), "rank|ranking|position")
    if at is None:
        return None
    at = c.skip(at, "of|all|the|each|every|them|those")
    link = c.table_at(at)
    column = c.linker.column_at(at, least=0.8) if link is None else None
    items: list[Item] = []
    end = at
    if link is not None:
        end = link.end
        items.append(Use(link.start, link.end, link.table.name))
    elif column is not None and column.end <= c.end(i):
        end = column.end
    end, over, more = over_at(c, end, "") or (end, None, ())
    by = c.match(end, "by|based on|on|according to|in terms of|, by")
    subject = subject_at(c, by) if by is not None else None
    if subject is None:
        return None
    end, text, _, made = subject
    items += [*made, *more]
    if over is None:
        parts = over_at(c, end, "")
        if parts is not None:
            end, over = parts[0], parts[1]
            items += parts[2]
    up = c.match(c.skip(end, ",|("), "lowest first|ascending|smallest first|from lowest to highest|in ascending order")
    down = c.match(c.skip(end, ",|("), "highest first|descending|largest first|biggest first|in descending order")
    tail = up if up is not None else down
    end = c.skip(tail, ")") if tail is not None else end
    grouped = any(isinstance(item, Group) for item in (*c.items, *items))
    if measures_in(text) and link is not None and not grouped:
        items.append(_entity(i, end, link.table))
    elif measures_in(text) and column is not None and not grouped:
        items.append(Group(i, end, ((column.column.name, col(column.ref)),)))
    window = Windowed(
        i,
        end,
        "rank",
        "rank()",
        over or (),
        ((text, up is None),),
        None,
        assumed="equal values share a rank, and the next one is left out",
    )
    return Found(end, "measure", (*items, window))


def _entity(i: int, end: int, table: TableInfo) -> Group:
    from pipeline_magic.agents.specification.planner.grouping import entity_columns

    columns = tuple((column.name, col(column.ref)) for column in entity_columns(table))
    return Group(i, end, columns, table.name)
