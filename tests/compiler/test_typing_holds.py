"""What typing says of rows is true of the rows: NULLs, keys and types of every step, and the types of the target."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from pipeline_magic.compiler.sql import query
from pipeline_magic.spec.schema import TableSchema
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.support import random_specs
from tests.support.compiled import RUN_TIME, Table
from tests.support.in_duck import InDuck, NotExpressible
from tests.support.random_runs import FULL, SHARDS

BOUNDED = settings(
    max_examples=120,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink] if FULL else [Phase.generate],
    report_multiple_bugs=False,
)


def described(table: Table) -> TableSchema:
    """A schema that says of the rows all that is true of them: where no NULL is, and which columns are unique."""
    rows = table.rows
    columns = tuple(
        column.model_copy(update={"nullable": any(row[i] is None for row in rows)})
        for i, column in enumerate(table.schema.columns)
    )
    places = range(len(columns))
    keys = [
        key
        for key in (*combinations(places, 1), *combinations(places, 2))
        if len({tuple(repr(row[i]) for i in key) for row in rows}) == len(rows)
    ]
    names = tuple(tuple(columns[i].name for i in key) for key in keys)
    return table.schema.model_copy(update={"columns": columns, "unique_keys": names})


def violations(typed: TypedSpec, node_id: str, rows: list[tuple[Any, ...]]) -> list[str]:
    """What the rows of a node have that typing says they have not."""
    node = typed.node(node_id)
    names = [column.name for column in node.columns]
    found = [
        f"{node_id}.{column.name} is NULL"
        for i, column in enumerate(node.columns)
        if not column.nullable and any(row[i] is None for row in rows)
    ]
    for key in node.keys:
        places = [names.index(name) for name in key]
        if len({tuple(repr(row[i]) for i in places) for row in rows}) < len(rows):
            found.append(f"{node_id} is not unique by {key}")
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("shard", SHARDS)
def test_nulls_and_keys_hold(shard: int) -> None:
    """A column typed never NULL never is, and rows are unique by every typed key, in every step of random specs."""
    duck = InDuck()
    counts = {"nodes": 0, "not expressible": 0, "keys": 0, "never null": 0}

    @given(data=st.data())
    @seed(shard)
    @BOUNDED
    def hold(data: st.DataObject) -> None:
        drawn, tables = random_specs.spec(data.draw), random_specs.tables(data.draw)
        typed = type_spec(drawn.spec, {alias: described(tables[alias]) for alias in drawn.tables})
        duck.load(tables)
        for node in typed.nodes:
            if node.kind == "source":
                continue
            text = query(typed, node.id, run_time=RUN_TIME)
            try:
                rows = duck.rows(text)
            except NotExpressible:
                counts["not expressible"] += 1
                continue
            counts["nodes"] += 1
            counts["keys"] += len(node.keys)
            counts["never null"] += sum(not column.nullable for column in node.columns)
            assert violations(typed, node.id, rows) == [], f"{text}\n{rows}"

    hold()
    assert counts["nodes"] >= counts["not expressible"], counts
    assert counts["keys"] >= 100, counts
    assert counts["never null"] >= 200, counts
