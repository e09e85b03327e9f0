"""A deployment waits for the merge by a person, and goes on from anywhere; only what was approved is deployed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic import cli
from pipeline_magic.errors import ApprovalRefused
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import Snapshot
from tests.support.deployed import edit_by_hand, emptied, git, opened

pytestmark = pytest.mark.engine

POLICY = "[environments.default]\nmerge = false\nfirst_run = false\n"
STATEMENT = "Count the orders per o_orderstatus into analytics.ops.status_counts"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PipelineBuilderOrchestrator]:
    made = opened(tmp_path_factory.mktemp("home"))
    yield made
    made.close()


@pytest.fixture
def orchestrator(one: PipelineBuilderOrchestrator) -> Iterator[PipelineBuilderOrchestrator]:
    with emptied(one) as made:
        yield made


@pytest.fixture
def waiting(orchestrator: PipelineBuilderOrchestrator, tmp_path: Path) -> Snapshot:
    """An approved plan whose pull request waits for a person."""
    orchestrator.ports.code_host.read("README.md")
    edit_by_hand(orchestrator, "pipeline_magic.toml", POLICY, tmp_path)
    planned = orchestrator.build_pipeline(STATEMENT)
    return orchestrator.approve(planned.approval_id, "John Doe")


def merge_by_hand(orchestrator: PipelineBuilderOrchestrator, branch: str, at: Path) -> None:
    clone = at / "clone"
    git("fetch", "-q", at=clone)
    git("pull", "-q", at=clone)
    git("merge", "-q", "--no-ff", "-m", "Land", f"origin/{branch}", at=clone)
    git("push", "-q", "origin", "main", at=clone)


def jobs(orchestrator: PipelineBuilderOrchestrator) -> int:
    return sum(path.is_dir() for path in (orchestrator.settings.home / "jobs").glob("job-*"))


def test_waits_and_goes_on_elsewhere(
    orchestrator: PipelineBuilderOrchestrator, waiting: Snapshot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is deployed before the merge; after it the command line says so, and goes on in another process."""
    request = waiting.pull_request
    assert (waiting.deployment.state, request.state, jobs(orchestrator)) == ("waiting", "open", 0)
    assert "Waits until a person has merged pull request 1" in waiting.run.message
    assert "Waits until a person" in waiting.stages[-1].message
    again = orchestrator.resume(waiting.run.id)
    assert (again.deployment, again.audit) == (waiting.deployment, waiting.audit)
    home = ["--home", str(orchestrator.settings.home), "--local"]
    assert cli.main([*home, "status", waiting.run.id]) == 0
    assert "pull request 1: open\n" in capsys.readouterr().out
    merge_by_hand(orchestrator, request.branch, tmp_path)
    assert cli.main([*home, "status", waiting.run.id]) == 0
    assert f"pull request 1: merged; `resume {waiting.run.id}` goes on" in capsys.readouterr().out
    assert jobs(orchestrator) == 0
    assert cli.main([*home, "resume", waiting.run.id]) == 0
    done = orchestrator.snapshot(waiting.run.id)
    assert (done.deployment.state, done.pull_request.state, jobs(orchestrator)) == ("deployed", "merged", 1)
    events = [entry.event for entry in done.audit]
    assert events.count("deployment.wait") == events.count("pull_request.land") == events.count("job.deploy") == 1


def test_closed(orchestrator: PipelineBuilderOrchestrator, waiting: Snapshot) -> None:
    """A pull request that was closed without merging ends the deployment; the plan can be approved anew."""
    orchestrator.ports.code_host.close_pull_request(waiting.pull_request.number, reason="no")
    ended = orchestrator.resume(waiting.run.id)
    assert ended.deployment.state == "failed" and "closed without being merged" in ended.deployment.message
    assert ended.approval.state == "void" and jobs(orchestrator) == 0
    again = orchestrator.generate(waiting.run.id)
    assert again.approval.state == "pending"
    reopened = orchestrator.approve(again.approval_id, "John Doe")
    assert (reopened.deployment.state, reopened.pull_request.state) == ("waiting", "open")


