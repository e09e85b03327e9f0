"""Unread words that cannot change the data: verbs that only link, labels of list items, words for wanting a result.

A verb links where what it says is true of every row (``orders *placed* in May``, ``where our customers *live*``). A
verb that a column, a value or a table near by is called by is none of these, nor is any word of negation, order or
number: such words stay unmatched, and are asked about.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.intent import Filter, Measure
from pipeline_magic.agents.specification.planner.lexicon import CARRIERS, word_set
from pipeline_magic.agents.specification.planner.text import lemmas

__all__ = ["harmless", "links", "weighty"]

_LINKING = word_set(
    """place make take raise record register create submit issue grant book log measure capture collect file enter give
    write hold live work belong come go occur happen run do have get own appear exist concern involve cover relate
    apply stand sit lie see handle perform carry sign reside stay originate arise store keep contain consist
    stem pertain refer correspond assign attach fall land rate note observe report associate fill use
    born"""
)
_IRREGULAR = {
    "made": "make", "took": "take", "taken": "take", "gave": "give", "given": "give", "wrote": "write",
    "written": "write", "held": "hold", "came": "come", "went": "go", "gone": "go", "ran": "run", "did": "do",
    "done": "do", "got": "get", "stood": "stand", "sat": "sit", "lay": "lie", "lain": "lie", "saw": "see",
    "seen": "see", "sent": "send", "kept": "keep", "arose": "arise", "fell": "fall", "fallen": "fall",
}  # fmt: skip
_LABEL = {
    "source", "sources", "filter", "filters", "aggregate", "aggregation", "target", "schedule", "output", "columns",
    "fields", "steps", "joins", "grouping", "metrics", "checks", "title", "goal", "purpose", "task", "request", "note",
    "input", "inputs", "destination", "frequency", "quality", "result", "measures", "trigger", "logic", "rules",
}  # fmt: skip
_ASKING = re.compile(
    r"(?:set|put|work|figure|find|look|draw|pull|hand|point|break) (?:up|together|out|at|for|over)"
    r"|prepare|identify|deliver|output|put|store|extract|retrieve|look|hand|present|assemble|establish|construct"
    r"|generate|design|implement|write|wish|wishes|love|check|see|know|tell|send|point|pick|collect|gather"
)


def harmless(c: Context, kinds: Sequence[str | None]) -> frozenset[int]:
    """Indexes of tokens that nobody read and that ask for nothing."""
    found: set[int] = set()
    for i, token in enumerate(c.tokens):
        if kinds[i] is not None or token.kind != "word" or token.low in CARRIERS:
            continue
        if _label(c, i) or _links(c, i, kinds) or _asks(c, i, kinds) or _titled(c, i, kinds) or _explained(c, i, kinds):
            found.add(i)
    return frozenset(found)


def links(low: str) -> bool:
    """A verb of being, having or doing, which is true of every row."""
    return bool((lemmas(low) | {_IRREGULAR.get(low, low)}) & _LINKING)


def weighty(c: Context, kinds: Sequence[str | None]) -> frozenset[int]:
    """Unread words of order before a table: ``a first order`` is another than an order."""
    return frozenset(
        i
        for i, token in enumerate(c.tokens)
        if kinds[i] is None
        and (token.low in {"first", "last", "next", "second"} or _every_one(c, i))
        and c.table_at(i + 1) is not None
    ) | frozenset(
        i for i, token in enumerate(c.tokens) if kinds[i] is None and token.low == "respectively" and _of_each(c)
    )


def _of_each(c: Context) -> bool:
    """``How many stores are in Paris and London respectively?``: a number for each value, and not for both together."""
    several = any(" IN (" in item.expression or " OR " in item.expression for item in c.of(Filter))
    return several and bool(c.of(Measure))


_DEED = re.compile(r"\w{2,}ed|bought|sold|took|taken|made|had|has|have|won|wrote|saw|seen|held|taught|visited")


def _every_one(c: Context, i: int) -> bool:
    """``customers who bought every product``: a relation to all of them, which no join says."""
    if c.low(i) not in {"every", "all", "each"} or i - 1 <= c.starts[i] or not _DEED.fullmatch(c.low(i - 1)):
        return False
    named = [link.table.name for j in range(c.starts[i], i - 1) if (link := c.table_at(j)) is not None]
    behind = c.table_at(i + 1)
    return bool(named) and behind is not None and behind.table.name != named[-1]


def _label(c: Context, i: int) -> bool:
    """``- schedule: every Monday``: what a list item is about."""
    return c.low(i) in _LABEL and c.low(i + 1) == ":" and i - c.starts[i] <= 3


def _links(c: Context, i: int, kinds: Sequence[str | None]) -> bool:
    """A verb of being, having or doing between words that were read, of which no name near by is made."""
    low = c.low(i)
    forms = lemmas(low) | {_IRREGULAR.get(low, low)}
    if not forms & _LINKING:
        return False
    if c.low(i - 1) in {"that", "which", "who"} and (i + 1 >= c.end(i) or c.tokens[i + 1].kind == "punct"):
        return False  # `the flights that landed`: with nothing behind it, the verb itself says which rows
    beside = [kinds[j] for j in range(max(c.starts[i], i - 4), min(c.end(i), i + 5)) if j != i]
    if not any(kind not in {None, "unmatched", "filler"} for kind in beside):
        return False
    if any(c.low(j) in {"not", "never", "no", "without", "nobody"} for j in range(max(c.starts[i], i - 4), i)):
        return False
    roots = {form for form in forms if len(form) > 2}
    return not any(
        roots & {*column.words, *(word for said, _ in column.values for word in said.split())}
        for name in c.linker.scope
        for column in c.linker.tables[name].columns
    )


def _titled(c: Context, i: int, kinds: Sequence[str | None]) -> bool:
    """``dormant accounts: accounts opened before …``: a word for rows that are described right behind it."""
    link = c.table_at(i + 1)
    if link is None or c.low(link.end) != ":" or link.end + 1 >= c.end(i):
        return False
    again = c.table_at(c.skip(link.end + 1, "the|all|those"))
    behind = again.end if again is not None and again.table.name == link.table.name else None
    return behind is not None and any(kinds[j] in {"filter", "join"} for j in range(behind, min(behind + 3, c.end(i))))


def _explained(c: Context, i: int, kinds: Sequence[str | None]) -> bool:
    """``overdue, i.e. their promised date lies before today``: a word that a condition right behind it explains."""
    for j in range(i + 1, min(i + 5, c.end(i))):
        after = c.match(
            j,
            "( any|( i.e|( meaning|( that is|i.e|i.e .|that is|that is to say|meaning|in other words|which means|"
            "that means",
        )
        if after is None:
            if kinds[j] is not None or (c.tokens[j].kind == "word" and c.low(j) in CARRIERS):
                return False
            continue
        after = c.skip(after, ".|,|:|that|their|its|the")
        return after < c.end(i) and kinds[after] == "filter" and c.low(i) not in {"not", "only"}
    return False


def _asks(c: Context, i: int, kinds: Sequence[str | None]) -> bool:
    """``Set up``, ``We want to prepare``: a verb for making the result, at the beginning of a sentence."""
    first = c.starts[i]
    if i - first > _FAR:  # more than six words and their commas: not the beginning any more
        return False
    opening = [j for j in range(first, i) if c.tokens[j].kind == "word"]
    if any(kinds[j] is not None for j in opening) or len(opening) > 6:
        return False
    if not all(c.low(j) in _OPENING for j in opening):
        return False
    behind = f"{c.low(i)} {c.low(i + 1)}"
    return _ASKING.fullmatch(behind) is not None or _ASKING.fullmatch(c.low(i)) is not None


_FAR = 20

_OPENING = word_set(
    """we i you they please could would can will should shall must need needs want wants like to a an the then now so
    and also first finally next let us me my our just kindly help d build"""
)
