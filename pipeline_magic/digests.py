"""Canonical JSON and its SHA-256: one way to say that two things are the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

__all__ = ["GENESIS", "canonical_json", "chain_hash", "digest_of"]

GENESIS = "0" * 64
"""What the first entry of a hash chain follows."""


def canonical_json(value: Any) -> str:
    """Text that is equal exactly when the values are: sorted keys, no spaces, models by their fields."""
    return _encode(value)


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON, 64 hexadecimal digits.

    >>> digest_of({"b": 1, "a": 2}) == digest_of({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


def chain_hash(previous: str, entry: Mapping[str, Any]) -> str:
    """Hash of an audit entry: over all of its fields, and through `previous` over every entry before it."""
    covered = {key: value for key, value in entry.items() if key not in ("hash", "previous")}
    return digest_of([previous, covered])


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no canonical form")


_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain, allow_nan=False
).encode
