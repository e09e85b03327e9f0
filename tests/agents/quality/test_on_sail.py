"""The quality agent on the local engine: real notebooks, real Delta tables, real orphans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.adapters.sail_engine import SailEngine
from pipeline_magic.agents.quality import DataQualityAgent
from pipeline_magic.compiler import compile_files
from pipeline_magic.errors import Cancelled
from pipeline_magic.runs import File, Generated, NotebookRun, QualityReport
from pipeline_magic.spec.automatic import automatic_expectations
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.support.local import engine_at, lakehouse_of, write_table
from tests.support.quality import aggregate, join, severities

pytestmark = pytest.mark.engine

RUN_TIME = "2013-06-30T12:00:00+00:00"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SailEngine]:
    home = tmp_path_factory.mktemp("quality") / "home"
    lakehouse = Lakehouse(home, sample_scale=0.001)
    lakehouse.ensure_samples()
    _own_tables(lakehouse)
    with engine_at(home) as made:
        yield made


def _own_tables(lakehouse: Lakehouse) -> None:
    import pyarrow as pa
    from deltalake import write_deltalake

    left = {"a`b": [1, 2, 2, None], "order": ["it's", "b", "b", "d"], "x": [0.1, 0.2, 0.3, 0.4]}
    write_table(lakehouse.folder("own.odd.left"), left)
    write_table(lakehouse.folder("own.odd.right"), {"r`k": [2, 3], "select": ["p", "q"]})
    empty = pa.table({"k": pa.array([], pa.int64()), "at": pa.array([], pa.timestamp("us", "UTC"))})
    write_deltalake(str(lakehouse.folder("own.odd.empty")), empty)
    write_table(lakehouse.folder("own.odd.events"), {"k": [1, 2, 3], "v": ["new", "b", None], "x": [0.1, 0.2, 0.3]})
    held = {"k": [1, 9], "v": ["old", "kept"], "x": [1.0, 9.0]}
    write_table(lakehouse.folder("analytics.held.merge"), held)
    write_table(lakehouse.folder("analytics.held.scd1"), held)
    write_table(lakehouse.folder("analytics.held.append"), {**held, "_run_key": ["before", "before"]})
    moments = pa.array([1_300_000_000_000_000] * 2, pa.timestamp("us", "UTC"))
    versions = pa.table({**held, "__START_AT": moments, "__END_AT": pa.array([None, None], pa.timestamp("us", "UTC"))})
    write_deltalake(str(lakehouse.folder("analytics.held.scd2")), versions)


def typed_of(engine: SailEngine, spec: Mapping[str, Any], *, automatic: bool = True) -> TypedSpec:
    lakehouse = lakehouse_of(engine)
    made = PipelineSpec.model_validate({"name": "tried", **spec})
    tables = {source.alias: lakehouse.table(source.table) for source in made.sources}
    typed = type_spec(made, tables)
    if not automatic:
        return typed
    both = (*made.expectations, *automatic_expectations(typed))
    return type_spec(made.model_copy(update={"expectations": both}), tables)


def check(
    engine: SailEngine, typed: TypedSpec, *, sample_run: bool = True, cells: str = "", say: Any = lambda message: None
) -> QualityReport:
    files = compile_files(typed)
    if cells:
        files = (File(path=files[0].path, content=cells), *files[1:])
    generated = Generated(files=files, notebook=files[0].path)
    return DataQualityAgent(engine, lakehouse_of(engine)).check(
        typed, generated, run_id="r-q1", run_time=RUN_TIME, sample_run=sample_run, timeout=120, say=say
    )


def source(alias: str, table: str, **more: Any) -> dict[str, Any]:
    return {"alias": alias, "table": table, **more}


REVENUE: dict[str, Any] = {
    "sources": [source("customers", "samples.tpch.customer"), source("orders", "samples.tpch.orders")],
    "steps": [
        join("customers", "orders", "c_custkey=o_custkey", how="left"),
        aggregate("joined", ["c_custkey", "c_name"], revenue="coalesce(sum(o_totalprice), 0)", n="count(o_orderkey)"),
        {
            "id": "segmented",
            "kind": "segment",
            "input": "metrics",
            "column": "segment",
            "by": "revenue",
            "rules": [{"label": "high value", "top": 0.2}],
            "otherwise": "it's \"standard\"",
        },
    ],
    "target": {"table": "analytics.default.customer_revenue", "input": "segmented"},
}  # fmt: skip

DELAYS: dict[str, Any] = {
    "sources": [
        source("flights", "samples.nycflights.flights"),
        source("airlines", "samples.nycflights.airlines"),
        source("planes", "samples.nycflights.planes"),
    ],
    "steps": [
        join("flights", "airlines", "carrier", id="named"),
        join("named", "planes", "tailnum", how="left", id="known"),
        aggregate("known", ["carrier", "name", "month"], delay="avg(dep_delay)", worst="percentile(dep_delay, 0.9)"),
    ],
    "target": {"table": "analytics.ops.carrier_delays", "input": "metrics"},
}


def test_customers_and_orders_are_green(engine: SailEngine) -> None:
    """Checks, rows through every step, the notebook run twice against its SQL form, rows in the order of the key."""
    report = check(engine, typed_of(engine, REVENUE))
    assert report.verdict == "green", report.findings
    assert {result.status for result in report.checks} == {"passed"}
    assert len(report.checks) >= 5
    [joined, metrics, segmented] = report.reconciliation.steps
    assert joined.rows_in == {"customers": 150, "orders": 1500}
    assert (joined.unmatched_left, joined.unmatched_right) == (50, 0)
    assert joined.rows_out == 1550
    assert (metrics.rows_out, segmented.rows_out) == (150, 150)
    sample = report.sample_run
    assert sample is not None
    assert (sample.status, sample.rows, sample.repeatable, sample.message) == ("passed", 150, True, "")
    assert [row[0] for row in report.preview_rows] == [str(key) for key in range(1, 21)]
    assert "c_comment" in report.reconciliation.unused_columns["customers"]
    assert not list(lakehouse_of(engine).scratch_root.glob("*"))


def test_flights_without_a_plane_are_named(engine: SailEngine) -> None:
    """52,606 of 336,776 flights: those without a tail number apart from those whose plane is not registered."""
    report = check(engine, typed_of(engine, DELAYS), sample_run=False)
    known = report.reconciliation.steps[1]
    assert (known.unmatched_left, known.unmatched_right, known.widest_match, known.rows_out) == (52606, 0, 1, 336776)
    assert known.note == (
        "3,322 rows of planes; 52,606 of 336,776 rows of flights have no partner in planes: 2,512 without a tailnum, "
        "50,094 whose tailnum is not in planes; they are kept, with NULL in the columns of planes"
    )
    inner = {**DELAYS, "steps": [DELAYS["steps"][0], {**DELAYS["steps"][1], "how": "inner"}, DELAYS["steps"][2]]}
    lossy = check(engine, typed_of(engine, inner, automatic=False), sample_run=False)
    assert severities(lossy.reconciliation.findings) == {"loss:known": "amber"}
    assert "52,606 of 336,776 rows of flights have no partner" in lossy.reconciliation.findings[0].message


def test_hostile_names_go_all_the_way(engine: SailEngine) -> None:
    """A key called a`b, a column called order, a label with quotes: checked, joined, written, compared."""
    spec = {
        "sources": [source("a", "own.odd.left"), source("b", "own.odd.right")],
        "steps": [join("a", "b", "a`b=r`k", how="left")],
        "expectations": [
            {"id": "v", "on": "a", "kind": "accepted_values", "column": "order", "values": ["it's", "b", "'; --"]},
            {"id": "u", "on": "a", "kind": "unique", "columns": ["a`b"]},
            {"id": "r", "on": "a", "kind": "referential", "columns": ["a`b"], "to": "b", "to_columns": ["r`k"]},
        ],
        "target": {"table": "analytics.default.odd", "input": "joined"},
    }
    report = check(engine, typed_of(engine, spec, automatic=False))
    assert [(r.expectation, r.failing, r.rows) for r in report.checks] == [("v", 1, 4), ("u", 1, 4), ("r", 1, 4)]
    assert report.sample_run is not None
    assert (report.sample_run.status, report.sample_run.rows) == ("passed", 4), report.sample_run.message
    assert report.preview_columns == ("a`b", "order", "x", "r`k", "select")


