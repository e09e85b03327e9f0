"""Impact of a change on readers of the target: column by column, with the reason."""

from __future__ import annotations

from pipeline_magic.compiler.impact import impact, impact_of
from pipeline_magic.spec.model import NamedExpression
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.support.compiled import GOLDEN, load_case


def seed(**measures: str) -> TypedSpec:
    """The seed's pipeline with other measures."""
    case = load_case(GOLDEN / "seed_customer_revenue")
    step = case.spec.steps[1]
    old = {item.name: item.expression for item in step.measures}  # type: ignore[union-attr]  # the aggregate
    made = tuple(NamedExpression(name=name, expression=text) for name, text in (old | measures).items() if text)
    steps = (case.spec.steps[0], step.model_copy(update={"measures": made}), case.spec.steps[2])
    spec = case.spec.model_copy(update={"steps": steps})
    return type_spec(spec, {alias: table.schema for alias, table in case.tables.items()})


def test_schemas() -> None:
    """A lost or narrowed column breaks, a widened or newly NULL one breaks partly, a new one breaks nothing."""
    old = [Column(name=n, type=t, nullable=b) for n, t, b in (
        ("gone", "int", True), ("wider", "int", True), ("narrower", "bigint", True), ("nulls", "int", False),
        ("same", "date", True), ("sure", "date", True),
    )]  # fmt: skip
    new = [Column(name=n, type=t, nullable=b) for n, t, b in (
        ("wider", "bigint", True), ("narrower", "int", True), ("nulls", "int", True), ("SAME", "date", True),
        ("sure", "date", False), ("fresh", "string", True),
    )]  # fmt: skip
    made = impact_of(old, new)
    assert {item.column: item.severity for item in made.columns} == {
        "gone": "breaking",
        "wider": "partly breaking",
        "narrower": "breaking",
        "nulls": "partly breaking",
        "sure": "non-breaking",
        "fresh": "non-breaking",
    }
    assert made.severity == "breaking"


def test_a_changed_meaning_is_partly_breaking() -> None:
    """A measure computed otherwise means something else, and what rests on it does; the other columns do not."""
    made = impact(seed(), seed(order_count="count(DISTINCT o_orderkey)"))
    assert [item.column for item in made.columns] == ["order_count"]
    made = impact(seed(), seed(revenue="sum(o_totalprice) FILTER (WHERE o_orderstatus = 'F')"))
    assert [item.column for item in made.columns] == ["revenue", "segment"]
    assert {item.severity for item in made.columns} == {"partly breaking"}
    assert "revenue changed" in made.columns[0].reason


def test_nothing_changed() -> None:
    """The same spec has no impact."""
    assert impact(seed(), seed()).columns == ()
    assert impact(seed(), seed()).severity == "non-breaking"


def test_another_table() -> None:
    """A target of another name breaks every reader of the old one."""
    old = seed()
    target = old.spec.target.model_copy(update={"table": "analytics.default.elsewhere"})
    new = old.model_copy(update={"spec": old.spec.model_copy(update={"target": target})})
    made = impact(old, new)
    assert made.severity == "breaking"
    assert len(made.columns) == len(old.target_columns())
