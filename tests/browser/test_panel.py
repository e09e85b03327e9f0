"""The panel in JupyterLab: what a person types and presses reaches the actions, and what comes back is drawn."""

from __future__ import annotations

import pytest

from tests.support.lab import Lab, notebook

pytestmark = pytest.mark.browser

_MAKE = """
from tests.support import snapshots
from tests.support.actions import Recorder
from pipeline_magic.ui.panel import Panel

actions = Recorder(snapshots.awaiting_input(unmatched="Create a"))
panel = Panel(actions, actions.now)
panel
"""


def test_edit_answer_generate_and_approve(lab: Lab) -> None:
    """A question answered, a field edited, Generate, a look at every tab, Approve: each call arrives as typed."""
    lab.open(lab.write("panel.ipynb", notebook(_MAKE, "actions.calls", "panel.snapshot.run.state")))
    lab.run_cell(0)
    lab.wait(".pm-panel .pm-generate")

    clause = lab.wait(".pm-live .pm-kind-join")
    clause.focus()
    lab.wait_text(".pm-trace-detail", "steps.join_orders.how left")
    assert not lab.find(".pm-fallback").first.is_visible()

    lab.find(".pm-question-segment-threshold").get_by_text("The top 10 %").first.click()
    lab.tab("Spec")
    lab.choose(".pm-field-steps-join_orders-how", "inner")
    lab.fill(".pm-field-expectations-auto_rows-minimum", "ten")
    lab.click(".pm-generate")
    lab.wait_text(".pm-field-error", "a whole number is expected")
    assert lab.find(".pm-field-expectations-auto_rows-minimum.pm-invalid").count() == 1
    lab.fill(".pm-field-expectations-auto_rows-minimum", "10")
    lab.click(".pm-generate")
    lab.wait_text(".pm-stage-approval", "waiting for you")

    for title, seen in {
        "Schemas": "c_mktsegment",
        "Notebook": "customers.join",
        "Quality": "500 left without partner",
        "Lineage": "join_orders",
        "Approval": "Run it once",
    }.items():
        lab.tab(title)
        lab.wait_text(f".pm-tabpage-{title.casefold()}", seen)
    node = lab.find(".pm-live .pm-node-join").first
    lab.tab("Lineage")
    node.press("Enter")
    assert lab.find(".pm-live .pm-node.pm-on").count() == 6

    lab.tab("Approval")
    lab.fill(".pm-approver", "Ada Lovelace")
    lab.click(".pm-approve")
    lab.wait_text(".pm-message", "Confirm each clause")
    lab.find(".pm-confirm-c8 input").first.check()
    lab.fill(".pm-comment", "Looks good!")
    lab.click(".pm-approve")
    lab.wait_text(".pm-outcomes", "1,500 rows")
    assert lab.find(".pm-approve").count() == 0

    lab.run_cell(1)
    calls = lab.output(1)
    assert "('answer', (Answer(question='segment:threshold', value='top10'),))" in calls
    assert "Edit(path='steps.join_orders.how', value='inner'" in calls
    assert "Edit(path='expectations.auto_rows.minimum', value=10" in calls
    assert "('approve', 'a-9d2k1x', 'Ada Lovelace', 'Looks good!', ('c8',))" in calls
    assert lab.errors() == []


def test_progress_is_live_and_cancel_stops(lab: Lab) -> None:
    """While the work goes on the kernel answers, the stage moves, Generate is off; Cancel ends it with a word."""
    lab.open(
        lab.write(
            "cancel.ipynb", notebook(f"{_MAKE.rstrip().removesuffix('panel')}actions.gate.clear()\npanel", "1 + 1")
        )
    )
    lab.run_cell(0)
    lab.click(".pm-generate")
    lab.wait_text(".pm-stage-generate", "running")
    lab.wait_text(".pm-stage-generate", "Writing the notebook")
    assert lab.wait(".pm-generate").is_disabled()
    lab.run_cell(1)
    assert "2" in lab.output(1)
    lab.click(".pm-cancel")
    lab.wait_text(".pm-message", "Stopped.")
    assert lab.wait(".pm-generate").is_enabled()


