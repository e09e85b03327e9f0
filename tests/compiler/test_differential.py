"""Random specs over random data: the notebook's rows are those of the SQL form, and those of a third engine."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping
from typing import Any

import pytest

from pipeline_magic.compiler.ipynb import cells
from pipeline_magic.compiler.pyspark import program
from pipeline_magic.compiler.python import variables
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.spec.typed import TypedSpec
from tests.support.compiled import RUN_TIME, Dbutils, Table, comparable_rows, rows_sql
from tests.support.random_runs import SHARDS, run, tell

pytestmark = pytest.mark.engine


def notebook_cells(typed: TypedSpec) -> list[str]:
    """The notebook's code up to the frame that it writes, its `drop` expectations applied, without what it stages."""
    [parameters] = [cell for cell in cells(typed) if cell.id == "parameters"]
    return [parameters.source, *(cell.source for cell in program(typed).cells)]


def transformed(typed: TypedSpec, spark: Any, names: Mapping[str, str]) -> Any:
    """The DataFrame that the notebook would write."""
    parameters = {"run_time": RUN_TIME, **{f"source_{alias}": name for alias, name in names.items()}}
    space: dict[str, Any] = {"spark": spark, "dbutils": Dbutils(parameters)}
    for source in notebook_cells(typed):
        exec(compile(source, "notebook", "exec"), space)
    columns = [f"`{column.name}`" for column in typed.node(typed.spec.target.input).columns]
    return space[variables(typed)[typed.spec.target.input]].select(*columns)


def load(spark: Any, tables: Mapping[str, Table]) -> dict[str, str]:
    """The tables as temporary views."""
    for alias, table in tables.items():
        spark.sql(rows_sql(table)).createOrReplaceTempView(f"random_{alias}")
    return {alias: f"random_{alias}" for alias in tables}


SAIL_BUGS = (
    "Physical input schema should be the same",
    "panicked with message",
    "likely caused by a bug in DataFusion",
    "does not satisfy order requirements",
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


@pytest.mark.parametrize("shard", SHARDS)
def test_notebook_equals_sql(shard: int, spark: Any) -> None:
    """Both forms give the same rows on Sail, whatever the steps and the data."""
    counts = {"compared": 0, "engine failed": 0}

    def compare(typed: TypedSpec, tables: Mapping[str, Table]) -> None:
        names = load(spark, tables)
        text = on_views(target_query(typed, run_time=RUN_TIME), names)
        expected = rows_of(lambda: spark.sql(text))
        found = rows_of(lambda: transformed(typed, spark, names))
        if expected is None or found is None:
            counts["engine failed"] += 1
            return
        counts["compared"] += 1
        assert comparable_rows(found) == comparable_rows(expected)

    run(shard, compare)
    assert counts["compared"] >= 20 * counts["engine failed"], counts
    tell(f"notebook and SQL form on Sail, shard {shard}: {counts}")


def on_views(text: str, names: Mapping[str, str]) -> str:
    """The query over temporary views, whose names have one part."""
    for alias, name in names.items():
        text = text.replace(f"FROM dev.default.{alias}", f"FROM {name}")
    return text


class NotExpressible(Exception):
    """sqlglot or DuckDB has no such thing."""


def duck_rows(duck: Any, text: str, tables: Mapping[str, Table]) -> list[tuple[Any, ...]]:
    """Rows of a Spark query in DuckDB, translated by sqlglot.

    Raises:
        NotExpressible: It cannot be said there.
    """
    import duckdb
    import sqlglot
    from sqlglot.errors import SqlglotError

    for alias, table in tables.items():
        made = sqlglot.transpile(rows_sql(table), read="databricks", write="duckdb")[0]
        duck.execute(f'CREATE OR REPLACE TABLE dev."default".{alias} AS {made}')
    try:
        tree = sqlglot.parse_one(text, read="databricks").transform(_as_in_spark)
        return list(duck.execute(tree.sql(dialect="duckdb")).fetchall())
    except (duckdb.Error, SqlglotError) as error:
        raise NotExpressible from error


def _as_in_spark(node: Any) -> Any:
    """What sqlglot translates by its name alone, although DuckDB means another thing by it."""
    from sqlglot import exp

    if isinstance(node, exp.CountIf):  # NULL over no rows, where Spark's is 0
        return exp.Count(this=exp.Case(ifs=[exp.If(this=node.this.copy(), true=exp.Literal.number(1))]))
    if isinstance(node, exp.Lateral) and node.args.get("outer"):  # sqlglot forgets that it is
        raise NotExpressible
    if isinstance(node, exp.ArrayDistinct):  # there without NULLs, and in any order
        raise NotExpressible
    if isinstance(node, exp.DayOfWeek):  # from 0, where Spark counts from 1
        return exp.paren(exp.Add(this=exp.func("isodow", node.this.copy()) % 7, expression=exp.Literal.number(1)))
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
        if type(value) is datetime.date:  # date_trunc and the like give one or the other
            return datetime.datetime(value.year, value.month, value.day)
        if isinstance(value, dict) or hasattr(value, "asDict"):  # a map; a struct of DuckDB's; a Row of Spark's
            pairs = value.asDict() if hasattr(value, "asDict") else value
            return tuple(sorted((key, one(item)) for key, item in pairs.items()))
        return tuple(one(item) for item in value) if isinstance(value, list) else value

    return sorted((tuple(one(value) for value in row) for row in rows), key=repr)


@pytest.mark.parametrize("shard", SHARDS)
def test_third_engine(shard: int, spark: Any) -> None:
    """DuckDB, which shares nothing with Sail, gives the same rows wherever sqlglot can express the query there."""
    import duckdb

    duck = duckdb.connect(config={"threads": 1})
    duck.execute("SET TimeZone = 'UTC'; ATTACH ':memory:' AS dev; CREATE SCHEMA IF NOT EXISTS dev.\"default\"")
    counts = {"compared": 0, "not expressible": 0}

    def compare(typed: TypedSpec, tables: Mapping[str, Table]) -> None:
        text = target_query(typed, run_time=RUN_TIME)
        try:
            found = duck_rows(duck, text, tables)
        except NotExpressible:
            counts["not expressible"] += 1
            return
        counts["compared"] += 1
        names = load(spark, tables)
        rows = rows_of(lambda: spark.sql(on_views(text, names)))
        assert rows is None or plain(found) == plain(rows), f"{plain(found)}\n{plain(rows or [])}\n{text}"

    run(100 + shard, compare)
    assert counts["compared"] >= 2 * counts["not expressible"], counts
    tell(f"SQL form on Sail and on DuckDB, shard {shard}: {counts}")
