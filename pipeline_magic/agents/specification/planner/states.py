"""States that a statement explains: ``an account is closed when closed_date is set``; and rates of a state.

The explanation goes before what names and comments of columns say. Of two opposite words, one explains the other.
"""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.counts import counted
from pipeline_magic.agents.specification.planner.entities import TableInfo
from pipeline_magic.agents.specification.planner.idioms import state_at
from pipeline_magic.agents.specification.planner.intent import Measure, Note, col, refs_in
from pipeline_magic.agents.specification.planner.predicates import condition_at
from pipeline_magic.agents.specification.planner.values import literal
from pipeline_magic.spec.names import slug

__all__ = ["find_states", "read_rate", "read_state"]

_OPPOSITES = (
    ("open", "closed"), ("active", "inactive"), ("paid", "unpaid"), ("late", "punctual"), ("new", "returning"),
    ("valid", "invalid"), ("complete", "incomplete"), ("known", "unknown"), ("on time", "late"),
)  # fmt: skip


def find_states(c: Context) -> dict[str, str]:
    """Words that the statement explains as states, or an answer, with their condition."""
    found = _answered(c)
    for i in sorted(set(c.starts)):
        made = _explained(c, i)
        if made is not None:
            found.setdefault(made[1], made[2])
    for one, other in _OPPOSITES:
        for word, opposite in ((one, other), (other, one)):
            if word in found and opposite not in found:
                found[opposite] = f"NOT coalesce({found[word]}, false)"
    return found


_STATE = re.compile(r"(?P<word>[^/]+)/(?P<table>[^/]+)/is:(?P<column>[^:]+):(?P<values>.+)", re.DOTALL)


def _answered(c: Context) -> dict[str, str]:
    """``completed/c.s.orders/is:status:Completed|completed``: what a person said a word means."""
    found: dict[str, str] = {}
    for question, answer in c.answers.items():
        said = _STATE.fullmatch(answer) if question.startswith("words:") else None
        table = c.linker.tables.get(said["table"]) if said is not None else None
        column = table.column(said["column"]) if said is not None and table is not None else None
        if said is None or column is None:
            continue
        values = [literal(value) for value in said["values"].split("|")]
        if column.kind == "boolean":
            text = col(column.ref) if values == ["'true'"] else f"NOT {col(column.ref)}"
        else:
            text = (
                f"{col(column.ref)} = {values[0]}"
                if len(values) == 1
                else f"{col(column.ref)} IN ({', '.join(values)})"
            )
        found[said["word"]] = text
    return found


def _explained(c: Context, i: int) -> tuple[int, str, str] | None:
    """``An X is STATE when COND``: the end, the word, the condition."""
    at = c.skip(i, "an|a|the|each|every|and|here")
    link = c.table_at(at)
    copula = (
        c.match(link.end, "is|are|counts as|count as|is considered|are considered|is called")
        if link is not None
        else None
    )
    if link is None or copula is None or copula >= c.end(i) or c.tokens[copula].kind not in {"word", "quoted"}:
        return None
    when = c.match(copula + 1, "when|if|where|once|as soon as|whenever")
    condition = condition_at(c, when, about=link.table, opened=True) if when is not None else None
    if condition is None or not _ends(c, condition.end, i):
        return None
    return condition.end, c.low(copula), condition.expression


def _ends(c: Context, end: int, i: int) -> bool:
    return end >= c.end(i) or c.low(end) in {".", ";", ",", "!"}


def read_state(c: Context, i: int) -> Found | None:
    """The sentence that explains a state asks for nothing by itself."""
    if i != c.starts[i] or not c.states:
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
