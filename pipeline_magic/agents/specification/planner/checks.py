"""Checks in words: ``order_id must be unique and never null``, ``at most 2% missing emails``, ``fail if older than …``.

A rule becomes an expectation of the closest kind. ``must`` and ``fail`` stop the run, ``should`` and ``warn`` only
record, ``drop`` leaves rows out. Words that name no rule (``validates data quality``) ask for the automatic checks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.entities import ColumnInfo
from pipeline_magic.agents.specification.planner.intent import Check, Item, Measure, Note, col, measure_ref
from pipeline_magic.agents.specification.planner.predicates import condition_at
from pipeline_magic.agents.specification.planner.text import number_of, stem
from pipeline_magic.agents.specification.planner.values import comparison_at, value_at

__all__ = ["read_check"]

_INTRO = (
    "check that|checks that|ensure that|ensure|ensures that|make sure that|make sure|verify that|"
    "verify|validate that|validates that|expect that|expect|assert that|"
    "assert|require that|require|check if|check whether|check|guarantee that|guarantee|quality "
    "checks:|checks:|check:|test that"
)
_MUST = (
    "must always be|must be|must|has to be|have to be|needs to be|need to be|is always|are always|"
    "must have|always|shall be|has to|have to|may only be|can only be"
)
_MUST_NOT = (
    "must never be|must not be|must not|cannot be|can not be|can't be|can never be|may not be|may "
    "never be|is never|are never|should never be|should not be|shouldn't be|must never|never"
)
_SHOULD = "should always be|should be|should|ought to be"
_IS = "is|are|be|has|have"
_NULL = "null|missing|empty|blank|none|nulls|null values|missing values"


@dataclass(frozen=True)
class _Rule:
    end: int
    kind: str
    fields: dict[str, Any]


def read_check(c: Context, i: int) -> Found | None:
    """An expectation, or several about the same columns."""
    for read in (_quality, _conditional, _fraction, _rows, _none_missing, _about_columns):
        found = read(c, i)
        if found is not None:
            return found
    return None


_QUALITY = (
    "data quality|quality|quality checks|data quality checks|the data|data|the results|results|"
    "output|quality of the data|quality of the result|checks|all quality checks|the quality"
)


def _quality(c: Context, i: int) -> Found | None:
    if c.verb(i, "validate", "check", "ensure", "test", "verify", "run", "perform", "apply", "monitor", "add"):
        at = c.skip(i + 1, "the|all|for|its|their|basic|standard|usual|some|good|automatic|on")
        after = c.match(at, _QUALITY)
        if after is not None and c.match(after, "must|should|is|are|that|for|has|have|for nulls") is None:
            return Found(after, "check", (Note(i, after),))
    return None


def _action(c: Context, i: int) -> tuple[int, str] | None:
    for action, words in (
        (
            "fail",
            (
                "fail if|fail when|fail the run if|fail the pipeline if|stop if|abort if|fail the job if|fail "
                "on|fail unless|error if|stop the run if|block if|reject the run if"
            ),
        ),
        ("warn", "warn if|warn when|alert if|alert when|warn me if|notify me if|warn on|warn about|alert me if"),
        (
            "drop",
            (
                "drop rows where|drop rows with|drop rows if|drop records where|drop records with|discard "
                "rows where|quarantine rows where|quarantine rows with|drop any row where|drop any rows where"
            ),
        ),
    ):
        after = c.match(i, words)
        if after is not None:
            return after, action
    return None


def _conditional(c: Context, i: int) -> Found | None:
    """``fail if …``: the condition describes the bad rows."""
    opened = _action(c, i)
    if opened is None:
        return None
    at, action = opened
    unless = c.low(at - 1) == "unless"
    at = c.skip(at, "the|any|there is|there are|a|an|more than zero|data|table|it|source|is|are|result|target|of")
    fresh = _freshness(c, at)
    if fresh is not None:
        return _check(c, i, fresh, (), action)
    empty = c.match(at, "empty|no rows|0 rows|zero rows")
    if empty is not None:
        return _check(c, i, _Rule(empty, "row_count", {"minimum": 1}), (), action)
    fewer = _row_bound(c, at, bad=not unless)
    if fewer is not None:
        return _check(c, i, fewer, (), action)
    columns, end = _columns(c, at)
    if columns:
        gone = c.match(c.skip(end, "is|are|has|have"), _NULL)
        if gone is not None:
            return _check(c, i, _Rule(gone, "not_null", {}), columns, action)
        twice = c.match(
            c.skip(end, "is|are|has|have"), "duplicated|not unique|duplicate|duplicates|repeated|occurs twice"
        )
        if twice is not None:
            return _check(c, i, _Rule(twice, "unique", {}), columns, action)
    duplicate = c.match(at, "duplicate|duplicated|duplicates in|duplicates of|duplicates|null|missing|nulls in")
    if duplicate is not None:
        columns, end = _columns(c, c.skip(duplicate, "values in|values of|in|of|the"))
        if columns:
            kind = "unique" if c.low(at).startswith("dup") else "not_null"
            return _check(c, i, _Rule(end, kind, {}), columns, action)
    condition = condition_at(c, at, opened=True)
    if condition is None:
        return None
    good = condition.expression if unless else f"NOT coalesce({condition.expression}, false)"
    return Found(
        condition.end, "check", (Check(i, condition.end, "expression", (), {"condition": good, "action": action}),)
    )


def _freshness(c: Context, i: int) -> _Rule | None:
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
    return _Rule(c.skip(at + 2, "old|stale|behind|ago"), "freshness", {"max_age_hours": float(number) * unit})


def _row_bound(c: Context, i: int, *, bad: bool) -> _Rule | None:
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
    return _Rule(end, "row_count", fields) if fields else None


def _fraction(c: Context, i: int) -> Found | None:
    """``at most 2% missing emails``, ``no more than 5 % of prices may be null``."""
    at = c.skip(i, "allow|" + _INTRO)
    compared = c.match(at, "at most|no more than|not more than|fewer than|less than|under|up to|below|max|maximum")
    if compared is None or compared >= c.end(i):
        return None
    number = number_of(c.tokens[compared])
    after = c.match(compared + 1, "%|percent") if number else None
    if number is None or after is None:
        return None
    at = c.skip(after, "of|the|may be|can be|are allowed to be|values|rows|with|have|having")
    gone = c.match(at, _NULL)
    columns, end = _columns(c, c.skip(gone or at, "values in|values of|values for|in|of|for|values|a|an"))
    if not columns:
        return None
    if gone is None:
        gone = c.match(c.skip(end, "values|may be|can be|are|is|be|to be|should be"), _NULL)
        end = gone or end
    if gone is None:
        return None
    return _check(c, i, _Rule(end, "not_null", {"tolerance": float(number) / 100}), columns, "fail")


def _rows(c: Context, i: int) -> Found | None:
    """``the table must not be empty``, ``at least 1000 rows``, ``data must be no older than 24 hours``."""
    at = c.skip(i, _INTRO)
    start = at
    at = c.skip(
        at,
        (
            "the|there|result|output|target|table|data|source|row|count|number of rows|are|is|must have|"
            "should have|must|should|be|has|must be|row count"
        ),
    )
    empty = c.match(at, "not be empty|not empty|never be empty|never empty|non - empty|contain rows")
    if empty is not None and at > i:
        return _check(c, i, _Rule(empty, "row_count", {"minimum": 1}), (), "fail")
    if at > start or start > i:
        fresh = _freshness(c, at)
        if fresh is not None:
            return _check(c, i, fresh, (), "fail")
    if start > i or at > start:
        bound = _row_bound(c, at, bad=False)
        if bound is not None:
            return _check(c, i, bound, (), "fail")
        between = c.match(at, "between")
        if between is not None and c.match(i, "row count|the row count|number of rows|the number of rows") is not None:
            low = value_at(c, between, None)
            high = value_at(c, low[0] + 1, None) if low else None
            if low and high and low[1].isdigit() and high[1].isdigit():
                end = c.skip(high[0], "rows|records")
                return _check(
                    c, i, _Rule(end, "row_count", {"minimum": int(low[1]), "maximum": int(high[1])}), (), "fail"
                )
    return None


def _none_missing(c: Context, i: int) -> Found | None:
    """``no null order keys``, ``no duplicates in o_orderkey``, ``no missing emails``; only as a check of its own."""
    at = c.skip(i, _INTRO + "|there are|there must be|there should be|there is|and")
    no = c.match(at, "no|zero")
    if no is None or not (at > i or _opens(c, i)):
        return None
    gone = c.match(no, "null|missing|nulls in|nulls|missing values in|null values in|empty|blank")
    twice = (
        c.match(no, "duplicate|duplicates in|duplicates of|duplicates by|duplicates on|duplicated|duplicates")
        if gone is None
        else None
    )
    found = gone or twice
    if found is None:
        return None
    columns, end = _columns(c, c.skip(found, "values of|values in|of|in|the|by|on|for"))
    if not columns:
        return None
    return _check(c, i, _Rule(end, "not_null" if gone else "unique", {}), columns, "fail")


# --- rules about columns -----------------------------------------------------------------------------------------


_JOINERS = {"and", "also", "then", "that", "finally"}


def _opens(c: Context, i: int) -> bool:
    """Nothing but grammar stands before it in its segment."""
    read = {j for item in c.of(Check) for j in range(item.start, item.end)}
    return all(
        c.tokens[j].kind in {"punct", "number"} or c.low(j) in _JOINERS or j in read or not c.free(j)
        for j in range(c.starts[i], i)
    )


def _columns(c: Context, i: int) -> tuple[list[str], int]:
    """Templates of the columns (or measures) named in a row."""
    found: list[str] = []
    end = at = i
    while at < len(c.tokens) and at < c.end(i):
        at = c.skip(at, "the|each|every|all|both|column|columns|values|of|values of|combination")
        measure = _measure(c, at)
        link = c.linker.column_at(at, least=0.8) if measure is None else None
        if measure is None and (link is None or link.end > c.end(i)):
            break
        found.append(measure_ref(measure[1]) if measure else col(link.ref))  # type: ignore[union-attr]  # one of the two is there
        end = measure[0] if measure else link.end  # type: ignore[union-attr]  # as above
        at = c.match(end, ", and|and|,|or|plus") or end
        if at == end:
            break
    return found, end


def _measure(c: Context, i: int) -> tuple[int, str] | None:
    for size in (4, 3, 2, 1):
        if i + size > c.end(i):
            continue
        words = [token.stem for token in c.tokens[i : i + size]]
        for item in c.of(Measure):
            if [stem(part) for part in item.name.split("_")] == words or (size == 1 and c.low(i) == item.name):
                return i + size, item.name
    return None


def _about_columns(c: Context, i: int) -> Found | None:
    at = c.skip(i, _INTRO)
    intro = at > i
    columns, end = _columns(c, at)
    if not columns:
        return None
    must, negative, should = c.match(end, _MUST), c.match(end, _MUST_NOT), c.match(end, _SHOULD)
    plain = c.match(end, _IS)
    if not intro and must is None and negative is None and should is None and not (plain is not None and _opens(c, i)):
        return None
    action = "warn" if should is not None and must is None and negative is None else "fail"
    found: list[_Rule] = []
    after = max(x for x in (must, negative, should, plain, end) if x is not None)
    negated = negative is not None
    column = _info(c, columns[0])
    while True:
        rule = _rule(c, after, negated, column, columns)
        if rule is None:
            break
        found.append(rule)
        joined = c.match(rule.end, ", and|and|,|but")
        if joined is None:
            break
        verb = c.match(joined, _MUST_NOT + "|" + _MUST + "|" + _SHOULD + "|" + _IS)
        negated = c.match(joined, _MUST_NOT) is not None or (verb is None and c.match(joined, "not|never") is not None)
        after = verb if verb is not None else c.skip(joined, "not|never")
    if not found:
        return None
    items: list[Item] = []
    for rule in found:
        items += _items(i, rule, columns, action)
    return Found(found[-1].end, "check", tuple(items))


def _info(c: Context, template: str) -> ColumnInfo | None:
    from pipeline_magic.agents.specification.planner.intent import refs_in

    refs = refs_in(template)
    return c.linker.tables[refs[0].table].column(refs[0].column) if refs else None


def _rule(c: Context, i: int, negated: bool, column: ColumnInfo | None, columns: list[str]) -> _Rule | None:
    i = c.skip(i, "a|an|be|always|of")
    if c.match(i, "not|never") is not None and not negated:
        return _rule(c, c.skip(i, "not|never|be"), True, column, columns)
    if (after := c.match(i, _NULL)) is not None and negated:
        return _Rule(after, "not_null", {})
    if (after := c.match(i, "duplicated|duplicate|repeated")) is not None and negated:
        return _Rule(after, "unique", {})
    if negated:
        after = c.match(i, "negative|below zero|less than zero|below 0|less than 0")
        if after is not None:
            return _Rule(after, "range", {"minimum": 0})
        compared = comparison_at(c, i)
        value = value_at(c, compared[0], column) if compared else None
        if compared and value:
            opposite = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}.get(compared[1])
            return _Rule(value[0], "range", _bound(opposite, value[1])) if opposite else None
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
            return _Rule(after, str(rule[0]), dict(rule[1]))
    return _values(c, i, column)


def _values(c: Context, i: int, column: ColumnInfo | None) -> _Rule | None:
    between = c.match(i, "between|in the range|from|within|in range")
    if between is not None:
        low = value_at(c, between, column)
        high = value_at(c, low[0] + 1, column) if low and c.low(low[0]) in {"and", "to", "-"} else None
        if low and high:
            return _Rule(high[0], "range", {"minimum": _scalar(low[1]), "maximum": _scalar(high[1])})
    matched = c.match(i, "match|matches|match the pattern|matching|like|match regex|match the regex|match pattern")
    if matched is not None and matched < c.end(i) and c.tokens[matched].kind == "quoted":
        return _Rule(matched + 1, "pattern", {"regex": c.tokens[matched].low})
    listed = c.match(i, "one of|either|in|any of|only|among")
    if listed is not None:
        values, end = _list(c, listed, column)
        if values:
            return _Rule(end, "accepted_values", {"values": values})
    compared = comparison_at(c, i)
    value = value_at(c, compared[0], column) if compared else None
    if compared and value and compared[1] in {"<", "<=", ">", ">="}:
        return _Rule(value[0], "range", _bound(compared[1], value[1]))
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


def _check(c: Context, i: int, rule: _Rule, columns: Iterable[str], action: str) -> Found:
    return Found(rule.end, "check", tuple(_items(i, rule, list(columns), action)))


def _items(i: int, rule: _Rule, columns: list[str], action: str) -> list[Item]:
    fields = {**rule.fields, "action": action}
    if rule.kind in {"range", "accepted_values", "pattern"}:
        return [Check(i, rule.end, rule.kind, (column,), fields) for column in columns]
    return [Check(i, rule.end, rule.kind, tuple(columns), fields)]
