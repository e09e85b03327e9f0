"""How values are written in a text box, and read back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_magic.ui.values import Kind, read, shown


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("columns", ["a", "b,c", "d`e", "with space"]),
        ("scalars", ["x", 2, "2", 1.5, True, "true", 'say "hi"', "a,b", ""]),
        ("scalar", "2013-01-01"),
        ("scalar", 7),
        ("integer", 12),
        ("number", 0.25),
        ("number", 0.0),
        ("keys", [{"left": "a b", "right": "c"}, {"left": "d", "right": "d"}]),
        ("order", [{"column": "at", "descending": True, "nulls_first": True}]),
        ("order", [{"column": "my desc", "descending": False, "nulls_first": False}]),
        ("json", {"kind": "rows", "start": -6, "end": 0}),
        ("long", "sum(a) > 1"),
        ("columns", []),
        ("number", None),
    ],
)
def test_what_is_shown_is_read_back(kind: Kind, value: Any) -> None:
    """A value survives being shown and read."""
    assert read(kind, shown(kind, value)) == value


_names = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(st.lists(_names, max_size=5))
def test_any_column_names_are_read_back(names: list[str]) -> None:
    """A list of columns survives, whatever their names are made of."""
    assert read("columns", shown("columns", list(names))) == names


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(_names, st.integers(-(2**60), 2**60), st.booleans()), max_size=5))
def test_any_scalars_are_read_back(values: list[Any]) -> None:
    """A list of literals survives, each with its type."""
    back = read("scalars", shown("scalars", list(values)))
    assert isinstance(back, list)
    assert [(type(v), v) for v in back] == [(type(v), v) for v in values]


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("integer", "1.5", "a whole number"),
        ("number", "lots", "a number such as"),
        ("json", "{", "JSON is expected"),
        ("keys", "a =", "left = right"),
        ("scalars", '"open', "quotes"),
    ],
)
def test_text_of_another_kind_is_refused_with_what_is_expected(kind: Kind, text: str, says: str) -> None:
    """The message says what is expected."""
    with pytest.raises(ValueError, match=says):
        read(kind, text)
