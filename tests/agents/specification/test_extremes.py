"""Superlatives: rows that come first in their group, and groups that have most, whatever words stand between."""

from __future__ import annotations

import pytest

from tests.agents.specification.test_constructs_rows import check, read


def _first(columns: str, table: str, per: str, order: str, n: int = 1, where: str = "1") -> str:
    return (
        f"SELECT {columns} FROM (SELECT *, row_number() OVER (PARTITION BY {per} ORDER BY {order}) i FROM {table} "
        f"WHERE {where}) WHERE i <= {n}"
    )


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "finance",
            "The 2 most recent posted card transactions of each account. Show account_id, txn_date and amount.",
            _first(
                "account_id, txn_date, amount", "transactions", "account_id", "txn_date DESC, txn_id", 2,
                "txn_type = 'card' AND txn_status = 'posted'",
            ),
        ),
        (
            "iot",
            "For each device keep the latest critical alert. Output device_id, raised_at and code.",
            _first(
                "device_id, raised_at, code", "alerts", "device_id", "raised_at DESC, alert_id", 1,
                "severity = 'critical'",
            ),
        ),
        (
            "retail",
            "Get the first completed order of every customer: customer_id, order_id.",
            _first("customer_id, order_id", "orders", "customer_id", "order_ts, order_id", 1, "status = 'completed'"),
        ),
        (
            "media",
            "For every title take the single play with the most minutes watched and show title_id, play_id.",
            _first(
                "title_id, play_id", "plays", "title_id", "minutes_watched DESC, play_id", 1,
                "minutes_watched IS NOT NULL",
            ),
        ),
        (
            "finance",
            "Per client the loan with the lowest interest rate. Return client_id, loan_id, interest_rate.",
            _first("client_id, loan_id, interest_rate", "loans", "client_id", "interest_rate, loan_id"),
        ),
    ],
)  # fmt: skip
def test_first_rows_of_each_group(source: str, text: str, gold: str) -> None:
    """States may stand between the superlative and its noun, or the superlative behind the noun."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "iot",
            "The technician with the highest total cost.",
            "SELECT technician, sum(cost) FROM maintenance_jobs GROUP BY 1 ORDER BY 2 DESC LIMIT 1",
        ),
        (
            "finance",
            "The five accounts with the most posted transactions.",
            "SELECT account_id, sum(txn_status = 'posted') FROM transactions JOIN accounts USING (account_id) "
            "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5",
        ),
        (
            "finance",
            "For each branch name, the account type with the most accounts.",
            "SELECT branch_name, account_type, n FROM (SELECT branch_name, account_type, count(*) n, row_number() OVER "
            "(PARTITION BY branch_name ORDER BY count(*) DESC, account_type) i FROM accounts JOIN branches "
            "USING (branch_id) GROUP BY 1, 2) WHERE i = 1",
        ),
        (
            "iot",
            "Which model has the fewest faulty devices?",
            "SELECT model, sum(status = 'faulty') FROM devices GROUP BY 1 ORDER BY 2, 1 LIMIT 1",
        ),
    ],
)
def test_groups_that_have_most(source: str, text: str, gold: str) -> None:
    """The groups are measured, and the first of them are kept."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("finance", "The largest loan of each client: client_id and loan_id."),
        ("iot", "The 3 best devices of each site."),
    ],
)
def test_by_what_must_be_known(source: str, text: str) -> None:
    """A loan has several amounts and a device none: by what they are ranked is asked."""
    assert read(source, text).get("asked")
