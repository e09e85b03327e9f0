"""A table that a verb gives back (runs, audit entries, rows), for a notebook."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_magic.ui import assets
from pipeline_magic.ui.markup import Html, data, table, tag

__all__ = ["listing_bundle"]


def listing_bundle(heading: Sequence[str], rows: Sequence[Sequence[str]], *, label: str, text: str) -> dict[str, str]:
    """The table as ``text/html`` and ``text/plain``.

    Args:
        label: What the table holds, for those who do not see it.
        text: The plain form.
    """
    drawn = tag(
        "div",
        Html(f"<style>{assets.read('panel.css')}</style>"),
        table(heading, [[data(cell) for cell in row] for row in rows], label=label),
        class_="pm-static",
    )
    return {"text/html": drawn, "text/plain": text}
