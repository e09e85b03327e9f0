"""A declarative pipeline before approval: what Lakeflow says of it, and what the report says where it was not asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import JsonValue

from pipeline_magic.agents.quality.agent import DataQualityAgent
from pipeline_magic.agents.quality.validated import validate_declared
from pipeline_magic.compiler.environments import Environment, Environments
from pipeline_magic.compiler.files import compile_files
from pipeline_magic.errors import Cancelled, EngineError, EngineUnavailable
from pipeline_magic.ports import DryRun
from pipeline_magic.runs import Finding, Generated, SampleRun
from pipeline_magic.spec.typed import TypedSpec
from tests.support.duck_engine import DuckEngine
from tests.support.quality import NOW, pipeline


class Lakeflow(DuckEngine):
    """An engine that can have pipelines validated."""

    def __init__(self) -> None:
        super().__init__()
        self.no_dry_runs = ""
        self.says: Callable[[], DryRun] = lambda: DryRun(valid=True, seconds=34.0)
        self.asked: list[tuple[str, Mapping[str, str], Mapping[str, JsonValue], float]] = []

    def validate_pipeline(
        self, run_id: str, sources: Mapping[str, str], settings: Mapping[str, JsonValue], *, timeout: float = 1800.0
    ) -> DryRun:
        assert self.scratch, "the scratch schema is there"
        self.asked.append((run_id, sources, settings, timeout))
        return self.says()


@pytest.fixture
def engine() -> Lakeflow:
    return Lakeflow()


def declared(engine: DuckEngine) -> TypedSpec:
    table = engine.create("shop.s.t", "k BIGINT, word STRING, x DOUBLE", [(1, "a", 0.5)])
    typed = pipeline({"t": table})
    return typed.model_copy(update={"spec": typed.spec.model_copy(update={"deployment": "declarative"})})


def generated(typed: TypedSpec, environments: Environments | None = None) -> Generated:
    given: dict[str, Any] = {"environments": environments} if environments else {}
    return Generated(
        files=compile_files(typed, **given),
        notebook=f"pipelines/{typed.spec.name}/{typed.spec.name}.ipynb",
        environments=environments.model_dump(mode="json") if environments else {},
    )


def told(engine: DuckEngine, environments: Environments | None = None) -> tuple[SampleRun, tuple[Finding, ...]]:
    typed = declared(engine)
    made = generated(typed, environments)
    return validate_declared(engine, typed, made, run_id="r-1", timeout=60, say=lambda message: None)


def test_a_valid_pipeline(engine: Lakeflow) -> None:
    """It is said that it was validated, that it was not executed, and what the numbers rest on."""
    sample, [finding] = told(engine)
    assert (sample.status, sample.rows, sample.seconds) == ("not_executed", None, 34.0)
    assert "validated the pipeline instead, which computes no rows" in finding.message
    assert (finding.severity, finding.hint) == ("info", "The checks and the counts rest on its SQL form.")
    assert engine.scratch == set()


def test_what_is_asked(engine: Lakeflow) -> None:
    """The source of the plan is validated, over the spec's own tables, with the compute of the first environment."""
    small = Environment(name="dev", catalogs={"shop": "shop_dev"}, serverless=False, node_type="m5", workers=2)
    told(engine, Environments(environments=(small, Environment(name="prod"))))
    [(run_id, sources, settings, timeout)] = engine.asked
    typed = declared(Lakeflow())
    name = f"{typed.spec.name}_pipeline.py"
    assert run_id == "r-1" and timeout >= 900
    assert dict(sources) == {name: generated(typed).file(f"pipelines/{typed.spec.name}/{name}").content}
    assert settings["libraries"] == [{"file": {"path": name}}]
    assert (settings["serverless"], settings["clusters"]) == (
        False,
        [{"label": "default", "node_type_id": "m5", "num_workers": 2}],
    )
    assert "shop_dev" not in str(settings)


def test_what_lakeflow_finds(engine: Lakeflow) -> None:
    """An error is red, in Lakeflow's words."""
    engine.says = lambda: DryRun(valid=False, errors=("AnalysisException: no column x", "and so on"), seconds=3.0)
    sample, [finding] = told(engine)
    assert (sample.status, finding.severity, finding.id) == ("failed", "red", "dry_run")
    assert finding.message == "Lakeflow does not take the pipeline: AnalysisException: no column x; and so on"
    assert engine.scratch == set()


def test_not_found_out(engine: Lakeflow) -> None:
    """What may be asked and could not be found out is red."""

    def down() -> DryRun:
        raise EngineError("Databricks answered 500.")

    engine.says = down
    sample, [finding] = told(engine)
    assert (sample.status, finding.severity) == ("failed", "red")
    assert "could not be asked" in finding.message and "Databricks answered 500." in finding.message


@pytest.mark.parametrize("known", [True, False])
def test_where_it_may_not_be_asked(engine: Lakeflow, known: bool) -> None:
    """Neither executed nor validated: both are said, with the reason, whether it is known before or found out now."""

    def refused() -> DryRun:
        engine.no_dry_runs = "no permission to create pipelines"
        raise EngineUnavailable("Databricks does not allow it.")

    engine.says = refused
    if known:
        engine.no_dry_runs = "no permission to create pipelines"
    sample, [finding] = told(engine)
    assert (sample.status, finding.severity) == ("not_executed", "info")
    assert finding.message == (
        "The notebook was not executed: Lakeflow would validate the pipeline instead, and did not: "
        "no permission to create pipelines."
    )
    assert len(engine.asked) == (0 if known else 1)


def test_an_engine_without_lakeflow() -> None:
    """Locally nothing is validated, and no scratch schema is made."""
    engine = DuckEngine()
    engine.create_scratch = None  # type: ignore[assignment,method-assign]
    sample, [finding] = told(engine)
    assert (sample.status, sample.message) == ("not_executed", "a declarative pipeline runs on Databricks only")
    assert finding.severity == "info"


def test_stopped(engine: Lakeflow) -> None:
    """A wish to stop comes through, and the scratch schema is removed."""

    def stop() -> DryRun:
        raise Cancelled("stopped")

    engine.says = stop
    with pytest.raises(Cancelled):
        told(engine)
    assert engine.scratch == set()


@pytest.mark.parametrize("sample_run", [True, False])
def test_the_report(engine: Lakeflow, sample_run: bool) -> None:
    """The agent has a declarative pipeline validated where sample runs are on, and never runs its notebook."""
    typed = declared(engine)
    engine.notebook = None  # type: ignore[assignment]
    agent = DataQualityAgent(engine, engine)  # type: ignore[arg-type]
    report = agent.check(
        typed,
        generated(typed),
        run_id="r-1",
        run_time=NOW,
        sample_run=sample_run,
        timeout=60,
        say=lambda message: None,
    )
    assert len(engine.asked) == sample_run
    assert report.sample_run is not None and report.sample_run.status == "not_executed"
