"""The Lakeflow form runs as a declarative pipeline of Apache Spark, and its tables hold the rows of the SQL form.

Each case is a pipeline of its own, its file unchanged, in a database that stands for the environment: tables come by
the settings, the target's catalog and schema are the pipeline's. `pipelines_worker` runs them as `spark-pipelines run`
does, on one server, with stand-ins for the expectations that only Databricks has.

AUTO CDC is not executed: it merges, and no connector that merges is there for this Apache Spark (Delta's tables are
refused, Iceberg's newest release does not load). What it reads is, and Apache Spark accepts all of its flow up to the
merge.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.compiler.declarative import declarative_source
from pipeline_magic.compiler.sql import query, target_query
from pipeline_magic.spec.model import PipelineSpec, RowCount
from pipeline_magic.spec.names import split_table
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.spark import deviations
from tests.spark.test_golden_on_spark import FAILING, known
from tests.support.compiled import RUN_TIME, Case, cases, rows_sql
from tests.support.lakeflow import declared
from tests.support.spark_environment import SparkError, Worker, why_not

pytestmark = [pytest.mark.spark, pytest.mark.timeout(600)]

FULL = bool(os.environ.get("PIPELINE_MAGIC_TEST_FULL"))
CASES = {case.name: case for case in cases()}
LEGAL = [case for case in CASES.values() if case.spec.target.mode == "overwrite" and declared(case) is not None]

BOUNDED = {
    "deduplicate_latest", "expect_drop_not_null", "expect_drop_referential", "flights_carrier_delays", "join_full",
    "layout_partition", "names_quoted", "pivot_one", "rename_some", "seed_customer_revenue", "sql_join_window",
    "union_all",
}  # fmt: skip
"""What runs where not every case does: every way in which a declared flow differs from a notebook's cell."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One server for every pipeline."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("pipelines")
    worker = Worker(folder, script=Path(__file__).parent / "pipelines_worker.py")
    yield worker
    worker.close()


class Pipeline:
    """A case as a pipeline with tables of its own.

    Args:
        name: Its databases: one of the sources, one of what it makes.
    """

    def __init__(self, server: Worker, case: Case, typed: TypedSpec, folder: Path, name: str) -> None:
        self.server, self.case, self.typed, self.folder, self.name = server, case, typed, folder, name
        self.sources = {alias: f"spark_catalog.{name}_in.{alias}" for alias in case.tables}
        self.table = f"spark_catalog.{name}.`{split_table(typed.spec.target.table)[2].replace('`', '``')}`"
        made = [f"CREATE DATABASE {name}", f"CREATE DATABASE {name}_in"]
        made += [f"CREATE TABLE {self.sources[a]} USING parquet AS {rows_sql(t)}" for a, t in case.tables.items()]
        server.ask("sql", statements=made)

    def update(self, **more: Any) -> list[dict[str, str]]:
        """One update; its expectations."""
        settings = {f"source_{alias}": name for alias, name in self.sources.items()}
        answer = self.server.ask(
            "run",
            folder=str(self.folder),
            source=declarative_source(self.typed),
            configuration={"run_time": RUN_TIME, **settings},
            database=self.name,
            **more,
        )
        return list(answer["expectations"])

    def rows(self) -> list[Any]:
        """Rows of the target; it was written by another session, and this one remembers its files."""
        self.server.ask("sql", statements=[f"REFRESH TABLE {self.table}"])
        return self.server.rows(f"SELECT * FROM {self.table}")

    def expected(self) -> list[Any]:
        """Rows of the SQL form over what the sources hold now."""
        return self.server.rows(target_query(self.typed, run_time=RUN_TIME, tables=self.sources))


def pipeline(server: Worker, name: str, folder: Path, suffix: str = "") -> Pipeline:
    """The pipeline of a golden case."""
    typed = declared(CASES[name])
    assert typed is not None
    return Pipeline(server, CASES[name], typed, folder, name + suffix)


@pytest.mark.parametrize(
    "case",
    known([case for case in LEGAL if FULL or case.name in BOUNDED], deviations.PIPELINES_FAIL),
)
def test_rows(case: Case, server: Worker, tmp_path: Path) -> None:
    """The materialized view has the rows of the SQL form, both on Apache Spark, and its columns in typing's order."""
    made = pipeline(server, case.name, tmp_path)
    try:
        made.update()
    except SparkError as error:
        raise AssertionError(str(error)) from None
    assert made.rows() == made.expected()
    columns = server.ask("query", sql=f"SELECT * FROM {made.table}")["columns"]
    assert columns == [[c.name, c.type] for c in made.typed.node(made.typed.spec.target.input).columns]


def test_a_second_update_appends_only_new_rows(server: Worker, tmp_path: Path) -> None:
    """A streaming table reads each row once: nothing twice in an update without news, what is new in the next."""
    made = pipeline(server, "lakeflow_append", tmp_path)
    made.update()
    assert made.rows() == made.expected()
    made.update()
    assert made.rows() == made.expected()
    columns = "order_id, customer_id, price"
    rows = "(21, 2, 7.50), (22, 77, 8.00), (23, 5, -1.00), (NULL, 1, 3.00), (24, NULL, 2.00)"
    server.ask("sql", statements=[f"INSERT INTO {made.sources['orders']} ({columns}) VALUES {rows}"])
    before = made.rows()
    made.update()
    after = made.rows()
    # 22 has no customer, 23 was not paid, one has no number; 24 has no customer to be looked up
    assert sorted(row[0] for row in after if row not in before) == [21, 24]
    assert after == made.expected()


