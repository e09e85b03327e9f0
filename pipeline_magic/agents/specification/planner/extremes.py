"""Rows or groups that have most of something: ``with the most orders``, ``the 2 latest posted transactions of each``.

Here: superlatives behind a noun (``with the highest principal``), and before one that has words of its own. Not here:
``top N … by …``, which says in so many words what is ranked; see `ranking`.
"""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.adjectives import meant_by
from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.counts import counted
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, Kind, TableInfo
from pipeline_magic.agents.specification.planner.grouping import entity_columns
from pipeline_magic.agents.specification.planner.harmless import links
from pipeline_magic.agents.specification.planner.idioms import state_at
from pipeline_magic.agents.specification.planner.intent import (
    Filter,
    Group,
    Item,
    Measure,
    Selected,
    Top,
    Use,
    col,
    measure_ref,
)
from pipeline_magic.agents.specification.planner.linking import TableLink
from pipeline_magic.agents.specification.planner.listing import column_like
from pipeline_magic.agents.specification.planner.measures import read_measure
from pipeline_magic.agents.specification.planner.periods import date_column
from pipeline_magic.agents.specification.planner.predicates import condition_at
from pipeline_magic.agents.specification.planner.ranking import PER, amounts, finish, number_at
from pipeline_magic.agents.specification.planner.superlatives import read_superlative
from pipeline_magic.agents.specification.planner.things import done_or_not

__all__ = ["read_extreme"]


def read_extreme(c: Context, i: int) -> Found | None:
    """One of the ways to say it."""
    for read in (_most, _extreme, _extreme_of_groups, _rows_before, _rows_behind, read_superlative):
        found = read(c, i)
        if found is not None:
            return found
    return None


_MOST = "most number of|largest number of|highest number of|greatest number of|maximum number of|most|biggest number of"
_FEWEST = "fewest|least number of|smallest number of|lowest number of|fewest number of"


def _most(c: Context, i: int) -> Found | None:
    """``with the most orders``, ``that is hiring the largest number of employees``: the one group that has most."""
    at, done = c.skip(i, "with|that|which|who|has|have|had|having|is|are|was|the|a|by"), -1
    if at < c.end(i) and re.fullmatch(r"\w+(?:ing|ed)|written|taken|given|made|sold|bought|held|won|paid", c.low(at)):
        done, at = at, c.skip(at + 1, "the|a")
    after, fewest = c.match(at, _MOST), c.match(at, _FEWEST)
    found = after or fewest
    start = c.skip(found, "different|distinct|of") if found is not None else i
    state = state_at(c, start, None) if found is not None else None
    inside = state if state is not None and c.table_at(state.end) is not None else None
    link = c.table_at(inside.end if inside is not None else start) if found is not None else None
    if link is None:
        return None
    name = f"{link.table.words[-1]}_count"
    deed = state_at(c, done, link.table) or done_or_not(c, done, link.table) if done >= 0 else None
    if deed is not None and not links(c.low(done)):
        if inside is not None:
            return None
        inside = deed  # `has paid the most fines` counts the paid ones
    text = counted(c, link.table, inside.expression if inside is not None else None)
    measure = Measure(i, link.end, name, text, link.table.name)
    group = _subject(c, i, link.end, link.table.name)
    if group is None:
        return None
    top = Top(i, link.end, 1, measure_ref(name), after is not None, (), group.entity)
    return Found(link.end, "measure", (Use(link.start, link.end, link.table.name), measure, group, top))


def _subject(c: Context, i: int, end: int, other: str) -> Group | None:
    """What has most of something: the table, or failing that the column, that was named last before."""
    for item in reversed(c.items):
        if isinstance(item, Use) and item.table != other:
            owner = c.linker.tables[item.table]
            return Group(i, end, tuple((column.name, col(column.ref)) for column in entity_columns(owner)), owner.name)
        if isinstance(item, Selected):
            owner = c.linker.tables[item.ref.table]
            if item.ref.table != other and item.ref in {column.ref for column in entity_columns(owner)}:
                return Group(
                    i, end, tuple((column.name, col(column.ref)) for column in entity_columns(owner)), owner.name
                )
            return Group(i, end, ((item.ref.column, col(item.ref)),))
    return None


_HIGHEST = (
    "highest|largest|biggest|greatest|longest|maximum|latest|most recent|newest|most|heaviest|oldest|"
    "highest number of|most number of"
)
_LOWEST = "lowest|smallest|shortest|minimum|earliest|least|fewest|lowest number of|least number of"
_WITH = (
    "with|with the|having|having the|has|has the|have the|had|had the|that has the|that had the|which has the|"
    "which had the|who has the|who had the|that have the|who have the|who got the|received the|got the|earns the|"
    "who earns the|that received the|recorded the|with a|offers the|that offers the|charges the"
)


