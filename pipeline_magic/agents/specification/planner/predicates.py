"""Conditions in words: ``total price over 1,000``, ``in 1997``, ``no departure time``, ``status is F or O``.

A condition is a template of Spark SQL that is true for the rows meant. Values of a column are only known where its
comment lists them; other names are compared as they were typed. Not here: where a condition applies (rows, groups, one
measure); its reader knows.
"""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.comparisons import (
    against,
    compared_before,
    compared_by_adjective,
    compared_by_verb,
    whole_value,
)
from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.deeds import done_by, listed_values, neither_nor, possessing
from pipeline_magic.agents.specification.planner.doings import counted, filled, meant_to, using
from pipeline_magic.agents.specification.planner.durations import took
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.idioms import (
    costing,
    equal_to,
    named_as,
    named_value,
    only,
    operator_first,
    quoted_in,
    state_at,
    table_named,
    unit_compared,
)
from pipeline_magic.agents.specification.planner.intent import Measure, Use, col, measure_ref
from pipeline_magic.agents.specification.planner.lateness import late
from pipeline_magic.agents.specification.planner.located import in_place
from pipeline_magic.agents.specification.planner.periods import (
    dated_at,
    dates_compared,
    happened_against,
    happened_in,
    in_period,
)
from pipeline_magic.agents.specification.planner.pointers import routed
from pipeline_magic.agents.specification.planner.text import stems_of
from pipeline_magic.agents.specification.planner.textmatch import holding, text_held
from pipeline_magic.agents.specification.planner.things import (
    aged,
    behind_verb,
    by_means,
    done_or_not,
    measured,
    numbered,
    pointing,
    possessed,
    signed,
    worth,
)
from pipeline_magic.agents.specification.planner.values import (
    ARTICLES,
    Condition,
    comparison_at,
    value_at,
)
from pipeline_magic.agents.specification.planner.weekdays import on_days

__all__ = ["condition_at"]


_COPULA = (
    "is|are|was|were|be|been|has|have|had|has been|have been|of|being|must be|should be|that is|"
    "that are|which is|which are|set to"
)
_OPENERS = (
    "where|whose|with|having|that|which|who|for which|for whom|in which|only|only for|for|only those|those|and that|"
    "that are|that is|that were|that was|which are|which is|which were|who are|who were|"
    "whose own|that have|that has|which have|which has|who have|who has|have|has|had|their|its|the|a|an|all|any"
)
_NOT = "not|no longer|never|don't|doesn't|didn't|do not|does not|did not|aren't|isn't|weren't|wasn't|haven't|hasn't"
_ADVERBS = "still|already|currently|actually|now|yet|ever|been|be|being|presently|so far"
_MISSING = "missing|null|empty|blank|unknown|not known|not set|not given|not available|not present|absent|unset|n/a"
_PRESENT = "present|known|given|available|set|filled|not missing|not null|not empty|not blank"


_MORE = (
    "or more|or above|or higher|or over|and above|or later|or after|and over|or greater|or older|or larger|or bigger"
)
_LESS = "or less|or below|or lower|or fewer|or earlier|or before|and under|or younger|or under|or smaller"


def condition_at(c: Context, i: int, *, about: TableInfo | None = None, opened: bool = False) -> Condition | None:
    """A condition at token `i`, with what is joined to it by ``and`` / ``or``."""
    first = _single(c, i, about, opened)
    if first is None:
        return None
    parts, joiner, end, assumed = [first.expression], "", first.end, first.assumed
    while end < c.end(i) and c.low(end) in {"or", "and"} and joiner in {"", c.low(end)}:
        more = _single(c, end + 1, about, False, least=0.8) or _again(c, end + 1, first)
        if more is None or (c.low(end) == "and" and _starts_measure(c, end + 1)):
            break
        joiner = c.low(end)
        parts.append(more.expression)
        end, assumed = more.end, assumed or more.assumed
    if len(parts) == 1:
        return Condition(end, parts[0], assumed, first.tied)
    text = f" {joiner.upper()} ".join(f"({part})" if " OR " in part or " AND " in part else part for part in parts)
    return Condition(end, f"({text})" if joiner == "or" else text, assumed, first.tied)


def _starts_measure(c: Context, i: int) -> bool:
    return c.match(i, "the number|number of|the average|average|the total|the share|count") is not None


def _again(c: Context, i: int, first: Condition) -> Condition | None:
    """``over 10 or under 5``, ``in 2014 or 2015``: the same column, compared once more."""
    compared = comparison_at(c, i)
    head = first.expression.split(" ", 1)[0]
    if compared and head.startswith("\ue000"):
        value = value_at(c, compared[0], None)
        if value:
            return Condition(value[0], f"{head} {compared[1]} {value[1]}")
    return None


