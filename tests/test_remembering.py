"""Answers are kept: by the same statement in a fresh process, and by another statement of the same pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic.errors import SpecError
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import Answer, Snapshot
from pipeline_magic.ui.controls import QuestionControls
from pipeline_magic.ui.questions import questions_html, questions_text, questions_view

STATEMENT = "Read customers and orders, join them, give the total o_totalprice per c_mktsegment into analytics.x.kept"
DAILY = STATEMENT + " daily at 7"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def opened(home: Path) -> PipelineBuilderOrchestrator:
    return PipelineBuilderOrchestrator({"home": home, "local": True, "measure_questions": False, "sample_scale": 0.001})


@pytest.fixture
def orchestrator(home: Path) -> Iterator[PipelineBuilderOrchestrator]:
    made = opened(home)
    yield made
    made.close()


def join_question(snapshot: Snapshot) -> str:
    (found,) = [question.id for question in snapshot.questions if question.id.startswith("join:")]
    return found


def how(snapshot: Snapshot) -> str:
    assert snapshot.validated is not None and snapshot.validated.spec is not None
    (join,) = [step for step in snapshot.validated.spec.steps if step.kind == "join"]
    return join.how


def other_way(snapshot: Snapshot) -> str:
    return "left" if how(snapshot) == "inner" else "inner"


def test_the_same_statement_in_a_fresh_process(orchestrator: PipelineBuilderOrchestrator, home: Path) -> None:
    """The answer holds, the question is shown as answered before, and another answer replaces it."""
    first = orchestrator.start(STATEMENT)
    question, answer = join_question(first), other_way(first)
    orchestrator.answer(first.run.id, [Answer(question=question, value=answer)])
    orchestrator.close()
    again = opened(home)
    try:
        second = again.start(STATEMENT)
        assert how(second) == answer
        assert question not in {item.id for item in second.questions}
        assert [(item.id, value) for item, value in second.answered] == [(question, answer)]
        (view,) = [view for view in questions_view(second) if view.id == question]
        assert (view.answered, view.default, view.must_answer) == (answer, answer, False)
        assert f"Answered before {question}: " in questions_text((view,))
        assert "answered before" in str(questions_html((view,))) and "your answer" in str(questions_html((view,)))
        controls = QuestionControls((view,))
        assert controls.answers() == () and controls.unanswered() == ()
        controls._choices[question].value = how(first)
        assert controls.answers() == (Answer(question=question, value=how(first)),)
        third = again.answer(second.run.id, [Answer(question=question, value=how(first))])
        assert how(third) == how(first)
        assert [(item.id, value) for item, value in third.answered] == [(question, how(first))]
    finally:
        again.close()


def test_another_statement_of_the_same_pipeline(orchestrator: PipelineBuilderOrchestrator) -> None:
    """A changed statement is a new run of the same name: it takes the answer over, says so, and keeps its own later."""
    first = orchestrator.start(STATEMENT)
    question, answer = join_question(first), other_way(first)
    orchestrator.answer(first.run.id, [Answer(question=question, value=answer)])
    second = orchestrator.start(DAILY)
    assert second.run.id != first.run.id and second.run.name == first.run.name
    assert how(second) == answer and second.run.adopted == (question,)
    assert [item.id for item, _ in second.answered] == [question]
    (entry,) = orchestrator.ports.store.audit(second.run.id)
    assert entry.event == "question.answer" and answer in str(entry.detail)
    orchestrator.answer(second.run.id, [Answer(question=question, value=how(first))])
    assert how(orchestrator.start(DAILY)) == how(first)
    assert how(orchestrator.start(STATEMENT)) == answer  # a run that has its own answers keeps them


def test_begun_anew(orchestrator: PipelineBuilderOrchestrator) -> None:
    """`--new` asks again; so does a pipeline of another name."""
    first = orchestrator.start(STATEMENT)
    orchestrator.answer(first.run.id, [Answer(question=join_question(first), value=other_way(first))])
    assert join_question(orchestrator.start(DAILY, new=True))
    assert join_question(orchestrator.start(STATEMENT.replace("kept", "other")))


def test_an_answer_that_has_the_statement_read_again(orchestrator: PipelineBuilderOrchestrator) -> None:
    """It leaves no question behind, and is shown with the question as it was asked, to be changed."""
    first = orchestrator.start("Average balance per nation into analytics.x.balances")
    (question,) = [item for item in first.questions if item.must_answer]
    supplier = next(option.id for option in question.options if "supplier" in option.id)
    second = orchestrator.answer(first.run.id, [Answer(question=question.id, value=supplier)])
    assert [(item.text, value) for item, value in second.answered] == [(question.text, supplier)]
    customer = next(option.id for option in question.options if "customer" in option.id)
    third = orchestrator.answer(first.run.id, [Answer(question=question.id, value=customer)])
    assert third.validated is not None and third.validated.spec is not None
    assert "samples.tpch.customer" in {source.table for source in third.validated.spec.sources}
    assert [value for _, value in third.answered] == [customer]


def test_a_wrong_answer_changes_nothing(orchestrator: PipelineBuilderOrchestrator) -> None:
    """An answer that is none of the options is refused, and the one before stands."""
    first = orchestrator.start(STATEMENT)
    question, answer = join_question(first), other_way(first)
    orchestrator.answer(first.run.id, [Answer(question=question, value=answer)])
    with pytest.raises(SpecError, match="is no answer"):
        orchestrator.answer(first.run.id, [Answer(question=question, value="sideways")])
    assert how(orchestrator.snapshot(first.run.id)) == answer
