"""Window steps of a draft: running totals, the row before, shares of all and ranks, over rows or over groups."""

from __future__ import annotations

from typing import Any

from pipeline_magic.agents.specification.planner.draft import Assembly, Plan, sql
from pipeline_magic.agents.specification.planner.entities import Ref
from pipeline_magic.agents.specification.planner.intent import Windowed, measures_in, refs_in
from pipeline_magic.agents.specification.planner.layout import Layout
from pipeline_magic.runs import Question

__all__ = ["add_row_wholes", "add_wholes", "add_windows", "of_rows", "window_names"]

_PERIODS = {"hour", "day", "week", "month", "quarter", "year"}


def add_wholes(made: Assembly, plan: Plan, layout: Layout) -> None:
    """Shares of all: the whole is known only before groups are left out."""
    for item in plan.windows:
        if _is_whole(item):
            _add(made, plan, layout, item)


def _is_whole(item: Windowed) -> bool:
    return not item.shown and item.over == () and item.order == () and item.rows is None


def add_row_wholes(made: Assembly, plan: Plan, layout: Layout) -> None:
    """``how many cost more than the average``: rows are compared with the average before they are counted."""
    if not (plan.measures or plan.groups):
        return
    names = {item.name for item in plan.windows if of_rows(item.name)}
    for item in plan.windows:
        if item.name in names:
            _add(made, plan, layout, item)
    for condition in plan.filters:
        if names & set(measures_in(condition.expression)):
            step = {"id": "filter_over_all", "kind": "filter", "condition": sql(layout, condition.expression)}
            made.said(f"steps.{made.step(step)}.condition", plan.clauses(condition))


def of_rows(name: str) -> bool:
    """The name of a value over all rows that single rows are compared with."""
    return "_of_all_" in name


def add_windows(made: Assembly, plan: Plan, layout: Layout) -> None:
    """A window step for each that is no whole, and a step for what is computed from it."""
    early = {item.name for item in plan.windows if of_rows(item.name)} if plan.measures or plan.groups else set()
    for item in plan.windows:
        if not _is_whole(item) and item.name not in early:
            _add(made, plan, layout, item)
    names = window_names(plan) - early
    for late in plan.filters:
        if names & set(measures_in(late.expression)):
            step = {"id": "filter_over_all", "kind": "filter", "condition": sql(layout, late.expression)}
            made.said(f"steps.{made.step(step)}.condition", plan.clauses(late))


def window_names(plan: Plan) -> set[str]:
    """Columns that windows make."""
    return {name for item in plan.windows for name in (item.name, *(each for each, _ in item.columns))}


def _add(made: Assembly, plan: Plan, layout: Layout, item: Windowed) -> None:
    clauses = plan.clauses(item)
    over = [_name(layout, text) for text in item.over] if item.over is not None else _other_keys(made, item)
    order = _order(made, plan, layout, item)
    if order is None:
        made.questions.append(
            Question(
                id=f"order:{item.name}",
                text=f"In which order of rows is {item.name} computed?",
                why="It looks at the row before, and the statement names no order and groups by no period.",
                path="steps",
                free=True,
                clauses=clauses,
            )
        )
        return
    step: dict[str, Any] = {
        "id": f"over_{item.name}"[:63],
        "kind": "window",
        "partition_by": over,
        "order_by": order,
        "columns": [{"name": item.name, "expression": sql(layout, item.expression)}],
    }
    if item.rows is not None:
        step["frame"] = {"kind": "rows", "start": item.rows[0], "end": item.rows[1]}
    identity = made.step(step)
    path = f"steps.{identity}"
    if item.assumed:
        made.assumed(f"{path}.columns.{item.name}", item.assumed, clauses=clauses)
    else:
        made.said(f"{path}.columns.{item.name}", clauses)
    if item.over is None and over:
        made.assumed(f"{path}.partition_by", f"computed for each {' and '.join(over)}", clauses=clauses)
    made.columns += [item.name] if made.columns else []
    if item.columns:
        columns = [{"name": name, "expression": sql(layout, text)} for name, text in item.columns]
        derived = made.step({"id": f"from_{item.name}"[:63], "kind": "derive", "columns": columns})
        for name, _ in item.columns:
            made.said(f"steps.{derived}.columns.{name}", clauses)
        made.columns += [name for name, _ in item.columns] if made.columns else []


def _name(layout: Layout, text: str) -> str:
    refs = refs_in(text)
    return layout.name(refs[0]) if refs else measures_in(text)[0]


def _groups(made: Assembly) -> list[str]:
    step = next((step for step in reversed(made.steps) if step["kind"] == "aggregate"), None)
    return list(step["group_by"]) if step is not None else []


def _is_period(made: Assembly, name: str) -> bool:
    periods = next((step for step in made.steps if step["id"].startswith("periods")), None)
    named = {column["name"] for column in periods["columns"]} if periods is not None else set()
    return name in named or name.split("_")[0] in _PERIODS


def _other_keys(made: Assembly, item: Windowed) -> list[str]:
    """Where nothing is said of it, groups by month and channel are followed for each channel."""
    groups = _groups(made)
    if item.order is not None and not item.order:
        return []
    periods = [name for name in groups if _is_period(made, name)]
    return [name for name in groups if name not in periods] if periods else []


def _order(made: Assembly, plan: Plan, layout: Layout, item: Windowed) -> list[dict[str, Any]] | None:
    """Sort keys; the periods of the groups, or the one date of single rows, where words leave it open."""
    if item.order:
        found = [{"column": _name(layout, text), "descending": falls} for text, falls in item.order]
        return [{"column": key["column"], "descending": key["descending"]} for key in found]
    if item.order is not None:
        return []
    periods = [name for name in _groups(made) if _is_period(made, name)]
    if periods:
        return [{"column": name} for name in sorted(periods, key=lambda name: name.split("_")[0] != "year")]
    refs = refs_in(item.expression)
    if not refs or _groups(made):
        return None
    table = plan.tables[refs[0].table]
    dates = table.of_kind("date", "timestamp")
    if len(dates) != 1:
        return None
    rest = [name for name in table.key if name != dates[0].name]
    return [{"column": layout.name(dates[0].ref)}, *({"column": layout.name(Ref(table.name, name))} for name in rest)]
