"""The PySpark form of the steps: DataFrame code as an engineer writes it by hand, a cell a source or step.

Here: which nodes are computed, with which columns, in which order. Not here: the code of each kind of step (`steps`),
the quality gate (`gate`), the write (`write`), the notebook around them (`ipynb`). No UDF, no action before the gate,
no cache (serverless has none).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline_magic.compiler.columns import carried, in_order, needs
from pipeline_magic.compiler.describe import describe, describe_source
from pipeline_magic.compiler.expectations import node_of
from pipeline_magic.compiler.python import variables
from pipeline_magic.compiler.sql import checked_columns, unchecked
from pipeline_magic.compiler.steps import groups, rows, sets
from pipeline_magic.compiler.steps.frames import Frames, checks_of
from pipeline_magic.compiler.steps.sources import drop_lines, drops_of, orphans, source_lines
from pipeline_magic.spec.model import Referential, Step
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["ORDERED", "Cell", "Program", "checks_of", "orphans", "program"]


ORDERED = frozenset({"select", "aggregate", "pivot", "sql"})
"""Kinds of steps that say themselves which columns come out, in which order."""


@dataclass(frozen=True)
class Cell:
    """One cell: a stable id, what it does in a sentence, and its Python source."""

    id: str
    title: str
    source: str
    markdown: bool = False


@dataclass(frozen=True)
class Program:
    """The transformation as cells, and what the cells after it need to know.

    Attributes:
        names: DataFrame of each node that is computed.
        unchecked: DataFrame of its rows before `drop` expectations, where it has any.
        columns: Columns that each of these DataFrames has, in their order.
        late_drops: Lines that leave out what the target's `drop` expectations leave out, where `staged` asked for them.
    """

    cells: tuple[Cell, ...]
    names: Mapping[str, str]
    unchecked: Mapping[str, str]
    columns: Mapping[str, tuple[str, ...]]
    late_drops: tuple[str, ...] = ()


def program(typed: TypedSpec, *, drops: bool = True, selects: bool = False, staged: bool = False) -> Program:
    """Sources and steps as cells, pruned to what target and expectations read.

    Args:
        drops: Leave out the rows that fail `drop` expectations; False where the platform does that itself.
        selects: Leave columns out by naming those that stay, where `drop` is resolved before its input is known.
        staged: The target's rows are staged before its `drop` expectations are applied: those lines stand apart.
    """
    have = carried(typed, needs(typed, _asked_for(typed)))
    frames = Frames(typed, variables(typed), have, selects)
    dropped = [item for item in checks_of(typed) if item.action == "drop"]
    sources = {source.alias: source for source in typed.spec.sources}
    steps = {step.id: step for step in typed.spec.steps}
    target = typed.spec.target.input
    apart = staged and not any(target in typed.node(name).inputs for name in have)
    cells, before, late = [], dict[str, str](), list[str]()
    for node in in_order(typed, have, dropped):
        if node.id in sources:
            title, lines = describe_source(sources[node.id]), source_lines(frames, sources[node.id])
        else:
            title, lines = describe(steps[node.id]), _step_lines(frames, steps[node.id])
        if drops and drops_of(typed, node.id):
            before[node.id] = unchecked(frames.names[node.id], typed)
            leave_out = drop_lines(frames, node.id, before[node.id])
            if apart and node.id == target:
                late = leave_out
            else:
                lines += leave_out
        cells.append(Cell(node.id, title, "\n".join(lines)))
    return Program(tuple(cells), {name: frames.names[name] for name in have}, before, have, tuple(late))


def _asked_for(typed: TypedSpec) -> dict[str, set[str]]:
    """For each node that target or expectations read: the columns they read."""
    target = typed.spec.target.input
    roots = {target: {column.name for column in typed.node(target).columns}}
    for item in checks_of(typed):
        name = node_of(item, typed)
        wanted = {c.name for c in typed.node(name).columns} if item.quarantine else checked_columns(item, typed)
        roots.setdefault(name, set()).update(wanted)
        if isinstance(item, Referential):
            roots.setdefault(item.to, set()).update(item.to_columns)
    return roots


def _step_lines(frames: Frames, step: Step) -> list[str]:
    emitter: Any = _STEPS[step.kind]
    lines: str | list[str] = emitter(frames, step)
    return [lines] if isinstance(lines, str) else lines


_STEPS = {
    "filter": rows.filter_,
    "join": sets.join,
    "derive": rows.derive,
    "aggregate": groups.aggregate,
    "window": groups.window,
    "segment": rows.segment,
    "deduplicate": groups.deduplicate,
    "select": rows.select,
    "rename": rows.rename,
    "cast": rows.cast,
    "fill": rows.fill,
    "union": sets.union,
    "pivot": groups.pivot,
    "unpivot": rows.unpivot,
    "explode": rows.explode,
    "top": groups.top,
    "sql": rows.sql,
}
