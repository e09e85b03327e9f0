"""`Actions` over hand-made snapshots, for tests of the panel: every call is kept, edits are applied for real."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from pipeline_magic import runs
from pipeline_magic.errors import Cancelled
from pipeline_magic.ports import Progress
from pipeline_magic.runs import Answer, Snapshot, StageEvent
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.paths import Edit, apply_edits
from tests.support import snapshots

__all__ = ["Recorder"]


def _silent(event: StageEvent) -> None:
    """No progress."""


class Recorder:
    """Actions over hand-made snapshots: keeps every call, applies edits for real, waits where a test asks it to."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.now = snapshot
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.cancelled = threading.Event()

    def _do(self, *call: Any) -> None:
        self.calls.append(call)
        while not self.gate.wait(0.02):
            if self.cancelled.is_set():
                raise Cancelled("Nothing half done.")
        if self.error is not None:
            raise self.error

    def snapshot(self, run_id: str) -> Snapshot:
        return self.now

    def edit(self, run_id: str, edits: Sequence[Edit], *, progress: Progress = _silent) -> Snapshot:
        self._do("edit", tuple(edits))
        validated = self.now.validated
        assert validated is not None
        draft = apply_edits(validated.draft, edits)
        spec = PipelineSpec.model_validate(draft.model_dump(mode="json"))
        changed = validated.model_copy(update={"draft": draft, "spec": spec})
        self.now = self.now.model_copy(update={"validated": changed})
        return self.now

    def answer(self, run_id: str, answers: Sequence[Answer], *, progress: Progress = _silent) -> Snapshot:
        self._do("answer", tuple(answers))
        run = self.now.run.model_copy(update={"answers": tuple(answers)})
        self.now = self.now.model_copy(update={"run": run})
        return self.now

    def generate(self, run_id: str, *, progress: Progress = _silent) -> Snapshot:
        progress(StageEvent(stage="generate", state="running", message="Writing the notebook"))
        self._do("generate")
        planned = snapshots.planned()
        run = planned.run.model_copy(update={"answers": self.now.run.answers})
        self.now = planned.model_copy(update={"validated": self.now.validated, "run": run})
        return self.now

    def approve(
        self,
        approval_id: str,
        approver: str,
        comment: str = "",
        *,
        confirm: Sequence[str] = (),
        progress: Progress = _silent,
    ) -> Snapshot:
        self._do("approve", approval_id, approver, comment, tuple(confirm))
        self.now = snapshots.deployed()
        return self.now

    def reject(self, approval_id: str, approver: str, reason: str) -> Snapshot:
        self._do("reject", approval_id, approver, reason)
        return self.now

    def waive(
        self, run_id: str, finding: str, reason: str, *, name: str = "", progress: Progress = _silent
    ) -> Snapshot:
        self._do("waive", finding, reason)
        waiver = runs.Waiver(finding=finding, by="ada", reason=reason)
        self.now = self.now.model_copy(update={"run": self.now.run.model_copy(update={"waivers": (waiver,)})})
        return self.now

    def resolve_hand_edit(
        self, run_id: str, path: str, way: str, reason: str = "", *, progress: Progress = _silent
    ) -> Snapshot:
        self._do("resolve_hand_edit", path, way, reason)
        generated = self.now.generated
        assert generated is not None
        left = tuple(one for one in generated.findings if one.where != path)
        self.now = self.now.model_copy(update={"generated": generated.model_copy(update={"findings": left})})
        return self.now

    def resume(self, run_id: str, *, progress: Progress = _silent) -> Snapshot:
        self._do("resume", run_id)
        self.now = snapshots.deployed()
        return self.now

    def plan_rollback(self, run_id: str) -> runs.RollbackPlan:
        self._do("plan_rollback", run_id)
        return snapshots.rollback()

    def rollback(
        self,
        run_id: str,
        approver: str,
        reason: str = "",
        *,
        shown: runs.RollbackPlan | None = None,
        progress: Progress = _silent,
    ) -> Snapshot:
        self._do("rollback", run_id, approver, reason, shown)
        deployment = self.now.deployment
        assert deployment is not None
        undone = deployment.model_copy(update={"state": "rolled_back", "message": "Rolled back."})
        self.now = self.now.model_copy(update={"deployment": undone})
        return self.now

    def cancel(self, run_id: str) -> Snapshot:
        self.calls.append(("cancel",))
        self.cancelled.set()
        return self.now
