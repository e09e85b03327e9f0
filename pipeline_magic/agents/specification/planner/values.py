"""Values and comparisons in words: ``over 1,000``, ``at least``, ``AIR or RAIL``, ``'Acme'``; and what a condition is.

Not here: which column is compared; see `predicates`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo
from pipeline_magic.agents.specification.planner.linking import ColumnLink
from pipeline_magic.agents.specification.planner.text import number_of, scale_of

__all__ = ["ARTICLES", "OPERATORS", "STOPPERS", "Condition", "comparison_at", "literal", "spelt", "value_at"]

ARTICLES = "the|a|an|their|its|his|her|this|that|those|of"


@dataclass(frozen=True)
class Condition:
    """A condition read up to before token `end`; `assumed` says what was taken for granted."""

    end: int
    expression: str
    assumed: str = ""
    tied: ColumnLink | None = None


OPERATORS = {
    ">=": (
        "at least|no less than|not less than|not under|not below|minimum of|a minimum of|greater than "
        "or equal to|>=|or more than"
    ),
    "<=": (
        "at most|no more than|not more than|not over|not above|not exceed|maximum of|a maximum of|up to|"
        "less than or equal to|<="
    ),
    ">": (
        "more than|over|above|greater than|larger than|higher than|bigger than|exceeds|exceed|exceeding|"
        "exceeded|longer than|older than|beyond|>|heavier than|better than|"
        "more then|greater then|larger then|higher then|bigger then|longer then|older then|heavier then"
    ),
    "<": (
        "less than|fewer than|under|below|smaller than|lower than|shorter than|younger than|<|cheaper than|less then|"
        "fewer then|smaller then|lower then|shorter then|younger then|cheaper then"
    ),
    "<>": "<>|!=|other than|not equal to|different from|unequal to|is not equal to|does not equal",
    "=": "=|==|equals|equal to|exactly|of exactly",
}


def comparison_at(c: Context, i: int) -> tuple[int, str] | None:
    """An operator in words or signs, and where it ends."""
    for operator, phrases in OPERATORS.items():
        after = c.match(i, phrases)
        if after is not None and not (operator == "<" and c.low(i) == "under" and after >= c.end(i)):
            return after, operator
    return None


def literal(text: str) -> str:
    """A text as a Spark SQL literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_PERCENT = {"percent", "percentage", "pct"}
_FRACTION = {"fraction", "share", "ratio", "rate", "discount", "tax", "probability"}


def value_at(c: Context, i: int, column: ColumnInfo | None) -> tuple[int, str] | None:
    """A value at token `i` that fits `column`: a number, a date, quoted text, a listed value, a name in capitals."""
    if i >= c.end(i) or i >= len(c.tokens):
        return None
    token = c.tokens[i]
    if token.low in {"$", "€", "£"}:
        return value_at(c, i + 1, column)
    if token.low == "-" and (inner := value_at(c, i + 1, column)) and c.tokens[i + 1].kind == "number":
        return inner[0], "-" + inner[1]
    kind = column.kind if column else None
    if kind in {"date", "timestamp"}:
        return None
    if token.kind == "quoted" and token.text[0] != "`":
        return i + 1, spelt(token.low, column)
    number = number_of(token)
    if number is not None and token.low not in {"once", "twice"}:
        after = i + 1
        if after < c.end(i) and (scale := scale_of(c.tokens[after])) > 1:
            number, after = _times(number, scale), after + 1
        if after < c.end(i) and c.low(after) in {"%", "percent"}:
            said = set(column.words) | set(column.said) if column is not None else set()
            if column is not None and not said & (_PERCENT | _FRACTION):
                return None  # neither name nor comment says whether 80 % is 80 or 0.8
            fraction = not said & _PERCENT
            return after + 1, f"{float(number) / 100:.10g}" if fraction else number
        if kind == "text" and token.kind == "number":
            return after, literal(number)
        return c.skip(
            after, "minutes|dollars|usd|euros|eur|miles|years old|units|mph|inches|feet|seconds|pieces|years|hours"
        ), number
    if kind == "boolean" and token.low in {"true", "false", "yes", "no"}:
        return i + 1, "true" if token.low in {"true", "yes"} else "false"
    if kind == "text" and column is not None:
        return _name_at(c, i, column)
    return None


def _times(number: str, scale: int) -> str:
    whole = float(number) * scale
    return str(int(whole)) if whole == int(whole) else f"{whole:.10g}"


def spelt(text: str, column: ColumnInfo | None) -> str:
    if column is not None:
        listed = {**dict(column.held), **dict(column.values)}
        if text in listed.values():
            return literal(text)
        if text.casefold() in listed:
            return literal(listed[text.casefold()])
        if column.upper:
            return literal(text.upper())
    return literal(text)


STOPPERS = {
    "and",
    "or",
    "by",
    "per",
    "in",
    "for",
    "with",
    "from",
    "into",
    "to",
    "who",
    "that",
    "which",
    "whose",
    "where",
    "only",
    "but",
    "at",
    "on",
    "since",
    "before",
    "after",
}


def _name_at(c: Context, i: int, column: ColumnInfo) -> tuple[int, str] | None:
    """A value without quotes: one that the column's comment lists, or words written with capitals."""
    listed = {**dict(column.held), **dict(column.values)}
    for size in (3, 2, 1):
        if i + size <= c.end(i):
            words = " ".join(token.low for token in c.tokens[i : i + size])
            if words in listed:
                return i + size, literal(listed[words])
    after = i
    while after < c.end(i) and after - i < 4:
        token = c.tokens[after]
        proper = token.kind == "word" and (token.text[0].isupper() or any(char.isdigit() for char in token.text))
        joined = after > i and token.kind == "punct" and token.text == "-" and after + 1 < c.end(i)
        if not (proper or joined) or (after > i and token.low in STOPPERS):
            break
        after += 1
    if after == i:
        return None
    text = " ".join(token.text for token in c.tokens[i:after]).replace(" - ", "-")
    return after, spelt(text, column)
