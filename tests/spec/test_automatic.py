"""Automatic expectations: what is proposed, with which action, and what is not proposed twice."""

from __future__ import annotations

from pipeline_magic.spec.automatic import automatic_expectations, origin
from pipeline_magic.spec.model import NotNull
from pipeline_magic.spec.typed import type_spec
from tests.support.compiled import GOLDEN, cases, load_case


def test_seed() -> None:
    """The seed's pipeline gets its target's key, its join keys, rows in the target, and the age of both sources."""
    case = load_case(GOLDEN / "seed_customer_revenue")
    plain = case.spec.model_copy(update={"expectations": ()})
    made = automatic_expectations(type_spec(plain, {alias: table.schema for alias, table in case.tables.items()}))
    assert {item.id: (item.kind, item.on, item.action) for item in made} == {
        "auto_target_key_not_null": ("not_null", "target", "fail"),
        "auto_target_key_unique": ("unique", "target", "fail"),
        "auto_target_rows": ("row_count", "target", "fail"),
        "auto_customer_c_custkey_not_null": ("not_null", "customer", "warn"),
        "auto_orders_o_custkey_not_null": ("not_null", "orders", "warn"),
        "auto_customer_fresh": ("freshness", "customer", "warn"),
        "auto_orders_fresh": ("freshness", "orders", "warn"),
    }
    assert all(item.automatic for item in made)


def test_nothing_twice() -> None:
    """With the proposed checks in the spec nothing more is proposed; the same check by another name counts too."""
    case = load_case(GOLDEN / "seed_customer_revenue")
    assert automatic_expectations(case.typed()) == ()
    own = NotNull(id="mine", on="orders", columns=("o_custkey",), action="fail")
    spec = case.spec.model_copy(update={"expectations": (own,)})
    typed = type_spec(spec, {alias: table.schema for alias, table in case.tables.items()})
    assert "auto_orders_o_custkey_not_null" not in {item.id for item in automatic_expectations(typed)}


def test_every_case_types_with_its_automatic_checks() -> None:
    """What is proposed for any spec is legal in it."""
    for case in cases():
        typed = case.typed()
        more = (*typed.spec.expectations, *automatic_expectations(typed))
        spec = typed.spec.model_copy(update={"expectations": more})
        type_spec(spec, {alias: table.schema for alias, table in case.tables.items()})


def test_incremental_runs_may_be_empty() -> None:
    """A run that rightly brings no new rows only warns."""
    made = automatic_expectations(load_case(GOLDEN / "mode_append_watermark").typed())
    assert {item.id: item.action for item in made}["auto_target_rows"] == "warn"
    assert [item.column for item in made if item.kind == "freshness"] == ["at"]


def test_origin_follows_names() -> None:
    """A column is followed back through renames and joins to its source, and not through computation."""
    typed = load_case(GOLDEN / "join_two_keys_mixed").typed()
    assert origin(typed, "joined", "order_id") == ("orders", "order_id")
    assert origin(typed, "regions", "id") == ("orders", "customer_id")
    assert origin(typed, "regions", "area") is None
