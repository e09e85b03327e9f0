"""Reconciliation: rows through every step, what joins lose and multiply, and what a person is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pipeline_magic.agents.quality import DataQualityAgent
from pipeline_magic.agents.quality.reconcile import count_queries
from pipeline_magic.runs import Generated, QualityReport, Reconciliation, StepRows
from pipeline_magic.spec.typed import TypedSpec
from tests.support.duck_engine import DuckCatalog, DuckEngine
from tests.support.quality import NOW, aggregate, join, pipeline, severities

Rows = Sequence[tuple[Any, ...]]


@pytest.fixture
def engine() -> DuckEngine:
    return DuckEngine()


def report(engine: DuckEngine, typed: TypedSpec) -> QualityReport:
    agent = DataQualityAgent(engine, DuckCatalog(*typed.tables.values(), at=NOW))  # type: ignore[arg-type]
    return agent.check(
        typed,
        Generated(files=(), notebook=""),
        run_id="r-1",
        run_time=NOW,
        sample_run=False,
        timeout=60,
        say=lambda message: None,
    )


def reconciled(engine: DuckEngine, typed: TypedSpec) -> Reconciliation:
    return report(engine, typed).reconciliation


def sides(engine: DuckEngine, left: Rows, right: Rows) -> dict[str, Any]:
    return {
        "a": engine.create("shop.s.a", "k BIGINT, amount INT", list(left)),
        "b": engine.create("shop.s.b", "k BIGINT, price INT", list(right)),
    }


def step(found: Reconciliation, name: str = "joined") -> StepRows:
    return next(item for item in found.steps if item.step == name)


LEFT = [(1, 10), (1, 20), (2, 30), (3, 40), (None, 50), (None, 60)]
RIGHT = [(1, 1), (2, 2), (2, 3), (9, 4), (None, 5)]
# key 1: two left rows, one right; key 2: one left row, two right; 3 and 9 are orphans


@pytest.mark.parametrize(
    ("how", "rows"), [("inner", 4), ("left", 7), ("right", 6), ("full", 9), ("semi", 3), ("anti", 3)]
)
def test_a_join_is_counted_and_predicted(engine: DuckEngine, how: str, rows: int) -> None:
    """Rows out are measured, and equal what the keys make; NULL keys never meet."""
    found = reconciled(engine, pipeline(sides(engine, LEFT, RIGHT), [join("a", "b", "k", how=how)]))
    joined = step(found)
    assert (joined.rows_in, joined.rows_out) == ({"a": 6, "b": 5}, rows)
    assert (joined.unmatched_left, joined.unmatched_right, joined.widest_match) == (3, 2, 2)
    assert "count:joined" not in severities(found.findings)


def test_null_keys_are_told_from_orphans(engine: DuckEngine) -> None:
    """The note numbers rows without a key apart from rows whose key is not there."""
    found = reconciled(engine, pipeline(sides(engine, LEFT, RIGHT), [join("a", "b", "k", how="left")]))
    assert step(found).note == (
        "5 rows of b; 3 of 6 rows of a have no partner in b: 2 without a k, 1 whose k is not in b; "
        "they are kept, with NULL in the columns of b; "
        "2 of 5 rows of b have no partner in a: 1 without a k, 1 whose k is not in a; they are lost; "
        "one row of a meets up to 2 of b"
    )


def test_two_keys_are_missing_when_one_is_null(engine: DuckEngine) -> None:
    """A row of which one key is NULL has no partner, whatever the other key is."""
    tables = {
        "a": engine.create("shop.s.a", "k BIGINT, j STRING", [(1, "x"), (1, None), (2, "x")]),
        "b": engine.create("shop.s.b", "k BIGINT, j STRING", [(1, "x"), (None, "x"), (1, "y")]),
    }
    found = reconciled(engine, pipeline(tables, [join("a", "b", "k", "j", how="left")]))
    assert (step(found).unmatched_left, step(found).unmatched_right, step(found).rows_out) == (2, 2, 3)
    assert "1 without all of k, j, 1 whose k, j is not in b" in step(found).note


def test_an_inner_join_that_drops_rows_is_amber(engine: DuckEngine) -> None:
    """With the count, and what would keep them."""
    found = reconciled(engine, pipeline(sides(engine, LEFT, [(1, 1), (2, 2)]), [join("a", "b", "k")]))
    [finding] = found.findings
    assert (finding.id, finding.severity, finding.where) == ("loss:joined", "amber", "steps.joined.how")
    assert finding.message == (
        "`joined` (inner join) loses rows: 3 of 6 rows of a have no partner in b: 2 without a k, 1 whose k is not in b."
    )
    assert finding.hint == "A left join keeps them."


def test_a_join_in_which_nothing_meets_is_red() -> None:
    """Whether it leaves nothing or only NULLs, the keys are wrong."""
    for how in ("inner", "left", "right", "full"):
        own = DuckEngine()
        found = reconciled(own, pipeline(sides(own, [(1, 1)], [(2, 2)]), [join("a", "b", "k", how=how)]))
        assert severities(found.findings) == {"loss:joined": "red"}, how
        assert "by k = k" in found.findings[0].message


def test_an_empty_side_is_told_from_wrong_keys() -> None:
    """Enriching by an empty table is amber, for the table; an inner join with it loses everything and is red."""
    for how, expected in (
        ("left", {"rows:b": "amber"}),
        ("inner", {"rows:b": "amber", "loss:joined": "red"}),
    ):
        own = DuckEngine()
        found = reconciled(own, pipeline(sides(own, LEFT, []), [join("a", "b", "k", how=how)]))
        assert severities(found.findings) == expected
    assert step(found).note.startswith("0 rows of b; 6 of 6 rows of a have no partner")


def test_semi_and_anti_joins_lose_what_was_asked() -> None:
    """They are filters: no finding, unless nothing is left."""
    for how in ("semi", "anti"):
        own = DuckEngine()
        found = reconciled(own, pipeline(sides(own, LEFT, RIGHT), [join("a", "b", "k", how=how)]))
        assert found.findings == ()
        own = DuckEngine()
        right = [(5, 1)] if how == "semi" else [(1, 1)]
        found = reconciled(own, pipeline(sides(own, [(1, 1)], right), [join("a", "b", "k", how=how)]))
        assert severities(found.findings) == {"loss:joined": "red"}


def test_unused_lookup_rows_are_no_loss(engine: DuckEngine) -> None:
    """A dimension may hold rows that nothing refers to; said in the note, and no finding."""
    found = reconciled(
        engine, pipeline(sides(engine, [(1, 1), (1, 2)], [(1, 1), (2, 2), (3, 3)]), [join("a", "b", "k", how="left")])
    )
    assert found.findings == ()
    assert "2 of 3 rows of b have no partner in a: 2 whose k is not in a; they are lost" in step(found).note


def test_facts_that_no_join_keeps_are_amber_with_their_sum(engine: DuckEngine) -> None:
    """Customers left-joined to orders: orders of unknown customers vanish, and with them their money."""
    tables = sides(engine, [(1, 0), (2, 0)], [(1, 100), (1, 50), (7, 25), (None, 5)])
    typed = pipeline(tables, [join("a", "b", "k", how="left"), aggregate("joined", ["k"], revenue="sum(price)")])
    found = reconciled(engine, typed)
    [finding] = found.findings
    assert (finding.id, finding.severity) == ("loss:joined", "amber")
    assert "2 of 4 rows of b have no partner in a: 1 without a k, 1 whose k is not in a" in finding.message
    assert "the sum of price is 180 in b and 150 after the join" in finding.message


def test_sums_that_survive_a_join_are_said(engine: DuckEngine) -> None:
    """The control total stands in the note when nothing was lost or counted twice."""
    tables = sides(engine, [(1, 0), (2, 0)], [(1, 100), (1, 50)])
    typed = pipeline(tables, [join("a", "b", "k", how="left"), aggregate("joined", ["k"], revenue="sum(price)")])
    found = reconciled(engine, typed)
    assert found.findings == ()
    assert step(found).note.endswith("the sum of price stays 150")


def test_adding_up_left_rows_after_a_fan_out_is_red(engine: DuckEngine) -> None:
    """A left row that meets two right rows counts twice in a sum, and the sums before and after say so."""
    tables = sides(engine, [(1, 10), (2, 20)], [(1, 1), (1, 2), (2, 3)])
    typed = pipeline(tables, [join("a", "b", "k", how="left"), aggregate("joined", ["k"], total="sum(amount)")])
    [finding] = reconciled(engine, typed).findings
    assert (finding.id, finding.severity) == ("twice:metrics.total", "red")
    assert finding.where == "steps.metrics.measures.total"
    assert finding.message.endswith("(1 do). Its sum is 30 before the join and 40 after it.")


def test_double_counting_is_seen_through_other_steps(engine: DuckEngine) -> None:
    """A rename, a filter and a further join between do not hide whose column is added up."""
    tables = {
        **sides(engine, [(1, 10)], [(1, 1), (1, 2)]),
        "c": engine.create("shop.s.c", "price INT, word STRING", [(1, "x"), (2, "y")]),
    }
    steps = [
        join("a", "b", "k"),
        {"id": "named", "kind": "rename", "input": "joined", "columns": [{"column": "amount", "name": "value"}]},
        {"id": "some", "kind": "filter", "input": "named", "condition": "price > 0"},
        join("some", "c", "price", id="more"),
        aggregate("more", ["k"], total="coalesce(sum(value), 0)"),
    ]
    assert severities(reconciled(engine, pipeline(tables, steps)).findings) == {"twice:metrics.total": "red"}


def test_a_sum_per_group_of_the_other_side_is_amber(engine: DuckEngine) -> None:
    """By tag, a row with two tags counts in both: often meant, so it does not block."""
    tables = sides(engine, [(1, 10)], [(1, 1), (1, 2)])
    typed = pipeline(tables, [join("a", "b", "k"), aggregate("joined", ["price"], total="sum(amount)")])
    assert severities(reconciled(engine, typed).findings) == {"twice:metrics.total": "amber"}


def test_a_sum_of_looked_up_values_is_amber(engine: DuckEngine) -> None:
    """A looked-up value that many rows share is added up once for each: meant for prices, not for balances."""
    tables = sides(engine, [(1, 10), (1, 20)], [(1, 7)])
    typed = pipeline(tables, [join("a", "b", "k"), aggregate("joined", ["k"], total="sum(price)", own="sum(amount)")])
    [finding] = reconciled(engine, typed).findings
    assert (finding.id, finding.severity) == ("twice:metrics.total", "amber")
    assert "Its sum is 7 before the join and 14 after it" in finding.message
    whole = pipeline(tables, [join("a", "b", "k"), aggregate("joined", [], total="sum(price)")])
    assert severities(reconciled(engine, whole).findings) == {"twice:metrics.total": "amber"}


@pytest.mark.parametrize(("how", "after"), [("left", "stays 60"), ("full", "stays 60"), ("inner", "is 60 in a and 10")])
def test_control_totals_count_rows_without_a_partner_where_the_join_keeps_them(
    engine: DuckEngine, how: str, after: str
) -> None:
    """A left join keeps the amounts of rows that meet nothing, NULL keys included; an inner join loses them."""
    tables = sides(engine, [(1, 10), (2, 20), (None, 30)], [(1, 1), (5, 1)])
    typed = pipeline(tables, [join("a", "b", "k", how=how), aggregate("joined", ["k"], total="sum(amount)")])
    assert f"the sum of amount {after}" in step(reconciled(engine, typed)).note


def test_a_side_is_called_by_its_source_only_while_it_has_its_rows(engine: DuckEngine) -> None:
    """After a filter the rows are no longer all of the source's, so the step's id stands there."""
    tables = sides(engine, LEFT, RIGHT)
    rename = {"id": "same", "kind": "derive", "input": "a", "columns": [{"name": "twice", "expression": "amount * 2"}]}
    some = {"id": "some", "kind": "filter", "input": "same", "condition": "amount > 10"}
    found = reconciled(engine, pipeline(tables, [rename, join("same", "b", "k", how="left")]))
    assert "3 of 6 rows of a have no partner" in step(found).note
    found = reconciled(engine, pipeline(tables, [rename, some, join("some", "b", "k", how="left")]))
    assert "3 of 5 rows of some have no partner" in step(found).note


@pytest.mark.parametrize("measure", ["max(amount)", "sum(DISTINCT amount)", "count(*)", "avg(price)"])
def test_measures_that_repeat_safely_are_not_marked(engine: DuckEngine, measure: str) -> None:
    """A maximum does not grow when a row stands twice."""
    tables = sides(engine, [(1, 10)], [(1, 1), (1, 2)])
    typed = pipeline(tables, [join("a", "b", "k"), aggregate("joined", ["k"], m=measure)])
    assert reconciled(engine, typed).findings == ()


def test_keys_that_repeat_on_both_sides_are_amber(engine: DuckEngine) -> None:
    """Every row meets every other of the same key."""
    tables = sides(engine, [(1, 10), (1, 20), (2, 5)], [(1, 1), (1, 2), (1, 3), (2, 9)])
    found = reconciled(engine, pipeline(tables, [join("a", "b", "k")]))
    [finding] = found.findings
    assert (finding.id, finding.severity) == ("fanout:joined", "amber")
    assert "6 of 7 rows are every row of a with every row of b" in finding.message


def test_one_to_many_is_only_said_where_nothing_adds_it_up(engine: DuckEngine) -> None:
    """Orders with their lines: information without an aggregate, nothing with one."""
    tables = sides(engine, [(1, 10), (2, 20)], [(1, 1), (1, 2), (2, 3)])
    plain = reconciled(engine, pipeline(tables, [join("a", "b", "k")]))
    assert severities(plain.findings) == {"fanout:joined": "info"}
    summed = reconciled(engine, pipeline(tables, [join("a", "b", "k"), aggregate("joined", ["k"], n="count(*)")]))
    assert summed.findings == ()


def test_a_step_that_leaves_nothing_is_red(engine: DuckEngine) -> None:
    """The step that lost the rows is named once, not the steps after it."""
    typed = pipeline(
        sides(engine, LEFT, RIGHT),
        [
            {"id": "some", "kind": "filter", "input": "a", "condition": "amount > 1000"},
            join("some", "b", "k", how="left"),
            {"id": "again", "kind": "filter", "input": "joined", "condition": "TRUE"},
        ],
    )
    found = reconciled(engine, typed)
    assert severities(found.findings) == {"rows:some": "red"}
    assert step(found).note == "5 rows of b; some has no rows"
    assert found.findings[0].message == "`some` (filter) leaves none of 6 rows."
    assert [item.rows_out for item in found.steps] == [0, 0, 0]


def test_a_filter_is_asked_for(engine: DuckEngine) -> None:
    """It is said how much it keeps, and marked only when that is nothing."""
    step_ = {"id": "some", "kind": "filter", "input": "a", "condition": "amount > 30"}
    found = reconciled(
        engine, pipeline({"a": engine.create("shop.s.a", "amount INT", [(n,) for n in (10, 40, 50)])}, [step_])
    )
    assert found.findings == ()
    assert step(found, "some").note == "keeps 66.7 % of the rows"


def test_the_filter_of_a_source_shows_rows_before_and_after(engine: DuckEngine) -> None:
    """A filtered source is a line of the reconciliation; one that keeps nothing is red."""
    table = engine.create("shop.s.a", "amount INT", [(1,), (2,), (3,)])
    found = reconciled(engine, pipeline({"a": table}, sources={"a": {"filter": "amount > 1"}}))
    assert [(s.step, s.kind, s.rows_in, s.rows_out) for s in found.steps] == [("a", "source", {"shop.s.a": 3}, 2)]
    none = reconciled(engine, pipeline({"a": table}, sources={"a": {"filter": "amount > 9"}}))
    assert severities(none.findings) == {"rows:a": "red"}


def test_rows_without_a_watermark_are_never_read(engine: DuckEngine) -> None:
    """Reading by watermark passes over NULLs for ever: said with their number."""
    table = engine.create("shop.s.a", "k INT, at INT", [(1, 5), (2, None), (3, None)])
    typed = pipeline({"a": table}, sources={"a": {"watermark": "at"}}, target={"mode": "append"})
    [finding] = reconciled(engine, typed).findings
    assert (finding.id, finding.severity) == ("watermark:a", "amber")
    assert finding.message == "2 of 3 rows of `a` have no at: no run reads them."


def test_steps_that_keep_their_rows_are_not_counted_twice(engine: DuckEngine) -> None:
    """Derive, segment and the like have their input's rows by construction and cost nothing."""
    steps = [
        {"id": "more", "kind": "derive", "input": "a", "columns": [{"name": "twice", "expression": "amount * 2"}]},
        {"id": "some", "kind": "filter", "input": "more", "condition": "twice > 30"},
        {"id": "last", "kind": "select", "input": "some", "columns": ["twice"]},
    ]
    typed = pipeline({"a": engine.create("shop.s.a", "amount INT", [(10,), (20,), (30,)])}, steps)
    found = reconciled(engine, typed)
    assert [(s.step, s.rows_in, s.rows_out) for s in found.steps] == [
        ("more", {"a": 3}, 3), ("some", {"more": 3}, 2), ("last", {"some": 2}, 2),
    ]  # fmt: skip
    assert list(count_queries(typed, run_time=NOW)) == ["a", "some"]
    assert len(engine.queries) == 2  # counts, and rows to look at


