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
            "SELECT serial_no FROM devices JOIN sites USING (site_id) WHERE country = 'Norway'",
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


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "retail", "Orders that used a coupon, order id only.",
            "SELECT order_id FROM orders WHERE coupon_code IS NOT NULL",
        ),
        (
            "retail", "Order id of the orders which did not use a coupon.",
            "SELECT order_id FROM orders WHERE coupon_code IS NULL",
        ),
        ("finance", "Which clients have no email? Full name.", "SELECT full_name FROM clients WHERE email IS NULL"),
        ("iot", "Maintenance jobs on device 3: job id.", "SELECT job_id FROM maintenance_jobs WHERE device_id = 3"),
        ("retail", "Order ids of customer 2.", "SELECT order_id FROM orders WHERE customer_id = 2"),
        (
            "finance", "Payment id of the unpaid instalments.",
            "SELECT payment_id FROM loan_payments WHERE paid_date IS NULL",
        ),
        (
            "iot", "Alert id of alerts that have not been cleared yet.",
            "SELECT alert_id FROM alerts WHERE cleared_at IS NULL",
        ),
        (
            "finance", "Account ids of accounts opened in 2023 that are still open.",
            "SELECT account_id FROM accounts WHERE opened_date LIKE '2023%' AND closed_date IS NULL",
        ),
        (
            "retail", "Order id of orders that have not been cancelled.",
            "SELECT order_id FROM orders WHERE status <> 'cancelled'",
        ),
        (
            "retail", "Customers older than 40 by birth date: name.",
            "SELECT name FROM customers WHERE birth_date <= '1984-06-30'",
        ),
    ],
)  # fmt: skip
def test_things_and_states(source: str, text: str, gold: str) -> None:
    """A thing that a row has, a row by its number, what was done to it or not, its age."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "retail", "Give me the order ids of orders placed through the app in May 2025.",
            "SELECT order_id FROM orders WHERE channel = 'app' AND order_ts LIKE '2025-05%'",
        ),
        (
            "retail", "Products nobody has ever bought: product name.",
            "SELECT product_name FROM products WHERE product_id NOT IN (SELECT product_id FROM order_items WHERE "
            "product_id IS NOT NULL)",
        ),
        (
            "iot", "Devices that have never been visited by a technician. Give the serial number.",
            "SELECT serial_no FROM devices WHERE device_id NOT IN (SELECT device_id FROM maintenance_jobs WHERE "
            "device_id IS NOT NULL)",
        ),
        (
            "tpch", "Order key of orders with urgent priority.",
            "SELECT o_orderkey FROM orders WHERE o_orderpriority = '1-URGENT'",
        ),
        (
            "finance", "Transactions with a negative amount in 2025: txn_id.",
            "SELECT txn_id FROM transactions WHERE amount < 0 AND txn_date LIKE '2025%'",
        ),
        (
            "iot", "Alert id of alerts that were raised more than 60 days ago.",
            "SELECT alert_id FROM alerts WHERE raised_at < '2025-05-01'",
        ),
    ],
)  # fmt: skip
def test_means_nobody_signs_and_times_past(source: str, text: str, gold: str) -> None:
    """By what means, by nobody, with which sign, how long ago."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "media", "How many active subscribers do we have on each plan? Active means that cancelled_on is empty.",
            "SELECT plan, count(*) FROM subscribers WHERE cancelled_on IS NULL GROUP BY 1",
        ),
        (
            "tpch", "A line is late when its receipt date is after its commit date. Number of late lines per "
            "supplier name.",
            "SELECT s_name, count(*) FROM lineitem JOIN supplier ON s_suppkey = l_suppkey WHERE l_receiptdate > "
            "l_commitdate GROUP BY 1",
        ),
        (
            "finance", "List the big loans: loan id. Big loans are those that have a principal above 20000.",
            "SELECT loan_id FROM loans WHERE principal > 20000",
        ),
    ],
)  # fmt: skip
def test_explained_states(source: str, text: str, gold: str) -> None:
    """A word is explained before or behind its use, as a thing, as a word, as those that are meant."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "tpch", "Customers whose account balance is below 4000. I need the customer name and the balance.",
            "SELECT c_name, c_acctbal FROM customer WHERE c_acctbal < 4000",
        ),
        (
            "clinic", "Prescriptions with a quantity over 2: the name of the drug and the quantity.",
            "SELECT Drug_Name, Qty FROM Prescription WHERE Qty > 2",
        ),
        (
            "retail", "Name and date of birth of the customers in Rome.",
            "SELECT name, birth_date FROM customers WHERE city = 'Rome'",
        ),
        (
            "retail", "List the cities in which our customers live, each only once.",
            "SELECT DISTINCT city FROM customers",
        ),
        (
            "iot", "Models of the active devices, without duplicates.",
            "SELECT DISTINCT model FROM devices WHERE status = 'active'",
        ),
    ],
)  # fmt: skip
def test_columns_by_short_and_turned_words(source: str, text: str, gold: str) -> None:
    """The last word of a column mentioned before, words turned around with `of`, and rows that are equal once."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "media", "Ratings with 5 stars given in 2025, with the title and the name of the subscriber.",
            "SELECT title, full_name FROM ratings LEFT JOIN titles USING (title_id) LEFT JOIN subscribers USING "
            "(subscriber_id) WHERE stars = 5 AND rated_on LIKE '2025%'",
        ),
        (
            "media", "Only keep the invoices paid by card or paypal: invoice id.",
            "SELECT invoice_id FROM invoices WHERE paid_on IS NOT NULL AND method IN ('card', 'paypal')",
        ),
        (
            "finance", "Transactions over 1000 or below -1000 that were not reversed: txn_id.",
            "SELECT txn_id FROM transactions WHERE (amount > 1000 OR amount < -1000) AND txn_status <> 'reversed'",
        ),
        (
            "retail", "Order ids of orders placed in a store on weekends in 2025.",
            "SELECT order_id FROM orders WHERE channel = 'store' AND order_ts LIKE '2025%' AND strftime('%w', "
            "order_ts) IN ('0', '6')",
        ),
        ("clinic", "Which doctors are older than 60? Name and age.", "SELECT Name, Age FROM Doctor WHERE Age > 60"),
        (
            "logistics", "Shipment ids of shipments in transit shipped since May 2025.",
            "SELECT shipment_id FROM shipments WHERE state = 'in_transit' AND shipped_at >= '2025-05-01'",
        ),
    ],
)  # fmt: skip
def test_amounts_means_and_where_a_period_belongs(source: str, text: str, gold: str) -> None:
    """A number beside its word, the one amount, listed means, values of two words, periods of what was done."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "iot", "Serial numbers of devices that don't run firmware 2.0.0.",
            "SELECT serial_no FROM devices WHERE firmware <> '2.0.0'",
        ),
        (
            "media", "Load the plays and drop rows without a subscriber or without minutes: play id.",
            "SELECT play_id FROM plays WHERE subscriber_id IS NOT NULL AND minutes_watched IS NOT NULL",
        ),
        (
            "finance", "We want to find dormant accounts: accounts opened before 2023 which are still open. "
            "Account id.",
            "SELECT account_id FROM accounts WHERE opened_date < '2023-01-01' AND closed_date IS NULL",
        ),
        (
            "clinic", "How many patients are older than 65?",
            "SELECT count(*) FROM Patient WHERE Birth_Date <= '1959-06-30'",
        ),
        (
            "clinic", "First names of patients with at least one visit with a fee above the average fee of all visits.",
            "SELECT First_Name FROM Patient WHERE Patient_ID IN (SELECT Patient_ID FROM Visit WHERE Fee > (SELECT "
            "avg(Fee) FROM Visit))",
        ),
    ],
)  # fmt: skip
def test_versions_pointers_titles_and_wholes(source: str, text: str, gold: str) -> None:
    """A version is a value, a column may point at what is missing, a described word and an average of all rows."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "logistics", "Active sea carriers: carrier name.",
            "SELECT carrier_name FROM carriers WHERE active AND mode = 'sea'",
        ),
        (
            "iot", "All but the retired devices: serial number.",
            "SELECT serial_no FROM devices WHERE status IS NULL OR status <> 'retired'",
        ),
    ],
)  # fmt: skip
def test_chains_and_exceptions(source: str, text: str, gold: str) -> None:
    """Several states before a table each count, and `all but` leaves out."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("retail", "Order ids of orders that were shipped in 2025."),
        ("retail", "Customers who live in the city of a store: name."),
        ("retail", "Large orders in 2025: order id."),
        ("iot", "Every second reading of device 1."),
        ("tpch", "Customers in the same nation as supplier 3."),
    ],
)
def test_words_that_change_rows_are_asked_about(source: str, text: str) -> None:
    """A verb that no column is called by, a place of another table, a size, every second: asked, never left out."""
    assert read(source, text)["outcome"] == "asked"


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "iot", "For critical alerts show the alert id and when it was raised.",
            "SELECT alert_id, raised_at FROM alerts WHERE severity = 'critical'",
        ),
        (
            "media", "Unpaid invoices with the amount and when it was billed.",
            "SELECT amount, billed_on FROM invoices WHERE paid_on IS NULL",
        ),
        (
            "logistics", "Damage claims since 2025: claim amount and the date on which it was filed.",
            "SELECT claim_amount, filed_on FROM damage_claims WHERE filed_on >= '2025-01-01'",
        ),
    ],
)  # fmt: skip
def test_when_it_was_done(source: str, text: str, gold: str) -> None:
    """The date that a verb calls is shown."""
    check(source, text, gold)
