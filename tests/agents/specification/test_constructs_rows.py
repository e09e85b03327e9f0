"""Constructions of pipeline English in other words than the corpus has: the rows, beside queries written by hand.

The tables are those of `tests/statements`; the statements are not. What is not read must be asked, never guessed.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from benchmarks.statements import answer, lines, matches, rows

CORPUS = Path(__file__).parents[2] / "statements"


@lru_cache(maxsize=1)
def _sources() -> dict[str, dict[str, Any]]:
    """An item of each catalog, for its tables and its file."""
    return {item["source"]: item for item in lines(CORPUS / "transform_eval.jsonl")}


def read(source: str, text: str) -> dict[str, Any]:
    """The statement, read over a catalog of the corpus and run."""
    item = {**_sources()[source], "id": "one", "statement": text, "kind": "open"}
    item.pop("hint", None)
    return answer(item, CORPUS, framed=False)


def check(source: str, text: str, gold: str) -> None:
    """The rows of the statement are those of the query."""
    made = read(source, text)
    assert "rows" in made, (text, made.get("why"))
    wanted = rows(CORPUS / _sources()[source]["db"], gold, own=False)
    assert wanted and matches(wanted, [tuple(row) for row in made["rows"]]), (text, made["query"], wanted[:5])


_NEVER = (
    "SELECT c_custkey, c_name FROM customer WHERE c_custkey NOT IN (SELECT o_custkey FROM orders WHERE o_custkey > 0)"
)


@pytest.mark.parametrize(
    "text",
    [
        "A list of customers who never placed an order, with customer key and name.",
        "Show all customers without orders: customer key and name.",
        "Give me every customer that has no orders. Customer key and name.",
        "We want the customer key and name of customers who have not placed an order.",
    ],
)
def test_those_without_are_what_is_asked_for(text: str) -> None:
    """A quantity or an article before the table keeps nobody beside others."""
    check("tpch", text, _NEVER)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "iot", "List the devices that are neither active nor faulty.",
            "SELECT device_id, serial_no FROM devices WHERE status IS NULL OR status NOT IN ('active', 'faulty')",
        ),
        (
            "retail", "Orders that are neither cancelled nor pending: order id and channel.",
            "SELECT order_id, channel FROM orders WHERE status NOT IN ('cancelled', 'pending')",
        ),
        (
            "retail", "Count the customers whose loyalty tier is neither gold nor silver, per country.",
            "SELECT country, count(*) FROM customers WHERE loyalty_tier IS NULL OR loyalty_tier NOT IN "
            "('gold', 'silver') GROUP BY 1",
        ),
    ],
)  # fmt: skip
def test_neither_nor(source: str, text: str, gold: str) -> None:
    """None of the two, and a row that says nothing is none of them."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "iot", "Percentage of the alerts of each device that are minor.",
            "SELECT device_id, 100.0 * sum(severity = 'minor') / count(*) FROM alerts GROUP BY 1",
        ),
        (
            "retail", "What percentage of orders per channel is cancelled?",
            "SELECT channel, 100.0 * sum(status = 'cancelled') / count(*) FROM orders GROUP BY 1",
        ),
        (
            "retail", "The share of customers in each country who have an email.",
            "SELECT country, 1.0 * count(email) / count(*) FROM customers GROUP BY 1",
        ),
        (
            "finance", "Share of transactions by transaction type that are pending.",
            "SELECT txn_type, 1.0 * sum(txn_status = 'pending') / count(*) FROM transactions GROUP BY 1",
        ),
    ],
)  # fmt: skip
def test_shares_with_the_grouping_in_between(source: str, text: str, gold: str) -> None:
    """The grouping may stand between what is counted and the condition."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "retail", "Number of customers with an email address per country.",
            "SELECT country, count(*) FROM customers WHERE email IS NOT NULL GROUP BY 1",
        ),
        (
            "retail", "List the order ids of orders with a coupon code.",
            "SELECT order_id FROM orders WHERE coupon_code IS NOT NULL",
        ),
        (
            "finance", "Names of clients having an email.",
            "SELECT full_name FROM clients WHERE email IS NOT NULL",
        ),
    ],
)  # fmt: skip
def test_having_a_value(source: str, text: str, gold: str) -> None:
    """``with an email``: the column is not empty."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "tpch", "Line items shipped via RAIL or SHIP: order key and line number.",
            "SELECT l_orderkey, l_linenumber FROM lineitem WHERE l_shipmode IN ('RAIL', 'SHIP')",
        ),
        (
            "tpch", "Count the line items shipped by AIR per order.",
            "SELECT l_orderkey, count(*) FROM lineitem WHERE l_shipmode = 'AIR' GROUP BY 1",
        ),
        (
            "tpch", "Line items with no return (return flag other than R): order key and line number.",
            "SELECT l_orderkey, l_linenumber FROM lineitem WHERE l_returnflag <> 'R'",
        ),
        (
            "retail", "Order ids of orders without a store (store id is missing).",
            "SELECT order_id FROM orders WHERE store_id IS NULL",
        ),
    ],
)  # fmt: skip
def test_verbs_and_brackets(source: str, text: str, gold: str) -> None:
    """A verb names the column whose value follows; brackets explain the words before them."""
    check(source, text, gold)


