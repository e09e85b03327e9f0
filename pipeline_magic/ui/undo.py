"""Under Approval, once a plan is on its way: go on with what waits or stopped, and roll back what is deployed.

A rollback is pressed twice: the first press says what would be undone and what would be left, the second does exactly
that. Not here: the threads behind the buttons (`panel`), what is undone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w

from pipeline_magic.runs import RollbackPlan, Snapshot
from pipeline_magic.ui.controls import classed
from pipeline_magic.ui.markup import Html, fit, items, note, prose, tag

__all__ = ["UndoControls", "rollback_html"]

_CAN_UNDO = ("deployed", "failed", "rollback_failed")
_CAN_GO_ON = ("waiting", "failed", "rolling_back", "rollback_failed")


class UndoControls:
    """The buttons, and the plan of a rollback between the two presses.

    Args:
        look: Asked for the plan; it is given to `show`.
        undo: Told to do what was shown.
        go_on: Told to go on.
    """

    def __init__(self, look: Callable[[], None], undo: Callable[[], None], go_on: Callable[[], None]) -> None:
        self.plan: RollbackPlan | None = None
        self._state = ""
        self._said = w.HTML()
        self.reason = classed(w.Text(description="Reason", layout=w.Layout(width="min(100%, 560px)")), "pm-undo-reason")
        self.go_on = classed(w.Button(description="Go on"), "pm-go-on")
        self.look = classed(w.Button(description="Roll back …"), "pm-undo-look")
        self.undo = classed(w.Button(description="Yes, roll back", button_style="danger"), "pm-undo")
        self.keep = classed(w.Button(description="Keep it"), "pm-undo-keep")
        self.go_on.tooltip = "Go on where it waits or stopped"
        self.look.tooltip = "Say what rolling back would undo; nothing is touched yet"
        self.undo.tooltip = "Do what is listed above, in that order"
        self.keep.tooltip = "Leave everything as it is"
        for button, action in ((self.go_on, go_on), (self.look, look), (self.undo, undo), (self.keep, self._forget)):
            button.on_click(lambda _, action=action: action())
        self.widget = classed(w.VBox(), "pm-undo-box")

    def draw(self, snapshot: Snapshot) -> None:
        """Offer what can be done with the deployment as it stands."""
        deployment = snapshot.deployment
        state = deployment.state if deployment is not None else ""
        if state != self._state:
            self.plan, self._state = None, state
        self._arrange()

    def show(self, plan: RollbackPlan) -> None:
        """Say what would be undone, and ask."""
        self.plan = plan
        self._arrange()

    def enable(self, on: bool) -> None:
        """Whether anything can be pressed."""
        for button in (self.go_on, self.look, self.undo, self.keep):
            button.disabled = not on
        if self.plan is not None and (self.plan.refused or not self.plan.steps):
            self.undo.disabled = True

    def _forget(self) -> None:
        self.plan = None
        self._arrange()

    def _arrange(self) -> None:
        if self.plan is not None:
            self._said.value = fit(rollback_html(self.plan), "The rollback")
            buttons: tuple[Any, ...] = (self.undo, self.keep)
            self.widget.children = (self._said, self.reason, classed(w.HBox(buttons), "pm-waive-row"))
            return
        buttons = (self.go_on,) if self._state in _CAN_GO_ON else ()
        buttons += (self.look,) if self._state in _CAN_UNDO else ()
        self.widget.children = (classed(w.HBox(buttons), "pm-waive-row"),) if buttons else ()


def rollback_html(plan: RollbackPlan) -> Html:
    """What a rollback would do, and what it would leave."""
    parts: list[object] = [tag("h4", "Rolling back will, in this order")]
    if plan.steps:
        parts.append(items([prose(step.text) for step in plan.steps], ordered=True))
    else:
        parts.append(tag("p", "do nothing."))
    if plan.left:
        parts += [tag("h4", "It will leave"), items(map(prose, plan.left))]
    if plan.refused:
        parts.append(note(tag("strong", "It cannot be done: "), items(map(prose, plan.refused)), kind="warn"))
    return tag("div", *parts, class_="pm-rollback")
