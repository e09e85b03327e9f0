"""The sample run: what is compared, what is said of a difference, and that nothing of it stays behind."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pipeline_magic.agents.quality.compare import same_but_for_rounding, schema_differences
from pipeline_magic.agents.quality.sample_run import gate_differences, run_sample, scratch_quarantine, scratch_table
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.errors import Cancelled, EngineError, EngineUnavailable
from pipeline_magic.runs import CheckResult, File, Finding, Generated, NotebookRun, SampleRun
from pipeline_magic.spec.names import quote_table
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.typed import TypedSpec
from tests.support.duck_engine import DuckEngine
from tests.support.quality import NOW, pipeline

GENERATED = Generated(files=(File(path="n.ipynb", content='{"cells": []}'),), notebook="n.ipynb")
ROWS = [(1, "a", 0.5), (1, "a", 0.5), (2, None, None), (None, "c", 1.5)]


@pytest.fixture
def engine() -> DuckEngine:
    return DuckEngine()


def typed_over(engine: DuckEngine, **target: Any) -> TypedSpec:
    table = engine.create("shop.s.t", "k BIGINT, word STRING, x DOUBLE", list(ROWS))
    return pipeline({"t": table}, target=target)


def writes(typed: TypedSpec, *changes: str) -> Callable[[DuckEngine, Mapping[str, str]], NotebookRun]:
    """A notebook that writes the SQL form's rows, then makes the changes of its turn (`{}` is the table)."""
    turns = iter([*changes, ""])

    def notebook(engine: DuckEngine, parameters: Mapping[str, str]) -> NotebookRun:
        table = quote_table(parameters["target"])
        engine.execute(f"CREATE OR REPLACE TABLE {table} AS {target_query(typed, run_time=parameters['run_time'])}")
        for change in filter(None, next(turns).split(";")):
            engine.execute(change.format(table))
        return NotebookRun(succeeded=True)

    return notebook


def tried(engine: DuckEngine, typed: TypedSpec, say: Callable[[str], None] = lambda message: None) -> SampleRun:
    sample, findings = both(engine, typed, say)
    assert bool(findings) == (sample.status == "failed")
    return sample


def both(
    engine: DuckEngine, typed: TypedSpec, say: Callable[[str], None] = lambda message: None
) -> tuple[SampleRun, tuple[Finding, ...]]:
    return run_sample(engine, typed, GENERATED, run_id="r-1", run_time=NOW, timeout=60, say=say)


def test_equal_rows_pass_twice(engine: DuckEngine) -> None:
    """Repeated rows and NULLs are equal; a second run with the same key gives the same; nothing stays behind."""
    typed = typed_over(engine)
    given: list[Mapping[str, str]] = []
    inner = writes(typed)

    def notebook(own: DuckEngine, parameters: Mapping[str, str]) -> NotebookRun:
        given.append(parameters)
        return inner(own, parameters) if len(given) == 1 else NotebookRun(succeeded=True)

    engine.notebook = notebook
    sample = tried(engine, typed)
    assert (sample.status, sample.rows, sample.repeatable, sample.sampled) == ("passed", 4, True, 1.0)
    assert given == [{"target": "scratch.r_1.tried", "run_time": NOW, "run_key": "sample-r-1"}] * 2
    assert engine.scratch == set()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DELETE FROM {} WHERE word = 'c'", "differ: 1 row only the SQL form has"),
        ("INSERT INTO {} VALUES (1, 'a', 0.5)", "differ: 1 row only the notebook wrote"),
        ("UPDATE {} SET word = '' WHERE word IS NULL", "1 row only the notebook wrote, 1 row only the SQL form has"),
        ("UPDATE {} SET x = 1.5001 WHERE k IS NULL", "1 row only the notebook wrote, 1 row only the SQL form has"),
        ("ALTER TABLE {} ADD COLUMN extra INT", "the table's schema is not the declared one: not declared extra"),
        ("ALTER TABLE {} DROP COLUMN x", "the table's schema is not the declared one: missing x"),
        ("ALTER TABLE {} ALTER COLUMN k SET DATA TYPE INT", "k is int instead of bigint"),
        ("ALTER TABLE {} ALTER COLUMN k SET DATA TYPE DECIMAL(20, 0)", "k is decimal(20,0) instead of bigint"),
    ],
)
def test_any_difference_is_red(engine: DuckEngine, change: str, said: str) -> None:
    """A lost row, a row too many, a NULL that became empty, another value, another schema."""
    typed = typed_over(engine)
    engine.notebook = writes(typed, change)
    sample, [finding] = both(engine, typed)
    assert (sample.status, finding.id, finding.severity) == ("failed", "sample_run", "red")
    assert said in finding.message
    assert sample.repeatable is None
    assert engine.scratch == set()


