"""Short names that a statement explains: ``ASP = average sale price``, ``revenue refers to the sum of sale_price``.

The explanation is read where the short name is used; by itself it asks for nothing.
"""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.intent import Note

__all__ = ["find_definitions", "read_definition"]

_MEANS = "=|refers to|means|stands for|is defined as|is short for|is calculated as|is computed as|: ="


def find_definitions(c: Context) -> dict[str, tuple[int, int]]:
    """The tokens that explain each short name; the first explanation counts."""
    found: dict[str, tuple[int, int]] = {}
    for i, token in enumerate(c.tokens):
        place = _definition(c, i)
        if place is not None:
            found.setdefault(token.low, place)
    return found


def _definition(c: Context, i: int) -> tuple[int, int] | None:
    """``NAME [(words)] = words``; the name is an abbreviation in capitals, or stands elsewhere in the statement too."""
    token = c.tokens[i]
    if token.kind != "word":
        return None
    short = bool(re.fullmatch(r"[A-Z][A-Za-z]{0,3}[A-Z]+", token.text))
    after = i + 1
    if short and c.low(after) == "(":
        close = next((j for j in range(after, c.end(i)) if c.low(j) == ")"), None)
        after = close + 1 if close is not None else after
    means = c.match(after, _MEANS)
    if means is None or means >= c.end(i):
        return None
    again = any(other.low == token.low for j, other in enumerate(c.tokens) if c.starts[j] != c.starts[i])
    worded = c.low(after) != "="
    if not (short or (worded and again)):
        return None
    return c.skip(means, "the"), c.end(i)


def read_definition(c: Context, i: int) -> Found | None:
    """The explanation itself, from its name to its end."""
    place = c.definitions.get(c.low(i))
    if place is None or not (i < place[0] and c.starts[i] == c.starts[place[0]]):
        return None
    return Found(place[1], "comment", (Note(i, place[1]),))
