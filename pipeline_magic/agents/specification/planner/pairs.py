"""Two things that one row is related to: ``who performed in both Berlin and Madrid``, ``in Berlin but not in Madrid``.

Each thing is looked for among rows of its own. The words that both share are read with the one and with the other; only
where both readings end at the same place is the pair understood.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.filters import read_filter
from pipeline_magic.agents.specification.planner.intent import Exists, Filter, Use, measures_in, refs_in
from pipeline_magic.agents.specification.planner.relations import relation, subject_of
from pipeline_magic.agents.specification.planner.views import view_without

__all__ = ["read_pair"]

_FAR = 14
_LONGEST = 6
_MOST = 12
"""Pairs that one statement may have: each reads its words several times."""
_AND = "and also|and|as well as"
_BUT_NOT = "but not|but never|but have not|but has not|and not|but did not|yet not|but not any"


def read_pair(c: Context, i: int) -> Found | None:
    """A pair behind the table that it is about."""
    subject = subject_of(c, i)
    if subject is None or c.tokens[i].kind != "word":
        return None
    far = min(c.end(i), i + _FAR)
    both = next((j for j in range(i, far) if c.low(j) == "both"), None)
    if both is not None and sum(token.low == "both" for token in c.tokens) > _MOST:
        return None
    if both is not None:
        return _read(c, i, subject, _both(c, both), negated=False)
    but = next((j for j in range(i + 1, far) if c.match(j, _BUT_NOT) is not None), None)
    if but is None or sum(token.low in {"but", "yet"} for token in c.tokens) > _MOST:
        return None
    return _read(c, i, subject, _but(c, i, but), negated=True)


_Cut = tuple[frozenset[int], frozenset[int], int]
"""Tokens left out for the first reading and for the second, and where the pair ends at the earliest."""


def _both(c: Context, both: int) -> Iterator[_Cut]:
    """``both X and Y``: the ends of Y are tried, as long as X first."""
    joined = next((j for j in range(both + 2, min(both + 2 + _LONGEST, c.end(both))) if c.match(j, _AND)), None)
    start = c.match(joined, _AND) if joined is not None else None
    if joined is None or start is None:
        return
    same = joined - both - 1
    for size in sorted(range(1, _LONGEST + 1), key=lambda size: (size != same, size)):
        end = start + size
        if end <= c.end(both):
            yield frozenset({both, *range(joined, end)}), frozenset(range(both, start)), end


def _but(c: Context, i: int, but: int) -> Iterator[_Cut]:
    """``X but not Y``: X and Y are as long as each other, and begin alike where they begin with a preposition."""
    start = c.match(but, _BUT_NOT)
    if start is None:
        return
    for size in range(1, _LONGEST + 1):
        first, end = but - size, start + size
        if first <= i or end > c.end(i):
            return
        if c.low(first) == c.low(start) or size == 1:
            yield frozenset(range(but, end)), frozenset(range(first, start)), end


def _read(c: Context, i: int, subject: str, cuts: Iterator[_Cut], *, negated: bool) -> Found | None:
    for without_second, without_first, least in cuts:
        first = _wish(c, i, subject, without_second)
        second = _wish(c, i, subject, without_first) if first is not None else None
        if first is None or second is None:
            continue
        end = max(least, second[0])
        same = (first[1].other, first[1].conditions) == (second[1].other, second[1].conditions)
        if same or second[0] < least or (not negated and max(first[0], least) != end):
            continue
        wishes = [
            Exists(i, end, subject, wish.other, wish.conditions, no, wish.assumed, wish.through, wish.keys)
            for wish, no in ((first[1], False), (second[1], negated))
        ]
        return Found(end, "join", tuple(wishes))
    return None


def _wish(c: Context, i: int, subject: str, dropped: frozenset[int]) -> tuple[int, Exists] | None:
    """What the rest of the words asks for, as a row of another table that must be there."""
    view = view_without(c, dropped)
    found = relation(view.context, i, subject)
    if found is not None and len(found.items) == 1 and isinstance(found.items[0], Exists):
        wish = found.items[0]
        return (view.end_of(found.end), wish) if not wish.negated else None
    found = read_filter(view.context, i)
    rest = [item for item in found.items if not isinstance(item, Use)] if found is not None else []
    if found is None or len(rest) != 1 or not isinstance(rest[0], Filter) or measures_in(rest[0].expression):
        return None
    tables = {ref.table for ref in refs_in(rest[0].expression)}
    other = tables.pop() if len(tables) == 1 else subject
    path = c.graph.path([subject], other) if other != subject else None
    if not path or all(link.one in {"right", "both"} for link in path) or c.graph.ambiguous(path, c.linker.scope):
        return None
    return view.end_of(found.end), Exists(i, found.end, subject, other, (rest[0].expression,), False, rest[0].assumed)
