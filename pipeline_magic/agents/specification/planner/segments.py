"""Segments, labels and flags: ``segments high-value customers``, ``flag rows whose average exceeds 20 minutes``."""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.formulas import formula_at
from pipeline_magic.agents.specification.planner.idioms import wide_state_at
from pipeline_magic.agents.specification.planner.intent import (
    Filter,
    Flag,
    Item,
    Measure,
    Segment,
    Use,
    measure_ref,
    measures_in,
)
from pipeline_magic.agents.specification.planner.predicates import condition_at
from pipeline_magic.agents.specification.planner.text import number_of
from pipeline_magic.agents.specification.planner.values import comparison_at, value_at
from pipeline_magic.spec.names import slug

__all__ = ["read_flag", "read_segment"]

_SEGMENT = (
    "segment",
    "classify",
    "categorize",
    "categorise",
    "identify",
    "tier",
    "label",
    "tag",
    "bucket",
    "mark",
    "split",
    "divide",
    "group",
    "sort",
    "flag",
    "assign",
)
_HIGH = {
    "high value": "high_value",
    "high - value": "high_value",
    "most valuable": "most_valuable",
    "top": "top",
    "best": "best",
    "vip": "vip",
    "premium": "premium",
    "big spending": "big_spending",
}


def read_segment(c: Context, i: int) -> Found | None:
    """``segments high-value customers``, or labels with their rules."""
    if not c.verb(i, *_SEGMENT):
        return None
    return _high_value(c, i) or _labelled(c, i)


def _high_value(c: Context, i: int) -> Found | None:
    """A label for the top by the first measure; how high is a question unless it is said."""
    at = c.skip(i + 1, "the|all|our|out|into|as")
    for phrase, label in _HIGH.items():
        after = c.match(at, phrase)
        link = c.table_at(after) if after is not None else None
        if link is None:
            continue
        end, top, condition, by = _threshold(c, link.end)
        word = slug(" ".join(token.stem for token in c.tokens[link.start : link.end]))
        rule = (label, condition, None if condition else top or 0.2)
        asked = "" if condition or top else label
        made = Segment(i, end, f"{word}_segment", (rule,), by, "standard", link.table.name, asked)
        return Found(end, "segment", (Use(link.start, link.end, link.table.name), made))
    return None


def _threshold(c: Context, end: int) -> tuple[int, float | None, str | None, str | None]:
    """``(top 10 %)``, ``as the top 5% by revenue``, ``with revenue over 1000``."""
    at = c.skip(end, "(|as|the|,|i.e.|being|are|meaning|those in|in")
    found = _top_share(c, at)
    if found is not None:
        after, top, by = found
        return c.skip(after, ")"), top, None, by
    condition = condition_at(c, at, opened=True)
    if condition is not None and measures_in(condition.expression):
        return c.skip(condition.end, ")"), None, condition.expression, None
    return end, None, None, None


def _top_share(c: Context, i: int) -> tuple[int, float, str | None] | None:
    """``top 10 % [by revenue]``."""
    top = c.match(i, "top|the top|upper|in the top")
    if top is None or top >= c.end(i):
        return None
    number = number_of(c.tokens[top])
    after = c.match(top + 1, "%|percent|per cent") if number else None
    if number is None or after is None or not 0 < float(number) < 100:
        return None
    by = c.match(after, "by|of|in terms of|based on|by total")
    subject = formula_at(c, by) if by is not None else None
    if subject is not None and subject.operators == 0:
        return subject.end, float(number) / 100, subject.expression
    return after, float(number) / 100, None


# --- labels with rules -------------------------------------------------------------------------------------------

