"""GitHubAgent: prepares the change of a plan, and carries it through the code host once it is decided.

Preparing writes nothing. Every write goes through `ports.CodeHost`, which makes it idempotent; everything that leaves
here as text was redacted. Not here: what stands in the text (`body`), whether a plan may be merged (the approval).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline_magic.agents.github.body import pull_request_body
from pipeline_magic.agents.github.hand_edits import hand_edit, hand_edit_diff
from pipeline_magic.agents.github.markdown import code, prose
from pipeline_magic.compiler.pull_request import PullRequestParts
from pipeline_magic.errors import HandEditFound
from pipeline_magic.ports import CodeHost
from pipeline_magic.redact import redact as redact_secrets
from pipeline_magic.runs import (
    Approval,
    AuditEntry,
    Change,
    File,
    Finding,
    HandEdit,
    Plan,
    PullRequest,
    QualityReport,
    Question,
    RollbackPlan,
    RollbackStep,
)
from pipeline_magic.spec.provenance import Provenance

__all__ = ["GitHubAgent", "branch_of"]


class GitHubAgent:
    """Stage 5, and the pull request's part of stage 6.

    Args:
        code_host: Where the files go.
        redact: Removes secrets from text; files are not text in this sense, they are what was approved.
    """

    def __init__(self, code_host: CodeHost, redact: Callable[[str], str] = redact_secrets) -> None:
        self._code_host = code_host
        self._redact = redact

    def prepare(
        self,
        plan: Plan,
        *,
        digest: str,
        summary: str | Sequence[str],
        provenance: Provenance,
        questions: Sequence[Question],
        quality: QualityReport,
        parts: PullRequestParts | None = None,
        base: str = "",
        statement: str | None = None,
    ) -> Change:
        """The pull request of a plan; nothing is written.

        Args:
            plan: What is to be approved.
            digest: Its digest; the branch is named by it.
            summary: What the pipeline does in plain words: a text, or a line for each step.
            provenance: For the assumptions and the clauses nobody understood.
            questions: Those still open; approving takes their defaults.
            quality: Checks, rows, findings.
            parts: What the compiler says of the change: what changed since the earlier spec, lineage.
            base: Branch it goes into; the code host's when empty.
            statement: Shown in the body where that is allowed; left out when None.
        """
        body = pull_request_body(
            plan,
            digest=digest,
            summary=summary,
            provenance=provenance,
            questions=questions,
            quality=quality,
            parts=parts,
            statement=statement,
        )
        verb = "Add" if all(before is None for before in plan.base_files.values()) else "Change"
        return Change(
            branch=branch_of(plan.spec.name, digest),
            base=base or self._code_host.base,
            title=f"{verb} pipeline {plan.spec.name}",
            body=self._redact(body),
            files=plan.files,
        )

    def hand_edits(self, files: Sequence[File], decided: Sequence[HandEdit] = ()) -> tuple[Finding, ...]:
        """A red finding for every file whose content on the base branch would be lost; see `hand_edits`.

        Args:
            files: What is about to be written.
            decided: What became of earlier edits; such an edit is said and does not block.
        """
        host = self._code_host
        found = (
            hand_edit(file.path, host.read(file.path), host.last_generated(file.path), file.content, decided)
            for file in files
        )
        return tuple(finding for finding in found if finding is not None)

    def require_no_hand_edits(self, files: Sequence[File], *, waived: Sequence[str] = ()) -> None:
        """Refuse where somebody's edit would be overwritten.

        Args:
            files: What is about to be written.
            waived: Ids of findings that a person accepted.

        Raises:
            HandEditFound: With the difference.
        """
        found = [finding for finding in self.hand_edits(files) if finding.id not in waived]
        if not found:
            return
        diffs = (
            hand_edit_diff(one.where, self._code_host.read(one.where), self._code_host.last_generated(one.where))
            for one in found
        )
        message = "\n".join([*(finding.message for finding in found), "", *diffs])
        raise HandEditFound(self._redact(message), where=found[0].where, hint=found[0].hint)

    def open(self, change: Change, *, draft: bool = False) -> PullRequest:
        """Open the pull request, or find it."""
        return self._code_host.open_pull_request(change, draft=draft)

    def ready(self, number: int) -> PullRequest:
        """A draft becomes open."""
        return self._code_host.mark_ready(number)

    def close(self, number: int, reason: str) -> PullRequest:
        """Close it without merging; the reason stands in a comment."""
        text = self._redact(reason)
        self._code_host.comment(number, f"Closed: {prose(text, 1000)}", key=f"close:{text}")
        return self._code_host.close_pull_request(number, reason=text)

    def merge(self, request: PullRequest) -> PullRequest:
        """Merge it into the base branch.

        Raises:
            MergeConflict: The base branch has moved.
        """
        return self._code_host.merge(request.number, message=f"Merge pull request {request.number}: {request.branch}")

    def revert(self, number: int, name: str) -> PullRequest:
        """A pull request that undoes a merged one of the pipeline `name`."""
        return self._code_host.revert(number, title=f"Undo pull request {number}: pipeline {name}")

    def plan_undo(self, request: PullRequest | None, *, merge: bool) -> tuple[list[RollbackStep], list[str]]:
        """What of the files can be undone, and what stays; nothing is written.

        Args:
            request: The pull request of the deployment.
            merge: The undoing is merged at once; otherwise a person merges it.
        """
        found = None if request is None else self._code_host.find_pull_request(request.branch)
        if found is None:
            return [], ["There is no pull request to undo."]
        if found.state != "merged":
            return [], [f"Pull request {found.number} is {found.state}, not merged; it stays as it is."]
        conflicts = self._code_host.revert_conflicts(found.number)
        if conflicts:
            paths = ", ".join(code(path) for path in conflicts[:10])
            more = f" and {len(conflicts) - 10} more" if conflicts[10:] else ""
            said = f"The files of pull request {found.number} stay: git cannot undo what was changed again since"
            return [], [f"{said} ({paths}{more}). Undo them by hand in the repository."]
        how, rest = ("Merge", "") if merge else ("Open", "; a person merges it")
        text = f"{how} a pull request that undoes pull request {found.number}{rest}"
        return [RollbackStep(part="files", action="revert", subject=str(found.number), text=text)], []

    def comment_decision(self, number: int, approval: Approval, *, audit_head: str = "") -> None:
        """Say under the pull request who decided what; once for each decision.

        Args:
            number: Of the pull request.
            approval: With its decisions.
            audit_head: Number and hash of the audit's last entry, kept here outside the store.
        """
        if not approval.decisions:
            return
        last = approval.decisions[-1]
        name = f" ({prose(last.name, 100)})" if last.name and last.name != last.identity else ""
        word = "Approved" if last.verb == "approve" else "Rejected"
        lines = [
            f"{word} by {code(last.identity)}{name} at {last.at}: approval {code(approval.id)} is {approval.state}."
        ]
        if last.comment:
            lines += ["", f"> {prose(last.comment, 1000)}"]
        lines += ["", f"Plan digest {code(approval.digest)}"]
        if audit_head:
            lines.append(f"Audit head {code(audit_head)}")
        key = f"decision:{approval.id}:{len(approval.decisions)}:{approval.state}"
        self._code_host.comment(number, self._redact("\n".join(lines)), key=key)

    def comment_rollback(self, number: int, start: AuditEntry, plan: RollbackPlan, *, audit_head: str) -> None:
        """Say under the pull request that it is undone: who, why, what, and what stays.

        Args:
            number: Of the pull request that was deployed.
            start: Entry of the audit by which the rollback began.
            plan: What was done.
            audit_head: Number and hash of the audit's last entry, kept here outside the store.
        """
        self._code_host.comment(number, self._redact(_undone(start, plan, audit_head)), key=f"rollback:{start.seq}")


def _undone(start: AuditEntry, plan: RollbackPlan, audit_head: str) -> str:
    name = f" ({prose(start.name, 100)})" if start.name and start.name != start.identity else ""
    lines = [f"Rolled back by {code(start.identity)}{name}, begun at {start.at}:", ""]
    lines += [f"- {prose(step.text, 500)}" for step in plan.steps]
    reason = str(start.detail.get("reason") or "")
    lines += ["", f"> {prose(reason, 1000)}"] if reason else []
    lines += ["", "What stays:", "", *(f"- {prose(said, 500)}" for said in plan.left)] if plan.left else []
    return "\n".join([*lines, "", f"Audit head {code(audit_head)}"])


def branch_of(name: str, digest: str) -> str:
    """The branch of a plan: the same plan has the same branch.

    >>> branch_of("daily", "0123456789abcdef")
    'pipeline/daily/0123456789ab'
    """
    return f"pipeline/{name}/{digest[:12]}"
