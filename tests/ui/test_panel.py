"""The live panel: what buttons do, that errors become messages, that nothing is pressed twice, that it stays small."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline_magic import runs
from pipeline_magic.errors import Problem, SpecError, StaleState
from pipeline_magic.runs import Answer, Snapshot, StageEvent
from pipeline_magic.spec.model import Draft
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.ui.panel import Panel
from tests.support import snapshots
from tests.support.actions import Recorder


def _tab(panel: Panel, title: str) -> Any:
    titles = list(panel._tabbed.titles)
    panel._tabbed.selected_index = titles.index(title)
    return panel._tabs[titles.index(title)]


def _find(widget: Any, name: str) -> Any:
    return next(found for found in _walk(widget) if name in found._dom_classes)


def _walk(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _walk(child)


def _press(panel: Panel, name: str) -> None:
    button = _find(panel.widget, name)
    assert not button.disabled, name
    button.click()
    assert panel.wait(10)


def _until(ready: Any) -> None:
    for _ in range(200):
        if ready():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen within 4 seconds")


def test_a_rollback_is_pressed_twice() -> None:
    """The first press says what would be undone and left, and does nothing; the second does what was said."""
    actions = Recorder(snapshots.deployed())
    panel = Panel(actions, snapshots.deployed(), approver="Ada")
    _tab(panel, "Approval")
    _press(panel, "pm-undo-look")
    said = next(child.value for child in _find(panel.widget, "pm-undo-box").children if hasattr(child, "value"))
    assert "remove customer_revenue" in said and "What others read &lt;from&gt; it stays." in said
    assert [call[0] for call in actions.calls] == ["plan_rollback"]
    _find(panel.widget, "pm-undo-keep").click()
    _press(panel, "pm-undo-look")
    _find(panel.widget, "pm-undo-reason").value = "wrong numbers"
    _press(panel, "pm-undo")
    assert actions.calls[-1] == ("rollback", snapshots.RUN_ID, "Ada", "wrong numbers", snapshots.rollback())
    assert panel.snapshot.deployment.state == "rolled_back"
    assert not [w for w in _walk(panel.widget) if {"pm-undo", "pm-undo-look"} & set(getattr(w, "_dom_classes", ()))]


def test_a_rollback_that_is_refused_cannot_be_pressed() -> None:
    """What stands against it is said, and there is nothing to press but to keep it."""
    actions = Recorder(snapshots.deployed())
    actions.plan_rollback = lambda run_id: snapshots.rollback(refused=("others have written it",))  # type: ignore[method-assign]
    panel = Panel(actions, snapshots.deployed(), approver="Ada")
    _tab(panel, "Approval")
    _press(panel, "pm-undo-look")
    assert _find(panel.widget, "pm-undo").disabled and not _find(panel.widget, "pm-undo-keep").disabled


def test_what_waits_goes_on() -> None:
    """A deployment that waits for a merge has a button that goes on, and none that undoes."""
    snapshot = snapshots.deployed()
    waiting = snapshot.deployment.model_copy(update={"state": "waiting"})
    snapshot = snapshot.model_copy(update={"deployment": waiting})
    actions = Recorder(snapshot)
    panel = Panel(actions, snapshot, approver="Ada")
    _tab(panel, "Approval")
    assert not [w for w in _walk(panel.widget) if "pm-undo-look" in getattr(w, "_dom_classes", ())]
    _press(panel, "pm-go-on")
    assert actions.calls == [("resume", snapshots.RUN_ID)] and panel.snapshot.deployment.state == "deployed"


def _message(panel: Panel) -> str:
    return str(_find(panel.widget, "pm-message").value)


@pytest.mark.parametrize("phase", sorted(snapshots.PHASES))
def test_every_tab_can_be_drawn_at_every_phase(phase: str) -> None:
    """No tab fails, and each says something: what there is, or what is to come."""
    panel = Panel(Recorder(snapshots.PHASES[phase]()), snapshots.PHASES[phase]())
    for title in panel._tabbed.titles:
        tab = _tab(panel, title)
        assert tab.widget.children, title
        assert "could not be drawn" not in str(getattr(tab.widget.children[0], "value", "")), title


def test_generate_applies_answers_then_edits_then_generates() -> None:
    """Answers and edits that were typed are part of what is generated."""
    actions = Recorder(snapshots.awaiting_input())
    panel = Panel(actions, actions.now)
    _tab(panel, "Spec")
    _find(panel.widget, "pm-field-steps-join_orders-how").value = "inner"
    choice = _find(panel.widget, "pm-question-segment-threshold").children[1]
    choice.value = "top10"
    assert "2 change(s) not applied" in _find(panel.widget, "pm-hint").value
    _press(panel, "pm-generate")
    assert actions.calls == [
        ("answer", (Answer(question="segment:threshold", value="top10"),)),
        ("edit", (Edit(path="steps.join_orders.how", value="inner"),)),
        ("generate",),
    ]
    assert panel.snapshot.run.state == "planned"
    assert "The plan is ready" in _message(panel)
    assert _find(panel.widget, "pm-generate").description == "Generate again"


def test_a_table_is_found_by_what_is_typed() -> None:
    """Names that fit are offered as one types; where no name holds the words, they stand in a list to choose from."""
    actions = Recorder(snapshots.awaiting_input())
    asked: list[str] = []

    def find(words: str) -> tuple[str, ...]:
        asked.append(words)
        return () if words == "zzzz" else ("main.sales.orders_2024", "main.sales.`<b>`")

    panel = Panel(actions, actions.now, tables=("main.sales.orders",), find=find)
    _tab(panel, "Spec")
    field = _find(panel.widget, "pm-field-sources-orders-table")
    field.value = "or"
    assert asked == []
    field.value = "orders_20"
    assert asked == ["orders_20"]
    assert field.options[0] == "main.sales.orders_2024"
    assert not any("<" in name for name in field.options)
    field.value = "zzzz"
    with pytest.raises(StopIteration):
        _find(panel.widget, "pm-nearby-sources-orders-table")
    field.value = "ordres"
    nearby = _find(panel.widget, "pm-nearby-sources-orders-table")
    assert list(nearby.options) == ["main.sales.orders_2024"]
    assert field.value == "ordres"
    nearby.value = "main.sales.orders_2024"
    assert field.value == "main.sales.orders_2024"
    with pytest.raises(StopIteration):
        _find(panel.widget, "pm-nearby-sources-orders-table")


def test_apply_changes_the_spec_without_generating() -> None:
    """The form then shows the new spec, and nothing is pending."""
    actions = Recorder(snapshots.awaiting_input())
    panel = Panel(actions, actions.now)
    _tab(panel, "Spec")
    assert _find(panel.widget, "pm-apply").disabled
    _find(panel.widget, "pm-field-target-mode").value = "append"
    _press(panel, "pm-apply")
    assert [call[0] for call in actions.calls] == ["edit"]
    assert panel.snapshot.validated is not None and panel.snapshot.validated.draft.target.mode == "append"
    assert _find(panel.widget, "pm-field-target-mode").value == "append"
    assert _find(panel.widget, "pm-apply").disabled


def test_an_invalid_edit_marks_its_field_and_keeps_the_plan() -> None:
    """The field says what is wrong and what is available; the old plan and what was typed stay."""
    actions = Recorder(snapshots.planned())
    panel = Panel(actions, actions.now)
    _tab(panel, "Spec")
    field = _find(panel.widget, "pm-field-steps-segment-by")
    field.value = "revenu"
    actions.error = SpecError([Problem("steps.segment.by", "there is no column `revenu`.", ("revenue", "c_name"))])
    _press(panel, "pm-apply")
    assert "pm-invalid" in field._dom_classes
    assert field.value == "revenu"
    said = _find(panel.widget, "pm-field-error").value
    assert "there is no column" in said and "Available: <code>revenue</code>, <code>c_name</code>" in said
    assert panel.snapshot.approval_id == "a-9d2k1x"
    actions.error = None
    field.value = "revenue"
    assert "pm-changed" not in field._dom_classes


def test_what_was_typed_survives_a_change_of_the_spec_from_elsewhere() -> None:
    """The form is made again from the new spec, with what was typed and its marks still there."""
    actions = Recorder(snapshots.awaiting_input())
    panel = Panel(actions, actions.now)
    _tab(panel, "Spec")
    _find(panel.widget, "pm-field-steps-segment-by").value = "revenu"
    actions.error = SpecError([Problem("steps.segment.by", "there is no column `revenu`.")])
    _press(panel, "pm-apply")
    actions.error = None
    panel.update(actions.edit(snapshots.RUN_ID, [Edit(path="target.mode", value="append")]))
    assert _find(panel.widget, "pm-field-target-mode").value == "append"
    field = _find(panel.widget, "pm-field-steps-segment-by")
    assert field.value == "revenu" and "pm-invalid" in field._dom_classes
    assert panel._spec.dirty == 1


def test_text_that_is_no_number_never_reaches_the_actions() -> None:
    """A typing error is marked at once; nothing was answered or edited."""
    actions = Recorder(snapshots.awaiting_input())
    panel = Panel(actions, actions.now)
    _tab(panel, "Spec")
    field = _find(panel.widget, "pm-field-expectations-auto_rows-minimum")
    field.value = "many"
    _press(panel, "pm-generate")
    assert actions.calls == []
    assert "pm-invalid" in field._dom_classes
    assert "a whole number is expected" in _message(panel)


def test_must_answer_questions_hold_generate_back() -> None:
    """Generate says which question waits; a typed answer lets it go on."""
    actions = Recorder(snapshots.must_answer())
    panel = Panel(actions, actions.now)
    _press(panel, "pm-generate")
    assert actions.calls == []
    assert "Answer first: Which table holds the revenues?" in _message(panel)
    _find(panel.widget, "pm-question-source-revenues-free").value = "samples.tpch.orders"
    _press(panel, "pm-generate")
    assert actions.calls[0] == ("answer", (Answer(question="source:revenues", value="samples.tpch.orders"),))


def test_nothing_can_be_pressed_twice_and_cancel_stops() -> None:
    """While work goes on its buttons are off and Cancel is on; Cancel reaches the actions, and the panel says so."""
    actions = Recorder(snapshots.awaiting_input())
    actions.gate.clear()
    panel = Panel(actions, actions.now)
    generate, cancel = _find(panel.widget, "pm-generate"), _find(panel.widget, "pm-cancel")
    assert cancel.disabled
    generate.click()
    _until(lambda: "Writing the notebook" in panel._header.value)
    assert generate.disabled and not cancel.disabled
    generate.click()
    cancel.click()
    assert panel.wait(10)
    assert [call[0] for call in actions.calls] == ["generate", "cancel"]
    assert "Stopped. Nothing half done." in _message(panel)
    assert not generate.disabled and cancel.disabled


def test_an_error_is_a_message_with_what_to_do() -> None:
    """Message and hint are shown escaped; the panel goes on; the run is read again."""
    actions = Recorder(snapshots.planned())
    actions.error = StaleState("Somebody approved it <first>.", hint="Look at the audit.")
    panel = Panel(actions, actions.now, approver="Ada")
    _tab(panel, "Approval")
    actions.now = snapshots.deployed()
    _press(panel, "pm-approve")
    assert "Somebody approved it &lt;first&gt;." in _message(panel)
    assert "Look at the audit." in _message(panel)
    assert panel.snapshot == snapshots.deployed()


def test_an_unexpected_error_is_one_line_and_a_log_entry(caplog: pytest.LogCaptureFixture) -> None:
    """No traceback in the panel, its text in the log under the run's id."""
    actions = Recorder(snapshots.awaiting_input())
    actions.error = ValueError("secret=hunter2")
    panel = Panel(actions, actions.now)
    _press(panel, "pm-generate")
    assert "ValueError" in _message(panel) and snapshots.RUN_ID in _message(panel)
    assert "hunter2" not in _message(panel) and "Traceback" not in _message(panel)
    assert any(
        snapshots.RUN_ID in record.getMessage() and (record.exc_info or record.exc_text) for record in caplog.records
    )


