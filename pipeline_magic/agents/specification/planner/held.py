"""Values that the data hold, for words that names and comments do not explain: ``Gold passengers``, ``birds``.

Only words of the statement are looked for, in short text columns of the tables that it may mean; the look is given, and
made where the data are. A word is a value of the one column that holds it: where two columns hold it, or where it also
is a word of a name, it stays unread, and is asked about. Not here: the look itself (`agents.specification.values`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.intent import col
from pipeline_magic.agents.specification.planner.lexicon import CARRIERS, FILLER, GENERAL, KNOWN, STOP
from pipeline_magic.agents.specification.planner.text import Token
from pipeline_magic.agents.specification.planner.values import Condition, literal

if TYPE_CHECKING:
    from pipeline_magic.agents.specification.values import Data

__all__ = ["held_at", "phrases", "with_held"]

_LONGEST = 3
_MOST = 150
_MOST_TABLES = 8
_YES, _NO = ("y", "yes", "true", "t"), ("n", "no", "false")
_SEXES = {"female": ("f", "female"), "male": ("m", "male"), "woman": ("f", "female"), "man": ("m", "male")}
_SHORT = (*_YES, *_NO, "f", "m", "female", "male")
"""What columns of flags and sexes hold, whatever the statement says."""


def phrases(tokens: Sequence[Token], tables: Mapping[str, TableInfo], near: Sequence[str]) -> list[str]:
    """The words of a statement that may be values, in lower case, as they stand and in the singular."""
    names = {word for name in near for word in tables[name].words}
    names |= {word for name in near for column in tables[name].columns for word in column.words}
    found: dict[str, None] = {}
    for size in range(1, _LONGEST + 1):
        for i in range(len(tokens) - size + 1):
            part = tokens[i : i + size]
            if part[0].kind == "quoted" and size == 1:
                found[part[0].low.casefold()] = None
                continue
            if any(token.kind != "word" for token in part) or part[0].low in STOP or part[-1].low in STOP:
                continue
            if size == 1 and not _may_be(part[0], names):
                continue
            for last in dict.fromkeys((part[-1].low, part[-1].stem)):
                found[" ".join([*(token.low for token in part[:-1]), last])] = None
    return [*list(found)[:_MOST], *_SHORT] if found else []


def _may_be(token: Token, names: set[str]) -> bool:
    """A word of its own: no grammar, no word for wanting a result, no word of a name near by."""
    if token.low in CARRIERS or len(token.low) < 2 or token.stem in names or token.low in names:
        return False
    proper = token.text[0].isupper()
    return proper or not (token.low in FILLER or token.low in GENERAL or (token.low in KNOWN and len(token.low) < 4))


def with_held(
    tables: Mapping[str, TableInfo], near: Sequence[str], tokens: Sequence[Token], data: Data
) -> dict[str, TableInfo]:
    """The tables with the values that the data hold of the statement's words; those near by are looked at, a few."""
    few = list(near)[:_MOST_TABLES]
    words = phrases(tokens, tables, few)
    found = data.words([tables[name].schema for name in few], words) if words else {}
    if not found:
        return dict(tables)

    def told(table: TableInfo) -> TableInfo:
        columns = tuple(
            replace(column, held=tuple((value.strip().casefold(), value) for value in found[key]))
            if (key := (table.name, column.name)) in found
            else column
            for column in table.columns
        )
        return replace(table, columns=columns)

    return {name: told(table) for name, table in tables.items()}


def held_at(c: Context, i: int, about: TableInfo | None) -> Condition | None:
    """Words that are a value of one column near by; of the table meant, else of those named, else of all near."""
    if i >= c.end(i) or c.tokens[i].kind not in {"word", "quoted"} or c.table_at(i) is not None:
        return None
    flag = _flag_at(c, i, about)
    if flag is not None:
        return flag
    for size in range(_LONGEST, 0, -1):
        if i + size > c.end(i) or (size == 1 and c.low(i) in STOP | CARRIERS):
            continue
        hits = _hits(c, i, size, about)
        if not hits:
            continue
        scope = [hit for hit in hits if hit[0].ref.table in c.linker.scope]
        chosen = hits if len({column.ref for column, _ in hits}) == 1 else scope
        if len({column.ref for column, _ in chosen}) != 1:
            return None
        column = chosen[0][0]
        values = sorted({value for _, value in chosen})
        name = col(column.ref)
        text = (
            f"{name} = {literal(values[0])}" if len(values) == 1 else f"{name} IN ({', '.join(map(literal, values))})"
        )
        said = " ".join(token.text for token in c.tokens[i : i + size])
        return Condition(i + size, text, f"“{said}” is read as a {column.name}, as the data hold it")
    return None


def _flag_at(c: Context, i: int, about: TableInfo | None) -> Condition | None:
    """``indoor enclosures`` where a column of that name holds Y and N; ``female`` where a column of sexes holds F."""
    low, stem = c.low(i), c.tokens[i].stem
    for table in (about,) if about is not None else c.focus(i)[:2]:
        for column in table.of_kind("text"):
            held = dict(column.held)
            if {"sex", "gender"} & set(column.words) and stem in _SEXES:
                values = [held[word] for word in _SEXES[stem] if word in held]
            elif (name := "".join(word for word in column.words if word not in _OF_FLAGS)) in {low, low[2:], low[3:]}:
                opposite = {low: False, "un" + name: True, "in" + name: True, "non" + name: True}.get(low)
                if low == name:
                    opposite = False
                words = () if opposite is None else _NO if opposite else _YES
                values = [held[word] for word in words if word in held]
            else:
                continue
            if values:
                listed = ", ".join(literal(value) for value in values)
                test = f"= {listed}" if len(values) == 1 else f"IN ({listed})"
                return Condition(i + 1, f"{col(column.ref)} {test}", f"{low} means: {column.name} is {values[0]}")
    return None


_OF_FLAGS = {"is", "has", "was", "flag", "indicator", "ind", "yn"}


def _hits(c: Context, i: int, size: int, about: TableInfo | None) -> list[tuple[ColumnInfo, str]]:
    part = c.tokens[i : i + size]
    head = [token.low for token in part[:-1]]
    wanted = {" ".join([*head, part[-1].low]).casefold(), " ".join([*head, part[-1].stem]).casefold()}
    tables = (about,) if about is not None else tuple(c.linker.tables[name] for name in c.linker.near)
    return [
        (column, value) for table in tables for column in table.columns for word, value in column.held if word in wanted
    ]
