"""Constructions of pipeline English: each statement's steps, and the rows of a few by hand."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_magic.runs import Parsed
from tests.support.statements import parse, typed


def steps(parsed: Parsed) -> dict[str, Any]:
    """The steps by kind; the last of each."""
    return {step.kind: step for step in parsed.draft.steps}


def plain(text: str) -> Parsed:
    """The statement, wholly understood, without an open must-answer question, typed."""
    parsed = parse(text)
    assert [question.id for question in parsed.questions if question.must_answer] == []
    assert [parsed.provenance.text(clause) for clause in parsed.provenance.unmatched] == []
    typed(parsed)
    return parsed


def test_running_total_of_rows() -> None:
    """Rows are parted by the customer they point at and sorted by the date that is named."""
    window = steps(plain("Running total of the total price per customer in order of the order date into a.b.c"))[
        "window"
    ]
    assert window.partition_by == ("o_custkey",)
    assert [key.column for key in window.order_by] == ["o_orderdate"]
    assert (window.frame.start, window.frame.end) == (None, 0)
    assert window.columns[0].expression == "sum(o_totalprice)"


def test_running_total_of_periods() -> None:
    """By month: one sum a month, and those are added up in the order of the months."""
    made = steps(plain("Running total of the total price by month of orders into a.b.c"))
    assert made["aggregate"].group_by == ("month",)
    assert [key.column for key in made["window"].order_by] == ["month"]
    assert made["window"].columns[0].expression == "sum(total_o_totalprice)"


def test_month_over_month() -> None:
    """The value of the month before, the change and the change in percent, safe where it was zero."""
    made = steps(plain("Monthly total price of orders with the month over month change in percent into a.b.c"))
    assert made["window"].columns[0].expression == "lag(total_price, 1)"
    assert [column.name for column in made["derive"].columns] == [
        "total_price_change",
        "total_price_change_percent",
    ]
    assert "nullif(previous_total_price, 0)" in made["derive"].columns[1].expression


def test_share_of_all() -> None:
    """Each group's count in the count of all groups."""
    made = steps(plain("For each order priority, count the orders and give the share of all orders, into a.b.c"))
    assert made["window"].columns[0].expression == "sum(order_count)"
    assert made["window"].partition_by == ()
    assert made["derive"].columns[0].expression == "order_count / nullif(all_order_count, 0)"


def test_rank_within() -> None:
    """A rank inside the groups that are named, the largest first."""
    window = steps(plain("Rank parts within their brand by retail price into a.b.c"))["window"]
    assert window.partition_by == ("p_brand",)
    assert [(key.column, key.descending) for key in window.order_by] == [("p_retailprice", True)]


def test_union_with_a_tag() -> None:
    """Columns of the same words are named alike, and a column tells the parts apart."""
    parsed = plain(
        "Combine customers and suppliers into one list of partners with name, phone and account balance, "
        "and a column kind that says 'customer' or 'supplier', into a.b.c"
    )
    made = steps(parsed)
    assert len(made["union"].inputs) == 2 and not made["union"].distinct
    assert made["select"].columns == ("name", "phone", "account_balance", "kind")
    assert {source.table for source in parsed.draft.sources} == {"samples.tpch.customer", "samples.tpch.supplier"}


def test_pivot_of_named_values() -> None:
    """One measure for each value that is named."""
    made = steps(
        plain(
            "Count customers per nation and pivot the market segments into columns, with columns BUILDING and "
            "MACHINERY, into a.b.c"
        )
    )
    names = [measure.name for measure in made["aggregate"].measures]
    assert names[-2:] == ["building", "machinery"]


def test_an_explained_measure() -> None:
    """A formula of single rows is summed where its name is used, and the explanation asks for nothing."""
    made = steps(plain("Revenue per ship mode, where revenue is extended price times (1 - discount), into a.b.c"))
    assert made["aggregate"].measures[-1].expression == "sum(l_extendedprice * (1 - l_discount))"


def test_an_average_of_counts() -> None:
    """Counted for each order, and averaged over the orders."""
    parsed = plain("Average number of line items per order into a.b.c")
    kinds = [step.kind for step in parsed.draft.steps]
    assert kinds == ["aggregate", "aggregate"]
    assert steps(parsed)["aggregate"].group_by == ()


