"""What is in the strict workspace: catalogs, schemas, tables with their grants, and their rows in DuckDB.

Every write of a table keeps a copy of its rows as a version, so that history and restore are real. Not here: addresses
(`unity`, `sql`) and the words of Spark SQL (`spark`).
"""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import sqlglot

from tests.support.databricks_server.server import DatabricksServer, Refusal

if TYPE_CHECKING:
    from tests.support.databricks_server.sql import Sql

__all__ = ["Schema", "Table", "Version", "World", "workspace"]

EVERYBODY = "account users"
_NEVER_IN_NAMES = frozenset("./ ") | {chr(code) for code in (*range(32), 127)}


@dataclass
class Version:
    """One commit of a table; `rows` is the DuckDB table that keeps what it left."""

    number: int
    operation: str
    parameters: dict[str, str]
    user: str
    rows: str
    at: int = field(default_factory=lambda: int(time.time() * 1000))
    note: str | None = None
    job: str | None = None


@dataclass
class Table:
    """One table or view as ``TableInfo`` of the REST API; names in lower case, as Unity Catalog keeps them."""

    catalog: str
    schema: str
    name: str
    columns: list[dict[str, Any]]
    owner: str
    kind: str = "MANAGED"
    comment: str | None = None
    constraints: list[dict[str, Any]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)
    created: int = 0
    updated: int = 0
    identity: str = ""

    @property
    def full(self) -> str:
        return f"{self.catalog}.{self.schema}.{self.name}"


@dataclass
class Schema:
    """A catalog or schema."""

    name: str
    owner: str
    comment: str | None = None


