"""Bad input and bad luck: each says what happened and what to do, shows no traceback, and leaves nothing half done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic.demo import STATEMENT
from pipeline_magic.errors import (
    ConfigurationError,
    PipelineMagicError,
    StoreUnavailable,
    TableNotFound,
    UsageError,
)
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import Snapshot
from pipeline_magic.spec.paths import Edit

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def orchestrator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PipelineBuilderOrchestrator]:
    made = PipelineBuilderOrchestrator(
        home=tmp_path_factory.mktemp("home"), local=True, sample_scale=0.001, measure_questions=False
    )
    yield made
    made.close()


def _problems(snapshot: Snapshot) -> str:
    assert snapshot.validated is not None
    asked = [f"{q.id} {q.text} {[o.label for o in q.options]}" for q in snapshot.questions if q.must_answer]
    return " ".join([*(f"{item.where} {item.message} {item.hint}" for item in snapshot.validated.problems), *asked])


@pytest.mark.parametrize(
    "statement",
    [
        "Count rows of samples.tpch.order per o_orderstatus into analytics.x.counts",
        "Read samples.tpch.order and count the orders per o_orderstatus",
        "Join samples.tpch.customer with `samples`.`tpch`.`order` and total the price per customer",
    ],
)
def test_an_unknown_table_offers_the_nearest(orchestrator: PipelineBuilderOrchestrator, statement: str) -> None:
    """A full name is exact: one that is not there is named with the nearest, and never read as another table."""
    with pytest.raises(TableNotFound, match=r"samples\.tpch\.order`") as caught:
        orchestrator.build_pipeline(statement)
    assert caught.value.nearest[0] == "samples.tpch.orders"
    assert "samples.tpch.orders" in caught.value.hint


def test_two_targets_are_asked_about(orchestrator: PipelineBuilderOrchestrator) -> None:
    """Two different targets are a must-answer question; answering it goes on."""
    result = orchestrator.build_pipeline(
        "Count the orders per o_orderstatus into analytics.x.one and save the result as analytics.x.two"
    )
    must = [question for question in result.questions if question.must_answer]
    assert len(must) == 1 and result.approval_id == "" and result.files == ()
    labels = " ".join(option.label for option in must[0].options)
    assert "analytics.x.one" in labels and "analytics.x.two" in labels
    with pytest.raises(UsageError, match="must be answered"):
        orchestrator.generate(result.run_id)
    answered = orchestrator.build_pipeline(result.snapshot.run.statement, answers={must[0].id: must[0].options[1].id})
    assert answered.approval_id and answered.spec is not None
    assert answered.spec.target.table == "analytics.x.two"


def test_target_equal_to_a_source_is_refused(orchestrator: PipelineBuilderOrchestrator) -> None:
    """Writing over a source is named as a problem of `target.table`."""
    snapshot = orchestrator.start("Count samples.tpch.orders per o_orderstatus and save it as samples.tpch.orders")
    assert "target.table" in _problems(snapshot)


def test_a_pipeline_that_cannot_run_here_is_refused(orchestrator: PipelineBuilderOrchestrator) -> None:
    """A declarative pipeline is not quietly deployed as something else; choosing a job goes on."""
    snapshot = orchestrator.start("Count the orders per o_orderstatus into analytics.x.dlt as a DLT pipeline")
    assert "deployment" in _problems(snapshot) and "Databricks" in _problems(snapshot)
    assert orchestrator.edit(snapshot.run.id, [Edit(path="deployment", value="job")]).validated.typed is not None


def test_a_wrong_edit_by_the_form_keeps_the_plan(orchestrator: PipelineBuilderOrchestrator) -> None:
    """An edit that makes the spec wrong is refused with its field; the plan and its approval stay."""
    result = orchestrator.build_pipeline("Count the orders per o_orderpriority into analytics.x.priorities")
    spec = result.spec
    assert spec is not None
    with pytest.raises(PipelineMagicError, match="no_such_column"):
        orchestrator.edit(result.run_id, [Edit(path=f"steps.{spec.steps[0].id}.group_by", value=["no_such_column"])])
    after = orchestrator.snapshot(result.run_id)
    assert after.run.state == "planned" and after.approval_id == result.approval_id


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    """A read-only place is named before anything is done."""
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        _ = PipelineBuilderOrchestrator(home=tmp_path / "home", local=True).ports


def test_a_home_below_a_file(tmp_path: Path) -> None:
    """A home that cannot be a folder is named, with the setting to change."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written") as caught:
        _ = PipelineBuilderOrchestrator(home=tmp_path / "file" / "home", local=True).ports
    assert "PIPELINE_MAGIC_HOME" in caught.value.hint


