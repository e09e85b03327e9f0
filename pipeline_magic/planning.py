"""From stage results to a plan: what it binds to, what is observed of the world, and each result in a sentence.

Everything a plan depends on is read here and hashed by the stages. What this run's own deployment wrote (its merged
files, its target) counts as unchanged, so that running the same cell again finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline_magic.agents.approval.policy import Policy, read_policy
from pipeline_magic.agents.catalog import UnityCatalogAgent
from pipeline_magic.agents.notebook import NotebookGeneratorAgent, base_digests
from pipeline_magic.compiler.bundle import SHARED
from pipeline_magic.compiler.describe import describe_pipeline
from pipeline_magic.compiler.environments import Environments
from pipeline_magic.config import FILE_NAME
from pipeline_magic.environments import read_environments
from pipeline_magic.errors import ApprovalRefused, CatalogError, NotFound, Problem, SpecError, UsageError
from pipeline_magic.ports import CodeHost, Store
from pipeline_magic.runs import (
    Answer,
    Approval,
    AuditDraft,
    File,
    Finding,
    Generated,
    Parsed,
    Plan,
    Prepared,
    QualityReport,
    Run,
    Validated,
)
from pipeline_magic.snapshots import stage_result
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.schema import TableSchema
from pipeline_magic.spec.typed import TypedSpec

if TYPE_CHECKING:
    from pipeline_magic.agents.github import GitHubAgent
    from pipeline_magic.compiler.pull_request import PullRequestParts
    from pipeline_magic.wiring import Ports

__all__ = [
    "ANY_TIME",
    "require_current",
    "require_understood",
    "base_state",
    "blocking",
    "catalog_state",
    "data_state",
    "earlier_run",
    "environments_of",
    "make_plan",
    "new_run",
    "notebook_text",
    "observe",
    "own_target",
    "policy_of",
    "prepare",
    "require_complete",
    "run_named",
    "said_of",
    "spec_at",
    "tried",
    "try_out",
]


ANY_TIME = "1970-01-01T00:00:00Z"
"""Where a spec is only checked, and no relative date is measured."""


# --- runs --------------------------------------------------------------------------------------------------------


def earlier_run(store: Store, statement: str, environment: str) -> Run | None:
    """The latest run of the same statement in the same environment, to go on with."""
    for run in store.runs(statement=statement, limit=20):
        if run.environment == environment and run.state != "superseded":
            return run
    return None


def new_run(ports: Ports, statement: str, environment: str) -> Run:
    """A fresh run, stored."""
    now = ports.clock.now().isoformat()
    return ports.store.create_run(
        Run(
            id=ports.clock.new_id("r"),
            statement=statement,
            environment=environment,
            author=ports.code_host.identity(),
            created=now,
            updated=now,
        )
    )


def run_named(store: Store, given: str) -> Run:
    """The run of that id, else the latest of the pipeline of that name.

    Raises:
        NotFound: There is none.
    """
    if given.startswith("r-"):
        return store.run(given)
    named = store.runs(name=given, limit=1)
    if not named:
        raise NotFound(f"No run or pipeline is called `{given}`.", hint="`%pipeline list` shows what there is.")
    return named[0]


def try_out(ports: Ports, run: Run) -> None:
    """Check a run's answers and edits against its statement as read before.

    Raises:
        SpecError: An answer or edit does not fit, or makes a spec wrong that was right.
    """
    parsed = stage_result(ports.store, run.id, "parse", Parsed)
    if parsed is None:
        raise NotFound(f"Run `{run.id}` was never parsed.", hint="Run its cell again.")
    before = stage_result(ports.store, run.id, "validate", Validated)
    tried(ports, parsed, before, run.answers, run.edits)


def tried(
    ports: Ports, parsed: Parsed, before: Validated | None, answers: Sequence[Answer], edits: Sequence[Edit]
) -> None:
    """As `try_out`, for a draft with answers and edits that are of no run yet."""
    agent = UnityCatalogAgent(ports.catalog, place=ports.place)
    tried = agent.validate(parsed, answers, edits, run_time=ANY_TIME)
    known = {finding.id for finding in before.problems} if before else set()
    worse = [finding for finding in tried.problems if finding.id not in known]
    if worse:
        raise SpecError(Problem(f.where, f.message + (f" {f.hint}" if f.hint else "")) for f in worse)


# --- what the stages depend on -----------------------------------------------------------------------------------


def own_target(ports: Ports, run: Run) -> str | None:
    """The target this run itself deployed: the one table its statement does not speak of as a source."""
    deployment = ports.store.deployment(run.id)
    prepared = stage_result(ports.store, run.id, "pull_request", Prepared)
    return prepared.plan.spec.target.table if deployment and prepared else None


def catalog_state(ports: Ports, run: Run, tables: Mapping[str, TableSchema | None]) -> dict[str, Any]:
    """Schemas and data versions of the sources and the schema of the target; a target we wrote counts as planned."""
    state: dict[str, Any] = {
        alias: [shape(table), table.version] for alias, table in tables.items() if alias and table is not None
    }
    target = tables.get("")
    state[""] = _target_shape(ports, run, target)
    return state


def base_state(
    ports: Ports, run: Run, writer: NotebookGeneratorAgent, files: tuple[File, ...]
) -> dict[str, str | None]:
    """SHA-256 of the base branch's content at each path.

    Files this plan itself merged count as they were planned. So does a file that all pipelines share when another plan
    merged the very same bytes: writing them again changes nothing.
    """
    seen = writer.base(files)
    same = base_digests({file.path: file.content for file in files if file.path in SHARED})
    seen = {path: None if digest == same.get(path) else digest for path, digest in seen.items()}
    prepared = stage_result(ports.store, run.id, "pull_request", Prepared)
    if prepared is None or ports.store.deployment(run.id) is None:
        return seen
    ours = base_digests({file.path: file.content for file in prepared.plan.files})
    planned = prepared.plan.base_files
    return {
        path: planned[path] if path in planned and digest is not None and digest == ours[path] else digest
        for path, digest in seen.items()
    }


def data_state(validated: Validated) -> dict[str, str | None]:
    """Version of each source's data, by alias."""
    return {alias: table.version for alias, table in validated.tables.items()}


