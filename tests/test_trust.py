"""What was approved is what runs: the world may not move between plan and approval, and nothing is done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic.errors import ApprovalRefused, DeploymentError, PipelineMagicError
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator

pytestmark = pytest.mark.engine


def _open(home: Path) -> PipelineBuilderOrchestrator:
    return PipelineBuilderOrchestrator(
        home=home, local=True, sample_scale=0.001, measure_questions=False, sample_run=False
    )


@pytest.fixture
def orchestrator(tmp_path: Path) -> Iterator[PipelineBuilderOrchestrator]:
    made = _open(tmp_path / "home")
    yield made
    made.close()


def _git(*words: str, at: Path) -> str:
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    done = subprocess.run(["git", *who, *words], cwd=at, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def _edit_by_hand(orchestrator: PipelineBuilderOrchestrator, path: str, text: str, tmp_path: Path) -> None:
    """Somebody changes a file on the base branch with git alone."""
    clone = tmp_path / "clone"
    _git("clone", "-q", str(orchestrator.settings.home / "repo.git"), str(clone), at=tmp_path)
    (clone / path).parent.mkdir(parents=True, exist_ok=True)
    (clone / path).write_text(text)
    _git("add", "-A", at=clone)
    _git("commit", "-qm", "By hand", at=clone)
    _git("push", "-q", "origin", "main", at=clone)


STATEMENT = "Count the orders per o_orderstatus into analytics.ops.status_counts"


def test_a_schema_that_changed_refuses(orchestrator: PipelineBuilderOrchestrator) -> None:
    """A column added to a source between plan and approval voids the approval, and the column is named."""
    from deltalake import DeltaTable, Field
    from deltalake.schema import PrimitiveType

    result = orchestrator.build_pipeline(STATEMENT)
    folder = orchestrator.settings.home / "lakehouse" / "samples" / "tpch" / "orders"
    DeltaTable(str(folder)).alter.add_columns([Field("o_channel", PrimitiveType("string"), nullable=True)])
    with pytest.raises(ApprovalRefused, match="o_channel"):
        orchestrator.approve_pipeline(result.approval_id, "John Doe")
    snapshot = orchestrator.snapshot(result.run_id)
    assert snapshot.deployment is None and snapshot.pull_request is None
    again = orchestrator.build_pipeline(STATEMENT)
    assert again.approval_id != result.approval_id
    assert orchestrator.approve_pipeline(again.approval_id, "John Doe").deployment.state == "deployed"


def test_a_base_branch_that_changed_refuses(orchestrator: PipelineBuilderOrchestrator, tmp_path: Path) -> None:
    """A file of the plan that appears on the base branch after planning refuses the approval."""
    result = orchestrator.build_pipeline(STATEMENT)
    path = next(file.path for file in result.files if file.path.endswith("README.md"))
    _edit_by_hand(orchestrator, path, "mine", tmp_path)
    with pytest.raises(ApprovalRefused, match=r"README\.md"):
        orchestrator.approve_pipeline(result.approval_id, "John Doe")
    assert orchestrator.ports.code_host.read(path) == "mine"


def test_another_file_on_the_base_branch_does_not_matter(
    orchestrator: PipelineBuilderOrchestrator, tmp_path: Path
) -> None:
    """The approval binds to the paths of the plan alone."""
    result = orchestrator.build_pipeline(STATEMENT)
    _edit_by_hand(orchestrator, "elsewhere.txt", "mine", tmp_path)
    assert orchestrator.approve_pipeline(result.approval_id, "John Doe").pull_request.state == "merged"
    assert orchestrator.ports.code_host.read("elsewhere.txt") == "mine"


def test_a_hand_edit_stops_the_plan(orchestrator: PipelineBuilderOrchestrator, tmp_path: Path) -> None:
    """A generated file that was edited in the repository is shown as a red finding and never overwritten."""
    first = orchestrator.build_pipeline(STATEMENT)
    orchestrator.approve_pipeline(first.approval_id, "John Doe")
    path = first.snapshot.generated.notebook
    edited = orchestrator.ports.code_host.read(path).replace("status", "state")
    _edit_by_hand(orchestrator, path, edited, tmp_path)
    second = orchestrator.build_pipeline(STATEMENT)
    findings = {finding.id: finding for finding in second.quality.findings}
    assert next(one for name, one in findings.items() if name.startswith(f"hand_edit:{path}:")).severity == "red"
    with pytest.raises(ApprovalRefused, match="hand_edit"):
        orchestrator.approve_pipeline(second.approval_id, "John Doe")
    assert orchestrator.ports.code_host.read(path) == edited


def test_policy_of_the_base_branch_decides(orchestrator: PipelineBuilderOrchestrator, tmp_path: Path) -> None:
    """Who may approve is read from the base branch; nobody else's approval counts, whatever name is typed."""
    _ = orchestrator.ports.code_host.read("README.md")
    _edit_by_hand(orchestrator, "pipeline_magic.toml", '[environments.default]\napprovers = ["ada"]\n', tmp_path)
    result = orchestrator.build_pipeline(STATEMENT)
    with pytest.raises(ApprovalRefused, match="ada"):
        orchestrator.approve_pipeline(result.approval_id, "ada")
    assert orchestrator.snapshot(result.run_id).approval.state == "pending"
    with pytest.raises(ApprovalRefused):
        orchestrator.build_pipeline(STATEMENT, require_approval=False)


