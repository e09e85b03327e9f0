"""Days between dates, values that stand for missing ones, shares of all beside conditions, and changes by month."""

from __future__ import annotations

import pytest

from tests.agents.specification.test_constructs_rows import check

_DAYS = "julianday(substr({}, 1, 10)) - julianday(substr({}, 1, 10))"


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "media",
            "Average number of days between billing and payment per method.",
            f"SELECT method, avg({_DAYS.format('paid_on', 'billed_on')}) FROM invoices GROUP BY 1",
        ),
        (
            "logistics",
            "For shipments with a delivered_at derive delay = date of delivery minus promised_date. Show shipment_id "
            "and delay.",
            f"SELECT shipment_id, {_DAYS.format('delivered_at', 'promised_date')} FROM shipments "
            "WHERE delivered_at IS NOT NULL",
        ),
        (
            "finance",
            "Compute duration = closed_date - opened_date for the accounts that are closed. Show account_id, duration.",
            f"SELECT account_id, {_DAYS.format('closed_date', 'opened_date')} FROM accounts "
            "WHERE closed_date IS NOT NULL",
        ),
    ],
)
def test_days_from_one_date_to_another(source: str, text: str, gold: str) -> None:
    """A date minus a date is a number of days; a date may be named by a word of its root."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "media",
            "Return country, number of subscribers and their share of all subscribers, for the countries with more "
            "than one subscriber.",
            "SELECT country, n, 1.0 * n / (SELECT count(*) FROM subscribers) FROM (SELECT country, count(*) n "
            "FROM subscribers GROUP BY 1) WHERE n > 1",
        ),
        (
            "iot",
            "Per severity the number of alerts and their share of all alerts, only severities with more than 7 alerts.",
            "SELECT severity, n, 1.0 * n / (SELECT count(*) FROM alerts) FROM (SELECT severity, count(*) n FROM alerts "
            "GROUP BY 1) WHERE n > 7",
        ),
        (
            "finance",
            "Accounts per currency with the share of all accounts, for currencies with at least 4 accounts.",
            "SELECT currency, n, 1.0 * n / (SELECT count(*) FROM accounts) FROM (SELECT currency, count(*) n "
            "FROM accounts GROUP BY 1) WHERE n >= 4",
        ),
    ],
)
def test_a_share_of_all_counts_groups_that_are_left_out(source: str, text: str, gold: str) -> None:
    """The whole is everything, also the groups that a condition leaves out of the result."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "finance",
            "Sum of amount_due minus amount_paid per loan_id, where an empty amount_paid counts as 0.",
            "SELECT loan_id, sum(amount_due - coalesce(amount_paid, 0)) FROM loan_payments GROUP BY 1",
        ),
        (
            "retail",
            "Total of quantity * unit_price * (1 - discount) per product_id; a missing discount is treated as 0.",
            "SELECT product_id, sum(quantity * unit_price * (1 - coalesce(discount, 0))) FROM order_items GROUP BY 1",
        ),
        (
            "clinic",
            "Total of Qty * Unit_Cost per Drug_Name, treating a missing Unit_Cost as 5.",
            "SELECT Drug_Name, sum(Qty * coalesce(Unit_Cost, 5)) FROM Prescription GROUP BY 1",
        ),
    ],
)
def test_what_a_missing_value_counts_as(source: str, text: str, gold: str) -> None:
    """The value stands in before anything is computed."""
    check(source, text, gold)