def shape(table: TableSchema) -> dict[str, Any]:
    """What a plan rests on of a table: columns and keys, without statistics, comments and times."""
    return {
        "table": table.table,
        "columns": [[column.name, column.type, column.nullable] for column in table.columns],
        "keys": [list(table.primary_key), *[list(key) for key in table.unique_keys]],
    }


def _target_shape(ports: Ports, run: Run, target: TableSchema | None) -> dict[str, Any] | None:
    if target is None:
        return None
    deployment = ports.store.deployment(run.id)
    prepared = stage_result(ports.store, run.id, "pull_request", Prepared)
    if (
        deployment is not None
        and prepared is not None
        and prepared.plan.spec.target.table == target.table
        and deployment.target_version_after == target.version
    ):
        planned = prepared.plan.schemas.get("")
        return planned if isinstance(planned, dict) else None
    return shape(target)


# --- the plan ----------------------------------------------------------------------------------------------------


def policy_of(ports: Ports, environment: str) -> Policy:
    """The environment's policy, from the base branch of the code host and nowhere else."""
    return read_policy(ports.code_host.read(FILE_NAME) or "", environment)


def environments_of(ports: Ports) -> Environments:
    """Where pipelines are deployed to, from the base branch of the code host and nowhere else."""
    keys = frozenset(Policy.model_fields) - {"environment"}
    return read_environments(ports.code_host.read(FILE_NAME), policy_keys=keys)


def make_plan(
    ports: Ports,
    run: Run,
    validated: Validated,
    generated: Generated,
    quality: QualityReport,
    base: dict[str, str | None],
) -> Plan:
    """Everything the approval binds to."""
    from pipeline_magic.compiler import VERSION

    spec = validated.spec
    assert spec is not None  # require_complete
    schemas: dict[str, Any] = {alias: shape(table) for alias, table in validated.tables.items()}
    schemas[""] = _target_shape(ports, run, validated.target)
    return Plan(
        spec=spec,
        files=generated.files,
        base_files=base,
        schemas=schemas,
        parameters=_tables(ports, validated, run.environment),
        settings={"creates": list(validated.creates)},
        environment=run.environment,
        policy=policy_of(ports, run.environment).model_dump(mode="json"),
        answers=run.answers,
        waivers=run.waivers,
        compiler_version=VERSION,
        verdict=quality.verdict,
    )


def _tables(ports: Ports, validated: Validated, environment: str) -> dict[str, str]:
    """The tables a run of the environment's job is given: those of the spec, with the catalogs mapped."""
    from pipeline_magic.compiler.jobs import parameters

    environments = environments_of(ports)
    known = {item.name: item for item in environments.environments}
    made = parameters(require_complete(validated), known.get(environment, environments.environments[0]))
    return {name: value for name, value in made.items() if not name.startswith("run_")}


def observe(ports: Ports, run: Run, plan: Plan) -> Plan:
    """The plan as it would be made now: every observed part read again. Equal to `plan` when nothing changed."""
    writer = NotebookGeneratorAgent(ports.code_host)
    schemas: dict[str, Any] = {}
    for source in plan.spec.sources:
        try:
            schemas[source.alias] = shape(ports.catalog.table(source.table))
        except CatalogError as error:
            schemas[source.alias] = {"missing": error.message}
    try:
        schemas[""] = _target_shape(ports, run, ports.catalog.table(plan.spec.target.table))
    except CatalogError:
        schemas[""] = None
    return plan.model_copy(
        update={
            "base_files": base_state(ports, run, writer, plan.files),
            "schemas": schemas,
            "policy": policy_of(ports, plan.environment).model_dump(mode="json"),
        }
    )


