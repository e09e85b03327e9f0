"""Conditions that English says without an operator: ``open orders``, ``in New York``, ``on weekends``, ``no price``.

Each reads one idiom and says what it took for granted; `predicates` tries them in order.
"""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.held import held_at
from pipeline_magic.agents.specification.planner.intent import (
    col,
    refs_in,
)
from pipeline_magic.agents.specification.planner.lexicon import FILLER, STOP
from pipeline_magic.agents.specification.planner.located import of_people
from pipeline_magic.agents.specification.planner.text import number_of
from pipeline_magic.agents.specification.planner.values import (
    ARTICLES,
    STOPPERS,
    Condition,
    comparison_at,
    literal,
    spelt,
    value_at,
)

__all__ = [
    "costing",
    "equal_to",
    "named_as",
    "named_value",
    "only",
    "operator_first",
    "quoted_in",
    "state_at",
    "table_named",
    "unit_compared",
    "wide_state_at",
]


def only(c: Context, i: int, about: TableInfo | None) -> tuple[str, ...]:
    return (about.name,) if about else ()


def equal_to(c: Context, column: ColumnInfo, value: str) -> str:
    if c.loose and column.kind == "text":
        return f"contains(lower({col(column.ref)}), {value.lower()})"
    return f"{col(column.ref)} = {value}"


