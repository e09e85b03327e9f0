"""What a plan rests on of the world, read now: base branch, schemas, settings, policy; and what counts as unchanged.

A state that is equal to what this very plan wrote, by the idempotency record of its effect, counts as it was when the
plan was made: so a plan stays what it is after it was deployed, and after a crash in the middle of that. Everything
else that differs from the plan is a difference. Not here: what is made of a difference (`agents.approval`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from pipeline_magic.agents.approval.digest import plan_digest
from pipeline_magic.agents.approval.policy import Policy, read_policy
from pipeline_magic.agents.notebook import NotebookGeneratorAgent, base_digests
from pipeline_magic.agents.operations.deploy import notebook_path
from pipeline_magic.compiler.bundle import SHARED
from pipeline_magic.compiler.environments import Environment, Environments
from pipeline_magic.config import FILE_NAME
from pipeline_magic.environments import read_environments
from pipeline_magic.errors import CatalogError
from pipeline_magic.flow.snapshots import stage_result
from pipeline_magic.ports import Catalog, Deployer, Store
from pipeline_magic.runs import Effect, File, Plan, Prepared, Run, Validated
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.schema import TableSchema
from pipeline_magic.spec.typed import TypedSpec

if TYPE_CHECKING:
    from pipeline_magic.wiring import Ports

__all__ = [
    "Own",
    "base_now",
    "base_state",
    "catalog_state",
    "data_state",
    "environment_of",
    "environments_of",
    "observe",
    "own_target",
    "parameters_of",
    "policy_of",
    "rows_now",
    "schemas_of",
    "settings_of",
]


class Own:
    """What a plan of a run wrote, by the records of its effects.

    Args:
        store: Where the records are.
        run_id: Whose they are.
        plan: The plan they were done for; None: nothing was written.
    """

    def __init__(self, store: Store, run_id: str, plan: Plan | None) -> None:
        self.plan = plan
        self._effects: dict[str, Effect] = {}
        self.deployed = False
        if plan is None:
            return
        digest = plan_digest(plan)
        there = store.deployment(run_id)
        self.deployed = there is not None and (there.state, there.digest) == ("deployed", digest)
        named = [one.id for one in store.approvals(run_id) if one.digest == digest]
        for effect in store.effects(run_id):
            if digest[:12] in effect.key or any(one in effect.key for one in named):
                self._effects[effect.kind] = effect

    def begun(self, kind: str) -> bool:
        """Whether it was begun; it may be done already, even where nothing says so."""
        return kind in self._effects

    def done(self, kind: str) -> dict[str, Any] | None:
        """The result that was written after it; None while there is none."""
        effect = self._effects.get(kind)
        if effect is None or effect.status != "done":
            return None
        return effect.result if isinstance(effect.result, dict) else {}


def own_target(ports: Ports, run: Run) -> str | None:
    """The target this run itself deployed: the one table its statement does not speak of as a source."""
    deployment = ports.store.deployment(run.id)
    prepared = stage_result(ports.store, run.id, "pull_request", Prepared)
    return prepared.plan.spec.target.table if deployment and prepared else None


# --- what stages rest on -----------------------------------------------------------------------------------------


def catalog_state(ports: Ports, run: Run, tables: Mapping[str, TableSchema | None]) -> dict[str, Any]:
    """Schemas and data versions of the sources and the schema of the target; a target we wrote counts as planned."""
    state: dict[str, Any] = {
        alias: [table.shape(), table.version] for alias, table in tables.items() if alias and table is not None
    }
    state[""] = _target_before(ports.store, run, tables.get(""))
    return state


def base_state(ports: Ports, run: Run, files: tuple[File, ...], plan: Plan | None = None) -> dict[str, str | None]:
    """SHA-256 of the base branch's content at each path.

    Files this plan itself merged count as they were planned.

    Args:
        plan: Whose files they are; the run's latest when None, and only if it has these very files.
    """
    seen = base_now(ports, files)
    if plan is None:
        prepared = stage_result(ports.store, run.id, "pull_request", Prepared)
        plan = None if prepared is None or prepared.plan.files != files else prepared.plan
    own = Own(ports.store, run.id, plan)
    if plan is None or not own.begun("pull_request.open"):
        return seen
    ours = base_digests({file.path: file.content for file in files})
    planned = plan.base_files
    shared = {path for path in ours if path in SHARED}  # None there means: the very same bytes, or nothing

    def written(path: str, digest: str | None) -> bool:
        return digest == ours[path] or digest == planned.get(path, "") or (path in shared and digest is None)

    return {path: planned.get(path) for path in seen} if all(map(written, seen, seen.values())) else seen


def base_now(ports: Ports, files: tuple[File, ...]) -> dict[str, str | None]:
    """SHA-256 of the base branch's content at each path, None where it has nothing.

    A file that all pipelines share, of which another plan merged the very same bytes, counts as absent: writing them
    again changes nothing.
    """
    seen = NotebookGeneratorAgent(ports.code_host).base(files)
    same = base_digests({file.path: file.content for file in files if file.path in SHARED})
    return {path: None if digest == same.get(path) else digest for path, digest in seen.items()}


def data_state(validated: Validated) -> dict[str, str | None]:
    """Version of each source's data, by alias."""
    return {alias: table.version for alias, table in validated.tables.items()}


