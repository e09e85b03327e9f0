"""Whether two sets of rows are the same, asked of the engine in one query, and judged here. Pure.

Rows are compared as multisets: both sides are grouped by all columns, so that NULLs and repeated rows count.
Floating-point sums may differ in their last digits, because engines add in any order; rows that differ only there are
paired and compared to nine digits. Columns of a type that cannot be grouped (map, variant) are left out; see `grouped`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pipeline_magic.agents.quality.describe import listed
from pipeline_magic.spec.names import quote
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.types import parse_type

__all__ = [
    "difference_query",
    "fingerprint_query",
    "grouped",
    "same_but_for_rounding",
    "same_fingerprint",
    "schema_differences",
]


def grouped(columns: Sequence[Column]) -> list[Column]:
    """The columns whose values can be compared."""
    return [column for column in columns if parse_type(column.type).groupable]


def _floating(column: Column) -> bool:
    return parse_type(column.type).name in {"double", "float"}


def difference_query(columns: Sequence[Column], left: str, right: str, *, whole: bool = True) -> str:
    """The rows that two queries do not have equally often, with how often each has them.

    Args:
        columns: What is compared; both queries have them.
        whole: False: only rows that `right` lacks altogether.
    """
    taken = {column.name.casefold() for column in columns}
    left_n, right_n = (_free(name, taken) for name in ("left_rows", "right_rows"))
    names = ", ".join(quote(column.name) for column in columns)
    both = ", ".join(f"coalesce(a.{quote(c.name)}, b.{quote(c.name)}) AS {quote(c.name)}" for c in columns)
    same = " AND ".join(f"a.{quote(column.name)} <=> b.{quote(column.name)}" for column in columns)
    wrong = f"{left_n} <> {right_n}" if whole else f"{left_n} > 0 AND {right_n} = 0"
    # Not a UNION ALL that is grouped: Sail fails on one whose sides differ in which columns can be NULL.
    return (
        f"SELECT * FROM (SELECT {both}, coalesce({left_n}, 0) AS {left_n}, coalesce({right_n}, 0) AS {right_n} FROM "
        f"(SELECT {names}, count(*) AS {left_n} FROM ({left}) AS l GROUP BY {names}) AS a FULL JOIN "
        f"(SELECT {names}, count(*) AS {right_n} FROM ({right}) AS r GROUP BY {names}) AS b ON {same}"
        f") AS g WHERE {wrong}"
    )


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def same_but_for_rounding(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> bool:
    """Whether the rows of `difference_query` pair up when floating-point numbers may differ after nine digits."""
    floats = [at for at, column in enumerate(columns) if _floating(column)]
    if not floats:
        return False
    sides: tuple[dict[Any, list[tuple[Any, ...]]], ...] = ({}, {})
    for row in rows:
        exact = repr([value for at, value in enumerate(row[: len(columns)]) if at not in floats])
        excess = int(row[-2]) - int(row[-1])
        side = sides[0 if excess > 0 else 1]
        side.setdefault(exact, []).extend([tuple(row[at] for at in floats)] * abs(excess))
    left, right = sides
    return left.keys() == right.keys() and all(_paired(left[key], right[key]) for key in left)


def _paired(left: list[tuple[Any, ...]], right: list[tuple[Any, ...]]) -> bool:
    if len(left) != len(right):
        return False
    pairs = zip(sorted(left, key=_order), sorted(right, key=_order), strict=True)
    return all(_close(a, b) for one, other in pairs for a, b in zip(one, other, strict=True))


def _order(values: tuple[Any, ...]) -> tuple[tuple[int, float], ...]:
    return tuple((0, 0.0) if v is None else (2, 0.0) if math.isnan(v) else (1, float(f"{v:.8e}")) for v in values)


def _close(one: float | Decimal | None, other: float | Decimal | None) -> bool:
    if one is None or other is None:
        return one is other
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


def schema_differences(wanted: Sequence[Column], found: Sequence[Column]) -> str:
    """Where two schemas differ in names or types, in words; empty when they do not. The order carries no meaning:
    some engines write the columns a table is partitioned by last."""
    there = {column.name: column for column in found}
    missing = [column.name for column in wanted if column.name not in there]
    extra = sorted(there.keys() - {column.name for column in wanted})
    wrong = [
        f"{column.name} is {there[column.name].type} instead of {column.type}"
        for column in wanted
        if column.name in there and parse_type(column.type) != parse_type(there[column.name].type)
    ]
    parts = [f"missing {listed(missing)}"] if missing else []
    parts += [f"not declared {listed(extra)}"] if extra else []
    return "; ".join([*parts, *([listed(wrong)] if wrong else [])])


def fingerprint_query(columns: Sequence[Column], rows: str) -> str:
    """One row that changes when the rows do: how many, values in each column, a sum of hashes, sums of floats."""
    exact = [quote(column.name) for column in columns if not _floating(column)]
    floats = [quote(column.name) for column in columns if _floating(column)]
    parts = ["count(*) AS n", *(f"count({quote(column.name)}) AS c{at}" for at, column in enumerate(columns))]
    if exact:
        parts.append(f"sum(CAST(xxhash64({', '.join(exact)}) AS DECIMAL(38, 0))) AS h")
    parts += [f"sum({name}) AS f{at}" for at, name in enumerate(floats)]
    return f"SELECT {', '.join(parts)} FROM ({rows}) AS t"


def same_fingerprint(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two rows of `fingerprint_query` are of the same rows; floating-point sums to nine digits."""
    return len(one) == len(other) and all(
        _close(a, b) if isinstance(a, float) and isinstance(b, float) else a == b
        for a, b in zip(one, other, strict=True)
    )
