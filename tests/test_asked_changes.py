"""A change in words that may mean several things is asked about, and made when it is answered, wherever that is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.cli import main
from pipeline_magic.errors import SpecError, StatementError, UsageError
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import Answer, Question, Snapshot
from pipeline_magic.ui.questions import questions_view
from tests.support.local import write_table

STATEMENT = "Keep the orders of own.data.orders with amount over 5, into analytics.x.big_orders"
REGION = "also add region"
DATES = "Count the line items per l_returnflag into analytics.x.flags"


def _home(tmp_path: Path) -> Path:
    """Orders that point at customers and at shops; both have a region."""
    home = tmp_path / "home"
    lakehouse = Lakehouse(home, sample_scale=0.001)
    orders = {"order_id": [1, 2, 3], "customer_id": [1, 2, 1], "shop_id": [2, 1, 1], "amount": [9.0, 8.0, 1.0]}
    write_table(lakehouse.folder("own.data.orders"), orders)
    write_table(lakehouse.folder("own.data.customers"), {"customer_id": [1, 2], "region": ["North", "South"]})
    write_table(lakehouse.folder("own.data.shops"), {"shop_id": [1, 2], "region": ["East", "West"]})
    return home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _home(tmp_path_factory.mktemp("asked"))


@pytest.fixture(scope="module")
def orchestrator(home: Path) -> Iterator[PipelineBuilderOrchestrator]:
    made = PipelineBuilderOrchestrator({"home": home, "local": True, "sample_scale": 0.001})
    yield made
    made.close()


def change_question(snapshot: Snapshot) -> Question:
    (found,) = [question for question in snapshot.questions if question.id.startswith("change:")]
    return found


def sources(snapshot: Snapshot) -> set[str]:
    assert snapshot.validated is not None
    return {source.table for source in snapshot.validated.draft.sources}


@pytest.mark.engine
def test_a_column_of_two_tables(orchestrator: PipelineBuilderOrchestrator) -> None:
    """Each table is a choice, measured; nothing changes before the answer, and just that afterwards."""
    first = orchestrator.start(STATEMENT, new=True)
    made = orchestrator.resume(orchestrator.open_change("big_orders", REGION).id)
    question = change_question(made)
    assert question.must_answer and question.text == f"What is meant by “{REGION}”?"
    assert {option.label.split(" by ")[0] for option in question.options[:-1]} == {"customers.region", "shops.region"}
    assert {option.effect for option in question.options[:-1]} == {"2 rows"}
    assert made.validated is not None and made.validated.typed is None
    assert sources(made) == {"own.data.orders"}
    assert orchestrator.snapshot(first.run.id).run.state == first.run.state
    assert made.run.state == "awaiting_input" and "Waits for an answer" in made.run.message
    assert not orchestrator.ports.store.audit(made.run.id) and orchestrator.differences(made.run.id) == ()
    with pytest.raises(UsageError, match="must be answered first"):
        orchestrator.generate(made.run.id)
    with pytest.raises(SpecError, match="is no answer"):
        orchestrator.answer(made.run.id, [Answer(question=question.id, value="neither")])
    shops = next(option.id for option in question.options if option.label.startswith("shops"))
    after = orchestrator.answer(made.run.id, [Answer(question=question.id, value=shops)])
    assert sources(after) == {"own.data.orders", "own.data.shops"}
    assert not [item for item in after.questions if item.must_answer]
    assert after.run.wish == "" and not after.answered
    assert orchestrator.snapshot(first.run.id).run.state == "superseded"
    (entry,) = [entry for entry in orchestrator.ports.store.audit(after.run.id) if entry.event == "spec.edit"]
    assert REGION in json.dumps(entry.detail)
    assert orchestrator.differences(after.run.id)


@pytest.mark.engine
def test_the_change_is_taken_back(orchestrator: PipelineBuilderOrchestrator) -> None:
    """`leave` makes no change of that wish; what else was said is made."""
    orchestrator.start(STATEMENT, new=True)
    edited = orchestrator.edit_pipeline(
        "big_orders", f"make it weekly on Monday at 7; {REGION}", answers={"change:also_add_region": "leave"}
    )
    assert edited.spec is not None and edited.state == "planned"
    assert {source.table for source in edited.spec.sources} == {"own.data.orders"}
    assert edited.spec.trigger.cron == "0 0 7 ? * MON"  # type: ignore[union-attr]  # a schedule


def test_which_date(orchestrator: PipelineBuilderOrchestrator) -> None:
    """A table with three dates: which one is asked; two conditions on dates: which one is changed is asked."""
    orchestrator.start(DATES, new=True)
    made = orchestrator.resume(orchestrator.open_change("flags", "only 1997 on").id)
    question = change_question(made)
    assert [option.id for option in question.options] == [
        "lineitem.l_shipdate", "lineitem.l_commitdate", "lineitem.l_receiptdate", "leave",
    ]  # fmt: skip
    assert len({option.effect for option in question.options[:-1]}) >= 1
    shipped = orchestrator.answer(made.run.id, [Answer(question=question.id, value="lineitem.l_shipdate")])
    assert shipped.validated is not None and shipped.validated.spec is not None
    assert shipped.validated.spec.sources[0].filter == "l_shipdate >= DATE '1997-01-01'"

    both = orchestrator.resume(orchestrator.open_change("flags", "only where l_commitdate >= 1996-01-01").id)
    asked = orchestrator.resume(orchestrator.open_change(both.run.id, "change the date filter to 1998").id)
    question = change_question(asked)
    assert [option.id for option in question.options] == ["lineitem.l_shipdate", "lineitem.l_commitdate", "leave"]
    done = orchestrator.answer(asked.run.id, [Answer(question=question.id, value="lineitem.l_shipdate")])
    assert done.validated is not None and done.validated.spec is not None
    assert done.validated.spec.sources[0].filter == (
        "l_commitdate >= DATE '1996-01-01' AND l_shipdate >= DATE '1998-01-01' AND l_shipdate < DATE '1999-01-01'"
    )
    named = orchestrator.open_change(done.run.id, "change the l_commitdate date filter to the last 30 days")
    told = orchestrator.resume(named.id)
    assert told.validated is not None and told.validated.spec is not None
    assert "l_commitdate >= date_sub(to_date(run_time()), 30)" in (told.validated.spec.sources[0].filter or "")


@pytest.mark.parametrize(
    "words", ["change the date filter", "change the date filter to blue", f"{REGION} and make it shiny"]
)
def test_what_cannot_be_told_apart_is_refused(orchestrator: PipelineBuilderOrchestrator, words: str) -> None:
    """Words that are no choice between things are still refused as a whole."""
    first = orchestrator.start(STATEMENT, new=True)
    with pytest.raises(StatementError):
        orchestrator.open_change(first.run.id, words)
    assert orchestrator.runs(limit=1)[0].id == first.run.id
    assert orchestrator.snapshot(first.run.id).run.state == first.run.state


@pytest.mark.engine
def test_a_cell_asks_and_a_line_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`%%pipeline --edit` shows the question, `%pipeline answer` answers it; the command line does both too."""
    home = _home(tmp_path)
    for name, value in {"HOME": str(home), "LOCAL": "1", "SAMPLE_SCALE": "0.001", "MEASURE_QUESTIONS": "0"}.items():
        monkeypatch.setenv(f"PIPELINE_MAGIC_{name}", value)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "pipeline_magic")

    def shown(source: str) -> str:
        with capture_output() as captured:
            shell.run_cell(source)
        bundles: list[dict[str, Any]] = [output.data for output in captured.outputs]
        return captured.stdout + captured.stderr + "\n".join(str(bundle.get("text/plain", "")) for bundle in bundles)

    shown(f"%%pipeline\n{STATEMENT}")
    text = shown(f"%%pipeline --edit big_orders\n{REGION}")
    assert "Must answer change:also_add_region: What is meant by" in text and "Traceback" not in text
    chosen = next(line.split(": ")[0].strip(" -") for line in text.splitlines() if "shops.region" in line)
    text = shown(f"%pipeline answer 'change:also_add_region={chosen}'")
    assert "Traceback" not in text
    InteractiveShell.clear_instance()
    store = PipelineBuilderOrchestrator({"home": home, "local": True, "sample_scale": 0.001})
    (run,) = store.ports.store.runs(name="big_orders", limit=1)
    assert run.wish == "" and "own.data.shops" in str(run.edits)
    store.close()
    options = ["--home", str(home), "--local"]
    statement = tmp_path / "other.txt"
    statement.write_text(STATEMENT.replace("big_orders", "large_orders"))
    assert main([*options, "build", str(statement)]) == 0
    capsys.readouterr()
    main([*options, "--json", "change", "large_orders", REGION])
    data = json.loads(capsys.readouterr().out)
    assert data["changes"] == []
    made = data["run"]["id"]
    assert main([*options, "answer", f"change:also_add_region={chosen}", "--run", made]) == 0
    assert "shops" in capsys.readouterr().out


def test_the_panel_asks(orchestrator: PipelineBuilderOrchestrator) -> None:
    """The question stands above the tabs with its choices, and must be answered."""
    orchestrator.start(STATEMENT, new=True)
    made = orchestrator.resume(orchestrator.open_change("big_orders", REGION).id)
    (view,) = [view for view in questions_view(made) if view.id.startswith("change:")]
    assert view.must_answer and [option.label for option in view.options][-1] == "Nothing: leave it as it is"
