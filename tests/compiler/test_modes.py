"""Every write mode against rows written by hand, and run twice: the second run changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from pipeline_magic.spec.model import (
    Expectation,
    Filter,
    NotNull,
    PipelineSpec,
    Range,
    RowCount,
    Select,
    Source,
    Target,
    Unique,
)
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.support.compiled import Table, comparable_rows, make_table, rows_sql, run_notebook

pytestmark = pytest.mark.engine

T1, T2, T3 = "2024-01-01T00:00:00+00:00", "2024-01-02T00:00:00+00:00", "2024-01-03T00:00:00+00:00"
COLUMNS = "id bigint, name string, changed date"


class Pipeline:
    """One pipeline over one source that a test changes between runs."""

    def __init__(self, spark: Any, name: str, columns: str = COLUMNS) -> None:
        self.spark, self.name, self.columns = spark, name, columns
        self.source, self.target = f"dev.default.{name}_source", f"dev.default.{name}_target"

    def table(self, rows: Sequence[Sequence[Any]]) -> Table:
        """The source's rows from now on."""
        table = make_table(self.source, self.columns, rows)
        frame = self.spark.sql(rows_sql(table))
        frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(self.source)
        return table

    def typed(self, target: dict[str, Any], expectations: Sequence[Expectation] = (), **source: Any) -> TypedSpec:
        """The pipeline with that target."""
        spec = PipelineSpec(
            name="p",
            sources=(Source(alias="rows_in", table=self.source, **source),),
            steps=(Filter(id="kept", input="rows_in", condition="name is distinct from 'skip'"),),
            expectations=tuple(expectations),
            target=Target(table=self.target, input="kept", **target),
        )
        schema = make_table(self.source, self.columns, ()).schema
        return type_spec(spec, {"rows_in": schema})

    def run(self, typed: TypedSpec, at: str, key: str = "") -> dict[str, Any]:
        """One run."""
        return run_notebook(typed, self.spark, {"run_time": at, "run_key": key})

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """Rows of the target as text."""
        frame = self.spark.read.table(self.target)
        return comparable_rows(
            frame.selectExpr(*(f"CAST({name} AS STRING)" for name in columns or frame.columns)).collect()
        )


@pytest.fixture
def pipeline(spark: Any, request: pytest.FixtureRequest) -> Iterator[Pipeline]:
    """A pipeline whose tables nobody else uses."""
    made = Pipeline(spark, request.node.name.removeprefix("test_"))
    yield made
    for table in (made.source, made.target):
        spark.sql(f"DROP TABLE IF EXISTS {table}")


def test_append_writes_a_run_once(pipeline: Pipeline) -> None:
    """Two runs append twice; a retry of a run, known by its key, appends nothing."""
    pipeline.table([[1, "a", "2024-01-01"], [2, None, None]])
    typed = pipeline.typed({"mode": "append"})
    assert pipeline.run(typed, T1, "job-1")["rows"] == 2
    assert pipeline.run(typed, T1, "job-1")["rows"] == 0
    pipeline.table([[3, "c", "2024-01-03"]])
    assert pipeline.run(typed, T2, "job-2")["rows"] == 1
    assert pipeline.rows("id", "_run_key") == [("1", "job-1"), ("2", "job-1"), ("3", "job-2")]


def test_append_with_watermark_reads_what_is_new(pipeline: Pipeline) -> None:
    """Only rows past the highest value of the last run are read, and a run without new rows adds none."""
    typed = pipeline.typed({"mode": "append"}, watermark="changed")
    pipeline.table([[1, "a", "2024-01-01"], [2, "b", "2024-01-02"], [9, "n", None]])
    assert pipeline.run(typed, T1)["rows"] == 2
    pipeline.table([[1, "late", "2024-01-01"], [3, "c", "2024-01-05"], [4, "skip", "2024-01-06"]])
    assert pipeline.run(typed, T2)["rows"] == 1
    assert pipeline.run(typed, T3)["rows"] == 0
    assert pipeline.rows("id", "name", "_watermark_rows_in") == [
        ("1", "a", "2024-01-02"),
        ("2", "b", "2024-01-02"),
        ("3", "c", "2024-01-06"),
    ]


def test_merge_updates_and_inserts(pipeline: Pipeline) -> None:
    """Rows of known keys are updated, new ones inserted, others left; the same run again changes nothing."""
    typed = pipeline.typed({"mode": "merge", "keys": ("id",)})
    pipeline.table([[1, "a", None], [2, "b", None], [None, "null key", None]])
    pipeline.run(typed, T1)
    pipeline.table([[2, "B", "2024-01-02"], [3, "c", None], [None, "null again", None]])
    for _ in range(2):
        pipeline.run(typed, T2)
        assert pipeline.rows("id", "name") == [("1", "a"), ("2", "B"), ("3", "c"), (None, "null again")]


def test_scd1_takes_the_newest_version(pipeline: Pipeline) -> None:
    """Of several versions of a key the newest wins, and an older one that comes late changes nothing."""
    typed = pipeline.typed({"mode": "scd1", "keys": ("id",), "sequence_by": "changed"})
    pipeline.table(
        [[1, "old", "2024-01-01"], [1, "new", "2024-01-05"], [2, "x", "2024-01-01"], [2, "tie", "2024-01-01"]]
    )
    for _ in range(2):
        pipeline.run(typed, T1)
        assert pipeline.rows("id", "name") == [("1", "new"), ("2", "tie")]
    pipeline.table([[1, "late", "2024-01-03"], [2, "y", "2024-01-02"]])
    for _ in range(2):
        pipeline.run(typed, T2)
        assert pipeline.rows("id", "name") == [("1", "new"), ("2", "y")]


