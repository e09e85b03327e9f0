"""Expectations of a draft, from the checks of a statement: on the target where it has the columns, else on a source."""

from __future__ import annotations

from typing import Any

from pipeline_magic.agents.specification.planner.draft import Assembly, Plan, sql
from pipeline_magic.agents.specification.planner.intent import Check, measures_in, refs_in
from pipeline_magic.agents.specification.planner.layout import Layout, aliases
from pipeline_magic.runs import Question
from pipeline_magic.spec.names import slug

__all__ = ["add_checks"]


def add_checks(made: Assembly, plan: Plan, layout: Layout) -> None:
    """One expectation for each check; a check on a column that nothing holds is a question."""
    for check in plan.checks:
        made_one = _expectation(made, plan, layout, check)
        if made_one is not None:
            taken = {item["id"] for item in made.expectations}
            base, number = made_one["id"], 2
            while made_one["id"] in taken:
                made_one["id"], number = f"{base[:60]}_{number}", number + 1
            made.expectations.append(made_one)
            _origins(made, plan, check, made_one)


def _origins(made: Assembly, plan: Plan, check: Check, data: dict[str, Any]) -> None:
    path = f"expectations.{data['id']}"
    clauses = plan.clauses(check)
    made.said(path, clauses)
    for name in data:
        if name not in {"id", "on", "action"}:
            made.said(f"{path}.{name}", clauses)
    made.assumed(f"{path}.on", f"checked on {data['on']}, which has the columns", clauses=clauses)
    made.assumed(f"{path}.action", f"the words are read as `{data['action']}`", ("warn", "drop", "fail"), clauses)


def _expectation(made: Assembly, plan: Plan, layout: Layout, check: Check) -> dict[str, Any] | None:
    texts = [*check.columns, *([check.fields["condition"]] if "condition" in check.fields else [])]
    refs = [ref for text in texts for ref in refs_in(text)]
    names = [name for text in texts for name in measures_in(text)]
    on = _place(made, plan, layout, refs, names, check)
    if on is None:
        made.questions.append(
            Question(
                id=f"check:{slug(refs[0].column if refs else names[0] if names else 'rows')}",
                text="Which table is this check about?",
                why="The columns of the check are not in one table that the pipeline reads, nor in its result.",
                path="expectations",
                clauses=plan.clauses(check),
            )
        )
        return None
    own = layout if on == "target" else Layout(layout.base)
    columns = [own.name(refs_in(text)[0]) if refs_in(text) else measures_in(text)[0] for text in check.columns]
    fields = {key: sql(own, value) if key == "condition" else value for key, value in check.fields.items()}
    identity = slug(f"{'_'.join(columns) or on}_{check.kind}")
    data: dict[str, Any] = {"id": identity, "on": on, "kind": check.kind, **fields}
    if check.kind in {"not_null", "unique"}:
        data["columns"] = columns
    elif check.kind in {"range", "accepted_values", "pattern"}:
        data["column"] = columns[0]
    return data


def _place(made: Assembly, plan: Plan, layout: Layout, refs: list[Any], names: list[str], check: Check) -> str | None:
    """``target`` where all columns are in the result; the source where all are of one table."""
    short = aliases([plan.tables[name] for name in layout.tables])
    if check.kind == "row_count" or not refs:
        return short[layout.base] if check.kind == "freshness" else "target"
    shown = {name.casefold() for name in made.result}
    if all(layout.name(ref).casefold() in shown and ref.table in layout.tables for ref in refs):
        return "target"
    tables = {ref.table for ref in refs}
    if len(tables) == 1 and not names and (name := tables.pop()) in short:
        return short[name]
    return None
