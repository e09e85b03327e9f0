"""A job that the CI deployed, beside what was approved."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from pipeline_magic.agents.operations.arrived import differences

APPROVED: dict[str, Any] = {
    "name": "daily (prod)",
    "max_concurrent_runs": 1,
    "queue": {"enabled": True},
    "tags": {"pipeline_magic": "daily", "pipeline_magic_environment": "prod"},
    "tasks": [
        {
            "task_key": "daily",
            "max_retries": 2,
            "notebook_task": {"notebook_path": "../pipelines/daily/daily.ipynb", "source": "WORKSPACE"},
        }
    ],
    "parameters": [{"name": "target", "default": "prod.ops.daily"}, {"name": "run_key", "default": "{{job.run_id}}"}],
    "schedule": {"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "UTC", "pause_status": "UNPAUSED"},
    "permissions": [{"group_name": "analysts", "level": "CAN_VIEW"}],
}


def _deployed() -> dict[str, Any]:
    """As the Jobs API gives it after the bundle was deployed."""
    made = copy.deepcopy(APPROVED)
    del made["permissions"]
    root = "/Workspace/Users/ci@acme.test/.bundle/pipelines/prod/files"
    made["tasks"][0]["notebook_task"]["notebook_path"] = f"{root}/pipelines/daily/daily"
    made["tasks"][0] |= {"run_if": "ALL_SUCCESS", "timeout_seconds": 0, "email_notifications": {}}
    made["parameters"].reverse()
    return made | {
        "format": "MULTI_TASK", "edit_mode": "UI_LOCKED", "timeout_seconds": 0, "email_notifications": {},
        "deployment": {"kind": "BUNDLE", "metadata_file_path": "/x"}, "webhook_notifications": {},
        "run_as": {"service_principal_name": "ci"}, "performance_target": "PERFORMANCE_OPTIMIZED",
    }  # fmt: skip


def test_what_the_bundle_makes_is_what_was_approved() -> None:
    """Paths below the bundle's folder, fields that Databricks fills in and another order are no difference."""
    assert differences(APPROVED, _deployed()) == ()


def test_development_mode() -> None:
    """There the deployer's name stands in front, a tag is added and more runs are allowed; nowhere else."""
    seen = _deployed()
    seen["name"] = "[dev ada] daily (prod)"
    seen["tags"]["dev"] = "ada"
    seen["max_concurrent_runs"] = 4
    assert differences(APPROVED, seen, development=True) == ()
    assert len(differences(APPROVED, seen)) == 3


def _set(path: str, value: Any) -> Any:
    def change(seen: dict[str, Any]) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place: Any = seen
        for part in way:
            place = place[part]
        if value is None:
            del place[last]
        else:
            place[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("schedule.quartz_cron_expression", "0 0 7 * * ?", "schedule.quartz_cron_expression"),
        ("schedule.pause_status", "PAUSED", "approved is 'UNPAUSED'"),
        ("schedule", None, "`schedule` is not there"),
        ("parameters.1.default", "evil.ops.daily", "'evil.ops.daily'; approved is 'prod.ops.daily'"),
        ("tasks.0.notebook_task.notebook_path", "/Workspace/Users/eve/daily", "notebook_path"),
        ("tasks.0.max_retries", 9, "max_retries"),
        ("tasks.0.spark_python_task", {"python_file": "x.py"}, "spark_python_task` is"),
        ("tags.owner", "eve", "`tags.owner` is 'eve'; nobody approved it"),
        ("queue.enabled", False, "queue.enabled"),
        ("trigger", {"periodic": {"interval": 1}}, "`trigger` is"),
        ("git_source", {"git_url": "https://x"}, "`git_source` is"),
        ("webhook_notifications", {"on_success": [{"id": "x"}]}, "webhook_notifications"),
        ("max_concurrent_runs", 9, "max_concurrent_runs"),
        ("job_clusters", [{"job_cluster_key": "main"}], "job_clusters"),
        ("name", "[dev ada] daily (prod)", "`name`"),
    ],
)
def test_what_differs_is_named(path: str, value: Any, words: str) -> None:
    """Every field that is not as approved, or that nobody approved, is named with both values."""
    seen = _deployed()
    _set(path, value)(seen)
    [line] = differences(APPROVED, seen)
    assert words in line


def test_as_a_deployer_tells_it() -> None:
    """Parameters by name, the identity as a name and permissions are compared in the form a deployer gives them."""
    approved = {**APPROVED, "run_as": {"service_principal_name": "sp"}}
    seen = _deployed()
    seen["parameters"] = {one["name"]: one["default"] for one in seen["parameters"]}
    seen |= {"run_as": "sp", "permissions": [{"user_name": "ci", "level": "IS_OWNER"}, *APPROVED["permissions"]]}
    assert differences(approved, seen) == ()
    seen |= {"run_as": "eve", "permissions": [{"user_name": "ci", "level": "IS_OWNER"}]}
    seen["parameters"]["target"] = "evil.ops.daily"
    assert [line.partition(" ")[0] for line in differences(approved, seen)] == [
        "`parameters.target`", "`permissions`", "`run_as`",
    ]  # fmt: skip


def test_another_number_of_tasks() -> None:
    """A task more is a difference."""
    seen = _deployed()
    seen["tasks"].append({"task_key": "more", "notebook_task": {"notebook_path": "/x"}})
    assert any("`tasks` has 2 entries; approved are 1" in line for line in differences(APPROVED, seen))
