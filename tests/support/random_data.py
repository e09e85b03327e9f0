"""Random tables for random specs, and what is odd about them: the traits that a run of random tests must have met.

Left out on purpose, because engines rightly differ there or refuse: overflow, division by zero, NaN, sums of floats
that depend on their order (every float here is a multiple of a quarter, or so huge that it swallows the others), and
letters whose capital is another length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from tests.support.compiled import RUN_TIME, Table, make_table

__all__ = ["COLUMNS", "TRAITS", "Draw", "tables", "traits"]

Draw = Callable[[Any], Any]

COLUMNS = {
    "orders": "id bigint, customer int, price decimal(10,2), weight double, name string, day date, at timestamp, "
    "open boolean, tags array<string>, item struct<sku:string,qty:int>, counts map<string,int>",
    "people": "customer int, name string, rank decimal(38,4), joined date, größe string",
}

_HUGE = 2**53 + 1, -(2**60)
_TIMES = (
    "2024-03-10 06:59:59+00:00",  # the last second before New York loses an hour
    "2024-03-10 07:00:00+00:00",
    "2024-11-03 05:30:00+00:00",
    "2024-11-03 06:30:00+00:00",  # both are half past one in New York
    "1969-12-31 23:59:59+00:00",
    RUN_TIME,
)
_ODD = ("ä🙂", "Ωmega", "e\u0301", "\u202eabc", "a\u200bb", "日本")
_VALUES: dict[str, Any] = {
    "bigint": st.sampled_from([0, 1, 2, 3, -1, *_HUGE]),
    "int": st.integers(-1, 4) | st.sampled_from([-1_000_000, 1_000_000]),
    "decimal(10,2)": st.sampled_from(["0.00", "1.50", "-3.25", "99999999.99", "10.00"]),
    "decimal(38,4)": st.sampled_from(["0.0000", "12345678901234567890123456.7891", "-1.0001"]),
    "double": st.sampled_from([0.0, 5.0, -2.5, 1048576.0, 1e300]),
    "string": st.sampled_from(["a", "b", "", "it's", 'q"', "a b", "{x}", "\\", "%_", "NULL", *_ODD]),
    "date": st.sampled_from(["2024-03-10", "2024-02-29", "1970-01-01", "2023-12-31", "2024-03-09", "2024-11-03"]),
    "timestamp": st.sampled_from(_TIMES),
    "boolean": st.booleans(),
    "array<string>": st.sampled_from(
        ["sql:array()", "sql:array('a')", "sql:array('b', NULL, 'a')", "sql:array('a', 'a', 'ä🙂')"]
    ),
    "struct<sku:string,qty:int>": st.sampled_from(
        ["sql:named_struct('sku', 'a', 'qty', 1)", "sql:named_struct('sku', NULL, 'qty', -2)"]
    ),
    "map<string,int>": st.sampled_from(["sql:map('k', 1)", "sql:map('k', NULL, 'it\\'s', 3)", "sql:map('z', 0)"]),
}


def tables(draw: Draw) -> dict[str, Table]:
    """Two tables with NULLs, duplicates and orphans; either may be empty."""
    made = {}
    for alias, columns in COLUMNS.items():
        schema = make_table(f"dev.default.{alias}", columns, ()).schema
        row = st.tuples(*(st.none() | _VALUES[column.type] for column in schema.columns))
        rows = draw(st.lists(row, max_size=6))
        if rows and draw(st.booleans()):
            rows.append(rows[0])
        made[alias] = make_table(f"dev.default.{alias}", columns, rows)
    return made


TRAITS = (
    "no rows", "a duplicate", "a NULL", "an orphan", "a negative number", "a huge number", "odd letters",
    "a leap day or a lost hour", "a nested value", "a decimal",
)  # fmt: skip
"""What is odd about data; `traits` says which a table has."""


def traits(made: Mapping[str, Table]) -> Iterator[str]:
    """The traits of these tables, each once."""
    values = [value for table in made.values() for row in table.rows for value in row]
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    known = {row[0] for row in made["people"].rows}
    found = (
        any(not table.rows for table in made.values()),
        any(len(set(table.rows)) < len(table.rows) for table in made.values()),
        None in values,
        any(row[1] is not None and row[1] not in known for row in made["orders"].rows),
        any(number < 0 for number in numbers),
        any(abs(number) > 2**53 for number in numbers),
        any(value in _ODD for value in values),
        any(value in ("2024-02-29", *_TIMES[:4]) for value in values),
        any(isinstance(value, str) and value.startswith("sql:") for value in values),
        any(row[2] is not None for table in made.values() for row in table.rows),
    )
    return (name for name, there in zip(TRAITS, found, strict=True) if there)
