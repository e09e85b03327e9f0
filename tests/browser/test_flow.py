"""The main job in JupyterLab: type the cell, edit a field, generate, approve; then look at what is really there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from pipeline_magic.demo import STATEMENT
from tests.support.lab import Lab, notebook

pytestmark = [pytest.mark.browser, pytest.mark.engine]

PANEL = ".jp-Cell-outputArea .pm-panel"


@pytest.fixture(scope="module")
def home(lab: Lab) -> Path:
    return lab.folder / "pipeline_magic"


def test_statement_to_deployed_table(lab: Lab, home: Path, tmp_path: Path) -> None:
    """The cell's panel takes an edit, Generate and Approve; branch, audit and rows are then as they must be."""
    lab.open(
        lab.write("flow.ipynb", notebook("%load_ext pipeline_magic", "%%pipeline\n" + STATEMENT, "%pipeline audit"))
    )
    lab.run_cell(0)
    lab.run_cell(1, timeout=120)
    lab.wait(PANEL)
    lab.wait_text(".pm-stage-validate", "done")
    for question in ("join-orders", "threshold-high_value", "target-table"):
        lab.wait(f".pm-question-{question}")

    lab.tab("Spec")
    lab.fill(".pm-field-target-comment", "Revenue of each customer")
    lab.click(".pm-generate")
    lab.wait_text(".pm-stage-pull_request", "done", timeout=120)
    lab.tab("Notebook")
    lab.wait("text=Revenue of each customer", state="attached")
    lab.tab("Quality")
    lab.wait("text=500 of 1,500 rows of customer")

    lab.tab("Approval")
    lab.click(".pm-approve")
    lab.wait_text(".pm-stage-approval", "1,500 rows", timeout=120)
    lab.picture(lab.folder / "approved.png")
    lab.run_cell(2)
    said = lab.output(2)
    for event in ("spec.edit", "approval.approve", "pull_request.merge", "job.run"):
        assert event in said, said
    assert not [line for line in lab.errors() if "pipeline_magic" in line]

    merged = subprocess.run(
        ["git", "-C", str(home / "repo.git"), "log", "--merges", "--format=%s", "main"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(merged.stdout.splitlines()) == 1 and "customer_revenue" in merged.stdout
    target = DeltaTable(str(home / "lakehouse/analytics/default/customer_revenue"))
    duckdb.register("target", target.to_pyarrow_table())
    lake = home / "lakehouse/samples/tpch"
    wanted = duckdb.sql(
        f"""SELECT c_custkey, sum(o_totalprice) AS revenue, count(o_orderkey) AS order_count
            FROM read_parquet('{lake}/customer/*.parquet') LEFT JOIN read_parquet('{lake}/orders/*.parquet')
            ON o_custkey = c_custkey GROUP BY 1 ORDER BY 1"""
    ).fetchall()
    found = duckdb.sql("SELECT c_custkey, revenue, order_count FROM target ORDER BY 1").fetchall()
    assert found == wanted and len(found) == 1500
    segments = duckdb.sql("SELECT customer_segment, count(*) FROM target GROUP BY 1 ORDER BY 1").fetchall()
    assert segments == [("high_value", 300), ("standard", 1200)]


def test_the_same_cell_again_says_nothing_changed(lab: Lab) -> None:
    """Running the cell a second time recomputes nothing, and the panel shows the deployed run."""
    lab.run_cell(1, timeout=60)
    lab.wait_text(PANEL, "unchanged", timeout=60)
    lab.wait_text(PANEL, "othing changed", timeout=60)


def test_a_wrong_edit_marks_its_field(lab: Lab) -> None:
    """An edit that cannot be is said at its field, without a traceback; the plan is still there."""
    lab.tab("Spec")
    lab.fill(".pm-field-target-table", "not a table")
    lab.click(".pm-apply")
    lab.wait("text=catalog.schema.table")
    assert "Traceback" not in lab.output(1)


def test_review_rebuilds_the_panel_after_a_restart(lab: Lab) -> None:
    """After a kernel restart `%pipeline review` shows the same run from the store."""
    lab.restart_kernel()
    lab.set_cell(2, "%load_ext pipeline_magic\n%pipeline review")
    lab.run_cell(2)
    lab.wait_text(".jp-Cell:nth-child(3) .pm-panel, .pm-panel", "customer_revenue", timeout=60)
    assert "Traceback" not in lab.output(2)


def test_an_error_shows_no_traceback(lab: Lab) -> None:
    """An empty statement and an unknown verb are said in a sentence."""
    lab.set_cell(2, "%%pipeline\n   ")
    lab.run_cell(2)
    assert "StatementError: The statement is empty." in lab.output(2)
    assert "Traceback" not in lab.output(2)
    lab.set_cell(2, "%pipeline dance")
    lab.run_cell(2)
    assert "There is no verb `dance`" in lab.output(2)
