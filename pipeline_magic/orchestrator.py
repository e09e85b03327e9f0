"""PipelineBuilderOrchestrator: what programs, the panel and the command line call.

Here: finding or making a run, one worker a run, cancel and resume, and which part of the flow a call needs. Not here:
the six stages (`flow`), which adapters stand behind the ports (`wiring`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipeline_magic.agents.github.hand_edits import finding_id
from pipeline_magic.config import Settings, load_settings
from pipeline_magic.errors import ApprovalRefused, Cancelled, NotFound, StaleState, StatementError, UsageError
from pipeline_magic.flow import changing, drafts, dropping, planning, snapshots, wishing, words
from pipeline_magic.flow.flow import Flow
from pipeline_magic.flow.stages import Work
from pipeline_magic.flow.undoing import UNFINISHED, run_to_undo
from pipeline_magic.logs import keep_clean
from pipeline_magic.ports import Progress
from pipeline_magic.redact import holds_token, redact
from pipeline_magic.runs import (
    ROLLBACK_PARTS,
    Answer,
    Deployment,
    Prepared,
    RollbackPart,
    RollbackPlan,
    Run,
    Snapshot,
    StageEvent,
)
from pipeline_magic.spec.paths import Edit

if TYPE_CHECKING:
    import pandas

    from pipeline_magic.agents.github.hand_edits import Way
    from pipeline_magic.agents.operations.retention import Leftovers, Removed
    from pipeline_magic.flow.replay import Replay
    from pipeline_magic.flow.resolving import Found
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
        self.settings = config if isinstance(config, Settings) else load_settings({**(config or {}), **settings})
        keep_clean()
        self._given = ports
        self._lock = threading.RLock()
        self._working: dict[str, threading.Event] = {}
        self._tidied = False

    # --- for programs --------------------------------------------------------------------------------------------

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
        snapshot = self.start(statement, progress=progress)
        if answers:
            given = [Answer(question=question, value=value) for question, value in answers.items()]
            snapshot = self.answer(snapshot.run.id, given, progress=progress)
        if snapshot.run.state != "planned" and snapshots.can_generate(snapshot):
            snapshot = self.generate(snapshot.run.id, progress=progress)
        if not require_approval and snapshot.approval and snapshot.approval.state in {"pending", "partly_approved"}:
            snapshot = self._approve(snapshot.approval_id, "policy", "", (), progress, by_policy=True)
        return self._result(snapshot)

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
        return self._result(self.approve(approval_id, approver, comment, confirm=confirm, progress=progress))

    def reject_pipeline(self, approval_id: str, approver: str, reason: str) -> PipelineResult:
        """Reject a plan, with a reason. Nothing of it is deployed; the run can be edited and planned again."""
        return self._result(self.reject(approval_id, approver, reason))

    def plan_rollback(self, name_or_id: str, *, parts: Sequence[RollbackPart] = ROLLBACK_PARTS) -> RollbackPlan:
        """What rolling a deployment back would undo, and what it would leave. Touches nothing.

        Args:
            name_or_id: The pipeline's name (what is deployed of it), or a run's id.
            parts: Of ``job``, ``tables`` and ``files``, those that are to be undone.

        Raises:
            RollbackRefused: There is nothing deployed, or it is rolled back already.
        """
        return self._flow.rollback.plan(run_to_undo(self.ports, name_or_id).id, parts)

    def rollback_pipeline(
        self,
        name_or_id: str,
        approver: str,
        reason: str = "",
        *,
        parts: Sequence[RollbackPart] = ROLLBACK_PARTS,
        shown: RollbackPlan | None = None,
        progress: Progress = silent,
    ) -> PipelineResult:
        """Undo a deployment: the job as it was before, the tables as they were before, the files reverted.

        Args:
            name_or_id: As for `plan_rollback`, which says beforehand what will be undone.
            approver: A name to show; who decides is the authenticated identity, and it must be an approver.
            reason: Kept in the audit.
            parts: Of ``job``, ``tables`` and ``files``, those that are to be undone.
            shown: What `plan_rollback` gave; where it would be another now, nothing is touched.
            progress: Told of every step.

        Raises:
            RollbackRefused: Not by this person, nothing to undo, or others wrote the tables; nothing was touched.
            PipelineMagicError: A step failed; `resume` goes on.
        """
        run_id = run_to_undo(self.ports, name_or_id).id
        return self._result(self.rollback(run_id, approver, reason, parts=parts, shown=shown, progress=progress))

    def edit_pipeline(
        self,
        name_or_id: str,
        words: str,
        *,
        answers: Mapping[str, str] | None = None,
        progress: Progress = silent,
    ) -> PipelineResult:
        """Change a pipeline in words ("make it weekly, drop the segment"); all that is not said stays as it is.

        Args:
            name_or_id: The pipeline's name (its latest run), or a run's id.
            words: What should be different.
            answers: Answers to questions, by question id.
            progress: Told of every stage.

        Returns:
            A new run of the same statement with the change, planned as by `build_pipeline`; the earlier one is
            superseded unless it is what is deployed. Where the words could mean several things, it says what to answer.

        Raises:
            StatementError: Some of the words are not understood; nothing is changed.
            SpecError: The change makes the spec wrong; nothing is changed.
        """
        snapshot = self.resume(self.open_change(name_or_id, words).id, progress=progress)
        if answers:
            given = [Answer(question=question, value=value) for question, value in answers.items()]
            snapshot = self.answer(snapshot.run.id, given, progress=progress)
        if snapshots.can_generate(snapshot):
            snapshot = self.generate(snapshot.run.id, progress=progress)
        return self._result(snapshot)

    # --- for the panel and the command line ----------------------------------------------------------------------

    def open(self, statement: str, *, new: bool = False, planner: str = "") -> Run:
        """The run of a statement: the earlier one, or a fresh one when there is none or `new`. Computes nothing.

        Args:
            statement: What is wanted.
            new: A fresh one in any case.
            planner: Who reads it from now on, ``embedded`` or ``llm``; as before when empty.

        Raises:
            StatementError: The statement is empty or too long.
        """
        text = redact(statement.strip())  # a token in it is shown as taken out, and never kept
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
        run = earlier or planning.new_run(self.ports, text, self.settings.environment)
        run = self.ports.store.update_run(run, anew=True) if new else run
        return self.ports.store.update_run(run, planner=planner) if planner not in {"", run.planner} else run

    def open_change(self, name_or_id: str, words: str) -> Run:
        """A run with the change that the words ask for, ready to be resumed; see `edit_pipeline`.

        Where the store knows no run of that name, the spec on the base branch is what is changed. Words that may mean
        several things are asked about in the new run; until that is answered nothing is changed, and the earlier run
        stands.
        """
        _require_no_token(words)
        present = changing.present_of(self.ports, name_or_id)
        typed = planning.require_complete(present.validated)
        edits, questions = wishing.read_wish(words, typed, self._flow.tables_beside)
        changing.try_change(self.ports, present, edits)
        wish = words if questions else ""
        made = changing.successor(self.ports, present, edits, self.settings.environment, wish)
        if not wish:
            wishing.supersede(self.ports, self._flow.approvals, made)
        return made

    def differences(self, run_id: str) -> tuple[str, ...]:
        """What the words that opened a run changed, a sentence each; empty for a run that changes no other."""
        run = self.ports.store.run(run_id)
        return changing.differences(self.ports, run) if run.changes or run.planner == changing.FROM_REPOSITORY else ()

    def start(self, statement: str, *, new: bool = False, planner: str = "", progress: Progress = silent) -> Snapshot:
        """Stages 1 and 2 of a statement, up to the pause; on to the plan where the statement had one before.

        Args:
            statement: What is wanted. The same statement finds its earlier run, with its answers and edits.
            new: Begin anew, without the earlier run's answers and edits.
            planner: Who reads it, ``embedded`` or ``llm``; as before, or as the settings say, when empty.
            progress: Told of every stage.
        """
        run = self.open(statement, new=new, planner=planner)
        planned = run.state == "planned"
        fresh = self.ports.store.stage(run.id, "parse") is None
        with self._work(run, progress) as work:
            validated = self._flow.understand(work, adopt=fresh)
            if planned and work.run.state == "planned":
                self._flow.plan(work, validated)
            unchanged = planned and not work.recomputed
        self._tidy()
        snapshot = self.snapshot(run.id)
        return snapshots.as_unchanged(snapshot) if unchanged else snapshot

    def answer(self, run_id: str, answers: Sequence[Answer], *, progress: Progress = silent) -> Snapshot:
        """Answer questions of a run, and read it again up to the pause.

        Raises:
            SpecError: An answer that is none of the options; nothing is changed.
        """
        run = self.ports.store.run(run_id)
        merged = {item.question: item for item in (*run.answers, *answers)}
        return self._revise(run, {"answers": tuple(merged.values())}, "question.answer", progress)

    def edit(self, run_id: str, edits: Sequence[Edit], *, progress: Progress = silent) -> Snapshot:
        """Edit fields of a run's spec, and check it again up to the pause.

        Raises:
            SpecError: An edit that does not fit, or that makes the spec wrong; the old spec and plan stay.
        """
        run = self.ports.store.run(run_id)
        changed = {item.path for item in edits}
        merged = (*(item for item in run.edits if item.path not in changed), *edits)
        return self._revise(run, {"edits": merged}, "spec.edit", progress)

    def generate(self, run_id: str, *, progress: Progress = silent) -> Snapshot:
        """Stages 3 to 5: files, quality, the change prepared; the approval is then pending.

        Raises:
            SpecError: The spec has problems.
            UsageError: A must-answer question is open.
        """
        run = self.ports.store.run(run_id)
        planning.require_understood(self.ports.store, run)
        with self._work(run, progress) as work:
            self._flow.plan(work, self._flow.understand(work))
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
        """As `approve_pipeline`. An approval that was given goes on with the effects that are not done yet."""
        return self._approve(approval_id, approver, comment, tuple(confirm), progress)

    def _approve(
        self,
        approval_id: str,
        approver: str,
        comment: str,
        confirm: tuple[str, ...],
        progress: Progress,
        by_policy: bool = False,
    ) -> Snapshot:
        approval = self.ports.store.approval(approval_id)
        run = self.ports.store.run(approval.run_id)
        planning.require_current(run, approval)
        prepared = self._prepared(run.id)
        with self._work(run, progress) as work:
            if approval.state != "approved":
                try:
                    approval = self._flow.decide(
                        work, approval, prepared, name=approver, comment=comment, confirm=confirm, by_policy=by_policy
                    )
                except ApprovalRefused:
                    drafts.close_drafts(self.ports, work.run)
                    raise
            if approval.state == "approved":
                self._flow.apply(work, prepared)
            else:
                work.update(message=words.waits_for_others(approval))
        return self.snapshot(run.id)

    def reject(self, approval_id: str, approver: str, reason: str) -> Snapshot:
        """As `reject_pipeline`."""
        if not reason.strip():
            raise UsageError("A rejection needs a reason.", hint="Say what should be different.")
        approval = self._flow.approvals.reject(approval_id, name=approver, comment=reason)
        run = self.ports.store.run(approval.run_id)
        # Where somebody works on the run at this moment, the rejection stands and says so itself: a message written in
        # between would take the run from them, after what they did was written.
        with suppress(StaleState):
            if run.state == "planned" and not run.worker:
                run = self.ports.store.update_run(run, message=redact(f"Rejected by {approver}: {reason}"))
        drafts.close_drafts(self.ports, run)
        return self.snapshot(run.id)

    def rollback(
        self,
        run_id: str,
        approver: str,
        reason: str = "",
        *,
        parts: Sequence[RollbackPart] = ROLLBACK_PARTS,
        shown: RollbackPlan | None = None,
        progress: Progress = silent,
    ) -> Snapshot:
        """As `rollback_pipeline`, of one run."""
        with self._work(self.ports.store.run(run_id), progress) as work:
            self._flow.rollback.go(work, name=approver, reason=reason, parts=parts, shown=shown)
        return self.snapshot(run_id)

    def waive(self, run_id: str, finding: str, reason: str, *, name: str = "", progress: Progress = silent) -> Snapshot:
        """Accept a red finding by name with a reason; the waiver becomes part of a new plan.

        Args:
            run_id: Whose plan has the finding.
            finding: Its id.
            reason: Why it may stand; kept in plan and audit.
            name: A name to show; who waives is the authenticated identity.
            progress: Told of every stage.

        Raises:
            ApprovalRefused: The policy allows none, there is no such red finding, or there is no reason.
        """
        run = self.ports.store.run(run_id)
        waiver, said = self._flow.approvals.waive(run, finding=finding, reason=reason, name=name)
        kept = tuple(item for item in run.waivers if item.finding != finding)
        with self._work(run, progress) as work:
            work.take_back("generating", waivers=(*kept, waiver), audit=said)
            self._flow.plan(work, self._flow.understand(work))
        return self.snapshot(run_id)

    def hand_edits(self, name_or_id: str) -> tuple[Found, ...]:
        """The files that somebody edited in the repository, as the plan found them, with the ways out of each.

        Raises:
            UsageError: The run has no plan.
        """
        from pipeline_magic.flow import resolving

        return resolving.found_in(self.ports, planning.run_named(self.ports.store, name_or_id))

    def hand_edit_effects(self, run_id: str, path: str) -> tuple[str, ...]:
        """What the last decision about an edit by hand set in the spec, a sentence each; empty where it set nothing."""
        for entry in reversed(self.ports.store.audit(run_id)):
            if entry.event == "hand_edit.take" and entry.detail.get("path") == path:
                changes = entry.detail.get("changes")
                return tuple(map(str, changes)) if isinstance(changes, list) else ()
        return ()

    def resolve_hand_edit(
        self, run_id: str, path: str, way: Way, reason: str = "", *, progress: Progress = silent
    ) -> Snapshot:
        """Decide what becomes of a file that somebody edited in the repository, and plan anew.

        Args:
            run_id: Whose plan found it.
            path: The file.
            way: ``take`` its meaning into the spec, ``keep`` it as a custom file, or ``discard`` it.
            reason: Why; needed to discard.

        Raises:
            StaleState: It was edited again since the plan was made.
            SpecError: What the file says cannot be taken into the spec.
            ApprovalRefused: The policy allows no waivers, or there is no reason.
        """
        from pipeline_magic.flow import resolving

        run, ports = self.ports.store.run(run_id), self.ports
        text = resolving.require_seen(ports, run, path, way)
        if way == "discard":
            return self.waive(run_id, finding_id(path, text), reason, progress=progress)
        assert text is not None  # what was removed can be discarded alone
        changes, said = resolving.decided(ports, run, path, text, way, reason, self._flow.compiled)
        _require_no_token([reason, *(edit.model_dump(mode="json") for edit in changes.get("edits", ()))])
        with self._work(run, progress) as work:
            work.take_back("generating", **changes, audit=said)
            self._flow.plan(work, self._flow.understand(work))
        return self.snapshot(run_id)

    def cancel(self, run_id: str) -> Snapshot:
        """Stop the work on a run at the next boundary, or drop a run that waits. What was finished is kept.

        The approval of a dropped run is void, what waits for its pull request comes to nothing.

        Raises:
            UsageError: Its plan is deployed, or has begun to be.
            StaleState: Another process decides on it or deploys it at this moment.
        """
        run = self.ports.store.run(run_id)
        if self.stop(run_id):
            self.ports.store.append_audit(**planning.said_of(self.ports, run, "run.cancel", {}).model_dump())
        else:
            dropping.drop(self.ports, self._flow.approvals, run)
        return self.snapshot(run_id)

    def stop(self, run_id: str) -> bool:
        """Ask the work that this process does on a run to stop; False when it does none."""
        event = self._working.get(run_id)
        if event is None:
            return False
        event.set()
        self.ports.cancel()
        return True

    def resume(self, run_id: str, *, progress: Progress = silent) -> Snapshot:
        """Go on where a run stopped: unfinished stages, the effects of an approval that was given, or a rollback."""
        store = self.ports.store
        run = store.run(run_id)
        approval = snapshots.approval_of(store, run)
        given = approval is not None and approval.state == "approved" and approval.digest == run.digest
        planned_before = store.stage(run_id, "generate") is not None
        deployment = store.deployment(run_id)
        with self._work(run, progress) as work:
            if deployment is not None and deployment.state in UNFINISHED:
                self._flow.rollback.go(work)
            elif given and run.state == "planned":
                self._flow.apply(work, self._prepared(run_id))
            elif run.state == "planned" and approval is not None and approval.state == "rejected":
                drafts.close_drafts(self.ports, work.run)  # a plan that was refused is asked for again by Generate only
            elif run.state == "planned" and deployment is not None and _undone(deployment, run):
                work.update(message=deployment.message)  # so is one that was rolled back; it may not have been said yet
            else:
                self.ports.engine.drop_scratch(run_id)  # of a sample run that was killed
                validated = self._flow.understand(work)
                if planned_before and validated.typed is not None:
                    self._flow.plan(work, validated)
        return self.snapshot(run_id)

    def clean(
        self, older_than: str = "", *, failed: bool = False, remove: bool = False
    ) -> tuple[Leftovers, Removed | None]:
        """What ended runs worked with and nobody needs any more; with `remove` it goes, the audit never does.

        Args:
            older_than: Since a run's last change: ``90d``, ``12w``; the setting `retention` when empty.
            failed: Failed runs too, though they could be resumed.
            remove: Remove it; else it is only said what would go.

        Raises:
            UsageError: Neither an age nor a setting, or the age cannot be read.
        """
        from pipeline_magic.flow import keeping

        return keeping.clean(self.ports, self.settings, older_than, failed=failed, remove=remove)

    def audit_table(self, run_id: str | None = None) -> pandas.DataFrame:
        """The audit as a DataFrame, a row an entry; of all runs when None."""
        from pipeline_magic.agents.approval import export

        return export.frame(self.ports.store.audit_stream(run_id))

    def snapshot(self, run_id: str) -> Snapshot:
        """A run as it stands, from the store alone.

        Raises:
            NotFound: No run has that id.
        """
        return snapshots.load(self.ports, run_id)

    def replay(self, run_id: str) -> Replay:
        """Make every artefact of a run again from the store alone, and compare: see `replay`.

        Raises:
            NotFound: There is no such run, or it was never read.
        """
        from pipeline_magic.flow.replay import replay

        return replay(self.ports.store, run_id)

    def runs(self, *, limit: int = 50) -> Sequence[Run]:
        """The latest runs, newest first."""
        return self.ports.store.runs(limit=limit)

    def find_tables(self, words: str = "", limit: int = 20) -> tuple[str, ...]:
        """Full names of tables that fit what a person types, best first; without words the first in their order."""
        return self._flow.finder.search(words, limit) if words.strip() else self._flow.finder.names(limit)

    @property
    def ports(self) -> Ports:
        """The adapters, made on first use."""
        with self._lock:
            if self._given is None:
                from pipeline_magic.wiring import wire

                self._given = wire(self.settings)
            return self._given

    def close(self) -> None:
        """Let go of engine, store and the index of the catalog."""
        flow = self.__dict__.get("_flow")
        if flow is not None:
            flow.finder.close()
        if self._given is not None:
            self._given.close()

    # --- inside --------------------------------------------------------------------------------------------------

    def _tidy(self) -> None:
        """Clean up as the setting `retention` says, once."""
        if self.settings.retention and not self._tidied:
            from pipeline_magic.flow import keeping

            self._tidied = True
            keeping.tidy(self.ports, self.settings)

    @cached_property
    def _flow(self) -> Flow:
        return Flow(self.ports, self.settings)

    def _revise(self, run: Run, changes: dict[str, Any], event: str, progress: Progress) -> Snapshot:
        """Save answers or edits that fit, and read the run again; what does not fit changes nothing."""
        _require_no_token([item.model_dump(mode="json") for values in changes.values() for item in values])
        planning.try_out(self.ports, run.model_copy(update=changes))
        with self._work(run, progress) as work:
            said = planning.said_of(self.ports, work.run, event, changes)
            new = any(getattr(run, field) != value for field, value in changes.items())
            work.take_back("parsing" if new else work.run.state, **changes, audit=said)
            self._flow.understand(work)
        return self.snapshot(run.id)

    @contextmanager
    def _work(self, run: Run, progress: Progress) -> Iterator[Work]:
        """Take a run for this call alone; an interrupt becomes Cancelled."""
        stop = threading.Event()
        with self._lock:
            if run.id in self._working:
                raise UsageError(f"Run `{run.id}` is being worked on already.", hint="Wait for it, or press Cancel.")
            self._working[run.id] = stop
        try:
            with Work(self.ports.store, self.ports.clock, run, progress, stop) as work:
                yield work
        except KeyboardInterrupt:
            raise Cancelled("The work was stopped.", hint=f"`%pipeline resume {run.id}` goes on with it.") from None
        finally:
            with self._lock:
                self._working.pop(run.id, None)

    def _prepared(self, run_id: str) -> Prepared:
        prepared = snapshots.stage_result(self.ports.store, run_id, "pull_request", Prepared)
        if prepared is None:
            raise NotFound(f"Run `{run_id}` has no plan.", hint="Press Generate, or `%pipeline generate`.")
        return prepared

    def _result(self, snapshot: Snapshot) -> PipelineResult:
        from pipeline_magic.result import PipelineResult

        return PipelineResult(self, snapshot)


def _undone(deployment: Deployment, run: Run) -> bool:
    """Whether the plan that stands is the one that was deployed and rolled back."""
    return deployment.state == "rolled_back" and deployment.approval_id == run.approval_id


def _require_no_token(value: Any) -> None:
    """Refuse what would stand in files, pull requests and the audit, where it holds a token: nobody changes it."""
    if holds_token(value):
        raise UsageError(
            "What was typed holds a token or a password; it was not kept.",
            hint="Take it out, and type it again: it would stand in files, in the pull request and in the audit.",
        )
