"""Two dates of a row, so far apart: ``more than 30 days after the order date``, ``within 2 hours of the booking``."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo
from pipeline_magic.agents.specification.planner.moments import Span, compared_with, length_at
from pipeline_magic.agents.specification.planner.values import ARTICLES, Condition

__all__ = ["apart", "apart_of_one"]

_FAR = {
    ">": "more than|over|later than|longer than",
    ">=": "at least|no less than",
    "<": "less than|fewer than|under",
    "<=": "at most|no more than|within|up to",
}


def apart(c: Context, i: int, column: ColumnInfo) -> Condition | None:
    """How far the date `column` lies from another one that is named."""
    for operator, words in _FAR.items():
        after = c.match(i, words)
        length = length_at(c, after) if after is not None else None
        side = c.match(length[0], "after|late after|later than|before|of|from") if length is not None else None
        if length is None or side is None:
            continue
        other = c.linker.column_at(c.skip(side, ARTICLES), kinds=("date", "timestamp"), least=0.6)
        if other is None or other.end > c.end(i) or other.ref == column.ref:
            return None
        before = c.low(side - 1) == "before"
        span = Span(other.end, other.column, column) if before else Span(other.end, column, other.column)
        text = compared_with(span, operator, length[1], length[2])
        return Condition(other.end, text) if text is not None else None
    return None


def apart_of_one(c: Context, i: int, columns: Sequence[ColumnInfo]) -> tuple[ColumnInfo, Condition] | None:
    """The one of several columns that is compared with another of them: ``arrived 2 hours after scheduled arrival``."""
    found = [(column, made) for column in columns if (made := apart(c, i, column)) is not None]
    return found[0] if len(found) == 1 else None
