"""The parts of a pull request that need no data: lineage, differences from the earlier spec, and what they break."""

from __future__ import annotations

from typing import Any

from pipeline_magic.compiler.describe import describe_pipeline
from pipeline_magic.compiler.pull_request import pull_request_parts
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.support.compiled import GOLDEN, cases, load_case

SEED = load_case(GOLDEN / "seed_customer_revenue")


def typed(spec: PipelineSpec) -> TypedSpec:
    """The spec over the seed's tables."""
    return type_spec(spec, {alias: table.schema for alias, table in SEED.tables.items()})


def changed(index: int, **update: Any) -> PipelineSpec:
    """The seed's spec with one step changed."""
    steps = list(SEED.spec.steps)
    steps[index] = steps[index].model_copy(update=update)
    return SEED.spec.model_copy(update={"steps": tuple(steps)})


def test_a_new_pipeline() -> None:
    """Without an earlier spec there is no difference and no impact; every target column has its sources."""
    parts = pull_request_parts(SEED.typed())
    assert parts.changes == () and parts.impact is None
    made = {item.column: item.sources for item in parts.lineage}
    assert made["c_name"] == ("samples.tpch.customer.c_name",)
    assert made["revenue"] == ("samples.tpch.orders.o_totalprice",)
    assert made["segment"] == ("samples.tpch.orders.o_totalprice",)
    assert parts.picture.startswith("flowchart LR\n")


def test_a_changed_pipeline() -> None:
    """Another join is a difference in words, and may change which rows there are; the same spec is none."""
    parts = pull_request_parts(typed(changed(0, how="inner")), SEED.spec)
    assert [text for text in parts.changes if "inner" in text and "left" in text]
    assert parts.impact is not None and "join_orders" in parts.impact.meaning[0]
    same = pull_request_parts(SEED.typed(), SEED.spec)
    assert same.changes == () and same.impact is not None and same.impact.columns == ()


def test_a_column_that_goes_breaks() -> None:
    """A target column that the earlier spec had and the new one has not is breaking."""
    measures = SEED.spec.steps[1].measures[:2]  # type: ignore[union-attr]  # it is an aggregate
    parts = pull_request_parts(typed(changed(1, measures=measures)), SEED.spec)
    assert parts.impact is not None and parts.impact.severity == "breaking"
    assert [item.column for item in parts.impact.columns if item.severity == "breaking"] == ["average_order_value"]


def test_an_earlier_spec_over_other_tables() -> None:
    """Where the earlier spec read a table this one does not know, its impact is not told, but its difference is."""
    sources = (SEED.spec.sources[0].model_copy(update={"table": "x.y.z"}), *SEED.spec.sources[1:])
    parts = pull_request_parts(SEED.typed(), SEED.spec.model_copy(update={"sources": sources}))
    assert parts.impact is None and any("x.y.z" in text for text in parts.changes)


def test_every_case_has_parts() -> None:
    """Every golden case: a line for each column of its target's input, and a sentence for each part of it."""
    for case in cases():
        parts = pull_request_parts(case.typed(), case.spec)
        assert [item.column for item in parts.lineage] == [
            column.name for column in case.typed().node(case.spec.target.input).columns
        ]
        said = describe_pipeline(case.spec)
        assert len(said) == len(case.spec.sources) + len(case.spec.steps) + 2 and all(said)
