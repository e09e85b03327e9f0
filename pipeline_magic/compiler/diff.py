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
    names,
)
from pipeline_magic.spec.model import JoinKey, Order, PipelineSpec, RenameColumn, SegmentRule
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
            yield from _field(f"{path}.{field}", subject, field, before, after)


_SAID = {
    "condition": "keeps the rows where {}",
    "filter": "is read where {}",
    "watermark": "is read past the highest {}",
    "table": "is {}",
    "input": "takes {}",
    "inputs": "takes {}",
    "how": "is a {} join",
    "group_by": "has one row for each {}",
    "partition_by": "works within each {}",
    "keys": "goes by {}",
    "by": "ranks by {}",
    "n": "keeps {} rows",
    "order_by": "sorts by {}",
    "mode": "is written in mode {}",
    "columns": "takes the columns {}",
    "otherwise": "says {} where no rule matches",
    "action": "has the action {}",
    "tolerance": "tolerates {} of the rows",
    "sequence_by": "takes the highest {}",
    "cluster_by": "is clustered by {}",
    "query": "runs {}",
    "value": "puts {}",
}
"""How a field is said of its element; where it is not here, by its name."""


def _field(path: str, subject: str, field: str, before: Any, after: Any) -> Iterator[Change]:
    both = (*_items(before), *_items(after))
    if field not in {"keys", "order_by"} and both and all(_key(item) for item in both):
        olds, news = {_key(item): item for item in _items(before)}, {_key(item): item for item in _items(after)}
        yield from _named(path, subject, field.replace("_", " "), olds, news)
        return
    said = _SAID.get(field, f"has {field.replace('_', ' ')} {{}}")
    if path == "target.partition_by":
        said = "is partitioned by {}"
    unset = (None, (), "")
    if before in unset:
        text = f"{subject} {said.format(_show(after))} now"
    elif after in unset:
        text = f"{subject} no longer {said.format(_show(before))}"
    else:
        text = f"{subject} {said.format(_show(after))}, before {_show(before)}"
    yield Change(path=path, kind="changed", text=text)


def _items(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else ()


def _key(item: Any) -> str:
    return next((str(getattr(item, key)) for key in ("name", "label", "column", "left") if hasattr(item, key)), "")


def _named(path: str, subject: str, word: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    one = word.removesuffix("s")
    changed = False
    for name, item in old.items():
        if name not in new:
            changed = True
            text = f"{subject} has the {one} {name} no more ({_show(item)})"
            yield Change(path=f"{path}.{name}", kind="removed", text=text)
    for name, item in new.items():
        if name not in old:
            changed = True
            yield Change(path=f"{path}.{name}", kind="added", text=f"{subject} has the new {one} {name}: {_show(item)}")
        elif item != old[name]:
            changed = True
            text = f"{subject}: the {one} {name} is {_show(item)}, before {_show(old[name])}"
            yield Change(path=f"{path}.{name}", kind="changed", text=text)
    if not changed:
        yield Change(path=path, kind="changed", text=f"{subject} has its {word} in the order {', '.join(new)}")


def _show(value: Any) -> str:
    if value is None or value == ():
        return "nothing"
    if isinstance(value, JoinKey):
        return value.left if value.left == value.right else f"{value.left} = {value.right}"
    if isinstance(value, Order):
        nulls = ", NULLs first" if value.nulls_first else ""
        return f"{value.column} ({'highest' if value.descending else 'lowest'} first{nulls})"
    if isinstance(value, SegmentRule):
        return f"where {value.condition}" if value.top is None else f"the top {100 * value.top:g} %"
    if isinstance(value, Model):
        known = {name: item for name, item in value if item not in (None, "", False, ())}
        rest = {name: item for name, item in known.items() if name not in {"name", "label", "column"}}
        if isinstance(value, RenameColumn):
            return f"{value.column} as {value.name}"
        return ", ".join(f"{_show(item)}" if len(rest) == 1 else f"{n} {_show(item)}" for n, item in rest.items()) or (
            _key(value)
        )
    if isinstance(value, tuple):
        return names(_show(item) for item in value)
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
