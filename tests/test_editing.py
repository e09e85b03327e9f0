"""Conversation: a pipeline changed in words is a new run with the change, and the earlier one is superseded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic.compiler.diff import diff_specs
from pipeline_magic.demo import STATEMENT
from pipeline_magic.errors import NotFound, SpecError, StatementError
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import Snapshot
from pipeline_magic.spec.model import PipelineSpec


@pytest.fixture(scope="module")
def orchestrator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PipelineBuilderOrchestrator]:
    home: Path = tmp_path_factory.mktemp("home")
    made = PipelineBuilderOrchestrator({"home": home, "local": True, "measure_questions": False, "sample_scale": 0.001})
    yield made
    made.close()


def spec_of(snapshot: Snapshot) -> PipelineSpec:
    assert snapshot.validated is not None and snapshot.validated.spec is not None
    return snapshot.validated.spec


def test_a_change_in_words(orchestrator: PipelineBuilderOrchestrator) -> None:
    """The new run differs by what was said, knows the words, is found by statement and name; the old is superseded."""
    first = orchestrator.start(STATEMENT, new=True)
    name = first.run.name
    made = orchestrator.open_change(name, "make it weekly on Monday at 7; drop the segment")
    second = orchestrator.resume(made.id)
    changes = diff_specs(spec_of(first), spec_of(second))
    assert {change.path.split(".")[0] for change in changes} <= {"trigger", "steps", "target", "expectations"}
    assert [step.id for step in spec_of(second).steps] == [
        step.id for step in spec_of(first).steps if step.kind != "segment"
    ]
    assert spec_of(second).sources == spec_of(first).sources
    assert second.run.state == "awaiting_input"
    assert second.run.statement == first.run.statement
    assert orchestrator.snapshot(first.run.id).run.state == "superseded"
    assert orchestrator.open(STATEMENT).id == second.run.id
    assert orchestrator.ports.store.runs(name=name, limit=1)[0].id == second.run.id
    assert second.validated is not None
    provenance = second.validated.provenance
    origin = provenance.origins["trigger"]
    assert origin.kind == "clause"
    (clause,) = [clause for clause in provenance.clauses if clause.id in origin.clauses]
    assert provenance.text(clause) == "make it weekly on Monday at 7"
    assert provenance.statements[0] == first.run.statement
    entries = orchestrator.ports.store.audit(second.run.id)
    assert [entry.event for entry in entries] == ["spec.edit"]
    assert "drop the segment" in str(entries[0].detail)

    third = orchestrator.resume(orchestrator.open_change(second.run.id, "use an inner join").id)
    (change,) = diff_specs(spec_of(second), spec_of(third))
    assert change.path.startswith("steps.")
    again = orchestrator.start(STATEMENT)
    assert again.run.id == third.run.id
    assert spec_of(again) == spec_of(third)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("make it shiny", StatementError),
        ("make it weekly and make it shiny", StatementError),
        ("", StatementError),
        ("write to `a`b`.c", StatementError),
        ("write to samples.tpch.orders", SpecError),
    ],
)
def test_a_change_that_does_not_fit(
    orchestrator: PipelineBuilderOrchestrator, words: str, error: type[Exception]
) -> None:
    """It is refused as a whole: no new run, and the old one is as it was."""
    first = orchestrator.start(STATEMENT)
    with pytest.raises(error):
        orchestrator.open_change(first.run.id, words)
    assert orchestrator.runs(limit=1)[0].id == first.run.id
    assert orchestrator.snapshot(first.run.id).run.state == first.run.state


@pytest.mark.engine
def test_a_changed_pipeline_is_planned(orchestrator: PipelineBuilderOrchestrator) -> None:
    """`edit_pipeline` goes on to a plan of its own, and the plan of the earlier run can no longer be approved."""
    orchestrator.start(STATEMENT, new=True)
    built = orchestrator.build_pipeline(STATEMENT)
    edited = orchestrator.edit_pipeline(built.run_id, "write to analytics.gold.elsewhere")
    assert edited.run_id != built.run_id
    assert edited.snapshot.run.state == "planned"
    assert edited.approval_id and edited.approval_id != built.approval_id
    assert spec_of(edited.snapshot).target.table == "analytics.gold.elsewhere"
    assert orchestrator.ports.store.approval(built.approval_id).state == "void"


def test_a_pipeline_that_is_not_there(orchestrator: PipelineBuilderOrchestrator) -> None:
    """A name nobody knows is said."""
    with pytest.raises(NotFound, match="no_such_pipeline"):
        orchestrator.open_change("no_such_pipeline", "make it weekly")