def test_above_the_average_of_all() -> None:
    """The average is taken over all rows, and the condition stands behind it."""
    parsed = plain("Orders whose total price is above the average total price of all orders into a.b.c")
    assert [step.kind for step in parsed.draft.steps] == ["window", "filter"]


def test_groups_by_what_rows_point_at() -> None:
    """`per customer` groups by the key that orders hold, so that orders of unknown customers are not lost."""
    made = steps(plain("Total price of orders per customer into a.b.c"))
    assert made["aggregate"].group_by == ("o_custkey",)
    assert made["join"].how == "left"


def test_rows_without_a_partner_are_in_no_group() -> None:
    """Grouped by a column of another table, a row without a partner is in no group, and that is asked about."""
    parsed = plain("Number of customers per nation name into a.b.c")
    assert steps(parsed)["join"].how == "inner"
    (question,) = [item for item in parsed.questions if item.id == "join:nation"]
    assert {option.id for option in question.options} == {"left", "inner"} and question.default == "inner"


@pytest.mark.parametrize(
    "text",
    [
        "Number of customers per nation, include nations without any customers, into a.b.c",
        "Number of customers per nation into a.b.c. Nations without customers must be kept.",
        "Number of customers per nation into a.b.c. Nations which have none should show 0.",
    ],
)
def test_kept_rows(text: str) -> None:
    """However it is said, every nation stays."""
    join = steps(plain(text))["join"]
    assert (join.left, join.right, join.how) == ("nation", "customer", "left")


def test_bands_in_front_of_their_labels() -> None:
    """``under 10 'small'``: the condition before the label, and the bands counted."""
    parsed = plain(
        "Classify parts into size bands using size, under 10 'small', 10 to 30 'medium', over 30 'large', and count "
        "parts per band into a.b.c"
    )
    segment = steps(parsed)["segment"]
    assert [(rule.label, rule.condition) for rule in segment.rules] == [
        ("small", "p_size < 10"),
        ("medium", "p_size BETWEEN 10 AND 30"),
        ("large", "p_size > 30"),
    ]
    assert steps(parsed)["aggregate"].group_by == ("size_band",)


def test_renames_casts_and_fills() -> None:
    """Each becomes its step, and only the changed columns are kept where that is said."""
    parsed = plain(
        "Read customer. Rename c_custkey to customer_id, cast the account balance to integer, replace missing market "
        "segments with 'UNKNOWN' and keep only these three columns. Write to a.b.c"
    )
    made = steps(parsed)
    assert [(item.column, item.type) for item in made["cast"].columns] == [("c_acctbal", "int")]
    assert [(item.column, item.value) for item in made["fill"].columns] == [("c_mktsegment", "UNKNOWN")]
    assert [(item.column, item.name) for item in made["rename"].columns] == [("c_custkey", "customer_id")]
    assert set(made["select"].columns) == {"c_custkey", "c_acctbal", "c_mktsegment"}


def test_a_comment_and_a_sequence() -> None:
    """The target's comment, and what orders the versions of a row."""
    parsed = plain(
        "Read orders and keep history as SCD type 2 in a.b.c with key o_orderkey, using o_orderdate as the sequence. "
        'Comment the table as "All versions of orders".'
    )
    target = parsed.draft.target
    assert (target.mode, target.keys, target.sequence_by) == ("scd2", ("o_orderkey",), "o_orderdate")
    assert target.comment == "All versions of orders"


def test_two_mentions_of_one_schedule() -> None:
    """``a daily pipeline … every day at 06:30``: the one that says more holds; two that differ are asked about."""
    parsed = plain("Create a daily pipeline that counts orders per clerk into a.b.c, run it every day at 06:30 UTC")
    assert parsed.draft.trigger is not None
    assert parsed.draft.trigger.model_dump()["cron"] == "0 30 6 * * ?"
    asked = {
        item.id for item in parse("Create a daily pipeline that counts orders into a.b.c, run it hourly").questions
    }
    assert "trigger:two" in asked


def test_distinct_beside_a_grouping_is_counted_or_shown() -> None:
    """``number of orders and distinct customers``: both are counted."""
    made = steps(plain("Number of orders and distinct customers per order priority into a.b.c"))
    assert [measure.expression for measure in made["aggregate"].measures] == [
        "count(o_orderkey)",
        "count(DISTINCT o_custkey)",
    ]
