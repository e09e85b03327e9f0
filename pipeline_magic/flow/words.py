"""Each stage's result, and what a run waits for, in one sentence for a person. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline_magic.runs import (
    Approval,
    Deployment,
    Generated,
    Parsed,
    PullRequest,
    QualityReport,
    RollbackPlan,
    Validated,
)

__all__ = [
    "changed_by_hand",
    "deployed_in_words",
    "generated_in_words",
    "parsed_in_words",
    "plan_in_words",
    "quality_in_words",
    "rolled_back_in_words",
    "validated_in_words",
    "waits_for",
    "waits_for_merge",
    "waits_for_others",
]


def changed_by_hand(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What the deployer found changed since it deployed, and the plan would overwrite; a sentence each.

    Args:
        settings: Of a plan.

    >>> changed_by_hand({"found": {"changed_by_hand": ["`schedule` is paused"]}}), changed_by_hand({"found": None})
    (('`schedule` is paused',), ())
    """
    found = settings.get("found")
    said = found.get("changed_by_hand") if isinstance(found, Mapping) else None
    return tuple(map(str, said)) if isinstance(said, list) else ()


def parsed_in_words(parsed: Parsed) -> str:
    """Closing message of stage 1."""
    draft = parsed.draft
    parts = [_count(len(draft.sources), "source"), _count(len(draft.steps), "step")]
    assumptions = len(parsed.provenance.assumptions())
    parts.append(_count(assumptions, "assumption"))
    if parsed.provenance.unmatched:
        parts.append(_count(len(parsed.provenance.unmatched), "clause") + " not understood")
    return ", ".join(parts)


def validated_in_words(validated: Validated) -> str:
    """Closing message of stage 2."""
    if validated.problems:
        return _count(len(validated.problems), "problem") + " to mend"
    columns = (
        len(validated.typed.node(validated.spec.target.input).columns) if validated.typed and validated.spec else 0
    )
    checked = f"{_count(len(validated.tables), 'table')} checked"
    return f"{checked}, {_count(columns, 'target column')}" if columns else checked


def waits_for(validated: Validated) -> str:
    """What a run at the pause waits for."""
    must = [question for question in validated.questions if question.must_answer]
    if must:
        return f"Waits for an answer: {must[0].text}"
    if validated.problems:
        return f"Waits for an edit: {validated.problems[0].message}"
    if validated.questions:
        count = _count(len(validated.questions), "question")
        return f"{count} open, each with a default. Edit, answer, or press Generate."
    return "Edit, or press Generate."


def generated_in_words(generated: Generated) -> str:
    """Closing message of stage 3."""
    by_status = {status: sum(diff.status == status for diff in generated.diffs) for status in ("added", "changed")}
    parts = [f"{count} {status}" for status, count in by_status.items() if count]
    return f"{_count(len(generated.files), 'file')}: {', '.join(parts) or 'nothing differs from the base branch'}"


def quality_in_words(report: QualityReport) -> str:
    """Closing message of stage 4."""
    ran = [check for check in report.checks if check.status != "off"]
    passed = sum(check.status == "passed" for check in ran)
    return f"{report.verdict}: {passed} of {_count(len(ran), 'check')} passed"


def plan_in_words(approval: Approval, quality: QualityReport) -> str:
    """What a planned run waits for."""
    if approval.state == "approved":
        return "Approved."
    if quality.verdict == "red":
        reds = sum(finding.severity == "red" for finding in quality.findings)
        return f"Planned. {_count(reds, 'red finding')} must be repaired or waived before it can be approved."
    missing = approval.needed - len({item.identity for item in approval.decisions if item.verb == "approve"})
    return f"Planned. Waits for {_count(missing, 'approval')}."


def waits_for_others(approval: Approval) -> str:
    """What an approved plan waits for while the policy asks for more people."""
    given = len({item.identity for item in approval.decisions if item.verb == "approve"})
    return f"Approved by {given} of {approval.needed}."


def deployed_in_words(deployment: Deployment, request: PullRequest) -> str:
    """What came of an approval."""
    text = f"Pull request {request.number} is {request.state}; deployed as {deployment.id}."
    if deployment.rows is not None:
        text += f" The first run wrote {deployment.rows:,} rows."
    return text


def waits_for_merge(request: PullRequest, base: str, *, merge: bool) -> str:
    """What an open pull request waits for; empty when it can be merged now."""
    if not merge:
        return f"Waits until a person has merged pull request {request.number} into {base}: {request.url}"
    if request.checks == "pending":
        return f"Waits for the required checks and reviews of pull request {request.number}: {request.url}"
    if request.checks == "failed":
        return f"A required check of pull request {request.number} failed; waits until it is green: {request.url}"
    return ""


def rolled_back_in_words(plan: RollbackPlan, revert: PullRequest | None) -> str:
    """What came of a rollback: what was undone, and what stays."""
    done = [step.text for step in plan.steps if step.part != "files"]
    if revert is not None:
        done.append(f"pull request {revert.number}, which undoes the files, is {revert.state}")
    text = f"Rolled back: {'; '.join(done)}." if done else "Rolled back."
    return " ".join([text, *plan.left])


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
