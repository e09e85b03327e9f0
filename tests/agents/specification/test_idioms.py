"""Ways of saying things: the rows of the draft equal a query that a person wrote from the same words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from pipeline_magic.agents.catalog.index import CatalogIndex
from pipeline_magic.agents.specification import SpecificationParserAgent
from pipeline_magic.runs import Parsed
from pipeline_magic.spec.schema import Column, TableSchema
from tests.support.statements import NOW, fetch, make_data, normal, parse, rows_of, typed

RUN_TIME = "1998-01-15T06:00:00+00:00"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = make_data(tmp_path_factory.mktemp("samples"))
    yield connection
    connection.close()


CASES = [
    (
        "Build a weekly report of revenue by customer market segment for 1996, broken down by quarter, into a.b.c",
        """SELECT c_mktsegment, date_trunc('quarter', o_orderdate)::DATE AS quarter, sum(o_totalprice) AS revenue
           FROM orders JOIN customer ON o_custkey = c_custkey WHERE year(o_orderdate) = 1996 GROUP BY ALL""",
    ),
    (
        "Create a pipeline that joins line items with parts and suppliers, computes the discounted revenue as extended "
        "price times (1 - discount), and sums it per part brand and supplier. Keep only brands with discounted revenue "
        "over 100 thousand. Store as a.b.brand_revenue.",
        """SELECT p_brand, s_suppkey, sum(l_extendedprice * (1 - l_discount)) AS total_discounted_revenue
           FROM lineitem JOIN part ON l_partkey = p_partkey JOIN supplier ON l_suppkey = s_suppkey
           GROUP BY ALL HAVING sum(l_extendedprice * (1 - l_discount)) > 100000""",
    ),
    (
        "Read orders and line items. For orders with at least 3 line items, compute total net price = extended price * "
        "(1 - discount) * (1 + tax). Output per order to a.b.order_totals.",
        """SELECT l_orderkey AS o_orderkey, sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS total_net_price
           FROM lineitem GROUP BY ALL HAVING count(*) >= 3""",
    ),
    (
        "Label customers as VIP if their account balance is over 8000, regular if it is between 0 and 8000, and "
        "indebted otherwise. Save to a.b.labels.",
        """SELECT c_custkey, CASE WHEN c_acctbal > 8000 THEN 'VIP' WHEN c_acctbal >= 0 THEN 'regular' ELSE 'indebted'
           END AS customer_segment FROM customer""",
    ),
    (
        "For each supplier nation and part type compute total quantity and total extended price of line items received "
        "in 1995. Deliver to a.b.c.",
        """SELECT n_nationkey, p_type, sum(l_quantity) AS total_quantity, sum(l_extendedprice) AS total_extended_price
           FROM lineitem JOIN supplier ON l_suppkey = s_suppkey JOIN nation ON s_nationkey = n_nationkey
           JOIN part ON l_partkey = p_partkey WHERE year(l_receiptdate) = 1995 GROUP BY ALL""",
    ),
    (
        "For every region list the three nations with the highest revenue; into a.b.c",
        """SELECT r_regionkey, n_nationkey, sum(o_totalprice) AS revenue
           FROM orders JOIN customer ON o_custkey = c_custkey JOIN nation ON c_nationkey = n_nationkey
           JOIN region ON n_regionkey = r_regionkey GROUP BY 1, 2
           QUALIFY row_number() OVER (PARTITION BY r_regionkey ORDER BY sum(o_totalprice) DESC) <= 3""",
    ),
    (
        "Revenue by nation for customers in region EUROPE since January 1995, top 3, into a.b.c",
        """SELECT n_name, sum(o_totalprice) AS revenue
           FROM orders JOIN customer ON o_custkey = c_custkey JOIN nation ON c_nationkey = n_nationkey
           JOIN region ON n_regionkey = r_regionkey
           WHERE r_name = 'EUROPE' AND o_orderdate >= DATE '1995-01-01' GROUP BY 1 ORDER BY 2 DESC LIMIT 3""",
    ),
    (
        "Compute total and average order value by order priority and order status; write to a.b.c",
        """SELECT o_orderpriority, o_orderstatus, sum(o_totalprice) AS total_order_value,
                  avg(o_totalprice) AS average_order_value FROM orders GROUP BY ALL""",
    ),
    (
        "Give each customer's number of orders and last order date, including customers without orders, into a.b.c",
        """SELECT c_custkey, count(o_orderkey) AS order_count, max(o_orderdate) AS max_order_date
           FROM customer LEFT JOIN orders ON o_custkey = c_custkey GROUP BY ALL""",
    ),
    (
        "Percentage of orders that are open by month into a.b.c",
        """SELECT date_trunc('month', o_orderdate)::DATE AS month,
                  100.0 * sum(CASE WHEN o_orderstatus = 'O' THEN 1 ELSE 0 END) / count(*) AS open_percentage
           FROM orders GROUP BY ALL""",
    ),
    (
        "Read orders placed in the last 7 days, remove those with status P, keep o_orderkey, o_totalprice; into a.b.c",
        """SELECT o_orderkey, o_totalprice FROM orders
           WHERE o_orderdate >= DATE '1998-01-08' AND o_orderstatus <> 'P'""",
    ),
    (
        "Number of parts per brand with size between 10 and 20 into a.b.c",
        "SELECT p_brand, count(*) AS part_count FROM part WHERE p_size BETWEEN 10 AND 20 GROUP BY ALL",
    ),
    (
        "Sum l_extendedprice by l_shipmode from lineitem where l_shipdate > '1995-03-15' and l_returnflag in ('A','R') "
        "into a.b.c",
        """SELECT l_shipmode, sum(l_extendedprice) AS total_extended_price FROM lineitem
           WHERE l_shipdate > DATE '1995-03-15' AND l_returnflag IN ('A', 'R') GROUP BY ALL""",
    ),
    (
        "Find the average departure delay for each airline name, only for flights in January, into a.b.c",
        """SELECT name, avg(dep_delay) AS average_departure_delay FROM flights LEFT JOIN airlines USING (carrier)
           WHERE month = 1 GROUP BY ALL""",
    ),
    (
        "Which carriers have an average departure delay above 15 minutes? Write to a.b.c",
        """SELECT carrier, avg(dep_delay) AS average_departure_delay FROM flights
           GROUP BY carrier HAVING avg(dep_delay) > 15""",
    ),
    (
        "Every hour, count flights per origin and hour, and append the counts to a.b.c",
        "SELECT origin, hour, count(*) AS flight_count FROM flights GROUP BY ALL",
    ),
    (
        "Join flights with planes, only flights with planes; the number of flights per manufacturer into a.b.c",
        "SELECT manufacturer, count(*) AS flight_count FROM flights JOIN planes USING (tailnum) GROUP BY ALL",
    ),
    (
        "What is the maximum, minimum and median distance of flights per carrier? save as a.b.c",
        """SELECT carrier, max(distance) AS max_distance, min(distance) AS min_distance,
                  median(distance) AS median_distance FROM flights GROUP BY ALL""",
    ),
    (
        "Names of customers whose orders have total price over 200000 into a.b.c",
        """SELECT c_name FROM customer
           WHERE EXISTS (SELECT 1 FROM orders WHERE o_custkey = c_custkey AND o_totalprice > 200000)""",
    ),
]


@pytest.mark.parametrize(("text", "query"), CASES)
def test_rows(text: str, query: str, data: duckdb.DuckDBPyConnection) -> None:
    """Words and query give the same rows."""
    parsed = parse(text)
    assert [question.id for question in parsed.questions if question.must_answer] == []
    wanted = fetch(data, query)
    assert wanted, "the query by hand must find something"
    columns = list(wanted[0])
    assert normal(rows_of(data, typed(parsed), RUN_TIME), columns) == normal(wanted, columns)


def test_modes_and_triggers_in_the_same_breath() -> None:
    """`append them to …` sets the mode although the verb belongs to the target."""
    parsed = parse(
        "Every morning load yesterday's orders, enrich them with the customer name and nation name, "
        "and append them to analytics.sales.daily_orders."
    )
    assert parsed.draft.target.mode == "append"
    assert [step.id for step in parsed.draft.steps] == ["filter_orders", "join_customer", "join_nation"]


def test_sums_over_repeated_rows_are_asked() -> None:
    """A balance summed after a join to many orders would count one customer many times."""
    parsed = parse(
        "Join customers with orders and give the number of orders and total account balance per nation into a.b.c"
    )
    assert "grain:total_account_balance" in {question.id for question in parsed.questions if question.must_answer}


def test_a_new_column_never_vanishes() -> None:
    """A column computed for rows and not used by the groups is asked about, and an option adds it."""
    parsed = parse(
        "Read line items. Add net price = extended price * (1 - discount). Count line items per ship mode into a.b.c"
    )
    question = next(item for item in parsed.questions if item.id == "measure:net_price")
    assert question.must_answer
    assert [option.id for option in question.options] == ["sum", "avg", "max", "min"]


SENSORS = [
    TableSchema(
        table="iot.main.devices",
        columns=(
            Column(name="device_id", type="string"),
            Column(name="model", type="string"),
            Column(name="installed_at", type="date"),
        ),
    ),
    TableSchema(
        table="iot.main.readings",
        columns=(
            Column(name="device_id", type="string"),
            Column(name="ts", type="timestamp"),
            Column(name="temperature", type="double"),
            Column(name="humidity", type="double"),
        ),
    ),
]


def sensors(text: str) -> Parsed:
    return SpecificationParserAgent().parse(text, catalog=CatalogIndex(SENSORS), now=NOW)


def steps(parsed: Parsed) -> list[dict[str, Any]]:
    """The steps without their ids and what has its default."""
    return [step.model_dump(exclude_defaults=True, exclude={"id", "input"}) for step in parsed.draft.steps]


def test_a_key_of_another_table_is_no_key_here() -> None:
    """Readings begin with `device_id`, which identifies devices; readings have many rows for each."""
    parsed = sensors("Join devices with readings and give the number of readings per device into a.b.c")
    (join,) = [step for step in parsed.draft.steps if step.kind == "join"]
    assert (join.left, join.right, join.how) == ("devices", "readings", "left")
    (metrics,) = [step for step in parsed.draft.steps if step.kind == "aggregate"]
    assert metrics.group_by == ("device_id",)
    assert [m.expression for m in metrics.measures if m.name == "reading_count"] == ["count(ts)"]
    assert any("where that is NULL is not counted" in note for note in parsed.notes)


def test_no_rows_in_a_period() -> None:
    """`had no readings in the last 24 hours` looks for devices without a reading in that time."""
    filtered, joined = steps(sensors("Which devices have had no readings in the last 24 hours? Into a.b.c"))
    assert filtered == {"condition": "ts >= run_time() - INTERVAL 24 HOURS"}
    assert (joined["left"], joined["how"]) == ("devices", "anti")


def test_one_function_for_several_columns() -> None:
    """`average temperature and humidity` averages both."""
    parsed = sensors("Average temperature and humidity per device into a.b.c")
    measures = {m.name: m.expression for m in parsed.draft.steps[-1].measures}
    assert measures["average_temperature"] == "avg(temperature)"
    assert measures["average_humidity"] == "avg(humidity)"


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Humidity above 80 percent from readings into a.b.c", "words:c2"),
        ("Readings by device into a.b.c", "measure:missing"),
    ],
)
def test_asked_and_not_guessed(text: str, question: str) -> None:
    """A percentage of an unknown scale and groups of nothing are asked about."""
    assert question in {item.id for item in sensors(text).questions if item.must_answer}
