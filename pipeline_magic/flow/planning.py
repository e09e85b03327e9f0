"""From stage results to a plan, and what a run must be for it. What a plan rests on of the world is in `observing`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from pipeline_magic.agents.catalog import UnityCatalogAgent
from pipeline_magic.compiler.describe import describe_pipeline
from pipeline_magic.compiler.environments import Environments
from pipeline_magic.errors import ApprovalRefused, NotFound, Problem, SpecError, UsageError
from pipeline_magic.flow import permitted
from pipeline_magic.flow.observing import (
    Own,
    base_now,
    environment_of,
    parameters_of,
    policy_of,
    schemas_of,
    settings_of,
)
from pipeline_magic.flow.snapshots import stage_result
from pipeline_magic.ports import CodeHost, Store
from pipeline_magic.runs import (
    Answer,
    Approval,
    AuditDraft,
    Finding,
    Generated,
    Parsed,
    Plan,
    Prepared,
    QualityReport,
    Run,
    Validated,
)
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.typed import TypedSpec

if TYPE_CHECKING:
    from pipeline_magic.agents.github import GitHubAgent
    from pipeline_magic.compiler.pull_request import PullRequestParts
    from pipeline_magic.wiring import Ports

__all__ = [
    "ANY_TIME",
    "require_current",
    "require_understood",
    "blocking",
    "earlier_run",
    "make_plan",
    "new_run",
    "notebook_text",
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


# --- the plan ----------------------------------------------------------------------------------------------------


def make_plan(
    ports: Ports,
    run: Run,
    validated: Validated,
    generated: Generated,
    quality: QualityReport,
    base: dict[str, str | None],
    environments: Environments,
) -> Plan:
    """Everything the approval binds to.

    Where it comes out as the run's latest plan when what that plan wrote is left out of account, it is that plan still.
    Otherwise it is a plan upon the world as it is, with what an earlier one wrote in it.
    """
    from pipeline_magic.compiler import VERSION

    typed = require_complete(validated)
    spec = typed.spec
    environment = environment_of(environments, run.environment)
    parameters = parameters_of(typed, environment)

    def upon(own: Own, base: dict[str, str | None]) -> Plan:
        creates = permitted.creates(ports, spec, parameters, validated.creates)
        if own.plan is not None and own.begun("schema.create"):  # what this plan created counts as missing still
            creates = tuple(map(str, cast("list[str]", own.plan.settings.get("creates") or [])))
        found = (own, ports.deployer, spec, generated.files, environment, run.environment, creates)
        return Plan(
            spec=spec,
            files=generated.files,
            base_files=base,
            schemas=schemas_of(ports, own, spec, parameters, validated.tables),
            parameters=parameters,
            settings=settings_of(*found),
            environment=run.environment,
            policy=policy_of(ports, run.environment).model_dump(mode="json"),
            answers=run.answers,
            waivers=run.waivers,
            compiler_version=VERSION,
            verdict=quality.verdict,
        )

    prepared = stage_result(ports.store, run.id, "pull_request", Prepared)
    if prepared is not None and prepared.plan.files == generated.files:
        same = upon(Own(ports.store, run.id, prepared.plan), base)
        if same == prepared.plan:
            return prepared.plan
    return upon(Own(ports.store, run.id, None), base_now(ports, generated.files))


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
