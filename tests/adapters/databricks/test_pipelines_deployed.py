"""Declarative deployments as a whole: what the compiler writes, put in place by the deployer, with real jobs and files
of the strict workspace."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pipeline_magic.adapters.databricks.deployer import LakeflowDeployer
from pipeline_magic.adapters.databricks.dry_runs import DryRuns
from pipeline_magic.compiler.bundle import resource
from pipeline_magic.compiler.environments import Environment, Permission
from pipeline_magic.compiler.files import compile_files
from pipeline_magic.compiler.jobs import pipeline_settings
from pipeline_magic.errors import DeploymentError, NotFound
from pipeline_magic.ports import Deployer, DeployRequest
from pipeline_magic.spec.typed import TypedSpec
from tests.support.compiled import Case, cases
from tests.support.databricks_server.oneoff import Executed
from tests.support.databricks_server.pipelines import Outcome, Pipeline, Pipelines
from tests.support.databricks_server.world import World
from tests.support.lakeflow import declared
from tests.support.lakeflow_site import ADA, JobSite, job_site

PRINCIPAL = "0a1b2c3d-0000-4000-8000-000000000001"
DECLARED = [case for case in cases() if declared(case) is not None]
WHOLE = Environment(
    name="default",
    serverless=False,
    node_type="i3.xlarge",
    spark_version="17.3.x-scala2.13",
    workers=2,
    notify=("ops@acme.test",),
    tags={"team": "data"},
    run_as=PRINCIPAL,
    permissions=(Permission(kind="group_name", name="analysts", level="CAN_RUN"),),
)


@dataclass
class Lake:
    """A workspace whose jobs run pipelines."""

    site: JobSite
    room: Pipelines

    @property
    def only(self) -> Pipeline:
        [found] = self.room.pipelines.values()
        return found

    def task(self, pipeline: str, run: int) -> Executed:
        """What a job's pipeline task does: it starts an update, and follows it."""
        made = self.room.pipelines[pipeline]
        update = self.room._begin(made, "JOB_TASK", {})
        while made.active:
            self.room._go_on(made)
        return Executed(error="" if update.state == "COMPLETED" else "Update failed")


@pytest.fixture
def lake() -> Iterator[Lake]:
    with job_site() as site:
        room = Pipelines(World(site.server))
        room.source = site.files.text
        room.principals = {PRINCIPAL}
        site.files.principals.add(PRINCIPAL)
        site.jobs.usable[ADA] = {PRINCIPAL}
        site.server.add(room)
        made = Lake(site, room)
        site.jobs.pipeline_runner = made.task
        site.jobs.pipelines = lambda: room.pipelines
        yield made


def typed_of(case: Case) -> TypedSpec:
    typed = declared(case)
    assert typed is not None
    return typed


def asked(typed: TypedSpec, environment: Environment, *, key: str = "k1", digest: str = "d1") -> DeployRequest:
    """The request of a plan of that spec."""
    name = typed.spec.name
    files = {file.path: file.content for file in compile_files(typed)}
    notebook = files[f"pipelines/{name}/{name}.ipynb"]
    source = f"pipelines/{name}/{name}_pipeline.py"
    return DeployRequest(
        pipeline=name,
        environment=environment.name,
        spec=typed.spec,
        notebook=notebook,
        notebook_path=f"pipelines/{name}/{hashlib.sha256(notebook.encode()).hexdigest()}/{name}.ipynb",
        parameters={},
        digest=digest,
        key=key,
        resource=resource(typed, environment),
        files={source: files[source]},
    )


SOME = pytest.param(29, id="some")
EVERY = pytest.param(1, id="every", marks=pytest.mark.full)


