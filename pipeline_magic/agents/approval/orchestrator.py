"""ApprovalOrchestrator: asks for decisions and writes them, each in one transaction with its audit entry.

Who decides is the authenticated identity of the code host; the typed name is a label. Every write is a
compare-and-set: of two people who press at once one wins, and the other is told. Not here: what a decision makes of an
approval (`decisions`), what follows an approval (the operator and the GitHub agent).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Literal

from pydantic import JsonValue, ValidationError

from pipeline_magic.agents.approval import decisions
from pipeline_magic.agents.approval.attest import attested_stages, stage_digests, unsound
from pipeline_magic.agents.approval.decisions import OPEN, Evidence
from pipeline_magic.agents.approval.digest import differences, plan_digest
from pipeline_magic.agents.approval.drift import appeared, moved
from pipeline_magic.agents.approval.policy import FILE, Policy, policy_of_plan, read_policy
from pipeline_magic.digests import digest_of
from pipeline_magic.errors import ApprovalRefused, NotFound, RollbackRefused, StaleState, StoreUnavailable
from pipeline_magic.ports import Clock, CodeHost, Store
from pipeline_magic.redact import redact
from pipeline_magic.runs import Approval, AuditDraft, Decision, Finding, Plan, Prepared, Run, Waiver

__all__ = ["ApprovalOrchestrator"]

_CHANGES = ("question.answer", "spec.edit", "finding.waive", "hand_edit.take", "hand_edit.keep")
"""What makes somebody an author of a plan, beside building it."""

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
        counts: Mapping[str, float] | None = None,
    ) -> Approval:
        """Ask for the approval of a plan.

        An identical plan keeps the approval that was asked for or given before, as long as what was shown beside it
        has not drifted; a changed one voids it, and says in what it differs.

        Args:
            run: Whose plan it is; its author is the author of the plan.
            prepared: The plan and its digest.
            findings: Everything the quality report found; red ones block until waived.
            unmatched: Ids of the clauses nobody understood.
            forecast: Expected cost of a month.
            counts: The numbers that are shown beside it.
        """
        plan, digest = prepared.plan, plan_digest(prepared.plan)
        if digest != prepared.digest:
            raise ApprovalRefused("The plan was changed after its digest was computed.", hint="Generate again.")
        evidence = Evidence(
            author=run.author,
            findings=tuple(findings),
            unmatched=tuple(unmatched),
            forecast=forecast,
            counts=dict(counts or {}),
        )
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
            {
                "approval": approval.id,
                "expires": expires,
                "needed": approval.needed,
                "evidence": digest_of(evidence),
                "stages": stage_digests(self._store, run.id),
            },
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
        undone = self._undone(earlier)
        if undone:
            self.void(earlier.id, undone)
            return None
        changes = self._drift(earlier, plan, evidence)
        if changes:
            self.void(earlier.id, "What was shown beside the plan has changed.", changes=changes)
            return None
        self._say_kept(earlier)
        return earlier

    def _undone(self, approval: Approval) -> str:
        """Why a given approval is used up; empty while it is not."""
        done = self._store.deployment(approval.run_id)
        if approval.state != "approved" or done is None or done.digest != approval.digest:
            return ""
        if done.state in ("rolling_back", "rolled_back", "rollback_failed"):
            return "What it was given for was deployed and rolled back."
        return ""

    def _drift(self, earlier: Approval, plan: Plan, now: Evidence) -> tuple[str, ...]:
        """In what the evidence has changed since it was shown; of a plan that is deployed only new red findings."""
        _, shown = self._evidence(earlier.id)
        done = self._store.deployment(earlier.run_id)
        if done is not None and done.digest == earlier.digest and done.state == "deployed":
            waived = {waiver.finding for waiver in plan.waivers}
            reds = tuple(one for one in now.findings if one.severity == "red" and one.id not in waived)
            return appeared(shown.findings, reds)
        said = appeared(shown.findings, now.findings)
        said += tuple(
            f"The clause `{clause}` is not understood any more."
            for clause in now.unmatched
            if clause not in shown.unmatched
        )
        tolerance = policy_of_plan(plan.policy).drift
        return said + moved(shown.counts, now.counts, tolerance, costs=(shown.forecast, now.forecast))

    def _say_kept(self, approval: Approval) -> None:
        """Where stages were computed again and the plan is the same: say in the audit what the store now holds."""
        stages = stage_digests(self._store, approval.run_id)
        if stages == (attested_stages(self._store.audit(approval.run_id), approval.id) or {}):
            return
        said = self._draft(approval, "approval.keep", {"approval": approval.id, "stages": stages})
        self._store.append_audit(**said.model_dump())

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
            self._require_sound(approval, stored, evidence)
            if unmatched is not None:
                evidence = evidence.model_copy(update={"unmatched": tuple(unmatched)})
            shown = plan or stored
            now = self._now()
            identity = f"policy:{stored.environment}" if by_policy else self._identity()
            decision = self._decision("approve", identity, name, comment, now, plan_digest(shown), confirmed)
            decided = decisions.approve(
                approval, decision, plan=stored, policy=self.policy(stored.environment), evidence=evidence, now=now,
                authors=self._authors(approval.run_id), observed=observed, by_policy=by_policy,
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

    def waive(self, run: Run, finding: str, reason: str, name: str = "") -> tuple[Waiver, AuditDraft]:
        """Accept a red finding of the run's plan by name; the waiver belongs into the run and its next plan.

        Nothing is written here: the waiver and what the audit is to say of it are one write, the caller's.

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
        return waiver, AuditDraft(
            at=self._now().isoformat(),
            run_id=run.id,
            event="finding.waive",
            identity=waiver.by,
            name=_text(name)[:200],
            digest=run.digest,
            detail={"finding": finding, "reason": waiver.reason},
        )

    # --- before anything is decided or done ----------------------------------------------------------------------

    def require_sound(self, approval_id: str) -> Approval:
        """The approval, when it, its plan and the run's stages are what the audit says of them.

        Raises:
            ApprovalRefused: The store was changed from outside; with everything that does not fit.
        """
        for _ in range(_TRIES):
            approval = self._store.approval(approval_id)
            try:
                self._require_sound(approval, *self._evidence(approval_id))
            except StaleState:
                continue
            return approval
        raise StaleState(f"Approval `{approval_id}` changes all the time.", hint="Look at it again, then repeat.")

    def _require_sound(self, approval: Approval, plan: Plan, evidence: Evidence) -> None:
        entries = self._store.audit(approval.run_id)
        wrong = unsound(approval, plan, evidence, entries, stage_digests(self._store, approval.run_id))
        if wrong and self._store.approval(approval.id) != approval:
            raise StaleState(f"Approval `{approval.id}` was changed while it was looked at.", hint="Look again.")
        if wrong:
            raise ApprovalRefused(
                f"The store was changed from outside: {'; '.join(wrong)}.",
                where=approval.id,
                hint="Nothing was done. `audit verify` looks at all of it; a new plan can be made and approved.",
            )

    def require_unchanged(
        self, approval_id: str, observed: Plan, counts: Mapping[str, float], *, forecast: float | None = None
    ) -> None:
        """Refuse, and void the approval, when the world is not what it was asked for.

        Args:
            approval_id: One that is open or given; of any other nothing is said.
            observed: The plan as it would be made now.
            counts: What is counted now, of what was shown.
            forecast: Expected cost of a month, as it is now; None: not looked at.

        Raises:
            ApprovalRefused: With every difference.
        """
        approval = self._store.approval(approval_id)
        plan, shown = self._evidence(approval_id)
        if approval.state not in (*OPEN, "approved") or plan_digest(plan) != approval.digest:
            return
        changes = differences(plan, observed) if plan_digest(observed) != approval.digest else ()
        costs = (shown.forecast, forecast) if forecast is not None else (None, None)
        changes += moved(shown.counts, counts, policy_of_plan(plan.policy).drift, costs=costs)
        if not changes:
            return
        self.void(approval_id, "Something has changed since the plan was made.", changes=changes)
        listed = [f"  - since the plan was made: {change}" for change in changes[:8]]
        more = [f"  - and {len(changes) - 8} more changes"] if len(changes) > 8 else []
        raise ApprovalRefused(
            "\n".join([f"Approval `{approval_id}` is void:", *listed, *more]),
            where=approval.run_id,
            hint=f"`generate {approval.run_id}` makes a new plan of what there is now; approve that one.",
        )

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

    def require_may_undo(self, environment: str, author: str) -> str:
        """The authenticated identity, which may roll back there.

        Raises:
            RollbackRefused: It may not.
        """
        identity = self._identity()
        problems = decisions.keeps_from_undoing(self.policy(environment), identity, author)
        if problems:
            raise RollbackRefused(f"The deployment cannot be rolled back: {'; '.join(problems)}.", where=environment)
        return identity

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
            try:
                decided = decide(approval)
                if decided is None:
                    return approval
                new, detail = decided
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

    def _authors(self, run_id: str) -> tuple[str, ...]:
        """Who changed what the run's plan says, by the audit."""
        return tuple({entry.identity: None for entry in self._store.audit(run_id) if entry.event in _CHANGES})

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
