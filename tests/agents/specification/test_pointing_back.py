"""Words that point back at what was named before: rows (``ones``, ``of them``, ``count them``) and counts.

Rows beside queries written by hand, over several catalogs; what can point at two things is asked.
"""

from __future__ import annotations

import pytest

from tests.agents.specification.test_constructs_rows import check, read

_OPEN = (
    "SELECT severity, count(*), sum(cleared_at IS NULL), 100.0 * sum(cleared_at IS NULL) / count(*) FROM alerts "
    "GROUP BY 1"
)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "iot",
            "How many alerts are there per severity, how many of them are still open, and what percentage is that?",
            _OPEN,
        ),
        ("iot", "Per severity: how many alerts, how many are open, and what percentage that is.", _OPEN),
        (
            "finance",
            "For each loan status count the loans and how many of these have a principal above 30000, and the share "
            "they represent.",
            "SELECT loan_status, count(*), sum(principal > 30000), 1.0 * sum(principal > 30000) / count(*) FROM loans "
            "GROUP BY 1",
        ),
        (
            "retail",
            "By channel, the number of orders, the number of cancelled ones and the percentage of cancelled orders.",
            "SELECT channel, count(*), sum(status = 'cancelled'), 100.0 * sum(status = 'cancelled') / count(*) "
            "FROM orders GROUP BY 1",
        ),
    ],
)
def test_counts_of_those_rows(source: str, text: str, gold: str) -> None:
    """The second count is of the rows that were counted before, and the percentage is of these two."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "iot",
            "From alerts keep the critical ones of 2025 and count them per device.",
            "SELECT device_id, count(*) FROM alerts WHERE severity = 'critical' AND raised_at LIKE '2025%' GROUP BY 1",
        ),
        (
            "finance",
            "Take the transactions, drop the reversed ones and sum the amount per type.",
            "SELECT txn_type, sum(amount) FROM transactions WHERE txn_status <> 'reversed' GROUP BY 1",
        ),
        (
            "iot",
            "Count, per model, the devices and the faulty ones.",
            "SELECT model, count(*), sum(status = 'faulty') FROM devices GROUP BY 1",
        ),
        (
            "retail",
            "Number of orders and cancelled orders per channel.",
            "SELECT channel, count(*), sum(status = 'cancelled') FROM orders GROUP BY 1",
        ),
    ],
)
def test_ones_are_rows_of_the_table_before(source: str, text: str, gold: str) -> None:
    """``the posted ones`` and ``count them`` speak of the table that was named."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        ("iot", "Count for each device_id the alerts.", "SELECT device_id, count(*) FROM alerts GROUP BY 1"),
        (
            "finance",
            "Count per account type and currency the accounts.",
            "SELECT account_type, currency, count(*) FROM accounts GROUP BY 1, 2",
        ),
        (
            "tpch",
            "Count, by order status, the orders of 1997.",
            "SELECT o_orderstatus, count(*) FROM orders WHERE o_orderdate LIKE '1997%' GROUP BY 1",
        ),
    ],
)
def test_the_grouping_stands_before_what_is_counted(source: str, text: str, gold: str) -> None:
    """What stands between the verb and its object is no object."""
    check(source, text, gold)


def test_ones_of_two_tables_are_asked() -> None:
    """Where two tables were named, ``ones`` can be rows of either."""
    made = read("iot", "Take the alerts and the devices. Drop the ones from before 2024.")
    assert made.get("asked"), made


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "retail",
            "Orders per channel: number and number of customers.",
            "SELECT channel, count(*), count(DISTINCT customer_id) FROM orders GROUP BY 1",
        ),
        (
            "finance",
            "Loans per loan status, their number and the average principal.",
            "SELECT loan_status, count(*), avg(principal) FROM loans GROUP BY 1",
        ),
        (
            "iot",
            "Maintenance jobs by technician: the total cost and the number.",
            "SELECT technician, sum(cost), count(*) FROM maintenance_jobs GROUP BY 1",
        ),
    ],
)
def test_a_bare_number_counts_the_rows(source: str, text: str, gold: str) -> None:
    """In a list beside groups, a number alone is of the rows that are grouped."""
    check(source, text, gold)
