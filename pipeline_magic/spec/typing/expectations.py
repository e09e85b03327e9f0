"""Typing of expectations: columns, literals and conditions against the rows they are about."""

from __future__ import annotations

from typing import Any

from pipeline_magic.spec.expressions import check, nearest
from pipeline_magic.spec.model import (
    AcceptedValues,
    Expectation,
    ExpressionCheck,
    Freshness,
    NotNull,
    Pattern,
    PipelineSpec,
    Range,
    Referential,
    RowCount,
    Unique,
)
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.typed import Node
from pipeline_magic.spec.types import Type, comparable, parse_type
from pipeline_magic.spec.typing.context import Context, type_of

__all__ = ["DROPPABLE", "bound_type", "expectations"]

DROPPABLE = ("not_null", "range", "accepted_values", "pattern", "expression", "referential")
"""Kinds that say of a single row whether it fails."""


def expectations(context: Context, spec: PipelineSpec) -> tuple[Expectation, ...]:
    """Every expectation in canonical text."""
    made = []
    for item in spec.expectations:
        on = spec.target.input if item.on == "target" else item.on
        node = context.nodes.get(on)
        if node is None:
            known = {source.alias for source in spec.sources} | {step.id for step in spec.steps}
            if item.on != "target" and item.on not in known:
                context.problem(
                    f"expectations.{item.id}.on",
                    f"there is no source or step `{item.on}`",
                    nearest(item.on, ["target", *sorted(known)]),
                )
            made.append(item)
            continue
        _action(context, item)
        made.append(_one(context, item, node))
    _lookups(context, spec, made)
    return tuple(made)


def _lookups(context: Context, spec: PipelineSpec, items: list[Expectation]) -> None:
    """Rows can be dropped by looking them up only where the other side does not wait for this one in turn."""
    looks: dict[str, set[str]] = {}
    for item in items:
        if isinstance(item, Referential) and item.enabled and item.action == "drop" and item.to in context.nodes:
            on = spec.target.input if item.on == "target" else item.on
            if on in _before(context, looks, item.to):
                path = f"expectations.{item.id}.to"
                context.problem(path, f"`{item.to}` waits for the rows of `{on}`, so these cannot be looked up in it")
            looks.setdefault(on, set()).add(item.to)


def _before(context: Context, looks: dict[str, set[str]], name: str) -> set[str]:
    """Everything that must be there before the rows of `name` are."""
    found: set[str] = set()
    pending = [name]
    while pending:
        current = pending.pop()
        if current not in found and current in context.nodes:
            found.add(current)
            pending.extend((*context.nodes[current].inputs, *looks.get(current, ())))
    return found


def _action(context: Context, item: Expectation) -> None:
    path = f"expectations.{item.id}"
    if item.action == "drop" and item.kind not in DROPPABLE:
        hint = "; a deduplicate step leaves one row a key" if item.kind == "unique" else ""
        context.problem(f"{path}.action", f"{item.kind} does not say which rows fail, so none can be dropped{hint}")
    if item.action == "drop" and item.tolerance:
        context.problem(f"{path}.tolerance", "failing rows are dropped one by one, so a tolerance has no meaning here")
    if item.quarantine is not None and item.action != "drop":
        context.problem(f"{path}.quarantine", "only dropped rows go to quarantine; set the action to drop")
    if item.tolerance and item.kind in {"row_count", "freshness"}:
        context.problem(f"{path}.tolerance", f"{item.kind} is not about single rows, so no tolerance applies")


