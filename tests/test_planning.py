"""What a plan depends on: of a file that all pipelines share, only other bytes count as a change."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline_magic.adapters.localgit import LocalGit
from pipeline_magic.compiler.bundle import BUNDLE
from pipeline_magic.compiler.environments import DEFAULT
from pipeline_magic.errors import ConfigurationError
from pipeline_magic.flow import observing
from pipeline_magic.runs import Change, File


def base(host: LocalGit, content: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """State of the base branch for a plan of two files, by a run that deployed nothing."""
    monkeypatch.setattr(observing, "stage_result", lambda *_: None)
    ports: Any = SimpleNamespace(store=None, code_host=host)
    run: Any = SimpleNamespace(id="r-1")
    files = (File(path=BUNDLE, content=content), File(path="pipelines/a/spec.yml", content=content))
    return observing.base_state(ports, run, files)


def test_a_shared_file_that_another_plan_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The very same `databricks.yml` merged by another plan voids no approval; another one does, and so does a spec."""
    host = LocalGit(tmp_path / "data.git")
    before = base(host, "x: 1\n", monkeypatch)
    assert set(before.values()) == {None}
    files = (File(path=BUNDLE, content="x: 1\n"), File(path="pipelines/a/spec.yml", content="x: 1\n"))
    change = Change(branch="b", base="main", title="t", body="b", files=files)
    host.merge(host.open_pull_request(change).number, message="m")
    after = base(host, "x: 1\n", monkeypatch)
    assert after[BUNDLE] is None and after["pipelines/a/spec.yml"] is not None
    assert base(host, "x: 2\n", monkeypatch)[BUNDLE] is not None


def test_environments_are_read_from_the_base_branch() -> None:
    """Keys of policy and of settings share a table; a key that is neither is refused."""
    ports: Any = SimpleNamespace(code_host=SimpleNamespace(read=lambda path: None))
    assert observing.environments_of(ports) == DEFAULT
    ports.code_host.read = lambda path: "[environments.prod]\nneeded = 2\nretries = 3\n"
    assert observing.environments_of(ports).get("prod").retries == 3
    ports.code_host.read = lambda path: "[environments.prod]\nretires = 3\n"
    with pytest.raises(ConfigurationError, match="retries"):
        observing.environments_of(ports)
