"""``pipeline-magic demo``: the whole job, on the local lakehouse, from a statement to the rows of its table."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, TextIO

from pipeline_magic.cli import Lines, build
from pipeline_magic.errors import UsageError
from pipeline_magic.verbs import Outcome, Parser, table_text

if TYPE_CHECKING:
    from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
    from pipeline_magic.runs import Snapshot

__all__ = ["STATEMENT", "demo"]

STATEMENT = """\
Create a daily pipeline that:
1. Reads customer and order data from Unity Catalog
2. Joins them and calculates revenue metrics
3. Segments high-value customers
4. Validates data quality
5. Outputs to analytics catalog
"""


def demo(words: list[str], orchestrator: PipelineBuilderOrchestrator, stream: TextIO) -> tuple[Outcome, int]:
    """Build the statement's pipeline, show it, ask, approve, and show what came of it.

    Args:
        words: ``--yes`` approves without asking.
        orchestrator: On the local lakehouse.
        stream: For progress and the question.

    Raises:
        UsageError: The settings lead elsewhere: a demonstration approves by itself where it cannot ask.
    """
    settings = orchestrator.settings
    if settings.on_databricks or (settings.github_repo and not settings.local):
        raise UsageError(
            "The demo works on the local lakehouse, and the settings name Databricks or GitHub.",
            hint="Run `pipeline-magic demo --local`.",
        )
    parser = Parser(prog="pipeline-magic demo", description="The whole job on the local lakehouse.")
    parser.add_argument("--yes", action="store_true", help="approve without asking")
    args = parser.parse_args(words)
    progress = Lines(stream)
    print(f"Statement\n\n{_indented(STATEMENT)}\n", file=stream)
    options = argparse.Namespace(new=False, answer=[], edits=[], pause=False, planner="embedded")
    outcome, status = build(orchestrator, STATEMENT, options, progress)
    snapshot = outcome.snapshot
    assert snapshot is not None  # build always gives one
    if status or snapshot.approval is None:
        return outcome, status or 1
    print(f"\n{outcome.text}\n", file=stream)
    if snapshot.approval.state == "approved" and snapshot.deployment and snapshot.deployment.state == "deployed":
        return Outcome(text=_closing(orchestrator, snapshot), data=snapshot.model_dump(mode="json")), 0
    if not (args.yes or _agreed(orchestrator, stream)):
        text = f"Nothing was written. `pipeline-magic approve {snapshot.run.id}` approves it later."
        return Outcome(text=text, data=snapshot.model_dump(mode="json")), 0
    name = orchestrator.ports.code_host.identity()
    snapshot = orchestrator.approve(snapshot.approval_id, name, "Approved in the demo.", progress=progress)
    return Outcome(text="\n" + _closing(orchestrator, snapshot), data=snapshot.model_dump(mode="json")), 0


def _agreed(orchestrator: PipelineBuilderOrchestrator, stream: TextIO) -> bool:
    if not sys.stdin.isatty():
        identity = orchestrator.ports.code_host.identity()
        print(f"No terminal to ask on: approving as the operating system user `{identity}`.", file=stream)
        return True
    print("Approve: open the pull request, merge it, deploy and run? [y/N] ", end="", file=stream, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _closing(orchestrator: PipelineBuilderOrchestrator, snapshot: Snapshot) -> str:
    """The rows of the target, and where everything lies."""
    assert snapshot.validated is not None and snapshot.validated.spec is not None  # it was deployed
    spec, home = snapshot.validated.spec, orchestrator.settings.home
    result = orchestrator.ports.engine.query(f"SELECT * FROM {spec.target.table} ORDER BY 1", limit=5)
    count = orchestrator.ports.engine.query(f"SELECT count(*) FROM {spec.target.table}", limit=1).rows[0][0]
    heading = tuple(column.name for column in result.columns)
    rows = tuple(tuple("NULL" if value is None else str(value) for value in row) for row in result.rows)
    request, deployment = snapshot.pull_request, snapshot.deployment
    return "\n".join(
        [
            f"{spec.target.table}: {count:,} rows, the first {len(rows)}:",
            "",
            table_text(heading, rows),
            "",
            f"Pull request   {request.number} ({request.state}), merge commit {request.merge_commit[:12]}"
            if request
            else "",
            f"Job            {deployment.id}, next run {deployment.next_run or 'on demand'}" if deployment else "",
            f"Repository     git -C {home / 'repo.git'} log --graph --oneline main",
            "Audit          pipeline-magic audit        (pipeline-magic audit verify checks its chain)",
            "In a notebook  make notebook",
        ]
    )


def _indented(text: str) -> str:
    return "\n".join("    " + line for line in text.strip().splitlines())