@pytest.mark.parametrize("step", [SOME, EVERY])
@pytest.mark.parametrize("environment", [Environment(name="default"), WHOLE], ids=["plain", "whole"])
def test_what_the_compiler_writes_is_taken(lake: Lake, environment: Environment, step: int) -> None:
    """Settings of the golden cases pass the strict workspace, and a run of each ends well."""
    deployer = lake.site.deployer()
    for case in DECLARED[::step]:
        typed = typed_of(case)
        target = typed.spec.target.table.rpartition(".")[2]
        lake.room.does = lambda pipeline, update, target=target: Outcome(rows=3, publishes=(target,))  # type: ignore[misc]
        made = deployer.deploy(asked(typed, environment))
        assert made.id.startswith("pipeline:"), case.name
        done = deployer.run_now(made.id, key="run-1")
        if lake.only.spec["continuous"]:
            assert done.succeeded
        else:
            assert (done.succeeded, json.loads(done.exit_value)) == (True, {"rows": 3}), (case.name, done.error)
        assert deployer.settings(made.id)["changed_by_hand"] == [], case.name
        deployer.delete(made.id)
        assert not lake.room.pipelines and not lake.site.jobs.jobs, case.name
        lake.room.published.clear()


def test_as_every_deployer(lake: Lake) -> None:
    """Nothing is there before; the same key is one deployment and one run; deleted, it is gone, twice over."""
    deployer: Deployer = lake.site.deployer()
    request = asked(typed_of(DECLARED[0]), Environment(name="default"))
    assert deployer.find(request.pipeline, "default") is None
    made = deployer.deploy(request)
    assert deployer.deploy(request) == made == deployer.find(request.pipeline, "default")
    assert deployer.find(request.pipeline, "prod") is None
    assert deployer.previous(made.id) is None
    assert deployer.settings(made.id)["digest"] == made.digest == "d1"
    first = deployer.run_now(made.id, key="run-1")
    assert first.succeeded and deployer.run_now(made.id, key="run-1").succeeded
    assert len(lake.only.updates) == 1
    deployer.run_now(made.id, key="run-2")
    assert len(lake.only.updates) == 2
    assert deployer.written(made.id, request.spec.target.table, ()) == frozenset()
    assert made.url == f"{lake.site.server.url}/pipelines/{lake.only.id}"
    deployer.delete(made.id)
    deployer.delete(made.id)
    assert deployer.find(request.pipeline, "default") is None
    for asks in (deployer.settings, deployer.previous, lambda id_: deployer.run_now(id_, key="run-3")):
        with pytest.raises(NotFound):
            asks(made.id)


def test_from_a_notebook_and_back(lake: Lake) -> None:
    """A deployment may turn from a job that runs a notebook into a pipeline and back; there is one job throughout."""
    deployer = lake.site.deployer()
    typed = typed_of(DECLARED[0])
    notebook = typed.model_copy(update={"spec": typed.spec.model_copy(update={"deployment": "job"})})
    declared_ = asked(typed, Environment(name="default"), key="k2", digest="d2")
    as_job = declared_.model_copy(
        update={
            "spec": notebook.spec,
            "key": "k1",
            "digest": "d1",
            "files": {},
            "resource": resource(notebook, Environment(name="default")),
        }
    )
    first = deployer.deploy(as_job)
    second = deployer.deploy(declared_)
    assert (first.id.partition(":")[0], second.id.partition(":")[0]) == ("job", "pipeline")
    assert len(lake.site.jobs.jobs) == len(lake.room.pipelines) == 1
    assert deployer.previous(second.id) == as_job
    again = deployer.deploy(as_job.model_copy(update={"key": "k3"}))
    assert again.id == first.id and "notebook_task" in lake.site.job.settings["tasks"][0]
    deployer.deploy(declared_.model_copy(update={"key": "k4"}))
    assert len(lake.site.jobs.jobs) == len(lake.room.pipelines) == 1


def test_deployed_found_and_put_back(lake: Lake) -> None:
    """A second version takes the place of the first; the first is put back whole, source, settings and tags."""
    first = asked(typed_of(DECLARED[0]), Environment(name="default"))
    second = first.model_copy(
        update={
            "key": "k2",
            "digest": "d2",
            "files": {path: text + "\n# later\n" for path, text in first.files.items()},
            "resource": resource(typed_of(DECLARED[0]), WHOLE),
        }
    )
    deployer = lake.site.deployer()
    made = deployer.deploy(first)
    before = deployer.settings(made.id)
    assert deployer.deploy(second).id == made.id
    assert lake.only.run_as == {"service_principal_name": PRINCIPAL}
    previous = lake.site.deployer().previous(made.id)
    assert previous == first
    found = deployer.find(first.pipeline, "default")
    assert found is not None and (found.digest, found.id) == ("d2", made.id)
    deployer.deploy(first.model_copy(update={"resource": {**first.resource}}))
    after = deployer.settings(made.id)
    held: Any = after["pipeline"]
    assert held["run_as"] == {"user_name": ADA}  # before it was said by nobody, and was Ada's too
    assert {**held, "run_as": None} == {**before["pipeline"], "run_as": None}  # type: ignore[dict-item]
    assert after["permissions"] == before["permissions"]
    assert after["tags"] == before["tags"] == lake.only.spec["tags"]