def test_empty_tables_are_checked_and_written(engine: SailEngine) -> None:
    """No rows: row-level checks pass, counts and freshness fail, the notebook still runs."""
    spec = {
        "sources": [source("e", "own.odd.empty")],
        "expectations": [
            {"id": "n", "on": "e", "kind": "not_null", "columns": ["k"]},
            {"id": "u", "on": "e", "kind": "unique", "columns": ["k"]},
            {"id": "f", "on": "e", "kind": "freshness", "column": "at", "max_age_hours": 1},
            {"id": "c", "on": "target", "kind": "row_count", "minimum": 1},
        ],
        "target": {"table": "analytics.default.none", "input": "e"},
    }
    report = check(engine, typed_of(engine, spec, automatic=False))
    assert [result.status for result in report.checks] == ["passed", "passed", "failed", "failed"]
    assert report.sample_run is not None
    assert (report.sample_run.status, report.sample_run.rows) == ("passed", 0), report.sample_run.message
    assert report.preview_rows == ()


def test_tables_that_the_engine_wrote_itself_can_be_checked(engine: SailEngine) -> None:
    """What one pipeline wrote is what the next one reads: columns that are NOT NULL there are grouped and joined."""
    engine.execute("CREATE TABLE own.odd.written USING delta AS SELECT 1 AS k, 'a' AS j UNION ALL SELECT 1, 'b'")
    spec = {
        "sources": [source("w", "own.odd.written"), source("e", "own.odd.events")],
        "steps": [join("w", "e", "k", how="left")],
        "expectations": [
            {"id": "u", "on": "w", "kind": "unique", "columns": ["k"]},
            {"id": "v", "on": "w", "kind": "unique", "columns": ["k", "j"]},
            {"id": "r", "on": "w", "kind": "referential", "columns": ["k"], "to": "e", "to_columns": ["k"]},
        ],
        "target": {"table": "analytics.default.next", "input": "joined"},
    }
    report = check(engine, typed_of(engine, spec, automatic=False), sample_run=False)
    assert [(result.status, result.failing) for result in report.checks] == [
        ("failed", 1),
        ("passed", 0),
        ("passed", 0),
    ]
    assert report.reconciliation.steps[0].rows_out == 2


