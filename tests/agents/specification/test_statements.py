"""The examples: the wanted draft of each, that it types, and that its rows equal a query written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipeline_magic.runs import Parsed
from tests.support.statements import STATEMENTS, fetch, make_data, normal, parse, rows_of, statement, typed

EXAMPLES = sorted(path.stem for path in STATEMENTS.glob("*.txt"))
RUN_TIME = "1998-01-15T06:00:00+00:00"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = make_data(tmp_path_factory.mktemp("samples"))
    yield connection
    connection.close()


def kinds(parsed: Parsed) -> list[str]:
    """Ids and kinds of the steps, in order."""
    return [f"{step.id}:{step.kind}" for step in parsed.draft.steps]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_types(name: str) -> None:
    """Each example is understood word for word, needs no answer, and types without problems."""
    parsed = parse(statement(name))
    assert [parsed.provenance.text(clause) for clause in parsed.provenance.unmatched] == []
    assert [question.id for question in parsed.questions if question.must_answer] == []
    typed(parsed)


SHAPES = {
    "seed": ["join_orders:join", "metrics:aggregate", "segment_customers:segment"],
    "flights": ["join_airlines:join", "join_planes:join", "metrics:aggregate", "flag_rows:derive"],
    "monthly_orders": ["filter_orders:filter", "periods:derive", "metrics:aggregate"],
    "region_revenue": ["join_customer:join", "join_nation:join", "join_region:join", "metrics:aggregate"],
    "large_open_orders": [
        "filter_orders:filter",
        "filter_orders_2:filter",
        "filter_orders_3:filter",
        "select_columns:select",
    ],
    "top_orders": ["top_3:top"],
    "latest_orders": ["latest_orders:deduplicate"],
    "ship_modes": ["filter_lineitem:filter", "derive:derive", "metrics:aggregate"],
    "supplier_tiers": ["segment_suppliers:segment"],
    "dormant_customers": ["filter_customer:filter", "without_orders:join"],
    "active_customers": ["join_orders:join", "metrics:aggregate"],
    "worst_destinations": ["filter_flights:filter", "metrics:aggregate", "top_5:top"],
    "manufacturer_air_time": ["join_planes:join", "metrics:aggregate", "keep_groups:filter"],
    "daily_cancellations": ["periods:derive", "metrics:aggregate"],
    "status_counts": ["metrics:aggregate"],
    "nation_revenue": ["filter_orders:filter", "join_customer:join", "join_nation:join", "metrics:aggregate"],
    "customer_history": [],
}


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_steps(name: str) -> None:
    """The steps are the wanted ones, with stable, readable ids."""
    assert kinds(parse(statement(name))) == SHAPES[name]


TARGETS = {
    "monthly_orders": ("analytics.sales.monthly_orders", "overwrite", "0 30 6 ? * MON-FRI", "America/Los_Angeles"),
    "region_revenue": ("analytics.sales.region_revenue", "overwrite", "0 0 * * * ?", "UTC"),
    "large_open_orders": ("analytics.sales.large_open_orders", "append", "0 0 * * * ?", "UTC"),
    "top_orders": ("analytics.sales.top_orders", "overwrite", "0 0 5 * * ?", "Europe/Berlin"),
    "latest_orders": ("analytics.sales.latest_orders", "merge", "0 0 6 1 * ?", "UTC"),
    "ship_modes": ("analytics.logistics.ship_modes", "overwrite", "0 15 7 ? * MON", "Europe/London"),
    "supplier_tiers": ("analytics.purchasing.supplier_tiers", "overwrite", "0 0 0 * * ?", "UTC"),
    "dormant_customers": ("analytics.sales.dormant_customers", "overwrite", "0 0 6 1 1/3 ?", "UTC"),
    "manufacturer_air_time": ("analytics.ops.manufacturer_air_time", "overwrite", "0 0 0/6 * * ?", "UTC"),
    "daily_cancellations": ("analytics.ops.daily_cancellations", "overwrite", "0 0 12 * * ?", "UTC"),
    "customer_history": ("analytics.crm.customer_history", "scd2", "0 0 * * * ?", "UTC"),
    "flights": ("analytics.ops.carrier_delays", "overwrite", "0 0 6 * * ?", "America/New_York"),
}


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_target_and_trigger(name: str) -> None:
    """Where it is written, how, and when it runs."""
    draft = parse(statement(name)).draft
    trigger = draft.trigger
    assert trigger is not None and trigger.kind == "schedule"
    assert (draft.target.table, draft.target.mode, trigger.cron, trigger.timezone) == TARGETS[name]


def test_keys_of_merges() -> None:
    """`upsert … on`, `merge on` and `keyed on` name the key of the target."""
    for name, key in (
        ("latest_orders", "o_custkey"),
        ("active_customers", "c_custkey"),
        ("customer_history", "c_custkey"),
    ):
        assert parse(statement(name)).draft.target.keys == (key,)


def test_checks_of_the_examples() -> None:
    """Checks in words become expectations of the closest kind on the target."""
    found = {
        name: [
            expectation.model_dump(exclude_defaults=True) for expectation in parse(statement(name)).draft.expectations
        ]
        for name in ("latest_orders", "ship_modes", "daily_cancellations")
    }
    assert found == {
        "latest_orders": [
            {"id": "o_custkey_unique", "on": "target", "action": "fail", "columns": ("o_custkey",)},
            {"id": "o_custkey_not_null", "on": "target", "action": "fail", "columns": ("o_custkey",)},
        ],
        "ship_modes": [
            {
                "id": "total_net_price_range",
                "on": "target",
                "action": "fail",
                "column": "total_net_price",
                "minimum": 0,
                "minimum_inclusive": False,
            }
        ],
        "daily_cancellations": [
            {
                "id": "origin_accepted_values",
                "on": "target",
                "action": "fail",
                "column": "origin",
                "values": ("EWR", "JFK", "LGA"),
            },
            {"id": "target_row_count", "on": "target", "action": "fail", "minimum": 100},
        ],
    }
    assert parse(statement("daily_cancellations")).draft.deployment == "declarative"


BY_HAND = {
    "seed": """
        WITH r AS (
          SELECT c_custkey, c_name, sum(o_totalprice) AS revenue, count(o_orderkey) AS order_count
          FROM customer LEFT JOIN orders ON o_custkey = c_custkey GROUP BY ALL
        )
        SELECT *, CASE WHEN revenue IS NOT NULL AND percent_rank() OVER (ORDER BY revenue DESC NULLS LAST) < 0.2
                       THEN 'high_value' ELSE 'standard' END AS customer_segment
        FROM r""",
    "flights": """
        SELECT f.carrier, f.month, any_value(a.name) AS airline_name, avg(dep_delay) AS average_departure_delay,
               quantile_cont(dep_delay, 0.9) AS p90_departure_delay,
               avg(CASE WHEN dep_time IS NULL THEN 1.0 ELSE 0 END) AS cancelled_share,
               coalesce(avg(dep_delay) > 20, false) AS flagged
        FROM flights f LEFT JOIN airlines a USING (carrier) GROUP BY f.carrier, f.month""",
    "monthly_orders": """
        SELECT date_trunc('month', o_orderdate)::DATE AS month, sum(o_totalprice) AS revenue, count(*) AS order_count
        FROM orders WHERE o_orderdate >= DATE '1995-01-01' GROUP BY 1""",
    "region_revenue": """
        SELECT r_regionkey, r_name, sum(o_totalprice) AS revenue, count(*) AS order_count,
               count(DISTINCT o_custkey) AS customer_count
        FROM orders JOIN customer ON o_custkey = c_custkey JOIN nation ON c_nationkey = n_nationkey
        JOIN region ON n_regionkey = r_regionkey GROUP BY ALL""",
    "large_open_orders": """
        SELECT o_orderkey, o_custkey, o_totalprice, o_orderdate FROM orders
        WHERE o_orderstatus = 'O' AND o_totalprice > 100000 AND year(o_orderdate) >= 1997""",
    "top_orders": """
        SELECT o_orderkey, o_custkey FROM orders
        QUALIFY row_number() OVER (PARTITION BY o_custkey ORDER BY o_totalprice DESC, o_orderkey) <= 3""",
    "latest_orders": """
        SELECT o_orderkey, o_custkey FROM orders
        QUALIFY row_number() OVER (PARTITION BY o_custkey ORDER BY o_orderdate DESC, o_orderkey DESC) = 1""",
    "ship_modes": """
        SELECT l_shipmode, l_returnflag, sum(l_extendedprice * (1 - l_discount)) AS total_net_price,
               avg(l_quantity) AS average_quantity, count(*) AS line_item_count
        FROM lineitem WHERE year(l_shipdate) = 1996 GROUP BY ALL""",
    "supplier_tiers": """
        SELECT s_suppkey, CASE WHEN s_acctbal > 9000 THEN 'gold' WHEN s_acctbal > 5000 THEN 'silver' ELSE 'bronze' END
               AS supplier_segment FROM supplier""",
    "dormant_customers": """
        SELECT c_custkey FROM customer
        WHERE c_mktsegment = 'BUILDING' AND c_custkey NOT IN (SELECT o_custkey FROM orders)""",
    "active_customers": """
        SELECT o_custkey AS c_custkey, count(*) AS order_count, max(o_totalprice) AS max_total_price,
               max(o_orderdate) AS max_order_date FROM orders GROUP BY 1""",
    "worst_destinations": """
        SELECT origin, dest, avg(arr_delay) AS average_arrival_delay FROM flights WHERE distance > 500 GROUP BY 1, 2
        QUALIFY row_number() OVER (PARTITION BY origin ORDER BY avg(arr_delay) DESC NULLS LAST, dest) <= 5""",
    "manufacturer_air_time": """
        SELECT manufacturer, median(air_time) AS median_air_time, quantile_cont(air_time, 0.95) AS p95_air_time,
               count(*) AS flight_count
        FROM flights JOIN planes USING (tailnum) GROUP BY manufacturer HAVING count(*) > 1000""",
    "daily_cancellations": """
        SELECT time_hour::DATE AS day_start, origin, count(*) AS flight_count,
               100.0 * sum(CASE WHEN dep_time IS NULL THEN 1 ELSE 0 END) / count(*) AS cancelled_percentage
        FROM flights GROUP BY ALL""",
    "status_counts": "SELECT o_orderstatus, count(*) AS order_count FROM orders GROUP BY ALL",
    "nation_revenue": """
        SELECT n_nationkey, n_name, sum(o_totalprice) AS revenue
        FROM orders JOIN customer ON o_custkey = c_custkey JOIN nation ON c_nationkey = n_nationkey
        WHERE o_orderdate >= DATE '1998-01-15' - 30 GROUP BY ALL""",
    "customer_history": "SELECT c_custkey, c_name, c_address FROM customer",
}


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_rows_equal_a_query_by_hand(name: str, data: duckdb.DuckDBPyConnection) -> None:
    """The rows of the draft's SQL form are those of a query that a person wrote from the same words."""
    wanted = fetch(data, BY_HAND[name])
    found = rows_of(data, typed(parse(statement(name))), RUN_TIME)
    assert wanted, "the query by hand must find something"
    columns = list(wanted[0])
    assert normal(found, columns) == normal(wanted, columns)


def test_every_example_is_checked() -> None:
    """No example stands without its wanted steps and rows."""
    assert set(EXAMPLES) == set(SHAPES) == set(BY_HAND)
    assert Path(STATEMENTS).is_dir()


@pytest.mark.parametrize(
    ("words", "deployment"),
    [
        ("Deploy it as a declarative pipeline.", "declarative"),
        ("Run this in Lakeflow.", "declarative"),
        ("Publish it as a materialized view.", "declarative"),
        ("Deploy it as a job.", "job"),
    ],
)
def test_a_sentence_about_the_deployment(words: str, deployment: str) -> None:
    """How it is deployed may be said in a sentence of its own, and no word of that is asked about."""
    found = parse(f"Count orders per customer of samples.tpch.orders into dev.out.counts. {words}")
    assert (found.draft.deployment or "job", [one.id for one in found.questions if one.must_answer]) == (deployment, [])
