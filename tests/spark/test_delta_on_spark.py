"""Generated notebooks run whole on Apache Spark with Delta's own jars: every write mode, its retry, and the way back.

Expected rows are written by hand. Runs where Maven Central can be reached and PIPELINE_MAGIC_TEST_DELTA=1 asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

import pytest

from pipeline_magic.compiler.ipynb import python_source
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.spec.model import Expectation, Filter, Freshness, NotNull, PipelineSpec, Range, Source, Target
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.spark.test_golden_on_spark import bounded
from tests.support.compiled import RUN_TIME, Case, make_table, rows_sql
from tests.support.spark_environment import SparkError, Worker, why_not

pytestmark = [
    pytest.mark.delta,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        os.environ.get("PIPELINE_MAGIC_TEST_DELTA") != "1",
        reason="Delta's jars come from Maven Central: PIPELINE_MAGIC_TEST_DELTA=1 (make test-spark) brings them",
    ),
]

CATALOG = "spark_catalog.default"
T1, T2 = "2024-01-01T00:00:00+00:00", "2024-01-02T00:00:00+00:00"
COLUMNS = "id bigint, name string, changed date"


@pytest.fixture(scope="module")
def delta(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Apache Spark with Delta; started once."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    worker = Worker(tmp_path_factory.mktemp("delta"), delta=True)
    yield worker
    worker.close()


class Pipeline:
    """One pipeline over one source that a test changes between runs."""

    def __init__(self, delta: Worker, name: str, columns: str = COLUMNS) -> None:
        self.delta, self.columns = delta, columns
        self.source, self.target = f"{CATALOG}.{name}_source", f"{CATALOG}.{name}_target"

    def holds(self, *rows: Sequence[Any]) -> None:
        """The source's rows from now on."""
        self.delta.ask("tables", sql={self.source: rows_sql(make_table(self.source, self.columns, rows))})

    def typed(self, expectations: Sequence[Expectation] = (), watermark: str | None = None, **target: Any) -> TypedSpec:
        """The pipeline with that target."""
        spec = PipelineSpec(
            name="p",
            sources=(Source(alias="rows_in", table=self.source, watermark=watermark),),
            steps=(Filter(id="kept", input="rows_in", condition="name is distinct from 'skip'"),),
            expectations=tuple(expectations),
            target=Target(table=self.target, input="kept", **target),
        )
        return type_spec(spec, {"rows_in": make_table(self.source, self.columns, ()).schema})

    def run(self, typed: TypedSpec, at: str = T1, key: str = "") -> dict[str, Any]:
        """The report of one run of the whole notebook."""
        parameters = {"run_time": at, "run_key": key, "target": self.target}
        found = self.delta.ask("notebook", source=python_source(typed), parameters=parameters, dry=False)
        return dict(found["report"])

    def rows(self, *columns: str, table: str = "") -> list[Any]:
        """Rows of the target as text."""
        text = ", ".join(f"CAST({name} AS STRING)" for name in columns)
        return self.delta.rows(f"SELECT {text} FROM {table or self.target}")

    def version(self) -> int:
        """The newest version in the target's history."""
        found = self.delta.ask("query", sql=f"DESCRIBE HISTORY {self.target}")
        at = [name for name, _ in found["columns"]].index("version")
        return max(int(row[at]) for row in found["rows"])


@pytest.fixture
def pipeline(delta: Worker, request: pytest.FixtureRequest) -> Pipeline:
    """A pipeline whose tables nobody else uses."""
    return Pipeline(delta, request.node.name.removeprefix("test_"))


def test_overwrite_replaces_every_row(pipeline: Pipeline) -> None:
    """A run replaces what the table held; the same run again leaves the same rows."""
    typed = pipeline.typed(mode="overwrite")
    pipeline.holds([1, "a", "2024-01-01"], [2, None, None], [3, "skip", None])
    for _ in range(2):
        assert pipeline.run(typed)["rows"] == 2
        assert pipeline.rows("id", "name", "changed") == [["1", "a", "2024-01-01"], ["2", None, None]]
    pipeline.holds([4, "d", None])
    assert pipeline.run(typed, T2)["rows"] == 1
    assert pipeline.rows("id", "name", "changed") == [["4", "d", None]]


