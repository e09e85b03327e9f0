"""PipelineBuilderOrchestrator: the six stages, in order.

    1 parse          SpecificationParserAgent     statement -> draft, provenance, questions
    2 validate       UnityCatalogAgent            draft -> typed spec; questions measured
                     --- pause: edits and answers ---
    3 generate       NotebookGeneratorAgent       typed spec -> files, diff
    4 quality        DataQualityAgent             typed spec + files -> report
    5 pull request   GitHubAgent                  files + report -> change, prepared
    6 approval       ApprovalOrchestrator         plan -> decision -> pull request, merge, deployment, first run

Here: which agent is called when, and with what. Not here: how (the agents), reuse, state and progress (`stages`), which
adapters stand behind the ports (`wiring`). Agents never call each other; this passes frozen models on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipeline_magic import planning, snapshots
from pipeline_magic.agents.approval import ApprovalOrchestrator
from pipeline_magic.agents.catalog import UnityCatalogAgent
from pipeline_magic.agents.github import GitHubAgent
from pipeline_magic.agents.notebook import NotebookGeneratorAgent
from pipeline_magic.agents.operations.deploy import PipelineOperator
from pipeline_magic.agents.operations.effects import Effects
from pipeline_magic.agents.quality import DataQualityAgent
from pipeline_magic.agents.specification import SpecificationParserAgent
from pipeline_magic.config import Settings, load_settings
from pipeline_magic.errors import (
    ApprovalRefused,
    Cancelled,
    NotFound,
    StatementError,
    UsageError,
)
from pipeline_magic.ports import Progress
from pipeline_magic.runs import (
    Answer,
    Generated,
    Parsed,
    Prepared,
    PullRequest,
    QualityReport,
    Run,
    Snapshot,
    StageEvent,
    Validated,
    Waiver,
)
from pipeline_magic.spec.paths import Edit
from pipeline_magic.stages import Work

if TYPE_CHECKING:
    from pipeline_magic.result import PipelineResult
    from pipeline_magic.wiring import Ports

__all__ = ["PipelineBuilderOrchestrator"]

MAX_STATEMENT = 20_000
"""Characters a statement may have."""


def silent(event: StageEvent) -> None:
    """A progress that says nothing."""


class PipelineBuilderOrchestrator:
    """Builds pipelines from statements, and deploys them after approval.

    Args:
        config: Settings by name (see `config.Settings`); they win over the environment and the settings file.
        ports: Adapters to use instead of those the settings ask for.
        **settings: Further settings, as `config`.

    Raises:
        ConfigurationError: A setting is unknown or cannot be used.
    """

    def __init__(
        self, config: Mapping[str, Any] | Settings | None = None, *, ports: Ports | None = None, **settings: Any
    ) -> None:
        given = config if isinstance(config, Settings) else load_settings({**(config or {}), **settings})
        self.settings = given
        self._given = ports
        self._lock = threading.Lock()
        self._cancels: dict[str, threading.Event] = {}

    # --- the API of a program ------------------------------------------------------------------------------------

    def build_pipeline(
        self,
        statement: str,
        require_approval: bool = True,
        *,
        answers: Mapping[str, str] | None = None,
        progress: Progress = silent,
    ) -> PipelineResult:
        """Stages 1 to 5 without a pause: open questions take their defaults, which the approval then accepts.

        Args:
            statement: What is wanted, in plain English.
            require_approval: False approves at once, where the environment's policy allows that.
            answers: Answers to questions, by question id: the id of an option, or text where that is allowed.
            progress: Told of every stage.

        Returns:
            The result. With a must-answer question open it has no files and no `approval_id`, and says what to answer.

        Raises:
            PipelineMagicError: See `errors`; nothing was written to the code host, and nothing deployed.
        """
        from pipeline_magic.result import PipelineResult

        snapshot = self.start(statement, progress=progress)
        if answers:
            given = [Answer(question=question, value=value) for question, value in answers.items()]
            snapshot = self.answer(snapshot.run.id, given, progress=progress)
        if snapshots.can_generate(snapshot) and snapshot.run.state != "planned":
            snapshot = self.generate(snapshot.run.id, progress=progress)
        if not require_approval and snapshot.approval and snapshot.approval.state in {"pending", "partly_approved"}:
            snapshot = self._decide(
                snapshot.approval_id, self.ports.code_host.identity(), "", (), progress, policy=True
            )
        return PipelineResult(self, snapshot)

    def approve_pipeline(
        self,
        approval_id: str,
        approver: str,
        comment: str = "",
        *,
        confirm: Sequence[str] = (),
        progress: Progress = silent,
    ) -> PipelineResult:
        """Approve a plan; when the policy is satisfied: pull request, merge, deployment, first run.

        Args:
            approval_id: From `build_pipeline`.
            approver: A name to show; who decides is the authenticated identity.
            comment: Kept in the audit and the pull request.
            confirm: Ids of the clauses that were not understood, each accepted by name.
            progress: Told of every step.

        Raises:
            ApprovalRefused: What is missing, or what changed since the plan was made.
        """
        from pipeline_magic.result import PipelineResult

        return PipelineResult(self, self._decide(approval_id, approver, comment, tuple(confirm), progress))

    def reject_pipeline(self, approval_id: str, approver: str, reason: str) -> PipelineResult:
        """Reject a plan, with a reason. Nothing of it is deployed; the run can be edited and planned again."""
        from pipeline_magic.result import PipelineResult

        return PipelineResult(self, self.reject(approval_id, approver, reason))

    # --- what the panel and the command line call ----------------------------------------------------------------

    @property
    def ports(self) -> Ports:
        """The adapters, made on first use."""
        with self._lock:
            if self._given is None:
                from pipeline_magic.wiring import wire

                self._given = wire(self.settings)
            return self._given

    def open(self, statement: str, *, new: bool = False) -> Run:
        """The run of a statement: the earlier one, or a fresh one when there is none or `new`. Computes nothing.

        Raises:
            StatementError: The statement is empty or too long.
        """
        text = statement.strip()
        if not text:
            raise StatementError(
                "The statement is empty.",
                hint="Write under `%%pipeline` which tables to read and what to make of them.",
            )
        if len(text) > MAX_STATEMENT:
            raise StatementError(
                f"The statement has {len(text):,} characters; {MAX_STATEMENT:,} are the most.", hint="Shorten it."
            )
        earlier = None if new else planning.earlier_run(self.ports.store, text, self.settings.environment)
        return earlier or planning.new_run(self.ports, text, self.settings.environment)

    def start(self, statement: str, *, new: bool = False, progress: Progress = silent) -> Snapshot:
        """Stages 1 and 2 of a statement, up to the pause; on to the plan where the statement had one before.

        Args:
            statement: What is wanted. The same statement finds its earlier run, with its answers and edits.
            new: Begin anew, without the earlier run's answers and edits.
            progress: Told of every stage.
        """
        run = self.open(statement, new=new)
        planned = run.state == "planned"
        with self._work(run, progress) as work:
            validated = self._understand(work)
            if planned and work.run.state == "planned":
                self._plan(work, validated)
            unchanged = planned and not work.recomputed
        return self.snapshot(run.id).model_copy(update={"unchanged": unchanged})

    def answer(self, run_id: str, answers: Sequence[Answer], *, progress: Progress = silent) -> Snapshot:
        """Answer questions of a run, and read it again up to the pause.

        Raises:
            SpecError: An answer that is none of the options; nothing is changed.
        """
        run = self.ports.store.run(run_id)
        merged = {item.question: item for item in (*run.answers, *answers)}
        return self._revise(run, {"answers": tuple(merged.values())}, progress)

    def edit(self, run_id: str, edits: Sequence[Edit], *, progress: Progress = silent) -> Snapshot:
        """Edit fields of a run's spec, and check it again up to the pause.

        Raises:
            SpecError: An edit that does not fit, or that makes the spec wrong; the old spec and plan stay.
        """
        run = self.ports.store.run(run_id)
        merged = {item.path: item for item in run.edits}
        for item in edits:
            merged.pop(item.path, None)
            merged[item.path] = item
        return self._revise(run, {"edits": tuple(merged.values())}, progress)

    def generate(self, run_id: str, *, progress: Progress = silent) -> Snapshot:
        """Stages 3 to 5: files, quality, the change prepared; the approval is then pending.

        Raises:
            SpecError: The spec has problems.
            UsageError: A must-answer question is open.
        """
        with self._work(self.ports.store.run(run_id), progress) as work:
            self._plan(work, self._understand(work))
        return self.snapshot(run_id)

    def approve(
        self,
        approval_id: str,
        approver: str,
        comment: str = "",
        *,
        confirm: Sequence[str] = (),
        progress: Progress = silent,
    ) -> Snapshot:
        """As `approve_pipeline`, for the panel."""
        return self._decide(approval_id, approver, comment, tuple(confirm), progress)

    def reject(self, approval_id: str, approver: str, reason: str) -> Snapshot:
        """As `reject_pipeline`, for the panel."""
        if not reason.strip():
            raise UsageError("A rejection needs a reason.", hint="Say what should be different.")
        approval = self._approvals().reject(approval_id, name=approver, reason=reason)
        return self.snapshot(approval.run_id)

    def waive(self, run_id: str, finding: str, reason: str, *, progress: Progress = silent) -> Snapshot:
        """Accept a red finding by name with a reason; the waiver becomes part of a new plan."""
        run = self.ports.store.run(run_id)
        waiver: Waiver = self._approvals().waive(run, self.snapshot(run_id), finding=finding, reason=reason)
        kept = tuple(item for item in run.waivers if item.finding != finding)
        with self._work(run, progress) as work:
            work.update(waivers=(*kept, waiver))
            self._plan(work, self._understand(work))
        return self.snapshot(run_id)

    def cancel(self, run_id: str) -> Snapshot:
        """Stop the work on a run at the next boundary, or drop a run that waits. What was finished is kept."""
        run = self.ports.store.run(run_id)
        event = self._cancels.get(run_id)
        if event is not None:
            event.set()
            self.ports.engine.cancel()
            self.ports.deployer.cancel()
        elif run.state in {"awaiting_input", "planned", "parsing", "generating"}:
            work = Work(self.ports.store, self.ports.clock, run, silent, threading.Event())
            work.move("cancelled")
            work.update(message="Cancelled by you.", worker="")
        return self.snapshot(run_id)

    def resume(self, run_id: str, *, progress: Progress = silent) -> Snapshot:
        """Go on where a run stopped: unfinished stages, or the effects of an approval that was given."""
        run = self.ports.store.run(run_id)
        approval = snapshots.approval_of(self.ports.store, run)
        if approval is not None and approval.state == "approved" and approval.digest == run.digest:
            with self._work(run, progress) as work:
                self._apply(work, self._prepared(run_id))
            return self.snapshot(run_id)
        stages = {stage: self.ports.store.stage(run_id, stage) for stage in ("validate", "generate")}
        with self._work(run, progress) as work:
            validated = self._understand(work)
            if stages["generate"] is not None and validated.typed is not None:
                self._plan(work, validated)
        return self.snapshot(run_id)

    def snapshot(self, run_id: str) -> Snapshot:
        """A run as it stands, from the store alone."""
        return snapshots.load(self.ports, run_id)

    def runs(self, *, limit: int = 50) -> Sequence[Run]:
        """The latest runs, newest first."""
        return self.ports.store.runs(limit=limit)

    def close(self) -> None:
        """Let go of engine and store."""
        if self._given is not None:
            self._given.close()

    # --- the stages ----------------------------------------------------------------------------------------------

    def _understand(self, work: Work) -> Validated:
        """Stages 1 and 2."""
        from pipeline_magic.agents.catalog.index import CatalogIndex

        ports, run = self.ports, work.run
        ports.prepare(lambda message: work.say(message, stage="parse"))
        index = CatalogIndex(planning.readable_tables(ports, run))
        answers = {answer.question: answer.value for answer in run.answers}
        parser = SpecificationParserAgent()
        parsed = work.stage(
            "parse",
            {"statement": run.statement, "answers": answers, "index": index.digest, "parser": parser.version},
            Parsed,
            lambda: parser.parse(run.statement, answers=answers, catalog=index, now=ports.clock.now()),
            during="parsing",
            done=planning.parsed_in_words,
        )
        agent = UnityCatalogAgent(ports.catalog, ports.engine if self.settings.measure_questions else None)
        seen = planning.catalog_state(ports, run, agent.tables(parsed, run.answers, run.edits))
        validated = work.stage(
            "validate",
            {"parsed": parsed, "answers": run.answers, "edits": run.edits, "tables": seen},
            Validated,
            lambda: agent.validate(
                parsed,
                run.answers,
                run.edits,
                run_time=ports.clock.now().isoformat(),
                say=lambda message: work.say(message, stage="validate"),
            ),
            during="parsing",
            done=planning.validated_in_words,
        )
        if work.run.state != "planned":
            name = validated.draft.name or ""
            work.move("awaiting_input")
            work.update(name=name, message=planning.waits_for(validated))
        return validated

    def _plan(self, work: Work, validated: Validated) -> None:
        """Stages 3 to 5, and the approval of stage 6 made pending."""
        planning.require_complete(validated)
        ports, typed = self.ports, validated.typed
        assert typed is not None  # require_complete
        github = GitHubAgent(ports.code_host)
        writer = NotebookGeneratorAgent(ports.code_host)
        from pipeline_magic.compiler import VERSION

        files = writer.files(typed, validated.provenance)
        base = planning.base_state(ports, work.run, writer, files)
        generated = work.stage(
            "generate",
            {"files": files, "base": base, "compiler": VERSION},
            Generated,
            lambda: writer.compare(files, typed).model_copy(update={"findings": github.hand_edits(files)}),
            during="generating",
            done=planning.generated_in_words,
        )
        quality = work.stage(
            "quality",
            {"files": files, "typed": typed, "data": planning.data_state(validated)},
            QualityReport,
            lambda: self._check(work, validated, generated),
            during="generating",
            done=planning.quality_in_words,
        )
        plan = planning.make_plan(ports, work.run, validated, generated, quality, base)
        prepared = work.stage(
            "pull_request",
            {"plan": plan, "quality": quality},
            Prepared,
            lambda: planning.prepare(github, plan, validated, generated, quality),
            during="generating",
            done=lambda made: f"Prepared branch `{made.change.branch}`; nothing is written to the code host yet.",
        )
        approval = self._approvals().request(plan, work.run)
        work.move("planned")
        work.update(digest=prepared.digest, approval_id=approval.id, message=planning.plan_in_words(approval, quality))
        work.say(work.run.message, state="done" if approval.state == "approved" else "waiting", stage="approval")

    def _check(self, work: Work, validated: Validated, generated: Generated) -> QualityReport:
        agent = DataQualityAgent(self.ports.engine, self.ports.catalog)
        assert validated.typed is not None  # require_complete
        report = agent.check(
            validated.typed,
            generated,
            run_id=work.run.id,
            run_time=self.ports.clock.now().isoformat(),
            sample_run=self.settings.sample_run,
            timeout=self.settings.query_timeout,
            say=lambda message: work.say(message, stage="quality"),
        )
        return report.model_copy(
            update={"findings": (*report.findings, *generated.findings, *planning.blocking(validated.findings))}
        )

    def _decide(
        self,
        approval_id: str,
        approver: str,
        comment: str,
        confirm: tuple[str, ...],
        progress: Progress,
        *,
        policy: bool = False,
    ) -> Snapshot:
        """Stage 6: the decision, and when it is the last one needed, its effects."""
        approval = self.ports.store.approval(approval_id)
        run = self.ports.store.run(approval.run_id)
        prepared = self._prepared(run.id)
        approvals = self._approvals()
        with self._work(run, progress) as work:
            if approval.digest != run.digest or run.state != "planned":
                raise ApprovalRefused(
                    "The run was edited after this plan was made.",
                    where=approval_id,
                    hint="Press Generate (or `%pipeline resume`) for a new plan, and approve that.",
                )
            if approval.state in {"pending", "partly_approved"}:
                work.say("Comparing the plan with the world", stage="approval")
                observed = planning.observe(self.ports, run, prepared.plan)
                approval = approvals.approve(
                    approval_id,
                    name=approver,
                    comment=comment,
                    confirmed=confirm,
                    plan=prepared.plan,
                    observed=observed,
                    unmatched=snapshots.unmatched_ids(self.ports.store, run.id),
                    by_policy=policy,
                )
            elif approval.state != "approved":
                raise ApprovalRefused(
                    f"This approval is {approval.state}: {approval.reason or 'it can no longer be given'}.",
                    where=approval_id,
                    hint=f"`%pipeline review {run.id}` shows the run as it stands.",
                )
            if approval.state == "approved":
                self._apply(work, prepared)
        return self.snapshot(run.id)

    def _apply(self, work: Work, prepared: Prepared) -> None:
        """The effects of an approval, each done once: pull request, merge, deployment, first run."""
        ports, run = self.ports, work.run
        policy = planning.policy_of(ports, prepared.plan.environment)
        github = GitHubAgent(ports.code_host)
        effects = Effects(ports.store, ports.clock, run.id, identity=ports.code_host.identity(), digest=prepared.digest)

        def tell(message: str) -> None:
            work.say(message, stage="approval")

        tell("Opening the pull request")
        opened = effects.once(
            "pull_request.open", prepared.change.branch, lambda: github.open(prepared.change).model_dump(mode="json")
        )
        request = PullRequest.model_validate(opened)
        approval = ports.store.approval(run.approval_id)
        effects.once("pull_request.comment", prepared.digest, lambda: github.comment_decision(request.number, approval))
        if policy.merge:
            tell(f"Merging pull request {request.number}")
            merged = effects.once(
                "pull_request.merge", str(request.number), lambda: github.merge(request).model_dump(mode="json")
            )
            request = PullRequest.model_validate(merged)
        operator = PipelineOperator(
            deployer=ports.deployer,
            catalog=ports.catalog,
            engine=ports.engine,
            store=ports.store,
            clock=ports.clock,
            run_timeout=self.settings.run_timeout,
        )
        deployment = operator.deploy(
            run.id,
            prepared,
            planning.notebook_text(prepared),
            effects,
            first_run=policy.first_run,
            pull_request=request,
            say=tell,
        )
        message = planning.deployed_in_words(deployment, request)
        work.update(message=message)
        work.say(message, state="done", stage="approval")

    # --- helpers -------------------------------------------------------------------------------------------------

    def _revise(self, run: Run, changes: dict[str, Any], progress: Progress) -> Snapshot:
        """Save answers or edits that fit, and read the run again; what does not fit changes nothing."""
        planning.try_out(self.ports, run.model_copy(update=changes))
        with self._work(run, progress) as work:
            work.update(**changes)
            self._understand(work)
        return self.snapshot(run.id)

    @contextmanager
    def _work(self, run: Run, progress: Progress) -> Iterator[Work]:
        event = threading.Event()
        with self._lock_of(run.id, event):
            work = Work(self.ports.store, self.ports.clock, run, progress, event)
            with work:
                try:
                    yield work
                except KeyboardInterrupt:
                    event.set()
                    raise Cancelled(
                        "The work was stopped.", hint=f"`%pipeline resume {run.id}` goes on with it."
                    ) from None

    @contextmanager
    def _lock_of(self, run_id: str, event: threading.Event) -> Iterator[None]:
        with self._lock:
            if run_id in self._cancels:
                raise UsageError(
                    f"Run `{run_id}` is being worked on in this kernel already.", hint="Wait, or press Cancel."
                )
            self._cancels[run_id] = event
        try:
            yield
        finally:
            with self._lock:
                self._cancels.pop(run_id, None)

    def _approvals(self) -> ApprovalOrchestrator:
        ports = self.ports
        return ApprovalOrchestrator(ports.store, ports.clock, ports.code_host)

    def _prepared(self, run_id: str) -> Prepared:
        prepared = snapshots.stage_result(self.ports.store, run_id, "pull_request", Prepared)
        if prepared is None:
            raise NotFound(f"Run `{run_id}` has no plan.", hint="Press Generate, or `%pipeline resume`.")
        return prepared
