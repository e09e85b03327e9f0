"""One JupyterLab and one page for all browser tests of a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lab import Lab, chromium

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab with a private home; kernels can import the tests' own helpers."""
    if chromium() is None:
        pytest.skip("there is no Chromium on this machine")
    folder = tmp_path_factory.mktemp("lab")
    home = {"PIPELINE_MAGIC_HOME": str(folder / "pipeline_magic"), "PYTHONPATH": str(ROOT)}
    with Lab(folder, env=home) as running:
        yield running
