"""Jobs are created once, reset whole, found by their tags, and say in words what stands in the way."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline_magic.adapters.databricks.jobs import Denied
from pipeline_magic.compiler.environments import Permission
from pipeline_magic.errors import Cancelled, DeploymentError, NotFound
from pipeline_magic.ports import TableVersion
from tests.support.databricks_server import Refusal
from tests.support.databricks_server.jobs import Job
from tests.support.databricks_server.oneoff import Executed
from tests.support.lakeflow_site import ADA, JobSite, job_site, with_resource
from tests.support.local import notebook, request

PRINCIPAL = "0a1b2c3d-0000-4000-8000-000000000001"
EVE = "eve@acme.test"


@pytest.fixture
def site() -> Iterator[JobSite]:
    with job_site(page=2) as made:
        made.files.principals.add(PRINCIPAL)
        made.jobs.usable[ADA] = {PRINCIPAL}
        yield made


def asked(text: str = "1", *, environment: dict[str, Any] | None = None, **changes: Any) -> Any:
    return with_resource(request(notebook(text), **changes), **(environment or {}))


def other_jobs(site: JobSite, number: int, **settings: Any) -> None:
    """Jobs of others, which Ada may see."""
    for place in range(number):
        made = Job(1000 + place, {"name": f"other {place}", "tasks": [], **settings}, ADA, ADA, 0)
        made.permissions = {("user_name", ADA): "IS_OWNER"}
        site.jobs.jobs[made.id] = made


# --- settings --------------------------------------------------------------------------------------------------------


def test_settings_are_those_of_the_compiler(site: JobSite) -> None:
    """What is sent is what the plan's files say, with the notebook's place and the tags; and the service takes it."""
    environment = {
        "serverless": False, "node_type": "i3.xlarge", "spark_version": "17.3.x-scala2.13", "workers": 2,
        "notify": ("ops@acme.test",), "webhooks": ("hook-1",), "slow_seconds": 900, "timeout_seconds": 3600,
        "retries": 3, "tags": {"team": "data"}, "run_as": PRINCIPAL,
    }  # fmt: skip
    wanted = asked(environment=environment, tags={"pipeline_magic_audit_head": "7:abc"})
    site.deployer().deploy(wanted)
    sent = copy.deepcopy(site.job.settings)
    [made] = copy.deepcopy(wanted.resource["jobs"]).values()
    path = sent["tasks"][0]["notebook_task"].pop("notebook_path")
    made["tasks"][0]["notebook_task"].pop("notebook_path")
    assert path.endswith(wanted.notebook_path.removesuffix(".ipynb"))
    tags = sent.pop("tags")
    assert {**made.pop("tags"), "pipeline_magic_audit_head": "7:abc"}.items() <= tags.items()
    assert (tags["pipeline_magic"], tags["pipeline_magic_environment"]) == ("daily", "default")
    assert (tags["pipeline_magic_digest"], tags["team"]) == ("d1", "data")
    assert sent == made


def test_a_reset_is_whole(site: JobSite) -> None:
    """What the new settings do not say is gone: notifications, clusters, limits."""
    site.deployer().deploy(asked(environment={"notify": ("ops@acme.test",), "timeout_seconds": 60, "slow_seconds": 9}))
    site.deployer().deploy(asked("2", key="k2", digest="d2"))
    assert {"email_notifications", "timeout_seconds", "health"}.isdisjoint(site.job.settings)
    assert site.job.tags["pipeline_magic_digest"] == "d2"


def test_run_as_is_always_said(site: JobSite) -> None:
    """A reset keeps the old identity at the service, so that it is set each time: to the principal, and back."""
    deployer = site.deployer()
    deployer.deploy(asked(environment={"run_as": PRINCIPAL}))
    assert site.job.run_as == PRINCIPAL
    deployer.deploy(asked(key="k2"))
    assert site.job.run_as == ADA
    made = deployer.deploy(asked(key="k3", environment={"run_as": PRINCIPAL}))
    assert site.job.run_as == PRINCIPAL
    assert deployer.settings(made.id)["run_as"] == PRINCIPAL


def test_run_as_is_verified(site: JobSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that goes on running as somebody else is an error, and no deployment."""
    monkeypatch.setattr(site.jobs, "_identity", lambda user, settings: None)
    with pytest.raises(DeploymentError, match=f"runs as `{ADA}`, and was to run as `{PRINCIPAL}`"):
        site.deployer().deploy(asked(environment={"run_as": PRINCIPAL}))


