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
