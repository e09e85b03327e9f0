"""What each answer to an open question would do to the rows, measured by running its reading."""

from __future__ import annotations

from collections.abc import Callable

from pipeline_magic.compiler import sql
from pipeline_magic.errors import EngineError, SpecError
from pipeline_magic.ports import Engine
from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.model import Segment
from pipeline_magic.spec.names import quote
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["different_rows", "measure"]

_TIMEOUT = 120.0
"""Seconds one reading may take; a longer one is said to be unmeasured."""


def measure(
    question: Question, typed_for: Callable[[tuple[Edit, ...]], TypedSpec], engine: Engine, run_time: str
) -> Question:
    """The question with the rows and the effect of each option filled in.

    Options without edits (the statement is read again) and questions about names alone are left as they are.
    """
    if not any(_touches_rows(option) for option in question.options):
        return question
    options = tuple(
        _measured(option, question, typed_for, engine, run_time) if _measurable(option, question) else option
        for option in question.options
    )
    return question.model_copy(update={"options": _told_apart(question, options, typed_for, engine, run_time)})


def _told_apart(
    question: Question,
    options: tuple[Option, ...],
    typed_for: Callable[[tuple[Edit, ...]], TypedSpec],
    engine: Engine,
    run_time: str,
) -> tuple[Option, ...]:
    """Where the number of rows is that of the default, how many of them are others."""
    stands = next((option for option in options if option.id == question.default), None)
    made = []
    for option in options:
        if stands is not None and option.id != stands.id and option.rows is not None and option.rows == stands.rows:
            try:
                apart = different_rows(typed_for(option.edits), typed_for(stands.edits), engine, run_time)
            except (EngineError, SpecError):
                apart = 0
            if apart:
                option = option.model_copy(update={"effect": f"{option.effect}, {apart:,} of them different"})
        made.append(option)
    return tuple(made)


def different_rows(one: TypedSpec, other: TypedSpec, engine: Engine, run_time: str) -> int:
    """Rows of the one target that the other does not have, each as often as it is there more.

    Raises:
        EngineError: The rows cannot be compared, or the query fails.
    """
    queries = [sql.target_query(typed, run_time=run_time) for typed in (one, other)]
    left, right = (f"SELECT * FROM ({query}) AS {name}" for query, name in zip(queries, "ab", strict=True))
    counted = f"SELECT count(*) AS n FROM ({left} EXCEPT ALL {right}) AS apart"
    return int(engine.query(counted, limit=1, timeout=_TIMEOUT).rows[0][0])


def _touches_rows(option: Option) -> bool:
    return any(edit.path.split(".")[0] in {"sources", "steps"} for edit in option.edits)


def _measurable(option: Option, question: Question) -> bool:
    return _touches_rows(option) or option.id == question.default


def _measured(
    option: Option,
    question: Question,
    typed_for: Callable[[tuple[Edit, ...]], TypedSpec],
    engine: Engine,
    run_time: str,
) -> Option:
    try:
        typed = typed_for(option.edits)
        segment = _segment_of(question, typed)
        counted = sql.target_query(typed, run_time=run_time)
        if segment is None:
            result = engine.query(f"SELECT count(*) AS n FROM ({counted}) AS t", limit=1, timeout=_TIMEOUT)
            rows = int(result.rows[0][0])
            return option.model_copy(update={"rows": rows, "effect": _rows(rows)})
        label = quote(segment)
        result = engine.query(
            f"SELECT {label}, count(*) AS n FROM ({counted}) AS t GROUP BY {label} ORDER BY n, {label}",
            limit=20,
            timeout=_TIMEOUT,
        )
        parts = [f"{int(count):,} {name}" for name, count in result.rows]
        rows = sum(int(count) for _, count in result.rows)
        return option.model_copy(update={"rows": rows, "effect": f"{_rows(rows)}: {', '.join(parts)}"})
    except (EngineError, SpecError) as error:
        return option.model_copy(update={"effect": f"not measured: {str(error).splitlines()[0]}"})


def _segment_of(question: Question, typed: TypedSpec) -> str | None:
    """The column that the question's segment step adds, where it is about one and the target still has it."""
    parts = question.path.split(".")
    if len(parts) < 2 or parts[0] != "steps":
        return None
    columns = {column.name for column in typed.node(typed.spec.target.input).columns}
    for step in typed.spec.steps:
        if step.id == parts[1] and isinstance(step, Segment) and step.column in columns:
            return step.column
    return None


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"
