"""A deployment can be undone, as far as it says beforehand, and nobody else's rows are taken away by it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from pipeline_magic import cli
from pipeline_magic.agents.approval import audit
from pipeline_magic.errors import RollbackRefused
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from tests.support.deployed import (
    TARGET,
    deploy,
    emptied,
    folder,
    foreign_write,
    git,
    opened,
    rows,
)

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PipelineBuilderOrchestrator]:
    made = opened(tmp_path_factory.mktemp("home"))
    yield made
    made.close()


@pytest.fixture
def orchestrator(one: PipelineBuilderOrchestrator) -> Iterator[PipelineBuilderOrchestrator]:
    with emptied(one) as made:
        yield made


@pytest.mark.full
def test_a_first_deployment(orchestrator: PipelineBuilderOrchestrator) -> None:
    """Job and table are gone, the files are reverted, the approval is void, and the audit says who did what."""
    run_id = deploy(orchestrator).run.id
    plan = orchestrator.plan_rollback("status_counts")
    assert [(step.part, step.action) for step in plan.steps] == [
        ("job", "remove"),
        ("tables", "drop"),
        ("files", "revert"),
    ]
    assert folder(orchestrator).exists() and not plan.refused
    done = orchestrator.rollback_pipeline("status_counts", "John Doe", "wrong numbers", shown=plan)
    assert done.deployment.state == "rolled_back"
    assert not folder(orchestrator).exists()
    assert orchestrator.ports.deployer.find("status_counts", "default") is None
    assert list(orchestrator.ports.code_host.paths("pipelines/status_counts")) == []
    assert done.deployment.revert.state == "merged"
    assert done.snapshot.approval.state == "void"
    entries = orchestrator.ports.store.audit()
    events = [entry.event for entry in entries if entry.run_id == run_id]
    for event in ("rollback.start", "rollback.remove", "rollback.drop", "rollback.revert", "rollback.done"):
        assert events.count(event) == 1, event
    start = next(entry for entry in entries if entry.event == "rollback.start")
    assert (start.identity, start.name) == (orchestrator.ports.code_host.identity(), "John Doe")
    assert start.detail["reason"] == "wrong numbers" and len(start.detail["steps"]) == 3
    assert not audit.verify(entries)


@pytest.mark.full
def test_twice(orchestrator: PipelineBuilderOrchestrator) -> None:
    """A second rollback is told so and touches nothing; the plan can be approved and deployed again."""
    run_id = deploy(orchestrator).run.id
    before = rows(orchestrator)
    orchestrator.rollback(run_id, "John Doe")
    count = len(orchestrator.ports.store.audit())
    with pytest.raises(RollbackRefused, match="already"):
        orchestrator.rollback(run_id, "John Doe")
    assert len(orchestrator.ports.store.audit()) == count
    again = orchestrator.generate(run_id)
    assert again.approval.state == "pending"
    done = orchestrator.approve(again.approval_id, "John Doe")
    assert done.deployment.state == "deployed" and rows(orchestrator) == before
    assert orchestrator.ports.code_host.paths("pipelines/status_counts")
    assert orchestrator.rollback(run_id, "John Doe").deployment.state == "rolled_back"
    assert not folder(orchestrator).exists()


def test_a_change_of_a_deployed_pipeline(orchestrator: PipelineBuilderOrchestrator) -> None:
    """The table holds the same rows as before, with its comment; the job has the earlier notebook and settings."""
    first = deploy(orchestrator)
    before, settings = rows(orchestrator), orchestrator.ports.deployer.settings(first.deployment.id)
    text = orchestrator.ports.code_host.read(first.generated.notebook)
    comment = orchestrator.ports.catalog.table(TARGET).comment
    changed = orchestrator.edit_pipeline("status_counts", "only where o_totalprice > 100000")
    second = orchestrator.approve_pipeline(changed.approval_id, "John Doe").snapshot
    assert rows(orchestrator) != before
    with pytest.raises(RollbackRefused, match="deployed again since"):
        orchestrator.rollback(first.run.id, "John Doe")
    done = orchestrator.rollback_pipeline("status_counts", "John Doe")
    assert done.run_id == second.run.id
    assert rows(orchestrator) == before
    now = orchestrator.ports.deployer.settings(first.deployment.id)
    assert now == settings
    assert orchestrator.ports.code_host.read(first.generated.notebook) == text
    assert orchestrator.ports.catalog.table(TARGET).comment == comment
    job = orchestrator.ports.deployer.run_now(first.deployment.id, key="later")
    assert job.succeeded and rows(orchestrator) == before
    # and the one before it can be undone in its turn
    assert orchestrator.rollback_pipeline("status_counts", "John Doe").run_id == first.run.id
    assert not folder(orchestrator).exists()
    assert orchestrator.ports.deployer.find("status_counts", "default") is None


def test_others_wrote_since(orchestrator: PipelineBuilderOrchestrator) -> None:
    """Nothing at all is touched, and it is said who wrote; job and files can be undone alone."""
    first = deploy(orchestrator)
    changed = orchestrator.edit_pipeline("status_counts", "only where o_totalprice > 100000")
    second = orchestrator.approve_pipeline(changed.approval_id, "John Doe").snapshot
    foreign_write(orchestrator)
    before = rows(orchestrator), orchestrator.ports.deployer.settings(second.deployment.id)
    merged = git("rev-parse", "main", at=orchestrator.settings.home / "repo.git")
    with pytest.raises(RollbackRefused, match=r"others have written .*version 2, WRITE by sail"):
        orchestrator.rollback(second.run.id, "John Doe")
    assert (rows(orchestrator), orchestrator.ports.deployer.settings(second.deployment.id)) == before
    assert git("rev-parse", "main", at=orchestrator.settings.home / "repo.git") == merged
    assert orchestrator.snapshot(second.run.id).deployment.state == "deployed"
    done = orchestrator.rollback(second.run.id, "John Doe", parts=("job", "files"))
    assert done.deployment.state == "rolled_back" and "The tables stay" in done.deployment.message
    assert rows(orchestrator) == before[0]
    now = orchestrator.ports.deployer.settings(first.deployment.id)
    assert now["digest"] == first.deployment.digest


@pytest.mark.full
def test_others_wrote_a_new_table(orchestrator: PipelineBuilderOrchestrator) -> None:
    """A table that the deployment made, and others wrote, is left, and that is said; the rest is undone."""
    run_id = deploy(orchestrator).run.id
    foreign_write(orchestrator)
    plan = orchestrator.plan_rollback(run_id)
    assert [step.part for step in plan.steps] == ["job", "files"] and "stays" in plan.left[0]
    orchestrator.rollback(run_id, "John Doe")
    assert len(rows(orchestrator)) == 6


@pytest.mark.full
def test_a_write_between_plan_and_rollback(orchestrator: PipelineBuilderOrchestrator) -> None:
    """What a person was shown is what is done: another plan by then touches nothing."""
    run_id = deploy(orchestrator).run.id
    shown = orchestrator.plan_rollback(run_id)
    foreign_write(orchestrator)
    with pytest.raises(RollbackRefused, match="another"):
        orchestrator.rollback(run_id, "John Doe", shown=shown)
    assert orchestrator.snapshot(run_id).deployment.state == "deployed"


def _in_a_shell(orchestrator: PipelineBuilderOrchestrator, monkeypatch: pytest.MonkeyPatch, line: str) -> str:
    """What a line of a notebook prints."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    monkeypatch.setenv("PIPELINE_MAGIC_HOME", str(orchestrator.settings.home))
    monkeypatch.setenv("PIPELINE_MAGIC_LOCAL", "1")
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "pipeline_magic")
    with capture_output() as shown:
        shell.run_cell(line)
    InteractiveShell.clear_instance()
    return shown.stdout


