"""Expressions: Spark SQL text, parsed, held to an allow-list, typed against columns, and rendered again.

What comes out was never text of somebody else: identifiers are columns of the input in the catalog's spelling, literals
are typed, functions are in the table (`functions`), everything else is refused by its name. The time of the run is
written ``run_time()``; where a date is wanted it becomes ``to_date(run_time())``, which is the date in the trigger's
zone. Dates and times of day of *columns* are taken in UTC, the zone every compiled artefact sets.

An expression stands in one of three places (`Place`): ``row`` (one value a row), ``aggregate`` (a measure: columns
only inside aggregates, or among the group's own) and ``window`` (aggregates and window functions without OVER, which
the step supplies).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Literal, TypeAlias

from sqlglot import exp

from pipeline_magic.spec.dialect import NotAnExpression, Tree, identifier, parse, render
from pipeline_magic.spec.functions import FUNCTIONS, REFUSED, UNITS, Function
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
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

__all__ = ["Checker", "Expression", "Fault", "Place", "Value", "castable", "check", "nearest", "with_run_time"]

Place: TypeAlias = Literal["row", "aggregate", "window"]


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an expression.

    Attributes:
        message: What, as one sentence.
        available: Names that would have been right, nearest first.
        position: Offset in characters, where known.
    """

    message: str
    available: tuple[str, ...] = ()
    position: int | None = None


@dataclass(frozen=True)
class Expression:
    """A checked expression.

    Attributes:
        text: Canonical text: rendered from the tree.
        type: Of its value.
        nullable: Whether the value can be NULL.
        columns: Columns of the input it reads, in order of first use.
        tree: The checked syntax tree; never change it.
        computes: It calls an aggregate or a window function.
    """

    text: str
    type: Type
    nullable: bool
    columns: tuple[str, ...]
    tree: Tree = field(compare=False, repr=False)
    computes: bool = False


def nearest(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """`names`, the likest first; ties in their own order."""
    wanted = name.casefold()
    return tuple(sorted(names, key=lambda other: -SequenceMatcher(None, wanted, other.casefold()).ratio()))


def check(
    text: str, columns: Sequence[Column], place: Place = "row", *, group_by: Sequence[str] = (), wants: str = ""
) -> tuple[Expression | None, tuple[Fault, ...]]:
    """Parse, check and type one expression.

    Args:
        text: Spark SQL.
        columns: The columns it may read.
        place: Where it stands.
        group_by: With ``aggregate``: columns that may stand outside an aggregate.
        wants: ``boolean`` where a condition is needed.

    Returns:
        The expression and no faults, or None and every fault found.

    >>> found, faults = check("sum(Price) / count(*)", [Column(name="price", type="decimal(10,2)")], "aggregate")
    >>> found.text, str(found.type)
    ('sum(price) / count(*)', 'decimal(38,18)')
    """
    try:
        tree = parse(text)
    except NotAnExpression as error:
        return None, (Fault(error.message, position=error.position),)
    checker = Checker(columns, place, {name.casefold() for name in group_by})
    try:
        root = exp.Paren(this=tree)  # a parent, so that the root itself can be replaced
        value = checker.value(tree)
        tree = root.this
        if not checker.faults:
            checker.whole(value, wants)
        rendered = render(tree) if not checker.faults else ""
    except RecursionError:
        return None, (Fault("the expression nests too deep"),)
    if checker.faults:
        return None, tuple(checker.faults)
    used = tuple(dict.fromkeys(checker.columns))
    tree.pop()
    return Expression(rendered, value.type, value.nullable, used, tree, checker.computes), ()


_TIMED = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`]|``)*`|to_date\(run_time\(\)\)|run_time\(\)", re.DOTALL)


def with_run_time(text: str, timestamp: str, date: str) -> str:
    """Canonical text with the run's time put in; what stands in quotes is left alone.

    Args:
        text: Canonical text of a checked expression, or of several.
        timestamp: SQL for the time of the run.
        date: SQL for its date in the trigger's zone.

    >>> with_run_time("d > to_date(run_time()) AND s = 'run_time()'", "TIMESTAMP 't'", "DATE 'd'")
    "d > DATE 'd' AND s = 'run_time()'"
    """
    puts = {"run_time()": timestamp, "to_date(run_time())": date}
    return _TIMED.sub(lambda found: puts.get(found.group(), found.group()), text)


# --- the checker -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Value:
    """What typing knows of a node: `literal` is its text where it is one; `bad` means a fault was reported for it."""

    type: Type
    nullable: bool = True
    literal: str | None = None
    bad: bool = False


_BAD = Value(VOID, bad=True)

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

_OPERATORS: dict[type[Tree], str] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.IntDiv: "div",
}  # fmt: skip
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_DATE_WORDS = """
    date_add date_sub add_months last_day trunc year quarter month day dayofmonth dayofweek dayofyear weekofyear weekday
    datediff date_diff unix_date
"""
_DATE_WANTED = frozenset(_DATE_WORDS.split())
"""Functions of dates: given a timestamp, they take its date."""

