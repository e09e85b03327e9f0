"""`%%pipeline` and `%pipeline`: parse, call, display. Everything else is behind the orchestrator.

Loading this module must stay light: the orchestrator, the panel and all they need are imported by the first cell.
"""

from __future__ import annotations

import shlex
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.display import display as _display

from pipeline_magic.errors import Cancelled, PipelineMagicError, UsageError
from pipeline_magic.verbs import VERBS, Outcome, Parser, Verb, parser_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
    from pipeline_magic.runs import Snapshot

__all__ = ["PipelineMagics", "register", "unregister"]

display: Callable[..., Any] = _display  # IPython's is untyped


@magics_class
class PipelineMagics(Magics):
    """The two magics of one shell; both talk to the same orchestrator."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell=shell)
        self._orchestrator: PipelineBuilderOrchestrator | None = None

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
        options = parser.parse_args(words)
        orchestrator = self._ready()
        run = orchestrator.open(cell, new=options.new)
        first = orchestrator.snapshot(run.id)

        def build(progress: Callable[..., None]) -> Snapshot:
            from pipeline_magic.snapshots import can_generate

            snapshot = orchestrator.start(cell, progress=progress)
            if options.auto and can_generate(snapshot) and snapshot.run.state != "planned":
                snapshot = orchestrator.generate(run.id, progress=progress)
            return snapshot

        self._show(first, build)

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
        orchestrator = self._ready()
        if verb.slow:
            self._slow(verb, orchestrator, args)
        else:
            self._outcome(verb.run(orchestrator, args, lambda event: None), verb.name)

    def _slow(self, verb: Verb, orchestrator: PipelineBuilderOrchestrator, args: Any) -> None:
        from pipeline_magic.verbs import run_id_of

        given = getattr(args, "id", None) or getattr(args, "run", None)
        first = orchestrator.snapshot(run_id_of(orchestrator, given))

        def work(progress: Callable[..., None]) -> Snapshot:
            outcome = verb.run(orchestrator, args, progress)
            assert outcome.snapshot is not None  # every slow verb is about one run
            return outcome.snapshot

        self._show(first, work)

    def _outcome(self, outcome: Outcome, label: str) -> None:
        if outcome.snapshot is not None:
            display(self._panel(outcome.snapshot))
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

    def _panel(self, snapshot: Snapshot) -> Any:
        from pipeline_magic.ui.panel import Panel

        orchestrator = self._ready()
        return Panel(orchestrator, snapshot, approver=orchestrator.ports.code_host.identity())

    def _show(self, first: Snapshot, work: Callable[[Callable[..., None]], Snapshot]) -> None:
        """Show the panel, do the work in a thread while the cell waits, and leave the final state in the cell."""
        panel = self._panel(first)
        handle = display(panel, display_id=True)
        done: dict[str, Any] = {}

        def go() -> None:
            try:
                done["snapshot"] = work(panel.progress)
            except BaseException as error:  # noqa: BLE001 - carried to the cell's own thread, and raised there
                done["error"] = error

        thread = threading.Thread(target=go, name="pipeline_magic", daemon=True)
        thread.start()
        self._wait(thread, first.run.id)
        error = done.get("error")
        panel.update(done.get("snapshot") or self._ready().snapshot(first.run.id))
        if handle is not None:
            handle.update(panel)
        if isinstance(error, Cancelled):
            print(f"Stopped. `%pipeline resume {first.run.id}` goes on with it.")
        elif isinstance(error, PipelineMagicError):
            raise error
        elif error is not None:
            from pipeline_magic.redact import redact

            raise PipelineMagicError(
                f"Something unforeseen happened: {type(error).__name__}: {redact(str(error))[:500]}",
                where=f"run {first.run.id}",
                hint=f"The log in {self._ready().settings.home} has the details; `%pipeline resume {first.run.id}`"
                " tries again.",
            ) from None

    def _wait(self, thread: threading.Thread, run_id: str) -> None:
        """Wait for the work; an interrupt (Ctrl-C, the stop button) cancels it, a second one stops the waiting."""
        asked = False
        while thread.is_alive():
            try:
                thread.join(0.05)
            except KeyboardInterrupt:
                if asked:
                    raise
                asked = True
                print("Stopping …", file=sys.stderr)
                self._ready().cancel(run_id)


def _help() -> str:
    width = max(len(verb.name) for verb in VERBS)
    lines = ["%%pipeline [--auto] [--new]   build a pipeline from the statement in the cell", "%pipeline VERB [...]:"]
    return "\n".join([*lines, *(f"  {verb.name.ljust(width)}  {verb.help}" for verb in VERBS)])


def register(shell: InteractiveShell) -> None:
    """Make both magics known to the shell."""
    shell.register_magics(PipelineMagics(shell))


def unregister(shell: InteractiveShell) -> None:
    """Take both magics out of the shell again."""
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("pipeline", None)
