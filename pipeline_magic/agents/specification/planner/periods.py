"""Conditions on dates: ``since 1995``, ``in the last 30 days``, ``shipped in 1996``, and which column they are about.

Not here: what a period is; see `dates`.
"""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.apart import apart, apart_of_one
from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.dates import Period, back, period_at
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.harmless import links
from pipeline_magic.agents.specification.planner.intent import (
    Group,
    Measure,
    col,
    refs_in,
)
from pipeline_magic.agents.specification.planner.lexicon import MONTHS
from pipeline_magic.agents.specification.planner.linking import ColumnLink
from pipeline_magic.agents.specification.planner.text import lemmas, number_of
from pipeline_magic.agents.specification.planner.values import (
    ARTICLES,
    Condition,
)

__all__ = ["date_column", "dated_at", "dates_compared", "happened_against", "happened_in", "in_period"]


def dates_compared(c: Context, i: int, column: ColumnInfo) -> Condition | None:
    """``return date is after the due date``."""
    for operator, words in (
        (">", "after|later than|past|>"),
        ("<", "before|earlier than|<"),
        (">=", "on or after|>="),
        ("<=", "on or before|<="),
    ):
        after = c.match(i, words)
        other = (
            c.linker.column_at(c.skip(after, ARTICLES), kinds=("date", "timestamp"), least=0.8)
            if after is not None
            else None
        )
        if other is not None and other.end <= c.end(i):
            return Condition(other.end, f"{col(column.ref)} {operator} {col(other.ref)}")
    return None


def dated_at(c: Context, i: int, column: ColumnInfo) -> Condition | None:
    """What is said of a date column: ``since 1995``, ``before March 1996``, ``in 1997``, ``in the last 30 days``."""
    name = col(column.ref)
    word = c.low(i)
    two = c.match(i, "between|from")
    first = period_at(c, two) if two is not None else None
    if (
        first is None
        and two is not None
        and c.low(two) in MONTHS
        and c.low(two + 1) in {"and", "to", "until", "till", "-"}
    ):
        last = period_at(c, two + 2)  # `between March and May 2025`
        if last is not None and last.year is not None and last.month is not None and last.high is not None:
            low = f"DATE '{last.year:04d}-{MONTHS[c.low(two)]:02d}-01'"
            return Condition(last.end, _and(f"{name} >= {low}", f"{name} < {last.high}"))
    if first is not None and c.low(first.end) in {"and", "to", "until", "through", "till", "-"}:
        second = period_at(c, first.end + 1)
        if second is not None:
            end = c.skip(second.end, "inclusive|both inclusive|( inclusive )|( both inclusive )")
            return Condition(end, _and(f"{name} >= {first.low}", second.high and f"{name} < {second.high}"))
    past = c.match(i, "is in the past|in the past|has passed|lies in the past|is already past|before today|before now")
    if past is not None and period_at(c, past - 1) is None:
        return Condition(past, f"{name} < to_date(run_time())")
    future = c.match(i, "is in the future|in the future|lies in the future|after today")
    if future is not None:
        return Condition(future, f"{name} > to_date(run_time())")
    apart = _ago(c, i, name)
    if apart is not None:
        return apart
    several = _several(c, i, name)
    if several is not None:
        return several
    at = c.match(
        i,
        "since|starting from|starting in|starting|from|as of|on or after|not before|no earlier than|"
        "after|later than|newer than|before|"
        "earlier than|prior to|older than|until|through|up to|on or before|no later than|in|during|"
        "within|within the|in the|over the|on|for|"
        "at|of|over|>=|>|<=|<|=|is",
    )
    period = period_at(c, at if at is not None else i)
    if period is None:
        return None
    phrase = " ".join(token.low for token in c.tokens[i : at or i])
    later = c.match(period.end, "or after|or later|on|onward|onwards|and later|and after|or newer")
    if later is not None:
        return Condition(later, f"{name} >= {period.low}")
    earlier = c.match(period.end, "or before|or earlier|and before|and earlier")
    if earlier is not None:
        return Condition(earlier, _below(name, period))
    return Condition(period.end, _dated(name, phrase or word, period))


