"""States that a statement explains: ``an account is closed when closed_date is set``; and rates of a state.

The explanation goes before what names and comments of columns say. Of two opposite words, one explains the other.
"""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.counts import counted
from pipeline_magic.agents.specification.planner.entities import TableInfo
from pipeline_magic.agents.specification.planner.idioms import state_at
from pipeline_magic.agents.specification.planner.intent import Measure, Note, col, measures_in, refs_in
from pipeline_magic.agents.specification.planner.predicates import condition_at
from pipeline_magic.agents.specification.planner.saidstates import said_states
from pipeline_magic.agents.specification.planner.values import literal
from pipeline_magic.spec.names import slug

__all__ = ["find_states", "read_rate", "read_state"]

_OPPOSITES = (
    ("open", "closed"), ("active", "inactive"), ("paid", "unpaid"), ("late", "punctual"), ("new", "returning"),
    ("valid", "invalid"), ("complete", "incomplete"), ("known", "unknown"), ("on time", "late"),
)  # fmt: skip


def find_states(c: Context) -> dict[str, str]:
    """Words that the statement or an answer explains as states, with their condition."""
    found = said_states(c)
    for i in _places(c):
        made = _explained(c, i)
        if made is not None:
            found.setdefault(made[1], made[2])
    for one, other in _OPPOSITES:
        for word, opposite in ((one, other), (other, one)):
            if word in found and opposite not in found:
                found[opposite] = f"NOT coalesce({found[word]}, false)"
    return found


def _places(c: Context) -> list[int]:
    """Where an explanation may begin: a sentence, or ``, where`` inside one."""
    inside = [i for i in range(len(c.tokens)) if c.low(i) in {"where", "here"} and i > c.starts[i]]
    return sorted({*c.starts, *inside})


def _explained(c: Context, i: int) -> tuple[int, str, str] | None:
    """An explanation of a state at token `i`: the end, the word, the condition."""
    made = _thing_is(c, i) or _word_means(c, i) or _those_are(c, i)
    if made is None:
        return None
    at, word, table = made
    at = c.skip(at, "that|it|they|the|its|their|he|she|this|there")
    if table is None:
        subject = c.table_at(at)
        table = subject.table if subject is not None and subject.end < c.end(i) else None
        condition = condition_at(c, at, about=table, opened=True) if subject is None else None
        condition = condition or (condition_at(c, subject.end, about=table, opened=True) if subject else None)
    else:
        condition = condition_at(c, at, about=table, opened=True)
    if condition is None or not _ends(c, condition.end, i) or measures_in(condition.expression):
        return None
    return condition.end, word, condition.expression


_Head = tuple[int, str, "TableInfo | None"]


def _thing_is(c: Context, i: int) -> _Head | None:
    """``An X is STATE when …``, ``orders count as big if …``, ``Consider a line late when …``."""
    at = c.skip(i, "an|a|the|each|every|and|here|where|consider|we call|call|treat|count|we consider|,")
    link = c.table_at(at)
    if link is None:
        return None
    copula = c.match(
        link.end, "is|are|counts as|count as|is considered|are considered|is called|are called|is said to be|as|was"
    )
    word = copula if copula is not None else link.end
    if word >= c.end(i) or c.tokens[word].kind not in {"word", "quoted"} or (copula is None and at == i):
        return None
    when = c.match(word + 1, "when|if|where|once|as soon as|whenever|in case|as long as")
    return (when, c.low(word), link.table) if when is not None else None


def _word_means(c: Context, i: int) -> _Head | None:
    """``Active means that …``, ``'Late' stands for …``, ``By big we mean …``."""
    at = c.skip(i, "here|where|and|the word|the term|being|,")
    by = c.match(at, "by|with")
    word = by if by is not None else at
    if word >= c.end(i) or c.tokens[word].kind not in {"word", "quoted"}:
        return None
    means = c.match(word + 1, "we mean|i mean" if by is not None else "means|stands for|is when|is if|refers to|=")
    return (means, c.low(word).casefold(), None) if means is not None else None


def _those_are(c: Context, i: int) -> _Head | None:
    """``Active devices are those that …``, ``a big order is one with …``."""
    at = c.skip(i, "an|a|the|here|where|and|,")
    link = c.table_at(at + 1)
    if link is None or at >= c.end(i) or c.tokens[at].kind not in {"word", "quoted"}:
        return None
    are = c.match(
        link.end,
        "are those|are the ones|are all those|is one|is any|are ones|means those|means one|mean those|is an order|are",
    )
    opened = c.match(are, "that|which|who|whose|with|having|where|for which") if are is not None else None
    return (are, c.low(at), link.table) if are is not None and opened is not None else None


def _ends(c: Context, end: int, i: int) -> bool:
    return end >= c.end(i) or c.low(end) in {".", ";", ",", "!"}


def read_state(c: Context, i: int) -> Found | None:
    """The sentence that explains a state asks for nothing by itself."""
    if not c.states or (i != c.starts[i] and c.low(i) not in {"where", "here"}):
        return None
    made = _explained(c, i)
    return Found(made[0], "comment", (Note(i, made[0]),)) if made is not None else None


_PERCENT = "in percent|in %|in percentage|as a percentage|as percent|%|percent"
_ENDINGS = re.compile(r"(?:ation|ition|ment|sion|tion|ion|ure|ery|ance|al|ed|ing|e)$")


def read_rate(c: Context, i: int) -> Found | None:
    """``the cancellation rate in percent``, ``error rate``: the share of rows in a state."""
    at = c.skip(i, "the|a|its|their|and")
    if (
        at + 1 >= c.end(i)
        or c.tokens[at].kind != "word"
        or c.match(at + 1, "rate|ratio|quota|percentage|share") is None
    ):
        return None
    if c.linker.column_at(at, least=0.8) is not None:
        return None
    found = _state(c, at)
    if found is None:
        return None
    table, condition, reason = found
    end = at + 2
    after = c.match(end, _PERCENT)
    percent = after is not None or c.low(at + 1) == "percentage"
    share = f"{counted(c, table, condition)} / nullif({counted(c, table)}, 0)"
    name = slug(f"{c.low(at)}_{c.low(at + 1)}")
    made = Measure(
        i, after or end, name, f"100 * {share}" if percent else share, table.name, (c.tokens[at].stem, c.low(at + 1)),
        reason, () if percent else ("in percent",),
    )  # fmt: skip
    return Found(after or end, "measure", (made,))


def _state(c: Context, at: int) -> tuple[TableInfo, str, str] | None:
    """The state a noun is made of: ``cancellation`` of ``cancelled``; of a table that is measured or named."""
    exact = state_at(c, at, None)
    if exact is not None and refs_in(exact.expression):
        return c.linker.tables[refs_in(exact.expression)[0].table], exact.expression, exact.assumed
    root = _ENDINGS.sub("", c.low(at))
    if len(root) < 4:
        return None
    measured = [item.table for item in c.of(Measure) if item.table]
    for name in dict.fromkeys([*reversed(measured), *c.linker.scope]):
        table = c.linker.tables[name]
        for column in table.columns:
            hits = [value for word, value in column.values if _ENDINGS.sub("", word).rstrip("l") == root.rstrip("l")]
            if len(hits) == 1:
                condition = f"{col(column.ref)} = {literal(hits[0])}"
                return table, condition, f"{c.low(at)} means: {column.name} = {hits[0]}"
    return None
