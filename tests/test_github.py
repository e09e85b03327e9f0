"""The whole job with GitHub as code host and everything else local, over a strict server with real git behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic.config import load_settings
from pipeline_magic.errors import ApprovalRefused, ConfigurationError
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.wiring import wire
from tests.support.github_server import FULL, GitHubServer

pytestmark = pytest.mark.engine

STATEMENT = "Count the orders per o_orderstatus into analytics.ops.status_counts"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHubServer]:
    made = GitHubServer(tmp_path)
    yield made
    made.close()


def _open(
    home: Path, server: GitHubServer, token: str = "good-token", **settings: object
) -> PipelineBuilderOrchestrator:
    return PipelineBuilderOrchestrator(
        home=home, sample_scale=0.001, measure_questions=False, sample_run=False, github_repo=FULL, github_token=token,
        github_url=server.url, **settings,
    )  # fmt: skip


def test_from_a_statement_to_a_merged_pull_request(server: GitHubServer, tmp_path: Path) -> None:
    """Nothing is on GitHub before Approve; then one pull request, merged; built again, nothing changes."""
    orchestrator = _open(tmp_path / "home", server, github_labels=("pipeline",))
    try:
        assert orchestrator.ports.code_host.name == f"GitHub repository {FULL}"
        assert "GitHub (127.0.0.1), after Approve" in " ".join(orchestrator.ports.leaves_machine)
        result = orchestrator.build_pipeline(STATEMENT)
        assert server.pulls == {} and not any(method != "GET" for method, _ in server.requests)
        done = orchestrator.approve_pipeline(result.approval_id, "Ada L.", "fine")
        assert done.pull_request.state == "merged" and done.deployment.state == "deployed"
        assert [one["title"] for one in server.pulls.values()] == ["Add pipeline status_counts"]
        assert "Approved by `ada` (Ada L" in server.comments[1][0]["body"] and server.labels[1] == ["pipeline"]
        on_base = orchestrator.ports.code_host.read(result.snapshot.generated.notebook)
        assert on_base == next(file.content for file in result.files if file.path == result.snapshot.generated.notebook)
        again = orchestrator.build_pipeline(STATEMENT)
        assert again.run_id == result.run_id and len(server.pulls) == 1
    finally:
        orchestrator.close()
    assert b"good-token" not in b"".join(file.read_bytes() for file in (tmp_path / "home").rglob("*") if file.is_file())


def test_the_policy_is_the_base_branchs(server: GitHubServer, tmp_path: Path) -> None:
    """GitHub's user decides, by the policy that is merged there; two tokens are two people."""
    server.push("main", {"pipeline_magic.toml": b'[environments.default]\napprovers = ["bob"]\nnot_author = true\n'})
    author = _open(tmp_path / "home", server)
    try:
        result = author.build_pipeline(STATEMENT)
        with pytest.raises(ApprovalRefused, match="bob"):
            author.approve_pipeline(result.approval_id, "bob")
    finally:
        author.close()
    other = _open(tmp_path / "home", server, "other-token")
    try:
        done = other.approve_pipeline(result.approval_id, "Bob")
        assert done.deployment.state == "deployed" and server.pulls[1]["merged_at"]
    finally:
        other.close()


def test_rules_are_waited_for(server: GitHubServer, tmp_path: Path) -> None:
    """A check that the base branch asks for is waited for; any process goes on when it is green."""
    server.required_checks = ("tests",)
    orchestrator = _open(tmp_path / "home", server)
    try:
        result = orchestrator.build_pipeline(STATEMENT)
        waiting = orchestrator.approve_pipeline(result.approval_id, "Ada")
        assert waiting.deployment.state == "waiting" and "checks" in waiting.deployment.message
        assert not server.pulls[1]["merged_at"]
    finally:
        orchestrator.close()
    server.statuses[server.pulls[1]["sha"]] = {"tests": {"id": 1, "context": "tests", "state": "success"}}
    orchestrator = _open(tmp_path / "home", server)
    try:
        done = orchestrator.resume(result.run_id)
        assert done.deployment.state == "deployed" and server.pulls[1]["merged_at"] and len(server.pulls) == 1
    finally:
        orchestrator.close()


def test_a_push_on_the_branch_is_not_deployed(server: GitHubServer, tmp_path: Path) -> None:
    """Where a person merges, what came along on the branch is refused with its path, and nothing is deployed."""
    server.push("main", {"pipeline_magic.toml": b"[environments.default]\nmerge = false\n"})
    orchestrator = _open(tmp_path / "home", server)
    try:
        result = orchestrator.build_pipeline(STATEMENT)
        assert orchestrator.approve_pipeline(result.approval_id, "Ada").deployment.state == "waiting"
        server.push(server.pulls[1]["head"], {"pipelines/evil.py": b"import os\n"})
        with server._lock:
            server.merge("1", body={})
        with pytest.raises(ApprovalRefused, match=r"evil\.py"):
            orchestrator.resume(result.run_id)
        assert orchestrator.snapshot(result.run_id).deployment.state == "failed"
    finally:
        orchestrator.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"github_repo": FULL}, "no token"),
        ({"github_repo": "nonsense", "github_token": "t"}, "github_repo"),
        ({"github_repo": FULL, "github_app_id": "1", "github_app_private_key": "no key"}, "private key"),
    ],
)
def test_settings_that_lead_nowhere(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    """A repository without somebody who may write, or that is none, is said before anything is asked."""
    with pytest.raises(ConfigurationError, match=words):
        wire(load_settings({**settings, "home": tmp_path / "home"}, environ={}, folder=tmp_path))


def test_local_stays_local(tmp_path: Path) -> None:
    """With `local`, a repository in the environment is not spoken to; a token without a repository is warned of."""
    environ = {"GITHUB_REPO": FULL, "GITHUB_TOKEN": "t"}
    ports = wire(load_settings({"local": True, "home": tmp_path / "a"}, environ=environ, folder=tmp_path))
    assert ports.leaves_machine == () and "GitHub" not in ports.code_host.name
    ports.close()
    del environ["GITHUB_REPO"]
    ports = wire(load_settings({"home": tmp_path / "b"}, environ=environ, folder=tmp_path))
    assert any("github_repo" in warning for warning in ports.warnings)
    ports.close()
