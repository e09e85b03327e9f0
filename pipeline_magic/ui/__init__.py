"""The panel: what a person sees of a run, and the buttons they press.

    Snapshot -> view data (pure, one module a tab) -> widgets | static HTML | plain text

Here: `header`, `questions`, `statement`, `form`, `schemas`, `notebook` (with `diff`), `quality`, `lineage` (with
`graph`) and `approval` hold the view data of one part of the panel and draw it as HTML and as text; `controls`,
`drawing` and `panel` make widgets of the same data. Not here: anything that decides; the panel calls `Actions`.
Importing this package loads the standard library alone; `Panel` and `Actions` are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline_magic.ui.panel import Actions as Actions
    from pipeline_magic.ui.panel import Panel as Panel

__all__ = ["Actions", "Panel"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("pipeline_magic.ui.panel"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
