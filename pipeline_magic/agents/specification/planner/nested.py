"""Groups of groups: ``average number of alerts per device``, ``weekly average of the daily transaction count``.

The inner groups are measured first, and the measures are then brought together. Here: reading the words, and the second
aggregation; the first is the usual one.
"""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.counts import count_of, counted_behind
from pipeline_magic.agents.specification.planner.draft import Assembly, Plan, quoted
from pipeline_magic.agents.specification.planner.grouping import read_group
from pipeline_magic.agents.specification.planner.intent import Group, Measure, Outer, Use
from pipeline_magic.agents.specification.planner.named import named_at

__all__ = ["add_outer", "read_nested"]

_FUNCTIONS = {"avg": "average|mean", "median": "median", "max": "maximum|highest|max", "min": "minimum|lowest|min"}
_ADVERBS = {
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "quarterly": "quarter",
    "yearly": "year",
    "hourly": "hour",
}


def read_nested(c: Context, i: int) -> Found | None:
    """A function of a count that itself needs groups."""
    at = c.skip(i, "the|a|an")
    outer = None
    if c.low(at) in _ADVERBS and c.match(at + 1, "|".join(_FUNCTIONS.values())) is not None:
        outer = read_group(c, at)
        at += 1
    for function, words in _FUNCTIONS.items():
        after = c.match(at, words)
        if after is None:
            continue
        of = c.skip(after, "of the|of|the")
        found = _adverb_first(c, i, of, function) or _per(c, i, of, function) or _explained(c, i, of, function)
        if found is not None and outer is not None:
            return Found(found.end, found.kind, (*outer.items, *found.items))
        return found
    return None


def _adverb_first(c: Context, i: int, at: int, function: str) -> Found | None:
    """``daily transaction count``, ``monthly number of orders``: the adverb says the inner groups."""
    if c.low(at) not in _ADVERBS:
        return None
    inner = read_group(c, at)
    counts = counted_behind(c, at + 1) or count_of(c, at + 1)
    groups = [item for item in inner.items if isinstance(item, Group)] if inner is not None else []
    if counts is None or not groups:
        return None
    keys = tuple(name for group in groups for name, _ in group.columns)
    return Found(counts.end, "measure", (*groups, *counts.items, Outer(i, counts.end, function, keys, True)))


def _per(c: Context, i: int, at: int, function: str) -> Found | None:
    """``average number of alerts per device``: one number over all devices."""
    counts = count_of(c, at)
    per = c.match(counts.end, "per|for each|by each|a|each|of each|made by each") if counts is not None else None
    link = c.table_at(per) if per is not None else None
    inner = read_group(c, counts.end) if counts is not None and c.low(counts.end) in {"per", "for"} else None
    if counts is None or link is None or inner is None:
        return None
    groups = [item for item in inner.items if isinstance(item, Group) and item.entity]
    counted = next(item for item in counts.items if isinstance(item, Measure))
    if len(groups) != 1 or groups[0].entity == counted.table:
        return None
    keys = tuple(name for name, _ in groups[0].columns)
    items = (*counts.items, *inner.items, Outer(i, inner.end, function, keys))
    return Found(inner.end, "measure", items)


def _explained(c: Context, i: int, at: int, function: str) -> Found | None:
    """``average order value … where the order value is the sum … over the lines of an order``: for each order first."""
    found = named_at(c, at)
    if found is None:
        return None
    end, named = found
    owner = next(
        (
            table
            for name in (*c.linker.scope, *c.linker.near)
            if set((table := c.linker.tables[name]).words) <= set(named.stems)
            and table.key
            and name != named.measure.table
        ),
        None,
    )
    if owner is None or not named.measure.expression.startswith("sum("):
        return None
    from dataclasses import replace

    from pipeline_magic.agents.specification.planner.grouping import entity_columns
    from pipeline_magic.agents.specification.planner.intent import col

    keys = tuple((column.name, col(column.ref)) for column in entity_columns(owner))
    group = Group(i, end, keys, owner.name)
    measure = replace(named.measure, start=i, end=end)
    outer = Outer(i, end, function, tuple(name for name, _ in keys))
    return Found(end, "measure", (Use(i, end, owner.name), measure, group, outer))


def add_outer(made: Assembly, plan: Plan) -> None:
    """The second aggregation: by the keys that are left, the function of every measure."""
    outers = plan.of(Outer)
    metrics = next((step for step in reversed(made.steps) if step["kind"] == "aggregate"), None)
    if not outers or metrics is None:
        return
    outer = outers[0]
    names = {measure.name for measure in plan.measures}
    entity = {
        column.name
        for group in plan.groups
        if group.entity and set(dict(group.columns)) <= set(outer.inner)
        for column in plan.tables[group.entity].columns
    }
    gone = {*outer.inner, *(f"{name}_start" for name in outer.inner), *entity}
    keys = [name for name in metrics["group_by"] if name not in gone]
    word = {"avg": "average", "median": "median", "max": "max", "min": "min"}[outer.function]
    measures = [
        {"name": f"{word}_{item['name']}", "expression": f"{outer.function}({quoted(item['name'])})"}
        for item in metrics["measures"]
        if item["name"] in names
    ]
    identity = made.step({"id": "over_groups", "kind": "aggregate", "group_by": keys, "measures": measures})
    clauses = plan.clauses(outer)
    made.said(f"steps.{identity}.group_by", clauses)
    for item in measures:
        made.said(f"steps.{identity}.measures.{item['name']}", clauses)
    made.assumed(
        f"steps.{identity}",
        "groups without any row have no count, and are no part of it",
        ("count them as 0",),
        clauses,
    )
    made.columns = [*keys, *(item["name"] for item in measures)]
