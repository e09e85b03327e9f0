"""Job settings and bundles: valid by Databricks' own models, equal among SDK, bundle and files in every environment."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from pipeline_magic.compiler.bundle import BUNDLE, SHARED, WORKFLOW, bundle_files, resource
from pipeline_magic.compiler.environments import DEFAULT, Environment, Environments, Permission
from pipeline_magic.compiler.jobs import job_settings, permissions, physical, pipeline_settings
from pipeline_magic.spec.model import Continuous, Manual, PipelineSpec, Schedule, TableUpdate
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.support.compiled import GOLDEN, Case, cases, load_case

DEV = Environment(name="dev", mode="development", paused=True, catalogs={"samples": "samples_dev"})
STAGING = Environment(
    name="staging",
    catalogs={"analytics": "analytics_staging"},
    performance="STANDARD",
    run_as="ada@example.com",
    run_as_kind="user_name",
    webhooks=("hook-1", "hook-2"),
    slow_seconds=900,
    tags={"team": "data", "pipeline_magic": "not ours"},
    paused=True,
    deploy_via="bundle",
)
PROD = Environment(
    name="prod",
    catalogs={"analytics": "analytics_prod"},
    host="https://prod.example.com",
    run_as="0000-1111",
    notify=("data@example.com", "ops@example.com"),
    webhooks=("hook-1",),
    slow_seconds=1800,
    permissions=(
        Permission(kind="group_name", name="analysts", level="CAN_VIEW"),
        Permission(kind="user_name", name="ada@example.com", level="CAN_RUN"),
    ),
    timeout_seconds=3600,
    retries=3,
    serverless=False,
    node_type="i3.xlarge",
    spark_version="17.3.x-scala2.13",
    workers=4,
    deploy_via="bundle",
)
ALL = Environments(environments=(DEV, STAGING, PROD))
EACH = (*DEFAULT.environments, *ALL.environments)
TRIGGERS = [Schedule(cron="0 0 6 * * ?", timezone="America/New_York"), TableUpdate(), Continuous(), Manual()]


def seed(**update: Any) -> TypedSpec:
    """The seed's pipeline, changed."""
    case = load_case(GOLDEN / "seed_customer_revenue")
    spec: PipelineSpec = case.spec.model_copy(update=update)
    return type_spec(spec, {alias: table.schema for alias, table in case.tables.items()})


def triggered(trigger: Any, deployment: str = "job") -> TypedSpec:
    """The seed's pipeline with a trigger; a continuous one appends, as an overwrite may not be continuous."""
    spec = seed().spec
    mode = "append" if trigger.kind == "continuous" and deployment == "job" else "overwrite"
    return seed(trigger=trigger, deployment=deployment, target=spec.target.model_copy(update={"mode": mode}))


def resolved(value: Any, words: Mapping[str, str]) -> Any:
    """The data with every ``${...}`` replaced; a reference that is not known is an error, as for the bundle's CLI."""
    if isinstance(value, dict):
        return {name: resolved(item, words) for name, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, words) for item in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        return match.group() if name.startswith("resources.") else words[name]

    return re.sub(r"\$\{([^}]*)\}", replace, value)


def deployed(root: dict[str, Any], own: dict[str, Any], target: str) -> dict[str, Any]:
    """The resources a target deploys, from the two files alone: fields merged, variables put in."""
    overrides = own.get("targets", {}).get(target, {})
    words = {f"var.{name}": item["default"] for name, item in own["variables"].items()}
    words |= {f"var.{name}": value for name, value in overrides.get("variables", {}).items()}
    words |= {"bundle.target": target, "bundle.name": root["bundle"]["name"]}
    made: dict[str, Any] = {}
    for part in (own["resources"], overrides.get("resources", {})):
        for kind, resources in part.items():
            for name, settings in resources.items():
                place = made.setdefault(kind, {}).setdefault(name, {})
                assert not set(place) & set(settings), "a field stands in one place alone"
                place |= settings
    result: dict[str, Any] = resolved(made, words)
    return result


