"""Tab Lineage: from the tables that are read, through every step, to the table that is written.

Built at the level of steps from the spec; columns join when the compiler says which column comes from which.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline_magic.runs import Snapshot
from pipeline_magic.spec.model import Draft, PipelineSpec
from pipeline_magic.ui.graph import Edge, Graph, Node, layout, svg
from pipeline_magic.ui.markup import Html, note, plain, tag

__all__ = ["LineageView", "lineage_html", "lineage_text", "lineage_view"]


@dataclass(frozen=True)
class LineageView:
    """The tab; the graph is empty before parsing."""

    graph: Graph


def lineage_view(snapshot: Snapshot) -> LineageView:
    """The tab of a run, from the typed spec or, before it stands, from the draft."""
    validated = snapshot.validated
    if validated is not None and validated.typed is not None:
        typed = validated.typed
        columns = {node.id: len(node.columns) for node in typed.nodes}
        return LineageView(_graph(typed.spec, columns))
    read = validated or snapshot.parsed
    return LineageView(_graph(read.draft, {})) if read is not None else LineageView(Graph((), ()))


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
    return tag("div", picture, note(more, kind="warn") if more else None, class_="pm-tab pm-tab-lineage")


def lineage_text(view: LineageView) -> str:
    """The tab as plain text: one line an edge."""
    labels = {node.id: node.label for node in view.graph.nodes}
    known = (e for e in view.graph.edges if e.source in labels and e.target in labels)
    return plain("\n".join(f"  {labels[e.source]} -> {labels[e.target]}" for e in known))
