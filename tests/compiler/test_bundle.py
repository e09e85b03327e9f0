"""Job settings and bundles: valid by Databricks' own models, equal between the two, the same bytes everywhere."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import yaml

from pipeline_magic.compiler.bundle import bundle_files, resource
from pipeline_magic.compiler.environments import DEFAULT, Environment, Environments, Permission
from pipeline_magic.compiler.jobs import job_settings, physical, pipeline_settings
from pipeline_magic.spec.model import Continuous, Manual, PipelineSpec, Schedule, TableUpdate
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.support.compiled import GOLDEN, load_case

PROD = Environment(
    name="prod",
    catalogs={"analytics": "analytics_prod"},
    host="https://prod.example.com",
    run_as="0000-1111",
    notify=("data@example.com",),
    permissions=(Permission(kind="group_name", name="analysts", level="CAN_VIEW"),),
    timeout_seconds=3600,
    serverless=False,
    node_type="i3.xlarge",
    spark_version="17.3.x-scala2.13",
)
DEV = Environment(name="dev", mode="development", paused=True)
ALL = Environments(environments=(DEV, PROD))
TRIGGERS = [Schedule(cron="0 0 6 * * ?", timezone="America/New_York"), TableUpdate(), Continuous(), Manual()]


def seed(**update: Any) -> TypedSpec:
    """The seed's pipeline, changed."""
    case = load_case(GOLDEN / "seed_customer_revenue")
    spec: PipelineSpec = case.spec.model_copy(update=update)
    return type_spec(spec, {alias: table.schema for alias, table in case.tables.items()})


@pytest.mark.parametrize("environment", [DEFAULT.environments[0], DEV, PROD], ids=lambda item: item.name)
@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda item: item.kind)
def test_job_is_valid(environment: Environment, trigger: Any) -> None:
    """Every field of a job is one that Databricks knows, and comes back from its model as it went in."""
    from databricks.bundles.jobs import Job

    target = {"mode": "append"} if trigger.kind == "continuous" else {}
    spec = seed().spec
    typed = seed(trigger=trigger, target=spec.target.model_copy(update=target))
    settings = job_settings(typed, environment, "/Workspace/p/x")
    assert Job.from_dict(settings).as_dict() == settings
    values = {item["name"]: item["default"] for item in settings["parameters"]}
    assert values["target"] == physical(typed.spec.target.table, environment)
    assert values["run_key"] == "{{job.run_id}}"


def test_job_agrees_with_the_sdk() -> None:
    """The same settings as the SDK's own object, field by field."""
    from databricks.sdk.service.jobs import JobSettings

    settings = job_settings(seed(), PROD, "/Workspace/p/x")
    assert JobSettings.from_dict(settings).as_dict() == settings
    assert dataclasses.is_dataclass(JobSettings)


def test_declarative_resources_are_valid() -> None:
    """A declarative deployment is a pipeline, and a job that starts it."""
    from databricks.bundles.jobs import Job
    from databricks.bundles.pipelines import Pipeline

    typed = seed(deployment="declarative")
    made = resource(typed, PROD)
    [pipeline], [job] = made["pipelines"].values(), made["jobs"].values()
    assert (
        Pipeline.from_dict(pipeline).as_dict()
        == pipeline
        == pipeline_settings(typed, PROD, "../pipelines/customer_revenue/customer_revenue_pipeline.py")
    )
    assert Job.from_dict(job).as_dict() == job
    assert pipeline["catalog"] == "analytics_prod"
    assert job["tasks"][0]["pipeline_task"]["pipeline_id"] == "${resources.pipelines.customer_revenue.id}"


@pytest.mark.parametrize("deployment", ["job", "declarative"])
def test_bundle_files(deployment: str) -> None:
    """The files are YAML, valid resources, and hold every environment's tables, identity and pause as variables."""
    from databricks.bundles.jobs import Job
    from databricks.bundles.pipelines import Pipeline

    files = {
        file.path: yaml.safe_load(file.content)
        for file in bundle_files(seed(deployment=deployment), ALL, repository="data")
    }
    root = files["databricks.yml"]
    assert list(root["targets"]) == ["dev", "prod"]
    assert root["targets"]["prod"]["variables"]["customer_revenue_target"] == "analytics_prod.default.customer_revenue"
    assert root["targets"]["prod"]["run_as"] == {"service_principal_name": "0000-1111"}
    assert root["targets"]["dev"]["presets"] == {"trigger_pause_status": "PAUSED"}
    word = "job" if deployment == "job" else "pipeline"
    resources = files[f"resources/customer_revenue.{word}.yml"]["resources"]
    for job in resources["jobs"].values():
        assert Job.from_dict(job).as_dict() == job
    for pipeline in resources.get("pipelines", {}).values():
        assert Pipeline.from_dict(pipeline).as_dict() == pipeline
    used = set(yaml.safe_dump(resources).split("${var.")[1:])
    assert {item.split("}")[0] for item in used} <= set(root["variables"])
    workflow = files[".github/workflows/deploy.yml"]
    assert any("bundle deploy --target prod" in str(step) for step in workflow["jobs"]["bundle"]["steps"])
