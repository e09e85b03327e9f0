"""Items that only make sense together, settled after the scan: ``for each customer keep the top 3 orders``.

Readers look forward from one place; what a grouping before a ranking means is known only when both are read. Pure: a
list of items in, a list of items out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.farther import far_conditions
from pipeline_magic.agents.specification.planner.intent import (
    Derive,
    Group,
    Item,
    Latest,
    Measure,
    Selected,
    Top,
    Use,
    Windowed,
    measures_in,
    refs_in,
    texts_of,
)
from pipeline_magic.agents.specification.planner.offers import answered
from pipeline_magic.agents.specification.planner.periodforms import formed
from pipeline_magic.agents.specification.planner.ranking import partition
from pipeline_magic.agents.specification.planner.relatives import joined_instead
from pipeline_magic.agents.specification.planner.rounding import rounded
from pipeline_magic.agents.specification.planner.wishes import completed

__all__ = ["settle"]


def settle(c: Context, items: Sequence[Item]) -> list[Item]:
    """The items, with groupings that only partition a ranking taken into it."""
    items = completed(c, joined_instead(far_conditions(c, answered(c, formed(c, rounded(c, items))))))
    grouped = any(isinstance(item, (Measure, Group)) for item in items)
    items = [_summed(item, items) if grouped and isinstance(item, Derive) else item for item in items]
    measured = any(isinstance(item, Measure) for item in items)
    if not measured:
        items = _rows_of(c, items)
    made: list[Item] = []
    for item in items:
        if isinstance(item, Top) and not item.per and measured:
            item = _partitioned(c, item, made)
        elif isinstance(item, (Top, Latest)) and not measured:
            item, made = _taken_in(c, item, made)
        made.append(item)
    return made


def _rows_of(c: Context, items: Sequence[Item]) -> list[Item]:
    """``for each order show the date and the running total``: rows are asked for, and groups only part windows."""
    windows = [item for item in items if isinstance(item, Windowed)]
    shown = [item for item in items if isinstance(item, Selected)]
    groups = [item for item in items if isinstance(item, Group)]
    if not groups or not (windows or shown) or any(isinstance(item, (Top, Latest)) for item in items):
        return list(items)
    tables = {ref.table for item in (*windows, *shown) for text in texts_of(item) for ref in refs_in(text)}
    tables |= {item.ref.table for item in shown}
    if windows:
        refs = [ref for item in windows for ref in refs_in(item.expression)]
        base = refs[0].table if refs else ""
        over = tuple(
            text
            for group in groups
            if group.entity != base and base
            for text in partition(c, c.linker.tables[base], group)
        )
        items = [
            replace(item, over=over) if isinstance(item, Windowed) and item.over is None else item for item in items
        ]
        return [item for item in items if not isinstance(item, Group)]
    if all(group.entity in tables for group in groups):
        return [item for item in items if not isinstance(item, Group)]
    return list(items)


def _summed(item: Derive, items: Sequence[Item]) -> Item:
    """``total net price = price * quantity`` beside a grouping is summed; a column of that name would be lost."""
    used = any(item.name in measures_in(text) for other in items for text in texts_of(other) if other is not item)
    over = set(measures_in(item.expression)) & {other.name for other in items if isinstance(other, Measure)}
    if used or over or not item.name.startswith(("total_", "sum_", "average_", "mean_")):
        return item
    function = "avg" if item.name.startswith(("average_", "mean_")) else "sum"
    refs = refs_in(item.expression)
    return Measure(
        item.start,
        item.end,
        item.name,
        f"{function}({item.expression})",
        refs[0].table if refs else "",
        (),
        "summed over each group",
    )


def _groups_before(c: Context, item: Item, before: Sequence[Item]) -> list[Group]:
    return [
        group
        for group in before
        if isinstance(group, Group) and group.end <= item.start and c.starts[group.start] == c.starts[item.start]
    ]


def _partitioned(c: Context, top: Top, before: Sequence[Item]) -> Top:
    """``for each region, the top 5 customers by revenue``: the earlier grouping parts the ranking."""
    names: list[str] = []
    if not any(isinstance(group, Group) and group.start == top.start for group in before):
        return top  # `…, top 3` alone ranks the groups themselves
    for group in _groups_before(c, top, before):
        keys = c.linker.tables[group.entity].key if group.entity else tuple(name for name, _ in group.columns)
        names += keys
    return replace(top, per=tuple(dict.fromkeys(names)))


def _taken_in(c: Context, item: Top | Latest, before: list[Item]) -> tuple[Top | Latest, list[Item]]:
    """``for each customer keep the top 3 orders``: rows are ranked, so the grouping is the partition and no more."""
    groups = _groups_before(c, item, before)
    if not groups or (item.per if isinstance(item, Top) else item.keys):
        return item, before
    name = item.entity if isinstance(item, Top) else item.table
    texts: list[str] = []
    for group in groups:
        texts += partition(c, c.linker.tables[name], group)
    spans = [(group.start, group.end) for group in groups]
    kept = [
        other
        for other in before
        if other not in groups
        and not (isinstance(other, Use) and not other.read and any(start <= other.start < end for start, end in spans))
    ]
    if isinstance(item, Top):
        return replace(item, per=tuple(texts)), kept
    return replace(item, keys=tuple(ref for text in texts for ref in refs_in(text))), kept
