"""What an approval binds to: the digest of a plan, and in what two plans differ.

Here: SHA-256 over the canonical JSON of every field of `Plan`, and the differences in a person's words. Not here:
anything derived from the digest (branch name, tags, comments): it could not be part of it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from pipeline_magic.digests import digest_of
from pipeline_magic.runs import Plan
from pipeline_magic.spec.paths import fields

__all__ = ["differences", "plan_digest"]

_SHOWN = 80
"""Characters of a value that a difference shows."""


def plan_digest(plan: Plan) -> str:
    """SHA-256 of everything the plan says, 64 hexadecimal digits; any byte changed gives another.

    What counts is the plan as JSON, so that it has the same digest after the store gave it back.
    """
    return digest_of({"plan": 1, **json.loads(plan.model_dump_json())})


def differences(old: Plan, new: Plan) -> tuple[str, ...]:
    """Every way in which `new` is not `old`, one sentence each; empty when they have the same digest."""
    old, new = (Plan.model_validate_json(plan.model_dump_json()) for plan in (old, new))
    found: list[str] = []
    found += _spec(old, new)
    found += _files(old, new)
    found += (
        f"The file `{path}` on the base branch {_became(before, after, 'appeared', 'was removed', 'was changed')}."
        for path, before, after in _changed(old.base_files, new.base_files)
    )
    found += _values("Schema", _flat(old.schemas), _flat(new.schemas))
    found += _values("Parameter", old.parameters, new.parameters)
    found += _values("Setting", _flat(old.settings), _flat(new.settings))
    if old.environment != new.environment:
        found.append(f"The environment is `{new.environment}`, and was `{old.environment}`.")
    found += _values("Policy", _flat(old.policy), _flat(new.policy))
    found += _values(
        "Answer to", {a.question: a.value for a in old.answers}, {a.question: a.value for a in new.answers}
    )
    was = {waiver.finding: f"{waiver.reason} ({waiver.by})" for waiver in old.waivers}
    found += _values("Waiver of", was, {waiver.finding: f"{waiver.reason} ({waiver.by})" for waiver in new.waivers})
    if old.compiler_version != new.compiler_version:
        found.append(f"The compiler is version {new.compiler_version}, and was {old.compiler_version}.")
    if old.verdict != new.verdict:
        found.append(f"The quality verdict is {new.verdict}, and was {old.verdict}.")
    if not found and plan_digest(old) != plan_digest(new):
        found.append("The plan was written in another order.")
    return tuple(found)


def _spec(old: Plan, new: Plan) -> Iterator[str]:
    return _values("Spec", dict(fields(old.spec)), dict(fields(new.spec)))


def _files(old: Plan, new: Plan) -> Iterator[str]:
    before, after = ({file.path: file.content for file in plan.files} for plan in (old, new))
    for path, was, now in _changed(before, after):
        if was is None or now is None:
            yield f"The file `{path}` {_became(was, now, 'was added', 'was taken out', '')}."
            continue
        lines = list(difflib.unified_diff(was.splitlines(keepends=True), now.splitlines(keepends=True), n=0))[2:]
        added, removed = (sum(line.startswith(mark) for line in lines) for mark in "+-")
        yield f"The file `{path}` was changed ({added} lines added, {removed} removed)."


def _values(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for key, before, after in _changed(old, new):
        if key not in old:
            yield f"{what} `{key}` was added: {_shown(after)}."
        elif key not in new:
            yield f"{what} `{key}` was taken out; it was {_shown(before)}."
        else:
            yield f"{what} `{key}` is {_shown(after)}, and was {_shown(before)}."


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if (key in old) != (key in new) or before != after or type(before) is not type(after):
            yield key, before, after


def _became(before: Any, after: Any, appeared: str, gone: str, changed: str) -> str:
    return appeared if before is None else gone if after is None else changed


def _flat(value: JsonValue, path: str = "") -> dict[str, JsonValue]:
    """Nested values by dotted path; empty containers stay, so that their coming and going shows."""
    if isinstance(value, dict) and value:
        parts: Iterator[tuple[str, JsonValue]] = iter(value.items())
    elif isinstance(value, list) and value and all(isinstance(item, (dict, list)) for item in value):
        parts = ((_name(item, number), item) for number, item in enumerate(value, start=1))
    else:
        return {path or "all": value}
    flat: dict[str, JsonValue] = {}
    for key, inner in parts:
        for inner_path, leaf in _flat(inner, f"{path}.{key}" if path else str(key)).items():
            flat[inner_path if inner_path not in flat else f"{inner_path}#{len(flat)}"] = leaf
    return flat


def _name(item: JsonValue, number: int) -> str:
    if isinstance(item, dict):
        for key in ("name", "alias", "id", "table"):
            if isinstance(item.get(key), str):
                return str(item[key])
    return str(number)


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
