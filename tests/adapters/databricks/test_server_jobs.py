"""The strict workspace refuses what Lakeflow Jobs and the workspace refuse, so that a test over it means something."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk.errors import DatabricksError

from pipeline_magic.adapters.databricks.client import workspace_client
from tests.support.lakeflow_site import ADA, JobSite, job_site
from tests.support.local import notebook

HOME = f"/Workspace/Users/{ADA}"
TASK = {"task_key": "a", "notebook_task": {"notebook_path": f"{HOME}/n", "source": "WORKSPACE"}}
SCHEDULE = {"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "UTC"}


@pytest.fixture
def site() -> Iterator[JobSite]:
    with job_site(page=3) as made:
        yield made


def ask(site: JobSite, verb: str, path: str, token: str = "good-token", **given: Any) -> Any:
    return workspace_client(site.server.url, token).api_client.do(verb, f"/api/{path}", **given)


def create(site: JobSite, **changes: Any) -> int:
    body = {"name": "a", "tasks": [TASK], **changes}
    return int(ask(site, "POST", "2.2/jobs/create", body=body)["job_id"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"nmae": "a"}, "nmae is no field"),
        ({"schedule": {**SCHEDULE, "quartz_cron_expression": "0 6 * * *"}}, "Invalid quartz"),
        ({"schedule": {**SCHEDULE, "quartz_cron_expression": "0 0 6 * * *"}}, "Invalid quartz"),
        ({"schedule": {**SCHEDULE, "timezone_id": "Mars/Base"}}, "Invalid timezone"),
        ({"schedule": SCHEDULE, "continuous": {"pause_status": "PAUSED"}}, "only one of"),
        ({"schedule": {**SCHEDULE, "pause_status": "STOPPED"}}, "not one of"),
        ({"trigger": {"table_update": {"table_names": ["t"]}}}, "full names"),
        ({"tags": {str(place): "x" for place in range(26)}}, "maximum of 25 tags"),
        ({"tags": {"a": "x" * 256}}, "not valid"),
        ({"tags": {"a%b": "x"}}, "not allowed"),
        ({"parameters": [{"name": "a", "default": "1"}] * 2}, "unique names"),
        ({"parameters": [{"name": "a", "default": 1}]}, "not valid"),
        ({"tasks": [{**TASK, "task_key": "a b"}]}, "task key"),
        ({"tasks": [{**TASK, "retries": 1}]}, "retries is no field"),
        ({"tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "../n"}}]}, "absolute notebook paths"),
        ({"tasks": [{**TASK, "job_cluster_key": "main"}]}, "which is not there"),
        ({"tasks": [{**TASK, "max_retries": 1}], "continuous": {"pause_status": "UNPAUSED"}}, "retries are not"),
        ({"job_clusters": [{"job_cluster_key": "main", "new_cluster": {}}]}, "spark_version"),
        ({"health": {"rules": [{"metric": "RUN_DURATION_SECONDS", "op": "LESS_THAN", "value": 9}]}}, "not one of"),
        ({"email_notifications": {"on_duration_warning_threshold_exceeded": ["a@b.c"]}}, "needs a health rule"),
        ({"webhook_notifications": {"on_failure": [{"id": str(n)} for n in range(4)]}}, "up to 3"),
        ({"queue": {"enabled": "yes"}}, "true or false"),
        ({"run_as": {"user_name": "a", "service_principal_name": "b"}}, "Exactly one"),
        ({"run_as": {"user_name": "eve@acme.test"}}, "not authorized to set run_as"),
        ({"run_as": {"service_principal_name": "nobody"}}, "does not exist"),
        ({"max_concurrent_runs": -1}, "whole number"),
    ],
)  # fmt: skip
def test_settings_that_are_refused(site: JobSite, settings: dict[str, Any], said: str) -> None:
    """Unknown fields, bad cron, too many tags, identities without the right: no job is made."""
    with pytest.raises(DatabricksError, match=said):
        create(site, **settings)
    assert not site.jobs.jobs


def test_a_reset_keeps_the_identity_and_a_get_does_not_tell_it_among_the_settings(site: JobSite) -> None:
    """As Databricks: `run_as` is written only, and a reset without it leaves it."""
    site.jobs.usable[ADA] = {"eve@acme.test"}
    job = create(site, run_as={"user_name": "eve@acme.test"})
    ask(site, "POST", "2.2/jobs/reset", body={"job_id": job, "new_settings": {"name": "b", "tasks": [TASK]}})
    told = ask(site, "GET", "2.2/jobs/get", query={"job_id": job})
    assert told["run_as_user_name"] == "eve@acme.test"
    assert told["settings"]["name"] == "b" and "run_as" not in told["settings"]
    assert told["settings"]["format"] == "MULTI_TASK"


def test_lists_have_pages_and_no_tasks(site: JobSite) -> None:
    """Newest first; tasks only where they are asked for; a limit beyond 100 is refused."""
    made = [create(site, name=f"job {place}") for place in range(5)]
    first = ask(site, "GET", "2.2/jobs/list", query={"limit": 100})
    assert [job["job_id"] for job in first["jobs"]] == made[:1:-1]
    assert first["has_more"] and "tasks" not in first["jobs"][0]["settings"]
    rest = ask(site, "GET", "2.2/jobs/list", query={"limit": 100, "page_token": first["next_page_token"]})
    assert [job["job_id"] for job in rest["jobs"]] == made[1::-1] and "next_page_token" not in rest
    [named] = ask(site, "GET", "2.2/jobs/list", query={"name": "JOB 3", "expand_tasks": "true"})["jobs"]
    assert named["settings"]["tasks"]
    with pytest.raises(DatabricksError, match="limit"):
        ask(site, "GET", "2.2/jobs/list", query={"limit": 101})


def test_runs_and_tokens(site: JobSite) -> None:
    """One run for a token, which has at most 64 characters; its output is that of its task."""
    job = create(site)
    first = ask(site, "POST", "2.2/jobs/run-now", body={"job_id": job, "idempotency_token": "t"})
    assert ask(site, "POST", "2.2/jobs/run-now", body={"job_id": job, "idempotency_token": "t"}) == first
    with pytest.raises(DatabricksError, match="64"):
        ask(site, "POST", "2.2/jobs/run-now", body={"job_id": job, "idempotency_token": "t" * 65})
    with pytest.raises(DatabricksError, match="multiple tasks"):
        ask(site, "GET", "2.2/jobs/runs/get-output", query={"run_id": first["run_id"]})
    with pytest.raises(DatabricksError, match="does not exist"):
        ask(site, "POST", "2.2/jobs/run-now", body={"job_id": 1})


def test_permissions_have_one_owner(site: JobSite) -> None:
    """Whoever sets the list has to name exactly one owner, and no group."""
    job = create(site)
    path = f"2.0/permissions/jobs/{job}"
    for entries in (
        [],
        [{"group_name": "engineers", "permission_level": "IS_OWNER"}],
        [{"user_name": ADA, "permission_level": "IS_OWNER"}, {"user_name": "b", "permission_level": "IS_OWNER"}],
    ):
        with pytest.raises(DatabricksError, match="exactly one owner"):
            ask(site, "PUT", path, body={"access_control_list": entries})
    with pytest.raises(DatabricksError, match="no level"):
        ask(site, "PATCH", path, body={"access_control_list": [{"user_name": ADA, "permission_level": "CAN_RUN"}]})
    with pytest.raises(DatabricksError, match="does not have View"):
        ask(site, "GET", path, token="eve-token")


def test_folders_and_notebooks(site: JobSite) -> None:
    """No import without its folder, none over something there, none of what is no notebook; it comes back changed."""
    content = base64.b64encode(notebook("1").encode()).decode()
    body = {"path": f"{HOME}/f/n", "format": "JUPYTER", "content": content}
    with pytest.raises(DatabricksError, match="parent folder"):
        ask(site, "POST", "2.0/workspace/import", body=body)
    ask(site, "POST", "2.0/workspace/mkdirs", body={"path": f"{HOME}/f"})
    ask(site, "POST", "2.0/workspace/import", body=body)
    with pytest.raises(DatabricksError, match="already exists"):
        ask(site, "POST", "2.0/workspace/import", body=body)
    with pytest.raises(DatabricksError, match="no notebook"):
        ask(site, "POST", "2.0/workspace/import", body={**body, "content": "e30=", "overwrite": True})
    with pytest.raises(DatabricksError, match="Manage permissions"):
        ask(site, "POST", "2.0/workspace/import", body=body, token="eve-token")
    told = ask(site, "GET", "2.0/workspace/export", query={"path": f"{HOME}/f/n", "format": "JUPYTER"})
    assert told["content"] != content
