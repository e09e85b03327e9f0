"""Whether a job that somebody else deployed has the settings that were approved, field by field. Pure.

The repository's CI deploys the bundle of the merged files; what it makes of them is fixed by the bundle's rules: the
notebook lands below the bundle's folder without its ending, in development mode names get the deployer's name in front
and tags a ``dev``. Everything else must be as approved; a field that nobody approved must be one that Databricks fills
in by itself. Not here: finding the job, and what follows (`flow.arriving`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["differences"]

_FILLED_IN: dict[str, tuple[Any, ...]] = {
    "deployment": (),
    "edit_mode": (),
    "format": (),
    "max_concurrent_runs": (1,),
    "performance_target": ("PERFORMANCE_OPTIMIZED", "STANDARD"),
    "run_if": ("ALL_SUCCESS",),
    "source": ("WORKSPACE",),
    "min_retry_interval_millis": (),
    "pause_status": ("UNPAUSED",),
    "permissions": (),
    "run_as": (),
    "environment_key": (),
    "environments": (),
}
"""Field -> the values with which it may stand there though nobody wrote it; any value where none is listed."""

_DEV_JOBS = 4
"""Runs at once that a bundle in development mode allows."""


def differences(approved: Mapping[str, Any], seen: Mapping[str, Any], *, development: bool = False) -> tuple[str, ...]:
    """What differs, one sentence a field; empty when the job is what was approved.

    Args:
        approved: Settings of the job as the plan's files have them (`compiler.deployed`).
        seen: Settings of the job as the Jobs API gives them, or as a deployer tells them.
        development: The bundle's target is one of development mode.

    >>> differences({"name": "a", "timeout_seconds": 60}, {"name": "a", "timeout_seconds": 30, "format": "MULTI_TASK"})
    ('`timeout_seconds` is 30; approved is 60.',)
    """
    return tuple(_compared(approved, seen, "", development))


def _compared(approved: Any, seen: Any, path: str, development: bool) -> Iterator[str]:
    if path == "parameters" and isinstance(seen, Mapping) and _is_list(approved):
        approved = {str(one["name"]): one.get("default") for one in approved}  # as a deployer tells them
    if path == "run_as" and isinstance(seen, str) and isinstance(approved, Mapping):
        [approved] = approved.values()
    if isinstance(approved, Mapping) and isinstance(seen, Mapping):
        for name, value in approved.items():
            if name == "permissions":  # who made the job, and administrators, have others beside
                yield from _missing(value, seen.get(name))
            else:
                yield from _compared(value, seen.get(name), f"{path}.{name}".strip("."), development)
        for name, value in seen.items():
            if name not in approved and not _filled_in(name, value, path, development):
                yield f"`{f'{path}.{name}'.strip('.')}` is {_shown(value)}; nobody approved it."
    elif _is_list(approved) and _is_list(seen):
        left, right = _sorted(approved), _sorted(seen)
        if len(left) != len(right):
            yield f"`{path}` has {len(right)} entries; approved are {len(left)}."
        for index, (one, other) in enumerate(zip(left, right, strict=False)):  # a shorter one was said above
            yield from _compared(one, other, f"{path}[{index}]", development)
    elif not _same(approved, seen, path, development):
        yield f"`{path}` is {_shown(seen)}; approved is {_shown(approved)}."


def _missing(approved: Any, seen: Any) -> Iterator[str]:
    """Permissions that were approved and are not there; nothing is said where the job does not tell them."""
    for one in approved if _is_list(seen) else ():
        if one not in seen:
            yield f"`permissions` lack {_shown(one)}."


def _same(approved: Any, seen: Any, path: str, development: bool) -> bool:
    if path.endswith(("notebook_path", "file.path")) and isinstance(approved, str) and isinstance(seen, str):
        return _below(seen, approved)
    if development and path == "name" and isinstance(seen, str):
        return seen == approved or bool(re.fullmatch(r"\[dev [^\]]{1,200}\] " + re.escape(str(approved)), seen))
    if development and path == "max_concurrent_runs" and approved == 1:
        return seen in (1, _DEV_JOBS)
    if isinstance(approved, str) and approved.startswith("${resources."):
        return isinstance(seen, str) and bool(seen)  # only who deploys knows the id
    return bool(approved == seen) or (not approved and not seen and type(approved) is not bool)


def _below(seen: str, approved: str) -> bool:
    """Whether a workspace path is the bundle's copy of a file whose path is relative to ``resources/``."""
    plain = approved.removeprefix("../")
    return any(seen.endswith(f"/files/{one}") for one in (plain, plain.removesuffix(".ipynb")))


def _filled_in(name: str, value: Any, path: str, development: bool) -> bool:
    if not value:
        return True
    if path == "tags":
        return development and name == "dev"
    known = _FILLED_IN.get(name)
    return known is not None and (not known or value in known)


def _sorted(value: Sequence[Any]) -> list[Any]:
    """Lists whose order says nothing, in one order: entries that have a name or key."""
    names = ("task_key", "name", "job_cluster_key", "key")
    if all(isinstance(item, Mapping) for item in value):
        return sorted(value, key=lambda item: [str(item.get(name, "")) for name in names])
    return sorted(value, key=str)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _shown(value: Any) -> str:
    text = "not there" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 200 else text[:199] + "…"
