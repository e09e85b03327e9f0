"""CatalogIndex: a selection of tables with their schemas, and search among them in memory.

Here: an inverted index over the words of table names, column names and comments, deterministic, and fast for a few
thousand tables. A small catalog is given whole; of a large one, what `StoredIndex` found.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from pipeline_magic.english import ABBREVIATIONS, split_compound, stem, words_of
from pipeline_magic.spec.names import split_table
from pipeline_magic.spec.schema import Model, TableSchema

__all__ = ["CatalogIndex", "Hit"]

_TABLE, _COLUMN, _COMMENT, _SCHEMA = 8.0, 3.0, 1.0, 2.0
_NAME = 200.0
"""For a table whose whole name was said: it comes before all that merely hold one of the words."""


class Hit(Model):
    """A table that was found, and how well it fits (higher is better; only the order means something)."""

    table: str
    score: float


class CatalogIndex:
    """Search over the tables of a catalog.

    Args:
        tables: Those that may be meant. Kept; the newest of two with the same name counts.
    """

    def __init__(self, tables: Iterable[TableSchema]) -> None:
        self._tables = {table.table: table for table in tables}
        self._postings: dict[str, dict[str, float]] = defaultdict(dict)
        for name, table in self._tables.items():
            for word, weight in _weights(table):
                held = self._postings[word].get(name, 0.0)
                self._postings[word][name] = max(held, weight)
        self._named: dict[str, list[str]] = defaultdict(list)
        for name in self._tables:
            for key in _keys(split_table(name)[2]):
                self._named[key].append(name)
        self._digest: str | None = None

    @property
    def tables(self) -> tuple[TableSchema, ...]:
        """Every table, in the order given."""
        return tuple(self._tables.values())

    @property
    def vocabulary(self) -> frozenset[str]:
        """Every word (stem) that finds something."""
        return frozenset(self._postings)

    @property
    def digest(self) -> str:
        """SHA-256 over names, columns, comments and keys; changes when a search could give something else."""
        if self._digest is None:
            found = hashlib.sha256()
            for name in sorted(self._tables):
                table = self._tables[name]
                kept = table.model_dump_json(exclude={"rows", "bytes", "version", "last_modified"})
                found.update(kept.encode())
            self._digest = found.hexdigest()
        return self._digest

    def table(self, name: str) -> TableSchema | None:
        """The table of that full name, compared without regard to case."""
        if name in self._tables:
            return self._tables[name]
        wanted = name.casefold()
        return next((table for key, table in self._tables.items() if key.casefold() == wanted), None)

    def search(self, words: Sequence[str] | str, k: int = 10) -> tuple[Hit, ...]:
        """The `k` tables that fit the words best, best first; ties in the order of their names.

        Args:
            words: Words as typed; plurals and abbreviations are understood, order does not matter.
            k: How many at most.
        """
        asked = words.split() if isinstance(words, str) else list(words)
        scores: dict[str, float] = defaultdict(float)
        total = max(1, len(self._tables))
        words_asked = [stem(part) for item in asked for part in (item, *words_of(item))]
        for name in _whole_names(words_asked):
            for table in self._named.get(name, ()):
                scores[table] += _NAME
        for word in dict.fromkeys(words_asked):
            for form in {word, ABBREVIATIONS.get(word, word)}:
                postings = self._postings.get(form)
                if not postings:
                    continue
                rarity = math.log(1 + total / len(postings))
                for name, weight in postings.items():
                    scores[name] += weight * rarity
        ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
        return tuple(Hit(table=name, score=round(score, 6)) for name, score in ranked[:k])


def _whole_names(words: Sequence[str]) -> set[str]:
    """Runs of up to three words, as the whole name of a table would be kept."""
    found = set()
    for size in (1, 2, 3):
        for start in range(len(words) - size + 1):
            found.add("_".join(ABBREVIATIONS.get(word, word) for word in words[start : start + size]))
    return found


def _keys(name: str) -> set[str]:
    """A table's whole name as `_whole_names` has it, with words written together cut and uncut."""
    words = words_of(name)
    cut = [piece for word in words for piece in split_compound(word)]
    return {"_".join(stem(ABBREVIATIONS.get(word, word)) for word in part) for part in (words, cut)}


def _weights(table: TableSchema) -> Iterable[tuple[str, float]]:
    _, schema, name = split_table(table.table)
    yield table.table.casefold(), 2 * _TABLE
    yield name.casefold(), _TABLE
    for word in _stems(name):
        yield word, _TABLE
    for word in _stems(schema):
        yield word, _SCHEMA
    for word in words_of(table.comment):
        yield stem(word), _COMMENT
    for column in table.columns:
        yield column.name.casefold(), _COLUMN
        for word in _stems(column.name):
            yield word, _COLUMN
        for word in words_of(column.comment)[:40]:
            yield stem(word), _COMMENT


def _stems(name: str) -> tuple[str, ...]:
    parts = [piece for word in words_of(name) for piece in (word, *split_compound(word))]
    return tuple(form for part in parts for form in (stem(part), ABBREVIATIONS.get(part, stem(part))))
