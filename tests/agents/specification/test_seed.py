"""The seed's statement becomes exactly the defaults that the project promises."""

from datetime import datetime, timezone
from pathlib import Path

from pipeline_magic.adapters.samples import SAMPLES
from pipeline_magic.agents.catalog.index import CatalogIndex
from pipeline_magic.agents.specification import SpecificationParserAgent
from pipeline_magic.runs import Parsed
from pipeline_magic.spec.paths import apply_edits, complete
from pipeline_magic.spec.schema import Column, TableSchema

STATEMENTS = Path(__file__).parents[3] / "examples" / "statements"
NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


def parse(name: str) -> Parsed:
    statement = (STATEMENTS / f"{name}.txt").read_text()
    return SpecificationParserAgent().parse(statement, catalog=CatalogIndex(SAMPLES), now=NOW)


def test_seed_steps():
    """One row a customer, left join to orders, revenue with count and average, the top 20 % by revenue."""
    draft = parse("seed").draft
    join, metrics, segment = draft.steps
    assert (join.id, join.left, join.right, join.how) == ("join_orders", "customer", "orders", "left")
    assert [(key.left, key.right) for key in join.keys] == [("c_custkey", "o_custkey")]
    assert metrics.group_by == ("c_custkey",)
    assert {m.name: m.expression for m in metrics.measures} == {
        "c_name": "max(c_name)",
        "c_mktsegment": "max(c_mktsegment)",
        "revenue": "sum(o_totalprice)",
        "order_count": "count(o_orderkey)",
        "average_order_value": "avg(o_totalprice)",
    }
    assert (segment.id, segment.column, segment.by, segment.otherwise) == (
        "segment_customers",
        "customer_segment",
        "revenue",
        "standard",
    )
    assert [(rule.label, rule.top) for rule in segment.rules] == [("high_value", 0.2)]


def test_seed_target_and_trigger():
    """The target is analytics.default.customer_revenue, overwritten daily at 06:00 UTC, as a job."""
    draft = parse("seed").draft
    assert draft.target.table == "analytics.default.customer_revenue"
    assert draft.target.mode == "overwrite"
    assert draft.trigger is not None and draft.trigger.model_dump() == {
        "kind": "schedule",
        "cron": "0 0 6 * * ?",
        "timezone": "UTC",
    }
    assert draft.deployment == "job"


def test_seed_questions():
    """Join, threshold and target name are asked, each with a default whose edit changes nothing."""
    parsed = parse("seed")
    assert [question.id for question in parsed.questions] == ["join:orders", "threshold:high_value", "target:table"]
    for question in parsed.questions:
        assert not question.must_answer
        default = next(option for option in question.options if option.id == question.default)
        assert apply_edits(parsed.draft, default.edits) == parsed.draft
        for option in question.options:
            complete(apply_edits(parsed.draft, option.edits))


def test_seed_clauses():
    """Every clause is understood, and quality is matched as a check."""
    provenance = parse("seed").provenance
    assert not provenance.unmatched
    kinds = {provenance.text(clause): clause.kind for clause in provenance.clauses}
    assert kinds["4. Validates data quality"] == "check"
    assert kinds["5. Outputs to analytics catalog"] == "target"
    assert "the hour" in provenance.origins["trigger.cron"].reason


def test_tables_of_other_pipelines_do_not_change_the_reading():
    """What other pipelines wrote elsewhere, with columns called revenue and keys that join, changes no field."""
    columns = (Column(name="r_regionkey", type="bigint"), Column(name="revenue", type="decimal(28,2)"))
    beside = TableSchema(table="analytics.sales.region_revenue", columns=columns)
    customers = (Column(name="c_custkey", type="bigint"), Column(name="order_count", type="bigint"))
    active = TableSchema(table="analytics.sales.active_customers", columns=customers)
    index = CatalogIndex((*SAMPLES, beside, active))
    statement = (STATEMENTS / "seed.txt").read_text()
    assert SpecificationParserAgent().parse(statement, catalog=index, now=NOW).draft == parse("seed").draft