def test_a_failing_gate_and_a_failing_cell_are_red(engine: SailEngine) -> None:
    """A `fail` check stops the notebook before it writes, and its words are in the report."""
    rule = {"id": "few", "on": "target", "kind": "row_count", "maximum": 3, "action": "fail"}
    report = check(engine, typed_of(engine, {**REVENUE, "expectations": [rule]}, automatic=False))
    assert severities(report.findings) == {"check:few": "red", "sample_run": "red"}
    assert report.sample_run is not None
    assert "few" in report.sample_run.message
    assert not list(lakehouse_of(engine).scratch_root.glob("*"))


def test_a_check_that_errors_is_red_alone(engine: SailEngine) -> None:
    """A division by zero or a bad cast in one condition leaves its neighbours their results."""
    spec = {
        **REVENUE,
        "expectations": [
            {"id": "good", "on": "orders", "kind": "not_null", "columns": ["o_orderkey"]},
            {"id": "bad", "on": "orders", "kind": "expression", "condition": "CAST(o_orderstatus AS INT) > 0"},
            {"id": "also", "on": "orders", "kind": "range", "column": "o_totalprice", "minimum": 0},
        ],
    }
    report = check(engine, typed_of(engine, spec, automatic=False), sample_run=False)
    assert [result.status for result in report.checks] == ["passed", "error", "passed"]
    assert severities(report.findings)["check:bad"] == "red"


