"""What one more decision makes of an approval. Pure: everything it depends on is an argument.

A refusal names everything that is missing at once. The digest is computed again from the plan itself: what the store
says about a plan is not believed. Not here: where the arguments come from, and writing (`orchestrator`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import Field, JsonValue

from pipeline_magic.agents.approval.digest import differences, plan_digest
from pipeline_magic.agents.approval.policy import Policy, is_production, policy_of_plan
from pipeline_magic.errors import ApprovalRefused
from pipeline_magic.runs import Approval, Decision, Finding, Plan
from pipeline_magic.spec.schema import Model

__all__ = ["Evidence", "approve", "expired", "missing", "over_budget", "reject", "unwaived"]

OPEN = ("pending", "partly_approved")
LONGEST = 2000
"""Characters of a comment."""


class Evidence(Model):
    """What stands beside a plan when it is decided on.

    Attributes:
        author: Authenticated identity of who made the plan.
        findings: Everything the quality report found.
        unmatched: Ids of the clauses nobody understood.
        forecast: Expected cost of a month; None where nobody could say.
        counts: The numbers that were shown, by what they count (`drift.shown_counts`).
    """

    author: str = ""
    findings: tuple[Finding, ...] = ()
    unmatched: tuple[str, ...] = ()
    forecast: float | None = None
    counts: dict[str, float] = Field(default_factory=dict)

    def as_json(self) -> dict[str, JsonValue]:
        """For the store."""
        return self.model_dump(mode="json")


def approve(
    approval: Approval,
    decision: Decision,
    *,
    plan: Plan,
    policy: Policy,
    evidence: Evidence,
    now: datetime,
    authors: Sequence[str] = (),
    observed: Plan | None = None,
    by_policy: bool = False,
) -> Approval:
    """The approval with this decision in it: approved, or still waiting for others.

    Args:
        approval: As the store has it.
        decision: Whose identity was authenticated.
        plan: The plan the approval is for.
        policy: As the base branch has it now.
        evidence: Findings, clauses not understood, forecast.
        now: With a zone.
        authors: Who answered, edited or waived in the plan's run, beside the author of the run.
        observed: The plan as it would be made from the world as it is now; None where nothing was observed.
        by_policy: No person decides: the policy must allow that.

    Raises:
        ApprovalRefused: With everything that is missing.
    """
    _require_open(approval)
    problems = [
        *_binding(approval, decision, plan, policy, observed, now),
        *(_without_person(policy) if by_policy else _person(approval, decision, policy, (evidence.author, *authors))),
        *missing(plan, policy, evidence, confirmed=decision.confirmed),
    ]
    if problems:
        raise ApprovalRefused(_listed(approval.id, problems), hint="Mend what is named, then approve again.")
    decisions = (*approval.decisions, decision)
    people = {_key(one.identity) for one in decisions if one.verb == "approve"}
    state = "approved" if by_policy or len(people) >= max(approval.needed, policy.needed) else "partly_approved"
    return approval.model_copy(update={"state": state, "decisions": decisions})


def reject(approval: Approval, decision: Decision, *, policy: Policy, author: str) -> Approval:
    """The approval, rejected; the decision's comment is the reason.

    The author may always take a plan back; anybody else must be an approver.

    Raises:
        ApprovalRefused: No reason, not an approver, or it is decided already.
    """
    _require_open(approval)
    problems = []
    if not decision.comment.strip():
        problems.append("a rejection needs a reason")
    if not decision.identity.strip():
        problems.append("nobody is authenticated")
    if _key(decision.identity) != _key(author) and not _may(policy, decision.identity):
        problems.append(f"`{decision.identity}` is not among the approvers ({_names(policy)})")
    if problems:
        raise ApprovalRefused(_listed(approval.id, problems, "rejected"))
    return approval.model_copy(
        update={"state": "rejected", "decisions": (*approval.decisions, decision), "reason": decision.comment}
    )


def missing(plan: Plan, policy: Policy, evidence: Evidence, *, confirmed: Sequence[str] = ()) -> list[str]:
    """What keeps the plan itself from being approved, whoever asks."""
    problems = []
    reds = unwaived(plan, evidence)
    for finding in reds:
        how = (
            "repair it or waive it by name" if policy.waivers_allowed else "repair it; this environment has no waivers"
        )
        problems.append(f"the red finding `{finding.id}` stands ({finding.message.rstrip('.')}): {how}")
    if plan.verdict == "red" and not any(finding.severity == "red" for finding in evidence.findings):
        problems.append("the quality verdict is red, and its findings are not there to be judged")
    if plan.waivers and not policy.waivers_allowed:
        problems.append(f"the environment `{policy.environment}` allows no waivers")
    problems += (f"the waiver of `{w.finding}` has no reason" for w in plan.waivers if not w.reason.strip())
    for clause in evidence.unmatched:
        if clause not in confirmed:
            problems.append(f"the clause `{clause}` was not understood and must be confirmed by its id")
    return [*problems, *over_budget(policy, evidence)]


def over_budget(policy: Policy, evidence: Evidence) -> tuple[str, ...]:
    """Why the plan cannot be held to the policy's budget; empty where it can, or there is none."""
    if policy.budget is None:
        return ()
    if evidence.forecast is None:
        return (f"a budget of {policy.budget:g} a month is set, and there is no forecast of the cost",)
    if not evidence.forecast <= policy.budget:
        return (f"the forecast of {evidence.forecast:g} a month is over the budget of {policy.budget:g}",)
    return ()


