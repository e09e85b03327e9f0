"""What a request to deploy says of itself: its place, what it runs, whether it contradicts itself. Pure.

Not here: putting anything in place (`deployer`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from pipeline_magic.errors import DeploymentError
from pipeline_magic.ports import DeployRequest

__all__ = ["check", "decisive", "folder_of", "grants", "identity_of", "sources_of"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_RUNS = ("tasks", "parameters", "run_as", "git_source", "job_clusters")
"""Settings that decide what a run does; the others may be changed by hand, and a run goes on."""
_UPDATES = (
    "libraries", "configuration", "catalog", "schema", "run_as", "continuous", "clusters", "serverless", "environment",
)  # fmt: skip
"""The same of a pipeline."""


def folder_of(request: DeployRequest) -> str:
    """Where what a deployment runs belongs, below the environment's folder; its name is the hash of it."""
    parent = PurePosixPath(request.notebook_path).parent
    if request.spec.deployment != "declarative":
        return str(parent)
    whole = "".join(f"{path}\0{text}\0" for path, text in sorted(request.files.items()))
    return str(parent.parent / hashlib.sha256(whole.encode()).hexdigest())


def sources_of(request: DeployRequest) -> dict[str, str]:
    """Name and text of what a deployment runs; a notebook has no ending in a workspace."""
    if request.spec.deployment == "declarative":
        return {PurePosixPath(path).name: text for path, text in request.files.items()}
    return {PurePosixPath(request.notebook_path).stem: request.notebook}


def decisive(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the settings that decides what a run does."""
    made = {name: settings.get(name) for name in _RUNS}
    pipeline = settings.get("pipeline")
    if isinstance(pipeline, Mapping):
        made["pipeline"] = {name: pipeline.get(name) for name in _UPDATES}
    return made


def grants(request: DeployRequest) -> bool:
    """Whether the settings of the job say who may do what with it."""
    jobs = request.resource.get("jobs")
    return isinstance(jobs, dict) and any(isinstance(job, dict) and job.get("permissions") for job in jobs.values())


def check(request: DeployRequest) -> None:
    """Refuse a request that contradicts itself.

    Raises:
        DeploymentError: Path and bytes of the notebook, or parameters of the plan and of its files, do not agree; or
            there are no settings.
    """
    path = PurePosixPath(request.notebook_path)
    if path.is_absolute() or ".." in path.parts or len(path.parts) < 3:
        raise DeploymentError("The notebook's path leads out of its folder.", where=request.notebook_path)
    named = _SHA256.search(request.notebook_path)
    if named is None or named.group() != hashlib.sha256(request.notebook.encode()).hexdigest():
        raise DeploymentError("The notebook is not the one that its path names.", where=request.notebook_path)
    jobs = request.resource.get("jobs")
    if not isinstance(jobs, dict) or not jobs:
        raise DeploymentError(
            f"The plan holds no settings of a job for `{request.pipeline}`.",
            where=f"resources/{request.pipeline}.job.yml",
            hint="Generate the plan again, and approve that.",
        )
    told = dict(_tables(request))
    for name, wanted in request.parameters.items():
        here = told.get(name)
        if wanted != here and (name in told or request.spec.deployment == "job"):
            raise DeploymentError(
                f"The job's parameter `{name}` is `{here}` in the files, and `{wanted}` in the plan.",
                where=f"resources/{request.pipeline}.job.yml",
                hint="Generate the plan again, and approve that.",
            )


def identity_of(request: DeployRequest) -> dict[str, str]:
    """As whom the job or pipeline is to run; empty: as whoever deploys."""
    for _, settings in _resources(request):
        identity = settings.get("run_as")
        if isinstance(identity, dict) and identity:
            return {str(kind): str(name) for kind, name in identity.items()}
    return {}


def _resources(request: DeployRequest) -> Iterator[tuple[str, dict[str, Any]]]:
    """Kind and settings of each resource."""
    for kind, resources in request.resource.items():
        for settings in resources.values() if isinstance(resources, dict) else ():
            if isinstance(settings, dict):
                yield kind, settings


def _tables(request: DeployRequest) -> Iterator[tuple[str, Any]]:
    """Name and value of each parameter of jobs, and of what configures a pipeline."""
    for _, settings in _resources(request):
        given, configured = settings.get("parameters"), settings.get("configuration")
        for one in given if isinstance(given, list) else ():
            if isinstance(one, dict):
                yield str(one.get("name")), one.get("default")
        yield from configured.items() if isinstance(configured, dict) else ()
