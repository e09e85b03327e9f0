"""A Declarative Automation Bundle: ``databricks.yml``, the resource of the pipeline, and the workflow that deploys it.

``databricks.yml`` and the workflow are the repository's: the same bytes whichever of its pipelines is compiled. What
belongs to one pipeline stands in its resource file, whole: what is the same everywhere under ``resources``, tables as
variables, and what differs between environments under ``targets``, each field in one of the two places, so that nothing
depends on how lists are merged. A schedule's pause stands there too, for a bundle leaves what is said outright alone.

Nothing here calls the CLI; the repository's own CI does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline_magic.compiler.environments import DEFAULT, Environment, Environments
from pipeline_magic.compiler.jobs import job_settings, parameters, permissions, pipeline_settings
from pipeline_magic.runs import File
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["BUNDLE", "SHARED", "WORKFLOW", "bundle_files", "resource"]

BUNDLE = "databricks.yml"
WORKFLOW = ".github/workflows/pipeline_magic.yml"

SHARED = (BUNDLE, WORKFLOW)
"""Paths of the files that all pipelines of a repository have in common."""

_ROOT = "/Workspace/Users/${workspace.current_user.userName}/.bundle/${bundle.name}/${bundle.target}"
_CHECKOUT = "actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683"  # v4.2.2
_CLI = "databricks/setup-cli@v0.295.0"  # this tag is the version of the CLI it installs


def resource(typed: TypedSpec, environment: Environment) -> dict[str, Any]:
    """The bundle's ``resources`` for one pipeline in one environment, as plain data."""
    name = typed.spec.name
    of_job = permissions(environment, "job")
    if typed.spec.deployment == "declarative":
        pipeline = pipeline_settings(typed, environment, f"../pipelines/{name}/{name}_pipeline.py")
        job = job_settings(typed, environment, f"${{resources.pipelines.{name}.id}}")
        pipelines = {name: pipeline | permissions(environment, "pipeline")}
        return {"pipelines": pipelines, "jobs": {f"{name}_job": job | of_job}}
    return {"jobs": {name: job_settings(typed, environment, f"../pipelines/{name}/{name}.ipynb") | of_job}}


def bundle_files(
    typed: TypedSpec, environments: Environments = DEFAULT, *, repository: str, branch: str = "main"
) -> tuple[File, ...]:
    """The resource file, ``databricks.yml``, and the CI workflow where some environment is deployed by the bundle.

    Args:
        repository: Name of the bundle, one for a repository.
        branch: The branch that changes are merged into.
    """
    word = "pipeline" if typed.spec.deployment == "declarative" else "job"
    files = [
        File(path=f"resources/{typed.spec.name}.{word}.yml", content=_yaml(_resource_file(typed, environments))),
        File(path=BUNDLE, content=_yaml(_root(environments, repository))),
    ]
    if any(item.deploy_via == "bundle" for item in environments.environments):
        files.append(File(path=WORKFLOW, content=_workflow(environments, branch)))
    return tuple(files)


# --- the repository's part ---------------------------------------------------------------------------------------


def _root(environments: Environments, repository: str) -> dict[str, Any]:
    targets: dict[str, Any] = {}
    for environment in environments.environments:
        target: dict[str, Any] = {"mode": environment.mode, "default": environment is environments.environments[0]}
        workspace = {"host": environment.host} if environment.host else {}
        if environment.mode == "production":  # said outright, as the CLI asks for in production
            workspace["root_path"] = _ROOT
        target |= {"workspace": workspace} if workspace else {}
        if environment.run_as:
            target["run_as"] = {environment.run_as_kind: environment.run_as}
        if environment.paused:
            target["presets"] = {"trigger_pause_status": "PAUSED"}
        targets[environment.name] = target
    return {"bundle": {"name": repository}, "include": ["resources/*.yml"], "targets": targets}


# --- the pipeline's part -----------------------------------------------------------------------------------------


def _resource_file(typed: TypedSpec, environments: Environments) -> dict[str, Any]:
    made = {item.name: _with_variables(typed, item, resource(typed, item)) for item in environments.environments}
    shared, differing = _split(list(made.values()))
    tables = {item.name: _tables(typed, item) for item in environments.environments}
    first = tables[environments.environments[0].name]
    own_prefix = f"{typed.spec.name}_"
    variables = {
        name: {"description": f"{typed.spec.name}: {name.removeprefix(own_prefix)}", "default": value}
        for name, value in first.items()
    }
    targets: dict[str, Any] = {}
    for name, own in zip(made, differing, strict=True):
        target: dict[str, Any] = {"variables": tables[name]} if tables[name] != first else {}
        target |= {"resources": own} if own else {}
        targets |= {name: target} if target else {}
    return {"variables": variables, "resources": shared, **({"targets": targets} if targets else {})}


