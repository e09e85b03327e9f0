"""Lakeflow pipelines: placed with their job, found again, run once, their errors told, removed without their tables."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from pipeline_magic.adapters.databricks.pipelines import Pipelines
from pipeline_magic.errors import Cancelled, DeploymentError, NotFound
from pipeline_magic.ports import DeployRequest
from pipeline_magic.runs import NotebookRun
from pipeline_magic.spec.model import PipelineSpec
from tests.adapters.databricks.conftest import ADA, Site
from tests.support.databricks_server import Refusal
from tests.support.databricks_server.pipelines import Outcome, Pipeline, Update
from tests.support.databricks_server.pipelines import Pipelines as Room

FOLDER = "/Workspace/Shared/pipeline_magic/revenue/0f3a"
TAGS = {"pipeline_magic": "revenue", "pipeline_magic_environment": "default", "pipeline_magic_digest": "d1"}
TABLE = "shop.sales.revenue"


@dataclass
class Jobs:
    """The keeper of jobs, by the words of its protocol: one job, whose runs start an update as a job's task does."""

    room: Room
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, NotebookRun] = field(default_factory=dict)
    stopped: bool = False

    def put(
        self, settings: Mapping[str, Any], *, owned: str | None, tags: Mapping[str, str], permissions: Any = ()
    ) -> str:
        found = (
            owned or self.find(tags["pipeline_magic"], tags["pipeline_magic_environment"]) or str(len(self.jobs) + 1)
        )
        self.jobs[found] = {**settings, "tags": {**settings.get("tags", {}), **tags}, "permissions": list(permissions)}
        return found

    def find(self, pipeline: str, environment: str) -> str | None:
        wanted = {"pipeline_magic": pipeline, "pipeline_magic_environment": environment}
        return next((id_ for id_, one in self.jobs.items() if wanted.items() <= one["tags"].items()), None)

    def settings(self, id: str) -> dict[str, Any]:
        if id not in self.jobs:
            raise NotFound(f"Job {id} does not exist.")
        return self.jobs[id]

    def run(self, id: str, *, key: str, timeout: float) -> NotebookRun:
        if key not in self.runs:
            pipeline = self.room.pipelines[self.jobs[id]["tasks"][0]["pipeline_task"]["pipeline_id"]]
            update = self.room._begin(pipeline, "JOB_TASK", {})
            while pipeline.active:
                self.room._go_on(pipeline)
            done = update.state == "COMPLETED"
            self.runs[key] = NotebookRun(succeeded=done, error="" if done else "Workload failed")
        return self.runs[key]

    def close(self, id: str) -> None:
        self.jobs[id]["permissions"] = []

    def delete(self, id: str) -> None:
        self.jobs.pop(id, None)

    def url(self, id: str) -> str:
        return f"https://w/jobs/{id}"

    def cancel(self) -> None:
        self.stopped = True


@dataclass
class Lakeflow:
    """A site with its pipelines, and the adapter over them."""

    site: Site
    room: Room
    jobs: Jobs

    def adapter(self, token: str = "good-token", **options: Any) -> Pipelines:
        def wait(event: threading.Event, seconds: float) -> None:
            self.site.slept.append(seconds)
            event.wait(0)

        return Pipelines(
            self.site.client(token), self.jobs, **{"sleep": self.site.slept.append, "wait": wait, **options}
        )

    @property
    def only(self) -> Pipeline:
        """The one pipeline there is."""
        [found] = self.room.pipelines.values()
        return found


@pytest.fixture
def lakeflow(site: Site) -> Iterator[Lakeflow]:
    room = Room(site.world)
    room.does = lambda pipeline, update: Outcome(rows=7, expectations={"key_known": (7, 2)}, publishes=(TABLE,))
    site.server.add(room)
    yield Lakeflow(site, room, Jobs(room))