_REST = (
    "otherwise|the rest|rest|everything else|all others|the others|others|else|everyone else|all "
    "other|remaining|the remaining"
)
_THAT = (
    "|".join(
        f"{lead} {which} {noun}".strip()
        for lead in ("by", "based on", "on", "according to")
        for which in ("that", "this", "its", "their")
        for noun in ("total", "sum", "amount", "number", "count", "value", "result", "average")
    )
    + "|by it|by this|by that"
)
_IF = "if|when|where|for|with|:|if the|as|=|are|is"
_STOP_LABEL = {
    "(",
    "if",
    "when",
    "where",
    "for",
    "with",
    ",",
    "and",
    "otherwise",
    ":",
    ";",
    ")",
    "else",
    "are",
    "is",
    "the",
}


def _labelled(c: Context, i: int) -> Found | None:
    """``segment suppliers by balance into gold (over 9000), silver (over 5000) and bronze (the rest)``."""
    at = c.skip(i + 1, "the|all|each|every|our|a|an")
    state = wide_state_at(c, at)
    which = state if state is not None and c.table_at(state.end) is not None else None
    link = c.table_at(which.end if which is not None else at)
    at = link.end if link is not None else c.skip(at, "rows|row|them|results|groups|it|those")
    subject = None
    by = c.match(at, "by their|by the|by|based on the|based on their|based on|on")
    pronoun = c.match(at, _THAT)
    measures = c.of(Measure)
    if pronoun is not None and measures:
        subject, at = measure_ref(measures[-1].name), pronoun
    elif by is not None:
        formula = formula_at(c, by)
        if formula is None or formula.operators:
            return None
        subject, at = formula.expression, formula.end
    into = c.match(at, "into|as|in|to be|:|into the classes|into the segments|into segments|into tiers")
    if into is None:
        return None
    into, name, subject = _bands(c, into, subject)
    rules, otherwise, end, subject = _rules(c, into, subject)
    if not rules:
        return None
    word = slug(" ".join(token.stem for token in c.tokens[link.start : link.end])) if link is not None else "row"
    uses: tuple[Item, ...] = (Use(link.start, link.end, link.table.name),) if link is not None else ()
    if which is not None and link is not None:
        uses = (*uses, Filter(i, link.end, which.expression, which.assumed))
    entity = link.table.name if link is not None else ""
    made = Segment(i, end, name or f"{word}_segment", tuple(rules), subject, otherwise, entity)
    return Found(end, "segment", (*uses, made))


def _bands(c: Context, i: int, subject: str | None) -> tuple[int, str, str | None]:
    """``into price bands using list price, …``: the name of the column, and what is compared."""
    for size in (1, 2, 3):
        by = c.match(i + size, "using the|using|by the|by their|by|based on the|based on|according to|from the|on the")
        if by is None or any(token.kind != "word" for token in c.tokens[i : i + size]):
            continue
        formula = formula_at(c, by)
        if formula is None or formula.operators:
            continue
        name = slug("_".join(token.stem for token in c.tokens[i : i + size]))
        return c.skip(formula.end, ",|:|-"), name, formula.expression
    return i, "", subject


def _rules(
    c: Context, i: int, subject: str | None
) -> tuple[list[tuple[str, str | None, float | None]], str | None, int, str | None]:
    rules: list[tuple[str, str | None, float | None]] = []
    otherwise: str | None = None
    at = end = i
    while at < c.end(i):
        at = c.skip(at, ",|and|;|or|as|the|label|a")
        rest = c.match(at, _REST)
        if rest is not None:
            label = _label(c, c.skip(rest, "as|is|are|:|to|="))
            if label is None:
                break
            otherwise, end = label[1], label[0]
            break
        banded = _band(c, at, subject) if subject is not None else None
        if banded is not None:
            rules.append((banded[2], banded[1], None))
            end = at = banded[0]
            continue
        label = _label(c, at)
        if label is None:
            break
        closing = c.match(label[0], "(")
        opened = c.skip(label[0], f"(|{_IF}")
        rest = c.match(opened, _REST)
        if rest is not None:
            otherwise, end = label[1], c.skip(rest, ")")
            break
        rule = _rule(c, opened, subject)
        if rule is None:
            break
        after, condition, top, found = rule
        subject = subject or found
        rules.append((label[1], condition, top))
        end = at = c.skip(after, ")") if closing is not None else after
    return rules, otherwise, end, subject


