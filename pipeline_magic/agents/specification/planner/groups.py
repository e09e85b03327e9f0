"""The aggregation of a draft: what the groups are, what describes them, what is measured, and what joins repeat."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_magic.agents.specification.planner.draft import Assembly, Plan, quoted, sql
from pipeline_magic.agents.specification.planner.entities import Ref
from pipeline_magic.agents.specification.planner.grouping import entity_columns
from pipeline_magic.agents.specification.planner.intent import (
    Measure,
    col,
    measures_in,
    refs_in,
    texts_of,
)
from pipeline_magic.agents.specification.planner.joining import multiplied
from pipeline_magic.agents.specification.planner.layout import Layout
from pipeline_magic.agents.specification.planner.offers import group_options, measure_options
from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.paths import Edit

__all__ = ["add_groups", "on_rows"]


def on_rows(plan: Plan, template: str) -> bool:
    """The template needs no measure: it can be computed on single rows."""
    measures = {measure.name for measure in plan.measures}
    rows = {item.name: item.expression for item in plan.derives}
    names = measures_in(template)
    return not any(name in measures or (name in rows and not on_rows(plan, rows[name])) for name in names)


def _keys(made: Assembly, plan: Plan, layout: Layout) -> tuple[list[tuple[str, str]], list[Ref], tuple[str, ...], bool]:
    """What groups are made of, what describes each group besides, the clauses, and whether words say it."""
    keys: list[tuple[str, str]] = []
    shown: list[Ref] = []
    selected = [item.ref for item in plan.selected if item.ref.table in layout.tables]
    entities = [group.entity for group in plan.groups if group.entity]
    clauses, said = plan.clauses(*plan.groups), bool(plan.groups)
    if not plan.groups and plan.entity:
        entities, clauses = [plan.entity], plan.clauses(*plan.segments, *([] if plan.segments else plan.selected))
    for group in plan.groups:
        if not group.entity:
            keys += group.columns
            continue
        table = plan.tables[group.entity]
        names = {column.ref for column in entity_columns(table)}
        keys += [
            (name, text)
            for name, text in group.columns
            if not set(refs_in(text)) & names or (text in _key_texts(plan, group.entity) and group.pointer is None)
        ]
    for entity in dict.fromkeys(entities):
        table = plan.tables[entity]
        pointer = next((group.pointer for group in plan.groups if group.entity == entity and group.pointer), None)
        own = [(column.name, col(column.ref)) for column in entity_columns(table) if column.name in table.key]
        own = [(pointer.column, col(pointer))] if pointer is not None else own
        keys += [key for key in own if key not in keys]
        naming = {column.ref for column in entity_columns(table)}
        if not any(ref.table == entity and ref.column not in table.key and ref in naming for ref in selected):
            shown += [column.ref for column in entity_columns(table) if column.name not in table.key]
    if entities or plan.groups:
        shown += [ref for ref in selected if col(ref) not in {text for _, text in keys}]
        determined = bool(entities)
        if not determined:
            keys += [(ref.column, col(ref)) for ref in shown]
            shown = []
    elif selected and plan.measures:
        keys += [(ref.column, col(ref)) for ref in selected]
        clauses, said = plan.clauses(*plan.selected), True
    shown += _with_names(plan, layout, keys)
    return list(dict.fromkeys(keys)), list(dict.fromkeys(shown)), clauses, said


def _key_texts(plan: Plan, entity: str) -> set[str]:
    return {col(Ref(entity, name)) for name in plan.tables[entity].key}


def _with_names(plan: Plan, layout: Layout, keys: Sequence[tuple[str, str]]) -> list[Ref]:
    """The key of a table that words ask to join brings that table's name along (``carrier`` the airline's)."""
    found: list[Ref] = []
    for _, text in keys:
        refs = refs_in(text)
        if len(refs) != 1 or text != col(refs[0]):
            continue
        for joined in layout.joins:
            pairs = dict(joined.link.keys)
            if joined.table in plan.read and joined.link.left == refs[0].table and refs[0].column in pairs:
                table = plan.tables[joined.table]
                if table.key == tuple(pairs.values()):
                    found += [column.ref for column in entity_columns(table) if column.name not in table.key]
    return found


def add_groups(made: Assembly, plan: Plan, layout: Layout) -> None:
    """The aggregation, with periods derived before it."""
    if not plan.measures:
        if plan.groups:
            made.questions.append(_what_each(plan))
        return
    keys, shown, clauses, said = _keys(made, plan, layout)
    names: list[str] = []
    periods = []
    derived = {item.name for item in plan.derives}
    for name, text in keys:
        refs = refs_in(text)
        if (len(refs) == 1 and text == col(refs[0])) or (
            not refs and name in derived | {s.column for s in plan.segments}
        ):
            names.append(layout.name(refs[0]) if refs else name)
        else:
            fresh = _fresh(name, layout)
            periods.append({"name": fresh, "expression": sql(layout, text)})
            names.append(fresh)
    if periods:
        identity = made.step({"id": "periods", "kind": "derive", "columns": periods})
        for period in periods:
            made.said(f"steps.{identity}.columns.{period['name']}", clauses)
    names = list(dict.fromkeys(names))
    shown = [ref for ref in shown if layout.name(ref) not in names]
    describing = [_describing(plan, layout, ref) for ref in shown]
    measures = [
        {"name": name, "expression": f"max({sql(layout, col(ref))})"}
        for name, ref in zip(describing, shown, strict=True)
    ]
    for measure in plan.measures:
        measures.append({"name": measure.name, "expression": _measure(made, plan, layout, measure)})
    identity = made.step({"id": "metrics", "kind": "aggregate", "group_by": names, "measures": measures})
    _lost_derives(made, plan, identity)
    _doubtful_keys(made, plan, layout, names)
    _counted_apart(made, plan, names)
    for name, ref in zip(describing, shown, strict=True):
        if plan.entity and not _determined(plan, ref.table):
            made.questions.append(_which_value(plan, layout, identity, name, ref))
    _group_origins(made, plan, identity, describing, clauses, said)
    entity = plan.entity
    made.grain = plan.tables[entity].words[-1] if entity else "_".join(names[:2])
    made.columns = [*names, *(str(measure["name"]) for measure in measures)]


def _lost_derives(made: Assembly, plan: Plan, identity: str) -> None:
    """A new column of single rows that no group, measure or condition uses would silently vanish: asked."""
    for item in plan.derives:
        if not on_rows(plan, item.expression):
            continue
        if any(item.name in measures_in(text) for other in plan.items if other is not item for text in texts_of(other)):
            continue
        options = tuple(
            Option(
                id=function,
                label=f"The {words} of {item.name}",
                edits=(
                    Edit(
                        path=f"steps.{identity}.measures.{item.name}",
                        value={"name": item.name, "expression": f"{function}({quoted(item.name)})"},
                    ),
                ),
            )
            for function, words in (
                ("sum", "sum"),
                ("avg", "average"),
                ("max", "highest value"),
                ("min", "lowest value"),
            )
        )
        made.questions.append(
            Question(
                id=f"measure:{item.name}",
                text=f"What should each group hold of {item.name}?",
                why="It is computed for single rows, and the statement does not say how it is brought together.",
                options=options,
                path=f"steps.{identity}.measures",
                clauses=plan.clauses(item),
            )
        )


def _what_each(plan: Plan) -> Question:
    """A grouping without anything to compute."""
    return Question(
        id="measure:missing",
        text="What should be computed for each group?",
        why="The statement names groups and nothing to count, sum or average in them.",
        options=measure_options(plan.tables, plan.wanted()),
        path="steps",
        clauses=plan.clauses(*plan.groups),
    )


def _doubtful_keys(made: Assembly, plan: Plan, layout: Layout, names: Sequence[str]) -> None:
    """Groups by an amount, or a condition on groups without groups, are hardly what is meant."""
    shown = [layout.name(item.ref) for item in plan.selected if _is_amount(plan, item.ref)]
    amounts = [name for name in shown if name in names]
    bounds = {name for item in plan.filters for name in measures_in(item.expression) if "_of_all_" not in name}
    alone = not names and bool(bounds)
    if (amounts or alone) and plan.answers.get("group:by") != "as_said":
        made.questions.append(
            Question(
                id="group:by",
                text="What is one row of the result?",
                why=f"Grouping by {amounts[0]}, a number, would give one row a value."
                if amounts
                else "A condition on groups needs groups, and the statement names none.",
                options=group_options(plan.tables, plan.wanted(), as_said=bool(amounts)),
                path="steps",
                clauses=plan.clauses(*(plan.selected if amounts else plan.filters)),
            )
        )


def _counted_apart(made: Assembly, plan: Plan, names: Sequence[str]) -> None:
    """``the number of stores and the number of customers``: a join would count only those that belong together."""
    counts = [
        item for item in plan.measures if item.expression.startswith("count(") and "DISTINCT" not in item.expression
    ]
    tables = list(dict.fromkeys(item.table for item in counts if item.table and " / " not in item.expression))
    if names or len(tables) < 2 or plan.read or plan.joins or plan.answers.get("count:apart") == "as_joined":
        return
    short = " and ".join(plan.tables[name].short for name in tables)
    made.questions.append(
        Question(
            id="count:apart",
            text=f"Are rows of {short} counted only where they belong to each other?",
            why="One result has all the counts, and the join between them leaves out rows without a partner.",
            options=(Option(id="as_joined", label="Count what the join keeps"),),
            path="steps",
            clauses=plan.clauses(*counts),
        )
    )


def _is_amount(plan: Plan, ref: Ref) -> bool:
    column = plan.tables[ref.table].column(ref.column)
    return column is not None and column.type.startswith(("double", "float", "decimal"))


def _determined(plan: Plan, table: str) -> bool:
    """A group has at most one row of `table`."""
    for entity in {plan.entity, *(group.entity for group in plan.groups if group.entity)}:
        path = plan.graph.path([entity], table)
        if path is not None and all(link.one in {"right", "both"} for link in path):
            return True
    return False


def _which_value(plan: Plan, layout: Layout, identity: str, name: str, ref: Ref) -> Question:
    """A column that can have many values in a group: which one is shown must be said."""
    path = f"steps.{identity}.measures.{name}.expression"
    column = quoted(layout.name(ref))
    return Question(
        id=f"measure:{name}",
        text=f"Which {name} should each group show?",
        why="There can be many in one group, and the statement names none of them.",
        options=tuple(
            Option(id=function, label=words, edits=(Edit(path=path, value=f"{function}({column})"),))
            for function, words in (("max", "The highest or latest"), ("min", "The lowest or earliest"))
        ),
        path=path,
        clauses=plan.clauses(*[item for item in plan.selected if item.ref == ref]),
    )


def _describing(plan: Plan, layout: Layout, ref: Ref) -> str:
    """The name of a column that describes its group: ``airline_name`` rather than ``name``, unless it was asked for."""
    name = layout.name(ref)
    asked = any(item.ref == ref for item in plan.selected)
    return f"{plan.tables[ref.table].words[-1]}_{name}" if name.casefold() in {"name", "title"} and not asked else name


def _fresh(name: str, layout: Layout) -> str:
    """A name for a period that no column has yet."""
    taken = {other.casefold() for other in layout.names.values()}
    return name if name not in taken else f"{name}_start" if name != "year" else "year_of_date"


def _measure(made: Assembly, plan: Plan, layout: Layout, measure: Measure) -> str:
    """The expression of a measure; where joins repeat the rows it is about, counts count each once and others ask."""
    if measure.expression == "count(*)" and measure.table in layout.tables and measure.table != layout.base:
        present, certain = _present(plan, layout, measure.table)
        if not certain:
            short = plan.tables[measure.table].short
            made.notes.append(
                f"{measure.name} counts rows of {short} by {present}: a row where that is NULL is not counted"
            )
        return f"count({quoted(present)})"
    text = sql(layout, measure.expression)
    tables = {ref.table for ref in refs_in(measure.expression)} or {measure.table}
    if not all(name in layout.tables and multiplied(layout, name) for name in tables if name) or not any(tables):
        return text
    if (
        measure.expression.startswith("count(")
        and "DISTINCT" not in measure.expression
        and " / " not in measure.expression
    ):
        return "count(DISTINCT " + text.removeprefix("count(")
    if measure.expression.startswith(("min(", "max(", "count(DISTINCT")):
        return text
    question = f"grain:{measure.name}"
    if plan.answers.get(question) != "as_joined":
        short = ", ".join(plan.tables[name].short for name in sorted(tables) if name)
        made.questions.append(
            Question(
                id=question,
                text=(
                    f"The joins repeat rows of {short}. Should {measure.name} count each row as often as it is matched?"
                ),
                why=(
                    f"A row of {short} can match several rows of another table, so that sums and averages "
                    f"would count it more than once."
                ),
                options=(Option(id="as_joined", label="Count it as often as it is matched"),),
                path=f"steps.metrics.measures.{measure.name}",
                clauses=plan.clauses(measure),
            )
        )
    return text


def _present(plan: Plan, layout: Layout, table: str) -> tuple[str, bool]:
    """A column that is NULL where a left join found no row of `table`, and whether it is NULL only there."""
    joined = next(joined for joined in layout.joins if joined.table == table)
    keys = [
        Ref(table, right)
        for left, right in joined.link.keys
        if layout.name(Ref(table, right)) != layout.name(Ref(joined.link.left, left))
    ]
    merged = {Ref(table, right) for _, right in joined.link.keys} - set(keys)
    rest = [column.ref for column in plan.tables[table].columns if not column.nullable] + [
        column.ref for column in plan.tables[table].columns[1:]
    ]
    rest = [ref for ref in rest if ref not in merged] or rest
    certain = bool(keys) or any(not column.nullable for column in plan.tables[table].columns)
    return layout.name((keys or rest)[0]), certain


def _group_origins(
    made: Assembly, plan: Plan, identity: str, describing: Sequence[str], clauses: Sequence[str], said: bool
) -> None:
    path = f"steps.{identity}"
    if said:
        made.said(f"{path}.group_by", clauses)
    elif plan.entity:
        made.assumed(
            f"{path}.group_by",
            f"one row for each row of {plan.tables[plan.entity].short}, which the statement speaks of",
            clauses=clauses,
        )
    else:
        made.assumed(f"{path}.group_by", "no grouping is named, so there is one row in all")
    for name in describing:
        if name in {item.ref.column for item in plan.selected}:
            made.said(f"{path}.measures.{name}", plan.clauses(*plan.selected))
        else:
            made.assumed(f"{path}.measures.{name}", "describes the group; it has one value in each", clauses=clauses)
    for measure in plan.measures:
        field = f"{path}.measures.{measure.name}"
        if measure.assumed:
            made.assumed(field, measure.assumed, measure.alternatives, plan.clauses(measure))
        else:
            made.said(field, plan.clauses(measure))
