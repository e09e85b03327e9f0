"""Tab Lineage: from the tables that are read, through every step, to the table that is written.

The picture is at the level of steps; below it each target column with the source columns it is made of, as the
compiler follows them through the spec.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline_magic.runs import Snapshot
from pipeline_magic.spec.model import Draft, PipelineSpec
from pipeline_magic.spec.typed import TypedSpec
from pipeline_magic.ui.graph import Edge, Graph, Node, layout, svg
from pipeline_magic.ui.markup import Html, code, data, note, plain, table, tag

__all__ = ["LineageView", "columns_html", "lineage_html", "lineage_text", "lineage_view"]

_MOST = 500
"""Target columns that are listed; a wider table is cut here."""


@dataclass(frozen=True)
class LineageView:
    """The tab; the graph is empty before parsing, `columns` before validation.

    Attributes:
        columns: Each target column, the source columns its value is made of, and the steps that compute it.
        deciding: Source columns that decide which rows there are.
    """

    graph: Graph
    columns: tuple[tuple[str, str, str], ...] = ()
    deciding: str = ""


def lineage_view(snapshot: Snapshot) -> LineageView:
    """The tab of a run, from the typed spec or, before it stands, from the draft."""
    validated = snapshot.validated
    if validated is not None and validated.typed is not None:
        typed = validated.typed
        counts = {node.id: len(node.columns) for node in typed.nodes}
        columns, deciding = _columns(typed)
        return LineageView(_graph(typed.spec, counts), columns, deciding)
    read = validated or snapshot.parsed
    return LineageView(_graph(read.draft, {})) if read is not None else LineageView(Graph((), ()))


def _columns(typed: TypedSpec) -> tuple[tuple[tuple[str, str, str], ...], str]:
    from pipeline_magic.compiler.lineage import TARGET, column_lineage

    try:
        lineage = column_lineage(typed)
        deciding = ", ".join(f"{alias}.{name}" for alias, name in lineage.deciding())
    except (KeyError, StopIteration, ValueError):  # a stored spec that does not hold together: the picture stands alone
        return (), ""
    made = []
    for column in lineage.columns[TARGET][:_MOST]:
        sources = ", ".join(f"{alias}.{name}" for alias, name in lineage.sources_of(column)) or "no column: a constant"
        at = {node for node, _ in lineage.computed_in(column)} - {source.alias for source in typed.spec.sources}
        made.append((column, sources, ", ".join(node for node in lineage.nodes if node in at) or "passed on as it is"))
    return tuple(made), deciding


def _graph(spec: PipelineSpec | Draft, columns: dict[str, int]) -> Graph:
    def detail(name: str) -> str:
        return f"{columns[name]} columns" if name in columns else ""

    nodes = [Node(f"n:{s.alias}", s.table, "source", "table", detail(s.alias)) for s in spec.sources]
    nodes += [Node(f"n:{step.id}", step.id, step.kind, "step", detail(step.id)) for step in spec.steps]
    edges = [Edge(f"n:{name}", f"n:{step.id}") for step in spec.steps for name in inputs_of(step)]
    if spec.target.table is not None:
        nodes.append(Node("t:target", spec.target.table, "target", "table", spec.target.mode or ""))
        edges.append(Edge(f"n:{spec.target.input}", "t:target"))
    return Graph(tuple(nodes), tuple(edges))


def inputs_of(step: object) -> Iterator[str]:
    """Ids of a step's inputs, in order."""
    for name in ("input", "left", "right"):
        value = getattr(step, name, None)
        if isinstance(value, str):
            yield value
    yield from getattr(step, "inputs", ())


def lineage_html(view: LineageView) -> Html:
    """The tab as static HTML."""
    if not view.graph.nodes:
        return note("The way from sources to target is drawn here once the statement is read.")
    drawn = layout(view.graph)
    more = f"{drawn.left_out} more nodes are not drawn." if drawn.left_out else None
    picture = tag("div", svg(drawn, "Lineage from sources to target"), class_="pm-scroll")
    return tag(
        "div", picture, note(more, kind="warn") if more else None, columns_html(view), class_="pm-tab pm-tab-lineage"
    )


def columns_html(view: LineageView) -> Html:
    """Each target column with its source columns."""
    if not view.columns:
        return Html("")
    rows = [(code(name), data(sources), data(steps)) for name, sources, steps in view.columns]
    head = ("Target column", "Made of", "Computed in")
    deciding = tag("p", "Which rows there are is decided by ", data(view.deciding), class_="pm-quiet")
    drawn = table(head, rows, label="Target columns and the source columns they are made of")
    return tag("div", drawn, deciding if view.deciding else None)


def lineage_text(view: LineageView) -> str:
    """The tab as plain text: one line an edge."""
    labels = {node.id: node.label for node in view.graph.nodes}
    known = (e for e in view.graph.edges if e.source in labels and e.target in labels)
    lines = [f"  {labels[e.source]} -> {labels[e.target]}" for e in known]
    lines += [f"  {name} <- {sources} ({steps})" for name, sources, steps in view.columns]
    return plain("\n".join(lines))
