"""Which code a field became: the cells of a generated notebook, by the source or step they are of.

A generated cell is headed by its step's id; here the id is looked for in the cell's metadata, its own id and its
first line, so that a notebook edited by hand still joins where it can. Reads JSON only; nbformat is not needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Cell", "cells", "code_by_node"]

_HEAD = re.compile(r"^\s*(?:#+|--)\s*(?:%%\s*)?(?:step|source|target)?\s*`?([a-z][a-z0-9_]*)`?\s*(?:[:(—–-]|$)")


@dataclass(frozen=True)
class Cell:
    """One cell; `first` is its first line, counted from 1 over all code cells of the notebook."""

    number: int
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
        made.append(Cell(number, kind, text, _names(cell, text), line))
        if kind == "code":
            line += text.count("\n") + 1
    return tuple(made)


def _names(cell: dict[str, object], text: str) -> tuple[str, ...]:
    names: list[str] = []
    metadata = cell.get("metadata")
    ours = metadata.get("pipeline_magic") if isinstance(metadata, dict) else None
    if isinstance(ours, dict):
        names += [str(ours[key]) for key in ("id", "step", "node") if isinstance(ours.get(key), str)]
    elif isinstance(ours, str):
        names.append(ours)
    names.append(str(cell.get("id", "")))
    match = _HEAD.match(text)
    if match:
        names.append(match.group(1))
    return tuple(name for name in names if name)


def code_by_node(notebook: str, nodes: Iterable[str]) -> dict[str, Cell]:
    """The code cell of each source, step or ``target``, by its id."""
    wanted = list(nodes)
    found: dict[str, Cell] = {}
    listed = [cell for cell in cells(notebook) if cell.kind == "code"]
    for node in wanted:
        same = {node, node.replace("_", "-"), f"step-{node}", f"step_{node}", f"source_{node}", f"source-{node}"}
        for cell in listed:
            if same & set(cell.names):
                found[node] = cell
                break
    return found
