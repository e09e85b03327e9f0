"""Checks: which queries are asked, and what their rows become."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any

import pytest

from pipeline_magic.agents.quality.checks import MOST, commit_result, dataset, passes, within
from pipeline_magic.runs import CheckResult
from pipeline_magic.spec.model import Freshness
from pipeline_magic.spec.typed import TypedSpec
from tests.support.duck_engine import DuckEngine
from tests.support.quality import NOW, pipeline

ROWS = [(1, "a", 10), (2, "b", None), (2, "b", 30), (None, "c", 40), (5, None, 50)]


@pytest.fixture
def engine() -> DuckEngine:
    return DuckEngine()


def run(engine: DuckEngine, typed: TypedSpec) -> dict[str, CheckResult]:
    found = {}
    for one in passes(typed, run_time=NOW):
        for result in one.results(engine.query(one.sql, limit=1).rows[0]):
            found[result.expectation] = result
    return found


def checked(engine: DuckEngine, *expectations: dict[str, Any], rows: Any = ROWS) -> dict[str, CheckResult]:
    table = engine.create("shop.s.t", "k BIGINT, word STRING, n INT", list(rows))
    made = [{"id": f"e{at}", "on": "t", **item} for at, item in enumerate(expectations)]
    return run(engine, pipeline({"t": table}, expectations=made))


def test_each_row_level_kind_counts_the_rows_that_fail(engine: DuckEngine) -> None:
    """NULL fails not_null and expression, and passes range, accepted_values and pattern."""
    found = checked(
        engine,
        {"kind": "not_null", "columns": ["k"]},
        {"kind": "range", "column": "n", "minimum": 20, "maximum": 40, "maximum_inclusive": False},
        {"kind": "accepted_values", "column": "word", "values": ["a", "b"]},
        {"kind": "pattern", "column": "word", "regex": "^[ab]$"},
        {"kind": "expression", "condition": "n > 5"},
        {"kind": "not_null", "columns": ["k", "word", "n"]},
    )
    assert {name: result.failing for name, result in found.items()} == {
        "e0": 1, "e1": 3, "e2": 1, "e3": 1, "e4": 1, "e5": 3,
    }  # fmt: skip
    assert {result.rows for result in found.values()} == {5}
    assert {result.status for result in found.values()} == {"failed"}


def test_row_level_checks_of_one_dataset_are_one_query(engine: DuckEngine) -> None:
    """Row-level checks, row counts and freshness of a column share one scan."""
    checked(
        engine,
        {"kind": "not_null", "columns": ["k"]},
        {"kind": "row_count", "minimum": 1},
        {"kind": "range", "column": "n", "minimum": 0},
    )
    assert len(engine.queries) == 1


def test_a_query_holds_at_most_100_aggregates(engine: DuckEngine) -> None:
    """More checks than that are split, and none gets lost."""
    found = checked(engine, *({"kind": "range", "column": "n", "minimum": at} for at in range(150)))
    assert len(engine.queries) == 2
    assert all(query.split(" FROM (")[0].count("count(") <= MOST for query in engine.queries)
    assert [found[f"e{at}"].failing for at in (0, 10, 11, 40, 41, 149)] == [0, 0, 1, 2, 3, 4]


def test_unique_counts_values_that_repeat(engine: DuckEngine) -> None:
    """`failing` is the number of values that occur more than once; NULLs are equal to each other."""
    rows = [(1, "a", 1), (1, "a", 2), (1, "b", 3), (None, "c", 4), (None, "c", 5), (3, "d", 6)]
    found = checked(engine, {"kind": "unique", "columns": ["k"]}, {"kind": "unique", "columns": ["n"]}, rows=rows)
    assert (found["e0"].status, found["e0"].failing, found["e0"].rows) == ("failed", 2, 6)
    assert found["e0"].observed == "2 values of k occur more than once, up to 3 times; 3 rows of 6 too many"
    assert (found["e1"].status, found["e1"].failing) == ("passed", 0)


def test_referential_counts_orphans_but_not_nulls(engine: DuckEngine) -> None:
    """A NULL points at nothing and is no orphan; a parent that stands twice counts a child once."""
    child = engine.create("shop.s.child", "a BIGINT, b STRING", [(1, "x"), (1, "y"), (2, "x"), (None, "x"), (3, None)])
    parent = engine.create("shop.s.parent", "p BIGINT, q STRING", [(1, "x"), (1, "x"), (2, "y"), (None, "x")])
    item = {"id": "r", "on": "child", "kind": "referential", "to": "parent"}
    one = pipeline({"child": child, "parent": parent}, expectations=[{**item, "columns": ["a"], "to_columns": ["p"]}])
    two = pipeline(
        {"child": child, "parent": parent}, expectations=[{**item, "columns": ["a", "b"], "to_columns": ["p", "q"]}]
    )
    found = run(engine, one)["r"]
    assert (found.rows, found.failing) == (5, 1)
    assert found.observed == "1 of 5 rows (20.0 %) points at nothing in parent; 1 row without a key is not counted"
    assert (run(engine, two)["r"].rows, run(engine, two)["r"].failing) == (5, 2)


def test_exactly_at_the_tolerance_passes(engine: DuckEngine) -> None:
    """One failing row of five is 20 %: tolerated at 0.2, and no more at 0.19."""
    found = checked(
        engine,
        {"kind": "not_null", "columns": ["k"], "tolerance": 0.2},
        {"kind": "not_null", "columns": ["k"], "tolerance": 0.19},
        {"kind": "unique", "columns": ["k"], "tolerance": 0.2},
        {"kind": "unique", "columns": ["k"], "tolerance": 0.1},
    )
    assert [found[name].status for name in ("e0", "e1", "e2", "e3")] == [
        "passed", "failed", "passed", "failed",
    ]  # fmt: skip
    assert "within the tolerance of 20 %" in found["e0"].observed


@pytest.mark.parametrize("percent", range(0, 101))
def test_no_tolerance_suffers_from_binary_fractions(percent: int) -> None:
    """29 of 100 are within 0.29, although 0.29 * 100 is less than 29 in binary arithmetic."""
    assert within(percent, 100, percent / 100)
    assert not within(percent + 1, 100, percent / 100)


def test_an_empty_table_passes_what_is_about_rows(engine: DuckEngine) -> None:
    """No row fails; a row count and freshness do."""
    table = engine.create("shop.s.empty", "k BIGINT, at TIMESTAMP", [])
    found = run(
        engine,
        pipeline(
            {"t": table},
            expectations=[
                {"id": "a", "on": "t", "kind": "not_null", "columns": ["k"]},
                {"id": "b", "on": "t", "kind": "unique", "columns": ["k"]},
                {"id": "c", "on": "t", "kind": "row_count", "minimum": 1},
                {"id": "d", "on": "t", "kind": "freshness", "column": "at", "max_age_hours": 1},
                {"id": "e", "on": "t", "kind": "referential", "columns": ["k"], "to": "t", "to_columns": ["k"]},
            ],
        ),
    )
    assert {name: result.status for name, result in found.items()} == {
        "a": "passed", "b": "passed", "c": "failed", "d": "failed", "e": "passed",
    }  # fmt: skip
    assert found["c"].observed == "0 rows"
    assert found["d"].observed == "no value of at in 0 rows"


def test_row_count_bounds_are_inclusive(engine: DuckEngine) -> None:
    """Five rows are at least five and at most five."""
    found = checked(
        engine,
        {"kind": "row_count", "minimum": 5, "maximum": 5},
        {"kind": "row_count", "minimum": 6},
        {"kind": "row_count", "maximum": 4},
    )
    assert [found[name].status for name in ("e0", "e1", "e2")] == ["passed", "failed", "failed"]


@pytest.mark.parametrize(
    ("value", "hours", "status"),
    [
        (datetime(2026, 11, 22, 14, 0, tzinfo=timezone.utc), 1, "passed"),
        (datetime(2026, 11, 22, 13, 59, 59, tzinfo=timezone.utc), 1, "failed"),
        (datetime(2026, 11, 23, tzinfo=timezone.utc), 1, "passed"),
        (date(2026, 11, 22), 15, "passed"),
        (date(2026, 11, 22), 14.9, "failed"),
    ],
)
def test_freshness_of_a_column_is_measured_to_the_run(
    engine: DuckEngine, value: Any, hours: float, status: str
) -> None:
    """Exactly at the age passes; a date counts from its midnight in UTC; what lies ahead is fresh."""
    kind = "TIMESTAMP" if isinstance(value, datetime) else "DATE"
    table = engine.create("shop.s.t", f"at {kind}", [(value,), (None,)])
    expectation = {"id": "f", "on": "t", "kind": "freshness", "column": "at", "max_age_hours": hours}
    assert run(engine, pipeline({"t": table}, expectations=[expectation]))["f"].status == status


def test_freshness_of_a_table_is_its_last_commit() -> None:
    """Told by the catalog; where it cannot tell, the check has not run."""
    item = Freshness(id="f", on="t", max_age_hours=2)
    assert commit_result(item, "2026-11-22T13:00:00Z", NOW).status == "passed"
    stale = commit_result(item, "2026-11-20T13:00:00Z", NOW)
    assert (stale.status, stale.observed) == ("failed", "last commit is 2026-11-20 13:00 UTC, 2 days old")
    assert commit_result(item, None, NOW).status == "error"


def test_checks_of_one_node_see_its_rows_before_its_drops(engine: DuckEngine) -> None:
    """As in the notebook's gate and in Lakeflow: a row that is dropped can fail another check too."""
    table = engine.create("shop.s.t", "k BIGINT, word STRING, n INT", ROWS)
    step = {"id": "kept", "kind": "filter", "input": "t", "condition": "TRUE"}
    for on in ("t", "kept", "target"):
        typed = pipeline(
            {"t": table},
            [step],
            [
                {"id": "drop_null", "on": on, "kind": "not_null", "columns": ["k"], "action": "drop"},
                {"id": "no_null", "on": on, "kind": "not_null", "columns": ["k"], "action": "fail"},
            ],
        )
        found = run(engine, typed)
        assert (found["drop_null"].rows, found["drop_null"].failing) == (5, 1), on
        assert (found["no_null"].rows, found["no_null"].failing) == (5, 1), on


