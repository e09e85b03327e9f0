"""Spark SQL run in DuckDB, through sqlglot: tables of a case once, then any number of queries over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.compiled import Table, rows_sql


class NotExpressible(Exception):
    """sqlglot or DuckDB has no such thing."""


class InDuck:
    """One DuckDB in memory."""

    def __init__(self) -> None:
        import duckdb

        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute("SET TimeZone = 'UTC'; ATTACH ':memory:' AS dev; CREATE SCHEMA dev.\"default\"")

    def load(self, tables: Mapping[str, Table]) -> None:
        """The tables under their own names."""
        import sqlglot

        for table in tables.values():
            name = ".".join(f'"{part}"' for part in table.schema.table.split("."))
            made = sqlglot.transpile(rows_sql(table), read="databricks", write="duckdb")[0]
            self.connection.execute(f"CREATE OR REPLACE TABLE {name} AS {made}")

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        """Rows of a Spark query.

        Raises:
            NotExpressible: There is no such thing in DuckDB.
        """
        import duckdb
        import sqlglot
        from sqlglot.errors import SqlglotError

        try:
            tree = sqlglot.parse_one(text, read="databricks").transform(_counting)
            return list(self.connection.execute(tree.sql(dialect="duckdb")).fetchall())
        except (duckdb.Error, SqlglotError) as error:
            raise NotExpressible(str(error)) from None


def _counting(node: Any) -> Any:
    """DuckDB's count_if is NULL over no rows, where Spark's is 0."""
    from sqlglot import exp

    if isinstance(node, exp.CountIf):
        return exp.Count(this=exp.Case(ifs=[exp.If(this=node.this.copy(), true=exp.Literal.number(1))]))
    return node