def request(spec: PipelineSpec | None = None, **changes: Any) -> DeployRequest:
    """What is deployed: settings as the compiler writes them."""
    pipeline = {
        "name": "revenue (default)",
        "catalog": "shop",
        "schema": "sales",
        "serverless": True,
        "continuous": False,
        "development": False,
        "channel": "CURRENT",
        "configuration": {"target": TABLE, "source_orders": "shop.sales.orders"},
        "libraries": [{"file": {"path": "../pipelines/revenue/revenue_pipeline.py"}}],
        "notifications": [{"email_recipients": ["a@acme.test"], "alerts": ["on-update-failure"]}],
        "tags": {"team": "sales", "pipeline_magic": "revenue", "pipeline_magic_environment": "default"},
    } | changes
    pipeline = {name: value for name, value in pipeline.items() if value is not None}
    job = {
        "name": "revenue (default)",
        "tags": {"team": "sales"},
        "tasks": [{"task_key": "revenue", "pipeline_task": {"pipeline_id": "${resources.pipelines.revenue.id}"}}],
        "permissions": [{"group_name": "analysts", "level": "CAN_MANAGE_RUN"}],
    }
    return DeployRequest.model_construct(
        pipeline="revenue",
        environment="default",
        notebook="",
        notebook_path="",
        parameters={},
        digest="d1",
        key="k1",
        paused=False,
        tags={},
        spec=spec,
        resource={"pipelines": {"revenue": pipeline}, "jobs": {"revenue_job": job}},
        files={},
    )


# --- placing ----------------------------------------------------------------------------------------------------------


def test_a_pipeline_and_its_job(lakeflow: Lakeflow) -> None:
    """Both are made with the tags; the pipeline's source is the imported file, the job's task names the pipeline."""
    job = lakeflow.adapter().place(request(), FOLDER, None, TAGS)
    made = lakeflow.only
    assert made.spec["libraries"] == [{"file": {"path": f"{FOLDER}/revenue_pipeline.py"}}]
    assert made.spec["tags"] == {"team": "sales", **TAGS}
    assert made.spec["notifications"][0]["alerts"] == ["on-update-failure"]
    assert lakeflow.jobs.jobs[job]["tasks"] == [{"task_key": "revenue", "pipeline_task": {"pipeline_id": made.id}}]
    assert lakeflow.jobs.jobs[job]["permissions"] == [{"group_name": "analysts", "level": "CAN_MANAGE_RUN"}]


def test_placed_again(lakeflow: Lakeflow) -> None:
    """The same twice is one pipeline that was set once; another version replaces all settings."""
    adapter = lakeflow.adapter()
    job = adapter.place(request(), FOLDER, None, TAGS)
    modified = lakeflow.only.modified
    assert adapter.place(request(), FOLDER, job, TAGS) == job
    assert lakeflow.only.modified == modified
    later = {**TAGS, "pipeline_magic_digest": "d2"}
    assert adapter.place(request(notifications=None), f"{FOLDER}2", job, later) == job
    assert lakeflow.only.spec["libraries"][0]["file"]["path"].startswith(f"{FOLDER}2/")
    assert lakeflow.only.spec["tags"]["pipeline_magic_digest"] == "d2"
    assert "notifications" not in lakeflow.only.spec


def test_a_hand_made_change_is_set_back(lakeflow: Lakeflow) -> None:
    """What a person added to the settings is not in them after a deployment, and shows before."""
    adapter = lakeflow.adapter()
    job = adapter.place(request(), FOLDER, None, TAGS)
    before = adapter.settings(job)
    lakeflow.only.spec["photon"] = True
    shown: Any = adapter.settings(job)
    assert shown != before and shown["pipeline"]["photon"] is True
    adapter.place(request(), FOLDER, job, TAGS)
    assert adapter.settings(job) == before


def test_changed_in_the_same_moment(lakeflow: Lakeflow) -> None:
    """Settings that somebody changed after they were read are not overwritten."""
    adapter = lakeflow.adapter()
    job = adapter.place(request(), FOLDER, None, TAGS)
    edit = lakeflow.room.edit

    def meanwhile(asked: Any) -> Any:
        lakeflow.only.modified += 1
        return edit(asked)

    lakeflow.site.server._routes = [
        (verb, path, meanwhile if action == edit else action) for verb, path, action in lakeflow.site.server._routes
    ]
    with pytest.raises(DeploymentError, match="Somebody changed the pipeline"):
        adapter.place(request(serverless=False), FOLDER, job, TAGS)
    assert lakeflow.only.spec["serverless"] is True


def test_found_by_tags_alone(lakeflow: Lakeflow) -> None:
    """A pipeline of the same name without our tags is not ours; one with them is, whatever it is called."""
    foreign = lakeflow.room
    lakeflow.site.client().pipelines.create(name="revenue (default)", catalog="shop", schema="sales")
    with pytest.raises(DeploymentError, match="is not of this deployment"):
        lakeflow.adapter().place(request(), FOLDER, None, TAGS)
    lakeflow.only.spec["name"] = "other"
    job = lakeflow.adapter().place(request(), FOLDER, None, TAGS)
    ours = next(one for one in foreign.pipelines.values() if one.spec["name"] != "other")
    ours.spec["name"] = "a revenue of my own"
    lakeflow.jobs.delete(job)
    lakeflow.adapter().place(request(), FOLDER, None, TAGS)
    assert len(foreign.pipelines) == 2 and ours.spec["name"] == "revenue (default)"


