"""From a statement to a deployed job on Databricks and GitHub, and back, over strict servers of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.demo import STATEMENT
from pipeline_magic.errors import ApprovalRefused, PipelineMagicError
from tests.support.databricks_server.oneoff import Executed
from tests.support.databricks_server.pipelines import Pipelines
from tests.support.databricks_server.workspace_files import Item
from tests.support.databricks_site import ADA, SCALE, SEED, Site, site
from tests.support.local import engine_at, notebook
from tests.support.model_answers import seed
from tests.support.model_server import KEY, model_server, says

COUNT = "Count the orders per o_orderstatus into analytics.ops.status_counts every day at 6am"
TARGET = "analytics.ops.status_counts"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    made = site(tmp_path)
    yield made
    made.close()


def _built(where: Site, orchestrator: Any, statement: str = COUNT) -> Any:
    """A plan; a run of its job then writes what its SQL form gives."""
    result = orchestrator.build_pipeline(statement)
    assert result.approval_id, result
    where.runs(result.snapshot.validated.typed)
    return result


def _rows(where: Site, table: str = TARGET) -> list[list[str | None]]:
    found: list[list[str | None]] = where.sql.spark.run(
        f"SELECT * FROM {table} ORDER BY 1", ADA, {}, lambda cursor: None
    ).rows
    return found


def test_the_seeds_statement_becomes_a_job(here: Site) -> None:
    """One pull request, merged; one job with the approved settings, run once; the second time nothing changes."""
    orchestrator = here.open()
    try:
        result = _built(here, orchestrator, SEED)
        done = orchestrator.approve_pipeline(result.approval_id, "John Doe", "Looks good!")
        assert (done.deployment.state, done.pull_request.state) == ("deployed", "merged")
        [job] = here.jobs.jobs.values()
        assert (
            job.tags["pipeline_magic"] == "customer_revenue"
            and job.tags["pipeline_magic_digest"] == done.snapshot.run.digest
        )
        assert job.settings["schedule"]["pause_status"] == "UNPAUSED"
        [table] = [name for name in here.world.tables if name.startswith("analytics.")]
        assert len(_rows(here, table)) == done.deployment.rows == 150
        assert here.world.tables[table].tags["pipeline_magic.pipeline"] == "customer_revenue"
        # The notebook that runs has the bytes that were approved, as the workspace keeps them.
        [path] = [task["notebook_task"]["notebook_path"] for task in job.settings["tasks"]]
        approved = next(file.content for file in done.files if file.path.endswith(".ipynb"))
        kept = ["".join(cell["source"]) for cell in here.files.notebook(path)["cells"]]
        import json

        assert kept == ["".join(cell["source"]) for cell in json.loads(approved)["cells"]]
        before = len(here.github.pulls), len(here.jobs.runs)
        again = orchestrator.build_pipeline(SEED)
        assert again.run_id == result.run_id and "Nothing changed" in str(again)
        assert (len(here.github.pulls), len(here.jobs.runs)) == before
    finally:
        orchestrator.close()
    entries = [entry.identity for entry in _audit(here) if entry.event.startswith(("approval.", "job."))]
    assert set(entries) == {"ada"}
    written = b"".join(file.read_bytes() for file in (here.folder / "home").rglob("*") if file.is_file())
    assert b"good-token" not in written


def _audit(where: Site) -> Any:
    orchestrator = where.open()
    try:
        return orchestrator.ports.store.audit()
    finally:
        orchestrator.close()


def test_an_edit_becomes_a_new_plan_and_resets_the_job(here: Site) -> None:
    """The same job gets the new settings and notebook; the first plan's approval counts for nothing."""
    orchestrator = here.open()
    try:
        first = _built(here, orchestrator)
        orchestrator.approve_pipeline(first.approval_id, "Ada")
        [job] = here.jobs.jobs.values()
        old = dict(job.settings)
        changed = orchestrator.edit_pipeline("status_counts", "make it weekly on Mondays at 7am")
        here.runs(changed.snapshot.validated.typed)
        done = orchestrator.approve_pipeline(changed.approval_id, "Ada")
        [same] = here.jobs.jobs.values()
        assert same.id == job.id and done.deployment.state == "deployed"
        assert same.settings["schedule"]["quartz_cron_expression"] != old["schedule"]["quartz_cron_expression"]
        assert len(here.github.pulls) == 2 and all(pull["merged_at"] for pull in here.github.pulls.values())
    finally:
        orchestrator.close()