def _opened(c: Context, i: int) -> tuple[int, bool] | None:
    """``with the highest``, ``has the fewest``: where the words for what is most go on, and whether most is meant."""
    at = c.match(i, _WITH)
    if at is None:
        return None
    high, low = c.match(at, _HIGHEST), c.match(at, _LOWEST)
    end = high or low
    return (end, high is not None) if end is not None else None


def _extreme(c: Context, i: int) -> Found | None:
    """``the car with the highest sale price``, ``which course has the fewest credits``: the one row that has it."""
    opened = _opened(c, i)
    if opened is None or any(isinstance(item, (Measure, Group)) for item in c.items):
        return None
    at, high = opened
    named = _number_named(c, i, at)
    if named is None:
        return None
    end, column = named
    ranked = Filter(i, end, f"{col(column.ref)} IS NOT NULL", "an unknown value is not ranked")
    return finish(c, i, end, 1, c.linker.tables[column.ref.table], col(column.ref), high, [ranked])


_SIZES_OF: tuple[Kind, ...] = ("number", "date", "timestamp")


def _number_named(c: Context, i: int, at: int) -> tuple[int, ColumnInfo] | None:
    """The column that words behind a superlative name: of the rows that are asked for, else the only one."""
    last = next((item for item in reversed(c.items) if isinstance(item, (Use, Selected))), None)
    subject = last.table if isinstance(last, Use) else last.ref.table if isinstance(last, Selected) else ""
    at = c.skip(at, "ever|overall")
    for names in ((subject,), ()) if subject else ((),):
        link = c.linker.column_at(at, kinds=_SIZES_OF, tables=names, least=0.8)
        if link is not None and link.end <= c.end(i) and not link.others:
            return link.end, link.column
        for size in (3, 2, 1) if names else ():
            tokens = c.tokens[at : at + size]
            if at + size > c.end(i) or not all(token.kind == "word" for token in tokens):
                continue
            like = column_like(c.linker.tables[subject], tuple(token.stem for token in tokens))
            if like is not None and like.kind in _SIZES_OF and not like.is_key_like:
                return at + size, like
    return None


def _extreme_of_groups(c: Context, i: int) -> Found | None:
    """``the technician with the highest total cost``: the one group whose measure is the largest."""
    opened = _opened(c, i)
    found = read_measure(c, opened[0]) if opened is not None else None
    made = [item for item in found.items if isinstance(item, Measure)] if found is not None else []
    if opened is None or found is None or len(made) != 1 or any(isinstance(item, Measure) for item in c.items):
        return None
    group = _subject(c, i, found.end, made[0].table)
    if group is None:
        return None
    top = Top(i, found.end, 1, measure_ref(made[0].name), opened[1], (), group.entity)
    return Found(found.end, "measure", (*found.items, group, top))


# --- rows --------------------------------------------------------------------------------------------------------

_TIMES = {True: "most recent|latest|newest|last", False: "oldest|earliest|first"}
_SIZES = {
    True: "largest|biggest|highest|greatest|most expensive|most valuable|longest|heaviest|top|best",
    False: "smallest|lowest|cheapest|shortest|least expensive|lightest|worst",
}
_LEAD = "keep|take|keeping|only|just|the|with|use|select|get|find|and|their|show|give|list|return|single|one|very|pick"


def _rows_before(c: Context, i: int) -> Found | None:
    """``the 2 most recent posted card transactions of each account``: words between the superlative and its noun."""
    at = c.skip(i, _LEAD)
    number = number_at(c, at)
    at = number[0] if number is not None else at
    if c.match(at, "|".join((*_TIMES.values(), *_SIZES.values()))) is None:
        return None
    if any(c.starts[item.start] == c.starts[i] for item in c.of(Measure)):
        return None  # a list of measures goes on
    for kinds, timely in ((_TIMES, True), (_SIZES, False)):
        for descending, phrase in kinds.items():
            after = c.match(at, phrase)
            again = number_at(c, after) if after is not None and number is None else None
            if after is None:
                continue
            noun = _noun(c, again[0] if again is not None else after)
            n = (number or again or (0, 1))[1]
            if noun is None:
                continue
            end, table, items = noun
            parted = c.match(end, PER) is not None or any(
                isinstance(item, Group) and c.starts[item.start] == c.starts[i] for item in c.items
            )
            if not (parted or number or again):
                continue
            order: ColumnInfo | None = None
            by = c.match(end, "by the|by its|by|according to|based on")
            link = c.linker.column_at(by, tables=(table.name,), least=0.8) if by is not None else None
            if link is not None and link.end <= c.end(i) and link.column.kind in {"date", "timestamp", "number"}:
                order, end = link.column, link.end
            else:
                meant = meant_by(c, at, after, table)
                order = meant[0] if meant is not None else _date(c, i, table) if timely else _size(table)
                descending = meant[1] if meant is not None else descending
            if order is None:
                return None
            if not timely or order.kind == "number":
                unknown = f"{col(order.ref)} IS NOT NULL"
                items.append(Filter(i, end, unknown, "an unknown amount is not ranked"))
            return finish(c, i, end, n, table, col(order.ref), descending, items)
    return None