def named_value(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``in the BUILDING segment``, ``of ship mode AIR``: a value beside the word for its column."""
    at = c.skip(i, "in|from|of|the|within|at|on|with")
    if at < c.end(i) and re.fullmatch("serv(?:e|es|ed|ing)|sell(?:s|ing)?|offering", c.low(at)):
        at += 1
    if (
        at >= c.end(i)
        or c.tokens[at].kind not in {"word", "quoted"}
        or at == c.starts[i]
        or c.low(at) in STOPPERS | STOP | FILLER
    ):
        return None
    whole = c.linker.column_at(at, tables=only(c, i, about), least=0.95)
    if whole is not None and whole.end > at + 1:
        return None  # `KYC status` is a column, and no status called KYC
    for after in range(at + 1, min(at + 4, c.end(i))):
        link = c.linker.column_at(after, kinds=("text",), tables=only(c, i, about), least=0.45, longest=2)
        if link is None or not all(
            token.kind == "word" and (token.text[0].isupper() or token.low in _told(link.column))
            for token in c.tokens[at:after]
        ):
            continue
        named = c.table_at(after)
        if link.column.is_key_like and named is not None and c.tokens[at].text[1:] != c.tokens[at].text[1:].upper():
            continue  # `the Cardiology department` is its name, not its code
        value = value_at(c, at, link.column)
        if value is not None and value[0] == after and c.table_at(at) is None:
            tied = link if link.others else None
            if value[1].strip("'").casefold() in _told(link.column):
                return Condition(link.end, f"{col(link.ref)} = {value[1]}", tied=tied)
            text = equal_to(c, link.column, value[1]) if c.loose else f"lower({col(link.ref)}) = {value[1].lower()}"
            return Condition(link.end, text, f"looked for in {link.column.name}, without regard to case", tied)
    return None


def _told(column: ColumnInfo) -> dict[str, str]:
    """Words for its values that the comment explains or the data hold."""
    return {**dict(column.held), **dict(column.values)}


def table_named(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``in region EUROPE``, ``from the ASIA region``: a row of a small table, by its name."""
    at = c.skip(i, "in|from|of|the|within")
    if at == i:
        return None
    link = c.table_at(at)
    value_first = link is None and at + 1 < c.end(i) and _proper(c, at)
    if value_first:
        link = c.table_at(at + 1)
    if link is None:
        return None
    start, end = (at, link.end) if value_first else (link.end, link.end + 1)
    own = {*link.table.words, "name"}
    names = [c_ for c_ in link.table.of_kind("text") if "name" in c_.words and set(c_.words) <= own]
    if (
        len(names) != 1
        or start >= c.end(i)
        or not _proper(c, start)
        or (c.table_at(start) is not None and not value_first)
    ):
        return None
    return Condition(end, f"{col(names[0].ref)} = {spelt(c.tokens[start].text, names[0])}")


def _proper(c: Context, i: int) -> bool:
    """A name: written with a capital, and not merely because a sentence begins."""
    token = c.tokens[i]
    return token.kind == "word" and token.text[0].isupper() and i > c.starts[i] and token.low not in STOP | FILLER


def operator_first(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``under age 30``: the comparison before the column."""
    compared = comparison_at(c, i)
    link = c.linker.column_at(compared[0], kinds=("number",), tables=only(c, i, about), least=0.8) if compared else None
    value = value_at(c, link.end, link.column) if link is not None else None
    if compared is None or link is None or value is None:
        return None
    return Condition(value[0], f"{col(link.ref)} {compared[1]} {value[1]}", tied=link if link.others else None)


def costing(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``that cost more than 20``."""
    at = c.match(i, "cost|costs|costing|priced at|priced")
    at = c.skip(at, "us|them|me|it") if at is not None else None
    compared = comparison_at(c, at) if at is not None else None
    dearer = _dearer(c, i, compared, about) if compared is not None else None
    if dearer is not None:
        return dearer
    value = value_at(c, compared[0], None) if compared is not None else None
    if compared is None or value is None:
        return None
    for table in (about,) if about else c.focus(i)[:2]:
        fitting = [column for column in table.of_kind("number") if {"price", "cost"} & set(column.words)]
        if len(fitting) == 1:
            return Condition(
                value[0],
                f"{col(fitting[0].ref)} {compared[1]} {value[1]}",
                f"what it costs is read as {fitting[0].name}",
            )
    return None


def _dearer(c: Context, i: int, compared: tuple[int, str], about: TableInfo | None) -> Condition | None:
    """``that cost more than their list price``: the cost of a row against another amount of it."""
    for table in (about,) if about else c.focus(i)[:2]:
        at = c.skip(compared[0], ARTICLES)
        other = c.linker.column_at(at, kinds=("number",), tables=(table.name,), least=0.8)
        costs = [column for column in table.of_kind("number") if "cost" in column.words]
        if other is not None and other.end <= c.end(i) and len(costs) == 1 and costs[0].ref != other.ref:
            text = f"{col(costs[0].ref)} {compared[1]} {col(other.ref)}"
            return Condition(other.end, text, f"what it costs is read as {costs[0].name}")
    return None


def quoted_in(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``that have 'Ford' in their make name``: a part of a text, whatever its case."""
    if i >= c.end(i) or c.tokens[i].kind != "quoted" or c.tokens[i].text[0] == "`":
        return None
    at = c.match(i + 1, "in|within|as part of|inside")
    link = (
        c.linker.column_at(c.skip(at, ARTICLES), kinds=("text",), tables=only(c, i, about)) if at is not None else None
    )
    if link is None or link.end > c.end(i):
        return None
    end = c.skip(link.end, "name|number|value")
    return Condition(
        end,
        f"contains(lower({col(link.ref)}), {literal(c.tokens[i].low.lower())})",
        "compared without regard to case",
        link if link.others else None,
    )


def named_as(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``vendor named 'Acme'``, ``customers called 'Smith'``: the name of what stands before."""
    noun = c.skip(i, "to|from|by|for|the|a|of")
    at = c.match(noun + 1, "named|called|with the name|with name") if noun < c.end(i) else None
    if at is None or at >= c.end(i) or c.tokens[at].kind != "quoted":
        return None
    stem_ = c.tokens[noun].stem
    for table in (about,) if about else c.focus(i):
        for column in table.of_kind("text"):
            if set(column.words) == {stem_, "name"} or (table.words[-1:] == (stem_,) and column.words == ("name",)):
                return Condition(at + 1, f"{col(column.ref)} = {spelt(c.tokens[at].low, column)}")
    return None


def unit_compared(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``over 500 miles``: the column whose comment speaks of the unit."""
    compared = comparison_at(c, i)
    value = value_at(c, compared[0], None) if compared is not None else None
    if compared is None or value is None:
        return None
    unit = c.tokens[value[0]].stem if value[0] < c.end(i) else ""
    if c.tokens[value[0] - 1].kind == "word" and number_of(c.tokens[value[0] - 1]) is None:
        unit = c.tokens[value[0] - 1].stem
    end = value[0] + 1 if value[0] < c.end(i) and c.tokens[value[0]].stem == unit else value[0]
    for table in (about,) if about else c.focus(i)[:1]:
        fitting = [column for column in table.of_kind("number") if unit and unit in column.said]
        if len(fitting) == 1:
            column = fitting[0]
            return Condition(end, f"{col(column.ref)} {compared[1]} {value[1]}", f"{unit}s are read as {column.name}")
    return None


def state_at(c: Context, i: int, about: TableInfo | None) -> Condition | None:
    """An adjective that a column's comment explains: ``open orders``, ``cancelled``; or a verb of a column's name."""
    if i >= c.end(i) or i >= len(c.tokens) or c.tokens[i].kind != "word":
        return None
    low = c.low(i)
    if low in c.states and (about is None or refs_in(c.states[low])[0].table == about.name):
        return Condition(i + 1, c.states[low], f"{low} is read as the statement explains it")
    people = of_people(c, i, about)
    if people is not None:
        return people
    for table in (about,) if about else c.focus(i):
        for column in table.columns:
            if low in column.null_words:
                return Condition(i + 1, f"{col(column.ref)} IS NULL", f"{low} means: {column.name} is NULL")
        for column in table.columns:
            listed = dict(column.values)
            two = f"{low} {c.low(i + 1)}" if i + 1 < c.end(i) else ""
            if two in listed:
                return Condition(i + 2, f"{col(column.ref)} = {literal(listed[two])}", f"{two} is a {column.name}")
            word = low if low in listed else c.tokens[i].stem
            if len(word) > 2 and word in listed:
                return Condition(
                    i + 1,
                    f"{col(column.ref)} = {literal(listed[word])}",
                    f"{low} means: {column.name} = {listed[word]}",
                )
        for column in table.of_kind("boolean"):
            adjective = "_".join(word for word in column.words if word not in {"is", "has", "was", "flag"})
            if low in {adjective, f"in{adjective}", f"un{adjective}", f"non{adjective}"}:
                text = col(column.ref) if low == adjective else f"NOT {col(column.ref)}"
                return Condition(
                    i + 1, text, f"{low} means: {column.name} is {'true' if low == adjective else 'false'}"
                )
        if low.endswith("ed") and len(low) > 5:
            root = low[:5]
            hits = [
                column
                for column in table.columns
                if column.nullable and column.null_words and column.words[0].startswith(root)
            ]
            if len(hits) == 1:
                return Condition(i + 1, f"{col(hits[0].ref)} IS NOT NULL", f"{low} means: {hits[0].name} is not NULL")
    return held_at(c, i, about)


def wide_state_at(c: Context, i: int) -> Condition | None:
    """As `state_at`; also a value of the one column near by that its comment lists, of a table that is not named."""
    found = state_at(c, i, None)
    if found is not None or i >= c.end(i) or c.tokens[i].kind != "word":
        return found
    hits = [
        (column, dict(column.values)[word])
        for name in c.linker.near
        for column in c.linker.tables[name].columns
        for word in {c.low(i), c.tokens[i].stem}
        if len(word) > 3 and word in dict(column.values)
    ]
    if len({column.ref for column, _ in hits}) != 1:
        return None
    column, value = hits[0]
    return Condition(i + 1, f"{col(column.ref)} = {literal(value)}", f"{c.low(i)} means: {column.name} = {value}")
