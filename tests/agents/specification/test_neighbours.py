"""The row before or after each row, over what the words part them by; and things and deeds that are shown."""

from __future__ import annotations

import pytest

from tests.agents.specification.test_constructs_rows import check, read


def _over(table: str, shown: str, made: str, per: str, order: str) -> str:
    return f"SELECT {shown}, {made} OVER (PARTITION BY {per} ORDER BY {order}) FROM {table}"


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "iot",
            "For each alert show the device, the alert, when it was raised, and when the previous alert of the same "
            "device was raised.",
            _over("alerts", "device_id, alert_id, raised_at", "lag(raised_at)", "device_id", "raised_at, alert_id"),
        ),
        (
            "iot",
            "For every maintenance job show job_id, cost and the cost of the previous job of the same device.",
            _over("maintenance_jobs", "job_id, cost", "lag(cost)", "device_id", "done_on, job_id"),
        ),
        (
            "media",
            "Plays with play_id and the time of the next play of the same subscriber.",
            _over("plays", "play_id", "lead(started_at)", "subscriber_id", "started_at, play_id"),
        ),
        (
            "finance",
            "Show txn_id, amount and the amount of the preceding transaction on that account for all transactions.",
            _over("transactions", "txn_id, amount", "lag(amount)", "account_id", "txn_date, txn_id"),
        ),
        (
            "media",
            "For each invoice show invoice_id and the days since the previous invoice of the same subscriber.",
            "SELECT invoice_id, julianday(billed_on) - julianday(lag(billed_on) OVER (PARTITION BY subscriber_id "
            "ORDER BY billed_on, invoice_id)) FROM invoices",
        ),
    ],
)
def test_a_column_of_the_neighbouring_row(source: str, text: str, gold: str) -> None:
    """Rows are parted as the words say and sorted by the one date that the table has."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("iot", "Show alert_id and when the previous alert was raised."),
        ("finance", "Show loan_id and the principal of the previous loan."),
        ("iot", "Show device_id, value of each device."),
    ],
)
def test_what_parts_the_rows_must_be_said(source: str, text: str) -> None:
    """Without a word for it, the row before could be any; and no column of a list is dropped."""
    assert read(source, text).get("asked")
