"""Expectations, numbers and times in words a person would use. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline_magic.spec.model import (
    AcceptedValues,
    Expectation,
    Freshness,
    NotNull,
    Pattern,
    Range,
    Referential,
    RowCount,
    Unique,
)

__all__ = ["age", "counted", "described", "listed", "share"]

_SHOWN = 6
"""Values or names that are listed before "and N more"."""


def counted(number: int, noun: str = "row", plural: str = "") -> str:
    """A number with its noun.

    >>> counted(1), counted(1500), counted(2, "key")
    ('1 row', '1,500 rows', '2 keys')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Iterable[object], *, shown: int = _SHOWN) -> str:
    """Names joined by commas, the many cut short.

    >>> listed(["a", "b"]), listed("abcdefgh")
    ('a, b', 'a, b, c, d, e, f and 2 more')
    """
    given = [str(name) for name in names]
    more = len(given) - shown
    return ", ".join(given[:shown]) + (f" and {more:,} more" if more > 0 else "")


def share(part: int, whole: int) -> str:
    """A fraction in percent, never rounded to all or nothing.

    >>> share(1, 100_000), share(99_999, 100_000), share(1, 3), share(0, 0)
    ('under 0.1 %', 'over 99.9 %', '33.3 %', '0 %')
    """
    if not part:
        return "0 %"
    if part == whole:
        return "100 %"
    percent = 100 * part / whole
    if percent < 0.1:
        return "under 0.1 %"
    return "over 99.9 %" if percent > 99.9 else f"{percent:.1f} %"


def age(seconds: float) -> str:
    """A length of time, in its largest sensible unit.

    >>> age(20), age(7200), age(86400 * 3)
    ('less than a minute', '2 hours', '3 days')
    """
    if seconds < 60:
        return "less than a minute"
    if seconds < 5400:
        return counted(round(seconds / 60), "minute")
    if seconds < 48 * 3600:
        return counted(round(seconds / 3600), "hour")
    return counted(round(seconds / 86400), "day")


def described(expectation: Expectation) -> str:
    """What is expected, as one short phrase.

    >>> described(NotNull(id="a", on="t", columns=("c_custkey",)))
    'no NULL in c_custkey'
    """
    if isinstance(expectation, NotNull):
        return f"no NULL in {listed(expectation.columns)}"
    if isinstance(expectation, Unique):
        names = listed(expectation.columns)
        return f"no two rows with the same {names}"
    if isinstance(expectation, Range):
        return _range(expectation)
    if isinstance(expectation, AcceptedValues):
        return f"{expectation.column} is one of {listed(map(_value, expectation.values))}"
    if isinstance(expectation, Pattern):
        return f"{expectation.column} matches {expectation.regex}"
    if isinstance(expectation, RowCount):
        return _row_count(expectation)
    if isinstance(expectation, Freshness):
        hours = expectation.max_age_hours
        what = "last commit" if expectation.column is None else f"newest {expectation.column}"
        return f"{what} at most {hours:g} {'hour' if hours == 1 else 'hours'} old"
    if isinstance(expectation, Referential):
        return f"every {listed(expectation.columns)} occurs in {expectation.to} as {listed(expectation.to_columns)}"
    return f"{expectation.condition} holds for every row"


def _value(value: object) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def _range(expectation: Range) -> str:
    low, high = expectation.minimum, expectation.maximum
    words = []
    if low is not None:
        words.append(f"{'at least' if expectation.minimum_inclusive else 'above'} {low}")
    if high is not None:
        words.append(f"{'at most' if expectation.maximum_inclusive else 'below'} {high}")
    return f"{expectation.column} is {' and '.join(words)}"


def _row_count(expectation: RowCount) -> str:
    low, high = expectation.minimum, expectation.maximum
    if high is None:
        return f"at least {counted(low or 0)}"
    return f"at most {counted(high)}" if low is None else f"between {low:,} and {counted(high)}"
