"""Statements that repeat themselves until no pipeline can hold them end in a clear error."""

from __future__ import annotations

import pytest

from tests.support.questions import read


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Show the name of employees " + "but not older than 40 " * 500, "steps"),
        ("stores in Paris or Berlin" + " or Berlin " * 900, "condition"),
        ("add " + "age + " * 900 + "1 as x to employees", "columns"),
        ("label employees: " + "if age > 3 the band is 'x', " * 300, "rules"),
    ],
)
def test_more_than_a_pipeline_holds_is_said(text: str, word: str) -> None:
    """What is too much is named; nothing is raised that is no error of the statement."""
    made = read("shop", text)
    assert made["outcome"] == "asked"
    assert word in made["why"]


@pytest.mark.parametrize(
    "text",
    [
        "Show the orders placed in 2024 or",
        'Show the order id of the orders whose status is "returned" or',
        'The first name of customers whose email contains "A", in upper or lower case or',
    ],
)
def test_a_statement_that_breaks_off_is_no_failure(text: str) -> None:
    """Where an alternative is announced and none follows, there is an answer or a question."""
    assert read("shop", text)["outcome"] in {"asked", "guessed"}