def test_a_step_that_cannot_run_is_named(engine: DuckEngine) -> None:
    """The other steps are counted all the same."""
    steps = [
        {"id": "some", "kind": "filter", "input": "a", "condition": "amount > 1"},
        {"id": "bad", "kind": "filter", "input": "some", "condition": "amount > 4242"},
    ]
    typed = pipeline({"a": engine.create("shop.s.a", "amount INT", [(1,), (2,)])}, steps)
    engine.refuse.append("4242")
    found = report(engine, typed)
    assert [(s.step, s.rows_out) for s in found.reconciliation.steps] == [("some", 1)]
    assert severities(found.findings) == {"count:bad": "red", "sample_run": "info", "preview": "red"}
    assert "refused 4242" in found.reconciliation.findings[0].message


def test_unused_columns_are_listed_by_source(engine: DuckEngine) -> None:
    """Keys, filters, expressions and checks use a column; what only rides along to be pruned is unused."""
    tables = {
        "a": engine.create("shop.s.a", "k BIGINT, amount INT, note STRING, seen INT, spare INT", []),
        "b": engine.create("shop.s.b", "k BIGINT, price INT, extra INT", []),
    }
    typed = pipeline(
        tables,
        [join("a", "b", "k"), aggregate("joined", ["k"], total="sum(price)")],
        [{"id": "e", "on": "a", "kind": "expression", "condition": "seen > 0 OR seen IS NULL"}],
        sources={"a": {"filter": "note IS NOT NULL"}},
    )
    assert reconciled(engine, typed).unused_columns == {"a": ("amount", "spare"), "b": ("extra",)}


def test_hostile_names_in_keys(engine: DuckEngine) -> None:
    """A key called a`b and one called order are columns like others."""
    tables = {
        "a": engine.create("shop.s.a", "`a``b` BIGINT, `order` INT", [(1, 5), (2, 6)]),
        "b": engine.create("shop.s.b", "`a``b` BIGINT, `left` INT", [(1, 7), (1, 8)]),
    }
    typed = pipeline(
        tables, [join("a", "b", "a`b", how="left"), aggregate("joined", ["a`b"], total="sum(`order`)", r="sum(`left`)")]
    )
    found = reconciled(engine, typed)
    assert (step(found).unmatched_left, step(found).widest_match, step(found).rows_out) == (1, 2, 3)
    assert severities(found.findings) == {"twice:metrics.total": "red"}
