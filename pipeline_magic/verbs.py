"""The verbs, in one table: what `%pipeline VERB` and `pipeline-magic VERB` share.

A verb takes the orchestrator and its parsed arguments, and gives an `Outcome`: text for a terminal, data for
``--json``, and, where it is about one run, the snapshot that a notebook shows as the panel. `magic` and `cli` only
parse and show.
"""

from __future__ import annotations

import argparse
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pipeline_magic.errors import NotFound, UsageError

if TYPE_CHECKING:
    from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
    from pipeline_magic.ports import Progress
    from pipeline_magic.runs import Deployment, Exchange, PullRequest, RollbackPlan, Snapshot

__all__ = [
    "VERBS",
    "Outcome",
    "Parser",
    "Verb",
    "changed_by_words",
    "pair",
    "parser_of",
    "rollback_text",
    "run_id_of",
    "table_text",
    "value_of",
]


@dataclass(frozen=True)
class Outcome:
    """What a verb gives back.

    Attributes:
        text: For a terminal, and the text fallback.
        data: JSON-compatible, for ``--json``.
        snapshot: The run it is about; a notebook shows its panel.
        table: Heading and rows, where the outcome is a table.
        lines: To be printed one after the other in place of the text, where it is too long to be held.
    """

    text: str
    data: Any = None
    snapshot: Snapshot | None = None
    table: tuple[tuple[str, ...], tuple[tuple[str, ...], ...]] | None = None
    lines: Iterator[str] | None = None


@dataclass(frozen=True)
class Verb:
    """One verb: what it is called, what it takes, what it does.

    Attributes:
        slow: It works on stages or deploys, so progress is shown while it does.
        where: ``both``, or the one interface that has it.
    """

    name: str
    help: str
    run: Callable[[PipelineBuilderOrchestrator, argparse.Namespace, Progress], Outcome]
    arguments: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = ()
    slow: bool = False
    where: str = "both"
    aliases: tuple[str, ...] = field(default=())


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print."""
        raise UsageError(f"{message[:1].upper()}{message[1:]}.", hint=f"Usage: {self.format_usage()[7:].strip()}")


def parser_of(verb: Verb, prog: str) -> Parser:
    """The parser of one verb's arguments."""
    parser = Parser(prog=f"{prog} {verb.name}", description=verb.help, add_help=True)
    for names, options in verb.arguments:
        parser.add_argument(*names, **options)
    return parser


# --- what the verbs do -------------------------------------------------------------------------------------------


def run_id_of(orchestrator: PipelineBuilderOrchestrator, given: str | None) -> str:
    """The id of a run from what a person typed: a run's id, an approval's id, a pipeline's name, or nothing (the last).

    Raises:
        NotFound: Nothing is called that.
    """
    store = orchestrator.ports.store
    if not given:
        latest = store.runs(limit=1)
        if not latest:
            raise NotFound("There is no run yet.", hint="Type a statement under `%%pipeline`.")
        return latest[0].id
    if given.startswith("a-"):
        return store.approval(given).run_id
    if given.startswith("r-"):
        return store.run(given).id
    named = store.runs(name=given, limit=1)
    if not named:
        known = ", ".join(f"`{run.name}`" for run in store.runs(limit=5) if run.name)
        raise NotFound(f"No run or pipeline is called `{given}`.", hint=f"Known: {known}." if known else "")
    return named[0].id


def _shown(snapshot: Snapshot) -> Outcome:
    from pipeline_magic.ui.summary import summary_text

    return Outcome(text=summary_text(snapshot), data=snapshot.model_dump(mode="json"), snapshot=snapshot)


