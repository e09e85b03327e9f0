"""Spark's types: parsing and rendering are inverse, and combining follows Apache Spark's tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_magic.spec.literals import sql_literal
from pipeline_magic.spec.types import Type, arithmetic, common, parse_type

SIMPLE = st.sampled_from(["int", "bigint", "string", "double", "date", "timestamp", "boolean", "binary"]).map(Type)
DECIMAL = st.integers(1, 38).flatmap(lambda p: st.integers(0, p).map(lambda s: Type("decimal", p, s)))
NAMES = ["a", "b c", "`d", "É"]
TYPES = st.recursive(
    SIMPLE | DECIMAL,
    lambda inner: st.one_of(
        inner.map(lambda t: Type("array", parts=(t,))),
        st.tuples(SIMPLE, inner).map(lambda pair: Type("map", parts=pair)),
        st.lists(st.tuples(st.sampled_from(NAMES), inner), min_size=1, max_size=3, unique_by=lambda x: x[0])
        .map(lambda items: Type("struct", parts=tuple(t for _, t in items), fields=tuple(n for n, _ in items))),
    ),
    max_leaves=8,
)  # fmt: skip


@given(TYPES)
def test_round_trip(kind: Type) -> None:
    """The text of a type reads back to the type."""
    assert parse_type(str(kind)) == kind


@given(TYPES, TYPES)
def test_common_type_is_symmetric(left: Type, right: Type) -> None:
    """The common type does not depend on the order, but for names of struct fields."""
    one, other = common(left, right), common(right, left)
    assert (one is None) == (other is None)
    if one is not None and "struct" not in str(one):
        assert one == other


@pytest.mark.parametrize(
    ("operator", "left", "right", "result"),
    [
        ("+", "decimal(10,2)", "decimal(10,2)", "decimal(11,2)"),
        ("*", "decimal(10,2)", "decimal(10,2)", "decimal(21,4)"),
        ("/", "decimal(10,2)", "decimal(10,2)", "decimal(23,13)"),
        ("%", "decimal(10,2)", "decimal(4,3)", "decimal(4,3)"),
        ("*", "decimal(38,10)", "decimal(38,10)", "decimal(38,6)"),
        ("/", "decimal(38,18)", "decimal(38,18)", "decimal(38,6)"),
        ("+", "decimal(38,2)", "bigint", "decimal(38,2)"),
        ("+", "int", "bigint", "bigint"),
        ("/", "int", "int", "double"),
        ("div", "int", "int", "bigint"),
        ("+", "int", "double", "double"),
        ("*", "decimal(10,2)", "double", "double"),
        ("+", "string", "int", None),
    ],
)
def test_arithmetic(operator: str, left: str, right: str, result: str | None) -> None:
    """Arithmetic gives the types that Apache Spark documents in DecimalPrecision."""
    made = arithmetic(operator, parse_type(left), parse_type(right))
    assert (str(made) if made else None) == result


@pytest.mark.parametrize(
    "text", ["", "money", "decimal(39,2)", "decimal(2,3)", "array<>", "struct<a int", "int int", "map<int>"]
)
def test_not_a_type(text: str) -> None:
    """What is no type of a column is refused."""
    with pytest.raises(ValueError, match=r"."):
        parse_type(text)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("2024-02-29", "date", "DATE '2024-02-29'"),
        ("2024-02-29T01:02:03Z", "timestamp", "TIMESTAMP '2024-02-29 01:02:03+00:00'"),
        ("12.50", "decimal(10,2)", "CAST(12.50 AS DECIMAL(10,2))"),
        (7, "bigint", "CAST(7 AS BIGINT)"),
        (True, "boolean", "TRUE"),
        ("it's \\ \n", "string", "'it\\'s \\\\ \\n'"),
        ("2023-02-29", "date", None),
        (1.5, "int", None),
        ("1.555", "decimal(10,2)", None),
        (300, "tinyint", None),
        (1, "string", None),
        ("nan", "double", None),
    ],
)
def test_literals(value: bool | int | float | str, kind: str, text: str | None) -> None:
    """A value becomes a literal of the column's type, or is refused."""
    if text is None:
        with pytest.raises(ValueError, match=r"."):
            sql_literal(value, parse_type(kind))
    else:
        assert sql_literal(value, parse_type(kind)) == text
