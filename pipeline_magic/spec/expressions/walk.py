"""The walk over a syntax tree: where each kind of node is sent, and the faults collected on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from sqlglot import exp

from pipeline_magic.spec.dialect import Tree
from pipeline_magic.spec.expressions.values import BAD, Fault, Place, Value, position
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.types import BOOLEAN

__all__ = ["Walker"]

_NAMES: dict[type[Tree], str] = {
    exp.Subquery: "a subquery",
    exp.Select: "a subquery (SELECT)",
    exp.Exists: "EXISTS",
    exp.Star: "`*` outside count(*)",
    exp.Placeholder: "a parameter",
    exp.Parameter: "a variable",
    exp.SessionParameter: "a session variable",
    exp.Lambda: "a lambda function",
    exp.JSONExtract: "a `:` path or a lambda function",
    exp.Alias: "AS (the field's own name is used)",
    exp.Concat: "a doubled quote or two texts side by side (write a quote inside a text as \\')",
    exp.IgnoreNulls: "IGNORE NULLS",
    exp.WithinGroup: "WITHIN GROUP",
    exp.Collate: "COLLATE",
    exp.AtTimeZone: "AT TIME ZONE (use from_utc_timestamp)",
    exp.HexString: "a binary literal",
    exp.Tuple: "a list in parentheses",
    exp.Values: "VALUES",
    exp.Any: "ANY",
}


class Walker:
    """Walks a tree, replaces what must be spelled otherwise, and collects every fault.

    Args:
        columns: The columns that may be read.
        place: See the module.
        group_by: Columns, in small letters, that may stand outside an aggregate.
    """

    methods: ClassVar[dict[type, str]] = {}
    """The method that checks a kind of node."""

    def __init__(self, columns: Sequence[Column], place: Place, group_by: set[str]) -> None:
        self.available = columns
        self.by_name = {column.name.casefold(): column for column in columns}
        self.place = place
        self.group_by = group_by
        self.faults: list[Fault] = []
        self.columns: list[str] = []
        self.computes = False
        self.depth = 0  # inside how many aggregates

    # -- the whole

    def whole(self, value: Value, wants: str) -> None:
        if self.place == "aggregate" and not self.computes:
            self.fault("a measure needs an aggregate, such as sum(…) or count(*)")
        if self.place == "window" and not self.computes:
            self.fault("a window column needs a window function or an aggregate, such as row_number() or lag(…)")
        if wants == "boolean" and value.type != BOOLEAN:
            self.fault(f"a condition is true or false, and this is of type {value.type}")
        if not wants and value.type.name == "interval":
            self.fault("a column cannot hold an interval; use datediff or timestampdiff")

    def fault(self, message: str, available: Sequence[str] = (), node: Tree | None = None) -> Value:
        self.faults.append(Fault(message, tuple(available), position(node)))
        return BAD

    # -- dispatch

    def value(self, node: Tree) -> Value:
        """The type of a node, after every fault in it was collected."""
        if isinstance(node, exp.Column):
            return self.column(node)
        if isinstance(node, exp.Window):
            return self.window(node)
        for kind in type(node).__mro__:
            if kind in self.methods:
                method: Callable[[Any], Value] = getattr(self, self.methods[kind])
                return method(node)
        if isinstance(node, exp.Func) and type(node) not in _NAMES:
            return self.unknown(node.sql_name().lower(), node)
        name = _NAMES.get(type(node)) or f"{type(node).__name__.upper()}"
        return self.fault(f"{name} is not allowed in an expression", node=node)

    def values(self, nodes: Iterable[Tree]) -> list[Value]:
        return [self.value(node) for node in list(nodes)]

    # -- what each layer above adds

    def column(self, node: exp.Column) -> Value:
        """A column, by whatever names it."""
        raise NotImplementedError

    def window(self, node: exp.Window) -> Value:
        """A call with OVER."""
        raise NotImplementedError

    def unknown(self, name: str, node: Tree) -> Value:
        """A function that is not in the table."""
        raise NotImplementedError
