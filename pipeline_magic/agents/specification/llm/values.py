"""A few values of text columns for the prompt, where a person switched that on; never of anything personal.

Sent are short texts of columns with few distinct ones: what a category is called, not what a person is called. A column
is left out when its name or comment sounds personal, when its table's tags say so, and when its values look like
addresses, numbers of people, or free text. A table whose tags say personal is left out as a whole. What cannot be told
is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline_magic.english import split_compound, stem, words_of
from pipeline_magic.errors import EngineError
from pipeline_magic.ports import Engine
from pipeline_magic.redact import redact
from pipeline_magic.spec.names import quote, quote_table
from pipeline_magic.spec.schema import Column, TableSchema

__all__ = ["may_send", "sample_values"]

_MOST_TABLES, _MOST_COLUMNS, _MOST_VALUES, _LONGEST = 6, 8, 5, 40
_FEW = 50
"""A column with more distinct values than this is no category."""
_ROWS = 20_000


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PERSONAL = _set(
    """name firstname lastname surname fullname forename nickname person email mail phone mobile fax tel telephone
    address addr street zip zipcode postcode postal birth birthday birthdate dob age gender sex ssn social passport
    license licence tax tin iban bic account acct card cvv credit salary wage income password secret token key login
    user username uid ip mac device cookie session lat latitude lon lng longitude location geo religion race ethnicity
    health diagnosis patient medical disease comment note remark description text message body signature photo image
    national insurance identity contact guest employee customer client member spouse child maiden clerk"""
)
_TAGS = re.compile(r"pii|phi|personal|person|gdpr|sensitive|confidential|private|restricted|hipaa|pci", re.IGNORECASE)
_LOOKS = re.compile(r"@|https?:|\d{4,}|^\W*\d[\d\s().+-]{5,}$|(?:\S+\s+){4}")


def sample_values(engine: Engine, tables: Sequence[TableSchema]) -> dict[str, dict[str, list[str]]]:
    """Up to five values of the columns that may be sent, by table and column.

    Args:
        engine: Reads them; a table that cannot be read has none.
        tables: Those that a statement found, best first.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for table in tables[:_MOST_TABLES]:
        columns = [column for column in table.columns if may_send(table, column)][:_MOST_COLUMNS]
        for column in columns:
            values = _values(engine, table, column)
            if values:
                found.setdefault(table.table, {})[column.name] = values
    return found


def may_send(table: TableSchema, column: Column) -> bool:
    """Whether values of a column may be looked at for sending: a text, with nothing that sounds personal."""
    if column.type.casefold() not in {"string"} and not column.type.casefold().startswith(("varchar", "char")):
        return False
    tags = dict(table.tags) | dict(getattr(column, "tags", None) or {})
    if any(_TAGS.search(f"{key} {value}") for key, value in tags.items()) or _TAGS.search(column.comment):
        return False
    words = {part for word in words_of(column.name) for part in (word, stem(word), *split_compound(stem(word)))}
    whole = "".join(words_of(column.name))
    if words & _PERSONAL or any(word in whole for word in _PERSONAL if len(word) > 4):
        return False
    said = {stem(word) for word in words_of(column.comment)}
    return not said & (_PERSONAL - {"name", "key", "text", "description", "customer", "location", "account", "age"})


def _values(engine: Engine, table: TableSchema, column: Column) -> list[str]:
    name = quote(column.name)
    few = f"SELECT {name} AS v FROM {quote_table(table.table)} WHERE {name} IS NOT NULL LIMIT {_ROWS}"
    try:
        rows = engine.query(f"SELECT v FROM ({few}) GROUP BY v ORDER BY v", limit=_FEW + 1, timeout=30.0).rows
    except EngineError:
        return []
    texts = [str(row[0]) for row in rows]
    if len(texts) > _FEW or any(len(text) > _LONGEST or _LOOKS.search(text) or redact(text) != text for text in texts):
        return []
    return texts[:_MOST_VALUES]
