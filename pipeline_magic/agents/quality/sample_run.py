"""The notebook, run for real before anybody approves, into a scratch schema; then compared with its SQL form.

The target's stand-in starts empty, or, where the mode adds to a table that is there, as a copy of at most `COPIED_ROWS`
of its rows. The table's schema must be the declared one and its rows those that the mode makes of the SQL form (see
`written`). Then the notebook runs again with the same run key and time, and must leave the same rows. The scratch
schema is removed however it ends; in it stand also the tables that keep dropped rows, and those that the notebook keeps
beside its target while it runs.

Sources are read whole, whatever their size: a sample that is linked through the joins would have to be written
somewhere first, and reading less would prove less. Above `MOST_ROWS` source rows the second run is left out, and that
is said.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from pipeline_magic.agents.quality.compare import fingerprint_query, grouped, same_fingerprint
from pipeline_magic.agents.quality.describe import counted, listed
from pipeline_magic.agents.quality.written import Seen, Trial, compared
from pipeline_magic.compiler.tables import quarantine_parameters
from pipeline_magic.errors import EngineError, PipelineMagicError
from pipeline_magic.ports import Engine
from pipeline_magic.runs import CheckResult, Finding, Generated, NotebookRun, SampleRun
from pipeline_magic.spec.names import join_table, quote_table, split_table
from pipeline_magic.spec.schema import TableSchema
from pipeline_magic.spec.typed import TypedSpec

__all__ = [
    "COPIED_ROWS",
    "MOST_ROWS",
    "message_of",
    "not_executed",
    "one_line",
    "run_sample",
    "scratch_quarantine",
    "scratch_table",
]

MOST_ROWS = 5_000_000
"""Source rows up to which the notebook is run twice."""

COPIED_ROWS = 100_000
"""Rows of an existing target that its stand-in starts with."""


def not_executed(reason: str) -> tuple[SampleRun, tuple[Finding, ...]]:
    """The sample run that did not take place, and why."""
    finding = Finding(
        id="sample_run",
        severity="info",
        message=f"The notebook was not executed: {reason}.",
        hint="The checks and the counts rest on its SQL form.",
    )
    return SampleRun(status="not_executed", message=reason), (finding,)


def run_sample(
    engine: Engine,
    typed: TypedSpec,
    generated: Generated,
    *,
    run_id: str,
    run_time: str,
    timeout: float,
    say: Callable[[str], None],
    held: TableSchema | None = None,
    checks: Sequence[CheckResult] = (),
) -> tuple[SampleRun, tuple[Finding, ...]]:
    """Run the generated notebook twice into a scratch schema and compare what it wrote.

    Args:
        timeout: Seconds for each run and each query.
        say: Told what happens; may raise Cancelled, and then the scratch schema is removed all the same.
        held: The target as it is now; None when there is none.
        checks: Results of the checks, to be compared with what the notebook counts.

    Returns:
        The sample run, and findings: red where it failed.

    Raises:
        Cancelled: The person stopped the work.
    """
    if engine.no_notebooks:
        return not_executed(engine.no_notebooks)
    started = time.monotonic()
    kept = held if typed.spec.target.mode != "overwrite" else None
    notebook = generated.file(generated.notebook).content
    trial = Trial(engine, typed, notebook, run_id, run_time, timeout, kept, checks)
    seen = Seen(notes=tuple(_notes(trial)))
    try:
        scratch = engine.create_scratch(run_id)
        try:
            _try_out(trial, seen, scratch_table(scratch, typed.spec.target.table), say)
        finally:
            # What stopped the work must come through, whatever becomes of the scratch schema.
            with suppress(EngineError):
                engine.drop_scratch(run_id)
    except EngineError as error:
        if engine.no_notebooks:  # it was only found out when it was tried
            return not_executed(engine.no_notebooks)
        seen.problem = message_of(error)
    return _outcome(seen, round(time.monotonic() - started, 3))


def _outcome(seen: Seen, seconds: float) -> tuple[SampleRun, tuple[Finding, ...]]:
    sample = SampleRun(
        status="failed" if seen.problem else "passed",
        message="; ".join(filter(None, (seen.problem, *seen.notes))),
        rows=seen.rows,
        repeatable=seen.repeatable,
        seconds=seconds,
    )
    if not seen.problem:
        return sample, ()
    finding = Finding(
        id="sample_run",
        severity="red",
        message=f"The sample run failed: {seen.problem}",
        where="notebook",
        hint="Repair the step that is named, then press Generate again.",
    )
    return sample, (finding,)


def _notes(trial: Trial) -> list[str]:
    """What the person should know of how the run was made."""
    made = []
    typed = trial.typed
    rows = _source_rows(typed)
    if rows > MOST_ROWS:
        made.append(f"all {counted(rows)} of the sources were read, so the notebook ran once only")
    if trial.held is not None:
        made.append(f"the scratch table started as a copy of at most {COPIED_ROWS:,} rows of the target")
    columns = typed.target_columns()
    left_out = {column.name for column in columns} - {column.name for column in grouped(columns)}
    if left_out:
        made.append(f"values of {listed(sorted(left_out))} were not compared: their type cannot be")
    return made


def _source_rows(typed: TypedSpec) -> int:
    return sum(table.rows or 0 for table in typed.tables.values())


# --- running -----------------------------------------------------------------------------------------------------


def _try_out(trial: Trial, seen: Seen, table: str, say: Callable[[str], None]) -> None:
    before = 0
    if trial.held is not None:
        say("Copying rows of the target into a scratch schema")
        seen.problem = _copy(trial, table)
        if seen.problem:
            return
        before = int(trial.row(f"SELECT count(*) AS n FROM {quote_table(table)}")[0])
    say("Running the notebook into a scratch schema")
    done = _run(trial, table)
    seen.problem = _error_of(done) or gate_differences(trial.checks, done.exit_value)
    if seen.problem:
        return
    say("Comparing what the notebook wrote with its SQL form")
    seen.problem, seen.rows = compared(trial, seen, table, before)
    if seen.problem or _source_rows(trial.typed) > MOST_ROWS:
        return
    print_ = fingerprint_query(grouped(trial.typed.target_columns()), f"SELECT * FROM {quote_table(table)}")
    first = trial.row(print_)
    say("Running the notebook a second time")
    if problem := _error_of(_run(trial, table)):
        seen.problem, seen.repeatable = f"the second run ended with {problem}", False
        return
    second = trial.row(print_)
    seen.repeatable = same_fingerprint(first, second)
    if not seen.repeatable:
        rows = counted(int(second[0]))
        other = (
            f"{rows} instead of {int(first[0]):,}" if first[0] != second[0] else f"as many rows ({rows}), other values"
        )
        seen.problem = f"a second run with the same run key left other rows: {other}"


def _run(trial: Trial, table: str) -> NotebookRun:
    given = {"target": table, "run_time": trial.run_time, "run_key": trial.run_key}
    given |= scratch_quarantine(trial.typed, table)
    return trial.engine.run_notebook(trial.notebook, given, timeout=trial.timeout)


def _error_of(done: NotebookRun) -> str:
    return "" if done.succeeded else one_line(done.error or "an error without words")


def gate_differences(checks: Sequence[CheckResult], exit_value: str) -> str:
    """Where the notebook's own gate counted other failing rows than the checks did; empty when nowhere."""
    try:
        counted_there = json.loads(exit_value)["failing"]
    except (ValueError, KeyError, TypeError):
        return ""  # an engine that brings no exit value back
    differing = [
        f"{result.expectation} ({there:,}, checked {result.failing:,})"
        for result in checks
        if result.failing is not None
        and result.status in {"passed", "failed"}
        and isinstance(there := counted_there.get(result.expectation), int)
        and there != result.failing
    ]
    return f"the notebook counts other failing rows than the checks: {listed(differing)}" if differing else ""


