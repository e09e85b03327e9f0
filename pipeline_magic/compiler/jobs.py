"""Settings of a Lakeflow Job or pipeline as plain data, in the words of the Jobs API 2.2 and the Pipelines API.

One function makes them, for the SDK's objects, for the bundle's files and for the comparison after a deployment: so the
three agree field by field. Not here: putting them in place (the deployer's work), paths of files in a workspace.
"""

from __future__ import annotations

from typing import Any

from pipeline_magic.compiler.environments import Environment
from pipeline_magic.compiler.tables import quarantine_parameters
from pipeline_magic.spec.model import Continuous, Schedule, TableUpdate
from pipeline_magic.spec.names import join_table, split_table
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["job_settings", "parameters", "permissions", "physical", "pipeline_settings", "tags"]


def physical(table: str, environment: Environment) -> str:
    """The table's name in an environment: its catalog mapped."""
    catalog, schema, name = split_table(table)
    return join_table(environment.catalogs.get(catalog, catalog), schema, name)


def tags(typed: TypedSpec, environment: Environment) -> dict[str, str]:
    """Tags a deployment is found again by, beside those of the environment."""
    return {**environment.tags, "pipeline_magic": typed.spec.name, "pipeline_magic_environment": environment.name}


def parameters(typed: TypedSpec, environment: Environment) -> dict[str, str]:
    """Values of the notebook's widgets: the tables of this environment, and the run's own time and key.

    A repeated run of the same job run has the same time and key, so that it writes nothing twice.
    """
    made = {"run_time": "{{job.start_time.iso_datetime}}", "run_key": "{{job.run_id}}"}
    made["target"] = physical(typed.spec.target.table, environment)
    made.update({f"source_{s.alias}": physical(s.table, environment) for s in typed.spec.sources})
    if typed.spec.deployment == "job":
        kept = quarantine_parameters(typed)
        made.update({name: physical(table, environment) for name, table in kept.items()})
    return made


def job_settings(typed: TypedSpec, environment: Environment, task_path: str) -> dict[str, Any]:
    """Settings of the job that runs the pipeline.

    Args:
        typed: The typed spec.
        environment: Where it runs.
        task_path: Path of the notebook; for ``declarative`` the id of the Lakeflow pipeline.
    """
    spec = typed.spec
    continuous = isinstance(spec.trigger, Continuous) and spec.deployment == "job"
    task: dict[str, Any] = {"task_key": spec.name}
    if not continuous:  # a continuous job is started again by Databricks, and may have no retries of its own
        task["max_retries"] = environment.retries
    if spec.deployment == "declarative":
        task["pipeline_task"] = {"pipeline_id": task_path}
    else:
        task["notebook_task"] = {"notebook_path": task_path, "source": "WORKSPACE"}
        if not environment.serverless:
            task["job_cluster_key"] = "main"
    made: dict[str, Any] = {"name": f"{spec.name} ({environment.name})", "max_concurrent_runs": 1}
    if spec.description:
        made["description"] = spec.description[:1000].replace("${", "$ {")  # a bundle would read it as a reference
    made |= {"queue": {"enabled": True}, "tags": tags(typed, environment), "tasks": [task]}
    if spec.deployment == "job":
        values = parameters(typed, environment)
        made["parameters"] = [{"name": name, "default": value} for name, value in values.items()]
        if not environment.serverless:
            made["job_clusters"] = [{"job_cluster_key": "main", "new_cluster": _cluster(environment)}]
        elif environment.performance:
            made["performance_target"] = environment.performance
    made |= _trigger(typed, environment)
    if environment.timeout_seconds:
        made["timeout_seconds"] = environment.timeout_seconds
    made |= _health(environment)
    if environment.run_as:
        made["run_as"] = {environment.run_as_kind: environment.run_as}
    return made


def _health(environment: Environment) -> dict[str, Any]:
    """Who hears of failures, and from when on a run is too slow."""
    made: dict[str, Any] = {}
    if environment.slow_seconds:
        rule = {"metric": "RUN_DURATION_SECONDS", "op": "GREATER_THAN", "value": environment.slow_seconds}
        made["health"] = {"rules": [rule]}
    events = ("on_failure", *(("on_duration_warning_threshold_exceeded",) if environment.slow_seconds else ()))
    if environment.notify:
        made["email_notifications"] = {event: list(environment.notify) for event in events}
    if environment.webhooks:
        made["webhook_notifications"] = {event: [{"id": item} for item in environment.webhooks] for event in events}
    return made


def permissions(environment: Environment, resource: str) -> dict[str, Any]:
    """Permissions of a job or of a pipeline, beside its settings; empty where the environment says none.

    Args:
        resource: ``job`` or ``pipeline``: what may be started is called otherwise on each.
    """
    words = {"job": {"CAN_RUN": "CAN_MANAGE_RUN"}, "pipeline": {"CAN_MANAGE_RUN": "CAN_RUN"}}[resource]
    made = [{item.kind: item.name, "level": words.get(item.level, item.level)} for item in environment.permissions]
    return {"permissions": made} if made else {}


def _cluster(environment: Environment) -> dict[str, Any]:
    return {
        "spark_version": environment.spark_version,
        "node_type_id": environment.node_type,
        "num_workers": environment.workers,
        "data_security_mode": "SINGLE_USER",
    }


def _trigger(typed: TypedSpec, environment: Environment) -> dict[str, Any]:
    trigger = typed.spec.trigger
    pause = "PAUSED" if environment.paused else "UNPAUSED"
    if isinstance(trigger, Schedule):
        schedule = {"quartz_cron_expression": trigger.cron, "timezone_id": trigger.timezone, "pause_status": pause}
        return {"schedule": schedule}
    if isinstance(trigger, TableUpdate):
        names = trigger.tables or tuple(source.table for source in typed.spec.sources)
        tables = list(dict.fromkeys(physical(name, environment) for name in names))
        return {"trigger": {"pause_status": pause, "table_update": {"table_names": tables}}}
    if isinstance(trigger, Continuous) and typed.spec.deployment == "job":
        return {"continuous": {"pause_status": pause}}
    return {}


def pipeline_settings(typed: TypedSpec, environment: Environment, source_path: str) -> dict[str, Any]:
    """Settings of the Lakeflow pipeline of a ``declarative`` deployment.

    Args:
        source_path: Path of the source file in the workspace, or beside the bundle's resource.
    """
    catalog, schema, _ = split_table(physical(typed.spec.target.table, environment))
    values = {name: value for name, value in parameters(typed, environment).items() if not name.startswith("run_")}
    values["spark.sql.session.timeZone"] = "UTC"  # as the notebook sets it
    made: dict[str, Any] = {
        "name": f"{typed.spec.name} ({environment.name})",
        "catalog": catalog,
        "schema": schema,
        "serverless": environment.serverless,
        # A continuous pipeline begins by itself as soon as it is there; paused, it runs when it is told to.
        "continuous": isinstance(typed.spec.trigger, Continuous) and not environment.paused,
        "development": environment.mode == "development",
        "channel": "CURRENT",
        "configuration": values,
        "libraries": [{"file": {"path": source_path}}],
        "tags": tags(typed, environment),
    }
    if not environment.serverless:
        workers = {"label": "default", "node_type_id": environment.node_type, "num_workers": environment.workers}
        made["clusters"] = [workers]
    if environment.notify:
        alerts = ["on-update-failure", "on-update-fatal-failure", "on-flow-failure"]
        made["notifications"] = [{"email_recipients": list(environment.notify), "alerts": alerts}]
    if environment.run_as:
        made["run_as"] = {environment.run_as_kind: environment.run_as}
    return made