def rows_now(ports: Ports, spec: PipelineSpec) -> dict[str, int]:
    """Rows of each source by its statistics, where the catalog has them."""
    made = {}
    for source in spec.sources:
        try:
            table = ports.catalog.table(source.table)
        except CatalogError:
            continue
        if table.rows is not None:
            made[source.table] = table.rows
    return made


# --- what a plan rests on ----------------------------------------------------------------------------------------


def policy_of(ports: Ports, environment: str) -> Policy:
    """The environment's policy, from the base branch of the code host and nowhere else."""
    return read_policy(ports.code_host.read(FILE_NAME) or "", environment)


def environments_of(ports: Ports) -> Environments:
    """Where pipelines are deployed to, from the base branch of the code host and nowhere else."""
    keys = frozenset(Policy.model_fields) - {"environment"}
    return read_environments(ports.code_host.read(FILE_NAME), policy_keys=keys)


def environment_of(environments: Environments, name: str) -> Environment:
    """The environment of that name; the first where there is none of it."""
    known = {item.name: item for item in environments.environments}
    return known.get(name, environments.environments[0])


def parameters_of(typed: TypedSpec, environment: Environment) -> dict[str, str]:
    """The tables a run of the environment's job is given: those of the spec, with the catalogs mapped."""
    from pipeline_magic.compiler.jobs import parameters

    made = parameters(typed, environment)
    return {name: value for name, value in made.items() if not name.startswith("run_")}


def schemas_of(
    ports: Ports,
    own: Own,
    spec: PipelineSpec,
    parameters: Mapping[str, str],
    known: Mapping[str, TableSchema] | None = None,
) -> dict[str, JsonValue]:
    """Shape of each source by its alias, and of the target by nothing: of those tables that the job will be given too.

    Args:
        own: What this plan wrote.
        parameters: Of the job; a table that the environment maps to another one stands under the parameter's name.
        known: The sources where they were read already, by alias. The target is always read again.
    """
    made: dict[str, JsonValue] = {}
    for source in spec.sources:
        table = known.get(source.alias) if known is not None else None
        made[source.alias] = table.shape() if table is not None else _source(ports.catalog, source.table)
        given = parameters.get(f"source_{source.alias}", source.table)
        if given != source.table:
            made[f"source_{source.alias}"] = _source(ports.catalog, given)
    given = parameters.get("target") or spec.target.table
    seen = _look(ports.catalog, spec.target.table)
    if given == spec.target.table:
        made[""] = _target(own, seen)
    else:
        made[""] = None if seen is None else seen.shape()
        made["target"] = _target(own, _look(ports.catalog, given), "target")
    return made


