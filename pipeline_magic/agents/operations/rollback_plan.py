"""What a rollback would undo, found out before anything is touched.

    job      the settings and the notebook before, or no job where there was none
    tables   the version before the deployment's first write, by a restore; a table the pipeline made is dropped

A table is put back only where every commit since is known to be of this pipeline's own job, or of an earlier rollback:
somebody else's rows are never taken away. A table that was there before and was written by others since refuses the
whole rollback; one that this deployment made, and others wrote, is left, and said. Not here: the files in the
repository (`agents.github`), who may roll back (`agents.approval`), doing it (`rollback`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from pipeline_magic.agents.operations.declared import Settings, said_of_table
from pipeline_magic.agents.operations.deploy import BY_CI, kept_tables
from pipeline_magic.compiler.tables import STAGING
from pipeline_magic.errors import DeploymentError, NotFound
from pipeline_magic.ports import Deployer, DeployRequest, Engine, TableVersion
from pipeline_magic.runs import Deployment, Plan, RollbackPart, RollbackPlan, RollbackStep
from pipeline_magic.spec.names import join_table, split_table

__all__ = ["NOTE", "Undone", "find_undone", "restore_key", "settings_before"]

NOTE = "pipeline_magic rollback"
"""How the note of a commit begins by which a rollback put a table back."""


class Undone:
    """What a rollback does, leaves and refuses, as it is found out."""

    def __init__(self) -> None:
        self.steps: list[RollbackStep] = []
        self.left: list[str] = []
        self.refused: list[str] = []


def restore_key(approval_id: str) -> str:
    """Note of the commits by which the rollback of this approval's deployment puts tables back."""
    return f"{NOTE} {approval_id}"


def find_undone(
    plan: Plan,
    deployment: Deployment,
    effects: Mapping[tuple[str, str], JsonValue],
    *,
    deployer: Deployer,
    engine: Engine,
    parts: Sequence[RollbackPart],
    earlier: RollbackPlan | None = None,
) -> Undone:
    """Job and tables of a rollback.

    Args:
        plan: The plan that was deployed.
        deployment: Of the run, as the store has it.
        effects: Results of what was done under the approval that is undone, by kind and subject.
        parts: What is to be undone.
        earlier: The plan of an attempt at this rollback that did not come to its end.
    """
    results: dict[str, Any] = {kind: result for (kind, _), result in effects.items()}
    done = {subject for kind, subject in effects if kind.startswith("rollback.")}
    found = Undone()
    job = _placed(plan, deployment, deployer, results)
    if "job" in parts:
        _job(found, job, deployment, deployer, results, done)
    else:
        found.left.append(f"The job `{deployment.name}` stays as it is deployed, as you asked.")
    if plan.spec.deployment == "declarative":
        settings = _pipeline_after(found, effects, deployer, job, results)
        table = kept_tables(plan)[0]
        before = _version_before(results, table)
        asked = "tables" in parts
        found.left.append(said_of_table(table, plan.spec, settings, before=before, asked=asked))
    elif "tables" not in parts:
        found.left.append("The tables stay as they are, as you asked.")
    else:
        _Tables(found, plan, deployment, results, done, deployer, engine, job, earlier).look()
    if "schema.create" in results:
        catalog, schema, _ = split_table(kept_tables(plan)[0])
        found.left.append(f"The schema `{catalog}.{schema}`, which the deployment created, stays.")
    return found


def _placed(plan: Plan, deployment: Deployment, deployer: Deployer, results: Mapping[str, Any]) -> str:
    """Id of the job that was deployed; empty when there is none (any more)."""
    there = deployer.find(plan.spec.name, plan.environment)
    if there is None or ("job.deploy" not in results and there.digest != deployment.digest):
        return ""
    return there.id


def _job(
    found: Undone,
    job: str,
    deployment: Deployment,
    deployer: Deployer,
    results: Mapping[str, Any],
    done: set[str],
) -> None:
    if deployment.name in done:
        return
    if not job:
        found.left.append(f"There is no job `{deployment.name}` to undo.")
        return
    placed = results.get("job.deploy")
    if isinstance(placed, dict) and placed.get("previous_lost") == BY_CI:
        found.left.append(f"The job `{job}` stays until then: {BY_CI}.")
        return
    try:
        present = deployer.settings(job).get("digest")
    except NotFound:
        present = None
    if present != deployment.digest:
        found.refused.append(
            f"The job `{job}` was deployed again since, by another plan ({str(present)[:12]}): roll that back first"
        )
        return
    before = settings_before(deployer, job, results.get("job.deploy"))
    if isinstance(before, str):
        found.left.append(f"The settings before of the job `{job}` cannot be put back: {before}")
    elif before is None:
        text = f"Remove the job `{job}`, which was not there before"
        found.steps.append(RollbackStep(part="job", action="remove", subject=deployment.name, text=text))
    else:
        text = f"Put back the settings and the notebook that the job `{job}` had before"
        found.steps.append(RollbackStep(part="job", action="put_back", subject=deployment.name, text=text))