def _single(c: Context, i: int, about: TableInfo | None, opened: bool, least: float = 0.5) -> Condition | None:
    start = i
    if i >= len(c.tokens):
        return None
    if c.low(i) in {"for", "of"} and (dated := in_period(c, i, about, least)) is not None:
        return dated
    if c.low(i) == "of" and i + 1 < c.end(i) and (typed := _column_compared(c, i + 1, about, 0.5)) is not None:
        return typed  # `of type card`
    i = c.skip(i, _OPENERS)
    opened = opened or i > start
    i = c.skip(i, _ADVERBS) if opened or c.low(i) in {"still", "already"} else i
    if c.low(i) == "neither":
        return neither_nor(c, i, lambda at: _single(c, at, about, opened, least))
    negated = c.match(i, _NOT)
    if negated is not None and c.match(negated, "not|never") is None:
        inner = _single(c, behind_verb(c, c.skip(negated, _ADVERBS)), about, opened, least)
        return Condition(inner.end, f"NOT ({inner.expression})", inner.assumed, inner.tied) if inner else None
    for read in (
        _missing_first,
        _measure_compared,
        late,
        took,
        done_by,
        holding,
        quoted_in,
        named_as,
        compared_before,
        compared_by_adjective,
        compared_by_verb,
        aged,
        possessed,
        numbered,
        signed,
        measured,
        counted,
        meant_to,
        using,
        filled,
        on_days,
        named_value,
        table_named,
        operator_first,
        costing,
        unit_compared,
        _column_compared,
        happened_against,
        in_period,
        happened_in,
        in_place,
        routed,
        worth,
    ):
        found = read(c, i, about, least)
        if found is not None:
            return found
    return possessing(c, i, about) or state_at(c, i, about) or done_or_not(c, i, about) or by_means(c, i, about)


