"""From an open pull request to a merged one: merge it, or wait until a person has; then look at what was merged.

    waiting -> deploying        merged, and what was merged is what was approved
    waiting -> failed           closed without merging, or something else was merged

A deployment that waits is left, and any process goes on with it later. The pull request may be merged by hand, with
git or at the code host, in any way; what counts is that the base branch then holds the approved files, and that nothing
came along which nobody approved. Not here: opening it (`flow`), deploying (`agents.operations`).
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NoReturn

from pydantic import JsonValue

from pipeline_magic.agents.approval import ApprovalOrchestrator
from pipeline_magic.agents.github import GitHubAgent
from pipeline_magic.agents.operations.effects import Effects
from pipeline_magic.errors import ApprovalRefused
from pipeline_magic.flow import reporting, words
from pipeline_magic.flow.stages import Work
from pipeline_magic.redact import redact
from pipeline_magic.runs import AuditDraft, Deployment, Prepared, PullRequest

if TYPE_CHECKING:
    from pipeline_magic.wiring import Ports

__all__ = ["Landing"]

_LINES = 40
"""Lines of a difference that are shown."""


class Landing:
    """Brings the pull request of an approved plan into the base branch."""

    def __init__(self, ports: Ports, approvals: ApprovalOrchestrator, github: GitHubAgent) -> None:
        self._ports = ports
        self._approvals = approvals
        self._github = github

    def landed(self, request: PullRequest, effects: Effects) -> bool:
        """Whether it was found merged, and what was merged was found to be what was approved."""
        return ("pull_request.land", str(request.number)) in effects.finished()

    def land(
        self,
        work: Work,
        prepared: Prepared,
        deployment: Deployment,
        request: PullRequest,
        effects: Effects,
        *,
        merge: bool,
    ) -> PullRequest | None:
        """The merged pull request; None while it is waited for, or when it was closed.

        Args:
            work: The work on the run.
            prepared: The approved plan.
            deployment: As it stands; ``waiting`` until the pull request is merged.
            request: As it was opened.
            effects: Of the approval.
            merge: The policy lets us merge; otherwise a person does.

        Raises:
            ApprovalRefused: Something else was merged than was approved; the approval is then void.
            MergeConflict: The base branch has moved.
        """
        landed = effects.finished().get(("pull_request.land", str(request.number)))
        if landed is not None:
            known = PullRequest.model_validate(landed)
            if deployment.state != "deployed":  # it failed or was cut off, and somebody may have taken it back since
                self._require_approved(work, prepared, deployment, request, known)
            return known
        now = self._ports.code_host.find_pull_request(request.branch) or request
        if now.state == "closed":
            self._close(work, deployment, now)
            return None
        waits = words.waits_for_merge(now, prepared.change.base, merge=merge) if now.state != "merged" else ""
        if waits:
            self._wait(work, deployment, now, waits)
            return None
        if now.state != "merged" or effects.begun("pull_request.merge", work.run.approval_id):
            work.say(f"Merging pull request {request.number}", stage="approval")
            merged = effects.once(
                "pull_request.merge", work.run.approval_id, lambda: self._github.merge(now).model_dump(mode="json")
            )
            now = PullRequest.model_validate(merged)
        self._require_approved(work, prepared, deployment, request, now)
        kept: JsonValue = now.model_dump(mode="json")
        effects.once("pull_request.land", str(request.number), lambda: kept)
        return now

    def _wait(self, work: Work, deployment: Deployment, request: PullRequest, message: str) -> None:
        said = None if deployment.message == message else self._draft(deployment, "deployment.wait", message)
        waiting = deployment.model_copy(update={"pull_request": request, "message": message})
        self._ports.store.save_deployment(waiting, expected_state="waiting", audit=said)
        work.update(message=message)
        work.say(message, state="waiting", stage="approval")

    def _close(self, work: Work, deployment: Deployment, request: PullRequest) -> None:
        message = f"Pull request {request.number} was closed without being merged; nothing is deployed."
        self.end(deployment, request, message)
        work.update(message=message)
        work.say(message, state="failed", stage="approval")

    def end(self, deployment: Deployment, request: PullRequest, message: str) -> None:
        """The deployment comes to nothing, and its approval is void."""
        if (deployment.state, deployment.message) != ("failed", message):  # else a process was killed after this
            ended = deployment.model_copy(update={"state": "failed", "pull_request": request, "message": message})
            said = self._draft(deployment, "deployment.fail", message.splitlines()[0])
            self._ports.store.save_deployment(ended, expected_state=deployment.state, audit=said)
        over = self._approvals.void(deployment.approval_id, message)
        if request.state != "merged":  # of what was merged it says nothing any more: it is there
            reporting.report(self._ports, over, request, "refused")

    def _require_approved(
        self, work: Work, prepared: Prepared, deployment: Deployment, opened: PullRequest, merged: PullRequest
    ) -> None:
        """What the base branch holds is what was approved, and nothing else came along."""
        code_host, found = self._ports.code_host, list[str]()
        for file in prepared.plan.files:
            held = code_host.read(file.path)
            if held != file.content:
                found += _difference(file.path, file.content, held)
        if merged.commit != opened.commit:
            planned = {file.path for file in prepared.plan.files}
            others = [path for path in code_host.changed(merged.number) if path not in planned]
            found += [f"`{path}` was changed by it, and is no part of the plan" for path in others]
        if found:
            self._refuse(deployment, merged, found)

    def _refuse(self, deployment: Deployment, request: PullRequest, found: list[str]) -> NoReturn:
        shown = found[:_LINES] + ([f"and {len(found) - _LINES} more lines"] if found[_LINES:] else [])
        message = redact("\n".join([f"What pull request {request.number} brought is not what was approved:", *shown]))
        self.end(deployment, request, message)
        raise ApprovalRefused(
            message,
            where=deployment.run_id,
            hint=f"Nothing is deployed. `generate {deployment.run_id}` makes a new plan of what there is now.",
        )

    def _draft(self, deployment: Deployment, event: str, message: str) -> AuditDraft:
        return AuditDraft(
            at=self._ports.clock.now().isoformat(),
            run_id=deployment.run_id,
            event=event,
            identity=self._ports.code_host.identity(),
            digest=deployment.digest,
            detail={"approval": deployment.approval_id, "message": message},
        )


def _difference(path: str, approved: str, held: str | None) -> list[str]:
    if held is None:
        return [f"`{path}` is not there"]
    lines = difflib.unified_diff(
        approved.splitlines(), held.splitlines(), f"{path} (approved)", f"{path} (base branch)", lineterm="", n=1
    )
    return [line[:200] for line in lines]
