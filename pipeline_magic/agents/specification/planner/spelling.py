"""Typing errors forgiven: a word that means nothing, one slip away from a word of the catalog, is read as that word.

Only words that are neither English grammar nor known pipeline words are touched, only when one catalog word is nearest,
and every correction is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pipeline_magic.agents.specification.planner.entities import TableInfo
from pipeline_magic.agents.specification.planner.lexicon import DATA_WORDS, FILLER, KNOWN, MONTHS, STOP, SYNONYMS
from pipeline_magic.agents.specification.planner.text import Token, lemmas, stem

__all__ = ["corrected", "distance"]

_SHORTEST = 5


def distance(a: str, b: str, most: int = 2) -> int:
    """Edits (a letter more, less or other, or two neighbours swapped) from `a` to `b`; `most` + 1 when more.

    >>> distance("custmer", "customer"), distance("ordres", "orders"), distance("cat", "house")
    (1, 1, 3)
    """
    if abs(len(a) - len(b)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, left in enumerate(a, start=1):
        row = [i]
        for j, right in enumerate(b, start=1):
            cost = min(row[j - 1] + 1, last[j] + 1, last[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return min(last[-1], most + 1)


def corrected(
    tokens: Sequence[Token], tables: Iterable[TableInfo], vocabulary: frozenset[str]
) -> tuple[tuple[Token, ...], list[str]]:
    """The tokens with typing errors read as catalog words, and a sentence for each.

    Args:
        vocabulary: Every word of the catalog, comments included: such a word is never an error.
    """
    names = sorted(
        {
            word
            for table in tables
            for words in (table.words, *(column.words for column in table.columns))
            for word in words
            if len(word) >= _SHORTEST - 1
        }
    )
    made: list[Token] = []
    notes: list[str] = []
    for token in tokens:
        word = _nearest(token, names, vocabulary)
        if word is None:
            made.append(token)
            continue
        notes.append(f"“{token.text}” is read as “{word}”")
        made.append(replace(token, low=word, stem=stem(word)))
    return tuple(made), list(dict.fromkeys(notes))


def _nearest(token: Token, names: Sequence[str], vocabulary: frozenset[str]) -> str | None:
    if token.kind != "word" or len(token.low) < _SHORTEST or not token.low.isascii() or not token.low.isalpha():
        return None
    forms = lemmas(token.low)
    known = STOP | FILLER | DATA_WORDS | KNOWN
    if (
        not forms.isdisjoint(known)
        or not forms.isdisjoint(vocabulary)
        or not forms.isdisjoint(SYNONYMS)
        or token.low in MONTHS
    ):
        return None
    most = 2 if len(token.stem) >= 9 else 1
    scored = sorted((distance(token.stem, name, most), name) for name in names if name[0] == token.stem[0])
    near = [(cost, name) for cost, name in scored if cost <= most]
    if not near:
        return _swapped(token.low)
    if len(near) > 1 and near[1][0] == near[0][0]:
        return None
    return near[0][1]


def _swapped(word: str) -> str | None:
    """``thier``: two neighbours swapped in a word of grammar."""
    swaps = {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1)}
    found = sorted(swaps & (STOP | FILLER | KNOWN))
    return found[0] if len(found) == 1 else None
