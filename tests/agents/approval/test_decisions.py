"""What one more decision makes of an approval."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from pipeline_magic.agents.approval import decisions
from pipeline_magic.agents.approval.decisions import Evidence
from pipeline_magic.agents.approval.digest import plan_digest
from pipeline_magic.agents.approval.policy import Policy
from pipeline_magic.errors import ApprovalRefused
from pipeline_magic.runs import Approval, Decision, Finding, Plan, Waiver
from tests.support.trust import AT, approval, plan

NOW = datetime.datetime.fromisoformat(AT)
RED = Finding(id="loss", severity="red", message="Rows were lost.")


def world(policy: Policy | None = None, **changes: Any) -> tuple[Approval, Plan, Policy]:
    policy = policy or Policy()
    made = plan(policy=policy.model_dump(mode="json"), environment=policy.environment, **changes)
    return approval(digest=plan_digest(made), needed=policy.needed), made, policy


def say(
    asked: Approval,
    made: Plan,
    policy: Policy,
    identity: str = "bob",
    *,
    evidence: Evidence | None = None,
    now: datetime.datetime = NOW,
    observed: Plan | None = None,
    by_policy: bool = False,
    **changes: Any,
) -> Approval:
    fields = {"verb": "approve", "identity": identity, "name": identity, "at": AT, "digest": asked.digest, **changes}
    return decisions.approve(
        asked, Decision(**fields), plan=made, policy=policy, evidence=evidence or Evidence(author="ada"), now=now,
        observed=observed, by_policy=by_policy,
    )  # fmt: skip


def refused(*arguments: Any, **options: Any) -> str:
    with pytest.raises(ApprovalRefused) as raised:
        say(*arguments, **options)
    return raised.value.message


def test_one_approval_is_enough() -> None:
    """By default one person, the author too, approves; the decision is kept."""
    done = say(*world(), identity="ada", comment="Looks good!")
    assert (done.state, done.decisions[0].identity, done.decisions[0].comment) == ("approved", "ada", "Looks good!")


def test_identity_counts_once() -> None:
    """Two approvals are two people: the same identity, in whatever spelling or under another typed name, is one."""
    asked, made, policy = world(Policy(needed=2))
    part = say(asked, made, policy, "bob")
    assert part.state == "partly_approved"
    for identity in ("bob", "Bob", " bob "):
        assert "approved it already" in refused(part, made, policy, identity, name="Somebody Else")
    assert say(part, made, policy, "cy").state == "approved"


def test_policy_raised_meanwhile_counts() -> None:
    """When the approval was asked for with one person and the policy says two, two it is."""
    asked, made, policy = world(Policy(needed=2))
    assert say(asked.model_copy(update={"needed": 1}), made, policy).state == "partly_approved"


def test_approvers_and_author() -> None:
    """Only who the policy names, and not the author where it says so; both are said at once."""
    asked, made, policy = world(Policy(approvers=("bob", "cy"), not_author=True))
    said = refused(asked, made, policy, "ada")
    assert "not among the approvers (`bob`, `cy`)" in said and "somebody else must approve" in said
    assert "not among the approvers" in refused(asked, made, policy, "bobby")
    assert "nobody is authenticated" in refused(asked, made, policy, " ")
    assert say(asked, made, policy, "Bob").state == "approved"


def test_author_in_another_spelling() -> None:
    """The author does not become somebody else by capitals."""
    asked, made, policy = world(Policy(not_author=True))
    assert "somebody else" in refused(asked, made, policy, "ADA")


def test_red_findings() -> None:
    """A red finding blocks; a waiver with a reason lets it pass; a waiver of another does not."""
    evidence = Evidence(findings=(RED, Finding(id="slow", severity="amber", message="Slow.")))
    asked, made, policy = world(verdict="red")
    assert "the red finding `loss` stands (Rows were lost)" in refused(asked, made, policy, evidence=evidence)
    for finding, reason, passes in (("loss", "known", True), ("other", "known", False), ("loss", " ", False)):
        waiver = Waiver(finding=finding, by="ada", reason=reason)
        asked, made, policy = world(verdict="red", waivers=(waiver,))
        if passes:
            assert say(asked, made, policy, evidence=evidence).state == "approved"
        else:
            refused(asked, made, policy, evidence=evidence)


def test_red_verdict_without_findings() -> None:
    """A red verdict whose findings were lost on the way is not taken for green."""
    assert "verdict is red" in refused(*world(verdict="red"))


def test_waivers_forbidden() -> None:
    """Where the policy forbids waivers, one in the plan blocks, even of a finding that is no longer there."""
    waiver = Waiver(finding="loss", by="ada", reason="known")
    said = refused(*world(Policy(environment="prod", waivers_allowed=False), waivers=(waiver,)))
    assert "allows no waivers" in said


def test_unmatched_clauses() -> None:
    """Each clause nobody understood is confirmed by its id, by every decision."""
    evidence = Evidence(unmatched=("c2", "c5"))
    asked, made, policy = world(Policy(needed=2))
    said = refused(asked, made, policy, evidence=evidence, confirmed=("c2",))
    assert "`c5`" in said and "`c2`" not in said
    part = say(asked, made, policy, evidence=evidence, confirmed=("c2", "c5"))
    assert "`c2`" in refused(part, made, policy, "cy", evidence=evidence)


def test_digest_changed() -> None:
    """A decision on another plan than the stored one, or a stored plan that was tampered with, is refused."""
    asked, made, policy = world()
    assert "changed after it was shown" in refused(asked, made, policy, digest="e" * 64)
    other = made.model_copy(update={"environment": "default", "parameters": {"run_time": "x"}})
    assert "not the one this approval was asked for" in refused(asked, other, policy)


def test_world_changed() -> None:
    """A column altered between plan and approval refuses, and is named."""
    asked, made, policy = world()
    seen = made.model_copy(update={"schemas": {"orders": {"columns": [["o_orderkey", "string"]]}}})
    assert "since the plan was made: Schema `orders.columns.1`" in refused(asked, made, policy, observed=seen)
    assert say(asked, made, policy, observed=made).state == "approved"


def test_policy_changed_since() -> None:
    """The base branch's policy is not the plan's any more: a new plan is needed."""
    asked, made, _ = world()
    assert "policy on the base branch was changed" in refused(asked, made, Policy(needed=1, budget=1.0))


def test_expired() -> None:
    """From the end on, to the second, nobody can approve; an end that cannot be read is over."""
    asked, made, policy = world()
    asked = asked.model_copy(update={"expires": (NOW + datetime.timedelta(seconds=1)).isoformat()})
    assert say(asked, made, policy).state == "approved"
    assert "expired at" in refused(asked, made, policy, now=NOW + datetime.timedelta(seconds=1))
    assert "expired at" in refused(asked.model_copy(update={"expires": "soon"}), made, policy)


def test_budget() -> None:
    """A budget without a forecast blocks and says so; a forecast above it too."""
    asked, made, policy = world(Policy(budget=10.0))
    assert "no forecast" in refused(asked, made, policy)
    assert "over the budget of 10" in refused(asked, made, policy, evidence=Evidence(forecast=10.01))
    assert "over the budget" in refused(asked, made, policy, evidence=Evidence(forecast=float("nan")))
    assert say(asked, made, policy, evidence=Evidence(forecast=10.0)).state == "approved"


@pytest.mark.parametrize("state", ["approved", "rejected", "void", "expired"])
def test_decided_before(state: str) -> None:
    """What was decided stays; the refusal says by whom, when, and why."""
    asked, made, policy = world()
    earlier = Decision(verb="approve", identity="cy", name="Cy D", at="then", digest=asked.digest)
    over = asked.model_copy(update={"state": state, "decisions": (earlier,), "reason": "Because"})
    said = refused(over, made, policy)
    assert f"is {state} already by `cy` (Cy D) at then: Because." in said
    with pytest.raises(ApprovalRefused):
        decisions.reject(over, earlier, policy=policy, author="ada")


def test_everything_at_once() -> None:
    """One refusal lists all that is missing."""
    evidence = Evidence(author="ada", findings=(RED,), unmatched=("c1",))
    said = refused(*world(Policy(approvers=("bob",), budget=1.0), verdict="red"), "eve", evidence=evidence)
    assert said.count("\n  - ") == 4


def test_without_a_person() -> None:
    """No person is asked only where the policy says so, never in production, and never past a red finding."""
    assert "a person's approval" in refused(*world(), by_policy=True)
    policy = Policy(approval_by_policy=True, needed=2)
    done = say(*world(policy), "policy:default", by_policy=True)
    assert done.state == "approved"
    assert "red finding" in refused(*world(policy, verdict="red"), by_policy=True, evidence=Evidence(findings=(RED,)))
    assert "was not understood" in refused(*world(policy), by_policy=True, evidence=Evidence(unmatched=("c1",)))
    assert "a person's" in refused(*world(Policy(environment="prod", approval_by_policy=True)), by_policy=True)


def test_reject() -> None:
    """A rejection needs a reason and an approver; the author may take the plan back."""
    asked, _, policy = world(Policy(approvers=("bob",)))

    def decision(identity: str, comment: str = "Wrong join") -> Decision:
        return Decision(verb="reject", identity=identity, name="", comment=comment, at=AT, digest=asked.digest)

    done = decisions.reject(asked, decision("bob"), policy=policy, author="ada")
    assert (done.state, done.reason, len(done.decisions)) == ("rejected", "Wrong join", 1)
    assert decisions.reject(asked, decision("ada"), policy=policy, author="ada").state == "rejected"
    for identity, comment in (("eve", "no"), ("bob", " "), ("", "no")):
        with pytest.raises(ApprovalRefused):
            decisions.reject(asked, decision(identity, comment), policy=policy, author="ada")
