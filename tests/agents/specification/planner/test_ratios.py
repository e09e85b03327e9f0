"""One measure divided by another, under a name that the statement explains or as it stands."""

from __future__ import annotations

import pytest

from tests.support.questions import asked, check


@pytest.mark.parametrize(
    ("catalog", "text", "gold"),
    [
        (
            "shop",
            "The return rate is the number of orders with status 'returned' divided by the number of all orders. "
            "Show the return rate for each payment method.",
            "SELECT payment_method, 1.0 * sum(status = 'returned') / count(*) FROM orders GROUP BY 1",
        ),
        (
            "shop",
            "Pay per head is defined as the sum of salaries divided by the number of employees. Return the pay per "
            "head for each job title, rounded to 1 decimal.",
            "SELECT job_title, round(sum(salary) / count(*), 1) FROM employee GROUP BY 1",
        ),
        (
            "school",
            "The pass rate of a course is the number of enrollments with a grade of at least 2 divided by the number "
            "of enrollments that have a grade. Return the course id and the pass rate in percent for each course id.",
            "SELECT course_id, 100.0 * sum(grade >= 2) / count(grade) FROM enrollment GROUP BY 1",
        ),
        (
            "music",
            "For each artist id, the number of concerts with attendance over 3000 divided by the number of concerts.",
            "SELECT artist_id, 1.0 * sum(attendance > 3000) / count(*) FROM concert GROUP BY 1",
        ),
        (
            "shop",
            "The order rate is the number of customers that have an order divided by the number of all customers. "
            "Return the order rate for each country.",
            "SELECT country, 1.0 * count(DISTINCT CASE WHEN order_id IS NOT NULL THEN customer_id END) / "
            "count(DISTINCT customer_id) FROM customer LEFT JOIN orders USING (customer_id) GROUP BY 1",
        ),
    ],
)
def test_both_parts_keep_their_own_condition(catalog: str, text: str, gold: str) -> None:
    """One grouping has both parts; a row that has another row counts once, and one that has none counts below."""
    check(catalog, text, gold)


@pytest.mark.parametrize(
    "text",
    [
        "The quality is the number of orders that went well divided by the number of orders. Show quality per store.",
        "The load is the number of orders divided by what they can take. Show the load for each store.",
    ],
)
def test_half_a_ratio_is_asked(text: str) -> None:
    """Words inside a part that are not understood may be a condition."""
    assert asked("shop", text)


@pytest.mark.parametrize(
    "order",
    [
        "from highest to lowest", "in alphabetical order", "with the highest number first",
        "starting with the highest salary on top", "alphabetically", "in decreasing order",
    ],
)  # fmt: skip
def test_words_of_order_change_no_row(order: str) -> None:
    """A table has no order of rows."""
    check("shop", f"Show the number of employees per job title, {order}.",
          "SELECT job_title, count(*) FROM employee GROUP BY 1")  # fmt: skip
