"""Deploying a plan to Lakeflow Jobs and rolling it back, by the agents that do it; also when it is cut off anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.agents.approval.heads import gather
from pipeline_magic.agents.operations.deploy import HEAD_TAG
from pipeline_magic.compiler.bundle import bundle_files
from pipeline_magic.compiler.environments import DEFAULT
from pipeline_magic.errors import DeploymentError
from pipeline_magic.runs import File
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.spec.typed import type_spec
from tests.support import trust
from tests.support.databricks_server import Fault
from tests.support.databricks_server.oneoff import Executed
from tests.support.lakeflow_site import JobSite, job_site
from tests.support.light import World
from tests.support.local import notebook

TARGET = "analytics.default.daily"
ORDERS = TableSchema(table="samples.tpch.orders", columns=(Column(name="o_orderkey", type="bigint"),))


class Place:
    """A workspace, and a world that deploys there; a run of the job is one commit of its target."""

    def __init__(self, home: Path, site: JobSite) -> None:
        self.site = site
        self.world = World(home)
        self.world.jobs = site.deployer()  # type: ignore[assignment]  # another deployer
        self.world.open()
        site.jobs.runner = self._run

    def _run(self, parsed: Any, parameters: Any, user: str) -> Executed:
        source = "".join(parsed["cells"][0]["source"])
        self.world.tables.write(parameters["target"], source, by=user, job=str(self.site.job.id))
        return Executed(exit_value='{"rows": 1}')

    def deploy(self, run_id: str, source: str, **changes: Any) -> None:
        """Approve and deploy a plan whose notebook is that one line."""
        spec = trust.spec(description=f"Version {source}")
        typed = type_spec(spec, {"orders": ORDERS})
        text = notebook(source)
        files = (
            File(path="pipelines/daily/daily.ipynb", content=text),
            *bundle_files(typed, DEFAULT, repository="data"),
        )
        self.world.deploy(run_id, notebook=text, files=files, spec=spec, **changes)

    @property
    def description(self) -> str:
        return str(self.site.job.settings["description"])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with job_site() as site:
        made = Place(tmp_path, site)
        yield made
        made.world.store.close()


def test_a_deployed_plan_goes_back(place: Place) -> None:
    """Job, notebook and table are as before; then the first deployment goes too, and nothing is left."""
    place.deploy("r-1", "1")
    deployment = place.world.store.deployment("r-1")
    assert deployment is not None
    assert (deployment.id, deployment.rows) == (f"job:{place.site.job.id}", 1)
    assert deployment.url.endswith(f"/jobs/{place.site.job.id}")
    place.deploy("r-2", "2")
    assert place.description == "Version 2"
    second = place.site.job.settings["tasks"][0]["notebook_task"]["notebook_path"]
    assert place.world.undo("r-2").state == "rolled_back"
    assert place.description == "Version 1"
    path = place.site.job.settings["tasks"][0]["notebook_task"]["notebook_path"]
    assert path != second
    assert place.site.files.notebook(path)["cells"][0]["source"] == ["1"]
    assert place.world.tables.rows[TARGET][-1] == place.world.tables.rows[TARGET][0]
    assert place.world.undo("r-1").state == "rolled_back"
    assert not place.site.jobs.jobs and TARGET not in place.world.tables.commits


def test_the_audit_head_is_a_tag(place: Place) -> None:
    """The job holds the audit's head outside the store, where verifying looks for it."""
    place.deploy("r-1", "1")
    number, _, told = place.site.job.tags[HEAD_TAG].partition(":")
    assert number.isdigit() and len(told) == 64
    found, unreadable = gather(place.world.store, place.world.jobs, place.world.git, HEAD_TAG)
    assert not unreadable
    assert any(told in str(head) for head in found)


def test_a_failing_first_run_is_told_with_its_page(place: Place) -> None:
    """The deployment is failed, the error says where the run is; a resume runs it anew, in the same job."""
    run, place.site.jobs.runner = (
        place.site.jobs.runner,
        lambda *_: Executed(error="ValueError: bad rows", trace="at 1"),
    )
    with pytest.raises(DeploymentError, match="bad rows") as raised:
        place.deploy("r-1", "1")
    assert "/run/" in raised.value.where
    place.site.jobs.runner = run
    place.deploy("r-1", "1")
    deployment = place.world.store.deployment("r-1")
    assert deployment is not None and deployment.state == "deployed"
    assert len(place.site.jobs.jobs) == 1
    assert [one.code for one in place.site.jobs.runs.values()] == ["RUN_EXECUTION_ERROR", "SUCCESS"]


def _moments(home: Path) -> int:
    with job_site() as site:
        made = Place(home, site)
        made.deploy("r-1", "1")
        made.world.crashing(10_000, lambda: made.deploy("r-2", "2"))
        count = len(made.world.moments)
        made.world.crashing(10_000, lambda: made.world.undo("r-2"))
        made.world.store.close()
        return count + len(made.world.moments)


@pytest.mark.full
def test_cut_off_anywhere(tmp_path: Path) -> None:
    """Deploying over another deployment, and rolling that back, cut off at every sixth call, end as ever."""
    total = _moments(tmp_path / "count")
    assert total > 40
    for at in range(1, total + 1, 6):
        with job_site() as site:
            made = Place(tmp_path / str(at), site)
            made.deploy("r-1", "1")
            if made.world.crashing(at, lambda made=made: made.deploy("r-2", "2")):  # type: ignore[misc]
                made.world.store.close()
                made.world.open()
                made.deploy("r-2", "2")
            assert made.description == "Version 2"
            assert len(site.jobs.runs) == 2
            left = at - len(made.world.moments)
            if left > 0 and made.world.crashing(left, lambda made=made: made.world.undo("r-2")):  # type: ignore[misc]
                made.world.store.close()
                made.world.open()
            assert made.world.undo("r-2").state == "rolled_back"
            assert made.description == "Version 1"
            assert made.world.tables.rows[TARGET][-1] == made.world.tables.rows[TARGET][0]
            assert len(site.jobs.jobs) == 1
            made.world.store.close()


def test_a_fault_while_rolling_back(place: Place) -> None:
    """The reset that puts back what was before meets a fault, and ends as ever."""
    place.deploy("r-1", "1")
    place.deploy("r-2", "2")
    place.site.server.faults.append(Fault("lost", path="jobs/reset"))
    assert place.world.undo("r-2").state == "rolled_back"
    assert place.description == "Version 1"
    assert len(place.site.jobs.jobs) == 1
