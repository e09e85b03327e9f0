"""Doing a rollback, step by step: each step once, in the order of its plan, and again where it stopped.

The order is: job, tables, files. First nothing new is written any more, then what was written goes back, then the
repository says so. Each step of a table looks again that nobody wrote since the plan was made. Not here: what is to be
undone (`rollback_plan`), the pull request (`agents.github`), who may (`agents.approval`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import JsonValue

from pipeline_magic.agents.operations.deploy import OUR_TAGS
from pipeline_magic.agents.operations.effects import Effects
from pipeline_magic.agents.operations.rollback_plan import Undone, find_undone, restore_key, settings_before
from pipeline_magic.errors import DeploymentError
from pipeline_magic.ports import Catalog, Deployer, DeployRequest, Engine
from pipeline_magic.runs import Deployment, Plan, RollbackPart, RollbackPlan, RollbackStep

__all__ = ["RollbackOperator", "latest_plan"]


class RollbackOperator:
    """Undoes job and tables of a deployment."""

    def __init__(self, *, deployer: Deployer, catalog: Catalog, engine: Engine) -> None:
        self._deployer = deployer
        self._catalog = catalog
        self._engine = engine

    def plan(self, plan: Plan, deployment: Deployment, effects: Effects, parts: Sequence[RollbackPart]) -> Undone:
        """What would be undone of job and tables; touches nothing."""
        return find_undone(
            plan,
            deployment,
            effects.finished(),
            deployer=self._deployer,
            engine=self._engine,
            parts=parts,
            earlier=latest_plan(effects),
        )

    def undo(self, step: RollbackStep, plan: Plan, deployment: Deployment, effects: Effects) -> None:
        """Do a step of job or tables, unless it is done.

        Raises:
            ForeignWrite: Somebody wrote the table meanwhile.
            EngineError: The table cannot be put back: its old files are gone.
            DeploymentError: The job cannot be put back.
        """
        action: dict[str, Callable[[], JsonValue]] = {
            "put_back": lambda: self._put_back(plan, deployment, effects),
            "remove": lambda: self._remove(plan),
            "restore": lambda: self._restore(step, deployment, effects),
            "drop": lambda: self._drop(step),
        }
        effects.once(f"rollback.{step.action}", step.subject, action[step.action])

    def _put_back(self, plan: Plan, deployment: Deployment, effects: Effects) -> JsonValue:
        there = self._deployer.find(plan.spec.name, plan.environment)
        if there is None:
            raise DeploymentError(f"The job `{plan.spec.name}` is gone.", hint="Roll back the tables and files alone.")
        previous = settings_before(self._deployer, there.id, _result(effects, "job.deploy") or None)
        if not isinstance(previous, DeployRequest):
            raise DeploymentError(f"The settings before cannot be put back. {previous or ''}", where=there.id)
        # Tags and all: the plan that deployed it then finds its job as it left it.
        made = self._deployer.deploy(previous.model_copy(update={"key": f"rollback-{deployment.approval_id}"}))
        if self._deployer.settings(made.id).get("digest") != previous.digest:
            raise DeploymentError("The job does not have the settings before.", where=made.id, hint="Resume the run.")
        return {"id": made.id, "digest": previous.digest, "notebook_path": previous.notebook_path}

    def _remove(self, plan: Plan) -> JsonValue:
        there = self._deployer.find(plan.spec.name, plan.environment)
        if there is not None:
            self._deployer.delete(there.id)
        return {"id": there.id if there is not None else ""}

    def _restore(self, step: RollbackStep, deployment: Deployment, effects: Effects) -> JsonValue:
        self._engine.restore(step.subject, step.version, seen=step.seen, key=restore_key(deployment.approval_id))
        before = _result(effects, "tables.before").get(step.subject) or {}
        if "comment" in before:
            tags = {name: (before.get("tags") or {}).get(name, "") for name in OUR_TAGS}
            self._catalog.describe(step.subject, comment=before["comment"], columns={}, tags=tags)
        return {"table": step.subject, "version": step.version}

    def _drop(self, step: RollbackStep) -> JsonValue:
        self._engine.drop(step.subject, seen=step.seen)
        return {"table": step.subject}


def latest_plan(effects: Effects) -> RollbackPlan | None:
    """The rollback plan that was last begun with under this approval; None before the first."""
    found = None
    for (kind, _), result in effects.finished().items():
        if kind == "rollback.plan":
            found = RollbackPlan.model_validate(result)
    return found


def _result(effects: Effects, kind: str) -> dict[str, Any]:
    results = [result for (name, _), result in effects.finished().items() if name == kind]
    return results[-1] if results and isinstance(results[-1], dict) else {}
