"""Grouping in words: ``per carrier and month``, ``by region``, ``for each customer``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.datetie import date_meant, which_date
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.intent import Group, Item, Segment, Use, col, measure_ref
from pipeline_magic.agents.specification.planner.periodforms import parts_of_year
from pipeline_magic.runs import Question
from pipeline_magic.spec.names import slug

__all__ = ["entity_columns", "period_key", "read_group"]

_OPENERS = (
    "per|for each|for every|in each|in every|by each|grouped by|group by|grouped per|broken down by|"
    "split by|by|of each|of every|from each|on each|each|"
    "split per|aggregated by|summarised by|summarized by|at the level of|within each|across|at each"
)
_UNITS = {"day": "DAY", "week": "WEEK", "month": "MONTH", "quarter": "QUARTER", "year": "YEAR", "hour": "HOUR"}
_ADVERBS = {
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "quarterly": "quarter",
    "yearly": "year",
    "hourly": "hour",
    "annual": "year",
    "annually": "year",
}


def read_group(c: Context, i: int) -> Found | None:
    """A grouping with all its keys; None unless every word after the opener is one."""
    if c.low(i) in _ADVERBS and c.free(i):
        made = _bucket(c, i, _ADVERBS[c.low(i)], i + 1)
        return Found(made[0], "measure", (Group(i, made[0], (made[1],)),), _open(c, i, i + 1, "")) if made else None
    at = c.match(i, _OPENERS)
    every = c.match(i, "every") if at is None and i + 1 < c.end(i) else None
    if every is not None and c.tokens[every].stem in _UNITS:
        at = every
    if at is None:
        return None
    if c.low(i) == "by" and _a_value(c, at):
        return None
    agent = _agent(c, i)
    if agent is not None:
        return agent
    columns: list[tuple[str, str]] = []
    items: list[Item] = []
    entity, end = "", i
    while True:
        found = _key(c, c.skip(at, "the|each|every|its|their|of"), entity)
        if found is None:
            break
        end, key, owner, uses = found
        columns += key
        items += uses
        entity = entity or owner
        after = c.match(end, ", and|and|,|and per|and by|, by|, per|and for each|x")
        if after is None or (c.low(end) == "," and after == end + 1 and _starts_anew(c, i, after)):
            break
        at = after
    if not columns:
        return None
    group = Group(i, end, tuple(dict.fromkeys(parts_of_year(columns))), entity)
    return Found(end, "measure", (*items, group), _open(c, i, end, entity) if _timed(columns) else ())


def _timed(columns: Sequence[tuple[str, str]]) -> bool:
    return any(name in {*_UNITS, *_PARTS} for name, _ in columns)


def _open(c: Context, start: int, end: int, avoid: str) -> tuple[Question, ...]:
    """The question which date a word such as ``month`` is of, where nothing tells."""
    for i in range(start, end):
        unit = (
            c.tokens[i].stem in _UNITS or c.low(i) in _ADVERBS or any(c.match(i, words) for words, _ in _PARTS.values())
        )
        named = c.match(i + 1, "of the|of|of its|of their") is not None
        found = date_meant(c, i, None, avoid) if unit and not named else None
        if found is not None and found[1]:
            return (which_date((found[0], *found[1])),)
    return ()


def period_key(c: Context, i: int) -> Found | None:
    """The one group that a word for a period is: ``month``, ``day of the week``."""
    timed = _part_of_time(c, i)
    made = timed or (_bucket(c, i, c.tokens[i].stem, i + 1) if c.tokens[i].stem in _UNITS else None)
    if made is None:
        return None
    return Found(made[0], "measure", (Group(i, made[0], (made[1],)),), _open(c, i, made[0], ""))


def _starts_anew(c: Context, i: int, at: int) -> bool:
    """``For each branch, the account type with …``: behind the comma stands what is asked for, and no further key."""
    return c.low(at) in {"the", "its", "their"} and i == c.starts[i] and c.low(i) in {"for", "in", "within", "from"}


def _a_value(c: Context, at: int) -> bool:
    """``paid by card``: a value that a comment lists says how, and is no grouping."""
    if at >= c.end(at - 1) or c.table_at(at) is not None or c.linker.column_at(at, least=0.8) is not None:
        return False
    words = {c.low(at), c.tokens[at].stem}
    return any(words & set(dict(column.values)) for table in c.focus(at)[:2] for column in table.columns)


def _agent(c: Context, i: int) -> Found | None:
    """``loans made by members``: who did it, and no grouping; ``sold by region`` groups."""
    if (
        c.low(i) != "by"
        or i == c.starts[i]
        or not re.fullmatch(r"\w+(?:ed|en)|made|sold|bought|held|won|paid|sent", c.low(i - 1))
    ):
        return None
    if c.low(i - 1) in {
        "grouped",
        "split",
        "aggregated",
        "summarised",
        "summarized",
        "partitioned",
        "bucketed",
        "broken",
    }:
        return None
    link = c.table_at(c.skip(i + 1, "the|all|our"))
    if link is None or c.tokens[link.end - 1].low == c.tokens[link.end - 1].stem:
        return None
    return Found(link.end, "source", (Use(link.start, link.end, link.table.name),))


_LABELS = {
    "class", "bucket", "segment", "band", "label", "category", "group", "tier", "flag", "bracket", "grade", "level",
    "range",
}  # fmt: skip
"""Words for the column of labels, whatever it is called."""


def _key(c: Context, i: int, avoid: str = "") -> tuple[int, list[tuple[str, str]], str, list[Item]] | None:
    if i >= c.end(i - 1):
        return None
    unit = c.tokens[i].stem
    segments = c.of(Segment)
    if len(segments) == 1 and c.low(i) in _LABELS and c.linker.column_at(i, least=0.9) is None:
        return i + 1, [(segments[0].column, measure_ref(segments[0].column))], "", []
    for segment in segments:
        words = segment.column.split("_")
        for size in (len(words), 1):
            if [token.stem for token in c.tokens[i : i + size]] == words[-size:] and i + size <= c.end(i - 1):
                return i + size, [(segment.column, measure_ref(segment.column))], "", []
    table = c.table_at(i)
    if table is not None and c.tokens[table.end - 1].text.endswith(("'s", "’s", "s'", "s’")) and table.table.key:
        own = [(column.name, col(column.ref)) for column in entity_columns(table.table)]
        return table.end, own, table.table.name, [Use(table.start, table.end, table.table.name)]
    exact = c.linker.column_at(i, tables=c.linker.scope, least=0.95) if c.linker.scope else None
    if exact is not None and exact.end <= c.end(i - 1) and (table is None or exact.end > table.end):
        return exact.end, [(exact.column.name, col(exact.ref))], "", []
    timed = _part_of_time(c, i)
    if timed is not None:
        return timed[0], [timed[1]], "", []
    if unit in _UNITS:
        made = _bucket(c, i, unit, i + 1, avoid)
        if made is not None:
            return made[0], [made[1]], "", []
    if table is not None:
        part = (
            c.linker.column_at(table.end, tables=(table.table.name,), least=0.9)
            if c.tokens[table.end - 1].text.casefold().endswith("'s")
            else None
        )
        if part is not None:
            return part.end, [(part.column.name, col(part.ref))], "", [Use(table.start, table.end, table.table.name)]
        further = c.table_at(table.end)
        if further is not None and not further.others and c.graph.links(table.table.name, further.table.name):
            found = _key(c, table.end)  # `customer nation` is the nation of the customer
            if found is not None and found[2]:
                return found[0], found[1], found[2], [Use(table.start, table.end, table.table.name), *found[3]]
        keys = [(column.name, col(column.ref)) for column in entity_columns(table.table)]
        if keys:
            return table.end, keys, table.table.name, [Use(table.start, table.end, table.table.name)]
    link = c.linker.column_at(i)
    if link is not None and link.end <= c.end(i - 1):
        return link.end, [(link.column.name, col(link.ref))], "", []
    general = _general(c, i)
    return (i + 1, [(general.name, col(general.ref))], "", []) if general is not None else None


def _general(c: Context, i: int) -> ColumnInfo | None:
    """``per country`` where one table near by, and no nearer one, has such a column."""
    if i >= c.end(i - 1) or c.tokens[i].kind != "word" or not c.linker.scope:
        return None
    found: dict[int, list[ColumnInfo]] = {}
    for name in c.linker.near:
        for column in c.linker.tables[name].columns:
            if column.words == (c.tokens[i].stem,) and column.kind == "text":
                found.setdefault(len(c.graph.path(c.linker.scope, name) or ()), []).append(column)
    nearest = found[min(found)] if found else []
    return nearest[0] if len(nearest) == 1 else None


def _bucket(c: Context, i: int, unit: str, end: int, avoid: str = "") -> tuple[int, tuple[str, str]] | None:
    """``month`` of the date column meant; ``month of the ship date`` names one."""
    named = c.match(end, "of the|of|of its|of their")
    link = c.linker.column_at(named, kinds=("date", "timestamp")) if named is not None else None
    if link is not None:
        return link.end, (unit, _trunc(unit, link.column))
    found = date_meant(c, i, None, avoid)
    if found is None:
        return None
    return end, (unit, _trunc(unit, found[0]))


_PARTS = {
    "weekday": ("weekday|weekdays|day of week|day of the week|week day", "dayofweek"),
    "hour_of_day": ("hour of day|hour of the day|hours of the day", "hour"),
    "month_of_year": ("month of year|month of the year|calendar month", "month"),
}


def _part_of_time(c: Context, i: int) -> tuple[int, tuple[str, str]] | None:
    """``by weekday``, ``per hour of the day``: a part of the date, over all weeks or days."""
    for name, (words, function) in _PARTS.items():
        end = c.match(i, words)
        found = date_meant(c, i, None) if end is not None else None
        if end is not None and found is not None:
            return end, (name, f"{function}({col(found[0].ref)})")
    return None


def _trunc(unit: str, column: ColumnInfo) -> str:
    if unit == "year":
        return f"year({col(column.ref)})"
    if unit == "day":
        return f"to_date({col(column.ref)})"
    made = f"date_trunc('{_UNITS[unit]}', {col(column.ref)})"
    return made if unit == "hour" else f"to_date({made})"


def entity_columns(table: TableInfo) -> tuple[ColumnInfo, ...]:
    """What stands for one row of a table: its key, its names, and the segment it belongs to."""
    keys = [column for name in table.key for column in table.columns if column.name.casefold() == name.casefold()]
    names = [
        column
        for column in table.columns
        if column.kind == "text"
        and column not in keys
        and ({"name", "title"} & set(column.words))
        and _own_name(column, table)
    ]
    segments = [column for column in table.columns if column.kind == "text" and "segment" in column.words]
    return tuple(dict.fromkeys([*keys, *names, *segments]))


def _own_name(column: ColumnInfo, table: TableInfo) -> bool:
    others = set(column.words) - {"name", "title", "first", "last", "full", "middle"}
    return others <= set(table.words)


def named(words: str) -> str:
    """A column name of words."""
    return slug(words, "value")
