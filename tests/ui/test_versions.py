"""ipywidgets 7 and 8, as far as the panel meets their differences."""

from __future__ import annotations

from typing import Any

import ipywidgets as w

from pipeline_magic.ui.versions import set_titles, view_bundle


class Seven:
    """What a box of ipywidgets 7 has of it."""

    model_id = "abc"

    def __init__(self) -> None:
        self.given: dict[int, str] = {}

    def trait_names(self) -> list[str]:
        return ["children", "selected_index"]

    def set_title(self, place: int, title: str) -> None:
        self.given[place] = title


def test_titles() -> None:
    """Both take them, each in its own way."""
    tab, old = w.Tab(children=(w.HTML(), w.HTML())), Seven()
    set_titles(tab, ["one", "two"])
    set_titles(old, ["one", "two"])
    assert tab.titles == ("one", "two")
    assert old.given == {0: "one", 1: "two"}


def test_view() -> None:
    """Either way a front end is told of the model that it shows."""
    view = "application/vnd.jupyter.widget-view+json"
    box: Any = w.VBox()
    assert view_bundle(box)[view]["model_id"] == box.model_id
    assert view_bundle(Seven()) == {view: {"version_major": 2, "version_minor": 0, "model_id": "abc"}}
