"""What the table of functions says of one function, and how its entries are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pipeline_magic.spec.types import Type

__all__ = ["UNITS", "Function", "Kind", "Nulls", "Rule", "aggregates", "rows", "windows"]

Kind: TypeAlias = Literal["row", "aggregate", "window"]
Nulls: TypeAlias = Literal["any", "first", "all", "never", "always"]
Rule: TypeAlias = Callable[[Sequence[Type]], "Type | None"]
"""Type of the result from those of the arguments; None when they do not fit together."""


@dataclass(frozen=True)
class Function:
    """One function.

    Attributes:
        name: Lower case, as it is rendered.
        kind: ``row``: one value a row; ``aggregate``: one value a group (also over a window); ``window``: only there.
        takes: What each argument must be: ``any``, ``number``, ``integer``, ``string`` (whatever becomes a text),
            ``bytes`` (text or binary), ``boolean``, ``date`` (or timestamp), ``moment`` (a date, or a text of one),
            ``array``, ``map``, ``variant``, ``orderable``, ``unit`` (a word such as MONTH), ``constant`` before
            another word for a literal. The last one repeats when `most` is larger.
        least: Fewest arguments.
        most: Most arguments.
        gives: Type of the result.
        nulls: When the result can be NULL: ``any`` argument is NULL, the ``first`` is, ``all`` are, ``never``, or
            ``always`` possible.
        distinct: DISTINCT may stand before the argument.
    """

    name: str
    kind: Kind
    takes: tuple[str, ...]
    least: int
    most: int
    gives: Rule
    nulls: Nulls = "any"
    distinct: bool = False

    def wants(self, index: int) -> str:
        """What the argument at `index` must be."""
        return self.takes[min(index, len(self.takes) - 1)] if self.takes else "any"


UNITS = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND")
"""Words that may stand where a function takes a unit."""


def _entries(
    kind: Kind, names: str, takes: str, gives: Rule, least: int | None, most: int | None, nulls: Nulls, distinct: bool
) -> Iterator[Function]:
    words = tuple(word.strip() for word in takes.split(",")) if takes else ()
    for name in names.split():
        fewest = len(words) if least is None else least
        yield Function(name, kind, words, fewest, most or len(words), gives, nulls, distinct)


def rows(
    names: str, takes: str, gives: Rule, *, least: int | None = None, most: int | None = None, nulls: Nulls = "any"
) -> Iterator[Function]:
    return _entries("row", names, takes, gives, least, most, nulls, False)


def aggregates(
    names: str,
    takes: str,
    gives: Rule,
    *,
    least: int | None = None,
    most: int | None = None,
    nulls: Nulls = "always",
    distinct: bool = False,
) -> Iterator[Function]:
    return _entries("aggregate", names, takes, gives, least, most, nulls, distinct)


def windows(
    names: str, takes: str, gives: Rule, *, least: int | None = None, nulls: Nulls = "never"
) -> Iterator[Function]:
    return _entries("window", names, takes, gives, least, None, nulls, False)
