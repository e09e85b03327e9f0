"""The store's tables, how they are created and brought up to date, and how a database is opened.

Here: table definitions, the numbered migrations, the engine with its settings (SQLite: write-ahead log, waiting
instead of failing when another process writes, private file; PostgreSQL: bounded waits), and the translation of
database errors. Not here: what is read and written (`database`). A row holds its model as JSON beside the few columns
that are searched or compared, so that a new field of a model needs no migration.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import URL, Connection, Engine

from pipeline_magic.digests import GENESIS
from pipeline_magic.errors import ConfigurationError, StoreError, StoreUnavailable
from pipeline_magic.redact import redact

__all__ = ["MIGRATIONS", "Conflict", "address", "connect", "migrate", "one", "parse_url", "translated"]

WAIT_SECONDS = 30
"""How long a write waits for another one before it gives up."""

_LOCK_KEY = 7_206_402_117
"""PostgreSQL advisory lock that is held while the tables are created or changed."""

metadata = sa.MetaData()

versions = sa.Table(
    "pm_schema_version",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
)
runs = sa.Table(
    "pm_runs",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False, index=True),
    sa.Column("statement_digest", sa.Text, nullable=False, index=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
stages = sa.Table(
    "pm_stages",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("stage", sa.Text, primary_key=True),
    sa.Column("inputs_digest", sa.Text, nullable=False),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)
approvals = sa.Table(
    "pm_approvals",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
plans = sa.Table(
    "pm_plans",
    metadata,
    sa.Column("approval_id", sa.Text, primary_key=True),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
)
deployments = sa.Table(
    "pm_deployments",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
effects = sa.Table(
    "pm_effects",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
audit = sa.Table(
    "pm_audit",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("identity", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False, unique=True),
    sa.Column("hash", sa.Text, nullable=False),
)
audit_head = sa.Table(
    "pm_audit_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)


def _first(connection: Connection) -> None:
    """Version 1: everything above."""
    for table in metadata.sorted_tables:
        if table is not versions:
            table.create(connection)
    connection.execute(sa.insert(audit_head).values(id=1, seq=0, hash=GENESIS))


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_first,)
"""The n-th brings a store from version n to n + 1. Never change one that was released: add another."""


class Conflict(StoreError):
    """A row with this key is there already. Never leaves the adapter."""


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
        engine = sa.create_engine(url, max_overflow=-1, connect_args={"timeout": WAIT_SECONDS})
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        engine = sa.create_engine(
            url, pool_pre_ping=True, pool_size=5, max_overflow=15, connect_args={"connect_timeout": 10}
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


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transactions start late, after reads; ours start where `_begin_sqlite` says.
    connection.isolation_level = None
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            # Changing to the write-ahead log does not wait for other connections by itself.
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    connection.execute("PRAGMA synchronous=FULL")
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


def migrate(engine: Engine, where: str) -> None:
    """Create the tables, or bring those of an older version up to date; once, whoever comes first.

    Raises:
        StoreUnavailable: The store was written by a newer version.
    """
    with engine.connect() as connection:
        if _version(connection, where) == len(MIGRATIONS):
            return
    with engine.connect().execution_options(pm_write=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        found = _version(connection, where)
        if found == len(MIGRATIONS):
            return
        if found == 0:
            versions.create(connection, checkfirst=True)
            connection.execute(sa.insert(versions).values(id=1, version=0))
        for step in MIGRATIONS[found:]:
            step(connection)
        connection.execute(sa.update(versions).values(version=len(MIGRATIONS)))


def _version(connection: Connection, where: str) -> int:
    if not sa.inspect(connection).has_table(versions.name):
        return 0
    found = int(connection.execute(sa.select(versions.c.version)).scalar() or 0)
    if found > len(MIGRATIONS):
        raise StoreUnavailable(
            f"The store has version {found}, and this pipeline_magic knows versions up to {len(MIGRATIONS)}.",
            where=where,
            hint="Upgrade pipeline_magic (`pip install -U pipeline-magic`), or give another store.",
        )
    return found


_REASONS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("disk is full", "no space left", "disk full"), "its disk is full", "Free some space, then repeat."),
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
        ("connection", "could not connect", "timeout expired", "server closed", "authentication"),
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


def one(connection: Connection, query: sa.Select[Any]) -> Any:
    """The only row of a query, or None."""
    return cast(Any, connection.execute(query).one_or_none())
