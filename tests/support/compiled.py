"""Cases of the compiler's tests: folders of a spec and its tables, and running what was compiled from them.

A case is a folder below ``tests/golden``: ``spec.yml``, ``tables.yml`` (columns, keys and rows of each source, and the
target where it exists already) and what the compiler must make of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline_magic.compiler.ipynb import python_source
from pipeline_magic.compiler.specfile import read_spec
from pipeline_magic.spec.dialect import identifier
from pipeline_magic.spec.literals import sql_literal
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.spec.typed import TypedSpec, type_spec
from pipeline_magic.spec.types import parse_type

GOLDEN = Path(__file__).parent.parent / "golden"
RUN_TIME = "2024-03-10T06:30:00+00:00"


@dataclass(frozen=True)
class Table:
    """A table of a case: its schema and its rows."""

    schema: TableSchema
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Case:
    """A golden case."""

    name: str
    folder: Path
    spec: PipelineSpec
    tables: Mapping[str, Table]

    def typed(self) -> TypedSpec:
        """The typed spec."""
        return type_spec(self.spec, {alias: table.schema for alias, table in self.tables.items()})


def make_table(name: str, columns: str, rows: Sequence[Sequence[Any]], keys: Sequence[Sequence[str]] = ()) -> Table:
    """A table from ``name type, name type!``; ``!`` means: never NULL."""
    made = []
    for part in split_columns(columns):
        column, kind = part.split(None, 1)
        made.append(Column(name=column, type=kind.rstrip("!").strip(), nullable=not kind.endswith("!")))
    schema = TableSchema(table=name, columns=tuple(made), unique_keys=tuple(tuple(key) for key in keys))
    return Table(schema, tuple(tuple(row) for row in rows))


def split_columns(text: str) -> list[str]:
    """Split at commas that stand in no bracket."""
    parts, depth, start = [], 0, 0
    for index, char in enumerate(text):
        depth += (char in "<(") - (char in ">)")
        if char == "," and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]


def load_case(folder: Path) -> Case:
    """The case in a folder."""
    spec = read_spec((folder / "spec.yml").read_text("utf-8"))
    data = yaml.safe_load((folder / "tables.yml").read_text("utf-8"))
    names = {source.alias: source.table for source in spec.sources}
    tables = {
        alias: make_table(names[alias], item["columns"], item["rows"], item.get("keys", ()))
        for alias, item in data.items()
    }
    return Case(folder.name, folder, spec, tables)


def cases() -> list[Case]:
    """Every golden case, by name."""
    return [load_case(folder) for folder in sorted(GOLDEN.iterdir()) if (folder / "spec.yml").exists()]


def value_sql(value: Any, kind: str) -> str:
    """A value as SQL of exactly that type; a text that starts with ``sql:`` is taken as it is."""
    if value is None:
        return f"CAST(NULL AS {kind})"
    if isinstance(value, str) and value.startswith("sql:"):
        return f"CAST({value[4:]} AS {kind})"
    return f"CAST({sql_literal(value, parse_type(kind))} AS {kind})"


def rows_sql(table: Table) -> str:
    """A SELECT that gives the rows of a table."""
    columns = table.schema.columns
    # the empty branch makes every column nullable, as a catalog's are; Sail takes literals for NOT NULL
    empty = "SELECT " + ", ".join(f"CAST(NULL AS {c.type}) AS {identifier(c.name)}" for c in columns)
    return f"{empty} WHERE 1 = 0" + "".join(
        " UNION ALL SELECT "
        + ", ".join(f"{value_sql(v, c.type)} AS {identifier(c.name)}" for v, c in zip(row, columns, strict=True))
        for row in table.rows
    )


class _Exit(Exception):
    pass


class Dbutils:
    """What the notebook asks of `dbutils`: widgets with defaults, and an exit that carries a text."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self.parameters = dict(parameters)
        self.defaults: dict[str, str] = {}
        self.widgets = self
        self.notebook = self

    def text(self, name: str, default: str) -> None:
        """Declare a widget."""
        self.defaults[name] = default

    def get(self, name: str) -> str:
        """Its value; a widget that was not declared is an error, as on Databricks."""
        return self.parameters.get(name, self.defaults[name])

    def exit(self, text: str) -> None:
        """End the notebook."""
        raise _Exit(text)


def run_notebook(typed: TypedSpec, spark: Any, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Run the code cells of the compiled notebook and return its report."""
    space = {"spark": spark, "dbutils": Dbutils(parameters), "__name__": "notebook"}
    try:
        exec(compile(python_source(typed), f"{typed.spec.name}.ipynb", "exec"), space)
    except _Exit as end:
        return dict(json.loads(str(end)))
    raise AssertionError("the notebook ended without a report")


def comparable_rows(rows: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Rows as sorted tuples of comparable values: floats rounded to 9 digits, NaN as a word."""
    return sorted((tuple(_plain(value) for value in row) for row in rows), key=repr)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return "NaN" if value != value else float(f"{value:.9g}")
    if isinstance(value, dict):
        return tuple(sorted((key, _plain(item)) for key, item in value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(_plain(item) for item in value)
    return value
