"""One deployment, whatever goes wrong on the way; what runs is what was deployed; what was there before comes back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline_magic.adapters.databricks.deployer import deployer_of
from pipeline_magic.adapters.databricks.drift import drift
from pipeline_magic.adapters.databricks.workspace_files import same_content
from pipeline_magic.compiler.environments import Permission
from pipeline_magic.config import Settings
from pipeline_magic.errors import DeploymentError, PipelineMagicError
from tests.support.databricks_server import Fault, Refusal
from tests.support.lakeflow_site import ADA, ROOT, JobSite, job_site, with_resource
from tests.support.local import notebook, request
from tests.support.trust import StepClock


@pytest.fixture
def site() -> Iterator[JobSite]:
    with job_site() as made:
        yield made


def asked(text: str = "1", *, environment: dict[str, Any] | None = None, **changes: Any) -> Any:
    return with_resource(request(notebook(text), **changes), **(environment or {}))


def edit(site: JobSite, ending: str, old: str, new: str) -> None:
    """Change what lies in the workspace, by hand."""
    [path] = [path for path in site.files.items if path.endswith(ending)]
    site.files.items[path].text = site.files.items[path].text.replace(old, new)


# --- what runs -------------------------------------------------------------------------------------------------------


def test_where_it_lies(site: JobSite) -> None:
    """Notebook and record lie below the root, by environment, pipeline and hash; the job runs that notebook."""
    wanted = asked()
    deployer = site.deployer()
    made = deployer.deploy(wanted)
    place = f"{ROOT}/default/{wanted.notebook_path.removesuffix('.ipynb')}"
    assert site.job.settings["tasks"][0]["notebook_task"]["notebook_path"] == place
    assert [f"/Workspace{path}" for path in site.files.paths("NOTEBOOK")] == [place]
    [record] = site.files.paths("FILE")
    assert f"/Workspace{record}".startswith(f"{ROOT}/default/pipelines/daily/deployments/")
    assert made.url == f"{site.server.url}/jobs/{site.job.id}"
    assert deployer.name.startswith("Lakeflow Jobs at 127.0.0.1")


def test_another_root(site: JobSite) -> None:
    """A root that is given is used as it is."""
    site.deployer(root="/Workspace/Shared/pipelines/").deploy(asked())
    assert all(path.startswith("/Shared/pipelines/default/") for path in site.files.paths("NOTEBOOK"))


def test_made_from_settings(site: JobSite) -> None:
    """The settings' root is the deployer's; the clock gives the next run."""
    settings = Settings(databricks_workspace_root="/Workspace/Shared/x")
    client = site.deployer()._client
    made = deployer_of(client, settings, StepClock()).deploy(asked())
    assert made.next_run == "2026-11-02T11:00:00+00:00"
    assert site.files.paths("NOTEBOOK")[0].startswith("/Shared/x/")


@pytest.mark.parametrize("change", ["changed", "removed", "elsewhere"])
def test_a_changed_notebook_does_not_run(site: JobSite, change: str) -> None:
    """What was changed by hand after the deployment refuses to run, is shown, and deploying again puts it back."""
    deployer = site.deployer()
    made = deployer.deploy(asked("spark.sql('SELECT 1')"))
    if change == "changed":
        edit(site, site.files.paths("NOTEBOOK")[0], "SELECT 1", "SELECT 2")
    elif change == "removed":
        [path] = site.files.paths("NOTEBOOK")
        del site.files.items[path]
    else:
        site.job.settings["tasks"][0]["notebook_task"]["notebook_path"] = f"/Workspace/Users/{ADA}/other/sub/daily"
    with pytest.raises(DeploymentError) as raised:
        deployer.run_now(made.id, key="r")
    assert "again" in raised.value.hint
    assert not site.jobs.runs
    assert deployer.settings(made.id)["changed_by_hand"]
    deployer.deploy(asked("spark.sql('SELECT 1')"))
    assert deployer.run_now(made.id, key="r").succeeded
    assert deployer.settings(made.id)["changed_by_hand"] == []


@pytest.mark.parametrize("change", ["target", "retries", "run_as"])
def test_a_changed_task_does_not_run(site: JobSite, change: str) -> None:
    """Parameters, tasks and identity are what was approved, or nothing runs; a changed schedule does not matter."""
    deployer = site.deployer()
    made = deployer.deploy(asked(parameters={"target": "out.ops.t"}))
    site.job.settings["schedule"]["pause_status"] = "PAUSED"
    assert deployer.run_now(made.id, key="r1").succeeded
    if change == "target":
        site.job.settings["parameters"][-1]["default"] = "prod.money.accounts"
    elif change == "retries":
        site.job.settings["tasks"][0]["max_retries"] = 50
    else:
        site.job.run_as = "eve@acme.test"
    with pytest.raises(DeploymentError, match="is not what was deployed"):
        deployer.run_now(made.id, key="r2")
    assert len(site.jobs.runs) == 1


def test_notebooks_are_compared_by_their_cells() -> None:
    """The workspace's own form is the same notebook; another line is not, nor is a cell more."""
    mine = notebook("a = 1\nb = 2", "# %md x")
    other = json.loads(mine)
    other["cells"][0] |= {"source": ["a = 1\n", "b = 2\n"], "outputs": [{"text": "x"}], "metadata": {"x": 1}}
    assert same_content(mine, json.dumps(other))
    other["cells"][0]["source"] = ["a = 1\n", " b = 2"]
    assert not same_content(mine, json.dumps(other))
    assert not same_content(mine, notebook("a = 1\nb = 2", "# %md x", "drop()"))
    assert not same_content(mine, notebook("a = 1\nb = 2"))
    assert not same_content("x = 1\n", "x = 2\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"resource": {}}, "no settings of a job"),
        ({"notebook": notebook("2")}, "not the one that its path names"),
        ({"notebook_path": "/etc/" + "0" * 64 + "/x.ipynb"}, "leads out"),
        ({"parameters": {"target": "out.ops.u"}}, "`out.ops.t` in the files, and `out.ops.u` in the plan"),
    ],
)
def test_a_request_that_contradicts_itself(site: JobSite, change: dict[str, Any], said: str) -> None:
    """Nothing is asked of Databricks for it."""
    wanted = asked(parameters={"target": "out.ops.t"}).model_copy(update=change)
    with pytest.raises(DeploymentError, match=said):
        site.deployer().deploy(wanted)
    assert not site.server.requests


