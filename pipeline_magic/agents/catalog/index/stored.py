"""StoredIndex: the words of every table of a catalog in one file, found in milliseconds among 100,000 tables.

Here: the file (SQLite, full-text), kept up to date table by table, and search in it. Not here: schemas; a search gives
names, and the few tables found are read from the catalog. What a search means by a word is `query`, how well a table
fits is `ranking`.

The file may be lost at any time. One that is damaged, or of another version or catalog, is made anew; readers of other
processes see the old state until a refresh is complete.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pipeline_magic.agents.catalog.index.query import Query, Vocabulary, read_query
from pipeline_magic.agents.catalog.index.ranking import Candidate, rank
from pipeline_magic.agents.catalog.index.writing import VERSION, Refreshed, lay_out, meta, rewrite, set_meta
from pipeline_magic.errors import CatalogError
from pipeline_magic.spec.names import join_table
from pipeline_magic.spec.schema import Model, TableSchema

__all__ = ["Found", "Refreshed", "StoredIndex"]

_EACH = 150
"""Tables that one full-text query may give."""
_WAIT = 10.0
"""Seconds to wait for another process that writes."""
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Found(Model):
    """A table that was found.

    Attributes:
        score: Higher is better; only the order means something.
        why: What of it the words met, for a person: ``name: customer, orders; columns: discount``.
    """

    table: str
    score: float
    why: str = ""


class StoredIndex:
    """The index of one catalog, in one file. Safe to use from several threads and processes.

    Args:
        path: The file; made, readable by its owner alone, on the first refresh.
        catalog: Whose tables it holds. A file that holds another's is made anew.
    """

    def __init__(self, path: Path, catalog: str = "") -> None:
        self.path = Path(path)
        self._catalog = catalog
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._vocabulary: tuple[str, Vocabulary] | None = None

    # --- what is there ---------------------------------------------------------------------------------------------

    @property
    def token(self) -> str | None:
        """The token that the last complete refresh was given; None when there is no index that can be used."""
        return self._reading(lambda db: meta(db, "token"), None)

    def __len__(self) -> int:
        return self._reading(lambda db: int(db.execute("SELECT count(*) FROM entry").fetchone()[0]), 0)

    def name(self, table: str) -> str | None:
        """The full name as the catalog spells it, compared without regard to case; None when it is not there."""
        sql = "SELECT name FROM entry WHERE name = ? COLLATE NOCASE ORDER BY name <> ? LIMIT 1"
        row = self._reading(lambda db: db.execute(sql, (table, table)).fetchone(), None)
        return str(row[0]) if row else None

    def search(self, words: Sequence[str] | str, limit: int = 10) -> tuple[Found, ...]:
        """The `limit` tables that fit the words best, best first; ties in the order of their names.

        Args:
            words: As typed. Plurals, abbreviations, words written together and typing errors are understood, order
                does not matter, and nothing is taken for a search language.
        """
        asked = [words] if isinstance(words, str) else list(words)
        return self._reading(lambda db: self._search(db, asked, limit), ())

    def names(self, limit: int) -> tuple[str, ...]:
        """The first names in their order."""
        sql = "SELECT name FROM entry ORDER BY name COLLATE NOCASE LIMIT ?"
        return self._reading(lambda db: tuple(str(row[0]) for row in db.execute(sql, (limit,))), ())

    def of_schema(self, catalog: str, schema: str, limit: int) -> tuple[str, ...]:
        """Tables of one schema, those with the fewest words in their names first."""
        before = join_table(catalog, schema, "x")[:-1]
        sql = "SELECT name FROM entry WHERE name >= ?1 COLLATE NOCASE AND name < ?2 COLLATE NOCASE ORDER BY id LIMIT ?3"
        bounds = (before, before[:-1] + "/", limit)  # the slash comes next after the dot
        return self._reading(lambda db: tuple(str(row[0]) for row in db.execute(sql, bounds)), ())

    def remove(self) -> None:
        """Delete the file, if there is one."""
        if self._connection is not None or self.path.exists():
            self._discard()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection, self._vocabulary = None, None

    # --- bringing it up to date ------------------------------------------------------------------------------------

    def refresh(self, tables: Callable[[], Iterable[TableSchema]], token: str = "") -> Refreshed:
        """Bring the index to exactly these tables; only those that changed are written.

        Args:
            tables: Gives every table the caller can see; asked again where the file turns out to be damaged.
            token: What `token` will say from now on: the catalog's digest.

        Raises:
            CatalogError: The file cannot be written, or another process has been writing it for too long.
        """
        with self._lock:
            try:
                try:
                    return self._refresh(tables, token)
                except (sqlite3.DatabaseError, _Unusable) as error:
                    if isinstance(error, sqlite3.OperationalError):
                        raise
                    _log.warning("the catalog index is made anew: %s", error or "it is of another version or catalog")
                    self._discard()
                    return self._refresh(tables, token)
            except (sqlite3.Error, OSError) as error:
                self.close()
                raise CatalogError(
                    f"The index of the catalog's names cannot be written: {error}.",
                    where=str(self.path),
                    hint="Look whether the disk is full or the file is another user's; it may be deleted at any time.",
                ) from error

    def _refresh(self, tables: Callable[[], Iterable[TableSchema]], token: str) -> Refreshed:
        db = self._open(create=True)
        with _transaction(db):
            if meta(db, "version") is None:
                lay_out(db, self._catalog)
            elif not self._usable(db):
                raise _Unusable
            done = rewrite(db, tables())
            set_meta(db, "token", token)
        return done

    # --- search ----------------------------------------------------------------------------------------------------

    def _search(self, db: sqlite3.Connection, asked: Sequence[str], limit: int) -> tuple[Found, ...]:
        vocabulary = self._words(db)
        query = read_query(asked, vocabulary)
        if not query.groups:
            return ()
        found: dict[int, Candidate] = {}
        for match in query.matches():
            for number, name, place, columns, comment in db.execute(
                "SELECT rowid, name, place, columns, comment FROM words WHERE words MATCH ? ORDER BY rowid LIMIT ?",
                (match, _EACH),
            ):
                if number not in found:
                    found[number] = Candidate(number, name, place, columns, comment)
        ranked = self._ranked(db, query, found, limit)
        return tuple(Found(table=name, score=round(score, 4), why=why) for score, name, why in ranked)

    def _ranked(
        self, db: sqlite3.Connection, query: Query, found: dict[int, Candidate], limit: int
    ) -> list[tuple[float, str, str]]:
        best = rank(query, list(found.values()))[: limit * 3 + 20]
        named = []
        for score, candidate, why in best:
            row = db.execute("SELECT name FROM entry WHERE id = ?", (candidate.number,)).fetchone()
            if row is not None:
                named.append((score, str(row[0]), why))
        return sorted(named, key=lambda item: (-item[0], item[1]))[:limit]

    def _words(self, db: sqlite3.Connection) -> Vocabulary:
        generation = meta(db, "generation") or ""
        if self._vocabulary is None or self._vocabulary[0] != generation:
            rows = db.execute("SELECT word, names, tables, whole FROM word").fetchall()
            total = int(db.execute("SELECT count(*) FROM entry").fetchone()[0])
            self._vocabulary = (generation, Vocabulary(rows, total))
        return self._vocabulary[1]

    # --- the file --------------------------------------------------------------------------------------------------

    def _reading(self, work: Callable[[sqlite3.Connection], _T], otherwise: _T) -> _T:
        """What `work` gives inside one state of the file; `otherwise` where there is no usable index."""
        with self._lock:
            if not self.path.exists():
                self.close()
                return otherwise
            try:
                db = self._open(create=False)
                db.execute("BEGIN")
                try:
                    return work(db) if self._usable(db) else otherwise
                finally:
                    db.execute("ROLLBACK")
            except sqlite3.OperationalError as error:
                _log.warning("the catalog index cannot be read: %s", error)
                self.close()
                return otherwise
            except sqlite3.DatabaseError as error:
                _log.warning("the catalog index is damaged and will be made anew: %s", error)
                self._discard()
                return otherwise

    def _open(self, *, create: bool) -> sqlite3.Connection:
        if self._connection is not None and self._file != _identity(self.path):
            self.close()  # another process has made the file anew
        if self._connection is None:
            if create:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            made = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
            try:
                made.execute("PRAGMA journal_mode = WAL")
                made.execute("PRAGMA synchronous = NORMAL")
                made.execute("PRAGMA cache_size = -32000")
            except sqlite3.Error:
                made.close()
                raise
            self._connection, self._file = made, _identity(self.path)
        return self._connection

    def _usable(self, db: sqlite3.Connection) -> bool:
        return meta(db, "version") == VERSION and meta(db, "catalog") == self._catalog

    def _discard(self) -> None:
        self.close()
        for ending in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one of the same name."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class _Unusable(Exception):
    """The file is whole, and of another version or another catalog."""


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
