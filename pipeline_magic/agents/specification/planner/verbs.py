"""Verbs that say no more than that rows belong together: ``the albums they released``, ``students enrolled``.

Behind rows that are counted, a clause may say again how they belong to what they are counted for. It asks for nothing
where the verb can only mean that; a verb that may name a state of the rows (``the orders they cancelled``) is none of
these, and is asked about.
"""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.harmless import links
from pipeline_magic.agents.specification.planner.idioms import wide_state_at
from pipeline_magic.agents.specification.planner.intent import Measure, Note, Top, Use, refs_in
from pipeline_magic.agents.specification.planner.lexicon import word_set
from pipeline_magic.agents.specification.planner.relations import table_of_verb
from pipeline_magic.agents.specification.planner.text import lemmas
from pipeline_magic.agents.specification.planner.things import done_or_not

__all__ = ["read_their_deed"]

_PRONOUN = "they|he|she|it|each|each one|each of them|which they|that they|which it|that it|that he|that she"
_AUX = "have|has|had|did|do|does|currently|ever|all|themselves"
_BELONGING = word_set(
    """host release publish offer teach author direct produce perform play own organise organize attend employ stock
    supervise lead operate manage compose create contain include cover serve supply post upload hire house operate
    enrol enroll join study belong borrow buy purchase order book make place give take win earn score submit
    participate appear star act fly visit write hold have get receive run wear drive"""
)
_IRREGULAR = {
    "taught": "teach", "led": "lead", "wrote": "write", "written": "write", "held": "hold", "gave": "give",
    "given": "give", "took": "take", "taken": "take", "made": "make", "won": "win", "bought": "buy", "had": "have",
    "got": "get", "ran": "run", "flew": "fly", "flown": "fly", "drove": "drive", "driven": "drive", "wore": "wear",
}  # fmt: skip
_PARTICIPLE = re.compile(r"\w{2,}ed|taught|led|written|held|given|taken|made|won|bought|run|flown|driven|worn")
_BEHIND = {"", ".", ",", ";", "?", "!", "and", ")", "in", "for", "at", "by", "per", "on", "from", "to", "with", "each"}


def read_their_deed(c: Context, i: int) -> Found | None:
    """``they released`` behind albums that are counted, ``enrolled`` behind students."""
    last = c.items[-1] if c.items else None
    if not isinstance(last, (Measure, Top)) or last.end != i:
        return None
    measures = [item for item in c.of(Measure) if item.end == i]
    if not measures or not measures[-1].expression.startswith("count("):
        return None
    table = measures[-1].table
    behind = c.match(i, _PRONOUN)
    passive = c.match(i, "are|were|is|was|being|currently")
    at = c.skip(behind if behind is not None else passive if passive is not None else i, _AUX)
    if at >= c.end(i) or c.low(at + 1, c.end(i)) not in _BEHIND or c.tokens[at].kind != "word":
        return None
    low = c.low(at)
    if behind is None and not _PARTICIPLE.fullmatch(low):
        return None
    forms = {*lemmas(low), _IRREGULAR.get(low, low)}
    about = c.linker.tables[table]
    dated = done_or_not(c, at, about)
    refs = refs_in(dated.expression) if dated is not None else ()
    optional = any(column.optional for column in about.columns if column.ref in refs)
    if wide_state_at(c, at) is not None or (dated is not None and (optional or not forms & _BELONGING)):
        return None
    named = table_of_verb(c, low, table) is not None
    if not (forms & _BELONGING or links(low) or named) or not _belongs(c, table):
        return None
    return Found(at + 1, "comment", (Note(i, at + 1),))


def _belongs(c: Context, table: str) -> bool:
    """Another table is named, and there is one way to it."""
    others = [item.table for item in c.of(Use) if item.table != table]
    return all(not c.graph.ambiguous(c.graph.path([table], other) or (), c.linker.scope) for other in others)
