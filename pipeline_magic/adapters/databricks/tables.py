"""What Unity Catalog's description of a table means. Pure.

Comments and properties are text that anybody with a table of their own can write: they are taken as data, cut to a
length, and a description that is not of the documented form gives less, never an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from pipeline_magic.adapters.databricks.values import spark_type
from pipeline_magic.redact import redact
from pipeline_magic.spec.names import join_table, split_table
from pipeline_magic.spec.schema import Column, ForeignKey, TableSchema

__all__ = ["DELTA_KINDS", "schema_of", "signature", "table_name"]

_KINDS = {
    "VIEW": "view",
    "METRIC_VIEW": "metric_view",
    "MATERIALIZED_VIEW": "materialized_view",
    "STREAMING_TABLE": "streaming_table",
    "FOREIGN": "foreign_table",
}
DELTA_KINDS = frozenset({"table", "materialized_view", "streaming_table"})
"""Kinds that may have a log of commits."""

_LONGEST = 4000


def table_name(info: Mapping[str, Any]) -> str:
    """Full name, ``catalog.schema.table``."""
    return join_table(str(info["catalog_name"]), str(info["schema_name"]), str(info["name"]))


def schema_of(info: Mapping[str, Any], tags: Mapping[str, str] | None = None, *, statistics: bool) -> TableSchema:
    """A table as the catalog describes it.

    Args:
        info: ``TableInfo`` of the REST API.
        tags: Of the table.
        statistics: With what the properties tell of rows, bytes and the last commit.
    """
    given = info.get("columns") or ()
    columns = sorted((one for one in given if one.get("name")), key=lambda one: int(one.get("position") or 0))
    constraints = [one for one in info.get("table_constraints") or () if isinstance(one, Mapping)]
    primary: Mapping[str, Any] = next((key for one in constraints if (key := one.get("primary_key_constraint"))), {})
    properties: Mapping[str, Any] = (info.get("properties") or {}) if statistics else {}
    version = properties.get("delta.lastUpdateVersion")
    return TableSchema(
        table=table_name(info),
        columns=tuple(_column(one) for one in columns),
        comment=_text(info.get("comment")),
        kind=_KINDS.get(str(info.get("table_type")), "table"),
        primary_key=tuple(str(name) for name in primary.get("child_columns") or ()),
        foreign_keys=tuple(_foreign(constraints)),
        owner=str(info.get("owner") or ""),
        tags={str(key): str(value) for key, value in (tags or {}).items()},
        rows=_number(properties.get("spark.sql.statistics.numRows")),
        bytes=_number(properties.get("spark.sql.statistics.totalSize")),
        version=str(version) if version is not None else None,
        last_modified=_moment(properties.get("delta.lastCommitTimestamp")),
    )


def signature(info: Mapping[str, Any]) -> str:
    """Changes when the description of a table changes; not with its rows."""
    parts = ("name", "table_id", "table_type", "updated_at", "comment")
    return "\x1f".join(str(info.get(part) or "") for part in parts)


def _column(info: Mapping[str, Any]) -> Column:
    return Column(
        name=str(info["name"]),
        type=spark_type(str(info.get("type_text") or info.get("type_name") or "string")),
        nullable=info.get("nullable") is not False,
        comment=_text(info.get("comment")),
    )


def _foreign(constraints: Iterable[Mapping[str, Any]]) -> Iterable[ForeignKey]:
    for one in constraints:
        key = one.get("foreign_key_constraint")
        if not isinstance(key, Mapping):
            continue
        try:
            parent = join_table(*split_table(str(key.get("parent_table"))))
        except ValueError:
            continue
        columns, others = key.get("child_columns") or (), key.get("parent_columns") or ()
        yield ForeignKey(columns=tuple(map(str, columns)), to_table=parent, to_columns=tuple(map(str, others)))


def _text(value: Any) -> str:
    text = str(value or "")
    return redact(text)[:_LONGEST] if text else ""


def _number(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else None


def _moment(milliseconds: Any) -> str | None:
    number = _number(milliseconds)
    if number is None or number > 253_402_300_799_000:
        return None
    return datetime.fromtimestamp(number / 1000, timezone.utc).isoformat().replace("+00:00", "Z")
