"""Readings of missing values, zones, states, keys and repeated rows: measured by the local engine on Delta tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.adapters.sail_engine import SailEngine
from pipeline_magic.agents.catalog import UnityCatalogAgent
from pipeline_magic.agents.catalog.index import CatalogIndex
from pipeline_magic.agents.specification import SpecificationParserAgent
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.errors import SpecError
from pipeline_magic.runs import Answer, Question, Validated
from tests.support.local import engine_at, lakehouse_of

pytestmark = pytest.mark.engine

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
RUN_TIME = NOW.isoformat()
ORDERS = [  # order, shop, status, region, amount, moment
    (1, 1, "completed", "North", "10.00", "2026-11-20T03:00"),
    (2, 1, "Completed", "North", None, "2026-11-20T12:00"),
    (3, 2, "cancelled", None, "5.00", "2026-11-21T02:00"),
    (4, 2, None, "South", "8.00", "2026-11-21T12:00"),
    (5, 2, "completed", "South", "7.00", "2026-11-21T23:00"),
]
SHOPS = [(1, "Ada", "a@x", "A", 100.0, 1), (2, "Bob", "b@x", "I", 50.0, 2), (3, "Bo", "b@x", "A", 20.0, 3)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SailEngine]:
    """Orders in which each kind of thing goes wrong once; the same without any of it beside them."""
    home = tmp_path_factory.mktemp("readings") / "home"
    lakehouse = Lakehouse(home, sample_scale=0.001)
    _write(lakehouse, "shop.raw", ORDERS)
    clean = [(number, shop, "completed", "North", "10.00", "2026-11-20T12:00") for number, shop, *_ in ORDERS]
    _write(lakehouse, "shop.clean", clean)
    with engine_at(home) as made:
        yield made


def _write(lakehouse: Lakehouse, schema: str, orders: Sequence[tuple[Any, ...]]) -> None:
    import pyarrow as pa
    from deltalake import write_deltalake

    number, shop, status, region, amount, moment = ([*column] for column in zip(*orders, strict=True))
    moments = [datetime.fromisoformat(text).replace(tzinfo=timezone.utc) for text in moment]
    tables = {
        "orders": {
            "order_id": pa.array(number, pa.int64()),
            "shop_id": pa.array(shop, pa.int64()),
            "status": pa.array(status, pa.string()),
            "region": pa.array(region, pa.string()),
            "amount": pa.array([text and Decimal(text) for text in amount], pa.decimal128(12, 2)),
            "ordered_at": pa.array(moments, pa.timestamp("us", "UTC")),
        },
        "shops": {
            "shop_id": pa.array([row[0] for row in SHOPS], pa.int64()),
            "name": pa.array([row[1] for row in SHOPS], pa.string()),
            "email": pa.array([row[2] for row in SHOPS], pa.string()),
            "state": pa.array([row[3] for row in SHOPS], pa.string()),
            "balance": pa.array([row[4] for row in SHOPS], pa.float64()),
            "version_no": pa.array([row[5] for row in SHOPS], pa.int64()),
            "updated_at": pa.array([NOW] * 3, pa.timestamp("us", "UTC")),
        },
    }
    for name, columns in tables.items():
        write_deltalake(str(lakehouse.folder(f"{schema}.{name}")), pa.table(columns))


def validated(engine: SailEngine, text: str, *, schema: str = "shop.raw", zone: str = "", **answers: str) -> Validated:
    lakehouse = lakehouse_of(engine)
    tables = [lakehouse.table(f"{schema}.{name}") for name in ("orders", "shops")]
    given = {key.replace("__", ":"): value for key, value in answers.items()}
    parsed = SpecificationParserAgent().parse(text, catalog=CatalogIndex(tables), now=NOW, answers=given)
    agent = UnityCatalogAgent(lakehouse, engine, place="local", zone=zone)
    made = [Answer(question=question, value=value) for question, value in given.items()]
    return agent.validate(parsed, made, run_time=RUN_TIME)


def asked(result: Validated, kind: str) -> Question:
    (question,) = [question for question in result.questions if question.id.startswith(kind)]
    return question


def effects(question: Question) -> dict[str, str]:
    return {option.id: option.effect for option in question.options}


def rows(engine: SailEngine, result: Validated) -> set[tuple[Any, ...]]:
    assert result.typed is not None, result.problems
    found = engine.query(target_query(result.typed, run_time=RUN_TIME)).rows
    return {tuple(float(item) if isinstance(item, Decimal) else item for item in row) for row in found}


def averages(engine: SailEngine, result: Validated) -> list[float]:
    """The last column, to three digits."""
    return sorted(round(row[-1], 3) for row in rows(engine, result))


def watches(result: Validated) -> dict[str, tuple[str, str]]:
    """Checks that watch readings: their node and what they are over."""
    assert result.spec is not None, result.problems
    return {
        check.id: (check.on, str(getattr(check, "columns", "") or getattr(check, "condition", "")))
        for check in result.spec.expectations
        if check.id.startswith("auto_readings_")
    }


AVERAGE = "Average amount per shop id from the orders table into analytics.x.out"


def test_a_missing_amount(engine: SailEngine) -> None:
    """An average over a column with a NULL is asked; each answer gives the rows that its words say."""
    first = validated(engine, AVERAGE)
    question = asked(first, "nulls:orders.amount")
    assert effects(question) == {"left_out": "2 rows", "zero": "2 rows, 1 of them different"}
    assert not question.must_answer
    assert averages(engine, first) == [6.667, 10.0]
    zero = validated(engine, AVERAGE, **{question.id.replace(":", "__"): "zero"})
    assert averages(engine, zero) == [5.0, 6.667]
    assert question.id not in {item.id for item in zero.questions}
    assert zero.provenance.origins["steps.fill_amount"].kind == "answer"
    left = validated(engine, AVERAGE, **{question.id.replace(":", "__"): "left_out"})
    assert rows(engine, left) == rows(engine, first)
    assert question.id not in {item.id for item in left.questions}


def test_no_missing_amount_today(engine: SailEngine) -> None:
    """Without a NULL it is assumed, and a check on the column says so and would tell."""
    result = validated(engine, AVERAGE, schema="shop.clean")
    assert not [question for question in result.questions if question.id.startswith("nulls:")]
    assert watches(result)["auto_readings_orders_not_null"] == ("orders", "('amount',)")
    origin = result.provenance.origins["expectations.auto_readings_orders_not_null"]
    assert origin.kind == "assumption" and "a missing amount is left out of average_amount" in origin.reason
    assert origin.alternatives == ("As 0",)


BY_REGION = "Count the orders per region into analytics.x.out"


def test_rows_without_a_group(engine: SailEngine) -> None:
    """Rows without a region: a group of their own, left out, or named; the key's check yields to the first."""
    first = validated(engine, BY_REGION)
    question = asked(first, "nulls:by:region")
    assert effects(question) == {
        "own_group": "3 rows", "left_out": "2 rows", "unknown": "3 rows, 1 of them different",
    }  # fmt: skip
    assert rows(engine, first) == {("North", 2), (None, 1), ("South", 2)}

    def check(result: Validated) -> str:
        assert result.spec is not None
        return next(item.action for item in result.spec.expectations if item.id == "auto_target_key_not_null")

    assert check(first) == "fail"
    identity = question.id.replace(":", "__")
    out = validated(engine, BY_REGION, **{identity: "left_out"})
    assert rows(engine, out) == {("North", 2), ("South", 2)} and check(out) == "fail"
    named = validated(engine, BY_REGION, **{identity: "unknown"})
    assert rows(engine, named) == {("North", 2), ("unknown", 1), ("South", 2)} and check(named) == "fail"
    kept = validated(engine, BY_REGION, **{identity: "own_group"})
    assert rows(engine, kept) == rows(engine, first) and check(kept) == "warn"