def settings_before(deployer: Deployer, job: str, placed: JsonValue) -> DeployRequest | str | None:
    """What was deployed before, as it was kept when the job was deployed; why it is not there, as text; None: nothing.

    Args:
        placed: What the deployment noted; None where it was cut off before that.
    """
    if isinstance(placed, dict):
        lost = str(placed.get("previous_lost") or "")
        return lost or (DeployRequest.model_validate(placed["previous"]) if placed.get("previous") else None)
    try:
        return deployer.previous(job)
    except DeploymentError as error:
        return error.message


def _pipeline_after(
    found: Undone,
    effects: Mapping[tuple[str, str], JsonValue],
    deployer: Deployer,
    job: str,
    results: Mapping[str, Any],
) -> Settings:
    """What the job's step, done or to be done, makes of the pipeline's settings."""
    actions: set[str] = {step.action for step in found.steps if step.part == "job"}
    actions |= {kind.removeprefix("rollback.") for kind, _ in effects}
    if "remove" in actions:
        return "removed"
    before = settings_before(deployer, job, results.get("job.deploy")) if "put_back" in actions and job else None
    return before if isinstance(before, DeployRequest) else "kept"


def _version_before(results: Mapping[str, Any], table: str) -> str | None:
    noted = results.get("tables.before")
    version = noted.get(table, {}).get("version") if isinstance(noted, dict) else None
    return version if isinstance(version, str) else None


class _Tables:
    """Looks at each table that the pipeline writes."""

    def __init__(
        self,
        found: Undone,
        plan: Plan,
        deployment: Deployment,
        results: Mapping[str, Any],
        done: set[str],
        deployer: Deployer,
        engine: Engine,
        job: str,
        earlier: RollbackPlan | None,
    ) -> None:
        self._found = found
        self._plan = plan
        self._done = done
        self._deployer = deployer
        self._engine = engine
        self._job = job
        self._key = restore_key(deployment.approval_id)
        steps = earlier.steps if earlier is not None else ()
        self._seen = {step.subject: int(step.seen) for step in steps if step.part == "tables"}
        before = results.get("tables.before")
        self._before: dict[str, Any] = before if isinstance(before, dict) else {}

    def look(self) -> None:
        """Find out what becomes of each."""
        tables = kept_tables(self._plan)
        for table in tables:
            if table not in self._done and table in self._before:
                self._one(table, self._before[table].get("version"))
        catalog, schema, name = split_table(tables[0])
        for end in (STAGING, f"{STAGING}_merge"):
            rest = join_table(catalog, schema, name + end)
            history = self._engine.history(rest) if self._before and rest not in self._done else ()
            if history:
                text = f"Drop `{rest}`, which a run left behind when it was cut off"
                self._add("drop", rest, text, seen=history[0].version)

    def _one(self, table: str, before: str | None) -> None:
        history = self._engine.history(table)
        new = [commit for commit in history if before is None or int(commit.version) > int(before)]
        if not history and before is not None:
            self._found.refused.append(f"`{table}` was there before the deployment, and is gone")
        if not new:
            return
        foreign = self._foreign(table, new)
        newest = history[0].version
        if before is None and foreign:
            self._found.left.append(
                f"`{table}`, which the deployment made, stays: others have written it since ({_shown(foreign)})."
            )
        elif before is None:
            self._add("drop", table, f"Drop `{table}`, which this deployment made and nobody else wrote", seen=newest)
        elif foreign:
            self._found.refused.append(
                f"others have written `{table}` since the deployment ({_shown(foreign)}), and going back to version "
                f"{before} would take their rows away"
            )
        elif before not in {commit.version for commit in history}:
            self._found.refused.append(f"version {before} of `{table}` is not in its history any more")
        else:
            text = f"Put `{table}` back to version {before}, from before the deployment's first write (now {newest})"
            self._add("restore", table, text, version=before, seen=newest)

    def _foreign(self, table: str, new: Sequence[TableVersion]) -> list[TableVersion]:
        own = self._deployer.written(self._job, table, new) if self._job else frozenset()
        known = self._seen.get(table, -1)
        return [
            commit
            for commit in new
            if commit.version not in own and int(commit.version) > known and not commit.note.startswith(NOTE)
        ]

    def _add(self, action: Any, table: str, text: str, *, version: str = "", seen: str = "") -> None:
        step = RollbackStep(part="tables", action=action, subject=table, text=text, version=version, seen=seen)
        self._found.steps.append(step)


def _shown(commits: Sequence[TableVersion]) -> str:
    """The newest commits in words."""
    said = [
        f"version {commit.version}, {commit.operation or 'a write'}"
        + (f" by {commit.by}" if commit.by else "")
        + f" at {commit.at[:19]}"
        for commit in sorted(commits, key=lambda commit: -int(commit.version))
    ]
    return "; ".join(said[:3]) + (f"; and {len(said) - 3} more" if len(said) > 3 else "")
