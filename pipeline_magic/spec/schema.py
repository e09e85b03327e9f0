"""Tables as a catalog describes them: the facts a spec is checked against.

Here: columns, table schemas and their keys, as frozen models. Types are Spark SQL type names in lower case
(``bigint``, ``decimal(15,2)``, ``array<struct<a:int>>``). Not here: how a catalog is asked; see `ports.Catalog`.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["Column", "ForeignKey", "Model", "TableSchema"]


class Model(BaseModel):
    """Base of every model here: frozen, closed, compared by value."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Column(Model):
    """One column: name as the catalog spells it, Spark type in lower case, and whether NULL may occur."""

    name: str
    type: str
    nullable: bool = True
    comment: str = ""


class ForeignKey(Model):
    """A declared reference: `columns` of this table point at `to_columns` of table `to_table`."""

    columns: tuple[str, ...]
    to_table: str
    to_columns: tuple[str, ...]


class TableSchema(Model):
    """What a catalog knows of one table or view.

    Attributes:
        table: Full name, ``catalog.schema.table``.
        columns: In the table's order.
        primary_key: Declared key columns; empty where none is declared (many real catalogs declare none).
        unique_keys: Other column sets declared or known to be unique.
        rows: Number of rows from statistics, when known without a scan.
        bytes: Size in bytes from statistics, when known.
        version: A token that changes when the data changes (Delta: the version number as text).
        last_modified: Last commit, ISO 8601 in UTC, when known.
    """

    table: str
    columns: tuple[Column, ...]
    comment: str = ""
    kind: str = "table"
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    owner: str = ""
    tags: dict[str, str] = {}
    rows: int | None = None
    bytes: int | None = None
    version: str | None = None
    last_modified: str | None = None

    def column(self, name: str) -> Column | None:
        """The column of that name, compared as Spark does: without regard to case."""
        wanted = name.casefold()
        return next((column for column in self.columns if column.name.casefold() == wanted), None)

    def shape(self) -> dict[str, Any]:
        """What a plan rests on: name, columns and keys as plain data, without statistics, comments and times."""
        return {
            "table": self.table,
            "columns": [[column.name, column.type, column.nullable] for column in self.columns],
            "keys": [list(self.primary_key), *[list(key) for key in self.unique_keys]],
        }
