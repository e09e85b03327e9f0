"""Rows that the order holds equal: maps decide by their entries, and what nothing can decide is said."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_magic.compiler.sql import target_query
from pipeline_magic.errors import SpecError
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.support.compiled import RUN_TIME, Table, comparable_rows, make_table, rows_sql, run_notebook

MAPS = ["sql:map('b', 1, 'a', 2)", "sql:map('a', 1)", "sql:map('a', 2, 'b', 0)", None]
STEPS: dict[str, dict[str, Any]] = {
    "deduplicate": {"keys": ["k"]},
    "top": {"n": 1, "order_by": [{"column": "k"}]},
    "window": {"partition_by": ["k"], "order_by": [{"column": "k"}]}
    | {"columns": [{"name": "place", "expression": "row_number()"}]},
}


def typed(table: Table, steps: list[dict[str, Any]], **target: Any) -> TypedSpec:
    """A spec of these steps, one after the other."""
    made = [{"input": steps[i - 1]["id"] if i else "t"} | step for i, step in enumerate(steps)]
    wanted = {"table": "dev.default.ties_target", "input": made[-1]["id"] if made else "t"} | target
    data = {"name": "p", "sources": [{"alias": "t", "table": table.schema.table}], "steps": made, "target": wanted}
    return type_spec(PipelineSpec.model_validate(data), {"t": table.schema})


def said(made: TypedSpec) -> str:
    """The warnings, in one text."""
    return "\n".join(f"{warning.path}: {warning.message}" for warning in made.warnings)


@pytest.mark.engine
@pytest.mark.parametrize("kind", STEPS)
def test_maps_decide(kind: str, spark: Any) -> None:
    """Whatever the order in which rows come, the one with the smallest entries is first."""
    for rows in (MAPS, MAPS[::-1], MAPS[2:] + MAPS[:2]):
        table = make_table("dev.default.ties", "k int, m map<string,int>", [(1, item) for item in rows])
        steps = [{"id": "s", "kind": kind} | STEPS[kind]]
        if kind == "window":
            steps.append({"id": "first", "kind": "filter", "condition": "place = 1"})
        made = typed(table, steps)
        assert "then `m` decide" in said(made)
        spark.sql(rows_sql(table)).write.format("delta").mode("overwrite").saveAsTable("dev.default.ties")
        found = comparable_rows(spark.sql(target_query(made, run_time=RUN_TIME)).collect())
        assert [row[:2] for row in found] == [(1, (("a", 1),))]
        run_notebook(made, spark, {"run_time": RUN_TIME})
        assert comparable_rows(spark.read.table("dev.default.ties_target").collect()) == found
        spark.sql("DROP TABLE dev.default.ties_target")


@pytest.mark.engine
def test_scd2_compares_maps(spark: Any) -> None:
    """A version whose map has the entries of the one before, in whatever order, is none."""
    rows = [
        (1, "2024-01-01", MAPS[0]),
        (1, "2024-01-02", "sql:map('a', 2, 'b', 1)"),
        (1, "2024-01-03", MAPS[1]),
        (1, "2024-01-03", MAPS[2]),
    ]
    for ordered in (rows, rows[::-1]):
        table = make_table("dev.default.ties", "k int, at date, m map<string,int>", ordered)
        made = typed(table, [], mode="scd2", keys=["k"], sequence_by="at")
        spark.sql(rows_sql(table)).write.format("delta").mode("overwrite").option(
            "overwriteSchema", "true"
        ).saveAsTable("dev.default.ties")
        for _ in range(2):
            run_notebook(made, spark, {"run_time": RUN_TIME})
        found = spark.sql(
            "SELECT CAST(at AS STRING), m, CAST(__END_AT AS STRING) FROM dev.default.ties_target"
        ).collect()
        assert comparable_rows(found) == [
            ("2024-01-01", (("a", 2), ("b", 1)), "2024-01-03"),
            ("2024-01-03", (("a", 1),), None),
        ]
        spark.sql("DROP TABLE dev.default.ties_target")


VARIANT = make_table("dev.default.ties", "k int, at date, v variant", ())


@pytest.mark.parametrize("kind", STEPS)
def test_what_nothing_decides_is_said(kind: str) -> None:
    """A variant cannot be ordered: the step and the column are named, also where no other column is left."""
    for table in (VARIANT, make_table("dev.default.ties", "k int, v variant", ())):
        assert "steps.s.order_by: `v` cannot be ordered" in said(
            typed(table, [{"id": "s", "kind": kind} | STEPS[kind]])
        )


def test_versions_that_nothing_decides() -> None:
    """Of versions of a key: said where one must be chosen, refused where two must be compared."""
    assert "target.sequence_by: `v` cannot be ordered" in said(
        typed(VARIANT, [], mode="merge", keys=["k"], sequence_by="at")
    )
    keyed = make_table("dev.default.ties", "k int, at date, v variant", (), keys=[["k", "at"]])
    assert "cannot be ordered" not in said(typed(keyed, [], mode="merge", keys=["k"], sequence_by="at"))
    with pytest.raises(SpecError, match="`v` is of type variant, of which no two values compare"):
        typed(VARIANT, [], mode="scd2", keys=["k"], sequence_by="at")
