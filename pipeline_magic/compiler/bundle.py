"""A Declarative Automation Bundle: ``databricks.yml``, the resource of the pipeline, and the workflow that deploys it.

The files are the same bytes for every environment: what differs stands in the bundle's targets, as variables. Nothing
here calls the CLI; the repository's own CI does. The files are validated with the PyPI package ``databricks-bundles``.
"""

from __future__ import annotations

from typing import Any

from pipeline_magic.compiler.environments import Environment, Environments
from pipeline_magic.compiler.jobs import job_settings, physical, pipeline_settings
from pipeline_magic.runs import File
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["bundle_files", "resource"]


def resource(typed: TypedSpec, environment: Environment) -> dict[str, Any]:
    """The bundle's ``resources`` for one pipeline in one environment, as plain data."""
    name = typed.spec.name
    if typed.spec.deployment == "declarative":
        pipeline = pipeline_settings(typed, environment, f"../pipelines/{name}/{name}_pipeline.py")
        job = job_settings(typed, environment, f"${{resources.pipelines.{name}.id}}")
        return {"pipelines": {name: pipeline}, "jobs": {f"{name}_job": job | _permissions(environment)}}
    return {
        "jobs": {
            name: job_settings(typed, environment, f"../pipelines/{name}/{name}.ipynb") | _permissions(environment)
        }
    }


def _permissions(environment: Environment) -> dict[str, Any]:
    if not environment.permissions:
        return {}
    return {"permissions": [{item.kind: item.name, "level": item.level} for item in environment.permissions]}


def bundle_files(typed: TypedSpec, environments: Environments, *, repository: str) -> tuple[File, ...]:
    """``databricks.yml``, the resource file and the CI workflow.

    Args:
        repository: Name of the bundle, one for a repository.
    """
    name = typed.spec.name
    word = "pipeline" if typed.spec.deployment == "declarative" else "job"
    return (
        File(path="databricks.yml", content=_yaml(_root(typed, environments, repository))),
        File(path=f"resources/{name}.{word}.yml", content=_yaml(_shared(typed, environments))),
        File(path=".github/workflows/deploy.yml", content=_workflow(environments)),
    )


def _variables(typed: TypedSpec, environment: Environment) -> dict[str, str]:
    name = typed.spec.name
    made = {f"{name}_target": physical(typed.spec.target.table, environment)}
    made.update({f"{name}_source_{s.alias}": physical(s.table, environment) for s in typed.spec.sources})
    return made


def _shared(typed: TypedSpec, environments: Environments) -> dict[str, Any]:
    """The resource with what differs between environments as variables."""
    first = environments.environments[0]
    plain = first.model_copy(update={"name": "${bundle.target}", "permissions": (), "run_as": "", "paused": False})
    made = resource(typed, plain)
    for jobs in made.get("jobs", {}).values():
        for parameter in jobs.get("parameters", ()):
            if parameter["name"] == "target" or parameter["name"].startswith("source_"):
                parameter["default"] = f"${{var.{typed.spec.name}_{parameter['name']}}}"
    for pipeline in made.get("pipelines", {}).values():
        pipeline["configuration"] = {name: f"${{var.{typed.spec.name}_{name}}}" for name in pipeline["configuration"]}
    return {"resources": made}


def _root(typed: TypedSpec, environments: Environments, repository: str) -> dict[str, Any]:
    first = environments.environments[0]
    names = _variables(typed, first)
    targets: dict[str, Any] = {}
    for environment in environments.environments:
        target: dict[str, Any] = {"mode": environment.mode, "default": environment is first}
        if environment.host:
            target["workspace"] = {"host": environment.host}
        target["variables"] = _variables(typed, environment)
        if environment.run_as:
            target["run_as"] = {environment.run_as_kind: environment.run_as}
        if environment.permissions:
            target |= _permissions(environment)
        if environment.paused:
            target["presets"] = {"trigger_pause_status": "PAUSED"}
        targets[environment.name] = target
    return {
        "bundle": {"name": repository},
        "include": ["resources/*.yml"],
        "variables": {name: {"description": f"Table of {name}", "default": value} for name, value in names.items()},
        "targets": targets,
    }


def _workflow(environments: Environments) -> str:
    """The GitHub workflow that validates pull requests and deploys what was merged."""
    last = environments.environments[-1].name
    data = {
        "name": "deploy",
        "on": {"push": {"branches": ["main"]}, "pull_request": {}},
        "permissions": {"contents": "read", "id-token": "write"},
        "jobs": {
            "bundle": {
                "runs-on": "ubuntu-latest",
                "environment": last,
                "env": {"DATABRICKS_HOST": "${{ vars.DATABRICKS_HOST }}", "DATABRICKS_AUTH_TYPE": "github-oidc"},
                "steps": [
                    {"uses": "actions/checkout@v4"},
                    {"uses": "databricks/setup-cli@main"},
                    {"run": f"databricks bundle validate --target {last}"},
                    {"if": "github.event_name == 'push'", "run": f"databricks bundle deploy --target {last}"},
                ],
            }
        },
    }
    return _yaml(data)


def _yaml(data: dict[str, Any]) -> str:
    import yaml

    return "# Generated by pipeline_magic.\n" + str(
        yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)
    )
