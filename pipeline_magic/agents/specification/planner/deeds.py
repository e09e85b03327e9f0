"""Conditions that a verb or a pair tells: ``shipped by AIR``, ``neither retired nor faulty``, ``with an email``.

Also what stands in brackets behind words that nothing else explains. Each says what it took for granted.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.intent import col
from pipeline_magic.agents.specification.planner.text import lemmas
from pipeline_magic.agents.specification.planner.values import Condition, comparison_at, value_at

__all__ = ["bracketed", "done_by", "listed_values", "neither_nor", "possessing"]

Reader = Callable[[int], "Condition | None"]


def listed_values(c: Context, i: int, column: ColumnInfo) -> tuple[int, tuple[str, ...]] | None:
    """``AIR or TRUCK``, ``AIR, RAIL and SHIP``: values of one column, and where they end."""
    values: list[str] = []
    at = end = i
    while (value := value_at(c, at, column)) is not None:
        values.append(value[1])
        end = value[0]
        after = c.match(end, ", or|, and|,|or|and|nor|/")
        if after is None:
            break
        at = after
    return (end, tuple(values)) if values else None


def neither_nor(c: Context, i: int, read: Reader) -> Condition | None:
    """``neither retired nor faulty``: none of the conditions is known to be true."""
    at = c.match(i, "neither")
    parts: list[Condition] = []
    while at is not None and (part := read(at)) is not None:
        parts.append(part)
        at = c.match(part.end, "nor|, nor|or")
    if len(parts) < 2:
        return None
    text = " OR ".join(f"({part.expression})" for part in parts)
    return Condition(parts[-1].end, f"NOT coalesce({text}, false)", parts[0].assumed, parts[0].tied)


_DONE = re.compile(r"\w{2,}ed|\w{2,}en|paid|sent|made|sold|bought")


def done_by(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``shipped by AIR or TRUCK``: a value that the comment of the one column named after the verb lists."""
    if i + 2 > c.end(i) or not _DONE.fullmatch(c.low(i)):
        return None
    at = c.match(i + 1, "by|via|with|through|using|as|on|in")
    if at is None:
        return None
    verbs = lemmas(c.low(i))
    for table in (about,) if about else c.focus(i):
        for column in table.of_kind("text"):
            if not verbs & set(column.words) or not column.values:
                continue
            found = listed_values(c, at, column)
            known = {f"'{value}'" for _, value in column.values}
            if found is None or not set(found[1]) <= known:
                continue
            end, values = found
            name = col(column.ref)
            text = f"{name} IN ({', '.join(values)})" if len(values) > 1 else f"{name} = {values[0]}"
            return Condition(end, text, f"{c.low(i)} is read from {column.name}")
    return None


_HAVING = {"with", "having", "have", "has", "had", "holding"}


def possessing(c: Context, i: int, about: TableInfo | None) -> Condition | None:
    """``with an email address``: a column that may be empty is not; `i` stands behind the article."""
    if c.low(i - 1) not in {"a", "an", "any"} or c.low(i - 2) not in _HAVING or i >= c.end(i - 1):
        return None
    link = c.linker.column_at(i, tables=(about.name,) if about else (), least=0.8)
    if link is None or link.end > c.end(i) or link.others or c.table_at(i) is not None:
        return None
    column = link.column
    counted = column.kind == "number" and (column.is_key_like or c.low(i - 2) in {"with", "having"})
    if counted or column.kind == "boolean" or not column.nullable:
        return None
    end = link.end
    while end < c.end(i) and c.tokens[end].stem in {*column.said, *column.words}:
        end += 1
    follows = c.tokens[end] if end < c.end(i) else None
    if comparison_at(c, end) is not None or (follows is not None and follows.kind in {"number", "quoted"}):
        return None
    if follows is not None and follows.kind == "word" and follows.text[0].isupper():
        return None
    return Condition(end, f"{col(column.ref)} IS NOT NULL")


_NEGATIVE = re.compile(r"<>|IS NULL|\bNOT\b")


def bracketed(c: Context, i: int, read: Reader) -> Condition | None:
    """``without a return (return flag other than R)``: the brackets say what the words before them mean.

    The brackets must be negative themselves: else they may explain the noun alone; and they must hold its words.
    """
    opener = c.match(i, "without|with no|not")
    if opener is None:
        return None
    far = min(opener + 6, c.end(i))
    opened = next((j for j in range(opener, far) if c.low(j) == "("), None)
    if opened is None or opened == opener or any(c.tokens[j].kind != "word" for j in range(opener, opened)):
        return None
    if any(c.low(j) in {"and", "or", "per", "by", "for"} for j in range(opener, opened)):
        return None
    inner = read(c.skip(opened + 1, "i.e.|that is|meaning|="))
    if inner is None or c.low(inner.end) != ")" or inner.end >= c.end(i):
        return None
    known = {token.stem for token in c.tokens[opened + 1 : inner.end]} | {"a", "an", "any", "the"}
    if not _NEGATIVE.search(inner.expression) or any(c.tokens[j].stem not in known for j in range(opener, opened)):
        return None
    return Condition(inner.end + 1, inner.expression, inner.assumed, inner.tied)
