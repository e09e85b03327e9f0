"""Rows of a table that other rows of it point at: ``the name of their manager``, ``of his or her mentor``.

A key column in a role (`manager_id` of employees) makes the word for the role a table of its own, which is the same
table read once more, joined on that column alone. Only where the statement names the table and speaks of the role as of
somebody; ``no manager`` and ``manager_id`` are about the column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, Ref, TableInfo
from pipeline_magic.agents.specification.planner.intent import Item, Selected, Use, col, refs_in, texts_of
from pipeline_magic.agents.specification.planner.joingraph import JoinGraph, Link
from pipeline_magic.agents.specification.planner.lexicon import GENERAL, KEY_WORDS
from pipeline_magic.agents.specification.planner.text import Token
from pipeline_magic.runs import Question
from pipeline_magic.spec.names import split_table

__all__ = ["Selves", "counterpart", "selves"]

_OWNED = {"their", "its", "his", "her"}
_ARTICLES = {"the", "each", "every", "that", "own"}
_BEFORE = {"of", "for", "with", "and", "than", "as"}
_NOT_BEHIND = {"id", "ids", "key", "keys", "number", "numbers", "code", "codes", "_"}
_MOST = 3


class Selves:
    """The tables with the ones that roles make, by name; and which table each of those is."""

    def __init__(self, tables: Mapping[str, TableInfo]) -> None:
        self.tables = dict(tables)
        self.real: dict[str, str] = {}
        self._links: list[Link] = []

    def add(self, table: TableInfo, column: ColumnInfo, role: str) -> None:
        catalog, schema, _ = split_table(table.name)
        name = ".".join(part for part in (catalog, schema, role) if part)
        if name in self.tables or len(self.real) >= _MOST:
            return
        kept = [each for each in table.columns if each.name == table.key[0] or not _points(each)]
        columns = tuple(replace(each, ref=Ref(name, each.name)) for each in kept)
        self.tables[name] = replace(table, name=name, words=(role,), columns=columns, called="")
        self.real[name] = table.name
        self._links.append(Link(table.name, name, ((column.name, table.key[0]),), 0.99, "right"))

    def link(self, graph: JoinGraph) -> None:
        """A role hangs on its table alone, by its column."""
        for one in self._links:
            for other in self.tables:
                graph.part(one.right, other)
        graph.choose(self._links)

    def unread(self, items: Sequence[Item]) -> list[Question]:
        """A role of which nothing is read was not understood: the word says something all the same."""
        used = {ref.table for item in items for text in texts_of(item) for ref in refs_in(text)}
        used |= {item.ref.table for item in items if isinstance(item, Selected)}
        said = [item.table for item in items if isinstance(item, Use)]
        return [
            Question(
                id=f"role:{self.tables[name].words[0]}",
                text=f"What is asked of the {self.tables[name].words[0]}?",
                why=f"It is another row of {self.tables[self.real[name]].short}, of which nothing was read.",
                free=True,
            )
            for name in self.real
            if name in said and name not in used
        ]

    def named(self, sources: Sequence[dict[str, Any]]) -> None:
        """The sources of a draft read the tables that there are."""
        for source in sources:
            source["table"] = self.real.get(source["table"], source["table"])


def _points(column: ColumnInfo) -> bool:
    return bool(KEY_WORDS & set(column.words))


def selves(tokens: Sequence[Token], tables: Mapping[str, TableInfo], scope: Sequence[str]) -> Selves:
    """The tables of a statement that names `scope`, with a further one for each role that it speaks of."""
    made = Selves(tables)
    taken = {word for table in tables.values() for word in table.words}
    spoken = {token.stem for j, token in enumerate(tokens) if token.kind == "word" and _somebody(tokens, j)}
    for name in scope:
        table = tables[name]
        key = table.column(table.key[0]) if len(table.key) == 1 else None
        if key is None:
            continue
        for column in table.columns:
            role = [word for word in column.words if word not in KEY_WORDS]
            if column.name == key.name or not _points(column) or column.kind != key.kind or len(role) != 1:
                continue
            fits = role[0] not in taken | GENERAL and column.type == key.type and _same(table, column, role[0])
            if role[0] in spoken and fits:
                made.add(table, column, role[0])
    return made


_KIN = {"mother", "father", "parent", "sire", "dam", "sibling", "twin", "child", "spouse", "predecessor", "successor"}
_CHIEFS = {"manager", "bos", "boss", "supervisor", "superior", "mentor"}
_STAFF = {"salary", "wage", "hire", "hired", "job", "rank", "position", "employed"}


def _same(table: TableInfo, column: ColumnInfo, role: str) -> bool:
    """The role is of a row of the same table: declared, told by its comment, or what such words mean.

    The manager of an employee is an employee; the manager of a store is no store.
    """
    declared = [key for key in table.schema.foreign_keys if tuple(key.columns) == (column.name,)]
    if declared:
        return any(key.to_table.casefold() == table.name.casefold() for key in declared)
    if set(table.words) <= set(column.said) or role in _KIN:
        return True
    return role in _CHIEFS and any(_STAFF & set(each.words) for each in table.columns)


def _somebody(tokens: Sequence[Token], j: int) -> bool:
    """The word stands for a row: ``of their manager``, ``the manager's name``, ``each manager``."""
    if j + 1 < len(tokens) and tokens[j + 1].low in _NOT_BEHIND:
        return False
    if tokens[j].text.casefold().endswith(("'s", "’s")):
        return True
    before = tokens[j - 1].low if j else ""
    if before in _OWNED or before in {"each", "every"}:
        return True
    return before in _ARTICLES and j > 1 and tokens[j - 2].low in _BEFORE


def counterpart(c: Context, i: int, column: ColumnInfo) -> tuple[int, str] | None:
    """``earn more than their manager``: the same column of the row pointed at; where it ends, and its template."""
    at = c.skip(i, "their|its|his or her|his|her|the|that of their|those of their|that of the")
    link = c.table_at(at)
    if link is None or link.table.name == column.ref.table:
        return None
    own = c.linker.tables[column.ref.table]
    other = link.table.column(column.name)
    if link.table.schema.table != own.schema.table or other is None:
        return None
    return link.end, col(other.ref)
