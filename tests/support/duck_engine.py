"""An engine and a catalog in memory: Spark SQL turned into DuckDB's by sqlglot. For tests of logic, never for dialect.

A notebook is not run here; `notebook` is called in its place and may write tables with `execute`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import duckdb
import sqlglot

from pipeline_magic.errors import QueryFailed, TableNotFound
from pipeline_magic.ports import Rows
from pipeline_magic.runs import NotebookRun
from pipeline_magic.spec.names import quote_table, split_table
from pipeline_magic.spec.schema import Column, TableSchema

_TYPES = {"VARCHAR": "string", "INTEGER": "int", "HUGEINT": "decimal(38,0)", "TIMESTAMP WITH TIME ZONE": "timestamp"}


class DuckEngine:
    """Queries in DuckDB.

    Attributes:
        queries: Every query that was asked, as asked.
        refuse: Texts; a query that holds one of them fails.
        scratch: Names of the scratch schemas that are there.
        notebook: Called for `run_notebook` with (engine, parameters).
    """

    name = "DuckDB"
    no_notebooks = ""

    def __init__(self, notebook: Callable[[DuckEngine, Mapping[str, str]], NotebookRun] | None = None) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        self.queries: list[str] = []
        self.refuse: list[str] = []
        self.scratch: set[str] = set()
        self.notebook = notebook
        self._catalogs: set[str] = set()

    def execute(self, sql: str) -> Any:
        """One statement of Spark SQL."""
        text = sqlglot.transpile(sql, read="databricks", write="duckdb")[0]
        return self.connection.execute(text.replace("XXHASH64(", "HASH("))

    def create(self, table: str, columns: str, rows: list[tuple[Any, ...]]) -> TableSchema:
        """A table with rows; `columns` as in CREATE TABLE, in Spark's types. Returns what a catalog tells of it."""
        self._schema(*split_table(table)[:2])
        self.execute(f"CREATE TABLE {quote_table(table)} ({columns})")
        marks = _duck(quote_table(table))
        for row in rows:
            self.connection.execute(f"INSERT INTO {marks} VALUES ({', '.join('?' * len(row))})", list(row))
        found = self.query(f"SELECT * FROM {quote_table(table)}", limit=0)
        self.queries.clear()
        return TableSchema(table=table, columns=found.columns, rows=len(rows))

    def query(self, sql: str, *, limit: int = 1000, timeout: float = 600.0) -> Rows:
        self.queries.append(sql)
        for text in self.refuse:
            if text in sql:
                raise QueryFailed(f"The query failed: refused {text}")
        try:
            result = self.execute(sql)
            rows = result.fetchmany(limit + 1)
        except (duckdb.Error, sqlglot.ParseError) as error:
            raise QueryFailed(f"The query failed: {str(error).splitlines()[0]}") from error
        columns = tuple(Column(name=item[0], type=_spark(str(item[1]))) for item in result.description)
        return Rows(columns=columns, rows=tuple(rows[:limit]), truncated=len(rows) > limit)

    def run_notebook(self, notebook: str, parameters: Mapping[str, str], *, timeout: float = 3600.0) -> NotebookRun:
        assert self.notebook is not None
        return self.notebook(self, parameters)

    def create_scratch(self, run_id: str) -> str:
        schema = run_id.replace("-", "_")
        self._schema("scratch", schema)
        self.scratch.add(schema)
        return f"scratch.{schema}"

    def drop_scratch(self, run_id: str) -> None:
        schema = run_id.replace("-", "_")
        self.connection.execute(f"DROP SCHEMA IF EXISTS scratch.{schema} CASCADE")
        self.scratch.discard(schema)

    def left_scratch(self, run_ids: Sequence[str]) -> list[str]:
        return [run_id for run_id in run_ids if run_id.replace("-", "_") in self.scratch]

    def history(self, table: str) -> tuple[Any, ...]:
        return ()

    def restore(self, table: str, version: str) -> None:
        raise NotImplementedError

    def cancel(self) -> None:
        """Nothing runs longer than its call."""

    def close(self) -> None:
        self.connection.close()

    def _schema(self, catalog: str, schema: str) -> None:
        if catalog not in self._catalogs:
            self.connection.execute(f"ATTACH ':memory:' AS {catalog}")
            self._catalogs.add(catalog)
        self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {catalog}.{schema}")


class DuckCatalog:
    """What a catalog says of given tables; written at `at`."""

    name = "a catalog in memory"

    def __init__(self, *tables: TableSchema, at: str | None = None) -> None:
        self._tables = {table.table: table.model_copy(update={"last_modified": at}) for table in tables}

    def table(self, name: str) -> TableSchema:
        if name not in self._tables:
            raise TableNotFound(name)
        return self._tables[name]


def _duck(name: str) -> str:
    return sqlglot.parse_one(name, read="databricks", into=sqlglot.exp.Table).sql("duckdb")


def _spark(kind: str) -> str:
    return _TYPES.get(kind, kind.lower())


def utc(text: str) -> datetime:
    """A moment in UTC from ISO text."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
