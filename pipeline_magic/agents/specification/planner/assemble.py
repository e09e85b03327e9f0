"""From items to a draft: sources, joins, filters, measures, segments, target, trigger; with the origin of each field.

The order of the steps is always the same: filters on one table stand before the joins where they may, then joins,
conditions over several tables, new columns, grouping, conditions on groups, flags, segments, top. Not here: reading
words. Every value that no words give is an assumption with its reason, or a question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline_magic.agents.specification.planner.entities import Ref, TableInfo
from pipeline_magic.agents.specification.planner.grouping import entity_columns
from pipeline_magic.agents.specification.planner.intent import (
    Derive,
    Filter,
    Flag,
    Group,
    Item,
    JoinWish,
    Keep,
    Measure,
    Segment,
    Selected,
    Use,
    col,
    measures_in,
    refs_in,
    render,
)
from pipeline_magic.agents.specification.planner.joingraph import JoinGraph, Link
from pipeline_magic.agents.specification.planner.layout import How, Layout, aliases, lay_out
from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.names import quote
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.provenance import Origin

__all__ = ["Assembly", "assemble"]


@dataclass
class Assembly:
    """The draft as it grows: plain data of sources and steps, and where each field came from (token positions)."""

    sources: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    expectations: list[dict[str, Any]] = field(default_factory=list)
    origins: dict[str, Origin] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    last: str = ""
    grain: str = ""
    subject: str = ""
    columns: list[str] = field(default_factory=list)

    def step(self, data: dict[str, Any]) -> None:
        """Add a step behind the last one."""
        taken = {step["id"] for step in self.steps} | {source["alias"] for source in self.sources}
        base, number = data["id"], 2
        while data["id"] in taken:
            data["id"], number = f"{base}_{number}", number + 1
        if "input" not in data and "left" not in data and "inputs" not in data:
            data["input"] = self.last
        self.steps.append(data)
        self.last = data["id"]

    def said(self, path: str, clauses: Sequence[str]) -> None:
        """The field at `path` was read from these clauses."""
        self.origins[path] = Origin(kind="clause", clauses=tuple(dict.fromkeys(clauses)))

    def assumed(
        self, path: str, reason: str, alternatives: Sequence[str] = (), clauses: Sequence[str] = (), question: str = ""
    ) -> None:
        """Nobody asked for the value at `path` in words."""
        self.origins[path] = Origin(
            kind="assumption",
            reason=reason,
            alternatives=tuple(alternatives),
            clauses=tuple(dict.fromkeys(clauses)),
            question=question,
        )


class Plan:
    """The items of a statement by kind, with what the steps need of them."""

    def __init__(self, items: Sequence[Item], tables: dict[str, TableInfo], graph: JoinGraph, clause_of: Any) -> None:
        self.items = items
        self.tables = tables
        self.graph = graph
        self.clause_of = clause_of
        self.measures = _unique([item for item in items if isinstance(item, Measure)])
        self.filters = [item for item in items if isinstance(item, Filter)]
        self.groups = [item for item in items if isinstance(item, Group)]
        self.segments = [item for item in items if isinstance(item, Segment)]
        self.flags = [item for item in items if isinstance(item, Flag)]
        self.derives = [item for item in items if isinstance(item, Derive)]
        self.keeps = [item for item in items if isinstance(item, Keep)]
        self.joins = [item for item in items if isinstance(item, JoinWish)]
        self.uses = [item for item in items if isinstance(item, Use)]
        self.selected = [item for item in items if isinstance(item, Selected)]

    def clauses(self, *items: Item) -> tuple[str, ...]:
        """Ids of the clauses these items were read from."""
        return tuple(dict.fromkeys(clause for item in items for clause in self.clause_of(item)))

    @property
    def read(self) -> tuple[str, ...]:
        """Tables that words ask to read or join."""
        return tuple(dict.fromkeys(use.table for use in self.uses if use.read))

    @property
    def entity(self) -> str:
        """The table whose rows are the groups: of the grouping, else of the segments."""
        for group in self.groups:
            if group.entity:
                return group.entity
        if not self.groups:
            for segment in self.segments:
                if segment.entity:
                    return segment.entity
        return ""

    def wanted(self) -> tuple[str, ...]:
        """Every table the draft needs, those named first."""
        found = [use.table for use in self.uses]
        for item in self.items:
            for name in ("expression", "order", "by"):
                text = getattr(item, name, None)
                if isinstance(text, str):
                    found += [ref.table for ref in refs_in(text)]
            if isinstance(item, Group):
                found += [ref.table for _, text in item.columns for ref in refs_in(text)]
            if isinstance(item, Selected):
                found.append(item.ref.table)
            if isinstance(item, Keep):
                found += [item.table, item.other]
        return tuple(dict.fromkeys(found))


def _unique(measures: Sequence[Measure]) -> list[Measure]:
    kept: dict[str, Measure] = {}
    for measure in measures:
        name, number = measure.name, 2
        while name in kept and kept[name].expression != measure.expression:
            name, number = f"{measure.name}_{number}", number + 1
        kept.setdefault(name, measure)
    return list(kept.values())


def assemble(plan: Plan) -> Assembly:
    """The steps of a draft.

    Returns:
        With no sources where the items name no table; the caller says so.
    """
    made = Assembly()
    wanted = plan.wanted()
    if not wanted:
        return made
    base = _base(plan, wanted)
    layout = lay_out(base, wanted, plan.tables, plan.graph, {})
    _sources(made, plan, layout)
    _joins(made, plan, layout)
    _row_filters(made, plan, layout)
    _groups(made, plan, layout)
    _after(made, plan, layout)
    return made


# --- which table comes first -------------------------------------------------------------------------------------


def _base(plan: Plan, wanted: Sequence[str]) -> str:
    """The table whose rows are kept: said by words; the one side where it is segmented; else what is measured."""
    for keep in plan.keeps:
        if keep.how == "left":
            return keep.table
    entity = plan.entity
    if len(plan.read) > 1 and entity in plan.read:
        return entity
    facts = [measure.table for measure in plan.measures if measure.table] or list(wanted)
    ranked = sorted(wanted, key=lambda name: (-_reach(plan, name, wanted), name not in facts, wanted.index(name)))
    return ranked[0]


def _reach(plan: Plan, base: str, wanted: Sequence[str]) -> int:
    """How many of the other tables hang on `base` with at most one row each."""
    count = 0
    for other in wanted:
        path = plan.graph.path([base], other, wanted) if other != base else ()
        if path and all(link.one in {"right", "both"} for link in path):
            count += 1
    return count


# --- sources and joins -------------------------------------------------------------------------------------------


def _sources(made: Assembly, plan: Plan, layout: Layout) -> None:
    short = aliases([plan.tables[name] for name in layout.tables])
    for name in layout.tables:
        alias = short[name]
        made.sources.append({"alias": alias, "table": name})
        named = [use for use in plan.uses if use.table == name]
        if named:
            made.said(f"sources.{alias}.table", plan.clauses(*named))
        else:
            made.assumed(f"sources.{alias}.table", f"{name} links the tables that the statement names")
    made.last = short[layout.base]
    made.subject = plan.tables[layout.base].short


def _joins(made: Assembly, plan: Plan, layout: Layout) -> None:
    short = aliases([plan.tables[name] for name in layout.tables])
    for joined in layout.joins:
        alias = short[joined.table]
        how, clauses, said = _how(plan, joined.link)
        keys = [
            {"left": layout.names.get(Ref(joined.link.left, left), left), "right": right} for left, right in joined.link.keys
        ]
        step: dict[str, Any] = {"id": f"join_{alias}", "kind": "join", "left": made.last, "right": alias, "how": how, "keys": keys}
        made.step(step)
        path = f"steps.join_{alias}"
        if said:
            made.said(f"{path}.how", clauses)
        else:
            _ask_how(made, plan, joined.link, alias, how, clauses)
        why = "the catalog declares this key" if joined.link.declared else "names and types of the columns fit; no key is declared"
        shown = " and ".join(f"{left} = {right}" for left, right in joined.link.keys)
        made.assumed(f"{path}.keys", f"joined on {shown}: {why}", clauses=clauses)


def _how(plan: Plan, link: Link) -> tuple[How, tuple[str, ...], bool]:
    """How to join, the clauses that ask for the join, and whether words say how."""
    for keep in plan.keeps:
        if {keep.table, keep.other} == {link.left, link.right}:
            return ("left" if keep.how == "left" else keep.how), plan.clauses(keep), True
    for wish in plan.joins:
        if wish.how is not None and (not wish.tables or link.right in wish.tables):
            return wish.how, plan.clauses(wish), True
    wishes = [wish for wish in plan.joins if not wish.tables or link.right in wish.tables]
    return "left", plan.clauses(*wishes), False


def _ask_how(made: Assembly, plan: Plan, link: Link, alias: str, how: How, clauses: Sequence[str]) -> None:
    path, left, right = f"steps.join_{alias}.how", plan.tables[link.left].short, plan.tables[link.right].short
    question = f"join:{alias}"
    made.assumed(path, f"a left join keeps every row of {left}", ("inner",), clauses, question)
    made.questions.append(
        Question(
            id=question,
            text=f"Keep rows of {left} that have no match in {right}?",
            why="The statement joins the tables and does not say what becomes of rows without a match.",
            options=(
                Option(id="left", label=f"Keep every row of {left} (left join)", edits=(Edit(path=path, value="left"),)),
                Option(id="inner", label=f"Only rows of {left} with a match in {right} (inner join)", edits=(Edit(path=path, value="inner"),)),
            ),
            default=how,
            path=path,
            clauses=tuple(clauses),
        )
    )


# --- filters, groups, and what comes after -----------------------------------------------------------------------


def _sql(layout: Layout, template: str) -> str:
    return render(template, layout.name, _quoted)


def _quoted(name: str) -> str:
    import re

    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else quote(name)


def _row_filters(made: Assembly, plan: Plan, layout: Layout) -> None:
    for item in plan.filters:
        if measures_in(item.expression):
            continue
        refs = refs_in(item.expression)
        step = {"id": f"filter_{refs[0].column if refs else 'rows'}".casefold()[:60], "kind": "filter", "condition": _sql(layout, item.expression)}
        made.step(step)
        path = f"steps.{step['id']}.condition"
        if item.assumed:
            made.assumed(path, item.assumed, clauses=plan.clauses(item))
        else:
            made.said(path, plan.clauses(item))


def _groups(made: Assembly, plan: Plan, layout: Layout) -> None:
    if not plan.measures:
        return
    keys: list[tuple[str, str]] = [key for group in plan.groups for key in group.columns]
    clauses = plan.clauses(*plan.groups)
    entity = plan.entity
    said = bool(keys)
    if not keys and entity:
        keys = [(column.name, col(column.ref)) for column in entity_columns(plan.tables[entity])]
        clauses = plan.clauses(*plan.segments)
    keys = _with_names(plan, layout, keys)
    names: list[str] = []
    derived = []
    for name, text in dict.fromkeys(keys):
        refs = refs_in(text)
        if len(refs) == 1 and text == col(refs[0]):
            names.append(layout.name(refs[0]))
        else:
            derived.append({"name": name, "expression": _sql(layout, text)})
            names.append(name)
    if derived:
        made.step({"id": "periods", "kind": "derive", "columns": derived})
        for column in derived:
            made.said(f"steps.periods.columns.{column['name']}", clauses)
    measures = [{"name": measure.name, "expression": _sql(layout, measure.expression)} for measure in plan.measures]
    made.step({"id": "metrics", "kind": "aggregate", "group_by": list(dict.fromkeys(names)), "measures": measures})
    if said:
        made.said("steps.metrics.group_by", clauses)
    elif entity:
        made.assumed("steps.metrics.group_by", f"one row for each row of {plan.tables[entity].short}, which the statement speaks of", clauses=clauses)
    else:
        made.assumed("steps.metrics.group_by", "no grouping is named, so there is one row in all")
    for measure in plan.measures:
        path = f"steps.metrics.measures.{measure.name}"
        if measure.assumed:
            made.assumed(path, measure.assumed, measure.alternatives, plan.clauses(measure))
        else:
            made.said(path, plan.clauses(measure))
    made.grain = plan.tables[entity].words[-1] if entity else "_".join(names[:2])
    made.columns = [*names, *(measure["name"] for measure in measures)]


def _with_names(plan: Plan, layout: Layout, keys: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A key of a table that words ask to join brings that table's name along (``carrier`` the airline's)."""
    found = list(keys)
    for _, text in keys:
        refs = refs_in(text)
        if len(refs) != 1 or text != col(refs[0]):
            continue
        for joined in layout.joins:
            if joined.table in plan.read and (refs[0].column in {left for left, _ in joined.link.keys}) and joined.link.left == refs[0].table:
                table = plan.tables[joined.table]
                if table.key == tuple(right for _, right in joined.link.keys):
                    found += [(column.name, col(column.ref)) for column in entity_columns(table)[1:]]
    return found


