"""The store's tables, and how they are created and brought up to date.

Here: table definitions and the numbered migrations. Not here: how a database is opened (`database_engine`), what is
read and written (`database`). A row holds its model as JSON beside the few columns that are searched or compared, so
that a new field of a model needs no migration.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from pipeline_magic.digests import GENESIS
from pipeline_magic.errors import StoreUnavailable

__all__ = ["MIGRATIONS", "metadata", "migrate", "version_of"]

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
exchanges = sa.Table(
    "pm_exchanges",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
workers = sa.Table(
    "pm_workers",
    metadata,
    sa.Column("worker", sa.Text, primary_key=True),
    sa.Column("seen", sa.Double, nullable=False),
)


def _first(connection: Connection) -> None:
    """Version 1: runs, their stages, approvals, plans, deployments, effects and the audit."""
    for table in (runs, stages, approvals, plans, deployments, effects, audit, audit_head):
        table.create(connection)
    connection.execute(sa.insert(audit_head).values(id=1, seq=0, hash=GENESIS))


def _second(connection: Connection) -> None:
    """Version 2: the egress ledger, what was exchanged with language models."""
    exchanges.create(connection)


def _third(connection: Connection) -> None:
    """Version 3: heartbeats of the processes that work on runs."""
    workers.create(connection)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_first, _second, _third)
"""The n-th brings a store from version n to n + 1. Never change one that was released: add another."""


def migrate(engine: Engine, where: str) -> None:
    """Create the tables, or bring those of an older version up to date; once, whoever comes first.

    Raises:
        StoreUnavailable: The store was written by a newer version.
    """
    if version_of(engine, where) == len(MIGRATIONS):
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


def version_of(engine: Engine, where: str) -> int:
    """The version the store has; 0 when it is empty. Writes nothing.

    Raises:
        StoreUnavailable: It was written by a newer version.
    """
    with engine.connect() as connection:
        return _version(connection, where)


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