def test_append_writes_a_run_once(pipeline: Pipeline) -> None:
    """Two runs append twice; a retry of a run, known by its key, appends nothing."""
    typed = pipeline.typed(mode="append")
    pipeline.holds([1, "a", "2024-01-01"], [2, None, None])
    assert pipeline.run(typed, T1, "job-1")["rows"] == 2
    assert pipeline.run(typed, T1, "job-1")["rows"] in (0, 2)  # what the run wrote, now or before
    pipeline.holds([3, "c", None])
    assert pipeline.run(typed, T2, "job-2")["rows"] == 1
    assert pipeline.rows("id", "_run_key") == [["1", "job-1"], ["2", "job-1"], ["3", "job-2"]]


def test_append_reads_past_its_watermark(pipeline: Pipeline) -> None:
    """Only rows past the highest value of the last run are read, and a run without new rows adds none."""
    typed = pipeline.typed(mode="append", watermark="changed")
    pipeline.holds([1, "a", "2024-01-01"], [2, "b", "2024-01-02"])
    pipeline.run(typed, T1, "one")
    pipeline.holds([1, "late", "2024-01-01"], [3, "c", "2024-01-05"], [4, "skip", "2024-01-06"])
    pipeline.run(typed, T2, "two")
    pipeline.run(typed, T2, "three")
    assert pipeline.rows("id", "name", "_watermark_rows_in") == [
        ["1", "a", "2024-01-02"],
        ["2", "b", "2024-01-02"],
        ["3", "c", "2024-01-06"],
    ]


def test_merge_updates_and_inserts(pipeline: Pipeline) -> None:
    """Rows of known keys are updated, new ones inserted, others left; the same run again changes nothing."""
    typed = pipeline.typed(mode="merge", keys=("id",))
    pipeline.holds([1, "a", None], [2, "b", None], [None, "no key", None])
    pipeline.run(typed)
    pipeline.holds([2, "B", "2024-01-02"], [3, "c", None], [None, "no key again", None])
    for _ in range(2):
        pipeline.run(typed, T2)
        assert pipeline.rows("id", "name") == [["1", "a"], ["2", "B"], ["3", "c"], [None, "no key again"]]


def test_scd1_takes_the_newest_version(pipeline: Pipeline) -> None:
    """Of several versions of a key the newest wins, and an older one that comes late changes nothing."""
    typed = pipeline.typed(mode="scd1", keys=("id",), sequence_by="changed")
    pipeline.holds([1, "old", "2024-01-01"], [1, "new", "2024-01-05"], [2, "x", "2024-01-01"])
    for _ in range(2):
        pipeline.run(typed)
        assert pipeline.rows("id", "name") == [["1", "new"], ["2", "x"]]
    pipeline.holds([1, "late", "2024-01-03"], [2, "y", "2024-01-02"])
    for _ in range(2):
        pipeline.run(typed, T2)
        assert pipeline.rows("id", "name") == [["1", "new"], ["2", "y"]]


def test_scd2_keeps_every_version(pipeline: Pipeline) -> None:
    """Versions get their validity, unchanged ones are none, late ones find their place; a repeat changes nothing."""
    typed = pipeline.typed(mode="scd2", keys=("id",), sequence_by="changed")
    columns = ("id", "name", "__START_AT", "__END_AT")
    pipeline.holds([1, "a", "2024-01-01"], [1, "b", "2024-01-05"], [1, "b", "2024-01-06"], [2, "x", "2024-01-01"])
    for _ in range(2):
        pipeline.run(typed)
        assert pipeline.rows(*columns) == [
            ["1", "a", "2024-01-01", "2024-01-05"],
            ["1", "b", "2024-01-05", None],
            ["2", "x", "2024-01-01", None],
        ]
    pipeline.holds([1, "late", "2024-01-03"], [2, "x", "2024-01-09"], [3, None, "2024-01-01"])
    for _ in range(2):
        pipeline.run(typed, T2)
        assert pipeline.rows(*columns) == [
            ["1", "a", "2024-01-01", "2024-01-03"],
            ["1", "b", "2024-01-05", None],
            ["1", "late", "2024-01-03", "2024-01-05"],
            ["2", "x", "2024-01-01", None],
            ["3", None, "2024-01-01", None],
        ]


