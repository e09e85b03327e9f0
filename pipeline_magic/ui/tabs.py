"""The tabs as widgets: each is built when it is first looked at, and drawn again when the run has moved.

Here: where a tab keeps its widgets and when it draws. Not here: what it shows (the view of the tab) and what its
buttons do (`panel`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as w

from pipeline_magic.runs import Snapshot
from pipeline_magic.ui.approval import ApprovalView, approval_view, plan_html, state_html
from pipeline_magic.ui.controls import FormControls, classed, css_name
from pipeline_magic.ui.form import FormView, form_view, mark_problems
from pipeline_magic.ui.graph import as_data, layout
from pipeline_magic.ui.lineage import columns_html, lineage_html, lineage_view
from pipeline_magic.ui.markup import LIMIT, Html, fit, label, note, plain, tag
from pipeline_magic.ui.quality import FindingView, finding_html, findings_of, quality_html, quality_view
from pipeline_magic.ui.statement import clauses_html, statement_view, trace_data, words_html
from pipeline_magic.ui.undo import UndoControls

__all__ = ["ApprovalTab", "Drawn", "LineageTab", "QualityTab", "SpecTab", "StatementTab", "Tab"]


class Tab:
    """A tab that draws HTML; the others build on it."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.widget = classed(w.VBox(), f"pm-tabpage-{title.casefold()}")
        self._drawn: Snapshot | None = None

    def show(self, snapshot: Snapshot) -> None:
        """Draw the run, unless it is what is drawn already."""
        if self._drawn is not snapshot:
            self.draw(snapshot)
            self._drawn = snapshot

    def draw(self, snapshot: Snapshot) -> None:
        """Bring the widgets to the run."""
        raise NotImplementedError

    def fail(self, words: str) -> None:
        """Say that the tab could not be drawn."""
        self._drawn = None
        self.widget.children = (w.HTML(note(words, kind="error")),)


class Drawn(Tab):
    """A tab of HTML alone."""

    def __init__(self, title: str, html: Callable[[Snapshot], Html]) -> None:
        super().__init__(title)
        self._html = html
        self._body = w.HTML()

    def draw(self, snapshot: Snapshot) -> None:
        self._body.value = fit(self._html(snapshot), self.title)
        self.widget.children = (self._body,)


class _WithDrawing(Tab):
    """A drawing by anywidget, its static fallback, and HTML below."""

    drawing = ""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self._fallback = classed(w.HTML(), "pm-fallback")
        self._live: Any = None
        self._box = classed(w.VBox((self._fallback,)), "pm-drawn")
        self._below = w.HTML()

    def _put(self, value: dict[str, Any], fallback: Html, below: Html) -> None:
        self._fallback.value = fit(fallback, self.title)
        self._below.value = fit(below, self.title)
        if value and len(json.dumps(value)) <= LIMIT:
            if self._live is None:
                from pipeline_magic.ui import drawing

                self._live = getattr(drawing, self.drawing)(value=value)
            elif self._live.value != value:
                self._live.value = value
            self._box.children = (self._fallback, self._live)
        else:
            self._box.children = (self._fallback,)
        self.widget.children = (self._box, self._below)


class StatementTab(_WithDrawing):
    """The coloured statement, its clauses and its assumptions."""

    drawing = "TraceDrawing"

    def draw(self, snapshot: Snapshot) -> None:
        view = statement_view(snapshot)
        self._put(trace_data(view) if view.clauses else {}, words_html(view), clauses_html(view))


class LineageTab(_WithDrawing):
    """The graph of sources, steps and target."""

    drawing = "LineageDrawing"

    def draw(self, snapshot: Snapshot) -> None:
        view = lineage_view(snapshot)
        hint = "Point at a node, or reach it with Tab, to see what it comes from and what it feeds; Enter keeps it."
        below = tag("div", tag("p", hint, class_="pm-quiet"), columns_html(view)) if view.graph.nodes else Html("")
        self._put(as_data(layout(view.graph)) if view.graph.nodes else {}, lineage_html(view), below)


class SpecTab(Tab):
    """The form; kept, with what was typed, as long as the spec is the same."""

    def __init__(
        self,
        title: str,
        tables: tuple[str, ...],
        changed: Callable[[], None],
        find: Callable[[str], Sequence[str]] | None = None,
    ) -> None:
        super().__init__(title)
        self._tables = tables
        self._find = find
        self._changed = changed
        self._view: FormView | None = None
        self._problems: tuple[tuple[str, str], ...] = ()
        self.controls: FormControls | None = None

    def draw(self, snapshot: Snapshot) -> None:
        view = form_view(snapshot, self._tables)
        if view == self._view:
            return
        self._view = view
        if not view.sections:
            words = "The spec appears here once the statement is read; every field of it can be edited."
            self.widget.children = (w.HTML(note(words)),)
            return
        typed = self.controls.typed() if self.controls else {}
        self.controls = FormControls(view, lambda _: self._changed(), self._find)
        self.controls.restore(typed)
        self.mark(self._problems)
        self.widget.children = (self.controls.widget,)
        self._changed()

    def forget(self) -> None:
        """Make the form again at the next drawing, without what was typed: it is applied."""
        self._view = self.controls = None
        self._drawn = None

    @property
    def dirty(self) -> int:
        """Fields that differ from the spec."""
        return self.controls.dirty if self.controls else 0

    def mark(self, problems: tuple[tuple[str, str], ...]) -> None:
        """Show problems at their fields; none takes all marks away."""
        self._problems = problems
        if self.controls is not None:
            self.controls.mark(mark_problems(self.controls.view, problems))


