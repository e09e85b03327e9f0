"""Conditions in words: ``total price over 1,000``, ``in 1997``, ``no departure time``, ``status is F or O``.

A condition is a template of Spark SQL that is true for the rows meant. Values of a column are only known where its
comment lists them; other names are compared as they were typed. Not here: where a condition applies (rows, groups, one
measure); its reader knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.dates import Period, period_at
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.intent import Group, Measure, col, measure_ref
from pipeline_magic.agents.specification.planner.lexicon import FILLER, STOP
from pipeline_magic.agents.specification.planner.linking import ColumnLink
from pipeline_magic.agents.specification.planner.text import lemmas, number_of, scale_of, stem

__all__ = ["Condition", "comparison_at", "condition_at", "literal", "named_value", "state_at", "value_at"]


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
        "exceeded|longer than|older than|beyond|>|heavier than|better than"
    ),
    "<": "less than|fewer than|under|below|smaller than|lower than|shorter than|younger than|<|cheaper than",
    "<>": "<>|!=|other than|not equal to|different from|unequal to|is not equal to|does not equal",
    "=": "=|==|equals|equal to|exactly|of exactly",
}
_COPULA = (
    "is|are|was|were|be|been|has|have|had|has been|have been|of|being|must be|should be|that is|"
    "that are|which is|which are|set to"
)
_OPENERS = (
    "where|whose|with|having|that|which|who|for which|for whom|in which|only|only for|for|only those|those|and that|"
    "whose own|that have|that has|which have|which has|who have|who has|have|has|had|their|its|the|a|an|all|any"
)
_ARTICLES = "the|a|an|their|its|his|her|this|that|those|of"
_MISSING = "missing|null|empty|blank|unknown|not known|not set|not given|not available|not present|absent|unset|n/a"
_PRESENT = "present|known|given|available|set|filled|not missing|not null|not empty|not blank"


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
        return i + 1, _spelt(token.low, column)
    number = number_of(token)
    if number is not None and token.low not in {"once", "twice"}:
        after = i + 1
        if after < c.end(i) and (scale := scale_of(c.tokens[after])) > 1:
            number, after = _times(number, scale), after + 1
        if after < c.end(i) and c.low(after) in {"%", "percent"}:
            fraction = column is None or "percent" not in column.words
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


def _spelt(text: str, column: ColumnInfo | None) -> str:
    if column is not None:
        listed = dict(column.values)
        if text in listed.values():
            return literal(text)
        if text.casefold() in listed:
            return literal(listed[text.casefold()])
        if column.upper:
            return literal(text.upper())
    return literal(text)


_STOPPERS = {
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
    listed = dict(column.values)
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
        if not (proper or joined) or (after > i and token.low in _STOPPERS):
            break
        after += 1
    if after == i:
        return None
    text = " ".join(token.text for token in c.tokens[i:after]).replace(" - ", "-")
    return after, _spelt(text, column)


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
    if c.low(i) in {"for", "of"} and (dated := _value_first(c, i, about, least)) is not None:
        return dated
    i = c.skip(i, _OPENERS)
    opened = opened or i > start
    negated = c.match(i, "not|no longer|never")
    if negated is not None:
        inner = _single(c, negated, about, opened, least)
        return Condition(inner.end, f"NOT ({inner.expression})", inner.assumed, inner.tied) if inner else None
    for read in (
        _missing_first,
        _measure_compared,
        _quoted_in,
        _named_as,
        _weekend,
        named_value,
        _operator_first,
        _costing,
        _unit_compared,
        _column_compared,
        _value_first,
        _happened,
        _place,
    ):
        found = read(c, i, about, least)
        if found is not None:
            return found
    return state_at(c, i, about)


def _tables(c: Context, i: int, about: TableInfo | None) -> tuple[str, ...]:
    return (about.name,) if about else ()


def _missing_first(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``no departure time``, ``without an email``, ``missing tail number``."""
    after = c.match(i, "no|without|without a|without an|without any|missing|null|no known|unknown|with no")
    if after is None:
        return None
    link = c.linker.column_at(c.skip(after, _ARTICLES), tables=_tables(c, i, about), least=0.8)
    if link is None or link.end > c.end(i):
        return None
    return Condition(link.end, f"{col(link.ref)} IS NULL", tied=link if link.others else None)


