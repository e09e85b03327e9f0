"""Taking a run up again: what passed on the same bytes is left out, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKERS = ("-p", "xdist.plugin", "-n", "2")
TESTS = """
import pathlib, pytest

@pytest.mark.parametrize("number", [1, 2])
def test_good(number): pass

def test_bad(): assert pathlib.Path("mended").exists()

@pytest.mark.skip
def test_skipped(): pass

@pytest.mark.xfail(strict=True)
def test_known(): assert False

def test_bad_end(end): pass

@pytest.fixture
def end():
    yield
    assert pathlib.Path("mended").exists()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A git working tree with a few tests."""
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / ".gitignore").write_text("mended\n.pytest_cache/\n__pycache__/\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def run(folder: Path, *options: str) -> tuple[int, str]:
    """The exit code of pytest with the plugin, and what it said."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.support.resume", *options]
    only = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # the others take seconds to load
    done = subprocess.run(command, cwd=folder, env={**os.environ, **only}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_only_what_passed_is_left_out(folder: Path) -> None:
    """A second run leaves out what passed and what failed as expected; failures, also of a teardown, and skips run."""
    code, said = run(folder)
    assert code == 1
    assert "not run again" not in said
    code, said = run(folder)
    assert code == 1
    assert "3 tests passed before on the same bytes and are not run again" in said
    assert "1 failed, 1 passed, 1 skipped, 3 deselected, 1 error" in said
    (folder / "mended").touch()  # ignored, so these are the same bytes
    assert "2 passed, 1 skipped, 3 deselected" in run(folder)[1]
    code, said = run(folder)
    assert code == 0
    assert "1 skipped, 5 deselected" in said


def test_a_changed_byte_starts_anew(folder: Path) -> None:
    """Any other byte in the tree, tracked or not, and every test runs again."""
    run(folder)
    (folder / "new.txt").write_text("x")
    assert "deselected" not in run(folder)[1]
    (folder / "new.txt").write_text("y")
    assert "deselected" not in run(folder)[1]
    assert len(list((folder / ".pytest_cache" / "passed").iterdir())) == 1


def test_nothing_left_is_a_success(folder: Path) -> None:
    """Where everything passed before, there is nothing to run, and that is no failure."""
    (folder / "test_some.py").write_text("def test_good(): pass\n")
    assert run(folder)[0] == 0
    code, said = run(folder)
    assert (code, "1 tests passed before" in said) == (0, True)


def test_by_several_workers(folder: Path) -> None:
    """Workers leave out what any of them passed, and having nothing left to run is no failure there either."""
    assert run(folder, *WORKERS)[0] == 1
    (folder / "mended").touch()
    assert "2 passed, 1 skipped in" in run(folder, *WORKERS)[1]
    (folder / "test_some.py").write_text("def test_good(): pass\n")
    assert [run(folder, *WORKERS)[0] for _ in range(2)] == [0, 0]