def test_run_as_may_read_what_it_runs(site: JobSite) -> None:
    """A principal that is not the caller is let into the pipeline's folder; its run then finds the notebook."""
    deployer = site.deployer()
    made = deployer.deploy(asked(environment={"run_as": PRINCIPAL}))
    assert deployer.run_now(made.id, key="r").succeeded
    for item in site.files.items.values():
        item.permissions.clear()
    run = deployer.run_now(made.id, key="r2")
    assert not run.succeeded
    assert "Unable to access the notebook" in run.error


def test_run_as_without_the_right(site: JobSite) -> None:
    """Whoever may not use the principal is told which role is missing."""
    site.jobs.usable.clear()
    with pytest.raises(Denied) as raised:
        site.deployer().deploy(asked(environment={"run_as": PRINCIPAL}))
    assert f"Service Principal: User on `{PRINCIPAL}`" in raised.value.hint
    assert not site.jobs.jobs


def test_permissions(site: JobSite) -> None:
    """The job has the permissions of the environment, and its owner; the same twice changes nothing."""
    listed = (
        Permission(kind="group_name", name="analysts", level="CAN_VIEW"),
        Permission(kind="user_name", name=EVE, level="CAN_RUN"),
        Permission(kind="user_name", name=ADA, level="CAN_MANAGE"),
    )
    deployer = site.deployer()
    for _ in range(2):
        made = deployer.deploy(asked(environment={"permissions": listed}))
        assert site.job.permissions == {
            ("group_name", "analysts"): "CAN_VIEW",
            ("user_name", EVE): "CAN_MANAGE_RUN",
            ("user_name", ADA): "IS_OWNER",
        }
    assert {"group_name": "analysts", "level": "CAN_VIEW"} in deployer.settings(made.id)["permissions"]  # type: ignore[operator]


def test_the_owner_stays(site: JobSite) -> None:
    """Who deploys with CAN MANAGE alone leaves the job its owner."""
    site.deployer().deploy(asked())
    site.job.permissions[("user_name", EVE)] = "CAN_MANAGE"
    listed = (Permission(kind="group_name", name="analysts", level="CAN_VIEW"),)
    site.server.groups[EVE] = ["engineers"]
    site.jobs.usable[EVE] = {EVE}
    site.deployer("eve-token").deploy(asked(key="k2", environment={"permissions": listed}))
    assert site.job.permissions[("user_name", ADA)] == "IS_OWNER"
    assert site.job.permissions[("user_name", EVE)] == "CAN_MANAGE"  # or she could not deploy again


# --- finding ---------------------------------------------------------------------------------------------------------


def test_found_by_tags_never_by_name_alone(site: JobSite) -> None:
    """A job of the same name without the tags is left alone; one that was renamed is found, over all pages."""
    other_jobs(site, 5)
    site.jobs.jobs[1000].settings["name"] = "daily (default)"
    deployer = site.deployer()
    made = deployer.deploy(asked())
    assert made.id != "job:1000"
    assert len(site.jobs.jobs) == 6
    ours = site.jobs.jobs[int(made.id.removeprefix("job:"))]
    ours.settings["name"] = "renamed by hand"
    assert deployer.find("daily", "default") == made
    assert deployer.deploy(asked("2", key="k2")).id == made.id
    assert ours.settings["name"] == "daily (default)"
    assert len(site.jobs.jobs) == 6


def test_environments_are_apart(site: JobSite) -> None:
    """Each environment has a job of its own."""
    deployer = site.deployer()
    first = deployer.deploy(asked())
    second = deployer.deploy(asked(environment={"catalogs": {}}).model_copy(update={"environment": "prod"}))
    assert first.id != second.id
    assert deployer.find("daily", "default") == first


