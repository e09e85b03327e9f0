"""Identifiers: table names of three parts, and quoting. Pure; the one place that knows the backtick."""

from __future__ import annotations

import re

__all__ = ["join_table", "quote", "quote_table", "slug", "split_table"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_PART = re.compile(r"`(?:[^`]|``)+`|[^.`]+")


def split_table(name: str) -> tuple[str, str, str]:
    """Split ``catalog.schema.table``; a part may stand in backticks.

    Raises:
        ValueError: Not three parts, an empty part, or a control character in one.

    >>> split_table("main.sales.`odd.name`")
    ('main', 'sales', 'odd.name')
    """
    parts: list[str] = []
    rest = name.strip()
    while rest:
        match = _PART.match(rest)
        if match is None:
            break
        part = match.group()
        if part.startswith("`"):
            part = part[1:-1].replace("``", "`")
        parts.append(part)
        rest = rest[match.end() :]
        if not rest:
            break
        if not rest.startswith(".") or rest == ".":
            parts = []
            break
        rest = rest[1:]
    if len(parts) != 3 or any(not part.strip() or part != part.strip() for part in parts):
        raise ValueError(f"a table is named `catalog.schema.table`, and {name!r} is not")
    if any(ord(char) < 32 or ord(char) == 127 for part in parts for char in part):
        raise ValueError(f"a table name holds no control characters, and {name!r} does")
    if any(len(part) > 255 for part in parts):
        raise ValueError("each part of a table name is at most 255 characters long")
    if any("/" in part or "\\" in part or part in {".", ".."} for part in parts):
        raise ValueError(f"a table name holds no slash, and {name!r} does")
    return parts[0], parts[1], parts[2]


def join_table(catalog: str, schema: str, table: str) -> str:
    """The canonical text of a table name: parts in backticks only where they must be.

    >>> join_table("main", "sales", "odd name")
    'main.sales.`odd name`'
    """
    return ".".join(part if _PLAIN.match(part) else quote(part) for part in (catalog, schema, table))


def quote(name: str) -> str:
    """One identifier in backticks, safe in Spark SQL.

    >>> quote("a`b")
    '`a``b`'
    """
    return "`" + name.replace("`", "``") + "`"


def quote_table(name: str) -> str:
    """A full table name with every part in backticks."""
    return ".".join(quote(part) for part in split_table(name))


def slug(text: str, fallback: str = "pipeline") -> str:
    """A lower-case identifier made of `text`: letters, digits and underscores, at most 63 characters.

    >>> slug("Top 10 customers, by region")
    'top_10_customers_by_region'
    """
    made = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")[:63].strip("_")
    if not made:
        return fallback
    return made if made[0].isalpha() else f"{fallback}_{made}"[:63].strip("_")
