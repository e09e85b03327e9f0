"""Conversation: a pipeline changed in words is a new run with the change, and the earlier one is superseded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from pipeline_magic.cli import main
from pipeline_magic.compiler.diff import diff_specs
from pipeline_magic.demo import STATEMENT
from pipeline_magic.errors import NotFound, SpecError, StatementError
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import Snapshot
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.paths import Edit


@pytest.fixture(scope="module")
def orchestrator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PipelineBuilderOrchestrator]:
    home: Path = tmp_path_factory.mktemp("home")
    made = PipelineBuilderOrchestrator({"home": home, "local": True, "measure_questions": False, "sample_scale": 0.001})
    yield made
    made.close()


def spec_of(snapshot: Snapshot) -> PipelineSpec:
    assert snapshot.validated is not None and snapshot.validated.spec is not None
    return snapshot.validated.spec


def test_a_change_in_words(orchestrator: PipelineBuilderOrchestrator) -> None:
    """The new run differs by what was said, knows the words, is found by statement and name; the old is superseded."""
    first = orchestrator.start(STATEMENT, new=True)
    name = first.run.name
    made = orchestrator.open_change(name, "make it weekly on Monday at 7; drop the segment")
    second = orchestrator.resume(made.id)
    changes = diff_specs(spec_of(first), spec_of(second))
    assert {change.path.split(".")[0] for change in changes} <= {"trigger", "steps", "target", "expectations"}
    assert [step.id for step in spec_of(second).steps] == [
        step.id for step in spec_of(first).steps if step.kind != "segment"
    ]
    assert spec_of(second).sources == spec_of(first).sources
    assert second.run.state == "awaiting_input"
    assert second.run.statement == first.run.statement
    assert orchestrator.snapshot(first.run.id).run.state == "superseded"
    assert orchestrator.open(STATEMENT).id == second.run.id
    assert orchestrator.ports.store.runs(name=name, limit=1)[0].id == second.run.id
    assert second.validated is not None
    provenance = second.validated.provenance
    origin = provenance.origins["trigger"]
    assert origin.kind == "clause"
    (clause,) = [clause for clause in provenance.clauses if clause.id in origin.clauses]
    assert provenance.text(clause) == "make it weekly on Monday at 7"
    assert provenance.statements[0] == first.run.statement
    entries = orchestrator.ports.store.audit(second.run.id)
    assert [entry.event for entry in entries] == ["spec.edit"]
    assert "drop the segment" in str(entries[0].detail)

    third = orchestrator.resume(orchestrator.open_change(second.run.id, "use an inner join").id)
    (change,) = diff_specs(spec_of(second), spec_of(third))
    assert change.path.startswith("steps.")
    again = orchestrator.start(STATEMENT)
    assert again.run.id == third.run.id
    assert spec_of(again) == spec_of(third)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("make it shiny", StatementError),
        ("make it weekly and make it shiny", StatementError),
        ("", StatementError),
        ("write to `a`b`.c", StatementError),
        ("write to samples.tpch.orders", SpecError),
    ],
)
def test_a_change_that_does_not_fit(
    orchestrator: PipelineBuilderOrchestrator, words: str, error: type[Exception]
) -> None:
    """It is refused as a whole: no new run, and the old one is as it was."""
    first = orchestrator.start(STATEMENT)
    with pytest.raises(error):
        orchestrator.open_change(first.run.id, words)
    assert orchestrator.runs(limit=1)[0].id == first.run.id
    assert orchestrator.snapshot(first.run.id).run.state == first.run.state


@pytest.mark.engine
def test_a_changed_pipeline_is_planned(orchestrator: PipelineBuilderOrchestrator) -> None:
    """`edit_pipeline` goes on to a plan of its own, and the plan of the earlier run can no longer be approved."""
    orchestrator.start(STATEMENT, new=True)
    built = orchestrator.build_pipeline(STATEMENT)
    edited = orchestrator.edit_pipeline(built.run_id, "write to analytics.gold.elsewhere")
    assert edited.run_id != built.run_id
    assert edited.snapshot.run.state == "planned"
    assert edited.approval_id and edited.approval_id != built.approval_id
    assert spec_of(edited.snapshot).target.table == "analytics.gold.elsewhere"
    assert orchestrator.ports.store.approval(built.approval_id).state == "void"


def test_a_pipeline_that_is_not_there(orchestrator: PipelineBuilderOrchestrator) -> None:
    """A name nobody knows is said."""
    with pytest.raises(NotFound, match="no_such_pipeline"):
        orchestrator.open_change("no_such_pipeline", "make it weekly")


EXAMPLE = "also add region, only 1997 on"


def by_hand(home: Path, query: str) -> list[tuple[Any, ...]]:
    """Rows of a query over the Parquet files of the samples, in an engine that shares nothing with ours."""
    import duckdb

    connection = duckdb.connect()
    for folder in sorted((home / "lakehouse" / "samples" / "tpch").glob("*")):
        if (folder / "_delta_log").is_dir():
            connection.execute(f"CREATE VIEW {folder.name} AS SELECT * FROM read_parquet('{folder}/*.parquet')")
    return connection.execute(query).fetchall()


def target_rows(home: Path, columns: str) -> list[tuple[Any, ...]]:
    """Rows of the deployed Delta table, read without our engine."""
    import duckdb
    from deltalake import DeltaTable

    target = DeltaTable(str(home / "lakehouse" / "analytics" / "default" / "customer_revenue")).to_pyarrow_table()
    return duckdb.connect().from_arrow(target).project(columns).fetchall()


@pytest.mark.engine
def test_the_example_of_a_conversation(tmp_path: Path) -> None:
    """Region and 1997, on what is deployed: every customer stays, those without such orders with none, as by hand.

    The condition stands on the orders as they are read, before the left join, so no customer is lost by it.
    """
    home = tmp_path / "home"
    orchestrator = PipelineBuilderOrchestrator(home=home, local=True, sample_scale=0.001)
    try:
        built = orchestrator.build_pipeline(STATEMENT)
        orchestrator.approve_pipeline(built.approval_id, "John Doe", "Looks good!")
        edited = orchestrator.edit_pipeline("customer_revenue", EXAMPLE)
        assert edited.approval_id, edited.snapshot.run.message
        done = orchestrator.approve_pipeline(edited.approval_id, "John Doe", "Looks good!").snapshot
        assert done.deployment is not None and done.deployment.state == "deployed"
    finally:
        orchestrator.close()
    changed = by_hand(
        home,
        """
        SELECT c_custkey, r_name, sum(o_totalprice), count(o_orderkey)
        FROM customer JOIN nation ON n_nationkey = c_nationkey JOIN region ON r_regionkey = n_regionkey
          LEFT JOIN orders ON o_custkey = c_custkey AND o_orderdate >= DATE '1997-01-01'
        GROUP BY c_custkey, r_name
        """,
    )
    found = target_rows(home, "c_custkey, region, revenue, order_count")
    assert sorted(found) == sorted(changed)
    assert len(found) == by_hand(home, "SELECT count(*) FROM customer")[0][0]
    assert {row[1] for row in found} == {"AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"}
    ordered = by_hand(home, "SELECT count(DISTINCT o_custkey) FROM orders WHERE o_orderdate >= DATE '1997-01-01'")
    assert sum(row[3] > 0 for row in found) == ordered[0][0] < len(found)
    assert all(row[2] is None for row in found if row[3] == 0)
    assert all(isinstance(row[2], Decimal) for row in found if row[3])


def test_what_changes_is_said(orchestrator: PipelineBuilderOrchestrator) -> None:
    """Each difference is a sentence, checks that merely follow are not; a run of its own changes nothing."""
    first = orchestrator.start(STATEMENT, new=True)
    assert orchestrator.differences(first.run.id) == ()
    second = orchestrator.resume(orchestrator.open_change(first.run.id, EXAMPLE).id)
    said = orchestrator.differences(second.run.id)
    assert any(line.startswith("New source region") for line in said)
    assert any("metrics" in line and "new measure region" in line for line in said)
    assert any("The source orders is read where o_orderdate >= DATE '1997-01-01'" in line for line in said)
    assert not any("auto_" in line for line in said)
    assert not any(line.startswith("Readers of the table") for line in said)
    third = orchestrator.resume(orchestrator.open_change(second.run.id, "remove the order count").id)
    said = orchestrator.differences(third.run.id)
    assert any("order_count" in line and line.startswith("Readers of the table") for line in said)
    assert not any("region" in line for line in said)


def test_a_question_about_what_was_dropped_is_not_asked(orchestrator: PipelineBuilderOrchestrator) -> None:
    """Nor one whose field the words set; the others stay."""
    first = orchestrator.start(STATEMENT, new=True)
    assert first.validated is not None
    asked = {question.id for question in first.validated.questions}
    assert {"threshold:high_value", "join:orders", "target:table"} <= asked
    made = orchestrator.resume(orchestrator.open_change(first.run.id, "drop the segment, use an inner join").id)
    assert made.validated is not None
    assert {question.id for question in made.validated.questions} == asked - {"threshold:high_value", "join:orders"}


@pytest.mark.engine
def test_a_pipeline_of_the_repository(tmp_path: Path) -> None:
    """Where the store lost its runs, the spec on the base branch is changed, and the new run says where it is from."""
    home = tmp_path / "home"
    options = {"home": home, "local": True, "sample_scale": 0.001, "measure_questions": False}
    orchestrator = PipelineBuilderOrchestrator(options)
    built = orchestrator.build_pipeline(STATEMENT)
    orchestrator.edit(built.run_id, [Edit(path="expectations.auto_target_rows.enabled", value=False)])
    planned = orchestrator.generate(built.run_id)
    before = spec_of(planned)
    orchestrator.approve(planned.run.approval_id, "John Doe", "Looks good!")
    orchestrator.close()
    for file in home.glob("state.db*"):
        file.unlink()
    again = PipelineBuilderOrchestrator(options)
    try:
        with pytest.raises(StatementError):
            again.open_change("customer_revenue", "make it shiny")
        with pytest.raises(NotFound):
            again.open_change("../customer_revenue", "make it weekly")
        assert not again.runs()
        made = again.open_change("customer_revenue", "make it weekly on Monday at 7")
        snapshot = again.resume(made.id)
        after = spec_of(snapshot)
        assert after == before.model_copy(update={"trigger": after.trigger, "expectations": after.expectations})
        kept = {check.id: check.enabled for check in after.expectations}
        assert kept == {check.id: check.enabled for check in before.expectations}
        assert not kept["auto_target_rows"]
        assert after.trigger.cron == "0 0 7 ? * MON"  # type: ignore[union-attr]  # a schedule, as the line before it says
        *fresh, said = again.differences(made.id)
        assert said.startswith("Runs: ")
        assert len(fresh) == 2 and all("max age hours 336.0, before 48.0" in line for line in fresh)
        assert "base branch" in snapshot.run.statement
        assert snapshot.validated is not None
        provenance = snapshot.validated.provenance
        assert provenance.origins["target.table"].clauses == ("c1",)
        assert provenance.text(provenance.clauses[0]) == snapshot.run.statement
        assert provenance.text(provenance.clauses[1]) == "make it weekly on Monday at 7"
        assert snapshot.ports["parser"] == "none: the spec on the base branch"
        planned = again.generate(made.id)
        assert planned.run.state == "planned"
        further = again.resume(again.open_change("customer_revenue", "write to analytics.gold.other").id)
        assert again.differences(further.run.id) and spec_of(further).trigger == after.trigger
    finally:
        again.close()


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("PIPELINE_MAGIC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIPELINE_MAGIC_LOCAL", "1")
    monkeypatch.setenv("PIPELINE_MAGIC_SAMPLE_SCALE", "0.001")
    monkeypatch.setenv("PIPELINE_MAGIC_MEASURE_QUESTIONS", "0")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance()
    made.run_line_magic("load_ext", "pipeline_magic")
    yield made
    InteractiveShell.clear_instance()


def test_a_cell_and_a_line_say_what_changes(shell: InteractiveShell) -> None:
    """`%%pipeline --edit` and `%pipeline change` show the panel and, under it, the changes as text and as HTML."""

    def shown(source: str) -> tuple[str, str, str]:
        with capture_output() as captured:
            shell.run_cell(source)
        bundles = [output.data for output in captured.outputs]
        text = "\n".join(str(bundle.get("text/plain", "")) for bundle in bundles)
        return captured.stdout + captured.stderr, text, str(bundles[-1].get("text/html", "")) if bundles else ""

    shown(f"%%pipeline\n{STATEMENT}")
    _, text, html = shown("%%pipeline --edit customer_revenue\nmake it weekly on Monday at 7; drop the segment")
    assert "What changes:" in text and "Runs: " in text and "The step segment_customers is gone" in text
    assert "<table" in html and "The step segment_customers is gone" in html
    _, text, html = shown("%pipeline change customer_revenue write to analytics.gold.elsewhere")
    assert "analytics.gold.elsewhere" in text.split("What changes:")[1] and "analytics.gold.elsewhere" in html
    said, text, html = shown("%%pipeline --edit customer_revenue\nmake it shiny")
    assert "StatementError: Nothing was changed. “make it shiny” was not understood." in said
    assert "Traceback" not in said and "What changes" not in text + html


@pytest.mark.engine
def test_a_command_says_what_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pipeline-magic change NAME WORDS`: the sentences before the run as it stands; as a list with `--json`."""
    monkeypatch.setenv("PIPELINE_MAGIC_SAMPLE_SCALE", "0.001")
    monkeypatch.setenv("PIPELINE_MAGIC_MEASURE_QUESTIONS", "0")
    statement = tmp_path / "statement.txt"
    statement.write_text("Count the orders per o_orderstatus into analytics.ops.status_counts")
    home = ["--home", str(tmp_path / "home"), "--local"]
    assert main([*home, "build", str(statement)]) == 0
    capsys.readouterr()
    assert main([*home, "change", "status_counts", "make", "it", "weekly", "on", "Monday", "at", "7"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("What changes:\n") and "\n  Runs: " in said
    assert main([*home, "--json", "change", "status_counts", "add the average order value"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert any("average_order_value" in line for line in data["changes"])
    assert data["run"]["name"] == "status_counts"
    assert main([*home, "change", "status_counts", "make it shiny"]) != 0
    assert "make it shiny" in capsys.readouterr().err
