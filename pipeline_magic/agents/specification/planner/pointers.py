"""Columns that point at a table in a role of their own: ``OriginCode`` at airports, ``CaptainId`` at pilots.

Where neither declared keys nor names link two tables, the values of a text column tell that it points at a key. Of
several columns that point at one table, the words of the statement choose (``flights from Lisbon``, ``their captain``);
where they choose none, or more than one, it is asked. Numbers are not looked at: small numbers are in every key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.held import held_at
from pipeline_magic.agents.specification.planner.intent import refs_in
from pipeline_magic.agents.specification.planner.joingraph import JoinGraph, Link
from pipeline_magic.agents.specification.planner.lexicon import GENERAL, KEY_WORDS
from pipeline_magic.agents.specification.planner.listing import akin
from pipeline_magic.agents.specification.planner.text import Token, lemmas
from pipeline_magic.agents.specification.planner.values import Condition
from pipeline_magic.agents.specification.values import looked_at
from pipeline_magic.spec.names import split_table

if TYPE_CHECKING:
    from pipeline_magic.agents.specification.values import Data

__all__ = ["roles_said", "routed", "with_pointers"]

_MOST_TABLES = 10
_SCORE = 0.75


def with_pointers(graph: JoinGraph, tables: Mapping[str, TableInfo], scope: Sequence[str], data: Data) -> JoinGraph:
    """The graph with links that the values tell, between tables that nothing else links."""
    schemas = {split_table(name)[:2] for name in scope}
    beside = [name for name in tables if split_table(name)[:2] in schemas]
    names = list(dict.fromkeys([*scope, *beside]))[:_MOST_TABLES]
    pairs = []
    for left in names:
        told = tables[left].schema
        looked = {column.name for column in told.columns if looked_at(told, column)}
        for right in names:
            key = tables[right].column(tables[right].key[0]) if len(tables[right].key) == 1 else None
            if left == right or key is None or key.kind != "text" or graph.links(left, right):
                continue
            for column in tables[left].columns:
                if (
                    column.kind == "text"
                    and column.name in looked
                    and tables[left].key != (column.name,)
                    and not _linked(graph, left, column, names)
                ):
                    pairs.append(((left, column.name), (right, key.name)))
    pairs.sort(key=lambda pair: not _of_keys(tables[pair[0][0]].column(pair[0][1])))
    found = data.pointing(pairs) if pairs else ()
    if not found:
        return graph
    return JoinGraph(tables, [Link(a, b, ((column, key),), _SCORE, "right") for (a, column), (b, key) in found])


def _of_keys(column: ColumnInfo | None) -> bool:
    return column is not None and column.is_key_like


def _linked(graph: JoinGraph, table: str, column: ColumnInfo, names: Sequence[str]) -> bool:
    """The column points at another table by its name."""
    return any(
        column.name in {left for left, _ in link.keys} and link.score >= _SCORE
        for other in names
        if other != table
        for link in graph.links(table, other)
    )


_FROM = {"from", "leaving", "departing", "leave", "left", "departed"}
_TO = {"to", "into", "reaching", "arriving", "entering"}
_ORIGINS = {"origin", "from", "source", "departure", "start", "sender", "pickup"}
_GOALS = {"destination", "to", "target", "arrival", "end", "receiver", "dropoff"}


def roles_said(
    tokens: Sequence[Token], graph: JoinGraph, tables: Mapping[str, TableInfo], scope: Sequence[str]
) -> tuple[list[Link], dict[str, str]]:
    """Links whose role the statement says, where others fit alike; and the words for roles, with their tables."""
    chosen: list[Link] = []
    roles: dict[str, str] = {}
    taken = {word for table in tables.values() for word in table.words}
    for left in scope:
        for right in tables:
            links = graph.links(left, right) if left != right else ()
            alike = [link for link in links if link.score >= links[0].score - 1e-9]
            if not alike or links[0].one not in {"right", "both"}:
                continue
            said = [link for link in alike if _said(tokens, tables[left].column(link.keys[0][0]), tables[right])]
            if len(alike) > 1 and len(said) == 1:
                chosen.append(said[0])
            for link in said if len(said) == 1 else ():
                column = tables[left].column(link.keys[0][0])
                words = set(column.words) - KEY_WORDS - set(tables[right].words) if column is not None else set()
                roles |= {word: right for word in words - taken - GENERAL if len(words) == 1}
    return chosen, roles


def _said(tokens: Sequence[Token], column: ColumnInfo | None, owner: TableInfo) -> bool:
    if column is None:
        return False
    role = set(column.words) - KEY_WORDS - set(owner.words)
    if any(token.kind == "word" and akin(token.stem, word) for token in tokens for word in role - _FROM - _TO):
        return True
    wanted = _FROM if role & _ORIGINS else _TO if role & _GOALS else set()
    return any(_at_a_place(tokens, i, owner) for i, token in enumerate(tokens) if token.low in wanted)


def _at_a_place(tokens: Sequence[Token], i: int, owner: TableInfo) -> bool:
    """A name, or the noun of the table, stands behind the word."""
    at = i + 1
    while at < len(tokens) and tokens[at].low in {
        "the",
        "a",
        "an",
        "each",
        "every",
        "which",
        "from",
        "to",
        "city",
        "in",
    }:
        at += 1
    token = tokens[at] if at < len(tokens) else None
    return token is not None and token.kind == "word" and (token.text[0].isupper() or token.stem in owner.words)


_GOING = {
    "depart",
    "leave",
    "fly",
    "go",
    "arrive",
    "land",
    "start",
    "end",
    "originate",
    "head",
    "come",
    "run",
    "travel",
}


def routed(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``depart from Lisbon``, ``to Madrid``: a value of a table that a column in that role points at."""
    at = i + 1 if i < c.end(i) and _GOING & lemmas(c.low(i)) else i
    behind = c.match(at, "from|to|into|at|in|for")
    found = held_at(c, c.skip(behind, "the|city of"), None) if behind is not None else None
    if found is None or (about is not None and refs_in(found.expression)[0].table == about.name):
        return None
    owner = refs_in(found.expression)[0].table
    for table in (about,) if about is not None else c.focus(i)[:1]:
        links = c.graph.links(table.name, owner) if table.name != owner else ()
        if links and links[0].one in {"right", "both"}:
            alike = [link for link in links if link.score >= links[0].score - 1e-9]
            column = table.column(alike[0].keys[0][0])
            role = set(column.words) - KEY_WORDS if column is not None else set()
            other = _GOALS if c.low(behind - 1 if behind else at) == "from" else _ORIGINS
            return found if len(alike) == 1 and not role & other else None
    return None
