"""Nouns and verbs read by kind: what a row may have (``used a coupon``), a row by its number (``device 3``), ages.

The noun must be of a column (or table) near by; the verb only one of having, using or giving. Not here: relations to
rows of other tables (`relations`), values beside the word for their column (`idioms`).
"""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.deeds import listed_values
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.grouping import entity_columns
from pipeline_magic.agents.specification.planner.intent import col
from pipeline_magic.agents.specification.planner.text import lemmas, number_of
from pipeline_magic.agents.specification.planner.values import Condition, comparison_at, literal, spelt, value_at

__all__ = [
    "aged",
    "behind_verb",
    "by_means",
    "called_at",
    "done_or_not",
    "measured",
    "numbered",
    "pointing",
    "possessed",
    "signed",
    "worth",
]

_HAVING = {
    "use", "have", "get", "give", "leave", "carry", "contain", "show", "include", "receive", "enter", "provide",
    "specify", "record", "mention", "hold", "bear", "list", "state", "name", "report", "supply", "apply", "redeem",
}  # fmt: skip
_IRREGULAR = {
    "had": "have", "has": "have", "got": "get", "gave": "give", "given": "give", "left": "leave", "held": "hold",
    "paid": "pay", "sent": "send", "sold": "sell", "made": "make", "done": "do", "born": "bear", "bought": "buy",
    "built": "build", "written": "write", "taken": "take", "lost": "lose", "won": "win",
}  # fmt: skip
_AUX = "do|does|did|have|has|had|not|n't|never|don't|doesn't|didn't|haven't|hasn't|hadn't|ever|also|actually|been"
_HELPERS = 6
"""Most words of helping and negation before a verb."""
_NOT = {"not", "never", "don't", "doesn't", "didn't", "haven't", "hasn't", "hadn't", "n't"}
_PART = {"code", "id", "number", "name", "text", "key", "at", "on", "date", "used", "address", "reference", "ref", "by"}


