"""Periods up to now and ahead, and counts that share their first words."""

from __future__ import annotations

import pytest

from tests.support.questions import asked, check


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        (
            "How many orders were placed this year so far?",
            "order_date >= '2025-01-01' AND order_date < '2025-07-01'",
        ),
        (
            "How many orders were placed this month to date?",
            "order_date >= '2025-06-01' AND order_date < '2025-07-01'",
        ),
        ("How many orders were placed last month?", "order_date >= '2025-05-01' AND order_date < '2025-06-01'"),
    ],
)
def test_a_period_may_end_with_the_day_of_the_run(text: str, condition: str) -> None:
    """What is dated later is not of a period `so far`."""
    check("shop", text, f"SELECT count(*) FROM orders WHERE {condition}")


def test_the_days_ahead_have_an_end() -> None:
    """``next 2 weeks`` starts with the day of the run; how long a next month is, stays open."""
    check(
        "shop", "How many orders have their shipped date in the next 2 weeks?",
        "SELECT count(*) FROM orders WHERE shipped_date BETWEEN '2025-06-30' AND '2025-07-14'",
    )  # fmt: skip
    assert asked("shop", "Orders shipped in the next month")


def test_and_of_counts_the_second_table_too() -> None:
    """``number of employees and of orders``: no word for a table is passed over."""
    check(
        "shop", "For every store, the number of employees and of orders.",
        "SELECT store_id, (SELECT count(*) FROM employee e WHERE e.store_id = s.store_id), "
        "(SELECT count(*) FROM orders o WHERE o.store_id = s.store_id) FROM store s",
    )  # fmt: skip
