"""Answers of earlier runs: what a pipeline of the same name was asked before is not asked again.

An answer is taken over where the same question is open now and the answer is still one of its options. It stands with
the run as one that was answered before, and can be changed like any other. Not here: the run of the same statement,
which is found with its answers (`planning.earlier_run`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline_magic.flow import planning
from pipeline_magic.flow.snapshots import stage_result
from pipeline_magic.ports import Store
from pipeline_magic.runs import Answer, Question, Run, Validated

if TYPE_CHECKING:
    from pipeline_magic.flow.stages import Work
    from pipeline_magic.wiring import Ports

__all__ = ["adopt", "answers_before", "asked_before"]

_LOOKED_AT = 20
_OF_ONE_STATEMENT = ("words:", "model:")
"""Questions whose ids count the places of one statement; in another one they are about other words."""


def answers_before(store: Store, run: Run, validated: Validated) -> tuple[Answer, ...]:
    """Answers of the latest other run of the pipeline, to questions that are open now.

    A run with edits, or one that changes another by words, brings its own answers along.
    """
    name = validated.draft.name or ""
    if not name or run.anew or run.edits or run.changes or (run.answers and not run.adopted):
        return ()
    open_ = {question.id: question for question in validated.questions if not question.id.startswith(_OF_ONE_STATEMENT)}
    for other in store.runs(name=name, limit=_LOOKED_AT) if open_ else ():
        if other.id != run.id and other.environment == run.environment and other.answers:
            return tuple(a for a in other.answers if a.question in open_ and _fits(open_[a.question], a.value))
    return ()


def _fits(question: Question, value: str) -> bool:
    return any(option.id == value for option in question.options) or (question.free and not question.options)


def adopt(ports: Ports, work: Work, answers: Sequence[Answer]) -> None:
    """Give the run these answers, and note that they are older than it."""
    given = {answer.question: answer for answer in (*work.run.answers, *answers)}
    names = (*work.run.adopted, *(answer.question for answer in answers))
    changes = {"answers": tuple(given.values())}
    said = planning.said_of(ports, work.run, "question.answer", changes)
    work.update(**changes, adopted=tuple(dict.fromkeys(names)), audit=said)


def asked_before(store: Store, run: Run, validated: Validated) -> Validated:
    """With every question that was answered among those shown as such, as it was asked last.

    An answer that has the statement read again leaves no question behind; it is known from the reading before.
    """
    before = stage_result(store, run.id, "validate", Validated)
    known = {q.id: q for q in (*(before.answered if before else ()), *(before.questions if before else ()))}
    known.update((question.id, question) for question in validated.answered)
    asked = tuple(known[answer.question] for answer in run.answers if answer.question in known)
    return validated.model_copy(update={"answered": asked})
