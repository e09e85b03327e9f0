"""Typing of the steps that work on groups of rows: aggregate, window, segment, deduplicate, top, pivot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pipeline_magic.spec.literals import sql_literal
from pipeline_magic.spec.model import Aggregate, Deduplicate, Order, Pivot, Segment, Top, Window
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.typed import Node
from pipeline_magic.spec.typing.context import Context, Keys, Typed, find, minimal, type_of, unique_by
from pipeline_magic.spec.typing.rows import reserved

__all__ = [
    "EntriesOrder",
    "aggregate",
    "deduplicate",
    "pivot",
    "pivot_names",
    "segment",
    "tie_breakers",
    "top",
    "unordered",
    "window",
]


class EntriesOrder(Order):
    """A sort key that is a map: ordered by its entries, those in the order of their keys."""


def tie_breakers(node: Node, partition_by: Iterable[str], order_by: Sequence[Order]) -> tuple[Order, ...]:
    """What to sort by after `order_by`, so that the order is total and each run picks the same rows.

    Args:
        node: The input.
        partition_by: Columns that are equal within a group.
        order_by: The sort keys asked for.

    Returns:
        Nothing where the sort keys decide; else every other column that can be ordered, in the order of the input.
    """
    made: list[Order] = []
    for column in _undecided(node, partition_by, order_by):
        kind = type_of(column)
        if kind.orderable:
            made.append(Order(column=column.name))
        elif kind.ordered_by_entries:
            made.append(EntriesOrder(column=column.name))
    return tuple(made)


def unordered(node: Node, partition_by: Iterable[str], order_by: Sequence[Order]) -> tuple[str, ...]:
    """Columns in which rows may differ that no tie breaker tells apart, such as a variant."""
    left = [(column.name, type_of(column)) for column in _undecided(node, partition_by, order_by)]
    return tuple(name for name, kind in left if not kind.orderable and not kind.ordered_by_entries)


def _undecided(node: Node, partition_by: Iterable[str], order_by: Sequence[Order]) -> tuple[Column, ...]:
    named = {*partition_by, *(order.column for order in order_by)}
    if unique_by(node.keys, named):
        return ()
    return tuple(column for column in node.columns if column.name not in named)


def _warn_of_ties(
    context: Context, path: str, node: Node, partition_by: Sequence[str], order_by: Sequence[Order], what: str
) -> None:
    added = tie_breakers(node, partition_by, order_by)
    if added:
        shown = ", ".join(f"`{order.column}`" for order in added[:3]) + (", …" if len(added) > 3 else "")
        context.warn(
            path, f"the order does not decide {what} where rows are equal; then {shown} decide, smallest first"
        )
    loose = unordered(node, partition_by, order_by)
    if loose:
        context.warn(path, f"`{loose[0]}` cannot be ordered, so rows that differ only there may change from run to run")


def takes_any_of_ties(expression: str) -> bool:
    """Whether an expression takes a value from any of the rows that tie.

    >>> takes_any_of_ties("coalesce(max_by(id, day), 0)"), takes_any_of_ties("max(id)")
    (True, False)
    """
    return re.search(r"\b(?:max|min)_by\(", expression) is not None


def aggregate(context: Context, step: Aggregate, node: Node) -> Typed:
    path = f"steps.{step.id}"
    group_by = context.groupable(f"{path}.group_by", step.group_by, node.columns)
    columns = [column for name in group_by if (column := find(name, node.columns))]
    made = []
    for item in step.measures:
        where = f"{path}.measures.{item.name}"
        found = context.expression(f"{where}.expression", item.expression, node.columns, "aggregate", group_by=group_by)
        reserved(context, where, item.name)
        kind = str(found.type) if found else "bigint"
        if found and takes_any_of_ties(found.text):
            context.warn(f"{where}.expression", "of rows that tie, any may be taken; a run again may take another")
        if kind == "void":
            context.problem(f"{where}.expression", "NULL alone has no type; write CAST(NULL AS …)")
        columns.append(Column(name=item.name, type=kind, nullable=found.nullable if found else True))
        made.append(item.model_copy(update={"expression": found.text if found else item.expression}))
    context.distinct(f"{path}.measures", columns)
    new = step.model_copy(update={"group_by": group_by, "measures": tuple(made)})
    return Typed(new, tuple(columns), minimal([group_by]))


def window(context: Context, step: Window, node: Node) -> Typed:
    path = f"steps.{step.id}"
    partition_by = context.groupable(f"{path}.partition_by", step.partition_by, node.columns)
    order_by = context.orders(f"{path}.order_by", step.order_by, node.columns)
    _frame(context, step, node, order_by)
    columns, made = list(node.columns), []
    for item in step.columns:
        where = f"{path}.columns.{item.name}"
        found = context.expression(f"{where}.expression", item.expression, node.columns, "window")
        reserved(context, where, item.name)
        if found is not None:
            _ordered(context, f"{where}.expression", found.text, order_by)
        columns.append(
            Column(
                name=item.name,
                type=str(found.type) if found else "bigint",
                nullable=found.nullable if found else True,
            )
        )
        made.append(item.model_copy(update={"expression": found.text if found else item.expression}))
    context.distinct(f"{path}.columns", columns)
    if order_by:
        _warn_of_ties(context, f"{path}.order_by", node, partition_by, order_by, "which row comes first")
    new = step.model_copy(update={"partition_by": partition_by, "order_by": order_by, "columns": tuple(made)})
    return Typed(new, tuple(columns), node.keys)


_NEEDS_ORDER = (
    "row_number(", "rank(", "dense_rank(", "percent_rank(", "cume_dist(", "ntile(", "lag(", "lead(", "first_value(",
    "last_value(", "nth_value(",
)  # fmt: skip


def _ordered(context: Context, path: str, text: str, order_by: Sequence[Order]) -> None:
    missing = next((name for name in _NEEDS_ORDER if name in text), None)
    if missing and not order_by:
        context.problem(path, f"{missing.rstrip('(')} needs `order_by`, or its result would change from run to run")


def _frame(context: Context, step: Window, node: Node, order_by: Sequence[Order]) -> None:
    frame, path = step.frame, f"steps.{step.id}.frame"
    if frame is None:
        return
    if not order_by:
        context.problem(path, "a frame needs `order_by`")
    if frame.start is not None and frame.end is not None and frame.start > frame.end:
        context.problem(path, "the frame ends before it starts")
    if frame.kind == "range" and (frame.start or frame.end):
        column = find(order_by[0].column, node.columns) if len(order_by) == 1 else None
        if column is None or not type_of(column).numeric:
            context.problem(path, "a frame of values needs exactly one `order_by` column, and it must be a number")


def segment(context: Context, step: Segment, node: Node) -> Typed:
    path = f"steps.{step.id}"
    by = context.column(f"{path}.by", step.by, node.columns) if step.by is not None else None
    if by is not None and not type_of(by).orderable:
        context.problem(f"{path}.by", f"`{by.name}` is of type {by.type} and cannot be ranked")
    partition_by = context.groupable(f"{path}.partition_by", step.partition_by, node.columns)
    made = []
    for rule in step.rules:
        where = f"{path}.rules.{rule.label}"
        if rule.top is not None and step.by is None:
            context.problem(f"{path}.by", f"the rule `{rule.label}` takes the top {rule.top:g}, but `by` is not set")
        if rule.condition is None:
            made.append(rule)
            continue
        found = context.expression(f"{where}.condition", rule.condition, node.columns, wants="boolean")
        made.append(rule.model_copy(update={"condition": found.text if found else rule.condition}))
    reserved(context, f"{path}.column", step.column)
    columns = (*node.columns, Column(name=step.column, type="string", nullable=step.otherwise is None))
    context.distinct(f"{path}.column", columns)
    update = {"by": by.name if by else step.by, "partition_by": partition_by, "rules": tuple(made)}
    return Typed(step.model_copy(update=update), columns, node.keys)


def deduplicate(context: Context, step: Deduplicate, node: Node) -> Typed:
    path = f"steps.{step.id}"
    keys = context.groupable(f"{path}.keys", step.keys, node.columns)
    order_by = context.orders(f"{path}.order_by", step.order_by, node.columns)
    _warn_of_ties(context, f"{path}.order_by", node, keys, order_by, "which row is kept")
    made = step.model_copy(update={"keys": keys, "order_by": order_by})
    return Typed(made, node.columns, minimal([keys, *node.keys]))


def top(context: Context, step: Top, node: Node) -> Typed:
    path = f"steps.{step.id}"
    partition_by = context.groupable(f"{path}.partition_by", step.partition_by, node.columns)
    order_by = context.orders(f"{path}.order_by", step.order_by, node.columns)
    if not step.ties:
        _warn_of_ties(context, f"{path}.order_by", node, partition_by, order_by, "which rows are in")
    one: Keys = (partition_by,) if step.n == 1 and not step.ties and partition_by else ()
    made = step.model_copy(update={"partition_by": partition_by, "order_by": order_by})
    return Typed(made, node.columns, minimal([*one, *node.keys]))


def pivot_names(step: Pivot) -> tuple[tuple[str, bool | int | float | str, str], ...]:
    """For each new column: its name, the value it is for, and the measure's expression."""
    return tuple(
        (_label(value) if len(step.measures) == 1 else f"{_label(value)}_{measure.name}", value, measure.expression)
        for value in step.values
        for measure in step.measures
    )