def test_approve_needs_a_name_confirmations_and_a_plan_without_pending_edits() -> None:
    """Each missing thing is said; with all of them the approval goes out with the confirmed clauses."""
    actions = Recorder(snapshots.planned(unmatched="Create a"))
    panel = Panel(actions, actions.now)
    _tab(panel, "Approval")
    _press(panel, "pm-approve")
    assert "Type your name" in _message(panel)
    _find(panel.widget, "pm-approver").value = "Ada"
    _press(panel, "pm-approve")
    assert "Confirm each clause" in _message(panel)
    _find(panel.widget, "pm-confirm-c8").value = True
    _find(panel.widget, "pm-comment").value = "Looks good!"
    _tab(panel, "Spec")
    field = _find(panel.widget, "pm-field-target-mode")
    field.value = "append"
    _press(panel, "pm-approve")
    assert "changes that this plan does not hold" in _message(panel)
    assert actions.calls == []
    field.value = "overwrite"
    _press(panel, "pm-approve")
    assert actions.calls == [("approve", "a-9d2k1x", "Ada", "Looks good!", ("c8",))]
    assert not [found for found in _walk(_tab(panel, "Approval").widget) if "pm-approve" in found._dom_classes]


def test_reject_needs_a_reason() -> None:
    """Without one it asks; with one it goes out."""
    actions = Recorder(snapshots.planned())
    panel = Panel(actions, actions.now, approver="Ada")
    _tab(panel, "Approval")
    _press(panel, "pm-reject")
    assert actions.calls == []
    _find(panel.widget, "pm-comment").value = "wrong join"
    _press(panel, "pm-reject")
    assert actions.calls == [("reject", "a-9d2k1x", "Ada", "wrong join")]


