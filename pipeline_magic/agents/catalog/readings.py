"""Readings that give the same rows today: not asked about, but assumed, with a check that turns red when they part.

Equal rows are no proof that two readings mean the same; only a declared constraint is, and then nothing is asked.
Here: comparing the rows of a join's readings, and the check that tells them apart. Not here: what each reading gives
(`effects`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline_magic.compiler import sql
from pipeline_magic.errors import EngineError, SpecError
from pipeline_magic.ports import Engine
from pipeline_magic.runs import Question
from pipeline_magic.spec.model import Draft, Expectation, Join, Referential
from pipeline_magic.spec.names import slug
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["same_today", "watch"]

_TIMEOUT = 120.0


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
        queries = [sql.target_query(typed_for(option.edits), run_time=run_time) for option in question.options]
        for other in queries[1:]:
            left, right = f"SELECT * FROM ({queries[0]}) AS a", f"SELECT * FROM ({other}) AS b"
            for first, second in ((left, right), (right, left)):
                counted = f"SELECT count(*) AS n FROM ({first} EXCEPT ALL {second}) AS apart"
                if int(engine.query(counted, limit=1, timeout=_TIMEOUT).rows[0][0]):
                    return False
    except (EngineError, SpecError):
        return False
    return True


def watch(question: Question, draft: Draft, taken: Sequence[str]) -> Expectation | None:
    """The check that turns red when the readings of a join part: a row without a partner. None for other questions."""
    parts = question.path.split(".")
    if not question.id.startswith("join:") or parts[:1] != ["steps"] or parts[-1:] != ["how"]:
        return None
    join = next((step for step in draft.steps if step.id == parts[1] and isinstance(step, Join)), None)
    identity = slug(f"auto_readings_{parts[1]}")[:63]
    if join is None or not join.keys or identity in taken:
        return None
    return Referential(
        id=identity,
        on=join.left,
        columns=tuple(key.left for key in join.keys),
        to=join.right,
        to_columns=tuple(key.right for key in join.keys),
        action="warn",
        automatic=True,
    )
