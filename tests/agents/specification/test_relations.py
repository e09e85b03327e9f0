"""Rows that have, or lack, rows of another table: in many words, over several catalogs, beside queries by hand."""

from __future__ import annotations

import pytest

from benchmarks.statements import matches, rows
from tests.agents.specification.test_constructs_rows import CORPUS, _sources, read

_IN_2025 = "(SELECT customer_id FROM orders WHERE order_ts LIKE '2025%' AND customer_id IS NOT NULL)"
_RETURNED = "(SELECT customer_id FROM orders JOIN returns USING (order_id) WHERE customer_id IS NOT NULL)"


def check(source: str, text: str, gold: str) -> None:
    """The rows of the statement are those of the query; none may be right too."""
    made = read(source, text)
    assert "rows" in made, (text, made.get("why"))
    wanted = rows(CORPUS / _sources()[source]["db"], gold, own=False)
    assert matches(wanted, [tuple(row) for row in made["rows"]]), (text, made["query"], wanted[:5], made["rows"][:5])


@pytest.mark.parametrize(
    "text",
    [
        "Customers with orders in 2025 but no returns",
        "List the customers who placed an order in 2025 but never returned anything.",
        "All customers that have ordered something in 2025 and have no returns.",
    ],
)
def test_each_relation_counts(text: str) -> None:
    """A second relation on another table is a condition of its own."""
    gold = f"SELECT customer_id, name FROM customers WHERE customer_id IN {_IN_2025} AND customer_id NOT IN {_RETURNED}"
    check("retail", text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "retail", "Customers with an order in 2025 and no order in 2024, name only.",
            f"SELECT name FROM customers WHERE customer_id IN {_IN_2025} AND customer_id NOT IN (SELECT customer_id "
            "FROM orders WHERE order_ts LIKE '2024%' AND customer_id IS NOT NULL)",
        ),
        (
            "iot", "Devices that had a critical alert in 2025 but no maintenance job since June 2024. Serial number.",
            "SELECT serial_no FROM devices WHERE device_id IN (SELECT device_id FROM alerts WHERE severity = "
            "'critical' AND raised_at LIKE '2025%') AND device_id NOT IN (SELECT device_id FROM maintenance_jobs "
            "WHERE done_on >= '2024-06-01' AND device_id IS NOT NULL)",
        ),
        (
            "finance", "Clients holding a savings account but no loan: full name.",
            "SELECT full_name FROM clients WHERE client_id IN (SELECT client_id FROM accounts WHERE account_type = "
            "'savings') AND client_id NOT IN (SELECT client_id FROM loans)",
        ),
        (
            "retail", "Which customers signed up in 2024 and have never ordered anything? Name and email please.",
            "SELECT name, email FROM customers WHERE signup_date LIKE '2024%' AND customer_id NOT IN (SELECT "
            "customer_id FROM orders WHERE customer_id IS NOT NULL)",
        ),
        (
            "tpch", "Customers without orders in 1997, with their name.",
            "SELECT c_name FROM customer WHERE c_custkey NOT IN (SELECT o_custkey FROM orders WHERE o_orderdate LIKE "
            "'1997%')",
        ),
    ],
)  # fmt: skip
def test_relations_with_their_own_conditions(source: str, text: str, gold: str) -> None:
    """What is said of the other table's rows is looked for there and nowhere else."""
    check(source, text, gold)


def test_what_is_asked_of_the_other_table_joins_it() -> None:
    """A measure of the other table looks at the rows that the relation speaks of."""
    check(
        "retail", "Customers with orders in 2025, with their name and the number of orders.",
        "SELECT name, count(*) FROM customers JOIN orders USING (customer_id) WHERE order_ts LIKE '2025%' GROUP BY "
        "customer_id, name",
    )  # fmt: skip


