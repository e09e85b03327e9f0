"""Spark SQL types: parsing, rendering, and the rules by which types combine.

Here: one frozen class for every type, the least common type of two, and decimal arithmetic as Apache Spark defines it
(`DecimalPrecision`; with ANSI mode on, as Databricks has it). Not here: which function takes which types; see
`functions`. Intervals exist as values of expressions only; no column may hold one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = [
    "BIGINT",
    "BOOLEAN",
    "DATE",
    "DOUBLE",
    "INT",
    "INTERVAL",
    "STRING",
    "TIMESTAMP",
    "VOID",
    "Type",
    "arithmetic",
    "array",
    "comparable",
    "common",
    "decimal_of",
    "parse_type",
]

_INTEGRAL = ("tinyint", "smallint", "int", "bigint")
_DIGITS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 20}
_MAX = 38
_ALIASES = {
    "byte": "tinyint",
    "short": "smallint",
    "integer": "int",
    "long": "bigint",
    "real": "float",
    "dec": "decimal",
    "numeric": "decimal",
    "timestamp_ltz": "timestamp",
    "varchar": "string",
    "char": "string",
    "character": "string",
    "text": "string",
    "null": "void",
}
_SIMPLE = (
    "boolean", *_INTEGRAL, "float", "double", "string", "binary", "date", "timestamp", "timestamp_ntz", "void",
    "variant",
)  # fmt: skip


@dataclass(frozen=True)
class Type:
    """One Spark type.

    Attributes:
        name: ``int``, ``decimal``, ``array``, ``map``, ``struct``, …
        precision: Of a decimal.
        scale: Of a decimal.
        parts: Element of an array; key and value of a map; types of a struct's fields.
        fields: Names of a struct's fields.
    """

    name: str
    precision: int = 0
    scale: int = 0
    parts: tuple[Type, ...] = ()
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.name == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.name == "struct":
            inner = ",".join(f"{_field(name)}:{part}" for name, part in zip(self.fields, self.parts, strict=True))
            return f"struct<{inner}>"
        if self.parts:
            return f"{self.name}<{','.join(str(part) for part in self.parts)}>"
        return self.name

    @property
    def integral(self) -> bool:
        return self.name in _INTEGRAL

    @property
    def numeric(self) -> bool:
        return self.integral or self.name in {"float", "double", "decimal"}

    @property
    def temporal(self) -> bool:
        return self.name in {"date", "timestamp", "timestamp_ntz"}

    @property
    def orderable(self) -> bool:
        """May stand in ORDER BY, MIN and a comparison."""
        if self.name in {"map", "variant", "interval"}:
            return False
        return all(part.orderable for part in self.parts)

    @property
    def ordered_by_entries(self) -> bool:
        """A map that has no order itself, but whose entries can be sorted and then compared."""
        return self.name == "map" and all(part.orderable for part in self.parts)

    @property
    def groupable(self) -> bool:
        """May stand in GROUP BY, a join key and DISTINCT."""
        return self.orderable and self.name != "void"


def _field(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else "`" + name.replace("`", "``") + "`"


BOOLEAN, INT, BIGINT, DOUBLE, STRING, DATE, TIMESTAMP, VOID, INTERVAL = (
    Type(name) for name in ("boolean", "int", "bigint", "double", "string", "date", "timestamp", "void", "interval")
)


def array(element: Type) -> Type:
    """An array of `element`."""
    return Type("array", parts=(element,))


# --- parsing -----------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"\s*(`(?:[^`]|``)+`|[A-Za-z_][A-Za-z0-9_]*|\d+|[<>(),:])")


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.at = text, [], 0
        place = 0
        while text[place:].strip():
            match = _TOKEN.match(text, place)
            if match is None:
                raise ValueError(f"{text!r} is not a Spark type")
            self.tokens.append(match.group(1))
            place = match.end()

    tokens: list[str]

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise ValueError(f"{self.text!r} is not a Spark type")
        self.at += 1
        return token

    def type(self, depth: int = 0) -> Type:
        if depth > 20:
            raise ValueError("a type nests at most 20 deep")
        name = self.take().lower()
        name = _ALIASES.get(name, name)
        if name == "decimal":
            return self.decimal()
        if name in {"array", "map"}:
            self.take("<")
            parts = [self.type(depth + 1)]
            if name == "map":
                self.take(",")
                parts.append(self.type(depth + 1))
            self.take(">")
            return Type(name, parts=tuple(parts))
        if name == "struct":
            return self.struct(depth)
        if name not in _SIMPLE:
            raise ValueError(f"{name!r} is not a Spark type")
        if name == "string" and self.peek() == "(":
            self.take("(")
            self.take()
            self.take(")")
        return Type(name)

    def decimal(self) -> Type:
        precision, scale = 10, 0
        if self.peek() == "(":
            self.take("(")
            precision = int(self.number())
            if self.peek() == ",":
                self.take(",")
                scale = int(self.number())
            self.take(")")
        if not 1 <= precision <= _MAX or not 0 <= scale <= precision:
            raise ValueError(f"a decimal has 1 to {_MAX} digits, of which at most all are after the point")
        return Type("decimal", precision, scale)

    def number(self) -> str:
        token = self.take()
        if not token.isdecimal():
            raise ValueError(f"{self.text!r} is not a Spark type")
        return token

    def struct(self, depth: int) -> Type:
        names: list[str] = []
        parts: list[Type] = []
        self.take("<")
        while self.peek() != ">":
            if names:
                self.take(",")
            name = self.take()
            names.append(name[1:-1].replace("``", "`") if name.startswith("`") else name)
            if self.peek() == ":":
                self.take(":")
            parts.append(self.type(depth + 1))
        self.take(">")
        return Type("struct", parts=tuple(parts), fields=tuple(names))


def parse_type(text: str) -> Type:
    """A type from its text.

    Raises:
        ValueError: Not a type Spark has for columns.

    >>> str(parse_type("ARRAY<STRUCT<a: INT, b: DECIMAL(10, 2)>>"))
    'array<struct<a:int,b:decimal(10,2)>>'
    """
    reader = _Reader(text)
    made = reader.type()
    if reader.peek():
        raise ValueError(f"{text!r} is not a Spark type")
    return made


# --- combining ---------------------------------------------------------------------------------------------------


def decimal_of(kind: Type, literal: str | None = None) -> Type | None:
    """The decimal that holds every value of an exact number type; of a literal only as many digits as it has."""
    if kind.name == "decimal":
        return kind
    if not kind.integral:
        return None
    digits = len(literal.lstrip("+-0")) or 1 if literal is not None else _DIGITS[kind.name]
    return Type("decimal", min(digits, _MAX), 0)


def common(left: Type, right: Type) -> Type | None:
    """The type that CASE, coalesce and UNION give to values of both; None where there is none."""
    if left == right:
        return left
    if left.name == "void":
        return right
    if right.name == "void":
        return left
    if left.numeric and right.numeric:
        return _common_number(left, right)
    if left.temporal and right.temporal:
        return Type("timestamp" if "timestamp" in {left.name, right.name} else "timestamp_ntz")
    if left.name == right.name and len(left.parts) == len(right.parts):
        parts = [common(one, other) for one, other in zip(left.parts, right.parts, strict=True)]
        if all(part is not None for part in parts):
            return Type(left.name, parts=tuple(part for part in parts if part), fields=left.fields)
    return None


def _common_number(left: Type, right: Type) -> Type:
    names = {left.name, right.name}
    if "double" in names or ("float" in names and ("decimal" in names or "bigint" in names or "int" in names)):
        return DOUBLE
    if "float" in names:
        return Type("float")
    if "decimal" in names:
        one, other = decimal_of(left), decimal_of(right)
        assert one is not None and other is not None
        scale = max(one.scale, other.scale)
        whole = max(one.precision - one.scale, other.precision - other.scale)
        return _bounded(whole + scale, scale)
    return Type(max(left.name, right.name, key=_INTEGRAL.index))


def comparable(left: Type, right: Type) -> bool:
    """Whether `=` and `<` between the two mean something without a cast."""
    found = common(left, right)
    return found is not None and found.orderable


def _bounded(precision: int, scale: int) -> Type:
    return Type("decimal", min(precision, _MAX), min(scale, _MAX))


def _adjusted(precision: int, scale: int) -> Type:
    """Digits after the point give way, down to six, when a result would need more than 38."""
    if precision <= _MAX:
        return Type("decimal", precision, scale)
    whole = precision - scale
    return Type("decimal", _MAX, max(_MAX - whole, min(scale, 6)))


def arithmetic(
    operator: str, left: Type, right: Type, left_literal: str | None = None, right_literal: str | None = None
) -> Type | None:
    """Type of ``left operator right`` for ``+ - * / % div``; None where Spark has no such operation.

    Args:
        left_literal: Text of the left operand where it is a whole-number literal (Spark gives it only its own digits).
        right_literal: The same of the right.
    """
    if left.name == "void" and right.name == "void":
        return DOUBLE if operator == "/" else INT
    left, right = (right if left.name == "void" else left), (left if right.name == "void" else right)
    if not (left.numeric and right.numeric):
        return _calendar(operator, left, right)
    if operator == "div":
        return None if {left.name, right.name} & {"float", "double"} else BIGINT
    decimals = "decimal" in {left.name, right.name} and not {left.name, right.name} & {"float", "double"}
    if not decimals:
        return DOUBLE if operator == "/" else _common_number(left, right)
    one, other = decimal_of(left, left_literal), decimal_of(right, right_literal)
    assert one is not None and other is not None
    p1, s1, p2, s2 = one.precision, one.scale, other.precision, other.scale
    if operator in "+-":
        scale = max(s1, s2)
        return _adjusted(max(p1 - s1, p2 - s2) + scale + 1, scale)
    if operator == "*":
        return _adjusted(p1 + p2 + 1, s1 + s2)
    if operator == "/":
        scale = max(6, s1 + p2 + 1)
        return _adjusted(p1 - s1 + s2 + scale, scale)
    scale = max(s1, s2)
    return _adjusted(min(p1 - s1, p2 - s2) + scale, scale)


def _calendar(operator: str, left: Type, right: Type) -> Type | None:
    if operator not in "+-":
        return None
    if left.temporal and right.name == "interval":
        return left
    if operator == "+" and left.name == "interval" and right.temporal:
        return right
    if left.name == "interval" and right.name == "interval":
        return INTERVAL
    return None
