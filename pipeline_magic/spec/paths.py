"""Paths to the fields of a spec, made of stable ids; and edits, which set the value at a path.

    name                                  sources.orders.table               steps.join_orders.how
    steps.metrics.measures.revenue        steps.segment.rules.high.top       expectations.target_key.action
    target.mode                           trigger.cron                       trigger

A part after a list names an element: by its ``id``, ``alias``, ``name``, ``label``, ``column`` or ``left``, whichever
the element has first. A path to an element or a list names it as a whole. Edits work on plain data and validate the
whole draft afterwards, so that a spec is never half changed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import JsonValue, ValidationError

from pipeline_magic.errors import Problem, SpecError
from pipeline_magic.spec.model import Draft, PipelineSpec
from pipeline_magic.spec.schema import Model

__all__ = ["Edit", "apply_edits", "complete", "draft_of", "fields", "problems_of"]

_NAMES = ("id", "alias", "name", "label", "column", "left")


class Edit(Model):
    """Set the field at `path` to `value`; None removes an element of a list, or empties an optional field.

    Attributes:
        said: The words that asked for it, where a change was made in words.
    """

    path: str
    value: JsonValue = None
    said: str = ""


def name_of(element: Any) -> str | None:
    """What a path calls an element of a list; None for plain values."""
    if isinstance(element, dict):
        for key in _NAMES:
            if isinstance(element.get(key), str):
                return str(element[key])
    return None


def fields(spec: Draft | PipelineSpec) -> Iterator[tuple[str, JsonValue]]:
    """Every scalar field, and every list of plain values, with its path, in the order of the spec.

    >>> from pipeline_magic.spec.model import Draft
    >>> dict(fields(Draft(name="daily")))["name"]
    'daily'
    """
    yield from _walk("", spec.model_dump(mode="json"))


def _walk(path: str, value: Any) -> Iterator[tuple[str, JsonValue]]:
    dot = path + "." if path else ""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(dot + key, inner)
    elif isinstance(value, list) and value and all(name_of(item) for item in value):
        for item in value:
            yield from _walk(dot + str(name_of(item)), item)
    else:
        yield path, value


def apply_edits(draft: Draft, edits: Iterable[Edit]) -> Draft:
    """The draft with every edit made, in order.

    Raises:
        SpecError: A path that leads nowhere, or a value that does not fit; all of them at once.
    """
    data = draft.model_dump(mode="json")
    problems: list[Problem] = []
    for edit in edits:
        changed = copy.deepcopy(data)
        problem = _set(changed, edit)
        if problem is None:
            try:
                Draft.model_validate(changed)
            except ValidationError as error:
                problems.extend(problems_of(error, changed))
                continue
            data = changed
        else:
            problems.append(problem)
    if problems:
        raise SpecError(problems)
    return Draft.model_validate(data)


def _set(data: Any, edit: Edit) -> Problem | None:
    parts = edit.path.split(".")
    node = data
    for depth, part in enumerate(parts[:-1]):
        inner = _get(node, part)
        if inner is None:
            return Problem(".".join(parts[: depth + 1]), "there is no such field", available=_keys(node))
        node = inner
    last = parts[-1]
    if isinstance(node, dict) and (last in node or len(parts) == 1):
        if last not in node:
            return Problem(edit.path, "there is no such field", available=_keys(node))
        node[last] = edit.value
        return None
    if isinstance(node, list):
        for index, item in enumerate(node):
            if name_of(item) == last:
                if edit.value is None:
                    del node[index]
                else:
                    node[index] = edit.value
                return None
        if isinstance(edit.value, dict) and name_of(edit.value) == last:
            node.append(edit.value)
            return None
    return Problem(edit.path, "there is no such field", available=_keys(node))


def _get(node: Any, part: str) -> Any:
    if isinstance(node, dict):
        return node.get(part)
    if isinstance(node, list):
        return next((item for item in node if name_of(item) == part), None)
    return None


def _keys(node: Any) -> tuple[str, ...]:
    if isinstance(node, dict):
        return tuple(node)
    if isinstance(node, list):
        return tuple(name for item in node if (name := name_of(item)))
    return ()


def complete(draft: Draft) -> PipelineSpec:
    """The draft as a complete spec.

    Raises:
        SpecError: Everything that is still missing, at once.
    """
    problems = [
        Problem(path, message)
        for path, missing, message in (
            ("name", draft.name is None, "the pipeline has no name"),
            ("sources", not draft.sources, "no table is read"),
            ("target.table", draft.target.table is None, "no target table is named"),
            ("target.input", draft.target.input is None, "nothing feeds the target"),
        )
        if missing
    ]
    if problems:
        raise SpecError(problems)
    data = draft.model_dump(mode="json")
    data["target"]["mode"] = data["target"]["mode"] or "overwrite"
    data["trigger"] = data["trigger"] or {"kind": "manual"}
    data["deployment"] = data["deployment"] or "job"
    try:
        return PipelineSpec.model_validate(data)
    except ValidationError as error:
        raise SpecError(problems_of(error, data)) from None


def draft_of(spec: PipelineSpec) -> Draft:
    """A complete spec as a draft again, to be edited."""
    return Draft.model_validate(spec.model_dump(mode="json"))


def problems_of(error: ValidationError, data: Any) -> tuple[Problem, ...]:
    """A pydantic error as problems whose paths name steps by their ids."""
    found: list[Problem] = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        node, parts = data, list[str]()
        for part in item["loc"]:
            if isinstance(part, int) and isinstance(node, (list, tuple)) and part < len(node):
                node = node[part]
                parts.append(name_of(node) or str(part + 1))
            elif isinstance(node, dict) and part in node:
                node = node[part]
                parts.append(str(part))
            elif not (isinstance(node, dict) and node.get("kind") == part):
                parts.append(str(part))
        message = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        found.append(Problem(".".join(parts) or "spec", message[:1].lower() + message[1:]))
    return tuple(found)