def test_two_ways_to_relate_are_asked_about() -> None:
    """Suppliers and parts are linked by what is offered and by what was shipped; the words name neither."""
    assert read("tpch", "Suppliers without any parts.")["outcome"] == "asked"


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "tpch", "All orders whose customer key does not exist in the customer table: order key.",
            "SELECT o_orderkey FROM orders WHERE o_custkey NOT IN (SELECT c_custkey FROM customer)",
        ),
        (
            "retail", "Order ids of orders whose store is not among our stores.",
            "SELECT order_id FROM orders WHERE store_id IS NULL OR store_id NOT IN (SELECT store_id FROM stores)",
        ),
        (
            "clinic", "Find the departments whose head is not listed in the doctor table: department name.",
            "SELECT Dept_Name FROM Department WHERE Head_ID IS NULL OR Head_ID NOT IN (SELECT Doctor_ID FROM Doctor)",
        ),
    ],
)  # fmt: skip
def test_keys_among_those_of_another_table(source: str, text: str, gold: str) -> None:
    """A column is compared with the key of the other table, on that column and no other."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "media", "Which titles has nobody watched in the last 60 days? Title only.",
            "SELECT title FROM titles WHERE title_id NOT IN (SELECT title_id FROM plays WHERE started_at >= "
            "'2025-05-01' AND title_id IS NOT NULL)",
        ),
        (
            "media", "Take subscribers with an email and leave out everyone who watched something since 2025-05-15. "
            "Email.",
            "SELECT email FROM subscribers WHERE email IS NOT NULL AND subscriber_id NOT IN (SELECT subscriber_id FROM "
            "plays WHERE started_at >= '2025-05-15' AND subscriber_id IS NOT NULL)",
        ),
        (
            "media", "For the subscribers who joined in 2024, show name and email. Only those that have unpaid "
            "invoices.",
            "SELECT full_name, email FROM subscribers WHERE joined_on LIKE '2024%' AND subscriber_id IN (SELECT "
            "subscriber_id FROM invoices WHERE paid_on IS NULL)",
        ),
        (
            "retail", "Customers in Germany, but not those who returned something: name.",
            f"SELECT name FROM customers WHERE country = 'Germany' AND customer_id NOT IN {_RETURNED}",
        ),
    ],
)  # fmt: skip
def test_those_named_before(source: str, text: str, gold: str) -> None:
    """Pronouns for the rows that were named: kept or left out by a relation; verbs that comments tell."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "media", "Email of subscribers having both a rating and an unpaid invoice.",
            "SELECT email FROM subscribers WHERE subscriber_id IN (SELECT subscriber_id FROM ratings) AND "
            "subscriber_id IN (SELECT subscriber_id FROM invoices WHERE paid_on IS NULL)",
        ),
        (
            "media", "Who has never rated a title? Show the full name.",
            "SELECT full_name FROM subscribers WHERE subscriber_id NOT IN (SELECT subscriber_id FROM ratings WHERE "
            "title_id IN (SELECT title_id FROM titles))",
        ),
        (
            "logistics", "Lost shipments for which no claim was filed: shipment id.",
            "SELECT shipment_id FROM shipments WHERE state = 'lost' AND shipment_id NOT IN (SELECT shipment_id FROM "
            "damage_claims)",
        ),
        (
            "clinic", "Visits with a fee between 50 and 100, with the name of the doctor who saw the patient.",
            "SELECT Visit_No, Name FROM Visit v LEFT JOIN Doctor d ON v.Doctor_ID = d.Doctor_ID WHERE Fee BETWEEN 50 "
            "AND 100",
        ),
    ],
)  # fmt: skip
def test_relations_in_further_words(source: str, text: str, gold: str) -> None:
    """Both of two, `who` without a table, `for which no`; and what only says more of a thing that is shown."""
    check(source, text, gold)


_CANCELLED, _NOT_COMPLETED, _SOME = "= 'cancelled'", "<> 'completed'", "IS NOT NULL"
_STATES = "SELECT customer_id FROM orders WHERE customer_id IS NOT NULL AND status {}"


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "retail", "Customers with cancelled orders: name.",
            f"SELECT name FROM customers WHERE customer_id IN ({_STATES.format(_CANCELLED)})",
        ),
        (
            "retail", "Customers with only completed orders: name.",
            f"SELECT name FROM customers WHERE customer_id IN ({_STATES.format(_SOME)}) AND customer_id NOT IN "
            f"({_STATES.format(_NOT_COMPLETED)})",
        ),
        (
            "retail", "Customers whose orders were all completed, name.",
            f"SELECT name FROM customers WHERE customer_id IN ({_STATES.format(_SOME)}) AND customer_id NOT IN "
            f"({_STATES.format(_NOT_COMPLETED)})",
        ),
        (
            "iot", "Devices that only had minor alerts: serial number.",
            "SELECT serial_no FROM devices WHERE device_id IN (SELECT device_id FROM alerts) AND device_id NOT IN "
            "(SELECT device_id FROM alerts WHERE severity <> 'minor')",
        ),
        (
            "retail", "Products that were returned by customers from Germany: product name.",
            "SELECT product_name FROM products WHERE product_id IN (SELECT product_id FROM returns JOIN orders USING "
            "(order_id) JOIN customers USING (customer_id) WHERE country = 'Germany')",
        ),
        (
            "finance", "Branches with accounts of high risk clients: branch name.",
            "SELECT branch_name FROM branches WHERE branch_id IN (SELECT branch_id FROM accounts JOIN clients USING "
            "(client_id) WHERE risk_rating = 'high')",
        ),
    ],
)  # fmt: skip
def test_only_all_and_whose_they_are(source: str, text: str, gold: str) -> None:
    """`only` and `all` leave out who has others too; what belongs to a third table is looked for there."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("retail", "Customers with orders in 2024 or returns in 2025: name."),
        ("retail", "Customers with a first order in 2025: name."),
        ("retail", "Customers who ordered more than twice: name."),
        ("iot", "Devices whose last reading was bad: serial number."),
    ],
)
def test_what_is_not_read_is_asked(source: str, text: str) -> None:
    """One of two relations, the first of many, how often: words that change the rows are never left out."""
    assert read(source, text)["outcome"] == "asked"