NEGATED = "Count the orders whose order status is not 'cancelled' into analytics.x.out"


def test_a_negated_condition(engine: SailEngine) -> None:
    """`not cancelled` says nothing of rows without a status: kept or left out are both measured."""
    first = validated(engine, NEGATED)
    question = asked(first, "nulls:not:")
    assert question.default == "left_out"
    assert rows(engine, first) == {(3,)}
    kept = validated(engine, NEGATED, **{question.id.replace(":", "__"): "kept"})
    assert rows(engine, kept) == {(4,)}
    assert question.id not in {item.id for item in kept.questions}
    clean = validated(engine, NEGATED, schema="shop.clean")
    assert not [item for item in clean.questions if item.id.startswith("nulls:")]
    assert "('status',)" in {columns for _, columns in watches(clean).values()}


PER_DAY = "Count the orders per day into analytics.x.out"


def test_days_of_another_zone(engine: SailEngine) -> None:
    """A schedule in Los Angeles: near midnight rows fall on another day, and the days are counted both ways."""
    text = f"{PER_DAY} daily at 6 Pacific"
    first = validated(engine, text)
    question = asked(first, "zone:days")
    assert effects(question) == {"utc": "2 rows", "America/Los_Angeles": "3 rows"}
    assert "America/Los_Angeles" in question.why
    local = validated(engine, text, zone__days="America/Los_Angeles")
    by_day = {str(row[0]): row[1] for row in rows(engine, local)}
    assert by_day == {"2026-11-19": 1, "2026-11-20": 2, "2026-11-21": 2}
    assert "zone:days" not in {item.id for item in local.questions}


