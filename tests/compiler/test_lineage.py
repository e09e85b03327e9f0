"""Column lineage and the difference of two specs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from pipeline_magic.compiler.diff import diff_specs
from pipeline_magic.compiler.lineage import TARGET, column_lineage
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.spec.model import PipelineSpec, Segment, SegmentRule
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.spec.typed import type_spec
from tests.support import random_specs
from tests.support.compiled import GOLDEN, RUN_TIME, Table, cases, load_case, make_table
from tests.support.in_duck import InDuck, NotExpressible
from tests.support.random_runs import FULL, SHARDS

BOUNDED = settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink] if FULL else [Phase.generate],
    report_multiple_bugs=False,
)


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


def test_what_drops_parents_decides_children() -> None:
    """A child that is dropped for want of a parent is decided by whatever decides which parents there are."""
    tables = {
        "orders": TableSchema(
            table="a.b.orders", columns=(Column(name="id", type="int"), Column(name="who", type="int"))
        ),
        "people": TableSchema(
            table="a.b.people",
            columns=(
                Column(name="id", type="int"),
                Column(name="name", type="string"),
                Column(name="open", type="boolean"),
            ),
        ),
    }
    spec = {
        "name": "p",
        "sources": [
            {"alias": "orders", "table": "a.b.orders"},
            {"alias": "people", "table": "a.b.people", "filter": "open"},
        ],
        "expectations": [
            {"id": "named", "kind": "not_null", "on": "people", "columns": ["name"], "action": "drop"},
            {"id": "known", "kind": "referential", "on": "orders", "columns": ["who"], "to": "people",
             "to_columns": ["id"], "action": "drop"},
        ],
        "target": {"table": "a.b.t", "input": "orders"},
    }  # fmt: skip
    lineage = column_lineage(type_spec(PipelineSpec.model_validate(spec), tables))
    assert {("people", "id"), ("people", "name"), ("people", "open"), ("orders", "who")} == set(lineage.deciding())


def test_every_case_has_a_whole_lineage() -> None:
    """In every golden case each target column has an edge into it, and every edge is between columns that exist."""
    for case in cases():
        typed = case.typed()
        lineage = column_lineage(typed)
        last = [column.name for column in typed.node(typed.spec.target.input).columns]
        assert [edge.to_column for edge in lineage.edges if edge.to_node == TARGET and edge.to_column] == last
        for edge in lineage.edges:
            assert edge.from_column in lineage.columns[edge.from_node], (case.name, edge)
            assert edge.how == "rows" or edge.to_column in lineage.columns[edge.to_node], (case.name, edge)
        constant = {"what", "all_rows", "note", "position", "place", "n", "orders"}
        for name in last:
            assert lineage.sources_of(name) or name in constant, (case.name, name)


def shaken(draw: random_specs.Draw, tables: dict[str, Table], kept: set[tuple[str, str]]) -> dict[str, Table]:
    """The tables with other values in every column but those in `kept`; as many rows, and still of its type."""
    made = {}
    for alias, table in tables.items():
        columns = list(zip(*table.rows, strict=True)) if table.rows else []
        turned = [
            values if (alias, column.name) in kept else tuple(draw(st.permutations([*values, None]))[: len(values)])
            for column, values in zip(table.schema.columns, columns, strict=False)
        ]
        rows = tuple(zip(*turned, strict=True)) if turned else table.rows
        made[alias] = Table(table.schema, rows)
    return made


@pytest.mark.timeout(600)
@pytest.mark.parametrize("shard", SHARDS)
def test_nothing_else_changes_a_column(shard: int) -> None:
    """Other values in every source column that lineage does not name leave a target column as it was."""
    duck = InDuck()
    counts = {"compared": 0, "not expressible": 0, "changed inputs": 0}

    @given(data=st.data())
    @seed(shard)
    @BOUNDED
    def hold(data: st.DataObject) -> None:
        typed, tables = random_specs.spec(data.draw), random_specs.tables(data.draw)
        lineage = column_lineage(typed)
        text = target_query(typed, run_time=RUN_TIME)
        names = [column.name for column in typed.node(typed.spec.target.input).columns]
        place = data.draw(st.integers(0, len(names) - 1))
        kept = {*lineage.sources_of(names[place]), *lineage.deciding()}
        other = shaken(data.draw, tables, kept)
        try:
            duck.load(tables)
            before = [row[place] for row in duck.rows(text)]
            duck.load(other)
            after = [row[place] for row in duck.rows(text)]
        except NotExpressible:
            counts["not expressible"] += 1
            return
        counts["compared"] += 1
        counts["changed inputs"] += other != tables
        assert sorted(map(repr, before)) == sorted(map(repr, after)), f"{names[place]}, made of {kept}\n{text}"

    hold()
    assert counts["compared"] >= counts["not expressible"], counts
    assert counts["changed inputs"] >= counts["compared"] // 3, counts


def test_what_decides_rows_is_named() -> None:
    """Filters of sources, drops, DISTINCT, NULLs left out, and the conditions of a query decide rows; each is named."""
    orders = make_table("dev.default.orders", "id bigint, price int, cost int, state string, at timestamp", ()).schema
    people = make_table("dev.default.people", "id bigint, name string", ()).schema

    def deciding(*steps: dict[str, Any], **more: Any) -> set[tuple[str, str]]:
        spec = PipelineSpec.model_validate({
            "name": "p", "steps": steps,
            "sources": [{"alias": "orders", "table": "dev.default.orders", "filter": "state <> 'x'"},
                        {"alias": "people", "table": "dev.default.people"}],
            "target": {"table": "dev.default.t", "input": steps[-1]["id"] if steps else "orders"}, **more,
        })  # fmt: skip
        return set(column_lineage(type_spec(spec, {"orders": orders, "people": people})).deciding())

    state = ("orders", "state")
    assert deciding() == {state}
    wide = {"id": "u", "kind": "unpivot", "input": "orders", "columns": ["price", "cost"], "name_column": "n",
            "value_column": "v"}  # fmt: skip
    assert deciding(wide) == {state, ("orders", "price"), ("orders", "cost")}
    assert deciding(wide | {"keep_nulls": True}) == {state}
    drop = {"id": "e", "kind": "referential", "action": "drop", "on": "orders", "columns": ["id"], "to": "people",
            "to_columns": ["id"]}  # fmt: skip
    assert deciding(expectations=[drop]) == {state, ("orders", "id"), ("people", "id")}
    assert deciding(expectations=[drop | {"action": "warn"}]) == {state}
    query = "SELECT o.price, count(*) AS n FROM orders o JOIN people p ON o.id = p.id WHERE o.cost > 1 GROUP BY o.price"
    sql = {"id": "q", "kind": "sql", "inputs": ["orders", "people"], "query": query}
    assert deciding(sql) == {state, *(("orders", name) for name in ("id", "cost", "price")), ("people", "id")}
    short = {"id": "s", "kind": "select", "input": "orders", "columns": ["price"]}
    both = {"id": "b", "kind": "union", "inputs": ["s", "s2"], "distinct": True}
    assert deciding(short, short | {"id": "s2"}, both) == {state, ("orders", "price")}


def test_diff_says_what_changed() -> None:
    """A changed fraction, an added rule and another mode are three changes, each a sentence with old and new."""
    old = load_case(GOLDEN / "seed_customer_revenue").spec
    rules = (SegmentRule(label="high value", top=0.1), SegmentRule(label="some", condition="revenue > 1"))
    segment = Segment(id="segment", input="revenue", column="segment", by="revenue", rules=rules, otherwise="standard")
    target = old.target.model_copy(update={"mode": "append"})
    new = old.model_copy(update={"steps": (*old.steps[:2], segment), "target": target})
    assert diff_specs(old, old) == ()
    assert [(change.path, change.kind, change.text) for change in diff_specs(old, new)] == [
        (
            "steps.segment.rules.high value",
            "changed",
            "The step segment: the rule high value is the top 10 %, before the top 20 %",
        ),
        ("steps.segment.rules.some", "added", "The step segment has the new rule some: where revenue > 1"),
        ("target.mode", "changed", "The target is written in mode append, before overwrite"),
    ]
    assert {change.kind for change in diff_specs(old, load_case(GOLDEN / "flights_carrier_delays").spec)} == {
        "added",
        "removed",
        "changed",
    }
