"""A strict workspace with a small shop, and the adapters over it, which wait for nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from pipeline_magic.adapters.databricks.catalog import UnityCatalog
from pipeline_magic.adapters.databricks.client import workspace_client
from pipeline_magic.adapters.databricks.warehouse import Warehouse
from tests.support.databricks_server import DatabricksServer, Fault, Table, World, workspace
from tests.support.databricks_server.spark import column
from tests.support.databricks_server.sql import Sql

ADA, BOSS = "ada@acme.test", "boss@acme.test"


@dataclass
class Site:
    """The workspace, and what the adapters waited for."""

    server: DatabricksServer
    world: World
    sql: Sql
    slept: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def client(self, token: str = "good-token", **options: Any) -> Any:
        return workspace_client(self.server.url, token, **{"http_timeout": 0.8, **options})

    def warehouse(self, warehouse: str = "wh1", token: str = "good-token", **options: Any) -> Warehouse:
        def wait(event: threading.Event, seconds: float) -> None:
            event.wait(min(seconds, 0.02))

        options = {"sleep": self.slept.append, "say": self.said.append, "wait": wait, **options}
        return Warehouse(self.client(token), warehouse, **options)

    def catalog(self, token: str = "good-token", *, sql: bool = False, **options: Any) -> UnityCatalog:
        engine = self.warehouse(token=token) if sql else None
        options = {"sleep": self.slept.append, "fresh": 0.0, **options}
        return UnityCatalog(self.client(token), engine=engine, **options)

    def fault(self, kind: str, *, after: int = 1, path: str = "") -> None:
        self.server.faults.append(Fault(kind, after=after, path=path))

    def asked(self, path: str) -> int:
        """How many requests had that in their path."""
        return sum(path in one for _, one in self.server.requests)

    def table(self, full: str = "shop.sales.orders", **more: Any) -> Table:
        columns = [column(0, "id", "bigint", nullable=False), column(1, "word", "string")]
        return self.world.fill(full, columns, [(1, "a"), (2, None)], BOSS, **more)


@pytest.fixture
def site() -> Iterator[Site]:
    """Catalog `shop` with the schema `sales`, both of `boss`; `ada` may use and read them."""
    server, world, sql = workspace(page=3)
    server.late = 1.0
    world.add_catalog("shop", BOSS)
    world.add_schema("shop", "sales", BOSS)
    world.grant("catalog", "shop", ADA, "USE_CATALOG", "USE_SCHEMA", "SELECT")
    made = Site(server, world, sql)
    yield made
    server.close()
