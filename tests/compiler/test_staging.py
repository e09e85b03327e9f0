"""What is staged and what is not, what the steps make unique, and that no staging table is ever in anybody's way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from pipeline_magic.compiler.environments import Environment
from pipeline_magic.compiler.ipynb import cells, python_source
from pipeline_magic.compiler.jobs import parameters
from pipeline_magic.compiler.staging import MERGED, STAGED, describe_staging, stages_merged, stages_rows, staging_names
from pipeline_magic.compiler.tables import STAGING, quarantine_parameters
from pipeline_magic.compiler.uniqueness import made_unique_by
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.support.compiled import comparable_rows, make_table, rows_sql, run_notebook

T1 = "2024-01-01T00:00:00+00:00"
SALES, SHOPS = "id int, shop string, amount int", "shop string, town string"
TOTALS = {
    "id": "totals", "kind": "aggregate", "input": "sales", "group_by": ["shop"],
    "measures": [{"name": "total", "expression": "sum(amount)"}],
}  # fmt: skip
JOIN = {"kind": "join", "right": "shops", "keys": [{"left": "shop", "right": "shop"}]}
UNIQUE = {"id": "one_each", "kind": "unique", "on": "target", "columns": ["shop"], "action": "fail"}
SOME = {"id": "some", "kind": "row_count", "on": "target", "minimum": 1, "action": "warn"}
FILLED = {"id": "filled", "kind": "not_null", "on": "target", "columns": ["shop"], "action": "fail"}


def typed(
    *steps: dict[str, Any],
    checks: Sequence[dict[str, Any]] = (),
    prefix: str = "dev.default.st",
    declared: Sequence[Sequence[str]] = (),
    **target: Any,
) -> TypedSpec:
    """A pipeline over sales and, where a step names them, shops; its target takes the last step."""
    reads = "shops" in str(steps)
    sources = ["sales", *(["shops"] if reads else [])]
    spec = PipelineSpec.model_validate(
        {
            "name": "p",
            "sources": [{"alias": alias, "table": f"{prefix}_{alias}"} for alias in sources],
            "steps": list(steps),
            "expectations": list(checks),
            "target": {"table": f"{prefix}_target", "input": steps[-1]["id"] if steps else "sales", **target},
        }
    )
    tables = {"sales": make_table(f"{prefix}_sales", SALES, (), declared).schema}
    tables |= {"shops": make_table(f"{prefix}_shops", SHOPS, ()).schema} if reads else {}
    return type_spec(spec, tables)


def joined(input: str, **more: Any) -> dict[str, Any]:
    """A join with the shops, of which a shop may have several."""
    return {**JOIN, "id": "joined", "left": input, **more}


# --- the rules ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "rows", "merged"),
    [
        (typed(checks=[FILLED, UNIQUE]), False, False),
        (typed(TOTALS), False, False),
        (typed(TOTALS, checks=[FILLED]), True, False),
        (typed(TOTALS, checks=[SOME]), True, False),
        (typed(TOTALS, checks=[UNIQUE]), False, False),
        (typed(joined("sales"), checks=[SOME]), False, False),
        (typed(joined("sales"), checks=[FILLED]), True, False),
        (typed(joined("sales"), checks=[FILLED], mode="append"), True, False),
        (typed(mode="merge", keys=["id"]), True, False),
        (typed(mode="scd1", keys=["id"], sequence_by="amount"), False, True),
        (typed(mode="scd2", keys=["id"], sequence_by="amount"), False, True),
        (typed(TOTALS, mode="scd2", keys=["shop"], sequence_by="total"), True, True),
    ],
    ids=range(12),
)
def test_what_is_staged(made: TypedSpec, rows: bool, merged: bool) -> None:
    """Rows that are dear and read more than once, and what MERGE reads; and the notebook does as the rule says."""
    assert (stages_rows(made), stages_merged(made)) == (rows, merged)
    source = python_source(made)
    assert (f"saveAsTable({STAGED})" in source, f"saveAsTable({MERGED})" in source) == (rows, merged)
    for variable in staging_names(made):
        assert source.rindex(f"DROP TABLE IF EXISTS {{{variable}}}") > source.index(f"saveAsTable({variable})")
    title = cells(made)[0].source
    assert ("A run keeps rows in" in title) == (rows or merged)
    assert bool(describe_staging(made)) == (rows or merged)


def test_staging_takes_nobodys_name() -> None:
    """A name that a source or a quarantine table has, in whatever schema, is left to it."""
    spec = typed(TOTALS, checks=[FILLED]).spec
    target = spec.target.model_copy(update={"table": "dev.default.x"})
    assert list(staging_names(typed(TOTALS, checks=[FILLED])).values()) == [STAGING]
    source = spec.sources[0].model_copy(update={"table": f"other.raw.X{STAGING}".lower()})
    made = type_spec(
        spec.model_copy(update={"target": target, "sources": (source,)}),
        {"sales": make_table(source.table, SALES, ()).schema},
    )
    assert list(staging_names(made).values()) == [f"{STAGING}_2"]


def test_quarantine_tables_are_parameters() -> None:
    """Each is a widget whose default is the spec's table, and a parameter of the job in its environment's catalog."""
    drop = {"id": "low", "kind": "range", "on": "sales", "column": "amount", "maximum": 5, "action": "drop"}
    made = typed(TOTALS, checks=[{**drop, "quarantine": "dev.ops.bad"}])
    assert quarantine_parameters(made) == {"quarantine_low": "dev.ops.bad"}
    assert 'dbutils.widgets.text("quarantine_low", "dev.ops.bad")' in python_source(made)
    environment = Environment(name="prod", catalogs={"dev": "main"})
    assert parameters(made, environment)["quarantine_low"] == "main.ops.bad"


def top(n: int, **more: Any) -> dict[str, Any]:
    """The first rows by amount."""
    return {"id": "first", "kind": "top", "input": "sales", "n": n, "order_by": [{"column": "amount"}], **more}


NAMED = {"id": "named", "kind": "rename", "input": "totals", "columns": [{"column": "shop", "name": "store"}]}
DEDUPLICATED = {"id": "one", "kind": "deduplicate", "input": "sales", "keys": ["shop"]}
ONE_SHOP = {"id": "one_shop", "kind": "deduplicate", "input": "shops", "keys": ["shop"]}


@pytest.mark.parametrize(
    ("made", "columns", "by"),
    [
        (typed(TOTALS), ["shop"], "totals"),
        (typed(TOTALS), ["shop", "total"], "totals"),
        (typed(TOTALS), ["total"], None),
        (typed(TOTALS, NAMED), ["store"], "totals"),
        (typed(DEDUPLICATED), ["shop"], "one"),
        (typed(top(1, partition_by=["shop"])), ["shop"], "first"),
        (typed(top(2, partition_by=["shop"])), ["shop"], None),
        (typed(top(1, partition_by=["shop"], ties=True)), ["shop"], None),
        (typed(declared=[["id"]]), ["id"], None),
        (typed(TOTALS, joined("totals")), ["shop"], None),
        (typed(TOTALS, joined("totals", how="left")), ["shop"], None),
        (typed(TOTALS, joined("totals", how="semi")), ["shop"], "totals"),
        (typed(TOTALS, ONE_SHOP, joined("totals", right="one_shop")), ["shop"], "totals"),
        (typed(TOTALS, ONE_SHOP, joined("totals", right="one_shop", how="full")), ["shop"], None),
        (typed(TOTALS, ONE_SHOP, joined("totals", right="one_shop", how="right")), ["shop"], None),
    ],
    ids=range(15),
)
def test_what_steps_make_unique(made: TypedSpec, columns: list[str], by: str | None) -> None:
    """A group-by leaves each key once, a later join that finds several rows undoes it; declared keys prove nothing."""
    assert made_unique_by(made, made.spec.target.input, columns) == by


def test_a_key_of_another_type_proves_nothing() -> None:
    """'1' and '01' are two texts and one number, so a join of a number with texts may find both."""
    one = {"id": "one", "kind": "deduplicate", "input": "shops", "keys": ["shop"]}
    two = {"id": "two", "kind": "deduplicate", "input": "sales", "keys": ["id"]}
    spec = typed(TOTALS, joined("totals")).spec.model_dump()
    spec["steps"] = [one, two, {**joined("two", right="one"), "keys": [{"left": "id", "right": "shop"}]}]
    tables = {
        "sales": make_table("dev.default.st_sales", SALES, ()).schema,
        "shops": make_table("dev.default.st_shops", SHOPS, ()).schema,
    }
    try:
        made = type_spec(PipelineSpec.model_validate(spec), tables)
    except Exception:  # noqa: BLE001  (typing refuses to compare them, which is as good)
        return
    assert made_unique_by(made, "joined", ["id"]) is None


# --- run ---------------------------------------------------------------------------------------------------------


class Lab:
    """Sales and shops, and a target that a pipeline over them writes."""

    def __init__(self, spark: Any, name: str) -> None:
        self.spark, self.prefix = spark, f"dev.default.{name}"

    def holds(self, table: str, columns: str, *rows: Sequence[Any]) -> None:
        """Rows of a table from now on."""
        frame = self.spark.sql(rows_sql(make_table(f"{self.prefix}_{table}", columns, rows)))
        writer = frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
        writer.saveAsTable(f"{self.prefix}_{table}")

    def run(self, made: TypedSpec, **given: str) -> dict[str, Any]:
        """The report of one run."""
        return run_notebook(made, self.spark, {"run_time": T1, **given})

    def rows(self, table: str = "target") -> list[tuple[Any, ...]]:
        """Rows of a table."""
        return comparable_rows(self.spark.read.table(f"{self.prefix}_{table}").collect())

    def staged(self) -> list[str]:
        """Staging tables that are there."""
        names = [f"{self.prefix}_target{STAGING}{end}" for end in ("", "_merge", "_2")]
        return [name for name in names if self.spark.catalog.tableExists(name)]


@pytest.fixture
def lab(spark: Any, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Tables that nobody else uses."""
    made = Lab(spark, request.node.originalname.removeprefix("test_"))
    made.holds("sales", SALES, [1, "a", 1], [2, "a", 2], [3, "b", 5])
    made.holds("shops", SHOPS, ["a", "x"], ["a", "y"], ["b", "z"])
    yield made
    for end in ("sales", "shops", "target", f"target{STAGING}", f"target{STAGING}_merge", "kept"):
        spark.sql(f"DROP TABLE IF EXISTS {made.prefix}_{end}")


