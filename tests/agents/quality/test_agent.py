"""DataQualityAgent: order, isolation of failures, cancelling, one report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_magic.agents.quality import DataQualityAgent
from pipeline_magic.compiler import compile_files
from pipeline_magic.errors import Cancelled, EngineUnavailable
from pipeline_magic.runs import Generated, NotebookRun, QualityReport
from pipeline_magic.spec.typed import TypedSpec
from tests.support.duck_engine import DuckCatalog, DuckEngine
from tests.support.quality import NOW, aggregate, join, pipeline, severities


@pytest.fixture
def engine() -> DuckEngine:
    return DuckEngine()


def check(
    engine: DuckEngine,
    typed: TypedSpec,
    *,
    at: str | None = NOW,
    catalog: DuckCatalog | None = None,
    say: Callable[[str], None] = lambda message: None,
    sample_run: bool = False,
) -> QualityReport:
    tables = typed.tables.values()
    agent = DataQualityAgent(engine, catalog or DuckCatalog(*tables, at=at))  # type: ignore[arg-type]  # what is asked
    files = compile_files(typed)
    generated = Generated(files=files, notebook=files[0].path)
    return agent.check(typed, generated, run_id="r-1", run_time=NOW, sample_run=sample_run, timeout=60, say=say)


def rows(engine: DuckEngine, expectations: list[dict[str, Any]]) -> TypedSpec:
    table = engine.create("shop.s.t", "k BIGINT, n INT", [(1, 10), (2, 20), (2, None)])
    return pipeline({"t": table}, expectations=expectations)


def test_a_report_holds_every_check_in_the_order_of_the_spec(engine: DuckEngine) -> None:
    """Whatever query answered it; off ones too."""
    typed = rows(
        engine,
        [
            {"id": "a", "on": "target", "kind": "unique", "columns": ["k"]},
            {"id": "b", "on": "t", "kind": "not_null", "columns": ["k"], "enabled": False},
            {"id": "c", "on": "t", "kind": "freshness", "max_age_hours": 1},
            {"id": "d", "on": "t", "kind": "not_null", "columns": ["n"], "automatic": True},
            {"id": "e", "on": "target", "kind": "row_count", "minimum": 1, "action": "fail"},
        ],
    )
    report = check(engine, typed)
    assert [(r.expectation, r.status, r.automatic) for r in report.checks] == [
        ("a", "failed", False), ("b", "off", False), ("c", "passed", False), ("d", "failed", True),
        ("e", "passed", False),
    ]  # fmt: skip
    assert report.verdict == "amber"
    assert report.engine == "DuckDB"
    assert report.preview_columns == ("k", "n")
    assert report.preview_rows[2] == ("2", None)


def test_one_check_that_cannot_run_does_not_take_others_along(engine: DuckEngine) -> None:
    """It is red, with the engine's words; its neighbours in the same query have their results."""
    items = [{"id": f"e{at}", "on": "t", "kind": "range", "column": "n", "minimum": 4200 + at} for at in range(7)]
    typed = rows(engine, items)
    engine.refuse.append("4203")
    report = check(engine, typed)
    assert [r.status for r in report.checks] == ["failed", "failed", "failed", "error", "failed", "failed", "failed"]
    [red] = [finding for finding in report.findings if finding.severity == "red"]
    assert red.id == "check:e3"
    assert "refused 4203" in red.message
    assert report.verdict == "red"


def test_a_table_the_catalog_cannot_find_is_an_error_of_its_check(engine: DuckEngine) -> None:
    """Freshness asks the catalog; what it cannot tell is red, not a pass."""
    typed = rows(engine, [{"id": "f", "on": "t", "kind": "freshness", "max_age_hours": 1}])
    assert severities(check(engine, typed, catalog=DuckCatalog()).findings)["check:f"] == "red"
    assert severities(check(engine, typed, at=None).findings)["check:f"] == "red"
    stale = check(engine, typed, at="2026-11-01T00:00:00Z")
    assert severities(stale.findings)["check:f"] == "amber"


def test_no_engine_is_no_finding(engine: DuckEngine) -> None:
    """Without an engine nothing was learnt, so there is no report to sign."""
    typed = rows(engine, [{"id": "a", "on": "t", "kind": "not_null", "columns": ["k"]}])

    def gone(sql: str, **_: Any) -> Any:
        raise EngineUnavailable("There is no engine.")

    engine.query = gone  # type: ignore[method-assign]  # for this test
    with pytest.raises(EngineUnavailable):
        check(engine, typed)


def test_cancel_stops_between_queries(engine: DuckEngine) -> None:
    """`say` may raise Cancelled; nothing catches it, and no further query is asked."""
    items = [{"id": f"u{name}", "on": "t", "kind": "unique", "columns": [name]} for name in ("k", "n")]
    typed = rows(engine, items)

    def say(message: str) -> None:
        if "2 of 2" in message:
            raise Cancelled("You stopped it.")

    with pytest.raises(Cancelled):
        check(engine, typed, say=say)
    assert len(engine.queries) == 1


def test_findings_of_every_part_make_the_verdict(engine: DuckEngine) -> None:
    """A red finding of the reconciliation blocks although every check passes."""
    tables = {
        "a": engine.create("shop.s.a", "k BIGINT, amount INT", [(1, 10)]),
        "b": engine.create("shop.s.b", "k BIGINT", [(1,), (1,)]),
    }
    typed = pipeline(tables, [join("a", "b", "k"), aggregate("joined", ["k"], total="sum(amount)")])
    report = check(engine, typed)
    assert severities(report.findings)["twice:metrics.total"] == "red"
    assert report.verdict == "red"
    assert report.sample_run is not None
    assert report.sample_run.status == "not_executed"


def test_a_source_written_meanwhile_is_named_beside_a_failure(engine: DuckEngine) -> None:
    """A difference may come from there; when the sample run passes there is nothing to explain."""
    engine.notebook = lambda own, parameters: NotebookRun(succeeded=False, error="ValueError: boom")
    typed = rows(engine, [])
    older = {"t": typed.tables["t"].model_copy(update={"version": "3"})}
    newer = DuckCatalog(typed.tables["t"].model_copy(update={"version": "4"}), at=NOW)
    report = check(engine, typed.model_copy(update={"tables": older}), catalog=newer, sample_run=True)
    assert severities(report.findings) == {"sample_run": "red", "moved:t": "info"}
    same = DuckCatalog(older["t"], at=NOW)
    report = check(engine, typed.model_copy(update={"tables": older}), catalog=same, sample_run=True)
    assert severities(report.findings) == {"sample_run": "red"}


def test_the_agent_is_loaded_only_when_asked_for() -> None:
    """Importing the package brings neither the compiler nor sqlglot."""
    import subprocess
    import sys

    code = (
        "import sys, pipeline_magic.agents.quality as q; before = 'sqlglot' in sys.modules; "
        "q.DataQualityAgent; print(before, 'sqlglot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
