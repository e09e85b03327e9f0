"""One row a key: ``keep the latest order per customer``, ``deduplicate orders on o_orderkey``."""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.entities import Kind, Ref, TableInfo
from pipeline_magic.agents.specification.planner.grouping import read_group
from pipeline_magic.agents.specification.planner.intent import (
    Group,
    Latest,
    Use,
)
from pipeline_magic.agents.specification.planner.periods import date_column
from pipeline_magic.agents.specification.planner.ranking import PER, partition

__all__ = ["read_latest"]


def read_latest(c: Context, i: int) -> Found | None:
    """``keep only the latest order per customer [by order date]``, ``deduplicate orders on o_orderkey …``."""
    return _exact(c, i) or _latest_per(c, i) or _one_row_per(c, i) or _deduplicate(c, i)


_TELLING = {
    "duplicate", "duplicates", "duplicated", "repeated", "repeating", "identical", "copies", "equal", "double", "same",
    "twice", "once", "more",
}  # fmt: skip
_ROWS = r"(?:rows?|records?|lines?|entries|entry)"
_DROP = (
    r"(?:remov(?:e|es|ing)|drop(?:s|ping)?|eliminat(?:e|es|ing)|delet(?:e|es|ing)|discard(?:s|ing)?|get rid of|"
    r"filter(?:s|ing)? out|throw(?:s|ing)? (?:away|out)|collaps(?:e|es|ing)|dedup(?:licate|licates|e|licating)?|"
    r"leav(?:e|es|ing) out|without|ignor(?:e|es|ing)|skip(?:s|ping)?)"
)
_SAME = r"(?:exact(?:ly)?|identical|full(?:y)?|complete(?:ly)?|true|perfect|entirely|literal)"
_TWICE = r"(?:duplicates?|duplicated|repeated|repeating|identical|copies|equal|double)"
_GONE = r"(?:removed|dropped|eliminated|deleted|discarded|ignored|left out|skipped|collapsed|thrown away|taken out)"
_WHOLE_ROWS = re.compile(
    rf"(?:{_DROP} (?:all |any |the |out )*(?:{_SAME} )+{_TWICE}(?: {_ROWS})?"
    rf"|{_DROP} (?:all |any |the |out )*{_TWICE} {_ROWS}"
    rf"|{_DROP} (?:all |any |the )*{_ROWS} that (?:are|occur|appear) (?:{_SAME} )*"
    rf"(?:{_TWICE}|the same|twice|more than once)"
    rf"|(?:{_SAME} )*{_TWICE} {_ROWS} (?:are|should be|must be|to be|have to be|can be|need to be) {_GONE}"
    rf"|(?:{_SAME} )+{_TWICE} (?:are |should be |must be )?{_GONE}"
    rf"|keep(?:s|ing)? (?:each|every) {_ROWS} (?:only )?once)"
)
_KEYED = (
    "on|by|with the same|based on|per|for each|having|keeping|, keeping|and keep|which|that|with|, with|using|sharing"
)


def _exact(c: Context, i: int) -> Found | None:
    """``remove exact duplicate rows``: rows that are equal in every column become one; no key is needed."""
    near = range(i, min(i + 9, c.end(i)))
    found = c.words(i, _WHOLE_ROWS) if any(c.low(j) in _TELLING for j in near) else None
    if found is None:
        return None
    at = c.match(found[0], "from|in|of|among")
    link = c.table_at(c.skip(at, "the|all")) if at is not None else None
    end = link.end if link is not None else found[0]
    named = list(dict.fromkeys(item.table for item in c.of(Use)))
    name = link.table.name if link is not None else named[0] if len(named) == 1 else ""
    if not name or c.match(end, _KEYED) is not None:
        return None
    table = c.linker.tables[name]
    uses = (Use(link.start, link.end, name),) if link is not None else ()
    keys = tuple(column.ref for column in table.columns)
    return Found(end, "measure", (*uses, Latest(i, end, name, keys, None)))


def _one_row_per(c: Context, i: int) -> Found | None:
    """``keep one row per email from customers, the newest by signup date``."""
    at = c.match(
        i,
        "keep one row|keep only one row|keep a single row|keep one record|keep only one record|retain one row|"
        "keep exactly one row|keep one entry|keep one|keep only one",
    )
    per = c.match(at, "per|for each|for every|by|of each") if at is not None else None
    if per is None:
        return None
    column = c.linker.column_at(c.skip(per, "the|each"), least=0.6)
    if column is None or column.end > c.end(i):
        return None
    end = column.end
    of = c.match(end, "from|of|in")
    owner = c.table_at(c.skip(of, "the|all")) if of is not None else None
    table = owner.table if owner is not None else c.linker.tables[column.ref.table]
    own = table.column(column.ref.column)
    if own is None:
        return None
    end = owner.end if owner is not None else end
    uses = (Use(owner.start, owner.end, table.name),) if owner is not None else ()
    which = c.match(c.skip(end, ",|and|keeping|keep|taking|namely"), "the newest|the latest|the most recent|the last")
    first = c.match(c.skip(end, ",|and|keeping|keep|taking|namely"), "the oldest|the earliest|the first")
    found = which if which is not None else first
    order = None
    if found is not None:
        order, end = _by_date(c, c.skip(found, "row|record|one|entry"), table)
    return _dedup(c, i, end, table, (own.ref,), order, first is None, *uses)


