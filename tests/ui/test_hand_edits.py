"""The Notebook tab's decisions about files that were edited by hand: offered beside the difference, pressed once."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_magic.agents.github.hand_edits import hand_edit
from pipeline_magic.runs import FileDiff, Snapshot, Waiver
from pipeline_magic.ui.controls import css_name
from pipeline_magic.ui.hand_edits import open_edits
from pipeline_magic.ui.panel import Panel
from tests.support import snapshots
from tests.support.actions import Recorder


def edited(path: str, old: str | None) -> Snapshot:
    """A plan for which somebody has edited one of the files."""
    finding = hand_edit(path, old, "generated last", "new")
    assert finding is not None
    made = snapshots.planned(finding)
    assert made.generated is not None
    diff = FileDiff(path=path, status="changed", old=old, new="new")
    generated = made.generated.model_copy(update={"diffs": (diff,), "findings": (finding,)})
    return made.model_copy(update={"generated": generated})


def walk(widget: Any) -> list[Any]:
    return [widget, *(found for child in getattr(widget, "children", ()) for found in walk(child))]


def buttons(panel: Panel) -> dict[str, Any]:
    """Buttons of the tab by their words."""
    titles = list(panel._tabbed.titles)
    panel._tabbed.selected_index = titles.index("Notebook")
    tab = panel._tabs[titles.index("Notebook")]
    return {one.description: one for one in walk(tab.widget) if type(one).__name__ == "Button"}


PATH = "pipelines/customer_revenue/spec.yml"


@pytest.mark.parametrize(("words", "way"), [("Take into the spec", "take"), ("Keep as a custom file", "keep")])
def test_a_press_decides(words: str, way: str) -> None:
    """The press goes out with the path; once it is decided there is nothing to press."""
    actions = Recorder(edited(PATH, "by hand <b>"))
    panel = Panel(actions, actions.now, approver="Ada")
    assert list(buttons(panel)) == ["Take into the spec", "Keep as a custom file", "Discard"]
    buttons(panel)[words].click()
    assert panel.wait(10) and actions.calls == [("resolve_hand_edit", PATH, way, "")]
    assert buttons(panel) == {}


def test_discarding_needs_a_reason() -> None:
    """Without one it asks; with one it goes out."""
    actions = Recorder(edited(PATH, "by hand"))
    panel = Panel(actions, actions.now, approver="Ada")
    buttons(panel)["Discard"].click()
    assert actions.calls == [] and "Say why" in panel._message.value
    name = f"pm-hand-edit-reason-{css_name(PATH)}"
    next(one for one in walk(panel.widget) if name in getattr(one, "_dom_classes", ())).value = " a slip "
    buttons(panel)["Discard"].click()
    assert panel.wait(10) and actions.calls == [("resolve_hand_edit", PATH, "discard", "a slip")]


@pytest.mark.parametrize(
    ("path", "old", "ways"),
    [
        (PATH, "text", ("take", "keep", "discard")),
        (PATH, None, ("discard",)),
        (PATH, "\ufffd\ufffd", ("discard",)),
        ("databricks.yml", "text", ("keep", "discard")),
    ],
)
def test_only_what_can_be_done_is_offered(path: str, old: str | None, ways: tuple[str, ...]) -> None:
    """Of a removed file, of rubbish and of a shared file not everything; of one that is waived nothing."""
    snapshot = edited(path, old)
    ((finding, offered),) = open_edits(snapshot)
    assert offered == ways
    waived = snapshot.run.model_copy(update={"waivers": (Waiver(finding=finding.id, by="ada", reason="r"),)})
    assert open_edits(snapshot.model_copy(update={"run": waived})) == ()
