"""A strict workspace and a strict GitHub for the whole flow: `samples.tpch` with real rows, and a catalog to write to.

The rows are those of `tpchgen-cli`, read into the workspace's DuckDB. Not here: what the addresses answer; see
`databricks_server` and `github_server`.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.adapters.samples import TPCH
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.spec.typed import TypedSpec
from tests.support.databricks_server import DatabricksServer, World, workspace
from tests.support.databricks_server.jobs import Jobs
from tests.support.databricks_server.oneoff import Executed, OneOff
from tests.support.databricks_server.spark import column, spark_type
from tests.support.databricks_server.sql import Sql
from tests.support.databricks_server.workspace_files import Files
from tests.support.databricks_server.world import duck_name
from tests.support.github_server import FULL, GitHubServer

if TYPE_CHECKING:
    from pipeline_magic.adapters.sail_engine import SailEngine

__all__ = ["ADA", "BOSS", "SCALE", "SEED", "Site", "sample_rows", "site"]

ADA, BOSS = "ada@acme.test", "boss@acme.test"
SCALE = "0.001"

SEED = """Create a daily pipeline that:
1. Reads customer and order data from Unity Catalog
2. Joins them and calculates revenue metrics
3. Segments high-value customers
4. Validates data quality
5. Outputs to analytics catalog
"""


@dataclass
class Site:
    """Both services, and the settings that lead to them."""

    databricks: DatabricksServer
    world: World
    sql: Sql
    files: Files
    jobs: Jobs
    one_off: OneOff
    github: GitHubServer
    folder: Path

    @property
    def settings(self) -> dict[str, Any]:
        """What a person sets by environment variables."""
        return {
            "home": self.folder / "home",
            "databricks_host": self.databricks.url,
            "databricks_token": "good-token",
            "databricks_warehouse_id": "wh1",
            "one_off_runs": False,
            "github_token": "good-token",
            "github_repo": FULL,
            "github_url": self.github.url,
        }

    def open(self, **settings: Any) -> PipelineBuilderOrchestrator:
        """An orchestrator as a program makes one; None takes a setting out."""
        return PipelineBuilderOrchestrator(
            {name: value for name, value in {**self.settings, **settings}.items() if value is not None}
        )

    def runs(self, typed: TypedSpec) -> None:
        """Let a run of the job write what the SQL form of this spec gives: the notebook itself is not executed."""

        def run(notebook: Mapping[str, Any], parameters: Mapping[str, str], user: str) -> Executed:
            target = parameters["target"]
            given = {source.alias: parameters[f"source_{source.alias}"] for source in typed.spec.sources}
            text = target_query(typed, run_time=parameters["run_time"], tables=given)
            self.sql.spark.run(f"CREATE OR REPLACE TABLE {target} AS {text}", user, {}, lambda cursor: None)
            self.wrote(target)
            [[rows]] = self.sql.spark.run(f"SELECT count(*) FROM {target}", user, {}, lambda cursor: None).rows
            return Executed(exit_value=json.dumps({"rows": int(rows or 0), "failing": {}}))

        self.jobs.runner = run

    def executes(self, engine: SailEngine, lakehouse: Lakehouse) -> None:
        """Let every run execute its notebook by the local engine, on the same rows; what it writes comes back here."""

        def run(notebook: Mapping[str, Any], parameters: Mapping[str, str], user: str) -> Executed:
            target = parameters["target"]
            catalog, schema, _ = target.split(".")
            lakehouse.create_schema(catalog, schema)
            made = engine.run_notebook(json.dumps(notebook), dict(parameters))
            if made.succeeded:
                self._fetch(target, lakehouse.folder(target), user)
            return Executed(exit_value=made.exit_value, error=made.error)

        self.jobs.runner = run
        self.one_off.execute = run

    def _fetch(self, table: str, folder: Path, user: str) -> None:
        """A table of the local lakehouse as one of the workspace."""
        import deltalake

        rows = deltalake.DeltaTable(str(folder)).to_pyarrow_table()
        with self.world.lock:
            cursor = self.world.duck.cursor()
            cursor.register("written_there", rows)
            cursor.execute(f"CREATE OR REPLACE TABLE {duck_name(table)} AS SELECT * FROM written_there")
            described = cursor.execute(f"DESCRIBE {duck_name(table)}").fetchall()
            columns = [column(at, one[0], spark_type(one[1]).lower()) for at, one in enumerate(described)]
            made = self.world.tables.get(table) or self.world.add_table(table, columns, user)
            self.world.commit(made, "CREATE OR REPLACE TABLE AS SELECT", user)
        if any(job.active for job in self.jobs.runs.values()):
            self.wrote(table)

    def wrote(self, table: str) -> None:
        """The newest commit of a table is that of the job which runs now."""
        running = [run.job for run in self.jobs.runs.values() if run.active]
        self.world.tables[table].versions[-1].job = str(running[-1])

    def close(self) -> None:
        """Stop both."""
        self.databricks.close()
        self.github.close()


@functools.lru_cache(maxsize=1)
def sample_rows() -> Path:
    """The sample tables as Parquet files; made once for a session."""
    folder = Path(tempfile.mkdtemp(prefix="pm-tpch-"))
    import atexit

    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = Path(sys.executable).parent / "tpchgen-cli"
    subprocess.run(
        [str(made), "parquet", "-s", SCALE, f"--output-dir={folder}"], check=True, capture_output=True, timeout=120
    )
    return folder


def site(folder: Path) -> Site:
    """`samples.tpch` that everybody may read, and a catalog `analytics` in which `ada` may create schemas."""
    server, world, sql = workspace()
    world.add_catalog("samples", "System user")
    world.add_schema("samples", "tpch", "System user")
    world.grant("catalog", "samples", "account users", "USE_CATALOG", "USE_SCHEMA", "SELECT")
    for table in TPCH:
        columns = [column(place, one.name, one.type, comment=one.comment) for place, one in enumerate(table.columns)]
        listed = ", ".join(f'CAST("{one.name}" AS {_duck(one.type)}) AS "{one.name}"' for one in table.columns)
        file = sample_rows() / f"{table.table.rpartition('.')[2]}.parquet"
        world.duck.execute(f"CREATE TABLE {duck_name(table.table)} AS SELECT {listed} FROM read_parquet('{file}')")
        made = world.add_table(table.table, columns, "System user", comment=table.comment)
        world.commit(made, "CREATE TABLE AS SELECT", "System user")
    world.add_catalog("analytics", BOSS)
    world.grant("catalog", "analytics", ADA, "USE_CATALOG", "USE_SCHEMA", "CREATE_SCHEMA", "CREATE_TABLE", "SELECT")
    sql.spark.catalog = "analytics"
    files = Files(server)
    jobs = Jobs(server, files)
    one_off = OneOff(sql.spark)
    for room in (files, jobs, one_off):
        server.add(room)
    return Site(server, world, sql, files, jobs, one_off, GitHubServer(folder), folder)


def _duck(kind: str) -> str:
    return {"string": "VARCHAR", "int": "INTEGER"}.get(kind, kind)
