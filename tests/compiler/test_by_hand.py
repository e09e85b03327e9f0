"""Rows written by hand: what a step means, independent of how either form says it."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_magic.compiler.sql import target_query
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.typed import type_spec
from tests.support.compiled import RUN_TIME, comparable_rows, make_table, rows_sql

pytestmark = pytest.mark.engine

COLUMNS = "k int, g string, v int"
ROWS: list[list[Any]] = [[1, "a", 10], [2, "a", 20], [3, "b", None], [4, "b", 5], [5, None, 20], [5, None, 20]]


def result(spark: Any, *steps: dict[str, Any], rows: list[list[Any]] = ROWS) -> list[tuple[Any, ...]]:
    """Rows of the last step over the table above."""
    made = [{"input": steps[i - 1]["id"] if i else "t"} | step for i, step in enumerate(steps)]
    target = {"table": "dev.default.out", "input": made[-1]["id"]}
    data = {"name": "p", "sources": [{"alias": "t", "table": "dev.default.t"}], "steps": made, "target": target}
    table = make_table("dev.default.t", COLUMNS, rows)
    typed = type_spec(PipelineSpec.model_validate(data), {"t": table.schema})
    spark.sql(rows_sql(table)).createOrReplaceTempView("by_hand")
    text = target_query(typed, run_time=RUN_TIME).replace("FROM dev.default.t", "FROM by_hand")
    return comparable_rows(spark.sql(text).collect())


def n(name: str, expression: str) -> dict[str, str]:
    return {"name": name, "expression": expression}


def test_pivot(spark: Any) -> None:
    """Each new column measures the rows of its value; a count over none is 0, a sum NULL."""
    measures = [n("total", "sum(v)"), n("rows", "count(*)")]
    step = {"id": "p", "kind": "pivot", "group_by": ["k"], "column": "g", "values": ["a", "b"], "measures": measures}
    assert result(spark, step) == comparable_rows(
        [(1, 10, 1, None, 0), (2, 20, 1, None, 0), (3, None, 0, None, 1), (4, None, 0, 5, 1), (5, None, 0, None, 0)]
    )


def test_unpivot(spark: Any) -> None:
    """Each column becomes a row of its name and value; NULLs leave unless they are kept."""
    step = {"id": "u", "kind": "unpivot", "columns": ["k", "v"], "name_column": "what", "value_column": "much"}
    slim = {"id": "f", "kind": "filter", "condition": "k >= 3 and k < 5"}
    kept = [("b", "k", 3), ("b", "k", 4), ("b", "v", 5)]
    assert result(spark, slim, step) == comparable_rows(kept)
    assert result(spark, slim, step | {"keep_nulls": True}) == comparable_rows([*kept, ("b", "v", None)])


def test_segment(spark: Any) -> None:
    """The top half by value: equal values share a label, NULL is never in the top, the first rule wins."""
    rules = [{"label": "odd", "condition": "k = 1"}, {"label": "top", "top": 0.5}]
    step = {"id": "s", "kind": "segment", "column": "c", "by": "v", "rules": rules, "otherwise": "rest"}
    # ranks by v, highest first: 20, 20, 20 (0.0), 10 (0.6), 5 (0.8), NULL (1.0)
    found = {(row[0], row[2], row[3]) for row in result(spark, step)}
    assert found == {(1, 10, "odd"), (2, 20, "top"), (5, 20, "top"), (4, 5, "rest"), (3, None, "rest")}


def test_window(spark: Any) -> None:
    """Rank, the row before, and a moving sum of two rows, in the order asked for."""
    columns = [n("place", "rank()"), n("before", "lag(k)"), n("moving", "sum(v)")]
    order = [{"column": "v", "descending": True}, {"column": "k"}]
    frame = {"kind": "rows", "start": -1, "end": 0}
    step = {"id": "w", "kind": "window", "order_by": order, "frame": frame, "columns": columns}
    assert result(spark, step) == comparable_rows(
        [
            (2, "a", 20, 1, None, 20),
            (5, None, 20, 2, 2, 40),
            (5, None, 20, 2, 5, 40),
            (1, "a", 10, 4, 5, 30),
            (4, "b", 5, 5, 1, 15),
            (3, "b", None, 6, 4, 5),
        ]
    )


def test_top(spark: Any) -> None:
    """The first two by value, ties cut by the other columns or kept; in each group the first one."""
    order = [{"column": "v", "descending": True}]
    step = {"id": "t1", "kind": "top", "n": 2, "order_by": order}
    assert result(spark, step) == comparable_rows([(2, "a", 20), (5, None, 20)])
    assert len(result(spark, step | {"ties": True})) == 3
    grouped = result(spark, step | {"n": 1, "partition_by": ["g"]})
    assert grouped == comparable_rows([(2, "a", 20), (4, "b", 5), (5, None, 20)])


def test_deduplicate(spark: Any) -> None:
    """One row a key, NULL being a key like any other; the first by the order, NULLs last unless asked first."""
    step = {"id": "d", "kind": "deduplicate", "keys": ["g"], "order_by": [{"column": "v"}]}
    assert result(spark, step) == comparable_rows([(1, "a", 10), (4, "b", 5), (5, None, 20)])
    first = step | {"order_by": [{"column": "v", "nulls_first": True}]}
    assert result(spark, first) == comparable_rows([(1, "a", 10), (3, "b", None), (5, None, 20)])


def test_aggregate_of_nothing(spark: Any) -> None:
    """Over no rows: one row without groups, none with them; counts are 0 and sums NULL."""
    measures = [n("total", "sum(v)"), n("rows", "count(*)"), n("empty", "count_if(v is null)")]
    step = {"id": "a", "kind": "aggregate", "measures": measures}
    assert result(spark, step, rows=[]) == [(None, 0, 0)]
    assert result(spark, step | {"group_by": ["g"]}, rows=[]) == []


def test_run_time_in_the_zone_of_the_trigger() -> None:
    """At half past one at night in UTC it is still yesterday in New York."""
    data = {
        "name": "p",
        "sources": [{"alias": "t", "table": "dev.default.t", "filter": "k > datediff(run_time(), '2024-01-01')"}],
        "target": {"table": "dev.default.out", "input": "t"},
        "trigger": {"kind": "schedule", "cron": "0 30 21 * * ?", "timezone": "America/New_York"},
    }
    typed = type_spec(PipelineSpec.model_validate(data), {"t": make_table("dev.default.t", COLUMNS, []).schema})
    assert "DATE '2024-03-09'" in target_query(typed, run_time="2024-03-10T01:30:00+00:00")
    assert "DATE '2024-03-10'" in target_query(typed, run_time="2024-03-10T05:30:00+00:00")


def test_pivot_of_a_condition(spark: Any) -> None:
    """A pivoted count_if counts the rows of its value alone, on the local engine too."""
    measures = [n("missing", "count_if(v IS NULL)")]
    step = {"id": "p", "kind": "pivot", "group_by": ["g"], "column": "k", "values": [3, 4], "measures": measures}
    assert result(spark, step) == comparable_rows([("a", 0, 0), ("b", 1, 0), (None, 0, 0)])


def test_drops_of_what_is_looked_up() -> None:
    """Rows that `drop` leaves out of a table count as missing where another table's rows are looked up in it."""
    drop = {"action": "drop"}
    data = {
        "name": "p",
        "sources": [{"alias": "t", "table": "dev.default.t"}, {"alias": "u", "table": "dev.default.u"}],
        "expectations": [
            {"id": "known", "on": "t", "kind": "referential", "columns": ["k"], "to": "u", "to_columns": ["k"], **drop},
            {"id": "named", "on": "u", "kind": "not_null", "columns": ["g"], **drop},
        ],
        "target": {"table": "dev.default.out", "input": "t"},
    }
    tables = {name: make_table(f"dev.default.{name}", COLUMNS, ()).schema for name in ("t", "u")}
    text = target_query(type_spec(PipelineSpec.model_validate(data), tables), run_time=RUN_TIME)
    assert "u_unchecked AS (\n  SELECT k, g\n  FROM dev.default.u\n)" in text
    assert "WHERE NOT coalesce(g IS NULL, FALSE)" in text
