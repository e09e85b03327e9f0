"""Typing rules: the type of a result from those of the arguments, as Apache Spark gives it; None where none fits."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_magic.spec.functions.model import Rule
from pipeline_magic.spec.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    STRING,
    TIMESTAMP,
    VOID,
    Type,
    arithmetic,
    array,
    common,
)

__all__: list[str] = []


def gives(kind: Type) -> Rule:
    return lambda arguments: kind


def same(index: int = 0) -> Rule:
    return lambda arguments: arguments[index]


def common_of(start: int = 0) -> Rule:
    def rule(arguments: Sequence[Type]) -> Type | None:
        found: Type | None = VOID
        for argument in arguments[start:]:
            found = common(found, argument) if found is not None else None
        return found

    return rule


def sum_of(arguments: Sequence[Type]) -> Type | None:
    kind = arguments[0]
    if kind.name == "decimal":
        return Type("decimal", min(38, kind.precision + 10), kind.scale)
    return BIGINT if kind.integral else DOUBLE


def average_of(arguments: Sequence[Type]) -> Type | None:
    kind = arguments[0]
    if kind.name == "decimal":
        return Type("decimal", min(38, kind.precision + 4), min(38, kind.scale + 4))
    return DOUBLE


def whole(arguments: Sequence[Type]) -> Type | None:
    """ceil and floor: bigint, or a decimal with no digits after the point and one more before it."""
    kind = arguments[0]
    if kind.name == "decimal":
        return Type("decimal", min(38, kind.precision - kind.scale + 1), 0)
    return BIGINT


def element(arguments: Sequence[Type]) -> Type | None:
    kind = arguments[0]
    return kind.parts[0] if kind.name == "array" else kind.parts[1] if kind.name == "map" else None


def lookup(arguments: Sequence[Type]) -> Type | None:
    kind, key = arguments
    if kind.name == "array":
        return kind.parts[0] if key.integral else None
    return kind.parts[1] if kind.name == "map" and common(kind.parts[0], key) is not None else None


def of_array(arguments: Sequence[Type]) -> Type | None:
    made = common_of()(arguments)
    return array(made) if made is not None else None


def array_of(index: int, kind: str) -> Rule:
    def rule(arguments: Sequence[Type]) -> Type | None:
        found = arguments[index]
        return array(found.parts[0 if kind == "key" else 1]) if found.name == "map" else None

    return rule


def contains(arguments: Sequence[Type]) -> Type | None:
    kind, item = arguments
    return BOOLEAN if kind.name == "array" and common(kind.parts[0], item) is not None else None


def branches(arguments: Sequence[Type]) -> Type | None:
    """if(condition, a, b)."""
    return common(arguments[1], arguments[2])


def calculated(operator: str) -> Rule:
    """That of the operator between two arguments."""
    return lambda arguments: arithmetic(operator, arguments[0], arguments[1])


def joined(arguments: Sequence[Type]) -> Type | None:
    """concat: of texts a text, of arrays an array."""
    if all(kind.name in {"array", "void"} for kind in arguments):
        return common_of()(arguments)
    if all(kind.name == "binary" for kind in arguments):
        return Type("binary")
    return STRING if not any(kind.parts or kind.name in {"binary", "variant"} for kind in arguments) else None


def turned(arguments: Sequence[Type]) -> Type | None:
    """reverse: of a text or an array."""
    kind = arguments[0]
    return kind if kind.name == "array" else None if kind.parts or kind.name in {"binary", "variant"} else STRING


def two_arrays(arguments: Sequence[Type]) -> Type | None:
    """An array of what is in both."""
    one, other = arguments
    made = common(one, other)
    return made if made is not None and made.name == "array" and made.orderable else None


def with_item(arguments: Sequence[Type]) -> Type | None:
    """An array and an item of it: the array."""
    kind, item = arguments[0], arguments[-1]
    made = common(kind.parts[0], item) if kind.name == "array" else None
    return array(made) if made is not None else None


def on_item(result: Type) -> Rule:
    """An array and an item of it: something else."""
    return lambda arguments: result if with_item(arguments) is not None else None


def sized(arguments: Sequence[Type]) -> Type | None:
    """size: of an array or a map."""
    return Type("int") if arguments[0].name in {"array", "map"} else None


def run_of(arguments: Sequence[Type]) -> Type | None:
    """sequence: from one whole number to another."""
    made = common_of()(arguments)
    return array(made) if made is not None and made.integral else None


def map_of(arguments: Sequence[Type]) -> Type | None:
    """map: keys and values in turn."""
    if len(arguments) % 2:
        return None
    key, value = common_of()(arguments[::2]), common_of()(arguments[1::2])
    return Type("map", parts=(key, value)) if key is not None and value is not None and key.orderable else None


def map_from_two(arguments: Sequence[Type]) -> Type | None:
    """map_from_arrays: an array of keys and one of values."""
    if any(kind.name != "array" for kind in arguments) or not arguments[0].parts[0].orderable:
        return None
    return Type("map", parts=(arguments[0].parts[0], arguments[1].parts[0]))


def entries(arguments: Sequence[Type]) -> Type | None:
    """map_entries: an array of structs."""
    return array(Type("struct", parts=arguments[0].parts, fields=("key", "value")))


def map_from_pairs(arguments: Sequence[Type]) -> Type | None:
    """map_from_entries: from an array of structs of two fields."""
    kind = arguments[0].parts[0] if arguments[0].name == "array" else VOID
    return Type("map", parts=kind.parts) if kind.name == "struct" and len(kind.parts) == 2 else None


def has_key(arguments: Sequence[Type]) -> Type | None:
    """map_contains_key."""
    return BOOLEAN if common(arguments[0].parts[0], arguments[1]) is not None else None


def as_json(arguments: Sequence[Type]) -> Type | None:
    """to_json: of a struct, an array, a map or a variant."""
    return STRING if arguments[0].parts or arguments[0].name == "variant" else None


def time_of(arguments: Sequence[Type]) -> Type | None:
    """to_timestamp: of a text, a date, a timestamp, or seconds."""
    kind = arguments[0]
    return TIMESTAMP if kind.temporal or kind.numeric or kind.name in {"string", "void"} else None


def bits(arguments: Sequence[Type]) -> Type | None:
    """Whole numbers alone have bits."""
    made = common_of()(arguments)
    return made if made is not None and made.integral else None