def _missing_first(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``no departure time``, ``without an email``, ``missing tail number``."""
    after = c.match(i, "no|without|without a|without an|without any|missing|null|no known|unknown|with no")
    if after is None:
        return None
    at = c.skip(after, ARTICLES)
    link = c.linker.column_at(at, tables=only(c, i, about), least=0.8)
    if link is None or link.end > c.end(i):
        used = [c.linker.tables[use.table] for use in c.of(Use)]
        near = about or next(iter([*used[-1:], *c.focus(i)]), None)
        return pointing(c, at, near) if near is not None else None
    return Condition(link.end, f"{col(link.ref)} IS NULL", tied=link if link.others else None)


def _measure_compared(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``average exceeds 20``: a value computed before, called by a word of its name."""
    measures = c.of(Measure)
    pronoun = c.match(i, "it|this|that|the total|that number|this number|the number|the count|the value")
    bound = comparison_at(c, c.skip(pronoun, _COPULA)) if pronoun is not None and measures else None
    number = value_at(c, bound[0], None) if bound is not None else None
    if bound is not None and number is not None:
        return Condition(number[0], f"{measure_ref(measures[-1].name)} {bound[1]} {number[1]}")
    words = []
    j = i
    while (
        j < c.end(i)
        and j - i < 5
        and c.tokens[j].kind == "word"
        and comparison_at(c, j) is None
        and c.match(j, _COPULA) is None
    ):
        words.append(c.tokens[j].stem)
        j += 1
    said = {word for word in words if word not in {"the", "a", "an", "their", "its", "of"}}
    if not said:
        return None
    fitting = [m for m in measures if said <= {*stems_of("_".join(m.words)), *stems_of(m.name)}]
    if not fitting:
        return None
    compared = comparison_at(c, c.skip(j, _COPULA))
    value = value_at(c, compared[0], None) if compared else None
    if compared is None or value is None:
        return None
    best = min(fitting, key=lambda m: len(m.words))
    return Condition(value[0], f"{measure_ref(best.name)} {compared[1]} {value[1]}")


def _column_compared(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    link = c.linker.column_at(i, tables=only(c, i, about), least=max(least, 0.5))
    if link is None or link.end > c.end(i):
        return None
    if link.end == i + 1 and c.tokens[i].low != c.tokens[i].stem and c.table_at(i) is not None:
        return None  # a plural names the table: `flights over 500 miles` is not about the flight's number
    found = _compared(c, link.end, link.column)
    if found is None:
        return None
    return Condition(found.end, found.expression, found.assumed, link if link.others else None)


def _compared(c: Context, i: int, column: ColumnInfo) -> Condition | None:
    """What follows a column: ``is over 5``, ``between 1 and 2``, ``in (a, b)``, ``is missing``, ``contains x``."""
    name = col(column.ref)
    at = c.skip(i, _COPULA)
    copula = at > i
    negated = c.match(at, "not|n't")
    if negated is not None and comparison_at(c, at) is None and c.match(at, _MISSING + "|" + _PRESENT) is None:
        inner = _compared(c, negated, column)
        return Condition(inner.end, f"NOT ({inner.expression})", inner.assumed) if inner else None
    neither = c.match(at, "neither") if column.kind != "boolean" else None
    values = listed_values(c, neither, column) if neither is not None else None
    if values is not None and len(values[1]) > 1:
        return Condition(values[0], f"NOT coalesce({name} IN ({', '.join(values[1])}), false)")
    if (after := c.match(at, _MISSING)) is not None:
        return Condition(after, f"{name} IS NULL")
    if (after := c.match(at, _PRESENT)) is not None:
        return Condition(after, f"{name} IS NOT NULL")
    if copula and column.kind == "number":
        for words, test in (("negative", "< 0"), ("positive", "> 0"), ("zero", "= 0")):
            if (after := c.match(at, words)) is not None:
                return Condition(after, f"{name} {test}")
    if column.kind in {"date", "timestamp"}:
        dated = dated_at(c, at, column) or dates_compared(c, at, column)
        if dated is not None:
            return dated
    between = _between(c, at, column)
    if between is not None:
        return between
    listed = (
        _list(c, c.match(at, "in|one of|any of|either|among") or at, column)
        if (copula or c.low(at) in {"in", "either"})
        else None
    )
    if listed is not None and " IN (" in listed.expression:
        return listed
    compared = comparison_at(c, at)
    if compared is not None:
        after, operator = compared
        whole = whole_value(c, after, column) if column.kind == "number" else None
        if whole is not None:
            return Condition(whole[0], against(column, operator, whole[1]))
        value = value_at(c, after, column)
        if value is not None and column.kind != "text":
            return Condition(value[0], f"{name} {operator} {value[1]}")
        if value is not None and (operator in {"=", "<>"} or "year" in column.words):
            return Condition(value[0], _text_compared(name, operator, value[1], column))
        other = c.linker.column_at(c.skip(after, ARTICLES), least=0.8)
        if other is not None and other.end <= c.end(i):
            return Condition(other.end, f"{name} {operator} {col(other.ref)}")
    like = text_held(c, at, column)
    if like is not None:
        return like
    value = value_at(c, at, column) if copula or column.kind == "text" else None
    if value is None and column.kind == "number":
        value = value_at(c, at, column)
        bound = c.match(value[0], f"{_MORE}|{_LESS}") if value is not None else None
        value = value if bound is not None else None
    if value is not None and column.is_key_like and _a_name(c, at, value[0]):
        return None  # `the prerequisites of the course Machine Learning`: a name is no key
    if value is not None and not (column.kind == "text" and not copula and c.tokens[at].kind == "number"):
        more = c.match(value[0], _MORE)
        if more is not None:
            return Condition(more, f"{name} >= {value[1]}")
        less = c.match(value[0], _LESS)
        if less is not None:
            return Condition(less, f"{name} <= {value[1]}")
        return Condition(value[0], equal_to(c, column, value[1]))
    return None


def _a_name(c: Context, start: int, end: int) -> bool:
    """Words of letters with capitals, unquoted: a name, and no code."""
    words = [c.tokens[j].text for j in range(start, end)]
    return len(words) > 1 and all(word.isalpha() and not word.isupper() for word in words)


def _text_compared(name: str, operator: str, value: str, column: ColumnInfo) -> str:
    bare = value.strip("'")
    if operator in {"<", ">", "<=", ">="} and bare.replace(".", "", 1).isdigit():
        return f"CAST({name} AS DOUBLE) {operator} {bare}"
    return f"{name} {operator} {value}"


def _between(c: Context, i: int, column: ColumnInfo) -> Condition | None:
    at = c.match(i, "between|from" if column.kind != "text" else "between")  # `flights from Lisbon to Madrid`
    low = value_at(c, at, column) if at is not None else None
    if low is None or c.low(low[0]) not in {"and", "to", "-"}:
        return None
    high = value_at(c, low[0] + 1, column)
    return Condition(high[0], f"{col(column.ref)} BETWEEN {low[1]} AND {high[1]}") if high else None


def _list(c: Context, i: int, column: ColumnInfo) -> Condition | None:
    values: list[str] = []
    at = c.skip(i, "(|:")
    end = at
    while True:
        value = value_at(c, at, column)
        if value is None:
            break
        values.append(value[1])
        end = value[0]
        after = c.match(end, ", or|, and|,|or|and|/")
        if after is None:
            break
        at = after
    if not values:
        return None
    end = c.skip(end, ")") if c.low(i) == "(" or c.low(i - 1) == "(" else end
    name = col(column.ref)
    return Condition(end, f"{name} IN ({', '.join(values)})" if len(values) > 1 else f"{name} = {values[0]}")
