"""The table of legal combinations: every refusal has its reason and its field."""

from __future__ import annotations

import itertools

from pipeline_magic.spec.legality import RULES, illegal, reason_against
from pipeline_magic.spec.model import Continuous, TableUpdate
from tests.support.compiled import GOLDEN, load_case

MODES = ("overwrite", "append", "merge", "scd1", "scd2")
TRIGGERS = ("schedule", "table_update", "continuous", "manual")


def test_the_table() -> None:
    """Of all combinations exactly these are illegal."""
    refused = {
        combination
        for combination in itertools.product(MODES, TRIGGERS, ("job", "declarative"), ("any", "local", "databricks"))
        if reason_against(*combination)
    }
    expected = set(itertools.product(MODES, TRIGGERS, ("declarative",), ("local",)))
    expected |= {("merge", trigger, "declarative", engine) for trigger in TRIGGERS for engine in ("any", "databricks")}
    expected |= {("overwrite", "continuous", "job", engine) for engine in ("any", "local", "databricks")}
    assert refused == expected
    assert all(rule.reason and rule.path for rule in RULES)


def test_watermark_needs_a_mode_that_keeps_rows() -> None:
    """A watermark with overwrite or scd2 is refused at the source."""
    spec = load_case(GOLDEN / "mode_append_watermark").spec
    assert illegal(spec) == ()
    target = spec.target.model_copy(update={"mode": "overwrite"})
    assert [path for path, _ in illegal(spec.model_copy(update={"target": target}))] == ["sources.orders.watermark"]


def test_continuous_overwrite_is_refused() -> None:
    """A job that starts again at once must not rewrite its table every time."""
    spec = load_case(GOLDEN / "source_only").spec.model_copy(update={"trigger": Continuous()})
    assert [path for path, _ in illegal(spec)] == ["trigger"]


def test_no_table_reads_as_a_reference() -> None:
    """A table whose name a job or a bundle would replace by something else is refused, wherever it is named."""
    spec = load_case(GOLDEN / "expect_drop_target_quarantine").spec
    assert illegal(spec) == ()
    source, check = spec.sources[0], next(item for item in spec.expectations if item.quarantine)
    for name in ("a.b.`${var.x}`", "a.`{{job.id}}`.c"):
        made = spec.model_copy(
            update={
                "sources": (source.model_copy(update={"table": name}),),
                "target": spec.target.model_copy(update={"table": name}),
                "expectations": (check.model_copy(update={"quarantine": name}),),
                "trigger": TableUpdate(tables=(name,)),
            }
        )
        assert [path for path, _ in illegal(made)] == [
            f"sources.{source.alias}.table", "target.table", f"expectations.{check.id}.quarantine", "trigger.tables",
        ]  # fmt: skip
