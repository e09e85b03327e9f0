"""Readings of a join: measured on the data, asked where rows differ, watched by a check where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

import pytest

from pipeline_magic.agents.catalog import UnityCatalogAgent
from pipeline_magic.agents.catalog.index import CatalogIndex
from pipeline_magic.agents.specification import SpecificationParserAgent
from pipeline_magic.ports import Privileges
from pipeline_magic.runs import Answer, Parsed, Validated
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.schema import Column, ForeignKey, TableSchema
from tests.support.duck_engine import DuckCatalog, DuckEngine

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
RUN_TIME = NOW.isoformat()
STATEMENT = "Read orders and shops. Join them and give the total amount per region of the shops into c.s.out"


class Shelf(DuckCatalog):
    """A catalog in which everything may be read and written."""

    def has_catalog(self, name: str) -> bool:
        return True

    def has_schema(self, catalog: str, schema: str) -> bool:
        return True

    def privileges(self, tables: Sequence[str], target: str) -> Privileges:
        return Privileges()


def tables(engine: DuckEngine, orders: list[tuple[int, int | None, float]]) -> list[TableSchema]:
    """Two shops, and orders that point at them."""
    return [
        engine.create("c.s.orders", "order_id int, shop_id int, amount double", orders),
        engine.create("c.s.shops", "shop_id int, region string", [(1, "North"), (2, "South")]),
    ]


def validated(engine: DuckEngine, schemas: list[TableSchema], **given: object) -> tuple[Parsed, Validated]:
    """The statement, read and validated with the engine at hand."""
    parsed = SpecificationParserAgent().parse(STATEMENT, catalog=CatalogIndex(schemas), now=NOW)
    agent = UnityCatalogAgent(Shelf(*schemas), engine)
    return parsed, agent.validate(parsed, run_time=RUN_TIME, **given)  # type: ignore[arg-type]  # answers or edits


def test_readings_that_differ_are_asked_with_their_rows() -> None:
    """An order of an unknown shop: the inner join has a row less, and both counts are shown."""
    engine = DuckEngine()
    _, result = validated(engine, tables(engine, [(1, 1, 5.0), (2, 2, 6.0), (3, 9, 7.0)]))
    (question,) = [item for item in result.questions if item.id.startswith("join:")]
    assert {option.id: option.rows for option in question.options} == {"left": 3, "inner": 2}
    assert {option.id: option.effect for option in question.options} == {"left": "3 rows", "inner": "2 rows"}
    assert not question.must_answer


def test_an_answer_settles_the_question_and_is_kept() -> None:
    """The answer is applied, comes from the person, and the question is not asked again."""
    engine = DuckEngine()
    schemas = tables(engine, [(1, 1, 5.0), (2, 9, 7.0)])
    parsed, result = validated(engine, schemas)
    (question,) = [item for item in result.questions if item.id.startswith("join:")]
    agent = UnityCatalogAgent(Shelf(*schemas), engine)
    again = agent.validate(parsed, [Answer(question=question.id, value="left")], run_time=RUN_TIME)
    assert question.id not in {item.id for item in again.questions}
    assert again.provenance.origins[question.path].kind == "answer"
    assert again.spec is not None
    assert [step.how for step in again.spec.steps if step.kind == "join"] == ["left"]


def test_the_same_rows_today_are_watched_and_not_asked() -> None:
    """Every order has its shop today: an assumption that says so, and a check that turns red when one has not."""
    engine = DuckEngine()
    schemas = tables(engine, [(1, 1, 5.0), (2, 2, 6.0)])
    _, result = validated(engine, schemas)
    assert not [item for item in result.questions if item.id.startswith("join:")]
    assert result.spec is not None
    (check,) = [item for item in result.spec.expectations if item.kind == "referential"]
    assert (check.on, check.columns, check.to, check.to_columns) == ("orders", ("shop_id",), "shops", ("shop_id",))
    assert check.action == "warn" and check.automatic
    (join,) = [step for step in result.spec.steps if step.kind == "join"]
    origin = result.provenance.origins[f"steps.{join.id}.how"]
    assert origin.kind == "assumption" and check.id in origin.reason
    assert result.provenance.origins[f"expectations.{check.id}"].kind == "assumption"


def test_equal_counts_of_other_rows_are_asked() -> None:
    """The same number of rows with another total is no equality."""
    engine = DuckEngine()
    schemas = tables(engine, [(1, 1, 5.0), (2, 2, 6.0)])
    parsed = SpecificationParserAgent().parse(
        "Read orders and shops. Join them and give the total amount of all orders into c.s.out",
        catalog=CatalogIndex(schemas),
        now=NOW,
    )
    engine.execute("INSERT INTO c.s.orders VALUES (3, 9, 7.0)")
    result = UnityCatalogAgent(Shelf(*schemas), engine).validate(parsed, run_time=RUN_TIME)
    (question,) = [item for item in result.questions if item.id.startswith("join:")]
    assert {option.rows for option in question.options} == {1}


def test_the_check_can_be_switched_off() -> None:
    """A person's edit of the check holds."""
    engine = DuckEngine()
    schemas = tables(engine, [(1, 1, 5.0), (2, 2, 6.0)])
    _, first = validated(engine, schemas)
    assert first.spec is not None
    (check,) = [item for item in first.spec.expectations if item.kind == "referential"]
    _, result = validated(engine, schemas, edits=[Edit(path=f"expectations.{check.id}.enabled", value=False)])
    assert result.spec is not None
    (check,) = [item for item in result.spec.expectations if item.kind == "referential"]
    assert not check.enabled


@pytest.mark.parametrize(("nullable", "asked"), [(False, False), (True, True)])
def test_a_declared_constraint_is_proof(nullable: bool, asked: bool) -> None:
    """A foreign key that is never NULL makes the readings the same, and nothing is asked; a nullable one does not."""
    shops = TableSchema(
        table="c.s.shops",
        columns=(Column(name="shop_id", type="int", nullable=False), Column(name="region", type="string")),
        primary_key=("shop_id",),
    )
    orders = TableSchema(
        table="c.s.orders",
        columns=(
            Column(name="order_id", type="int", nullable=False),
            Column(name="shop_id", type="int", nullable=nullable),
            Column(name="amount", type="double"),
        ),
        primary_key=("order_id",),
        foreign_keys=(ForeignKey(columns=("shop_id",), to_table="c.s.shops", to_columns=("shop_id",)),),
    )
    parsed = SpecificationParserAgent().parse(STATEMENT, catalog=CatalogIndex([orders, shops]), now=NOW)
    assert bool([item for item in parsed.questions if item.id.startswith("join:")]) == asked
