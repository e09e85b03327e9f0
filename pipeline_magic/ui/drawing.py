"""The two drawings that stock controls cannot make: the statement's trace and the lineage graph.

Each is an anywidget whose front end is a hand-written module in `widgets/`; each has a static fallback in HTML or
SVG beside it, which the front end hides once it draws. Imported by the panel only when a drawing is needed.
"""

from __future__ import annotations

import anywidget
import traitlets

from pipeline_magic.ui import assets

__all__ = ["LineageDrawing", "TraceDrawing"]


class TraceDrawing(anywidget.AnyWidget):
    """The coloured statement; `value` is `statement.trace_data`."""

    _esm = assets.read("trace.js")
    value = traitlets.Dict().tag(sync=True)


class LineageDrawing(anywidget.AnyWidget):
    """The graph; `value` is `graph.as_data`."""

    _esm = assets.read("lineage.js")
    value = traitlets.Dict().tag(sync=True)
