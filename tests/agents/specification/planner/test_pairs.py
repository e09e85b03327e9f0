"""Pairs of relations (``both … and …``, ``… but not …``), and conditions on tables far from what is asked for."""

from __future__ import annotations

import pytest

from tests.support.questions import asked, check

_IN = ("SELECT 1 FROM concert c JOIN venue v USING (venue_id) WHERE c.artist_id = a.artist_id AND v.city = '{}'").format


@pytest.mark.parametrize(
    ("catalog", "text", "gold"),
    [
        (
            "shop", "Which customers have placed orders in both 2023 and 2024? List first and last name.",
            "SELECT first_name, last_name FROM customer WHERE customer_id IN (SELECT customer_id FROM orders WHERE "
            "order_date LIKE '2023%') AND customer_id IN (SELECT customer_id FROM orders WHERE order_date LIKE "
            "'2024%')",
        ),
        (
            "school", "Which students took both course 1 and course 2? Show their names.",
            "SELECT name FROM student WHERE student_id IN (SELECT student_id FROM enrollment WHERE course_id = 1) AND "
            "student_id IN (SELECT student_id FROM enrollment WHERE course_id = 2)",
        ),
        (
            "school", "Find the student_id and names of students enrolled in both the Fall and the Spring semester.",
            "SELECT student_id, name FROM student WHERE student_id IN (SELECT student_id FROM enrollment WHERE "
            "semester = 'Fall') AND student_id IN (SELECT student_id FROM enrollment WHERE semester = 'Spring')",
        ),
        (
            "music", "Find the names of artists who performed in both Berlin and Paris.",
            f"SELECT name FROM artist a WHERE EXISTS ({_IN('Berlin')}) AND EXISTS ({_IN('Paris')})",
        ),
        (
            "shop", "Show customers with orders in 2023 but not in 2024.",
            "SELECT customer_id FROM customer WHERE customer_id IN (SELECT customer_id FROM orders WHERE order_date "
            "LIKE '2023%') AND customer_id NOT IN (SELECT customer_id FROM orders WHERE order_date LIKE '2024%' AND "
            "customer_id > 0)",
        ),
    ],
)  # fmt: skip
def test_each_of_a_pair_has_rows_of_its_own(catalog: str, text: str, gold: str) -> None:
    """No single row is of 2023 and of 2024; the row that is asked for has one of each."""
    check(catalog, text, gold)


@pytest.mark.parametrize(
    ("catalog", "text", "gold"),
    [
        (
            "music", "Find the names of artists who performed in Berlin.",
            f"SELECT name FROM artist a WHERE EXISTS ({_IN('Berlin')})",
        ),
        (
            "shop", "Show the first names of customers who ordered a product of category Toys.",
            "SELECT first_name FROM customer WHERE customer_id IN (SELECT customer_id FROM orders JOIN order_item "
            "USING (order_id) JOIN product USING (product_id) WHERE category = 'Toys')",
        ),
    ],
)  # fmt: skip
def test_far_conditions_say_which_rows(catalog: str, text: str, gold: str) -> None:
    """A row is not repeated for every row that makes it one of those asked for."""
    check(catalog, text, gold)


@pytest.mark.parametrize(
    ("catalog", "text"),
    [
        ("shop", "Show the product name of products in both the 'Toys' and the 'Games' category."),
        ("music", "Which artists performed in Berlin in 2023?"),
    ],
)
def test_what_no_row_can_be_is_asked(catalog: str, text: str) -> None:
    """A product has one category; and the year of a concert is not that of a birth."""
    assert asked(catalog, text)