def possessed(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``used a coupon``, ``did not leave a note``, ``has no email``: a column is filled, or is empty."""
    at = i
    if i >= len(c.tokens) or i == c.starts[i]:
        return None  # `Show its title` asks for the title
    while at - i < _HELPERS and (after := c.match(at, _AUX)) is not None:
        at = after
    negated = any(c.low(j) in _NOT for j in range(i, at))
    if at < c.end(i) and (lemmas(c.low(at)) & _HAVING or _IRREGULAR.get(c.low(at)) in _HAVING):
        at += 1
    elif c.low(at - 1) not in {"have", "has", "had"} or at == i:
        return None
    none = c.match(at, "no")
    start = none if none is not None else c.match(at, "a|an|any|some|their|its")
    if start is None:
        return None
    found = thing_at(c, start, about)
    if found is None:
        return None
    end, column = found
    test = "IS NULL" if negated != (none is not None) else "IS NOT NULL"
    return Condition(end, f"{col(column.ref)} {test}", f"whether there is one is read from {column.name}")


def thing_at(c: Context, i: int, about: TableInfo | None) -> tuple[int, ColumnInfo] | None:
    """The one column near by, not a number, that a noun is the word for but for words such as `code` or `name`."""
    if i >= c.end(i - 1) or c.table_at(i) is not None or c.tokens[i].kind != "word":
        return None
    for table in (about,) if about else c.focus(i)[:2]:
        for size in (3, 2, 1):
            words = {token.stem for token in c.tokens[i : i + size]}
            hits = [
                column
                for column in table.columns
                if i + size <= c.end(i)
                and words <= {*column.words, *column.said}
                and set(column.words) - words <= _PART
                and words - _PART
                and column.name not in table.key
                and (column.kind == "text" or (column.kind not in {"number", "boolean"} and column.optional))
                and column.nullable
            ]
            if not hits and size == 1:
                hits = _by_last_word(table, c.tokens[i].stem)
            if len(hits) == 1:
                behind = c.tokens[i + size] if i + size < c.end(i) else None
                if comparison_at(c, i + size) is not None or (behind and behind.kind in {"number", "quoted"}):
                    return None
                if behind and behind.kind == "word" and behind.text[0].isupper():
                    return None
                return i + size, hits[0]
    return None


def _by_last_word(table: TableInfo, word: str) -> list[ColumnInfo]:
    """``no tier`` of `loyalty_tier`, where no other column has that word."""
    having = [column for column in table.columns if word in column.words]
    fits = [column for column in having if column.words[-1] == word and column.kind in {"text", "date", "timestamp"}]
    one = len(having) == 1 and len(word) > 3 and word not in _PART and word not in table.words
    return [column for column in fits if one and column.nullable and column.name not in table.key]


def numbered(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``on device 3``, ``of store number 12``: a row by its number; where rows point at it, by the pointer."""
    at = c.skip(i, "on|of|in|at|for|from|by|to|the")
    link = c.table_at(at)
    if link is None or link.others or c.tokens[link.end - 1].low != c.tokens[link.end - 1].stem:
        return None
    called = called_at(c, link.end, link.table)
    if called is not None:
        return called
    end = c.skip(link.end, "number|no|nr|id|#|with|the|key")
    number = c.tokens[end] if end < c.end(i) else None
    if number is None or number.kind != "number" or not number.text.isdigit():
        return None
    if c.match(end + 1, "times|days|hours|minutes|%|percent|and|-|to|or") or len(link.table.key) != 1:
        return None
    key = link.table.column(link.table.key[0])
    if key is None:
        return None
    for table in (about,) if about else c.focus(at)[:3]:
        links = c.graph.links(table.name, link.table.name) if table.name != link.table.name else ()
        if links and links[0].one in {"right", "both"} and len(links[0].keys) == 1 and links[0].keys[0][1] == key.name:
            if len(links) > 1 and links[1].score >= links[0].score:
                return None
            pointer = table.column(links[0].keys[0][0])
            key = pointer if pointer is not None else key
            break
    value = number.text if key.kind == "number" else literal(number.text)
    return Condition(end + 1, f"{col(key.ref)} = {value}", f"the number is read as {key.name}")


def pointing(c: Context, i: int, near: TableInfo) -> Condition | None:
    """``rows without a subscriber``, ``no minutes``: the column that points at a table, or the one with that word."""
    link = c.table_at(i)
    links = c.graph.links(near.name, link.table.name) if link is not None and link.table.name != near.name else ()
    if link is not None and links and len(links[0].keys) == 1 and links[0].one in {"right", "both"}:
        pointer = near.column(links[0].keys[0][0])
        if pointer is not None and (len(links) < 2 or links[1].score < links[0].score):
            return Condition(link.end, f"{col(pointer.ref)} IS NULL", f"read from {pointer.name}")
    word = c.tokens[i].stem if i < c.end(i - 1) else ""
    hits = [
        column
        for column in near.columns
        if word in column.words and all(rest in _PART or _DONE.fullmatch(rest) for rest in column.words if rest != word)
    ]
    if link is None and not hits and word and c.tokens[i].kind == "word":
        hits = _by_last_word(near, word)
    if link is None and len(hits) == 1 and c.tokens[i].kind == "word" and len(word) > 3:
        return Condition(i + 1, f"{col(hits[0].ref)} IS NULL", f"{c.low(i)} is read as {hits[0].name}")
    return None


def behind_verb(c: Context, i: int) -> int:
    """``don't run firmware 2.0.0``: behind a verb of having or using, where a column follows it."""
    if i + 1 >= c.end(i) or not lemmas(c.low(i)) & (_HAVING | {"run", "need", "want", "belong"}):
        return i
    at = c.skip(i + 1, "the|to")
    return at if c.linker.column_at(at, least=0.8) is not None and c.table_at(i) is None else i


def called_at(c: Context, i: int, table: TableInfo) -> Condition | None:
    """``the product 'Tent'``: a name in quotes behind a table, of the one column that holds names."""
    if i >= c.end(i - 1) or c.tokens[i].kind != "quoted" or c.tokens[i].text[0] == "`":
        return None
    names = [column for column in entity_columns(table) if column.name not in table.key and column.kind == "text"]
    if len(names) != 1:
        return None
    name = names[0]
    return Condition(i + 1, f"{col(name.ref)} = {spelt(c.tokens[i].low, name)}", f"the name is read as {name.name}")


def measured(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``with 5 stars``, ``at least 3 floors``: a number before the word for its column."""
    compared = comparison_at(c, i)
    at = compared[0] if compared is not None else i
    number = number_of(c.tokens[at]) if at < c.end(i) else None
    if number is None or at + 1 >= c.end(i) or c.table_at(at + 1) is not None:
        return None
    if compared is None and c.low(i - 1) not in {"with", "having", "of", "has", "have", "are", "is"}:
        return None
    link = c.linker.column_at(at + 1, kinds=("number",), tables=(about.name,) if about else (), least=0.95)
    if link is None or link.end > c.end(i) or link.others or link.column.is_key_like:
        return None
    operator, end = compared[1] if compared is not None else "=", link.end
    more, fewer = c.match(end, "or more|or above|and above"), c.match(end, "or less|or fewer|or below|and below")
    if compared is None and (more or fewer) is not None:
        operator, end = (">=", more or end) if more is not None else ("<=", fewer or end)
    return Condition(end, f"{col(link.ref)} {operator} {number}")


def worth(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``transactions over 1000``, ``invoices worth less than 20 euros``: the one amount of the rows named before."""
    at = c.match(i, "worth|of|totalling|amounting to")
    start = at if at is not None else i
    compared = comparison_at(c, start)
    value = value_at(c, compared[0], None) if compared is not None else None
    if compared is None or value is None or {"older", "younger", "longer", "shorter"} & {c.low(start)}:
        return None
    behind = c.tokens[value[0]] if value[0] < c.end(i) else None
    if behind is not None and (behind.kind not in {"punct"} and behind.low not in _AFTER):
        return None
    table = next(
        (link.table for j in range(max(c.starts[i], i - 3), i) if (link := c.table_at(j)) and link.end == i), None
    )
    table = about or table
    if table is None and at is None:
        return None
    table = table or next(iter(c.focus(i)), None)
    amounts = [column for column in table.of_kind("number") if column.type.startswith("decimal")] if table else []
    if len(amounts) != 1:
        return None
    return Condition(value[0], f"{col(amounts[0].ref)} {compared[1]} {value[1]}", f"the amount is {amounts[0].name}")


_AFTER = {
    "or",
    "and",
    "that",
    "which",
    "in",
    "since",
    "from",
    "with",
    "who",
    "whose",
    "by",
    "per",
    "for",
    "of",
    "on",
    "to",
}


def signed(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``a positive account balance``, ``negative amounts``: the sign before a number column."""
    test = {"positive": "> 0", "negative": "< 0", "zero": "= 0", "nonzero": "<> 0"}.get(c.low(i), "")
    link = (
        c.linker.column_at(i + 1, kinds=("number",), tables=(about.name,) if about else (), least=0.6) if test else None
    )
    if link is None or link.end > c.end(i) or c.low(i + 1) in {"number", "count"}:
        return None
    return Condition(link.end, f"{col(link.ref)} {test}", tied=link if link.others else None)


def by_means(c: Context, i: int, about: TableInfo | None) -> Condition | None:
    """``through the app``, ``via card``: a value that the comment of one column near by lists."""
    at = c.match(i, "through|via|by|over|using|on|with|in|from|as")
    at = c.skip(at, "the|a|an|our") if at is not None else None
    if at is None or at >= c.end(i) or c.tokens[at].kind != "word":
        return None
    for table in (about,) if about else c.focus(i)[:2]:
        hits = [
            (column, value)
            for column in table.of_kind("text")
            for word, value in column.values
            if word == c.low(at) or word == c.tokens[at].stem
        ]
        if len(hits) == 1 and c.table_at(at) is None:
            column, value = hits[0]
            several = listed_values(c, at, column)
            known = {literal(one) for _, one in column.values}
            if several is not None and len(several[1]) > 1 and set(several[1]) <= known:
                text = f"{col(column.ref)} IN ({', '.join(several[1])})"
                return Condition(several[0], text, f"these are values of {column.name}")
            return Condition(at + 1, f"{col(column.ref)} = {literal(value)}", f"{c.low(at)} is a {column.name}")
    return None


def aged(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``older than 40``, ``under 18 years of age``, ``aged 65 or over``: by the one date of birth near by."""
    said = c.match(i, "aged")
    at = said if said is not None else i
    compared = comparison_at(c, at)
    at = compared[0] if compared is not None else at
    number = number_of(c.tokens[at]) if at < c.end(i) else None
    if number is None or not number.isdigit() or (compared is None and said is None):
        return None
    end = c.skip(at + 1, "years of age|years old|year old|years|of age")
    words = {c.low(j) for j in range(i, end)}
    operator = compared[1] if compared is not None else "="
    more = c.match(end, "or more|or above|or over|or older|and over|and above|and older")
    fewer = c.match(end, "or less|or under|or younger|and under|and younger") if more is None else None
    operator, end = (">=", more) if more else ("<=", fewer) if fewer else (operator, end)
    if not words & {"older", "younger", "aged", "age", "old"} or operator == "=":
        return None
    for table in (about,) if about else c.focus(i)[:2]:
        ages = [column for column in table.of_kind("number") if column.words == ("age",)]
        if len(ages) == 1:
            return Condition(end, f"{col(ages[0].ref)} {operator} {number}", f"the age is {ages[0].name}")
        births = [
            column for column in table.of_kind("date", "timestamp") if {"birth", "born", "dob"} & set(column.words)
        ]
        if len(births) != 1:
            continue
        by = c.match(end, "by|by the|according to|according to the|( by")
        named = c.linker.column_at(by, least=0.8) if by is not None else None
        end = c.skip(named.end, ")") if named is not None and named.ref == births[0].ref else end
        years = int(number) + (1 if operator in {">", "<="} else 0)
        limit = f"add_months(to_date(run_time()), -{12 * years})"
        sign = "<=" if operator in {">", ">="} else ">"
        reason = f"the age is that in whole years on the day of the run, from {births[0].name}"
        return Condition(end, f"{col(births[0].ref)} {sign} {limit}", reason)
    return None


_DONE = re.compile(r"\w{2,}(?:ed|en)")


_SOME = "any|a|an|at least one|no|some|one|more than one|the most|most|the fewest|fewest|their|a single"


def done_or_not(c: Context, i: int, about: TableInfo | None) -> Condition | None:
    """``unpaid invoices``, ``cancelled``, ``delivered``: whether the date that is called by the verb is filled."""
    low = c.low(i)
    negated = low.startswith("un") and len(low) > 5
    verb = low[2:] if negated else low
    if not _DONE.fullmatch(verb) and verb not in _IRREGULAR:
        return None
    if about is None and comparison_at(c, i + 1) is not None:
        return None  # `placed at least 7 orders`
    if about is None and c.table_at(behind := c.skip(i + 1, _SOME)) is not None and behind > i + 1:
        return None  # `have not released any album` is about albums: whether there are some
    forms = {form for form in lemmas(verb) if len(form) > 2} | {_IRREGULAR.get(verb, verb)}
    for table in (about,) if about else c.focus(i)[:2]:
        hits = [
            column
            for column in table.of_kind("date", "timestamp")
            if column.nullable and (column.optional or not column.said) and forms & set(column.words)
        ]
        if len(hits) == 1 and hits[0].nullable:
            test = "IS NULL" if negated else "IS NOT NULL"
            return Condition(i + 1, f"{col(hits[0].ref)} {test}", f"{low} is read from {hits[0].name}")
    return None
