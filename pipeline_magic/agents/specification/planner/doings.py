"""Conditions that a verb or a role tells, without the word for the column: ``scheduled to depart``, ``drive a car``.

Here: a deed and its date, a thing that somebody uses, a number before the noun of a count, whether a role is filled
(``whose mother is known``). Each needs the one column that fits, and says what it took for granted. Not here: verbs
that compare (`comparisons`), relations to rows of other tables (`relations`).
"""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.intent import col
from pipeline_magic.agents.specification.planner.lexicon import KEY_WORDS
from pipeline_magic.agents.specification.planner.linking import ColumnLink
from pipeline_magic.agents.specification.planner.listing import akin
from pipeline_magic.agents.specification.planner.periods import dated_at
from pipeline_magic.agents.specification.planner.text import lemmas, number_of
from pipeline_magic.agents.specification.planner.values import Condition, comparison_at, literal, value_at

__all__ = ["counted", "filled", "meant_to", "tells_which", "using", "value_of"]

_COUNTS = {"count", "number", "total", "quantity", "amount", "size"}


def counted(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``less than 200 pages``: a number before the noun that a column counts (``page_count``)."""
    compared = comparison_at(c, i)
    at = compared[0] if compared is not None else i
    number = number_of(c.tokens[at]) if at < c.end(i) else None
    if number is None or at + 1 >= c.end(i) or c.tokens[at + 1].kind != "word" or c.table_at(at + 1) is not None:
        return None
    if compared is None and c.low(i - 1) not in {"with", "having", "has", "have", "had"}:
        return None
    noun = c.tokens[at + 1].stem
    for table in (about,) if about else c.focus(i)[:1]:
        hits = [
            column
            for column in table.of_kind("number")
            if noun in column.words and set(column.words) - {noun} and set(column.words) - {noun} <= _COUNTS
        ]
        if len(hits) == 1:
            operator = compared[1] if compared is not None else "="
            return Condition(at + 2, f"{col(hits[0].ref)} {operator} {number}", f"{noun}s are read as {hits[0].name}")
    return None


def meant_to(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``scheduled to depart in the last 30 days``: the date column that both words are in."""
    if i + 3 >= c.end(i) or c.low(i + 1) != "to" or not c.low(i).endswith(("ed", "en", "ue")):
        return None
    for table in (about,) if about else c.focus(i)[:2]:
        hits = [column for column in table.of_kind("date", "timestamp") if _both(column, c.low(i), c.low(i + 2))]
        if len(hits) == 1:
            found = dated_at(c, i + 3, hits[0])
            if found is not None:
                said = f"{c.low(i)} to {c.low(i + 2)}"
                return Condition(found.end, found.expression, f"{said} is read as {hits[0].name}")
    return None


def _both(column: ColumnInfo, one: str, other: str) -> bool:
    return all(any(akin(word, part) for part in column.words) for word in (one, other))


_USING = {
    "drive": {"vehicle", "car", "transport"}, "ride": {"vehicle", "transport", "bike"}, "speak": {"language"},
    "play": {"sport", "instrument", "position", "game"}, "study": {"major", "subject", "program", "programme"},
    "wear": {"size", "color", "colour"}, "own": {"vehicle", "pet"}, "use": {"device", "vehicle", "browser", "platform"},
}  # fmt: skip
"""What the object of a verb is a kind of."""


def using(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``who drive a car``: a value of the one column that holds what is driven."""
    if i + 1 >= c.end(i) or c.tokens[i].kind != "word":
        return None
    kinds = next((kinds for verb, kinds in _USING.items() if verb in lemmas(c.low(i))), None)
    at = c.skip(i + 1, "a|an|the")
    if kinds is None or at >= c.end(i):
        return None
    for table in (about,) if about else c.focus(i)[:1]:
        hits = [column for column in table.of_kind("text") if kinds & set(column.words) and not column.is_key_like]
        if len(hits) != 1:
            continue
        column = hits[0]
        value = value_at(c, at, column)
        known = {word for word, _ in (*column.values, *column.held)}
        said = value[1].strip("'").casefold() if value is not None else ""
        if value is not None and (said in known or c.tokens[at].text[0].isupper()):
            return Condition(value[0], f"{col(column.ref)} = {value[1]}", f"{c.low(i)} is read as {column.name}")
    return None


_FILLED = "is known|are known|is set|is recorded|is given|is available|is assigned|is not unknown|was recorded"
_EMPTY = "is unknown|is not known|are unknown|are not known|is missing|is not recorded|is not set|is not assigned"


def filled(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``whose mother is known``: the key of a row that stands in a role is there, or is missing."""
    at = c.skip(i, "the|its|their|his|her|whose")
    if at + 2 > c.end(i) or c.tokens[at].kind != "word":
        return None
    role = c.table_at(at)
    there, missing = c.match(at + 1, _FILLED), c.match(at + 1, _EMPTY)
    end = missing if missing is not None else there
    if end is None:
        return None
    for table in (about,) if about else c.focus(i)[:1]:
        if role is not None and (role.table.name == table.name or role.table.schema.table != table.schema.table):
            return None
        hits = [
            column
            for column in table.columns
            if c.tokens[at].stem in column.words and set(column.words) - {c.tokens[at].stem} <= KEY_WORDS
        ]
        if len(hits) == 1 and hits[0].nullable and hits[0].name not in table.key:
            test = "IS NULL" if missing is not None else "IS NOT NULL"
            return Condition(end, f"{col(hits[0].ref)} {test}", f"the {c.low(at)} is read as {hits[0].name}")
    return None


def tells_which(c: Context, at: int, column: ColumnLink) -> bool:
    """``armed ships``: a text column before the noun of its own table says which rows, and is not what is counted."""
    noun = c.table_at(column.end) if column.end == at + 1 else c.table_at(column.end - 1)
    plural = noun is not None and c.tokens[noun.end - 1].low != c.tokens[noun.end - 1].stem
    return noun is not None and plural and noun.table.name == column.ref.table and column.column.kind == "text"


def value_of(verb: str, table: TableInfo) -> str | None:
    """The condition that a deed is, where one text column of the table has it as a value: ``dropped`` enrolments."""
    hits = [
        (column, value)
        for column in table.of_kind("text")
        for word, value in dict((*column.held, *column.values)).items()
        if word == verb
    ]
    if len({column.ref for column, _ in hits}) != 1:
        return None
    column, value = hits[0]
    return f"{col(column.ref)} = {literal(value)}"