def test_scd2_by_time_of_run(delta: Worker) -> None:
    """Without a sequence a change is dated by the run; the same run again changes nothing."""
    pipeline = Pipeline(delta, "scd2_by_time_of_run", "id bigint, name string")
    typed = pipeline.typed(mode="scd2", keys=("id",))
    pipeline.holds([1, "a"], [2, "x"])
    pipeline.run(typed)
    pipeline.holds([1, "b"], [2, "x"])
    for _ in range(2):
        pipeline.run(typed, T2)
        assert pipeline.rows("id", "name", "__START_AT", "__END_AT") == [
            ["1", "a", "2024-01-01 00:00:00", "2024-01-02 00:00:00"],
            ["1", "b", "2024-01-02 00:00:00", None],
            ["2", "x", "2024-01-01 00:00:00", None],
        ]


def test_a_bad_run_is_undone(pipeline: Pipeline) -> None:
    """The history names the version before a run, and restoring it brings its rows back; the next run goes on."""
    typed = pipeline.typed(mode="merge", keys=("id",))
    pipeline.holds([1, "a", None], [2, "b", None])
    pipeline.run(typed)
    before = pipeline.version()
    pipeline.holds([2, "wrong", None], [3, "wrong too", None])
    pipeline.run(typed, T2)
    assert pipeline.rows("id", "name") == [["1", "a"], ["2", "wrong"], ["3", "wrong too"]]
    assert pipeline.version() > before
    pipeline.delta.rows(f"RESTORE TABLE {pipeline.target} TO VERSION AS OF {before}")
    assert pipeline.rows("id", "name") == [["1", "a"], ["2", "b"]]
    pipeline.holds([2, "right", None])
    pipeline.run(typed, T2)
    assert pipeline.rows("id", "name") == [["1", "a"], ["2", "right"]]


def test_a_failing_check_writes_nothing(pipeline: Pipeline) -> None:
    """A `fail` expectation stops the run before the write: no new version of the table."""
    typed = pipeline.typed([NotNull(id="named", on="target", columns=("name",), action="fail")], mode="overwrite")
    pipeline.holds([1, "a", None])
    pipeline.run(typed)
    before = pipeline.version()
    pipeline.holds([1, None, None])
    with pytest.raises(SparkError, match=r"Nothing was written.*named \(1\)"):
        pipeline.run(typed, T2)
    assert pipeline.version() == before


def test_age_of_the_last_commit(pipeline: Pipeline) -> None:
    """Freshness without a column is the age of the source's last commit, as its history tells it."""
    check = Freshness(id="fresh", on="rows_in", action="warn", max_age_hours=1)
    typed = pipeline.typed([check], mode="overwrite")
    pipeline.holds([1, "a", None])
    now = datetime.now(timezone.utc)
    assert pipeline.run(typed, now.isoformat())["failing"] == {"fresh": 0}
    assert pipeline.run(typed, now.replace(year=now.year + 1, day=1).isoformat())["failing"] == {"fresh": 1}


def test_quarantine_keeps_what_is_dropped_once(pipeline: Pipeline) -> None:
    """Dropped rows are kept with the expectation's id; a repeated run keeps nothing twice."""
    table = f"{pipeline.target}_bad"
    check = Range(id="low", on="rows_in", column="id", maximum=5, action="drop", quarantine=table)
    typed = pipeline.typed([check], mode="overwrite")
    pipeline.holds([1, "a", None], [9, "b", None])
    for _ in range(2):
        assert pipeline.run(typed, T1, "k1")["failing"] == {"low": 1}
        assert pipeline.rows("id") == [["1"]]
    assert pipeline.rows("id", "_expectation", "_run_key", table=table) == [["9", "low", "k1"]]


def _cases() -> list[Case]:
    return [case for case in bounded() if case.spec.target.mode == "overwrite"]


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case.name)
def test_golden(case: Case, delta: Worker) -> None:
    """The notebook of a golden case that overwrites leaves the rows of its SQL form in a Delta table."""
    typed = case.typed()
    names = {alias: f"{CATALOG}.g_{case.name}_{index}" for index, alias in enumerate(case.tables)}
    delta.ask("tables", sql={names[alias]: rows_sql(table) for alias, table in case.tables.items()})
    target = f"{CATALOG}.g_{case.name}"
    parameters = {"run_time": RUN_TIME, "target": target, **{f"source_{alias}": name for alias, name in names.items()}}
    parameters |= {f"quarantine_{item.id}": f"{target}_{item.id}" for item in case.spec.expectations}
    report = delta.ask("notebook", source=python_source(typed), parameters=parameters, dry=False)["report"]
    expected = delta.rows(target_query(typed, run_time=RUN_TIME, tables=names))
    assert delta.rows(f"SELECT * FROM {target}") == expected
    assert report["rows"] == len(expected)
