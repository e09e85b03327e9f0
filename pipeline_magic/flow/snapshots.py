"""A run put together again from the store: what the panel draws in any kernel, and what the command line prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline_magic.agents.approval.decisions import Evidence, over_budget
from pipeline_magic.agents.approval.policy import policy_of_plan
from pipeline_magic.errors import NotFound
from pipeline_magic.flow.drafts import draft_of_run
from pipeline_magic.flow.reporting import missing_scopes, with_report
from pipeline_magic.flow.stages import load_event, load_result
from pipeline_magic.flow.words import changed_by_hand
from pipeline_magic.ports import Store
from pipeline_magic.runs import (
    STAGES,
    Approval,
    Deployment,
    Generated,
    Parsed,
    Prepared,
    QualityReport,
    Run,
    Snapshot,
    Stage,
    StageEvent,
    Validated,
)

if TYPE_CHECKING:
    from pipeline_magic.wiring import Ports

__all__ = ["approval_of", "as_unchanged", "can_generate", "load", "stage_result"]

Result = TypeVar("Result", bound=BaseModel)


def load(ports: Ports, run_id: str) -> Snapshot:
    """The run as it stands.

    Raises:
        NotFound: No run has that id.
    """
    store = ports.store
    run = store.run(run_id)
    prepared = stage_result(store, run_id, "pull_request", Prepared)
    generated = stage_result(store, run_id, "generate", Generated)
    quality = stage_result(store, run_id, "quality", QualityReport)
    approval = approval_of(store, run)
    deployment = store.deployment(run_id)
    stale = run.state not in {"planned"}  # stages 3 to 5 belong to a plan that an edit or a new reading has left behind
    snapshot = Snapshot(
        run=run,
        parsed=stage_result(store, run_id, "parse", Parsed),
        validated=stage_result(store, run_id, "validate", Validated),
        generated=None if stale else generated,
        quality=None if stale else quality,
        change=None if stale or prepared is None else prepared.change,
        pull_request=with_report(store, run_id, deployment.pull_request if deployment else draft_of_run(store, run)),
        approval=None if stale else approval,
        deployment=deployment,
        audit=tuple(store.audit(run_id)),
        policy={} if prepared is None else prepared.plan.policy,
        blocked=() if stale or approval is None or prepared is None else _blocked(store, approval, prepared),
        changed_by_hand=() if stale or prepared is None else changed_by_hand(prepared.plan.settings),
        ports={**ports.describe, **_parser(ports, run)},
        leaves_machine=ports.leaves_machine
        if run.planner not in {"embedded", "repository"}
        else ports.leaves_otherwise,
        warnings=(*ports.warnings, *missing_scopes(store, run_id)),
        error=run.message if run.state == "failed" else "",
    )
    return snapshot.model_copy(update={"stages": _stages(store, snapshot)})


def _blocked(store: Store, approval: Approval, prepared: Prepared) -> tuple[str, ...]:
    """What keeps an open approval from being given, beside what the findings and questions say."""
    if approval.state not in {"pending", "partly_approved"}:
        return ()
    try:
        evidence = Evidence.model_validate(store.plan(approval.id)[1])
    except ValidationError:
        return ("what was measured cannot be read",)
    return over_budget(policy_of_plan(prepared.plan.policy), evidence)


def _parser(ports: Ports, run: Run) -> dict[str, str]:
    """Who reads this run, where that was said for it alone."""
    if run.planner == "embedded":
        return {"parser": "embedded planner"}
    if run.planner == "repository":
        return {"parser": "none: the spec on the base branch"}
    return {"parser": ports.language_model.name} if run.planner == "llm" and ports.language_model else {}


def as_unchanged(snapshot: Snapshot) -> Snapshot:
    """The snapshot of a build that found nothing to do: its stages say so."""
    stages = tuple(
        event.model_copy(update={"state": "unchanged"})
        if event.state == "done" and event.stage != "approval"
        else event
        for event in snapshot.stages
    )
    return snapshot.model_copy(update={"stages": stages, "unchanged": True})


def stage_result(store: Store, run_id: str, stage: Stage, model: type[Result]) -> Result | None:
    """The stored result of a stage; None when there is none that can be read."""
    stored = store.stage(run_id, stage)
    return None if stored is None else load_result(stored[1], model)


def approval_of(store: Store, run: Run) -> Approval | None:
    """The approval of the run's present plan; None before there is one."""
    if not run.approval_id:
        return None
    try:
        return store.approval(run.approval_id)
    except NotFound:
        return None


def can_generate(snapshot: Snapshot) -> bool:
    """Whether nothing stands between the spec and its files."""
    return snapshot.validated is not None and snapshot.validated.typed is not None


def _stages(store: Store, snapshot: Snapshot) -> tuple[StageEvent, ...]:
    have = {
        "parse": snapshot.parsed,
        "validate": snapshot.validated,
        "generate": snapshot.generated,
        "quality": snapshot.quality,
        "pull_request": snapshot.change,
    }
    events: list[StageEvent] = []
    for stage in STAGES[:-1]:
        stored = store.stage(snapshot.run.id, stage) if have[stage] is not None else None
        events.append(load_event(stored[1], stage) if stored else StageEvent(stage=stage, state="pending"))
    if snapshot.run.state in {"failed", "cancelled"}:
        first = next((index for index, event in enumerate(events) if event.state == "pending"), None)
        if first is not None:
            message = (snapshot.run.message or snapshot.run.state).splitlines()[0]
            state = "failed" if snapshot.run.state == "failed" else "cancelled"
            events[first] = events[first].model_copy(update={"state": state, "message": message})
    events.append(_approval_event(snapshot))
    return tuple(events)


_APPROVAL = {
    "pending": "Nobody has decided yet.",
    "partly_approved": "Approved, and more people are needed.",
    "rejected": "Rejected:",
    "void": "Void:",
    "expired": "Expired:",
}


def _waits(deployment: Deployment | None) -> str:
    said = deployment.message if deployment is not None and deployment.state == "waiting" else ""
    return f"Approved. {said}" if said else "Approved; not deployed yet."


def _approval_event(snapshot: Snapshot) -> StageEvent:
    approval, deployment = snapshot.approval, snapshot.deployment
    if approval is None:
        return StageEvent(stage="approval", state="pending")
    if approval.state != "approved":
        waiting = approval.state in {"pending", "partly_approved"}
        return StageEvent(
            stage="approval",
            state="waiting" if waiting else "failed",
            message=_APPROVAL[approval.state] + (f" {approval.reason}" if approval.reason else ""),
        )
    if deployment is None or deployment.digest != approval.digest or deployment.state in {"waiting", "deploying"}:
        return StageEvent(stage="approval", state="waiting", message=_waits(deployment))
    if deployment.state == "deployed":
        return StageEvent(stage="approval", state="done", message=snapshot.run.message)
    return StageEvent(stage="approval", state="failed", message=deployment.message or deployment.state)