def read(typed: TypedSpec, environments: Environments = ALL) -> tuple[dict[str, Any], dict[str, Any]]:
    """``databricks.yml`` and the pipeline's resource file, read back."""
    files = {file.path: yaml.safe_load(file.content) for file in bundle_files(typed, environments, repository="data")}
    own = next(content for path, content in files.items() if path.startswith("resources/"))
    return files[BUNDLE], own


@pytest.mark.parametrize("environment", EACH, ids=lambda item: item.name)
@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda item: item.kind)
def test_jobs_agree_field_by_field(environment: Environment, trigger: Any) -> None:
    """The SDK's object and the bundle's model hold every field of the settings, and nothing else."""
    from databricks.bundles.jobs import Job
    from databricks.sdk.service.jobs import JobSettings

    typed = triggered(trigger)
    settings = job_settings(typed, environment, "/Workspace/p/x")
    assert JobSettings.from_dict(settings).as_dict() == settings
    whole = settings | permissions(environment, "job")
    assert Job.from_dict(whole).as_dict() == whole
    values = {item["name"]: item["default"] for item in settings["parameters"]}
    assert values["target"] == physical(typed.spec.target.table, environment)
    assert values["run_key"] == "{{job.run_id}}"
    assert ("max_retries" in settings["tasks"][0]) == (trigger.kind != "continuous")


@pytest.mark.parametrize("environment", EACH, ids=lambda item: item.name)
@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda item: item.kind)
def test_pipelines_agree_field_by_field(environment: Environment, trigger: Any) -> None:
    """A declarative deployment is a pipeline, and a job that starts it; each as the SDK and the bundle know it."""
    from databricks.bundles.jobs import Job
    from databricks.bundles.pipelines import Pipeline
    from databricks.sdk.service.jobs import JobSettings
    from databricks.sdk.service.pipelines import PipelinesAPI, PipelineSpec

    typed = triggered(trigger, "declarative")
    settings = pipeline_settings(typed, environment, "/Workspace/p/x.py")
    assert set(settings) <= set(inspect.signature(PipelinesAPI.create).parameters)
    held = {name: value for name, value in settings.items() if name != "run_as"}
    assert PipelineSpec.from_dict(held).as_dict() == held
    whole = settings | permissions(environment, "pipeline")
    assert Pipeline.from_dict(whole).as_dict() == whole
    job = job_settings(typed, environment, "an id")
    assert Job.from_dict(job).as_dict() == job == JobSettings.from_dict(job).as_dict()
    assert settings["configuration"]["target"] == physical(typed.spec.target.table, environment)
    assert settings["continuous"] == (trigger.kind == "continuous" and not environment.paused)


def test_settings_of_production() -> None:
    """Identity, health, notifications, permissions, cluster, queue and tags stand in the settings as configured."""
    made = resource(seed(), PROD)["jobs"]["customer_revenue"]
    assert made["run_as"] == {"service_principal_name": "0000-1111"}
    rule = {"metric": "RUN_DURATION_SECONDS", "op": "GREATER_THAN", "value": 1800}
    assert made["health"] == {"rules": [rule]}
    people = ["data@example.com", "ops@example.com"]
    assert made["email_notifications"] == {"on_failure": people, "on_duration_warning_threshold_exceeded": people}
    assert made["webhook_notifications"]["on_failure"] == [{"id": "hook-1"}]
    assert {"user_name": "ada@example.com", "level": "CAN_MANAGE_RUN"} in made["permissions"]
    assert made["job_clusters"][0]["new_cluster"]["num_workers"] == 4
    assert made["queue"] == {"enabled": True} and made["timeout_seconds"] == 3600
    assert made["tasks"][0]["max_retries"] == 3 and "performance_target" not in made
    of_staging = resource(seed(), STAGING)["jobs"]["customer_revenue"]
    assert of_staging["performance_target"] == "STANDARD" and of_staging["schedule"]["pause_status"] == "PAUSED"
    assert of_staging["tags"] == {
        "team": "data", "pipeline_magic": "customer_revenue", "pipeline_magic_environment": "staging"
    }  # fmt: skip
    of_pipeline = resource(seed(deployment="declarative"), PROD)["pipelines"]["customer_revenue"]
    assert {"user_name": "ada@example.com", "level": "CAN_RUN"} in of_pipeline["permissions"]