def _is_table(parameter: str) -> bool:
    """Whether a parameter of the notebook names a table; the others are of the run."""
    return not parameter.startswith(("run_", "spark."))


def _tables(typed: TypedSpec, environment: Environment) -> dict[str, str]:
    """Variable and value of every table in an environment."""
    values = parameters(typed, environment).items()
    return {f"{typed.spec.name}_{name}": value for name, value in values if _is_table(name)}


def _with_variables(typed: TypedSpec, environment: Environment, data: dict[str, Any]) -> dict[str, Any]:
    """The resource with its tables as variables, and the environment's name as the bundle's."""
    name = typed.spec.name
    for kinds in data.values():
        for settings in kinds.values():
            settings["name"] = f"{name} (${{bundle.target}})"
            settings["tags"] = settings["tags"] | {"pipeline_magic_environment": "${bundle.target}"}
            for item in settings.get("parameters", ()):
                if _is_table(item["name"]):
                    item["default"] = f"${{var.{name}_{item['name']}}}"
            if "configuration" in settings:
                settings["configuration"] = {
                    key: f"${{var.{name}_{key}}}" if _is_table(key) else value
                    for key, value in settings["configuration"].items()
                }
    return data


def _split(found: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Fields that are the same in every environment, and for each environment the others."""
    shared: dict[str, Any] = {}
    differing: list[dict[str, Any]] = [{} for _ in found]
    for kind, resources in found[0].items():
        for name, settings in resources.items():
            every = [item[kind][name] for item in found]
            same = {key for key in settings if all(key in one and one[key] == settings[key] for one in every)}
            shared.setdefault(kind, {})[name] = {key: value for key, value in settings.items() if key in same}
            for own, one in zip(differing, every, strict=True):
                rest = {key: value for key, value in one.items() if key not in same}
                if rest:
                    own.setdefault(kind, {})[name] = rest
    return shared, differing


# --- the workflow ------------------------------------------------------------------------------------------------


def _workflow(environments: Environments, branch: str) -> str:
    """The GitHub workflow that validates pull requests and deploys what was merged, environment after environment."""
    names = [item.name for item in environments.environments if item.deploy_via == "bundle"]
    jobs: dict[str, Any] = {
        f"validate_{names[0]}": {
            # a pull request from a fork gets no identity
            "if": "github.event_name == 'pull_request' "
            "&& github.event.pull_request.head.repo.full_name == github.repository",
            **_job(names[0], "validate"),
            "environment": "validate",  # an identity of its own, which need not be able to deploy
        }
    }
    before = ""
    for name in names:
        needs = {"needs": before} if before else {}
        jobs[f"deploy_{name}"] = {"if": "github.event_name == 'push'", **needs, **_job(name, "deploy")}
        before = f"deploy_{name}"
    data = {
        "name": "pipeline_magic",
        "on": {"pull_request": {"branches": [branch]}, "push": {"branches": [branch]}},
        "permissions": {},
        "concurrency": {"group": "pipeline_magic-${{ github.ref }}", "cancel-in-progress": False},
        "jobs": jobs,
    }
    return _yaml(data)


def _job(target: str, verb: str) -> dict[str, Any]:
    """A job of the workflow; the GitHub environment of the target's name says who may let it run, and where."""
    return {
        "runs-on": "ubuntu-latest",
        "timeout-minutes": 30,
        "environment": target,
        "permissions": {"contents": "read", "id-token": "write"},
        "env": {
            "DATABRICKS_AUTH_TYPE": "github-oidc",
            "DATABRICKS_HOST": "${{ vars.DATABRICKS_HOST }}",
            "DATABRICKS_CLIENT_ID": "${{ vars.DATABRICKS_CLIENT_ID }}",
        },
        "steps": [
            {"uses": _CHECKOUT, "with": {"persist-credentials": False}},
            {"uses": _CLI},
            {"run": f"databricks bundle validate --target {target}"},
            *([{"run": f"databricks bundle deploy --target {target}"}] if verb == "deploy" else []),
        ],
    }


def _yaml(data: Mapping[str, Any]) -> str:
    import yaml

    class Plain(yaml.SafeDumper):
        """Without anchors: a value that stands twice is written twice."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    head = "# Generated by pipeline_magic; a change made here is not taken over.\n"
    text = str(yaml.dump(data, Dumper=Plain, sort_keys=False, allow_unicode=True, width=110))
    try:
        exact = yaml.safe_load(text) == data
    except yaml.YAMLError:
        exact = False
    if not exact:  # characters that YAML folds or refuses as they are: write them as escapes
        text = str(yaml.dump(data, Dumper=Plain, sort_keys=False, allow_unicode=False, width=110))
    return head + text
