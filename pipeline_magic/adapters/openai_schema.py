"""A JSON schema as the strict form of OpenAI and Azure takes it.

That form knows no `oneOf`, `default`, `const` or bounds of texts, wants every field required and every object closed.
Bounds that cannot be said are put into words; whoever validates the answer holds them in any case. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["portable"]

_BOUNDS = {
    "maxLength": "at most {} characters",
    "minLength": "at least {} characters",
    "maxItems": "at most {} items",
    "minItems": "at least {} items",
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "pattern": "matches {}",
}
_DROPPED = {"title", "default", "discriminator", "examples", *_BOUNDS}


def portable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The same schema with every field required, every object closed, and bounds as words.

    >>> portable({"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}}})["properties"]["a"]
    {'type': 'string', 'description': 'at most 3 characters'}
    """
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _DROPPED:
            continue
        if key == "const":
            made["enum"] = [value]
        elif key in {"oneOf", "anyOf"}:
            made["anyOf"] = [portable(item) for item in value]
        elif key in {"properties", "$defs"}:
            made[key] = {name: portable(item) for name, item in value.items()}
        elif isinstance(value, Mapping):
            made[key] = portable(value)
        else:
            made[key] = value
    if made.get("type") == "object" or "properties" in made:
        made["additionalProperties"] = False
        made["required"] = list(made.get("properties", {}))
    said = [words.format(schema[key]) for key, words in _BOUNDS.items() if key in schema]
    if said and "$ref" not in made:
        made["description"] = "; ".join([*([str(made["description"])] if made.get("description") else []), *said])
    return made
