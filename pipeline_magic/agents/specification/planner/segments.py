"""Segments, labels and flags: ``segments high-value customers``, ``flag rows whose average exceeds 20 minutes``."""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.intent import Flag, Segment, Use, measures_in
from pipeline_magic.agents.specification.planner.predicates import condition_at
from pipeline_magic.agents.specification.planner.text import number_of
from pipeline_magic.spec.names import slug

__all__ = ["read_flag", "read_segment"]

_SEGMENT = ("segment", "classify", "categorize", "categorise", "identify", "tier", "label", "tag", "rank", "bucket", "mark")
_HIGH = {
    "high value": ("high_value", True),
    "high - value": ("high_value", True),
    "most valuable": ("high_value", True),
    "top": ("top", True),
    "best": ("best", True),
    "vip": ("vip", True),
    "premium": ("premium", True),
    "low value": ("low_value", False),
    "low - value": ("low_value", False),
}


def read_segment(c: Context, i: int) -> Found | None:
    """``segments high-value customers``: a label for the top by the first measure; the share is a question."""
    if not c.verb(i, *_SEGMENT):
        return None
    at = c.skip(i + 1, "the|all|our|out|into|as")
    for phrase, (label, high) in _HIGH.items():
        after = c.match(at, phrase)
        link = c.table_at(after) if after is not None else None
        if after is None or link is None:
            continue
        if not high:
            return None
        end, top, condition = _threshold(c, link.end)
        word = slug(" ".join(token.stem for token in c.tokens[link.start : link.end]))
        made = Segment(
            i,
            end,
            f"{word}_segment",
            ((label, condition, None if condition else top or 0.2),),
            otherwise="standard",
            entity=link.table.name,
            asked="" if condition or top else label,
        )
        return Found(end, "segment", (Use(link.start, link.end, link.table.name), made))
    return None


def _threshold(c: Context, end: int) -> tuple[int, float | None, str | None]:
    """``(top 10 %)``, ``as the top 5% by revenue``, ``with revenue over 1000``."""
    at = c.skip(end, "(|as|the|,|i.e.|being|are|meaning")
    top = c.match(at, "top")
    if top is not None and top < c.end(end - 1):
        number = number_of(c.tokens[top])
        after = c.match(top + 1, "%|percent") if number else None
        if number and after is not None and 0 < float(number) < 100:
            by = c.match(after, "by revenue|of revenue|by|in")
            return c.skip(by or after, ")"), float(number) / 100, None
    found = condition_at(c, at, opened=True)
    if found is not None and measures_in(found.expression):
        return c.skip(found.end, ")"), None, found.expression
    return end, None, None


def read_flag(c: Context, i: int) -> Found | None:
    """``flag rows whose average exceeds 20 minutes [as slow]``: a true or false column."""
    if not c.verb(i, "flag", "mark"):
        return None
    at = c.skip(i + 1, "the|all|those|any|every|rows|row|records|groups|them|as")
    link = c.table_at(at)
    at = link.end if link is not None else at
    found = condition_at(c, at, opened=True)
    if found is None:
        return None
    end, name = found.end, "flagged"
    after = c.match(end, "as|called|named")
    if after is not None and after < c.end(i) and c.tokens[after].kind in {"word", "quoted"} and re.fullmatch(r"\w+", c.low(after)):
        end, name = after + 1, slug(c.low(after))
    return Found(end, "segment", (Flag(i, end, name, found.expression),))


