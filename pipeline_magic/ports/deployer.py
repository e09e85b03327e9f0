"""Jobs and pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import Field, JsonValue

from pipeline_magic.ports.engine import TableVersion
from pipeline_magic.runs import Deployment, NotebookRun
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.schema import Model

__all__ = ["DeployRequest", "Deployer"]


class DeployRequest(Model):
    """What is put in place after approval.

    Attributes:
        pipeline: Name; with `environment` it is the tag the deployment is found by.
        notebook_path: Where the notebook goes; holds the SHA-256 of its bytes.
        key: Idempotency key.
        resource: Settings of the job, and of the pipeline it runs, in this environment (`compiler.deployed`); empty
            where the plan's files hold none: then there is nothing that Databricks could be given.
        files: Sources of a declarative pipeline, by path in the repository.
    """

    pipeline: str
    environment: str
    spec: PipelineSpec
    notebook: str
    notebook_path: str
    parameters: dict[str, str]
    digest: str
    key: str
    paused: bool = False
    tags: dict[str, str] = Field(default_factory=dict)
    resource: dict[str, JsonValue] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)


class Deployer(Protocol):
    """Jobs and pipelines."""

    @property
    def name(self) -> str:
        """For a person."""
        ...

    def deploy(self, request: DeployRequest) -> Deployment:
        """Create, or reset to these settings, the job found by its tags; the same key twice is one deployment."""
        ...

    def run_now(self, deployment_id: str, *, key: str, timeout: float = 3600.0) -> NotebookRun:
        """Run it once and follow it to the end; the same key twice is one run."""
        ...

    def find(self, pipeline: str, environment: str) -> Deployment | None: ...

    def settings(self, deployment_id: str) -> dict[str, JsonValue]:
        """Settings as they are now."""
        ...

    def previous(self, deployment_id: str) -> DeployRequest | None:
        """What was deployed before the present settings."""
        ...

    def written(self, deployment_id: str, table: str, commits: Sequence[TableVersion]) -> frozenset[str]:
        """Of these commits of a table, the versions that runs of this job wrote for certain; none when it is gone."""
        ...

    def delete(self, deployment_id: str) -> None: ...

    def cancel(self) -> None: ...
