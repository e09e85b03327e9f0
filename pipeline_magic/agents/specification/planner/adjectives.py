"""What superlatives measure: ``oldest`` an age or a day of birth, ``cheapest`` a price, ``longest`` a duration.

An adjective speaks of a column by what English measures with it. Only where exactly one column of a table is that is
the adjective understood; else nothing is, and the words are asked about.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, Kind, TableInfo
from pipeline_magic.agents.specification.planner.money import money_column
from pipeline_magic.agents.specification.planner.periods import date_column
from pipeline_magic.agents.specification.planner.text import stem

__all__ = ["ADJECTIVES", "meant_by", "measured_by"]

_NUMBER: tuple[Kind, ...] = ("number",)
_DAYS: tuple[Kind, ...] = ("date", "timestamp", "number")


@dataclass(frozen=True)
class _Sense:
    """What an adjective may measure: columns with one of these words, of these kinds, and which end is meant."""

    words: frozenset[str]
    descending: bool
    kinds: tuple[Kind, ...] = _NUMBER


def _sense(words: str, descending: bool, kinds: tuple[Kind, ...] = _NUMBER) -> _Sense:
    return _Sense(frozenset({*words.split(), *(stem(word) for word in words.split())}), descending, kinds)


_BORN = "birth birthday birthdate born dob"
_FOUNDED = "founded opened established built found foundation opening founding construction launched release released"
_PRICE = "price cost fee"
_LENGTH = "length duration runtime distance"
_PAY = "salary wage pay earnings income"

_SENSES: dict[str, tuple[_Sense, ...]] = {
    **dict.fromkeys(
        ("oldest", "eldest"), (_sense("age", True), _sense(_BORN, False, _DAYS), _sense(_FOUNDED, False, _DAYS))
    ),
    "youngest": (_sense("age", False), _sense(_BORN, True, _DAYS), _sense(_FOUNDED, True, _DAYS)),
    **dict.fromkeys(("most expensive", "costliest", "priciest", "dearest"), (_sense(_PRICE, True),)),
    **dict.fromkeys(("cheapest", "least expensive"), (_sense(_PRICE, False),)),
    "longest": (_sense(_LENGTH, True),),
    "shortest": (_sense(f"{_LENGTH} height", False),),
    "tallest": (_sense("height", True),),
    **dict.fromkeys(("heaviest",), (_sense("weight mass", True),)),
    **dict.fromkeys(("lightest",), (_sense("weight mass", False),)),
    **dict.fromkeys(("largest", "biggest"), (_sense("size area capacity", True),)),
    "smallest": (_sense("size area capacity", False),),
    **dict.fromkeys(("most populous", "most populated"), (_sense("population", True),)),
    **dict.fromkeys(("least populous", "least populated"), (_sense("population", False),)),
    "fastest": (_sense("speed velocity", True),),
    "slowest": (_sense("speed velocity", False),),
    "highest": (_sense("elevation altitude height", True),),
    "lowest": (_sense("elevation altitude height", False),),
    "deepest": (_sense("depth", True),),
    "widest": (_sense("width", True),),
    **dict.fromkeys(("best paid", "highest paid", "best - paid", "highest - paid"), (_sense(_PAY, True),)),
    **dict.fromkeys(("worst paid", "lowest paid", "lowest - paid"), (_sense(_PAY, False),)),
    **dict.fromkeys(
        ("best rated", "highest rated", "top rated", "best - rated", "highest - rated", "top - rated"),
        (_sense("rating", True),),
    ),
    **dict.fromkeys(("worst rated", "lowest rated", "worst - rated", "lowest - rated"), (_sense("rating", False),)),
}
"""Senses in the order they are tried: the first of which the table has a column decides, if it has just one."""

_NEW = {"newest": True, "most recent": True, "latest": True, "earliest": False}
ADJECTIVES = "|".join((*_SENSES, *_NEW))
"""All of them, as `Context.match` takes them."""


def meant_by(c: Context, i: int, end: int, table: TableInfo) -> tuple[ColumnInfo, bool] | None:
    """The column of `table` that the superlative from `i` to before `end` measures, and whether its most is meant."""
    return measured_by(c, i, " ".join(c.low(j) for j in range(i, end)), table)


def measured_by(c: Context, i: int, words: str, table: TableInfo) -> tuple[ColumnInfo, bool] | None:
    """As `meant_by`, of a superlative that is not at `i` itself."""
    for sense in _SENSES.get(words, ()):
        hits = [column for column in table.of_kind(*sense.kinds) if sense.words & set(column.words)]
        hits = [column for column in hits if not column.is_key_like]
        exact = [column for column in hits if len(column.words) == 1]
        if len(hits) == 1 or len(exact) == 1:
            return (exact if len(exact) == 1 else hits)[0], sense.descending
        if hits:
            return None
    if words in _NEW:
        return _dated(c, i, table, _NEW[words])
    money = money_column(table) if words in {"largest", "biggest", "smallest"} else None
    if money is not None and {"amount", "total", "value"} & set(money.words):
        return money, words != "smallest"
    return None


def _dated(c: Context, i: int, table: TableInfo, descending: bool) -> tuple[ColumnInfo, bool] | None:
    """By the one date of the rows, or the one year."""
    found = date_column(c, i, table)
    years = [column for column in table.of_kind("number") if "year" in column.words]
    if found is not None:
        return (found[0], descending) if not found[1] else None
    return (years[0], descending) if len(years) == 1 else None
