"""Checks in words: ``order_id must be unique and never null``, ``at most 2% missing emails``, ``fail if older than …``.

A rule becomes an expectation of the closest kind. ``must`` and ``fail`` stop the run, ``should`` and ``warn`` only
record, ``drop`` leaves rows out. Words that name no rule (``validates data quality``) ask for the automatic checks.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.entities import ColumnInfo
from pipeline_magic.agents.specification.planner.intent import Check, Item, Measure, Note, Use, col, measure_ref
from pipeline_magic.agents.specification.planner.lexicon import FILLER
from pipeline_magic.agents.specification.planner.predicates import condition_at
from pipeline_magic.agents.specification.planner.rules import NULL, Rule, freshness_at, row_bound_at, rule_at
from pipeline_magic.agents.specification.planner.text import number_of, stems_of
from pipeline_magic.agents.specification.planner.values import value_at

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


_HEADER = "|".join(
    f"{lead}{noun} {word}{the}"
    for lead in ("", "the ", "add ", "apply ")
    for noun in ("data quality", "quality", "quality checks", "data quality checks", "quality rules", "checks", "rules")
    for word in ("on", "for", "of")
    for the in (" the", "")
)
"""What opens a list of rules about one table."""


def _header_end(c: Context, i: int) -> int | None:
    at = c.match(i, _HEADER) if i == c.starts[i] else None
    link = c.table_at(at) if at is not None else None
    return link.end if link is not None and c.low(link.end) in {",", ":"} else None


def _quality(c: Context, i: int) -> Found | None:
    if (header := _header_end(c, i)) is not None:
        link = next(link for j in range(i, header) if (link := c.table_at(j)) is not None and link.end == header)
        return Found(header, "check", (Use(link.start, link.end, link.table.name),))
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
    fresh = freshness_at(c, at)
    if fresh is not None:
        return _check(c, i, fresh, (), action)
    empty = c.match(at, "empty|no rows|0 rows|zero rows")
    if empty is not None:
        return _check(c, i, Rule(empty, "row_count", {"minimum": 1}), (), action)
    fewer = row_bound_at(c, at, bad=not unless)
    if fewer is not None:
        return _check(c, i, fewer, (), action)
    columns, end = _columns(c, at)
    if columns:
        gone = c.match(c.skip(end, "is|are|has|have"), NULL)
        if gone is not None:
            return _check(c, i, Rule(gone, "not_null", {}), columns, action)
        twice = c.match(
            c.skip(end, "is|are|has|have"), "duplicated|not unique|duplicate|duplicates|repeated|occurs twice"
        )
        if twice is not None:
            return _check(c, i, Rule(twice, "unique", {}), columns, action)
    duplicate = c.match(at, "duplicate|duplicated|duplicates in|duplicates of|duplicates|null|missing|nulls in")
    if duplicate is not None:
        columns, end = _columns(c, c.skip(duplicate, "values in|values of|in|of|the"))
        if columns:
            kind = "unique" if c.low(at).startswith("dup") else "not_null"
            return _check(c, i, Rule(end, kind, {}), columns, action)
    condition = condition_at(c, at, opened=True)
    if condition is None:
        return None
    good = condition.expression if unless else f"NOT coalesce({condition.expression}, false)"
    return Found(
        condition.end, "check", (Check(i, condition.end, "expression", (), {"condition": good, "action": action}),)
    )


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
    gone = c.match(at, NULL)
    columns, end = _columns(c, c.skip(gone or at, "values in|values of|values for|in|of|for|values|a|an"))
    if not columns:
        return None
    if gone is None:
        gone = c.match(c.skip(end, "values|may be|can be|are|is|be|to be|should be"), NULL)
        end = gone or end
    if gone is None:
        return None
    return _check(c, i, Rule(end, "not_null", {"tolerance": float(number) / 100}), columns, "fail")


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
        return _check(c, i, Rule(empty, "row_count", {"minimum": 1}), (), "fail")
    if at > start or start > i or _opens(c, i):
        fresh = freshness_at(c, at)
        if fresh is not None:
            return _check(c, i, fresh, (), "fail")
    if start > i or at > start or _opens(c, i):
        bound = row_bound_at(c, at, bad=False)
        if bound is not None:
            return _check(c, i, bound, (), "fail")
        between = c.match(at, "between")
        if between is not None and c.match(i, "row count|the row count|number of rows|the number of rows") is not None:
            low = value_at(c, between, None)
            high = value_at(c, low[0] + 1, None) if low else None
            if low and high and low[1].isdigit() and high[1].isdigit():
                end = c.skip(high[0], "rows|records")
                return _check(
                    c, i, Rule(end, "row_count", {"minimum": int(low[1]), "maximum": int(high[1])}), (), "fail"
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
    return _check(c, i, Rule(end, "not_null" if gone else "unique", {}), columns, "fail")


# --- rules about columns -----------------------------------------------------------------------------------------


_JOINERS = {"and", "also", "then", "that", "finally"}


def _opens(c: Context, i: int) -> bool:
    """Nothing but grammar stands before it in its segment."""
    read = {j for item in c.of(Check) for j in range(item.start, item.end)}
    header = _header_end(c, c.starts[i])
    if header is not None:
        read |= {j for j in range(c.starts[i], i) if j < header or c.low(j) in FILLER}
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
            if list(stems_of(item.name)) == words or (size == 1 and c.low(i) == item.name):
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
    last = c.items[-1] if c.items else None
    follows = isinstance(last, Check) and c.low(i - 1) in {"and", ","} and i - last.end <= 2
    bare = plain is None or not _opens(c, i)
    if not intro and must is None and negative is None and should is None and bare and not follows:
        return None
    action = "warn" if should is not None and must is None and negative is None else "fail"
    found: list[Rule] = []
    after = max(x for x in (must, negative, should, plain, end) if x is not None)
    negated = negative is not None
    column = _info(c, columns[0])
    while True:
        rule = rule_at(c, after, negated, column, columns)
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


def _check(c: Context, i: int, rule: Rule, columns: Iterable[str], action: str) -> Found:
    return Found(rule.end, "check", tuple(_items(i, rule, list(columns), action)))


def _items(i: int, rule: Rule, columns: list[str], action: str) -> list[Item]:
    fields = {**rule.fields, "action": action}
    if rule.kind in {"range", "accepted_values", "pattern"}:
        return [Check(i, rule.end, rule.kind, (column,), fields) for column in columns]
    return [Check(i, rule.end, rule.kind, tuple(columns), fields)]