@pytest.mark.engine
@pytest.mark.parametrize("mode", ["overwrite", "append", "merge", "scd1", "scd2"])
def test_what_a_killed_run_left_does_no_harm(lab: Lab, mode: str) -> None:
    """Staging tables of any shape that are there already are replaced, and gone after the run, in every mode."""
    sequence = {"sequence_by": "total"} if mode in {"scd1", "scd2"} else {}
    target = {"mode": mode, **({"keys": ["shop"]} if mode in {"merge", "scd1", "scd2"} else {}), **sequence}
    made = typed(TOTALS, checks=[FILLED], prefix=lab.prefix, **target)
    lab.spark.sql(f"DROP TABLE IF EXISTS {lab.prefix}_target")
    for end in ("", "_merge"):
        lab.holds(f"target{STAGING}{end}", "shop date, wrong string", ["2024-01-01", "w"])
    assert lab.run(made)["rows"] == 2
    assert [row[:2] for row in lab.rows()] == [("a", 3), ("b", 5)]
    assert [name for name in lab.staged() if name.endswith(STAGING) or stages_merged(made)] == []


@pytest.mark.engine
@pytest.mark.parametrize("mode", ["overwrite", "merge"])
def test_a_stopped_run_leaves_nothing(lab: Lab, mode: str) -> None:
    """Where a `fail` expectation is broken the target keeps its rows, and staging is gone; so after a lost column."""
    target = {"mode": mode, **({"keys": ["shop"]} if mode == "merge" else {})}
    made = typed(TOTALS, checks=[FILLED], prefix=lab.prefix, **target)
    lab.run(made)
    before = lab.rows()
    lab.holds("sales", SALES, [1, "a", 7], [2, None, 2])
    with pytest.raises(ValueError, match=r"Nothing was written.*filled \(1\)"):
        lab.run(made)
    assert (lab.rows(), lab.staged()) == (before, [])
    other = {**TOTALS, "measures": [{"name": "most", "expression": "max(amount)"}]}
    with pytest.raises(ValueError, match="would lose: total"):
        lab.run(typed(other, checks=[FILLED], prefix=lab.prefix, **target))
    assert (lab.rows(), lab.staged()) == (before, [])