# --- what was there before -------------------------------------------------------------------------------------------


def test_previous_goes_back_and_forth(site: JobSite) -> None:
    """Each deployment knows the one before; putting that back is a deployment, whose own one before is the bad one."""
    deployer = site.deployer()
    first, second = asked("1"), asked("2", key="k2", digest="d2")
    made = deployer.deploy(first)
    assert deployer.previous(made.id) is None
    deployer.deploy(second)
    deployer.deploy(second)
    assert deployer.previous(made.id) == first
    back = first.model_copy(update={"key": "rollback"})
    deployer.deploy(back)
    assert deployer.settings(made.id)["digest"] == "d1"
    assert deployer.previous(made.id) == second
    assert len(site.files.paths("FILE")) == 3


def test_previous_after_a_crash(site: JobSite) -> None:
    """A deployment that was cut off between its record and the reset has, once repeated, the same one before."""
    deployer = site.deployer()
    first, second = asked("1"), asked("2", key="k2")
    made = deployer.deploy(first)
    site.server.refuse["POST", "jobs/reset"] = Refusal(400, "INVALID_STATE", "Not now.")
    with pytest.raises(DeploymentError, match="Not now"):
        deployer.deploy(second)
    assert deployer.previous(made.id) is None
    site.server.refuse.clear()
    deployer.deploy(second)
    assert deployer.previous(made.id) == first


def test_previous_that_nobody_kept(site: JobSite) -> None:
    """A job that the bundle deployed has no record: what was before it is not known, and that is said."""
    deployer = site.deployer()
    made = deployer.deploy(asked())
    for name in ("pipeline_magic_key", "pipeline_magic_digest"):
        del site.job.settings["tags"][name]
    with pytest.raises(DeploymentError, match="not deployed from here"):
        deployer.previous(made.id)
    assert deployer.settings(made.id)["digest"] == ""
    assert deployer.run_now(made.id, key="r").succeeded
    deployer.deploy(asked("2", key="k2"))
    with pytest.raises(DeploymentError, match="not deployed from here") as raised:
        deployer.previous(made.id)
    kept = json.loads(site.files.items[raised.value.where.removeprefix("/Workspace")].text)
    assert kept["found"]["name"] == "daily (default)"


