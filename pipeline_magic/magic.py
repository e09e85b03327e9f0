"""`%%pipeline` and `%pipeline`: parse, call, display. Everything else is behind the orchestrator.

Loading this module must stay light: the orchestrator, the panel and all they need are imported by the first cell.
"""

from __future__ import annotations

import os
import shlex
import sys
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.display import display as _display

from pipeline_magic.errors import Cancelled, PipelineMagicError, UsageError
from pipeline_magic.verbs import VERBS, Outcome, Parser, changed_by_words, parser_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
    from pipeline_magic.runs import Snapshot, StageEvent
    from pipeline_magic.ui.panel import Panel

__all__ = ["PipelineMagics", "register", "unregister"]

display: Callable[..., Any] = _display  # IPython's is untyped


@magics_class
class PipelineMagics(Magics):
    """The two magics of one shell; both talk to the same orchestrator."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell=shell)
        self._orchestrator: PipelineBuilderOrchestrator | None = None
        self._panels: weakref.WeakSet[Panel] = weakref.WeakSet()

    @line_cell_magic  # type: ignore[untyped-decorator,unused-ignore]  # IPython's decorators are untyped
    def pipeline(self, line: str, cell: str | None = None) -> Any:
        """Build a pipeline from the cell's statement, or run a verb: ``%pipeline help`` lists them."""
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise UsageError(f"The line cannot be read: {error}.", hint="Close the quotes.") from None
        return self._verb(words) if cell is None else self._build(words, cell)

    # --- the cell magic ------------------------------------------------------------------------------------------

    def _build(self, words: list[str], cell: str) -> None:
        parser = Parser(prog="%%pipeline", add_help=False)
        parser.add_argument("--auto", action="store_true")
        parser.add_argument("--new", action="store_true")
        parser.add_argument("--edit", metavar="NAME", default="")
        parser.add_argument("--planner", choices=("embedded", "llm"), default="")
        options = parser.parse_args(words)

        def build(held: Held) -> Snapshot:
            from pipeline_magic.flow.snapshots import can_generate

            orchestrator = self._ready()
            if options.edit:
                run = orchestrator.open_change(options.edit, cell)
            else:
                run = orchestrator.open(cell, new=options.new, planner=options.planner)
            held.show(self._panel(orchestrator.snapshot(run.id)), run.id)
            if options.edit:
                snapshot = orchestrator.resume(run.id, progress=held.progress)
            else:
                snapshot = orchestrator.start(cell, progress=held.progress)
            if options.auto and can_generate(snapshot) and snapshot.run.state != "planned":
                snapshot = orchestrator.generate(run.id, progress=held.progress)
            return snapshot

        shown = self._hold(build)
        if options.edit and shown is not None and not isinstance(shown, Outcome):
            self._listing(changed_by_words(self._ready(), shown.run.id), "what changes")

    # --- the line magic ------------------------------------------------------------------------------------------

    def _verb(self, words: list[str]) -> None:
        if not words or words[0] in {"help", "--help", "-h"}:
            print(_help())
            return
        verb = next((verb for verb in VERBS if verb.name == words[0]), None)
        if verb is None:
            names = ", ".join(f"`{verb.name}`" for verb in VERBS)
            raise UsageError(f"There is no verb `{words[0]}`.", hint=f"The verbs are {names}.")
        try:
            args = parser_of(verb, "%pipeline").parse_args(words[1:])
        except SystemExit:  # argparse has printed the verb's help
            return

        def work(held: Held) -> Snapshot | Outcome:
            orchestrator = self._ready()
            if not verb.slow:
                return verb.run(orchestrator, args, held.progress)
            from pipeline_magic.verbs import run_id_of

            run_id = run_id_of(orchestrator, getattr(args, "id", None) or getattr(args, "run", None))
            held.show(self._panel(orchestrator.snapshot(run_id)), run_id)
            snapshot = verb.run(orchestrator, args, held.progress).snapshot
            assert snapshot is not None  # every slow verb is about one run
            return snapshot

        outcome = self._hold(work)
        if isinstance(outcome, Outcome):
            self._outcome(outcome, verb.name)

    def _outcome(self, outcome: Outcome, label: str) -> None:
        if outcome.snapshot is not None:
            display(self._panel(outcome.snapshot))
            if outcome.table is not None:
                self._listing(outcome, "what changes")
        else:
            self._listing(outcome, label)

    def _listing(self, outcome: Outcome, label: str) -> None:
        if outcome.lines is not None:
            sys.stdout.writelines(outcome.lines)
        elif outcome.table is not None and outcome.table[1]:
            from pipeline_magic.ui.listing import listing_bundle

            display(listing_bundle(*outcome.table, label=label, text=outcome.text), raw=True)
        else:
            print(outcome.text)

    # --- both ----------------------------------------------------------------------------------------------------

    def _ready(self) -> PipelineBuilderOrchestrator:
        if self._orchestrator is None:
            from pipeline_magic.logs import log_to_file
            from pipeline_magic.orchestrator import PipelineBuilderOrchestrator

            made = PipelineBuilderOrchestrator()
            ports = made.ports  # made here, so that a wrong setting is said before a panel is shown
            assert ports is not None
            log_to_file(made.settings.home)
            self._orchestrator = made
        return self._orchestrator

    def _panel(self, snapshot: Snapshot) -> Panel:
        from pipeline_magic.ui.panel import Panel

        orchestrator = self._ready()
        identity = orchestrator.ports.code_host.identity()
        tables = orchestrator.find_tables(limit=1000)
        made = Panel(orchestrator, snapshot, approver=identity, tables=tables, find=orchestrator.find_tables)
        self._panels.add(made)
        return made

    def _redraw_others(self, shown: Panel | None) -> None:
        """Panels of other cells whose run was moved by this one: superseded, rejected, planned anew."""
        orchestrator = self._ready()
        for panel in list(self._panels):
            if panel is shown or not panel.wait(0):
                continue
            try:
                if orchestrator.ports.store.run(panel.snapshot.run.id).version != panel.snapshot.run.version:
                    panel.update(orchestrator.snapshot(panel.snapshot.run.id))
            except PipelineMagicError:
                continue  # what went wrong with this cell is said below it; the others stay as they are drawn

    def _hold(self, work: Callable[[Held], Snapshot | Outcome]) -> Snapshot | Outcome | None:
        """Hold the cell while a thread works; show its panel as soon as there is one, and its last state at the end.

        All of the work, the first imports included, is in the thread: an interrupt reaches this one only, and turns
        into a request to cancel; a second one stops the waiting.
        """
        if os.environ.get("DATABRICKS_RUNTIME_VERSION"):
            self._ready()  # a notebook of Databricks logs in by what only its own thread may know
        held = Held(work)
        asked, handle = False, None
        while True:
            try:
                alive = held.wait(0.05)
                if handle is None and held.panel is not None:
                    handle = display(held.panel, display_id=True)
                if not alive:
                    break
            except KeyboardInterrupt:
                if asked:
                    raise
                asked = True
                print("Stopping …", file=sys.stderr)
                held.stop()
            if asked and held.run_id and self._ready().stop(held.run_id):
                asked = False
        return self._settle(held, handle)

    def _settle(self, held: Held, handle: Any) -> Snapshot | Outcome | None:
        error = held.error
        outcome: Snapshot | Outcome | None = held.outcome
        if held.panel is not None:
            from pipeline_magic.runs import Snapshot

            held.panel.update(outcome if isinstance(outcome, Snapshot) else self._ready().snapshot(held.run_id))
            if handle is not None:
                handle.update(held.panel)
        if self._panels:
            self._redraw_others(held.panel)
        if error is None:
            return outcome
        if isinstance(error, Cancelled):
            print(f"Stopped. `%pipeline resume {held.run_id}` goes on with it." if held.run_id else "Stopped.")
            return None
        if isinstance(error, PipelineMagicError):
            raise error
        from pipeline_magic.redact import redact

        raise PipelineMagicError(
            f"Something unforeseen happened: {type(error).__name__}: {redact(str(error))[:500]}",
            where=f"run {held.run_id}" if held.run_id else "",
            hint="The log in the home folder has the details; running the cell again goes on where this stopped.",
        ) from None


