"""Keys that are asked for by the word for keys alone: ``the ids of flights``, ``the ids and prices of all copies``.

A table with one key column shows that; where it has none, or more than one, the word is asked about.
"""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.entities import Ref, TableInfo
from pipeline_magic.agents.specification.planner.intent import Item, Selected, Use

__all__ = ["read_key_shown"]

_WORDS = "id|ids|identifier|identifiers"
_FAR = 14


def read_key_shown(c: Context, i: int) -> Found | None:
    """The key of the table behind ``of``, of the one before the word, or of the one the list is about."""
    before = c.table_at(i)
    word = before.end if before is not None else i
    end = c.match(word, _WORDS)
    if end is None or c.linker.column_at(i, least=0.8) is not None:
        return None
    if before is not None:
        return _found(i, end, before.table, (Use(before.start, before.end, before.table.name),))
    if c.low(i - 1) not in _LIST and i != c.starts[i]:
        return None
    at = c.match(end, "of the|of all the|of all|of those|of every|of each|of|for the|for all|for")
    if at is not None:
        link = c.table_at(at)
        if link is not None:
            return _found(i, end, link.table, ())
    if c.match(end, "and|,|of") is None and end < c.end(i) and c.low(end) not in {".", "?"}:
        return None
    owner = _owner(c, i, end)
    return _found(i, end, owner, ()) if owner is not None else None


_LIST = {"the", "their", "its", ",", "and", "show", "return", "give", "list", "me", "with", ":", "what", "are", "all"}


def _owner(c: Context, i: int, end: int) -> TableInfo | None:
    """``ids and prices of the five most expensive copies``: the table behind ``of``; else the only one named before."""
    of = next((j for j in range(end, min(c.end(i), end + _FAR)) if c.low(j) in {"of", "for"}), None)
    if of is not None:
        links = [link for j in range(of, min(c.end(i), of + _FAR)) if (link := c.table_at(j)) is not None]
        return links[0].table if links else None
    named = list(dict.fromkeys(item.table for item in c.of(Use)))
    return c.linker.tables[named[0]] if len(named) == 1 else None


def _found(i: int, end: int, table: TableInfo, uses: tuple[Item, ...]) -> Found | None:
    if len(table.key) != 1:
        return None
    return Found(end, "select", (*uses, Selected(i, end, Ref(table.name, table.key[0]))))
