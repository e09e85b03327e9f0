"""Column pruning: which columns each node must carry so that the rows asked for come out whole.

One walk backward collects what is needed, one walk forward says what each node then has: a filter keeps the columns it
was given, even those that only its condition reads. Both emitters follow it, so that they read the same columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipeline_magic.spec.expressions import check
from pipeline_magic.spec.model import (
    Aggregate,
    Cast,
    Deduplicate,
    Derive,
    Expectation,
    Explode,
    Fill,
    Filter,
    Join,
    Pivot,
    Referential,
    Rename,
    Segment,
    Select,
    Source,
    Sql,
    Step,
    Top,
    Union,
    Unpivot,
    Window,
)
from pipeline_magic.spec.typed import Node, TypedSpec
from pipeline_magic.spec.typing.groups import tie_breakers
from pipeline_magic.spec.typing.sets import join_columns

__all__ = ["carried", "in_order", "needs", "reads", "upstream", "used_by"]


def upstream(typed: TypedSpec, roots: Iterable[str]) -> tuple[Node, ...]:
    """The nodes that `roots` rest on, themselves included, inputs first."""
    wanted: set[str] = set()
    pending = list(roots)
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending.extend(typed.node(name).inputs)
    return tuple(node for node in typed.nodes if node.id in wanted)


def in_order(typed: TypedSpec, names: Iterable[str], drops: Iterable[Expectation]) -> tuple[Node, ...]:
    """The nodes of those names, inputs first, and before a node also what its `drop` expectations look rows up in."""
    wanted = set(names)
    before = {node.id: [*node.inputs] for node in typed.nodes if node.id in wanted}
    for item in drops:
        if isinstance(item, Referential):
            before[typed.spec.target.input if item.on == "target" else item.on].append(item.to)
    made: list[Node] = []
    placed: set[str] = set()
    while len(made) < len(before):
        node = next(n for n in typed.nodes if n.id in before and n.id not in placed and placed.issuperset(before[n.id]))
        made.append(node)
        placed.add(node.id)
    return tuple(made)


def reads(text: str, node: Node, place: str = "row", group_by: Iterable[str] = ()) -> tuple[str, ...]:
    """Columns that a checked expression reads."""
    found, _ = check(text, node.columns, place, group_by=tuple(group_by))  # type: ignore[arg-type]  # one of the three
    return found.columns if found else ()


def needs(typed: TypedSpec, roots: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """For each node that the roots rest on: the columns somebody reads.

    Args:
        roots: For each node asked for, the columns that must come out of it.
    """
    wanted: dict[str, set[str]] = {node.id: set() for node in upstream(typed, roots)}
    for name, columns in roots.items():
        wanted[name].update(columns)
    steps = {step.id: step for step in typed.spec.steps}
    for node in reversed(upstream(typed, roots)):
        if node.kind == "source":
            continue
        for name, columns in _of_inputs(typed, steps[node.id], wanted[node.id]).items():
            wanted[name].update(columns)
    return wanted


def _of_inputs(typed: TypedSpec, step: Step, out: set[str]) -> dict[str, set[str]]:
    if isinstance(step, Join):
        return _of_join(typed, step, out)
    if isinstance(step, Union):
        return {name: _of_union(typed, step, name, out) for name in step.inputs}
    if isinstance(step, Sql):
        return {name: {column.name for column in typed.node(name).columns} for name in step.inputs}
    node = typed.node(step.input)
    own = {column.name for column in node.columns}
    if isinstance(step, Rename):
        back = {item.name: item.column for item in step.columns}
        return {step.input: {back.get(name, name) for name in out} | {item.column for item in step.columns}}
    if isinstance(step, Select):
        return {step.input: set(step.columns)}
    if isinstance(step, (Aggregate, Pivot)):
        return {step.input: used_by(step, node)}
    return {step.input: (out & own) - _replaced(step) | used_by(step, node)}


def _replaced(step: Step) -> set[str]:
    """Columns of the input that the step writes anew: their old values are needed only if it reads them."""
    return {item.name for item in step.columns} if isinstance(step, Derive) else set()


def used_by(step: Step, node: Node) -> set[str]:
    """Columns of the input that the step itself reads."""
    if isinstance(step, Filter):
        return set(reads(step.condition, node))
    if isinstance(step, Derive):
        return {name for item in step.columns for name in reads(item.expression, node)}
    if isinstance(step, Aggregate):
        measured = [reads(item.expression, node, "aggregate", step.group_by) for item in step.measures]
        return {*step.group_by, *(name for names in measured for name in names)}
    if isinstance(step, Pivot):
        measured = [reads(item.expression, node, "aggregate") for item in step.measures]
        return {*step.group_by, step.column, *(name for names in measured for name in names)}
    if isinstance(step, Window):
        used = {name for item in step.columns for name in reads(item.expression, node, "window")}
        orders = (*step.order_by, *(tie_breakers(node, step.partition_by, step.order_by) if step.order_by else ()))
        return {*used, *step.partition_by, *(order.column for order in orders)}
    if isinstance(step, Segment):
        used = {name for rule in step.rules if rule.condition for name in reads(rule.condition, node)}
        return {*used, *step.partition_by, *([step.by] if step.by else [])}
    if isinstance(step, Deduplicate):
        orders = (*step.order_by, *tie_breakers(node, step.keys, step.order_by))
        return {*step.keys, *(order.column for order in orders)}
    if isinstance(step, Top):
        orders = (*step.order_by, *(() if step.ties else tie_breakers(node, step.partition_by, step.order_by)))
        return {*step.partition_by, *(order.column for order in orders)}
    if isinstance(step, (Cast, Fill)):
        return {item.column for item in step.columns}
    if isinstance(step, Unpivot):
        return set(step.columns)
    return {step.column} if isinstance(step, Explode) else set()


def _of_join(typed: TypedSpec, step: Join, out: set[str]) -> dict[str, set[str]]:
    left, right = typed.node(step.left), typed.node(step.right)
    rights = {key.right for key in step.keys}
    if step.how not in {"semi", "anti"}:
        rights |= {old for old, new in join_columns(step, left.columns, right.columns) if new in out}
    lefts = {column.name for column in left.columns if column.name in out} | {key.left for key in step.keys}
    return {step.left: lefts, step.right: rights}


def _of_union(typed: TypedSpec, step: Union, name: str, out: set[str]) -> set[str]:
    columns = typed.node(name).columns
    if step.distinct:
        return {column.name for column in columns}
    wanted = {column.casefold() for column in out}
    return {column.name for column in columns if column.name.casefold() in wanted}


def carried(typed: TypedSpec, wanted: Mapping[str, set[str]]) -> dict[str, tuple[str, ...]]:
    """For each node in `wanted`: the columns its rows have in the artefact, in the node's own order."""
    made: dict[str, tuple[str, ...]] = {}
    elements: dict[str, Source | Step] = {source.alias: source for source in typed.spec.sources}
    elements.update({step.id: step for step in typed.spec.steps})
    for node in typed.nodes:
        if node.id not in wanted:
            continue
        have = _has(typed, elements[node.id], node, wanted[node.id], made)
        made[node.id] = tuple(column.name for column in node.columns if column.name in have)
    return made


def _has(
    typed: TypedSpec, element: Source | Step, node: Node, wanted: set[str], made: Mapping[str, tuple[str, ...]]
) -> set[str]:
    everything = {column.name for column in node.columns}
    if isinstance(element, Source):
        return wanted or {node.columns[0].name}
    if isinstance(element, (Select, Aggregate, Pivot, Sql)):
        return everything
    if isinstance(element, Union):
        return everything if element.distinct else wanted or {node.columns[0].name}
    if isinstance(element, Join):
        names = dict(join_columns(element, typed.node(element.left).columns, typed.node(element.right).columns))
        if element.how in {"semi", "anti"}:
            return set(made[element.left])
        return {*made[element.left], *(new for new in names.values() if new in wanted)}
    have = set(made[element.input])
    if isinstance(element, Rename):
        calls = {item.column: item.name for item in element.columns}
        return {calls.get(name, name) for name in have}
    inputs = {column.name for column in typed.node(element.input).columns}
    return {name for name in everything if name in have or name not in inputs} | _new(element)


def _new(step: Step) -> set[str]:
    """Columns a step writes although its input has one of that name."""
    if isinstance(step, Derive):
        return {item.name for item in step.columns}
    return {step.name} if isinstance(step, Explode) else set()
