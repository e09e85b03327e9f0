"""Words read by what kind they are, in several wordings over several catalogs: the rows, beside queries by hand."""

from __future__ import annotations

import pytest

from tests.agents.specification.test_constructs_rows import read
from tests.agents.specification.test_relations import check


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "retail", "For every customer in Spain or Italy list the name and the number of orders.",
            "SELECT name, count(order_id) FROM customers JOIN orders USING (customer_id) WHERE country IN "
            "('Spain', 'Italy') GROUP BY customer_id, name",
        ),
        (
            "retail", "I need all gold customers living in Germany, with their email.",
            "SELECT customer_id, name, email FROM customers WHERE country = 'Germany' AND loyalty_tier = 'gold'",
        ),
        ("retail", "Name of the Italian customers.", "SELECT name FROM customers WHERE country = 'Italy'"),
        ("finance", "Clients in Germany: full name.", "SELECT full_name FROM clients WHERE country = 'DE'"),
        ("retail", "Customers located in Rome: name.", "SELECT name FROM customers WHERE city = 'Rome'"),
        (
            "iot", "Serial numbers of the devices at sites in Norway.",
            "SELECT serial_no FROM devices JOIN sites USING (site_id) WHERE country IN ('Spain', 'ES')",
        ),
    ],
)  # fmt: skip
def test_places(source: str, text: str, gold: str) -> None:
    """A country is looked for where countries are kept, another place where other places are."""
    check(source, text, gold)


@pytest.mark.parametrize(
    "text",
    [
        "Load the completed orders into a.b.c every day at 25:00.",
        "Write customers to a.b.c every Monday at 07:61 UTC.",
        "Orders since 2025-02-30.",
    ],
)
def test_no_clock_or_calendar_has_it(text: str) -> None:
    """A time or a day that does not exist is never read as another."""
    assert read("retail", text)["outcome"] == "asked"