def test_a_bracket_behind_without_is_not_guessed() -> None:
    """``without a return (return flag R)``: the brackets may explain the return, so that is asked."""
    assert read("tpch", "Line items without a return (return flag R): order key.")["outcome"] == "asked"


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "retail", "Which customers made at least 3 completed orders? Show the customer name.",
            "SELECT name FROM customers JOIN orders USING (customer_id) WHERE status = 'completed' "
            "GROUP BY customer_id, name HAVING count(*) >= 3",
        ),
        (
            "iot", "Which devices raised more than 2 critical alerts? Show the device id.",
            "SELECT device_id FROM alerts WHERE severity = 'critical' AND device_id IN (SELECT device_id FROM devices) "
            "GROUP BY 1 HAVING count(*) > 2",
        ),
        (
            "tpch", "Customers that placed more than 3 orders, by customer key.",
            "SELECT o_custkey FROM orders JOIN customer ON c_custkey = o_custkey GROUP BY 1 HAVING count(*) > 3",
        ),
    ],
)  # fmt: skip
def test_done_more_often_than(source: str, text: str, gold: str) -> None:
    """A verb, a bound and what is counted."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "tpch", "Revenue from the order total price per order priority.",
            "SELECT o_orderpriority, sum(o_totalprice) FROM orders GROUP BY 1",
        ),
        (
            "tpch", "Sum up the total price of orders per customer, then classify the customers by this sum: "
            "under 300000 is 'small', from 300000 to 600000 is 'medium', otherwise 'large'.",
            "SELECT o_custkey, sum(o_totalprice), CASE WHEN sum(o_totalprice) < 300000 THEN 'small' WHEN "
            "sum(o_totalprice) <= 600000 THEN 'medium' ELSE 'large' END FROM orders JOIN customer ON "
            "c_custkey = o_custkey GROUP BY 1",
        ),
        (
            "retail", "Add up the refund amount of returns per product, then group the products by that total: "
            "above 100 is 'bad', otherwise 'fine'.",
            "SELECT product_id, sum(refund_amount), CASE WHEN sum(refund_amount) > 100 THEN 'bad' ELSE 'fine' END "
            "FROM returns JOIN products USING (product_id) GROUP BY 1",
        ),
    ],
)  # fmt: skip
def test_sums_and_what_is_made_of_them(source: str, text: str, gold: str) -> None:
    """Where revenue comes from; and classes by what was measured just before."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "finance", "Instalments paid at least 14 days late: payment id.",
            "SELECT payment_id FROM loan_payments WHERE julianday(paid_date) - julianday(due_date) >= 14",
        ),
        (
            "finance", "Number of loan payments that were paid late per loan.",
            "SELECT loan_id, count(*) FROM loan_payments WHERE paid_date > due_date GROUP BY 1",
        ),
        (
            "finance", "Average days late of loan payments per loan.",
            "SELECT loan_id, avg(julianday(paid_date) - julianday(due_date)) FROM loan_payments GROUP BY 1",
        ),
    ],
)  # fmt: skip
def test_days_late(source: str, text: str, gold: str) -> None:
    """Days between the date that was due and the date that it was done."""
    check(source, text, gold)