@pytest.mark.engine
def test_a_join_that_fans_out_is_measured(lab: Lab) -> None:
    """What a group-by made unique and a later join repeats is counted, and stops the run; without the join it is 0."""
    assert lab.run(typed(TOTALS, checks=[UNIQUE], prefix=lab.prefix))["failing"] == {"one_each": 0}
    made = typed(TOTALS, joined("totals"), checks=[UNIQUE], prefix=lab.prefix)
    with pytest.raises(ValueError, match=r"one_each \(1\)"):
        lab.run(made)
    assert (lab.rows(), lab.staged()) == ([("a", 3), ("b", 5)], [])


@pytest.mark.engine
def test_dropped_rows_of_staged_ones(lab: Lab) -> None:
    """A `drop` of the target counts and keeps what it leaves out of the staged rows, in the table it is told of."""
    drop = {"id": "low", "kind": "range", "on": "target", "column": "total", "maximum": 4, "action": "drop"}
    made = typed(TOTALS, checks=[{**drop, "quarantine": "dev.default.never_made"}], prefix=lab.prefix)
    assert stages_rows(made)
    for _ in range(2):
        report = lab.run(made, quarantine_low=f"{lab.prefix}_kept", run_key="k")
        assert (report["failing"], report["rows"], lab.rows()) == ({"low": 1}, 1, [("a", 3)])
    assert [row[:4] for row in lab.rows("kept")] == [("b", 5, "low", "k")]
    assert not lab.spark.catalog.tableExists("dev.default.never_made")
    assert lab.staged() == []
    merged = typed(TOTALS, checks=[drop], prefix=lab.prefix, mode="merge", keys=["shop"])
    assert lab.run(merged)["rows"] == 1
    assert (lab.rows(), lab.staged()) == ([("a", 3)], [])


