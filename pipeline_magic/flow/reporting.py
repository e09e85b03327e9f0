"""What stands on the commit of a plan's pull request: that it waits, is approved, refused, deployed, rolled back.

Each word is an effect with a record, so that it is said once, and a killed process leaves none out. The state is
``success`` from the approval on and for no other commit than the plan's own: a rule of the base branch that asks for it
lets nobody merge what was not approved. The pull request that undoes a plan says so; its rollback was decided. A scope
that is missing is said and stops nothing. Not here: how a code host says it (`adapters`), comments (`agents.github`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import JsonValue

from pipeline_magic.agents.operations.effects import Effects
from pipeline_magic.runs import Approval, Effect, Plan, PlanReport, PullRequest, Run

if TYPE_CHECKING:
    from pipeline_magic.ports import Store
    from pipeline_magic.wiring import Ports

__all__ = ["Standing", "missing_scopes", "refuse_voided", "report", "with_report"]

Standing = Literal["waiting", "approved", "refused", "deployed", "rolled_back", "undo"]

_KIND = "pull_request.report"
_SAID: dict[Standing, tuple[Literal["pending", "success", "failure"], str]] = {
    "waiting": ("pending", "Waits for approval."),
    "approved": ("success", "Approved."),
    "refused": ("failure", "Not approved any more."),
    "deployed": ("success", "Deployed."),
    "rolled_back": ("failure", "Deployed, and rolled back."),
    "undo": ("success", "Undoes what was deployed."),
}


def report(
    ports: Ports,
    approval: Approval,
    request: PullRequest,
    standing: Standing,
    say: Callable[[str], None] = lambda message: None,
) -> None:
    """Say on the plan's commit how it stands, once.

    Args:
        approval: Of the plan.
        request: Its pull request; `commit` is what is spoken of.
        standing: How it stands.
        say: Told which scope is missing, where one is.
    """
    if not request.commit:
        return
    state, summary = _SAID[standing]
    if standing == "refused" and approval.state == "rejected":
        summary = "Rejected."
    verdict = _plan(ports.store, approval).verdict
    said = PlanReport(commit=request.commit, state=state, digest=approval.digest, verdict=verdict, summary=summary)

    def tell() -> dict[str, JsonValue]:
        missing = ports.code_host.report(request.number, said)
        return {"number": request.number, "text": f"{state}: {said.text}", "missing": missing}

    effects = Effects(
        ports.store,
        ports.clock,
        approval.run_id,
        identity=ports.code_host.identity(),
        digest=approval.digest,
        approval_id=approval.id,
    )
    done = effects.once(_KIND, f"{request.number}:{standing}", tell)
    if isinstance(done, dict) and done.get("missing"):
        say(str(done["missing"]))


def refuse_voided(ports: Ports, run: Run) -> None:
    """Take back what was said of plans whose approval is void and whose pull request may still be open."""
    effects = ports.store.effects(run.id)
    keys = {effect.key for effect in effects if effect.status == "done"}
    given = {one.digest for one in ports.store.approvals(run.id) if one.state == "approved"}
    for effect in [one for one in effects if one.kind == "pull_request.open" and isinstance(one.result, dict)]:
        approval_id = effect.key.split("/")[1]
        landed = any(key.startswith(f"{run.id}/{approval_id}/pull_request.land/") for key in keys)
        approval = ports.store.approval(approval_id)
        if not landed and approval.state in {"void", "rejected", "expired"} and approval.digest not in given:
            report(ports, approval, PullRequest.model_validate(effect.result), "refused")


def with_report(store: Store, run_id: str, request: PullRequest | None) -> PullRequest | None:
    """The pull request with what was said last of its plan."""
    if request is None:
        return None
    said = [one["text"] for one in _said(store, run_id) if one.get("number") == request.number and not one["missing"]]
    return request.model_copy(update={"report": str(said[-1])}) if said else request


def missing_scopes(store: Store, run_id: str) -> tuple[str, ...]:
    """What could not be said for want of a scope, where that is still so."""
    said = [str(one["missing"]) for one in _said(store, run_id)]
    return (said[-1],) if said and said[-1] else ()


def _said(store: Store, run_id: str) -> Iterator[dict[str, JsonValue]]:
    effects: list[Effect] = [one for one in store.effects(run_id) if one.kind == _KIND and one.status == "done"]
    return (one.result for one in effects if isinstance(one.result, dict))


def _plan(store: Store, approval: Approval) -> Plan:
    return store.plan(approval.id)[0]
