"""What a reader sees while it reads: the tokens, the linker, what was read before.

A reader is a function ``(context, i) -> Found | None``: it looks at the tokens from `i` on and either says how far it
read and what that asks for, or that this is not for it. Readers never change anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline_magic.agents.specification.planner.entities import TableInfo
from pipeline_magic.agents.specification.planner.intent import Item, Measure, Use
from pipeline_magic.agents.specification.planner.joingraph import JoinGraph
from pipeline_magic.agents.specification.planner.linking import Linker, TableLink
from pipeline_magic.agents.specification.planner.text import Token, lemmas
from pipeline_magic.runs import Question

if TYPE_CHECKING:
    from pipeline_magic.agents.specification.planner.durations import Lasting
    from pipeline_magic.agents.specification.planner.named import Named
    from pipeline_magic.agents.specification.planner.unions import Together

__all__ = ["Context", "Found", "Reader"]

_Item = TypeVar("_Item", bound=Item)


@dataclass(frozen=True)
class Found:
    """What a reader read: up to before token `end`, as a clause of `kind`, asking for `items`."""

    end: int
    kind: str
    items: tuple[Item, ...] = ()
    questions: tuple[Question, ...] = ()


@lru_cache(maxsize=4096)
def _alternatives(pattern: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    """The phrases of a pattern by their first word, longest first."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for part in pattern.split("|"):
        words = tuple(part.split())
        if words:
            found.setdefault(words[0], []).append(words)
    return {first: tuple(sorted(phrases, key=len, reverse=True)) for first, phrases in found.items()}


@lru_cache(maxsize=4096)
def _lemmas(word: str) -> frozenset[str]:
    return lemmas(word)


@dataclass
class Context:
    """The state of one reading.

    Attributes:
        ends: For each token, the index after the last token of its segment (a sentence or a list item).
        items: What was read so far, in order.
        definitions: Short names that the statement explains (``ASP = average sale price``), with the tokens that do.
        named: Measures that the statement names and explains in words.
        durations: Names for the time between two moments that the statement explains.
        states: Words that the statement explains as a condition on rows.
        together: Tables that stand under each other, as one.
        loose: Texts are compared without regard to case, and a part is enough.
        answers: Answers given to questions, by question id.
    """

    tokens: Sequence[Token]
    ends: Sequence[int]
    starts: Sequence[int]
    linker: Linker
    graph: JoinGraph
    now: datetime
    answers: dict[str, str] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    definitions: dict[str, tuple[int, int]] = field(default_factory=dict)
    named: Sequence[Named] = ()
    durations: Sequence[Lasting] = ()
    states: dict[str, str] = field(default_factory=dict)
    together: Together | None = None
    loose: bool = False
    free: Callable[[int], bool] = lambda _: True
    _kinds: dict[type[Item], tuple[int, list[Any]]] = field(default_factory=dict, repr=False)

    def low(self, i: int, limit: int | None = None) -> str:
        """The word at `i`, in lower case; empty past the end of the segment."""
        return self.tokens[i].low if 0 <= i < (len(self.tokens) if limit is None else limit) else ""

    def end(self, i: int) -> int:
        """Where the segment of token `i` ends."""
        return self.ends[i] if i < len(self.tokens) else len(self.tokens)

    def match(self, i: int, pattern: str) -> int | None:
        """The index after one of the phrases of `pattern` (``more than|over``), when it stands at `i`."""
        if i >= len(self.tokens):
            return None
        phrases = _alternatives(pattern).get(self.tokens[i].low)
        if phrases is None:
            return None
        limit = self.end(i)
        for words in phrases:
            if i + len(words) <= limit and all(self.tokens[i + n].low == word for n, word in enumerate(words)):
                return i + len(words)
        return None

    def skip(self, i: int, pattern: str) -> int:
        """`i` after any number of these words."""
        while (after := self.match(i, pattern)) is not None:
            i = after
        return i

    def verb(self, i: int, *bases: str) -> bool:
        """Whether a form of one of these verbs stands at `i`."""
        if i >= len(self.tokens) or self.tokens[i].kind != "word":
            return False
        return not _lemmas(self.tokens[i].low).isdisjoint(bases)

    def of(self, kind: type[_Item]) -> list[_Item]:
        """What was read so far of that kind."""
        seen, found = self._kinds.get(kind, (0, []))
        if seen > len(self.items):
            seen, found = 0, []
        if seen < len(self.items):
            found = [*found, *(item for item in self.items[seen:] if isinstance(item, kind))]
            self._kinds[kind] = len(self.items), found
        return list(found)

    def table_at(self, i: int) -> TableLink | None:
        """The table named at `i`, inside its segment."""
        if i >= len(self.tokens):
            return None
        if self.tokens[i].low == "ones":
            return self._ones(i)
        link = self.linker.table_at(i)
        return link if link is not None and link.end <= self.end(i) else None

    def words(self, i: int, pattern: re.Pattern[str]) -> tuple[int, re.Match[str]] | None:
        """A grammar of several words at `i`: where it ends, and its match; whole tokens of one segment only.

        The tokens are seen in lower case with one space between them.
        """
        end = min(self.end(i), i + _FARTHEST)
        text, ends = "", {}
        for j in range(i, end):
            text += (" " if text else "") + self.tokens[j].low
            ends[len(text)] = j + 1
        match = pattern.match(text)
        while match is not None and match.end() not in ends:
            match = pattern.match(text, 0, match.end() - 1) if match.end() else None
        return (ends[match.end()], match) if match is not None else None

    def until(self, limit: int) -> Context:
        """The same with every segment ending before token `limit`: what a reader may take of a list."""
        return replace(self, ends=[min(end, limit) for end in self.ends])

    def _ones(self, i: int) -> TableLink | None:
        """``the posted ones``: rows of what was counted last, else of the only table named before."""
        counted = [item.table for item in self.of(Measure) if item.expression.startswith("count(") and item.table]
        named = list(dict.fromkeys(item.table for item in self.of(Use) if item.end <= i))
        name = counted[-1] if counted else named[0] if len(named) == 1 else ""
        return TableLink(i, i + 1, self.linker.tables[name], 0.8) if name else None

    @property
    def scope(self) -> tuple[TableInfo, ...]:
        """Tables the statement names, in order."""
        return tuple(self.linker.tables[name] for name in self.linker.scope)

    def focus(self, i: int) -> tuple[TableInfo, ...]:
        """Tables by how near they are to token `i`: named before it in its segment, then after it, then the rest."""
        near: list[str] = []
        first = max(self.starts[i] if i < len(self.tokens) else 0, i - _REACH)
        last = min(self.end(i), i + _REACH)
        for j in (*range(i - 1, first - 1, -1), *range(i, last)):
            link = self.linker.table_at(j) if self.tokens[j].low != "ones" else self._ones(j)
            if link is not None and link.end <= self.ends[j]:
                near.append(link.table.name)
        measured = [item.table for item in self.of(Measure) if item.table]
        return tuple(self.linker.tables[name] for name in dict.fromkeys([*near, *measured, *self.linker.scope]))


_FARTHEST = 24
"""The most tokens that one grammar may take."""
_REACH = 80
"""How many tokens away a table still counts as near."""

Reader = Callable[[Context, int], "Found | None"]
