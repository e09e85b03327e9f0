"""Which questions are asked: those whose answers give other rows today, each with its effect.

Where the answers give the same rows, the choice is an assumption, and a check tells when they part. A few readings are
asked at most; the others are said with what they would change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pipeline_magic.agents.catalog.effects import measure
from pipeline_magic.agents.catalog.readings import Reading, apart, merged, same_today, watch
from pipeline_magic.agents.catalog.readings.reading import Look
from pipeline_magic.errors import EngineError
from pipeline_magic.ports import Engine
from pipeline_magic.runs import Finding, Question
from pipeline_magic.spec.model import Draft, Expectation, NotNull
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.provenance import Origin
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["Measured", "look_with", "measured"]

_MOST = 4
"""Readings that are asked about at once; a person reads no longer list."""
_ROWS = 60
_TIMEOUT = 120.0


@dataclass
class Measured:
    """Questions with their effects, and what became of those that need not be asked.

    Attributes:
        watched: For a field, the checks that tell when its readings part.
        checks: All such checks.
        assumed: Origins of those checks that no field of its own explains, by path.
        findings: Readings that differ and are not asked, with what they would change.
    """

    questions: list[Question] = field(default_factory=list)
    watched: dict[str, tuple[Expectation, ...]] = field(default_factory=dict)
    checks: list[Expectation] = field(default_factory=list)
    assumed: dict[str, Origin] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def look_with(engine: Engine | None) -> Look | None:
    """Queries of a few rows."""
    if engine is None:
        return None
    return lambda text: tuple(tuple(row) for row in engine.query(text, limit=_ROWS, timeout=_TIMEOUT).rows)


def measured(
    questions: Sequence[Question],
    readings: Sequence[Reading],
    *,
    draft: Draft,
    typed: TypedSpec,
    typed_for: Callable[[tuple[Edit, ...]], TypedSpec],
    engine: Engine,
    run_time: str,
) -> Measured:
    """The parser's questions and the readings of the spec, measured.

    Args:
        questions: Open ones of the parser.
        readings: Of the spec, not answered yet.
        draft: With answers and edits.
        typed: The draft, typed, with its automatic checks.
        typed_for: The draft with further edits, typed.
        engine: Runs the queries.
        run_time: ISO 8601.
    """
    made = Measured()
    for question in questions:
        found = measure(question, typed_for, engine, run_time)
        taken = [item.id for item in (*draft.expectations, *made.checks)]
        checks = watch(found, draft, taken)
        if checks and same_today(found, typed_for, engine, run_time):
            made.watched[found.path] = checks
            made.checks.extend(checks)
        else:
            made.questions.append(found)
    _readings(made, readings, typed, typed_for, engine, run_time)
    return made


def _readings(
    made: Measured,
    readings: Sequence[Reading],
    typed: TypedSpec,
    typed_for: Callable[[tuple[Edit, ...]], TypedSpec],
    engine: Engine,
    run_time: str,
) -> None:
    look = look_with(engine)
    assert look is not None  # there is an engine
    checks = [check for reading in readings for check in (*reading.watches, *reading.needs)]
    counts = apart(typed, checks, look, run_time)
    same: list[Reading] = []
    asked = 0
    for reading in readings:
        if any(counts[check.id] != 0 for check in reading.needs):
            continue
        reading = _looked(reading, look)
        parted = reading.look is not None or any(counts[check.id] != 0 for check in reading.watches)
        if not parted or len(reading.question.options) < 2:
            same.append(reading)
            continue
        question = measure(reading.question, typed_for, engine, run_time)
        if same_today(question, typed_for, engine, run_time):
            same.append(reading)
        elif asked < _MOST:
            asked += 1
            made.questions.append(question)
        else:
            made.findings.append(_said(reading, question))
    _watch(made, same, typed)


def _looked(reading: Reading, look: Look) -> Reading:
    if reading.look is None:
        return reading
    try:
        return reading.with_options(reading.look(look))
    except EngineError:
        return reading


def _said(reading: Reading, question: Question) -> Finding:
    effects = "; ".join(f"{option.label}: {option.effect}" for option in question.options if option.effect)
    return Finding(
        id=f"reading:{question.id}",
        severity="info",
        message=f"Assumed: {reading.reason}. {effects}.",
        where=question.path,
        hint="Edit the field for another reading.",
    )


def _watch(made: Measured, same: Iterable[Reading], typed: TypedSpec) -> None:
    """Checks for readings that are the same today, and why they are there."""
    readings = list(same)
    held = [check for check in typed.spec.expectations if isinstance(check, NotNull)]
    watches = [
        check
        for reading in readings
        for check in reading.watches
        if not any(_covers(other, check, typed) for other in held)
    ]
    checks = merged(watches, [item.id for item in (*typed.spec.expectations, *made.checks)])
    for check in checks:
        about = [reading for reading in readings if any(_part_of(watch_, check) for watch_ in reading.watches)]
        reasons = "; ".join(dict.fromkeys(reading.reason for reading in about))
        others = [o.label for r in about for o in r.question.options if o.id != r.question.default]
        made.checks.append(check)
        made.assumed[f"expectations.{check.id}"] = Origin(
            kind="assumption",
            reason=f"{reasons}; every reading gives the same rows today, and this check tells when they part",
            alternatives=tuple(dict.fromkeys(others))[:6],
        )


def _part_of(watch_: Expectation, check: Expectation) -> bool:
    if isinstance(watch_, NotNull) and isinstance(check, NotNull):
        return watch_.on == check.on and set(watch_.columns) <= set(check.columns)
    return watch_.id == check.id


def _covers(held: NotNull, check: Expectation, typed: TypedSpec) -> bool:
    """Whether a check that is there already sees the same: on the node itself, or on the target's same column."""
    if not isinstance(check, NotNull) or not held.enabled or not set(check.columns) <= set(held.columns):
        return False
    if held.on == check.on:
        return True
    groups = [step for step in typed.spec.steps if step.kind == "aggregate" and step.input == check.on]
    grouped = any(set(check.columns) <= set(step.group_by) for step in groups)
    return held.on == "target" and grouped
