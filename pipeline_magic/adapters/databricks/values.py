"""Texts of a statement's result into Python's values, by the types of its manifest. Pure.

A result in JSON holds a text or null for every value; a struct, array or map is one JSON text, in which numbers may
stand as numbers or as texts. A text that is not of its type (a date of the year 12000) stays a text: what cannot be
held is shown as it came, never changed. Not here: how results are fetched; see `statements`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from pipeline_magic.spec.types import Type, parse_type

__all__ = ["reader", "spark_type"]

_MOMENT = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?\s*(Z|UTC|[+-]\d{2}:?\d{2}(?::\d{2})?)?\Z"
)
_NESTED = ("array", "map", "struct")


def spark_type(text: str) -> str:
    """A type as it is written everywhere here; as Databricks writes it where it is none that columns of specs have.

    >>> spark_type("DECIMAL(10, 2)"), spark_type("INTERVAL DAY")
    ('decimal(10,2)', 'interval day')
    """
    try:
        return str(parse_type(text))
    except ValueError:
        return text.strip().lower()


def reader(text: str, zone: tzinfo = timezone.utc) -> Callable[[str | None], Any]:
    """What turns a text of a result into a value of that type.

    Args:
        text: The type, as the manifest has it.
        zone: Of timestamps that come without one.

    >>> reader("DECIMAL(10,2)")("1.50"), reader("BOOLEAN")("true"), reader("ARRAY<INT>")('["1",2,null]')
    (Decimal('1.50'), True, [1, 2, None])
    """
    try:
        kind = parse_type(text)
    except ValueError:
        kind = Type("struct") if text.strip().lower().startswith(_NESTED) else Type("string")

    def read(value: str | None) -> Any:
        if value is None:
            return None
        if kind.name not in _NESTED:
            return _scalar(value, kind, zone)
        try:
            return _value(json.loads(value, parse_float=str, parse_int=str), kind, zone)
        except ValueError:
            return value

    return read


def _value(value: Any, kind: Type, zone: tzinfo) -> Any:
    """A value of parsed JSON; numbers in it are texts still, so that no digit was lost."""
    if value is None:
        return None
    if kind.name == "array" and isinstance(value, list):
        return [_value(one, kind.parts[0], zone) for one in value]
    if kind.name == "map" and isinstance(value, dict):
        keys, held = kind.parts
        return {_value(key, keys, zone): _value(one, held, zone) for key, one in value.items()}
    if kind.name == "struct" and isinstance(value, dict):
        types = {name.casefold(): part for name, part in zip(kind.fields, kind.parts, strict=True)}
        return {
            name: _value(one, part, zone) if (part := types.get(name.casefold())) else one
            for name, one in value.items()
        }
    return value if isinstance(value, (list, dict)) else _scalar(value, kind, zone)


def _scalar(value: Any, kind: Type, zone: tzinfo) -> Any:
    if isinstance(value, bool) or not isinstance(value, str):
        return value
    try:
        if kind.integral:
            return int(value)
        if kind.name in ("float", "double"):
            return float(value)
        if kind.name == "decimal":
            return Decimal(value)
        if kind.name == "boolean":
            return {"true": True, "false": False}.get(value.lower(), value)
        if kind.name == "date":
            return date.fromisoformat(value)
        if kind.name in ("timestamp", "timestamp_ntz"):
            return _moment(value, zone if kind.name == "timestamp" else None)
        if kind.name == "binary":
            return base64.b64decode(value, validate=True)
    except (ValueError, InvalidOperation, OverflowError, binascii.Error):
        return value
    return value


def _moment(text: str, zone: tzinfo | None) -> datetime:
    """A timestamp in UTC, or without a zone where the type has none."""
    match = _MOMENT.match(text)
    if match is None:
        raise ValueError(text)
    year, month, day, hour, minute = (int(match[n]) for n in range(1, 6))
    micro = int((match[7] or "0").ljust(9, "0")[:6])
    plain = datetime(year, month, day, hour, minute, int(match[6] or 0), micro)
    if zone is None:
        return plain
    return plain.replace(tzinfo=_zone(match[8]) or zone).astimezone(timezone.utc)


def _zone(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    if text in ("Z", "UTC"):
        return timezone.utc
    digits = text[1:].replace(":", "").ljust(6, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:6]))
    return timezone(-offset if text[0] == "-" else offset)
