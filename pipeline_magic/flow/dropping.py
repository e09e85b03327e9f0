"""A run that nobody goes on with: what it asked for is taken back.

The run moves first, by compare-and-set; then the deployment that waits comes to nothing, the approval is void, and the
pull request is closed. A call after a crash finishes what is left of that. What has begun to be deployed is not
dropped: `resume` goes on with it, and a rollback undoes it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pipeline_magic.agents.approval import ApprovalOrchestrator
from pipeline_magic.agents.github import GitHubAgent
from pipeline_magic.agents.github.agent import branch_of
from pipeline_magic.agents.operations.effects import Effects
from pipeline_magic.errors import StaleState, UsageError
from pipeline_magic.flow import drafts, planning
from pipeline_magic.flow.snapshots import approval_of
from pipeline_magic.flow.stages import Work
from pipeline_magic.flow.workers import worker_alive
from pipeline_magic.runs import Approval, Deployment, PullRequest, Run

if TYPE_CHECKING:
    from pipeline_magic.wiring import Ports

__all__ = ["drop"]

_OVER = ("failed", "superseded")
_BEGUN = ("deploying", "deployed", "failed", "rolling_back", "rollback_failed")


def drop(ports: Ports, approvals: ApprovalOrchestrator, run: Run) -> Run:
    """Cancel a run that nobody works on, with its approval and what waits for it; one that ended stays as it is.

    Raises:
        UsageError: Its plan is deployed, or has begun to be.
        StaleState: Another process decides on it or deploys it at this moment.
    """
    if run.state in _OVER:
        return run
    approval, deployment = approval_of(ports.store, run), ports.store.deployment(run.id)
    _require_not_begun(run, approval, deployment)
    if run.state == "planned" and run.worker and worker_alive(run.worker, ports.store):
        raise StaleState(
            f"Run `{run.id}` is being decided on or deployed by another process ({run.worker}).",
            hint=f"Stop it there, or wait; `%pipeline review {run.id}` shows how it went.",
        )
    if run.state != "cancelled":
        who = ports.code_host.identity()
        voids = approval is not None and approval.state in {"pending", "partly_approved", "approved"}
        message = f"Cancelled by {who}." + (f" Approval {run.approval_id} is void." if voids else "")
        work = Work(ports.store, ports.clock, run, lambda event: None, threading.Event())
        work.drop(message, audit=planning.said_of(ports, run, "run.cancel", {}))
        run = work.run
    if approval is not None:
        _take_back(ports, approvals, run, approval, deployment)
    drafts.close_drafts(ports, run)
    return run


def _require_not_begun(run: Run, approval: Approval | None, deployment: Deployment | None) -> None:
    """What was approved and is in place, or partly, cannot be dropped: it would still be there."""
    if approval is None or approval.state != "approved" or deployment is None:
        return
    if deployment.approval_id == approval.id and deployment.state in _BEGUN:
        raise UsageError(
            f"Run `{run.id}` has nothing to cancel: its plan was approved, and its deployment is `{deployment.state}`.",
            hint=f"`rollback {run.id}` undoes a deployment; `resume {run.id}` goes on with one that stopped.",
        )


def _take_back(
    ports: Ports, approvals: ApprovalOrchestrator, run: Run, approval: Approval, deployment: Deployment | None
) -> None:
    reason = f"The run was cancelled by {ports.code_host.identity()}."
    approvals.void(approval.id, reason)
    effects = Effects(
        ports.store,
        ports.clock,
        run.id,
        identity=ports.code_host.identity(),
        digest=approval.digest,
        approval_id=approval.id,
    )
    branch = branch_of(run.name, approval.digest)
    request = _close(ports, effects, branch, reason) if effects.begun("pull_request.open", branch) else None
    if deployment is not None and deployment.state == "waiting" and deployment.approval_id == approval.id:
        merged = request is not None and request.state == "merged"
        message = reason + (" Its pull request was merged before; the files stay." if merged else "")
        ended = {"state": "failed", "message": message, "pull_request": request or deployment.pull_request}
        said = effects.draft("deployment.fail", {"approval": approval.id, "message": message})
        ports.store.save_deployment(deployment.model_copy(update=ended), expected_state="waiting", audit=said)


def _close(ports: Ports, effects: Effects, branch: str, reason: str) -> PullRequest | None:
    github = GitHubAgent(ports.code_host)

    def close() -> dict[str, object] | None:
        request = ports.code_host.find_pull_request(branch)
        if request is not None and request.state in {"draft", "open"}:
            request = github.close(request.number, reason)
        return None if request is None else request.model_dump(mode="json")

    closed = effects.once("pull_request.close", branch, close)  # type: ignore[arg-type]  # plain JSON
    return None if closed is None else PullRequest.model_validate(closed)
