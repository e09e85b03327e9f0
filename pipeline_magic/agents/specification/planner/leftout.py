"""Rows and groups left out by a sentence that ends so: ``sites with fewer than 2 visits are excluded``."""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.counts import read_having
from pipeline_magic.agents.specification.planner.idioms import state_at
from pipeline_magic.agents.specification.planner.intent import Filter, Item, Use
from pipeline_magic.agents.specification.planner.predicates import condition_at

__all__ = ["negated", "read_left_out"]

_OUT = re.compile(
    r"(?:are|is|be|get|stay|should be|must be|shall be|to be|have to be|can be)\s+(?:all\s+)?"
    r"(?:left out|excluded|ignored|skipped|dropped|removed|filtered out|not counted|not included|left away|disregarded|"
    r"not shown|not kept|not wanted|discarded)"
)


def negated(expression: str) -> str:
    """The condition that leaves those rows out; a condition that is not known to be true keeps them."""
    if expression.endswith(" IS NULL") and " OR " not in expression and " AND " not in expression:
        return expression[: -len(" IS NULL")] + " IS NOT NULL"
    return f"NOT coalesce({expression}, false)"


def read_left_out(c: Context, i: int) -> Found | None:
    """A clause about a table that ends in ``are left out``."""
    at = c.skip(i, "all|the|any|,|and|but")
    state = state_at(c, at, None)
    inside = state if state is not None and c.table_at(state.end) is not None else None
    link = c.table_at(inside.end if inside is not None else at)
    if link is None:
        return None
    closing = _closing(c, link.end)
    if closing is None:
        return None
    start, end = closing
    uses: tuple[Item, ...] = (Use(link.start, link.end, link.table.name),)
    if inside is not None and start == link.end:
        return Found(end, "filter", (*uses, Filter(i, end, negated(inside.expression), inside.assumed)))
    groups = read_having(c, link.end)
    if groups is not None and groups.end == start:
        items = tuple(_turned(item, end) for item in groups.items)
        return Found(end, "filter", (*uses, *items), groups.questions)
    condition = condition_at(c, link.end, about=link.table, opened=True) or condition_at(c, link.end, opened=True)
    if condition is None or condition.end != start:
        return None
    made = Filter(i, end, negated(condition.expression), condition.assumed)
    return Found(end, "filter", (*uses, made))


def _closing(c: Context, i: int) -> tuple[int, int] | None:
    """The tokens of ``are left out``, in the same sentence."""
    for j in range(i, min(c.end(i - 1), i + 14)):
        if c.low(j) not in {"are", "is", "be", "get", "stay", "should", "must", "shall", "to", "have", "can"}:
            continue
        for size in (2, 3, 4, 5):
            words = " ".join(token.low for token in c.tokens[j : j + size])
            if _OUT.fullmatch(words):
                return j, j + size
    return None


def _turned(item: Item, end: int) -> Item:
    return Filter(item.start, end, negated(item.expression), item.assumed) if isinstance(item, Filter) else item
