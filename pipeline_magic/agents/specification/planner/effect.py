"""Clauses that were read and had no effect: they are unmatched like any other, so that nothing is dropped silently.

A reader may understand words whose item then changes nothing (``distinct`` beside a grouping). What only says again
what is there already (a column that is shown anyway, the key of a join) has had its effect.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_magic.agents.specification.planner.draft import Assembly, Plan
from pipeline_magic.agents.specification.planner.entities import Ref
from pipeline_magic.agents.specification.planner.intent import (
    Change,
    Filter,
    Group,
    Item,
    Measure,
    Note,
    Selected,
    Use,
    refs_in,
)
from pipeline_magic.spec.provenance import Clause

__all__ = ["without_effect"]

_BY_THEMSELVES = {"source", "comment", "filler", "unmatched", "schedule", "target", "join"}
"""Kinds whose words may rightly become no field: tables that are named again, words that only explain."""


def without_effect(
    clauses: tuple[Clause, ...], made: Assembly, items: Sequence[Item], plan: Plan
) -> tuple[Clause, ...]:
    """The clauses; those that became no field, said nothing and asked nothing are `unmatched`."""
    used = {clause for origin in made.origins.values() for clause in origin.clauses}
    used |= {clause for question in made.questions for clause in question.clauses}
    again: dict[str, list[bool]] = {}
    for item in items:
        if isinstance(item, Use):
            continue
        for clause in plan.clauses(item):
            again.setdefault(clause, []).append(_said_before(item, made, plan))
    return tuple(
        clause
        if clause.kind in _BY_THEMSELVES or clause.id in used or all(again.get(clause.id, [False]))
        else clause.model_copy(update={"kind": "unmatched"})
        for clause in clauses
    )


def _said_before(item: Item, made: Assembly, plan: Plan) -> bool:
    """It says again what the draft has: a note, a shown column, a key of a join, the same measure or condition."""
    if isinstance(item, Note):
        return True
    if isinstance(item, Selected):
        return item.ref.column in made.result or _is_key(item.ref, made) or _in_groups(item.ref, plan)
    if isinstance(item, Measure):
        return item.name in made.result or any(
            other is not item and other.expression == item.expression for other in plan.measures
        )
    if isinstance(item, Group):
        return all(
            name in made.result or any(_is_key(ref, made) for ref in refs_in(text)) for name, text in item.columns
        )
    if isinstance(item, Filter):
        return any(other is not item and other.expression == item.expression for other in plan.filters)
    return isinstance(item, Change)


def _is_key(ref: Ref, made: Assembly) -> bool:
    """A column that some join compares."""
    keys = {side for step in made.steps if step["kind"] == "join" for key in step["keys"] for side in key.values()}
    return ref.column in keys


def _in_groups(ref: Ref, plan: Plan) -> bool:
    return any(ref in refs_in(text) for group in plan.groups for _, text in group.columns)
