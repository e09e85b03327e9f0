"""What is compiled is run: the notebook on Sail, its rows against those of the SQL form, in every golden case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pipeline_magic.compiler.sql import query, target_query
from pipeline_magic.spec.typed import TypedSpec
from tests.support.compiled import RUN_TIME, Case, Table, cases, comparable_rows, rows_sql, run_notebook

pytestmark = pytest.mark.engine

CASES = cases()


def load(spark: Any, tables: Mapping[str, Table], prefix: str) -> dict[str, str]:
    """Write the tables of a case and return their names by alias."""
    names = {}
    for alias, table in tables.items():
        names[alias] = f"dev.default.{prefix}_{alias}"
        frame = spark.sql(rows_sql(table))
        frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(names[alias])
    return names


def parameters(typed: TypedSpec, names: Mapping[str, str], **more: str) -> dict[str, str]:
    """Widgets of a run: where to read, where to write, when it is."""
    return {"run_time": RUN_TIME, **{f"source_{alias}": name for alias, name in names.items()}, **more}


def held(spark: Any, table: str, typed: TypedSpec) -> list[tuple[Any, ...]]:
    """Rows of the target, in the columns of its input."""
    columns = [f"`{column.name}`" for column in typed.node(typed.spec.target.input).columns]
    return comparable_rows(spark.read.table(table).select(*columns).collect())


SAIL_DIFFERS = {
    "derive_dates": {("age", "bigint", "int")},
    "derive_numbers": {("third", "decimal(18,6)", "decimal(14,4)")},
    "derive_replace": {("price", "decimal(23,2)", "decimal(14,2)")},
    "window_share": {("share", "decimal(18,6)", "decimal(37,25)")},
}
"""Columns whose type on Sail is not that of Apache Spark, which typing follows: column, type on Sail, type on Spark."""

ROW_BY_ROW = [case for case in CASES if case.spec.target.mode == "overwrite" or case.name == "mode_append"]


@pytest.mark.parametrize("case", ROW_BY_ROW, ids=lambda case: case.name)
def test_notebook_equals_sql(case: Case, spark: Any) -> None:
    """The notebook leaves the very rows in the target that the SQL form selects, and again when it is run again."""
    typed = case.typed()
    names = load(spark, case.tables, case.name)
    expected = comparable_rows(spark.sql(target_query(typed, run_time=RUN_TIME, tables=names)).collect())
    first = run_notebook(typed, spark, parameters(typed, names))
    assert held(spark, case.spec.target.table, typed) == expected
    assert first["rows"] == len(expected)
    run_notebook(typed, spark, parameters(typed, names))
    assert held(spark, case.spec.target.table, typed) == expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_node_has_its_columns(case: Case, spark: Any) -> None:
    """The query of each source and step gives exactly the columns that typing says, of those types."""
    typed = case.typed()
    names = load(spark, case.tables, f"n_{case.name}")
    for node in typed.nodes:
        schema = spark.sql(query(typed, node.id, run_time=RUN_TIME, tables=names)).schema
        made = [(field.name, field.dataType.simpleString()) for field in schema]
        expected = [(column.name, column.type) for column in node.columns]
        differing = {
            (name, found, wanted) for (name, found), (_, wanted) in zip(made, expected, strict=True) if found != wanted
        }
        assert [name for name, _ in made] == [name for name, _ in expected], node.id
        assert differing <= SAIL_DIFFERS.get(case.name, set()), node.id
