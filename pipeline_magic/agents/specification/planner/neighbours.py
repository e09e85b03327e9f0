"""The row before or after, beside each row: ``the cost of the previous job of the same device``.

Here: single rows and what they show of their neighbour. Not here: changes from month to month; see `windows`. What
parts the rows must be said; which date orders them must be one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, Ref, TableInfo
from pipeline_magic.agents.specification.planner.intent import Group, Measure, Selected, Use, Windowed, col, measure_ref
from pipeline_magic.agents.specification.planner.listing import column_like
from pipeline_magic.agents.specification.planner.periods import date_column
from pipeline_magic.agents.specification.planner.ranking import foreign, partition
from pipeline_magic.spec.names import slug

__all__ = ["read_neighbour"]

_SIDES = {
    "lag": "previous|prior|preceding|last|one before|earlier",
    "lead": "next|following|subsequent",
}
_SINCE = {"days": 0, "day": 0, "hours": 3600, "hour": 3600, "minutes": 60, "minute": 60}


def read_neighbour(c: Context, i: int) -> Found | None:
    """A column of the neighbouring row, its time, or the time between."""
    if not any(c.low(j) in _WORDS for j in range(i, min(i + _REACH, c.end(i)))):
        return None
    at = c.skip(i, ",|and|the|also|its|with|together|plus|show|as well as")
    if at >= c.end(i) or c.of(Measure):
        return None
    for read in (_gap, _time, _of_neighbour, _value):
        found = read(c, i, at)
        if found is not None:
            return found
    return None


_REACH = 10
"""How many tokens away the word for the neighbour may stand."""
_WORDS = {word for words in _SIDES.values() for phrase in words.split("|") for word in phrase.split()}


def _side(c: Context, i: int) -> tuple[int, str] | None:
    at = c.skip(i, "the|its|their|that")
    for function, words in _SIDES.items():
        after = c.match(at, words)
        if after is not None:
            return after, function
    return None


def _row(c: Context, i: int) -> tuple[int, TableInfo, str, tuple[str, ...] | None] | None:
    """``the previous alert [of the same device]``: the end, the table, the function, and what parts its rows."""
    side = _side(c, i)
    if side is None:
        return None
    link = c.table_at(side[0])
    generic = c.match(side[0], "one|row|record|entry|event|value")
    named = list(dict.fromkeys(item.table for item in c.of(Use)))
    if link is not None:
        end, table = link.end, link.table
    elif side[0] < c.end(i) and c.tokens[side[0]].kind == "word" and named:
        table = c.linker.tables[named[0]]
        if generic is None and c.tokens[side[0]].stem not in table.words:
            return None
        end = generic or side[0] + 1
    else:
        return None
    return _parted(c, end, table, side[1])


def _parted(
    c: Context, end: int, table: TableInfo, function: str
) -> tuple[int, TableInfo, str, tuple[str, ...] | None] | None:
    """What parts the rows: behind ``of the same``; else a grouping by another table, which `settle` takes in."""
    over: list[str] = []
    at = c.match(end, "of|for|on|by|at|in|with|within|from")
    at = c.skip(at, "the|that|each|this|same|every|its") if at is not None else None
    while at is not None:
        owner = c.table_at(at)
        column = c.linker.column_at(at, tables=(table.name,), least=0.6)
        if column is not None and column.end <= c.end(at) and (owner is None or column.end > owner.end):
            over.append(col(column.ref))
            end = column.end
        elif owner is not None and owner.table.name != table.name and c.graph.links(table.name, owner.table.name):
            over.append(foreign(c, table, owner.table.name))
            end = owner.end
        else:
            break
        more = c.match(end, "and the same|and")
        at = c.skip(more, "the|same") if more is not None else None
    if over:
        return end, table, function, tuple(over)
    groups = [item for item in c.of(Group) if item.entity != table.name]
    if not groups:
        return None
    return end, table, function, tuple(text for group in groups for text in partition(c, table, group))


def _order(c: Context, i: int, table: TableInfo) -> tuple[tuple[tuple[str, bool], ...], ColumnInfo] | None:
    found = date_column(c, i, table)
    if found is None or found[1]:
        return None
    rest = tuple((col(Ref(table.name, name)), False) for name in table.key if name != found[0].name)
    return ((col(found[0].ref), False), *rest), found[0]


def _made(
    c: Context, i: int, row: tuple[int, TableInfo, str, tuple[str, ...] | None], end: int, column: ColumnInfo, name: str
) -> Found | None:
    order = _order(c, i, row[1])
    if order is None:
        return None
    text = f"{row[2]}({col(column.ref)}, 1)"
    return Found(end, "measure", (Windowed(i, end, slug(name), text, row[3], order[0]),))


def _lead(function: str) -> str:
    return "previous" if function == "lag" else "next"


def _time(c: Context, i: int, at: int) -> Found | None:
    """``when the previous alert of the same device was raised``, ``the time of the next alert``."""
    opened = c.match(at, "when the|when|date of the|time of the|timestamp of the|date of|time of|moment of the")
    row = _row(c, opened) if opened is not None else None
    order = _order(c, i, row[1]) if row is not None else None
    if row is None or order is None:
        return None
    end = row[0]
    column = order[1]
    was = c.match(end, "was|were|is|happened|took place|came|had been|will be")
    if was is not None:
        end = was
        if was < c.end(i) and re.fullmatch(r"[a-z]+(?:ed|en|un|ne|de|id)", c.low(was)):
            like = column_like(row[1], (c.low(was),))
            if like is None or like.kind not in {"date", "timestamp"}:
                return None
            column, end = like, was + 1
    return _made(c, i, row, end, column, f"{_lead(row[2])}_{column.name}")


def _of_neighbour(c: Context, i: int, at: int) -> Found | None:
    """``the cost of the previous job of the same device``."""
    for size in (1, 2, 3):
        of = at + size
        if of >= c.end(i) or any(token.kind != "word" for token in c.tokens[at:of]):
            return None
        if c.low(of) not in {"of", "from", "at", "in"}:
            continue
        row = _row(c, of + 1)
        column = _column(c, at, of, row[1]) if row is not None else None
        if row is None or column is None:
            return None
        return _made(c, i, row, row[0], column, f"{_lead(row[2])}_{column.name}")
    return None


def _column(c: Context, start: int, end: int, table: TableInfo) -> ColumnInfo | None:
    link = c.linker.column_at(start, tables=(table.name,), least=0.8)
    if link is not None and link.end == end:
        return link.column
    return column_like(table, tuple(token.stem for token in c.tokens[start:end]))


def _value(c: Context, i: int, at: int) -> Found | None:
    """``the previous value of each device``: a column of the rows that are shown."""
    side = _side(c, at)
    named = list(dict.fromkeys(item.table for item in c.items if isinstance(item, Use)))
    tables = tuple(dict.fromkeys((*named, *(item.ref.table for item in c.of(Selected)))))
    link = c.linker.column_at(side[0], tables=tables, least=0.9) if side is not None and tables else None
    if side is None or link is None or link.end > c.end(i) or c.table_at(side[0]) is not None:
        return None
    named += [item.ref.table for item in c.of(Selected)]
    if named and link.ref.table not in named:
        return None
    row = _parted(c, link.end, c.linker.tables[link.ref.table], side[1])
    return _made(c, i, row, row[0], link.column, f"{_lead(side[1])}_{link.column.name}") if row is not None else None


def _gap(c: Context, i: int, at: int) -> Found | None:
    """``days since the previous job of the same device``, ``hours until the next alert``."""
    at = c.match(at, "number of|time in|how many") or at
    unit = c.low(at)
    since = c.match(at + 1, "since|from|after|to|until|between it and|before") if unit in _SINCE else None
    row = _row(c, since) if since is not None else None
    order = _order(c, i, row[1]) if row is not None else None
    if row is None or order is None:
        return None
    date = order[1]
    name = slug(f"{_lead(row[2])}_{date.name}")
    pair: Sequence[str] = (col(date.ref), measure_ref(name))
    late, early = pair if row[2] == "lag" else tuple(reversed(pair))
    days = [f"to_date({side})" if date.kind == "timestamp" else side for side in (late, early)]
    text = f"datediff({days[0]}, {days[1]})"
    if _SINCE[unit]:
        text = f"(unix_timestamp({late}) - unix_timestamp({early})) / {_SINCE[unit]}"
    word = f"{unit.rstrip('s')}s_{'since_previous' if row[2] == 'lag' else 'until_next'}"
    made = Windowed(i, row[0], name, f"{row[2]}({col(date.ref)}, 1)", row[3], order[0], None, ((word, text),), False)
    return Found(row[0], "measure", (made,))
