"""Column lineage from the spec alone: every target column back to its source columns, through every step.

Three kinds of edges, as OpenLineage's direct and indirect ones: ``same`` (passed on as it is) and ``value`` (the value
is made of it) are direct; ``rows`` (it decides which rows there are, or how they are grouped, matched or ordered,
without being in the value) is indirect and concerns every column of the node. Indirect are filters (of sources too),
join keys, groups, the order by which rows are chosen, what is compared to leave out duplicates, NULLs that an unpivot
leaves out, and what `drop` expectations look at. A window's partition and order, a segment's ranking and the column
that a pivot spreads are direct: the value itself rests on them. What is neither cannot change a column. It is known
before anything runs, so that it can be reviewed before approval. Drawing it is the panel's work.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pipeline_magic.compiler.columns import reads, used_by
from pipeline_magic.compiler.expectations import node_of
from pipeline_magic.compiler.sql import checked_columns
from pipeline_magic.spec.model import (
    Aggregate,
    Derive,
    Explode,
    Filter,
    Join,
    Pivot,
    Referential,
    Rename,
    Segment,
    Sql,
    Step,
    Union,
    Unpivot,
    Window,
)
from pipeline_magic.spec.schema import Model
from pipeline_magic.spec.typed import Node, TypedSpec
from pipeline_magic.spec.typing.groups import pivot_names, tie_breakers
from pipeline_magic.spec.typing.sets import join_columns

__all__ = ["TARGET", "ColumnEdge", "Lineage", "column_lineage"]

TARGET = "target"
"""Id of the target in edges; no source or step may be called so."""


class ColumnEdge(Model):
    """One column feeds another.

    Attributes:
        from_node: Id of a source or step.
        to_node: Id of a step, or ``target``.
        to_column: Empty with ``rows``: it concerns every row of the node.
        how: ``same`` (passed on as it is), ``value`` (computed from it), ``rows`` (decides which rows there are).
    """

    from_node: str
    from_column: str
    to_node: str
    to_column: str = ""
    how: Literal["same", "value", "rows"]


class Lineage(Model):
    """The graph of a pipeline, ready to be drawn.

    Attributes:
        nodes: Ids in an order in which inputs come first, the target last.
        columns: Columns of each node, in order.
        edges: Between columns of neighbouring nodes.
    """

    nodes: tuple[str, ...]
    columns: dict[str, tuple[str, ...]]
    edges: tuple[ColumnEdge, ...]

    def sources_of(self, column: str, node: str = TARGET) -> tuple[tuple[str, str], ...]:
        """The source columns whose values are in a column, as (alias, column), in the order of the graph."""
        return self._follow(node, column, {"same", "value"})

    def deciding(self, node: str = TARGET) -> tuple[tuple[str, str], ...]:
        """The source columns that decide which rows reach a node."""
        found: set[tuple[str, str]] = set()
        for name in self._upstream(node):
            for edge in self.edges:
                if edge.to_node == name and edge.how == "rows":
                    found |= set(self._follow(edge.from_node, edge.from_column, {"same", "value"}))
        return self._sorted(found)

    def computed_in(self, column: str, node: str = TARGET) -> set[tuple[str, str]]:
        """The places, as (node, column), that a column's value is read or computed at; not those it only passes."""
        computed = {(edge.to_node, edge.to_column) for edge in self.edges if edge.how == "value"}
        places = self._places(node, column, {"same", "value"})
        feeds = {edge.to_node for edge in self.edges}
        return {place for place in places if place in computed or place[0] not in feeds}

    def deciding_steps(self) -> set[str]:
        """The steps that decide which rows reach the target."""
        return {edge.to_node for edge in self.edges if edge.how == "rows"}

    def _follow(self, node: str, column: str, kinds: set[str]) -> tuple[tuple[str, str], ...]:
        feeds = {edge.to_node for edge in self.edges}
        return self._sorted(place for place in self._places(node, column, kinds) if place[0] not in feeds)

    def _places(self, node: str, column: str, kinds: set[str]) -> set[tuple[str, str]]:
        seen: set[tuple[str, str]] = set()
        pending = [(node, column)]
        while pending:
            place = pending.pop()
            if place in seen:
                continue
            seen.add(place)
            pending.extend(
                (edge.from_node, edge.from_column)
                for edge in self.edges
                if (edge.to_node, edge.to_column) == place and edge.how in kinds
            )
        return seen

    def _upstream(self, node: str) -> set[str]:
        found: set[str] = set()
        pending = [node]
        while pending:
            name = pending.pop()
            if name not in found:
                found.add(name)
                pending.extend(edge.from_node for edge in self.edges if edge.to_node == name)
        return found

    def _sorted(self, places: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        return tuple(sorted(places, key=lambda p: (self.nodes.index(p[0]), self.columns[p[0]].index(p[1]))))


def column_lineage(typed: TypedSpec) -> Lineage:
    """The lineage of a typed spec."""
    steps = {step.id: step for step in typed.spec.steps}
    edges: list[ColumnEdge] = []
    for node in typed.nodes:
        if node.kind != "source":
            edges.extend(_of_step(typed, steps[node.id], node))
    edges.extend(_of_conditions(typed))
    last = typed.node(typed.spec.target.input)
    edges.extend(_edge(last.id, column.name, TARGET, column.name, "same") for column in last.columns)
    columns = {node.id: tuple(column.name for column in node.columns) for node in typed.nodes}
    columns[TARGET] = tuple(column.name for column in typed.target_columns())
    return Lineage(nodes=(*(node.id for node in typed.nodes), TARGET), columns=columns, edges=tuple(edges))


def _edge(node: str, column: str, to: str, to_column: str, how: Any) -> ColumnEdge:
    return ColumnEdge(from_node=node, from_column=column, to_node=to, to_column=to_column, how=how)


def _of_step(typed: TypedSpec, step: Step, node: Node) -> list[ColumnEdge]:
    if isinstance(step, Join):
        return _of_join(typed, step, node)
    if isinstance(step, Union):
        names = [column.name for column in node.columns]
        compared = step.inputs if step.distinct else ()
        rows = [_edge(name, c.name, step.id, "", "rows") for name in compared for c in typed.node(name).columns]
        return rows + [
            _edge(name, column.name, step.id, next(n for n in names if n.casefold() == column.name.casefold()), "same")
            for name in step.inputs
            for column in typed.node(name).columns
        ]
    if isinstance(step, Sql):
        from pipeline_magic.spec.typing.sql import column_sources, deciding_columns

        edges = [_edge(*place, step.id, name, "value") for name, place in column_sources(typed, step)]
        return edges + [_edge(*place, step.id, "", "rows") for place in deciding_columns(typed, step)]
    before = typed.node(step.input)
    made = _values(step, before)
    edges = [_edge(step.input, old, step.id, new, "value") for new, sources in made.items() for old in sources]
    calls = {item.column: item.name for item in step.columns} if isinstance(step, Rename) else {}
    for column in before.columns:
        new = calls.get(column.name, column.name)
        if new not in made and any(other.name == new for other in node.columns):
            edges.append(_edge(step.input, column.name, step.id, new, "same"))
    edges += [_edge(step.input, name, step.id, "", "rows") for name in _deciding(step, before)]
    return edges


def _of_conditions(typed: TypedSpec) -> list[ColumnEdge]:
    """What source filters, watermarks and `drop` expectations read decides the rows of whoever takes the node's."""
    users: dict[str, list[str]] = {node.id: [] for node in typed.nodes}
    for node in typed.nodes:
        for name in dict.fromkeys(node.inputs):
            users[name].append(node.id)
    users[typed.spec.target.input].append(TARGET)
    drops = [item for item in typed.spec.expectations if item.enabled and item.action == "drop"]
    references = [(node_of(item, typed), item.to) for item in drops if isinstance(item, Referential)]
    for _ in references:  # what decides which parents there are, decides which children stay; and so on
        for on, to in references:
            users[to] = list(dict.fromkeys([*users[to], *users[on]]))
    read: list[tuple[str, str, str]] = []  # node whose rows are decided, and the column that decides
    for source in typed.spec.sources:
        node = typed.node(source.alias)
        names = [
            *(reads(source.filter, node) if source.filter else ()),
            *([source.watermark] if source.watermark else ()),
        ]
        read += [(source.alias, source.alias, name) for name in names]
    for item in drops:
        on = node_of(item, typed)
        read += [(on, on, name) for name in sorted(checked_columns(item, typed))]
        read += [(on, item.to, name) for name in item.to_columns] if isinstance(item, Referential) else []
    found = dict.fromkeys((place, user) for place in read for user in users[place[0]])
    return [_edge(node, column, user, "", "rows") for (_, node, column), user in found]


def _of_join(typed: TypedSpec, step: Join, node: Node) -> list[ColumnEdge]:
    left, right = typed.node(step.left), typed.node(step.right)
    edges = [_edge(step.left, column.name, step.id, column.name, "same") for column in left.columns]
    if step.how not in {"semi", "anti"}:
        edges += [
            _edge(step.right, old, step.id, new, "same") for old, new in join_columns(step, left.columns, right.columns)
        ]
    for key in step.keys:
        if step.how in {"right", "full"} and key.left.casefold() == key.right.casefold():
            edges.append(_edge(step.right, key.right, step.id, key.left, "value"))
        edges.append(_edge(step.left, key.left, step.id, "", "rows"))
        edges.append(_edge(step.right, key.right, step.id, "", "rows"))
    return edges


def _values(step: Step, before: Node) -> dict[str, tuple[str, ...]]:
    """Columns that the step computes, each with the columns its value is made of."""
    if isinstance(step, Derive):
        return {item.name: reads(item.expression, before) for item in step.columns}
    if isinstance(step, Aggregate):
        return {item.name: reads(item.expression, before, "aggregate", step.group_by) for item in step.measures}
    if isinstance(step, Pivot):
        return {name: (*reads(text, before, "aggregate"), step.column) for name, _, text in pivot_names(step)}
    if isinstance(step, Window):
        ties = tie_breakers(before, step.partition_by, step.order_by) if step.order_by else ()
        keys = (*step.partition_by, *(order.column for order in (*step.order_by, *ties)))
        return {
            item.name: tuple(dict.fromkeys((*reads(item.expression, before, "window"), *keys))) for item in step.columns
        }
    if isinstance(step, Segment):
        read = [name for rule in step.rules if rule.condition for name in reads(rule.condition, before)]
        return {step.column: tuple(dict.fromkeys((*read, *([step.by] if step.by else ()), *step.partition_by)))}
    if isinstance(step, Unpivot):
        return {step.value_column: step.columns, step.name_column: ()}
    if isinstance(step, Explode):
        return {step.name: (step.column,), **({step.position: (step.column,)} if step.position else {})}
    if step.kind in {"cast", "fill"}:
        return {item.column: (item.column,) for item in step.columns}
    return {}


def _deciding(step: Step, before: Node) -> list[str]:
    if isinstance(step, (Aggregate, Pivot)):
        return list(step.group_by)
    if isinstance(step, Explode):
        return [step.column]
    if isinstance(step, Unpivot):
        return [] if step.keep_nulls else list(step.columns)
    if isinstance(step, Filter) or step.kind in {"deduplicate", "top"}:
        read = used_by(step, before)
        return [column.name for column in before.columns if column.name in read]
    return []