def _label(value: bool | int | float | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def pivot(context: Context, step: Pivot, node: Node) -> Typed:
    path = f"steps.{step.id}"
    group_by = context.groupable(f"{path}.group_by", step.group_by, node.columns)
    column = context.column(f"{path}.column", step.column, node.columns)
    seen: set[str] = set()
    kind = type_of(column) if column is not None else None
    for value in step.values if kind is not None else ():
        assert kind is not None
        try:
            literal = sql_literal(value, kind)
        except ValueError as error:
            context.problem(f"{path}.values", str(error))
            continue
        if literal in seen:
            context.problem(f"{path}.values", f"{value!r} is named twice")
        seen.add(literal)
    measures, kinds = [], {}
    for item in step.measures:
        where = f"{path}.measures.{item.name}.expression"
        found = context.expression(where, item.expression, node.columns, "aggregate")
        if found is not None and " FILTER (" in found.text:
            context.problem(where, "FILTER is not allowed in a pivot; use CASE inside the aggregate")
        text = found.text if found else item.expression
        measures.append(item.model_copy(update={"expression": text}))
        kinds[text] = str(found.type) if found else "bigint"
    new = step.model_copy(
        update={"group_by": group_by, "column": column.name if column else step.column, "measures": tuple(measures)}
    )
    made = [Column(name=name, type=kinds[text], nullable=True) for name, _, text in pivot_names(new)]
    columns = (*(grouped for name in group_by if (grouped := find(name, node.columns))), *made)
    context.distinct(f"{path}.values", columns)
    return Typed(new, tuple(columns), minimal([group_by]))
