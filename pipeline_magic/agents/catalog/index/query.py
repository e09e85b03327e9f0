"""Words as typed become groups of the catalog's own words, and those become full-text queries.

A word may be there as it is (or as its singular, or written out); as an abbreviation of a word of the catalog, or the
other way round; written together with its neighbour; or with a typing error. Every reading has a quality between 0 and
1. Only words that no table has, or hardly any, are searched for typing errors. Queries hold quoted words of letters
and digits alone, so that nothing a person types is taken for the search language.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from pipeline_magic.agents.catalog.index.terms import LONG_FORMS, forms_of, name_words

__all__ = ["Group", "Query", "Vocabulary", "read_query"]

_EXACT, _WRITTEN_OUT, _TOGETHER, _PREFIX, _SKELETON, _ONE_SLIP, _TWO_SLIPS = 1.0, 0.95, 0.9, 0.8, 0.7, 0.8, 0.6
_RARE = 5
"""Tables with a word up to which it may itself be a typing error."""
_MOST_WORDS = 8
_MOST_FORMS = 7
_MOST_FULL = 5
_DROPPED = frozenset("a an the of and or in on for to with by from at is are table tables".split())  # noqa: SIM905
_VOWELS = frozenset("aeiou")

Group = Mapping[str, float]
"""Words of the catalog that one typed word may be, with the quality of each reading."""


class Vocabulary:
    """The distinct words of an index.

    Args:
        rows: Word, tables whose name has it, tables that have it anywhere, whether it is others written together.
        total: Tables in the index.
    """

    def __init__(self, rows: Sequence[tuple[str, int, int, int]], total: int) -> None:
        self.total = max(1, total)
        self._counts = {word: (names, tables) for word, names, tables, _ in rows}
        self._most = math.log(2 + max((names for _, names, _, _ in rows), default=0))
        self._by_first: dict[str, list[str]] = defaultdict(list)
        for word, _, _, whole in rows:
            if len(word) >= 3 and not whole and not word[0].isdigit():
                self._by_first[word[0]].append(word)
        self._short_by_first = {
            first: [word for word in words if len(word) <= 6] for first, words in self._by_first.items()
        }
        self._speakable = [word for word, _, _, _ in rows if len(word) >= 4 and not word[-1].isdigit()]
        self._similar: dict[str, dict[str, float]] = {}

    def __contains__(self, word: str) -> bool:
        return word in self._counts

    def tables(self, word: str) -> int:
        """Tables that have the word anywhere."""
        return self._counts.get(word, (0, 0))[1]

    def rarity(self, group: Group) -> float:
        """How much a typed word tells: 0.7 where every table has it, 11 for one of a kind among 100,000.

        Its good readings count together, so that a rare misspelling or shortening tells no more than the word.
        """
        best = max(group.values())
        tables = sum(self.tables(word) for word, quality in group.items() if quality >= 0.85 * best)
        return math.log(1 + self.total / max(1, tables))

    def similar(self, word: str) -> dict[str, float]:
        """Other words of the catalog that `word` may stand for, each with its quality.

        It may be short for them, or mistyped; and whatever it stands for may itself be shortened in the catalog.
        """
        if word not in self._similar:
            if len(self._similar) > 5000:
                self._similar.clear()
            self._similar[word] = self._find_similar(word)
        return self._similar[word]

    def _find_similar(self, word: str) -> dict[str, float]:
        full: dict[str, float] = {}
        if 3 <= len(word) <= 6:
            full.update(self._longer(word))
        if self.tables(word) <= _RARE and len(word) >= 4:
            for other, quality in self._mistyped(word):
                full[other] = max(quality, full.get(other, 0.0))
        full.pop(word, None)
        full = self._best(full, _MOST_FORMS)
        short: dict[str, float] = {}
        for whole, quality in [(word, 1.0), *full.items()][:_MOST_FULL]:
            for other, likeness in self._shorter(whole):
                if other != word and other not in full:
                    short[other] = max(quality * likeness, short.get(other, 0.0))
        return {**full, **self._best(short, _MOST_FORMS)}

    def _best(self, found: Mapping[str, float], most: int) -> dict[str, float]:
        """The likeliest readings; a word that many tables are named by is likelier than one that few are."""
        tilted = {
            other: quality * (0.8 + 0.2 * math.log(1 + self._counts[other][0]) / self._most)
            for other, quality in found.items()
        }
        best = sorted(tilted, key=lambda other: (-tilted[other], other))
        return {other: tilted[other] for other in best[:most]}

    def _longer(self, word: str) -> Iterator[tuple[str, float]]:
        """Words that `word` abbreviates."""
        pattern = _abbreviates(word)
        for other in self._by_first.get(word[0], ()):
            if len(other) > len(word) and pattern.match(other):
                quality = _likeness(word, other)
                if quality:
                    yield other, quality

    def _shorter(self, word: str) -> Iterator[tuple[str, float]]:
        """Words that abbreviate `word`; those known to stand for another word do so less likely."""
        for other in self._short_by_first.get(word[:1], ()):
            if len(other) < len(word) and _is_inside(other, word):
                quality = _likeness(other, word)
                if quality:
                    yield other, quality * 0.8 if other in LONG_FORMS else quality

    def _mistyped(self, word: str) -> Iterator[tuple[str, float]]:
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        most = 1 if len(word) < 6 else 2
        near = process.extract(word, self._speakable, scorer=OSA.distance, score_cutoff=most, limit=24)
        for other, slips, _ in near:
            quality = _ONE_SLIP if slips <= 1 else _TWO_SLIPS
            yield other, quality if other[0] == word[0] else quality - 0.15


def _abbreviates(short: str) -> re.Pattern[str]:
    return re.compile(".*?".join(re.escape(char) for char in short))


def _is_inside(short: str, word: str) -> bool:
    """Whether the letters of `short` stand in `word`, in that order."""
    letters = iter(word)
    return all(char in letters for char in short)


def _likeness(short: str, word: str) -> float:
    """How well `short`, of three letters or more, does as an abbreviation of `word`; 0 for not at all.

    It is the beginning of the word, some consonants of it, or the one and then the other (``resv``).

    >>> _likeness("inv", "inventory"), _likeness("shpmt", "shipment") > 0, _likeness("ore", "orange")
    (0.8, True, 0.0)
    """
    same = 1
    while same < len(short) and word[same : same + 1] == short[same]:
        same += 1
    if same == len(short):
        return _PREFIX if len(word) - len(short) >= 2 or len(short) >= 4 else 0.0
    rest = short[same:]
    if len(short) > len(word) * 0.8 or not _VOWELS.isdisjoint(rest):
        return 0.0
    skeleton = "".join(char for char in word[same:] if char not in _VOWELS)
    if not _is_inside(rest, skeleton):
        return 0.0
    return _SKELETON * min(1.0, 0.5 + 0.6 * len(short) / (same + len(skeleton)))


class Query:
    """What was asked, in words of the catalog.

    Attributes:
        groups: One for each word that means anything here.
    """

    def __init__(self, groups: Sequence[Group], vocabulary: Vocabulary) -> None:
        self.groups = tuple(groups)
        self.vocabulary = vocabulary

    def matches(self) -> Iterator[str]:
        """Full-text queries, the strictest first; together they find what may be meant.

        All words in the name; all but one in the name and that one anywhere; all anywhere; two in the name; one.
        """
        names = [f"name : {_any(group)}" for group in self.groups]
        wide = [_any(group) for group in self.groups]
        count = len(self.groups)
        yield " AND ".join(names)
        if count > 1:
            for left in range(count if count <= 5 else 0):
                yield " AND ".join([*names[:left], *names[left + 1 :], wide[left]])
            if count <= 5:
                yield " AND ".join(wide)
            if count > 2:
                for pair in (
                    combinations(range(count), 2) if count <= 5 else zip(range(count - 1), range(1, count), strict=True)
                ):
                    yield " AND ".join(names[index] for index in pair)
            yield from names
        yield from wide if count == 1 else ()


def _any(group: Group) -> str:
    return "(" + " OR ".join(f'"{word}"' for word in group) + ")"


def read_query(typed: Sequence[str], vocabulary: Vocabulary) -> Query:
    """The query that typed words make."""
    words = [word for text in typed for word in name_words(text)]
    words = list(dict.fromkeys(word for word in words if word not in _DROPPED)) or words[:1]
    made: list[dict[str, float]] = [_group(word, vocabulary) for word in words]
    for left, right in combinations(range(len(made)), 2):
        for first, second in ((left, right), (right, left)):
            for together in _together(made[first], made[second], words[first], words[second], vocabulary):
                made[first].setdefault(together, _TOGETHER)
                made[second].setdefault(together, _TOGETHER)
    groups = [group for group in made if group]
    if len(groups) > _MOST_WORDS:
        telling = sorted(groups, key=lambda group: -vocabulary.rarity(group))
        groups = [group for group in groups if group in telling[:_MOST_WORDS]]
    return Query(groups, vocabulary)


def _group(word: str, vocabulary: Vocabulary) -> dict[str, float]:
    """Words of the catalog that a typed word may be."""
    found: dict[str, float] = {}
    for form in forms_of(word):
        if form in vocabulary:
            found[form] = _EXACT if form == forms_of(word)[0] else _WRITTEN_OUT
    for form in dict.fromkeys((*forms_of(word), word)):  # `status`, mistyped, may look like a plural
        for other, quality in vocabulary.similar(form).items():
            found.setdefault(other, quality * _WRITTEN_OUT if form in LONG_FORMS.values() else quality)
    return found


def _together(
    first: Mapping[str, float], second: Mapping[str, float], word: str, other: str, vocabulary: Vocabulary
) -> Iterator[str]:
    """Words of the catalog that two typed words make, written together."""
    for left in {word, *first}:
        for right in {other, *second}:
            for joined in {left + right, *forms_of(left + right)}:
                if joined in vocabulary:
                    yield joined