_CAST_NAMES = (
    "boolean",
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "float",
    "double",
    "decimal",
    "string",
    "binary",
    "date",
    "timestamp",
)


class Checker:
    """Walks a tree, replaces what must be spelled otherwise, and collects every fault.

    Args:
        columns: The columns that may be read.
        place: See the module.
        group_by: Columns, in small letters, that may stand outside an aggregate.
    """

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
        self.faults.append(Fault(message, tuple(available), _position(node)))
        return _BAD

    # -- dispatch

    def value(self, node: Tree) -> Value:
        """The type of a node, after every fault in it was collected."""
        if isinstance(node, exp.Column):
            return self.column(node)
        if isinstance(node, exp.Window):
            return self.window(node)
        for kind in type(node).__mro__:
            method: Callable[[Checker, Any], Value] | None = _METHODS.get(kind)
            if method is not None:
                return method(self, node)
        if isinstance(node, exp.Func) and type(node) not in _NAMES:
            return self.unknown(node.sql_name().lower(), node)
        name = _NAMES.get(type(node)) or f"{type(node).__name__.upper()}"
        return self.fault(f"{name} is not allowed in an expression", node=node)

    def values(self, nodes: Iterable[Tree]) -> list[Value]:
        return [self.value(node) for node in list(nodes)]

    # -- leaves

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
            if value.type.name != "struct":
                return self.fault(f"`{'.'.join(spelled)}` is of type {value.type} and has no fields", node=node)
            place = next((i for i, other in enumerate(value.type.fields) if other.casefold() == name.casefold()), None)
            if place is None:
                return self.fault(
                    f"`{'.'.join(spelled)}` has no field `{name}`", nearest(name, value.type.fields), node
                )
            spelled.append(value.type.fields[place])
            value = Value(value.type.parts[place])
        rendered = exp.Var(this=".".join(identifier(name) for name in spelled))
        position = _position(node)
        if position is not None:
            rendered.meta["start"] = position
        node.replace(rendered)
        return value

    def window(self, node: exp.Window) -> Value:
        return self.fault("OVER (use a window step) is not allowed in an expression", node=node)

    def literal(self, node: exp.Literal) -> Value:
        text = str(node.this)
        if node.is_string:
            return Value(STRING, False, text)
        if text.isdecimal():
            number = int(text)
            if number >= 2**63:
                return Value(Type("decimal", min(38, len(text)), 0), False, text) if len(text) <= 38 else _BAD
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

    # -- operators

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
            return _BAD
        operator = _OPERATORS[type(node)]
        made = arithmetic(operator, left.type, right.type, _digits(left), _digits(right))
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
                if not _is_date(other.literal):
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
            return _BAD
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
        if isinstance(literal, exp.Literal) and literal.is_string and kind.temporal and not _is_date(str(literal.this)):
            return self.fault(f"'{literal.this}' is no date; write it as 2024-01-31", node=node)
        if kind == DATE and _is_run_time(literal) and not isinstance(node, exp.TryCast):
            node.replace(_call("to_date", literal.copy()))
        if value.bad:
            return _BAD
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
            return _BAD
        if value.type.name == "array" and key.type.integral:
            return Value(value.type.parts[0])
        if value.type.name == "map" and common(value.type.parts[0], key.type) is not None:
            return Value(value.type.parts[1])
        return self.fault(f"{value.type}[{key.type}] means nothing", node=node)

    # -- functions

    def call(self, node: exp.Anonymous) -> Value:
        name = str(node.this).lower()
        function = FUNCTIONS.get(name)
        if name in {"struct", "named_struct"}:
            return self.struct(node, name)
        if function is None:
            return self.unknown(name, node)
        node.set("this", name)
        arguments = list(node.expressions)
        distinct = len(arguments) == 1 and isinstance(arguments[0], exp.Distinct)
        if distinct:
            if not function.distinct or self.place == "window":
                return self.fault(f"DISTINCT is not allowed in {name} here", node=node)
            arguments = list(arguments[0].expressions)
        if not function.least <= len(arguments) <= function.most:
            return self.fault(f"{name} takes {_count(function)}, not {len(arguments)}", node=node)
        if function.kind != "row" and not self.enter(function, node):
            return _BAD
        if name == "count" and not distinct and len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            return Value(BIGINT, False)
        self.depth += function.kind == "aggregate"
        values = [self.argument(function, i, argument) for i, argument in enumerate(arguments)]
        self.depth -= function.kind == "aggregate"
        if any(value.bad for value in values):
            return _BAD
        return self.result(function, values, node)

    def unknown(self, name: str, node: Tree) -> Value:
        if name in REFUSED:
            return self.fault(f"the function `{name}` is not allowed: it {REFUSED[name]}", node=node)
        if name in _CAST_NAMES:
            return self.fault(f"write CAST(… AS {name.upper()}) instead of {name}(…)", node=node)
        return self.fault(f"the function `{name}` is not allowed", nearest(name, FUNCTIONS)[:5], node)

    def enter(self, function: Function, node: Tree) -> bool:
        """Whether an aggregate or window function may stand here."""
        if self.place == "row":
            step = "an aggregate step" if function.kind == "aggregate" else "a window step"
            self.fault(f"`{function.name}` works over several rows; use {step}", node=node)
        elif self.place == "aggregate" and function.kind == "window":
            self.fault(f"`{function.name}` needs a window step", node=node)
        elif self.depth:
            self.fault(f"`{function.name}` stands inside another aggregate", node=node)
        else:
            self.computes = True
            return True
        return False

    def argument(self, function: Function, index: int, node: Tree) -> Value:
        wants = function.wants(index)
        if wants == "unit":
            word = node.name.upper() if isinstance(node, (exp.Column, exp.Var)) else ""
            if word not in UNITS:
                return self.fault(f"{function.name} takes a unit first", UNITS, node)
            node.replace(exp.Var(this=word))
            return Value(VOID, False)
        if function.name in _DATE_WANTED and wants == "date" and _is_run_time(node):
            node.replace(_call("to_date", node.copy()))
            return Value(DATE, False)
        value = self.value(node)
        if value.bad:
            return value
        constant, _, wanted = wants.rpartition(" ")
        if constant and not isinstance(_bare(node), (exp.Literal, exp.RawString)):
            return self.fault(f"argument {index + 1} of {function.name} must be a literal", node=node)
        if not _fits(value, wanted):
            return self.fault(
                f"{function.name} needs {_ARTICLES.get(wanted, wanted)}, and this is of type {value.type}", node=node
            )
        return value

    def result(self, function: Function, values: Sequence[Value], node: exp.Anonymous) -> Value:
        made = function.gives([value.type for value in values])
        if made is None:
            kinds = ", ".join(str(value.type) for value in values)
            return self.fault(f"{function.name} does not take these types together: {kinds}", node=node)
        if function.name in {"round", "bround"}:
            made = _rounded(made, values[1].literal if len(values) > 1 else "0", node)
        if function.name == "percentile" and not 0 <= float(_bare(node.expressions[1]).name or 2) <= 1:
            return self.fault("a percentile is a fraction from 0 to 1, as 0.9", node=node)
        if function.name == "date_trunc":
            return self.truncated(values, node)
        nulls = {
            "any": any(value.nullable for value in values),
            "all": all(value.nullable for value in values),
            "never": False,
            "always": True,
        }[function.nulls]
        return Value(made, nulls)

    def truncated(self, values: Sequence[Value], node: exp.Anonymous) -> Value:
        """``date_trunc('MONTH', run_time())`` is about a date in the trigger's zone."""
        unit, subject = (values[0].literal or "").upper(), node.expressions[1]
        if unit not in UNITS:
            return self.fault(f"date_trunc knows no '{unit}'", UNITS, node)
        if not _is_run_time(subject) or unit in {"HOUR", "MINUTE", "SECOND"}:
            return Value(TIMESTAMP, values[1].nullable)
        day = _call("to_date", subject.copy())
        node.replace(day if unit == "DAY" else _call("trunc", day, exp.Literal.string(unit)))
        return Value(DATE, False)

    def struct(self, node: exp.Anonymous, name: str) -> Value:
        if name == "named_struct":
            pairs = list(zip(node.expressions[::2], node.expressions[1::2], strict=False))
            if len(node.expressions) % 2 or any(not isinstance(key, exp.Literal) for key, _ in pairs):
                return self.fault("named_struct takes pairs of a name and a value", node=node)
            names = [key.name for key, _ in pairs]
            values = self.values(value for _, value in pairs)
        else:
            return self.fault("write named_struct('name', value, …) instead of struct(…)", node=node)
        if any(value.bad for value in values):
            return _BAD
        node.set("this", "named_struct")
        return Value(Type("struct", parts=tuple(value.type for value in values), fields=tuple(names)), False)

    def filtered(self, node: exp.Filter) -> Value:
        call = node.this
        function = FUNCTIONS.get(str(call.this).lower()) if isinstance(call, exp.Anonymous) else None
        if function is None or function.kind != "aggregate":
            return self.fault("FILTER follows an aggregate", node=node)
        if self.place == "window":
            return self.fault("FILTER is not allowed over a window; use CASE inside the aggregate", node=node)
        value = self.value(call)
        self.depth += 1
        self.condition(node.expression.this)
        self.depth -= 1
        return Value(value.type, function.nulls != "never", bad=value.bad)


