"""How a database is opened, and what its errors mean.

Here: addresses; the engine with its settings (SQLite: write-ahead log, waiting instead of failing while another
process writes, a private file; PostgreSQL: bounded waits); one engine a process, opened by the first call and again
after a fork; reading and writing transactions; the translation of everything the driver or the disk may raise. Not
here: tables (`database_schema`), and what is read and written (`database`).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import URL, Connection, Engine

from pipeline_magic.adapters.database_schema import migrate, version_of
from pipeline_magic.errors import ConfigurationError, StoreError, StoreUnavailable
from pipeline_magic.redact import redact

__all__ = ["Conflict", "Connector"]

WAIT_SECONDS = 30
"""How long a write waits for another one before it gives up."""

RETRY_SECONDS = (0.1, 0.3, 0.9, 2.0)
"""Pauses before a server that cannot be reached is tried again."""

_TRANSIENT = (
    "connection refused",
    "no such file",  # the socket of a server on this machine
    "starting up",
    "shutting down",
    "server closed",
    "terminating connection",
    "reset by",
)
"""What a server says that is being restarted or was just replaced."""


class Conflict(StoreError):
    """A row with this key is there already. Never leaves the adapter."""


class Connector:
    """One database: transactions on it, by any number of threads and processes.

    Args:
        url: Path of an SQLite file, or an SQLAlchemy URL of SQLite or PostgreSQL.

    Raises:
        ConfigurationError: The address cannot be used.
    """

    def __init__(self, url: str) -> None:
        self._url = parse_url(url)
        self.name = address(self._url)
        self._lock = threading.Lock()
        self._opened: tuple[int, Engine] | None = None

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the store; never waits for a writer."""
        with translated(self.name), self._connection() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: all of it, or nothing.

        Raises:
            Conflict: A row with that key is there already.
        """
        committing = False
        with translated(self.name):
            try:
                with self._connection().execution_options(pm_write=True) as connection, connection.begin():
                    yield connection
                    committing = True
            except exc.DBAPIError as error:
                if committing and error.connection_invalidated:
                    raise StoreUnavailable(
                        "The database server went away while a change was written; it may have been kept, or not.",
                        where=self.name,
                        hint="Look at the run as it stands, then repeat: what was done already is not done twice.",
                    ) from None
                raise

    def write_again(self, work: Callable[[Connection], None]) -> None:
        """A transaction that looks for a row and inserts it where there is none.

        On PostgreSQL another process may insert it between the look and the insert; the second attempt then finds it.
        """
        with contextlib.suppress(Conflict):
            with self.write() as connection:
                work(connection)
            return
        with self.write() as connection:
            work(connection)

    def compact(self) -> None:
        """SQLite: rebuild the file without its free pages, and empty the log; PostgreSQL does so by itself.

        Others who hold the store busy are no error: the space is then used again by what is written next.
        """
        if self._url.drivername != "sqlite":
            return
        busy = contextlib.suppress(StoreUnavailable, sqlite3.Error)
        with busy, translated(self.name), self._connection() as connection:
            raw: Any = connection.connection.dbapi_connection
            raw.execute("VACUUM")  # by the driver itself: SQLAlchemy would begin a transaction, and it runs in none
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close every connection; the next call opens the store again."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened[1].dispose(close=opened[0] == os.getpid())

    def _connection(self) -> Connection:
        """A connection; a server that is about to come back is waited for, longer each time."""
        for seconds in RETRY_SECONDS:
            try:
                return self._engine().connect()
            except exc.DBAPIError as error:
                if not any(word in str(error.orig).casefold() for word in _TRANSIENT):
                    raise
                time.sleep(seconds)
        return self._engine().connect()

    def _engine(self) -> Engine:
        with self._lock:
            if self._opened is not None and self._opened[0] == os.getpid():
                return self._opened[1]
            if self._opened is not None:
                # After a fork the connections belong to the parent: they are dropped here, not closed.
                self._opened[1].dispose(close=False)
                self._opened = None
            engine = connect(self._url)
            try:
                version_of(engine, self.name)
                use_write_ahead_log(engine)
                migrate(engine, self.name)
            except BaseException:
                engine.dispose()
                raise
            self._opened = (os.getpid(), engine)
            return engine


def parse_url(url: str) -> URL:
    """A path of an SQLite file, or an SQLAlchemy URL of SQLite or PostgreSQL.

    Raises:
        ConfigurationError: Neither; or SQLite without a file, which would not outlive the process.
    """
    hint = "Give a path, `sqlite:///path`, or `postgresql://user@host/database`."
    if "://" not in url:
        if not url.strip():
            raise ConfigurationError("The address of the store is empty.", hint=hint)
        return URL.create("sqlite", database=str(Path(url).expanduser().absolute()))
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError:
        raise ConfigurationError("The address of the store cannot be understood.", hint=hint) from None
    backend = parsed.drivername.partition("+")[0]
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:" or parsed.query:
            raise ConfigurationError("A store in SQLite needs a plain file.", hint=hint)
        return parsed.set(drivername="sqlite", database=str(Path(parsed.database).expanduser().absolute()))
    if backend in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    raise ConfigurationError(f"A store cannot be kept in `{backend}`.", hint=hint)


def address(url: URL) -> str:
    """The store's address for a person: never with a password."""
    if url.drivername == "sqlite":
        return f"SQLite at {url.database}"
    shown = f"{url.host or url.query.get('host') or 'local socket'}/{url.database or ''}"
    return redact(f"PostgreSQL at {shown}")


