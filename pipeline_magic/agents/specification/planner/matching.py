"""Words about how all texts are compared: ``match case-insensitively``, ``allow partial matches``."""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.intent import Note

__all__ = ["is_loose", "read_matching"]

_CASE = {"insensitively", "insensitive", "wildcards", "wildcard", "partial"}


def _about_matching(c: Context, start: int, end: int) -> bool:
    words = {token.low for token in c.tokens[start:end]}
    return bool(words & _CASE) and bool(
        words & {"match", "matches", "matching", "like", "ilike", "compare", "ignoring", "case"}
    )


def is_loose(c: Context) -> bool:
    """Texts are compared without regard to case, and a part is enough."""
    firsts = sorted(set(c.starts))
    return any(_about_matching(c, start, c.end(start)) for start in firsts)


def read_matching(c: Context, i: int) -> Found | None:
    """A sentence that is only about how texts are compared."""
    if (
        i != c.starts[i]
        or not _about_matching(c, i, c.end(i))
        or not (c.verb(i, "match", "use", "compare", "filter") or c.low(i) in {"when", "for"})
    ):
        return None
    return Found(
        c.end(i), "comment", (Note(i, c.end(i), "texts are compared without regard to case, and a part is enough"),)
    )