def settings_of(
    own: Own,
    deployer: Deployer,
    spec: PipelineSpec,
    files: tuple[File, ...],
    environment: Environment,
    name: str,
    creates: tuple[str, ...],
) -> dict[str, JsonValue]:
    """Settings found at the deployer, and those to be written; what is derived from the digest is no part of them."""
    notebook = next((file.content for file in files if file.path.endswith(".ipynb")), "")
    written: dict[str, JsonValue] = {
        "notebook_path": notebook_path(spec.name, notebook),
        "paused": environment.paused,
        "environment": environment.model_dump(mode="json"),
    }
    return {"creates": list(creates), "found": _found(own, deployer, spec.name, name), "written": written}


def observe(ports: Ports, run: Run, plan: Plan) -> Plan:
    """The plan as it would be made now: every observed part read again. Equal to `plan` when nothing changed."""
    from pipeline_magic.compiler import VERSION

    own = Own(ports.store, run.id, plan)
    environments = environments_of(ports)
    environment = environment_of(environments, plan.environment)
    validated = stage_result(ports.store, run.id, "validate", Validated)
    typed = validated.typed if validated is not None else None
    parameters = plan.parameters if typed is None else parameters_of(typed, environment)
    creates = plan.settings.get("creates")
    planned = tuple(map(str, creates)) if isinstance(creates, list) else ()
    settings = settings_of(own, ports.deployer, plan.spec, plan.files, environment, plan.environment, planned)
    return plan.model_copy(
        update={
            "base_files": base_state(ports, run, plan.files, plan),
            "schemas": schemas_of(ports, own, plan.spec, parameters),
            "parameters": parameters,
            "settings": settings,
            "policy": policy_of(ports, plan.environment).model_dump(mode="json"),
            "answers": run.answers,
            "waivers": run.waivers,
            "compiler_version": VERSION,
        }
    )


# --- inside ------------------------------------------------------------------------------------------------------


def _target_before(store: Store, run: Run, seen: TableSchema | None) -> JsonValue:
    """Shape of the target; as it was before the run's first deployment where it is what its last one left."""
    plans = [store.plan(approval.id)[0] for approval in reversed(store.approvals(run.id))]
    deployed = [own for own in (Own(store, run.id, plan) for plan in plans) if own.begun("job.deploy")]
    if deployed and deployed[0].plan is not None and _left_by(deployed[-1], seen):
        return deployed[0].plan.schemas.get("")
    return None if seen is None else seen.shape()


def _look(catalog: Catalog, name: str) -> TableSchema | None:
    try:
        return catalog.table(name)
    except CatalogError:
        return None


def _source(catalog: Catalog, name: str) -> JsonValue:
    try:
        return catalog.table(name).shape()
    except CatalogError as error:
        return {"missing": error.message}


def _target(own: Own, seen: TableSchema | None, key: str = "") -> JsonValue:
    """Shape of the target; as planned where it is what this plan's own runs left, or may have left in a crash."""
    if own.plan is not None and _left_by(own, seen, key):
        return own.plan.schemas.get(key)
    return None if seen is None else seen.shape()


def _left_by(own: Own, seen: TableSchema | None, key: str = "") -> bool:
    """Whether the target is as runs of this plan left it."""
    if own.plan is None or seen is None or not own.begun("job.deploy"):
        return False
    ran = own.done("job.run")
    if ran is not None:
        return bool(_plain(ran.get("shape")) == _plain(seen.shape()))
    # A run that a crash cut off may have written; and a target that was not there is made by the job's own schedule.
    return own.begun("job.run") or own.plan.schemas.get(key) is None


def _found(own: Own, deployer: Deployer, pipeline: str, environment: str) -> JsonValue:
    """Settings of the job as they are; as planned where they are those that this plan wrote."""
    there = deployer.find(pipeline, environment)
    now: JsonValue = None if there is None else deployer.settings(there.id)
    if own.plan is None or not own.begun("job.deploy"):
        return now
    planned = own.plan.settings.get("found")
    placed = own.done("job.deploy")
    if own.deployed and placed is not None and now is None:  # somebody has removed it since
        return {"removed": str(placed.get("id") or "")}
    return planned if placed is None or _plain(placed.get("settings")) == _plain(now) else now


def _plain(value: Any) -> Any:
    """As it comes back from the store."""
    return json.loads(json.dumps(value))