def test_a_rejected_plan_leaves_nothing(here: Site) -> None:
    """Neither service was written to; the run can be edited and approved after it."""
    orchestrator = here.open()
    try:
        result = _built(here, orchestrator)
        orchestrator.reject_pipeline(result.approval_id, "Ada", "not yet")
        assert not here.github.pulls and not here.jobs.jobs and "analytics.ops" not in here.world.schemas
        with pytest.raises(ApprovalRefused, match="rejected"):
            orchestrator.approve_pipeline(result.approval_id, "Ada")
        again = orchestrator.generate(result.run_id)
        assert orchestrator.approve(again.approval_id, "Ada").deployment.state == "deployed"
    finally:
        orchestrator.close()


def test_rollback(here: Site) -> None:
    """Job, table and files are as they were before the second deployment; then the job is removed.

    A warehouse cannot write a note into the commit of a restore, so that the first rollback's is somebody's for the
    second: the table stays, and that is said.
    """
    orchestrator = here.open()
    try:
        first = _built(here, orchestrator)
        orchestrator.approve_pipeline(first.approval_id, "Ada")
        [job] = here.jobs.jobs.values()
        settings, rows = dict(job.settings), _rows(here)
        changed = orchestrator.edit_pipeline("status_counts", "keep only rows where o_totalprice is above 100000")
        here.runs(changed.snapshot.validated.typed)
        orchestrator.approve_pipeline(changed.approval_id, "Ada")
        assert _rows(here) != rows
        back = orchestrator.rollback_pipeline(changed.run_id, "Ada", "too few rows")
        assert back.deployment.state == "rolled_back" and _rows(here) == rows
        [same] = here.jobs.jobs.values()
        paths = [one["tasks"][0]["notebook_task"]["notebook_path"] for one in (settings, same.settings)]
        assert paths[0] == paths[1] and len(here.github.pulls) == 3
        assert here.world.tables[TARGET].versions[-1].operation == "RESTORE"
        gone = orchestrator.rollback_pipeline(first.run_id, "Ada", "all of it")
        assert not here.jobs.jobs and f"`{TARGET}`, which the deployment made, stays" in gone.deployment.message
    finally:
        orchestrator.close()


_WRITES = ("schemas", "workspace/import", "jobs/create", "jobs/run-now", "runs/get", "entity-tag", "sql/statements")
_BOUNDED = {("after", "schemas"), ("after", "jobs/create"), ("before", "jobs/run-now"), ("after", "jobs/run-now")}


@pytest.mark.parametrize(
    ("when", "path"),
    [
        pytest.param(when, path, marks=() if (when, path) in _BOUNDED else pytest.mark.full)
        for when in ("before", "after")
        for path in _WRITES
    ],
)
def test_resume_after_a_kill(here: Site, path: str, when: str) -> None:
    """Cut off at a call that writes, before or after it was done, `resume` ends with one of everything."""
    orchestrator = here.open()
    cut = _Cut(here, path, when)
    try:
        result = _built(here, orchestrator)
        cut.armed = True
        with pytest.raises(Killed):
            orchestrator.approve_pipeline(result.approval_id, "Ada")
    finally:
        cut.undo()
        orchestrator.close()
    again = here.open()
    try:
        done = again.resume(result.run_id)
        if done.deployment is None:  # killed before the decision was written: it is asked for again
            done = again.approve(result.approval_id, "Ada")
        assert done.deployment.state == "deployed", done.run.message
        assert (len(here.github.pulls), len(here.jobs.jobs), len(here.jobs.runs)) == (1, 1, 1)
        assert len(here.world.tables[TARGET].versions) == 1
        kinds = [entry.event for entry in again.ports.store.audit(result.run_id)]
        assert kinds.count("deployment.done") == 1 and kinds.count("job.deploy") == 1
    finally:
        again.close()


