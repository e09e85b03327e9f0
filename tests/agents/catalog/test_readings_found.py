"""Readings found in a spec: a declared constraint leaves none; the edits of each answer make a right spec."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_magic.agents.catalog.readings import Reading, find_readings
from pipeline_magic.agents.catalog.readings.reading import Scene
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.paths import apply_edits, complete, draft_of
from pipeline_magic.spec.provenance import Provenance
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.spec.typed import TypedSpec, type_spec

NULLABLE = {"region", "amount", "status", "ordered_at"}


def tables(nullable: set[str] = NULLABLE, *, keys: bool = False) -> dict[str, TableSchema]:
    """Orders and their shops; with keys declared or not."""
    kinds = {
        "order_id": "int", "shop_id": "int", "region": "string", "amount": "decimal(10,2)", "status": "string",
        "ordered_at": "timestamp", "open": "boolean",
    }  # fmt: skip
    orders = tuple(Column(name=name, type=kind, nullable=name in nullable) for name, kind in kinds.items())
    shops = (
        Column(name="shop_id", type="int", nullable=False),
        Column(name="balance", type="double", nullable="balance" in nullable),
    )
    return {
        "orders": TableSchema(table="c.s.orders", columns=orders, primary_key=("order_id",) if keys else ()),
        "shops": TableSchema(table="c.s.shops", columns=shops, primary_key=("shop_id",) if keys else ()),
    }


def typed(steps: list[dict[str, Any]], held: dict[str, TableSchema], **more: Any) -> TypedSpec:
    read = {step.get("left") for step in steps} | {step.get("right") for step in steps}
    aliases = [alias for alias in held if alias in read] or ["orders"]
    spec = PipelineSpec.model_validate(
        {
            "name": "tried",
            "sources": [{"alias": alias, "table": held[alias].table} for alias in aliases],
            "steps": steps,
            "target": {"table": "c.s.out", "input": steps[-1]["id"]},
            **more,
        }
    )
    return type_spec(spec, {alias: held[alias] for alias in aliases})


def found(made: TypedSpec, zone: str = "") -> dict[str, Reading]:
    return {reading.question.id: reading for reading in find_readings(Scene(made, Provenance(), zone))}


def grouped(expression: str, by: str = "region", source: str = "orders") -> dict[str, Any]:
    measures = [{"name": "m", "expression": expression}]
    return {"id": "metrics", "kind": "aggregate", "input": source, "group_by": [by], "measures": measures}


def kept(condition: str) -> dict[str, Any]:
    return {"id": "kept", "kind": "filter", "input": "orders", "condition": condition}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("avg(amount)", True),
        ("sum(amount * 2)", True),
        ("sum(CASE WHEN open THEN amount END)", True),
        ("sum(CASE WHEN amount > 5 THEN 1 END)", False),
        ("count(amount)", False),
        ("avg(order_id)", False),
        ("max(amount)", False),
        ("count(*)", False),
    ],
)
def test_what_is_averaged(expression: str, expected: bool) -> None:
    """An amount that is averaged or summed may be missing; what only chooses rows, counts or identifies is none."""
    assert ("nulls:orders.amount" in found(typed([grouped(expression)], tables()))) == expected


def test_through_computed_columns() -> None:
    """A measure over a computed column is over the columns it is computed from."""
    derive = {"id": "d", "kind": "derive", "input": "orders",
              "columns": [{"name": "net", "expression": "amount * 0.8"}]}  # fmt: skip
    assert "nulls:orders.amount" in found(typed([derive, grouped("avg(net)", source="d")], tables()))


def test_declared_constraints_settle_all() -> None:
    """Columns that are never NULL and keys that are declared leave nothing open."""
    steps = [kept("status <> 'x' AND NOT open"), grouped("avg(amount)", source="kept")]
    assert not [each for each in found(typed(steps, tables(set()))) if each.startswith("nulls:")]
    join = {"id": "j", "kind": "join", "left": "orders", "right": "shops", "how": "inner",
            "keys": [{"left": "shop_id", "right": "shop_id"}]}  # fmt: skip
    joined = [join, grouped("sum(amount)", source="j")]
    assert "grain:m" in found(typed(joined, tables(set())))
    assert "grain:m" not in found(typed(joined, tables(set(), keys=True)))
    partner = {"orders": tables(set())["orders"], "shops": tables(set(), keys=True)["shops"]}
    assert "grain:m" not in found(typed(joined, partner))


@pytest.mark.parametrize(
    ("condition", "default", "other"),
    [
        ("status <> 'x'", "left_out", "(status <> 'x' OR status IS NULL)"),
        ("NOT (status = 'x')", "left_out", "(NOT (status = 'x') OR status IS NULL)"),
        ("status NOT IN ('x', 'y')", "left_out", "(status NOT IN ('x', 'y') OR status IS NULL)"),
        ("NOT coalesce(status = 'x', FALSE)", "kept", "NOT (status = 'x')"),
        ("status <> 'x' AND (open OR amount > 1)", "left_out",
         "(status <> 'x' OR status IS NULL) AND (open OR amount > 1)"),
        ("status = 'x'", "", ""),
        ("status <> region", "", ""),
        ("amount > 5", "", ""),
    ],
)  # fmt: skip
def test_negated_conditions(condition: str, default: str, other: str) -> None:
    """What a negation says of NULL, both ways round; a condition that is no negation of one column has one reading."""
    reading = found(typed([kept(condition)], tables())).get("nulls:not:kept")
    if not default:
        assert reading is None
        return
    assert reading is not None and reading.question.default == default
    (edit,) = next(option.edits for option in reading.question.options if option.id != default)
    assert (edit.path, edit.value) == ("steps.kept.condition", other)


ZONED = {"trigger": {"kind": "schedule", "cron": "0 0 6 * * ?", "timezone": "Europe/Berlin"}}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("to_date(ordered_at) = DATE '2020-01-01'",
         "to_date(from_utc_timestamp(ordered_at, 'Europe/Berlin')) = DATE '2020-01-01'"),
        ("ordered_at >= date_sub(to_date(run_time()), 7)",
         "from_utc_timestamp(ordered_at, 'Europe/Berlin') >= date_sub(to_date(run_time()), 7)"),
        ("ordered_at >= run_time() - INTERVAL 1 DAY", None),
        ("ordered_at IS NOT NULL", None),
        ("hour(ordered_at) < 6", "hour(from_utc_timestamp(ordered_at, 'Europe/Berlin')) < 6"),
    ],
)  # fmt: skip
def test_days_of_a_zone(condition: str, expected: str | None) -> None:
    """A moment that is cut to days or hours is moved to the zone; one that is only compared with a moment is not."""
    reading = found(typed([kept(condition)], tables(), **ZONED)).get("zone:days")
    assert (reading is not None) == (expected is not None)
    if reading is not None:
        (edit,) = reading.question.options[1].edits
        assert edit.value == expected
        assert "zone:days" not in found(typed([kept(condition)], tables()))


def test_every_answer_makes_a_right_spec() -> None:
    """Each option of each reading of a spec with all of them applies, and types."""
    join = {"id": "j", "kind": "join", "left": "shops", "right": "orders", "how": "left",
            "keys": [{"left": "shop_id", "right": "shop_id"}]}  # fmt: skip
    day = {"id": "d", "kind": "derive", "input": "j",
           "columns": [{"name": "day", "expression": "to_date(ordered_at)"}]}  # fmt: skip
    held = {"id": "h", "kind": "filter", "input": "d", "condition": "status <> 'x'"}
    measures = [{"name": "a", "expression": "avg(amount)"}, {"name": "b", "expression": "sum(balance)"}]
    metrics = {"id": "metrics", "kind": "aggregate", "input": "h", "group_by": ["day", "region"], "measures": measures}
    spec = typed([join, day, held, metrics], tables({*NULLABLE, "balance"}), **ZONED)
    readings = found(spec)
    assert {each.split(":")[0] for each in readings} == {"nulls", "zone", "grain"}
    assert len(readings) >= 6
    for reading in readings.values():
        assert reading.question.default in {option.id for option in reading.question.options}
        assert reading.watches
        for option in reading.question.options:
            edits = [edit for edit in option.edits if not edit.path.startswith("expectations.auto_")]
            changed = complete(apply_edits(draft_of(spec.spec), edits))
            type_spec(changed, spec.tables)
