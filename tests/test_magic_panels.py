"""Panels of earlier cells, when a later one moves their run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from pipeline_magic.magic import PipelineMagics
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from tests.support.bound import planned_home
from tests.trust import world


@pytest.fixture
def magics(tmp_path: Path) -> Iterator[PipelineMagics]:
    home = planned_home(tmp_path)
    made = PipelineMagics(InteractiveShell.instance())
    settings = {"home": home, "local": True, "measure_questions": False, "sample_run": False}
    made._orchestrator = PipelineBuilderOrchestrator(settings, ports=world.ports_at(home))
    yield made
    made._orchestrator.close()
    InteractiveShell.clear_instance()


def test_a_superseded_panel_is_drawn_anew(magics: PipelineMagics) -> None:
    """A change in words in a later cell: the panel above shows that it was superseded, and has no Approve any more."""
    with capture_output():
        magics.pipeline("", world.STATEMENT)
    (panel,) = magics._panels
    assert panel._approval.view is None or panel._approval.view.open
    with capture_output():
        magics.pipeline("change city_orders make it weekly")
    assert panel.snapshot.run.state == "superseded"
    assert "was superseded" in panel.text() and "%pipeline review" in panel.text()
    assert panel._approval.approve.disabled