def _review(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    from pipeline_magic.ui.document import static_text

    snapshot = orchestrator.snapshot(run_id_of(orchestrator, args.id))
    return Outcome(text=static_text(snapshot), data=snapshot.model_dump(mode="json"), snapshot=snapshot)


def _list(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    runs = orchestrator.runs(limit=args.limit)
    rows = tuple((run.id, run.name, run.state, run.updated[:16].replace("T", " "), run.message) for run in runs)
    heading = ("run", "pipeline", "state", "updated (UTC)", "message")
    text = table_text(heading, rows) if rows else "No runs yet. Type a statement under `%%pipeline`."
    return Outcome(text=text, data=[run.model_dump(mode="json") for run in runs], table=(heading, rows))


def _status(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    snapshot = orchestrator.snapshot(run_id_of(orchestrator, args.id))
    run, deployment = snapshot.run, snapshot.deployment
    lines = [f"{run.id}  {run.name or 'unnamed'}  {run.state}", f"  {run.message}" if run.message else ""]
    lines += [f"  {event.stage:<13} {event.state:<10} {event.message}" for event in snapshot.stages]
    if snapshot.approval:
        lines.append(f"  approval {snapshot.approval.id}: {snapshot.approval.state}")
    if snapshot.pull_request:
        lines.append(_reported(snapshot.pull_request))
    if deployment:
        lines.append(f"  deployment {deployment.id}: {deployment.state}" + _next_run(deployment.next_run))
        lines.append(_waiting(orchestrator, deployment))
    data = {
        "run": run.model_dump(mode="json"),
        "stages": [event.model_dump(mode="json") for event in snapshot.stages],
        "approval": snapshot.approval and snapshot.approval.model_dump(mode="json"),
        "deployment": deployment and deployment.model_dump(mode="json"),
        "pull_request": snapshot.pull_request and snapshot.pull_request.model_dump(mode="json"),
    }
    return Outcome(text="\n".join(line for line in lines if line), data=data)


def _reported(request: PullRequest) -> str:
    """What stands on the commit of its pull request."""
    return f"  on pull request {request.number}: {request.report}" if request.report else ""


def _waiting(orchestrator: PipelineBuilderOrchestrator, deployment: Deployment) -> str:
    """What has become meanwhile of the pull request that a deployment waits for."""
    request = deployment.pull_request
    if deployment.state != "waiting" or request is None:
        return ""
    now = orchestrator.ports.code_host.find_pull_request(request.branch) or request
    ready = now.state in ("merged", "closed") or now.checks == "passed"
    goes_on = f"; `resume {deployment.run_id}` goes on" if ready else ""
    return f"  pull request {now.number}: {now.state}{goes_on}"


def _next_run(when: str) -> str:
    return f"; next run {when}" if when else ""


def _approve(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    run = orchestrator.ports.store.run(run_id_of(orchestrator, args.id))
    if not run.approval_id:
        raise NotFound(f"Run `{run.id}` has no plan to approve.", hint=f"`generate {run.id}` makes one.")
    name = args.name or orchestrator.ports.code_host.identity()
    return _shown(
        orchestrator.approve(run.approval_id, name, args.comment, confirm=tuple(args.confirm), progress=progress)
    )


def _reject(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    run = orchestrator.ports.store.run(run_id_of(orchestrator, args.id))
    if not run.approval_id:
        raise NotFound(f"Run `{run.id}` has no plan to reject.", hint=f"`generate {run.id}` makes one.")
    name = args.name or orchestrator.ports.code_host.identity()
    return _shown(orchestrator.reject(run.approval_id, name, args.reason))


def _resume(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    return _shown(orchestrator.resume(run_id_of(orchestrator, args.id), progress=progress))


def _rollback(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    from pipeline_magic.flow.undoing import run_to_undo
    from pipeline_magic.runs import ROLLBACK_PARTS

    run_id = run_to_undo(orchestrator.ports, args.id).id if args.id else run_id_of(orchestrator, None)
    parts = tuple(part for part in ROLLBACK_PARTS if part in args.only) or ROLLBACK_PARTS
    if args.yes:
        name = args.name or orchestrator.ports.code_host.identity()
        return _shown(orchestrator.rollback(run_id, name, args.reason, parts=parts, progress=progress))
    plan = orchestrator.plan_rollback(run_id, parts=parts)
    again = " ".join(["rollback", run_id, *(f"--only {part}" for part in args.only), "--yes"])
    return Outcome(text=rollback_text(plan, again), data=plan.model_dump(mode="json"))


def rollback_text(plan: RollbackPlan, again: str) -> str:
    """What a rollback would do, for a terminal."""
    lines = [f"Rolling back `{plan.name}` in `{plan.environment}` (run {plan.run_id}) would, in this order:"]
    lines += [f"  {number}. {step.text}" for number, step in enumerate(plan.steps, start=1)] or ["  do nothing."]
    if plan.left:
        lines += ["It would leave:", *(f"  - {said}" for said in plan.left)]
    if plan.refused:
        return "\n".join([*lines, "It cannot be done:", *(f"  - {said}" for said in plan.refused)])
    return "\n".join([*lines, f"Nothing was touched. `{again}` does it."])


def _generate(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    return _shown(orchestrator.generate(run_id_of(orchestrator, args.id), progress=progress))


def _cancel(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    return _shown(orchestrator.cancel(run_id_of(orchestrator, args.id)))


def _answer(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    from pipeline_magic.runs import Answer

    given = [Answer(question=name, value=value) for name, value in map(pair, args.answers)]
    return _shown(orchestrator.answer(run_id_of(orchestrator, args.run), given, progress=progress))


def _edit(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    from pipeline_magic.spec.paths import Edit

    edits = [Edit(path=path, value=value_of(value)) for path, value in map(pair, args.edits)]
    return _shown(orchestrator.edit(run_id_of(orchestrator, args.run), edits, progress=progress))


def _change(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    made = orchestrator.open_change(args.name, " ".join(args.words))
    shown = _shown(orchestrator.resume(made.id, progress=progress))
    changed = changed_by_words(orchestrator, made.id)
    data = {**shown.data, "changes": [row[0] for row in (changed.table or ((), ()))[1]]}
    return replace(shown, text=f"{changed.text}\n\n{shown.text}", data=data, table=changed.table)


def changed_by_words(orchestrator: PipelineBuilderOrchestrator, run_id: str) -> Outcome:
    """What the words that opened a run changed, as a person would say it."""
    found = tuple((_sentence(said),) for said in orchestrator.differences(run_id))
    if not found:
        return Outcome(text="What changed is said when the questions of the run are answered.")
    text = "\n".join(["What changes:", *(f"  {said}" for (said,) in found)])
    return Outcome(text=text, table=(("what changes",), found))


def _sentence(said: str) -> str:
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _waive(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    run_id = run_id_of(orchestrator, args.run)
    return _shown(orchestrator.waive(run_id, args.finding, args.reason, name=args.name, progress=progress))


def _hand_edits(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    from pipeline_magic.agents.github.hand_edits import WAYS
    from pipeline_magic.flow.resolving import found_text

    run_id = run_id_of(orchestrator, args.id)
    asked = [(way, path) for way in WAYS if (path := getattr(args, way))]
    if len(asked) > 1:
        raise UsageError("One file is decided at a time.", hint="Each decision makes a new plan.")
    for way, path in asked:
        made = orchestrator.resolve_hand_edit(run_id, path, way, args.reason, progress=progress)
        shown = _shown(made)
        said = "\n".join(orchestrator.hand_edit_effects(run_id, path))
        return replace(shown, text=f"{said}\n\n{shown.text}" if said else shown.text)
    found = orchestrator.hand_edits(run_id)
    data = [{"id": one.id, "path": one.path, "message": one.message, "diff": one.diff, "ways": one.ways,
             "changed": one.changed} for one in found]  # fmt: skip
    return Outcome(text=found_text(run_id, found), data={"run": run_id, "hand_edits": data})


def _audit(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    store = orchestrator.ports.store
    if args.id == "verify":
        return _audit_verified(orchestrator)
    run_id = run_id_of(orchestrator, args.id) if args.id not in {None, "export"} else None
    if args.export or args.id == "export":
        return _audit_exported(orchestrator, run_id, args.export or args.file)
    if args.limit < 1:
        raise UsageError("`--limit` must be 1 or more.", hint="`audit export` writes all entries.")
    after = None if run_id else max(0, store.audit_head()[0] - args.limit)
    entries = deque(store.audit_stream(run_id, after=after), maxlen=args.limit)
    rows = tuple((e.at[:19].replace("T", " "), e.run_id, e.event, e.identity, e.name, e.digest[:12]) for e in entries)
    heading = ("at (UTC)", "run", "event", "identity", "name", "digest")
    text = table_text(heading, rows) if rows else "Nothing was decided or deployed yet."
    if len(rows) == args.limit:
        text += f"\n\nThese are the latest {len(rows)}; `--limit N` shows more, `audit export` all of them."
    return Outcome(text=text, data=[entry.model_dump(mode="json") for entry in entries], table=(heading, rows))


def _audit_verified(orchestrator: PipelineBuilderOrchestrator) -> Outcome:
    from pipeline_magic.flow.verifying import verify_store

    found = verify_store(orchestrator.ports)
    outside = found.outside
    said = f"The audit holds: {found.entries:,} entries, each chained to the one before; " + (
        f"{outside} {'head' if outside == 1 else 'heads'} outside the store {'agrees' if outside == 1 else 'agree'}."
        if outside
        else "no head is known outside the store yet."
    )
    if found.backwards:
        listed = ", ".join(map(str, found.backwards[:5])) + (", …" if len(found.backwards) > 5 else "")
        said += f"\nDated before the entry that precedes them, since a clock went back: {listed}."
    data = {**found._asdict(), "heads": outside, "problems": list(found.problems), "unknown": list(found.unknown)}
    return Outcome(text="\n".join((*(found.problems or (said,)), *found.unknown)), data=data)


def _audit_exported(orchestrator: PipelineBuilderOrchestrator, run_id: str | None, file: str | None) -> Outcome:
    from pipeline_magic.agents.approval import export

    entries = orchestrator.ports.store.audit_stream(run_id)
    if not file:
        return Outcome(text="", lines=export.json_lines(entries))
    path = Path(file).expanduser()
    count = export.write(entries, path)
    return Outcome(text=f"Wrote {count:,} entries to {path}.", data={"entries": count, "file": str(path)})


def _clean(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    found, removed = orchestrator.clean(args.older_than, failed=args.failed, remove=args.yes)
    rows = tuple(
        (item.run_id, item.name, item.updated[:10], item.why, f"{item.data.size / 1024:,.0f} KB") for item in found.runs
    )
    rows += tuple((run_id, "", "", "its scratch schema was left over", "") for run_id in found.scratch)
    heading = ("run", "pipeline", "updated", "why", "size")
    lines = [table_text(heading, rows), ""] if rows else []
    kept = "; ".join(f"{count} {why}" for why, count in found.kept.items())
    lines += [f"Older and kept: {kept}."] if kept else []
    if not rows:
        lines.append(f"Nothing from before {found.before[:10]} can go.")
    elif removed is None:
        lines.append(
            "Nothing was removed. The same with `--yes` removes it: stages and what was measured, never the audit."
        )
    else:
        lines += [f"{run_id} stays: {why}." for run_id, why in removed.passed.items()]
        lines.append(f"Removed: {len(removed.runs)} working data, {len(removed.scratch)} scratch schemas.")
    data = {**found.model_dump(mode="json"), "removed": removed and removed.model_dump(mode="json")}
    return Outcome(text="\n".join(lines), data=data)


def _ledger(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    from pipeline_magic.agents.approval.ledger import verify_exchanges

    store = orchestrator.ports.store
    run_id = run_id_of(orchestrator, args.id)
    exchanges = store.exchanges(run_id)
    if args.show is not None:
        if not 1 <= args.show <= len(exchanges):
            raise NotFound(f"Run `{run_id}` has no request {args.show}.", hint=f"It sent {len(exchanges)}.")
        one = exchanges[args.show - 1]
        parts = [f"{one.at}  to {one.model} at {one.host}  {one.status}", "", one.request, "", one.answer or one.error]
        return Outcome(text="\n".join(parts), data=one.model_dump(mode="json"))
    wrong = verify_exchanges(exchanges, store.audit(run_id))
    heading = ("", "at (UTC)", "model", "host", "status", "read", "written", "cost", "request", "answer")
    rows = tuple(_exchange_row(number, item, wrong) for number, item in enumerate(exchanges, start=1))
    text = table_text(heading, rows) if rows else f"Run `{run_id}` sent nothing to a language model."
    if rows:
        text += f"\n\n`ledger --show N {run_id}` shows a request and its answer in full." + "".join(
            f"\n{line}" for line in wrong
        )
    data = {"run": run_id, "exchanges": [item.model_dump(mode="json") for item in exchanges], "problems": list(wrong)}
    return Outcome(text=text, data=data, table=(heading, rows))


def _exchange_row(number: int, item: Exchange, wrong: Sequence[str]) -> tuple[str, ...]:
    edited = any(f"of {item.id} " in line for line in wrong)
    return (
        str(number),
        item.at[:19].replace("T", " "),
        item.model,
        item.host,
        "EDITED LATER" if edited else item.error or item.status,
        "" if item.tokens_in is None else f"{item.tokens_in:,}",
        "" if item.tokens_out is None else f"{item.tokens_out:,}",
        "unknown" if item.cost_usd is None else f"${item.cost_usd:.4f}",
        item.request_sha256[:12],
        item.answer_sha256[:12],
    )


def _replay(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    found = orchestrator.replay(run_id_of(orchestrator, args.id))
    rows = tuple(
        ("same" if one.same else "DIFFERS", one.name, one.kept_in, one.rebuilt[:12], one.said)
        for one in found.artefacts
    )
    heading = ("", "artefact", "compared with", "made again", "")
    count = len(found.differing)
    said = f"{count} of {len(rows)} copies differ." if count else f"All {len(rows)} copies are the same, byte for byte."
    text = "\n".join([*found.reasons, *(["", table_text(heading, rows)] if rows else []), "", said]).strip()
    data = {**found.model_dump(mode="json"), "same": found.same, "differing": count}
    return Outcome(text=text, data=data, table=(heading, rows))


def _rows(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    from pipeline_magic.spec.names import quote_table

    try:
        name = quote_table(args.table)
    except ValueError as error:
        raise UsageError(f"{str(error)[:1].upper()}{str(error)[1:]}.", hint="Write catalog.schema.table.") from None
    orchestrator.ports.prepare(lambda message: None)
    orchestrator.ports.catalog.table(args.table)
    result = orchestrator.ports.engine.query(f"SELECT * FROM {name}", limit=args.limit)
    heading = tuple(column.name for column in result.columns)
    rows = tuple(tuple("NULL" if value is None else str(value) for value in row) for row in result.rows)
    data = [dict(zip(heading, row, strict=True)) for row in result.rows]
    return Outcome(text=table_text(heading, rows) if rows else "No rows.", data=data, table=(heading, rows))


def _doctor(orchestrator: PipelineBuilderOrchestrator, args: argparse.Namespace, progress: Progress) -> Outcome:
    from pipeline_magic.doctor import examine

    findings = examine(orchestrator)
    rows = tuple((item.mark, item.subject, item.found, item.hint) for item in findings)
    heading = ("", "what", "found", "next")
    data = [{"ok": item.ok, "what": item.subject, "found": item.found, "next": item.hint} for item in findings]
    return Outcome(text=table_text(heading, rows), data=data, table=(heading, rows))


# --- the table ---------------------------------------------------------------------------------------------------

_ID = (("id",), {"nargs": "?", "help": "run, approval or pipeline name; the latest run when left out"})
_RUN = (("--run",), {"default": None, "metavar": "ID", "help": "run or pipeline name; the latest run when left out"})
_NAME = (("--name",), {"default": "", "help": "name to show beside the authenticated identity"})

VERBS: tuple[Verb, ...] = (
    Verb("review", "Show a run as it stands.", _review, (_ID,)),
    Verb(
        "list",
        "List the latest runs.",
        _list,
        ((("--limit",), {"type": int, "default": 20, "metavar": "N", "help": "how many at most"}),),
    ),
    Verb(
        "answer",
        "Answer open questions.",
        _answer,
        ((("answers",), {"nargs": "+", "metavar": "QUESTION=ANSWER"}), _RUN),
        slow=True,
    ),
    Verb(
        "edit",
        "Edit fields of the spec.",
        _edit,
        ((("edits",), {"nargs": "+", "metavar": "PATH=VALUE"}), _RUN),
        slow=True,
    ),
    Verb(
        "change",
        "Change a pipeline in words; all that is not said stays.",
        _change,
        (
            (("name",), {"help": "pipeline name or run"}),
            (("words",), {"nargs": "+", "help": "what should be different"}),
        ),
    ),
    Verb("generate", "Generate the files, check them and prepare the pull request.", _generate, (_ID,), slow=True),
    Verb(
        "approve",
        "Approve a plan; then it is merged, deployed and run.",
        _approve,
        (
            _ID,
            _NAME,
            (("--comment",), {"default": "", "help": "kept in the audit and the pull request"}),
            (
                ("--confirm",),
                {"action": "append", "default": [], "metavar": "CLAUSE", "help": "a clause not understood, accepted"},
            ),
        ),
        slow=True,
    ),
    Verb(
        "reject",
        "Reject a plan, with a reason.",
        _reject,
        (_ID, _NAME, (("--reason",), {"required": True, "help": "what should be different"})),
    ),
    Verb(
        "waive",
        "Accept a red finding, with a reason.",
        _waive,
        (
            (("finding",), {"help": "id of the finding"}),
            (("--reason",), {"required": True, "help": "why it may stand"}),
            _NAME,
            _RUN,
        ),
        slow=True,
    ),
    Verb(
        "hand-edits",
        "Show generated files that were edited in the repository; take, keep or discard an edit.",
        _hand_edits,
        (
            _ID,
            (("--take",), {"default": "", "metavar": "PATH", "help": "take what the file says into the spec"}),
            (("--keep",), {"default": "", "metavar": "PATH", "help": "keep the file as a custom file"}),
            (("--discard",), {"default": "", "metavar": "PATH", "help": "let the file be written again"}),
            (("--reason",), {"default": "", "help": "why; needed to discard, kept in the audit"}),
        ),
        slow=True,
    ),
    Verb("resume", "Go on where a run stopped.", _resume, (_ID,), slow=True),
    Verb(
        "rollback",
        "Say what undoing a deployment would do; with --yes, undo it.",
        _rollback,
        (
            (("id",), {"nargs": "?", "help": "run or pipeline name; the latest run when left out"}),
            (("--yes",), {"action": "store_true", "help": "do it"}),
            (
                ("--only",),
                {
                    "action": "append",
                    "default": [],
                    "choices": ("job", "tables", "files"),
                    "help": "undo this part alone; may be repeated",
                },
            ),
            _NAME,
            (("--reason",), {"default": "", "help": "kept in the audit"}),
        ),
    ),
    Verb("cancel", "Stop the work on a run, or drop one that waits.", _cancel, (_ID,)),
    Verb("replay", "Make every artefact of a run again from the store alone, and compare.", _replay, (_ID,)),
    Verb("status", "Say in a few lines how a run stands.", _status, (_ID,)),
    Verb(
        "audit",
        "Show the audit; `audit verify` checks its chain, `audit export` writes it to a file.",
        _audit,
        (
            (("id",), {"nargs": "?", "help": "run, approval or pipeline name, `verify` or `export`; all runs without"}),
            (("file",), {"nargs": "?", "help": "of `export`: a .jsonl or .csv file; JSON Lines to the screen without"}),
            (("--export",), {"metavar": "FILE", "help": "write it to a .jsonl or .csv file"}),
            (("--limit",), {"type": int, "default": 200, "metavar": "N", "help": "how many of the latest at most"}),
        ),
    ),
    Verb(
        "clean",
        "Show what old runs have left; with --yes, remove it.",
        _clean,
        (
            (("--older-than",), {"default": "", "metavar": "AGE", "help": "90d, 12w; the setting `retention` without"}),
            (("--failed",), {"action": "store_true", "help": "failed runs too, though they could be resumed"}),
            (("--yes",), {"action": "store_true", "help": "remove it; without, it is only shown"}),
        ),
    ),
    Verb(
        "ledger",
        "Show what a run sent to a language model, and what came back.",
        _ledger,
        (_ID, (("--show",), {"type": int, "default": None, "metavar": "N", "help": "the N-th request in full"})),
    ),
    Verb(
        "rows",
        "Show the first rows of a table.",
        _rows,
        (
            (("table",), {"help": "catalog.schema.table"}),
            (("--limit",), {"type": int, "default": 10, "metavar": "N", "help": "how many at most"}),
        ),
    ),
    Verb("doctor", "Say what every port is, what leaves the machine, and what is amiss.", _doctor),
)


# --- helpers -----------------------------------------------------------------------------------------------------


def pair(text: str) -> tuple[str, str]:
    """``NAME=VALUE`` as typed."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"`{text}` is not of the form NAME=VALUE.", hint="Write the name, `=`, and the value.")
    return name.strip(), value.strip()


def value_of(text: str) -> Any:
    """A value as typed: JSON where it is JSON (numbers, true, null, lists), else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def table_text(heading: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> str:
    """A table for a terminal; a cell shows its first line, at most 48 characters."""
    lines = [heading, *rows]
    widths = [min(48, max(len(line[column].split("\n")[0]) for line in lines)) for column in range(len(heading))]
    shown = []
    for line in lines:
        cells = [_cut(cell.split("\n")[0], width).ljust(width) for cell, width in zip(line, widths, strict=True)]
        shown.append("  ".join(cells).rstrip())
    return "\n".join([shown[0], "  ".join("-" * width for width in widths), *shown[1:]])


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
