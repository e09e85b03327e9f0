"""Runs, approvals, effects and the audit, kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from pydantic import JsonValue

from pipeline_magic.runs import Approval, AuditDraft, AuditEntry, Deployment, Effect, Exchange, Plan, Run, Stage
from pipeline_magic.spec.schema import Model

__all__ = ["Store", "WorkingData"]


class WorkingData(Model):
    """What a run worked with and nobody needs once it has ended.

    Attributes:
        stages: Stored results of stages.
        measured: Plans with evidence beside them.
        exchanges: Requests to language models whose texts are there.
        size: Characters of all of it.
    """

    stages: int = 0
    measured: int = 0
    exchanges: int = 0
    size: int = 0


class Store(Protocol):
    """Runs, stage results, approvals, effects, the audit. Every change of state is a compare-and-set."""

    @property
    def name(self) -> str:
        """For a person."""
        ...

    def create_run(self, run: Run) -> Run: ...

    def run(self, run_id: str) -> Run:
        """Raises NotFound."""
        ...

    def runs(self, *, limit: int = 50, statement: str | None = None, name: str | None = None) -> Sequence[Run]:
        """Newest first."""
        ...

    def every_run(self) -> Iterator[Run]:
        """All runs, oldest first, a page at a time."""
        ...

    def update_run(self, run: Run, *, audit: AuditDraft | None = None, **changes: Any) -> Run:
        """Write changes if nobody else did since `run` was read, and say so in the audit: both or neither.

        Raises:
            StaleState: Somebody did, or the state machine has no such move.
        """
        ...

    def save_stage(self, run_id: str, stage: Stage, inputs_digest: str, result: str, at: str) -> None: ...

    def stage(self, run_id: str, stage: Stage) -> tuple[str, str] | None:
        """(digest of the inputs, result as JSON) of the last time, or None."""
        ...

    def save_approval(
        self, approval: Approval, *, expected_state: str | None, audit: AuditDraft | None = None
    ) -> Approval:
        """Insert (expected None) or move it, and say so in the audit: both or neither.

        Raises:
            StaleState: It is not in the expected state, or holds decisions this one does not know.
        """
        ...

    def approval(self, approval_id: str) -> Approval: ...

    def approvals(self, run_id: str) -> Sequence[Approval]:
        """Every approval the run ever asked for, newest first."""
        ...

    def save_plan(self, approval_id: str, plan: Plan, evidence: dict[str, JsonValue]) -> None:
        """Keep what an approval is asked for; the plan of an approval never changes, its evidence may."""
        ...

    def plan(self, approval_id: str) -> tuple[Plan, dict[str, JsonValue]]:
        """The plan of an approval and the evidence beside it. Raises NotFound."""
        ...

    def save_deployment(
        self, deployment: Deployment, *, expected_state: str | None, audit: AuditDraft | None = None
    ) -> Deployment:
        """Insert (expected None) or move the run's deployment, and say so in the audit: both or neither."""
        ...

    def deployment(self, run_id: str) -> Deployment | None: ...

    def deployments(self) -> Sequence[Deployment]:
        """The deployment of every run that has one."""
        ...

    def begin_effect(self, key: str, run_id: str, kind: str, at: str) -> Effect:
        """The effect of that key: newly started, or as it stands."""
        ...

    def finish_effect(self, key: str, result: JsonValue, at: str, *, audit: AuditDraft | None = None) -> Effect:
        """Write the result, and say so in the audit: both or neither. The first result stays, and is said once."""
        ...

    def effects(self, run_id: str) -> Sequence[Effect]: ...

    def append_audit(
        self,
        *,
        at: str,
        run_id: str,
        event: str,
        identity: str,
        name: str = "",
        digest: str = "",
        detail: dict[str, JsonValue] | None = None,
    ) -> AuditEntry: ...

    def audit(self, run_id: str | None = None) -> Sequence[AuditEntry]:
        """Oldest first; of all runs when None, and then all in memory: `audit_stream` is for those."""
        ...

    def audit_stream(self, run_id: str | None = None, *, after: int | None = None) -> Iterator[AuditEntry]:
        """Oldest first, a page at a time, so that memory does not grow with the audit.

        Args:
            run_id: Of one run; of all when None.
            after: Entries with greater numbers only.
        """
        ...

    def audit_head(self) -> tuple[int, str]:
        """Number and hash of the last audit entry, as the store remembers them beside the chain."""
        ...

    def save_exchange(self, exchange: Exchange, *, audit: AuditDraft | None = None) -> None:
        """Insert an exchange with a language model, or replace it by its id; with its audit entry or not at all."""
        ...

    def exchanges(self, run_id: str) -> Sequence[Exchange]:
        """What a run exchanged with language models, in the order it was sent."""
        ...

    def working_data(self, run_id: str, *, texts: bool = False) -> WorkingData:
        """What `clean_run` would remove."""
        ...

    def clean_run(self, run: Run, *, texts: bool, message: str, audit: AuditDraft) -> Run:
        """Remove the working data of a run if nobody changed it since it was read, and say so: all or nothing.

        Args:
            texts: Those of the exchanges with language models too; their hashes stay.
            message: Stands in the run from now on.

        Raises:
            StaleState: Somebody changed it.
        """
        ...

    def beat(self, worker: str) -> None:
        """Remember that a worker lives at this moment, by the store's own clock."""
        ...

    def last_beat(self, worker: str) -> float | None:
        """Seconds since it was last said to live, by the store's own clock; None where it never was."""
        ...

    def compact(self) -> None:
        """Give the space of what was removed back to the disk, and leave nothing of it there; as far as possible."""
        ...

    def close(self) -> None: ...
