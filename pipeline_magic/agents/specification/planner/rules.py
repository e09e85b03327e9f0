"""What a check demands: ``unique``, ``never null``, ``between 0 and 100``, ``older than 24 hours``, ``no rows``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo
from pipeline_magic.agents.specification.planner.text import number_of
from pipeline_magic.agents.specification.planner.values import comparison_at, value_at

__all__ = ["NULL", "Rule", "freshness_at", "row_bound_at", "rule_at"]

NULL = "null|missing|empty|blank|none|nulls|null values|missing values"


@dataclass(frozen=True)
class Rule:
    end: int
    kind: str
    fields: dict[str, Any]


def freshness_at(c: Context, i: int) -> Rule | None:
    """``older than 24 hours``, ``not updated in the last 2 days``, ``fresher than a day``."""
    at = c.match(
        i,
        (
            "older than|not older than|no older than|not updated in the last|not updated within|more than|"
            "newer than|fresher than|not refreshed in|at most|fresh within|updated within the last|updated "
            "within|stale for more than|updated in the last"
        ),
    )
    if at is None or at >= c.end(i):
        return None
    number = "1" if c.low(at) in {"a", "an", "one"} else number_of(c.tokens[at])
    unit = (
        {"hour": 1.0, "day": 24.0, "week": 168.0, "minute": 1 / 60}.get(c.tokens[at + 1].stem)
        if at + 1 < c.end(i)
        else None
    )
    if number is None or unit is None or (c.low(i) in {"more", "at"} and c.match(at + 2, "old|stale|behind") is None):
        return None
    return Rule(c.skip(at + 2, "old|stale|behind|ago"), "freshness", {"max_age_hours": float(number) * unit})


def row_bound_at(c: Context, i: int, *, bad: bool) -> Rule | None:
    """``fewer than 100 rows``, ``at least 1000 rows``."""
    compared = comparison_at(c, i)
    at = compared[0] if compared else i
    number = number_of(c.tokens[at]) if at < c.end(i) else None
    end = c.match(at + 1, "rows|records|row|entries") if number else None
    if compared is None or number is None or end is None or "." in number:
        return None
    operator = compared[1]
    if bad:
        operator = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}.get(operator, operator)
    n = int(number)
    fields = {"<": {"maximum": n - 1}, "<=": {"maximum": n}, ">": {"minimum": n + 1}, ">=": {"minimum": n}}.get(
        operator
    )
    return Rule(end, "row_count", fields) if fields else None


def rule_at(c: Context, i: int, negated: bool, column: ColumnInfo | None, columns: list[str]) -> Rule | None:
    i = c.skip(i, "a|an|be|always|of")
    if c.match(i, "not|never") is not None and not negated:
        return rule_at(c, c.skip(i, "not|never|be"), True, column, columns)
    if (after := c.match(i, NULL)) is not None and negated:
        return Rule(after, "not_null", {})
    if (after := c.match(i, "duplicated|duplicate|repeated")) is not None and negated:
        return Rule(after, "unique", {})
    if negated:
        after = c.match(i, "negative|below zero|less than zero|below 0|less than 0")
        if after is not None:
            return Rule(after, "range", {"minimum": 0})
        compared = comparison_at(c, i)
        value = value_at(c, compared[0], column) if compared else None
        if compared and value:
            opposite = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}.get(compared[1])
            return Rule(value[0], "range", _bound(opposite, value[1])) if opposite else None
        return None
    for words, rule in (
        ("unique|distinct", ("unique", {})),
        ("present|filled|populated|known|required|set|given|mandatory|non - null|nonnull|complete", ("not_null", {})),
        ("non - negative|nonnegative|zero or more|positive or zero|0 or more", ("range", {"minimum": 0})),
        ("positive|greater than zero|above zero|more than zero", ("range", {"minimum": 0, "minimum_inclusive": False})),
        (
            "valid email address|valid email addresses|valid email|valid emails|an email address",
            ("pattern", {"regex": r"^[^@\s]+@[^@\s]+\.[^@\s]+$"}),
        ),
    ):
        after = c.match(i, words)
        if after is not None:
            return Rule(after, str(rule[0]), dict(rule[1]))
    return _values(c, i, column)


def _values(c: Context, i: int, column: ColumnInfo | None) -> Rule | None:
    between = c.match(i, "between|in the range|from|within|in range")
    if between is not None:
        low = value_at(c, between, column)
        high = value_at(c, low[0] + 1, column) if low and c.low(low[0]) in {"and", "to", "-"} else None
        if low and high:
            return Rule(high[0], "range", {"minimum": _scalar(low[1]), "maximum": _scalar(high[1])})
    matched = c.match(i, "match|matches|match the pattern|matching|like|match regex|match the regex|match pattern")
    if matched is not None and matched < c.end(i) and c.tokens[matched].kind == "quoted":
        return Rule(matched + 1, "pattern", {"regex": c.tokens[matched].low})
    listed = c.match(i, "one of|either|in|any of|only|among")
    if listed is not None:
        values, end = _list(c, listed, column)
        if values:
            return Rule(end, "accepted_values", {"values": values})
    compared = comparison_at(c, i)
    value = value_at(c, compared[0], column) if compared else None
    if compared and value and compared[1] in {"<", "<=", ">", ">="}:
        return Rule(value[0], "range", _bound(compared[1], value[1]))
    return None


def _bound(operator: str | None, value: str) -> dict[str, Any]:
    end = "minimum" if operator in {">", ">="} else "maximum"
    fields: dict[str, Any] = {end: _scalar(value)}
    if operator in {">", "<"}:
        fields[f"{end}_inclusive"] = False
    return fields


def _scalar(text: str) -> int | float | str:
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    return text[1:-1].replace("\\'", "'").replace("\\\\", "\\")


def _list(c: Context, i: int, column: ColumnInfo | None) -> tuple[list[Any], int]:
    values: list[Any] = []
    at = end = c.skip(i, "(|:|the")
    while at < c.end(i):
        found = value_at(c, at, column)
        token = c.tokens[at]
        if found is None and token.kind in {"word", "number"} and token.low not in {"and", "or"}:
            found = (at + 1, "'" + token.text.replace("'", "") + "'")
        if found is None:
            break
        values.append(_scalar(found[1]))
        end = found[0]
        following = c.match(end, ", or|, and|,|or|and|/")
        if following is None:
            break
        at = following
    return values, c.skip(end, ")")
