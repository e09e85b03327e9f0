"""How well a table fits what was asked: words in its name tell most, then its columns, its place, its comments.

A table whose whole name was said comes before all that merely hold the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_magic.agents.catalog.index.query import Group, Query

__all__ = ["Candidate", "rank"]

_FIELDS = (("name", 8.0), ("place", 4.0), ("columns", 2.5), ("comment", 1.0))
_COVERED = 30.0
_WHOLE = 25.0


@dataclass(frozen=True)
class Candidate:
    """A table as the index keeps it: its row and its words."""

    number: int
    name: str
    place: str
    columns: str
    comment: str

    @property
    def size(self) -> int:
        """Words in its name."""
        return self.number >> 40


def rank(query: Query, candidates: Sequence[Candidate]) -> list[tuple[float, Candidate, str]]:
    """Score, candidate and what the words met, best first."""
    tells = [query.vocabulary.rarity(group) for group in query.groups]
    scored = [(*_fit(query, candidate, tells), candidate) for candidate in candidates]
    scored.sort(key=lambda item: (-item[0], item[2].number))
    return [(score, candidate, why) for score, why, candidate in scored]


def _fit(query: Query, candidate: Candidate, tells: Sequence[float]) -> tuple[float, str]:
    words = {field: set(getattr(candidate, field).split()) for field, _ in _FIELDS}
    score, covered = 0.0, 0.0
    met = {field: list[str]() for field, _ in _FIELDS}
    named: dict[str, float] = {}
    for group, rarity in zip(query.groups, tells, strict=True):
        best, where, word = 0.0, "", ""
        for field, weight in _FIELDS:
            quality, found = _best(group, words[field])
            if quality * weight > best:
                best, where, word = quality * weight, field, found
        if not where:
            continue
        score += best * rarity
        met[where].append(word)
        covered += 1
        if where == "name":
            named[word] = max(named.get(word, 0.0), group[word])
    share = covered / len(query.groups)
    inside = min(1.0, sum(named.values()) / max(1, candidate.size))
    score += _COVERED * share * inside + (_WHOLE if share == 1.0 and len(named) >= candidate.size else 0.0)
    why = "; ".join(f"{field}: {', '.join(found)}" for field, found in met.items() if found)
    return score * share, why


def _best(group: Group, words: set[str]) -> tuple[float, str]:
    """The best reading of a typed word among these words."""
    best, found = 0.0, ""
    for word, quality in group.items():
        if quality > best and word in words:
            best, found = quality, word
    return best, found
