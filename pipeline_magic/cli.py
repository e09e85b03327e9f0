"""``pipeline-magic``: the verbs on a command line. Parses, calls, prints; exit status by the kind of error.

    pipeline-magic build statement.txt            (or a statement on standard input)
    pipeline-magic demo                           the whole job on the local lakehouse
    pipeline-magic lakehouse add sales.eu.orders orders.csv --describe orders.yml

Results go to standard output, progress and errors to standard error. ``--json`` prints one JSON document.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pipeline_magic.errors import Cancelled, PipelineMagicError, StatementError, UsageError
from pipeline_magic.verbs import VERBS, Outcome, Parser, parser_of

if TYPE_CHECKING:
    import argparse

    from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
    from pipeline_magic.runs import StageEvent

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when all went well, 2 for wrong usage or settings, 3 for a statement or spec that cannot be used, and so on
        as `errors` says; 12 when a must-answer question is open; 130 when stopped.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(words)
    except PipelineMagicError as error:
        return _failed(error, "--json" in words)
    except SystemExit:  # argparse has printed the help that was asked for
        return 0
    except KeyboardInterrupt:
        return _failed(Cancelled("Stopped.", hint="`pipeline-magic resume` goes on with it."), "--json" in words)
    except BrokenPipeError:  # the reader of our output went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(words: list[str]) -> int:
    top = _top_parser()
    if not words or words[0] in {"-h", "--help", "help"}:
        print(top.format_help() + _list_of_verbs())
        return 0
    options, rest = top.parse_known_args(words)
    command, rest = options.command, [*rest]
    if options.verbose:
        from pipeline_magic.logs import log_to_stderr

        log_to_stderr()
    settings = {"home": options.home, "local": options.local or None, "environment": options.environment}
    orchestrator = _orchestrator(settings)
    try:
        outcome, status = _command(command, rest, orchestrator)
        _print(outcome, options.json)
    finally:
        orchestrator.close()
    return status


def _top_parser() -> Parser:
    parser = Parser(prog="pipeline-magic", description=(__doc__ or "").splitlines()[0], add_help=False)
    parser.add_argument("command")
    parser.add_argument("--home", help="folder of the local lakehouse, store and repository")
    parser.add_argument("--environment", help="which environment of pipeline_magic.toml")
    parser.add_argument("--local", action="store_true", help="local adapters only, whatever is configured")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--verbose", action="store_true", help="show the log")
    return parser


def _orchestrator(settings: dict[str, Any]) -> PipelineBuilderOrchestrator:
    from pipeline_magic.logs import log_to_file
    from pipeline_magic.orchestrator import PipelineBuilderOrchestrator

    made = PipelineBuilderOrchestrator({name: value for name, value in settings.items() if value is not None})
    log_to_file(made.settings.home)
    return made


def _command(command: str, rest: list[str], orchestrator: PipelineBuilderOrchestrator) -> tuple[Outcome, int]:
    if command == "build":
        return _build(rest, orchestrator)
    if command == "demo":
        from pipeline_magic.demo import demo

        return demo(rest, orchestrator, sys.stderr)
    if command == "lakehouse":
        return _lakehouse(rest, orchestrator), 0
    verb = next((verb for verb in VERBS if verb.name == command), None)
    if verb is None:
        names = ", ".join(["demo", "build", *(verb.name for verb in VERBS), "lakehouse"])
        raise UsageError(f"There is no command `{command}`.", hint=f"The commands are {names}.")
    args = parser_of(verb, "pipeline-magic").parse_args(rest)
    return verb.run(orchestrator, args, Lines(sys.stderr)), 0


def _build(rest: list[str], orchestrator: PipelineBuilderOrchestrator) -> tuple[Outcome, int]:
    parser = Parser(prog="pipeline-magic build", description="Build a pipeline from a statement, up to its plan.")
    parser.add_argument(
        "file", nargs="?", default="-", help="a file with the statement; `-` or nothing: standard input"
    )
    parser.add_argument("--answer", action="append", default=[], metavar="QUESTION=ANSWER")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", dest="edits")
    parser.add_argument("--new", action="store_true", help="without the answers and edits of an earlier run")
    parser.add_argument("--planner", choices=("embedded", "llm"), default="", help="who reads the statement")
    parser.add_argument("--pause", action="store_true", help="stop after validating, as a notebook cell does")
    args = parser.parse_args(rest)
    return build(orchestrator, _statement(args.file), args, Lines(sys.stderr))


def build(
    orchestrator: PipelineBuilderOrchestrator, statement: str, args: argparse.Namespace, progress: Lines
) -> tuple[Outcome, int]:
    """Start, answer, edit and, unless told to pause, generate."""
    from pipeline_magic.flow.snapshots import can_generate
    from pipeline_magic.runs import Answer
    from pipeline_magic.spec.paths import Edit
    from pipeline_magic.ui.summary import summary_text
    from pipeline_magic.verbs import pair, value_of

    snapshot = orchestrator.start(statement, new=args.new, planner=args.planner, progress=progress)
    run_id = snapshot.run.id
    if args.answer:
        answers = [Answer(question=name, value=value) for name, value in map(pair, args.answer)]
        snapshot = orchestrator.answer(run_id, answers, progress=progress)
    if args.edits:
        edits = [Edit(path=path, value=value_of(value)) for path, value in map(pair, args.edits)]
        snapshot = orchestrator.edit(run_id, edits, progress=progress)
    if not args.pause and snapshot.run.state != "planned" and can_generate(snapshot):
        snapshot = orchestrator.generate(run_id, progress=progress)
    outcome = Outcome(
        text=("Nothing changed since the last build.\n\n" if snapshot.unchanged else "") + summary_text(snapshot),
        data={**snapshot.model_dump(mode="json"), "approval_id": snapshot.approval_id},
        snapshot=snapshot,
    )
    waiting = snapshot.validated is None or snapshot.validated.typed is None
    return outcome, 12 if waiting else 0


def _statement(file: str) -> str:
    try:
        if file == "-":
            if sys.stdin.isatty():
                print("Type the statement, then Ctrl-D:", file=sys.stderr)
            return sys.stdin.read()
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise StatementError(
            f"The statement cannot be read: {reason}.", where=file, hint="Give the path of a text file."
        ) from None


def _lakehouse(rest: list[str], orchestrator: PipelineBuilderOrchestrator) -> Outcome:
    from pipeline_magic.lakehouse_commands import run_command

    return run_command(rest, orchestrator)


class Lines:
    """Progress as lines on a terminal or in a log: one a stage's end, with what it found."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: StageEvent) -> None:
        """Write the event as one line; running stages only where they say something."""
        from pipeline_magic.runs import STAGE_TITLES, STAGES

        if event.state == "running" and not event.message:
            return
        number = STAGES.index(event.stage) + 1
        took = f" ({event.seconds:.1f} s)" if event.seconds is not None and event.state == "done" else ""
        mark = {"done": "✓", "unchanged": "=", "failed": "✗", "cancelled": "■", "waiting": "…"}.get(event.state, " ")
        title = STAGE_TITLES[event.stage]
        print(f"{mark} {number}/6 {title:<13} {event.message or event.state}{took}", file=self._stream, flush=True)


def _print(outcome: Outcome, as_json: bool) -> None:
    if outcome.lines is not None:
        sys.stdout.writelines(outcome.lines)
    elif as_json:
        print(json.dumps(outcome.data, indent=2, ensure_ascii=False, default=str))
    else:
        print(outcome.text)


def _failed(error: PipelineMagicError, as_json: bool) -> int:
    from pipeline_magic.redact import redact

    if as_json:
        detail = {"error": type(error).__name__, "message": error.message, "where": error.where, "next": error.hint}
        print(json.dumps({name: redact(text) for name, text in detail.items()}, ensure_ascii=False))
    print(redact(f"{type(error).__name__}: {error}"), file=sys.stderr)
    return error.exit_code


def _list_of_verbs() -> str:
    own = {
        "demo": "The whole job on the local lakehouse, from statement to deployed table.",
        "build": "Build a pipeline from a statement in a file or on standard input.",
        "lakehouse": "Bring your own files into the local lakehouse: add, list, show.",
    }
    every = {**own, **{verb.name: verb.help for verb in VERBS}}
    width = max(map(len, every))
    return "\ncommands:\n" + "\n".join(f"  {name.ljust(width)}  {text}" for name, text in every.items())


if __name__ == "__main__":
    sys.exit(main())
