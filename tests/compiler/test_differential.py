"""Random specs over random data: the notebook's rows are those of the SQL form, and those of a third engine."""

from __future__ import annotations

import datetime
import decimal
import os
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline_magic.compiler.ipynb import cells
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.spec.typed import TypedSpec
from tests.support import random_specs
from tests.support.compiled import RUN_TIME, Dbutils, Table, comparable_rows, rows_sql

pytestmark = pytest.mark.engine

FULL = bool(os.environ.get("PIPELINE_MAGIC_TEST_FULL"))
BOUNDED = settings(
    max_examples=3000 if FULL else 121,
    deadline=None,
    derandomize=not FULL,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink] if FULL else [Phase.generate],
    report_multiple_bugs=False,
)


def transformed(typed: TypedSpec, spark: Any, names: Mapping[str, str]) -> Any:
    """The DataFrame that the notebook would write, by running its cells up to the gate."""
    nodes = {node.id for node in typed.nodes}
    made = [cell for cell in cells(typed) if cell.id in nodes or cell.id == "parameters"]
    parameters = {"run_time": RUN_TIME, **{f"source_{alias}": name for alias, name in names.items()}}
    space: dict[str, Any] = {"spark": spark, "dbutils": Dbutils(parameters)}
    for cell in made:
        exec(compile(cell.source, cell.id, "exec"), space)
    columns = [f"`{column.name}`" for column in typed.node(typed.spec.target.input).columns]
    return space[typed.spec.target.input].select(*columns)


def load(spark: Any, tables: Mapping[str, Table]) -> dict[str, str]:
    """The tables as temporary views."""
    for alias, table in tables.items():
        spark.sql(rows_sql(table)).createOrReplaceTempView(f"random_{alias}")
    return {alias: f"random_{alias}" for alias in tables}


SAIL_BUGS = (
    "Physical input schema should be the same",
    "panicked with message",
    "likely caused by a bug in DataFusion",
)
"""Words of faults that the engine owns to be its own."""


def rows_of(frame: Any) -> list[Any] | None:
    """The rows; None where Sail failed on a fault of its own."""
    try:
        return list(frame().collect())
    except Exception as error:
        if any(words in str(error) for words in SAIL_BUGS):
            return None
        raise


def test_notebook_equals_sql(spark: Any) -> None:
    """Both forms give the same rows on Sail, whatever the steps and the data."""
    counts = {"compared": 0, "engine failed": 0}

    @given(data=st.data())
    @BOUNDED
    def compare(data: st.DataObject) -> None:
        typed, tables = random_specs.spec(data.draw), random_specs.tables(data.draw)
        names = load(spark, tables)
        text = on_views(target_query(typed, run_time=RUN_TIME), names)
        expected = rows_of(lambda: spark.sql(text))
        found = rows_of(lambda: transformed(typed, spark, names))
        if expected is None or found is None:
            counts["engine failed"] += 1
            return
        counts["compared"] += 1
        assert comparable_rows(found) == comparable_rows(expected)

    compare()
    assert counts["compared"] >= 20 * counts["engine failed"], counts


def on_views(text: str, names: Mapping[str, str]) -> str:
    """The query over temporary views, whose names have one part."""
    for alias, name in names.items():
        text = text.replace(f"FROM dev.default.{alias}", f"FROM {name}")
    return text


def duck_rows(duck: Any, text: str, tables: Mapping[str, Table]) -> list[tuple[Any, ...]]:
    """Rows of a Spark query in DuckDB, translated by sqlglot.

    Raises:
        duckdb.Error: DuckDB has no such thing.
    """
    import sqlglot

    for alias, table in tables.items():
        made = sqlglot.transpile(rows_sql(table), read="databricks", write="duckdb")[0]
        duck.execute(f'CREATE OR REPLACE TABLE dev."default".{alias} AS {made}')
    tree = sqlglot.parse_one(text, read="databricks").transform(_counting)
    translated = tree.sql(dialect="duckdb")
    return list(duck.execute(translated).fetchall())


def _counting(node: Any) -> Any:
    """DuckDB's count_if is NULL over no rows, where Spark's is 0."""
    from sqlglot import exp

    if isinstance(node, exp.CountIf):
        return exp.Count(this=exp.Case(ifs=[exp.If(this=node.this.copy(), true=exp.Literal.number(1))]))
    return node


def plain(rows: Any) -> list[tuple[Any, ...]]:
    """Rows whose numbers compare across engines: exact where both are exact, else by nine digits."""

    def one(value: Any) -> Any:
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, (int, float, decimal.Decimal)):
            return f"{float(value):.9g}".replace("-0", "0") if value == 0 else f"{float(value):.9g}"
        if isinstance(value, datetime.datetime):
            return value.astimezone(datetime.timezone.utc).replace(tzinfo=None) if value.tzinfo else value
        return value

    return sorted((tuple(one(value) for value in row) for row in rows), key=repr)


def test_third_engine(spark: Any) -> None:
    """DuckDB, which shares nothing with Sail, gives the same rows wherever sqlglot can express the query there."""
    import duckdb
    from sqlglot.errors import SqlglotError

    duck = duckdb.connect(config={"threads": 1})
    duck.execute("SET TimeZone = 'UTC'; ATTACH ':memory:' AS dev; CREATE SCHEMA IF NOT EXISTS dev.\"default\"")
    counts = {"compared": 0, "not expressible": 0}

    @given(data=st.data())
    @BOUNDED
    def compare(data: st.DataObject) -> None:
        typed, tables = random_specs.spec(data.draw), random_specs.tables(data.draw)
        text = target_query(typed, run_time=RUN_TIME)
        try:
            found = duck_rows(duck, text, tables)
        except (duckdb.Error, SqlglotError):
            counts["not expressible"] += 1
            return
        counts["compared"] += 1
        names = load(spark, tables)
        rows = rows_of(lambda: spark.sql(on_views(text, names)))
        assert rows is None or plain(found) == plain(rows), f"{plain(found)}\n{plain(rows or [])}\n{text}"

    compare()
    assert counts["compared"] >= 2 * counts["not expressible"], counts
