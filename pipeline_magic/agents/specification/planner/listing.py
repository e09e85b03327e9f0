"""Columns asked for in a list by a part of their name: ``name and country``, ``id, type and status``.

The word stands where a list has a place for it, and of the rows the sentence is about it fits one column better than
any other; else nothing is read, and the word is asked about. Not here: columns that words name in full (`columns`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, Ref, TableInfo
from pipeline_magic.agents.specification.planner.intent import Group, Keep, Latest, Selected, Top, Use
from pipeline_magic.agents.specification.planner.lexicon import FILLER
from pipeline_magic.agents.specification.planner.text import lemmas

__all__ = ["akin", "column_like", "lost_names", "read_listed", "read_shown_thing"]

_ARTICLES = {"the", "its", "their", "his", "her", "a", "an", "each", "that", "also", "only", "just"}
_BEFORE = {
    ",", ":", "and", "show", "shows", "showing", "list", "lists", "listing", "return", "returns", "returning", "give",
    "gives", "output", "outputs", "display", "report", "select", "selects", "include", "including", "plus", "with",
    "get", "fetch", "print", "want", "need", "columns", "fields", "store", "write", "find", "keep", "-", "add",
    "provide", "(", "as", "which", "what", "is", "are", "by",
}  # fmt: skip
_BEHIND = {
    ",", ".", ";", ":", "and", "of", "for", "from", "sorted", "ordered", "into", "to", "", ")", "?", "!", "per", "with",
    "in", "where", "as", "only", "together", "plus", "-", "order", "who", "which", "that", "whose", "(", "on", "or",
}  # fmt: skip
_NO_NOUN = {
    "and", "or", "the", "of", "number", "count", "total", "average", "sum", "rows", "row", "all", "result", "results",
    "table", "list", "columns", "column", "each", "them", "it", "in", "to", "by", "for", "with", "new", "top", "first",
    "last", "daily", "monthly", "weekly", "yearly", "only", "data", "order", "one", "not", "no",
    "then", "per", "other", "others", "rest", "key",
}  # fmt: skip


_AHEAD = 30
"""How far behind a list its table may stand."""


def akin(one: str, other: str) -> bool:
    """Two words of one root: ``opening`` and ``opened``, ``installation`` and ``installed``."""
    if one == other or not _roots(one).isdisjoint(_roots(other)):
        return True
    size = 0
    while size < min(len(one), len(other)) and one[size] == other[size]:
        size += 1
    return size >= 5 and max(len(one), len(other)) - size <= 5


_IRREGULAR = {"paid": "pay", "sold": "sell", "bought": "buy", "sent": "send", "made": "make", "began": "begin"}
_ENDING = re.compile(r"(?:ment|ation|al|er|or)$")


def _roots(word: str) -> frozenset[str]:
    found = set(lemmas(word)) | {_IRREGULAR.get(word, word)}
    return frozenset(found | {cut for form in found if len(cut := _ENDING.sub("", form)) > 2})


def column_like(table: TableInfo, words: tuple[str, ...]) -> ColumnInfo | None:
    """The one column of the table that these words fit best: all of them are in its name, or in the table's."""
    scored: list[tuple[int, ColumnInfo]] = []
    for column in table.columns:
        left = list(column.words)
        own = 0
        for word in words:
            hit = next((part for part in left if akin(word, part)), None)
            if hit is not None:
                left.remove(hit)
                own += 1
            elif not any(akin(word, part) for part in table.words) and not _kind_word(word, column):
                own = -9
        if own > 0:
            scored.append((sum(part not in table.words for part in left), column))
    best = min((score for score, _ in scored), default=0)
    fitting = [column for score, column in scored if score == best]
    return fitting[0] if len(fitting) == 1 else None


def _kind_word(word: str, column: ColumnInfo) -> bool:
    """``installation date`` is a date, whatever its column is called."""
    return word in {"date", "day", "time", "timestamp", "moment"} and column.kind in {"date", "timestamp"}


def read_listed(c: Context, i: int) -> Found | None:
    """A noun at a place of a list."""
    if c.tokens[i].kind != "word" or not _in_list(c, i):
        return None
    for size in (3, 2, 1):
        end = i + size
        tokens = c.tokens[i:end]
        if end > c.end(i) or any(token.kind != "word" or token.low in _NO_NOUN for token in tokens):
            continue
        if end < c.end(i) and c.low(end) not in _BEHIND:
            continue
        found = _named(c, i, end)
        if found is not None:
            return found
    return None


def _named(c: Context, i: int, end: int) -> Found | None:
    """The column that the words up to `end` name; ``end of contract`` is the contract's end."""
    words = tuple(token.low if token.low.endswith(("ing", "ed")) else token.stem for token in c.tokens[i:end])
    tables = _tables(c, i, end)
    fitting = [table for table in tables if column_like(table, words) is not None]
    chosen = tables[:1] if fitting[:1] == tables[:1] else fitting if len(fitting) == 1 else []
    for table in chosen or tables[:1]:
        at = c.match(end, "of the|of")
        if at is not None and at < c.end(i) and c.tokens[at].kind == "word" and c.table_at(at) is None:
            column = column_like(table, (c.tokens[at].stem, *words))
            if column is not None and (at + 1 >= c.end(i) or c.low(at + 1) in _BEHIND):
                return Found(at + 1, "select", (Selected(i, at + 1, column.ref),))
            return None
        column = column_like(table, words)
        if column is not None:
            return Found(end, "select", (Selected(i, end, column.ref),))
    return None


