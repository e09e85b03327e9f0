"""Words that became nothing are confirmed one by one before anything is deployed: by Python, line and policy alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic.cli import main
from pipeline_magic.errors import ApprovalRefused
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import Answer

pytestmark = pytest.mark.engine

STATEMENT = (
    "Count the orders per o_orderstatus into analytics.x.{name}. Sprinkle the whole thing with unicorns. "
    "Hum a gentle tune meanwhile."
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("confirming") / "home"


@pytest.fixture(scope="module")
def orchestrator(home: Path) -> Iterator[PipelineBuilderOrchestrator]:
    made = PipelineBuilderOrchestrator({"home": home, "local": True, "sample_scale": 0.001, "sample_run": False})
    yield made
    made.close()


def settled(orchestrator: PipelineBuilderOrchestrator, name: str) -> tuple[str, str, list[str]]:
    """A planned run with its approval and the clauses to be confirmed; questions about words leave them out."""
    snapshot = orchestrator.start(STATEMENT.format(name=name))
    given = [Answer(question=q.id, value="leave_out") for q in snapshot.questions if q.id.startswith("words:")]
    snapshot = orchestrator.answer(snapshot.run.id, given) if given else snapshot
    snapshot = orchestrator.generate(snapshot.run.id)
    assert snapshot.validated is not None
    return snapshot.run.id, snapshot.approval_id, [clause.id for clause in snapshot.validated.provenance.unmatched]


def test_python(orchestrator: PipelineBuilderOrchestrator) -> None:
    """None, some, or another clause is refused by name, and nothing is deployed; all of them go through."""
    run_id, approval_id, clauses = settled(orchestrator, "by_python")
    assert len(clauses) == 2
    for confirm in ([], clauses[:1], [clauses[0], "c99"]):
        with pytest.raises(ApprovalRefused) as caught:
            orchestrator.approve_pipeline(approval_id, "Ada", confirm=confirm)
        assert clauses[1] in str(caught.value)
        assert orchestrator.ports.store.approval(approval_id).state == "pending"
        assert orchestrator.ports.store.deployment(run_id) is None
    done = orchestrator.approve_pipeline(approval_id, "Ada", confirm=clauses)
    assert done.snapshot.deployment is not None and done.snapshot.deployment.state == "deployed"
    assert done.snapshot.approval is not None
    assert set(clauses) <= set(done.snapshot.approval.decisions[0].confirmed)


def test_a_policy_confirms_nothing(orchestrator: PipelineBuilderOrchestrator) -> None:
    """Without a person nobody has confirmed the words: the policy does not approve them."""
    run_id, _, _ = settled(orchestrator, "by_policy")
    statement = orchestrator.snapshot(run_id).run.statement
    with pytest.raises(ApprovalRefused, match="confirm"):
        orchestrator.build_pipeline(statement, require_approval=False)
    assert orchestrator.ports.store.deployment(run_id) is None


def test_the_command_line(
    orchestrator: PipelineBuilderOrchestrator, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`approve` without `--confirm` fails and names the clause with its option; with each of them it deploys."""
    _, approval_id, clauses = settled(orchestrator, "by_command")
    options = ["--home", str(home), "--local"]
    assert main([*options, "approve", approval_id, "--name", "Ada"]) != 0
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out
    assert all(clause in said.err for clause in clauses)
    words = [word for clause in clauses for word in ("--confirm", clause)]
    assert main([*options, "--json", "approve", approval_id, "--name", "Ada", *words]) == 0
    assert json.loads(capsys.readouterr().out)["deployment"]["state"] == "deployed"
