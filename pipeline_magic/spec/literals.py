"""Literal values of a spec as Spark SQL, in the type of the column they meet. Pure.

In a spec dates, timestamps and decimals are texts. Here each becomes a typed literal, or is refused with a reason; no
text of a spec reaches SQL in another way.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from pipeline_magic.spec.types import Type

__all__ = ["sql_literal", "sql_text"]

_BOUNDS = {"tinyint": 7, "smallint": 15, "int": 31, "bigint": 63}


def sql_text(text: str) -> str:
    """A text literal, safe in Spark SQL.

    >>> print(sql_text("it's"))
    'it\\\\'s'
    """
    made = text.replace("\\", "\\\\").replace("'", "\\'")
    for char, escape in (("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r"), ("\0", "\\0")):
        made = made.replace(char, escape)
    return f"'{made}'"


def sql_literal(value: bool | int | float | str, kind: Type) -> str:
    """A value as a literal of type `kind`.

    Raises:
        ValueError: The value is none of that type; the message says what would be.

    >>> from pipeline_magic.spec.types import parse_type
    >>> sql_literal("2024-01-31", parse_type("date"))
    "DATE '2024-01-31'"
    """
    if kind.name == "boolean":
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        raise ValueError(f"{value!r} is neither true nor false")
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no value of type {kind}")
    if kind.name == "string":
        if isinstance(value, str):
            return sql_text(value)
        raise ValueError(f"{value!r} is no text; write it in quotes")
    if kind.temporal:
        return _temporal(value, kind)
    if kind.numeric:
        return _number(value, kind)
    raise ValueError(f"there are no literals of type {kind}")


def _temporal(value: int | float | str, kind: Type) -> str:
    try:
        if not isinstance(value, str):
            raise ValueError
        if kind.name == "date":
            return f"DATE '{date.fromisoformat(value.strip()).isoformat()}'"
        moment = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    except ValueError:
        example = "2024-01-31" if kind.name == "date" else "2024-01-31 06:00:00"
        raise ValueError(f"{value!r} is no {kind}; write it as {example}") from None
    if kind.name == "timestamp_ntz":
        return f"CAST('{moment.replace(tzinfo=None).isoformat(' ')}' AS TIMESTAMP_NTZ)"
    return f"TIMESTAMP '{moment.isoformat(' ')}'"


def _number(value: int | float | str, kind: Type) -> str:
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError(f"{value!r} is no number") from None
    if not number.is_finite():
        raise ValueError(f"{value!r} is no number")
    if kind.integral:
        if number != number.to_integral_value():
            raise ValueError(f"{value!r} is no whole number, and the column is of type {kind}")
        bound = 2 ** _BOUNDS[kind.name]
        if not -bound <= number < bound:
            raise ValueError(f"{value!r} does not fit into {kind}")
        whole = str(int(number))
        return (
            whole
            if kind.name == "int" or (kind.name == "bigint" and abs(int(number)) >= 2**31)
            else (f"CAST({whole} AS {kind.name.upper()})")
        )
    if kind.name == "decimal":
        exponent = number.as_tuple().exponent
        scale = -exponent if isinstance(exponent, int) and exponent < 0 else 0
        if scale > kind.scale or abs(number) >= Decimal(10) ** (kind.precision - kind.scale):
            raise ValueError(f"{value!r} does not fit into {kind}")
        return f"CAST({format(number, 'f')} AS {str(kind).upper()})"
    return f"CAST({format(number, 'f') if abs(number) < 10**15 else repr(float(number))} AS {kind.name.upper()})"