class Killed(BaseException):
    """The process ends here."""


class _Cut:
    """Ends the work at the first request of a path, in the client, as a killed process would."""

    def __init__(self, where: Site, path: str, when: str) -> None:
        from databricks.sdk._base_client import _BaseClient

        self.armed = False
        self._kept = _BaseClient._perform
        cut, kept = self, self._kept

        def perform(client: Any, method: str, url: str, *args: Any, **options: Any) -> Any:
            hit = cut.armed and path in url and (method != "GET" or path in ("runs/get",))
            if hit and when == "before":
                cut.armed = False
                raise Killed
            answer = kept(client, method, url, *args, **options)
            if hit:
                cut.armed = False
                raise Killed
            return answer

        _BaseClient._perform = perform  # type: ignore[method-assign]

    def undo(self) -> None:
        from databricks.sdk._base_client import _BaseClient

        _BaseClient._perform = self._kept  # type: ignore[method-assign]


@pytest.mark.engine
def test_the_notebook_is_executed(here: Site) -> None:
    """Before Approve as a one-off run into a scratch schema, after it by the job: both leave the SQL form's rows.

    Of sums and counts: DuckDB, which runs the SQL form in the strict workspace, divides decimals otherwise than Spark.
    """
    home = here.folder / "engine"
    lakehouse = Lakehouse(home, sample_scale=float(SCALE))
    lakehouse.ensure_samples()
    with engine_at(home) as engine:
        here.executes(engine, lakehouse)
        orchestrator = here.open(one_off_runs=True)
        try:
            result = orchestrator.build_pipeline(
                "Sum o_totalprice of orders per o_orderstatus into analytics.ops.totals"
            )
            sample = result.snapshot.quality.sample_run
            assert (sample.status, sample.repeatable) == ("passed", True), sample
            assert not [name for name in here.world.schemas if "pipeline_magic_" in name]
            assert not [path for path in here.one_off.notebooks() if here.one_off.files[path] is not None]
            done = orchestrator.approve_pipeline(result.approval_id, "John Doe", "Looks good!")
            assert (done.deployment.state, done.deployment.rows) == ("deployed", 3)
            written = _rows(here, "analytics.ops.totals")
            form = target_query(result.snapshot.validated.typed, run_time="2026-11-02T06:00:00+00:00")
            here.sql.spark.run(f"CREATE TABLE analytics.ops.form AS {form}", ADA, {}, lambda cursor: None)
            assert sorted(map(str, written)) == sorted(map(str, _rows(here, "analytics.ops.form")))
        finally:
            orchestrator.close()


def test_a_declarative_pipeline(here: Site) -> None:
    """Lakeflow validates it before Approve; then one pipeline, and the job that runs it; the second time nothing."""
    room = Pipelines(here.world)
    here.databricks.add(room)
    words = f"Create a declarative pipeline that counts the orders per o_orderstatus into {TARGET} every day at 6am"
    orchestrator = here.open(one_off_runs=True)
    try:
        result = orchestrator.build_pipeline(words)
        assert "Lakeflow validated the pipeline" in result.snapshot.quality.sample_run.message + "".join(
            item.message for item in result.snapshot.quality.findings
        )
        assert not room.pipelines
        form = target_query(result.snapshot.validated.typed, run_time="2026-11-02T06:00:00+00:00")

        def update(pipeline: str, run: int) -> Executed:
            here.sql.spark.run(f"CREATE OR REPLACE TABLE {TARGET} AS {form}", ADA, {}, lambda cursor: None)
            return Executed()

        here.jobs.pipeline_runner = update
        done = orchestrator.approve_pipeline(result.approval_id, "Ada")
        [job] = here.jobs.jobs.values()
        [pipeline] = room.pipelines
        assert done.deployment.state == "deployed" and done.deployment.id == f"pipeline:{job.id}"
        assert job.settings["tasks"][0]["pipeline_task"]["pipeline_id"] == pipeline
        assert "Nothing changed" in str(orchestrator.build_pipeline(words))
    finally:
        orchestrator.close()