def test_a_restarted_kernel_leaves_a_panel_that_says_so(lab: Lab) -> None:
    """The dead panel is marked as stale, and says how to go on."""
    lab.open(lab.write("stale.ipynb", notebook(_MAKE)))
    lab.run_cell(0)
    lab.wait(".pm-generate")
    assert not lab.find(".pm-stale").first.is_visible()
    lab.restart_kernel()
    lab.wait(".pm-stale", timeout=60)
    lab.wait_text(".pm-stale", "%pipeline review r-7f3k2m")


def test_two_views_of_one_panel_stay_the_same(lab: Lab) -> None:
    """A panel shown twice is one panel."""
    lab.open(lab.write("twice.ipynb", notebook(_MAKE, "panel")))
    lab.run_cell(0)
    lab.run_cell(1)
    lab.page.wait_for_function(
        "() => document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .pm-generate').length === 2"
    )
    lab.click(".pm-generate")
    lab.page.wait_for_function(
        """() => [...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .pm-stage-approval')]
            .filter(node => node.innerText.includes('waiting for you')).length === 2"""
    )


_HOSTILE = """
from tests.support import snapshots
from tests.support.actions import Recorder
from pipeline_magic import runs
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.ui.panel import Panel

evil = '"><img src=x onerror="window.pmHacked=1"><script>window.pmHacked=1</script>'
base = snapshots.red()
table = TableSchema(table="a.b.c", columns=(Column(name=evil, type="string", comment=evil),), comment=evil)
ask = runs.Question(id=evil, text=evil, why=evil, options=(runs.Option(id="a", label=evil),), default="a", free=True)
bad = runs.Finding(id=evil, severity="red", message=evil, where=evil, hint=evil)
draft = base.validated.draft.model_copy(update={"description": evil})
validated = base.validated.model_copy(update=dict(
    draft=draft, spec=None, typed=None, questions=(ask,), findings=(bad,),
    tables={"customers": table, "orders": table}))
diff = runs.FileDiff(path=evil, status="changed", old=evil, new=evil * 2)
files = base.generated.model_copy(update={"diffs": (diff,)})
hostile = base.model_copy(update=dict(
    run=base.run.model_copy(update={"state": "awaiting_input", "name": evil}), validated=validated, error=evil,
    warnings=(evil,), ports={evil: evil}, leaves_machine=(evil,), generated=files,
    stages=snapshots.stages("done", "failed", message=evil)))
panel = Panel(Recorder(hostile), hostile, approver=evil, tables=(evil,))
panel
"""


def test_hostile_names_and_data_run_nothing_in_the_browser(lab: Lab) -> None:
    """Markup in every text of a run is shown as text, in every tab and in the static form; nothing of it runs."""
    static = "from IPython.display import HTML\nHTML(panel.html())"
    lab.open(lab.write("hostile.ipynb", notebook(_HOSTILE, static)))
    lab.run_cell(0)
    lab.wait(".pm-generate")
    for title in ("Spec", "Schemas", "Notebook", "Quality", "Lineage", "Approval", "Statement"):
        lab.tab(title)
        lab.wait(f".pm-tabpage-{title.casefold()}")
    lab.run_cell(1)
    lab.wait(".pm-static")
    assert "onerror" in lab.wait(".pm-panel").inner_text()
    assert lab.page.evaluate("() => window.pmHacked ?? null") is None
    assert lab.find(".pm-panel img, .pm-panel script, .pm-static img, .pm-static script").count() == 0


def test_every_control_has_a_name_for_those_who_do_not_see_it(lab: Lab) -> None:
    """Each visible control of every tab has a label, an aria-label, a title or text."""
    lab.open(lab.write("names.ipynb", notebook(_MAKE.replace("awaiting_input(", "planned("))))
    lab.run_cell(0)
    lab.wait(".pm-generate")
    for title in ("Statement", "Spec", "Schemas", "Notebook", "Quality", "Lineage", "Approval"):
        lab.tab(title)
        lab.wait(f".pm-tabpage-{title.casefold()}")
        nameless = lab.page.evaluate(
            """() => [...document.querySelectorAll(
                '.jp-NotebookPanel:not(.lm-mod-hidden) .pm-panel :is(input, select, textarea, button, [tabindex="0"])')]
              .filter(node => node.offsetParent !== null || node.ownerSVGElement)
              .filter(node => ![node.getAttribute('aria-label'), node.title, node.textContent.trim(),
                  ...[...(node.labels ?? [])].map(label => label.innerText.trim())].some(Boolean))
              .map(node => node.outerHTML.slice(0, 160))"""
        )
        assert nameless == [], title