def _copy(trial: Trial, table: str) -> str:
    """Start the scratch table as a copy, by a notebook of one cell: an engine only writes in notebooks."""
    assert trial.held is not None
    rows = f"SELECT * FROM {quote_table(trial.held.table)} LIMIT {COPIED_ROWS}"
    statement = f"CREATE TABLE {quote_table(table)} USING delta AS {rows}"
    cell: dict[str, Any] = {
        "id": "copy",
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        "source": f"spark.sql({json.dumps(statement)})",
    }
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
    done = trial.engine.run_notebook(json.dumps(document), {}, timeout=trial.timeout)
    return "" if done.succeeded else f"the target could not be copied: {one_line(done.error)}"


def scratch_table(scratch: str, target: str) -> str:
    """The table of the scratch schema that stands for the target.

    >>> scratch_table("scratch.r_1", "analytics.default.revenue")
    'scratch.r_1.revenue'
    """
    catalog, schema, _ = split_table(f"{scratch}.t")
    return join_table(catalog, schema, split_table(target)[2])


def scratch_quarantine(typed: TypedSpec, table: str) -> dict[str, str]:
    """The notebook's parameters for the tables that keep dropped rows: scratch tables beside the target's stand-in.

    Args:
        table: The target's stand-in.
    """
    catalog, schema, target = split_table(table)
    names: dict[str, str] = {}
    for kept in dict.fromkeys(quarantine_parameters(typed).values()):
        names[kept] = split_table(kept)[2]
        while names[kept].casefold() in {target.casefold(), *(n.casefold() for k, n in names.items() if k != kept)}:
            names[kept] += "_kept"
    return {
        parameter: join_table(catalog, schema, names[kept]) for parameter, kept in quarantine_parameters(typed).items()
    }


def one_line(text: str, most: int = 300) -> str:
    """A message in one line, bounded."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def message_of(error: PipelineMagicError) -> str:
    """An error's own words, in one line."""
    return one_line(error.message)
