"""Which casts Spark has at all, and what rounding makes of a decimal."""

from __future__ import annotations

from sqlglot import exp

from pipeline_magic.spec.types import BOOLEAN, STRING, VOID, Type

__all__ = ["castable", "rounded"]


def rounded(kind: Type, digits: str | None, node: exp.Anonymous) -> Type:
    """Spark's RoundBase: a decimal keeps the digits asked for, and one more before the point."""
    if kind.name != "decimal":
        return kind
    places = int(digits or "0")
    if len(node.expressions) > 1 and isinstance(node.expressions[1], exp.Neg):
        places = -places
    whole = kind.precision - kind.scale + 1
    if places < 0:
        return Type("decimal", min(38, max(whole, 1 - places)), 0)
    scale = min(kind.scale, places)
    return Type("decimal", min(38, whole + scale), scale)


def castable(source: Type, wanted: Type) -> bool:
    """Whether Spark with ANSI mode has such a cast at all."""
    if STRING in (source, wanted) or source in (VOID, wanted):
        return wanted.name != "interval" and not (source == STRING and bool(wanted.parts))
    if source.parts or wanted.parts:
        if source.name != wanted.name or len(source.parts) != len(wanted.parts):
            return False
        return all(castable(one, other) for one, other in zip(source.parts, wanted.parts, strict=True))
    if source.numeric:
        return wanted.numeric or wanted == BOOLEAN or wanted.name == "timestamp"
    if source == BOOLEAN:
        return wanted.numeric
    if source.temporal:
        return wanted.temporal or (source.name == "timestamp" and wanted.numeric)
    return False
