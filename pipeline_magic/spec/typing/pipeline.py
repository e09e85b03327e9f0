"""The typing of a whole spec: names, the graph, each step in order, expectations, target; every problem at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline_magic.errors import Problem, SpecError
from pipeline_magic.spec.expressions import nearest
from pipeline_magic.spec.model import Join, PipelineSpec, Referential, Source, Sql, Step, Union
from pipeline_magic.spec.schema import TableSchema
from pipeline_magic.spec.typed import Node, TypedSpec
from pipeline_magic.spec.types import parse_type
from pipeline_magic.spec.typing import groups, rows, sets
from pipeline_magic.spec.typing.context import Context, Typed, minimal, type_of
from pipeline_magic.spec.typing.expectations import expectations
from pipeline_magic.spec.typing.rows import not_null_after
from pipeline_magic.spec.typing.target import target as type_target

__all__ = ["inputs_of", "type_pipeline"]

_ONE_INPUT = {
    "filter": rows.filter_,
    "derive": rows.derive,
    "aggregate": groups.aggregate,
    "window": groups.window,
    "segment": groups.segment,
    "deduplicate": groups.deduplicate,
    "select": rows.select,
    "rename": rows.rename,
    "cast": rows.cast,
    "fill": rows.fill,
    "pivot": groups.pivot,
    "unpivot": rows.unpivot,
    "explode": rows.explode,
    "top": groups.top,
}


def inputs_of(step: Step) -> tuple[str, ...]:
    """Ids of what a step reads, in its order."""
    if isinstance(step, Join):
        return step.left, step.right
    if isinstance(step, (Union, Sql)):
        return step.inputs
    return (step.input,)


def type_pipeline(
    spec: PipelineSpec,
    tables: Mapping[str, TableSchema],
    existing: TableSchema | None,
    readers: Mapping[str, Sequence[str]],
) -> TypedSpec:
    """See `typed.type_spec`."""
    from pipeline_magic.spec.legality import illegal

    context = Context()
    _names(context, spec)
    order = _order(context, spec)
    sources = tuple(_source(context, source, tables) for source in spec.sources)
    steps = {step.id: step for step in spec.steps}
    for step_id in order:
        steps[step_id] = _step(context, steps[step_id])
    made = spec.model_copy(
        update={
            "sources": sources,
            "steps": tuple(steps[step.id] for step in spec.steps),
            "expectations": expectations(context, spec),
            "target": type_target(context, spec, existing, readers),
        }
    )
    _unused(context, spec)
    context.problems.extend(Problem(path, message) for path, message in illegal(made))
    if context.problems:
        raise SpecError(_sorted(spec, context.problems))
    nodes = tuple(context.nodes[name] for name in [*(source.alias for source in sources), *order])
    return TypedSpec(
        spec=made,
        nodes=nodes,
        tables={source.alias: tables[source.alias] for source in sources},
        warnings=tuple(dict.fromkeys(context.warnings)),
    )


def _sorted(spec: PipelineSpec, problems: list[Problem]) -> list[Problem]:
    """In the order of the spec, whatever the order they were found in; each once."""
    places: dict[str, int] = {}
    for part, names in (
        ("sources", [source.alias for source in spec.sources]),
        ("steps", [step.id for step in spec.steps]),
        ("expectations", [item.id for item in spec.expectations]),
    ):
        for name in names:
            places.setdefault(f"{part}.{name}", len(places))
    unique = list({(problem.path, problem.message): problem for problem in problems}.values())
    return sorted(unique, key=lambda problem: places.get(".".join(problem.path.split(".")[:2]), len(places)))


def _names(context: Context, spec: PipelineSpec) -> None:
    seen: dict[str, str] = {}
    for path, name in [
        *((f"sources.{source.alias}", source.alias) for source in spec.sources),
        *((f"steps.{step.id}", step.id) for step in spec.steps),
        *((f"expectations.{item.id}", item.id) for item in spec.expectations),
    ]:
        if name in seen:
            context.problem(path, f"the id `{name}` is used twice; {seen[name]} has it too")
        seen[name] = path
        if name == "target" and not path.startswith("expectations"):
            context.problem(path, "`target` means the target; choose another id")


def _order(context: Context, spec: PipelineSpec) -> tuple[str, ...]:
    """Steps with their inputs before them; ties in the order of the spec. A cycle is a problem."""
    known = {source.alias for source in spec.sources} | {step.id for step in spec.steps}
    for step in spec.steps:
        for name in inputs_of(step):
            if name not in known:
                field = "input" if not isinstance(step, (Join, Union, Sql)) else "inputs"
                if isinstance(step, Join):
                    field = "left" if name == step.left else "right"
                others = sorted(known - {step.id})
                context.problem(
                    f"steps.{step.id}.{field}", f"there is no source or step `{name}`", nearest(name, others)
                )
    placed = {source.alias for source in spec.sources}
    waiting = {step.id: [name for name in inputs_of(step) if name in known] for step in spec.steps}
    order: list[str] = []
    while ready := next((name for name in waiting if placed.issuperset(waiting[name])), None):
        order.append(ready)
        placed.add(ready)
        del waiting[ready]
    for name in waiting:
        if _reaches(waiting, name, name):
            context.problem(f"steps.{name}", f"`{name}` depends on itself, through {_circle(waiting, name)}")
    return tuple(order)


def _reaches(edges: Mapping[str, list[str]], start: str, goal: str) -> bool:
    seen: set[str] = set()
    pending = list(edges.get(start, ()))
    while pending:
        name = pending.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            pending.extend(edges.get(name, ()))
    return False


def _circle(edges: Mapping[str, list[str]], start: str) -> str:
    names, name = [start], start
    while True:
        name = next(other for other in edges.get(name, ()) if other == start or _reaches(edges, other, start))
        names.append(name)
        if name == start or len(names) > len(edges) + 1:
            return " <- ".join(f"`{item}`" for item in names)


def _source(context: Context, source: Source, tables: Mapping[str, TableSchema]) -> Source:
    path = f"sources.{source.alias}"
    table = tables.get(source.alias)
    if table is None:
        context.problem(f"{path}.table", f"the catalog has no schema of `{source.table}`", sorted(tables))
        return source
    columns = []
    for column in table.columns:
        try:
            columns.append(column.model_copy(update={"type": str(parse_type(column.type))}))
        except ValueError as error:
            context.problem(f"{path}.table", f"the column `{column.name}` cannot be read: {error}")
    context.distinct(f"{path}.table", columns)
    kept = tuple(columns)
    update: dict[str, str] = {}
    if source.filter is not None:
        found = context.expression(f"{path}.filter", source.filter, kept, wants="boolean")
        if found is not None:
            update["filter"], kept = found.text, not_null_after(found, kept)
    if source.watermark is not None:
        mark = context.column(f"{path}.watermark", source.watermark, kept)
        if mark is not None:
            update["watermark"] = mark.name
            if not (type_of(mark).temporal or type_of(mark).integral):
                times = [c.name for c in kept if type_of(c).temporal]
                context.problem(
                    f"{path}.watermark",
                    f"`{mark.name}` is of type {mark.type}; a time or a whole number is needed",
                    times,
                )
    spelled = {column.name.casefold(): column.name for column in kept}
    keys = minimal(
        tuple(spelled[name.casefold()] for name in key)
        for key in (table.primary_key, *table.unique_keys)
        if key and all(name.casefold() in spelled for name in key)
    )
    context.nodes[source.alias] = Node(id=source.alias, kind="source", inputs=(), columns=kept, keys=keys)
    return source.model_copy(update=update)


def _step(context: Context, step: Step) -> Step:
    inputs = [context.nodes.get(name) for name in inputs_of(step)]
    nodes = [node for node in inputs if node is not None]
    if len(nodes) != len(inputs):
        return step  # its input has a problem of its own
    before = len(context.problems)
    if isinstance(step, Join):
        typed = sets.join(context, step, *nodes)
    elif isinstance(step, Union):
        typed = sets.union(context, step, nodes)
    elif isinstance(step, Sql):
        from pipeline_magic.spec.typing.sql import sql

        typed = sql(context, step, nodes)
    else:
        rule: object = _ONE_INPUT[step.kind]
        typed = rule(context, step, nodes[0])  # type: ignore[operator]  # one rule a kind, by the table above
    assert isinstance(typed, Typed)
    if len(context.problems) == before or typed.columns:
        context.nodes[step.id] = Node(
            id=step.id, kind=step.kind, inputs=inputs_of(step), columns=typed.columns, keys=typed.keys
        )
    return typed.step  # type: ignore[no-any-return]  # the same model, in canonical text


def _unused(context: Context, spec: PipelineSpec) -> None:
    steps = {step.id: step for step in spec.steps}
    pending = [spec.target.input]
    for item in spec.expectations:
        if isinstance(item, Referential):
            pending.append(item.to)
    used: set[str] = set()
    while pending:
        name = pending.pop()
        if name not in used:
            used.add(name)
            pending.extend(inputs_of(steps[name]) if name in steps else ())
    for step in spec.steps:
        circular = any(problem.path == f"steps.{step.id}" for problem in context.problems)
        if step.id not in used and not circular:
            context.problem(f"steps.{step.id}", f"nothing uses `{step.id}`; the target takes `{spec.target.input}`")
    for source in spec.sources:
        if source.alias not in used:
            context.warn(f"sources.{source.alias}", f"nothing uses `{source.alias}`; it is not read")
