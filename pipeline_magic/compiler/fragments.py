"""Pieces of SQL that several emitters share: sort orders, windows, the CASE of a segment, measures of a pivot."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from pipeline_magic.spec.dialect import identifier, parse, render
from pipeline_magic.spec.functions import FUNCTIONS
from pipeline_magic.spec.literals import sql_text
from pipeline_magic.spec.model import Frame, Join, JoinKey, Order, Segment, SegmentRule, Unpivot, Window
from pipeline_magic.spec.typed import Node
from pipeline_magic.spec.typing.groups import EntriesOrder, tie_breakers

__all__ = [
    "case_of_segment",
    "equal_keys",
    "frame_clause",
    "free_name",
    "full_order",
    "in_top",
    "order_clause",
    "over",
    "pivot_measure",
    "ranked",
    "stack_of",
]


def order_clause(orders: Sequence[Order]) -> str:
    """Sort keys as they stand after ORDER BY; where NULLs go is always said."""
    return ", ".join(
        f"{_sorted_by(order)} {'DESC' if order.descending else 'ASC'} NULLS {'FIRST' if order.nulls_first else 'LAST'}"
        for order in orders
    )


def _sorted_by(order: Order) -> str:
    name = identifier(order.column)
    return f"sort_array(map_entries({name}))" if isinstance(order, EntriesOrder) else name


def full_order(node: Node, partition_by: Sequence[str], orders: Sequence[Order]) -> str:
    """Sort keys with what makes the order total after them."""
    return order_clause((*orders, *tie_breakers(node, partition_by, orders)))


def equal_keys(step: Join) -> tuple[JoinKey, ...]:
    """Keys that have one name on both sides, and so stand once in the result."""
    return tuple(key for key in step.keys if key.left.casefold() == key.right.casefold())


def free_name(name: str, node: Node) -> str:
    """`name`, with underscores before it until no column is called so."""
    taken = {column.name.casefold() for column in node.columns}
    while name in taken:
        name = "_" + name
    return name


# --- windows -----------------------------------------------------------------------------------------------------

_DECIDED_BY_ORDER = frozenset({"row_number", "ntile", "lag", "lead", "first_value", "last_value", "nth_value"})
_FRAMED = frozenset({"first_value", "last_value", "nth_value"})


def ranked(name: str, step: Window) -> bool:
    """Whether rows that the order holds equal must be told apart for this function to give one answer."""
    rows = step.frame is not None and step.frame.kind == "rows"
    return name in _DECIDED_BY_ORDER or (FUNCTIONS[name].kind == "aggregate" and rows)


def frame_clause(frame: Frame) -> str:
    """``ROWS BETWEEN 2 PRECEDING AND CURRENT ROW``."""

    def bound(value: int | None, open_end: str) -> str:
        if value is None:
            return f"UNBOUNDED {open_end}"
        if value == 0:
            return "CURRENT ROW"
        return f"{abs(value)} {'PRECEDING' if value < 0 else 'FOLLOWING'}"

    return f"{frame.kind.upper()} BETWEEN {bound(frame.start, 'PRECEDING')} AND {bound(frame.end, 'FOLLOWING')}"


def framed(name: str, step: Window) -> bool:
    """Whether the step's frame applies to this function."""
    return step.frame is not None and (FUNCTIONS[name].kind == "aggregate" or name in _FRAMED)


def over(text: str, step: Window, node: Node) -> str:
    """The expression with OVER (…) after each of its window functions and aggregates."""
    root = exp.Paren(this=parse(text))
    for call in list(root.find_all(exp.Anonymous)):
        name = str(call.this)
        if name in FUNCTIONS and FUNCTIONS[name].kind != "row":
            call.replace(exp.Var(this=f"{render(call)} OVER ({_window(name, step, node)})"))
    return render(root.this)


def _window(name: str, step: Window, node: Node) -> str:
    parts = []
    if step.partition_by:
        parts.append("PARTITION BY " + ", ".join(identifier(column) for column in step.partition_by))
    if step.order_by:
        full = ranked(name, step)
        parts.append(
            "ORDER BY " + (full_order(node, step.partition_by, step.order_by) if full else order_clause(step.order_by))
        )
    if step.frame is not None and framed(name, step):
        parts.append(frame_clause(step.frame))
    return " ".join(parts)


# --- segments, pivots --------------------------------------------------------------------------------------------


def in_top(step: Segment, rule: SegmentRule) -> str:
    """The condition of a `top` rule."""
    assert step.by is not None and rule.top is not None
    by = identifier(step.by)
    if rule.top >= 1:
        return f"{by} IS NOT NULL"
    groups = f"PARTITION BY {', '.join(identifier(name) for name in step.partition_by)} " if step.partition_by else ""
    return f"{by} IS NOT NULL AND percent_rank() OVER ({groups}ORDER BY {by} DESC NULLS LAST) < {rule.top!r}"


def case_of_segment(step: Segment) -> str:
    """``CASE WHEN … THEN 'label' … ELSE 'otherwise' END``, a rule a line."""
    lines = [
        f"  WHEN {rule.condition if rule.condition is not None else in_top(step, rule)} THEN {sql_text(rule.label)}"
        for rule in step.rules
    ]
    if step.otherwise is not None:
        lines.append(f"  ELSE {sql_text(step.otherwise)}")
    return "\n".join(["CASE", *lines, "END"])


def stack_of(step: Unpivot, node: Node, out: Node, prefix: str = "") -> str:
    """``stack(2, 'a', a, 'b', b)``, every value in the one type of the result.

    Not UNPIVOT: where some of the columns can be NULL and others cannot, Sail fails on it.
    """
    kinds = {column.name: column.type for column in node.columns}
    wanted = next(column.type for column in out.columns if column.name == step.value_column)
    pairs = []
    for name in step.columns:
        value = f"{prefix}{identifier(name)}"
        pairs += [sql_text(name), value if kinds[name] == wanted else f"CAST({value} AS {wanted.upper()})"]
    return f"stack({len(step.columns)}, {', '.join(pairs)})"


def pivot_measure(text: str, condition: str) -> str:
    """A measure over the rows that meet the condition: FILTER after each of its aggregates.

    ``count_if`` takes the condition into its own, for the local engine does not see a FILTER after it.
    """
    root = exp.Paren(this=parse(text))
    for call in list(root.find_all(exp.Anonymous)):
        name = str(call.this)
        if name in FUNCTIONS and FUNCTIONS[name].kind == "aggregate":
            made = f"{render(call)} FILTER (WHERE {condition})"
            if name == "count_if":
                made = f"count_if({condition} AND ({render(call.expressions[0])}))"
            call.replace(exp.Var(this=made))
    return render(root.this)
