"""A small shop whose pipeline is built, approved, deployed and undone by the proofs of this room, in milliseconds.

Real here: the store (SQLite or PostgreSQL), the git repository with its pull requests, the jobs, the lakehouse with its
Delta tables, and every line of the product above the ports. Light: the engine, though what it does with versions of
tables is the real one's code. It answers queries by DuckDB on the same Delta tables; and in place of running the
notebook it writes what the notebook would write, as one Delta commit, and notes that it was asked to. Notebooks that
really run, on the real engine, are in ``tests/test_trust.py`` and ``tests/contract``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline_magic.adapters.clock import SystemClock
from pipeline_magic.adapters.database import Database
from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.adapters.localgit import LocalGit
from pipeline_magic.adapters.localjobs import LocalJobs
from pipeline_magic.adapters.sail import SailServer
from pipeline_magic.adapters.sail_engine import SailEngine
from pipeline_magic.config import Settings
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.ports import Clock, Rows
from pipeline_magic.runs import NotebookRun
from pipeline_magic.spec.names import split_table
from pipeline_magic.wiring import Ports

__all__ = ["STATEMENT", "TARGET", "LightEngine", "build_home", "open_world", "ports_at", "ran"]

STATEMENT = "Join customers and orders, then count the orders per city into shop.reports.city_orders"
TARGET = "shop.reports.city_orders"
_WRITTEN = """SELECT c.city AS city, count(o.id) AS order_count FROM shop.sales.orders o
LEFT JOIN shop.sales.customers c ON o.customer_id = c.id GROUP BY c.city ORDER BY c.city"""
"""What the notebook of `STATEMENT` writes, with the question answered by ``left``."""

_RAN = "ran.jsonl"

ORDERS = {"id": [1, 2, 3, 4], "customer_id": [1, 1, 2, 3], "amount": [10.0, 20.0, 5.0, 7.5]}
CUSTOMERS = {"id": [1, 2, 3, 4], "city": ["Bonn", "Rome", "Bonn", "Oslo"], "email": ["a@x.org"] * 4}


def build_home(home: Path, tables: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """A home with the tables of the shop."""
    import pyarrow as pa
    from deltalake import write_deltalake

    for name, columns in (tables or {"customers": CUSTOMERS, "orders": ORDERS}).items():
        folder = home / "lakehouse" / "shop" / "sales" / name
        folder.mkdir(parents=True)
        write_deltalake(str(folder), pa.table(dict(columns)))
    keys = {
        "customers": {"primary_key": ["id"]},
        "orders": {
            "primary_key": ["id"],
            "foreign_keys": [{"columns": ["customer_id"], "to_table": "shop.sales.customers", "to_columns": ["id"]}],
        },
    }
    for name, described in keys.items():
        (home / "lakehouse" / "shop" / "sales" / name / "_described.json").write_text(json.dumps(described))


class _Signed(LocalGit):
    """A repository that somebody signed in to."""

    def __init__(self, path: Path, who: str) -> None:
        super().__init__(path, author=f"{who} <{who}@example.org>")
        self._signed_in = who

    def identity(self) -> str:
        return self._signed_in


class LightEngine(SailEngine):
    """The engine's own way with Delta tables (history, restore, drop), without its server.

    Args:
        lakehouse: Where the tables are.

    Attributes:
        written: SQL of the rows that a notebook's run writes.
    """

    name = "DuckDB on the lakehouse"

    def __init__(self, lakehouse: Lakehouse) -> None:
        super().__init__(SailServer(lakehouse.home, lakehouse), lakehouse)
        self.written = _WRITTEN
        self._duck: Any = None
        self._loaded: dict[str, int] = {}

    def query(self, sql: str, *, limit: int = 1000, timeout: float = 600.0) -> Rows:
        return self._loaded_duck().query(sql, limit=limit, timeout=timeout)

    def run_notebook(self, notebook: str, parameters: Mapping[str, str], *, timeout: float = 3600.0) -> NotebookRun:
        from deltalake import CommitProperties, write_deltalake

        self._loaded_duck()
        target = parameters.get("target") or TARGET
        signed = CommitProperties(custom_metadata={"userName": "sail-delta-lake, in the light engine's stead"})
        rows = self._duck.connection.sql(self.written).to_arrow_table()
        write_deltalake(str(self._lakehouse.folder(target)), rows, mode="overwrite", commit_properties=signed)
        with (self._lakehouse.home / _RAN).open("a") as file:
            file.write(json.dumps({"run_key": parameters.get("run_key", ""), "target": target}) + "\n")
        return NotebookRun(succeeded=True, executed=notebook, exit_value=json.dumps({"rows": rows.num_rows}))

    def close(self) -> None:
        super().close()
        if self._duck is not None:
            self._duck.close()

    def _loaded_duck(self) -> Any:
        from deltalake import DeltaTable

        from tests.support.duck_engine import DuckEngine

        if self._duck is None:
            self._duck = DuckEngine()
        for location in self._lakehouse.locations():
            state = self._lakehouse.state(location.name)
            if state is None or self._loaded.get(location.name) == state.version:
                continue
            self._duck._schema(*split_table(location.name)[:2])
            self._duck.connection.register("incoming", DeltaTable(str(location.folder)).to_pyarrow_table())
            self._duck.connection.execute(f"CREATE OR REPLACE TABLE {location.name} AS SELECT * FROM incoming")
            self._loaded[location.name] = state.version
        return self._duck


def ports_at(home: Path, *, store: str = "", clock: Clock | None = None, who: str = "ada") -> Ports:
    """Adapters on a home that `build_home` made, for that user; opens nothing."""
    clock = clock or SystemClock()
    lakehouse = Lakehouse(home)
    engine = LightEngine(lakehouse)
    return Ports(
        catalog=lakehouse,
        engine=engine,
        code_host=_Signed(home / "repo.git", who),
        deployer=LocalJobs(home, engine, lakehouse, clock),
        store=Database(store or str(home / "state.db")),
        clock=clock,
    )


def open_world(
    home: Path, ports: Ports | None = None, settings: Settings | None = None, **options: Any
) -> PipelineBuilderOrchestrator:
    """An orchestrator on a home."""
    given = settings or {"home": home, "local": True, "measure_questions": False, "sample_run": False}
    return PipelineBuilderOrchestrator(given, ports=ports or ports_at(home, **options))


def ran(home: Path) -> list[dict[str, str]]:
    """Every time the light engine was asked to run a notebook, in order."""
    path = home / _RAN
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