def _last_word(c: Context, i: int) -> TableLink | None:
    """``the latest event`` of `scan_events`, where one table in scope ends so."""
    if i >= c.end(i) or c.tokens[i].kind != "word":
        return None
    inside = [c.linker.tables[name] for name in c.linker.scope]
    fitting = [table for table in inside if len(table.words) > 1 and table.words[-1] == c.tokens[i].stem]
    return TableLink(i, i + 1, fitting[0], 0.8) if len(fitting) == 1 else None


_PART = "date|dates|time|timestamp|day|amount|amounts|value|values|total|number|count|price|name|id|key|status|type"
"""Behind a table these words make a column of it: ``last order date``."""


def _noun(c: Context, i: int) -> tuple[int, TableInfo, list[Item]] | None:
    """``posted card transactions [in 2025]``: states, the table, and conditions right behind it."""
    conditions = []
    at = i
    while c.table_at(at) is None and (state := state_at(c, at, None)) is not None:
        conditions.append(Filter(at, state.end, state.expression, state.assumed))
        at = state.end
    link = c.table_at(at) or _last_word(c, at)
    if link is None or link.others or c.match(link.end, _PART) is not None:
        return None
    end = link.end
    while c.match(end, PER) is None and (more := condition_at(c, end, about=link.table, opened=False)) is not None:
        conditions.append(Filter(end, more.end, more.expression, more.assumed))
        end = more.end
    if any(f"\ue000{link.table.name}\ue001" not in item.expression for item in conditions):
        return None
    return end, link.table, [Use(link.start, link.end, link.table.name), *conditions]


def _date(c: Context, i: int, table: TableInfo) -> ColumnInfo | None:
    found = date_column(c, i, table)
    return found[0] if found is not None and not found[1] else None


def _size(table: TableInfo) -> ColumnInfo | None:
    found = amounts(table)
    return found[0] if len(found) == 1 else None


_NEAR = 12
_WITH_HIGH = "with the most|with the highest|with the largest|with the greatest|with the biggest|with the maximum"
_WITH_LOW = "with the lowest|with the smallest|with the fewest|with the least|with the minimum"
_WITH_NEW = "with the latest|with the most recent|with the newest"
_WITH_OLD = "with the earliest|with the oldest"


def _rows_behind(c: Context, i: int) -> Found | None:
    """``for every title the single play with the most minutes watched``: one row in each group, with all it has."""
    if not any(c.low(j) == "with" for j in range(i + 1, min(i + _NEAR, c.end(i)))):
        return None
    at = c.skip(i, _LEAD)
    number = number_at(c, at)
    noun = _noun(c, number[0] if number is not None else at)
    grouped = any(isinstance(item, Group) for item in c.items)
    if noun is None or any(isinstance(item, Measure) for item in c.items):
        return None
    end, table, items = noun
    for words, descending in ((_WITH_HIGH, True), (_WITH_NEW, True), (_WITH_LOW, False), (_WITH_OLD, False)):
        after = c.match(end, words)
        if after is None:
            continue
        link = c.linker.column_at(after, kinds=("number", "date", "timestamp"), tables=(table.name,), least=0.8)
        column, stop = (link.column, link.end) if link is not None else (None, after)
        for size in (3, 2, 1):
            tokens = c.tokens[after : after + size]
            if column is None and all(token.kind == "word" for token in tokens):
                like = column_like(table, tuple(token.stem for token in tokens))
                if like is not None and like.kind in {"number", "date", "timestamp"}:
                    column, stop = like, after + size
        if column is None or stop > c.end(i) or (c.match(stop, PER) is None and not grouped):
            return None
        items.append(Filter(i, stop, f"{col(column.ref)} IS NOT NULL", "an unknown value is not ranked"))
        return finish(c, i, stop, number[1] if number is not None else 1, table, col(column.ref), descending, items)
    return None
