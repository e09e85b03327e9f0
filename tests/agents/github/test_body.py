"""What stands in a pull request."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_magic.agents.github.body import LONGEST, pull_request_body
from pipeline_magic.compiler.impact import ColumnImpact, Impact
from pipeline_magic.compiler.pull_request import ColumnSources, PullRequestParts
from pipeline_magic.runs import (
    CheckResult,
    Finding,
    Option,
    QualityReport,
    Question,
    Reconciliation,
    SampleRun,
    StepRows,
    Waiver,
)
from pipeline_magic.spec.provenance import Clause, Origin, Provenance
from tests.support.trust import plan

EVIL = "<img src=x> @octocat [a](http://x.example) | `"


def body(**changes: Any) -> str:
    options: dict[str, Any] = {
        "digest": "abc123",
        "summary": ("Reads orders.", "Writes daily."),
        "provenance": Provenance(
            statements=("copy orders of customer Miller",),
            clauses=(Clause(id="c1", start=0, end=4, kind="unmatched"),),
            origins={
                "target.mode": Origin(kind="assumption", reason="Nothing was said.", alternatives=("append", "merge")),
                "name": Origin(kind="clause", clauses=("c1",)),
            },
        ),
        "questions": (
            Question(
                id="join:orders",
                text="Keep customers without orders?",
                options=(
                    Option(id="left", label="Yes, keep them", effect="1,500 rows"),
                    Option(id="inner", label="No"),
                ),
                default="left",
            ),
        ),
        "quality": QualityReport(
            checks=(
                CheckResult(expectation="auto_key", kind="unique", on="target", description="One row a customer",
                            action="fail", status="passed", rows=1500, failing=0),
                CheckResult(expectation="fresh", kind="freshness", on="orders", description="", action="warn",
                            status="failed", observed="newest commit 3 hours ago"),
            ),
            reconciliation=Reconciliation(
                steps=(StepRows(step="join_orders", kind="join", rows_in={"customer": 1500, "orders": 15000},
                                rows_out=15500, unmatched_left=500, widest_match=41),)
            ),
            sample_run=SampleRun(status="passed", rows=1500, repeatable=True),
            findings=(Finding(id="fresh", severity="amber", message="Orders are old."),),
            engine="Sail 0.7",
        ),
        **changes,
    }  # fmt: skip
    made = options.pop("plan", plan(verdict="amber", waivers=(Waiver(finding="loss", by="ada", reason="known"),)))
    return pull_request_body(made, **options)


def test_everything_a_reviewer_needs() -> None:
    """Assumptions, open questions with their defaults, checks, rows, findings, waivers, files, digest, the way back."""
    text = body()
    for part in (
        "- Reads orders\\.",
        "writes `analytics.default.daily` (overwrite)",
        "- `target.mode`: Nothing was said\\. Could also be: `append`, `merge`.",
        "Keep customers without orders? **Yes, keep them** (1,500 rows)",
        "- clause `c1`: to be confirmed",
        "Verdict: **🟠 amber**. Measured by Sail 0\\.7.",
        "Run before approval: passed, 1,500 rows, a second run gave the same.",
        "- 🟠 `fresh` Orders are old\\.",
        "- `loss` by `ada`: known",
        "| `auto_key` | `target` | One row a customer | fail | ✅ passed | 0 of 1,500 |",
        "| `fresh` | `orders` | freshness (newest commit 3 hours ago) | warn | ❌ failed |  |",
        "| `join_orders` | join | `customer` 1,500, `orders` 15,000 | 15,500 | 500 left without a partner, ",
        "up to 41 partners |",
        "- `pipelines/daily/daily.ipynb` (1 lines)",
        "Plan digest `abc123`, environment `default`, compiler `1`.",
        "Undo:",
    ):
        assert part in text, part
    assert text == body()


def test_statement_only_when_allowed() -> None:
    """The words of the statement are left out, unmatched ones too, unless they are given to be shown."""
    assert "Miller" not in body() and "copy" not in body()
    assert "## Asked for\n\ncopy orders of customer Miller" in body(statement="copy orders of customer Miller")


@pytest.mark.parametrize("where", ["summary", "assumption", "question", "finding", "check", "waiver", "sample"])
def test_hostile_text_everywhere(where: str) -> None:
    """Whatever comes from data, catalog or model is escaped in each of its places."""
    changes: dict[str, Any] = {
        "summary": {"summary": EVIL},
        "assumption": {
            "provenance": Provenance(origins={EVIL: Origin(kind="assumption", reason=EVIL, alternatives=(EVIL,))})
        },
        "question": {
            "questions": (Question(id="q", text=EVIL, options=(Option(id="o", label=EVIL, effect=EVIL),), default="o"),)
        },
        "finding": {"quality": QualityReport(findings=(Finding(id=EVIL, severity="red", message=EVIL),), engine=EVIL)},
        "check": {
            "quality": QualityReport(
                checks=(CheckResult(expectation=EVIL, kind=EVIL, on=EVIL, description=EVIL, action="warn",
                                    status="error", observed=EVIL),),
                reconciliation=Reconciliation(
                    steps=(StepRows(step=EVIL, kind=EVIL, rows_in={EVIL: 1}, rows_out=1, note=EVIL),)
                ),
            )
        },
        "waiver": {"plan": plan(waivers=(Waiver(finding=EVIL, by=EVIL, reason=EVIL),))},
        "sample": {"quality": QualityReport(sample_run=SampleRun(status="failed", message=EVIL))},
    }[where]  # fmt: skip
    text = body(**changes)
    # In code spans (double backticks here, the text holds one) everything is literal; elsewhere it is escaped.
    outside = "".join(part for number, part in enumerate(text.split("``")) if number % 2 == 0)
    assert "img src" in text
    assert "<img" not in outside.replace("\\<img", "") and "@octocat" not in outside and "](http" not in outside


def test_long_texts_are_bounded() -> None:
    """However much there is, the body fits the code host, and says what is left out."""
    checks = tuple(
        CheckResult(
            expectation=f"c{number}", kind="k", on="target", description="d" * 3000, action="warn", status="passed"
        )
        for number in range(500)
    )
    origins = {f"steps.s{number}.x": Origin(kind="assumption", reason="r" * 5000) for number in range(500)}
    text = body(quality=QualityReport(checks=checks), provenance=Provenance(origins=origins), summary="s" * 100_000)
    assert len(text) <= LONGEST + 2000
    assert "and 440 more" in text and "- and 460 more" in text


def test_what_the_compiler_says() -> None:
    """Differences, impact and lineage of the change stand in the body, escaped as all else."""
    parts = PullRequestParts(
        changes=(f"the step join is now {EVIL}",),
        impact=Impact(columns=(ColumnImpact(column="revenue", severity="breaking", reason="the column is gone"),)),
        lineage=(ColumnSources(column="n", sources=("a.b.c.d", "a.b.c.e")), ColumnSources(column="one")),
        picture='flowchart LR\n  n0[("a")]',
    )
    text = body(parts=parts)
    assert "## What changes" in text and "\\<img" in text
    assert "| `revenue` | breaking | the column is gone |" in text and "**breaking**" in text
    assert "| `n` | `a.b.c.d`, `a.b.c.e` |" in text and "| `one` | a literal |" in text
    assert "```mermaid\nflowchart LR\n" in text
    assert "## What changes" not in body() and "mermaid" not in body()