def test_a_record_that_was_tampered_with(site: JobSite) -> None:
    """A notebook in a record has to have the hash of its path; a record that is none is an error that says where."""
    deployer = site.deployer()
    deployer.deploy(asked("'aaa'"))
    made = deployer.deploy(asked("2", key="k2"))
    first = next(path for path in site.files.paths("FILE") if "'aaa'" in site.files.items[path].text)
    edit(site, first, "'aaa'", "'bbb'")
    with pytest.raises(DeploymentError, match="not the one that its path names"):
        deployer.previous(made.id)
    edit(site, first, "'bbb'", "'aaa'")
    assert deployer.previous(made.id) is not None
    edit(site, first, '"pipeline": "daily"', '"pipeline": "payroll"')
    with pytest.raises(DeploymentError, match="another pipeline"):
        deployer.previous(made.id)
    site.files.items[first].text = "{}"
    with pytest.raises(DeploymentError, match="damaged") as raised:
        deployer.previous(made.id)
    assert raised.value.where.endswith(first)


def test_permissions_go_as_they_came(site: JobSite) -> None:
    """Permissions that a deployment gave are taken back by one without them; those that a person gave stay."""
    deployer = site.deployer()
    made = deployer.deploy(asked())
    site.job.permissions["group_name", "support"] = "CAN_VIEW"
    deployer.deploy(asked("2", key="k2"))
    assert site.job.permissions["group_name", "support"] == "CAN_VIEW"
    listed = (Permission(kind="group_name", name="analysts", level="CAN_MANAGE"),)
    deployer.deploy(asked("3", key="k3", environment={"permissions": listed}))
    assert site.job.permissions["group_name", "analysts"] == "CAN_MANAGE"
    previous = deployer.previous(made.id)
    assert previous is not None
    deployer.deploy(previous.model_copy(update={"key": "rollback"}))
    assert site.job.permissions == {("user_name", ADA): "IS_OWNER"}


def test_trouble_is_no_change(site: JobSite) -> None:
    """A workspace that does not answer is an error, never a change made by hand."""
    deployer = site.deployer()
    made = deployer.deploy(asked())
    site.server.refuse["GET", "workspace/export"] = Refusal(500, "INTERNAL_ERROR", "Something went wrong.")
    for call in (deployer.settings, deployer.previous, lambda _: deployer.find("daily", "default")):
        with pytest.raises(DeploymentError, match="Databricks answered 500"):
            call(made.id)


def test_a_record_of_somebody_else(site: JobSite) -> None:
    """Whoever may manage the job and not read its record is told so, can deploy, and knows no settings before."""
    deployer = site.deployer()
    made = deployer.deploy(asked())
    site.job.permissions["user_name", "eve@acme.test"] = "CAN_MANAGE"
    site.server.refuse["GET", "workspace/export"] = Refusal(403, "PERMISSION_DENIED", "No Read permission.")
    eve = site.deployer("eve-token")
    found = eve.find("daily", "default")
    assert found is not None and found.id == made.id
    [said] = eve.settings(made.id)["changed_by_hand"]  # type: ignore[misc]
    assert "may not read" in str(said)
    site.server.refuse.clear()
    eve.deploy(asked("2", key="k2"))
    assert site.job.run_as == "eve@acme.test"
    assert any("/eve@acme.test/" in path for path in site.files.paths("NOTEBOOK"))


# --- changed by hand -------------------------------------------------------------------------------------------------


