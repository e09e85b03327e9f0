"""From a statement to a Lakeflow pipeline on Databricks, and back, over strict servers of Databricks and GitHub."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.compiler.sql import target_query
from pipeline_magic.errors import ApprovalRefused, PipelineMagicError
from pipeline_magic.spec.typed import TypedSpec
from tests.support.databricks_server.oneoff import Executed
from tests.support.databricks_server.pipelines import Outcome, Pipeline, Pipelines
from tests.support.databricks_site import ADA, Site, site

COUNT = (
    "Create a declarative pipeline that counts the orders per o_orderstatus into analytics.ops.status_counts "
    "every day at 6am"
)
TARGET = "analytics.ops.status_counts"


@dataclass
class Lake:
    """The workspace with pipelines; an update leaves what the SQL form of the spec gives."""

    site: Site
    room: Pipelines

    @property
    def only(self) -> Pipeline:
        [found] = self.room.pipelines.values()
        return found

    def plan(self, orchestrator: Any, statement: str = COUNT) -> Any:
        """A plan; updates of its pipeline then write its target."""
        result = orchestrator.build_pipeline(statement)
        if result.approval_id:
            self.writes(result.snapshot.validated.typed)
        return result

    def writes(self, typed: TypedSpec) -> None:
        """Let each job's run update the pipeline."""
        assert typed.spec.deployment == "declarative"

        def run(pipeline: str, number: int) -> Executed:
            made = self.room.pipelines[pipeline]
            update = self.room._begin(made, "JOB_TASK", {})
            while made.active:
                self.room._go_on(made)
            if update.state != "COMPLETED":
                return Executed(error="Update failed")
            self.site.world.tables.pop(TARGET, None)
            text = target_query(typed, run_time="2026-11-22T06:00:00+00:00")
            self.site.sql.spark.run(f"CREATE OR REPLACE TABLE {TARGET} AS {text}", ADA, {}, lambda cursor: None)
            self.site.world.tables[TARGET].kind = "MATERIALIZED_VIEW"
            return Executed()

        self.site.jobs.pipeline_runner = run
        self.room.does = lambda pipeline, update: Outcome(rows=3, publishes=(TARGET,))


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    here = site(tmp_path)
    room = Pipelines(here.world)
    room.source = here.files.text
    here.databricks.add(room)
    here.jobs.pipelines = lambda: room.pipelines
    yield Lake(here, room)
    here.close()


def test_a_statement_becomes_a_pipeline(lake: Lake) -> None:
    """Validated before, deployed and run after Approve; and a rollback says what stays."""
    orchestrator = lake.site.open(one_off_runs=True)
    try:
        result = lake.plan(orchestrator)
        report = result.snapshot.quality
        assert report.sample_run.status == "not_executed"
        assert "validated the pipeline instead" in report.sample_run.message
        assert not lake.room.pipelines and not [path for path in lake.site.files.items if "dry_runs/" in path]
        done = orchestrator.approve_pipeline(result.approval_id, "Ada")
        assert (done.deployment.state, done.deployment.rows) == ("deployed", 3)
        assert done.deployment.url.endswith(f"/pipelines/{lake.only.id}")
        assert lake.only.spec["tags"]["pipeline_magic_digest"] == result.snapshot.run.digest
        again = orchestrator.build_pipeline(COUNT)
        assert again.run_id == result.run_id and "Nothing changed" in str(again)
        changed = orchestrator.edit_pipeline("status_counts", "make it weekly on Mondays at 7am")
        lake.writes(changed.snapshot.validated.typed)
        later = orchestrator.approve_pipeline(changed.approval_id, "Ada")
        assert later.deployment.state == "deployed" and len(lake.only.updates) == 2
        plan = orchestrator.plan_rollback(later.run_id)
        assert [step.action for step in plan.steps if step.part == "job"] == ["put_back"]
        assert any("materialized view" in said and "computes it anew" in said for said in plan.left)
    finally:
        orchestrator.close()


def test_what_lakeflow_does_not_take_blocks(lake: Lake) -> None:
    """An error of the validation is red, and the plan cannot be approved."""
    lake.room.does = lambda pipeline, update: Outcome(errors=(("AnalysisException", "no such column `x`"),))
    orchestrator = lake.site.open(one_off_runs=True)
    try:
        result = orchestrator.build_pipeline(COUNT)
        [red] = [item for item in result.snapshot.quality.findings if item.severity == "red"]
        assert red.id == "dry_run" and "no such column `x`" in red.message
        with pytest.raises((ApprovalRefused, PipelineMagicError), match="Lakeflow does not take"):
            orchestrator.approve_pipeline(result.approval_id, "Ada")
        assert not lake.room.pipelines
    finally:
        orchestrator.close()


def test_switched_off(lake: Lake) -> None:
    """With one-off runs switched off nothing is made before Approve, and the report says so."""
    orchestrator = lake.site.open()
    try:
        report = lake.plan(orchestrator).snapshot.quality
        assert "did not: one-off runs are switched off" in report.sample_run.message
        assert not [path for _, path in lake.site.databricks.requests if path.endswith("/pipelines")]
    finally:
        orchestrator.close()
