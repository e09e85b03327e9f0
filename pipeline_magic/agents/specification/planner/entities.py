"""The tables of a catalog as a planner sees them: words, kinds of columns, likely keys, values told in comments.

Everything here is read from names, types and comments; nothing is executed. Comments are text written by others: they
only ever give words to match and literal values, never instructions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pipeline_magic.agents.specification.planner.lexicon import ABBREVIATIONS, DATA_WORDS, KEY_WORDS
from pipeline_magic.agents.specification.planner.text import stem, words_of
from pipeline_magic.english import split_compound
from pipeline_magic.spec.names import split_table
from pipeline_magic.spec.schema import TableSchema

__all__ = ["ColumnInfo", "Kind", "Ref", "TableInfo", "describe"]

Kind = Literal["number", "text", "date", "timestamp", "boolean", "other"]


@dataclass(frozen=True, order=True)
class Ref:
    """A column of a table, by full name."""

    table: str
    column: str


@dataclass(frozen=True)
class ColumnInfo:
    """A column and the words for it.

    Attributes:
        words: Stems of its name, without the table's prefix, abbreviations written out.
        said: Stems of the first phrase of its comment.
        values: Words that its comment explains, with the value they stand for (``open`` -> ``O``).
        held: Words of the statement that the data hold as its values, with their spelling there.
        null_words: Words its comment says NULL means (``cancelled``).
        upper: Its comment says that values are in capitals.
        optional: Its comment says that it may be empty.
    """

    ref: Ref
    type: str
    kind: Kind
    nullable: bool
    words: tuple[str, ...]
    said: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    null_words: frozenset[str] = frozenset()
    upper: bool = False
    optional: bool = False
    held: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return self.ref.column

    @property
    def is_key_like(self) -> bool:
        """It names something rather than measuring it."""
        return bool(KEY_WORDS & set(self.words))


@dataclass(frozen=True)
class TableInfo:
    """A table and the words for it; `key` is declared or, where nothing is declared, likely."""

    name: str
    words: tuple[str, ...]
    columns: tuple[ColumnInfo, ...]
    key: tuple[str, ...]
    key_declared: bool
    schema: TableSchema
    called: str = ""
    """What its comment calls its rows: ``Visits of technicians``."""

    @property
    def short(self) -> str:
        """The last part of its name."""
        return split_table(self.name)[2]

    def column(self, name: str) -> ColumnInfo | None:
        wanted = name.casefold()
        return next((column for column in self.columns if column.name.casefold() == wanted), None)

    def of_kind(self, *kinds: Kind) -> tuple[ColumnInfo, ...]:
        return tuple(column for column in self.columns if column.kind in kinds)


def kind_of(type_: str) -> Kind:
    """The kind of a Spark type."""
    head = re.match(r"[a-z_]+", type_.casefold())
    name = head.group() if head else ""
    if name in {
        "tinyint",
        "smallint",
        "int",
        "integer",
        "bigint",
        "long",
        "float",
        "double",
        "decimal",
        "short",
        "byte",
    }:
        return "number"
    if name in {"string", "varchar", "char"}:
        return "text"
    if name == "date":
        return "date"
    if name in {"timestamp", "timestamp_ntz", "timestamp_ltz"}:
        return "timestamp"
    return "boolean" if name == "boolean" else "other"


def describe(tables: Iterable[TableSchema]) -> dict[str, TableInfo]:
    """Each table with its words, by full name."""
    found = {table.table: _describe(table) for table in tables}
    owners = {table.words: name for name, table in found.items()}
    return {name: _without_foreign_key(table, owners) for name, table in found.items()}


def _without_foreign_key(table: TableInfo, owners: Mapping[tuple[str, ...], str]) -> TableInfo:
    """A first column named after another table (``device_id`` of readings) points there, and is no key here."""
    if table.key_declared or len(table.key) != 1:
        return table
    column = table.column(table.key[0])
    noun = tuple(word for word in column.words if word not in KEY_WORDS) if column is not None else ()
    foreign = column is not None and column.is_key_like and owners.get(noun, table.name) != table.name
    return replace(table, key=()) if foreign else table


def _describe(table: TableSchema) -> TableInfo:
    short = split_table(table.table)[2]
    known = DATA_WORDS | frozenset(word for word in words_of(table.comment))
    prefix = _prefix([column.name for column in table.columns])
    table_words = _words(short, known)
    columns = tuple(
        ColumnInfo(
            ref=Ref(table.table, column.name),
            type=column.type,
            kind=kind_of(column.type),
            nullable=column.nullable,
            words=_words(column.name[len(prefix) :] or column.name, known | frozenset(words_of(column.comment))),
            said=_said(column.comment),
            values=_values(column.comment),
            null_words=_null_words(column.comment),
            optional=bool(re.search(r"\b(?:empty|null)\b", column.comment, re.IGNORECASE)),
            upper="capitals" in column.comment.casefold() or "upper case" in column.comment.casefold(),
        )
        for column in table.columns
    )
    key = table.primary_key or (table.unique_keys[0] if table.unique_keys else ())
    return TableInfo(
        name=table.table,
        words=table_words,
        columns=columns,
        key=tuple(key) or _likely_key(table_words, columns),
        key_declared=bool(key),
        schema=table,
        called=_called(table.comment),
    )


def _called(comment: str) -> str:
    """The one noun, in the plural, that a comment begins with."""
    head = _CUT.split(_ARTICLE.sub("", comment.strip()), maxsplit=1)[0] if comment else ""
    words = words_of(head)
    return stem(words[0]) if len(words) == 1 and stem(words[0]) != words[0].casefold() else ""


def _prefix(names: list[str]) -> str:
    """``c_`` where every column starts with it."""
    if len(names) < 2:
        return ""
    match = re.match(r"[A-Za-z]{1,4}_", names[0])
    if match and all(name.startswith(match.group()) and len(name) > len(match.group()) for name in names):
        return match.group()
    return ""


def _words(name: str, known: frozenset[str]) -> tuple[str, ...]:
    cut = [piece for word in words_of(name) for piece in split_compound(word, known)]
    if len(cut) > 1 and cut[-1] == "min" and ABBREVIATIONS.get(cut[-2], cut[-2]) in _LASTING:
        cut[-1] = "minute"  # `dur_min` is no minimum
    return tuple(stem(ABBREVIATIONS.get(word, word)) for word in cut)


_LASTING = {"duration", "delay", "time", "length", "runtime", "wait", "waiting", "airtime", "elapsed", "late", "play"}
_CUT = re.compile(r"[.;:,(]| (?:in|as|of|from|for|who|that|which|such|during|to|at|the) ", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:an?|the) ", re.IGNORECASE)


def _said(comment: str) -> tuple[str, ...]:
    head = _CUT.split(_ARTICLE.sub("", comment.strip()), maxsplit=1)[0] if comment else ""
    words = tuple(stem(word) for word in words_of(head))
    return words if 0 < len(words) <= 4 else ()


_PAIR = re.compile(r"(?:^|[:,(]\s*)([A-Z0-9]{1,3})\s+([a-z][a-z ]{2,30}?)(?=,|$|\)|;|\.)")
_LIST = re.compile(r"\b[A-Z][A-Z0-9]+(?: [A-Z]{2,})*\b")


def _values(comment: str) -> tuple[tuple[str, str], ...]:
    """Values that a comment lists: ``O open, F fulfilled`` or ``(AIR, RAIL, TRUCK)``."""
    found: dict[str, str] = {}
    for match in _PAIR.finditer(comment):
        words = [word for word in match[2].split() if word not in {"the", "a", "an", "not"}]
        if words:
            found[words[0] if "not" not in match[2] else match[2]] = match[1]
            found.setdefault(match[1].casefold(), match[1])
    listed = re.search(r"[(:]([^()]*)\)?", comment)
    if listed and "NULL" not in listed[1]:
        for match in _LIST.finditer(listed[1]):
            found.setdefault(match.group().casefold(), match.group())
    for match in _RANKED.finditer(comment):
        found.setdefault(match[2].strip().casefold(), match.group().strip())
    if not found:
        enumerated = _ENUMERATED.search(comment)
        for word in re.split(r",\s*(?:or\s+)?|\s+or\s+", enumerated[1]) if enumerated else ():
            found.setdefault(word.strip().casefold(), word.strip())
    for word, value in list(found.items()):
        if "_" in word:
            found.setdefault(word.replace("_", " "), value)
    return tuple(found.items())


_RANKED = re.compile(r"\b(\d)-([A-Z]{2,}(?: [A-Z]{2,})*)\b")
"""Values with a rank before them: ``from 1-URGENT to 5-LOW``."""

_WORD = r"[A-Za-z][\w-]*(?: [A-Za-z][\w-]*)?"
_ENUMERATED = re.compile(rf"(?:^|:\s*)({_WORD}(?:, {_WORD})*,? or {_WORD})\s*(?:$|[.;(])")
"""A list that ends in ``or``: ``Status: completed, cancelled or pending``."""

_NULL_WHEN = re.compile(r"(?:NULL|empty) (?:when|while|if|where|for) ([a-z ]{3,60})", re.IGNORECASE)


def _null_words(comment: str) -> frozenset[str]:
    match = _NULL_WHEN.search(comment)
    if not match:
        return frozenset()
    words = [word for word in match[1].casefold().split() if word.endswith(("ed", "en", "ing"))]
    return frozenset(words)


_TIME_WORDS = {"month", "day", "hour", "date", "timestamp"}


def _likely_key(table_words: tuple[str, ...], columns: tuple[ColumnInfo, ...]) -> tuple[str, ...]:
    """The column that identifies a row, by its name or by standing first; empty when nothing looks like one."""
    if not columns:
        return ()
    for column in columns:
        words = set(column.words)
        if words in ({"id"}, {"key"}, {"uuid"}) or (words & KEY_WORDS and words - KEY_WORDS == set(table_words)):
            return (column.name,)
    first = columns[0]
    keyish = [column for column in columns if column.is_key_like and column.words[-1] in {"key", "id"}]
    if len(keyish) > 1 and first in keyish and columns[1] in keyish:
        return ()
    if first.kind in {"number", "text"} and first.name.casefold() not in {"year", "month", "day", "date", "name"}:
        if not first.is_key_like and any(set(column.words) & _TIME_WORDS for column in columns[2:4]):
            return ()
        return (first.name,)
    return ()


def index_by_word(tables: Mapping[str, TableInfo]) -> dict[str, tuple[Ref, ...]]:
    """Columns by each word of their names and comments' first phrases."""
    found: dict[str, list[Ref]] = {}
    for table in tables.values():
        for column in table.columns:
            for word in {*column.words, *column.said, column.name.casefold()}:
                found.setdefault(word, []).append(column.ref)
    return {word: tuple(refs) for word, refs in found.items()}
