"""Steps that work on groups of rows as DataFrame code: aggregate, pivot, window, deduplicate, top."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from pipeline_magic.compiler.fragments import framed, free_name, over, pivot_measure, ranked
from pipeline_magic.compiler.python import aliased_expr, call, column, each_on_a_line, listing, literal, sql_argument
from pipeline_magic.compiler.steps.frames import Frames, sort_key, with_columns
from pipeline_magic.spec.dialect import identifier, parse
from pipeline_magic.spec.functions import FUNCTIONS
from pipeline_magic.spec.literals import sql_literal
from pipeline_magic.spec.model import Aggregate, Deduplicate, Order, Pivot, Top, Window
from pipeline_magic.spec.types import parse_type
from pipeline_magic.spec.typing.groups import pivot_names, tie_breakers

__all__ = ["aggregate", "deduplicate", "pivot", "top", "window"]


def aggregate(frames: Frames, step: Aggregate) -> str:
    measures = [
        aliased_expr(item.expression, item.name)
        if (made := _measure(item.expression)).startswith("F.expr(")
        else f"{made}.alias({literal(item.name)})"
        for item in step.measures
    ]
    groups = [f"groupBy({listing(step.group_by)})"] if step.group_by else []
    return frames.from_input(step, [*groups, _agg(measures)])


def pivot(frames: Frames, step: Pivot) -> str:
    kind = parse_type(next(c.type for c in frames.typed.node(step.input).columns if c.name == step.column))
    measures = []
    for name, value, text in pivot_names(step):
        made = pivot_measure(text, f"{identifier(step.column)} = {sql_literal(value, kind)}")
        measures.append(aliased_expr(made, name))
    return frames.from_input(step, [f"groupBy({listing(step.group_by)})", _agg(measures)])


def window(frames: Frames, step: Window) -> list[str]:
    node = frames.typed.node(step.input)
    lines: list[str] = []
    specs: dict[str, str] = {}
    new = {}
    for item in step.columns:
        native = _window_call(item.expression)
        if native is None:
            new[item.name] = f"F.expr({sql_argument(over(item.expression, step, node))})"
            continue
        function, text = native
        orders = step.order_by
        if orders and ranked(function, step):
            orders = (*orders, *tie_breakers(node, step.partition_by, orders))
        frame = ""
        if step.frame is not None and framed(function, step):
            frame = f".{step.frame.kind}Between({_bound(step.frame.start, True)}, {_bound(step.frame.end, False)})"
        made = _window_spec(step.partition_by, orders, frame)
        name = specs.setdefault(made, f"{frames.names[step.id]}_window" + (str(len(specs) + 1) if specs else ""))
        new[item.name] = f"{text}.over({name})"
    lines += [f"{name} = {made}" for made, name in specs.items()]
    return [*lines, frames.from_input(step, [with_columns(new)])]


def deduplicate(frames: Frames, step: Deduplicate) -> list[str]:
    node = frames.typed.node(step.input)
    orders = (*step.order_by, *tie_breakers(node, step.keys, step.order_by))
    return _first_rows(frames, step, step.keys, orders, "row_number", 1)


def top(frames: Frames, step: Top) -> list[str]:
    node = frames.typed.node(step.input)
    if step.ties:
        return _first_rows(frames, step, step.partition_by, step.order_by, "rank", step.n)
    orders = (*step.order_by, *tie_breakers(node, step.partition_by, step.order_by))
    if step.partition_by:
        return _first_rows(frames, step, step.partition_by, orders, "row_number", step.n)
    return [frames.from_input(step, [call("orderBy", [sort_key(order) for order in orders]), f"limit({step.n})"])]


def _first_rows(
    frames: Frames, step: Deduplicate | Top, by: Sequence[str], orders: Sequence[Order], function: str, n: int
) -> list[str]:
    rank = free_name("_rank" if function == "rank" else "_row", frames.typed.node(step.input))
    name = f"{frames.names[step.id]}_window"
    spec = _window_spec(by, orders or (Order(column=by[0]),))
    test = f"{rank} = 1" if n == 1 else f"{rank} <= {n}"
    calls = [f"withColumn({literal(rank)}, F.{function}().over({name}))", f"where({literal(test)})"]
    return [f"{name} = {spec}", frames.from_input(step, [*calls, frames.without(step, [rank])])]


def _window_spec(partition_by: Sequence[str], orders: Sequence[Order], frame: str = "") -> str:
    made = f"Window.partitionBy({listing(partition_by)})" if partition_by or not orders else "Window"
    if orders:
        made += f".{call('orderBy', [sort_key(order) for order in orders])}"
    return made + frame


def _bound(value: int | None, start: bool) -> str:
    if value is None:
        return "Window.unboundedPreceding" if start else "Window.unboundedFollowing"
    return "Window.currentRow" if value == 0 else str(value)


def _agg(measures: Sequence[str]) -> str:
    """Several measures stand one a line."""
    if len(measures) == 1:
        return call("agg", measures)
    return each_on_a_line("agg", measures)


_NATIVE = {"sum": "sum", "avg": "avg", "mean": "avg", "min": "min", "max": "max", "count": "count", "median": "median"}


def _measure(text: str) -> str:
    """An aggregate as DataFrame code: ``F.sum("x")`` for the plain ones, F.expr for the rest."""
    tree = parse(text)
    if isinstance(tree, exp.Anonymous) and len(tree.expressions) == 1:
        name, argument = str(tree.this), tree.expressions[0]
        if name == "count" and isinstance(argument, exp.Star):
            return 'F.count("*")'
        if name == "count" and isinstance(argument, exp.Distinct) and len(argument.expressions) == 1:
            only = argument.expressions[0]
            if isinstance(only, exp.Column) and not only.table:
                return f"F.count_distinct({column(only.name)})"
        if name in _NATIVE and isinstance(argument, exp.Column) and not argument.table:
            return f"F.{_NATIVE[name]}({column(argument.name)})"
    return f"F.expr({sql_argument(text)})"


_RANKS = ("row_number", "rank", "dense_rank", "percent_rank", "cume_dist")


def _window_call(text: str) -> tuple[str, str] | None:
    """The function and the DataFrame code of a single window call without OVER; None for anything more."""
    tree = parse(text)
    if not isinstance(tree, exp.Anonymous) or FUNCTIONS[str(tree.this)].kind == "row":
        return None
    name = str(tree.this)
    if name in _RANKS:
        return name, f"F.{name}()"
    if name == "ntile":
        return name, f"F.ntile({tree.expressions[0].name})"
    if name in {"lag", "lead"} and isinstance(tree.expressions[0], exp.Column) and len(tree.expressions) <= 2:
        plain = len(tree.expressions) == 1 or isinstance(tree.expressions[1], exp.Literal)
        if tree.expressions[0].table or not plain:
            return None
        offset = f", {tree.expressions[1].name}" if len(tree.expressions) == 2 else ""
        return name, f"F.{name}({column(tree.expressions[0].name)}{offset})"
    made = _measure(text) if FUNCTIONS[name].kind == "aggregate" else ""
    return (name, made) if made.startswith("F.") and not made.startswith("F.expr") else None
