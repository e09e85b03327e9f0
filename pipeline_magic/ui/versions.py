"""What ipywidgets 7 and 8 do differently, as far as the panel meets it.

Runtimes of Databricks ship ipywidgets 7.7, and its front end goes with it: `%pip install` must not have to replace it.
Not here: the widgets themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["set_titles", "view_bundle"]

_VIEW = "application/vnd.jupyter.widget-view+json"


def view_bundle(widget: Any) -> dict[str, Any]:
    """What a front end needs to show a widget, by MIME type."""
    if hasattr(widget, "_repr_mimebundle_"):
        return dict(widget._repr_mimebundle_() or {})
    return {_VIEW: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}


def set_titles(box: Any, titles: Sequence[str]) -> None:
    """Titles of the parts of a `Tab` or an `Accordion`, in their order."""
    if "titles" in box.trait_names():
        box.titles = tuple(titles)
        return
    for place, title in enumerate(titles):
        box.set_title(place, title)
