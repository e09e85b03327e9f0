"""Rows that nothing is counted for, how often something was done, and verbs that say no more than what is counted."""

from __future__ import annotations

import pytest

from tests.support.questions import asked, check

_ORDERS_OF_EACH = (
    "SELECT c.customer_id, count(o.order_id) FROM customer c LEFT JOIN orders o USING (customer_id) GROUP BY 1"
)


@pytest.mark.parametrize(
    "text",
    [
        "Show each customer and the number of their orders, including customers with no orders.",
        "For each customer, count the orders (also customers with none).",
        "How many orders has each customer placed, including those who never placed any?",
        "For each customer the number of orders, even if it is zero.",
        "How many orders does each customer have? Include customers with zero orders.",
    ],
)
def test_those_with_none_are_kept(text: str) -> None:
    """A customer without orders has a row, with zero."""
    check("shop", text, _ORDERS_OF_EACH)


def test_how_often_is_a_count_of_what_the_verb_names() -> None:
    """The rows that are counted are those of the table that the verb is the root of; never done is zero."""
    check(
        "shop", "For each product show how often it was ordered, also those that were never ordered.",
        "SELECT p.product_id, count(i.quantity) FROM product p LEFT JOIN order_item i USING (product_id) GROUP BY 1",
    )  # fmt: skip
    check(
        "shop", "For every product: product name and the number of times it was ordered.",
        "SELECT product_id, product_name, count(*) FROM product JOIN order_item USING (product_id) GROUP BY 1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("catalog", "text", "gold"),
    [
        (
            "music", "Show the name of every artist and the number of albums they have released.",
            "SELECT name, count(*) FROM artist JOIN album USING (artist_id) GROUP BY artist_id",
        ),
        (
            "school", "How many students are enrolled in each course?",
            "SELECT course_id, count(DISTINCT student_id) FROM enrollment JOIN course USING (course_id) GROUP BY 1",
        ),
        (
            "shop", "Show each customer's first name and how many orders they placed.",
            "SELECT first_name, count(*) FROM customer JOIN orders USING (customer_id) GROUP BY customer_id",
        ),
    ],
)  # fmt: skip
def test_verbs_that_only_say_that_rows_belong_together(catalog: str, text: str, gold: str) -> None:
    """``the albums they released`` are their albums; two people of one name are two groups."""
    check(catalog, text, gold)


def test_a_verb_that_may_be_a_state_is_asked() -> None:
    """Whether an order was cancelled changes the count."""
    assert asked("shop", "For each customer the number of orders they cancelled.")
