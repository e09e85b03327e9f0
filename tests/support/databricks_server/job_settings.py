"""What the strict workspace takes as settings of a job: the documented fields, bounds and contradictions. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.databricks_server.server import Refusal

__all__ = ["SETTINGS", "as_told", "checked_settings"]

SETTINGS = (
    "name", "description", "email_notifications", "webhook_notifications", "notification_settings", "timeout_seconds",
    "health", "schedule", "trigger", "continuous", "max_concurrent_runs", "tasks", "job_clusters", "git_source", "tags",
    "format", "queue", "parameters", "run_as", "edit_mode", "deployment", "environments", "budget_policy_id",
    "performance_target",
)  # fmt: skip
_TASK = (
    "task_key", "description", "depends_on", "run_if", "notebook_task", "pipeline_task", "job_cluster_key",
    "existing_cluster_id", "new_cluster", "environment_key", "libraries", "max_retries", "min_retry_interval_millis",
    "retry_on_timeout", "timeout_seconds", "email_notifications", "webhook_notifications", "health",
    "notification_settings", "disable_auto_optimization", "disabled",
)  # fmt: skip
_EVENTS = ("on_start", "on_success", "on_failure", "on_duration_warning_threshold_exceeded",
           "on_streaming_backlog_exceeded")  # fmt: skip
_METRICS = ("RUN_DURATION_SECONDS", "STREAMING_BACKLOG_BYTES", "STREAMING_BACKLOG_RECORDS", "STREAMING_BACKLOG_SECONDS",
            "STREAMING_BACKLOG_FILES")  # fmt: skip
_PAUSE = ("PAUSED", "UNPAUSED")


def checked_settings(settings: Mapping[str, Any]) -> None:
    """Refuse what the service refuses."""
    _fields(settings, SETTINGS, "job settings")
    _text(settings.get("name", "Untitled"), 4096, "name")
    _text(settings.get("description", ""), 27700, "description")
    ways = [name for name in ("schedule", "trigger", "continuous") if settings.get(name)]
    if len(ways) > 1:
        raise _bad(f"A job may have only one of {', '.join(ways)}.")
    _schedule(settings.get("schedule"))
    _trigger(settings.get("trigger"))
    if settings.get("continuous"):
        _fields(settings["continuous"], ("pause_status", "task_retry_mode"), "continuous")
        _one_of(settings["continuous"].get("pause_status", "UNPAUSED"), _PAUSE)
    _tags(settings.get("tags") or {})
    _whole(settings.get("max_concurrent_runs", 1), 0, 1000, "max_concurrent_runs")
    _whole(settings.get("timeout_seconds", 0), 0, 2**31 - 1, "timeout_seconds")
    _parameters(settings.get("parameters") or ())
    clusters = _clusters(settings.get("job_clusters") or ())
    _tasks(settings.get("tasks") or (), clusters, continuous=bool(settings.get("continuous")))
    _notifications(settings)
    if "queue" in settings:
        _fields(settings["queue"], ("enabled",), "queue")
        if not isinstance(settings["queue"].get("enabled"), bool):
            raise _bad("queue.enabled is true or false.")
    if "performance_target" in settings:
        _one_of(settings["performance_target"], ("STANDARD", "PERFORMANCE_OPTIMIZED"))
    if "run_as" in settings:
        _fields(settings["run_as"], ("user_name", "service_principal_name"), "run_as")
        if len(settings["run_as"]) != 1:
            raise _bad("Exactly one of user_name and service_principal_name must be set in run_as.")


def as_told(settings: Mapping[str, Any], *, tasks: bool = True) -> dict[str, Any]:
    """Settings as the service tells them: with what it adds by itself, without what is written only."""
    made = {"email_notifications": {}, "webhook_notifications": {}, "timeout_seconds": 0, "max_concurrent_runs": 1}
    made = {**made, **settings, "format": "MULTI_TASK"}
    made.pop("run_as", None)
    if not tasks:
        return {name: value for name, value in made.items() if name not in ("tasks", "job_clusters")}
    added = {"run_if": "ALL_SUCCESS", "timeout_seconds": 0, "email_notifications": {}}
    return {**made, "tasks": [{**added, **task} for task in settings.get("tasks") or ()]}


def _schedule(schedule: Any) -> None:
    if schedule is None:
        return
    _fields(schedule, ("quartz_cron_expression", "timezone_id", "pause_status"), "schedule")
    cron = str(schedule.get("quartz_cron_expression") or "")
    parts = cron.split()
    if len(parts) not in (6, 7) or (parts[3] == "?") == (parts[5] == "?"):
        raise _bad(f"Invalid quartz cron expression: '{cron}'.")
    try:
        ZoneInfo(str(schedule.get("timezone_id") or "nowhere"))
    except (KeyError, ValueError, OSError):
        raise _bad(f"Invalid timezone: {schedule.get('timezone_id')}.") from None
    _one_of(schedule.get("pause_status", "UNPAUSED"), _PAUSE)


def _trigger(trigger: Any) -> None:
    if trigger is None:
        return
    _fields(trigger, ("pause_status", "file_arrival", "table_update", "periodic"), "trigger")
    _one_of(trigger.get("pause_status", "UNPAUSED"), _PAUSE)
    told = trigger.get("table_update")
    if told is not None:
        allowed = ("table_names", "condition", "min_time_between_triggers_seconds", "wait_after_last_change_seconds")
        _fields(told, allowed, "table_update")
        if not told.get("table_names") or any(str(name).count(".") < 2 for name in told["table_names"]):
            raise _bad("table_update.table_names must hold full names of tables.")


def _tags(tags: Mapping[str, Any]) -> None:
    if len(tags) > 25:
        raise _bad("A maximum of 25 tags can be added to a job.")
    for name, value in tags.items():
        if not 0 < len(name) <= 127 or not isinstance(value, str) or len(value) > 255:
            raise _bad(f"The tag {name[:40]} is not valid: keys have up to 127 characters, values up to 255.")
        if re.search(r"[<>%&\\?]", name):
            raise _bad(f"The tag {name} holds a character that is not allowed.")


def _parameters(parameters: Sequence[Any]) -> None:
    names = []
    for one in parameters:
        _fields(one, ("name", "default"), "parameters")
        if not re.fullmatch(r"[\w.-]+", str(one.get("name") or "")) or not isinstance(one.get("default"), str):
            raise _bad(f"The job parameter {one} is not valid.")
        names.append(one["name"])
    if len(names) != len(set(names)):
        raise _bad("Job parameters must have unique names.")


def _clusters(clusters: Sequence[Any]) -> set[str]:
    for one in clusters:
        _fields(one, ("job_cluster_key", "new_cluster"), "job_clusters")
        cluster = one.get("new_cluster") or {}
        if not cluster.get("spark_version") or not cluster.get("node_type_id"):
            raise _bad("Cluster validation error: Missing required field: spark_version or node_type_id.")
    return {str(one.get("job_cluster_key")) for one in clusters}


def _tasks(tasks: Sequence[Any], clusters: set[str], *, continuous: bool) -> None:
    for task in tasks:
        _fields(task, _TASK, "tasks")
        if not re.fullmatch(r"[\w-]{1,100}", str(task.get("task_key") or "")):
            raise _bad(f"The task key {task.get('task_key')!r} is not valid.")
        if continuous and task.get("max_retries"):
            raise _bad("Task retries are not supported for continuous jobs.")
        _whole(task.get("max_retries", 0), -1, 100, "max_retries")
        if len([name for name in ("notebook_task", "pipeline_task") if name in task]) != 1:
            raise _bad(f"Task {task['task_key']} must have exactly one kind of task.")
        if "notebook_task" in task:
            _fields(
                task["notebook_task"], ("notebook_path", "source", "base_parameters", "warehouse_id"), "notebook_task"
            )
            if not str(task["notebook_task"].get("notebook_path") or "").startswith("/"):
                raise _bad("Only absolute notebook paths are currently supported. Paths must begin with '/'.")
        else:
            _fields(task["pipeline_task"], ("pipeline_id", "full_refresh"), "pipeline_task")
        key = task.get("job_cluster_key")
        if key is not None and key not in clusters:
            raise _bad(f"Task {task['task_key']} refers to the job cluster {key}, which is not there.")
    if len(tasks) > 1000:
        raise _bad("A job has at most 1000 tasks.")


def _notifications(settings: Mapping[str, Any]) -> None:
    mails = settings.get("email_notifications") or {}
    _fields(mails, (*_EVENTS, "no_alert_for_skipped_runs"), "email_notifications")
    hooks = settings.get("webhook_notifications") or {}
    _fields(hooks, _EVENTS, "webhook_notifications")
    for event, listed in hooks.items():
        if len(listed) > 3 or any(set(one) != {"id"} for one in listed):
            raise _bad(f"webhook_notifications.{event} holds up to 3 destinations, each by its id.")
    rules = (settings.get("health") or {}).get("rules") or ()
    for rule in rules:
        _fields(rule, ("metric", "op", "value"), "health.rules")
        _one_of(rule.get("metric"), _METRICS)
        _one_of(rule.get("op"), ("GREATER_THAN",))
        _whole(rule.get("value"), 1, 2**31 - 1, "value")
    warned = any("on_duration_warning_threshold_exceeded" in told for told in (mails, hooks))
    if warned and not any(rule["metric"] == "RUN_DURATION_SECONDS" for rule in rules):
        raise _bad("on_duration_warning_threshold_exceeded needs a health rule of RUN_DURATION_SECONDS.")


def _fields(given: Any, known: Sequence[str], where: str) -> None:
    if not isinstance(given, Mapping):
        raise Refusal(400, "MALFORMED_REQUEST", f"{where} must be an object.")
    for name in given:
        if name not in known:
            raise _bad(f"{name} is no field of {where}.")


def _one_of(value: Any, known: Sequence[str]) -> None:
    if value not in known:
        raise _bad(f"{value} is not one of {', '.join(known)}.")


def _whole(value: Any, low: int, high: int, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _bad(f"{name} must be a whole number from {low} to {high}.")


def _text(value: Any, longest: int, name: str) -> None:
    if not isinstance(value, str) or len(value.encode()) > longest:
        raise _bad(f"{name} must be a text of at most {longest} bytes.")


def _bad(message: str) -> Refusal:
    return Refusal(400, "INVALID_PARAMETER_VALUE", message)
