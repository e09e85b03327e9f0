"""Draft pull requests, where they are opened before anybody approved: with ``open_pull_request = "build"``.

A draft belongs to one approval. It is opened when that is asked for, and closed when it is rejected, void or expired or
its run is dropped; the approval makes it ready. Both are effects with a record, so that a killed process leaves nothing
that the next call does not finish. Not here: the pull request of an approved plan (`flow`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline_magic.agents.github import GitHubAgent
from pipeline_magic.agents.github.agent import branch_of
from pipeline_magic.agents.operations.effects import Effects
from pipeline_magic.flow import reporting
from pipeline_magic.runs import Approval, Effect, Prepared, PullRequest, Run

if TYPE_CHECKING:
    from pipeline_magic.ports import Store
    from pipeline_magic.wiring import Ports

__all__ = ["close_drafts", "draft_of_run", "open_draft"]

_OPENED, _CLOSED = "pull_request.draft", "pull_request.close"
_OVER = {"rejected", "void", "expired"}


def open_draft(ports: Ports, run: Run, approval: Approval, prepared: Prepared) -> PullRequest | None:
    """Open the draft of an approval that waits; the one that is there already when called again."""
    if approval.state not in {"pending", "partly_approved"}:
        return None
    github = GitHubAgent(ports.code_host)
    opened = _effects(ports, run, approval).once(
        _OPENED, approval.id, lambda: github.open(prepared.change, draft=True).model_dump(mode="json")
    )
    request = PullRequest.model_validate(opened)
    reporting.report(ports, approval, request, "waiting")
    return request


def close_drafts(ports: Ports, run: Run) -> None:
    """Close every draft of a run whose approval is over, or all of them when the run itself is."""
    dropped = run.state in {"cancelled", "superseded"}
    for approval in _of_drafts(ports.store, run):
        over = approval.state in _OVER
        if over or (dropped and approval.state != "approved"):
            reason = approval.reason.splitlines()[0] if over and approval.reason else f"The run is {run.state}."
            _close(ports, run, approval, reason)


def _close(ports: Ports, run: Run, approval: Approval, reason: str) -> None:
    branch = branch_of(run.name, approval.digest)
    kept = {
        one.digest for one in ports.store.approvals(run.id) if one.state in {"pending", "partly_approved", "approved"}
    }
    if approval.digest in kept and run.state not in {"cancelled", "superseded"}:
        return  # the same plan was asked for again: its branch, and so its pull request, is in use
    github = GitHubAgent(ports.code_host)

    def close() -> dict[str, object] | None:
        request = ports.code_host.find_pull_request(branch)
        if request is None or request.state in {"merged", "closed"}:
            return None if request is None else request.model_dump(mode="json")
        reporting.report(ports, approval, request, "refused")
        return github.close(request.number, reason).model_dump(mode="json")

    _effects(ports, run, approval).once(_CLOSED, approval.id, close)  # type: ignore[arg-type]  # plain JSON


def draft_of_run(store: Store, run: Run) -> PullRequest | None:
    """The draft of the run's present approval as its effects left it; None where none was opened."""
    effects = {effect.key.rpartition("/")[2]: effect for effect in _drafts(store, run)}
    effect = effects.get(run.approval_id)
    if effect is None or not isinstance(effect.result, dict):
        return None
    closed = f"{run.id}/{_CLOSED}/{run.approval_id}"
    request = PullRequest.model_validate(effect.result)
    over = any(one.key == closed and one.status == "done" for one in store.effects(run.id))
    return request.model_copy(update={"state": "closed"}) if over else request


def _drafts(store: Store, run: Run) -> Iterator[Effect]:
    return (effect for effect in store.effects(run.id) if effect.kind == _OPENED)


def _of_drafts(store: Store, run: Run) -> Iterator[Approval]:
    """Approvals whose draft was begun and is not closed yet, oldest first."""
    effects = store.effects(run.id)
    closed = {effect.key for effect in effects if effect.kind == _CLOSED and effect.status == "done"}
    for effect in effects:
        approval_id = effect.key.rpartition("/")[2]
        if effect.kind == _OPENED and f"{run.id}/{_CLOSED}/{approval_id}" not in closed:
            yield store.approval(approval_id)


def _effects(ports: Ports, run: Run, approval: Approval) -> Effects:
    identity = ports.code_host.identity()
    return Effects(ports.store, ports.clock, run.id, identity=identity, digest=approval.digest)