@pytest.mark.parametrize("name", ["lakeflow_scd1", "lakeflow_scd2"])
def test_what_auto_cdc_reads(name: str, server: Worker, tmp_path: Path) -> None:
    """The stream that AUTO CDC reads has the rows of the SQL form, each once."""
    typed = declared(CASES[name])
    assert typed is not None
    checks = tuple(item for item in typed.spec.expectations if not isinstance(item, RowCount))
    typed = typed.model_copy(update={"spec": typed.spec.model_copy(update={"expectations": checks})})
    made = Pipeline(server, CASES[name], typed, tmp_path, name)
    made.update(changes_only=True)
    assert made.rows() == made.expected()
    server.ask(
        "sql", statements=[f"INSERT INTO {made.sources['customers']} VALUES (1, 'Old', 'east', DATE'2019-01-01')"]
    )
    made.update(changes_only=True)
    assert made.rows() == made.expected()


@pytest.mark.parametrize("name", ["lakeflow_scd1", "lakeflow_scd2"])
def test_auto_cdc_is_accepted(name: str, server: Worker, tmp_path: Path) -> None:
    """Apache Spark accepts the flow of AUTO CDC, of either type, up to the merge that its own tables do not know.

    This is not an execution: no connector that merges is there for this Apache Spark.
    """
    made = pipeline(server, name, tmp_path, "_cdc")
    with pytest.raises(SparkError, match="AUTOCDC_TARGET_DOES_NOT_SUPPORT_MERGE"):
        made.update()


def holding(made: Pipeline, expected: list[dict[str, str]]) -> dict[str, int]:
    """For each expectation how many rows fail it: of the dataset, where it is a table, else of the SQL form's node."""
    tables = {row[1] for row in made.server.rows(f"SHOW TABLES IN {made.name}")}
    found = {}
    for item in expected:
        if item["on"] in tables:
            rows = f"SELECT * FROM spark_catalog.{made.name}.{item['on']}"
        else:
            rows = query(made.typed, item["on"], run_time=RUN_TIME, tables=made.sources)
        [[count]] = made.server.rows(f"SELECT count_if(NOT ({item['condition']})) FROM ({rows})")
        found[item["name"]] = count
    return found


def test_warn_counts(server: Worker, tmp_path: Path) -> None:
    """Every check of a table's rows is asked, and finds what a person counts; a check of one row fails once."""
    made = pipeline(server, "expect_warn_all", tmp_path, "_counts")
    asked = made.update()
    assert {item["action"] for item in asked} == {"warn"}
    by_hand = {name: count for name, count in FAILING["expect_warn_all"].items() if count is not None}
    assert holding(made, asked) == by_hand


def check(kind: str, **words: Any) -> Any:
    """An expectation of the target that fails the update."""
    return {"id": "asked", "on": "target", "kind": kind, "action": "fail", **words}


def stopped(server: Worker, folder: Path, name: str, item: Any) -> Pipeline:
    """A pipeline whose update that expectation stops."""
    case = CASES["source_only"]
    data = case.spec.model_dump(mode="json") | {"expectations": [item], "deployment": "declarative"}
    typed = type_spec(PipelineSpec.model_validate(data), {a: t.schema for a, t in case.tables.items()})
    made = Pipeline(server, case, typed, folder, name)
    with pytest.raises(SparkError, match="asked failed"):
        made.update()
    return made


def test_a_row_that_must_not_be_stops_the_write(server: Worker, tmp_path: Path) -> None:
    """A failing row-level `fail` stops the update before the target holds a row."""
    made = stopped(server, tmp_path, "stop_row", check("range", column="price", minimum=0))
    assert made.rows() == []


@pytest.mark.parametrize(
    "item",
    [
        check("unique", columns=["order_id"]),
        check("row_count", maximum=3),
        check("freshness", column="ordered", max_age_hours=1),
        check("not_null", columns=["status"], tolerance=0.05),
    ],
    ids=lambda item: item["kind"],
)
def test_a_failing_check_stops_the_update(item: Any, server: Worker, tmp_path: Path) -> None:
    """A check beside the target fails the update; what was written before it stays, as the file's head says."""
    made = stopped(server, tmp_path, f"stop_{item['kind']}", item)
    assert made.rows() == made.expected()
    assert "it is not rolled" in declarative_source(made.typed)


def test_a_tolerance_is_honoured(server: Worker, tmp_path: Path) -> None:
    """As many failing rows as the tolerance allows pass."""
    case = CASES["expect_fail_passes"]
    assert any(item.tolerance and item.action == "fail" for item in case.spec.expectations)
    made = pipeline(server, case.name, tmp_path, "_tolerant")
    asked = made.update()
    assert set(holding(made, asked).values()) == {0}
    assert made.rows() == made.expected()