def test_what_was_changed_by_hand_is_said(site: JobSite) -> None:
    """Settings, identity, permissions and tags: each change by its path, in words, until it is deployed over."""
    deployer = site.deployer()
    made = deployer.deploy(asked())
    before = deployer.settings(made.id)
    site.job.settings["schedule"]["pause_status"] = "PAUSED"
    site.job.settings["email_notifications"] = {"on_success": ["me@acme.test"]}
    site.job.permissions["group_name", "everybody"] = "CAN_MANAGE"
    del site.job.settings["description"]
    found = deployer.settings(made.id)
    said = "\n".join(map(str, found["changed_by_hand"]))  # type: ignore[arg-type]
    assert '`schedule.pause_status` is "PAUSED", and was deployed as "UNPAUSED"' in said
    assert "`email_notifications.on_success` was added by hand" in said
    assert "`permissions` is" in said and "everybody" in said
    assert "`description` was removed by hand" in said
    assert found != before
    deployer.deploy(asked("2", key="k2"))
    assert deployer.settings(made.id)["changed_by_hand"] == []


def test_no_false_drift() -> None:
    """What a service writes where nothing was said is no change; a number, a text and a list are."""
    written = {"a": {"b": 1}, "c": [1, 2]}
    assert drift(written, {"a": {"b": 1, "new": {}}, "c": [1, 2], "d": None, "e": 0, "f": ""}) == ()
    assert len(drift(written, {"a": {"b": 2}, "c": [1, 3]})) == 2
    assert drift(written, {"a": {"b": 1}}) == ("`c` was removed by hand, and was deployed as [1, 2]",)
    many = drift({}, {str(place): "x" * 500 for place in range(50)})
    assert len(many) == 31 and many[-1] == "and 20 more" and all(len(line) < 200 for line in many)


# --- faults ----------------------------------------------------------------------------------------------------------

KINDS = Fault.KINDS
BOUNDED = ("lost", "twice")
"""Kinds that are tried at every request in each run of the tests; the others there at every fifth."""


def _calls_of_a_flow() -> int:
    """Requests of one deployment over another one, and its run."""
    with job_site() as site:
        return _flow(site, site.deployer())


def _flow(site: JobSite, deployer: Any) -> int:
    start = len(site.server.requests)
    made = deployer.deploy(asked())
    deployer.run_now(made.id, key="r1")
    return len(site.server.requests) - start


def _whole(site: JobSite) -> None:
    """One job with the settings, one run, one notebook, one record; nothing else."""
    assert site.job.tags["pipeline_magic_digest"] == "d1"
    [run] = site.jobs.runs.values()
    assert run.code == "SUCCESS"
    assert len(site.files.paths("NOTEBOOK")) == 1
    [record] = site.files.paths("FILE")
    assert json.loads(site.files.items[record].text)["written"]


@pytest.mark.parametrize("kind", KINDS)
def test_any_single_fault(kind: str) -> None:
    """After a fault at each request of a deployment and its run: one job, one run, or an error that a repeat ends."""
    total, errors = _calls_of_a_flow(), 0
    assert total > 15
    step = 1 if kind in BOUNDED or os.environ.get("PIPELINE_MAGIC_TEST_FULL") else 5
    for place in range(1, total + 1, step):
        with job_site() as site:
            site.server.late = 0.6
            site.fault(kind, after=place)
            deployer = site.deployer(http_timeout=0.4)
            try:
                _flow(site, deployer)
            except PipelineMagicError as error:
                errors += 1
                assert error.hint, error
                assert len(site.jobs.jobs) <= 1
                _flow(site, deployer)
            assert not site.server.faults, f"the fault at request {place} was never met"
            _whole(site)
    assert errors <= total // 4


# --- files -----------------------------------------------------------------------------------------------------------


def test_what_the_workspace_does_not_hold_is_no_deployment(site: JobSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace that keeps another notebook than was imported gets no job."""
    from tests.support.databricks_server import workspace_files

    kept = workspace_files._own_form
    monkeypatch.setattr(workspace_files, "_own_form", lambda text: kept(text.replace("1", "2")))
    with pytest.raises(DeploymentError, match="not what the workspace holds"):
        site.deployer().deploy(asked("x = 1"))
    assert not site.jobs.jobs


def test_a_notebook_that_is_too_large(site: JobSite) -> None:
    """More than one import takes is said before it is sent."""
    with pytest.raises(DeploymentError, match="larger than Databricks imports"):
        site.deployer().deploy(asked("x = '" + "y" * 11_000_000 + "'"))
    assert not site.asked("workspace/import")
