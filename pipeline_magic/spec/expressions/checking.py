"""One expression from text to `Expression`: parse, walk, render; and the time of the run put into what was rendered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from sqlglot import exp

from pipeline_magic.spec.dialect import NotAnExpression, parse, render
from pipeline_magic.spec.expressions.calls import Calls
from pipeline_magic.spec.expressions.operators import OPERATORS
from pipeline_magic.spec.expressions.values import Expression, Fault, Place
from pipeline_magic.spec.schema import Column

__all__ = ["Checker", "check", "with_run_time"]

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)


class Checker(Calls):
    """The whole walk: which method checks which kind of node."""

    methods: ClassVar[dict[type, str]] = {
        exp.Literal: "literal",
        exp.RawString: "raw",
        exp.Boolean: "boolean",
        exp.Null: "null",
        exp.Interval: "interval",
        exp.Paren: "paren",
        exp.Neg: "negative",
        exp.DPipe: "concat",
        exp.And: "logic",
        exp.Or: "logic",
        exp.Not: "negation",
        exp.Between: "between",
        exp.In: "isin",
        exp.Is: "is_",
        exp.Like: "like",
        exp.ILike: "like",
        exp.RegexpLike: "like",
        exp.Case: "case",
        exp.If: "either",
        exp.Cast: "cast",
        exp.Extract: "extract",
        exp.Bracket: "bracket",
        exp.Dot: "dot",
        exp.BitwiseAnd: "bitwise",
        exp.BitwiseOr: "bitwise",
        exp.BitwiseXor: "bitwise",
        exp.Anonymous: "call",
        exp.Filter: "filtered",
        **dict.fromkeys(OPERATORS, "arithmetic"),
        **dict.fromkeys(_COMPARISONS, "comparison"),
    }


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