def test_disk_full_while_writing_the_store(tmp_path: Path) -> None:
    """A full disk is said, and the run is as it was once there is room again."""
    orchestrator = PipelineBuilderOrchestrator(home=tmp_path, local=True, sample_scale=0.001, measure_questions=False)
    snapshot = orchestrator.start("Count the orders per o_orderstatus into analytics.x.full")
    store = orchestrator.ports.store
    import sqlalchemy

    engine = store._db._engine()  # type: ignore[attr-defined]  # SQLite's own way to a full disk
    with engine.connect() as connection:
        pages = connection.execute(sqlalchemy.text("PRAGMA page_count")).scalar_one()

    @sqlalchemy.event.listens_for(engine, "checkout")
    def full(connection: object, *args: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")  # type: ignore[attr-defined]

    with pytest.raises(StoreUnavailable) as caught:
        orchestrator.generate(snapshot.run.id)
    assert "full" in str(caught.value).lower() and caught.value.hint
    orchestrator.close()
    again = PipelineBuilderOrchestrator(home=tmp_path, local=True, sample_scale=0.001, measure_questions=False)
    assert again.resume(snapshot.run.id).run.id == snapshot.run.id
    assert again.generate(snapshot.run.id).run.state == "planned"
    again.close()


SCRIPT = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "pipeline_magic")
print("ready", flush=True)
result = shell.run_cell("%%pipeline --auto\\n" + sys.argv[1])
print("ended", result.success, flush=True)
shell.run_cell("%pipeline status")
"""


def _kernel(home: Path, statement: str) -> subprocess.Popen[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PIPELINE_MAGIC")}
    environ |= {
        "PIPELINE_MAGIC_HOME": str(home),
        "PIPELINE_MAGIC_LOCAL": "1",
        "PIPELINE_MAGIC_SAMPLE_SCALE": "0.001",
        "IPYTHONDIR": str(home / "ipython"),
    }
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), statement],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environ,
    )


@pytest.mark.parametrize("after", [0.3, 2.5, 6.0])
def test_an_interrupt_in_any_stage(tmp_path: Path, after: float) -> None:
    """Ctrl-C stops the work at the next boundary, without a traceback, and `resume` is named; resuming finishes."""
    kernel = _kernel(tmp_path, STATEMENT)
    assert kernel.stdout is not None and kernel.stdout.readline().strip() == "ready"
    time.sleep(after)
    kernel.send_signal(signal.SIGINT)
    output, _ = kernel.communicate(timeout=120)
    assert "Traceback" not in output
    if "Stopped" in output:
        assert "%pipeline resume" in output
    orchestrator = PipelineBuilderOrchestrator(home=tmp_path, local=True, sample_scale=0.001)
    run = orchestrator.runs(limit=1)[0]
    assert run.worker == "" and run.state in {"parsing", "cancelled", "planned", "awaiting_input"}
    assert orchestrator.build_pipeline(STATEMENT).state == "planned"
    assert len(orchestrator.runs()) == 1
    orchestrator.close()


def test_two_kernels_on_one_home(tmp_path: Path) -> None:
    """Two kernels that run the same cell at once end with one plan; the one that waits is told, or finds it done."""
    kernels = [_kernel(tmp_path, STATEMENT) for _ in range(2)]
    outputs = [kernel.communicate(timeout=240)[0] for kernel in kernels]
    assert all("Traceback" not in output for output in outputs)
    assert any("ended True" in output for output in outputs), outputs
    orchestrator = PipelineBuilderOrchestrator(home=tmp_path, local=True, sample_scale=0.001)
    result = orchestrator.build_pipeline(STATEMENT)
    assert result.state == "planned"
    requested = [entry for entry in orchestrator.ports.store.audit() if entry.event == "approval.request"]
    assert len({entry.digest for entry in requested}) == 1
    orchestrator.close()
