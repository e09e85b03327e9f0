"""Segment and top steps of a draft, with the questions about thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline_magic.agents.specification.planner.draft import Assembly, Plan, sql
from pipeline_magic.agents.specification.planner.entities import Ref
from pipeline_magic.agents.specification.planner.groups import on_rows
from pipeline_magic.agents.specification.planner.intent import (
    Segment,
    Top,
    measures_in,
    refs_in,
)
from pipeline_magic.agents.specification.planner.layout import Layout
from pipeline_magic.agents.specification.planner.offers import number_options
from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.paths import Edit

__all__ = ["add_segment", "add_top", "segment_on_rows"]


def segment_on_rows(plan: Plan, segment: Segment) -> bool:
    return all(condition is not None and on_rows(plan, condition) for _, condition, _ in segment.rules)


def add_segment(made: Assembly, plan: Plan, layout: Layout, segment: Segment) -> None:
    ranked = any(top for _, _, top in segment.rules)
    by = column_of(layout, segment.by) if segment.by else plan.measures[0].name if plan.measures else None
    plural = plan.tables[segment.entity].words[-1] + "s" if segment.entity else "rows"
    rules = [
        {"label": label, "condition": sql(layout, condition) if condition else None, "top": top}
        for label, condition, top in segment.rules
    ]
    if ranked and by is None:
        made.questions.append(
            Question(
                id="segment:by",
                text="By which number are they ranked?",
                why="The statement names none.",
                options=number_options(plan.tables, plan.wanted()),
                path="steps",
                clauses=plan.clauses(segment),
            )
        )
        return
    step = {
        "id": f"segment_{plural}",
        "kind": "segment",
        "column": segment.column,
        "by": by if ranked else None,
        "rules": rules,
        "otherwise": segment.otherwise,
    }
    path = f"steps.{made.step(step)}"
    clauses = plan.clauses(segment)
    made.assumed(f"{path}.column", "the statement does not name the column", clauses=clauses)
    if segment.otherwise == "standard":
        made.assumed(f"{path}.otherwise", "the statement does not name the others", clauses=clauses)
    else:
        made.said(f"{path}.otherwise", clauses)
    made.columns += [segment.column] if made.columns else []
    for label, condition, top in segment.rules:
        field = f"{path}.rules.{label}." + ("condition" if condition else "top")
        if segment.asked and top:
            _ask_threshold(made, field, label, str(by), top, clauses)
        else:
            made.said(field, clauses)
    if ranked and not segment.by:
        made.assumed(f"{path}.by", f"ranked by {by}, the first measure", [m.name for m in plan.measures[1:]], clauses)


def column_of(layout: Layout, template: str) -> str:
    refs = refs_in(template)
    return layout.name(refs[0]) if refs else measures_in(template)[0]


def _ask_threshold(made: Assembly, path: str, label: str, by: str, top: float, clauses: Sequence[str]) -> None:
    question = f"threshold:{label}"
    made.assumed(
        path,
        f"the statement does not say how high; the top {round(top * 100)} % by {by}",
        ("top 10 %", "top 5 %"),
        clauses,
        question,
    )
    made.questions.append(
        Question(
            id=question,
            text=f"Who counts as {label.replace('_', ' ')}?",
            why="The statement names no threshold.",
            options=tuple(
                Option(
                    id=f"top_{share}", label=f"The top {share} % by {by}", edits=(Edit(path=path, value=share / 100),)
                )
                for share in (20, 10, 5)
            ),
            default=f"top_{round(top * 100)}",
            path=path,
            clauses=tuple(clauses),
        )
    )


def add_top(made: Assembly, plan: Plan, layout: Layout, top: Top) -> None:
    if top.order is None:
        return
    order: list[dict[str, Any]] = [{"column": column_of(layout, top.order), "descending": top.descending}]
    if plan.measures:
        metrics = next(step for step in reversed(made.steps) if step["kind"] == "aggregate")
        per = list(top.per)
        rest = [name for name in metrics["group_by"] if name not in per]
    else:
        per = [column_of(layout, text) for text in top.per]
        rest = [layout.name(Ref(top.entity, name)) for name in plan.tables[top.entity].key] if top.entity else []
    order += [{"column": name} for name in rest if name != order[0]["column"]]
    identity = made.step({"id": f"top_{top.n}", "kind": "top", "n": top.n, "partition_by": per, "order_by": order})
    clauses = plan.clauses(top)
    for field in ("n", "partition_by"):
        made.said(f"steps.{identity}.{field}", clauses)
    made.assumed(
        f"steps.{identity}.order_by",
        f"equal values are told apart by {', '.join(rest) or 'nothing'}",
        ("keep all ties",),
        clauses,
    )
