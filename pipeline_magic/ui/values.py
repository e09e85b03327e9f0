"""How a field's value is written in a text box, and read back.

Reading only turns text into plain data of the right shape; whether it fits the spec is the spec's to say.
"""

from __future__ import annotations

import json
import re
from typing import Literal, TypeAlias

from pydantic import JsonValue

__all__ = ["Kind", "read", "shown"]

Kind: TypeAlias = Literal[
    "text",
    "long",
    "bool",
    "enum",
    "integer",
    "number",
    "scalar",
    "column",
    "table",
    "node",
    "columns",
    "list",
    "scalars",
    "keys",
    "order",
    "json",
]

_ITEM = re.compile(r'\s*("(?:[^"\\]|\\.)*"|`(?:[^`]|``)*`|[^,]*)\s*(?:,|$)')
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\Z")


def shown(kind: Kind, value: JsonValue) -> str:
    """The value as a person would type it.

    >>> shown("columns", ["a", "b,c"]), shown("keys", [{"left": "x", "right": "y"}]), shown("number", None)
    ('a, `b,c`', 'x = y', '')
    """
    if value is None or value == []:
        return ""
    if kind == "bool":
        return "yes" if value else "no"
    if isinstance(value, list):
        if kind == "keys":
            return ", ".join(f"{_named(key, 'left')} = {_named(key, 'right')}" for key in value)
        if kind == "order":
            return ", ".join(map(_order_text, value))
        return ", ".join(_item_text(item, scalars=kind == "scalars") for item in value)
    if kind == "json" or isinstance(value, dict):
        return json.dumps(value)
    return _item_text(value, scalars=True) if kind == "scalar" else str(value)


def _named(value: JsonValue, key: str) -> str:
    return _item_text(value.get(key), scalars=False) if isinstance(value, dict) else str(value)


def _order_text(value: JsonValue) -> str:
    if not isinstance(value, dict):
        return str(value)
    tail = (" desc" if value.get("descending") else "") + (" nulls first" if value.get("nulls_first") else "")
    return _named(value, "column") + tail


def _item_text(value: JsonValue, *, scalars: bool) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if scalars:
        return json.dumps(value, ensure_ascii=False) if _needs_quotes(value) else value
    return "`" + value.replace("`", "``") + "`" if re.search(r"[,`=\s\"]", value) else value


def _needs_quotes(text: str) -> bool:
    return bool(
        re.search(r'[,"`]', text) or _NUMBER.match(text) or text in {"true", "false", ""} or text != text.strip()
    )


def read(kind: Kind, text: str | bool | None) -> JsonValue:
    """The value a person typed.

    Raises:
        ValueError: The text is not of the kind; the message says what is expected.

    >>> read("columns", "a, `b,c`"), read("scalars", 'x, 2, "2"'), read("number", "")
    (['a', 'b,c'], ['x', 2, '2'], None)
    """
    if isinstance(text, bool):
        return text
    typed = (text or "").strip()
    if kind in {"columns", "list"}:
        return [_unquoted(item) for item in _split(typed)]
    if kind == "scalars":
        return [_scalar(item) for item in _split(typed)]
    if kind == "keys":
        return [_key(item) for item in _split(typed)]
    if kind == "order":
        return [_order(item) for item in _split(typed)]
    if not typed:
        return None
    if kind == "integer":
        if not re.fullmatch(r"-?\d{1,18}", typed):
            raise ValueError(f"a whole number is expected, and {typed!r} is not one")
        return int(typed)
    if kind == "number":
        if not _NUMBER.match(typed):
            raise ValueError(f"a number such as 0.25 is expected, and {typed!r} is not one")
        return float(typed)
    if kind == "json":
        return _json(typed)
    return _scalar(typed) if kind == "scalar" else typed


def _json(text: str) -> JsonValue:
    try:
        made: JsonValue = json.loads(text)
    except ValueError:
        raise ValueError('JSON is expected, such as {"kind": "rows", "start": -6, "end": 0}') from None
    return made


def _split(text: str) -> list[str]:
    found, at = [], 0
    while at < len(text):
        match = _ITEM.match(text, at)
        if match is None or match.end() == at:
            raise ValueError(f"a list with commas is expected; it breaks off at {text[at : at + 20]!r}")
        if match.group(1).strip():
            found.append(match.group(1).strip())
        at = match.end()
    return found


def _unquoted(item: str) -> str:
    return item[1:-1].replace("``", "`") if len(item) > 1 and item[0] == item[-1] == "`" else item


def _scalar(item: str) -> JsonValue:
    if item in {"true", "false"} or _NUMBER.match(item) or item.startswith('"'):
        try:
            made: JsonValue = json.loads(item)
        except ValueError:
            raise ValueError(f"the quotes of {item!r} do not close") from None
        return made
    return item


def _key(item: str) -> JsonValue:
    left, equals, right = item.partition("=")
    if not (left.strip() and right.strip()) and equals:
        raise ValueError(f"keys are written `left = right`, and {item!r} is not")
    first = _unquoted(left.strip())
    return {"left": first, "right": _unquoted(right.strip()) if equals else first}


def _order(item: str) -> JsonValue:
    match = re.fullmatch(r"(.+?)(\s+(?:asc|desc))?(\s+nulls\s+first)?", item, re.IGNORECASE)
    if match is None:
        raise ValueError(f"an order is written `column desc`, and {item!r} is not")
    return {
        "column": _unquoted(match.group(1).strip()),
        "descending": (match.group(2) or "").strip().casefold() == "desc",
        "nulls_first": match.group(3) is not None,
    }
