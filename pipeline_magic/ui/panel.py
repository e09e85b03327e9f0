"""The panel under the cell: draws a `Snapshot`, and hands every button to `Actions`.

Here: the widget, its two fallbacks, and what a press does: the work runs in a thread, nothing can be pressed twice
meanwhile, and an error becomes a message. Not here: anything that decides or stores; the panel can be thrown away
and built again from the store at any time. Nothing is printed or displayed from a callback: only traits change, the
one thing that works from a thread in every front end.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import ipywidgets as w

from pipeline_magic.agents.github.hand_edits import Way
from pipeline_magic.errors import Cancelled, PipelineMagicError, SpecError
from pipeline_magic.ports import Progress
from pipeline_magic.runs import Answer, RollbackPlan, Snapshot, Stage, StageEvent
from pipeline_magic.spec.paths import Edit
from pipeline_magic.ui import assets
from pipeline_magic.ui.controls import QuestionControls, classed
from pipeline_magic.ui.document import static_html, static_text
from pipeline_magic.ui.form import edits
from pipeline_magic.ui.hand_edits import NotebookTab
from pipeline_magic.ui.header import header_html, header_view
from pipeline_magic.ui.markup import Html, code, fit, note, prose, tag
from pipeline_magic.ui.questions import questions_view
from pipeline_magic.ui.questions import title as questions_title
from pipeline_magic.ui.schemas import schemas_html, schemas_view
from pipeline_magic.ui.tabs import ApprovalTab, Drawn, LineageTab, QualityTab, SpecTab, StatementTab, Tab
from pipeline_magic.ui.undo import UndoControls
from pipeline_magic.ui.versions import set_titles, view_bundle

__all__ = ["Actions", "Panel"]

_log = logging.getLogger(__name__)
_CAN_GENERATE = {"awaiting_input", "planned", "failed", "cancelled"}


class Actions(Protocol):
    """What the panel can ask for. Every call blocks until it is done, and may raise `PipelineMagicError`."""

    def snapshot(self, run_id: str) -> Snapshot:
        """The run as it stands."""
        ...

    def edit(self, run_id: str, edits: Sequence[Edit], *, progress: Progress) -> Snapshot:
        """Change fields of the spec; all of them or, with SpecError, none."""
        ...

    def answer(self, run_id: str, answers: Sequence[Answer], *, progress: Progress) -> Snapshot:
        """Answer questions."""
        ...

    def generate(self, run_id: str, *, progress: Progress) -> Snapshot:
        """Stages 3 to 6, up to the plan."""
        ...

    def approve(
        self, approval_id: str, approver: str, comment: str = "", *, confirm: Sequence[str] = (), progress: Progress
    ) -> Snapshot:
        """Approve a plan; `confirm` are the ids of the clauses that were not understood and are given up."""
        ...

    def reject(self, approval_id: str, approver: str, reason: str) -> Snapshot:
        """Refuse a plan."""
        ...

    def waive(self, run_id: str, finding: str, reason: str, *, name: str = "", progress: Progress) -> Snapshot:
        """Accept a red finding by name."""
        ...

    def resolve_hand_edit(self, run_id: str, path: str, way: Way, reason: str = "", *, progress: Progress) -> Snapshot:
        """Decide what becomes of a file that somebody edited in the repository."""
        ...

    def cancel(self, run_id: str) -> Snapshot:
        """Stop the work that is going on."""
        ...

    def resume(self, run_id: str, *, progress: Progress) -> Snapshot:
        """Go on where the run waits or stopped."""
        ...

    def plan_rollback(self, run_id: str) -> RollbackPlan:
        """What a rollback would undo; touches nothing."""
        ...

    def rollback(
        self, run_id: str, approver: str, reason: str = "", *, shown: RollbackPlan | None = None, progress: Progress
    ) -> Snapshot:
        """Undo what is deployed, as it was shown."""
        ...


class Panel:
    """The panel of one run.

    Args:
        actions: What the buttons call.
        snapshot: The run as it stands now.
        approver: Name that stands in the approver's field to begin with.
        tables: Names offered where a table is asked for, before anything is typed.
        find: Gives names of tables that fit what is typed there, best first.
    """

    def __init__(
        self,
        actions: Actions,
        snapshot: Snapshot,
        *,
        approver: str = "",
        tables: Sequence[str] = (),
        find: Callable[[str], Sequence[str]] | None = None,
    ) -> None:
        self._actions = actions
        self._snapshot = snapshot
        self._live: dict[Stage, StageEvent] = {}
        self._lock = threading.RLock()
        self._busy = ""
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._questions = QuestionControls(())
        self._spec = SpecTab("Spec", tuple(tables), self._buttons, find)
        self._notebook = NotebookTab("Notebook", self._on_hand_edit)
        self._quality = QualityTab("Quality", self._on_waive)
        undo = UndoControls(self._on_look, self._on_undo, self._on_go_on)
        self._approval = ApprovalTab("Approval", approver, self._on_approve, self._on_reject, undo)
        self._tabs: tuple[Tab, ...] = (
            StatementTab("Statement"),
            self._spec,
            Drawn("Schemas", lambda s: schemas_html(schemas_view(s))),
            self._notebook,
            self._quality,
            LineageTab("Lineage"),
            self._approval,
        )
        self._build()
        self.update(snapshot)

    def _build(self) -> None:
        stale = "The kernel that made this panel is gone, and its buttons are dead. To go on, run "
        review = code(f"%pipeline review {self._snapshot.run.id}")
        self._stale = classed(w.HTML(note(stale, review, " in a new cell.", kind="warn")), "pm-stale")
        self._header, self._message, self._hint = w.HTML(), w.HTML(), classed(w.HTML(), "pm-hint")
        classed(self._message, "pm-message")
        self._ask = w.VBox()
        self._generate = classed(w.Button(description="Generate", button_style="primary"), "pm-generate")
        self._apply = classed(w.Button(description="Apply changes"), "pm-apply")
        self._cancel = classed(w.Button(description="Cancel"), "pm-cancel")
        self._generate.tooltip = "Apply answers and edits, then write the notebook, check it and prepare the change"
        self._apply.tooltip = "Apply answers and edits to the spec, without generating"
        self._cancel.tooltip = "Stop the work that was started here"
        self._generate.on_click(lambda _: self._on_generate())
        self._apply.on_click(lambda _: self._on_apply())
        self._cancel.on_click(lambda _: self._on_cancel())
        actions = classed(w.HBox((self._generate, self._apply, self._cancel, self._hint)), "pm-actions")
        self._tabbed = classed(w.Tab(tuple(tab.widget for tab in self._tabs)), "pm-tabs")
        set_titles(self._tabbed, [tab.title for tab in self._tabs])
        self._tabbed.selected_index = 0
        self._tabbed.observe(lambda _: self._show_tab(), "selected_index")
        style = w.HTML(Html(f"<style>{assets.read('panel.css')}</style>"))
        self.widget = classed(
            w.VBox((style, self._stale, self._header, self._message, self._ask, actions, self._tabbed)), "pm-panel"
        )

    # --- what the run is -----------------------------------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """The run as it is drawn."""
        return self._snapshot

    def update(self, snapshot: Snapshot) -> None:
        """Draw the run as it stands now. May be called from any thread."""
        with self._lock:
            self._snapshot = snapshot
            self._live.clear()
            self._draw_header()
            self._draw_questions()
            self._show_tab()
            self._buttons()

    def progress(self, event: StageEvent) -> None:
        """Show how far a stage is. May be called from any thread; only traits change."""
        with self._lock:
            self._live[event.stage] = event
            self._draw_header()

    def html(self) -> str:
        """The panel as static HTML."""
        with self._lock:
            return static_html(self._snapshot, self._live)

    def text(self) -> str:
        """The panel as plain text."""
        with self._lock:
            return static_text(self._snapshot, self._live)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle = view_bundle(self.widget)
        try:
            return {**bundle, "text/html": self.html(), "text/plain": self.text()}
        except Exception:  # noqa: BLE001 - the live panel must come up even where a fallback cannot be drawn
            _log.exception("run %s: the static panel could not be drawn", self._snapshot.run.id)
            words = f"The static form could not be drawn; the log has it. %pipeline review {self._snapshot.run.id}"
            return {**bundle, "text/html": note(words, kind="error"), "text/plain": words}

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the work that a button started; whether it ended."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    # --- drawing -------------------------------------------------------------------------------------------------

    def _draw_header(self) -> None:
        self._header.value = fit(header_html(header_view(self._snapshot, self._live)), "The header")

    def _draw_questions(self) -> None:
        views = questions_view(self._snapshot)
        if views != self._questions.views:
            self._questions = QuestionControls(views)
            self._questions.observe(self._buttons)
        if not views:
            self._ask.children = ()
        elif self._snapshot.run.state == "awaiting_input":
            self._ask.children = (w.HTML(tag("h4", questions_title(views))), self._questions.widget)
        else:
            fold = w.Accordion((self._questions.widget,))
            set_titles(fold, [f"{len(views)} question(s) stand at their default or answer; open to change one"])
            self._ask.children = (fold,)

    def _show_tab(self) -> None:
        with self._lock:
            tab = self._tabs[self._tabbed.selected_index or 0]
            try:
                tab.show(self._snapshot)
            except Exception as error:  # noqa: BLE001 - one tab that cannot be drawn must not take the panel along
                _log.exception("run %s: the tab %s could not be drawn", self._snapshot.run.id, tab.title)
                tab.fail(f"This tab could not be drawn ({type(error).__name__}). The log has the run's id.")
            self._buttons()

    def _buttons(self) -> None:
        """Which buttons can be pressed, and what is said beside them."""
        run, busy = self._snapshot.run, bool(self._busy)
        elsewhere = run.state in {"parsing", "generating"} and not busy
        pending = self._spec.dirty + len(self._questions.answers())
        self._generate.disabled = busy or run.state not in _CAN_GENERATE
        self._generate.description = "Generate again" if self._snapshot.generated else "Generate"
        self._generate.button_style = "" if run.state == "planned" and not pending else "primary"
        self._apply.disabled = busy or not pending or run.state not in _CAN_GENERATE
        self._cancel.disabled = not busy or self._stopping
        view = self._approval.view
        open_ = not busy and view is not None and view.open and run.state == "planned"
        self._approval.approve.disabled = not open_ or bool(view and view.blocked)
        self._approval.reject.disabled = not open_
        self._approval.undo.enable(not busy)
        for button in (*self._quality.buttons, *self._notebook.buttons):
            button.disabled = busy
        if self._busy:
            hint = f"{self._busy} …"
        elif elsewhere:
            hint = "Working. To stop it, interrupt the kernel."
        elif pending:
            hint = f"{pending} change(s) not applied yet: Generate applies them first, or apply them alone."
        else:
            hint = ""
        self._hint.value = tag("span", hint, class_="pm-quiet", role="status") if hint else ""

    def _say(self, words: Html | str, kind: str = "info") -> None:
        self._message.value = note(words, kind=kind) if words else ""

    # --- buttons -------------------------------------------------------------------------------------------------

    def _on_generate(self) -> None:
        missing = self._questions.unanswered()
        if missing:
            self._say("Answer first: " + "; ".join(view.text for view in missing), "warn")
            return
        answers = self._questions.answers()

        def work() -> Snapshot:
            snapshot = self._apply_pending(answers)
            if snapshot is not None and any(question.must_answer for question in snapshot.questions):
                return snapshot
            return self._actions.generate(self._snapshot.run.id, progress=self.progress)

        self._start("Generating", work)

    def _on_apply(self) -> None:
        answers = self._questions.answers()
        self._start("Applying", lambda: self._apply_pending(answers) or self._snapshot)

    def _apply_pending(self, answers: Sequence[Answer]) -> Snapshot | None:
        """Answers, then edits; None when there were neither. Edits are read first, so that a typing error stops all.

        What was applied is forgotten here, so that the controls are made again from what the run then holds.
        """
        controls = self._spec.controls
        changes = edits(controls.view, controls.values()) if controls is not None else ()
        snapshot, run_id = None, self._snapshot.run.id
        if answers:
            snapshot = self._actions.answer(run_id, answers, progress=self.progress)
            self._questions = QuestionControls(())
        if changes:
            snapshot = self._actions.edit(run_id, changes, progress=self.progress)
            self._spec.forget()
        return snapshot

    def _on_approve(self) -> None:
        view, name = self._approval.view, self._approval.name.value.strip()
        if view is None or not self._may_decide(name):
            return
        if self._approval.unconfirmed:
            self._say("Confirm each clause that was not understood, by its box, or change the statement.", "warn")
            return
        comment, confirm = self._approval.comment.value.strip(), self._approval.confirmed
        self._start(
            "Approving: pull request, deployment, first run",
            lambda: self._actions.approve(view.approval_id, name, comment, confirm=confirm, progress=self.progress),
        )

    def _on_reject(self) -> None:
        view, name = self._approval.view, self._approval.name.value.strip()
        reason = self._approval.comment.value.strip()
        if view is None or not self._may_decide(name, pending=True):
            return
        if not reason:
            self._say("Say why in the comment, then press Reject.", "warn")
            return
        self._start("Rejecting", lambda: self._actions.reject(view.approval_id, name, reason))

    def _on_go_on(self) -> None:
        self._start("Going on", lambda: self._actions.resume(self._snapshot.run.id, progress=self.progress))

    def _on_look(self) -> None:
        def look() -> Snapshot:
            self._approval.undo.show(self._actions.plan_rollback(self._snapshot.run.id))
            return self._snapshot

        self._start("Looking what would be undone", look)

    def _on_undo(self) -> None:
        undo, name = self._approval.undo, self._approval.name.value.strip()
        plan, reason = undo.plan, undo.reason.value.strip()
        if plan is None or not self._may_decide(name, pending=True):
            return
        self._start(
            "Rolling back",
            lambda: self._actions.rollback(plan.run_id, name, reason, shown=plan, progress=self.progress),
        )

    def _may_decide(self, name: str, *, pending: bool = False) -> bool:
        if not name:
            self._say("Type your name first.", "warn")
        elif not pending and (self._spec.dirty or self._questions.answers()):
            self._say("There are changes that this plan does not hold. Press Generate again, or undo them.", "warn")
        else:
            return True
        return False

    def _on_waive(self, finding: str, reason: str) -> None:
        if not reason:
            self._say(f"Say why the finding {finding} may stand, then press Waive.", "warn")
            return
        run_id, name = self._snapshot.run.id, self._approval.name.value.strip()
        self._start("Waiving", lambda: self._actions.waive(run_id, finding, reason, name=name, progress=self.progress))

    def _on_hand_edit(self, path: str, way: Way, reason: str) -> None:
        if way == "discard" and not reason:
            self._say(f"Say why the edit of {path} may go, then press Discard.", "warn")
            return
        run_id = self._snapshot.run.id
        self._start(
            "Deciding and planning anew",
            lambda: self._actions.resolve_hand_edit(run_id, path, way, reason, progress=self.progress),
        )

    def _on_cancel(self) -> None:
        if not self._busy or self._stopping:
            return
        self._stopping = True
        self._buttons()
        self._say("Stopping …")
        threading.Thread(target=self._stop, name="pipeline-magic-cancel", daemon=True).start()

    def _stop(self) -> None:
        try:
            self._actions.cancel(self._snapshot.run.id)
        except PipelineMagicError as error:
            self._explain(error)
        except Exception as error:  # noqa: BLE001 - a thread's last line: whatever it is becomes a message
            self._unexpected(error)

    # --- work ----------------------------------------------------------------------------------------------------

    def _start(self, doing: str, work: Callable[[], Snapshot]) -> None:
        with self._lock:
            if self._busy:
                return
            self._busy, self._stopping = doing, False
            self._say("")
            self._spec.mark(())
            self._buttons()
            self._thread = threading.Thread(target=self._run, args=(work,), name="pipeline-magic-panel", daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], Snapshot]) -> None:
        snapshot = None
        try:
            snapshot = work()
            self._say(self._decided_elsewhere(snapshot) or _outcome(self._snapshot, snapshot))
        except Cancelled as error:
            self._say(f"Stopped. {error.message}")
        except SpecError as error:
            self._spec.mark(tuple((p.path, str(p).removeprefix(f"{p.path}: ")) for p in error.problems))
            self._explain(error)
        except PipelineMagicError as error:
            self._explain(error)
        except Exception as error:  # noqa: BLE001 - a thread's last line: whatever it is becomes a message
            self._unexpected(error)
        finally:
            self._finish(snapshot)

    def _decided_elsewhere(self, after: Snapshot) -> str:
        """Who decided the plan that is drawn, where that was somebody at another panel."""
        drawn, now = self._snapshot.approval, after.approval
        if drawn is None or now is None or drawn.id != now.id:
            return ""
        new, me = now.decisions[len(drawn.decisions) :], self._approval.name.value.strip()
        if not new or any(one.name == me for one in new):
            return ""
        last = new[-1]
        verb = "approved" if last.verb == "approve" else "rejected"
        return f"{last.name or last.identity} {verb} this plan before, at {last.at[:19]} UTC; nothing was done twice."

    def _finish(self, snapshot: Snapshot | None) -> None:
        try:
            snapshot = snapshot or self._actions.snapshot(self._snapshot.run.id)
        except PipelineMagicError:
            _log.warning("run %s could not be read again", self._snapshot.run.id)
        except Exception:  # noqa: BLE001 - the first error is on screen already; this one belongs to the log
            _log.exception("run %s could not be read again", self._snapshot.run.id)
        with self._lock:
            self._busy, self._stopping = "", False
            self.update(snapshot or self._snapshot)

    def _explain(self, error: PipelineMagicError) -> None:
        parts: list[object] = [tag("div", prose(error.message), class_="pm-lines")]
        parts += [tag("div", "Where: ", prose(error.where))] if error.where else []
        parts += [tag("div", tag("strong", "Next: "), prose(error.hint))] if error.hint else []
        self._message.value = note(*parts, kind="error")

    def _unexpected(self, error: Exception) -> None:
        run_id = self._snapshot.run.id
        _log.error("run %s: unexpected error", run_id, exc_info=error)
        self._message.value = note(
            f"Something unexpected went wrong ({type(error).__name__}). The log has it under ",
            code(run_id),
            "; what was finished is kept.",
            kind="error",
        )


def _outcome(before: Snapshot, after: Snapshot) -> str:
    """What is said when work ended well: where to look next."""
    state = after.run.state
    if state == "awaiting_input" and any(question.must_answer for question in after.questions):
        return "There is a question left that must be answered."
    if after.unchanged:
        return "Nothing changed: the plan is the one you have."
    if state == "planned" and after.approval_id and after.approval_id != before.approval_id:
        return "The plan is ready. Look at Notebook and Quality, then decide under Approval."
    return ""
