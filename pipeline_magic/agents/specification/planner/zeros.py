"""Rows that nothing is counted for, and how often: ``including those with none``, ``how often each was ordered``.

Here: words that keep a row of the groups although nothing matches it, where they name no table of their own; and counts
that a verb asks for. Sentences that name both tables are read by `keeping`.
"""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.counts import counted, said
from pipeline_magic.agents.specification.planner.harmless import links
from pipeline_magic.agents.specification.planner.intent import Group, Item, Keep, Measure, Use
from pipeline_magic.agents.specification.planner.relations import table_of_verb

__all__ = ["read_how_often", "read_with_none"]

_TOO = (
    "including|also|even|including also|and include|include|also include|and also|even for|also for|keep|and keep|"
    "with|plus|counting|and|also show|also list"
)
_THOSE = "those|the ones|ones|these|any|all those|all the ones|all|the"
_NONE = (
    "with none|that have none|who have none|which have none|with zero|with 0|having none|that had none|who had none|"
    "without any|without|with no|that have no|who have no|which have no|that had no|who had no|having no|"
    "that do not have any|who do not have any|that don't have any|who don't have any|that never had any|"
    "that have never had any|with zero of them"
)
_NEVER = (
    "that were never|that was never|that have never been|which were never|never|that never|who never|which never|"
    "that have never|who have never|that have not been|that were not|who did not|that did not|who have not"
)


def read_with_none(c: Context, i: int) -> Found | None:
    """``…, including those with none``, ``also stores without employees``, ``even if it was never ordered``."""
    measured = [item for item in c.of(Measure) if item.expression.startswith(("count(", "sum("))]
    if not measured or c.starts[measured[-1].start] != c.starts[i]:
        return None
    counted_table = measured[-1].table
    zero = c.match(c.skip(i, ",|(|and|or"), _ZERO)
    if zero is not None and (subject := _subject(c, counted_table)) and _ended(c, c.skip(zero, ")")):
        return Found(c.skip(zero, ")"), "join", (Keep(i, zero, subject, counted_table, "left"),))
    at = c.match(c.skip(i, ",|("), _TOO)
    if at is None:
        return None
    start = c.skip(at, _THOSE)
    link = c.table_at(start)
    subject = _subject(c, counted_table)
    if not subject or (link is not None and link.table.name != subject):
        return None
    end = link.end if link is not None else start
    none = c.match(end, _NONE)
    never = c.match(end, _NEVER) if none is None else None
    stop = _what(c, none, counted_table) if none is not None else _done(c, never, counted_table, subject)
    if stop is None or (link is None and start == at) or (c.low(at - 1) in {"with", "and"} and c.low(i) != ","):
        return None
    stop = c.skip(stop, "at all|too|as well|yet|so far|)")
    if not _ended(c, stop):
        return None
    uses: tuple[Item, ...] = (Use(link.start, link.end, subject),) if link is not None else ()
    return Found(stop, "join", (*uses, Keep(i, stop, subject, counted_table, "left")))


_ZERO = (
    "even if it is zero|even if it is 0|even if that is zero|even if there are none|even if there is none|0 if none|"
    "even if they have none|even if it has none|even when it is zero|even when there are none|zero if none|"
    "0 if there are none|zero if there are none|0 where there are none|0 when there are none|even if zero|"
    "with 0 for those without any|with zero for those without any|with 0 if there are none|showing 0 if there are none"
)


def _ended(c: Context, i: int) -> bool:
    return i >= c.end(i - 1) or c.low(i) in {".", ",", ";", "?", "!"}


def _subject(c: Context, counted_table: str) -> str:
    """The table whose rows are the groups; where no grouping was read yet, the one that was named first."""
    groups = [item.entity for item in c.of(Group) if item.entity]
    named = [item.table for item in c.of(Use) if item.table != counted_table]
    return groups[-1] if groups else named[0] if named else ""


def _what(c: Context, at: int, counted_table: str) -> int | None:
    """Behind ``with no``: nothing more, or what is counted."""
    link = c.table_at(c.skip(at, "any|such|matching"))
    if link is not None:
        return link.end if link.table.name == counted_table else None
    return at


def _done(c: Context, at: int | None, counted_table: str, subject: str) -> int | None:
    """Behind ``that were never``: a verb that names what is counted, or one that has it as its object."""
    if at is None or at >= c.end(at - 1):
        return None
    named = table_of_verb(c, c.low(at), subject)
    behind = c.skip(at + 1, "any|a|an|one|for|in|to|on")
    link = c.table_at(behind)
    if link is not None and link.table.name == counted_table:
        return link.end
    if links(c.low(at)) and c.low(behind - 1) in {"any", "one", c.low(at)}:
        return behind  # `who never placed any`
    return at + 1 if named is not None and named.name == counted_table else None


_OFTEN = "how often|how many times|the number of times|number of times"
_EACH = "it|they|each|each one|he|she|each of them|that|each was"
_BE = "was|were|has been|have been|is|are|has|have|had been|did|does|do|got"


def read_how_often(c: Context, i: int) -> Found | None:
    """``how often it was ordered``, ``how many times each venue was booked``: rows of the table that the verb names."""
    at = c.match(c.skip(i, "and|,|the"), _OFTEN)
    if at is None:
        return None
    named = c.table_at(c.skip(at, "each|every|the|a|an"))
    subject = named.table.name if named is not None else _subject(c, "")
    behind = named.end if named is not None else c.skip(at, _EACH)
    verb = c.skip(behind, _BE)
    if not subject or verb >= c.end(i) or (verb == behind and named is None):
        return None
    table = table_of_verb(c, c.low(verb), subject)
    if table is None:
        return None
    name = f"{'_'.join(table.words)}_count"
    made = Measure(
        i, verb + 1, name, counted(c, table), table.name, said(c, i, verb + 1), f"rows of {table.short} are counted"
    )
    uses: tuple[Item, ...] = (Use(named.start, named.end, subject),) if named is not None else ()
    return Found(verb + 1, "measure", (*uses, Use(verb, verb + 1, table.name), made))
