"""Columns asked for by a part of their name, in lists: none of them is dropped, and none is taken by chance."""

from __future__ import annotations

import pytest

from tests.agents.specification.test_constructs_rows import check, read


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "finance",
            "Clients without any loan, name and country, sorted by name.",
            "SELECT full_name, country FROM clients WHERE client_id NOT IN (SELECT client_id FROM loans)",
        ),
        (
            "finance",
            "Accounts opened before 2022: id, type and currency.",
            "SELECT account_id, account_type, currency FROM accounts WHERE opened_date < '2022-01-01'",
        ),
        (
            "finance",
            "Show account type, currency and the opening date of the accounts.",
            "SELECT account_type, currency, opened_date FROM accounts",
        ),
        (
            "logistics",
            "All carriers with mode road. Name and end of contract.",
            "SELECT carrier_name, contract_end FROM carriers WHERE mode = 'road'",
        ),
        (
            "iot",
            "Devices with status faulty: serial number, installation date, firmware.",
            "SELECT serial_no, installed_on, firmware FROM devices WHERE status = 'faulty'",
        ),
        (
            "media",
            "Name and email of the subscribers with plan premium.",
            "SELECT full_name, email FROM subscribers WHERE plan = 'premium'",
        ),
    ],
)
def test_a_part_of_a_name_in_a_list(source: str, text: str, gold: str) -> None:
    """The one column of the rows that are asked for."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("iot", "Devices with status faulty: name and firmware."),
        ("finance", "Loans above 30000, name and start date."),
    ],
)
def test_a_name_that_nothing_holds_is_asked(source: str, text: str) -> None:
    """Neither devices nor loans have a name: the word is not dropped."""
    assert read(source, text).get("asked")
