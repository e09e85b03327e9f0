"""Questions of the parser whose answers give the same rows today: assumed, with a check that turns red when they part.

Equal rows are no proof that two readings mean the same; only a declared constraint is, and then nothing is asked.
Here: comparing the rows of readings, and the check that tells those of a join or of one row a key apart. Not here: what
each reading gives (`effects`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline_magic.agents.catalog.effects import different_rows
from pipeline_magic.errors import EngineError, SpecError
from pipeline_magic.ports import Engine
from pipeline_magic.runs import Question
from pipeline_magic.spec.model import Deduplicate, Draft, Expectation, Join, Referential, Unique
from pipeline_magic.spec.names import slug
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["same_today", "watch"]


def same_today(
    question: Question, typed_for: Callable[[tuple[Edit, ...]], TypedSpec], engine: Engine, run_time: str
) -> bool:
    """Whether all readings of a measured question give the same rows on the data of today.

    Only for questions about one step whose answers are edits and which have a default; counts that differ settle it
    without a query. What cannot be measured is not the same.
    """
    counts = {option.rows for option in question.options}
    if question.must_answer or question.free or len(question.options) < 2 or None in counts or len(counts) > 1:
        return False
    try:
        first, *others = [typed_for(option.edits) for option in question.options]
        for other in others:
            if different_rows(first, other, engine, run_time) or different_rows(other, first, engine, run_time):
                return False
    except (EngineError, SpecError):
        return False
    return True


def watch(question: Question, draft: Draft, taken: Sequence[str]) -> tuple[Expectation, ...]:
    """The checks that turn red when the readings of a question part; none where it is about something else.

    Of a join: a row without a partner. Of one row a key: a key that is there twice, of those that may be meant.
    """
    parts = question.path.split(".")
    step = next((step for step in draft.steps if parts[0] == "steps" and step.id == parts[1]), None)
    identity = f"auto_readings_{parts[1]}" if len(parts) > 1 else ""
    if step is None or slug(identity)[:63] in taken:
        return ()
    if isinstance(step, Join) and question.id.startswith("join:") and parts[-1] == "how" and step.keys:
        columns, others = tuple(key.left for key in step.keys), tuple(key.right for key in step.keys)
        check = Referential(
            id=slug(identity)[:63],
            on=step.left,
            columns=columns,
            to=step.right,
            to_columns=others,
            action="warn",
            automatic=True,
        )
        return (check,)
    if not isinstance(step, Deduplicate) or not question.id.startswith("dedup:"):
        return ()
    keys = [edit.value for option in question.options for edit in option.edits if edit.path == f"steps.{step.id}.keys"]
    named = [tuple(str(name) for name in key) for key in keys if isinstance(key, list)]
    smaller = [key for key in named if not any(set(other) < set(key) for other in named)] or [step.keys]
    return tuple(
        Unique(
            id=slug(identity if len(smaller) == 1 else f"{identity}_{'_'.join(key)}")[:63],
            on=step.input,
            columns=key,
            action="warn",
            automatic=True,
        )
        for key in smaller
    )
