"""Differences of files: alignment of cells, folding of what is the same."""

from __future__ import annotations

import json

from pipeline_magic.runs import FileDiff
from pipeline_magic.ui.diff import blocks, coloured


def _book(*sources: str) -> str:
    cells = [
        {
            "id": source[:4],
            "cell_type": "code",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": source,
        }
        for source in sources
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


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


def test_cells_that_are_added_and_removed_are_found() -> None:
    """An inserted cell is added, a dropped one removed, the rest stay together."""
    long = [f"{word} = {word * 5}\n" * 6 for word in ("alpha", "quick_fox", "zzz", "1234")]
    old, new = _book(long[0], long[1], long[2]), _book(long[0], long[2], long[3])
    made = blocks(FileDiff(path="x.ipynb", status="changed", old=old, new=new))
    assert sorted(block.status for block in made) == ["added", "removed", "unchanged", "unchanged"]


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