def prepare(
    github: GitHubAgent,
    code_host: CodeHost,
    plan: Plan,
    validated: Validated,
    generated: Generated,
    quality: QualityReport,
) -> Prepared:
    """The pull request of a plan, ready to be opened."""
    from pipeline_magic.agents.approval.digest import plan_digest

    digest = plan_digest(plan)
    change = github.prepare(
        plan,
        digest=digest,
        summary=describe_pipeline(plan.spec),
        parts=None if validated.typed is None else _parts(code_host, validated.typed),
        provenance=validated.provenance,
        questions=validated.questions,
        quality=quality,
        base=generated.base,
    )
    return Prepared(plan=plan, digest=digest, change=change)


def _parts(code_host: CodeHost, typed: TypedSpec) -> PullRequestParts:
    """What the compiler says of the change; the earlier spec is the one on the base branch, where it can be read."""
    from pipeline_magic.compiler.pull_request import pull_request_parts

    return pull_request_parts(typed, spec_at(code_host, f"pipelines/{typed.spec.name}/spec.yml"))


def other_specs(code_host: CodeHost, name: str) -> tuple[PipelineSpec, ...]:
    """The specs of the other pipelines on the base branch, as far as they can be read."""
    paths = [path for path in code_host.paths("pipelines") if path.endswith("/spec.yml")]
    found = (spec_at(code_host, path) for path in paths if path != f"pipelines/{name}/spec.yml")
    return tuple(spec for spec in found if spec is not None)


def spec_at(code_host: CodeHost, path: str) -> PipelineSpec | None:
    """A spec of the base branch; None where there is none, or none of this version (a hand edit is a finding)."""
    from pydantic import ValidationError
    from yaml import YAMLError

    from pipeline_magic.compiler.specfile import read_spec

    text = code_host.read(path)
    try:
        return None if text is None else read_spec(text)
    except (ValidationError, YAMLError, ValueError):
        return None


def notebook_text(prepared: Prepared) -> str:
    """The notebook among the plan's files."""
    return next(file.content for file in prepared.plan.files if file.path.endswith(".ipynb"))


def require_complete(validated: Validated) -> TypedSpec:
    """The typed spec; UsageError while a must-answer question is open, SpecError while problems stand."""
    open_questions = [question for question in validated.questions if question.must_answer]
    if validated.problems:
        raise SpecError(
            (Problem(item.where, item.message + (f" {item.hint}" if item.hint else "")) for item in validated.problems),
            hint="Edit the fields named above, then Generate again.",
        )
    if open_questions:
        listed = "; ".join(f"{question.text} (`{question.id}`)" for question in open_questions)
        raise UsageError(f"A question must be answered first: {listed}", hint="Answer it above the tabs.")
    if validated.typed is None:
        raise UsageError("The spec is not complete.", hint="Look at the Spec tab for what is missing.")
    return validated.typed


def require_understood(store: Store, run: Run) -> None:
    """As `require_complete`, for a run whose stage 2 is stored; so that a refusal leaves the run as it is."""
    validated = stage_result(store, run.id, "validate", Validated)
    if validated is not None:
        require_complete(validated)


def require_current(run: Run, approval: Approval) -> None:
    """Raises ApprovalRefused when the approval is not of the plan that stands, or can no longer be given."""
    if approval.digest != run.digest or run.state != "planned":
        raise ApprovalRefused(
            "The run was edited after this plan was made.",
            where=approval.id,
            hint=f"Press Generate (or `%pipeline generate {run.id}`) for a new plan, and approve that.",
        )
    if approval.state not in {"pending", "partly_approved", "approved"}:
        raise ApprovalRefused(
            f"This approval is {approval.state}{': ' + approval.reason if approval.reason else ''}.",
            where=approval.id,
            hint=f"`%pipeline review {run.id}` shows the run as it stands.",
        )


def said_of(ports: Ports, run: Run, event: str, changes: dict[str, Any]) -> AuditDraft:
    """The audit entry for answers given or fields edited."""
    detail: dict[str, Any] = {
        name: [item.model_dump(mode="json") for item in values] for name, values in changes.items()
    }
    return AuditDraft(
        at=ports.clock.now().isoformat(),
        run_id=run.id,
        event=event,
        identity=ports.code_host.identity(),
        detail=detail,
    )


def blocking(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Findings of stage 2 that the verdict must count."""
    return tuple(finding for finding in findings if finding.severity != "info")