class World:
    """Everything a workspace holds.

    Attributes:
        grants: Privileges by securable (kind, full name) and principal.
        admins: Users who may do everything with the metastore.
        most_schemas: A quota.
    """

    def __init__(self, server: DatabricksServer) -> None:
        self.server = server
        self.catalogs: dict[str, Schema] = {}
        self.schemas: dict[str, Schema] = {}
        self.tables: dict[str, Table] = {}
        self.grants: dict[tuple[str, str], dict[str, set[str]]] = {}
        self.admins: set[str] = set()
        self.most_schemas = 1000
        self.lock = threading.RLock()
        self.duck = duckdb.connect()
        self.duck.execute("SET TimeZone = 'UTC'; SET threads = 1")
        self._moments = itertools.count(int(time.time() * 1000))

    # --- making ------------------------------------------------------------------------------------------------------

    def moment(self) -> int:
        """Milliseconds that only go on."""
        return next(self._moments)

    def add_catalog(self, name: str, owner: str) -> None:
        """A catalog with its `information_schema` and `default`."""
        name = checked(name)
        if name in self.catalogs:
            raise Refusal(409, "CATALOG_ALREADY_EXISTS", f"Catalog '{name}' already exists")
        self.catalogs[name] = Schema(name, owner)
        self.schemas[f"{name}.information_schema"] = Schema("information_schema", "System user")
        self.duck.execute(f"ATTACH ':memory:' AS {duck_name(name)}")
        self.duck.execute(f"CREATE SCHEMA {duck_name(name)}.__versions")

    def add_schema(self, catalog: str, name: str, owner: str, comment: str | None = None) -> None:
        """A schema of a catalog that is there."""
        name, full = checked(name), f"{catalog.lower()}.{name.lower()}"
        if catalog.lower() not in self.catalogs:
            raise Refusal(404, "CATALOG_DOES_NOT_EXIST", f"Catalog '{catalog}' does not exist.")
        if full in self.schemas:
            raise Refusal(409, "SCHEMA_ALREADY_EXISTS", f"Schema '{full}' already exists")
        if len(self.schemas) >= self.most_schemas:
            raise Refusal(400, "QUOTA_EXCEEDED", f"Cannot create more than {self.most_schemas} schemas in metastore.")
        self.schemas[full] = Schema(name, owner, comment)
        self.duck.execute(f"CREATE SCHEMA {duck_name(full)}")

    def add_table(self, full: str, columns: list[dict[str, Any]], owner: str, **more: Any) -> Table:
        """The description of a table; its rows are made by whoever writes it."""
        catalog, schema, name = full.split(".")
        now = self.moment()
        made = Table(catalog, schema, checked(name), columns, owner, created=now, updated=now, **more)
        made.identity = f"id-{now}"
        self.tables[made.full] = made
        return made

    def fill(
        self, full: str, columns: list[dict[str, Any]], rows: list[tuple[Any, ...]], owner: str, **more: Any
    ) -> Table:
        """A table with these rows; `columns` as in ``ColumnInfo``."""
        kinds = [sqlglot.exp.DataType.build(one["type_text"], dialect="databricks").sql("duckdb") for one in columns]
        listed = ", ".join(f"{_quoted(one['name'])} {kind}" for one, kind in zip(columns, kinds, strict=True))
        self.duck.execute(f"CREATE TABLE {duck_name(full)} ({listed})")
        for row in rows:
            self.duck.execute(f"INSERT INTO {duck_name(full)} VALUES ({', '.join('?' * len(row))})", list(row))
        made = self.add_table(full, columns, owner, **more)
        self.commit(made, "CREATE TABLE", owner)
        return made

    def commit(self, table: Table, operation: str, user: str, **parameters: str) -> Version:
        """Keep the rows that a table holds now as its next version."""
        number = table.versions[-1].number + 1 if table.versions else 0
        kept = f"{duck_name(table.catalog)}.__versions.{_quoted(f'{table.identity}@{number}')}"
        self.duck.execute(f"CREATE TABLE {kept} AS SELECT * FROM {duck_name(table.full)}")
        version = Version(number, operation, dict(parameters), user, kept, at=self.moment())
        table.versions.append(version)
        return version

    def drop_table(self, full: str) -> None:
        """Remove a table with its grants; its versions stay, as files do for a while."""
        del self.tables[full]
        self.grants.pop(("table", full), None)
        self.duck.execute(f"DROP TABLE IF EXISTS {duck_name(full)}")

    def grant(self, kind: str, name: str, principal: str, *privileges: str) -> None:
        """GRANT."""
        self.grants.setdefault((kind, name), {}).setdefault(principal, set()).update(privileges)

    def revoke(self, kind: str, name: str, principal: str) -> None:
        """REVOKE everything."""
        self.grants.get((kind, name), {}).pop(principal, None)

    # --- permission --------------------------------------------------------------------------------------------------

    def principals(self, user: str) -> set[str]:
        """A user with the groups."""
        return {user, EVERYBODY, *self.server.groups.get(user, ())}

    def effective(self, kind: str, name: str) -> dict[str, list[tuple[str, str, str]]]:
        """Privilege, and where it comes from, by principal."""
        found: dict[str, list[tuple[str, str, str]]] = {}
        for where, full in _chain(kind, name):
            for principal, held in self.grants.get((where, full), {}).items():
                found.setdefault(principal, []).extend((one, where, full) for one in sorted(held))
        return found

    def owner(self, kind: str, name: str) -> str:
        held: Any = {"catalog": self.catalogs, "schema": self.schemas, "table": self.tables}[kind]
        return held[name].owner if name in held else ""

    def holds(self, user: str, privilege: str, kind: str, name: str) -> bool:
        """Whether a user has a privilege, by grant, inheritance, group or as owner."""
        mine = self.principals(user)
        if user in self.admins and privilege.startswith("CREATE"):
            return True
        if any(self.owner(where, full) in mine for where, full in _chain(kind, name)):
            return True
        return any(
            one in (privilege, "ALL_PRIVILEGES")
            for principal, held in self.effective(kind, name).items()
            if principal in mine
            for one, _, _ in held
        )

    def require(self, user: str, privilege: str, kind: str, name: str) -> None:
        """Refuse what a user may not do, in the words of Unity Catalog."""
        if not self.holds(user, privilege, kind, name):
            words = privilege.replace("_", " ")
            raise Refusal(403, "PERMISSION_DENIED", f"User does not have {words} on {kind.capitalize()} '{name}'.")

    def require_use(self, user: str, schema: str) -> None:
        """USE CATALOG and USE SCHEMA."""
        catalog = schema.partition(".")[0]
        self.require(user, "USE_CATALOG", "catalog", catalog)
        self.require(user, "USE_SCHEMA", "schema", schema)


def workspace(*, page: int = 50) -> tuple[DatabricksServer, World, Sql]:
    """A workspace with Unity Catalog and one running warehouse ``wh1``; empty."""
    from tests.support.databricks_server.sql import Sql
    from tests.support.databricks_server.unity import Unity

    server = DatabricksServer(page=page)
    world = World(server)
    sql = Sql(world)
    server.add(Unity(world))
    server.add(sql)
    return server, world, sql


def checked(name: str) -> str:
    """A name that Unity Catalog takes, as it keeps it."""
    if not name or len(name) > 255 or any(char in _NEVER_IN_NAMES for char in name):
        raise Refusal(400, "INVALID_PARAMETER_VALUE", f"'{name[:60]}' is not a valid name.")
    return name.lower()


def duck_name(full: str) -> str:
    """A full name for DuckDB, which keeps some names of catalogs (`main`) for itself."""
    return ".".join(_quoted(part) for part in f"uc_{full}".split("."))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _chain(kind: str, name: str) -> list[tuple[str, str]]:
    parts = name.split(".")
    kinds = ("catalog", "schema", "table")[: ("catalog", "schema", "table").index(kind) + 1]
    return [(one, ".".join(parts[: place + 1])) for place, one in enumerate(kinds)]