@pytest.mark.engine
def test_a_target_that_needs_quotes(lab: Lab) -> None:
    """The staging table of a quoted target is quoted with it."""
    made = typed(TOTALS, checks=[FILLED], prefix=lab.prefix)
    for target in (f"{lab.prefix}_target", "dev.default.`odd name ``of`` it`"):
        assert lab.run(made, target=target)["rows"] == 2
        assert comparable_rows(lab.spark.read.table(target).collect()) == [("a", 3), ("b", 5)]
        lab.spark.sql(f"DROP TABLE {target}")
    assert lab.staged() == []


@pytest.mark.engine
def test_the_gate_counts_several_datasets_at_once(lab: Lab) -> None:
    """Checks of several sources go into one query, and each is counted over its own rows."""
    checks = [
        {"id": "sold", "kind": "not_null", "on": "sales", "columns": ["shop"]},
        {"id": "where", "kind": "not_null", "on": "shops", "columns": ["town"]},
        {"id": "much", "kind": "range", "on": "sales", "column": "amount", "maximum": 3},
        SOME,
    ]
    made = typed(joined("sales"), checks=checks, prefix=lab.prefix)
    lab.holds("shops", SHOPS, ["a", None], ["b", None], [None, "x"])
    lab.holds("sales", SALES, [1, "a", 4], [2, None, 9])
    assert python_source(made).count(".crossJoin(") == 1
    assert lab.run(made)["failing"] == {"sold": 1, "where": 2, "much": 2, "some": 0}
    lab.holds("sales", SALES)
    assert lab.run(made)["failing"] == {"sold": 0, "where": 2, "much": 0, "some": 1}
