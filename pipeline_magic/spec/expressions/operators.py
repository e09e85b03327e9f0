"""Checking of operators, comparisons, conditions, CASE, CAST, EXTRACT and brackets."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from pipeline_magic.spec.dialect import Tree, identifier
from pipeline_magic.spec.expressions.casts import castable
from pipeline_magic.spec.expressions.leaves import Leaves
from pipeline_magic.spec.expressions.values import BAD, Value, call_of, is_run_time, nearest
from pipeline_magic.spec.functions import UNITS
from pipeline_magic.spec.types import (
    BOOLEAN,
    DATE,
    INT,
    INTERVAL,
    STRING,
    TIMESTAMP,
    VOID,
    Type,
    arithmetic,
    common,
    comparable,
    parse_type,
)

__all__ = ["OPERATORS", "Operators", "digits_of", "is_date"]

OPERATORS: dict[type[Tree], str] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.IntDiv: "div",
}  # fmt: skip


class Operators(Leaves):
    """Everything between leaves and calls."""

    def paren(self, node: exp.Paren) -> Value:
        return self.value(node.this)

    def negative(self, node: exp.Neg) -> Value:
        value = self.value(node.this)
        if not value.bad and not (value.type.numeric or value.type.name == "interval"):
            return self.fault(f"`-` needs a number, and this is of type {value.type}", node=node)
        return Value(value.type, value.nullable, value.literal, value.bad)

    def arithmetic(self, node: exp.Binary) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        if left.bad or right.bad:
            return BAD
        operator = OPERATORS[type(node)]
        made = arithmetic(operator, left.type, right.type, digits_of(left), digits_of(right))
        if made is None:
            hint = {"+": "; use date_add", "-": "; use datediff or date_sub"}.get(operator, "")
            hint = hint if left.type.temporal or right.type.temporal else ""
            return self.fault(f"`{operator}` does not work on {left.type} and {right.type}{hint}", node=node)
        units = {left.literal if left.type == INTERVAL else "", right.literal if right.type == INTERVAL else ""}
        if made == DATE and units & {"HOUR", "MINUTE", "SECOND"}:
            made = TIMESTAMP
        zero = operator in {"/", "%", "div"} and right.literal in {None, "0"}
        return Value(made, left.nullable or right.nullable or zero)

    def concat(self, node: exp.DPipe) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        for value in (left, right):
            if not value.bad and (value.type.parts or value.type.name in {"interval", "binary"}):
                return self.fault(f"`||` joins texts, and this is of type {value.type}", node=node)
        return Value(STRING, left.nullable or right.nullable)

    def comparison(self, node: exp.Binary) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        self.compare(left, right, node)
        never = isinstance(node, (exp.NullSafeEQ, exp.NullSafeNEQ))
        return Value(BOOLEAN, not never and (left.nullable or right.nullable))

    def compare(self, left: Value, right: Value, node: Tree) -> None:
        if left.bad or right.bad:
            return
        for one, other in ((left, right), (right, left)):
            if one.type.temporal and other.type == STRING and other.literal is not None:
                if not is_date(other.literal):
                    self.fault(f"'{other.literal}' is no date; write it as 2024-01-31", node=node)
                return
        if not comparable(left.type, right.type):
            self.fault(f"{left.type} and {right.type} cannot be compared; CAST one of them", node=node)

    def logic(self, node: exp.Connector) -> Value:
        left, right = self.condition(node.left), self.condition(node.right)
        return Value(BOOLEAN, left.nullable or right.nullable)

    def negation(self, node: exp.Not) -> Value:
        return self.condition(node.this)

    def condition(self, node: Tree) -> Value:
        value = self.value(node)
        if not value.bad and value.type not in (BOOLEAN, VOID):
            return self.fault(f"a condition is true or false, and this is of type {value.type}", node=node)
        return Value(BOOLEAN, value.nullable, bad=value.bad)

    def between(self, node: exp.Between) -> Value:
        value, low, high = self.values((node.this, node.args["low"], node.args["high"]))
        self.compare(value, low, node)
        self.compare(value, high, node)
        return Value(BOOLEAN, value.nullable or low.nullable or high.nullable)

    def isin(self, node: exp.In) -> Value:
        if node.args.get("query") or node.args.get("unnest") or node.args.get("field"):
            return self.fault("IN (SELECT …) is not allowed in an expression; use a join of kind semi", node=node)
        value = self.value(node.this)
        items = self.values(node.expressions)
        for item in items:
            self.compare(value, item, node)
        return Value(BOOLEAN, value.nullable or any(item.nullable for item in items))

    def is_(self, node: exp.Is) -> Value:
        value = self.value(node.this)
        if isinstance(node.expression, exp.Boolean) and not value.bad and value.type not in (BOOLEAN, VOID):
            return self.fault(f"IS TRUE needs a condition, and this is of type {value.type}", node=node)
        if not isinstance(node.expression, (exp.Null, exp.Boolean)):
            return self.fault("IS is followed by NULL, TRUE or FALSE", node=node)
        return Value(BOOLEAN, False)

    def like(self, node: exp.Binary) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        for value in (left, right):
            if not value.bad and value.type not in (STRING, VOID):
                return self.fault(f"LIKE and RLIKE compare texts, and this is of type {value.type}", node=node)
        return Value(BOOLEAN, left.nullable or right.nullable)

    # -- shapes

    def case(self, node: exp.Case) -> Value:
        subject = self.value(node.this) if node.this else None
        results = []
        for branch in list(node.args.get("ifs") or ()):
            if subject is None:
                self.condition(branch.this)
            else:
                self.compare(subject, self.value(branch.this), node)
            results.append(self.value(branch.args["true"]))
        default = node.args.get("default")
        results.append(self.value(default) if default is not None else Value(VOID, True))
        return self.merged(results, node)

    def either(self, node: exp.If) -> Value:
        self.condition(node.this)
        other = node.args.get("false")
        results = [self.value(node.args["true"]), self.value(other) if other is not None else Value(VOID, True)]
        return self.merged(results, node)

    def merged(self, values: Sequence[Value], node: Tree) -> Value:
        if any(value.bad for value in values):
            return BAD
        kind: Type | None = VOID
        for value in values:
            kind = common(kind, value.type) if kind is not None else None
        if kind is None:
            kinds = ", ".join(dict.fromkeys(str(value.type) for value in values))
            return self.fault(f"the branches have types that do not fit together: {kinds}", node=node)
        return Value(kind, any(value.nullable for value in values))

    def cast(self, node: exp.Cast) -> Value:
        value = self.value(node.this)
        try:
            kind = parse_type(node.to.sql("databricks"))
        except ValueError as error:
            return self.fault(str(error), node=node)
        literal = node.this
        if isinstance(literal, exp.Literal) and literal.is_string and kind.temporal and not is_date(str(literal.this)):
            return self.fault(f"'{literal.this}' is no date; write it as 2024-01-31", node=node)
        if kind == DATE and is_run_time(literal) and not isinstance(node, exp.TryCast):
            node.replace(call_of("to_date", literal.copy()))
        if value.bad:
            return BAD
        if not castable(value.type, kind):
            return self.fault(f"{value.type} cannot be cast to {kind}", node=node)
        return Value(kind, value.nullable or isinstance(node, exp.TryCast))

    def extract(self, node: exp.Extract) -> Value:
        value = self.value(node.expression)
        unit = str(node.this.name).upper()
        if unit not in UNITS and unit not in {"DAYOFWEEK", "DOW", "DOY"}:
            return self.fault(f"EXTRACT knows no `{unit}`", nearest(unit, UNITS), node)
        if not value.bad and not value.type.temporal:
            return self.fault(f"EXTRACT needs a date, and this is of type {value.type}", node=node)
        return Value(Type("decimal", 8, 6) if unit == "SECOND" else INT, value.nullable)

    def bracket(self, node: exp.Bracket) -> Value:
        if len(node.expressions) != 1 or isinstance(node.expressions[0], exp.Slice):
            return self.fault("[ ] takes one index or key", node=node)
        value, key = self.value(node.this), self.value(node.expressions[0])
        if value.bad or key.bad:
            return BAD
        if value.type.name == "array" and key.type.integral:
            return Value(value.type.parts[0])
        if value.type.name == "map" and common(value.type.parts[0], key.type) is not None:
            return Value(value.type.parts[1])
        if value.type.name == "map":
            return self.fault(f"the map's keys are of type {value.type.parts[0]}, and this is {key.type}", node=node)
        if value.type.name == "array":
            return self.fault(f"an array takes a whole number in [ ], and this is of type {key.type}", node=node)
        return self.fault(f"[ ] follows an array or a map, and this is of type {value.type}", node=node)

    def dot(self, node: exp.Dot) -> Value:
        """A field of what is no column: ``items[0].sku``."""
        value = self.value(node.this)
        if value.bad:
            return BAD
        field = self.field(value, node.expression.name, "this", node)
        if field is None:
            return BAD
        node.set("expression", exp.Var(this=identifier(field[0])))
        return field[1]

    def bitwise(self, node: exp.Binary) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        if left.bad or right.bad:
            return BAD
        made = common(left.type, right.type)
        if made is None or not made.integral:
            return self.fault(f"bits are of whole numbers, and these are {left.type} and {right.type}", node=node)
        return Value(made, left.nullable or right.nullable)


def digits_of(value: Value) -> str | None:
    return value.literal if value.type.integral else None


def is_date(text: str) -> bool:
    from datetime import date, datetime

    clean = text.strip()
    try:
        if len(clean) <= 10:
            date.fromisoformat(clean)
        else:
            datetime.fromisoformat(clean.replace("Z", "+00:00"))
    except ValueError:
        return False
    return True