def connect(url: URL) -> Engine:
    """An engine for that address. Opens no connection; for SQLite the file is created, private to the user."""
    if url.drivername == "sqlite":
        _private_file(Path(str(url.database)))
        # The pool has no upper bound: a reader never waits for another reader.
        engine = sa.create_engine(url, max_overflow=-1, hide_parameters=True, connect_args={"timeout": WAIT_SECONDS})
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        engine = sa.create_engine(
            url,
            pool_pre_ping=True,
            pool_size=5,
            max_overflow=15,
            hide_parameters=True,  # rows hold what people wrote; neither an error nor a log of SQL needs them
            connect_args={"connect_timeout": 10},
        )
    except ModuleNotFoundError:
        raise ConfigurationError(
            "A store in PostgreSQL needs the package psycopg, which is not installed.",
            hint='Run `pip install "psycopg[binary]"`.',
        ) from None
    sa.event.listen(engine, "connect", _set_up_postgres)
    return engine


def _private_file(path: Path) -> None:
    """Create the file with mode 0600, and missing folders with 0700; take others' rights from a file that has them."""
    missing = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    if os.name == "posix" and path.stat().st_mode & 0o077:
        path.chmod(0o600)


def use_write_ahead_log(engine: Engine) -> None:
    """SQLite: readers never wait for a writer from now on; the file remembers it. After the version was looked at, so
    that a file of a newer version stays as it is."""
    if engine.dialect.name != "sqlite":
        return
    deadline = time.monotonic() + WAIT_SECONDS
    with engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        while True:
            try:
                # Changing to it does not wait for other connections by itself.
                mode = raw.execute("PRAGMA journal_mode=WAL").fetchone()[0]
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise exc.OperationalError(None, None, error) from None
                time.sleep(0.02)
    if str(mode).casefold() != "wal":  # SQLite says nothing of it, and readers would wait for writers
        raise StoreUnavailable(
            "The store cannot be used: its file system has no memory that processes share, as many network drives.",
            where=address(engine.url),
            hint="Set PIPELINE_MAGIC_HOME to a folder on a disk of this machine, or PIPELINE_MAGIC_STORE_URL to a "
            "PostgreSQL database.",
        )


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transactions start late, after reads; ours start where `_begin_sqlite` says.
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous=FULL")
    # What retention removes must not stay in free pages of the file.
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    # A write takes the lock at its start: two that read first and write later could only deadlock.
    write = connection.get_execution_options().get("pm_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _set_up_postgres(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{WAIT_SECONDS}s'")
        cursor.execute(f"SET statement_timeout = '{2 * WAIT_SECONDS}s'")
    connection.commit()


_REASONS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("disk is full", "no space left", "disk full"), "its disk is full", "Free some space, then repeat."),
    (
        ("read-only transaction",),
        "its server only lets it be read",
        "Give the URL of the server that takes writes, not that of a replica.",
    ),
    (
        ("permission denied for",),
        "its database refuses it to this user",
        "Ask for the rights to read and write the tables `pm_*`, and to create them the first time.",
    ),
    (
        ("too many clients", "too many connections", "connection slots"),
        "its server has no connection free",
        "Repeat in a moment; if it stays so, close notebooks that nobody uses, or raise the server's limit.",
    ),
    (
        ("operation not supported", "not supported by the file system", "locking protocol"),
        "its file system does not do what a database needs",
        "Set PIPELINE_MAGIC_HOME to a folder on a disk of this machine, or PIPELINE_MAGIC_STORE_URL to a PostgreSQL "
        "database.",
    ),
    (
        ("readonly database", "read-only", "permission denied", "unable to open database"),
        "it cannot be written",
        "Check that the folder exists and you may write to it, or set PIPELINE_MAGIC_HOME to another one.",
    ),
    (
        ("database is locked", "lock timeout", "deadlock", "statement timeout", "pool limit"),
        "others have kept it busy for too long",
        "Repeat in a moment; if it stays so, look for a process that hangs with the store open.",
    ),
    (
        ("not a database", "malformed", "corrupt"),
        "its file is damaged",
        "Put back a copy of the file (with its -wal file), or move it away to start with an empty store.",
    ),
    (("disk i/o error",), "its disk could not be written or read", "Check the disk's space and health, then repeat."),
    (
        ("connection", "could not connect", "timeout expired", "server closed", "authentication", "system is "),
        "the database server cannot be reached",
        "Check the store's URL, the network and the password.",
    ),
)


@contextlib.contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn what the database and the disk raise into our errors; the transaction was rolled back by then.

    Raises:
        StoreUnavailable: With what is wrong and what to do.
        Conflict: A row with that key is there already.
    """
    try:
        yield
    except exc.IntegrityError as error:
        raise Conflict("A row with this key is there already.", where=where) from error
    except (exc.SQLAlchemyError, OSError) as error:
        text = str(getattr(error, "orig", None) or error)
        for words, reason, hint in _REASONS:
            if any(word in text.casefold() for word in words):
                raise StoreUnavailable(f"The store cannot be used: {reason}.", where=where, hint=hint) from None
        first = redact(text.strip().partition("\n")[0])[:300]
        raise StoreUnavailable(f"The store cannot be used: {first or type(error).__name__}.", where=where) from None