def test_a_policy_may_ask_for_nobody(orchestrator: PipelineBuilderOrchestrator, tmp_path: Path) -> None:
    """`require_approval=False` works where the policy allows it, and the audit says that nobody was asked."""
    _ = orchestrator.ports.code_host.read("README.md")
    policy = "[environments.default]\napproval_by_policy = true\n"
    _edit_by_hand(orchestrator, "pipeline_magic.toml", policy, tmp_path)
    result = orchestrator.build_pipeline(STATEMENT, require_approval=False)
    assert result.deployment.state == "deployed"
    events = [entry.event for entry in result.snapshot.audit]
    assert "approval.approve_by_policy" in events and "approval.approve" not in events


def test_a_failed_first_run_is_resumed(
    orchestrator: PipelineBuilderOrchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed first run the deployment says so; `resume` runs it again, and opens and merges nothing twice."""
    result = orchestrator.build_pipeline(STATEMENT)
    run_now = orchestrator.ports.deployer.run_now

    def fail(deployment_id: str, **kwargs: object) -> object:
        raise DeploymentError("The cluster is gone.", hint="Try again.")

    monkeypatch.setattr(orchestrator.ports.deployer, "run_now", fail)
    with pytest.raises(DeploymentError, match="cluster is gone"):
        orchestrator.approve_pipeline(result.approval_id, "John Doe")
    assert orchestrator.snapshot(result.run_id).deployment.state == "failed"
    monkeypatch.setattr(orchestrator.ports.deployer, "run_now", run_now)
    done = orchestrator.resume(result.run_id)
    assert done.deployment.state == "deployed" and done.deployment.rows == 3
    events = [entry.event for entry in done.audit]
    assert [events.count(event) for event in ("pull_request.open", "pull_request.merge", "job.deploy")] == [1, 1, 1]


KILL = """
import os, signal, sys
from pipeline_magic.agents.operations.effects import Effects
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator

home, approval, kind, when = sys.argv[1:]
once = Effects.once

def dying(self, name, subject, action):
    def act():
        if name == kind and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = action()
        if name == kind:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return once(self, name, subject, act)

Effects.once = dying
PipelineBuilderOrchestrator(home=home, local=True, measure_questions=False).approve_pipeline(approval, "John Doe")
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["pull_request.open", "pull_request.merge", "schema.create", "job.deploy", "job.run"])
def test_a_killed_process_is_resumed(tmp_path: Path, kind: str, when: str) -> None:
    """Killed before or after any effect of an approval, `resume` ends with one pull request and one deployment."""
    home = tmp_path / "home"
    planner = _open(home)
    result = planner.build_pipeline(STATEMENT)
    planner.close()
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILL), str(home), result.approval_id, kind, when],
        capture_output=True,
        text=True,
        timeout=120,
        env={name: value for name, value in os.environ.items() if name != "PIPELINE_MAGIC_HOME"},
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    orchestrator = _open(home)
    try:
        done = orchestrator.resume(result.run_id)
        assert done.deployment.state == "deployed"
        assert done.pull_request.state == "merged"
        merges = _git("log", "--merges", "--oneline", "main", at=home / "repo.git").splitlines()
        assert len(merges) == 1
        assert sum(path.is_dir() for path in (home / "jobs").glob("job-*")) == 1
        rows = orchestrator.ports.engine.query("SELECT sum(order_count) FROM analytics.ops.status_counts").rows
        assert rows[0][0] == 1500
        from pipeline_magic.agents.approval import audit

        entries = orchestrator.ports.store.audit()
        assert not audit.verify(entries)
        assert [entry.event for entry in entries].count("approval.approve") == 1
    finally:
        orchestrator.close()


def test_resuming_what_is_done_changes_nothing(orchestrator: PipelineBuilderOrchestrator) -> None:
    """`resume` of a deployed run is a no-op."""
    result = orchestrator.build_pipeline(STATEMENT)
    orchestrator.approve_pipeline(result.approval_id, "John Doe")
    before = orchestrator.snapshot(result.run_id)
    after = orchestrator.resume(result.run_id)
    assert (after.audit, after.deployment) == (before.audit, before.deployment)


def test_cancelling_a_waiting_run_drops_it(orchestrator: PipelineBuilderOrchestrator) -> None:
    """A cancelled plan cannot be approved; running the cell again makes a new one."""
    result = orchestrator.build_pipeline(STATEMENT)
    assert orchestrator.cancel(result.run_id).run.state == "cancelled"
    with pytest.raises(PipelineMagicError):
        orchestrator.approve_pipeline(result.approval_id, "John Doe")
    assert orchestrator.build_pipeline(STATEMENT).state == "planned"
