"""The difference of two specs, in the words a person would use in a review. Pure; order follows the spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pipeline_magic.compiler.describe import (
    describe,
    describe_expectation,
    describe_source,
    describe_target,
    describe_trigger,
)
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.schema import Model

__all__ = ["Change", "diff_specs"]


class Change(Model):
    """One difference.

    Attributes:
        path: The element or field.
        kind: What happened to it.
        text: One sentence.
    """

    path: str
    kind: Literal["added", "removed", "changed"]
    text: str


def diff_specs(old: PipelineSpec, new: PipelineSpec) -> tuple[Change, ...]:
    """What changed from `old` to `new`; empty when nothing did."""
    return tuple(_changes(old, new))


def _changes(old: PipelineSpec, new: PipelineSpec) -> Iterator[Change]:
    if old.name != new.name:
        yield Change(path="name", kind="changed", text=f"The pipeline is called {new.name} instead of {old.name}")
    if old.description != new.description:
        yield Change(path="description", kind="changed", text="The description changed")
    yield from _elements("sources", "source", old.sources, new.sources, describe_source)
    yield from _elements("steps", "step", old.steps, new.steps, describe)
    yield from _elements("expectations", "check", old.expectations, new.expectations, describe_expectation)
    yield from _fields("target", "The target", old.target, new.target)
    if old.target != new.target and old.target.table != new.target.table:
        yield Change(path="target", kind="changed", text=f"Now: {describe_target(new.target)}")
    if old.trigger != new.trigger:
        before, after = describe_trigger(old.trigger), describe_trigger(new.trigger)
        yield Change(path="trigger", kind="changed", text=f"Runs: {after} (before: {before})")
    if old.deployment != new.deployment:
        yield Change(
            path="deployment", kind="changed", text=f"Deployed as {new.deployment}, before as {old.deployment}"
        )


def _name(element: Any) -> str:
    return str(getattr(element, "alias", "") or element.id)


def _elements(path: str, word: str, old: Sequence[Any], new: Sequence[Any], say: Any) -> Iterator[Change]:
    before, after = {_name(item): item for item in old}, {_name(item): item for item in new}
    for name, item in before.items():
        if name not in after:
            yield Change(path=f"{path}.{name}", kind="removed", text=f"The {word} {name} is gone: {say(item)}")
    for name, item in after.items():
        if name not in before:
            yield Change(path=f"{path}.{name}", kind="added", text=f"New {word} {name}: {say(item)}")
        elif type(before[name]) is not type(item):
            text = f"The {word} {name} is now of kind {item.kind}, before {before[name].kind}: {say(item)}"
            yield Change(path=f"{path}.{name}", kind="changed", text=text)
        else:
            yield from _fields(f"{path}.{name}", f"The {word} {name}", before[name], item)


def _fields(path: str, subject: str, old: Model, new: Model) -> Iterator[Change]:
    if old == new:
        return
    for field in type(new).model_fields:
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            yield from _field(f"{path}.{field}", f"{subject}: {field.replace('_', ' ')}", before, after)


def _field(path: str, subject: str, before: Any, after: Any) -> Iterator[Change]:
    both = (*_items(before), *_items(after))
    if isinstance(before, tuple) and isinstance(after, tuple) and both and all(_key(item) for item in both):
        olds, news = {_key(item): item for item in before}, {_key(item): item for item in after}
        yield from _named(path, subject, olds, news)
        return
    yield Change(path=path, kind="changed", text=f"{subject} is {_show(after)}, before {_show(before)}")


def _items(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else ()


def _key(item: Any) -> str:
    return next((str(getattr(item, key)) for key in ("name", "label", "column", "left") if hasattr(item, key)), "")


def _named(path: str, subject: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    changed = False
    for name, item in old.items():
        if name not in new:
            changed = True
            yield Change(
                path=f"{path}.{name}", kind="removed", text=f"{subject} has no {name} any more ({_show(item)})"
            )
    for name, item in new.items():
        if name not in old:
            changed = True
            yield Change(path=f"{path}.{name}", kind="added", text=f"{subject} has {name} now ({_show(item)})")
        elif item != old[name]:
            changed = True
            text = f"{subject}: {name} is {_show(item)}, before {_show(old[name])}"
            yield Change(path=f"{path}.{name}", kind="changed", text=text)
    if not changed:
        yield Change(path=path, kind="changed", text=f"{subject} is in the order {', '.join(new)}")


def _show(value: Any) -> str:
    if value is None or value == ():
        return "not set"
    if isinstance(value, Model):
        known = {name: item for name, item in value if item not in (None, "", False, ())}
        rest = {name: item for name, item in known.items() if name not in {"name", "label", "column"}}
        return ", ".join(f"{_show(item)}" if len(rest) == 1 else f"{n} {_show(item)}" for n, item in rest.items()) or (
            _key(value)
        )
    if isinstance(value, tuple):
        return ", ".join(_show(item) for item in value)
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
