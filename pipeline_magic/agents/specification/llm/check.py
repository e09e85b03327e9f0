"""An answer against its form, the catalog and the spec language: what of it is a draft, and everything that is wrong.

The one way by which text of a model becomes part of a spec. Tables are those that were given to it, columns those of
their schemas, functions those of the allow-list: names that are none of these are problems, never fields. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline_magic.agents.specification.llm.answer import SCHEMA_VERSION, Answer
from pipeline_magic.errors import Problem, SpecError
from pipeline_magic.spec import schedule
from pipeline_magic.spec.expressions import nearest
from pipeline_magic.spec.model import Draft, Sql
from pipeline_magic.spec.names import join_table, slug, split_table
from pipeline_magic.spec.paths import complete, problems_of
from pipeline_magic.spec.schema import TableSchema
from pipeline_magic.spec.typed import TypedSpec, type_spec

__all__ = ["PLACEHOLDER", "draft_of", "problems_of_draft", "read_answer", "typed_draft"]

PLACEHOLDER = "main.default.not_named_yet"
"""Stands for a target that is not named, while the rest is typed."""


def read_answer(data: Mapping[str, Any]) -> tuple[Answer | None, tuple[str, ...]]:
    """The answer in its form, or what is wrong with it."""
    if data.get("version") != SCHEMA_VERSION:
        return None, (f"version: must be {SCHEMA_VERSION}",)
    try:
        return Answer.model_validate(dict(data)), ()
    except ValidationError as error:
        return None, tuple(str(problem) for problem in problems_of(error, dict(data)))
    except RecursionError:
        return None, ("the answer nests too deep",)


def draft_of(answer: Answer, tables: Mapping[str, TableSchema]) -> tuple[Draft | None, tuple[Problem, ...]]:
    """The answer as a draft, or every problem that shows before types are looked at.

    Args:
        answer: In its form.
        tables: Those the model was given, by full name.
    """
    problems: list[Problem] = []
    known = {name.casefold(): name for name in tables}
    sources = []
    for source in answer.sources:
        name = _canonical(source.table)
        found = known.get(name.casefold())
        if found is None:
            path = f"sources.{source.alias}.table"
            shown = nearest(source.table, list(tables))[:6]
            problems.append(Problem(path, f"`{source.table}` is none of the tables that were given", shown))
            continue
        sources.append({**_plain(source), "table": found})
    if not answer.sources:
        problems.append(Problem("sources", "no table is read"))
    if answer.target is None:
        problems.append(Problem("target", "no target is given"))
    if problems:
        return None, tuple(problems)
    target = _plain(answer.target)
    if target.get("table") is not None:
        try:
            target["table"] = join_table(*split_table(str(target["table"])))
        except ValueError as error:
            return None, (Problem("target.table", str(error)),)
    data: dict[str, Any] = {
        "name": slug(split_table(target["table"])[2]) if target.get("table") else "pipeline",
        "sources": sources,
        "steps": [_plain(step) for step in answer.steps],
        "expectations": [_plain(item) for item in answer.expectations],
        "target": target,
        "trigger": _trigger(answer),
        "deployment": answer.deployment,
    }
    try:
        return Draft.model_validate(data), ()
    except ValidationError as error:
        return None, problems_of(error, data)


def problems_of_draft(
    draft: Draft, tables: Mapping[str, TableSchema], target: TableSchema | None = None
) -> tuple[Problem, ...]:
    """Everything that is wrong with a draft: tables, a step that is not allowed, types, the schedule."""
    try:
        typed_draft(draft, tables, target)
    except SpecError as error:
        return error.problems
    return ()


def typed_draft(draft: Draft, tables: Mapping[str, TableSchema], target: TableSchema | None = None) -> TypedSpec:
    """The draft, typed; a target that is not named yet has a stand-in for a name.

    Raises:
        SpecError: Every problem at once.
    """
    problems = [
        Problem(f"sources.{source.alias}.table", f"`{source.table}` is none of the tables that were given")
        for source in draft.sources
        if source.table not in tables
    ]
    problems += [
        Problem(f"steps.{step.id}", "a `sql` step is not allowed") for step in draft.steps if isinstance(step, Sql)
    ]
    if draft.trigger is not None and draft.trigger.kind == "schedule":
        said = schedule.validate(draft.trigger.cron, draft.trigger.timezone)
        problems += [Problem("trigger.cron", message) for message in said]
    if problems:
        raise SpecError(problems)
    if draft.target.table is None:
        draft = draft.model_copy(update={"target": draft.target.model_copy(update={"table": PLACEHOLDER})})
    spec = complete(draft)
    return type_spec(spec, {source.alias: tables[source.table] for source in spec.sources}, target=target)


def _trigger(answer: Answer) -> dict[str, Any]:
    trigger = answer.trigger
    if trigger is None or trigger.kind != "schedule":
        return {"kind": "manual" if trigger is None else trigger.kind}
    return {"kind": "schedule", "cron": trigger.cron or "", "timezone": trigger.timezone or "UTC"}


def _plain(part: BaseModel | None) -> dict[str, Any]:
    return {} if part is None else part.model_dump(mode="json", exclude_none=True)


def _canonical(name: str) -> str:
    try:
        return join_table(*split_table(name))
    except ValueError:
        return name
