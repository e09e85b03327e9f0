"""Texts of a result become values of their types; what is no value of its type stays as it came."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from pipeline_magic.adapters.databricks.values import reader, spark_type

UTC = timezone.utc
DIGITS = "12345678901234567890.123456789012345678"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("TINYINT", "-7", -7),
        ("BIGINT", "9223372036854775807", 9223372036854775807),
        ("DOUBLE", "1.0E10", 1e10),
        ("FLOAT", "-Infinity", -math.inf),
        ("DECIMAL(38,18)", DIGITS, Decimal(DIGITS)),
        ("BOOLEAN", "false", False),
        ("STRING", "null", "null"),
        ("STRING", "", ""),
        ("DATE", "2024-02-29", date(2024, 2, 29)),
        ("TIMESTAMP", "2024-01-02T03:04:05.678Z", datetime(2024, 1, 2, 3, 4, 5, 678000, UTC)),
        ("TIMESTAMP", "2024-01-02 03:04:05.123456789+05:30", datetime(2024, 1, 1, 21, 34, 5, 123456, UTC)),
        ("TIMESTAMP_NTZ", "2024-01-02T03:04:05", datetime(2024, 1, 2, 3, 4, 5)),
        ("BINARY", "AAH/", b"\x00\x01\xff"),
        ("VARIANT", '{"a":1}', '{"a":1}'),
        ("INTERVAL DAY TO SECOND", "1 00:00:00", "1 00:00:00"),
        ("VOID", None, None),
        ("ARRAY<INT>", '["1",2,null]', [1, 2, None]),
        ("ARRAY<DECIMAL(20,10)>", "[1.1234567890]", [Decimal("1.1234567890")]),
        ("MAP<INT, DATE>", '{"1":"2024-01-02"}', {1: date(2024, 1, 2)}),
        (
            "STRUCT<Id: BIGINT, parts: ARRAY<STRUCT<x: DOUBLE, ok: BOOLEAN>>>",
            '{"Id":"1","parts":[{"x":"NaN","ok":"true"},{"x":2.5,"ok":true}]}',
            {"Id": 1, "parts": [{"x": math.nan, "ok": True}, {"x": 2.5, "ok": True}]},
        ),
    ],
)  # fmt: skip
def test_values(kind: str, text: str | None, value: Any) -> None:
    """Each type is read from the text Databricks writes for it, in nested values too."""
    assert repr(reader(kind)(text)) == repr(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("DATE", "12000-01-01"),
        ("TIMESTAMP", "-0044-03-15T12:00:00Z"),
        ("INT", "abc"),
        ("BINARY", "no base64!"),
        ("ARRAY<INT>", "[1,"),
        ("BOOLEAN", "maybe"),
        ("DECIMAL(10,2)", "1,50"),
    ],
)
def test_what_cannot_be_held(kind: str, text: str) -> None:
    """A text that is no value of its type is neither changed nor an error."""
    assert reader(kind)(text) == text


def test_zone() -> None:
    """A timestamp without a zone is one of the session's zone."""
    assert reader("TIMESTAMP", timezone(timedelta(hours=-8)))("2024-01-01T00:00:00") == datetime(
        2024, 1, 1, 8, tzinfo=UTC
    )


def test_types() -> None:
    """Types are written as everywhere; names of fields keep their case."""
    assert spark_type("STRUCT<Id: BIGINT, b: MAP<STRING, DECIMAL(10, 2)>>") == (
        "struct<Id:bigint,b:map<string,decimal(10,2)>>"
    )
