"""Columns that several tables have, settled to those of the rows that are meant: ``average stars per title_id``.

A key is taken from the rows that are measured, so that no join is needed and no row without a partner is lost. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import Ref, TableInfo
from pipeline_magic.agents.specification.planner.intent import (
    Filter,
    Group,
    Item,
    JoinWish,
    Keep,
    Measure,
    Outer,
    Segment,
    Selected,
    Top,
    Use,
    col,
    refs_in,
    texts_of,
)

__all__ = ["keys_instead", "own_keys", "pointers", "shown_here"]


def own_keys(c: Context, items: list[Item]) -> list[Item]:
    """``average stars per title_id``: the column of that name that the measured rows have, where no other is named."""
    facts = {item.table for item in items if isinstance(item, Measure) and item.table}
    if len(facts) != 1:
        return items
    fact = c.linker.tables[next(iter(facts))]
    named = {item.table for item in items if isinstance(item, Use)}
    made: list[Item] = []
    for item in items:
        if isinstance(item, Group) and not item.entity:
            columns = tuple((name, _own(fact, named, text)) for name, text in item.columns)
            item = replace(item, columns=columns)
        made.append(item)
    return made


def shown_here(c: Context, items: list[Item]) -> list[Item]:
    """``show device_id and serial_no``: of columns that are called alike, the one of the rows that are asked for."""
    firm = [item.table for item in items if isinstance(item, Use)]
    firm += [
        ref.table for item in items if not isinstance(item, Use) for text in texts_of(item) for ref in refs_in(text)
    ]
    shown = [item for item in items if isinstance(item, Selected)]
    names = [item.ref.column.casefold() for item in shown]
    tables = dict.fromkeys([*firm, *(item.ref.table for item in shown)])
    single = {item.ref.table for item in shown if _holders(c, tables, item.ref.column) == [item.ref.table]}
    firm += [name for name in tables if name in single]
    made: list[Item] = []
    for item in items:
        if isinstance(item, Selected) and item.ref.table not in firm and names.count(item.ref.column.casefold()) == 1:
            holders = _holders(c, dict.fromkeys(firm), item.ref.column)
            if holders:
                column = c.linker.tables[holders[0]].column(item.ref.column)
                item = replace(item, ref=column.ref) if column is not None else item
        made.append(item)
    return made


def _holders(c: Context, tables: Iterable[str], column: str) -> list[str]:
    return [name for name in tables if name in c.linker.tables and c.linker.tables[name].column(column) is not None]


def _own(fact: TableInfo, named: set[str], text: str) -> str:
    refs = refs_in(text)
    if len(refs) != 1 or text != col(refs[0]) or refs[0].table in {fact.name, *named}:
        return text
    column = fact.column(refs[0].column)
    return col(column.ref) if column is not None else text


def keys_instead(c: Context, items: list[Item]) -> list[Item]:
    """``distinct customers`` of orders are the distinct keys that orders hold: no join, and no unknown key is lost."""
    made = list(items)
    for measure in items:
        if not isinstance(measure, Measure) or not measure.expression.startswith("count(DISTINCT "):
            continue
        refs = refs_in(measure.expression)
        table = c.linker.tables.get(refs[0].table) if len(refs) == 1 else None
        if table is None or measure.expression != f"count(DISTINCT {col(refs[0])})" or table.key != (refs[0].column,):
            continue
        rest = [item for item in made if item is not measure]
        held = {ref.table for item in rest for text in texts_of(item) for ref in refs_in(text)}
        held |= {item.ref.table for item in rest if isinstance(item, Selected)}
        held |= {item.entity for item in rest if isinstance(item, (Group, Top))}
        inside = [item for item in rest if isinstance(item, Use) and item.table == table.name]
        if table.name in held or any(item.read for item in inside) or any(isinstance(item, JoinWish) for item in rest):
            continue
        uses = [item.table for item in rest if isinstance(item, Use) and item.table != table.name]
        for name in dict.fromkeys([*(m.table for m in rest if isinstance(m, Measure) and m.table), *held, *uses]):
            links = c.graph.links(name, table.name) if name and name != table.name else ()
            if len(links) == 1 and links[0].one in {"right", "both"} and len(links[0].keys) == 1:
                key = Ref(name, links[0].keys[0][0])
                made[made.index(measure)] = replace(measure, expression=f"count(DISTINCT {col(key)})", table=name)
                made = [item for item in made if item not in inside]
                break
    return made


def pointers(c: Context, items: list[Item]) -> list[Item]:
    """``total amount per customer``: by the customer that each row points at, known or not; no row is lost."""
    measures = [item for item in items if isinstance(item, Measure)]
    facts = {item.table for item in measures}
    if len(facts) != 1 or "" in facts or any(isinstance(item, (JoinWish, Keep, Segment)) for item in items):
        return items
    (fact,) = facts
    made = list(items)
    for group in items:
        if not isinstance(group, Group):
            continue
        for name, text in group.columns:
            refs = refs_in(text)
            table = c.linker.tables.get(refs[0].table) if len(refs) == 1 and text == col(refs[0]) else None
            if table is None or table.name == fact or table.key != (refs[0].column,) or _held(made, group, table):
                continue
            if c.low(group.start) not in _OPENS_GROUP and group.entity == table.name:
                continue  # `top 3 customers`, `rank the nations`: the rows of that table are what is asked for
            links = c.graph.links(fact, table.name)
            if len(links) != 1 or links[0].one not in {"right", "both"} or len(links[0].keys) != 1:
                continue
            pointer = Ref(fact, links[0].keys[0][0])
            changed = _pointing(made, group, name, text, pointer, table)
            info = c.linker.tables[fact].column(pointer.column)
            if changed is not made and info is not None and info.optional:
                reason = f"a row whose {pointer.column} is empty belongs to no {table.words[-1]}"
                changed.append(Filter(group.start, group.end, f"{col(pointer)} IS NOT NULL", reason))
            made = changed
            break
    return made


_OPENS_GROUP = {
    "per", "for", "by", "each", "in", "of", "from", "on", "within", "across", "grouped", "group", "at", "split",
    "broken", "one", "a", "every",
}  # fmt: skip


def _held(items: Sequence[Item], group: Group, table: TableInfo) -> bool:
    """Something else is asked of that table."""
    for item in items:
        if isinstance(item, Use):
            if item.table == table.name and item.read:
                return True
        elif isinstance(item, Group):
            own = {col(column.ref) for column in table.columns}
            mine = {text for _, text in item.columns} & own if item != group else set()
            if mine:
                return True
        elif isinstance(item, Selected):
            if item.ref.table == table.name:
                return True
        elif any(ref.table == table.name for text in texts_of(item) for ref in refs_in(text)):
            return True
    return False


def _pointing(items: list[Item], group: Group, name: str, text: str, pointer: Ref, table: TableInfo) -> list[Item]:
    """The grouping by the pointer; names of the table are kept, and brought along where it has the row."""
    described = [pair for pair in group.columns if any(ref.table == table.name for ref in refs_in(pair[1]))]
    alone = len(described) == 1
    columns = tuple((pointer.column, col(pointer)) if pair == (name, text) else pair for pair in group.columns)
    entity = "" if alone and group.entity == table.name else group.entity
    if not alone and group.entity != table.name:
        return items
    changed = replace(group, columns=columns, entity=entity, pointer=None if alone else pointer)
    made: list[Item] = []
    for item in items:
        if item is group:
            made.append(changed)
        elif isinstance(item, Outer) and name in item.inner:
            made.append(replace(item, inner=tuple(pointer.column if part == name else part for part in item.inner)))
        elif isinstance(item, Top) and name in item.per:
            made.append(replace(item, per=tuple(pointer.column if part == name else part for part in item.per)))
        elif not (alone and isinstance(item, Use) and item.table == table.name and not item.read):
            made.append(item)
    return made