def test_the_same_days_today(engine: SailEngine) -> None:
    """Orders at noon alone: nothing is asked, and a check tells when a moment falls on another day there."""
    result = validated(engine, f"{PER_DAY} daily at 6 Pacific", schema="shop.clean")
    assert "zone:days" not in {item.id for item in result.questions}
    node, condition = watches(result)["auto_readings_orders_ordered_at_same_day"]
    assert node == "orders" and "from_utc_timestamp(ordered_at, 'America/Los_Angeles')" in condition


def test_an_answered_zone_holds_elsewhere(engine: SailEngine) -> None:
    """A zone that was answered on one machine stands on another, whose clock is set otherwise."""
    there = validated(engine, PER_DAY, zone="Asia/Tokyo", zone__days="Asia/Tokyo")
    here = validated(engine, PER_DAY, zone="", zone__days="Asia/Tokyo")
    assert rows(engine, there) == rows(engine, here) and len(rows(engine, here)) == 3
    with pytest.raises(SpecError):
        validated(engine, f"{PER_DAY} daily at 6 Pacific", zone__days="Nowhere/At all")


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        (PER_DAY, "", False),
        (PER_DAY, "Asia/Tokyo", True),
        (f"{PER_DAY} daily at 6 UTC", "Asia/Tokyo", False),
        ("Count the orders of the last 2 days into analytics.x.out", "Asia/Tokyo", True),
        ("Count the orders per region into analytics.x.out", "Asia/Tokyo", False),
    ],
)
def test_whose_zone(engine: SailEngine, text: str, zone: str, expected: bool) -> None:
    """The schedule's zone goes before that of who reads; there is no reading where no day is cut."""
    result = validated(engine, text, zone=zone)
    watched = any("same_day" in identity for identity in watches(result))
    assert (bool([item for item in result.questions if item.id == "zone:days"]) or watched) == expected


COMPLETED = "completed/shop.raw.orders/is:status:completed|Completed"


def test_words_that_a_value_says(engine: SailEngine) -> None:
    """`completed orders` was not understood: the status that says it is offered in all its spellings, and measured."""
    text = "Average amount per shop id of completed orders into analytics.x.out"
    first = validated(engine, text)
    question = asked(first, "words:")
    assert question.must_answer
    assert effects(question)[COMPLETED] == "2 rows"
    settled = validated(engine, text, **{question.id.replace(":", "__"): COMPLETED})
    assert averages(engine, settled) == [7.0, 10.0]
    assert not settled.provenance.unmatched and not [q for q in settled.questions if q.must_answer]


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("Count the active shops into analytics.x.out", "active/shop.raw.shops/is:state:A", {(2,)}),
        ("Count the orders per region excluding cancelled into analytics.x.out",
         "cancelled/shop.raw.orders/is:status:cancelled", {("North", 2), ("South", 2)}),
        ("Total balance of the active shops into analytics.x.out", "active/shop.raw.shops/is:state:A", {(120.0,)}),
    ],
)  # fmt: skip
def test_an_answer_about_a_word_reads_the_whole_sentence(
    engine: SailEngine, text: str, answer: str, expected: set[tuple[Any, ...]]
) -> None:
    """The statement is read again with what the word means, so that the words around it are heard too."""
    question = asked(validated(engine, text), "words:")
    assert answer in {option.id for option in question.options}
    settled = validated(engine, text, **{question.id.replace(":", "__"): answer})
    assert rows(engine, settled) == expected
    assert not settled.provenance.unmatched


