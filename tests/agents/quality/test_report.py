"""The report: findings of checks, rows to look at."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from pipeline_magic.agents.quality.report import check_findings, preview_query, shown_row
from pipeline_magic.runs import CheckResult
from tests.support.duck_engine import DuckEngine
from tests.support.quality import NOW, aggregate, pipeline


def result(**given: Any) -> CheckResult:
    return CheckResult.model_validate(
        {
            "expectation": "e", "kind": "not_null", "on": "t", "description": "no NULL in k", "action": "fail",
            "status": "failed", "rows": 1000, "failing": 5, "observed": "5 of 1,000 rows hold a NULL there", **given,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        ({"action": "fail"}, "red"),
        ({"action": "warn"}, "amber"),
        ({"action": "drop", "failing": 9}, "info"),
        ({"action": "drop", "failing": 10}, "amber"),
        ({"action": "drop", "failing": 1000}, "red"),
        ({"action": "warn", "status": "error"}, "red"),
    ],
)
def test_severity_follows_the_action(given: dict[str, Any], severity: str) -> None:
    """A fail blocks, a warn is shown, a drop by how much it drops; what could not run blocks whatever its action."""
    [finding] = check_findings([result(**given)])
    assert (finding.id, finding.severity, finding.where) == ("check:e", severity, "expectations.e")


@pytest.mark.parametrize("status", ["passed", "off"])
def test_what_holds_is_no_finding(status: str) -> None:
    """Passed checks and those that are off are listed, not found."""
    assert check_findings([result(status=status)]) == ()


def test_messages_name_check_data_and_numbers() -> None:
    """What, where, how many."""
    [failed] = check_findings([result()])
    assert failed.message == "The check `e` on `t` (no NULL in k) fails: 5 of 1,000 rows hold a NULL there."
    [broken] = check_findings([result(status="error", observed="could not run: no such function")])
    assert broken.message == "The check `e` on `t` (no NULL in k) could not run: no such function"
    [dropped] = check_findings([result(action="drop")])
    assert dropped.message.startswith("5 of 1,000 rows (0.5 %) would be dropped by the check `e`")


def test_values_are_shown_as_text() -> None:
    """NULL stays NULL; numbers keep their digits; long text is cut."""
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    row = (None, True, Decimal("1E+2"), 1.5, date(2026, 1, 2), moment, ["a", None, Decimal("1.50")], b"\x01", "x" * 500)
    assert shown_row(row) == (
        None, "true", "100", "1.5", "2026-01-02", "2026-01-02 03:04:05+00:00", '["a", null, "1.50"]', "01",
        "x" * 199 + "…",
    )  # fmt: skip


def test_rows_to_look_at_are_in_the_order_of_the_key() -> None:
    """At most twenty, the same ones each time."""
    engine = DuckEngine()
    table = engine.create("shop.s.t", "`a``b` STRING, n INT", [(f"k{at % 50:02}", at) for at in range(199, 0, -1)])
    typed = pipeline({"t": table}, [aggregate("t", ["a`b"], total="sum(n)")])
    rows = engine.query(preview_query(typed, run_time=NOW)).rows
    assert [row[0] for row in rows] == [f"k{at:02}" for at in range(20)]