def test_another_commit_on_the_branch(
    orchestrator: PipelineBuilderOrchestrator, waiting: Snapshot, tmp_path: Path
) -> None:
    """Somebody pushed to the branch before it was merged: refused with the difference, and nothing is deployed."""
    clone, branch = tmp_path / "clone", waiting.pull_request.branch
    git("fetch", "-q", at=clone)
    git("checkout", "-q", branch, at=clone)
    spec = clone / "pipelines" / "status_counts" / "spec.yml"
    spec.write_text(spec.read_text().replace("o_orderstatus", "o_orderpriority"))
    git("commit", "-qam", "Better", at=clone)
    git("push", "-q", "origin", branch, at=clone)
    git("checkout", "-q", "main", at=clone)
    merge_by_hand(orchestrator, branch, tmp_path)
    with pytest.raises(ApprovalRefused, match=r"(?s)not what was approved.*\n-.*o_orderstatus.*\n\+.*o_orderpriority"):
        orchestrator.resume(waiting.run.id)
    now = orchestrator.snapshot(waiting.run.id)
    assert (now.deployment.state, now.approval.state, jobs(orchestrator)) == ("failed", "void", 0)


def test_another_file_on_the_branch(
    orchestrator: PipelineBuilderOrchestrator, waiting: Snapshot, tmp_path: Path
) -> None:
    """A file that nobody approved came along with the merge: refused, and named."""
    clone, branch = tmp_path / "clone", waiting.pull_request.branch
    git("fetch", "-q", at=clone)
    git("checkout", "-q", branch, at=clone)
    (clone / "resources" / "other.job.yml").write_text("resources: {}\n")
    git("add", "-A", at=clone)
    git("commit", "-qm", "One more", at=clone)
    git("push", "-q", "origin", branch, at=clone)
    git("checkout", "-q", "main", at=clone)
    merge_by_hand(orchestrator, branch, tmp_path)
    with pytest.raises(ApprovalRefused, match=r"other\.job\.yml"):
        orchestrator.resume(waiting.run.id)
    assert jobs(orchestrator) == 0


def test_the_branch_brought_up_to_date(
    orchestrator: PipelineBuilderOrchestrator, waiting: Snapshot, tmp_path: Path
) -> None:
    """The base branch merged into the branch, as code hosts offer it, changes nothing of what was approved."""
    edit_by_hand(orchestrator, "elsewhere.txt", "mine", tmp_path)
    clone, branch = tmp_path / "clone", waiting.pull_request.branch
    git("fetch", "-q", at=clone)
    git("checkout", "-q", branch, at=clone)
    git("merge", "-q", "-m", "Up to date", "origin/main", at=clone)
    git("push", "-q", "origin", branch, at=clone)
    git("checkout", "-q", "main", at=clone)
    merge_by_hand(orchestrator, branch, tmp_path)
    assert orchestrator.resume(waiting.run.id).deployment.state == "deployed"


def test_checks(orchestrator: PipelineBuilderOrchestrator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where we merge, required checks are waited for; a failed one is said, a green one goes on."""
    host, standing = orchestrator.ports.code_host, ["pending"]
    find = host.find_pull_request

    def with_checks(branch: str) -> object:
        found = find(branch)
        return found and found.model_copy(update={"checks": standing[0]})

    monkeypatch.setattr(host, "find_pull_request", with_checks)
    planned = orchestrator.build_pipeline(STATEMENT)
    waits = orchestrator.approve(planned.approval_id, "John Doe")
    assert waits.deployment.state == "waiting" and "required checks" in waits.run.message
    standing[0] = "failed"
    assert "failed" in orchestrator.resume(planned.run_id).run.message
    standing[0] = "passed"
    assert orchestrator.resume(planned.run_id).deployment.state == "deployed"


def test_a_bundle_is_refused_here(orchestrator: PipelineBuilderOrchestrator, tmp_path: Path) -> None:
    """An environment that CI deploys by a bundle cannot be deployed by the local lakehouse: said before anything."""
    orchestrator.ports.code_host.read("README.md")
    edit_by_hand(orchestrator, "pipeline_magic.toml", '[environments.default]\ndeploy_via = "bundle"\n', tmp_path)
    planned = orchestrator.build_pipeline(STATEMENT)
    with pytest.raises(ApprovalRefused, match="deployed by a bundle"):
        orchestrator.approve(planned.approval_id, "John Doe")
    now = orchestrator.snapshot(planned.run_id)
    assert (now.approval.state, now.pull_request, jobs(orchestrator)) == ("pending", None, 0)


def test_what_a_killed_sample_run_left_is_removed(orchestrator: PipelineBuilderOrchestrator) -> None:
    """`resume` drops the scratch schema of the run."""
    run = orchestrator.start(STATEMENT).run
    orchestrator.ports.engine.create_scratch(run.id)
    scratch = orchestrator.settings.home / "scratch"
    assert any(scratch.iterdir())
    orchestrator.resume(run.id)
    assert not any(scratch.iterdir())