_METHODS: dict[type, Callable[[Checker, Any], Value]] = {
    exp.Literal: Checker.literal,
    exp.RawString: Checker.raw,
    exp.Boolean: Checker.boolean,
    exp.Null: Checker.null,
    exp.Interval: Checker.interval,
    exp.Paren: Checker.paren,
    exp.Neg: Checker.negative,
    exp.DPipe: Checker.concat,
    exp.And: Checker.logic,
    exp.Or: Checker.logic,
    exp.Not: Checker.negation,
    exp.Between: Checker.between,
    exp.In: Checker.isin,
    exp.Is: Checker.is_,
    exp.Like: Checker.like,
    exp.ILike: Checker.like,
    exp.RegexpLike: Checker.like,
    exp.Case: Checker.case,
    exp.If: Checker.either,
    exp.Cast: Checker.cast,
    exp.Extract: Checker.extract,
    exp.Bracket: Checker.bracket,
    exp.Anonymous: Checker.call,
    exp.Filter: Checker.filtered,
    **dict.fromkeys(_OPERATORS, Checker.arithmetic),
    **dict.fromkeys(_COMPARISONS, Checker.comparison),
}

_ARTICLES = {
    "number": "a number",
    "integer": "a whole number",
    "string": "a text",
    "boolean": "a condition",
    "date": "a date or timestamp",
    "timestamp": "a timestamp",
    "array": "an array",
    "map": "a map",
    "orderable": "something that can be ordered",
}