def test_parents_are_what_drops_leave(engine: DuckEngine) -> None:
    """A child whose parent is dropped points at nothing."""
    child = engine.create("shop.s.child", "a BIGINT", [(1,), (2,)])
    parent = engine.create("shop.s.parent", "p BIGINT, ok INT", [(1, 1), (2, None)])
    typed = pipeline(
        {"child": child, "parent": parent},
        expectations=[
            {"id": "d", "on": "parent", "kind": "not_null", "columns": ["ok"], "action": "drop"},
            {"id": "r", "on": "child", "kind": "referential", "columns": ["a"], "to": "parent", "to_columns": ["p"]},
        ],
    )
    assert run(engine, typed)["r"].failing == 1


def test_a_check_after_a_drop_does_not_see_the_rows(engine: DuckEngine) -> None:
    """A drop on a source holds for every step that reads it."""
    table = engine.create("shop.s.t", "k BIGINT, word STRING, n INT", ROWS)
    step = {"id": "all", "kind": "filter", "input": "t", "condition": "TRUE"}
    expectations = [
        {"id": "d", "on": "t", "kind": "not_null", "columns": ["k"], "action": "drop"},
        {"id": "c", "on": "all", "kind": "not_null", "columns": ["k"]},
    ]
    assert run(engine, pipeline({"t": table}, [step], expectations))["c"].rows == 4


