"""Which code a field became: the cells of a generated notebook, by the source or step they are of.

A generated cell is headed by its step's id; here the id is looked for in the cell's metadata (``pipeline_magic``
with ``step`` and ``part``), its own id and its first line, so that a notebook edited by hand still joins where it
can. Reads JSON only; nbformat is not needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Cell", "cells", "code_by_node"]

_HEAD = re.compile(r"^\s*(?:#+|--)\s*(?:%%\s*)?(?:step|source|target)?\s*`?([a-z][a-z0-9_]*)`?\s*(?:[:(—–-]|$)")


@dataclass(frozen=True)
class Cell:
    """One cell; `first` is its first line, counted from 1 over all code cells of the notebook."""

    number: int
    id: str
    kind: str
    source: str
    names: tuple[str, ...]
    first: int


def cells(notebook: str) -> tuple[Cell, ...]:
    """The cells of a notebook's JSON text; none when it is not one."""
    try:
        raw = json.loads(notebook)
        found = raw.get("cells", [])
    except (ValueError, AttributeError):
        return ()
    made: list[Cell] = []
    line = 1
    for number, cell in enumerate(found if isinstance(found, list) else [], start=1):
        if not isinstance(cell, dict):
            continue
        source = cell.get("source", "")
        text = "".join(map(str, source)) if isinstance(source, list) else str(source)
        kind = str(cell.get("cell_type", "code"))
        made.append(Cell(number, str(cell.get("id", "")), kind, text, _names(cell, text), line))
        if kind == "code":
            line += text.count("\n") + 1
    return tuple(made)


def _names(cell: dict[str, object], text: str) -> tuple[str, ...]:
    names: list[str] = []
    metadata = cell.get("metadata")
    ours = metadata.get("pipeline_magic") if isinstance(metadata, dict) else None
    if isinstance(ours, dict):
        names += [str(ours[key]) for key in ("step", "part") if isinstance(ours.get(key), str)]
    elif isinstance(ours, str):
        names.append(ours)
    names.append(str(cell.get("id", "")))
    match = _HEAD.match(text)
    if match:
        names.append(match.group(1))
    return tuple(name for name in names if name)


def code_by_node(notebook: str, nodes: Iterable[str], parts: Mapping[str, str] | None = None) -> dict[str, Cell]:
    """The code cell of each node, by its id.

    Args:
        nodes: Ids of sources, steps, and what else has a cell.
        parts: Names of cells that stand for a node of another id (the target's is ``write``).
    """
    listed: dict[str, Cell] = {}
    for cell in cells(notebook):
        for name in cell.names if cell.kind == "code" else ():
            listed.setdefault(name.removeprefix("step-"), cell)
    found = {}
    for node in nodes:
        cell_ = listed.get(node) or listed.get((parts or {}).get(node, ""))
        if cell_ is not None:
            found[node] = cell_
    return found
