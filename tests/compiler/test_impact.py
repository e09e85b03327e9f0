"""Impact of a change on readers of the target: column by column, with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_magic.compiler.impact import impact, impact_of
from pipeline_magic.spec.model import NamedExpression, PipelineSpec
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.support.compiled import GOLDEN, load_case, make_table


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


_ORDERS = "id bigint!, person int, price decimal(10,2), at timestamp"


def small(*steps: dict[str, Any], target: dict[str, Any] | None = None, **more: Any) -> TypedSpec:
    """Orders through some steps."""
    orders = make_table(
        "dev.default.orders", "id bigint!, person int, price decimal(10,2), at timestamp", (), [("id",)]
    )
    spec = PipelineSpec.model_validate({
        "name": "p", "sources": [{"alias": "orders", "table": "dev.default.orders"} | more.pop("source", {})],
        "steps": steps, "target": {"table": "dev.default.t", "input": steps[-1]["id"] if steps else "orders"}
        | (target or {}), **more,
    })  # fmt: skip
    return type_spec(spec, {"orders": orders.schema})


SUM = {"id": "a", "kind": "aggregate", "input": "orders", "group_by": ["person"],
       "measures": [{"name": "spent", "expression": "sum(price)"}]}  # fmt: skip
KEEP = {"id": "f", "kind": "filter", "input": "orders", "condition": "price > 1"}
DROP = {"id": "e", "kind": "not_null", "on": "orders", "columns": ["price"], "action": "drop"}
TABLE_CASES = {
    "grain": (small(SUM), small(SUM | {"group_by": ["person", "at"]}), "breaking", "one row for each person and at"),
    "filter": (small(KEEP), small(KEEP | {"condition": "price > 2"}), "partly breaking", "there are may change: f"),
    "source filter": (small(), small(source={"filter": "price > 1"}), "partly breaking", "may change: orders"),
    "mode": (small(), small(target={"mode": "append"}), "partly breaking", "in mode append, before overwrite"),
    "scd2": (small(), small(target={"mode": "scd2", "keys": ["id"]}), "breaking", "several versions of a key"),
    "keys": (small(target={"mode": "scd1", "keys": ["id"]}), small(target={"mode": "scd1", "keys": ["person"]}),
             "breaking", "identified by person, before by id"),
    "sequence": (small(target={"mode": "scd1", "keys": ["id"], "sequence_by": "at"}),
                 small(target={"mode": "scd1", "keys": ["id"]}), "partly breaking", "before at"),
    "drop": (small(), small(expectations=[DROP]), "partly breaking", "rows are dropped may change: e"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE_CASES)
def test_the_table_as_a_whole(name: str) -> None:
    """Another grain, key or versioning breaks; other rows or another way of writing breaks partly; each says why."""
    old, new, severity, words = TABLE_CASES[name]
    made = impact(old, new)
    assert words in " ".join(made.meaning)
    assert {item.severity for item in made.table if words in item.reason} == {severity}
    assert made.severity == severity


def test_a_renamed_column() -> None:
    """A column under another name breaks its readers, who are told the name."""
    made = impact(small(), small({"id": "r", "kind": "rename", "input": "orders",
                                  "columns": [{"column": "price", "name": "amount"}]}))  # fmt: skip
    assert [(item.column, item.severity) for item in made.columns] == [
        ("price", "breaking"),
        ("amount", "non-breaking"),
    ]
    assert "`amount` seems to be its new name" in made.columns[0].reason


def test_what_no_reader_sees() -> None:
    """Layout, comment and trigger change nothing for readers."""
    there = {"cluster_by": ["id"], "comment": "Orders"}
    made = impact(small(), small(target=there, trigger={"kind": "table_update"}))
    assert (made.columns, made.table, made.severity) == ((), (), "non-breaking")
