"""Plain questions: who lacks a row of another table, groups that are counted, conditions on averages."""

from __future__ import annotations

import pytest

from tests.support.questions import asked, check


@pytest.mark.parametrize(
    ("catalog", "text", "gold"),
    [
        (
            "music", "Which artists have not released any album?",
            "SELECT artist_id, name FROM artist a WHERE NOT EXISTS (SELECT 1 FROM album b WHERE a.artist_id = "
            "b.artist_id)",
        ),
        (
            "school", "Find the names of the students who are not enrolled in any course.",
            "SELECT name FROM student WHERE student_id NOT IN (SELECT student_id FROM enrollment)",
        ),
        (
            "school", "How many students are not enrolled in any course?",
            "SELECT count(*) FROM student WHERE student_id NOT IN (SELECT student_id FROM enrollment)",
        ),
    ],
)  # fmt: skip
def test_a_verb_and_its_object_are_a_relation(catalog: str, text: str, gold: str) -> None:
    """``have not released any album`` is about albums, and not about a date of release."""
    check(catalog, text, gold)


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        (
            "How many stores have more than 3 employees?",
            "SELECT count(*) FROM (SELECT 1 FROM employee JOIN store USING (store_id) GROUP BY store_id HAVING "
            "count(*) > 3)",
        ),
        (
            "How many customers placed exactly two orders?",
            "SELECT count(*) FROM (SELECT 1 FROM orders JOIN customer USING (customer_id) GROUP BY customer_id HAVING "
            "count(*) = 2)",
        ),
    ],
)
def test_groups_that_are_left_are_counted(text: str, gold: str) -> None:
    """``how many … have more than …`` is one number."""
    check("shop", text, gold)


def test_over_compares() -> None:
    """``an average price over 300`` is a condition, and no division."""
    check(
        "shop", "Which categories have an average price over 300?",
        "SELECT category FROM product GROUP BY 1 HAVING avg(price) > 300",
    )  # fmt: skip


def test_a_group_that_two_counted_tables_have_is_asked() -> None:
    """Each of the tables has a city of its own; over which one rows are grouped is not said."""
    assert asked("shop", "For each city, show the number of customers and the number of stores.")