def test_disabled_checks_ask_nothing(engine: DuckEngine) -> None:
    """A check that is off costs no query."""
    table = engine.create("shop.s.t", "k BIGINT", [(1,)])
    off = {"id": "e", "on": "t", "kind": "unique", "columns": ["k"], "enabled": False}
    assert passes(pipeline({"t": table}, expectations=[off]), run_time=NOW) == ()


def test_halves_answer_the_same_checks(engine: DuckEngine) -> None:
    """A fused query falls apart into queries that together answer what it answered."""
    table = engine.create("shop.s.t", "k BIGINT, word STRING, n INT", ROWS)
    items = [{"id": f"e{at}", "on": "t", "kind": "range", "column": "n", "minimum": 10 * at} for at in range(5)]
    [one] = passes(pipeline({"t": table}, expectations=items), run_time=NOW)
    left, right = one.halves()
    whole = one.results(engine.query(one.sql).rows[0])
    parts = [part.results(engine.query(part.sql).rows[0]) for part in (left, right)]
    assert (*parts[0], *parts[1]) == whole
    assert left.halves()[0].halves() == ()


def test_hostile_names_and_values_are_quoted(engine: DuckEngine) -> None:
    """A backtick in a column and a quote in a value change nothing but what they name."""
    table = engine.create("shop.s.t", "`a``b` STRING, `select` INT", [("it's", 1), ("x", 2)])
    found = run(
        engine,
        pipeline(
            {"t": table},
            expectations=[
                {"id": "a", "on": "t", "kind": "accepted_values", "column": "a`b", "values": ["it's", "); --"]},
                {"id": "b", "on": "t", "kind": "unique", "columns": ["a`b", "select"]},
                {"id": "c", "on": "t", "kind": "not_null", "columns": ["a`b"]},
            ],
        ),
    )
    assert [found[name].failing for name in "abc"] == [1, 0, 0]
    assert found["a"].description == "a`b is one of \"it's\", '); --'"


def test_datasets_are_the_compilers_queries(engine: DuckEngine) -> None:
    """The checks of the target rest on what feeds it, not on the table that is there."""
    table = engine.create("shop.s.t", "k BIGINT", [(1,)])
    typed = pipeline({"t": table}, expectations=[{"id": "e", "on": "target", "kind": "not_null", "columns": ["k"]}])
    assert "analytics" not in dataset(typed, typed.spec.expectations[0], run_time=NOW)