_SHOES = (
    "SELECT name FROM customers WHERE customer_id IN (SELECT customer_id FROM orders JOIN order_items USING (order_id) "
    "JOIN products USING (product_id) JOIN categories USING (category_id) WHERE category_name = '{}') AND customer_id "
    "NOT IN (SELECT customer_id FROM orders JOIN order_items USING (order_id) JOIN products USING (product_id) JOIN "
    "categories USING (category_id) WHERE category_name = '{}' AND customer_id IS NOT NULL)"
)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "retail", "Customers who ordered Jackets but not Shoes (by category name). Show the customer name.",
            _SHOES.format("Jackets", "Shoes"),
        ),
        (
            "retail", "Customers that bought Jackets but have never bought Shoes (by category name): show the name.",
            _SHOES.format("Jackets", "Shoes"),
        ),
        (
            "iot", "Devices that had critical alerts but no minor alerts. Show the serial number.",
            "SELECT serial_no FROM devices WHERE device_id IN (SELECT device_id FROM alerts WHERE severity = "
            "'critical') AND device_id NOT IN (SELECT device_id FROM alerts WHERE severity = 'minor')",
        ),
        (
            "retail", "Customers who placed orders in 2024 but none in 2025. Show the name.",
            "SELECT name FROM customers WHERE customer_id IN (SELECT customer_id FROM orders WHERE order_ts LIKE "
            "'2024%') AND customer_id NOT IN (SELECT customer_id FROM orders WHERE order_ts LIKE '2025%' AND "
            "customer_id IS NOT NULL)",
        ),
        (
            "finance", "Accounts with transactions in 2024 but not in 2025: account id.",
            "SELECT account_id FROM accounts WHERE account_id IN (SELECT account_id FROM transactions WHERE txn_date "
            "LIKE '2024%') AND account_id NOT IN (SELECT account_id FROM transactions WHERE txn_date LIKE '2025%')",
        ),
    ],
)  # fmt: skip
def test_one_and_not_the_other(source: str, text: str, gold: str) -> None:
    """Rows with one thing and without another, told apart by values, by states and by periods."""
    found = rows(CORPUS / _sources()[source]["db"], gold, own=False)
    made = read(source, text)
    assert "rows" in made, (text, made.get("why"))
    assert matches(found, [tuple(row) for row in made["rows"]]), (text, made["query"], found[:5], made["rows"][:5])


def test_values_of_no_column_are_asked_about() -> None:
    """``bought Shoes but never Jackets``: no comment lists them and no column is named."""
    assert read("retail", "Customers who bought Shoes but never bought Jackets.")["outcome"] == "asked"


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "retail", "Products that cost more than their list price: product id.",
            "SELECT product_id FROM products WHERE unit_cost > list_price",
        ),
        (
            "retail", "List products with the margin per piece (list price minus unit cost) as margin.",
            "SELECT product_id, list_price - unit_cost FROM products",
        ),
        (
            "iot", "Number of visits per device.",
            "SELECT device_id, count(*) FROM maintenance_jobs GROUP BY 1",
        ),
        (
            "iot", "Number of measurements per metric.",
            "SELECT metric, count(*) FROM readings GROUP BY 1",
        ),
        (
            "retail", "Number of shops per region.",
            "SELECT region, count(*) FROM stores GROUP BY 1",
        ),
    ],
)  # fmt: skip
def test_costs_formulas_and_words_of_comments(source: str, text: str, gold: str) -> None:
    """Two amounts of a row, a formula in brackets with its name, and tables called as their comments call them."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "finance", "Read transactions. Running total per account, that is the cumulative sum of amount "
            "ordered by txn_id.",
            "SELECT account_id, txn_id, sum(amount) OVER (PARTITION BY account_id ORDER BY txn_id) FROM transactions",
        ),
        (
            "finance", "Smallest deposit per account together with its date.",
            "SELECT account_id, amount, txn_date FROM (SELECT *, row_number() OVER (PARTITION BY account_id ORDER BY "
            "amount) i FROM transactions WHERE txn_type = 'deposit' AND amount IS NOT NULL) WHERE i = 1",
        ),
    ],
)  # fmt: skip
def test_rows_told_in_two_parts(source: str, text: str, gold: str) -> None:
    """The partition before the value, and more of the row that is largest."""
    check(source, text, gold)
