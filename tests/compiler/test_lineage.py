"""Column lineage and the difference of two specs."""

from __future__ import annotations

from pipeline_magic.compiler.diff import diff_specs
from pipeline_magic.compiler.lineage import TARGET, column_lineage
from pipeline_magic.spec.model import Segment, SegmentRule
from tests.support.compiled import GOLDEN, cases, load_case


def test_seed_columns_reach_their_sources() -> None:
    """Every target column of the seed's pipeline traces to the columns its value is made of, and no others."""
    lineage = column_lineage(load_case(GOLDEN / "seed_customer_revenue").typed())
    price = ("orders", "o_totalprice")
    assert {name: lineage.sources_of(name) for name in lineage.columns[TARGET]} == {
        "c_custkey": (("customer", "c_custkey"),),
        "c_name": (("customer", "c_name"),),
        "c_mktsegment": (("customer", "c_mktsegment"),),
        "revenue": (price,),
        "order_count": (("orders", "o_orderkey"),),
        "average_order_value": (price,),
        "segment": (price,),
    }
    assert ("orders", "o_custkey") in lineage.deciding()
    assert price not in lineage.deciding()


def test_every_case_has_a_whole_lineage() -> None:
    """In every golden case each target column has an edge into it, and every edge is between columns that exist."""
    for case in cases():
        typed = case.typed()
        lineage = column_lineage(typed)
        last = [column.name for column in typed.node(typed.spec.target.input).columns]
        assert [edge.to_column for edge in lineage.edges if edge.to_node == TARGET] == last
        for edge in lineage.edges:
            assert edge.from_column in lineage.columns[edge.from_node], (case.name, edge)
            assert edge.how == "rows" or edge.to_column in lineage.columns[edge.to_node], (case.name, edge)
        constant = {"what", "all_rows", "note", "position", "place", "n", "orders"}
        for name in last:
            assert lineage.sources_of(name) or name in constant, (case.name, name)


def test_diff_says_what_changed() -> None:
    """A changed fraction, an added rule and another mode are three changes, each a sentence with old and new."""
    old = load_case(GOLDEN / "seed_customer_revenue").spec
    rules = (SegmentRule(label="high value", top=0.1), SegmentRule(label="some", condition="revenue > 1"))
    segment = Segment(id="segment", input="revenue", column="segment", by="revenue", rules=rules, otherwise="standard")
    target = old.target.model_copy(update={"mode": "append"})
    new = old.model_copy(update={"steps": (*old.steps[:2], segment), "target": target})
    assert diff_specs(old, old) == ()
    assert [(change.path, change.kind, change.text) for change in diff_specs(old, new)] == [
        ("steps.segment.rules.high value", "changed", "The step segment: rules: high value is 0.1, before 0.2"),
        ("steps.segment.rules.some", "added", "The step segment: rules has some now (revenue > 1)"),
        ("target.mode", "changed", "The target: mode is append, before overwrite"),
    ]
    assert {change.kind for change in diff_specs(old, load_case(GOLDEN / "flights_carrier_delays").spec)} == {
        "added",
        "removed",
        "changed",
    }
