"""Names that are shortened in a way of their own: ``vst`` where the statement says visits, ``dur_min`` where duration.

Common abbreviations are written out everywhere (`english`). What is left of a name and is no word is taken for the one
word of the statement that it shortens: its consonants in their order, or its beginning in a table that shortens its
names throughout. A word that the catalog has, and a piece or a word that fits more than one way, are left as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline_magic.agents.specification.planner.entities import TableInfo
from pipeline_magic.agents.specification.planner.lexicon import ABBREVIATIONS, DATA_WORDS, FILLER, KNOWN, STOP
from pipeline_magic.agents.specification.planner.text import Token, words_of

__all__ = ["shortens", "written_out"]

_VOWELS = frozenset("aeiou")
_SURE = 2
"""So many shortened pieces show that a table shortens its names."""


def written_out(tables: Mapping[str, TableInfo], tokens: Sequence[Token]) -> dict[str, TableInfo]:
    """The tables with such pieces of their names as the words of the statement that they shorten."""
    pieces: dict[str, bool] = {}
    have: set[str] = set()
    for table in tables.values():
        terse = _terse(table)
        for words in (table.words, *(column.words for column in table.columns)):
            have |= set(words)
            for piece in words:
                if _is_piece(piece):
                    pieces[piece] = pieces.get(piece, False) or terse
    if not pieces:
        return dict(tables)
    said = {token.stem for token in tokens if token.kind == "word" and len(token.stem) > 3}
    said = {word for word in said - have if word not in STOP | FILLER and word.isalpha()}
    fits = {piece: [word for word in said if shortens(piece, word, terse)] for piece, terse in pieces.items()}
    once = {piece: words[0] for piece, words in fits.items() if len(words) == 1}
    meant = {piece: word for piece, word in once.items() if list(once.values()).count(word) == 1}
    return {name: _with(table, meant) for name, table in tables.items()} if meant else dict(tables)


def shortens(piece: str, word: str, terse: bool) -> bool:
    """Whether a piece of a name is a word made short.

    >>> shortens("vst", "visit", False), shortens("dur", "duration", True), shortens("car", "carrier", False)
    (True, True, False)
    """
    if piece[0] != word[0] or len(word) <= len(piece):
        return False
    bones = word[0] + "".join(letter for letter in word[1:] if letter not in _VOWELS)
    if not _VOWELS & set(piece[1:]):
        rest = iter(bones)
        if all(letter in rest for letter in piece) and (bones.startswith(piece) or bones[-1] == piece[-1]):
            return True
    return terse and len(piece) > 2 and len(word) > len(piece) + 1 and word.startswith(piece)


def _is_piece(piece: str) -> bool:
    """No word that is known, and short."""
    return (
        1 < len(piece) <= 5
        and piece.isalpha()
        and piece not in DATA_WORDS | KNOWN | STOP | FILLER
        and piece not in ABBREVIATIONS.values()
    )


def _terse(table: TableInfo) -> bool:
    """Names of this table are shortened: by common abbreviations, or to their consonants."""
    raw = {word for name in (table.short, *(column.name for column in table.columns)) for word in words_of(name)}
    known = {word for word in raw if word in ABBREVIATIONS and ABBREVIATIONS[word] not in {word, "id"}}
    vowels = _VOWELS | {"y"}
    bare = {word for word in raw if 1 < len(word) < 6 and word.isalpha() and not vowels & set(word)}
    return len(known | bare) >= _SURE


def _with(table: TableInfo, meant: Mapping[str, str]) -> TableInfo:
    def said(words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(meant.get(word, word) for word in words)

    columns = tuple(replace(column, words=said(column.words)) for column in table.columns)
    return replace(table, words=said(table.words), columns=columns)