def test_a_hand_made_change_is_named(lake: Lake) -> None:
    """What a person changes in the pipeline's settings or in its source is named, and the source is not run."""
    request = asked(typed_of(DECLARED[0]), Environment(name="default"))
    deployer = lake.site.deployer()
    made = deployer.deploy(request)
    lake.only.spec["development"] = True
    assert deployer.run_now(made.id, key="run-0").succeeded  # it decides nothing of what a run does
    changed: Any = deployer.settings(made.id)["changed_by_hand"]
    assert len(changed) == 1 and "pipeline.development" in changed[0]
    path = lake.only.spec["libraries"][0]["file"]["path"].removeprefix("/Workspace")
    lake.site.files.items[path].text += "\n# mine\n"
    with pytest.raises(DeploymentError, match="changed by hand"):
        deployer.run_now(made.id, key="run-1")
    deployer.deploy(request.model_copy(update={"key": "k2"}))
    assert deployer.run_now(made.id, key="run-1").succeeded
    lake.only.spec["configuration"]["target"] = "shop.sales.other"
    with pytest.raises(DeploymentError, match=r"pipeline\.configuration\.target"):
        deployer.run_now(made.id, key="run-2")


def test_why_it_failed(lake: Lake) -> None:
    """The error of a failed run is the update's own, not the job's "see output"."""
    lake.room.does = lambda pipeline, update: Outcome(errors=(("AnalysisException", "no such column `x`"),))
    deployer = lake.site.deployer()
    made = deployer.deploy(asked(typed_of(DECLARED[0]), Environment(name="default")))
    done = deployer.run_now(made.id, key="run-1")
    assert not done.succeeded and "AnalysisException: no such column `x`" in done.error
    assert "/pipelines/" in done.url


def test_validated_before(lake: Lake) -> None:
    """A validation takes the compiler's settings and source, and leaves the deployment alone."""
    typed = typed_of(DECLARED[0])
    request = asked(typed, WHOLE)
    deployer = lake.site.deployer()
    deployer.deploy(request)
    before = dict(lake.only.spec)
    [(path, text)] = request.files.items()
    name = path.rpartition("/")[2]
    runs = DryRuns(deployer._client, sleep=lambda seconds: None, wait=lambda event, seconds: None)
    settings = pipeline_settings(typed, WHOLE, name)
    assert runs.run({name: text}, settings, name="pipeline_magic_r1_ab", timeout=600).valid
    assert lake.only.spec == before


KINDS = ["lost", "truncated", "twice", *(pytest.param(kind, marks=pytest.mark.full) for kind in ("429", "500"))]


@pytest.mark.parametrize("step", [pytest.param(9, id="some"), EVERY])
@pytest.mark.parametrize("kind", KINDS)
def test_each_single_fault(lake: Lake, kind: str, step: int) -> None:
    """After a fault at any request of a deployment and its first run there is one pipeline, one job and one update."""
    request = asked(typed_of(DECLARED[0]), WHOLE)

    def flow(deployer: LakeflowDeployer) -> bool:
        return deployer.run_now(deployer.deploy(request).id, key="run-1").succeeded

    flow(lake.site.deployer())
    count = len(lake.site.server.requests)
    for after in range(1 + len(kind) % step, count + 1, step):
        lake.room.pipelines.clear()
        lake.site.jobs.jobs.clear()
        lake.site.jobs.runs.clear()
        lake.site.jobs._tokens.clear()
        lake.site.files.items = {path: item for path, item in lake.site.files.items.items() if path.count("/") < 3}
        lake.site.fault(kind, after=after)
        assert flow(lake.site.deployer()), after
        lake.site.server.faults.clear()  # a run that ended sooner is looked at less often
        assert (len(lake.site.jobs.jobs), len(lake.only.updates)) == (1, 1), after