def test_a_decimal_that_grew_is_only_noted(engine: DuckEngine) -> None:
    """An engine may give a sum more digits in front; fewer digits, or others after the point, are a difference."""
    table = engine.create("shop.s.t", "k BIGINT, price DECIMAL(12, 2)", [(1, 5)])
    typed = pipeline({"t": table})
    engine.notebook = writes(typed, *["ALTER TABLE {} ALTER COLUMN price SET DATA TYPE DECIMAL(32, 2)"] * 2)
    sample = tried(engine, typed)
    assert (sample.status, sample.repeatable) == ("passed", True)
    assert "price is decimal(32,2) instead of decimal(12,2)" in sample.message
    for other in ("DECIMAL(10, 2)", "DECIMAL(12, 3)"):
        engine.notebook = writes(typed, f"ALTER TABLE {{}} ALTER COLUMN price SET DATA TYPE {other}")
        assert tried(engine, typed).status == "failed"


def test_the_last_digits_of_floating_point_sums_may_differ(engine: DuckEngine) -> None:
    """Engines add in any order: 1e-12 is no difference, 1e-6 is one."""
    typed = typed_over(engine)
    engine.notebook = writes(typed, "UPDATE {} SET x = x * 1.000000000001", "UPDATE {} SET x = x * 0.999999999999")
    assert tried(engine, typed).status == "passed"
    engine.notebook = writes(typed, "UPDATE {} SET x = x * 1.000001")
    assert tried(engine, typed).status == "failed"


def test_rows_pair_up_within_their_other_columns() -> None:
    """Floating-point numbers are compared row by row: equal multisets in other rows are a difference."""
    columns = (Column(name="k", type="int"), Column(name="x", type="double"))
    near = [(1, 0.1 + 0.2, 1, 0), (1, 0.3, 0, 1), (2, math.nan, 1, 0), (2, math.nan, 0, 1)]
    assert same_but_for_rounding(columns, near)
    assert not same_but_for_rounding(columns, [(1, 0.3, 1, 0), (2, 0.3, 0, 1)])
    assert not same_but_for_rounding(columns, [(1, 0.3, 2, 0), (1, 0.3, 0, 1)])
    assert not same_but_for_rounding(columns, [(1, None, 1, 0), (1, 0.0, 0, 1)])
    assert not same_but_for_rounding(columns[:1], [(1, 1, 0), (1, 0, 1)])


def test_a_second_run_that_writes_other_rows_is_red(engine: DuckEngine) -> None:
    """What is not repeatable cannot be retried."""
    typed = typed_over(engine)
    engine.notebook = writes(typed, "", "INSERT INTO {} VALUES (9, 'z', 1)")
    sample, [finding] = both(engine, typed)
    assert (sample.status, sample.rows, sample.repeatable) == ("failed", 4, False)
    assert finding.message.endswith("a second run with the same run key left other rows: 5 rows instead of 4")


def test_a_notebook_that_fails_is_told_in_one_line(engine: DuckEngine) -> None:
    """The first failing cell's error, bounded, without line breaks."""
    typed = typed_over(engine)
    error = "ValueError: boom\n  in cell 3\n" + "x" * 1000
    engine.notebook = lambda own, parameters: NotebookRun(succeeded=False, error=error)
    sample, [finding] = both(engine, typed)
    assert sample.message.startswith("ValueError: boom in cell 3 x")
    assert "\n" not in finding.message
    assert len(finding.message) < 350
    assert engine.scratch == set()


def test_cancelling_removes_the_scratch_schema(engine: DuckEngine) -> None:
    """Whether the notebook is stopped or the work between two runs."""
    typed = typed_over(engine)

    def stopped(own: DuckEngine, parameters: Mapping[str, str]) -> NotebookRun:
        writes(typed)(own, parameters)
        raise Cancelled("The notebook was stopped.")

    engine.notebook = stopped
    with pytest.raises(Cancelled):
        tried(engine, typed)
    assert engine.scratch == set()

    def say(message: str) -> None:
        if "second time" in message:
            raise Cancelled("You stopped it.")

    engine.notebook = writes(typed)
    with pytest.raises(Cancelled):
        tried(engine, typed, say)
    assert engine.scratch == set()


def test_an_interrupt_comes_through_a_failing_clean_up(engine: DuckEngine) -> None:
    """Whatever becomes of the scratch schema, the person's Ctrl-C is what the caller sees."""
    typed = typed_over(engine)

    def interrupted(own: DuckEngine, parameters: Mapping[str, str]) -> NotebookRun:
        raise KeyboardInterrupt

    def fails(run_id: str) -> None:
        raise EngineError("The disk is gone.")

    engine.notebook = interrupted
    engine.drop_scratch = fails  # type: ignore[method-assign]  # for this test
    with pytest.raises(KeyboardInterrupt):
        tried(engine, typed)


def test_an_engine_that_fails_is_a_red_finding(engine: DuckEngine) -> None:
    """A scratch schema that cannot be made is no crash."""

    def fails(run_id: str) -> str:
        raise EngineError("No space left.")

    engine.create_scratch = fails  # type: ignore[method-assign]  # for this test
    sample, [finding] = both(engine, typed_over(engine))
    assert (sample.status, finding.severity) == ("failed", "red")
    assert "No space left." in finding.message


