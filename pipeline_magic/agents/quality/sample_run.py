"""The notebook, run for real before anybody approves, into a scratch schema; then compared with its SQL form.

What is compared: the table's schema with the typed one, and its rows with those of the SQL form, as multisets: both are
grouped by all columns, so that NULLs and repeated rows count. Floating-point sums may differ in their last digits,
because engines add in any order; such rows are paired and compared to nine digits. Then the notebook runs again with
the same run key and time, and must leave the same rows. The scratch schema is removed however it ends.

Sources are read whole, whatever their size: a sample that is linked through the joins would have to be written
somewhere first, and only the notebook may write. Above `MOST_ROWS` source rows the second run is left out, and said so.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pipeline_magic.agents.quality.describe import counted, listed
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.errors import EngineError, PipelineMagicError
from pipeline_magic.ports import Engine
from pipeline_magic.runs import Finding, Generated, SampleRun
from pipeline_magic.spec.names import join_table, quote, quote_table, split_table
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.typed import TypedSpec
from pipeline_magic.spec.types import parse_type

__all__ = [
    "MOST_ROWS",
    "difference_query",
    "not_executed",
    "run_sample",
    "same_but_for_rounding",
    "schema_differences",
    "scratch_table",
]

MOST_ROWS = 5_000_000
"""Source rows up to which the notebook is run twice."""

_ELSEWHERE = "quarantine"
"""The part of a notebook that writes tables other than the target."""

_MOST_DIFFERENT = 2_000
"""Differing rows that are paired one by one; more than that are different."""


@dataclass
class _Attempt:
    """One sample run as it goes on; `problem` is empty as long as all is well."""

    problem: str = ""
    rows: int | None = None
    repeatable: bool | None = None
    notes: tuple[str, ...] = ()


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
) -> tuple[SampleRun, tuple[Finding, ...]]:
    """Run the generated notebook twice into a scratch schema and compare what it wrote.

    Args:
        timeout: Seconds for each run and each query.
        say: Told what happens; may raise Cancelled, and then the scratch schema is removed all the same.

    Returns:
        The sample run, and findings: red where it failed.

    Raises:
        Cancelled: The person stopped the work.
    """
    if typed.spec.deployment == "declarative":
        return not_executed("a declarative pipeline runs on Databricks only")
    started = time.monotonic()
    attempt = _Attempt()
    try:
        scratch = engine.create_scratch(run_id)
        try:
            _try_out(engine, typed, generated, attempt, scratch, run_id, run_time, timeout, say)
        finally:
            # What stopped the work must come through, whatever becomes of the scratch schema.
            with suppress(EngineError):
                engine.drop_scratch(run_id)
    except EngineError as error:
        attempt.problem = one_line(error.message)
    seconds = round(time.monotonic() - started, 3)
    return _outcome(attempt, seconds)


def _outcome(attempt: _Attempt, seconds: float) -> tuple[SampleRun, tuple[Finding, ...]]:
    message = "; ".join(filter(None, (attempt.problem, *attempt.notes)))
    sample = SampleRun(
        status="failed" if attempt.problem else "passed",
        message=message,
        rows=attempt.rows,
        repeatable=attempt.repeatable,
        seconds=seconds,
    )
    if not attempt.problem:
        return sample, ()
    finding = Finding(
        id="sample_run",
        severity="red",
        message=f"The sample run failed: {attempt.problem}",
        where="notebook",
        hint="Repair the step that is named, then press Generate again.",
    )
    return sample, (finding,)


def _try_out(
    engine: Engine,
    typed: TypedSpec,
    generated: Generated,
    attempt: _Attempt,
    scratch: str,
    run_id: str,
    run_time: str,
    timeout: float,
    say: Callable[[str], None],
) -> None:
    table = scratch_table(scratch, typed.spec.target.table)
    notebook = without_quarantine(generated.file(generated.notebook).content)
    parameters = {"target": table, "run_time": run_time, "run_key": f"sample-{run_id}"}
    attempt.notes = tuple(_notes(typed))
    say("Running the notebook into a scratch schema")
    for again in (False, True):
        done = engine.run_notebook(notebook, parameters, timeout=timeout)
        if not done.succeeded:
            attempt.problem = ("the second run ended with " if again else "") + one_line(done.error)
            attempt.repeatable = False if again else None
            return
        say("Comparing what the notebook wrote with its SQL form" if not again else "Comparing the second run")
        problem, rows = _compared(engine, typed, table, run_time, timeout)
        if again:
            attempt.repeatable = not problem and rows == attempt.rows
            if not attempt.repeatable:
                attempt.problem = f"a second run gave other rows: {problem or counted(rows or 0)}"
            return
        attempt.problem, attempt.rows = problem, rows
        if problem or _source_rows(typed) > MOST_ROWS:
            return
        say("Running the notebook a second time")


def _notes(typed: TypedSpec) -> list[str]:
    """What the person should know of how the run was made."""
    made = []
    rows = _source_rows(typed)
    if rows > MOST_ROWS:
        made.append(f"all {counted(rows)} of the sources were read, so the notebook ran once only")
    mode = typed.spec.target.mode
    if mode != "overwrite":
        made.append(
            f"the scratch table was empty at the start, so what {mode} does to rows that are there was not tried"
        )
    kept = [item.quarantine for item in typed.spec.expectations if item.enabled and item.quarantine]
    if kept:
        made.append(f"dropped rows were not put into {listed(dict.fromkeys(kept))}, which is outside the scratch schema")
    left_out = [column.name for column in typed.target_columns() if not parse_type(column.type).groupable]
    if left_out:
        made.append(f"values of {listed(left_out)} were not compared: their type cannot be")
    return made


def without_quarantine(notebook: str) -> str:
    """The notebook without the cell that keeps dropped rows: its tables are not in the scratch schema."""
    try:
        document = json.loads(notebook)
        kept = [cell for cell in document["cells"] if cell["metadata"].get("pipeline_magic", {}).get("part") != _ELSEWHERE]
    except (ValueError, KeyError, TypeError, AttributeError):
        return notebook  # no notebook of ours; the engine says what is wrong with it
    if len(kept) == len(document["cells"]):
        return notebook
    return json.dumps({**document, "cells": kept}, ensure_ascii=False)


def _source_rows(typed: TypedSpec) -> int:
    return sum(table.rows or 0 for table in typed.tables.values())


# --- comparing ---------------------------------------------------------------------------------------------------


def _compared(engine: Engine, typed: TypedSpec, table: str, run_time: str, timeout: float) -> tuple[str, int | None]:
    """What is wrong with the table (nothing: empty), and its rows."""
    written = f"SELECT * FROM {quote_table(table)}"
    counts = f"SELECT count(*) AS n FROM {quote_table(table)}"
    found = engine.query(f"{written} LIMIT 1", limit=1, timeout=timeout).columns
    rows = int(engine.query(counts, limit=1, timeout=timeout).rows[0][0])
    if wrong := schema_differences(typed.target_columns(), found):
        return f"the table's schema is not the declared one: {wrong}", rows
    columns = [c for c in typed.node(typed.spec.target.input).columns if parse_type(c.type).groupable]
    sql_form = target_query(typed, run_time=run_time)
    # Modes with keys keep one row of several, or versions of it: there every row must be one of the SQL form's.
    whole = typed.spec.target.mode in {"overwrite", "append"}
    text = difference_query(columns, written, sql_form, whole=whole)
    result = engine.query(text, limit=_MOST_DIFFERENT, timeout=timeout)
    if not result.rows:
        return "", rows
    if not result.truncated and same_but_for_rounding(columns, result.rows):
        return "", rows
    more = sum(max(int(row[-2]) - int(row[-1]), 0) for row in result.rows)
    fewer = sum(max(int(row[-1]) - int(row[-2]), 0) for row in result.rows)
    least = "at least " if result.truncated else ""
    return (
        f"the notebook and its SQL form differ: {least}{counted(more)} only the notebook wrote, "
        f"{least}{counted(fewer)} only the SQL form has"
    ), rows


def difference_query(columns: Sequence[Column], left: str, right: str, *, whole: bool = True) -> str:
    """The rows that two queries do not have equally often, with how often each has them.

    Args:
        columns: What is compared; both queries have them.
        whole: False: only rows that `right` lacks altogether.
    """
    taken = {column.name.casefold() for column in columns}
    one, two, left_n, right_n = (_free(name, taken) for name in ("in_left", "in_right", "left_rows", "right_rows"))
    names = ", ".join(quote(column.name) for column in columns)
    wrong = f"{left_n} <> {right_n}" if whole else f"{left_n} > 0 AND {right_n} = 0"
    return (
        f"SELECT * FROM (SELECT {names}, sum({one}) AS {left_n}, sum({two}) AS {right_n} FROM ("
        f"SELECT {names}, 1 AS {one}, 0 AS {two} FROM ({left}) AS a UNION ALL "
        f"SELECT {names}, 0 AS {one}, 1 AS {two} FROM ({right}) AS b"
        f") AS u GROUP BY {names}) AS g WHERE {wrong}"
    )


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def same_but_for_rounding(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> bool:
    """Whether the rows of `difference_query` pair up when floating-point numbers may differ after nine digits."""
    floats = [at for at, column in enumerate(columns) if parse_type(column.type).name in {"double", "float"}]
    if not floats:
        return False
    sides: tuple[dict[Any, list[tuple[Any, ...]]], ...] = ({}, {})
    for row in rows:
        exact = repr([value for at, value in enumerate(row[: len(columns)]) if at not in floats])
        excess = int(row[-2]) - int(row[-1])
        side = sides[0 if excess > 0 else 1]
        side.setdefault(exact, []).extend([tuple(row[at] for at in floats)] * abs(excess))
    left, right = sides
    return left.keys() == right.keys() and all(_paired(left[key], right[key]) for key in left)


def _paired(left: list[tuple[Any, ...]], right: list[tuple[Any, ...]]) -> bool:
    if len(left) != len(right):
        return False
    pairs = zip(sorted(left, key=_order), sorted(right, key=_order), strict=True)
    return all(_close(a, b) for one, other in pairs for a, b in zip(one, other, strict=True))


def _order(values: tuple[Any, ...]) -> tuple[tuple[int, float], ...]:
    return tuple((0, 0.0) if v is None else (2, 0.0) if math.isnan(v) else (1, float(f"{v:.8e}")) for v in values)


def _close(one: float | Decimal | None, other: float | Decimal | None) -> bool:
    if one is None or other is None:
        return one is other
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


def schema_differences(wanted: Sequence[Column], found: Sequence[Column]) -> str:
    """Where two schemas differ in names, order or types, in words; empty when they do not."""
    if [c.name for c in wanted] != [c.name for c in found]:
        names = {c.name for c in found}
        missing = [c.name for c in wanted if c.name not in names]
        extra = [c.name for c in found if c.name not in {w.name for w in wanted}]
        parts = [f"missing {listed(missing)}"] if missing else []
        parts += [f"not declared {listed(extra)}"] if extra else []
        return "; ".join(parts) or f"the columns stand in another order: {listed(c.name for c in found)}"
    wrong = [
        f"{w.name} is {f.type} instead of {w.type}"
        for w, f in zip(wanted, found, strict=True)
        if parse_type(w.type) != parse_type(f.type)
    ]
    return listed(wrong)


def scratch_table(scratch: str, target: str) -> str:
    """The table of the scratch schema that stands for the target.

    >>> scratch_table("scratch.r_1", "analytics.default.revenue")
    'scratch.r_1.revenue'
    """
    catalog, schema, _ = split_table(f"{scratch}.t")
    return join_table(catalog, schema, split_table(target)[2])


def one_line(text: str, most: int = 300) -> str:
    """A message in one line, bounded."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def message_of(error: PipelineMagicError) -> str:
    """An error's own words, in one line."""
    return one_line(error.message)