def test_a_red_finding_disables_approve_until_it_is_waived() -> None:
    """The Waive button asks for a reason; the waiver frees Approve."""
    actions = Recorder(snapshots.red())
    panel = Panel(actions, actions.now, approver="Ada")
    _tab(panel, "Approval")
    assert _find(panel.widget, "pm-approve").disabled
    _tab(panel, "Quality")
    _press(panel, "pm-waive")
    assert actions.calls == []
    _find(panel.widget, "pm-waive-reason").value = "known"
    _press(panel, "pm-waive")
    assert actions.calls == [("waive", snapshots.RED.id, "known")]
    _tab(panel, "Approval")
    assert not _find(panel.widget, "pm-approve").disabled


def test_the_bundle_has_widget_html_and_text() -> None:
    """The three forms a front end may choose from."""
    bundle = Panel(Recorder(snapshots.planned()), snapshots.planned())._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
    assert "model_id" in bundle["application/vnd.jupyter.widget-view+json"]


def test_hostile_names_stay_out_of_markup_in_every_widget() -> None:
    """HTML widgets hold only our markup, whatever columns, checks and questions are called."""
    evil = "<img src=x onerror=alert(1)>"
    base = snapshots.awaiting_input()
    assert base.validated is not None
    spec = base.validated.draft.model_copy(update={"description": evil})
    table = TableSchema(table="a.b.c", columns=(Column(name=evil, type="string", comment=evil),), comment=evil)
    ask = runs.Question(
        id=evil, text=evil, why=evil, options=(runs.Option(id="a", label=evil),), default="a", free=True
    )
    validated = base.validated.model_copy(
        update={"draft": spec, "spec": None, "typed": None, "tables": {"customers": table}, "questions": (ask,)}
    )
    snapshot = base.model_copy(update={"validated": validated, "error": evil, "warnings": (evil,)})
    panel = Panel(Recorder(snapshot), snapshot)
    for title in panel._tabbed.titles:
        _tab(panel, title)
    drawn = [found.value for found in _walk(panel.widget) if type(found).__name__ == "HTML"]
    assert sum(evil.replace("<", "&lt;").replace(">", "&gt;") in value for value in drawn) >= 3
    assert not any("<img" in value for value in drawn)