def _ago(c: Context, i: int, name: str) -> Condition | None:
    """``more than 30 days ago``, ``less than a week ago``, ``at least 2 months old``: how far back from the run."""
    far = c.match(i, "more than|over|longer than|at least|older than|no less than")
    near = c.match(i, "less than|under|within|at most|fewer than|no more than|not more than") if far is None else None
    at = far if far is not None else near
    if at is None:
        return None
    one = c.match(at, "a|an|one")
    number = (
        1
        if one is not None
        else int(n)
        if (n := number_of(c.tokens[at]) if at < c.end(i) else "") and n.isdigit()
        else 0
    )
    start = back(c.tokens[at + 1].stem, number) if number and at + 1 < c.end(i) else ""
    if not start:
        return None
    end = c.match(at + 2, "ago|old|before today|before now|in the past")
    if end is None:
        return None
    if far is not None:
        sign = "<=" if c.low(i) in {"at", "no"} else "<"
        return Condition(end, f"{name} {sign} {start}")
    return Condition(end, f"{name} >= {start}")


def _several(c: Context, i: int, name: str) -> Condition | None:
    """``in 1997 and 1998``, ``for 2023, 2024 and 2025``: any of the periods."""
    at = c.match(i, "in|for|during|of|from|in the years|for the years|in both|within")
    periods: list[Period] = []
    while at is not None and (period := period_at(c, at)) is not None and period.high is not None:
        periods.append(period)
        at = c.match(period.end, ", and|, or|and|or|,")
    if len(periods) < 2 or any(period.relative for period in periods):
        return None
    parts = [f"({name} >= {period.low} AND {name} < {period.high})" for period in periods]
    return Condition(periods[-1].end, f"({' OR '.join(parts)})")


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
    if phrase == "from" and period.year is not None:
        return _and(f"{name} >= {period.low}", period.high and f"{name} < {period.high}")  # `the orders from 2024`
    if phrase.startswith(("since", "starting", "from", "as of", "on or after", "not before", "no earlier", ">=")):
        return f"{name} >= {period.low}"
    return _and(f"{name} >= {period.low}", period.high and f"{name} < {period.high}")


