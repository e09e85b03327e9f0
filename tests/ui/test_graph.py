"""The layout of the lineage graph."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_magic.ui.graph import Edge, Graph, Node, as_data, layout, svg
from pipeline_magic.ui.lineage import lineage_view
from tests.support import snapshots


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=40))
def test_edges_go_to_the_right_and_boxes_do_not_overlap(pairs: list[tuple[int, int]]) -> None:
    """In any acyclic graph every edge leads to a later column, and no two boxes share a place."""
    nodes = tuple(Node(str(n), f"node {n}", "step") for n in range(15))
    edges = tuple(Edge(str(a), str(b)) for a, b in pairs if a < b)
    drawn = layout(Graph(nodes, edges))
    at = {place.node.id: place for place in drawn.placed}
    assert all(at[edge.source].x < at[edge.target].x for edge in drawn.edges)
    assert len({(place.x, place.y) for place in drawn.placed}) == 15
    by_column: dict[float, list[float]] = {}
    for place in drawn.placed:
        by_column.setdefault(place.x, []).append(place.y)
    for rows in by_column.values():
        ordered = sorted(rows)
        assert all(b - a >= 46 for a, b in itertools.pairwise(ordered))


def test_cycles_and_unknown_nodes_do_not_break_it() -> None:
    """A draft may hold nonsense: edges to nothing are left out, cycles end."""
    nodes = (Node("a", "a", "x"), Node("b", "b", "x"))
    drawn = layout(Graph(nodes, (Edge("a", "b"), Edge("b", "a"), Edge("a", "gone"))))
    assert len(drawn.placed) == 2
    assert layout(Graph((), ())).placed == ()


def test_the_seed_is_drawn_from_sources_to_target() -> None:
    """Two sources, three steps, one target, five edges; every box can be reached by keyboard and says what it is."""
    graph = lineage_view(snapshots.planned()).graph
    assert (len(graph.nodes), len(graph.edges)) == (6, 5)
    picture = svg(layout(graph), "Lineage")
    assert picture.count('tabindex="0"') == 6
    assert 'aria-label="source samples.tpch.customer: 8 columns"' in picture
    assert len(as_data(layout(graph))["edges"]) == 5  # type: ignore[arg-type]