def _large() -> Snapshot:
    """200 steps, 1,000 checks, a source of 2,000 columns."""
    columns = tuple(Column(name=f"column_{n}", type="decimal(18,2)", comment="c" * 60) for n in range(2000))
    table = TableSchema(table="main.wide.table_of_2000", columns=columns)
    steps = [
        {
            "id": f"step_{n}",
            "kind": "derive",
            "input": f"step_{n - 1}" if n else "wide",
            "columns": [{"name": f"made_{n}_{i}", "expression": "column_1 + 1"} for i in range(10)],
        }
        for n in range(200)
    ]
    checks = [{"id": f"check_{n}", "kind": "not_null", "on": "wide", "columns": [f"column_{n}"]} for n in range(1000)]
    base = snapshots.planned()
    draft = Draft.model_validate(
        {
            "name": "wide",
            "sources": [{"alias": "wide", "table": table.table}],
            "steps": steps,
            "expectations": checks,
            "target": {"table": "main.wide.out", "input": "step_199"},
        }
    )
    assert base.validated is not None
    validated = base.validated.model_copy(
        update={"draft": draft, "spec": None, "typed": None, "tables": {"wide": table}}
    )
    return base.model_copy(update={"validated": validated})


def test_no_trait_grows_past_a_megabyte() -> None:
    """With 200 steps, 1,000 checks and 2,000 columns every message to the browser stays small, and so does the HTML."""
    snapshot = _large()
    panel = Panel(Recorder(snapshot), snapshot)
    for title in panel._tabbed.titles:
        _tab(panel, title)
    widgets = list(_walk(panel.widget))
    largest = max(len(json.dumps(found.get_state(), default=str)) for found in widgets)
    assert largest < 1_000_000
    assert len(widgets) < 1_000
    assert len(panel.html()) < 3_000_000
    pick = _find(panel.widget, "pm-pick-steps")
    pick.value = "step_150"
    _find(panel.widget, "pm-field-steps-step_150-columns-made_150_3-expression").value = "2"
    pick.value = "step_0"
    assert panel._spec.dirty == 1