def test_two_creations_at_once_end_in_one_job(site: JobSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two deployments that both found no job leave the one with the lowest id, with the settings of one of them."""
    create, both = site.jobs.create, threading.Barrier(2)

    def together(request: Any) -> Any:
        made = create(request)
        both.wait(10)
        return made

    monkeypatch.setattr(site.jobs, "create", together)
    site.server._routes = [
        (verb, route, together if action == create else action) for verb, route, action in site.server._routes
    ]
    results: list[Any] = []
    deployers = [site.deployer(), site.deployer()]
    threads = [
        threading.Thread(target=lambda one=one, key=key: results.append(one.deploy(asked(key=key))))
        for one, key in zip(deployers, ("k1", "k2"), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert site.job.id == 700_001
    assert {made.id for made in results} == {"job:700001"}


def test_a_copy_that_a_person_made_stays(site: JobSite) -> None:
    """A clone has the tags too; it has another name, is not taken for the job, and is not removed."""
    deployer = site.deployer()
    made = deployer.deploy(asked())
    clone = copy.deepcopy(site.job)
    clone.id, clone.settings["name"] = 900_000, "Clone of daily (default)"
    site.jobs.jobs[clone.id] = clone
    assert deployer.deploy(asked()).id == made.id
    assert deployer.deploy(asked("2", key="k2")).id == made.id
    assert set(site.jobs.jobs) == {700_001, 900_000}


def test_deleted_by_hand(site: JobSite) -> None:
    """A job that is gone is NotFound with the next step; deploying makes it anew, also when it goes in between."""
    deployer = site.deployer()
    made = deployer.deploy(asked())
    site.jobs.jobs.clear()
    for call in (deployer.settings, deployer.previous, lambda job: deployer.run_now(job, key="x")):
        with pytest.raises(NotFound) as raised:
            call(made.id)
        assert "deleted" in str(raised.value) and raised.value.hint
    assert deployer.find("daily", "default") is None
    again = deployer.deploy(asked())
    site.server.refuse["POST", "jobs/reset"] = Refusal(400, "INVALID_PARAMETER_VALUE", "Job 700002 does not exist.")
    assert deployer.deploy(asked()).id != made.id
    assert again.id == "job:700002"


# --- runs ------------------------------------------------------------------------------------------------------------


def test_parameters_of_a_run(site: JobSite) -> None:
    """A run gets the parameters of the job, with its own time and key put in."""
    seen: list[dict[str, str]] = []

    def runner(parsed: Any, parameters: Any, user: str) -> Executed:
        seen.append(dict(parameters))
        return Executed(exit_value='{"rows": 3}')

    site.jobs.runner = runner
    deployer = site.deployer()
    made = deployer.deploy(asked(parameters={"target": "out.ops.t"}))
    run = deployer.run_now(made.id, key="r")
    [parameters] = seen
    assert (run.exit_value, parameters["target"], parameters["run_key"]) == ('{"rows": 3}', "out.ops.t", "81001")
    assert parameters["run_time"].startswith("20") and "T" in parameters["run_time"]
    assert run.url.startswith(site.server.url)


def test_a_failing_run(site: JobSite) -> None:
    """Error, trace and page come back, short and without secrets; retries are the service's own."""
    secret = "dapi" + "0" * 32
    trace = "Traceback\n" + "x" * 10_000 + "\n\x1b[31mValueError: end\x1b[0m"
    site.jobs.runner = lambda *_: Executed(error=f"ValueError: \x1b[31mbad {secret}\x1b[0m " + "y" * 900, trace=trace)
    deployer = site.deployer()
    run = deployer.run_now(deployer.deploy(asked()).id, key="r")
    assert not run.succeeded
    assert run.error.startswith("ValueError: bad [redacted]") and len(run.error) <= 500
    assert secret not in run.model_dump_json()
    assert run.trace.endswith("ValueError: end") and len(run.trace) <= 4000
    assert run.url
    [ran] = site.jobs.runs.values()
    assert len(ran.tasks) == 2


def test_cancel(site: JobSite) -> None:
    """A run that is cancelled ends at the service too, and the same key then starts the next one."""
    site.jobs.hold.clear()
    deployer = site.deployer()
    made = deployer.deploy(asked())
    timer = threading.Timer(0.3, deployer.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        deployer.run_now(made.id, key="r")
    timer.cancel()
    assert [run.code for run in site.jobs.runs.values()] == ["USER_CANCELED"]
    site.jobs.hold.set()
    assert deployer.run_now(made.id, key="r").succeeded
    assert len(site.jobs.runs) == 2


def test_a_run_that_takes_too_long(site: JobSite) -> None:
    """It goes on, the error says where, and a repeat with the same key follows it to its end."""
    site.jobs.hold.clear()
    deployer = site.deployer()
    made = deployer.deploy(asked())
    with pytest.raises(DeploymentError, match="not ended within") as raised:
        deployer.run_now(made.id, key="r", timeout=0.05)
    assert "/run/" in raised.value.where
    site.jobs.hold.set()
    assert deployer.run_now(made.id, key="r").succeeded
    assert len(site.jobs.runs) == 1


def test_waiting_gets_longer(site: JobSite) -> None:
    """A long run is looked at less and less often, at most every quarter of a minute."""
    site.jobs.hold.clear()
    threading.Timer(0.6, site.jobs.hold.set).start()
    deployer = site.deployer()
    made = deployer.deploy(asked())
    site.slept.clear()
    assert deployer.run_now(made.id, key="r").succeeded
    assert site.slept[:3] == [1.0, 1.5, 2.25]
    assert max(site.slept) <= 15.0


@pytest.mark.parametrize("answer", ["blank", "conflict"])
def test_a_continuous_job_that_has_started_by_itself(site: JobSite, answer: str) -> None:
    """Databricks runs it at once, and says of another start nothing, or no: its run is the one that is followed."""
    site.jobs.hold.clear()
    deployer = site.deployer()
    made = deployer.deploy(asked())
    started = site.jobs.run_now

    def run_now(request: Any) -> Any:
        if not site.jobs.runs:
            started(request)
        site.jobs.hold.set()
        if answer == "conflict":
            raise Refusal(409, "CONFLICT", "There is a concurrent trigger of the job.")
        return {}

    site.server._routes = [
        (verb, route, run_now if action == started else action) for verb, route, action in site.server._routes
    ]
    site.jobs.runner = lambda *_: (time.sleep(0.3), Executed(exit_value="mine"))[1]
    assert deployer.run_now(made.id, key="r").exit_value == "mine"
    assert len(site.jobs.runs) == 1


def test_written(site: JobSite) -> None:
    """Commits that the log says this job made are its own; of a job that is gone, none."""
    deployer = site.deployer()
    made = deployer.deploy(asked())
    number = made.id.removeprefix("job:")
    commits = [
        TableVersion(version=str(place), at="2026-11-22T00:00:00Z", operation="WRITE", job=job)
        for place, job in enumerate((number, "", "8", number))
    ]
    assert deployer.written(made.id, "out.ops.t", commits) == {"0", "3"}
    deployer.delete(made.id)
    assert deployer.written(made.id, "out.ops.t", commits) == frozenset()


# --- what stands in the way ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "path", "refusal", "said"),
    [
        ("POST", "jobs/create", Refusal(403, "PERMISSION_DENIED", "No create."), "to create jobs"),
        ("POST", "jobs/create", Refusal(400, "QUOTA_EXCEEDED", "The quota for jobs is reached."), "quota"),
        ("POST", "jobs/create", Refusal(400, "INVALID_PARAMETER_VALUE", "Invalid cron."), "Invalid cron"),
        ("POST", "workspace/import", Refusal(403, "PERMISSION_DENIED", "No import."), "importing"),
        ("POST", "workspace/import", Refusal(400, "RESOURCE_ALREADY_EXISTS", "In the way."), "Remove or rename"),
        ("GET", "jobs/list", Refusal(403, "PERMISSION_DENIED", "No list."), "No list"),
        ("POST", "jobs/create", Refusal(401, "UNAUTHENTICATED", "Token expired."), "DATABRICKS_TOKEN"),
    ],
)  # fmt: skip
def test_refusals_name_the_step(site: JobSite, verb: str, path: str, refusal: Refusal, said: str) -> None:
    """A refusal says what was being done and what to do next, and nothing is tried again and again."""
    site.server.refuse[verb, path] = refusal
    with pytest.raises(DeploymentError) as raised:
        site.deployer().deploy(asked())
    assert said in str(raised.value)
    assert raised.value.hint
    assert not site.jobs.jobs
    assert site.asked(path) == 1


def test_a_creation_that_fails_for_good(site: JobSite) -> None:
    """Nobody knows whether it was taken: looked at, tried again, and then an error that a repeat ends."""
    site.server.refuse["POST", "jobs/create"] = Refusal(500, "INTERNAL_ERROR", "Something went wrong.")
    with pytest.raises(DeploymentError, match="answered 500"):
        site.deployer().deploy(asked())
    assert site.asked("jobs/create") == 3
    site.server.refuse.clear()
    site.deployer().deploy(asked())
    assert site.job.id == 700_001


@pytest.mark.parametrize(
    ("path", "said"),
    [("jobs/reset", "CAN MANAGE on the job"), ("jobs/delete", "CAN MANAGE on it"), ("jobs/run-now", "No.")],
)
def test_a_job_of_others(site: JobSite, path: str, said: str) -> None:
    """Without the permission on the job, the message names it."""
    deployer = site.deployer()
    made = deployer.deploy(asked())
    site.server.refuse["POST", path] = Refusal(403, "PERMISSION_DENIED", "No.")
    with pytest.raises(DeploymentError) as raised:
        deployer.deploy(asked("2", key="k2"))
        deployer.run_now(made.id, key="r")
        deployer.delete(made.id)
    assert said in str(raised.value)
