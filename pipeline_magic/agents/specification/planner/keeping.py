"""Rows that stay although nothing matches them: ``include stores which had none``, ``branches without any stay in``.

Here: reading whole sentences that say it. What is said beside a join is read by `joinwords`.
"""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.intent import Keep, Measure, Use
from pipeline_magic.agents.specification.planner.linking import TableLink

__all__ = ["read_kept"]

_KEEP = (
    "also for|even for|including for|include|also include|including|keep|and keep|retain|show|also show|also keep|"
    "with|list|do not drop|don't drop|"
    "do not lose|don't lose|never drop|make sure to keep|make sure to include|but keep|but include|even"
)
_STAY = re.compile(
    r"(?:must|should|have to|need to|shall|will|are to|can|may)?\s*(?:also\s+|still\s+|not\s+)*(?:be\s+)?(?:are\s+)?"
    r"(?:kept|keep|stay|stays|remain|remains|included|appear|appears|listed|shown|show|counted|dropped|lost|removed|"
    r"retained|visible)\b"
)
_NONE = (
    "with zero|with 0|who have zero|that have zero|which have zero|"
    "which had none|that had none|which have none|that have none|with none|having none|who have none|without any|"
    "without|with no|that have no|which have no|who have no|having no|that had no|which had no|that do not have any|"
    "that do not have|that don't have|that never|which never|who never|never|that have never|who have never|"
    "that were never|without a|that did not|that lack|who did not|which did not|no|that are without"
)


def read_kept(c: Context, i: int) -> Found | None:
    """A whole sentence, or the rest of one: rows of a table are kept where nothing matches them."""
    opened = c.match(c.skip(i, ",|and|but"), _KEEP)
    at = c.skip(opened if opened is not None else i, "all|the|also|those|any|even|every")
    link = c.table_at(at)
    if link is None or (opened is None and i != c.starts[i] and c.low(i - 1) != ","):
        return None
    none = c.match(link.end, _NONE)
    if none is None:
        return None
    end = _sentence_end(c, none)
    words = " ".join(token.low for token in c.tokens[none:end])
    said = opened is not None and c.low(opened - 1) not in {"with", "list", "show"}
    zero = re.search(r"\b(?:0|zero|null|empty|nothing|blank)\b", words) is not None
    stays = _stays(c, none, end)
    if not (stays or zero or (said and _bare(c, none, end))):
        return None
    other = _other(c, link, none, end)
    uses = (Use(link.start, link.end, link.table.name),)
    return Found(end, "join", (*uses, Keep(i, end, link.table.name, other, "left")))


def _sentence_end(c: Context, i: int) -> int:
    end = i
    while end < c.end(i - 1) and c.low(end) not in {",", ";", ":"} and c.free(end):
        end += 1
    return end


def _stays(c: Context, i: int, end: int) -> bool:
    words = " ".join(token.low for token in c.tokens[i:end])
    for match in _STAY.finditer(words):
        negative = " not " in f" {match.group()} "
        lost = re.search(r"dropped|lost|removed", match.group()) is not None
        if negative == lost:
            return True
    return False


def _bare(c: Context, i: int, end: int) -> bool:
    """Nothing but the other table and a verb stand there."""
    return end - i <= 4


def _other(c: Context, link: TableLink, i: int, end: int) -> str:
    """The table without a match: named, else what was measured last; empty where it is left open."""
    for j in range(i, end):
        named = c.table_at(j)
        if named is not None and named.table.name != link.table.name:
            return named.table.name
    measured = [item.table for item in c.of(Measure) if item.table and item.table != link.table.name]
    return measured[-1] if measured else ""
