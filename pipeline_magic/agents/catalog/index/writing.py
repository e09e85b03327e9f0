"""What the index's file holds, and how it is brought to the tables of a catalog: only what changed is written.

A row's number starts with the count of words in the table's name, so that the full-text index itself gives short names
first and a search may stop early: no query reads all tables, however common its words.
"""

from __future__ import annotations

import gc
import hashlib
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from pipeline_magic.agents.catalog.index.terms import Names, Terms, Texts, compounds, forms_of, terms_of, texts_of
from pipeline_magic.spec.schema import Model, TableSchema

__all__ = ["VERSION", "Refreshed", "lay_out", "meta", "rewrite", "set_meta"]

VERSION = "1"
"""Changes when the same catalog would be kept in another form."""

_SIZE_BITS = 40
_LAYOUT = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE entry (id INTEGER PRIMARY KEY, name TEXT NOT NULL, digest BLOB NOT NULL)",
    "CREATE INDEX entry_name ON entry(name COLLATE NOCASE)",
    "CREATE TABLE word (word TEXT PRIMARY KEY, names INTEGER NOT NULL, tables INTEGER NOT NULL, whole INTEGER NOT NULL)"
    " WITHOUT ROWID",  # whole: others written together
    "CREATE VIRTUAL TABLE words USING fts5(name, place, columns, comment, detail=column, tokenize='ascii')",
    "INSERT INTO words(words, rank) VALUES ('hashsize', 33554432)",  # bytes held before a segment is written
)


class Refreshed(Model):
    """What a refresh did, in tables."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0


def lay_out(db: sqlite3.Connection, catalog: str) -> None:
    """Make the tables of an empty file."""
    for statement in _LAYOUT:
        db.execute(statement)
    set_meta(db, "version", VERSION)
    set_meta(db, "catalog", catalog)


def meta(db: sqlite3.Connection, key: str) -> str | None:
    """A fact about the file; None when it was never set or the file is empty."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        return None
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else None


def set_meta(db: sqlite3.Connection, key: str, value: str) -> None:
    """Keep a fact about the file."""
    db.execute("INSERT OR REPLACE INTO meta(key, value) VALUES (?, ?)", (key, value))


@contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection meanwhile: hundreds of thousands of tuples without a cycle cost it a tenth of the build."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


@_uncollected()
def rewrite(db: sqlite3.Connection, tables: Iterable[TableSchema]) -> Refreshed:
    """Bring the index to exactly these tables; to be called inside a transaction.

    Args:
        tables: Read once, one at a time; the first of two with the same name counts.
    """
    known = {name: (number, digest) for number, name, digest in db.execute("SELECT id, name, digest FROM entry")}
    before = len(known)
    stale: list[int] = []
    fresh: list[tuple[str, bytes, Terms]] = []
    seen: set[str] = set()
    names = Names()
    for table in tables:
        if table.table in seen:
            continue
        seen.add(table.table)
        texts = texts_of(table)
        digest = _digest(texts)
        number, kept = known.pop(table.table, (0, b""))
        if kept == digest:
            continue
        if number:
            stale.append(number)
        fresh.append((table.table, digest, terms_of(texts, names)))
    changed = len(stale)
    stale.extend(number for number, _ in known.values())
    _forget(db, stale)
    _add(db, fresh)
    if stale or fresh or meta(db, "generation") is None:
        set_meta(db, "generation", os.urandom(8).hex())
    return Refreshed(
        added=len(fresh) - changed,
        changed=changed,
        removed=len(known),
        unchanged=before - len(known) - changed,
    )


def _add(db: sqlite3.Connection, fresh: list[tuple[str, bytes, Terms]]) -> None:
    names: Counter[str] = Counter()
    everywhere: Counter[str] = Counter()
    for _, _, terms in fresh:
        names.update(terms.name)
        for words in terms[:4]:
            everywhere.update(words)
    learnt = Counter(dict(db.execute("SELECT word, names FROM word WHERE names > 0 AND whole = 0")))
    learnt.update(names)
    cuts = compounds(learnt, everywhere)
    whole = frozenset(cuts)
    last = int(meta(db, "last") or 0)
    rows: list[tuple[int, str, str, str, str]] = []
    entries: list[tuple[int, str, bytes]] = []
    for offset, (name, digest, terms) in enumerate(fresh, start=last + 1):
        kept = terms
        if not (whole.isdisjoint(terms.columns) and whole.isdisjoint(terms.name) and whole.isdisjoint(terms.place)):
            kept = _cut(terms, cuts)
            names.update(kept.name[len(terms.name) :])
            for before, after in zip(terms[:4], kept[:4], strict=True):
                everywhere.update(after[len(before) :])
        number = (min(kept.size, 63) << _SIZE_BITS) + offset
        entries.append((number, name, digest))
        name_, place, columns, comment = (" ".join(words) for words in kept[:4])
        rows.append((number, name_, place, columns, comment))
    rows.sort()  # a number smaller than the one before makes the full-text index write a segment: four times the work
    db.executemany("INSERT INTO words(rowid, name, place, columns, comment) VALUES (?, ?, ?, ?, ?)", rows)
    db.executemany("INSERT INTO entry(id, name, digest) VALUES (?, ?, ?)", entries)
    set_meta(db, "last", str(last + len(fresh)))
    _count(db, names, everywhere, cuts)


def _cut(terms: Terms, cuts: Mapping[str, tuple[str, ...]]) -> Terms:
    """The same with the parts of words written together after them."""

    def both(words: tuple[str, ...]) -> tuple[str, ...]:
        parts = (form for word in words for part in cuts.get(word, ()) for form in forms_of(part))
        return tuple(dict.fromkeys([*words, *parts]))

    more = sum(len(cuts[word]) - 1 for word in terms.name if word in cuts)
    return Terms(both(terms.name), both(terms.place), both(terms.columns), terms.comment, terms.size + more)


def _count(db: sqlite3.Connection, names: Counter[str], everywhere: Counter[str], cuts: Mapping[str, object]) -> None:
    """Add to how many tables have each word in their names, and anywhere."""
    db.executemany(
        "INSERT INTO word(word, names, tables, whole) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT(word) DO UPDATE SET names = names + ?2, tables = tables + ?3, whole = max(whole, ?4)",
        ((word, names.get(word, 0), count, word in cuts) for word, count in everywhere.items()),
    )
    db.execute("DELETE FROM word WHERE tables <= 0")


def _forget(db: sqlite3.Connection, numbers: list[int]) -> None:
    names: Counter[str] = Counter()
    everywhere: Counter[str] = Counter()
    for number in numbers:
        row = db.execute("SELECT name, place, columns, comment FROM words WHERE rowid = ?", (number,)).fetchone()
        names.subtract(row[0].split())
        for words in row:
            everywhere.subtract(words.split())
    db.executemany("DELETE FROM words WHERE rowid = ?", ((number,) for number in numbers))
    db.executemany("DELETE FROM entry WHERE id = ?", ((number,) for number in numbers))
    _count(db, names, everywhere, {})


def _digest(texts: Texts) -> bytes:
    parts = [texts.table, texts.comment, *texts.columns]
    parts += [f"\1{name}\1{comment}" for name, comment in texts.said]
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=12).digest()
