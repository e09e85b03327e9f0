"""Checking of calls: the function must be in the table, its arguments of its types, its place one it may stand in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from sqlglot import exp

from pipeline_magic.spec.dialect import Tree
from pipeline_magic.spec.expressions.casts import rounded
from pipeline_magic.spec.expressions.operators import Operators, digits_of, is_date
from pipeline_magic.spec.expressions.values import BAD, Value, bare, call_of, is_run_time
from pipeline_magic.spec.functions import FUNCTIONS, SORTED_ONLY, SORTS, UNITS, Function, why_refused
from pipeline_magic.spec.types import BIGINT, BOOLEAN, DATE, STRING, TIMESTAMP, VOID, Type, arithmetic, parse_type

__all__ = ["Calls"]

_DATE_WORDS = """
    date_add date_sub add_months last_day trunc year quarter month day dayofmonth dayofweek dayofyear weekofyear weekday
    datediff date_diff unix_date
"""
_DATE_WANTED = frozenset(_DATE_WORDS.split())
"""Functions of dates: given a timestamp, they take its date."""

_BY_UNIT = {"datediff": "timestampdiff", "date_diff": "timestampdiff", "dateadd": "timestampadd",
            "date_add": "timestampadd"}  # fmt: skip
_TRUNCATED = ("YEAR", "YYYY", "YY", "QUARTER", "MONTH", "MON", "MM", "WEEK")
_PARTS = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DAYOFWEEK", "DOW", "DOY", "HOUR", "MINUTE", "SECOND")
_SPELLED = {"iff": "if", "ifnull": "coalesce", "nvl": "coalesce"}
"""One spelling for all engines: Apache Spark knows no iff, and Sail gives nvl of decimals as double."""
_OPERATES = {"mod": "%", "pmod": "%", "try_add": "+", "try_subtract": "-", "try_multiply": "*", "try_divide": "/"}
_SCHEMAS = ("from_json", "variant_get", "try_variant_get")
_WHOLE_TYPE = re.compile(r"\s*(?:array|map|struct)\s*<", re.IGNORECASE)

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


class Calls(Operators):
    """Functions, aggregates and window functions."""

    def call(self, node: exp.Anonymous) -> Value:
        name = _named(node)
        if name in {"struct", "named_struct"}:
            return self.struct(node, name)
        arguments = list(node.expressions)
        if name in _BY_UNIT and len(arguments) == 3:
            name = _BY_UNIT[name]
        name = _SPELLED.get(name, name)
        function = FUNCTIONS.get(name)
        if function is None:
            return self.unknown(name, node)
        node.set("this", name)
        if name in SORTED_ONLY and not (isinstance(node.parent, exp.Anonymous) and _named(node.parent) in SORTS):
            return self.fault(f"{name} gives its items in any order; write sort_array({name}(…))", node=node)
        distinct = len(arguments) == 1 and isinstance(arguments[0], exp.Distinct)
        if distinct:
            if not function.distinct or self.place == "window":
                return self.fault(f"DISTINCT is not allowed in {name} here", node=node)
            arguments = list(arguments[0].expressions)
        if not function.least <= len(arguments) <= function.most:
            return self.fault(f"{name} takes {_count(function)}, not {len(arguments)}", node=node)
        if function.kind != "row" and not self.enter(function, node):
            return BAD
        if name == "count" and not distinct and len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            return Value(BIGINT, False)
        self.depth += function.kind == "aggregate"
        values = [self.argument(function, i, argument) for i, argument in enumerate(arguments)]
        self.depth -= function.kind == "aggregate"
        if any(value.bad for value in values):
            return BAD
        return self.result(function, values, node)

    def unknown(self, name: str, node: Tree) -> Value:
        reason = why_refused(name)
        if reason is not None:
            return self.fault(f"the function `{name}` is not allowed: it {reason}", node=node)
        if name in _CAST_NAMES:
            return self.fault(f"write CAST(… AS {name.upper()}) instead of {name}(…)", node=node)
        like = get_close_matches(name, FUNCTIONS, 5, 0.7)
        return self.fault(f"the function `{name}` is not allowed", like, node)

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
        if function.name in _DATE_WANTED and wants == "date" and is_run_time(node):
            node.replace(call_of("to_date", node.copy()))
            return Value(DATE, False)
        value = self.value(node)
        if value.bad:
            return value
        constant, _, wanted = wants.rpartition(" ")
        if constant and not isinstance(bare(node), (exp.Literal, exp.RawString)):
            return self.fault(f"argument {index + 1} of {function.name} must be a literal", node=node)
        if not _fits(value, wanted):
            return self.fault(
                f"{function.name} needs {_ARTICLES.get(wanted, wanted)}, and this is of type {value.type}", node=node
            )
        return value

    def result(self, function: Function, values: Sequence[Value], node: exp.Anonymous) -> Value:
        made = function.gives([value.type for value in values])
        if function.name in _OPERATES:
            one, other = values
            operator = _OPERATES[function.name]  # Spark gives a literal only the digits it has
            made = arithmetic(operator, one.type, other.type, digits_of(one), digits_of(other))
        if made is None:
            kinds = ", ".join(str(value.type) for value in values)
            return self.fault(f"{function.name} does not take these types together: {kinds}", node=node)
        if function.name in {"round", "bround"}:
            made = rounded(made, values[1].literal if len(values) > 1 else "0", node)
        if function.name in _SCHEMAS:
            return self.by_schema(function, values, node)
        if function.name == "date_trunc":
            return self.truncated(values, node)
        wrong = _wrong_literal(function.name, values, node)
        if wrong:
            return self.fault(wrong, node=node)
        if function.name in {"date_part", "datepart"} and (values[0].literal or "").upper() in {"SECOND", "SECONDS"}:
            made = Type("decimal", 8, 6)
        nulls = {
            "any": any(value.nullable for value in values),
            "first": bool(values) and values[0].nullable,
            "all": all(value.nullable for value in values),
            "never": False,
            "always": True,
        }[function.nulls]
        return Value(made, nulls)

    def by_schema(self, function: Function, values: Sequence[Value], node: exp.Anonymous) -> Value:
        """The type of from_json and variant_get, written as a literal."""
        text = values[-1].literal or ""
        try:
            kind = parse_type(text if function.name != "from_json" or _WHOLE_TYPE.match(text) else f"struct<{text}>")
        except ValueError:
            return self.fault(f"'{text}' is no schema; write it as 'a INT, b STRING' or 'ARRAY<STRING>'", node=node)
        return Value(kind, True)

    def truncated(self, values: Sequence[Value], node: exp.Anonymous) -> Value:
        """``date_trunc('MONTH', run_time())`` is about a date in the trigger's zone."""
        unit, subject = (values[0].literal or "").upper(), node.expressions[1]
        if unit not in UNITS:
            return self.fault(f"date_trunc knows no '{unit}'", UNITS, node)
        if not is_run_time(subject) or unit in {"HOUR", "MINUTE", "SECOND"}:
            return Value(TIMESTAMP, values[1].nullable)
        day = call_of("to_date", subject.copy())
        node.replace(day if unit == "DAY" else call_of("trunc", day, exp.Literal.string(unit)))
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
            return BAD
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
        if function.name == "count_if" and not value.bad:
            # Sail does not see a FILTER behind count_if
            where = exp.and_(node.expression.this, call.expressions[0])
            call.set("this", "count")
            call.set("expressions", [exp.Star()])
            node.expression.set("this", where)
        return Value(value.type, function.nulls != "never", bad=value.bad)


