"""What the notebook wrote in a trial, held against the declared schema and the SQL form of the same spec.

Here: one trial, what it showed, and the judgement of the table it left. Not here: running it (`sample_run`), how two
sets of rows are compared (`compare`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline_magic.agents.quality.compare import (
    difference_query,
    grouped,
    same_but_for_rounding,
    schema_differences,
)
from pipeline_magic.agents.quality.describe import counted
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.ports import Engine
from pipeline_magic.runs import CheckResult
from pipeline_magic.spec.literals import sql_text
from pipeline_magic.spec.names import quote, quote_table
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.spec.typed import RUN_KEY, TypedSpec
from pipeline_magic.spec.types import parse_type

__all__ = ["Seen", "Trial", "compared"]

_MOST_DIFFERENT = 2_000
"""Differing rows that are paired one by one; more than that are different."""


@dataclass(frozen=True)
class Trial:
    """What is run: the notebook into a scratch table, with one run key and one time.

    Attributes:
        held: The target as it is now, where the mode adds to it; None when the stand-in starts empty.
        checks: Results of the checks, which the notebook's own gate must have counted too.
        timeout: Seconds for each query and each run.
    """

    engine: Engine
    typed: TypedSpec
    notebook: str
    run_id: str
    run_time: str
    timeout: float
    held: TableSchema | None = None
    checks: Sequence[CheckResult] = ()

    @property
    def run_key(self) -> str:
        """The same for both runs."""
        return f"sample-{self.run_id}"

    def row(self, sql: str) -> tuple[Any, ...]:
        """The only row of a query."""
        return self.engine.query(sql, limit=1, timeout=self.timeout).rows[0]


@dataclass
class Seen:
    """What the trial showed; `problem` is empty as long as all is well."""

    problem: str = ""
    rows: int | None = None
    repeatable: bool | None = None
    notes: tuple[str, ...] = ()


def compared(trial: Trial, seen: Seen, table: str, before: int) -> tuple[str, int]:
    """What is wrong with the table (nothing: empty), and its rows."""
    typed, written = trial.typed, f"SELECT * FROM {quote_table(table)}"
    rows = int(trial.row(f"SELECT count(*) AS n FROM {quote_table(table)}")[0])
    if trial.held is None and (wrong := _schema_problem(trial, seen, written)):
        return wrong, rows
    if rows < before:
        return (
            f"the target would shrink from {before:,} to {counted(rows)}, which {typed.spec.target.mode} never does",
            rows,
        )
    expected = _expected(trial, written)
    if expected is None:
        return "", rows
    columns = grouped(typed.node(typed.spec.target.input).columns)
    left, right, whole, said = expected
    result = trial.engine.query(
        difference_query(columns, left, right, whole=whole), limit=_MOST_DIFFERENT, timeout=trial.timeout
    )
    if not result.rows or (whole and not result.truncated and same_but_for_rounding(columns, result.rows)):
        return "", rows
    return _differing(result.rows, result.truncated, said), rows


def _schema_problem(trial: Trial, seen: Seen, written: str) -> str:
    """Where the table's schema is not the declared one; empty where it is.

    An engine may give an expression another type than Spark does, which typing follows (a quotient of decimals, say).
    Where the SQL form has that type here too, or a decimal has only grown more digits in front, the notebook is right,
    and the difference is only noted.
    """
    found = _columns_of(trial, written)
    wanted = trial.typed.target_columns()
    wrong = schema_differences(wanted, found)
    if not wrong:
        return ""
    here = {c.name: c for c in _columns_of(trial, target_query(trial.typed, run_time=trial.run_time))}
    allowed = {column.name: here.get(column.name, column) for column in wanted}
    allowed |= {f.name: f for f in found for w in wanted if w.name == f.name and _wider(w, f)}
    if schema_differences(list(allowed.values()), found):
        return f"the table's schema is not the declared one: {wrong}"
    seen.notes = (*seen.notes, f"this engine types some columns otherwise than Spark: {wrong}")
    return ""


def _wider(wanted: Column, found: Column) -> bool:
    one, other = parse_type(wanted.type), parse_type(found.type)
    return one.name == other.name == "decimal" and one.scale == other.scale and one.precision < other.precision


def _columns_of(trial: Trial, sql: str) -> tuple[Column, ...]:
    return trial.engine.query(f"SELECT * FROM ({sql}) AS t LIMIT 1", limit=1, timeout=trial.timeout).columns


def _expected(trial: Trial, written: str) -> tuple[str, str, bool, tuple[str, str]] | None:
    """What must hold of the rows: (left, right, whether both ways, what rows of left and right are called).

    `overwrite` and `append` hold exactly the SQL form's rows (of this run's key). The modes with keys keep one row of
    several, or versions of it: in an empty table each row must be one of the SQL form's; in one that held rows, `merge`
    must have brought in every row of the SQL form. Where a watermark leaves rows out (old ones, and those without a
    value), only what was written is held to the SQL form. None: only that a second run changes nothing can be said.
    """
    target, sources = trial.typed.spec.target, trial.typed.spec.sources
    sql_form = target_query(trial.typed, run_time=trial.run_time)
    names = ("only the notebook wrote", "only the SQL form has")
    marked = any(source.watermark is not None for source in sources)
    if target.mode == "append":
        mine = f"{written} WHERE {quote(RUN_KEY)} = {sql_text(trial.run_key)}"
        return mine, sql_form, not marked, names
    if target.mode == "overwrite":
        return written, sql_form, True, names
    if trial.held is None:
        return written, sql_form, False, names
    if target.mode == "scd2" or target.sequence_by is not None or marked:
        return None
    return sql_form, written, False, ("of the SQL form are not in the table", names[0])


def _differing(rows: Sequence[Sequence[Any]], truncated: bool, said: tuple[str, str]) -> str:
    more = sum(max(int(row[-2]) - int(row[-1]), 0) for row in rows)
    fewer = sum(max(int(row[-1]) - int(row[-2]), 0) for row in rows)
    least = "at least " if truncated else ""
    parts = [f"{least}{counted(count)} {words}" for count, words in zip((more, fewer), said, strict=True) if count]
    return f"the notebook and its SQL form differ: {', '.join(parts)}"
