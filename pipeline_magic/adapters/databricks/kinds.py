"""What `LakeflowDeployer` asks of each kind of deployment: a Lakeflow Job, or a Lakeflow pipeline that a job runs.

    deployer   LakeflowDeployer: imports files, keeps records of what was deployed, and chooses the kind
      ├── jobs       Jobs: a job whose task is the notebook; also the job that a pipeline's kind needs
      └── pipelines  Pipelines: a Lakeflow pipeline, and the job whose `pipeline_task` runs it (by `Jobs.put`)

Ids here are those of the job, as digits: ``"8812"``. The deployer writes them as ``job:8812`` or ``pipeline:8812``, so
that the kind can be told from the id. Not here: how anything is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pydantic import JsonValue

from pipeline_magic.ports import DeployRequest
from pipeline_magic.runs import NotebookRun

__all__ = ["DIGEST", "ENVIRONMENT", "KEY", "PIPELINE", "JobKeeper", "Kind", "our_tags"]

PIPELINE = "pipeline_magic"
"""Tag with the pipeline's name; the bundle's resource has it too."""

ENVIRONMENT = "pipeline_magic_environment"
"""Tag with the environment's name; the bundle's resource has it too. These two find a deployment again."""

DIGEST = "pipeline_magic_digest"
"""Tag with the digest of the plan that was deployed."""

KEY = "pipeline_magic_key"
"""Tag with the name of the record that the deployer keeps of this deployment."""


def our_tags(request: DeployRequest, key: str) -> dict[str, str]:
    """The tags of a deployment, beside those of its resource.

    Args:
        key: Name of the deployer's record of it; see `KEY`.
    """
    own = {PIPELINE: request.pipeline, ENVIRONMENT: request.environment, DIGEST: request.digest, KEY: key}
    return {**request.tags, **own}


class Kind(Protocol):
    """One kind of deployment.

    `request.resource` holds ``{"jobs": {name: settings}, "pipelines": {name: settings}}`` of the environment, as the
    plan's bundle files have them (`compiler.deployed`): paths of files are relative to ``resources/``, the reference to
    a pipeline's id is ``${resources.pipelines.<name>.id}``, and permissions stand beside the settings. A kind replaces
    the paths by those below `folder`, and adds `tags`.
    """

    def place(self, request: DeployRequest, folder: str, owned: str | None, tags: Mapping[str, str]) -> str:
        """Create, or reset to these settings. The same request twice, or after a crash, is one deployment.

        Args:
            folder: Workspace folder in which the files of this deployment are: the notebook as `<pipeline>`, each of
                `request.files` under its own file name. Never changed later: another deployment has another folder.
            owned: Id of the job that is there (of either kind); None when none was found.
            tags: All tags that the deployment is to have (`our_tags`), to be laid over those of the resource.

        Returns:
            The id.
        """
        ...

    def find(self, pipeline: str, environment: str) -> str | None:
        """Id of the deployment with these two tags; never by its name alone."""
        ...

    def settings(self, id: str) -> dict[str, JsonValue]:
        """As they are at the service, without what changes by itself; equal states are equal JSON.

        `tags` is a mapping, `parameters` one of name to default. Whatever a person can change by hand is in it.

        Raises:
            NotFound: No such deployment.
        """
        ...

    def folder(self, id: str) -> str:
        """The `folder` it was last placed from, as its settings tell; empty when they do not.

        Raises:
            NotFound: No such deployment.
        """
        ...

    def run(self, id: str, *, key: str, timeout: float) -> NotebookRun:
        """Start it, once for each key, and follow it to its end.

        Raises:
            NotFound: No such deployment.
            DeploymentError: It could not be started, or has not ended in time; a repeat goes on following it.
            Cancelled: `cancel` was called.
        """
        ...

    def close(self, id: str) -> None:
        """Take back every permission that was given on it, but its owner's and the caller's."""
        ...

    def delete(self, id: str) -> None:
        """Remove it; nothing happens when it is not there."""
        ...

    def url(self, id: str) -> str:
        """Its page in the workspace."""
        ...

    def cancel(self) -> None:
        """Stop the runs that are followed now; each raises Cancelled in its own thread."""
        ...


class JobKeeper(Protocol):
    """What the kind of pipelines uses of `Jobs` for the job that runs a pipeline."""

    def put(
        self,
        settings: Mapping[str, Any],
        *,
        owned: str | None,
        tags: Mapping[str, str],
        permissions: Sequence[Mapping[str, str]] = (),
    ) -> str:
        """Create a job or reset it to these settings, ``run_as`` among them, which is verified.

        Args:
            settings: In the words of the Jobs API 2.2, with the task's paths and ids as they are at the service.
            owned: Id of the job to reset; None: look for one with these tags, and create it where there is none.
            tags: Laid over those of the settings.
            permissions: ``{"user_name" | "group_name" | "service_principal_name": …, "level": …}``.

        Returns:
            The id. Two creations at once, or one whose answer was lost, end in one job.
        """
        ...

    def find(self, pipeline: str, environment: str) -> str | None: ...

    def settings(self, id: str) -> dict[str, JsonValue]: ...

    def run(self, id: str, *, key: str, timeout: float) -> NotebookRun: ...

    def close(self, id: str) -> None: ...

    def delete(self, id: str) -> None: ...

    def url(self, id: str) -> str: ...

    def cancel(self) -> None: ...
