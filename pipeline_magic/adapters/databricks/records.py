"""What was deployed before: one JSON file for each deployment, beside its notebooks in the workspace.

Databricks keeps no earlier settings of a job. So a record is written before each reset: the request, which record was
the present one until then, and the settings that were found; afterwards, the settings as Databricks told them, from
which a later look tells what was changed by hand. The job's tag `kinds.KEY` names its present record.

A record is as trustworthy as its folder. The notebook in it has to have the SHA-256 in its path; who may write into the
folder could still put other settings in, and what is deployed from a record is shown before it is. Nothing removes
records: they are what an undo needs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from pipeline_magic.adapters.databricks.workspace_files import WorkspaceFiles
from pipeline_magic.errors import DeploymentError
from pipeline_magic.ports import DeployRequest

__all__ = ["NoRecord", "Record", "Records", "record_name"]


class NoRecord(DeploymentError):
    """What was deployed cannot be told: its record is gone, damaged, or is that of something else."""


class Record(BaseModel):
    """One deployment.

    Attributes:
        request: What was put in place.
        before: Path of the record of what was there until then; empty when there was none.
        found: Settings of the job until then; None when there was no job.
        written: Settings right afterwards; None until it was done.
        at: When the record was begun, UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    request: DeployRequest
    before: str = ""
    found: dict[str, JsonValue] | None = None
    written: dict[str, JsonValue] | None = None
    at: str = Field(default="")


class Records:
    """The records of one workspace.

    Args:
        files: Of the workspace.
    """

    def __init__(self, files: WorkspaceFiles) -> None:
        self._files = files

    def read(self, path: str) -> Record | None:
        """The record at a path; None when there is none.

        Raises:
            NoRecord: It is there and is none.
        """
        text = self._files.read(path, notebook=False)
        if text is None:
            return None
        try:
            return Record.model_validate(json.loads(text))
        except (ValidationError, ValueError):
            raise NoRecord(
                "The record of a deployment is damaged, or was written by another version.",
                where=path,
                hint="Put the file back, or deploy an approved plan anew: the settings before are then not known.",
            ) from None

    def write(self, path: str, record: Record, **changes: Any) -> Record:
        """Write a record, with changes, in place of what is there."""
        made = record.model_copy(update=changes)
        self._files.write(path, json.dumps(made.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n")
        return made


def record_name(request: DeployRequest) -> str:
    """Name of the record of a deployment; the same for the same idempotency key.

    >>> from types import SimpleNamespace
    >>> len(record_name(SimpleNamespace(key="deploy-a-1", digest="d1")))
    20
    """
    return hashlib.sha256(f"{request.key}\0{request.digest}".encode()).hexdigest()[:20]


def path_of(folder: str, name: str) -> str:
    """Path of a record, from a deployment's own folder: `<…>/<pipeline>/<sha>` -> `<…>/<pipeline>/deployments/…`."""
    return f"{folder.rpartition('/')[0]}/deployments/{name}.json"


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """As it comes back from JSON."""
    made: dict[str, Any] = json.loads(json.dumps(value))
    return made
