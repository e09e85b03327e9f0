"""Checking of what stands at the ends of a tree: columns, literals, intervals."""

from __future__ import annotations

from sqlglot import exp

from pipeline_magic.spec.dialect import Tree, identifier
from pipeline_magic.spec.expressions.values import BAD, Value, nearest, position
from pipeline_magic.spec.expressions.walk import Walker
from pipeline_magic.spec.functions import UNITS
from pipeline_magic.spec.types import BIGINT, BOOLEAN, DOUBLE, INT, INTERVAL, STRING, VOID, Type, array, parse_type

__all__ = ["Leaves"]


class Leaves(Walker):
    """Columns and literals."""

    def column(self, node: exp.Column) -> Value:
        if isinstance(node.this, exp.Star):
            return self.fault("`*` is not allowed in an expression; only count(*) is")
        parts = [part for part in (node.args.get("catalog"), node.args.get("db"), node.args.get("table")) if part]
        names = [part.name for part in (*parts, node.this)]
        found = self.by_name.get(names[0].casefold())
        if found is None:
            hint = " (columns are named without their table)" if len(names) > 1 else ""
            return self.fault(
                f"there is no column `{names[0]}`{hint}",
                nearest(names[0], (column.name for column in self.available)),
                node,
            )
        if self.place == "aggregate" and not self.depth and found.name.casefold() not in self.group_by:
            return self.fault(f"`{found.name}` stands outside an aggregate and is not in `group_by`", node=node)
        self.columns.append(found.name)
        value = Value(parse_type(found.type), found.nullable)
        spelled = [found.name]
        for name in names[1:]:
            field = self.field(value, name, f"`{'.'.join(spelled)}`", node)
            if field is None:
                return BAD
            own, value = field
            spelled.append(own)
        rendered = exp.Var(this=".".join(identifier(name) for name in spelled))
        start = position(node)
        if start is not None:
            rendered.meta["start"] = start
        node.replace(rendered)
        return value

    def field(self, value: Value, name: str, shown: str, node: Tree) -> tuple[str, Value] | None:
        """A field of a struct, or of each struct in an array, in its own spelling; None after a fault."""
        listed = value.type.name == "array"
        kind = value.type.parts[0] if listed else value.type
        if kind.name != "struct":
            self.fault(f"{shown} is of type {value.type} and has no fields", node=node)
            return None
        place = next((i for i, own in enumerate(kind.fields) if own.casefold() == name.casefold()), None)
        if place is None:
            self.fault(f"{shown} has no field `{name}`", nearest(name, kind.fields), node)
            return None
        return kind.fields[place], Value(array(kind.parts[place]) if listed else kind.parts[place])

    def window(self, node: exp.Window) -> Value:
        return self.fault("OVER (use a window step) is not allowed in an expression", node=node)

    def literal(self, node: exp.Literal) -> Value:
        text = str(node.this)
        if node.is_string:
            return Value(STRING, False, text)
        if text.isdecimal():
            number = int(text)
            if number >= 2**63:
                return Value(Type("decimal", min(38, len(text)), 0), False, text) if len(text) <= 38 else BAD
            return Value(INT if number < 2**31 else BIGINT, False, text)
        if "e" in text.lower():
            return Value(DOUBLE, False)
        whole, _, rest = text.partition(".")
        digits = len(whole.lstrip("0")) + len(rest)
        if digits > 38 or not (whole + rest).isdecimal():
            return self.fault(f"`{text}` is no number Spark can hold", node=node)
        return Value(Type("decimal", max(digits, len(rest), 1), len(rest)), False)

    def raw(self, node: exp.RawString) -> Value:
        node.replace(exp.Literal.string(str(node.this)))
        return Value(STRING, False, str(node.this))

    def boolean(self, node: exp.Boolean) -> Value:
        return Value(BOOLEAN, False)

    def null(self, node: exp.Null) -> Value:
        return Value(VOID, True)

    def interval(self, node: exp.Interval) -> Value:
        unit = str(node.args.get("unit") or "").upper().rstrip("S")
        amount = node.this
        text = str(amount.this) if isinstance(amount, exp.Literal) else ""
        if unit not in UNITS or unit == "QUARTER" or not text.lstrip("-").isdecimal():
            return self.fault("an interval is written as INTERVAL 3 DAYS, with a whole number and one unit", node=node)
        if not isinstance(node.parent, exp.Paren) and any(_is_unit(column.name) for column in self.available):
            # Sail would read on: in ``INTERVAL '1' DAY OR month = 2`` the column's name looks like one more unit
            node.replace(exp.Paren(this=node.copy()))
        return Value(INTERVAL, False, unit)


def _is_unit(name: str) -> bool:
    return name.upper().removesuffix("S") in UNITS
