"""Steps for ``customers with an order in 2025``: rows that have, or lack, a row of another table.

Each such wish looks at rows of its own: the other table is filtered on a branch beside the main line, brought to the
key of the subject over the tables between, and joined `semi` or `anti`. Two wishes about one table never share a row.
"""

from __future__ import annotations

from typing import Any

from pipeline_magic.agents.specification.planner.draft import Assembly, Plan, quoted, sql
from pipeline_magic.agents.specification.planner.entities import Ref
from pipeline_magic.agents.specification.planner.intent import Exists, measures_in, refs_in
from pipeline_magic.agents.specification.planner.joingraph import Link
from pipeline_magic.agents.specification.planner.layout import Layout, aliases
from pipeline_magic.spec.names import slug

__all__ = ["add_exists"]


def add_exists(made: Assembly, plan: Plan, layout: Layout) -> None:
    """The branch of each wish, and the join that keeps the rows it leaves."""
    for item in plan.exists:
        path = _path(plan, item)
        if item.subject in layout.tables and path:
            _add(made, plan, layout, item, path)


def _path(plan: Plan, item: Exists) -> tuple[Link, ...] | None:
    if item.keys is None:
        return plan.graph.path([item.subject], item.other, [item.through] if item.through else ())
    for link in plan.graph.links(item.subject, item.other):
        if link.keys == (item.keys,):
            return (link,)
    return (Link(item.subject, item.other, (item.keys,), 0.9, "right"),)


def _add(made: Assembly, plan: Plan, layout: Layout, item: Exists, path: tuple[Link, ...]) -> None:
    main, clauses = made.last, plan.clauses(item)
    head, behind = _branch(made, plan, item, item.other, ""), path[0]
    for link, following in zip(reversed(path[:-1]), reversed(path[1:]), strict=True):
        node = _branch(made, plan, item, link.right, "")
        head = _joined(made, plan, item, node, head, following, "semi")
    left = [layout.name(Ref(behind.left, name)) for name, _ in behind.keys]
    how = "anti" if item.negated else "semi"
    made.last = main
    _joined(made, plan, item, main, head, behind, how, left)
    made.said(f"steps.{made.last}.how", clauses)


def _branch(made: Assembly, plan: Plan, item: Exists, table: str, came: str) -> str:
    """The rows of a table that meet its own conditions, and those of tables that hang on it."""
    head = _source(made, plan, item, table)
    own = [text for text in item.conditions if {ref.table for ref in refs_in(text)} == {table}]
    for text in own:
        made.last = head
        for name in measures_in(text):
            _add_whole(made, item, plan, name)
        condition = sql(Layout(table), text)
        head = made.step(
            {"id": slug(f"with_{plan.tables[table].short}")[:60], "kind": "filter", "condition": condition}
        )
        if item.assumed:
            made.assumed(f"steps.{head}.condition", item.assumed, clauses=plan.clauses(item))
        else:
            made.said(f"steps.{head}.condition", plan.clauses(item))
    if table != item.other:
        return head
    between = {link.right for link in plan.graph.path([item.subject], table) or ()} | {item.subject}
    further = {ref.table for text in item.conditions for ref in refs_in(text)} - between
    for name in sorted(further - {came}):
        links = plan.graph.path([table], name) or ()
        inner = _branch(made, plan, Exists(item.start, item.end, table, name, item.conditions), name, table)
        for link, following in zip(reversed(links[:-1]), reversed(links[1:]), strict=True):
            inner = _joined(made, plan, item, _source(made, plan, item, link.right), inner, following, "semi")
        head = _joined(made, plan, item, head, inner, links[0], "semi")
    return head


def _add_whole(made: Assembly, item: Exists, plan: Plan, name: str) -> None:
    """The average over all rows that a condition compares with, as a column beside them."""
    head, _, column = name.partition("_of_all_")
    function, _, part = head.partition("_by_")
    over = [part] if part else []
    columns = [{"name": name, "expression": f"{function}({quoted(column)})"}]
    step = {"id": slug(f"over_{name}")[:60], "kind": "window", "partition_by": over, "order_by": [], "columns": columns}
    identity = made.step(step)
    made.said(f"steps.{identity}.columns.{name}", plan.clauses(item))


def _source(made: Assembly, plan: Plan, item: Exists, table: str) -> str:
    """The source of a table, added where it is not there yet."""
    for source in made.sources:
        if source["table"] == table:
            return str(source["alias"])
    taken = {source["alias"] for source in made.sources} | {step["id"] for step in made.steps}
    alias = aliases([plan.tables[table]])[table]
    number, base = 2, alias
    while alias in taken:
        alias, number = f"{base}_{number}", number + 1
    made.sources.append({"alias": alias, "table": table})
    made.said(f"sources.{alias}.table", plan.clauses(item))
    return alias


def _joined(
    made: Assembly,
    plan: Plan,
    item: Exists,
    left: str,
    right: str,
    link: Link,
    how: str,
    names: list[str] | None = None,
) -> str:
    """`left` with (or without) a row in `right`, on the columns of the link; `names` are those of the left side."""
    called = names or [name for name, _ in link.keys]
    right = _cast(made, plan, right, link)
    step: dict[str, Any] = {
        "id": slug(f"{'without' if how == 'anti' else 'having'}_{plan.tables[link.right].short}")[:60],
        "kind": "join",
        "left": left,
        "right": right,
        "how": how,
        "keys": [{"left": a, "right": b} for a, (_, b) in zip(called, link.keys, strict=True)],
    }
    identity = made.step(step)
    why = "the catalog declares this key" if link.declared else "names and types of the columns fit"
    made.assumed(f"steps.{identity}.keys", f"joined on {_text(link)}: {why}", clauses=plan.clauses(item))
    made.said(f"steps.{identity}.how", plan.clauses(item))
    return identity


def _cast(made: Assembly, plan: Plan, right: str, link: Link) -> str:
    """The branch, with its key as the other side has it: text and numbers are not compared as they stand."""
    types: dict[str, str] = {}
    for left_name, right_name in link.keys:
        a, b = plan.tables[link.left].column(left_name), plan.tables[link.right].column(right_name)
        if a is not None and b is not None and {a.kind, b.kind} == {"text", "number"}:
            types[b.name] = a.type
    if not types:
        return right
    typed = [{"column": column, "type": kind} for column, kind in types.items()]
    name = slug(f"cast_{plan.tables[link.right].short}")[:60]
    identity = made.step({"id": name, "kind": "cast", "input": right, "columns": typed, "on_error": "null"})
    reason = "the join compares text with a number; what cannot be converted matches nothing"
    made.assumed(f"steps.{identity}.columns", reason)
    return identity


def _text(link: Link) -> str:
    return " and ".join(f"{left} = {right}" for left, right in link.keys)