def _band(c: Context, i: int, subject: str) -> tuple[int, str, str] | None:
    """``under 50 'budget'``, ``50 to 150: standard``: the condition before its label."""
    i = c.skip(i, "between|from")
    low = value_at(c, i, None)
    high = value_at(c, low[0] + 1, None) if low is not None and c.low(low[0]) in {"to", "-", "and"} else None
    compared = comparison_at(c, i)
    value = value_at(c, compared[0], None) if compared is not None else None
    if low is not None and high is not None:
        end, text = high[0], f"{subject} BETWEEN {low[1]} AND {high[1]}"
    elif compared is not None and value is not None:
        end, text = value[0], f"{subject} {compared[1]} {value[1]}"
    else:
        return None
    label = _label(c, c.skip(end, "is|are|as|=|:|being|get|gets|(|becomes"))
    return (c.skip(label[0], ")"), text, label[1]) if label is not None else None


def _label(c: Context, i: int) -> tuple[int, str] | None:
    if i < c.end(i) if i < len(c.tokens) else False:
        token = c.tokens[i]
        if token.kind == "quoted":
            return i + 1, token.low
    end = i
    while end < len(c.tokens) and end < c.end(i) and end - i < 4 and c.tokens[end].kind in {"word", "punct"}:
        if c.low(end) in _STOP_LABEL or (c.tokens[end].kind == "punct" and c.tokens[end].text != "-"):
            break
        end += 1
    if end == i:
        return None
    return end, "_".join(token.text for token in c.tokens[i:end] if token.kind == "word")


def _rule(c: Context, i: int, subject: str | None) -> tuple[int, str | None, float | None, str | None] | None:
    """A condition, a comparison of the subject, or a top share: (end, condition, top, subject)."""
    share = _top_share(c, c.skip(i, "the"))
    if share is not None:
        return share[0], None, share[1], share[2]
    at = c.skip(i, "it is|they are|is|are|the")
    if subject is not None:
        between = c.match(at, "between|from")
        low = value_at(c, between, None) if between is not None else None
        high = value_at(c, low[0] + 1, None) if low is not None and c.low(low[0]) in {"and", "to", "-"} else None
        if low is not None and high is not None:
            return high[0], f"{subject} BETWEEN {low[1]} AND {high[1]}", None, None
        compared = comparison_at(c, at)
        value = value_at(c, compared[0], None) if compared is not None else None
        if compared is not None and value is not None:
            return value[0], f"{subject} {compared[1]} {value[1]}", None, None
    condition = condition_at(c, i, opened=True)
    if condition is None:
        return None
    head = re.match("\ue000[^\ue002]*\ue002", condition.expression)
    return condition.end, condition.expression, None, head.group() if head else None


def read_flag(c: Context, i: int) -> Found | None:
    """``flag rows whose average exceeds 20 minutes [as slow]``: a true or false column."""
    if not c.verb(i, "flag", "mark"):
        return None
    at = c.skip(i + 1, "the|all|those|any|every|rows|row|records|groups|them|as")
    link = c.table_at(at)
    at = link.end if link is not None else at
    end, name = at, "flagged"
    named = c.match(at, "as|called|named")
    if named is not None and named < c.end(i) and re.fullmatch(r"[A-Za-z]\w*", c.low(named)):
        end, name = named + 1, slug(c.low(named))
    found = condition_at(c, end, opened=True)
    if found is None:
        return None
    end = found.end
    after = c.match(end, "as|called|named")
    if after is not None and after < c.end(i) and re.fullmatch(r"[A-Za-z]\w*", c.low(after)):
        end, name = after + 1, slug(c.low(after))
    return Found(end, "segment", (Flag(i, end, name, found.expression),))
