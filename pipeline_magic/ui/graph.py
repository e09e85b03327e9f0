"""A layered drawing of a directed acyclic graph: positions in Python, drawn as SVG or sent to `widgets/lineage.js`.

Here: a small graph model, its layout (longest path from the left, then a few sweeps that put a node beside the mean
of its neighbours, the median heuristic of Sugiyama's method), and the static SVG. Not here: what the nodes mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from pipeline_magic.ui.markup import Html, plain, tag

__all__ = ["Edge", "Graph", "Layout", "Node", "Placed", "as_data", "layout", "svg"]

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 168, 46, 56, 18, 12
_MOST = 600


@dataclass(frozen=True)
class Node:
    """A node; `kind` is shown as a word and colours it, `level` (``table``, ``step``, ``column``) groups views."""

    id: str
    label: str
    kind: str
    level: str = "step"
    detail: str = ""


@dataclass(frozen=True)
class Edge:
    """From `source` to `target`, by node id."""

    source: str
    target: str


@dataclass(frozen=True)
class Graph:
    """Nodes and edges; edges to unknown nodes are left out when it is laid out."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True)
class Placed:
    """A node and the left upper corner of its box, in pixels."""

    node: Node
    x: float
    y: float


@dataclass(frozen=True)
class Layout:
    """A graph with positions; `left_out` nodes did not fit the drawing."""

    placed: tuple[Placed, ...]
    edges: tuple[Edge, ...]
    width: float
    height: float
    left_out: int = 0


def layout(graph: Graph) -> Layout:
    """Positions for every node. Deterministic; at most 600 nodes are drawn."""
    nodes = {node.id: node for node in graph.nodes[:_MOST]}
    edges = tuple(dict.fromkeys(e for e in graph.edges if e.source in nodes and e.target in nodes))
    before: dict[str, list[str]] = {name: [] for name in nodes}
    after: dict[str, list[str]] = {name: [] for name in nodes}
    for edge in edges:
        before[edge.target].append(edge.source)
        after[edge.source].append(edge.target)
    rank = _ranks(nodes, before, after)
    columns: list[list[str]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for name in nodes:
        columns[rank[name]].append(name)
    _untangle(columns, before, after)
    tallest = max(map(len, columns), default=0)
    full = tallest * (_HEIGHT + _GAP_Y) - _GAP_Y
    placed = []
    for number, column in enumerate(columns):
        top = (full - (len(column) * (_HEIGHT + _GAP_Y) - _GAP_Y)) / 2
        for row, name in enumerate(column):
            x = _MARGIN + number * (_WIDTH + _GAP_X)
            placed.append(Placed(nodes[name], x, _MARGIN + top + row * (_HEIGHT + _GAP_Y)))
    width = 2 * _MARGIN + max(0, len(columns) * (_WIDTH + _GAP_X) - _GAP_X)
    return Layout(tuple(placed), edges, width, 2 * _MARGIN + max(0, full), max(0, len(graph.nodes) - _MOST))


def _ranks(nodes: dict[str, Node], before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, int]:
    """Longest path from a node without input; nodes on a cycle stay where the walk leaves them."""
    waiting = {name: len(before[name]) for name in nodes}
    rank = dict.fromkeys(nodes, 0)
    ready = [name for name in nodes if not waiting[name]]
    while ready:
        name = ready.pop()
        for follower in after[name]:
            rank[follower] = max(rank[follower], rank[name] + 1)
            waiting[follower] -= 1
            if not waiting[follower]:
                ready.append(follower)
    return rank


def _untangle(columns: list[list[str]], before: dict[str, list[str]], after: dict[str, list[str]]) -> None:
    for sweep in range(6):
        forward = sweep % 2 == 0
        order = columns if forward else columns[::-1]
        place = {name: row / max(1, len(column)) for column in columns for row, name in enumerate(column)}
        for column in order:
            beside = before if forward else after
            means = {name: _mean([place[near] for near in beside[name]], place[name]) for name in column}
            column.sort(key=means.__getitem__)
            place.update({name: row / max(1, len(column)) for row, name in enumerate(column)})


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def as_data(drawn: Layout) -> dict[str, JsonValue]:
    """What `widgets/lineage.js` draws."""
    return {
        "width": drawn.width,
        "height": drawn.height,
        "box": [_WIDTH, _HEIGHT],
        "nodes": [
            {
                "id": place.node.id,
                "label": _short(place.node.label),
                "full": plain(place.node.label),
                "kind": place.node.kind,
                "detail": plain(place.node.detail),
                "x": place.x,
                "y": place.y,
            }
            for place in drawn.placed
        ],
        "edges": [[edge.source, edge.target] for edge in drawn.edges],
    }


def _short(label: str) -> str:
    shown = plain(label)
    return shown if len(shown) <= 22 else "…" + shown[-21:]


def svg(drawn: Layout, label: str) -> Html:
    """The drawing as static SVG; every node can be reached by Tab and says what it is."""
    at = {place.node.id: place for place in drawn.placed}
    lines = [tag("path", d=_curve(at[e.source], at[e.target]), class_="pm-edge") for e in drawn.edges]
    boxes = [_box(place) for place in drawn.placed]
    return tag(
        "svg",
        tag("g", *lines, aria_hidden="true"),
        *boxes,
        viewBox=f"0 0 {drawn.width:g} {drawn.height:g}",
        width=f"{drawn.width:g}",
        height=f"{drawn.height:g}",
        style=f"min-width:{drawn.width * 0.62:.0f}px",
        role="group",
        aria_label=label,
        class_="pm-graph",
        xmlns="http://www.w3.org/2000/svg",
    )


def _box(place: Placed) -> Html:
    node = place.node
    words = f"{node.kind} {node.label}" + (f": {node.detail}" if node.detail else "")
    return tag(
        "g",
        tag("title", words),
        tag("rect", x=f"{place.x:g}", y=f"{place.y:g}", width=_WIDTH, height=_HEIGHT, rx=5),
        tag("text", _short(node.label), x=f"{place.x + 10:g}", y=f"{place.y + 19:g}", class_="pm-node-label"),
        tag("text", node.kind, x=f"{place.x + 10:g}", y=f"{place.y + 36:g}", class_="pm-node-kind"),
        tabindex="0",
        role="img",
        aria_label=words,
        class_=f"pm-node pm-node-{node.kind if node.kind.isidentifier() else 'other'}",
    )


def _curve(a: Placed, b: Placed) -> str:
    x1, y1, x2, y2 = a.x + _WIDTH, a.y + _HEIGHT / 2, b.x, b.y + _HEIGHT / 2
    bend = max(20.0, (x2 - x1) / 2)
    return f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