def test_large_sources_run_once(engine: DuckEngine) -> None:
    """Above five million source rows the second run is left out and said so."""
    typed = typed_over(engine)
    big = {"t": typed.tables["t"].model_copy(update={"rows": 5_000_001})}
    typed = typed.model_copy(update={"tables": big})
    engine.notebook = writes(typed)
    sample = tried(engine, typed)
    assert (sample.status, sample.repeatable) == ("passed", None)
    assert sample.message == "all 5,000,001 rows of the sources were read, so the notebook ran once only"


def test_an_engine_without_notebooks(engine: DuckEngine) -> None:
    """With SQL alone the notebook is not executed, for the engine's own reason, and no scratch schema is made."""
    typed = typed_over(engine)
    engine.no_notebooks = "a warehouse runs SQL alone"
    engine.create_scratch = None  # type: ignore[assignment,method-assign]
    sample, [finding] = both(engine, typed)
    assert (sample.status, sample.message) == ("not_executed", "a warehouse runs SQL alone")
    assert (
        finding.message == "The notebook was not executed: a warehouse runs SQL alone." and finding.severity == "info"
    )


def test_notebooks_that_are_refused_when_they_are_tried(engine: DuckEngine) -> None:
    """An engine that learns only from the first run that it may run none: not executed, and nothing is red."""
    typed = typed_over(engine)

    def refused(engine: DuckEngine, parameters: Mapping[str, str]) -> NotebookRun:
        engine.no_notebooks = "one-off runs are not allowed"
        raise EngineUnavailable("Databricks does not allow it.")

    engine.notebook = refused
    sample, [finding] = both(engine, typed)
    assert (sample.status, sample.message) == ("not_executed", "one-off runs are not allowed")
    assert finding.severity == "info"
    assert list(engine.left_scratch(["r-1"])) == []


def test_dropped_rows_are_kept_in_the_scratch_schema(engine: DuckEngine) -> None:
    """The notebook is told of scratch tables for them, each table one of its own, none of them the target's."""
    table = engine.create("shop.s.t", "k BIGINT, word STRING, x DOUBLE", list(ROWS))
    drop = {"kind": "not_null", "on": "t", "action": "drop"}
    checks = [
        {**drop, "id": "key", "columns": ["k"], "quarantine": "ops.s.bad"},
        {**drop, "id": "word", "columns": ["word"], "quarantine": "ops.s.bad"},
        {**drop, "id": "other", "columns": ["x"], "quarantine": "ops.other.bad"},
        {**drop, "id": "alike", "columns": ["x"], "quarantine": "ops.s.tried"},
    ]
    typed = pipeline({"t": table}, expectations=checks)
    given: list[Mapping[str, str]] = []

    def notebook(own: DuckEngine, parameters: Mapping[str, str]) -> NotebookRun:
        given.append(parameters)
        return NotebookRun(succeeded=False, error="ValueError: enough")

    engine.notebook = notebook
    assert "outside the scratch schema" not in tried(engine, typed).message
    assert {name: value for name, value in given[0].items() if name.startswith("quarantine_")} == {
        "quarantine_key": "scratch.r_1.bad",
        "quarantine_word": "scratch.r_1.bad",
        "quarantine_other": "scratch.r_1.bad_kept",
        "quarantine_alike": "scratch.r_1.tried_kept",
    }
    assert scratch_quarantine(typed_over(DuckEngine()), "scratch.r_1.tried") == {}


def test_schemas_are_compared_by_name_and_type() -> None:
    """Types are compared as Spark writes them, whatever the spelling; partition columns may stand last."""
    wanted = (Column(name="a", type="decimal(18,2)"), Column(name="b", type="int"))
    assert schema_differences(wanted, (Column(name="a", type="DECIMAL(18, 2)"), Column(name="b", type="integer"))) == ""
    assert schema_differences(wanted, wanted[::-1]) == ""
    assert schema_differences(wanted, (Column(name="b", type="int"), Column(name="c", type="int"))) == (
        "missing a; not declared c"
    )
    assert schema_differences(wanted, (wanted[0], Column(name="b", type="bigint"))) == "b is bigint instead of int"


def test_the_notebooks_own_gate_must_count_the_same() -> None:
    """Where it counts other failing rows, one of the two is wrong; what one of them cannot count is not compared."""
    item = {"kind": "not_null", "on": "t", "description": "", "action": "warn", "status": "failed"}
    checks = [
        CheckResult.model_validate({**item, "expectation": name, "failing": failing})
        for name, failing in (("a", 1), ("b", 1), ("c", None))
    ]
    report = {"failing": {"a": 1, "b": 1200, "c": 7}}
    assert gate_differences(checks, json.dumps(report)).endswith("than the checks: b (1,200, checked 1)")
    assert gate_differences(checks[:1], json.dumps(report)) == ""
    assert gate_differences(checks, "") == ""
    assert gate_differences(checks, '{"failing": {"b": null}}') == ""


def test_the_scratch_table_is_called_like_the_target() -> None:
    """Odd names stay quoted."""
    assert scratch_table("scratch.`r 1`", "a.b.`odd name`") == "scratch.`r 1`.`odd name`"
