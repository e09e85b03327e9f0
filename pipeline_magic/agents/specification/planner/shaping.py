"""Steps after the joins: conditions over several tables, new columns, groups, flags, segments, top, final columns."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_magic.agents.specification.planner.cleaning import add_changes
from pipeline_magic.agents.specification.planner.draft import Assembly, Plan, sql
from pipeline_magic.agents.specification.planner.groups import on_rows
from pipeline_magic.agents.specification.planner.intent import (
    Derive,
    Filter,
    Tally,
    measures_in,
    refs_in,
)
from pipeline_magic.agents.specification.planner.joining import stands_before, trace_filter
from pipeline_magic.agents.specification.planner.labels import add_segment, add_top, segment_on_rows
from pipeline_magic.agents.specification.planner.layout import Layout
from pipeline_magic.agents.specification.planner.nested import add_outer
from pipeline_magic.agents.specification.planner.overrows import add_row_wholes, add_wholes, add_windows, window_names

__all__ = ["add_rest", "add_row_steps"]


def add_row_steps(made: Assembly, plan: Plan, layout: Layout) -> None:
    """Conditions and new columns on single rows."""
    for item in plan.filters:
        if measures_in(item.expression) == () and stands_before(plan, layout, item) is None:
            refs = refs_in(item.expression)
            identity = made.step(
                {
                    "id": f"filter_{refs[0].column if refs else 'rows'}".casefold()[:60],
                    "kind": "filter",
                    "condition": sql(layout, item.expression),
                }
            )
            trace_filter(made, plan, item, f"steps.{identity}.condition")
    if plan.measures:
        add_changes(made, plan, layout, renames=False)
    rows = [item for item in plan.derives if on_rows(plan, item.expression)]
    _add_derives(made, plan, layout, rows, "derive")
    add_row_wholes(made, plan, layout)
    late = window_names(plan)
    for item in plan.filters:
        if late & set(measures_in(item.expression)):
            continue
        if measures_in(item.expression) and on_rows(plan, item.expression):
            identity = made.step({"id": "filter_derived", "kind": "filter", "condition": sql(layout, item.expression)})
            trace_filter(made, plan, item, f"steps.{identity}.condition")
    if plan.measures:
        for segment in plan.segments:
            if segment_on_rows(plan, segment) and segment.column in {
                name for group in plan.groups for name, _ in group.columns
            }:
                add_segment(made, plan, layout, segment)


def _add_derives(made: Assembly, plan: Plan, layout: Layout, items: Sequence[Derive], identity: str) -> None:
    """New columns; one that uses another of them stands in a later step."""
    rest = list(items)
    while rest:
        names = {item.name for item in rest}
        ready = [item for item in rest if not names & set(measures_in(item.expression))] or rest
        columns = [{"name": item.name, "expression": sql(layout, item.expression)} for item in ready]
        step = made.step({"id": identity, "kind": "derive", "columns": columns})
        for item in ready:
            made.said(f"steps.{step}.columns.{item.name}", plan.clauses(item))
        rest = [item for item in rest if item not in ready]


# --- after the groups --------------------------------------------------------------------------------------------


def add_rest(made: Assembly, plan: Plan, layout: Layout) -> None:
    """Conditions on groups, columns over measures, flags, segments, top, and the columns to be shown."""
    add_outer(made, plan)
    over = [item for item in plan.derives if not on_rows(plan, item.expression)]
    _add_derives(made, plan, layout, over, "derive_metrics")
    made.columns += [item.name for item in over] if made.columns else []
    late = window_names(plan)
    add_wholes(made, plan, layout)
    for item in plan.filters:
        if measures_in(item.expression) and not on_rows(plan, item.expression):
            if late & set(measures_in(item.expression)):
                continue
            _add_having(made, plan, layout, item)
    _add_tally(made, plan)
    for flag in plan.flags:
        column = {"name": flag.name, "expression": f"coalesce({sql(layout, flag.expression)}, false)"}
        identity = made.step({"id": "flag_rows", "kind": "derive", "columns": [column]})
        made.said(f"steps.{identity}.columns.{flag.name}", plan.clauses(flag))
        made.columns += [flag.name] if made.columns else []
    add_windows(made, plan, layout)
    grouped = {name for group in plan.groups for name, _ in group.columns}
    for segment in plan.segments:
        if not (plan.measures and segment.column in grouped):
            add_segment(made, plan, layout, segment)
    for top in plan.tops:
        add_top(made, plan, layout, top)
    add_changes(made, plan, layout, renames=False)
    if plan.selected and not plan.measures:
        _add_select(made, plan, layout)
    add_changes(made, plan, layout, renames=True)


def _add_tally(made: Assembly, plan: Plan) -> None:
    """The number of groups that are left."""
    for item in plan.of(Tally):
        measures = [{"name": item.name, "expression": "count(*)"}]
        identity = made.step({"id": "over_groups", "kind": "aggregate", "group_by": [], "measures": measures})
        made.said(f"steps.{identity}.group_by", plan.clauses(item))
        made.said(f"steps.{identity}.measures.{item.name}", plan.clauses(item))
        made.columns = [item.name]


def _add_having(made: Assembly, plan: Plan, layout: Layout, item: Filter) -> None:
    identity = made.step({"id": "keep_groups", "kind": "filter", "condition": sql(layout, item.expression)})
    trace_filter(made, plan, item, f"steps.{identity}.condition")


def _add_select(made: Assembly, plan: Plan, layout: Layout) -> None:
    names = [layout.name(key) for item in plan.latest for key in item.keys]
    names += [layout.name(ref) for item in plan.tops for text in item.per for ref in refs_in(text)]
    names += [layout.name(item.ref) for item in plan.selected if item.ref.table in layout.tables]
    names += (
        [item.name for item in plan.derives]
        + [flag.name for flag in plan.flags]
        + [segment.column for segment in plan.segments]
        + [name for item in plan.windows for name in (item.name, *(each for each, _ in item.columns))]
    )
    if plan.together is not None and plan.together.tag:
        names.append(plan.together.tag)
    names = list(dict.fromkeys(names))
    if not names:
        return
    identity = made.step({"id": "select_columns", "kind": "select", "columns": names})
    made.said(f"steps.{identity}.columns", plan.clauses(*plan.selected))
    made.columns = names
    if plan.distinct:
        identity = made.step({"id": "distinct_rows", "kind": "deduplicate", "keys": names, "order_by": []})
        made.said(f"steps.{identity}.keys", plan.clauses(*plan.distinct))