def test_scd2_keeps_every_version(pipeline: Pipeline) -> None:
    """Versions get their validity, unchanged ones are none, late ones find their place; a repeat changes nothing."""
    typed = pipeline.typed({"mode": "scd2", "keys": ("id",), "sequence_by": "changed"})
    pipeline.table([[1, "a", "2024-01-01"], [1, "b", "2024-01-05"], [1, "b", "2024-01-06"], [2, "x", "2024-01-01"]])
    for _ in range(2):
        pipeline.run(typed, T1)
        assert pipeline.rows("id", "name", "__START_AT", "__END_AT") == [
            ("1", "a", "2024-01-01", "2024-01-05"),
            ("1", "b", "2024-01-05", None),
            ("2", "x", "2024-01-01", None),
        ]
    pipeline.table([[1, "late", "2024-01-03"], [2, "x", "2024-01-09"], [3, None, "2024-01-01"]])
    for _ in range(2):
        pipeline.run(typed, T2)
        assert pipeline.rows("id", "name", "__START_AT", "__END_AT") == [
            ("1", "a", "2024-01-01", "2024-01-03"),
            ("1", "b", "2024-01-05", None),
            ("1", "late", "2024-01-03", "2024-01-05"),
            ("2", "x", "2024-01-01", None),
            ("3", None, "2024-01-01", None),
        ]


def test_scd2_by_time_of_run(spark: Any) -> None:
    """Without a sequence a change is dated by the run; the same run again changes nothing."""
    pipeline = Pipeline(spark, "scd2_by_time_of_run", "id bigint, name string")
    typed = pipeline.typed({"mode": "scd2", "keys": ("id",)})
    pipeline.table([[1, "a"], [2, "x"]])
    pipeline.run(typed, T1)
    pipeline.table([[1, "b"], [2, "x"]])
    for _ in range(2):
        pipeline.run(typed, T2)
        assert pipeline.rows() == [
            ("1", "a", "2024-01-01 00:00:00", "2024-01-02 00:00:00"),
            ("1", "b", "2024-01-02 00:00:00", None),
            ("2", "x", "2024-01-01 00:00:00", None),
        ]


def test_a_failing_check_writes_nothing(pipeline: Pipeline) -> None:
    """A `fail` expectation stops the run before the write: the target keeps the rows it had."""
    checks = (
        NotNull(id="named", on="target", columns=("name",), action="fail"),
        Unique(id="one_each", on="target", columns=("id",), action="fail"),
        RowCount(id="some", on="target", minimum=1, action="fail"),
        Range(id="low", on="rows_in", column="id", maximum=5, action="fail", tolerance=0.5),
    )
    typed = pipeline.typed({"mode": "overwrite"}, checks)
    pipeline.table([[1, "a", None], [9, "b", None]])
    assert pipeline.run(typed, T1)["failing"] == {"low": 1, "named": 0, "one_each": 0, "some": 0}
    for rows, broken in (
        ([[1, None, None]], "named (1)"),
        ([[1, "a", None], [1, "b", None]], "one_each (1)"),
        ([[1, "skip", None]], "some (1)"),
        ([[7, "a", None], [8, "b", None], [1, "c", None]], "low (2)"),
    ):
        pipeline.table(rows)
        with pytest.raises(ValueError, match="Nothing was written") as caught:
            pipeline.run(typed, T2)
        assert broken in str(caught.value)
        assert pipeline.rows("id") == [("1",), ("9",)]


def test_a_lost_column_stops_the_run(pipeline: Pipeline) -> None:
    """A run that would lose a column of the table that is there stops, whatever the mode."""
    pipeline.table([[1, "a", None]])
    pipeline.run(pipeline.typed({"mode": "overwrite"}), T1)
    spec = pipeline.typed({"mode": "overwrite"}).spec
    steps = (*spec.steps, Select(id="slim", input="kept", columns=("id", "name")))
    schema = make_table(pipeline.source, COLUMNS, ()).schema
    for mode, keys in (("overwrite", ()), ("merge", ("id",)), ("append", ())):
        target = spec.target.model_copy(update={"input": "slim", "mode": mode, "keys": keys})
        slim = type_spec(spec.model_copy(update={"steps": steps, "target": target}), {"rows_in": schema})
        with pytest.raises(ValueError, match=r"would lose: changed"):
            pipeline.run(slim, T2)
    assert pipeline.rows() == [("1", "a", None)]


def test_quarantine_keeps_what_is_dropped_once(pipeline: Pipeline) -> None:
    """Dropped rows are kept with the expectation's id; a repeated run keeps nothing twice."""
    table = f"{pipeline.target}_bad"
    checks = (Range(id="low", on="rows_in", column="id", maximum=5, action="drop", quarantine=table),)
    typed = pipeline.typed({"mode": "overwrite"}, checks)
    pipeline.table([[1, "a", None], [9, "b", None]])
    for _ in range(2):
        assert pipeline.run(typed, T1, "k1")["failing"] == {"low": 1}
        assert pipeline.rows("id") == [("1",)]
    kept = pipeline.spark.read.table(table).select("id", "name", "_expectation", "_run_key").collect()
    assert comparable_rows(kept) == [(9, "b", "low", "k1")]
    pipeline.spark.sql(f"DROP TABLE {table}")