def _after(made: Assembly, plan: Plan, layout: Layout) -> None:
    for number, item in enumerate(item for item in plan.filters if measures_in(item.expression)):
        identity = "keep_groups" if not number else f"keep_groups_{number + 1}"
        made.step({"id": identity, "kind": "filter", "condition": _sql(layout, item.expression)})
        made.said(f"steps.{identity}.condition", plan.clauses(item))
    for flag in plan.flags:
        made.step({"id": "flag_rows", "kind": "derive", "columns": [{"name": flag.name, "expression": f"coalesce({_sql(layout, flag.expression)}, false)"}]})
        made.said(f"steps.{made.last}.columns.{flag.name}", plan.clauses(flag))
        made.columns.append(flag.name)
    for segment in plan.segments:
        _segment(made, plan, layout, segment)


def _segment(made: Assembly, plan: Plan, layout: Layout, segment: Segment) -> None:
    by = segment.by or (plan.measures[0].name if plan.measures else "")
    plural = plan.tables[segment.entity].words[-1] + "s" if segment.entity else "rows"
    identity = f"segment_{plural}"
    rules = [
        {"label": label, "condition": _sql(layout, condition) if condition else None, "top": top} for label, condition, top in segment.rules
    ]
    ranked = any(top for _, _, top in segment.rules)
    made.step({"id": identity, "kind": "segment", "column": segment.column, "by": by if ranked else None, "rules": rules, "otherwise": segment.otherwise})
    clauses = plan.clauses(segment)
    path = f"steps.{made.last}"
    made.assumed(f"{path}.column", "the statement does not name the column", clauses=clauses)
    made.assumed(f"{path}.otherwise", "the statement does not name the others", clauses=clauses)
    made.columns.append(segment.column)
    for label, condition, top in segment.rules:
        field_ = f"{path}.rules.{label}." + ("condition" if condition else "top")
        if segment.asked and top:
            question = f"threshold:{label}"
            made.assumed(field_, f"the statement does not say how high; the top {top:.0%} by {by}".replace("%", " %"), ("top 10 %", "top 5 %"), clauses, question)
            made.questions.append(_threshold(question, field_, label, by, top, clauses))
        else:
            made.said(field_, clauses)
    if ranked and not segment.by:
        made.assumed(f"{path}.by", f"ranked by {by}, the first measure", [m.name for m in plan.measures[1:]], clauses)


def _threshold(question: str, path: str, label: str, by: str, top: float, clauses: Sequence[str]) -> Question:
    return Question(
        id=question,
        text=f"Who counts as {label.replace('_', ' ')}?",
        why="The statement names no threshold.",
        options=tuple(
            Option(id=f"top_{share}", label=f"The top {share} % by {by}", edits=(Edit(path=path, value=share / 100),)) for share in (20, 10, 5)
        ),
        default=f"top_{round(top * 100)}",
        path=path,
        clauses=tuple(clauses),
    )
