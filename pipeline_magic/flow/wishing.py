"""A change in words that may mean several things: asked like any question, made once it is answered.

The run that was opened for it holds the words (`Run.wish`) and stands beside the one it changes until then; so nothing
is lost where nobody answers. Not here: what the words mean (`agents.specification.editing`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pipeline_magic.errors import SpecError
from pipeline_magic.flow import drafts, planning
from pipeline_magic.flow.snapshots import approval_of
from pipeline_magic.flow.stages import Work
from pipeline_magic.runs import Question, Run, Validated
from pipeline_magic.spec.paths import Edit

if TYPE_CHECKING:
    from pipeline_magic.agents.approval import ApprovalOrchestrator
    from pipeline_magic.spec.schema import TableSchema
    from pipeline_magic.spec.typed import TypedSpec
    from pipeline_magic.wiring import Ports

    Beside = Callable[[str, TypedSpec], tuple[TableSchema, ...]]

__all__ = ["grant", "questions_of", "read_wish", "supersede"]


def read_wish(
    words: str, typed: TypedSpec, beside: Beside, answers: Mapping[str, str] | None = None
) -> tuple[tuple[Edit, ...], tuple[Question, ...]]:
    """The edits of a change in words; or none, and the questions that come first.

    Args:
        words: As a person typed them.
        typed: The spec as it stands.
        beside: Gives the tables that words may mean beside those that are read.
        answers: Given so far, by question.

    Raises:
        StatementError: Some of the words are not understood.
        SpecError: An answer is none of the options.
    """
    from pipeline_magic.agents.specification.editing import Ambiguous, read_change

    try:
        return read_change(words, typed, lambda: beside(words, typed), answers), ()
    except Ambiguous as ambiguous:
        return (), ambiguous.questions


def questions_of(run: Run, validated: Validated, beside: Beside) -> tuple[Question, ...]:
    """What is still open of the words that the run was opened for."""
    if not run.wish or validated.typed is None:
        return ()
    answers = {answer.question: answer.value for answer in run.answers}
    return read_wish(run.wish, validated.typed, beside, answers)[1]


def grant(ports: Ports, work: Work, typed: TypedSpec, beside: Beside, approvals: ApprovalOrchestrator) -> bool:
    """Make the change, where all questions about it are answered; whether it was made.

    Raises:
        SpecError: The change makes the spec wrong; its answers are taken back, and it is asked again.
    """
    run = work.run
    edits, questions = read_wish(run.wish, typed, beside, {answer.question: answer.value for answer in run.answers})
    if questions:
        return False
    kept = tuple(answer for answer in run.answers if not answer.question.startswith("change:"))
    every = (*run.edits, *edits)
    try:
        planning.try_out(ports, run.model_copy(update={"edits": every, "answers": kept}))
    except SpecError:
        work.update(answers=kept)
        raise
    said = planning.said_of(ports, run, "spec.edit", {"edits": edits})
    work.update(edits=every, answers=kept, wish="", audit=said)
    supersede(ports, approvals, work.run)
    return True


def supersede(ports: Ports, approvals: ApprovalOrchestrator, made: Run) -> None:
    """Let a run that was changed in words stand in the place of the one it changes, unless that is deployed."""
    store = ports.store
    run = store.run(made.changes) if made.changes else None
    if run is None or run.state not in {"awaiting_input", "planned"} or store.deployment(run.id) is not None:
        return
    approval = approval_of(store, run)
    if approval is not None and approval.state in {"pending", "partly_approved"}:
        approvals.void(approval.id, f"Changed in words by run {made.id}.")
    work = Work(store, ports.clock, run, lambda event: None, threading.Event())
    work.move("superseded")
    work.update(message=f"Run {made.id} stands in its place: `%pipeline review {made.id}` shows that.")
    drafts.close_drafts(ports, work.run)
