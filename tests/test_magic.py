"""`%%pipeline` and `%pipeline` in a shell: errors in a sentence, listings, and leaving without a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

Cell = Callable[[str], str]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("PIPELINE_MAGIC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIPELINE_MAGIC_LOCAL", "1")
    monkeypatch.setenv("PIPELINE_MAGIC_SAMPLE_SCALE", "0.001")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance()
    made.run_line_magic("load_ext", "pipeline_magic")
    yield made
    InteractiveShell.clear_instance()


@pytest.fixture
def cell(shell: InteractiveShell) -> Cell:
    """Run a cell; gives everything it showed."""

    def run(source: str) -> str:
        with capture_output() as shown:
            shell.run_cell(source)
        texts = [str(output.data.get("text/plain", "")) for output in shown.outputs]
        return shown.stdout + shown.stderr + "\n".join(texts)

    return run


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("%%pipeline\n   \n", "StatementError: The statement is empty."),
        ("%%pipeline --fast\ncount orders", "UsageError: Unrecognized arguments: --fast."),
        ("%pipeline dance", "UsageError: There is no verb `dance`."),
        ("%pipeline review 'open", "UsageError: The line cannot be read"),
        ("%pipeline reject", "UsageError: The following arguments are required: --reason."),
        ("%pipeline review", "NotFound: There is no run yet."),
        ("%pipeline review r-nosuch", "NotFound"),
        ("%pipeline rows no.such.table", "TableNotFound: There is no table `no.such.table`"),
    ],
)
def test_errors_are_sentences(cell: Cell, source: str, says: str) -> None:
    """What cannot be understood or found is said in a sentence with what to do next, never with a traceback."""
    shown = cell(source)
    assert says in shown and "Next:" in shown
    assert "Traceback" not in shown


def test_help_names_every_verb(cell: Cell) -> None:
    """`%pipeline` alone lists the verbs; a verb's `--help` its arguments."""
    from pipeline_magic.verbs import VERBS

    shown = cell("%pipeline")
    assert all(f"  {verb.name}" in shown for verb in VERBS)
    assert "--confirm" in cell("%pipeline approve --help")


def test_empty_listings_say_what_to_do(cell: Cell) -> None:
    """With no run yet, `list` and `audit` say so rather than showing nothing."""
    assert "No runs yet." in cell("%pipeline list")
    assert "Nothing was decided" in cell("%pipeline audit")


def test_a_wrong_setting_is_said_by_the_first_cell(cell: Cell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A setting that cannot be used is said where it comes from, by the first cell and not by `%load_ext`."""
    monkeypatch.setenv("PIPELINE_MAGIC_SAMPLE_SCALE", "plenty")
    shown = cell("%pipeline list")
    assert "ConfigurationError" in shown and "PIPELINE_MAGIC_SAMPLE_SCALE" in shown


def test_unloading_takes_the_magics_away(shell: InteractiveShell) -> None:
    """`%unload_ext` leaves a shell without both magics, and they can be loaded again."""
    shell.run_line_magic("unload_ext", "pipeline_magic")
    assert shell.find_line_magic("pipeline") is None and shell.find_cell_magic("pipeline") is None
    shell.run_line_magic("load_ext", "pipeline_magic")
    assert shell.find_cell_magic("pipeline") is not None


@pytest.mark.engine
def test_a_statement_and_its_verbs(cell: Cell) -> None:
    """The cell stops at the pause; verbs answer, edit, generate and approve; the rows are there."""
    shown = cell("%%pipeline\nCount the orders per o_orderstatus into analytics.ops.counts")
    assert "analytics.ops.counts" in shown
    assert "awaiting_input" in cell("%pipeline status")
    cell("%pipeline edit 'target.comment=How many'")
    assert "planned" in cell("%pipeline generate counts") and "approval" in cell("%pipeline status")
    cell("%pipeline approve counts --comment fine")
    assert "deployed" in cell("%pipeline status counts")
    assert "order_count" in cell("%pipeline rows analytics.ops.counts")
    assert "approval.approve" in cell("%pipeline audit counts")
    assert "Nothing changed" in cell("%%pipeline\nCount the orders per o_orderstatus into analytics.ops.counts")


@pytest.mark.engine
def test_run_does_what_the_cell_does(tmp_path: Path) -> None:
    """`pipeline_magic.run` stops at the pause, or goes on with `auto`; its result shows itself as text."""
    import pipeline_magic

    words = "Count the orders per o_orderpriority into analytics.ops.priorities"
    settings = {"home": tmp_path / "home", "local": True, "sample_scale": 0.001}
    paused = pipeline_magic.run(words, **settings)
    assert paused.state == "awaiting_input" and paused.approval_id == ""
    planned = pipeline_magic.run(words, auto=True, **settings)
    assert planned.state == "planned" and planned.approval_id in repr(planned)
    bundle = planned._repr_mimebundle_()
    bundle = bundle[0] if isinstance(bundle, tuple) else bundle
    assert {"text/html", "text/plain"} <= set(bundle)
