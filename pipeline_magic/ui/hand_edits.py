"""Tab Notebook: above the files, each edit that somebody made by hand in the repository, with its ways out.

The difference is the one of the file below: what the base branch has beside what would be written. Not here: what a
decision does (`flow.resolving`), the threads behind the buttons (`panel`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w

from pipeline_magic.agents.github.hand_edits import PREFIX, Way, ways_of
from pipeline_magic.runs import Finding, Snapshot
from pipeline_magic.ui.controls import classed, css_name
from pipeline_magic.ui.markup import fit, note, plain, prose
from pipeline_magic.ui.notebook import notebook_html, notebook_view
from pipeline_magic.ui.tabs import Tab

__all__ = ["NotebookTab", "open_edits"]

_BUTTONS: dict[Way, tuple[str, str]] = {
    "take": ("Take into the spec", "Set the fields of the spec so that it says what the file says"),
    "keep": ("Keep as a custom file", "Move the text to a marked file that is never generated; this one is again"),
    "discard": ("Discard", "Let the file be written again; the reason is kept in the audit"),
}


class NotebookTab(Tab):
    """The files of the plan, and the decisions about those that were edited by hand.

    Args:
        title: Of the tab.
        decide: Told path, way and reason.
    """

    def __init__(self, title: str, decide: Callable[[str, Way, str], None]) -> None:
        super().__init__(title)
        self._decide = decide
        self._body = w.HTML()
        self._open: tuple[tuple[Finding, tuple[Way, ...]], ...] = ()
        self._rows: tuple[Any, ...] = ()
        self.buttons: list[Any] = []

    def draw(self, snapshot: Snapshot) -> None:
        found = open_edits(snapshot)
        if found != self._open:
            self.buttons = []
            self._rows = tuple(self._row(finding, ways) for finding, ways in found[:50])
            self._open = found
        self._body.value = fit(notebook_html(notebook_view(snapshot)), self.title)
        self.widget.children = (*self._rows, self._body)

    def _row(self, finding: Finding, ways: tuple[Way, ...]) -> Any:
        path, name = finding.where, css_name(finding.where)
        reason = w.Text(
            description="Reason",
            placeholder="why; needed to discard",
            tooltip=f"Reason for what becomes of {plain(path)}",
            layout=w.Layout(width="min(100%, 460px)"),
        )
        classed(reason, "pm-waive-reason", f"pm-hand-edit-reason-{name}")
        buttons = []
        for way in ways:
            words, tip = _BUTTONS[way]
            button = classed(w.Button(description=words, tooltip=f"{tip}: {plain(path)}"), f"pm-{way}-{name}")
            button.layout.width = "auto"
            button.on_click(lambda _, way=way: self._decide(path, way, reason.value.strip()))
            buttons.append(button)
        self.buttons += buttons
        said = w.HTML(note(prose(finding.message), " ", prose("The file stands below."), kind="warn"))
        return classed(w.VBox((said, classed(w.HBox((reason, *buttons)), "pm-waive-row"))), "pm-finding")


def open_edits(snapshot: Snapshot) -> tuple[tuple[Finding, tuple[Way, ...]], ...]:
    """The edits by hand that nobody has decided, each with its ways out; none where the plan does not stand."""
    generated = snapshot.generated
    if generated is None or snapshot.run.state != "planned":
        return ()
    waived = {waiver.finding for waiver in snapshot.run.waivers}
    old = {diff.path: diff.old for diff in generated.diffs}
    return tuple(
        (finding, ways_of(finding.where, old.get(finding.where)))
        for finding in generated.findings
        if finding.id.startswith(PREFIX) and finding.id not in waived
    )
