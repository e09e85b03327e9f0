"""Steps that bring several inputs together as DataFrame code: join and union."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipeline_magic.compiler.fragments import equal_keys
from pipeline_magic.compiler.python import assign, call, column, listing, literal
from pipeline_magic.compiler.steps.frames import Frames, aliased, equal
from pipeline_magic.spec.model import Join, Union
from pipeline_magic.spec.typing.sets import join_columns

__all__ = ["join", "union"]


def join(frames: Frames, step: Join) -> list[str]:
    left, right = frames.names[step.left], frames.names[step.right]
    shared = equal_keys(step)
    same = len(shared) == len(step.keys) and all(key.left == key.right for key in step.keys)
    if step.how in {"semi", "anti"}:
        return _semi(frames, step, left, right)
    columns = [
        pair
        for pair in join_columns(step, frames.typed.node(step.left).columns, frames.typed.node(step.right).columns)
        if pair[1] in frames.have[step.id]
    ]
    brought = dict(columns)
    lefts = {name.casefold() for name in frames.have[step.left]}
    keys = {key.right: key.right for key in step.keys}
    select, drop = list[str](), list[str]()
    for name in frames.have[step.right]:
        if name in brought:
            select.append(column(name) if brought[name] == name else aliased(name, brought[name]))
        elif name in keys:
            keys[name] = name if same or name.casefold() not in lefts else f"_right_{name}"
            select.append(column(name) if keys[name] == name else aliased(name, keys[name]))
            drop += [] if same else [keys[name]]
    plain = select == [column(name) for name in frames.have[step.right]]
    other = right if plain else f"{right}.{call('select', select, 8)}"
    on = (
        _using(key.left for key in step.keys)
        if same
        else equal([(key.left, brought.get(key.right, keys[key.right])) for key in step.keys])
    )
    calls = [call("join", [other, on, literal(step.how)])]
    return [assign(frames.names[step.id], left, [*calls, *_merged_keys(frames, step, keys, same, drop)])]


def _merged_keys(frames: Frames, step: Join, keys: Mapping[str, str], same: bool, drop: Sequence[str]) -> list[str]:
    """After a join by condition: a key of one name holds whichever side is there; the right one's copy leaves."""
    calls = []
    if not same and step.how in {"right", "full"}:
        for key in equal_keys(step):
            both = f"F.coalesce({listing([key.left, keys[key.right]])})"
            calls.append(f"withColumn({literal(key.left)}, {both})")
    if drop:
        calls.append(frames.without(step, drop))
    return calls


def _semi(frames: Frames, step: Join, left: str, right: str) -> list[str]:
    same = all(key.left == key.right for key in step.keys)
    if same:
        on = _using(key.left for key in step.keys)
        other = f"{right}.select({listing(key.right for key in step.keys)})"
    else:
        names = {key.right: f"_right_{key.right}" for key in step.keys}
        other = f"{right}.select({', '.join(aliased(old, new) for old, new in names.items())})"
        on = equal([(key.left, names[key.right]) for key in step.keys])
    return [assign(frames.names[step.id], left, [call("join", [other, on, literal(f"left_{step.how}")])])]


def union(frames: Frames, step: Union) -> str:
    parts = []
    for name in step.inputs:
        spelled = {c.name.casefold(): c.name for c in frames.typed.node(name).columns}
        wanted = tuple(spelled[item.casefold()] for item in frames.have[step.id])
        exact = set(frames.have[name]) == set(wanted)
        parts.append(frames.names[name] if exact else f"{frames.names[name]}.select({listing(wanted)})")
    calls = [f"unionByName({part})" for part in parts[1:]]
    return assign(frames.names[step.id], parts[0], [*calls, *(["distinct()"] if step.distinct else [])])


def _using(names: Iterable[str]) -> str:
    """The names that a join is by; `join` takes them as they are, without backticks."""
    shown = [literal(name) for name in names]
    return shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"