@pytest.mark.parametrize("deployment", ["job", "declarative"])
@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda item: item.kind)
@pytest.mark.parametrize("environments", [DEFAULT, ALL], ids=["default", "three"])
def test_files_are_the_settings(deployment: str, trigger: Any, environments: Environments) -> None:
    """What each target deploys by the files is, field by field, what the settings of its environment are."""
    typed = triggered(trigger, deployment)
    root, own = read(typed, environments)
    for environment in environments.environments:
        assert deployed(root, own, environment.name) == resource(typed, environment)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_files_of_every_case_are_the_settings(case: Case) -> None:
    """The same for every golden case, in three environments, and the models of Databricks take what comes out."""
    from databricks.bundles.jobs import Job
    from databricks.sdk.service.jobs import JobSettings

    typed = case.typed()
    root, own = read(typed)
    for environment in ALL.environments:
        made = deployed(root, own, environment.name)
        assert made == resource(typed, environment)
        for job in made["jobs"].values():
            assert Job.from_dict(job).as_dict() == job
            settings = {name: value for name, value in job.items() if name != "permissions"}
            assert JobSettings.from_dict(settings).as_dict() == settings


def test_root_is_of_the_repository() -> None:
    """`databricks.yml` and the workflow are the same bytes for two pipelines, and say mode, host, identity, pause."""
    other = load_case(GOLDEN / "mode_merge").typed()
    first, second = (
        {file.path: file.content for file in bundle_files(typed, ALL, repository="data") if file.path in SHARED}
        for typed in (seed(), other)
    )
    assert first == second and set(first) == {BUNDLE, WORKFLOW}
    root = yaml.safe_load(first[BUNDLE])
    assert list(root["targets"]) == ["dev", "staging", "prod"]
    assert [target["default"] for target in root["targets"].values()] == [True, False, False]
    assert root["targets"]["prod"]["run_as"] == {"service_principal_name": "0000-1111"}
    assert root["targets"]["prod"]["workspace"]["host"] == "https://prod.example.com"
    assert root["targets"]["dev"] == {
        "mode": "development", "default": True, "presets": {"trigger_pause_status": "PAUSED"}
    }  # fmt: skip


def test_text_of_a_spec_is_no_reference() -> None:
    """A description cannot make the bundle read a variable or a secret."""
    root, own = read(seed(description="costs ${workspace.current_user.userName} ${var.x}"))
    assert "${workspace" not in yaml.safe_dump(own)
    assert "$ {var.x}" in deployed(root, own, "prod")["jobs"]["customer_revenue"]["description"]


def test_workflow() -> None:
    """One job an environment in the order of promotion, each behind its GitHub environment; few rights."""
    files = {file.path: file.content for file in bundle_files(seed(), ALL, repository="data", branch="trunk")}
    made = yaml.safe_load(files[WORKFLOW])
    assert True not in made and made["on"]["push"] == {"branches": ["trunk"]}
    jobs = made["jobs"]
    assert list(jobs) == ["validate_staging", "deploy_staging", "deploy_prod"], "dev is deployed by the SDK"
    assert jobs["deploy_prod"]["needs"] == "deploy_staging" and "needs" not in jobs["deploy_staging"]
    assert jobs["deploy_prod"]["environment"] == "prod" and "push" in jobs["deploy_prod"]["if"]
    assert jobs["deploy_prod"]["steps"][-1]["run"] == "databricks bundle deploy --target prod"
    assert "deploy" not in jobs["validate_staging"]["steps"][-1]["run"]
    assert made["permissions"] == {} and made["concurrency"]["cancel-in-progress"] is False
    for job in jobs.values():
        assert job["permissions"] == {"contents": "read", "id-token": "write"}
        for step in job["steps"]:
            if "uses" in step:
                assert re.search(r"@([0-9a-f]{40}|v\d+\.\d+\.\d+)$", step["uses"])


def test_no_workflow_where_nothing_is_deployed_by_the_bundle() -> None:
    """Without `deploy_via = "bundle"` there is no workflow."""
    paths = [file.path for file in bundle_files(seed(), DEFAULT, repository="data")]
    assert paths == ["resources/customer_revenue.job.yml", BUNDLE]
