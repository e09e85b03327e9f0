"""A file beside what the base branch has of it, as lines; notebooks cell by cell.

Cells are aligned by their ids, which the compiler derives from the steps, and by nbdime where a notebook has none (it
costs two seconds to import); lines by difflib; code is coloured by pygments.
"""

from __future__ import annotations

import difflib
import html
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline_magic.runs import FileDiff
from pipeline_magic.ui.cells import Cell, cells
from pipeline_magic.ui.markup import Html, plain

__all__ = ["Block", "Line", "blocks", "coloured"]

_CONTEXT = 3


@dataclass(frozen=True)
class Line:
    """One line: ``+`` added, ``-`` removed, a space where both have it; or ``…`` for `folded` lines."""

    sign: str
    text: str
    folded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """A cell of a notebook, or a whole file; `language` is pygments' name of it."""

    title: str
    status: str
    language: str
    lines: tuple[Line, ...]


def blocks(file: FileDiff) -> tuple[Block, ...]:
    """The blocks of one file, in reading order."""
    if file.path.endswith(".ipynb") and cells(file.new):
        return tuple(_notebook(file))
    language = {"yml": "yaml", "yaml": "yaml", "py": "python", "md": "markdown", "sql": "sql", "json": "json"}
    name = language.get(file.path.rpartition(".")[2], "text")
    return (Block("", file.status, name, _lines(file.old or "", file.new)),)


def _notebook(file: FileDiff) -> Iterator[Block]:
    new = cells(file.new)
    old = cells(file.old) if file.old else ()
    for before, after in _pairs(file, old, new):
        cell = after or before
        if cell is None:
            continue
        status = "added" if before is None else "removed" if after is None else "changed"
        if before and after and before.source == after.source:
            status = "unchanged"
        language = "python" if cell.kind == "code" else "markdown"
        lines = _lines(before.source if before else "", after.source if after else "")
        yield Block(f"Cell {cell.number} · {cell.kind}", status, language, lines)


def _pairs(file: FileDiff, old: tuple[Cell, ...], new: tuple[Cell, ...]) -> Iterator[tuple[Cell | None, Cell | None]]:
    """Cells that belong together, removed ones before what stands in their place."""
    a = b = 0
    for what, at, count in _moves(file, old, new):
        while a < at:
            yield old[a], new[b]
            a, b = a + 1, b + 1
        for _ in range(count):
            if what == "remove":
                yield old[a], None
                a += 1
            else:
                yield None, new[b]
                b += 1
    while a < len(old):
        yield old[a], new[b]
        a, b = a + 1, b + 1


def _moves(file: FileDiff, old: tuple[Cell, ...], new: tuple[Cell, ...]) -> Iterator[tuple[str, int, int]]:
    """What happens to the old cells: (``remove`` or ``add``, before which old cell, how many)."""
    if not old or file.old is None:
        yield "add", 0, len(new)
        return
    before, after = [cell.id for cell in old], [cell.id for cell in new]
    if all(all(ids) and len(set(ids)) == len(ids) for ids in (before, after)):
        for what, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
            if what != "equal":
                yield "remove", a, b - a
                yield "add", b, d - c
        return
    from nbdime.diffing.notebooks import diff_notebooks
    from nbformat import from_dict

    def node(text: str) -> Any:
        return from_dict(json.loads(text))  # type: ignore[no-untyped-call]  # nbformat has no annotations here

    ops = diff_notebooks(node(file.old), node(file.new))
    for op in next((op.diff for op in ops if op.key == "cells"), []):
        if op.op == "removerange":
            yield "remove", op.key, op.length
        elif op.op == "addrange":
            yield "add", op.key, len(op.valuelist)


def _lines(old: str, new: str) -> tuple[Line, ...]:
    before, after = plain(old).splitlines(), plain(new).splitlines()
    made: list[Line] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for what, a, b, c, d in matcher.get_opcodes():
        if what == "equal":
            made += _folded(after[c:d], first=c == 0, last=d == len(after), alone=before == after)
            continue
        made += [Line("-", text) for text in before[a:b]]
        made += [Line("+", text) for text in after[c:d]]
    return tuple(made)


def _folded(same: list[str], *, first: bool, last: bool, alone: bool) -> list[Line]:
    """Lines both have; long stretches keep their edges and fold the middle."""
    head = 0 if first else _CONTEXT
    tail = 0 if last else _CONTEXT
    if alone or len(same) <= head + tail + 4:
        return [Line(" ", text) for text in same]
    middle = tuple(same[head : len(same) - tail])
    return [
        *(Line(" ", text) for text in same[:head]),
        Line("…", f"{len(middle)} unchanged lines", middle),
        *(Line(" ", text) for text in same[len(same) - tail :]),
    ]


def coloured(lines: list[str], language: str) -> list[Html]:
    """Each line with its tokens in spans of classes ``pm-c-*``; escaped plain text where pygments fails."""
    escaped = [Html(html.escape(line)) for line in lines]
    if language == "text" or sum(map(len, lines)) > 100_000:
        return escaped
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name

    lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    shown = highlight("\n".join(lines), lexer, HtmlFormatter(nowrap=True, classprefix="pm-c-")).split("\n")
    shown = shown[: len(lines)]
    return [Html(line) for line in shown] if len(shown) == len(lines) else escaped
