"""How long Unity Catalog takes to list: 10,000 tables, every call 50 ms away.

    python benchmarks/catalog_refresh.py [--quick]

Over the strict workspace of the tests, on this machine, with pages of 50 tables (the server's page size is its own
choice; where it is larger, fewer calls are made). Measured are the first listing with columns, the question whether
anything has changed, and a second listing after one table was described anew. The last line is JSON: `calls` and
`wall_s` of the first listing, and the same of the other two.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from pipeline_magic.adapters.databricks.catalog import UnityCatalog
from pipeline_magic.adapters.databricks.client import workspace_client
from tests.support.databricks_server import DatabricksServer, World, workspace
from tests.support.databricks_server.spark import column

USER = "ada@acme.test"
LATENCY = 0.05
COLUMNS = 12


def fill(world: World, schemas: int, tables: int) -> None:
    """Two catalogs with so many schemas in all, of so many tables each."""
    kinds = ("bigint", "string", "decimal(18,2)", "timestamp", "array<struct<id:bigint,name:string>>", "date")
    columns = [
        column(place, f"column_{place}", kinds[place % len(kinds)], comment=f"What column {place} holds")
        for place in range(COLUMNS)
    ]
    for catalog in ("main", "ops"):
        world.add_catalog(catalog, USER)
        for place in range(schemas // 2):
            world.add_schema(catalog, f"schema_{place}", USER)
            for number in range(tables):
                world.add_table(f"{catalog}.schema_{place}.table_{number}", columns, USER, comment="A table")


def measured(server: DatabricksServer, what: str, action: Callable[[], Any]) -> dict[str, float]:
    """Calls and seconds of an action."""
    before, start = len(server.requests), time.perf_counter()
    action()
    told = {"calls": len(server.requests) - before, "wall_s": round(time.perf_counter() - start, 2)}
    print(f"{what:42} {told['calls']:5,} calls  {told['wall_s']:6.2f} s")
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="1,000 tables")
    schemas, tables = (10, 100) if parser.parse_args().quick else (40, 250)
    server, world, _ = workspace()
    fill(world, schemas, tables)
    server.latency = LATENCY
    catalog = UnityCatalog(workspace_client(server.url, "good-token"), fresh=0.0)
    listed: list[Any] = []
    first = measured(server, f"first listing of {schemas * tables:,} tables", lambda: listed.extend(catalog.tables()))
    assert len(listed) == schemas * tables and len(listed[0].columns) == COLUMNS
    asked = measured(server, "has anything changed?", catalog.digest)
    world.tables["main.schema_0.table_0"].updated = world.moment()
    again = measured(server, "listing after one table has changed", lambda: list(catalog.tables()))
    server.close()
    print(json.dumps({"tables": len(listed), **first, "latency_s": LATENCY, "digest": asked, "again": again}))


if __name__ == "__main__":
    main()
