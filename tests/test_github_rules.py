"""What GitHub's side may ask for or have done between Approve and the merge: reviews, a conflict, branches that go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.errors import MergeConflict
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from tests.support.github_server import GitHubServer, github_at
from tests.trust import world

NOTEBOOK = "pipelines/city_orders/city_orders.ipynb"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHubServer]:
    made = GitHubServer(tmp_path)
    world.build_home(tmp_path / "home")
    yield made
    made.close()


def at(folder: Path, server: GitHubServer, **options: Any) -> closing[PipelineBuilderOrchestrator]:
    """A notebook of its own on the same home."""
    home = folder / "home"
    return closing(world.open_world(home, replace(world.ports_at(home), code_host=github_at(server, **options))))


def test_reviews_and_checks_are_waited_for(server: GitHubServer, tmp_path: Path) -> None:
    """Until they are there the run waits and says for what; any process then goes on; the branch is removed after."""
    server.required_checks, server.required_reviews = ("tests",), 1
    with at(tmp_path, server) as it:
        run_id = it.build_pipeline(world.STATEMENT).run_id
        waiting = it.approve(it.snapshot(run_id).approval_id, "Ada")
        assert waiting.deployment is not None and waiting.deployment.state == "waiting"
        assert "checks and reviews" in waiting.deployment.message and not server.pulls[1]["merged_at"]
        server.statuses[server.pulls[1]["sha"]]["tests"] = {"id": 1, "context": "tests", "state": "success"}
        assert it.resume(run_id).deployment.state == "waiting"  # type: ignore[union-attr]
    server.reviews[1] = [{"id": 1, "state": "APPROVED", "user": {"login": "bob"}}]
    with at(tmp_path, server, delete_branch=True) as it:
        done = it.resume(run_id)
        assert done.deployment is not None and done.deployment.state == "deployed"
        assert server.git("for-each-ref", "refs/heads/pipeline") == ""
        assert it.resume(run_id).deployment == done.deployment


def test_a_conflict_says_what_to_do(server: GitHubServer, tmp_path: Path) -> None:
    """Somebody merged another file at our path meanwhile: it is named, nothing is merged or deployed, and a new plan
    shows it as an edit by hand with its ways out."""
    server.required_checks = ("tests",)
    with at(tmp_path, server) as it:
        run_id = it.build_pipeline(world.STATEMENT).run_id
        it.approve(it.snapshot(run_id).approval_id, "Ada")
        server.push("main", {NOTEBOOK: b"theirs\n"})
        server.required_checks = ()
        with pytest.raises(MergeConflict, match=r"city_orders\.ipynb") as raised:
            it.resume(run_id)
        assert "Build again" in raised.value.hint and not server.pulls[1]["merged_at"]
        snapshot = it.snapshot(run_id)
        assert snapshot.deployment is not None and snapshot.deployment.state == "waiting"
        assert "no longer merges cleanly" in snapshot.run.message
        it.generate(run_id)
        (found,) = it.hand_edits(run_id)
        assert found.path == NOTEBOOK and found.ways == ("take", "keep", "discard")
        snapshot = it.resolve_hand_edit(run_id, NOTEBOOK, "discard", "ours stands")
        assert server.said[-1]["state"] == "failure"  # of the plan before, which nobody is to merge any more
        done = it.approve(snapshot.approval_id, "Ada")
        assert done.deployment is not None and done.deployment.state == "deployed"
        assert it.ports.code_host.read(NOTEBOOK) == snapshot.generated.file(NOTEBOOK).content  # type: ignore[union-attr]
