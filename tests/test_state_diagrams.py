"""The diagrams in the docs are those of the table."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from pipeline_magic.states import TRANSITIONS

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def states() -> ModuleType:
    found = importlib.util.spec_from_file_location("states", DOCS / "states.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_page_is_made_from_the_table(states: ModuleType) -> None:
    """`docs/states.md` is what the script makes of the table; run it after changing the table."""
    assert (DOCS / "states.md").read_text(encoding="utf-8") == states.page(), "run `python docs/states.py`"


def test_every_move_is_drawn(states: ModuleType) -> None:
    """Each row of the table is an arrow with its verb and who may, and there is no other arrow."""
    drawn = {
        (source, target, said)
        for source, target, every in re.findall(r"^    (\w+) --> (\w+): (.+)$", states.page(), re.MULTILINE)
        for said in every.split(", ")
    }
    assert drawn == {(row.source, row.target, f"{row.verb} ({row.who})") for row in TRANSITIONS}