def _one(context: Context, item: Expectation, node: Node) -> Expectation:
    path = f"expectations.{item.id}"
    update: dict[str, Any] = {}
    if isinstance(item, NotNull):
        update["columns"] = context.names(f"{path}.columns", item.columns, node.columns)
    elif isinstance(item, Unique):
        update["columns"] = context.groupable(f"{path}.columns", item.columns, node.columns)
    elif isinstance(item, (Range, AcceptedValues, Pattern)):
        column = context.column(f"{path}.column", item.column, node.columns)
        if column is not None:
            update["column"] = column.name
            _values(context, path, item, column)
    elif isinstance(item, RowCount):
        if item.minimum is None and item.maximum is None:
            context.problem(f"{path}.minimum", "a row count needs a minimum or a maximum")
        elif item.minimum is not None and item.maximum is not None and item.minimum > item.maximum:
            context.problem(f"{path}.maximum", "the maximum is below the minimum")
    elif isinstance(item, Freshness):
        update = _freshness(context, item, node)
    elif isinstance(item, Referential):
        update = _referential(context, item, node)
    elif isinstance(item, ExpressionCheck):
        found = context.expression(f"{path}.condition", item.condition, node.columns, wants="boolean")
        update["condition"] = found.text if found else item.condition
    return item.model_copy(update=update)


def _values(context: Context, path: str, item: Range | AcceptedValues | Pattern, column: Column) -> None:
    kind = type_of(column)
    if isinstance(item, Pattern):
        if kind.name != "string":
            context.problem(f"{path}.column", f"a pattern is about texts, and `{column.name}` is of type {column.type}")
        _, faults = check(f"'x' RLIKE {_quoted(item.regex)}", ())
        for fault in faults:
            context.problem(f"{path}.regex", fault.message)
        return
    if isinstance(item, AcceptedValues):
        for value in item.values:
            context.literal(f"{path}.values", value, kind)
        return
    if not kind.orderable:
        context.problem(f"{path}.column", f"`{column.name}` is of type {column.type}, which has no smaller and greater")
        return
    if item.minimum is None and item.maximum is None:
        context.problem(f"{path}.minimum", "a range needs a minimum or a maximum")
    for name, bound in (("minimum", item.minimum), ("maximum", item.maximum)):
        if bound is not None:
            context.literal(f"{path}.{name}", bound, bound_type(kind))


def bound_type(kind: Type) -> Type:
    """The type of a bound: that of an exact number may have more digits than the column."""
    return parse_type("decimal(38,10)") if kind.numeric and kind.name not in {"double", "float"} else kind


def _quoted(text: str) -> str:
    from pipeline_magic.spec.literals import sql_text

    return sql_text(text)


def _freshness(context: Context, item: Freshness, node: Node) -> dict[str, Any]:
    path = f"expectations.{item.id}"
    if item.column is None:
        if node.kind != "source" or item.on == "target":
            context.problem(f"{path}.column", "only a source has a last commit; name a column of dates or timestamps")
        return {}
    column = context.column(f"{path}.column", item.column, node.columns)
    if column is None:
        return {}
    if not type_of(column).temporal:
        times = [other.name for other in node.columns if type_of(other).temporal]
        context.problem(f"{path}.column", f"`{column.name}` is of type {column.type}, no date or timestamp", times)
    return {"column": column.name}


def _referential(context: Context, item: Referential, node: Node) -> dict[str, Any]:
    path = f"expectations.{item.id}"
    columns = context.groupable(f"{path}.columns", item.columns, node.columns)
    other = context.nodes.get(item.to)
    if other is None:
        context.problem(f"{path}.to", f"there is no source or step `{item.to}`", nearest(item.to, context.nodes))
        return {"columns": columns}
    to = context.groupable(f"{path}.to_columns", item.to_columns, other.columns)
    if len(item.columns) != len(item.to_columns):
        context.problem(f"{path}.to_columns", "as many columns are needed there as here")
    for name, other_name in zip(columns, to, strict=False):
        one, two = _column(node, name), _column(other, other_name)
        if not comparable(type_of(one), type_of(two)):
            message = f"`{name}` is of type {one.type} and `{other_name}` of type {two.type}"
            context.problem(f"{path}.to_columns", message)
    return {"columns": columns, "to_columns": to}


def _column(node: Node, name: str) -> Column:
    return next(column for column in node.columns if column.name == name)