def lost_names(c: Context, kinds: Sequence[str | None]) -> list[int]:
    """Tokens such as ``name`` that stand in a list and were not read: they ask for a column."""
    columns = {column.name.casefold() for name in c.linker.near for column in c.linker.tables[name].columns}
    behind = [
        i
        for i, token in enumerate(c.tokens)
        if kinds[i] is None
        and token.low in {"name", "names", "title", "titles", "id", "ids"}
        and i > c.starts[i]
        and kinds[i - 1] == "source"
        and c.table_at(i - 1) is not None
    ]
    behind += [
        i
        for i, token in enumerate(c.tokens)
        if kinds[i] is None and token.low in {"name", "names"} and c.low(i - 1) in _WHOSE_NAME and i > c.starts[i]
    ]
    return behind + [
        i
        for i, token in enumerate(c.tokens)
        if kinds[i] is None
        and (token.low in {"name", "names", "number", "count"} or (token.low in FILLER and token.low in columns))
        and _in_list(c, i)
        and (i + 1 >= c.end(i) or c.low(i + 1) in {",", "and", ".", "of", ";", ")"})
    ]


_WHOSE_NAME = {"first", "last", "full", "middle", "family", "given"}


def _in_list(c: Context, i: int) -> bool:
    """A list may have an element here: behind a comma, a colon, a verb that shows, or at the start of a sentence."""
    while i > c.starts[i] and c.low(i - 1) in _ARTICLES:
        i -= 1
    return i == c.starts[i] or c.low(i - 1) in _BEFORE


def _tables(c: Context, i: int, end: int) -> list[TableInfo]:
    """The table behind ``of``; else the one the sentence is about; else others that were named, if only one fits."""
    behind = c.match(end, "of the|of all|of every|of each|of|for the|for every|for each|for")
    owner = c.table_at(behind) if behind is not None else None
    if owner is not None:
        return [owner.table]
    lacking = {item.other for item in c.of(Keep) if item.how in {"anti", "semi"}}
    found = [item.table for item in c.of(Latest)]
    found += [top.entity for top in c.of(Top) if top.entity]
    found += [group.entity for group in c.of(Group) if group.entity]
    uses = [item for item in c.of(Use) if item.table not in lacking]
    found += [item.table for item in uses if c.starts[item.start] == c.starts[i]]
    found += [item.table for item in uses]
    found += [item.ref.table for item in c.of(Selected)]
    if not found:
        last = min(c.end(i), end + _AHEAD)
        j = next((j for j in range(end, last) if c.table_at(j) is not None), None)
        link = c.table_at(j) if j is not None else None
        found = [link.table.name] if link is not None else []
    return [c.linker.tables[name] for name in dict.fromkeys(found)]


_SHOW = ("show", "list", "return", "give", "output", "display", "report", "select", "include", "print", "add")


def read_shown_thing(c: Context, i: int) -> Found | None:
    """``show the device, the alert, when it was raised``: a thing is shown by its key, a deed by its date."""
    if c.low(i) != "when" and c.low(i - 1) != "the":
        return None
    if not _in_list(c, i) or not any(c.verb(j, *_SHOW) for j in range(max(c.starts[i], i - _AHEAD), i)):
        return None
    deed = c.match(i, "when it was|when they were|when it is|when it got|when they got|when he was|when she was")
    names = [item.table for item in c.of(Use)]
    if deed is not None and names and deed < c.end(i):
        column = column_like(c.linker.tables[names[0]], (c.low(deed),))
        if column is not None and column.kind in {"date", "timestamp"} and _closes(c, deed + 1):
            return Found(deed + 1, "select", (Selected(i, deed + 1, column.ref),))
        return None
    link = c.table_at(i)
    if link is None or c.low(i - 1) != "the" or c.tokens[link.end - 1].low != c.tokens[link.end - 1].stem:
        return None
    if not names or not _closes(c, link.end) or len(link.table.key) != 1:
        return None
    head = c.linker.tables[names[0]]
    ref = Ref(head.name, head.key[0]) if link.table.name == head.name else None
    if ref is None:
        links = c.graph.links(head.name, link.table.name)
        if len(links) != 1 or links[0].one not in {"right", "both"} or len(links[0].keys) != 1:
            return None
        ref = Ref(head.name, links[0].keys[0][0])
    return Found(link.end, "select", (Selected(i, link.end, ref),))


def _closes(c: Context, i: int) -> bool:
    return i >= c.end(i - 1) or c.low(i) in {",", ".", ";", "and"}