def happened_in(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``shipped in 1996``, ``placed since March``: a verb before a period."""
    if i + 1 >= c.end(i) or not re.fullmatch(r"\w+(?:ed|en|un|id)|made|bought|sold|sent|paid", c.low(i)):
        return None
    found = in_period(c, i + 1, about, least)
    return found if found is not None and _fits_verb(c, c.low(i), found.expression) else None


_DEALT = {"order", "buy", "bought", "purchase", "sell", "sold", "date", "pay", "paid", "run", "fly", "hire", "employ"}


def _fits_verb(c: Context, verb: str, expression: str) -> bool:
    """The verb is true of every row, or the column, its comment or its table is called by it."""
    forms = lemmas(verb)
    if links(verb) or forms & _DEALT:
        return True
    roots = {form[:5] for form in forms if len(form) > 3}
    for ref in refs_in(expression):
        table = c.linker.tables[ref.table]
        column = table.column(ref.column)
        words = {*table.words, table.called, *(column.words if column else ()), *(column.said if column else ())}
        if any(word[:5] in roots or word in forms for word in words):
            return True
    return False


_PARTICLES = {"up", "in", "out", "off", "on"}


def happened_against(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``received after the commit date``, ``signed up before 2025``: a verb that stands for one date column."""
    if i + 1 >= c.end(i) or not re.fullmatch(r"\w+(?:ed|en|un|id)|made|bought|sold|sent|paid", c.low(i)):
        return None
    roots = {root for form in lemmas(c.low(i)) for root in (form, form[:6]) if len(root) > 3}
    at = i + 1
    if (
        c.low(at) in _PARTICLES
        and c.match(at + 1, "before|after|since|in|on|between|during|within|later|earlier") is not None
    ):
        roots |= {form + c.low(at) for form in lemmas(c.low(i))}
        at += 1
    for table in (about,) if about else c.focus(i):
        hits = [
            column
            for column in table.of_kind("date", "timestamp")
            if any(
                word == root or (len(root) > 5 and word.startswith(root[:5]))
                for word in (*column.words, *column.said)
                for root in roots
            )
        ]
        one = apart_of_one(c, at, hits) if len(hits) > 1 else None
        if one is not None:
            return Condition(one[1].end, one[1].expression, f"{c.low(i)} is read as {one[0].name}")
        if len(hits) != 1:
            continue
        found = apart(c, at, hits[0]) or dates_compared(c, at, hits[0]) or dated_at(c, at, hits[0])
        if found is not None:
            return Condition(found.end, found.expression, f"{c.low(i)} is read as {hits[0].name}")
    return None


_RECORD_TIMES = {"created", "updated", "modified", "load", "loaded", "ingested", "inserted"}


def date_column(
    c: Context, i: int, about: TableInfo | None, avoid: str = ""
) -> tuple[ColumnInfo, tuple[ColumnInfo, ...]] | None:
    """The date column that words without a column name mean, and others that fit as well.

    A verb before (``shipped in 1997``) decides where its stem is in one column's words; else the table that stands
    right before, the one that is measured, then the nearest. Of several, the table's own date (``loan_date`` of loans)
    is meant; columns that say when a record was stored come last.
    """
    tables = (about,) if about else _dated_tables(c, i)
    if avoid and any(table.name != avoid and table.of_kind("date", "timestamp") for table in tables):
        tables = tuple(table for table in tables if table.name != avoid)  # `per device and day` is no day of devices
    said = {base for j in range(max(0, i - 3), i) for base in lemmas(c.tokens[j].low) if len(base) > 2} if i else set()
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
        if len(own) != 1 and len(dates) > 1:
            own = [column for column in dates if not column.optional]
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
        inside = any(item.start <= start < item.end for item in groups)
        if link is not None and link.end == i and not inside and not _where_done(c, start):
            found.append(link.table.name)
    found += [item.table for item in c.of(Measure) if item.table]
    parting = {group.entity for group in groups if group.entity}
    near = [table.name for table in c.focus(i)]
    done = [link.table.name for j in range(c.starts[i], i) if (link := c.table_at(j)) is not None and _where_done(c, j)]
    near.sort(key=lambda name: name in parting or name in done)  # `per store in the last 6 months` is no date of stores
    names = dict.fromkeys([*found, *near])
    return tuple(c.linker.tables[name] for name in names)


def _where_done(c: Context, start: int) -> bool:
    """``placed in a store``: the table tells where or how, and what was done there is what the period speaks of."""
    at = start - 1
    article = at > 0 and c.low(at) in {"a", "an", "the", "our"}
    before = c.low(at - 1) if article else c.low(at)
    verb = c.low(at - 2) if article else c.low(at - 1)
    return (
        before in {"in", "at", "by", "through", "via", "from"}
        and re.fullmatch(r"\w+(?:ed|en)|made|sold|bought", verb) is not None
    )


def in_period(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
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
    return _whole_year(c, i, about) or month_alone(c, i, about)


def month_alone(c: Context, i: int, about: TableInfo | None) -> Condition | None:
    """``in January``: that month of every year."""
    at = c.match(i, "in|during|for|of|from")
    number = MONTHS.get(c.low(at)) if at is not None and at < c.end(i) else None
    if at is None or number is None or not c.tokens[at].text[0].isupper():
        return None
    for table in (about,) if about else c.focus(i)[:2]:
        months = [column for column in table.of_kind("number") if column.words == ("month",)]
        if months:
            return Condition(at + 1, f"{col(months[0].ref)} = {number}")
    found = date_column(c, i, about)
    if found is None:
        return None
    tied = ColumnLink(i, at + 1, found[0], 0.5, found[1]) if found[1] else None
    return Condition(
        at + 1, f"month({col(found[0].ref)}) = {number}", f"the month of {found[0].name}, of every year", tied
    )


_BIRTH = {"birth", "born", "death", "died", "dead", "deceased"}


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
        if len(years) == 1 and _BIRTH & set(years[0].words) and c.low(i - 1) not in {*_BIRTH, "year"}:
            continue  # what somebody did in a year is not their birth
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