def test_a_full_panel_costs_little_cpu() -> None:
    """Every tab of the seed's plan, imports warm, takes well under the quarter second it may cost."""
    actions = Recorder(snapshots.planned())
    spent = []
    gc.disable()  # what thousands of tests before have left on the heap is not the panel's
    try:
        for _ in range(3):
            started = time.process_time()
            panel = Panel(actions, actions.now)
            for title in panel._tabbed.titles:
                _tab(panel, title)
            panel._repr_mimebundle_()
            spent.append(time.process_time() - started)
    finally:
        gc.enable()
    assert min(spent) < 0.25


def test_progress_from_many_threads_changes_traits_only(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed, and the last event of each stage is shown."""
    panel = Panel(Recorder(snapshots.parsing()), snapshots.parsing())

    def work(number: int) -> None:
        for done in range(20):
            panel.progress(StageEvent(stage="parse", state="running", message=f"{number}", done=done / 20))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "running 95%" in panel._header.value
    assert capsys.readouterr() == ("", "")


def test_importing_the_panel_loads_nothing_heavy() -> None:
    """Neither the package nor the panel loads pandas, nbdime, sqlglot, nbformat or pygments' lexers."""
    code = (
        "import sys, ipywidgets; before = set(sys.modules); import pipeline_magic.ui, pipeline_magic.ui.panel; "
        "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    loaded = set(done.stdout.split())
    assert "pipeline_magic" in loaded
    assert loaded & {"pandas", "nbdime", "sqlglot", "nbformat", "pygments", "anywidget"} == set()


def test_problems_the_catalog_found_stand_at_their_fields() -> None:
    """A run that waits with problems shows each at its field before anything is pressed."""
    base = snapshots.awaiting_input()
    assert base.validated is not None
    wrong = runs.Finding(id="p", severity="red", message="there is no column `x`", where="steps.segment.by")
    nowhere = runs.Finding(id="q", severity="red", message="nothing feeds the target", where="odd")
    validated = base.validated.model_copy(update={"spec": None, "typed": None, "problems": (wrong, nowhere)})
    snapshot = base.model_copy(update={"validated": validated})
    panel = Panel(Recorder(snapshot), snapshot)
    tab = _tab(panel, "Spec")
    assert "pm-invalid" in _find(panel.widget, "pm-field-steps-segment-by")._dom_classes
    assert "there is no column" in _find(panel.widget, "pm-field-error").value
    assert "nothing feeds the target" in tab.controls._top.value


def test_the_orchestrator_fulfils_the_actions() -> None:
    """Every call the panel makes can be made of the orchestrator: same names, same keywords."""
    import inspect

    from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
    from pipeline_magic.ui.panel import Actions

    for name, wanted in inspect.getmembers(Actions, inspect.isfunction):
        if name.startswith("_"):
            continue
        have = inspect.signature(getattr(PipelineBuilderOrchestrator, name))
        parameters = inspect.signature(wanted).parameters.values()
        positional = ["x" for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        have.bind(*positional, **{p.name: "x" for p in parameters if p.kind is p.KEYWORD_ONLY})


def test_a_policy_without_waivers_offers_none() -> None:
    """Where the environment forbids waivers there is no button, and the approval says so."""
    forbidden = snapshots.red().model_copy(update={"policy": {"waivers_allowed": False}})
    panel = Panel(Recorder(forbidden), forbidden)
    assert not [found for found in _walk(_tab(panel, "Quality").widget) if "pm-waive" in found._dom_classes]
    assert "may not be waived" in panel.html()


def test_dollars_in_a_clause_are_not_read_as_tex() -> None:
    """A label between two dollars stays readable: Jupyter typesets labels, so none of them holds a plain dollar."""
    base = snapshots.planned(unmatched="Create a")
    assert base.validated is not None
    statement = snapshots.STATEMENT.replace("Create a", "from $1 to $2")
    validated = base.validated.model_copy(
        update={"provenance": snapshots.provenance(statement, unmatched="from $1 to $2")}
    )
    snapshot = base.model_copy(update={"validated": validated})
    panel = Panel(Recorder(snapshot), snapshot)
    box = _find(_tab(panel, "Approval").widget, "pm-confirm-c8")
    assert "from ＄1 to ＄2" in box.description