def test_the_command_line(
    orchestrator: PipelineBuilderOrchestrator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `--yes` it says what would be undone and touches nothing; with it, it is undone, by name or id. A
    notebook's line says the same."""
    run_id = deploy(orchestrator).run.id
    home = ["--home", str(orchestrator.settings.home), "--local"]
    assert cli.main([*home, "rollback", "status_counts"]) == 0
    said = capsys.readouterr().out
    assert f"2. Drop `{TARGET}`" in said and f"Nothing was touched. `rollback {run_id} --yes` does it." in said
    assert folder(orchestrator).exists() and orchestrator.snapshot(run_id).deployment.state == "deployed"
    assert _in_a_shell(orchestrator, monkeypatch, "%pipeline rollback status_counts") == said
    assert cli.main([*home, "--json", "rollback", run_id, "--only", "job"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [step["part"] for step in plan["steps"]] == ["job"] and len(plan["left"]) >= 2
    assert cli.main([*home, "rollback", "status_counts", "--yes", "--reason", "wrong numbers"]) == 0
    capsys.readouterr()
    assert not folder(orchestrator).exists()
    assert cli.main([*home, "rollback", run_id, "--yes"]) == 10
    assert "already" in capsys.readouterr().err
    assert cli.main([*home, "rollback", "no_such", "--yes"]) == 11
