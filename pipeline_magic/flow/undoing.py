"""Rolling a deployment back: what would be undone, who may, each step once, and how it ended.

    deployed, failed -> rolling_back -> rolled_back | rollback_failed -> rolling_back

A rollback belongs to the approval whose deployment it undoes. Its plan is stored before its first step, so that any
process goes on with it after a crash; the approval is void from then on, and the same plan needs a new one. Not here:
what becomes of job and tables (`agents.operations`) and of the files (`agents.github`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline_magic.agents.approval import ApprovalOrchestrator
from pipeline_magic.agents.github import GitHubAgent
from pipeline_magic.agents.operations.effects import Effects
from pipeline_magic.agents.operations.rollback import RollbackOperator, latest_plan
from pipeline_magic.errors import ApprovalRefused, NotFound, PipelineMagicError, RollbackRefused
from pipeline_magic.flow import reporting, words
from pipeline_magic.flow.stages import Work
from pipeline_magic.redact import redact
from pipeline_magic.runs import (
    ROLLBACK_PARTS,
    AuditDraft,
    Deployment,
    Plan,
    PullRequest,
    RollbackPart,
    RollbackPlan,
    RollbackStep,
    Run,
)

if TYPE_CHECKING:
    from pipeline_magic.wiring import Ports

__all__ = ["UNFINISHED", "Rollback", "run_to_undo"]

UNFINISHED = ("rolling_back", "rollback_failed")
"""States of a deployment whose rollback was begun and did not come to its end."""

_CAN = ("deployed", "failed", *UNFINISHED)


class Rollback:
    """Rolls back what one set of ports deployed."""

    def __init__(self, ports: Ports, approvals: ApprovalOrchestrator, github: GitHubAgent) -> None:
        self._ports = ports
        self._approvals = approvals
        self._github = github
        self._operator = RollbackOperator(deployer=ports.deployer, catalog=ports.catalog, engine=ports.engine)

    def plan(self, run_id: str, parts: Sequence[RollbackPart] = ROLLBACK_PARTS) -> RollbackPlan:
        """What a rollback of the run's deployment would do. Touches nothing.

        Raises:
            RollbackRefused: There is nothing deployed, or it is rolled back already.
        """
        deployment = self._deployment(run_id)
        plan, effects = self._approved(deployment), self._effects(deployment)
        wanted = tuple(part for part in ROLLBACK_PARTS if part in parts)
        undone = self._operator.plan(plan, deployment, effects, wanted)
        steps, left = list(undone.steps), list(undone.left)
        if "files" not in wanted:
            left.append("The files in the repository stay as they are, as you asked.")
        elif not self._files_done(deployment, plan, effects):
            more, stays = self._github.plan_undo(deployment.pull_request, merge=self._merges(plan))
            steps, left = [*steps, *more], [*left, *stays]
        if any(step.part == "tables" for step in steps):
            left.append("What others read from these tables meanwhile, and made of it, stays.")
        return RollbackPlan(
            run_id=run_id,
            approval_id=deployment.approval_id,
            name=deployment.name,
            environment=plan.environment,
            parts=wanted,
            steps=tuple(steps),
            left=tuple(left),
            refused=tuple(undone.refused),
        )

    def go(
        self,
        work: Work,
        *,
        name: str = "",
        reason: str = "",
        parts: Sequence[RollbackPart] | None = None,
        shown: RollbackPlan | None = None,
    ) -> None:
        """Roll back, or go on with a rollback.

        Args:
            work: The work on the run.
            name: A label; the authenticated identity decides.
            reason: Kept in the audit.
            parts: What is undone; as the attempt before, or everything, when None.
            shown: The plan as a person saw it; where it is another now, nothing is touched.

        Raises:
            RollbackRefused: Not by this person; others wrote since; nothing to undo; another plan than was shown.
            PipelineMagicError: A step failed; the deployment is then ``rollback_failed``, and `resume` goes on.
        """
        deployment = self._deployment(work.run.id)
        effects = self._effects(deployment)
        earlier = latest_plan(effects)
        if deployment.state != "rolling_back" or earlier is None:
            wanted = parts or (earlier.parts if earlier is not None else ROLLBACK_PARTS)
            plan = self._require(work.run, deployment, wanted, shown)
            if deployment.state != "rolling_back":
                deployment = self._begin(work.run, deployment, plan, name, reason)
            number = sum(kind == "rollback.plan" for kind, _ in effects.finished()) + 1
            effects.once("rollback.plan", str(number), lambda: plan.model_dump(mode="json"))
            earlier = plan
        self._approvals.void(deployment.approval_id, "What was deployed by it is rolled back.")
        try:
            revert = self._steps(work, deployment, earlier, effects)
        except PipelineMagicError as error:
            said = self._draft(deployment, "rollback.fail", {"message": error.message})
            failed = deployment.model_copy(update={"state": "rollback_failed", "message": str(error)})
            self._ports.store.save_deployment(failed, expected_state="rolling_back", audit=said)
            raise
        message = words.rolled_back_in_words(earlier, revert)
        done = deployment.model_copy(update={"state": "rolled_back", "message": message, "revert": revert})
        said = self._draft(deployment, "rollback.done", {"left": list(earlier.left)})
        self._ports.store.save_deployment(done, expected_state="rolling_back", audit=said)
        work.update(message=message)
        work.say(message, state="done", stage="approval")

    def require_settled(self, run_id: str) -> None:
        """Refuse to deploy over a rollback that did not come to its end.

        Raises:
            ApprovalRefused: With what to do about it.
        """
        deployment = self._ports.store.deployment(run_id)
        if deployment is not None and deployment.state in UNFINISHED:
            raise ApprovalRefused(
                f"The rollback of run `{run_id}` has not come to its end ({deployment.state.replace('_', ' ')}).",
                where=run_id,
                hint=f"`resume {run_id}` goes on with it, or `rollback {run_id} --only … --yes` leaves out what fails.",
            )

    # --- before ------------------------------------------------------------------------------------------------------

    def _require(
        self, run: Run, deployment: Deployment, parts: Sequence[RollbackPart], shown: RollbackPlan | None
    ) -> RollbackPlan:
        """The plan, where this person may do it and nothing stands against it."""
        if deployment.state != "rolling_back":  # else somebody who may has begun it
            self._approvals.require_may_undo(self._approved(deployment).environment, run.author)
        plan = self.plan(run.id, parts)
        if plan.refused:
            raise RollbackRefused(
                f"Nothing was touched: {'; '.join(plan.refused)}.",
                where=run.id,
                hint=f"`rollback {run.id} --only job --only files` leaves the tables alone.",
            )
        if shown is not None and shown != plan:
            raise RollbackRefused(
                "Nothing was touched: since you saw it, what would be undone has become another.",
                where=run.id,
                hint="Look at it again.",
            )
        if not plan.steps and deployment.state not in UNFINISHED:
            raise RollbackRefused(f"There is nothing to undo. {' '.join(plan.left)}".strip(), where=run.id)
        return plan

    def _begin(self, run: Run, deployment: Deployment, plan: RollbackPlan, name: str, reason: str) -> Deployment:
        detail = {
            "approval": deployment.approval_id,
            "reason": redact(reason.strip())[:2000],
            "steps": [step.text for step in plan.steps],
            "left": list(plan.left),
        }
        said = self._draft(deployment, "rollback.start", detail, name)
        moved = deployment.model_copy(update={"state": "rolling_back", "message": ""})
        return self._ports.store.save_deployment(moved, expected_state=deployment.state, audit=said)

    # --- the steps ---------------------------------------------------------------------------------------------------

    def _steps(self, work: Work, deployment: Deployment, plan: RollbackPlan, effects: Effects) -> PullRequest | None:
        approved = self._approved(deployment)
        revert = deployment.revert
        for step in plan.steps:
            work.say(step.text, stage="approval")
            if step.part == "files":
                revert = self._revert(step, deployment, self._merges(approved), effects)
            else:
                self._operator.undo(step, approved, deployment, effects)
        self._comment(deployment, plan, effects)
        return revert

    def _comment(self, deployment: Deployment, plan: RollbackPlan, effects: Effects) -> None:
        """Say it under the pull request that was undone, with the audit's head, which so stands outside the store."""
        request, store = deployment.pull_request, self._ports.store
        if request is None:
            return
        start = [entry for entry in store.audit(deployment.run_id) if entry.event == "rollback.start"][-1]
        head = "{}:{}".format(*store.audit_head())
        effects.once(
            "rollback.comment",
            str(request.number),
            lambda: self._github.comment_rollback(request.number, start, plan, audit_head=head),
        )
        reporting.report(self._ports, store.approval(deployment.approval_id), request, "rolled_back")

    def _revert(self, step: RollbackStep, deployment: Deployment, merge: bool, effects: Effects) -> PullRequest:
        github, number = self._github, int(step.subject)
        opened = effects.once(
            "rollback.revert", step.subject, lambda: github.revert(number, deployment.name).model_dump(mode="json")
        )
        request = PullRequest.model_validate(opened)
        reporting.report(self._ports, self._ports.store.approval(deployment.approval_id), request, "undo")
        if merge:
            merged = effects.once("rollback.merge", step.subject, lambda: github.merge(request).model_dump(mode="json"))
            request = PullRequest.model_validate(merged)
        return request

    def _files_done(self, deployment: Deployment, plan: Plan, effects: Effects) -> bool:
        done = {kind for kind, _ in effects.finished()}
        return "rollback.revert" in done and (not self._merges(plan) or "rollback.merge" in done)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _deployment(self, run_id: str) -> Deployment:
        deployment = self._ports.store.deployment(run_id)
        if deployment is None:
            raise RollbackRefused(f"Run `{run_id}` has deployed nothing.", hint="`%pipeline list` shows the runs.")
        if deployment.state == "rolled_back":
            raise RollbackRefused(
                f"Run `{run_id}` is rolled back already. {deployment.message}".strip(),
                hint=f"`generate {run_id}` makes a new plan of it.",
            )
        if deployment.state not in _CAN or not deployment.approval_id:
            raise RollbackRefused(
                f"The deployment of run `{run_id}` is `{deployment.state}`, and cannot be rolled back so.",
                hint=f"`resume {run_id}` goes on with it first.",
            )
        return deployment

    def _approved(self, deployment: Deployment) -> Plan:
        return self._ports.store.plan(deployment.approval_id)[0]

    def _merges(self, plan: Plan) -> bool:
        return self._approvals.policy(plan.environment).merge

    def _effects(self, deployment: Deployment) -> Effects:
        ports = self._ports
        return Effects(
            ports.store,
            ports.clock,
            deployment.run_id,
            identity=ports.code_host.identity(),
            digest=deployment.digest,
            approval_id=deployment.approval_id,
        )

    def _draft(self, deployment: Deployment, event: str, detail: Mapping[str, object], name: str = "") -> AuditDraft:
        return AuditDraft.model_validate(
            {
                "at": self._ports.clock.now().isoformat(),
                "run_id": deployment.run_id,
                "event": event,
                "identity": self._ports.code_host.identity(),
                "name": redact(name.strip())[:200],
                "digest": deployment.digest,
                "detail": detail,
            }
        )


def run_to_undo(ports: Ports, given: str) -> Run:
    """The run whose deployment is meant: by its id, or the one that is deployed of the pipeline of that name.

    Raises:
        NotFound: Nothing of that name is deployed.
    """
    store = ports.store
    if given.startswith("r-"):
        return store.run(given)
    if given.startswith("a-"):
        return store.run(store.approval(given).run_id)
    found = []
    for run in store.runs(name=given, limit=1000):
        deployment = store.deployment(run.id)
        if deployment is not None and deployment.state in _CAN:
            found.append((run, deployment))
    for run, deployment in found:
        there = ports.deployer.find(given, run.environment)
        if deployment.state in UNFINISHED or (there is not None and there.digest == deployment.digest):
            return run
    if not found:
        raise NotFound(f"Nothing of a pipeline `{given}` is deployed.", hint="`%pipeline list` shows what there is.")
    return found[0][0]
