"""Values of a Spark session into those that every engine gives. Pure.

Spark gives the same value in several forms: a row of a classic session has times without a zone in that of this
process, an Arrow table has them in that of the session, and maps as lists of pairs. Not here: how rows are fetched; see
`session`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

__all__ = ["value_reader"]


def value_reader(kind: Any) -> Callable[[Any], Any]:
    """What turns a value of that Spark type into a plain Python value.

    Times are in UTC, those without a zone stay so; structs and maps are dicts, arrays lists. The hour that comes twice
    when clocks go back cannot be told apart in a classic session before Spark 4, unless its process is in UTC, as a
    driver is.

    Args:
        kind: A `pyspark.sql.types.DataType`.
    """
    name = kind.typeName() if hasattr(kind, "typeName") else ""
    if name == "timestamp":
        return _moment
    if name == "array":
        one = value_reader(kind.elementType)
        return lambda value: None if value is None else [one(item) for item in value]
    if name == "map":
        keys, held = value_reader(kind.keyType), value_reader(kind.valueType)
        return lambda value: None if value is None else {keys(key): held(item) for key, item in _pairs(value)}
    if name == "struct":
        fields = [(field.name, value_reader(field.dataType)) for field in kind.fields]
        return lambda value: None if value is None else _struct(value, fields)
    if name == "binary":
        return lambda value: None if value is None else bytes(value)
    return lambda value: value


def _moment(value: Any) -> Any:
    """A time in UTC; one without a zone is in this process' own."""
    return value.astimezone(timezone.utc) if isinstance(value, datetime) else value


def _pairs(value: Any) -> Any:
    return value.items() if isinstance(value, Mapping) else value


def _struct(value: Any, fields: list[tuple[str, Callable[[Any], Any]]]) -> dict[str, Any]:
    """A struct of an Arrow table is a dict, that of a row a tuple."""
    if isinstance(value, Mapping):
        return {name: read(value.get(name)) for name, read in fields}
    return {name: read(item) for (name, read), item in zip(fields, value, strict=True)}