def _latest_per(c: Context, i: int) -> Found | None:
    at = c.skip(i, "keep|take|keeping|only|just|the|with|use|select|for|get|find|and|their")
    newest = c.match(at, "latest|most recent|newest|last")
    oldest = c.match(at, "earliest|oldest|first") if newest is None else None
    found = newest or oldest
    link = c.table_at(found) if found is not None else None
    row = c.match(found, "row|record|version|entry|one|rows|records|versions") if found is not None else None
    named = [item.table for item in c.of(Use)]
    if found is None or (link is None and (row is None or not named)):
        return None
    table = link.table if link is not None else c.linker.tables[named[-1]]
    by, end = _by_date(c, link.end if link is not None else row or found, table)
    per = read_group(c, c.skip(end, ",")) if c.match(end, PER) is not None else None
    if per is None:
        return None
    end = per.end
    if by is None:
        by, end = _by_date(c, end, table)
    keys = [_ref(text) for item in per.items if isinstance(item, Group) for text in partition(c, table, item)]
    uses = (Use(link.start, link.end, table.name),) if link is not None else ()
    return _dedup(c, i, end, table, tuple(keys), by, newest is not None, *uses)


def _ref(template: str) -> Ref:
    from pipeline_magic.agents.specification.planner.intent import refs_in

    return refs_in(template)[0]


def _by_date(c: Context, i: int, table: TableInfo) -> tuple[Ref | None, int]:
    """``by order date``, ``according to updated_at``."""
    at = c.match(i, "by|by the|by their|according to|based on|ordered by|on|in terms of|( by|, by|using")
    link = (
        c.linker.column_at(at, tables=(table.name,), kinds=("date", "timestamp", "number")) if at is not None else None
    )
    return (link.ref, c.skip(link.end, ")")) if link is not None and link.end <= c.end(i) else (None, i)


def _deduplicate(c: Context, i: int) -> Found | None:
    if (
        not c.verb(i, "deduplicate", "dedupe", "dedup", "deduplicat")
        and c.match(
            i,
            (
                "remove duplicates|remove duplicate|drop duplicates|drop duplicate|removing duplicates|"
                "eliminate duplicate|eliminate duplicates"
            ),
        )
        is None
    ):
        return None
    at = (
        c.match(
            i,
            (
                "remove duplicates|remove duplicate|drop duplicates|drop duplicate|removing duplicates|"
                "eliminate duplicate|eliminate duplicates"
            ),
        )
        or i + 1
    )
    at = c.skip(at, "the|from|of|in|all|rows|row|records")
    link = c.table_at(at)
    table = link.table if link is not None else (c.scope[0] if c.scope else None)
    if table is None:
        return None
    end = link.end if link is not None else at
    keys: list[Ref] = []
    by = c.match(
        end,
        "by|on|per|using|based on|with the same|by the|for each|over|having the same|that share the same|( same|"
        "( by|( with the same|( on|with same|( the same|of the same",
    )
    bracket = by is not None and c.low(end) == "("
    while by is not None:
        column = c.linker.column_at(c.skip(by, "the|same"), tables=(table.name,), least=0.45)
        if column is None or column.end > c.end(i):
            break
        keys.append(column.ref)
        end = column.end
        by = c.match(end, ", and|and|,|+|and the")
    end = c.skip(end, ")") if bracket else end
    order, newest, end = _keeping(c, end, table)
    uses = (Use(link.start, link.end, link.table.name),) if link is not None else ()
    return _dedup(c, i, end, table, tuple(keys), order, newest, *uses)


def _keeping(c: Context, end: int, table: TableInfo) -> tuple[Ref | None, bool, int]:
    """``, keeping the latest [row] [by updated_at]``."""
    at = c.match(c.skip(end, ",|and"), "keeping|keep|keeping only|retain|retaining|with|take|taking|keep only")
    if at is None:
        return None, True, end
    at = c.skip(at, "the|only|one|row|record|with")
    newest = c.match(at, "latest|most recent|newest|last|highest|largest|maximum")
    oldest = c.match(at, "earliest|oldest|first|lowest|smallest|minimum") if newest is None else None
    found = newest or oldest
    if found is None:
        return None, True, end
    kinds: tuple[Kind, ...] = ("date", "timestamp") if c.low(found - 1) in _TIMELY else ()
    at = c.skip(found, "row|record|one|version|entry")
    column = c.linker.column_at(at, tables=(table.name,), kinds=kinds, least=0.45 if kinds else 0.6)
    if column is not None and column.end <= c.end(end):
        return column.ref, newest is not None, column.end
    found = c.skip(found, "row|record|one|version|entry|of each|for each|rows")
    order, after = _by_date(c, found, table)
    return order, newest is not None, after


_TIMELY = {"latest", "recent", "newest", "last", "earliest", "oldest", "first"}


def _dedup(
    c: Context, i: int, end: int, table: TableInfo, keys: tuple[Ref, ...], order: Ref | None, newest: bool, *uses: Use
) -> Found:
    if order is None:
        date = date_column(c, i, table)
        order = date[0].ref if date is not None and not date[1] else None
    return Found(end, "measure", (*uses, Latest(i, end, table.name, keys, order, newest)))
