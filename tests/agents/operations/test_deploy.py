"""What is put in place is what the approved plan says, and nothing that anybody's settings say by then."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic.ports import DeployRequest
from pipeline_magic.runs import File
from tests.support import trust
from tests.support.light import World

MAPPED = "analytics_prod.default.daily"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()


def test_all_of_it_is_the_plans(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebook, its path, parameters, pause, digest and environment come from the plan; the table it writes too."""
    monkeypatch.setitem(os.environ, "PIPELINE_MAGIC_ENVIRONMENT", "prod")
    given = {"target": MAPPED, "source_orders": "samples_prod.tpch.orders"}
    run = world.deploy(parameters=given, settings={"written": {"paused": True}})
    [request] = world.jobs.jobs["job-daily"]
    plan, _ = world.store.plan(run.approval_id)
    assert (request.spec, request.parameters, request.environment) == (plan.spec, plan.parameters, plan.environment)
    assert request.parameters == given and request.paused
    assert (request.digest, request.key) == (run.digest, f"deploy-{run.approval_id}")
    assert hashlib.sha256(request.notebook.encode()).hexdigest() in request.notebook_path
    assert set(world.tables.commits) == {MAPPED}
    assert world.tables.comments[MAPPED][1]["pipeline_magic.digest"] == run.digest[:12]
    deployment = world.store.deployment(run.id)
    assert deployment is not None
    assert (deployment.target_version_before, deployment.target_version_after) == (None, "0")


def test_what_was_there_is_kept_before_the_first_write(world: World) -> None:
    """Version, comment and tags of the tables, and the settings of the job, stand with the effects from then on."""
    world.deploy("r-1", spec=trust.spec(description="First"))
    world.deploy("r-2", notebook="2")
    results = {effect.kind: effect.result for effect in world.store.effects("r-2")}
    kept = results["tables.before"]["analytics.default.daily"]
    assert (kept["version"], kept["comment"]) == ("0", "First")
    assert kept["tags"]["pipeline_magic.digest"] == world.store.run("r-1").digest[:12]
    assert results["job.deploy"]["previous"]["notebook"] == "1"
    order = [effect.kind for effect in world.store.effects("r-2")]
    assert order.index("tables.before") < order.index("job.deploy") < order.index("job.run")


def test_deploying_again_is_nothing(world: World) -> None:
    """The same approval twice is one deployment and one run."""
    run = world.deploy()
    target = trust.spec().target.table
    before = world.store.audit(), world.store.deployment(run.id), len(world.tables.commits[target])
    assert world.deploy().approval_id == run.approval_id
    assert (world.store.audit(), world.store.deployment(run.id), len(world.tables.commits[target])) == before


RESOURCE = """
variables: {daily_target: {default: analytics.default.daily}}
resources:
  jobs: {daily: {name: 'daily (${bundle.target})', parameters: [{name: target, default: '${var.daily_target}'}]}}
targets: {default: {resources: {jobs: {daily: {description: of default}}}}}
"""


def test_settings_are_read_from_the_plans_files(world: World) -> None:
    """The deployer is given the settings of the environment as the approved files hold them, and nothing else."""
    files = (File(path="resources/daily.job.yml", content=RESOURCE),)
    world.deploy("r-1", files=files)
    [request] = world.jobs.jobs["job-daily"]
    parameters = [{"name": "target", "default": "analytics.default.daily"}]
    settings = {"name": "daily (default)", "parameters": parameters, "description": "of default"}
    assert request.resource == {"jobs": {"daily": settings}}
    assert request.files == {}


def test_a_plan_without_settings_asks_for_none(world: World) -> None:
    """A plan without a resource file can be deployed where none is needed; a stored request without them is valid."""
    world.deploy("r-1")
    [request] = world.jobs.jobs["job-daily"]
    assert (request.resource, request.files) == ({}, {})
    old = request.model_dump(mode="json", exclude={"resource", "files"})
    assert DeployRequest.model_validate(old) == request


def test_sources_of_a_declarative_pipeline(world: World) -> None:
    """The source of a declarative pipeline goes with the request, by its path; other files do not."""
    source = File(path="pipelines/daily/daily_pipeline.py", content="x = 1\n")
    other = File(path="pipelines/daily/README.md", content="# daily\n")
    spec = trust.spec(deployment="declarative")
    world.deploy("r-1", spec=spec, files=(source, other))
    [request] = world.jobs.jobs["job-daily"]
    assert request.files == {source.path: source.content}


def test_a_materialized_view_has_no_history(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its history is never asked for, which Databricks would refuse; that of a streaming table is kept."""
    asked: list[str] = []
    history = world.tables.history
    monkeypatch.setattr(world.tables, "history", lambda table: [asked.append(table), *history(table)][1:])
    for mode in ("overwrite", "append"):
        target = {"table": MAPPED, "input": "orders", "mode": mode}
        run = world.deploy(f"r-{mode}", spec=trust.spec(target=target, deployment="declarative"))
        deployment = world.store.deployment(run.id)
        assert deployment is not None and deployment.state == "deployed"
        assert bool(asked) == (mode == "append")
        assert (deployment.target_version_after is None) == (mode == "overwrite")
