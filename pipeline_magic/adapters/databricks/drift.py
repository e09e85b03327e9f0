"""What was changed by hand in the settings of a deployment, in words. Pure.

Compared are the settings as Databricks told them right after they were written, and as it tells them now; what it adds
by itself later, without any value, is no change. Not here: reading either.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["drift"]

_MOST = 30
"""Changes that are named at most."""
_LONG = 80


def drift(written: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, ...]:
    """One line for each field that is not as it was written, by its path.

    >>> drift({"schedule": {"pause_status": "UNPAUSED"}}, {"schedule": {"pause_status": "PAUSED"}, "health": {}})
    ('`schedule.pause_status` is "PAUSED", and was deployed as "UNPAUSED"',)
    """
    lines = [_line(path, was, now) for path, was, now in _differences(written, found, "")]
    more = len(lines) - _MOST
    return (*lines[:_MOST], f"and {more} more") if more > 0 else tuple(lines)


_ABSENT = object()


def _differences(was: Any, now: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for name in sorted({*was, *now}, key=str):
            yield from _differences(was.get(name, _ABSENT), now.get(name, _ABSENT), f"{path}.{name}" if path else name)
    elif isinstance(was, (list, tuple)) and isinstance(now, (list, tuple)) and len(was) == len(now):
        for place, (one, other) in enumerate(zip(was, now, strict=True)):
            yield from _differences(one, other, f"{path}[{place}]")
    elif was != now and not (_empty(was) and _empty(now)):
        yield path, was, now


def _empty(value: Any) -> bool:
    """Nothing, or what stands for nothing: a service may leave it out or write it."""
    return value is _ABSENT or value is None or value is False or value in ("", 0) or value in ([], {}, ())


def _line(path: str, was: Any, now: Any) -> str:
    if _empty(was):
        return f"`{path}` was added by hand: {_shown(now)}"
    if now is _ABSENT:
        return f"`{path}` was removed by hand, and was deployed as {_shown(was)}"
    return f"`{path}` is {_shown(now)}, and was deployed as {_shown(was)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"
