"""Single columns and tables, named without more: they are shown, or read."""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.intent import Selected, Use

__all__ = ["read_columns"]


def read_columns(c: Context, i: int) -> Found | None:
    """A table that is named, or a column that is shown."""
    link = c.table_at(i)
    column = c.linker.column_at(i, least=0.8)
    if column is not None and column.end <= c.end(i) and (link is None or column.end > link.end):
        return Found(column.end, "select", (Selected(i, column.end, column.ref),))
    if link is not None:
        return Found(link.end, "source", (Use(i, link.end, link.table.name),))
    return None
