"""What the data tell of the words of a statement: looked up where the data are, for the embedded planner.

Asked is only whether a column holds a word that the person wrote, which comes back as the data spell it, and whether
the values of a column are those of a key, which comes back as two numbers.
Nothing goes to a language model. Columns that hold names, contacts or numbers of people are left alone, and so is
whatever tags call personal; long texts, and more than a few tables and columns, are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline_magic.english import stem, words_of
from pipeline_magic.errors import EngineError
from pipeline_magic.ports import Engine
from pipeline_magic.spec.dialect import identifier
from pipeline_magic.spec.literals import sql_text
from pipeline_magic.spec.names import quote_table
from pipeline_magic.spec.schema import Column, TableSchema

__all__ = ["Data", "data_of", "data_with", "looked_at", "pointing_in", "values_in"]

Look = Callable[[str], Sequence[Sequence[Any]]]
Found = Mapping[tuple[str, str], Sequence[str]]

_MOST_COLUMNS = 12
_MOST_WORDS = 200
_LONGEST = 60
_ROWS = 200
_TIMEOUT = 60.0
_MOST_PAIRS = 40
_A_FEW, _NEARLY = 3, 0.8
"""So many values, and so large a part of them, must be found for a column to point at a key; a few may lead nowhere."""


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PERSONAL = _set(
    """email mail phone mobile fax telephone address addr street zip zipcode postcode birth birthday dob ssn passport
    licence license iban bic card cvv password secret token login user username ip mac cookie surname forename
    firstname lastname fullname nickname signature photo comment note remark body message url path hash"""
)
_OF_PEOPLE = _set(
    """person customer client member employee staff user patient passenger student instructor teacher author pilot
    driver courier keeper guest contact child doctor nurse agent owner player subscriber holder worker applicant"""
)
_TAGS = re.compile(r"pii|phi|personal|gdpr|sensitive|confidential|restricted|hipaa|pci", re.IGNORECASE)


Pair = tuple[tuple[str, str], tuple[str, str]]
"""A column that may point, and the key that it may point at: each as table and column."""


@dataclass(frozen=True)
class Data:
    """What the embedded planner may ask of the data.

    Attributes:
        words: Which words are values of which text columns; see `values_in`.
        pointing: Which columns point at which keys; see `pointing_in`.
    """

    words: Callable[[Sequence[TableSchema], Sequence[str]], Found]
    pointing: Callable[[Sequence[Pair]], Sequence[Pair]]


def data_of(engine: Engine) -> Data:
    """A look into the data of an engine."""

    def rows(text: str) -> Sequence[Sequence[Any]]:
        return engine.query(text, limit=_ROWS, timeout=_TIMEOUT).rows

    return data_with(rows)


def data_with(look: Look) -> Data:
    """A look into data by queries of Spark SQL."""
    return Data(partial(values_in, look), partial(pointing_in, look))


def pointing_in(look: Look, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs of which nearly all values of the first column are in the second, and at least a few are.

    Args:
        look: Runs one SELECT of Spark SQL.
        pairs: Text columns and the keys they may point at.
    """
    asked = list(pairs)[:_MOST_PAIRS]
    parts = [
        f"SELECT {place} AS n, count(*) AS held, count(k.v) AS met FROM (SELECT DISTINCT {identifier(column)} AS v "
        f"FROM {quote_table(table)} WHERE {identifier(column)} IS NOT NULL) a "
        f"LEFT JOIN (SELECT DISTINCT {identifier(key)} AS v FROM {quote_table(owner)}) k ON a.v = k.v"
        for place, ((table, column), (owner, key)) in enumerate(asked)
    ]
    try:
        rows = look(" UNION ALL ".join(parts)) if parts else ()
    except EngineError:
        return []
    return [asked[int(n)] for n, held, met in rows if int(met) >= _A_FEW and int(met) >= _NEARLY * int(held)]


def values_in(look: Look, tables: Sequence[TableSchema], words: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """Values of text columns that are one of `words` but for case, by table and column.

    Args:
        look: Runs one SELECT of Spark SQL; a table that cannot be read holds nothing.
        tables: Those that a statement may mean.
        words: In lower case.
    """
    wanted = [word for word in dict.fromkeys(words) if 0 < len(word) <= _LONGEST][:_MOST_WORDS]
    found: dict[tuple[str, str], list[str]] = {}
    for table in tables:
        columns = [column for column in table.columns if looked_at(table, column)][:_MOST_COLUMNS]
        if not columns or not wanted:
            continue
        listed = ", ".join(sql_text(word) for word in wanted)
        parts = [
            f"SELECT DISTINCT {place} AS n, {identifier(column.name)} AS v FROM {quote_table(table.table)} "
            f"WHERE lower(trim({identifier(column.name)})) IN ({listed})"
            for place, column in enumerate(columns)
        ]
        try:
            rows = look(" UNION ALL ".join(parts))
        except EngineError:
            continue
        for place, value in rows:
            found.setdefault((table.table, columns[int(place)].name), []).append(str(value))
    return {key: sorted(values) for key, values in found.items()}


def looked_at(table: TableSchema, column: Column) -> bool:
    """Whether words may be looked for in a column: a text that is not a person's."""
    kind = column.type.casefold()
    if kind != "string" and not kind.startswith(("varchar", "char")):
        return False
    tags = dict(table.tags) | dict(getattr(column, "tags", None) or {})
    if any(_TAGS.search(f"{key} {value}") for key, value in tags.items()) or _TAGS.search(column.comment):
        return False
    words = {stem(word) for word in words_of(column.name)}
    if words & _PERSONAL:
        return False
    if words & {"name", "nm"}:
        owner = {stem(word) for word in words_of(table.table.rpartition(".")[2])}
        return not (words | owner) & (_OF_PEOPLE | {"first", "last", "full", "family", "given", "middle", "fst", "lst"})
    return True