def test_with_a_language_model(here: Site) -> None:
    """A model's draft takes the same way; only the model's server was told the statement."""
    with model_server() as model:
        model.will(says(seed()))
        orchestrator = here.open(openai_api_key=KEY, openai_base_url=model.url)
        try:
            assert orchestrator.ports.planner == "llm"
            result = _built(here, orchestrator, STATEMENT)
            done = orchestrator.approve_pipeline(result.approval_id, "John Doe")
            assert done.deployment.state == "deployed" and len(here.jobs.jobs) == 1 and len(model.requests) == 1
        finally:
            orchestrator.close()


# --- the other route -------------------------------------------------------------------------------------------------

BUNDLE = b'[environments.prod]\ndeploy_via = "bundle"\nmerge = true\n'


def _ci_deploys(
    where: Site, files: Any, name: str = "status_counts", environment: str = "prod", text: str = "", **changes: Any
) -> None:
    """What the bundle's CLI makes of the merged files in the repository's CI, by the Jobs API."""
    from pipeline_magic.compiler.deployed import resource_of

    [settings] = resource_of({file.path: file.content for file in files}, name, environment)["jobs"].values()
    settings.pop("permissions", None)
    root = f"/Workspace/Users/{ADA}/.bundle/pipelines/{environment}/files"
    for task in settings["tasks"]:
        path = task["notebook_task"]["notebook_path"] = f"{root}/pipelines/{name}/{name}"
        approved = next(file.content for file in files if file.path.endswith(".ipynb"))
        where.files.items[path.removeprefix("/Workspace")] = Item(1, "NOTEBOOK", text or approved)
    settings |= {
        "edit_mode": "UI_LOCKED",
        "deployment": {"kind": "BUNDLE", "metadata_file_path": f"{root}/x"},
        **changes,
    }
    from tests.support.databricks_server.jobs import Job

    known = [job for job in where.jobs.jobs.values() if job.tags.get("pipeline_magic") == name]
    if known:
        known[0].settings = settings
        return
    where.jobs.jobs[1] = Job(1, settings, ADA, ADA, 0)
    where.jobs.jobs[1].permissions = {("user_name", ADA): "IS_OWNER"}


def test_the_bundles_route(here: Site) -> None:
    """Approve merges and waits; what the CI deployed otherwise is shown; it counts when it is what was approved."""
    here.github.push("main", {"pipeline_magic.toml": BUNDLE})
    orchestrator = here.open(environment="prod")
    try:
        result = _built(here, orchestrator)
        waiting = orchestrator.approve_pipeline(result.approval_id, "Ada")
        assert waiting.deployment.state == "waiting" and "CI" in waiting.deployment.message
        assert here.github.pulls[1]["merged_at"] and not here.jobs.jobs
        assert orchestrator.resume(result.run_id).deployment.state == "waiting"
        _ci_deploys(here, result.files, max_concurrent_runs=7)
        other = orchestrator.resume(result.run_id)
        assert (
            other.deployment.state == "waiting"
            and "`max_concurrent_runs` is 7; approved is 1" in other.deployment.message
        )
        _ci_deploys(here, result.files, text=notebook("1"))
        bent = orchestrator.resume(result.run_id)
        assert "is not the notebook that was approved" in bent.deployment.message
        _ci_deploys(here, result.files)
        done = orchestrator.resume(result.run_id)
        assert (done.deployment.state, done.deployment.id) == ("deployed", "job:1"), done.deployment.message
        assert [
            method for method, path in here.databricks.requests if path.endswith(("jobs/create", "jobs/reset"))
        ] == []
        again = orchestrator.build_pipeline(COUNT)
        assert "Nothing changed" in str(again)
        plan = orchestrator.plan_rollback(result.run_id)
        assert not [step for step in plan.steps if step.part == "job"] and "CI" in " ".join(plan.left)
    finally:
        orchestrator.close()