class Held:
    """Work in a thread that a cell waits for.

    Attributes:
        panel: Shown by the cell's own thread as soon as the work gives one.
        run_id: Of the panel's run; empty before.
        outcome: What the work gave; None while it works, and after an error.
        error: What ended it.
    """

    def __init__(self, work: Callable[[Held], Snapshot | Outcome]) -> None:
        self.panel: Panel | None = None
        self.run_id = ""
        self.outcome: Any = None
        self.error: BaseException | None = None
        self._stopped = False
        self._work = work
        self._done = threading.Event()
        threading.Thread(target=self._go, name="pipeline_magic", daemon=True).start()

    def _go(self) -> None:
        try:
            self.outcome = self._work(self)
        except BaseException as error:  # noqa: BLE001 - carried to the cell's own thread, and raised there
            self.error = error
        finally:
            self._done.set()

    def wait(self, seconds: float) -> bool:
        """Wait a little; whether the work goes on. (A `join` that is interrupted may take a living thread for dead.)"""
        return not self._done.wait(seconds)

    def show(self, panel: Panel, run_id: str) -> None:
        """Give the cell its panel."""
        self.panel, self.run_id = panel, run_id
        if self._stopped:
            raise Cancelled("The work was stopped.")

    def stop(self) -> None:
        """Stop before the run is begun; one that was begun is cancelled through the orchestrator."""
        self._stopped = True

    def progress(self, event: StageEvent) -> None:
        """Hand an event of a stage to the panel."""
        if self.panel is not None:
            self.panel.progress(event)


def _help() -> str:
    width = max(len(verb.name) for verb in VERBS)
    lines = [
        "%%pipeline [--auto] [--new] [--planner embedded|llm]   build a pipeline from the statement in the cell",
        "%%pipeline --edit NAME   change a pipeline by the words in the cell",
        "%pipeline VERB [...]:",
    ]
    return "\n".join([*lines, *(f"  {verb.name.ljust(width)}  {verb.help}" for verb in VERBS)])


def register(shell: InteractiveShell) -> None:
    """Make both magics known to the shell."""
    shell.register_magics(PipelineMagics(shell))


def unregister(shell: InteractiveShell) -> None:
    """Take both magics out of the shell again."""
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("pipeline", None)
