"""Differences of files: alignment of cells, folding of what is the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_magic.runs import FileDiff
from pipeline_magic.ui.diff import blocks, coloured


def _book(*sources: str, ids: bool = True) -> str:
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
        | ({"id": source[:4]} if ids else {})
        for source in sources
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5 if ids else 4})


def _rebuilt(file: FileDiff, sign: str) -> str:
    """The old or the new text, from the lines of the diff."""
    lines = [
        text
        for block in blocks(file)
        for line in block.lines
        if line.sign in {" ", "…", sign}
        for text in (line.folded or (line.text,))
    ]
    return "\n".join(lines)


_CELLS = [f"{word} = {word * 5}\n" * 6 for word in ("alpha", "quick_fox", "zzzz", "1234")]


@pytest.mark.parametrize("ids", [True, False])
def test_cells_that_are_added_and_removed_are_found(ids: bool) -> None:
    """An inserted cell is added, a dropped one removed, the rest stay together: by their ids, or by likeness."""
    old = _book(_CELLS[0], _CELLS[1], _CELLS[2], ids=ids)
    new = _book(_CELLS[0], _CELLS[2], _CELLS[3], ids=ids)
    made = blocks(FileDiff(path="x.ipynb", status="changed", old=old, new=new))
    assert [block.status for block in made] == ["unchanged", "removed", "unchanged", "added"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.lists(st.sampled_from("abcdefgh"), unique=True))
def test_no_cell_is_lost(old: list[str], new: list[str]) -> None:
    """Whatever was added, removed or moved, every old and every new line is in the diff."""
    file = FileDiff(path="x.ipynb", status="changed", old=_book(*old), new=_book(*new))
    if not new:
        return
    assert _rebuilt(file, "-").split() == old
    assert _rebuilt(file, "+").split() == new


def test_no_line_is_lost() -> None:
    """Old and new text can be put together again from the lines, folded ones included."""
    old = "\n".join(f"line {n}" for n in range(60))
    new = old.replace("line 30", "line thirty").replace("line 5\n", "")
    file = FileDiff(path="spec.yml", status="changed", old=old, new=new)
    assert _rebuilt(file, "-") == old
    assert _rebuilt(file, "+") == new
    assert any(line.folded for block in blocks(file) for line in block.lines)


def test_a_file_that_is_no_notebook_is_shown_as_text() -> None:
    """A broken notebook is shown as it is, not refused."""
    made = blocks(FileDiff(path="x.ipynb", status="added", new="{broken"))
    assert [line.text for line in made[0].lines] == ["{broken"]


def test_colouring_keeps_the_lines() -> None:
    """One coloured line for each line, also where a string goes over several."""
    lines = ['x = """', "a < b", '"""', "", "y = 1", ""]
    drawn = coloured(lines, "python")
    assert len(drawn) == len(lines)
    assert "a &lt; b" in drawn[1]