def test_an_underscore_is_no_wildcard(lakeflow: Lakeflow) -> None:
    """The filter of the list takes `_` for any character; only names that really hold the name are looked into."""
    for name in ("revenuexdaily", "revenue_daily"):
        lakeflow.site.client().pipelines.create(name=name, catalog="shop", schema="sales")
    assert [one["name"] for one in lakeflow.adapter()._pipelines.named("revenue_daily")] == ["revenue_daily"]


def test_the_job_is_gone(lakeflow: Lakeflow) -> None:
    """With its job removed by hand the pipeline is taken up again, not made a second time."""
    adapter = lakeflow.adapter()
    job = adapter.place(request(), FOLDER, None, TAGS)
    lakeflow.jobs.delete(job)
    assert adapter.find("revenue", "default") is None
    again = adapter.place(request(), FOLDER, None, TAGS)
    assert len(lakeflow.room.pipelines) == 1
    assert adapter.find("revenue", "default") == again


def test_the_pipeline_is_gone(lakeflow: Lakeflow) -> None:
    """With the pipeline removed by hand its job gets a new one."""
    adapter = lakeflow.adapter()
    job = adapter.place(request(), FOLDER, None, TAGS)
    lakeflow.room.pipelines.clear()
    assert (adapter.settings(job)["pipeline"], adapter.folder(job)) == (None, "")
    with pytest.raises(NotFound):
        adapter.run(job, key="r1", timeout=60)
    assert adapter.place(request(), FOLDER, job, TAGS) == job
    assert lakeflow.jobs.jobs[job]["tasks"][0]["pipeline_task"]["pipeline_id"] == lakeflow.only.id