def test_cancelling_in_the_middle_removes_the_scratch_schema(engine: SailEngine) -> None:
    """The engine's own cancel, while the notebook runs."""
    import threading

    from tests.support.local import notebook

    root = lakehouse_of(engine).scratch_root
    seen: list[Path] = []

    def stop() -> None:
        seen.extend(root.glob("*"))
        engine.cancel()

    def say(message: str) -> None:
        if "into a scratch schema" in message:
            threading.Timer(0.7, stop).start()

    with pytest.raises(Cancelled):
        check(engine, typed_of(engine, REVENUE), cells=notebook("import time", "time.sleep(60)"), say=say)
    assert [path.name for path in seen] == ["r_q1"]
    assert not list(root.glob("*"))


@pytest.mark.parametrize(
    ("mode", "schema", "rows"),
    [("merge", "fresh", 3), ("merge", "held", 4), ("append", "held", 5), ("scd2", "held", 5)],
)
def test_modes_that_add_start_from_what_is_there(engine: SailEngine, mode: str, schema: str, rows: int) -> None:
    """A new target starts empty; an existing one as a copy, which the run adds to, and the original stays as it is."""
    keys = {} if mode == "append" else {"keys": ["k"]}
    target = {"table": f"analytics.{schema}.{mode}", "input": "e", "mode": mode, **keys}
    typed = typed_of(engine, {"sources": [source("e", "own.odd.events")], "target": target}, automatic=False)
    sample = check(engine, typed).sample_run
    assert sample is not None
    assert (sample.status, sample.rows, sample.repeatable) == ("passed", rows, True), sample.message
    assert ("copy of at most 100,000 rows" in sample.message) == (schema == "held")
    assert engine.query(f"SELECT count(*) AS n FROM analytics.held.{mode}").rows == ((2,),)


def test_what_the_notebook_reports_is_what_was_checked(engine: SailEngine) -> None:
    """The gate of the notebook and the fused queries count the same failing rows, kind by kind."""
    import json

    def rule(id: str, on: str, kind: str, **more: Any) -> dict[str, Any]:
        return {"id": id, "on": on, "kind": kind, **more}

    spec = {
        **REVENUE,
        "sources": [REVENUE["sources"][0], source("orders", "samples.tpch.orders", filter="o_orderkey < 3000")],
        "expectations": [
            rule("nn", "joined", "not_null", columns=["c_name", "o_orderkey"]),
            rule("rg", "target", "range", column="revenue", minimum=1000, maximum=900000),
            rule("av", "customers", "accepted_values", column="c_mktsegment", values=["BUILDING"]),
            rule("pt", "orders", "pattern", column="o_orderpriority", regex="^[12]-"),
            rule("ex", "joined", "expression", condition="o_orderkey > 100"),
            rule("uq", "orders", "unique", columns=["o_custkey"]),
            rule("rf", "customers", "referential", columns=["c_custkey"], to="orders", to_columns=["o_custkey"]),
            rule("dr", "orders", "range", column="o_totalprice", maximum=100000, action="drop"),
        ],
    }
    typed = typed_of(engine, spec, automatic=False)
    report = check(engine, typed, sample_run=False)
    mine = {result.expectation: result.failing for result in report.checks}
    assert all(mine.values()), "every check must find something, or this compares nothing"
    ran = _run(engine, typed)
    assert json.loads(ran.exit_value)["failing"] == mine


def _run(engine: SailEngine, typed: TypedSpec) -> NotebookRun:
    scratch = engine.create_scratch("r-q2")
    try:
        given = {"target": f"{scratch}.t", "run_time": RUN_TIME, "run_key": "k"}
        return engine.run_notebook(compile_files(typed)[0].content, given)
    finally:
        engine.drop_scratch("r-q2")
