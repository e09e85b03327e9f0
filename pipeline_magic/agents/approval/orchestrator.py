"""ApprovalOrchestrator: asks for decisions and writes them, each in one transaction with its audit entry.

Who decides is the authenticated identity of the code host; the typed name is a label. Every write is a
compare-and-set: of two people who press at once one wins, and the other is told. Not here: what a decision makes of an
approval (`decisions`), what follows an approval (the operator and the GitHub agent).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Literal

from pydantic import JsonValue, ValidationError

from pipeline_magic.agents.approval import decisions
from pipeline_magic.agents.approval.decisions import OPEN, Evidence
from pipeline_magic.agents.approval.digest import differences, plan_digest
from pipeline_magic.agents.approval.policy import FILE, Policy, policy_of_plan, read_policy
from pipeline_magic.digests import digest_of
from pipeline_magic.errors import ApprovalRefused, NotFound, StaleState, StoreUnavailable
from pipeline_magic.ports import Clock, CodeHost, Store
from pipeline_magic.redact import redact
from pipeline_magic.runs import Approval, AuditDraft, Decision, Finding, Plan, Prepared, Run, Waiver

__all__ = ["ApprovalOrchestrator"]

_TRIES = 25
"""Lost compare-and-sets before we give up; each means that somebody else's decision was written."""


