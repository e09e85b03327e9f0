"""The session in processes of other kinds than a notebook or a script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine

ASK = """
import sys
from pathlib import Path

from tests.support.local import engine_at

with engine_at(Path(sys.argv[1])) as engine:
    print(engine.query("SELECT 6 * 7 AS answer").rows, hasattr(sys.modules["__main__"], "__file__"))
"""


def test_a_process_without_a_script(tmp_path: Path) -> None:
    """`python -c` has a main module of no file, and its session works as any other."""
    command = [sys.executable, "-c", ASK, str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, cwd=Path(__file__).parents[2]
    )
    assert (done.returncode, done.stdout.strip()) == (0, "((42,),) False"), done.stderr
