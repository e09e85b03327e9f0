"""TableFinder: which tables of the catalog a statement may speak of, and names for what a person types.

A small catalog is given whole. Of a large one the index gives the names, and only the tables found are read; whether
the index is up to date is asked by the catalog's digest, so that a run of an unchanged catalog reads no other columns.
Found are, for each part of the statement, the tables that fit its words best, those it names in full, those that
declared keys lead to, and others of the schemas found (``revenue by nation`` rests on a table that no word names).

Not here: what the statement means by them; that is the parsers' work.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path

from pipeline_magic.agents.catalog.index import CatalogIndex
from pipeline_magic.agents.catalog.index.stored import StoredIndex
from pipeline_magic.errors import CatalogError, TableNotFound
from pipeline_magic.ports import Catalog
from pipeline_magic.spec.names import split_table
from pipeline_magic.spec.schema import TableSchema

__all__ = ["TableFinder"]

SMALL = 200
"""Tables up to which a catalog is given whole."""

_FOUND = 30
_KEYS_LEAD_TO = 10
_MOST = 60
"""Tables given of a large catalog; the planner looks at so many without choosing among them."""
_SCHEMAS = 3
_PARTS = 40
_WORDS = 12
_PART = r"(?:`[^`\n]{1,255}`|[A-Za-z_]\w{0,254})"
_FULL = re.compile(rf"(?<![\w.`@/]){_PART}\.{_PART}\.{_PART}(?![\w`]|\.\w)")
_log = logging.getLogger(__name__)


class TableFinder:
    """Finds tables of one catalog.

    Args:
        catalog: Where tables are read.
        home: The folder that holds the index of a large catalog; None keeps none, and every catalog is given whole.
        small: Tables up to which the catalog is given whole.
    """

    def __init__(self, catalog: Catalog, home: Path | None, *, small: int = SMALL) -> None:
        self._catalog = catalog
        self._small = small
        self._index: StoredIndex | None = None
        if home is not None:
            mark = hashlib.sha256(catalog.name.encode()).hexdigest()[:12]
            self._index = StoredIndex(home / f"catalog-{mark}.index", catalog.name)

    def tables(
        self,
        statement: str,
        *,
        without: str | None = None,
        said: frozenset[str] = frozenset(),
        say: Callable[[str], None] = lambda message: None,
    ) -> CatalogIndex:
        """The tables a statement may speak of, with their schemas.

        Args:
            statement: As typed.
            without: A table that is not to be among them.
            said: Words that name no table, in lower case; they are not looked for.
            say: Told when the index is brought up to date.

        Raises:
            CatalogError: The catalog cannot be read.
        """
        found = self._all_of_few(say)
        if found is None:
            names = self._names(statement, said)
            if self._index is not None and self._index.token is None:  # found damaged by the search, and taken away
                found = self._all_of_few(say)
                names = self._names(statement, said)
            if found is None:
                found = self._read(names)
                linked = dict.fromkeys(key.to_table for table in found for key in table.foreign_keys)
                more = [name for name in linked if name not in names][:_KEYS_LEAD_TO]
                beside = [name for name in self._beside(names) if name not in (*names, *more)]
                found += self._read([*more, *beside][: _MOST - len(names)])
        return CatalogIndex(table for table in found if table.table != without)

    def search(self, words: str, limit: int = 20) -> tuple[str, ...]:
        """Full names of the tables that fit what a person types, best first.

        The index is taken as the last run left it; of a small catalog the tables are looked at themselves.
        """
        if self._index is not None and self._index.token is not None:
            return tuple(hit.table for hit in self._index.search(words, limit))
        return tuple(hit.table for hit in CatalogIndex(self._catalog.tables()).search(words, limit))

    def names(self, limit: int = 1000) -> tuple[str, ...]:
        """Full names in their order, to be offered before anything is typed."""
        if self._index is not None and self._index.token is not None:
            return self._index.names(limit)
        return tuple(sorted(table.table for table in self._catalog.tables())[:limit])

    def close(self) -> None:
        """Let go of the index."""
        if self._index is not None:
            self._index.close()

    # --- inside ------------------------------------------------------------------------------------------------

    def _all_of_few(self, say: Callable[[str], None]) -> list[TableSchema] | None:
        """Every table of a small catalog; None for a large one, whose index is then up to date."""
        index = self._index
        if index is None:
            return list(self._catalog.tables())
        known = index.token
        if known is not None and known == self._catalog.digest():
            return None
        tables = iter(self._catalog.tables())
        head = list(islice(tables, self._small + 1))
        if len(head) <= self._small:
            index.remove()
            return head
        say("Bringing the index of the catalog's names up to date")
        token = self._catalog.digest()
        try:
            done = index.refresh(lambda: self._again(head, tables), token)
        except CatalogError as error:
            _log.warning("%s Every table is read instead.", error)
            return list(self._again(head, tables))
        _log.info("catalog index: %s", done)
        return None

    def _again(self, head: list[TableSchema], rest: Iterable[TableSchema]) -> Iterable[TableSchema]:
        """Every table: what was read of it and the rest, and on a second reading all of it anew."""
        if head:
            yield from head
            head.clear()
            yield from rest
        else:
            yield from self._catalog.tables()

    def _names(self, statement: str, said: frozenset[str]) -> list[str]:
        """Names of the tables that may be meant: those named in full, then the best of each part by turns."""
        index = self._index
        assert index is not None  # a catalog without one is given whole
        exact = (index.name(match.group()) for match in _FULL.finditer(statement))
        parts = [words for part in _parts(statement) if (words := _words(part, said))]
        ranked = [[hit.table for hit in index.search(words, _FOUND)] for words in parts[:_PARTS]]
        turns = (found[place] for place in range(_FOUND) for found in ranked if place < len(found))
        return list(islice(dict.fromkeys([*filter(None, exact), *turns]), _FOUND))

    def _beside(self, names: Sequence[str]) -> list[str]:
        """Tables of the same schemas, of the best found first; those with short names before others."""
        assert self._index is not None  # as above
        schemas = dict.fromkeys(split_table(name)[:2] for name in names)
        held = [self._index.of_schema(*schema, limit=_MOST) for schema in islice(schemas, _SCHEMAS)]
        return [found[place] for place in range(_MOST) for found in held if place < len(found)]

    def _read(self, names: Sequence[str]) -> list[TableSchema]:
        found = []
        for name in names:
            try:
                found.append(self._catalog.table(name))
            except TableNotFound:
                _log.info("gone since the catalog was indexed: %s", name)
        return found


def _parts(statement: str) -> list[str]:
    """The statement as a whole and its clauses, each of which may speak of another table."""
    clauses = re.split(r"[.;:,!?\n]+\s|\n|\b(?:and|with|by|per|for|from|into|join(?:ed|s)?|where|then)\b", statement)
    return [part for part in dict.fromkeys([statement, *clauses]) if part.strip()]


def _words(part: str, said: frozenset[str]) -> list[str]:
    words = re.findall(r"[^\W\d]\w*", part)
    return list(dict.fromkeys(word for word in words if word.casefold() not in said))[:_WORDS]