def _named(node: exp.Anonymous) -> str:
    return str(node.this).lower()


def _wrong_literal(name: str, values: Sequence[Value], node: exp.Anonymous) -> str:
    """What a literal argument must be, where Spark would give NULL or fail only as it runs."""
    if name == "percentile" and not 0 <= float(bare(node.expressions[1]).name or 2) <= 1:
        return "a percentile is a fraction from 0 to 1, as 0.9"
    if name == "trunc" and (values[1].literal or "").upper() not in _TRUNCATED:
        return f"trunc knows no '{values[1].literal}'; it takes {', '.join(_TRUNCATED)}"
    if name == "sha2" and values[1].literal not in {"0", "224", "256", "384", "512"}:
        return "sha2 takes a length of 224, 256, 384 or 512"
    if name in {"date_part", "datepart"} and (values[0].literal or "").upper() not in _PARTS:
        return f"{name} knows no '{values[0].literal}'; it takes {', '.join(_PARTS)}"
    return ""


_ARTICLES = {
    "number": "a number",
    "integer": "a whole number",
    "string": "a text",
    "boolean": "a condition",
    "date": "a date or timestamp",
    "timestamp": "a timestamp",
    "moment": "a date, a timestamp or a text of one",
    "bytes": "a text or binary",
    "variant": "a variant",
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
        "date": kind.temporal or (kind == STRING and value.literal is not None and is_date(value.literal)),
        "timestamp": kind.name.startswith("timestamp"),
        "moment": kind.temporal or kind == STRING,
        "bytes": kind == STRING or kind.name == "binary",
        "variant": kind.name == "variant",
        "array": kind.name == "array",
        "map": kind.name == "map",
        "orderable": kind.orderable,
    }[wanted]


def _count(function: Function) -> str:
    if function.least == function.most:
        return {0: "no arguments", 1: "one argument"}.get(function.least, f"{function.least} arguments")
    return f"{function.least} to {function.most} arguments"