def _fits(value: Value, wanted: str) -> bool:
    kind = value.type
    if kind == VOID or wanted == "any":
        return kind.name != "interval"
    return {
        "number": kind.numeric,
        "integer": kind.integral,
        "string": not kind.parts and kind.name not in {"binary", "interval", "variant"},
        "boolean": kind == BOOLEAN,
        "date": kind.temporal or (kind == STRING and value.literal is not None and _is_date(value.literal)),
        "timestamp": kind.name.startswith("timestamp"),
        "array": kind.name == "array",
        "map": kind.name == "map",
        "orderable": kind.orderable,
    }[wanted]


def _count(function: Function) -> str:
    if function.least == function.most:
        return {0: "no arguments", 1: "one argument"}.get(function.least, f"{function.least} arguments")
    return f"{function.least} to {function.most} arguments"


def _digits(value: Value) -> str | None:
    return value.literal if value.type.integral else None


def _bare(node: Tree) -> Tree:
    while isinstance(node, (exp.Paren, exp.Neg)):
        node = node.this
    return node


def _rounded(kind: Type, digits: str | None, node: exp.Anonymous) -> Type:
    """Spark's RoundBase: a decimal keeps the digits asked for, and one more before the point."""
    if kind.name != "decimal":
        return kind
    places = int(digits or "0")
    if len(node.expressions) > 1 and isinstance(node.expressions[1], exp.Neg):
        places = -places
    whole = kind.precision - kind.scale + 1
    if places < 0:
        return Type("decimal", min(38, max(whole, 1 - places)), 0)
    scale = min(kind.scale, places)
    return Type("decimal", min(38, whole + scale), scale)


def castable(source: Type, wanted: Type) -> bool:
    """Whether Spark with ANSI mode has such a cast at all."""
    if STRING in (source, wanted) or source in (VOID, wanted):
        return wanted.name != "interval" and not (source == STRING and bool(wanted.parts))
    if source.parts or wanted.parts:
        if source.name != wanted.name or len(source.parts) != len(wanted.parts):
            return False
        return all(castable(one, other) for one, other in zip(source.parts, wanted.parts, strict=True))
    if source.numeric:
        return wanted.numeric or wanted == BOOLEAN or wanted.name == "timestamp"
    if source == BOOLEAN:
        return wanted.numeric
    if source.temporal:
        return wanted.temporal or (source.name == "timestamp" and wanted.numeric)
    return False


def _is_unit(name: str) -> bool:
    return name.upper().removesuffix("S") in UNITS


def _is_date(text: str) -> bool:
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


def _is_run_time(node: Tree) -> bool:
    return isinstance(node, exp.Anonymous) and str(node.this).lower() == "run_time"


def _call(name: str, *arguments: Tree) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _position(node: Tree | None) -> int | None:
    if node is None:
        return None
    starts = [part.meta["start"] for part in node.walk() if "start" in part.meta]
    return min(starts) if starts else None
