"""Which tables can be joined on what: declared keys first, then names and types.

A link is a set of column pairs between two tables, and says which side holds one row a key. Nothing is executed; a link
from names is a guess and is listed as an assumption. Columns that merely share a name (``name``, ``year``,
``comment``) never link.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from pipeline_magic.agents.specification.planner.entities import ColumnInfo, Kind, TableInfo
from pipeline_magic.agents.specification.planner.lexicon import KEY_WORDS

__all__ = ["JoinGraph", "Link"]


@dataclass(frozen=True)
class Link:
    """`left` and `right` join on `keys` (pairs of column names, left first).

    Attributes:
        score: 1.0 declared; less where names and types were read.
        one: The side of which each row of the other has at most one partner: ``left``, ``right``, ``both``, ``none``.
    """

    left: str
    right: str
    keys: tuple[tuple[str, str], ...]
    score: float
    one: str
    declared: bool = False

    @property
    def ends(self) -> tuple[str, str]:
        return self.left, self.right

    def turned(self) -> Link:
        """The same link seen from the other side."""
        one = {"left": "right", "right": "left"}.get(self.one, self.one)
        pairs = tuple((right, left) for left, right in self.keys)
        return Link(self.right, self.left, pairs, self.score, one, self.declared)


_LOOSE: dict[Kind, Kind] = {"timestamp": "date"}
_NEVER = {
    "name",
    "year",
    "month",
    "day",
    "date",
    "comment",
    "description",
    "status",
    "type",
    "hour",
    "minute",
    "created",
}


_EXACT = 0.9
"""A link of a column that is called wholly as the table it points at, or as its key."""
_FANNING = {"left": 2.5, "none": 5.0}
"""What a step to many rows costs: most, where neither side is a key, and both only point at the same third table."""
_OVER_A_SHARED_ONE = 3.0
"""To one row and on to many: students and courses of one department need have nothing to do with each other."""


class JoinGraph:
    """The links between tables, computed when they are asked for."""

    def __init__(self, tables: Mapping[str, TableInfo], told: Sequence[Link] = ()) -> None:
        self._tables = tables
        self._links: dict[tuple[str, str], tuple[Link, ...]] = {}
        for link in told:
            self._links[link.left, link.right] = (*self._links.get((link.left, link.right), ()), link)
            self._links[link.right, link.left] = tuple(each.turned() for each in self._links[link.left, link.right])

    def choose(self, links: Sequence[Link]) -> None:
        """These are the only links between their tables: words say so."""
        for link in links:
            self._links[link.left, link.right] = (link,)
            self._links[link.right, link.left] = (link.turned(),)

    def part(self, left: str, right: str) -> None:
        """These tables have no links."""
        self._links[left, right] = self._links[right, left] = ()

    def links(self, left: str, right: str) -> tuple[Link, ...]:
        """Links from `left` to `right`, best first."""
        if (left, right) not in self._links:
            found = tuple(link for link in _links(self._tables[left], self._tables[right]) if not self._others(link))
            self._links[left, right] = found
            self._links[right, left] = tuple(link.turned() for link in found)
        return self._links[left, right]

    def _others(self, link: Link) -> bool:
        """A column called after a third table (``sale_id``, of sales) points there, and not at sales persons."""
        if link.declared or link.score >= _EXACT or len(link.keys) != 1:
            return False
        one, two = (self._tables[name].column(key) for name, key in zip(link.ends, link.keys[0], strict=True))
        if one is not None and two is not None and one.words == two.words:
            return False  # two columns of one name point at the same third table
        for name, column in ((link.left, link.keys[0][0]), (link.right, link.keys[0][1])):
            info = self._tables[name].column(column)
            plain = _plain(info) if info is not None and self._tables[name].key != (column,) else set()
            if any(plain == set(table.words) for other, table in self._tables.items() if other not in link.ends):
                return True
        return False

    def ambiguous(self, path: Sequence[Link], named: Sequence[str]) -> bool:
        """Two tables link the ends alike (parts by what is offered, or by what was sold), and words name neither."""
        if len(path) != 2 or path[0].right in named:
            return False
        first, last = path[0].left, path[1].right
        between = 0
        for name in self._tables:
            if name in {first, last}:
                continue
            here, there = self.links(first, name), self.links(name, last)
            good = here and there and min(here[0].score, there[0].score) >= 0.7
            between += bool(good and (here[0].one, there[0].one) == (path[0].one, path[1].one))
        return between > 1

    def path(self, start: Sequence[str], goal: str, through: Sequence[str] = ()) -> tuple[Link, ...] | None:
        """The cheapest chain of links from any of `start` to `goal`: short, over good links, without repeating rows.

        Args:
            start: Tables that are reached already.
            goal: The table to reach.
            through: Tables that are wanted anyway, and so are preferred on the way.

        Returns:
            The links in order, each from a table already reached; None when there is no way.
        """
        if goal in start:
            return ()
        queue: list[tuple[float, int, str, tuple[Link, ...]]] = [(0.0, 0, name, ()) for name in start]
        done: set[str] = set()
        number = 0
        while queue:
            cost, _, name, links = heappop(queue)
            if name == goal:
                return links
            if name in done or len(links) >= 4:
                continue
            done.add(name)
            for other in sorted(self._tables):
                options = self.links(name, other) if other not in done and other != name else ()
                if options and (other == goal or options[0].score >= 0.7):
                    number += 1
                    step = 1.0 + (1 - options[0].score) + _FANNING.get(options[0].one, 0)
                    if links and links[-1].one in {"right", "both"} and options[0].one in _FANNING:
                        step += _OVER_A_SHARED_ONE
                    step -= 0.2 if other in through else 0
                    heappush(queue, (cost + step, number, other, (*links, options[0])))
        return None


def _links(left: TableInfo, right: TableInfo) -> tuple[Link, ...]:
    declared = [*_declared(left, right), *(link.turned() for link in _declared(right, left))]
    if declared:
        return tuple(declared)
    pairs: list[tuple[float, str, str]] = []
    for a in left.columns:
        for b in right.columns:
            score = _pair_score(a, left, b, right)
            if score > 0:
                pairs.append((score, a.name, b.name))
    if not pairs:
        return ()
    pairs.sort(key=lambda item: (-item[0], item[1], item[2]))
    best = pairs[0][0]
    top = [pair for pair in pairs if pair[0] >= best - 1e-9]
    if not left.key and not right.key:
        together = _composite(top)
        return (_link(left, right, together, best),)
    return tuple(_link(left, right, ((a, b),), score) for score, a, b in pairs if score >= min(best, 0.7))


def _composite(pairs: Sequence[tuple[float, str, str]]) -> tuple[tuple[str, str], ...]:
    used_left: set[str] = set()
    used_right: set[str] = set()
    kept = []
    for _, a, b in pairs:
        if a not in used_left and b not in used_right:
            used_left.add(a)
            used_right.add(b)
            kept.append((a, b))
    return tuple(kept)


def _declared(left: TableInfo, right: TableInfo) -> list[Link]:
    return [
        _link(left, right, tuple(zip(key.columns, key.to_columns, strict=True)), 1.0, declared=True)
        for key in left.schema.foreign_keys
        if key.to_table.casefold() == right.name.casefold() and len(key.columns) == len(key.to_columns)
    ]


def _link(
    left: TableInfo, right: TableInfo, keys: tuple[tuple[str, str], ...], score: float, *, declared: bool = False
) -> Link:
    def covers(table: TableInfo, names: set[str]) -> bool:
        return bool(table.key) and {name.casefold() for name in table.key} <= {name.casefold() for name in names}

    one_left = covers(left, {a for a, _ in keys})
    one_right = covers(right, {b for _, b in keys}) or declared
    one = "both" if one_left and one_right else "left" if one_left else "right" if one_right else "none"
    return Link(left.name, right.name, keys, score, one, declared)


def _pair_score(a: ColumnInfo, left: TableInfo, b: ColumnInfo, right: TableInfo) -> float:
    if _LOOSE.get(a.kind, a.kind) != _LOOSE.get(b.kind, b.kind) and not _text_and_number(a, b):
        return 0.0
    if a.kind in {"date", "timestamp", "boolean", "other"}:
        return 0.0
    a_key, b_key = left.key == (a.name,), right.key == (b.name,)
    a_words = _plain(a)
    if a.words == b.words and len(a_words) > 0 and not set(a.words) <= _NEVER:
        if a_key or b_key:
            return 0.95
        if a.is_key_like and b.is_key_like and a_words:
            return 0.7
        return 0.45 if a.name.casefold() == b.name.casefold() and not a_words <= _NEVER and a.kind == "text" else 0.0
    for key, other, owner in ((b_key and b, a, right), (a_key and a, b, left)):
        if key and other.is_key_like and _plain(other) and _plain(other) <= set(owner.words) | _plain(key):
            return 0.9 if _plain(other) == set(owner.words) else 0.75
    for key, other, owner in ((b_key and b, a, right), (a_key and a, b, left)):
        if key and other.is_key_like and set(owner.words) < _plain(other) and not set(owner.words) <= _NEVER:
            return 0.7  # `home_branch_code` points at a branch in a role of its own
    for key, other, owner in ((b_key and b, a, right), (a_key and a, b, left)):
        if key and other.kind == "text" and other.said and set(other.said) == set(owner.words):
            return 0.7
    return 0.0


def _plain(column: ColumnInfo) -> set[str]:
    return set(column.words) - KEY_WORDS


def _text_and_number(a: ColumnInfo, b: ColumnInfo) -> bool:
    return {a.kind, b.kind} == {"text", "number"} and (a.is_key_like and b.is_key_like)
