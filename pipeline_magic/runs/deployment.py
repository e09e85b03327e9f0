"""What is in place, and what undoing it would do."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pipeline_magic.runs.change import PullRequest
from pipeline_magic.spec.schema import Model

__all__ = ["Deployment", "ROLLBACK_PARTS", "RollbackPart", "RollbackPlan", "RollbackStep"]


class Deployment(Model):
    """A pipeline as the deployer knows it.

    Attributes:
        id: Of the job or pipeline at the deployer.
        target_version_before: Version of the target before this deployment's first write; None when it did not exist.
        approval_id: The approval it was deployed by.
        revert: The pull request that undoes its files, once it is rolled back.
    """

    id: str
    run_id: str
    state: str
    digest: str
    name: str = ""
    notebook_path: str = ""
    url: str = ""
    next_run: str = ""
    rows: int | None = None
    target_version_before: str | None = None
    target_version_after: str | None = None
    pull_request: PullRequest | None = None
    message: str = ""
    approval_id: str = ""
    revert: PullRequest | None = None


RollbackPart: TypeAlias = Literal["job", "tables", "files"]


ROLLBACK_PARTS: tuple[RollbackPart, ...] = ("job", "tables", "files")


class RollbackStep(Model):
    """One thing that a rollback does.

    Attributes:
        action: ``put_back`` the settings before, ``remove`` the job; ``restore`` or ``drop`` a table; ``revert`` files.
        subject: The job, the table, or the pull request's number.
        text: What it does, one sentence.
        version: For ``restore``: the version that comes back.
        seen: Newest version of the table when this was planned; nobody may have written since.
    """

    part: RollbackPart
    action: Literal["put_back", "remove", "restore", "drop", "revert"]
    subject: str
    text: str
    version: str = ""
    seen: str = ""


class RollbackPlan(Model):
    """What a rollback would do, said before anything is touched.

    Attributes:
        approval_id: The approval whose deployment is undone.
        steps: What is undone, in this order.
        left: What stays as it is, and why, as sentences.
        refused: Why nothing at all is touched, as sentences; empty when it can go on.
    """

    run_id: str
    approval_id: str
    name: str
    environment: str
    parts: tuple[RollbackPart, ...] = ROLLBACK_PARTS
    steps: tuple[RollbackStep, ...] = ()
    left: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
