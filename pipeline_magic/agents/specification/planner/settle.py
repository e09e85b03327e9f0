"""Items that only make sense together, settled after the scan: ``for each customer keep the top 3 orders``.

Readers look forward from one place; what a grouping before a ranking means is known only when both are read. Pure: a
list of items in, a list of items out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.intent import (
    Derive,
    Group,
    Item,
    Latest,
    Measure,
    Top,
    Use,
    measures_in,
    refs_in,
    texts_of,
)
from pipeline_magic.agents.specification.planner.ranking import foreign

__all__ = ["settle"]


def settle(c: Context, items: Sequence[Item]) -> list[Item]:
    """The items, with groupings that only partition a ranking taken into it."""
    grouped = any(isinstance(item, (Measure, Group)) for item in items)
    items = [_summed(item, items) if grouped and isinstance(item, Derive) else item for item in items]
    measured = any(isinstance(item, Measure) for item in items)
    made: list[Item] = []
    for item in items:
        if isinstance(item, Top) and not item.per and measured:
            item = _partitioned(c, item, made)
        elif isinstance(item, (Top, Latest)) and not measured:
            item, made = _taken_in(c, item, made)
        made.append(item)
    return made


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
        texts += (
            [foreign(c, c.linker.tables[name], group.entity)] if group.entity else [text for _, text in group.columns]
        )
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