class ApprovalOrchestrator:
    """Stage 6.

    Args:
        store: Holds approvals, their plans and the audit.
        clock: Times and ids.
        code_host: Its base branch holds the policy.
        identity: Gives the authenticated identity; that of the code host when None.
    """

    def __init__(
        self, store: Store, clock: Clock, code_host: CodeHost, identity: Callable[[], str] | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._code_host = code_host
        self._identity = identity or code_host.identity

    # --- asking --------------------------------------------------------------------------------------------------

    def request(
        self,
        run: Run,
        prepared: Prepared,
        *,
        findings: Sequence[Finding] = (),
        unmatched: Sequence[str] = (),
        forecast: float | None = None,
    ) -> Approval:
        """Ask for the approval of a plan.

        An identical plan keeps the approval that was asked for or given before; a changed one voids it, and says in
        what it differs.

        Args:
            run: Whose plan it is; its author is the author of the plan.
            prepared: The plan and its digest.
            findings: Everything the quality report found; red ones block until waived.
            unmatched: Ids of the clauses nobody understood.
            forecast: Expected cost of a month.
        """
        plan, digest = prepared.plan, plan_digest(prepared.plan)
        if digest != prepared.digest:
            raise ApprovalRefused("The plan was changed after its digest was computed.", hint="Generate again.")
        evidence = Evidence(author=run.author, findings=tuple(findings), unmatched=tuple(unmatched), forecast=forecast)
        for earlier in self._store.approvals(run.id):
            kept = self._keep_or_void(earlier, plan, digest, evidence)
            if kept is not None:
                return kept
        policy = policy_of_plan(plan.policy)
        now = self._now()
        expires = "" if policy.expires_hours is None else (now + timedelta(hours=policy.expires_hours)).isoformat()
        approval = Approval(
            id=self._clock.new_id("a"),
            run_id=run.id,
            digest=digest,
            needed=policy.needed,
            created=now.isoformat(),
            expires=expires,
        )
        self._store.save_plan(approval.id, plan, evidence.as_json())
        said = self._draft(
            approval,
            "approval.request",
            {"approval": approval.id, "expires": expires, "evidence": digest_of(evidence)},
        )
        return self._settled(self._store.save_approval(approval, expected_state=None, audit=said))

    def _settled(self, asked: Approval) -> Approval:
        """Of two that asked at once for one run, one stands: the older for the same plan, else the newer.

        Both look after writing, so that at least one of them sees the other; each would come to the same end.
        """
        every = list(self._store.approvals(asked.run_id))
        mine = [one.id for one in every].index(asked.id)
        for place, other in enumerate(every):
            if place == mine or other.state not in (*OPEN, "approved"):
                continue
            same, newer = other.digest == asked.digest, place < mine
            if same != newer:
                self.void(asked.id, f"`{other.id}` was asked for at the same moment.")
                return other if same else self._store.approval(asked.id)
            self.void(other.id, f"`{asked.id}` was asked for at the same moment.")
        return asked

    def _keep_or_void(self, earlier: Approval, plan: Plan, digest: str, evidence: Evidence) -> Approval | None:
        """The earlier approval where it still speaks of this plan; None after it was voided, or was over before."""
        earlier = self.expire(earlier.id)
        if earlier.state not in (*OPEN, "approved"):
            return None
        if earlier.digest != digest:
            old = self._plan_of(earlier)
            changes = differences(old, plan) if old is not None else ("The plan it was for is not there any more.",)
            self.void(earlier.id, "The plan was changed.", changes=changes)
            return None
        if earlier.state == "approved" and decisions.unwaived(plan, evidence):
            reds = ", ".join(f"`{finding.id}`" for finding in decisions.unwaived(plan, evidence))
            self.void(earlier.id, f"A red finding has appeared since it was approved: {reds}.")
            return None
        self._store.save_plan(earlier.id, plan, evidence.as_json())
        return earlier

    # --- deciding ------------------------------------------------------------------------------------------------

    def approve(
        self,
        approval_id: str,
        name: str,
        comment: str = "",
        *,
        confirmed: Sequence[str] = (),
        plan: Plan | None = None,
        observed: Plan | None = None,
        unmatched: Sequence[str] | None = None,
        by_policy: bool = False,
    ) -> Approval:
        """Approve a plan.

        Args:
            approval_id: What is approved.
            name: A label; the authenticated identity decides.
            comment: Kept in the audit and shown in the pull request.
            confirmed: Ids of clauses nobody understood, accepted by this decision.
            plan: The plan as it was shown; the stored one when None.
            observed: The plan as it would be made now; a difference refuses.
            unmatched: Clauses not understood, where the caller knows better than what was asked for with.
            by_policy: Nobody decides: the environment's policy does, where it allows that.

        Raises:
            ApprovalRefused: With everything that is missing, or who decided before.
            NotFound: There is no such approval.
        """

        def decide(approval: Approval) -> tuple[Approval, dict[str, JsonValue]]:
            stored, evidence = self._evidence(approval.id)
            if unmatched is not None:
                evidence = evidence.model_copy(update={"unmatched": tuple(unmatched)})
            shown = plan or stored
            now = self._now()
            identity = f"policy:{stored.environment}" if by_policy else self._identity()
            decision = self._decision("approve", identity, name, comment, now, plan_digest(shown), confirmed)
            decided = decisions.approve(
                approval, decision, plan=stored, policy=self.policy(stored.environment), evidence=evidence, now=now,
                observed=observed, by_policy=by_policy,
            )  # fmt: skip
            detail: dict[str, JsonValue] = {"state": decided.state, "comment": decision.comment}
            if confirmed:
                detail["confirmed"] = list(confirmed)
            if by_policy:
                detail["asked_by"] = self._identity()
            return decided, detail

        return self._decide(approval_id, "approval.approve_by_policy" if by_policy else "approval.approve", decide)

    def reject(self, approval_id: str, name: str, comment: str) -> Approval:
        """Reject a plan with a reason.

        Raises:
            ApprovalRefused: No reason, not an approver, or it was decided before.
            NotFound: There is no such approval.
        """

        def decide(approval: Approval) -> tuple[Approval, dict[str, JsonValue]]:
            stored, evidence = self._evidence(approval.id)
            decision = self._decision("reject", self._identity(), name, comment, self._now(), approval.digest, ())
            policy = self.policy(stored.environment)
            decided = decisions.reject(approval, decision, policy=policy, author=evidence.author)
            return decided, {"reason": decision.comment}

        return self._decide(approval_id, "approval.reject", decide)

    def waive(self, run: Run, finding: str, reason: str, name: str = "") -> Waiver:
        """Accept a red finding of the run's plan by name; the waiver belongs into the run and its next plan.

        Args:
            run: Whose plan has the finding.
            finding: Id of the finding.
            reason: Why it may stand.
            name: A label for the audit.

        Raises:
            ApprovalRefused: The policy allows none, there is no such red finding, or there is no reason.
        """
        policy = self.policy(run.environment)
        reds = self._reds(run)
        problems = []
        if not policy.waivers_allowed:
            problems.append(f"the policy of `{policy.environment}` allows no waivers")
        if not reason.strip():
            problems.append("a waiver needs a reason")
        if finding not in reds:
            shown = ", ".join(f"`{one}`" for one in sorted(reds)) or "none"
            problems.append(f"there is no red finding `{finding}` (there are: {shown})")
        if problems:
            raise ApprovalRefused(f"The finding cannot be waived: {'; '.join(problems)}.", where=run.id)
        waiver = Waiver(finding=finding, by=self._identity(), reason=_text(reason))
        self._store.append_audit(
            at=self._now().isoformat(),
            run_id=run.id,
            event="finding.waive",
            identity=waiver.by,
            name=_text(name),
            digest=run.digest,
            detail={"finding": finding, "reason": waiver.reason},
        )
        return waiver

    # --- ending --------------------------------------------------------------------------------------------------

    def void(self, approval_id: str, reason: str, *, changes: Sequence[str] = ()) -> Approval:
        """End an approval because what it was for is no more. One that is over already stays as it is."""
        said = "\n".join([reason, *changes])

        def decide(approval: Approval) -> tuple[Approval, dict[str, JsonValue]] | None:
            if approval.state not in (*OPEN, "approved"):
                return None
            listed: list[JsonValue] = list(changes[:100])
            detail: dict[str, JsonValue] = {"reason": reason, "changes": listed}
            return approval.model_copy(update={"state": "void", "reason": _text(said)}), detail

        return self._decide(approval_id, "approval.void", decide)

    def expire(self, approval_id: str) -> Approval:
        """End an approval whose time is over; any other stays as it is."""

        def decide(approval: Approval) -> tuple[Approval, dict[str, JsonValue]] | None:
            if approval.state not in OPEN or not decisions.expired(approval, self._now()):
                return None
            reason = f"Nobody decided before {approval.expires}."
            return approval.model_copy(update={"state": "expired", "reason": reason}), {"expires": approval.expires}

        return self._decide(approval_id, "approval.expire", decide)

    # --- looking -------------------------------------------------------------------------------------------------

    def policy(self, environment: str) -> Policy:
        """The environment's policy as the base branch has it now.

        Raises:
            ConfigurationError: It cannot be used.
        """
        return read_policy(self._code_host.read(FILE), environment)

    def missing(self, approval_id: str) -> tuple[str, ...]:
        """What keeps the plan from being approved, whoever asks; empty when only people are missing."""
        plan, evidence = self._evidence(approval_id)
        return tuple(decisions.missing(plan, self.policy(plan.environment), evidence, confirmed=evidence.unmatched))

    # --- inside --------------------------------------------------------------------------------------------------

    def _decide(
        self,
        approval_id: str,
        event: str,
        decide: Callable[[Approval], tuple[Approval, dict[str, JsonValue]] | None],
    ) -> Approval:
        """Read, decide, write with the audit entry; again from the start when somebody else was first."""
        for _ in range(_TRIES):
            approval = self._store.approval(approval_id)
            if event not in ("approval.void", "approval.expire") and decisions.expired(approval, self._now()):
                approval = self.expire(approval_id)
            decided = decide(approval)
            if decided is None:
                return approval
            new, detail = decided
            try:
                return self._store.save_approval(
                    new, expected_state=approval.state, audit=self._draft(new, event, {"approval": new.id, **detail})
                )
            except StaleState:
                continue
        raise StaleState(f"Approval `{approval_id}` changes all the time.", hint="Look at it again, then repeat.")

    def _draft(self, approval: Approval, event: str, detail: dict[str, JsonValue]) -> AuditDraft:
        last = approval.decisions[-1] if approval.decisions else None
        decided = last is not None and event in ("approval.approve", "approval.approve_by_policy", "approval.reject")
        return AuditDraft(
            at=last.at if decided and last else self._now().isoformat(),
            run_id=approval.run_id,
            event=event,
            identity=last.identity if decided and last else self._identity(),
            name=last.name if decided and last else "",
            digest=approval.digest,
            detail=detail,
        )

    def _decision(
        self,
        verb: Literal["approve", "reject"],
        identity: str,
        name: str,
        comment: str,
        now: datetime,
        digest: str,
        confirmed: Sequence[str],
    ) -> Decision:
        return Decision(
            verb=verb,
            identity=identity,
            name=_text(name)[:200],
            comment=_text(comment),
            at=now.isoformat(),
            digest=digest,
            confirmed=tuple(confirmed),
        )

    def _evidence(self, approval_id: str) -> tuple[Plan, Evidence]:
        plan, evidence = self._store.plan(approval_id)
        try:
            return plan, Evidence.model_validate(evidence)
        except ValidationError:
            raise StoreUnavailable(
                f"What was measured for approval `{approval_id}` cannot be read.", hint="Make a new plan."
            ) from None

    def _plan_of(self, approval: Approval) -> Plan | None:
        try:
            return self._store.plan(approval.id)[0]
        except NotFound:
            return None

    def _reds(self, run: Run) -> set[str]:
        if not run.approval_id:
            return set()
        _plan, evidence = self._evidence(run.approval_id)
        return {finding.id for finding in evidence.findings if finding.severity == "red"}

    def _now(self) -> datetime:
        return self._clock.now().astimezone(timezone.utc)


def _text(text: str) -> str:
    """What a person typed, without secrets that slipped in and bounded."""
    return redact(text.strip())[: decisions.LONGEST]