def test_a_source_that_changed_is_not_merged_for_the_ci(here: Site) -> None:
    """With the bundle's route the world is compared before the merge, for what is merged is deployed by others."""
    here.github.push("main", {"pipeline_magic.toml": BUNDLE})
    here.github.required_checks = ("tests",)
    orchestrator = here.open(environment="prod")
    try:
        result = _built(here, orchestrator)
        assert orchestrator.approve_pipeline(result.approval_id, "Ada").deployment.state == "waiting"
        here.world.tables["samples.tpch.orders"].columns[2]["type_text"] = "int"
        here.github.statuses[here.github.pulls[1]["sha"]] = {"tests": {"id": 1, "context": "tests", "state": "success"}}
        with pytest.raises(PipelineMagicError, match="orders"):
            orchestrator.resume(result.run_id)
        assert not here.github.pulls[1]["merged_at"]
    finally:
        orchestrator.close()


@pytest.mark.parametrize("granted", [True, False])
def test_a_catalog_is_created_where_that_is_allowed(here: Site, granted: bool) -> None:
    """With `create_catalog` and the privilege it is made after Approve; without the privilege that is named."""
    toml = b'[environments.default]\ncatalogs = { analytics = "fresh" }\ncreate_catalog = true\n'
    here.github.push("main", {"pipeline_magic.toml": toml})
    here.world.admins = {ADA} if granted else set()
    orchestrator = here.open()
    try:
        result = _built(here, orchestrator)
        assert "fresh" not in here.world.catalogs
        if not granted:
            with pytest.raises(PipelineMagicError, match="CREATE CATALOG"):
                orchestrator.approve_pipeline(result.approval_id, "Ada")
            here.world.admins = {ADA}
            orchestrator.resume(result.run_id)
        else:
            orchestrator.approve_pipeline(result.approval_id, "Ada")
        assert "fresh.ops.status_counts" in here.world.tables and len(here.jobs.jobs) == 1
    finally:
        orchestrator.close()


def test_environments_on_a_workspace(here: Site) -> None:
    """Catalogs are mapped and the schedule is paused outside production; the files are those of every environment."""
    toml = (
        b'[environments.dev]\ncatalogs = { analytics = "analytics_dev" }\n'
        b'[environments.prod]\nmerge = true\nrun_as = "sp-1"\n'
    )
    here.github.push("main", {"pipeline_magic.toml": toml})
    here.world.add_catalog("analytics_dev", ADA)
    here.files.principals.add("sp-1")
    here.jobs.usable[ADA] = {"sp-1"}
    files = {}
    for environment in ("dev", "prod"):
        orchestrator = here.open(environment=environment, home=here.folder / environment)
        try:
            result = _built(here, orchestrator)
            files[environment] = result.files
            done = orchestrator.approve_pipeline(result.approval_id, "Ada")
            assert done.deployment.state == "deployed"
        finally:
            orchestrator.close()
    jobs = {job.tags["pipeline_magic_environment"]: job.settings for job in here.jobs.jobs.values()}
    assert [jobs[name]["schedule"]["pause_status"] for name in ("dev", "prod")] == ["PAUSED", "UNPAUSED"]
    assert {job.tags["pipeline_magic_environment"]: job.run_as for job in here.jobs.jobs.values()} == {
        "dev": ADA,
        "prod": "sp-1",
    }
    targets = {
        name: next(p["default"] for p in one["parameters"] if p["name"] == "target") for name, one in jobs.items()
    }
    assert targets == {"dev": "analytics_dev.ops.status_counts", "prod": TARGET}
    assert files["dev"] == files["prod"] and "analytics_dev.ops.status_counts" in here.world.tables
