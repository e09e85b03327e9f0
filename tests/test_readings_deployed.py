"""Answers to measured questions, on what is deployed: the rows are those of a query by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline_magic.orchestrator import PipelineBuilderOrchestrator

pytestmark = pytest.mark.engine

STATEMENT = "Join lineitem with orders and total the o_totalprice per l_returnflag into analytics.x.{name}"
ONCE = """
SELECT l_returnflag, sum(o_totalprice) FROM (SELECT DISTINCT l_returnflag, o_orderkey, o_totalprice
FROM lineitem JOIN orders ON o_orderkey = l_orderkey) GROUP BY l_returnflag
"""
JOINED = "SELECT l_returnflag, sum(o_totalprice) FROM lineitem JOIN orders ON o_orderkey = l_orderkey GROUP BY 1"


def _by_hand(home: Path, query: str) -> set[tuple[Any, ...]]:
    connection = duckdb.connect()
    for name in ("lineitem", "orders"):
        folder = home / "lakehouse" / "samples" / "tpch" / name
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{folder}/*.parquet')")
    return set(connection.execute(query).fetchall())


def _deployed(home: Path, name: str) -> set[tuple[Any, ...]]:
    from deltalake import DeltaTable

    table = DeltaTable(str(home / "lakehouse" / "analytics" / "x" / name)).to_pyarrow_table()
    return set(duckdb.connect().from_arrow(table).fetchall())


def test_rows_counted_once_or_as_joined(tmp_path: Path) -> None:
    """The default counts an order once a group, the answer as often as it has items; both are deployed and right."""
    home = tmp_path / "home"
    orchestrator = PipelineBuilderOrchestrator({"home": home, "local": True, "sample_scale": 0.001})
    try:
        for name, answers, query in (("once", None, ONCE), ("joined", {"grain:total_price": "as_joined"}, JOINED)):
            built = orchestrator.build_pipeline(STATEMENT.format(name=name), answers=answers)
            assert built.approval_id, built.snapshot.run.message
            done = orchestrator.approve_pipeline(built.approval_id, "Ada").snapshot
            assert done.deployment is not None and done.deployment.state == "deployed"
            found = _deployed(home, name)
            assert found == _by_hand(home, query) and len(found) == 3
    finally:
        orchestrator.close()
