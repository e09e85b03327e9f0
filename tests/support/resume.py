"""A run without bounds can be taken up where it stopped: what passed on the same bytes is not run again.

Passed tests are noted, one a line, in a file that is named by a digest of the contents of everything git tracks or
would track, and of the versions of what is installed. A change of any byte starts anew. A notebook's cells build on
each other, so they are left out only all together. Loaded by `make test-full` (``-p tests.support.resume``); not here:
what a bound is, and which tests have one.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Resume", "digest_of", "pytest_configure"]


def digest_of(folder: Path) -> str:
    """A digest of every file in a git working tree that is not ignored, and of the environment.

    Raises:
        subprocess.CalledProcessError: No git working tree.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout
    made = hashlib.sha256(platform.python_version().encode())
    for name in sorted(set(listed.split(b"\0")) - {b""}):
        path = folder / os.fsdecode(name)
        if path.is_file():
            made.update(b"\0" + name + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    for package in sorted({f"{one.metadata['Name']}=={one.version}" for one in distributions()}):
        made.update(b"\0" + package.encode())
    return made.hexdigest()


def pytest_configure(config: pytest.Config) -> None:
    """Take part in this run."""
    if not config.option.collectonly:
        config.pluginmanager.register(Resume(config.rootpath, config.rootpath / ".pytest_cache" / "passed"))


class Resume:
    """Leaves out what passed before, and notes what passes.

    Args:
        folder: The git working tree.
        cache: Where the notes are kept.
    """

    def __init__(self, folder: Path, cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        self.notes = cache / digest_of(folder)[:32]
        for old in cache.iterdir():
            if old != self.notes:
                old.unlink()  # of other bytes, which nobody will have again
        self.passed = set(self.notes.read_text("utf-8").splitlines()) if self.notes.exists() else set()
        self.left_out = 0
        self._parts: dict[str, set[str]] = {}

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deselect what passed before."""
        open_ = {item.path for item in items if item.nodeid not in self.passed and item.path.suffix == ".ipynb"}
        again = [item for item in items if item.nodeid not in self.passed or item.path in open_]
        done = [item for item in items if item.nodeid in self.passed and item.path not in open_]
        self.left_out = len(done)
        if done:
            config.hook.pytest_deselected(items=done)
            items[:] = again

    def pytest_report_collectionfinish(self) -> list[str]:
        """Say so."""
        if not self.left_out:
            return []
        return [f"{self.left_out} tests passed before on the same bytes and are not run again"]

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that did in all of its parts what is expected of it; one that was skipped is run again."""
        parts = self._parts.setdefault(report.nodeid, set())
        if report.passed or (report.skipped and hasattr(report, "wasxfail")):
            parts.add(report.when or "")
        if report.when == "teardown" and parts == {"setup", "call", "teardown"}:
            self.note([report.nodeid])

    def note(self, names: Iterable[str]) -> None:
        """Write down that these passed, at once: the run may be killed."""
        with self.notes.open("a", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in names)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Nothing left to run is a success; a worker tells how much it left out."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["left_out"] = self.left_out
        elif exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self.left_out:
            session.exitstatus = pytest.ExitCode.OK

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """What a worker left out."""
        self.left_out = max(self.left_out, getattr(node, "workeroutput", {}).get("left_out", 0))