def test_hostile_answers_about_a_word(engine: SailEngine) -> None:
    """An answer that names no column of a table that is read is refused; a value stays a value."""
    text = "Count the active shops into analytics.x.out"
    identity = asked(validated(engine, text), "words:").id.replace(":", "__")
    for hostile in (
        "active/shop.raw.shops/is:nosuch:A", "active/elsewhere/is:state:A", "active/shop.raw.shops/is:state:",
        "x' OR 1=1", "active/shop.raw.shops", "other/shop.raw.shops/is:state:A",
    ):  # fmt: skip
        with pytest.raises(SpecError):
            validated(engine, text, **{identity: hostile})
    quoted = validated(engine, text, **{identity: "active/shop.raw.shops/is:state:A' OR '1'='1"})
    assert rows(engine, quoted) == {(0,)}


def test_another_spelling(engine: SailEngine) -> None:
    """A condition on one spelling where the data have two is asked; where they have one it is watched."""
    text = "Count the orders whose status is 'completed' into analytics.x.out"
    first = validated(engine, text)
    question = asked(first, "status:")
    assert effects(question)["orders/is:status:completed|Completed"] == "1 row, 1 of them different"
    both = validated(engine, text, **{question.id.replace(":", "__"): "orders/is:status:completed|Completed"})
    assert (rows(engine, first), rows(engine, both)) == ({(2,)}, {(3,)})
    clean = validated(engine, text, schema="shop.clean")
    assert not [item for item in clean.questions if item.id.startswith("status:")]
    assert "auto_readings_orders_status_spelling" in watches(clean)


BALANCE = "Join shops with orders, total balance per region of the orders, total amount into analytics.x.out"


def test_rows_that_a_join_repeats(engine: SailEngine) -> None:
    """A balance is counted once a shop unless a person says otherwise; both totals are what a hand would add up."""
    first = validated(engine, BALANCE)
    question = asked(first, "grain:total_balance")
    assert question.default == "once" and not question.must_answer
    assert "different" in effects(question)["as_joined"]
    joined = validated(engine, BALANCE, grain__total_balance="as_joined")
    assert {(row[0], row[1]) for row in rows(engine, first)} >= {("North", 100.0), ("South", 50.0)}
    assert {(row[0], row[1]) for row in rows(engine, joined)} >= {("North", 200.0), ("South", 100.0)}
    origin = first.provenance.origins["steps.metrics.measures.total_balance.expression"]
    assert origin.kind == "assumption" and "counts once" in origin.reason
    once = validated(engine, BALANCE, grain__total_balance="once")
    assert rows(engine, once) == rows(engine, first)


def test_a_join_that_repeats_nothing(engine: SailEngine) -> None:
    """Orders joined with shops: no key is declared, each shop is there once today, and a check tells when not."""
    text = "Join orders with shops and total the amount per name of the shop into analytics.x.out"
    result = validated(engine, text)
    assert not [item for item in result.questions if item.id.startswith("grain:")]
    assert watches(result)["auto_readings_shops_shop_id_once"] == ("shops", "('shop_id',)")


def test_what_makes_a_duplicate(engine: SailEngine) -> None:
    """Shops without duplicates, and no key named: each key that may be meant with the rows it leaves."""
    text = "Deduplicate the shops into analytics.x.out"
    question = asked(validated(engine, text), "dedup:key")
    found = effects(question)
    assert (found["shop_id"], found["email"], found["name"]) == ("3 rows", "2 rows", "3 rows")
    email = validated(engine, text, dedup__key="email")
    assert email.typed is not None and len(rows(engine, email)) == 2


def test_which_duplicate_stays(engine: SailEngine) -> None:
    """The row that was changed last stays; where no key is there twice, nothing is asked and the key is watched."""
    twice = validated(engine, "Deduplicate the shops by email into analytics.x.out")
    assert twice.spec is not None and twice.typed is not None
    (step,) = twice.spec.steps
    assert step.kind == "deduplicate" and step.order_by[0].column == "updated_at"
    once = validated(engine, "Deduplicate the shops by name into analytics.x.out")
    assert not [item for item in once.questions if item.id.startswith("dedup:")]


def test_few_questions(engine: SailEngine) -> None:
    """However much is open, a person is asked at most four of these, once each; the rest is said."""
    text = (
        "Average amount and total balance per region and per day of orders joined with shops, whose status is not "
        "'cancelled', into analytics.x.out daily at 6 Pacific"
    )
    result = validated(engine, text)
    ids = [question.id for question in result.questions]
    readings = [each for each in ids if each.split(":")[0] in {"nulls", "zone", "status"}]
    assert len(ids) == len(set(ids)) and len(readings) <= 4
