"""Shares of each group in the whole, values shown for missing ones, and conditions on columns just made."""

from __future__ import annotations

import pytest

from tests.agents.specification.test_constructs_rows import check, read


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "finance",
            "Share of each merchant in the total amount of the posted card transactions, in percent. Show transactions "
            "without a merchant as 'unknown'.",
            "SELECT coalesce(merchant, 'unknown'), 100.0 * sum(amount) / (SELECT sum(amount) FROM transactions WHERE "
            "txn_type = 'card' AND txn_status = 'posted') FROM transactions WHERE txn_type = 'card' AND "
            "txn_status = 'posted' GROUP BY 1",
        ),
        (
            "iot",
            "Percentage of every technician in the total cost.",
            "SELECT technician, 100.0 * sum(cost) / (SELECT sum(cost) FROM maintenance_jobs) FROM maintenance_jobs "
            "GROUP BY 1",
        ),
        (
            "logistics",
            "Proportion of each state in the number of shipments.",
            "SELECT state, 1.0 * count(*) / (SELECT count(*) FROM shipments) FROM shipments GROUP BY 1",
        ),
    ],
)
def test_share_of_each_in_the_whole(source: str, text: str, gold: str) -> None:
    """What stands behind ``of each`` are the groups; what stands behind ``in`` is measured."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "media",
            "Load the plays. Join the titles. watched_share = minutes_watched / runtime_min. Keep only the plays with "
            "a watched_share of at least 0.5. For each genre: number of plays.",
            "SELECT genre, count(*) FROM plays JOIN titles USING (title_id) WHERE 1.0 * minutes_watched / runtime_min "
            ">= 0.5 GROUP BY 1",
        ),
        (
            "finance",
            "Compute gap = amount_due - amount_paid for the loan payments. Keep rows where the gap is above 400. Show "
            "payment_id and gap.",
            "SELECT payment_id, amount_due - amount_paid FROM loan_payments WHERE amount_due - amount_paid > 400",
        ),
        (
            "logistics",
            "From shipments derive price_per_kg = freight_cost / weight_kg, keep those with a price_per_kg over 5 and "
            "count them per state.",
            "SELECT state, count(*) FROM shipments WHERE freight_cost / weight_kg > 5 GROUP BY 1",
        ),
    ],
)
def test_a_condition_on_a_new_column(source: str, text: str, gold: str) -> None:
    """The column is one of single rows, and the rows are chosen by it before they are grouped."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("retail", "Cancelled orders per channel as a percentage of all orders."),
        ("iot", "Critical alerts per device and their share of all alerts."),
        ("finance", "Posted transactions per type as a percentage of all transactions."),
    ],
)
def test_a_share_of_more_than_the_rows_kept_is_asked(source: str, text: str) -> None:
    """Of all orders, or of all cancelled ones: the words can mean either."""
    assert read(source, text).get("asked")