def test_a_job_of_another_kind(lakeflow: Lakeflow) -> None:
    """A job that runs a notebook is not found here, and becomes one that runs the pipeline."""
    lakeflow.jobs.jobs["5"] = {"tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "/x"}}], "tags": TAGS}
    assert lakeflow.adapter().find("revenue", "default") is None
    assert lakeflow.adapter().place(request(), FOLDER, "5", TAGS) == "5"
    assert "pipeline_task" in lakeflow.jobs.jobs["5"]["tasks"][0]


def test_refused_settings(lakeflow: Lakeflow) -> None:
    """What Databricks says against the settings is told, with where to look."""
    with pytest.raises(DeploymentError, match="cluster settings when using serverless"):
        lakeflow.adapter().place(request(clusters=[{"label": "default", "num_workers": 1}]), FOLDER, None, TAGS)
    assert not lakeflow.room.pipelines


def test_an_unknown_field_is_refused(lakeflow: Lakeflow) -> None:
    """The server takes documented fields alone, so that what is sent is documented."""
    with pytest.raises(DeploymentError, match="is no field"):
        lakeflow.adapter().place(request(description="x"), FOLDER, None, TAGS)


@pytest.mark.parametrize("files", [{}, {"pipelines": {}, "jobs": {"a": {}}}])
def test_a_plan_without_settings(lakeflow: Lakeflow, files: dict[str, Any]) -> None:
    """A plan whose files describe no pipeline deploys nothing."""
    asked = request().model_copy(update={"resource": files})
    with pytest.raises(DeploymentError, match="describe 0 pipelines"):
        lakeflow.adapter().place(asked, FOLDER, None, TAGS)


def test_who_it_runs_as(lakeflow: Lakeflow) -> None:
    """`run_as` is set, and a service principal that the caller may not use is refused."""
    principal = {"service_principal_name": "app-1"}
    with pytest.raises(DeploymentError, match="servicePrincipal/user"):
        lakeflow.adapter().place(request(run_as=principal), FOLDER, None, TAGS)
    lakeflow.room.principals.add("app-1")
    job = lakeflow.adapter().place(request(run_as=principal), FOLDER, None, TAGS)
    shown: Any = lakeflow.adapter().settings(job)
    assert lakeflow.only.run_as == principal == shown["pipeline"]["run_as"]


def test_permissions(lakeflow: Lakeflow) -> None:
    """The permissions are those named, beside the owner's; without any the present ones stay."""
    granted = [{"group_name": "analysts", "level": "CAN_VIEW"}, {"user_name": "eve@acme.test", "level": "CAN_RUN"}]
    adapter = lakeflow.adapter()
    job = adapter.place(request(permissions=granted), FOLDER, None, TAGS)
    wanted = {("group_name", "analysts"): "CAN_VIEW", ("user_name", "eve@acme.test"): "CAN_RUN"}
    assert lakeflow.only.grants == {**wanted, ("user_name", ADA): "IS_OWNER"}
    lakeflow.only.grants["user_name", "mallory@acme.test"] = "CAN_MANAGE"
    adapter.place(request(permissions=granted), FOLDER, job, TAGS)
    assert ("user_name", "mallory@acme.test") not in lakeflow.only.grants
    adapter.place(request(), FOLDER, job, TAGS)
    assert lakeflow.only.grants == {**wanted, ("user_name", ADA): "IS_OWNER"}


def test_what_may_not_be_done(lakeflow: Lakeflow) -> None:
    """Who may only run a pipeline is told which permission is missing."""
    job = lakeflow.adapter().place(request(), FOLDER, None, TAGS)
    lakeflow.only.grants["user_name", "eve@acme.test"] = "CAN_RUN"
    with pytest.raises(DeploymentError, match="CAN_MANAGE"):
        lakeflow.adapter("eve-token").place(request(serverless=False), FOLDER, job, TAGS)


# --- looking ----------------------------------------------------------------------------------------------------------


def test_settings(lakeflow: Lakeflow) -> None:
    """They hold what a person can change by hand, and nothing that changes by itself."""
    adapter = lakeflow.adapter()
    job = adapter.place(request(), FOLDER, None, TAGS)
    before: Any = adapter.settings(job)
    adapter.run(job, key="r1", timeout=60)
    assert adapter.settings(job) == before
    assert before["tags"] == {"team": "sales", **TAGS}
    assert before["pipeline"]["permissions"] == [{"permission_level": "IS_OWNER", "user_name": ADA}]
    assert before["pipeline"]["configuration"]["target"] == TABLE


def test_folder_and_page(lakeflow: Lakeflow) -> None:
    """The folder is that of the source; the page is the pipeline's."""
    adapter = lakeflow.adapter()
    job = adapter.place(request(), FOLDER, None, TAGS)
    assert adapter.folder(job) == FOLDER
    assert adapter.url(job) == f"{lakeflow.site.server.url}/pipelines/{lakeflow.only.id}"
    assert adapter.url("99") == "https://w/jobs/99"
    with pytest.raises(NotFound):
        adapter.settings("99")


# --- running ----------------------------------------------------------------------------------------------------------


def test_a_run(lakeflow: Lakeflow) -> None:
    """It ends well, and tells the rows and failing rows of its update; the same key is the same run."""
    adapter = lakeflow.adapter()
    job = adapter.place(request(), FOLDER, None, TAGS)
    done = adapter.run(job, key="r1", timeout=60)
    assert (done.succeeded, json.loads(done.exit_value)) == (True, {"rows": 7, "failing": {"key_known": 2}})
    adapter.run(job, key="r1", timeout=60)
    assert [one.cause for one in lakeflow.only.updates] == ["JOB_TASK"]


def test_a_repeated_run_claims_nothing(lakeflow: Lakeflow) -> None:
    """Of a run that began before this call nobody knows the update, so that its rows are not told."""
    adapter = lakeflow.adapter()
    job = adapter.place(request(), FOLDER, None, TAGS)
    adapter.run(job, key="r1", timeout=60)
    again = adapter.run(job, key="r1", timeout=60)
    assert (again.succeeded, again.exit_value) == (True, "")


def test_why_an_update_failed(lakeflow: Lakeflow) -> None:
    """The errors are those of the events, with their causes: short, in one line, and without secrets or frames."""
    token = "dapi" + "0123456789abcdef" * 2
    errors = (
        ("org.apache.spark.SparkException", f"Job aborted.\n  token={token}"),
        ("java.sql.DataException", "[DIVIDE_BY_ZERO] Division by zero. " + "x" * 5000),
    )
    lakeflow.room.does = lambda pipeline, update: Outcome(errors=errors, at="RUNNING", stack=60)
    adapter = lakeflow.adapter()
    done = adapter.run(adapter.place(request(), FOLDER, None, TAGS), key="r1", timeout=60)
    assert not done.succeeded and done.exit_value == ""
    assert "SparkException: Job aborted." in done.error and "DataException: [DIVIDE_BY_ZERO]" in done.error
    assert token not in done.error and "declaring_class" not in done.error and "\n" not in done.error
    assert len(done.error) < 1000 and done.trace.startswith(done.error)
    assert done.url.endswith(f"/pipelines/{lakeflow.only.id}/updates/{lakeflow.only.updates[0].id}")


def test_errors_of_this_update_alone(lakeflow: Lakeflow) -> None:
    """Errors of an earlier update are not told for a later one, and a page of events is no limit."""
    told = iter(["first", "second"])
    known: dict[str, str] = {}

    def does(pipeline: Pipeline, update: Update) -> Outcome:
        word = known.setdefault(update.id, "") or next(told)
        known[update.id] = word
        return Outcome(errors=(("X", f"{word} trouble"),))

    lakeflow.room.does = does
    adapter = lakeflow.adapter()
    job = adapter.place(request(), FOLDER, None, TAGS)
    assert "first trouble" in adapter.run(job, key="r1", timeout=60).error
    said = adapter.run(job, key="r2", timeout=60).error
    assert "second trouble" in said and "first" not in said


def test_a_source_that_is_gone(lakeflow: Lakeflow) -> None:
    """A file that is not in the workspace any more is what the update says it is."""
    lakeflow.room.source = lambda path: None
    adapter = lakeflow.adapter()
    done = adapter.run(adapter.place(request(), FOLDER, None, TAGS), key="r1", timeout=60)
    assert f"Failed to load file '{FOLDER}/revenue_pipeline.py'" in done.error


def test_a_continuous_pipeline(lakeflow: Lakeflow) -> None:
    """Databricks begins its update; it is enough that it runs, and it is left running."""
    lakeflow.room.does = lambda pipeline, update: Outcome(endless=True)
    adapter = lakeflow.adapter()
    job = adapter.place(request(continuous=True), FOLDER, None, TAGS)
    assert adapter.run(job, key="r1", timeout=60).succeeded
    assert [one.state for one in lakeflow.only.updates] == ["RUNNING"] and not lakeflow.jobs.runs


def test_a_continuous_pipeline_that_starts_anew(lakeflow: Lakeflow) -> None:
    """After an edit Databricks ends its update and begins another, which is the one that counts."""
    lakeflow.room.does = lambda pipeline, update: Outcome(endless=True)
    adapter = lakeflow.adapter()
    job = adapter.place(request(continuous=True), FOLDER, None, TAGS)
    lakeflow.only.updates[0].state = "CANCELED"
    assert adapter.run(job, key="r1", timeout=60).error == "the update is canceled"
    waits = iter(range(100))

    def wait(event: threading.Event, seconds: float) -> None:
        if next(waits) == 1:
            lakeflow.room._begin(lakeflow.only, "USER_ACTION", {})

    assert lakeflow.adapter(wait=wait).run(job, key="r1", timeout=60).succeeded


def test_a_continuous_pipeline_that_fails(lakeflow: Lakeflow) -> None:
    """Its errors are told like any other's."""
    lakeflow.room.does = lambda pipeline, update: Outcome(errors=(("X", "no such column"),))
    adapter = lakeflow.adapter()
    done = adapter.run(adapter.place(request(continuous=True), FOLDER, None, TAGS), key="r1", timeout=60)
    assert not done.succeeded and "no such column" in done.error


def test_cancelled(lakeflow: Lakeflow) -> None:
    """Whoever follows an update hears of it, and a pipeline that is meant to go on is left alone."""
    lakeflow.room.does = lambda pipeline, update: Outcome(endless=True)
    adapter = lakeflow.adapter(wait=lambda event, seconds: adapter.cancel())
    job = adapter.place(request(continuous=True), FOLDER, None, TAGS)
    with pytest.raises(Cancelled):
        adapter.run(job, key="r1", timeout=60)
    assert lakeflow.jobs.stopped and not lakeflow.only.updates[0].stopping


# --- deleting ---------------------------------------------------------------------------------------------------------


def test_deleted_without_its_tables(lakeflow: Lakeflow) -> None:
    """Pipeline and job go, the tables stay; a second time nothing happens."""
    adapter = lakeflow.adapter()
    job = adapter.place(request(), FOLDER, None, TAGS)
    adapter.run(job, key="r1", timeout=60)
    adapter.delete(job)
    adapter.delete(job)
    assert not lakeflow.room.pipelines and not lakeflow.jobs.jobs
    assert TABLE in lakeflow.room.published


def test_deleted_while_it_runs(lakeflow: Lakeflow) -> None:
    """The active update is stopped, and has ended before the pipeline is removed."""
    lakeflow.room.does = lambda pipeline, update: Outcome(endless=True)
    adapter = lakeflow.adapter()
    job = adapter.place(request(continuous=True), FOLDER, None, TAGS)
    adapter.run(job, key="r1", timeout=60)
    made = lakeflow.only
    adapter.delete(job)
    assert [one.state for one in made.updates] == ["CANCELED"] and not lakeflow.room.pipelines


# --- faults -----------------------------------------------------------------------------------------------------------

MORE = [pytest.param(kind, marks=pytest.mark.full) for kind in ("502", "503")]
KINDS = ("429", "500", "reset", "lost", "truncated", "twice", *MORE)


def _flow(adapter: Pipelines) -> NotebookRun:
    job = adapter.find("revenue", "default")
    return adapter.run(adapter.place(request(), FOLDER, job, TAGS), key="r1", timeout=60)


def _requests(lakeflow: Lakeflow) -> int:
    return len(lakeflow.site.server.requests)


@pytest.mark.parametrize("kind", KINDS)
def test_each_single_fault(lakeflow: Lakeflow, kind: str) -> None:
    """After a fault at any request of place and run there is one pipeline, one job and one update."""
    _flow(lakeflow.adapter())
    count = _requests(lakeflow)
    for after in range(1, count + 1):
        lakeflow.room.pipelines.clear()
        lakeflow.room.published.clear()
        lakeflow.jobs.jobs.clear()
        lakeflow.jobs.runs.clear()
        lakeflow.site.fault(kind, after=after)
        assert _flow(lakeflow.adapter()).succeeded, after
        assert lakeflow.site.server.faults == [], after
        assert (len(lakeflow.jobs.jobs), len(lakeflow.only.updates)) == (1, 1), after


@pytest.mark.parametrize("kind", KINDS)
def test_each_single_fault_of_another_version(lakeflow: Lakeflow, kind: str) -> None:
    """After a fault at any request of a second deployment its settings stand, with its permissions."""
    granted = [{"group_name": "analysts", "level": "CAN_VIEW"}]
    later = {**TAGS, "pipeline_magic_digest": "d2"}
    job = lakeflow.adapter().place(request(), FOLDER, None, TAGS)
    start = _requests(lakeflow)
    lakeflow.adapter().place(request(permissions=granted), f"{FOLDER}2", job, later)
    for after in range(1, _requests(lakeflow) - start + 1):
        lakeflow.adapter().place(request(), FOLDER, job, TAGS)
        lakeflow.only.grants = {("user_name", ADA): "IS_OWNER"}
        lakeflow.site.fault(kind, after=after)
        lakeflow.adapter().place(request(permissions=granted), f"{FOLDER}2", job, later)
        assert lakeflow.site.server.faults == [], after
        assert lakeflow.only.spec["tags"]["pipeline_magic_digest"] == "d2", after
        assert lakeflow.only.spec["libraries"] == [{"file": {"path": f"{FOLDER}2/revenue_pipeline.py"}}], after
        assert lakeflow.only.grants["group_name", "analysts"] == "CAN_VIEW", after


def test_a_late_answer(lakeflow: Lakeflow) -> None:
    """An answer that comes too late is asked for again, and the creation is not done twice."""
    lakeflow.site.fault("timeout", path="/pipelines$", after=2)
    assert _flow(lakeflow.adapter()).succeeded
    assert len(lakeflow.only.updates) == 1


def test_a_lasting_fault_is_finished_by_a_repeat(lakeflow: Lakeflow) -> None:
    """Where Databricks is down for good the error says so, and the same call later ends in one of each."""
    lakeflow.site.server.refuse["PUT", "/permissions/"] = Refusal(500, "INTERNAL_ERROR", "down")
    asked = request(permissions=[{"group_name": "analysts", "level": "CAN_VIEW"}])
    with pytest.raises(DeploymentError, match="answered 500"):
        lakeflow.adapter().place(asked, FOLDER, None, TAGS)
    lakeflow.site.server.refuse.clear()
    lakeflow.adapter().place(asked, FOLDER, None, TAGS)
    assert lakeflow.only.grants["group_name", "analysts"] == "CAN_VIEW" and len(lakeflow.jobs.jobs) == 1