def _measure_compared(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``average exceeds 20``: a value computed before, called by a word of its name."""
    measures = c.of(Measure)
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
    fitting = [m for m in measures if said <= {stem(w) for w in (*m.words, *m.name.split("_"))}]
    if not fitting:
        return None
    compared = comparison_at(c, c.skip(j, _COPULA))
    value = value_at(c, compared[0], None) if compared else None
    if compared is None or value is None:
        return None
    best = min(fitting, key=lambda m: len(m.words))
    return Condition(value[0], f"{measure_ref(best.name)} {compared[1]} {value[1]}")


def _column_compared(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    link = c.linker.column_at(i, tables=_tables(c, i, about), least=max(least, 0.5))
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
    if (after := c.match(at, _MISSING)) is not None:
        return Condition(after, f"{name} IS NULL")
    if (after := c.match(at, _PRESENT)) is not None:
        return Condition(after, f"{name} IS NOT NULL")
    if copula and column.kind == "number":
        for words, test in (("negative", "< 0"), ("positive", "> 0"), ("zero", "= 0")):
            if (after := c.match(at, words)) is not None:
                return Condition(after, f"{name} {test}")
    if column.kind in {"date", "timestamp"}:
        dated = dated_at(c, at, column) or _dates_compared(c, at, column)
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
        value = value_at(c, after, column)
        if value is not None and column.kind != "text":
            return Condition(value[0], f"{_numeric(column, operator)} {operator} {value[1]}")
        if value is not None and (operator in {"=", "<>"} or "year" in column.words):
            return Condition(value[0], _text_compared(name, operator, value[1], column))
        other = c.linker.column_at(c.skip(after, _ARTICLES), least=0.8)
        if other is not None and other.end <= c.end(i):
            return Condition(other.end, f"{name} {operator} {col(other.ref)}")
    like = _like(c, at, column)
    if like is not None:
        return like
    value = value_at(c, at, column) if copula or column.kind == "text" else None
    if value is not None and not (column.kind == "text" and not copula and c.tokens[at].kind == "number"):
        more = c.match(
            value[0], "or more|or above|or higher|or over|and above|or later|or after|and over|or greater|or older"
        )
        if more is not None:
            return Condition(more, f"{name} >= {value[1]}")
        less = c.match(
            value[0], "or less|or below|or lower|or fewer|or earlier|or before|and under|or younger|or under"
        )
        if less is not None:
            return Condition(less, f"{name} <= {value[1]}")
        return Condition(value[0], _same(c, column, value[1]))
    return None


def _same(c: Context, column: ColumnInfo, value: str) -> str:
    if c.loose and column.kind == "text":
        return f"contains(lower({col(column.ref)}), {value.lower()})"
    return f"{col(column.ref)} = {value}"


def _dates_compared(c: Context, i: int, column: ColumnInfo) -> Condition | None:
    """``return date is after the due date``."""
    for operator, words in (
        (">", "after|later than|past|>"),
        ("<", "before|earlier than|<"),
        (">=", "on or after|>="),
        ("<=", "on or before|<="),
    ):
        after = c.match(i, words)
        other = (
            c.linker.column_at(c.skip(after, _ARTICLES), kinds=("date", "timestamp"), least=0.8)
            if after is not None
            else None
        )
        if other is not None and other.end <= c.end(i):
            return Condition(other.end, f"{col(column.ref)} {operator} {col(other.ref)}")
    return None


def _numeric(column: ColumnInfo, operator: str) -> str:
    return col(column.ref)


def _text_compared(name: str, operator: str, value: str, column: ColumnInfo) -> str:
    bare = value.strip("'")
    if operator in {"<", ">", "<=", ">="} and bare.replace(".", "", 1).isdigit():
        return f"CAST({name} AS DOUBLE) {operator} {bare}"
    return f"{name} {operator} {value}"


def _between(c: Context, i: int, column: ColumnInfo) -> Condition | None:
    at = c.match(i, "between|from")
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


def _like(c: Context, i: int, column: ColumnInfo) -> Condition | None:
    for pattern, phrases in (
        ("contains({}, {})", "contains|contain|containing|including|includes|include|with"),
        ("startswith({}, {})", "starts with|start with|starting with|begins with|begin with|beginning with"),
        ("endswith({}, {})", "ends with|end with|ending with|ends in"),
    ):
        after = c.match(i, phrases)
        if (
            after is not None
            and column.kind == "text"
            and after < c.end(i)
            and c.tokens[after].kind in {"quoted", "word"}
        ):
            token = c.tokens[after]
            if token.kind == "word" and not token.text[0].isupper():
                continue
            text = token.low if token.kind == "quoted" else token.text
            return Condition(after + 1, pattern.format(col(column.ref), literal(text)))
    return None


# --- dates -------------------------------------------------------------------------------------------------------


def dated_at(c: Context, i: int, column: ColumnInfo) -> Condition | None:
    """What is said of a date column: ``since 1995``, ``before March 1996``, ``in 1997``, ``in the last 30 days``."""
    name = col(column.ref)
    word = c.low(i)
    two = c.match(i, "between|from")
    first = period_at(c, two) if two is not None else None
    if first is not None and c.low(first.end) in {"and", "to", "until", "through", "till", "-"}:
        second = period_at(c, first.end + 1)
        if second is not None:
            end = c.skip(second.end, "inclusive|both inclusive|( inclusive )|( both inclusive )")
            return Condition(end, _and(f"{name} >= {first.low}", second.high and f"{name} < {second.high}"))
    at = c.match(
        i,
        "since|starting from|starting in|starting|from|as of|on or after|not before|no earlier than|"
        "after|later than|newer than|before|"
        "earlier than|prior to|older than|until|through|up to|on or before|no later than|in|during|"
        "within|within the|in the|over the|on|for|"
        "at|of|over|>=|>|<=|<|=|is",
    )
    period = period_at(c, at if at is not None else i)
    if period is None or (at is None and not period.relative and c.tokens[i].kind == "number" and not _near_date(c, i)):
        return None
    phrase = " ".join(token.low for token in c.tokens[i : at or i])
    later = c.match(period.end, "or after|or later|on|onward|onwards|and later|and after|or newer")
    if later is not None:
        return Condition(later, f"{name} >= {period.low}")
    earlier = c.match(period.end, "or before|or earlier|and before|and earlier")
    if earlier is not None:
        return Condition(earlier, _below(name, period))
    return Condition(period.end, _dated(name, phrase or word, period))


def _near_date(c: Context, i: int) -> bool:
    return True


def _below(name: str, period: Period) -> str:
    return f"{name} < {period.high}" if period.high else f"{name} <= {period.low}"


def _and(first: str, second: str | None) -> str:
    return f"{first} AND {second}" if second else first


def _dated(name: str, phrase: str, period: Period) -> str:
    if phrase in {"before", "earlier than", "prior to", "older than", "<"}:
        return f"{name} < {period.low}"
    if phrase in {"after", "later than", "newer than", ">"}:
        return f"{name} >= {period.high}" if period.high else f"{name} > {period.low}"
    if phrase in {"until", "through", "up to", "on or before", "no later than", "<="}:
        return _below(name, period)
    if phrase.startswith(("since", "starting", "from", "as of", "on or after", "not before", "no earlier", ">=")):
        return f"{name} >= {period.low}"
    return _and(f"{name} >= {period.low}", period.high and f"{name} < {period.high}")


def named_value(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``in the BUILDING segment``, ``of ship mode AIR``: a value beside the word for its column."""
    at = c.skip(i, "in|from|of|the|within|at|on|with")
    if at < c.end(i) and re.fullmatch("serv(?:e|es|ed|ing)|sell(?:s|ing)?|offering", c.low(at)):
        at += 1
    if (
        at >= c.end(i)
        or c.tokens[at].kind not in {"word", "quoted"}
        or at == c.starts[i]
        or c.low(at) in _STOPPERS | STOP | FILLER
    ):
        return None
    for after in range(at + 1, min(at + 4, c.end(i))):
        link = c.linker.column_at(after, kinds=("text",), tables=_tables(c, i, about), least=0.45, longest=2)
        if link is None or not all(
            token.kind == "word" and (token.text[0].isupper() or token.low in dict(link.column.values))
            for token in c.tokens[at:after]
        ):
            continue
        value = value_at(c, at, link.column)
        if value is not None and value[0] == after and c.table_at(at) is None:
            tied = link if link.others else None
            if value[1].strip("'").casefold() in dict(link.column.values):
                return Condition(link.end, f"{col(link.ref)} = {value[1]}", tied=tied)
            text = _same(c, link.column, value[1]) if c.loose else f"lower({col(link.ref)}) = {value[1].lower()}"
            return Condition(link.end, text, f"looked for in {link.column.name}, without regard to case", tied)
    return None


def _operator_first(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``under age 30``: the comparison before the column."""
    compared = comparison_at(c, i)
    link = (
        c.linker.column_at(compared[0], kinds=("number",), tables=_tables(c, i, about), least=0.8) if compared else None
    )
    value = value_at(c, link.end, link.column) if link is not None else None
    if compared is None or link is None or value is None:
        return None
    return Condition(value[0], f"{col(link.ref)} {compared[1]} {value[1]}", tied=link if link.others else None)


def _costing(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``that cost more than 20``."""
    at = c.match(i, "cost|costs|costing|priced at|priced")
    compared = comparison_at(c, at) if at is not None else None
    value = value_at(c, compared[0], None) if compared is not None else None
    if compared is None or value is None:
        return None
    for table in (about,) if about else c.focus(i)[:2]:
        fitting = [column for column in table.of_kind("number") if {"price", "cost"} & set(column.words)]
        if len(fitting) == 1:
            return Condition(
                value[0],
                f"{col(fitting[0].ref)} {compared[1]} {value[1]}",
                f"what it costs is read as {fitting[0].name}",
            )
    return None


def _quoted_in(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``that have 'Ford' in their make name``: a part of a text, whatever its case."""
    if i >= c.end(i) or c.tokens[i].kind != "quoted" or c.tokens[i].text[0] == "`":
        return None
    at = c.match(i + 1, "in|within|as part of|inside")
    link = (
        c.linker.column_at(c.skip(at, _ARTICLES), kinds=("text",), tables=_tables(c, i, about))
        if at is not None
        else None
    )
    if link is None or link.end > c.end(i):
        return None
    end = c.skip(link.end, "name|number|value")
    return Condition(
        end,
        f"contains(lower({col(link.ref)}), {literal(c.tokens[i].low.lower())})",
        "compared without regard to case",
        link if link.others else None,
    )


def _named_as(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``vendor named 'Acme'``, ``customers called 'Smith'``: the name of what stands before."""
    noun = c.skip(i, "to|from|by|for|the|a|of")
    at = c.match(noun + 1, "named|called|with the name|with name") if noun < c.end(i) else None
    if at is None or at >= c.end(i) or c.tokens[at].kind != "quoted":
        return None
    stem_ = c.tokens[noun].stem
    for table in (about,) if about else c.focus(i):
        for column in table.of_kind("text"):
            if set(column.words) == {stem_, "name"} or (table.words[-1:] == (stem_,) and column.words == ("name",)):
                return Condition(at + 1, f"{col(column.ref)} = {_spelt(c.tokens[at].low, column)}")
    return None


def _weekend(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``on weekends``, ``on weekdays``."""
    out = c.match(
        i, "on weekends|on a weekend|on the weekend|at the weekend|at weekends|during weekends|during the weekend"
    )
    days = c.match(i, "on weekdays|on a weekday|during weekdays|on working days") if out is None else None
    found = date_column(c, i, about) if (out or days) else None
    if found is None:
        return None
    within = "IN" if out else "NOT IN"
    tied = ColumnLink(i, i + 1, found[0], 0.5, found[1]) if found[1] else None
    return Condition(
        out or days or i, f"dayofweek({col(found[0].ref)}) {within} (1, 7)", "weekends are Saturday and Sunday", tied
    )


_PLACES = {"city", "state", "country", "region", "county", "nation", "province", "location", "continent"}


def _place(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``in New York``: a name in capitals, of the one column that holds places."""
    at = c.match(i, "in|from|near|at|within")
    if (
        at is None
        or at >= c.end(i)
        or c.tokens[at].kind not in {"word", "quoted"}
        or period_at(c, at) is not None
        or c.table_at(at) is not None
    ):
        return None
    for table in (about,) if about else c.focus(i)[:2]:
        columns = [column for column in table.of_kind("text") if _PLACES & set(column.words) and not column.values]
        if len(columns) == 1:
            value = value_at(c, at, columns[0])
            if value is not None:
                return Condition(
                    value[0],
                    f"lower({col(columns[0].ref)}) = {value[1].lower()}",
                    f"a place is looked for in {columns[0].name}, without regard to case",
                )
    return None


def _unit_compared(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``over 500 miles``: the column whose comment speaks of the unit."""
    compared = comparison_at(c, i)
    value = value_at(c, compared[0], None) if compared is not None else None
    if compared is None or value is None:
        return None
    unit = c.tokens[value[0]].stem if value[0] < c.end(i) else ""
    if c.tokens[value[0] - 1].kind == "word" and number_of(c.tokens[value[0] - 1]) is None:
        unit = c.tokens[value[0] - 1].stem
    end = value[0] + 1 if value[0] < c.end(i) and c.tokens[value[0]].stem == unit else value[0]
    for table in (about,) if about else c.focus(i)[:1]:
        fitting = [column for column in table.of_kind("number") if unit and unit in column.said]
        if len(fitting) == 1:
            column = fitting[0]
            return Condition(end, f"{col(column.ref)} {compared[1]} {value[1]}", f"{unit}s are read as {column.name}")
    return None


def _happened(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``shipped in 1996``, ``placed since March``: a verb before a period."""
    if i + 1 >= c.end(i) or not re.fullmatch(r"\w+(?:ed|en|un|id)|made|bought|sold|sent|paid", c.low(i)):
        return None
    return _value_first(c, i + 1, about, least)


_RECORD_TIMES = {"created", "updated", "modified", "load", "loaded", "ingested", "inserted"}


def date_column(c: Context, i: int, about: TableInfo | None) -> tuple[ColumnInfo, tuple[ColumnInfo, ...]] | None:
    """The date column that words without a column name mean, and others that fit as well.

    A verb before (``shipped in 1997``) decides where its stem is in one column's words; else the table that stands
    right before, the one that is measured, then the nearest. Of several, the table's own date (``loan_date`` of loans)
    is meant; columns that say when a record was stored come last.
    """
    tables = (about,) if about else _dated_tables(c, i)
    said = {base for j in range(max(0, i - 3), i) for base in lemmas(c.tokens[j].low)} if i else set()
    choices: list[list[ColumnInfo]] = []
    for table in tables:
        dates = [column for column in table.of_kind("date", "timestamp") if not _RECORD_TIMES & set(column.words)]
        dates = dates or list(table.of_kind("date", "timestamp"))
        hit = [
            column
            for column in dates
            if said & (set(column.words) - set(table.words) | {b for w in column.said for b in lemmas(w)})
        ]
        if hit:
            return hit[0], tuple(hit[1:])
        own = [
            column for column in dates if set(column.words) <= {*table.words, "date", "time", "day", "timestamp", "at"}
        ]
        if dates:
            choices.append(own if len(own) == 1 else dates)
    if not choices:
        return None
    answered = [column for column in choices[0] if column.name == c.answers.get("column:date")]
    chosen = answered or choices[0]
    return chosen[0], tuple(chosen[1:])


def _dated_tables(c: Context, i: int) -> tuple[TableInfo, ...]:
    """Tables a period may speak of, likeliest first."""
    groups = [item for item in c.items if isinstance(item, Group)]
    found: list[str] = []
    for start in range(max(c.starts[i], i - 4), i):
        link = c.table_at(start)
        if link is not None and link.end == i and not any(item.start <= start < item.end for item in groups):
            found.append(link.table.name)
    found += [item.table for item in c.of(Measure) if item.table]
    names = dict.fromkeys([*found, *(table.name for table in c.focus(i))])
    return tuple(c.linker.tables[name] for name in names)


def _value_first(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``since 1995``, ``in the last 30 days``: a period without a column."""
    word = c.low(i)
    if word not in {
        "since",
        "after",
        "before",
        "in",
        "during",
        "within",
        "between",
        "from",
        "until",
        "over",
        "on",
        "last",
        "past",
        "this",
        "yesterday",
        "today",
        "starting",
        "through",
        "as",
        "for",
        "prior",
        "of",
        "at",
        "current",
    } and not (i and c.low(i - 1) in {"or"}):
        return None
    found = date_column(c, i, about)
    if found is not None:
        dated = dated_at(c, i, found[0])
        if dated is not None:
            others = found[1]
            tied = ColumnLink(i, dated.end, found[0], 0.5, others) if others else None
            return Condition(dated.end, dated.expression, f"the period is about {found[0].name}", tied)
    return _whole_year(c, i, about)


def _whole_year(c: Context, i: int, about: TableInfo | None) -> Condition | None:
    """``in 2013`` over a table that keeps the year as a number or text."""
    at = c.match(i, "in|in the year|in year|since|after|before|during|for|from|until|of")
    at = c.skip(at, "the|year|years|of|both") if at is not None else None
    if at is None or at >= c.end(i):
        return None
    period = period_at(c, at)
    if period is None or period.year is None or period.month is not None:
        return None
    for table in (about,) if about else c.focus(i):
        years = [column for column in table.columns if "year" in column.words and column.kind in {"number", "text"}]
        if len(years) == 1:
            year, name = years[0], col(years[0].ref)
            shown = name if year.kind == "number" else f"CAST({name} AS INT)"
            operator = {"since": ">=", "after": ">", "before": "<", "from": ">=", "until": "<="}.get(c.low(i), "=")
            end = period.end
            if (later := c.match(end, "or after|or later|onward|onwards|on")) is not None:
                operator, end = ">=", later
            elif (earlier := c.match(end, "or before|or earlier")) is not None:
                operator, end = "<=", earlier
            return Condition(end, f"{shown} {operator} {period.year}", f"the year is {year.name}")
    return None


# --- states ------------------------------------------------------------------------------------------------------


def state_at(c: Context, i: int, about: TableInfo | None) -> Condition | None:
    """An adjective that a column's comment explains: ``open orders``, ``cancelled``; or a verb of a column's name."""
    if i >= c.end(i) or i >= len(c.tokens) or c.tokens[i].kind != "word":
        return None
    low = c.low(i)
    for table in (about,) if about else c.focus(i):
        for column in table.columns:
            if low in column.null_words:
                return Condition(i + 1, f"{col(column.ref)} IS NULL", f"{low} means: {column.name} is NULL")
        for column in table.columns:
            listed = dict(column.values)
            if len(low) > 2 and low in listed:
                return Condition(
                    i + 1, f"{col(column.ref)} = {literal(listed[low])}", f"{low} means: {column.name} = {listed[low]}"
                )
        for column in table.of_kind("boolean"):
            adjective = "_".join(word for word in column.words if word not in {"is", "has", "was", "flag"})
            if low in {adjective, f"in{adjective}", f"un{adjective}", f"non{adjective}"}:
                text = col(column.ref) if low == adjective else f"NOT {col(column.ref)}"
                return Condition(
                    i + 1, text, f"{low} means: {column.name} is {'true' if low == adjective else 'false'}"
                )
        if low.endswith("ed") and len(low) > 5:
            root = low[:5]
            hits = [
                column
                for column in table.columns
                if column.nullable and column.null_words and column.words[0].startswith(root)
            ]
            if len(hits) == 1:
                return Condition(i + 1, f"{col(hits[0].ref)} IS NOT NULL", f"{low} means: {hits[0].name} is not NULL")
    return None
