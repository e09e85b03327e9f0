"""What is approved, and by whom."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from pipeline_magic.runs.change import Change
from pipeline_magic.runs.files import File
from pipeline_magic.runs.reading import Answer
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.schema import Model

__all__ = ["Approval", "Decision", "Plan", "Prepared", "Waiver"]


class Waiver(Model):
    """A red finding accepted by name, with a reason."""

    finding: str
    by: str
    reason: str


class Plan(Model):
    """Everything an approval binds to. Its digest is `agents.approval.digest.plan_digest`.

    Attributes:
        base_files: SHA-256 of the base branch's content of exactly the paths the plan writes; None where absent.
        schemas: The catalog's schemas the plan rests on, without row counts and times.
        settings: Settings found when planning and to be written (never secrets).
    """

    spec: PipelineSpec
    files: tuple[File, ...]
    base_files: dict[str, str | None]
    schemas: dict[str, JsonValue]
    parameters: dict[str, str]
    settings: dict[str, JsonValue]
    environment: str
    policy: dict[str, JsonValue]
    answers: tuple[Answer, ...]
    waivers: tuple[Waiver, ...]
    compiler_version: str
    verdict: Literal["green", "amber", "red"]


class Prepared(Model):
    """Stage 5's result: the plan, its digest, and the pull request that is ready to be opened."""

    plan: Plan
    digest: str
    change: Change


class Decision(Model):
    """One person's word on a plan: the authenticated identity decides, the typed name is a label."""

    verb: Literal["approve", "reject"]
    identity: str
    name: str
    comment: str = ""
    at: str
    digest: str
    confirmed: tuple[str, ...] = ()


class Approval(Model):
    """Stage 6. A plan waiting for, or holding, its decisions."""

    id: str
    run_id: str
    digest: str
    state: str = "pending"
    needed: int = 1
    decisions: tuple[Decision, ...] = ()
    reason: str = ""
    created: str = ""
    expires: str = ""