def keeps_from_undoing(policy: Policy, identity: str, author: str) -> list[str]:
    """Why this person may not roll back: whoever may approve may, and one person is enough."""
    if not identity.strip():
        return ["nobody is authenticated"]
    problems = []
    if not _may(policy, identity):
        problems.append(f"`{identity}` is not among the approvers ({_names(policy)})")
    if policy.not_author and _key(identity) == _key(author):
        problems.append(f"`{identity}` made this plan, and somebody else must roll it back")
    return problems


def unwaived(plan: Plan, evidence: Evidence) -> tuple[Finding, ...]:
    """Red findings without a waiver in the plan."""
    waived = {waiver.finding for waiver in plan.waivers}
    return tuple(one for one in evidence.findings if one.severity == "red" and one.id not in waived)


def expired(approval: Approval, now: datetime) -> bool:
    """Whether its time is over. An end that cannot be read counts as over."""
    if not approval.expires:
        return False
    try:
        end = datetime.fromisoformat(approval.expires)
        return now >= end
    except (ValueError, TypeError):
        return True


def _require_open(approval: Approval) -> None:
    if approval.state in OPEN:
        return
    said = ""
    if approval.decisions:
        last = approval.decisions[-1]
        name = f" ({last.name})" if last.name and last.name != last.identity else ""
        said = f" by `{last.identity}`{name} at {last.at}"
    reason = f": {approval.reason}" if approval.reason else ""
    raise ApprovalRefused(
        f"Approval `{approval.id}` is {approval.state} already{said}{reason}.",
        hint="" if approval.state == "approved" else "Make a new plan, and approve that one.",
    )


def _binding(
    approval: Approval, decision: Decision, plan: Plan, policy: Policy, observed: Plan | None, now: datetime
) -> list[str]:
    problems = []
    if plan_digest(plan) != approval.digest:
        problems.append("the stored plan is not the one this approval was asked for")
    if decision.digest != approval.digest:
        problems.append("the plan was changed after it was shown")
    if expired(approval, now):
        problems.append(f"it expired at {approval.expires}")
    if observed is not None and plan_digest(observed) != plan_digest(plan):
        changes = differences(plan, observed)
        problems += (f"since the plan was made: {change.rstrip('.')}" for change in changes[:8])
        if len(changes) > 8:
            problems.append(f"and {len(changes) - 8} more changes since")
    elif policy_of_plan(plan.policy) != policy:
        problems.append("the policy on the base branch was changed since the plan was made")
    if plan.environment != policy.environment:
        problems.append(f"the policy is of `{policy.environment}`, and the plan is for `{plan.environment}`")
    return problems


def _person(approval: Approval, decision: Decision, policy: Policy, authors: Sequence[str]) -> list[str]:
    identity = decision.identity
    if not identity.strip():
        return ["nobody is authenticated"]
    problems = []
    if not _may(policy, identity):
        problems.append(f"`{identity}` is not among the approvers ({_names(policy)})")
    if policy.not_author and _key(identity) in {_key(author) for author in authors}:
        problems.append(f"`{identity}` made this plan, or a part of it, and somebody else must approve it")
    if any(_key(one.identity) == _key(identity) and one.verb == "approve" for one in approval.decisions):
        problems.append(f"`{identity}` has approved it already; {approval.needed} different people are needed")
    if len(decision.comment) > LONGEST:
        problems.append(f"the comment is longer than {LONGEST} characters")
    return problems


def _without_person(policy: Policy) -> list[str]:
    if policy.approval_by_policy and not is_production(policy.environment):
        return []
    return [f"the policy of `{policy.environment}` asks for a person's approval"]


def _key(identity: str) -> str:
    return identity.strip().casefold()


def _may(policy: Policy, identity: str) -> bool:
    return not policy.approvers or _key(identity) in {_key(person) for person in policy.approvers}


def _names(policy: Policy) -> str:
    return ", ".join(f"`{person}`" for person in policy.approvers) or "anybody"


def _listed(approval_id: str, problems: Sequence[str], verb: str = "approved") -> str:
    if len(problems) == 1:
        return f"Approval `{approval_id}` cannot be {verb}: {problems[0]}."
    return "\n".join([f"Approval `{approval_id}` cannot be {verb}:", *(f"  - {problem}" for problem in problems)])
