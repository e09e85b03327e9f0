"""The six stages, in order; this is the file to read first.

    1 parse          SpecificationParserAgent     statement -> draft, provenance, questions
    2 validate       UnityCatalogAgent            draft -> typed spec; questions measured
                     --- pause: edits and answers ---
    3 generate       NotebookGeneratorAgent       typed spec -> files, diff
    4 quality        DataQualityAgent             typed spec + files -> report
    5 pull request   GitHubAgent                  files + report -> change, prepared
    6 approval       ApprovalOrchestrator         plan -> decision -> pull request, merge, deployment, first run

Here: which agent is called when, and with what. Not here: how (the agents), reuse, state and progress (`stages`), what
a plan depends on (`planning`), who may call when (`orchestrator`). Agents never call each other; this passes frozen
models on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_magic.agents.approval import ApprovalOrchestrator
from pipeline_magic.agents.approval.drift import shown_counts, source_counts
from pipeline_magic.agents.approval.ledger import EgressLedger
from pipeline_magic.agents.approval.policy import FILE, policy_of_plan
from pipeline_magic.agents.catalog import UnityCatalogAgent
from pipeline_magic.agents.catalog.finder import TableFinder
from pipeline_magic.agents.github import GitHubAgent
from pipeline_magic.agents.notebook import NotebookGeneratorAgent
from pipeline_magic.agents.operations.deploy import PipelineOperator
from pipeline_magic.agents.operations.effects import Effects
from pipeline_magic.agents.quality import DataQualityAgent
from pipeline_magic.agents.specification import SpecificationParserAgent
from pipeline_magic.agents.specification.planner.lexicon import FILLER, STOP
from pipeline_magic.agents.specification.values import data_of
from pipeline_magic.compiler import VERSION
from pipeline_magic.config import Settings
from pipeline_magic.errors import ApprovalRefused, UsageError
from pipeline_magic.flow import arriving, changing, drafts, observing, permitted, planning, remembering, wishing, words
from pipeline_magic.flow.landing import Landing
from pipeline_magic.flow.reporting import refuse_voided, report
from pipeline_magic.flow.resolving import kept_files
from pipeline_magic.flow.stages import Work
from pipeline_magic.flow.undoing import Rollback
from pipeline_magic.local_zone import local_zone
from pipeline_magic.runs import (
    Approval,
    Deployment,
    Finding,
    Generated,
    Parsed,
    Plan,
    Prepared,
    PullRequest,
    QualityReport,
    Run,
    Validated,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline_magic.agents.specification.llm import ModelParser
    from pipeline_magic.ports import Engine, LanguageModel
    from pipeline_magic.runs import File
    from pipeline_magic.spec.schema import TableSchema
    from pipeline_magic.spec.typed import TypedSpec
    from pipeline_magic.wiring import Ports

__all__ = ["Flow", "model_parser", "parser_with"]


class Flow:
    """The agents of one set of ports, and the order in which they work on a run."""

    def __init__(self, ports: Ports, settings: Settings) -> None:
        self._ports = ports
        self._settings = settings
        measuring = ports.engine if settings.measure_questions else None
        self._parser = SpecificationParserAgent(
            model_parser(ports, settings),
            planner=ports.planner,
            data=data_of(measuring) if measuring is not None else None,
        )
        self.finder = TableFinder(ports.catalog, settings.home)
        self._zone = local_zone()
        self._catalog = UnityCatalogAgent(ports.catalog, measuring, place=ports.place, zone=self._zone)
        self._writer = NotebookGeneratorAgent(ports.code_host)
        self._quality = DataQualityAgent(ports.engine, ports.catalog)
        self._github = GitHubAgent(ports.code_host)
        self._operator = PipelineOperator(
            deployer=ports.deployer,
            catalog=ports.catalog,
            engine=ports.engine,
            store=ports.store,
            clock=ports.clock,
            run_timeout=settings.run_timeout,
        )
        self.approvals = ApprovalOrchestrator(ports.store, ports.clock, ports.code_host)
        self.rollback = Rollback(ports, self.approvals, self._github)
        self._arrival = arriving.Arrival(ports)
        self._landing = Landing(ports, self.approvals, self._github)

    def understand(self, work: Work, *, adopt: bool = False) -> Validated:
        """Stages 1 and 2; the run then waits at the pause, unless its plan still stands.

        Args:
            adopt: Answer what an earlier run of the same pipeline was asked too as it was answered there.
        """
        validated = self._understand(work)
        while adopt and (taken := remembering.answers_before(self._ports.store, work.run, validated)):
            remembering.adopt(self._ports, work, taken)
            validated = self._understand(work)
        if work.run.wish and validated.typed is not None:
            ports = self._ports
            if wishing.grant(ports, work, validated.typed, self.tables_beside, self.approvals):
                validated = self._understand(work)
        return validated

    def _understand(self, work: Work) -> Validated:
        ports, run, now = self._ports, work.run, self._ports.clock.now()
        ports.prepare(lambda message: work.say(message, stage="parse"))
        if run.planner == changing.FROM_REPOSITORY:
            return self._validate(work, self._taken(work))
        index = self.finder.tables(
            run.statement,
            without=observing.own_target(ports, run),
            said=STOP | FILLER,
            say=lambda message: work.say(message, stage="parse"),
        )
        answers = {answer.question: answer.value for answer in run.answers}
        parsed = work.stage(
            "parse",
            self._parser.inputs(run.statement, catalog=index, answers=answers, planner=run.planner),
            Parsed,
            lambda: self._parser.parse(
                run.statement,
                answers=answers,
                catalog=index,
                now=now,
                planner=run.planner,
                ledger=EgressLedger(ports.store, ports.clock, run.id, ports.code_host.identity()),
                say=lambda message: work.say(message, stage="parse"),
                check=work.check,
            ),
            during="parsing",
            done=words.parsed_in_words,
        )
        return self._validate(work, parsed)

    def compiled(self, typed: TypedSpec, validated: Validated) -> tuple[File, ...]:
        """The files of a spec that is only tried."""
        return self._writer.files(typed, validated.provenance, observing.environments_of(self._ports))

    def tables_beside(self, words: str, typed: TypedSpec) -> tuple[TableSchema, ...]:
        """Tables that a change in words may mean beside those that the spec reads, and those themselves."""
        self._ports.prepare(lambda message: None)
        names = " ".join(source.table for source in typed.spec.sources)
        index = self.finder.tables(f"{words}\n{names}", without=typed.spec.target.table, said=STOP | FILLER)
        return index.tables

    def _taken(self, work: Work) -> Parsed:
        """The draft of a run from the repository, as it was when the run was opened."""

        def gone() -> Parsed:
            raise UsageError(
                "The spec that this run was opened with is not in the store any more.",
                hint="Change the pipeline by its name again.",
            )

        inputs = changing.from_repository(work.run.statement)
        return work.stage("parse", inputs, Parsed, gone, during="parsing", done=words.parsed_in_words)

    def _validate(self, work: Work, parsed: Parsed) -> Validated:
        """Stage 2, up to the pause. Without an engine it is not begun: nothing could be measured or checked."""
        if self._ports.no_engine is not None:
            raise self._ports.no_engine
        ports, run, now = self._ports, work.run, self._ports.clock.now()
        tables = self._catalog.tables(parsed, run.answers, run.edits)

        def validate() -> Validated:
            made = self._catalog.validate(
                parsed,
                run.answers,
                run.edits,
                run_time=now.isoformat(),
                others=lambda: planning.other_specs(ports.code_host, parsed.draft.name or ""),
                say=lambda message: work.say(message, stage="validate"),
            )
            asked = wishing.questions_of(run, made, self.tables_beside)
            if asked:
                asked = self._catalog.effects(asked, made, now.isoformat())
                made = made.model_copy(update={"questions": (*asked, *made.questions), "spec": None, "typed": None})
            return remembering.asked_before(ports.store, run, made)

        validated = work.stage(
            "validate",
            {
                "parsed": parsed,
                "answers": run.answers,
                "edits": run.edits,
                "tables": observing.catalog_state(ports, run, tables),
                **({"missing": missing} if (missing := self._catalog.missing(parsed, run.answers, run.edits)) else {}),
                **({"zone": self._zone} if self._zone else {}),
                **({"wish": run.wish} if run.wish else {}),
            },
            Validated,
            validate,
            during="parsing",
            done=words.validated_in_words,
        )
        if work.run.state != "planned":
            work.move("awaiting_input")
            work.update(name=validated.draft.name or "", message=words.waits_for(validated))
        return validated

    def plan(self, work: Work, validated: Validated) -> None:
        """Stages 3 to 5; the approval of stage 6 is then pending, or stands where the plan is the same as before.

        Raises:
            SpecError: The spec has problems.
            UsageError: A must-answer question is open.
        """
        ports, run = self._ports, work.run
        typed = planning.require_complete(validated)
        environments = observing.environments_of(ports)
        files = self._writer.files(typed, validated.provenance, environments)
        files += kept_files(ports.code_host, run.hand_edits)
        base = observing.base_state(ports, run, files)
        generated = work.stage(
            "generate",
            {
                "files": files,
                "base": base,
                "compiler": VERSION,
                "environments": environments,
                **({"hand_edits": run.hand_edits} if run.hand_edits else {}),
            },
            Generated,
            lambda: self._writer.compare(files, typed).model_copy(
                update={
                    "environments": environments.model_dump(mode="json"),
                    "repository": ports.code_host.repository,
                    "findings": (
                        *self._github.hand_edits(files, run.hand_edits),
                        *self._writer.kept_by_hand(typed, environments),
                    ),
                }
            ),
            during="generating",
            done=words.generated_in_words,
        )
        environment = observing.environment_of(environments, run.environment)
        kept_from = permitted.hindrances(ports, typed.spec, environment, observing.parameters_of(typed, environment))
        own = permitted.for_whom_it_runs(validated.findings, environment)
        found = (*generated.findings, *kept_from, *planning.blocking(own))
        quality = work.stage(
            "quality",
            {"files": files, "typed": typed, "data": observing.data_state(validated), "findings": found},
            QualityReport,
            lambda: self._check(work, typed, generated, found),
            during="generating",
            done=words.quality_in_words,
        )
        plan = planning.make_plan(ports, run, validated, generated, quality, base, environments)
        prepared = work.stage(
            "pull_request",
            {"plan": plan, "quality": quality},
            Prepared,
            lambda: planning.prepare(self._github, ports.code_host, plan, validated, generated, quality),
            during="generating",
            done=lambda made: f"Prepared branch `{made.change.branch}`; nothing is written to the code host yet.",
        )
        unmatched = tuple(clause.id for clause in validated.provenance.unmatched)
        approval = self.approvals.request(
            run,
            prepared,
            findings=quality.findings,
            unmatched=unmatched,
            counts=shown_counts(quality, validated.tables),
        )
        changes: dict[str, Any] = {}
        if work.recomputed or approval.id != run.approval_id or run.state != "planned":
            message = words.plan_in_words(approval, quality)
            changes = {"digest": prepared.digest, "approval_id": approval.id, "message": message}
        work.move("planned", **changes)  # one write: a run that is planned never points at the approval before
        if self._settings.open_pull_request == "build":
            drafts.open_draft(ports, work.run, approval, prepared)
        drafts.close_drafts(ports, work.run)
        refuse_voided(ports, work.run)
        work.say(work.run.message, state="done" if approval.state == "approved" else "waiting", stage="approval")

    def decide(
        self,
        work: Work,
        approval: Approval,
        prepared: Prepared,
        *,
        name: str,
        comment: str,
        confirm: tuple[str, ...],
        by_policy: bool = False,
    ) -> Approval:
        """Stage 6, the decision: only for the plan that stands, and only while the world is as it was planned for."""
        work.say("Comparing the plan with the world", stage="approval")
        self._require_deployable(prepared.plan)
        self.rollback.require_settled(work.run.id)
        self.approvals.require_sound(approval.id)
        self._require_unchanged(work.run, approval, prepared)
        return self.approvals.approve(
            approval.id,
            name=name,
            comment=comment,
            confirmed=confirm,
            plan=prepared.plan,
            observed=observing.observe(self._ports, work.run, prepared.plan),
            by_policy=by_policy,
        )

    def apply(self, work: Work, prepared: Prepared) -> None:
        """Stage 6, the effects, each done once: pull request, merge, deployment, first run."""
        ports, run, github = self._ports, work.run, self._github
        self._require_approved(run, prepared)
        policy = policy_of_plan(prepared.plan.policy)
        identity = ports.code_host.identity()
        effects = Effects(
            ports.store, ports.clock, run.id, identity=identity, digest=prepared.digest, approval_id=run.approval_id
        )

        def tell(message: str) -> None:
            work.say(message, stage="approval")

        self._close_revert(run, effects)
        tell("Opening the pull request")
        opened = effects.once(
            "pull_request.open", prepared.change.branch, lambda: self._open(prepared).model_dump(mode="json")
        )
        request = PullRequest.model_validate(opened)
        approval = ports.store.approval(run.approval_id)
        head = "{}:{}".format(*ports.store.audit_head())
        effects.once(
            "pull_request.comment",
            prepared.digest,
            lambda: github.comment_decision(request.number, approval, audit_head=head),
        )
        report(ports, approval, request, "approved", tell)
        begun = self._operator.begin(run.id, prepared, run.approval_id, request)
        ci = arriving.by_bundle(prepared.plan)
        if ci and not self._landing.landed(request, effects):
            self._require_still(run, approval, prepared, begun, request)  # what is merged is deployed by others
            self._operator.expect(prepared, effects, tell)
        landed = self._landing.land(work, prepared, begun, request, effects, merge=policy.merge)
        if landed is None:
            return
        if begun.state == "waiting" and not ci:  # for days, it may be
            self._require_still(run, approval, prepared, begun, landed)
        arrived = None
        if ci and begun.state != "deployed":
            arrived = self._arrival.look(work, prepared, begun, landed)
            if arrived is None:
                return
        deployment = self._operator.deploy(
            run.id,
            prepared,
            planning.notebook_text(prepared),
            effects,
            approval_id=run.approval_id,
            first_run=policy.first_run,
            pull_request=landed,
            say=tell,
            arrived=arrived,
        )
        report(ports, approval, request, "deployed", tell)
        work.update(message=words.deployed_in_words(deployment, landed))
        work.say(work.run.message, state="done", stage="approval")

    def _require_still(
        self, run: Run, approval: Approval, prepared: Prepared, begun: Deployment, request: PullRequest
    ) -> None:
        """As `_require_unchanged`; where it refuses, the deployment comes to nothing."""
        try:
            self._require_unchanged(run, approval, prepared)
        except ApprovalRefused as error:
            self._landing.end(begun, request, error.message)
            raise

    def _require_deployable(self, plan: Plan) -> None:
        """Refuse an environment that is deployed by a bundle where there is none to run it."""
        written = plan.settings.get("written")
        environment = written.get("environment") if isinstance(written, dict) else None
        via = environment.get("deploy_via") if isinstance(environment, dict) else None
        if via == "bundle" and self._ports.place == "local":
            raise ApprovalRefused(
                f"The environment `{plan.environment}` is deployed by a bundle, and the local lakehouse runs none: "
                "nothing would ever deploy what was approved. Nothing was opened or merged.",
                where=f"environments.{plan.environment} of {FILE} on the base branch",
                hint='Approve it where Databricks is configured; or merge `deploy_via = "sdk"` and generate again.',
            )

    def _require_unchanged(self, run: Run, approval: Approval, prepared: Prepared) -> None:
        """Void the approval and refuse where the world is not what the plan was made for."""
        observed = observing.observe(self._ports, run, prepared.plan)
        counts = source_counts(observing.rows_now(self._ports, prepared.plan.spec))
        self.approvals.require_unchanged(approval.id, observed, counts)

    def _require_approved(self, run: Run, prepared: Prepared) -> None:
        """What is about to be done is what was approved, and the world is still what that was approved for."""
        approval = self.approvals.require_sound(run.approval_id)
        if (approval.state, approval.digest, approval.run_id) != ("approved", prepared.digest, run.id):
            raise ApprovalRefused("This plan is not approved.", where=run.id, hint="Approve it first.")
        done = self._ports.store.deployment(run.id)
        if done is None or done.approval_id != approval.id or done.state not in {"waiting", "deployed"}:
            self._require_unchanged(run, approval, prepared)

    def _close_revert(self, run: Run, effects: Effects) -> None:
        """What was rolled back is deployed again: nobody is to merge any more what would undo it."""
        known = self._ports.store.deployment(run.id)
        revert = known.revert if known is not None else None
        if revert is None or revert.state == "merged":
            return
        now = self._ports.code_host.find_pull_request(revert.branch)
        if now is not None and now.state == "open":
            reason = "The pipeline is deployed again."
            effects.once(
                "pull_request.close",
                str(revert.number),
                lambda: self._github.close(revert.number, reason).model_dump(mode="json"),
            )

    def _open(self, prepared: Prepared) -> PullRequest:
        """The pull request of an approved plan, open: a draft that waited for this becomes ready."""
        request = self._github.open(prepared.change)
        return self._github.ready(request.number) if request.state == "draft" else request

    def _check(self, work: Work, typed: TypedSpec, generated: Generated, found: tuple[Finding, ...]) -> QualityReport:
        report = self._quality.check(
            typed,
            generated,
            run_id=work.run.id,
            run_time=self._ports.clock.now().isoformat(),
            sample_run=self._settings.sample_run,
            timeout=self._settings.query_timeout,
            say=lambda message: work.say(message, stage="quality"),
        )
        return report.model_copy(update={"findings": (*report.findings, *found)})


def model_parser(ports: Ports, settings: Settings) -> Callable[[], ModelParser] | None:
    """Makes the parser that asks the language model; None where none is configured."""
    if ports.language_model is None:
        return None
    return parser_with(ports.language_model, settings, ports.engine)


def parser_with(model: LanguageModel, settings: Settings, engine: Engine | None = None) -> Callable[[], ModelParser]:
    """Makes the parser that asks this model; the engine reads sample values, where sending them is switched on."""

    def make() -> ModelParser:
        from pipeline_magic.agents.specification.llm import ModelParser
        from pipeline_magic.agents.specification.llm.values import sample_values

        drawn = engine if settings.send_sample_values else None
        return ModelParser(
            model,
            budget_tokens=settings.model_budget_tokens,
            budget_usd=settings.model_budget_usd,
            price=settings.model_price,
            timeout=settings.model_timeout,
            samples=None if drawn is None else lambda tables: sample_values(drawn, tables),
        )

    return make