class QualityTab(Tab):
    """Findings with Waive buttons where they block, then the report."""

    def __init__(self, title: str, waive: Callable[[str, str], None]) -> None:
        super().__init__(title)
        self._waive = waive
        self._body = w.HTML()
        self._findings: tuple[tuple[FindingView, ...], bool] | None = None
        self._rows: tuple[Any, ...] = ()
        self.buttons: list[Any] = []

    def draw(self, snapshot: Snapshot) -> None:
        findings = findings_of(snapshot)
        can_waive = (
            snapshot.quality is not None
            and snapshot.run.state == "planned"
            and bool(snapshot.policy.get("waivers_allowed", True))
        )
        if (findings, can_waive) != self._findings:
            self.buttons = []
            self._rows = tuple(self._row(view, can_waive) for view in findings[:200])
            self._findings = (findings, can_waive)
        self._body.value = fit(quality_html(quality_view(snapshot), findings=False), self.title)
        self.widget.children = (*self._rows, self._body)

    def _row(self, view: FindingView, can_waive: bool) -> Any:
        drawn = w.HTML(finding_html(view))
        if not (view.blocks and can_waive):
            return drawn
        name = css_name(view.finding.id)
        reason = w.Text(
            description="Reason",
            placeholder="why this may stand",
            tooltip=f"Reason for waiving {plain(view.finding.id)}",
            layout=w.Layout(width="min(100%, 460px)"),
        )
        button = w.Button(description="Waive", tooltip=f"Waive the finding {plain(view.finding.id)} with this reason")
        classed(button, "pm-waive", f"pm-waive-{name}")
        classed(reason, "pm-waive-reason", f"pm-waive-reason-{name}")
        button.on_click(lambda _: self._waive(view.finding.id, reason.value.strip()))
        self.buttons.append(button)
        row = classed(w.HBox((reason, button)), "pm-waive-row")
        return classed(w.VBox((drawn, row)), "pm-finding")


class ApprovalTab(Tab):
    """What Approve will do, the confirmations, name and comment, the two buttons, and what became of it."""

    def __init__(
        self, title: str, approver: str, approve: Callable[[], None], reject: Callable[[], None], undo: UndoControls
    ) -> None:
        super().__init__(title)
        self.undo = undo
        self._plan, self._state = w.HTML(), w.HTML()
        wide = w.Layout(width="min(100%, 560px)")
        self.name = classed(w.Text(value=approver, description="Your name", layout=wide), "pm-approver")
        self.comment = classed(w.Textarea(description="Comment", rows=2, layout=wide), "pm-comment")
        self.comment.placeholder = "with Reject: the reason"
        self.approve = classed(w.Button(description="Approve", button_style="success"), "pm-approve")
        self.reject = classed(w.Button(description="Reject", button_style="danger"), "pm-reject")
        self.approve.tooltip = "Do everything listed above, in that order"
        self.reject.tooltip = "Refuse this plan; the comment is the reason"
        self.approve.on_click(lambda _: approve())
        self.reject.on_click(lambda _: reject())
        self._checks: dict[str, Any] = {}
        self._confirm = w.VBox()
        buttons = classed(w.HBox((self.approve, self.reject)), "pm-waive-row")
        self._decide = classed(w.VBox((self._confirm, self.name, self.comment, buttons)), "pm-decide")
        self.view: ApprovalView | None = None

    def draw(self, snapshot: Snapshot) -> None:
        view = approval_view(snapshot)
        if self.view is None or view.unmatched != self.view.unmatched or view.digest != self.view.digest:
            self._checks = {
                clause: classed(
                    w.Checkbox(
                        description=f"Go on without “{label(words)[:300]}”, which was not understood",
                        indent=False,
                        layout=w.Layout(width="100%"),
                    ),
                    "pm-confirm",
                    f"pm-confirm-{css_name(clause)}",
                )
                for clause, words in view.unmatched
            }
            self._confirm.children = tuple(self._checks.values())
        self.view = view
        self._plan.value = fit(plan_html(view), self.title)
        self._state.value = fit(state_html(view), self.title)
        decide = (self._decide,) if view.open else ()
        self.undo.draw(snapshot)
        self.widget.children = (self._plan, *decide, self._state, self.undo.widget)

    @property
    def confirmed(self) -> tuple[str, ...]:
        """Ids of the clauses whose box is ticked."""
        return tuple(clause for clause, box in self._checks.items() if box.value)

    @property
    def unconfirmed(self) -> int:
        """Boxes that are not ticked yet."""
        return len(self._checks) - len(self.confirmed)
