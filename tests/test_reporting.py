"""What stands on the commit of a plan's pull request, over GitHub's adapter; drafts are in `tests/test_drafts.py`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.errors import CodeHostError
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.verbs import VERBS
from tests.support.github_server import GitHubServer, github_at
from tests.trust import world


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHubServer]:
    made = GitHubServer(tmp_path)
    yield made
    made.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    world.build_home(folder)
    return folder


def at(home: Path, server: GitHubServer, token: str = "good-token", **options: Any) -> PipelineBuilderOrchestrator:
    """Somebody at a notebook whose pull requests go to GitHub."""
    return world.open_world(home, replace(world.ports_at(home), code_host=github_at(server, token, **options)))


def test_a_rule_of_the_branch_can_ask_for_it(server: GitHubServer, home: Path) -> None:
    """A status with the plan's digest and verdict is there before merging; `status` shows what stands there."""
    server.required_checks = ("pipeline_magic/plan",)
    it = at(home, server)
    try:
        result = it.build_pipeline(world.STATEMENT)
        done = it.approve(result.approval_id, "Ada")
        assert done.deployment is not None and done.deployment.state == "deployed"
        digest = it.ports.store.approval(result.approval_id).digest
        assert [(one["state"], digest in one["description"]) for one in server.said] == [("success", True)] * 2
        status = next(verb for verb in VERBS if verb.name == "status")
        shown = status.run(it, Namespace(id=result.run_id), lambda event: None)
        assert f"on pull request 1: success: Deployed. Quality {done.quality.verdict}. Plan {digest}" in shown.text
        it.rollback(result.run_id, "Ada")
        assert [one["description"].split(".")[0] for one in server.said[2:]] == [
            "Undoes what was deployed",
            "Deployed, and rolled back",
        ]
        assert server.pulls[2]["merged_at"]
    finally:
        it.close()


@pytest.mark.parametrize(
    ("token", "app", "part"), [("good-token", "", "statuses"), ("app-token", "our-app[bot]", "check-runs")]
)
def test_without_the_scope_all_else_goes_on(server: GitHubServer, home: Path, token: str, app: str, part: str) -> None:
    """Who may not write it is warned, once a step and for as long as it is so; the plan is merged and deployed."""
    server.lacking = {server.users[token]: part}
    it = at(home, server, token, app=app)
    told: list[str] = []
    try:
        result = it.build_pipeline(world.STATEMENT)
        done = it.approve(result.approval_id, "Ada", progress=lambda event: told.append(event.message))
        assert done.deployment is not None and done.deployment.state == "deployed"
        assert server.said == [] and server.checks == {} and server.pulls[1]["merged_at"]
        assert any("read and write" in message for message in told)
        assert any("read and write" in warning for warning in done.warnings)
    finally:
        it.close()


@pytest.mark.full
def test_a_failure_to_say_it_is_finished_by_resume(server: GitHubServer, home: Path) -> None:
    """Where GitHub gives no answer at any attempt the call fails; `resume` ends with one of everything."""
    it = at(home, server)
    try:
        result = it.build_pipeline(world.STATEMENT)
        host = it.ports.code_host
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(host, "report", _down)
            with pytest.raises(CodeHostError):
                it.approve(result.approval_id, "Ada")
        done = it.resume(result.run_id)
        assert done.deployment is not None and done.deployment.state == "deployed"
        assert [one["state"] for one in server.said] == ["success", "success"] and len(server.pulls) == 1
    finally:
        it.close()


def _down(*_: Any, **__: Any) -> Any:
    raise CodeHostError("GitHub answered 503 each time.")
