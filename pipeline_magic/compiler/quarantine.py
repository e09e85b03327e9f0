"""Quarantine: rows that `drop` expectations leave out are kept in tables of their own, once a run."""

from __future__ import annotations

from pipeline_magic.compiler.expectations import failing_condition, node_of
from pipeline_magic.compiler.pyspark import Cell, Program
from pipeline_magic.compiler.python import assign, literal, sql_argument
from pipeline_magic.compiler.steps.frames import checks_of
from pipeline_magic.compiler.steps.sources import orphans
from pipeline_magic.compiler.tables import quarantine_parameters
from pipeline_magic.spec.model import Expectation, Referential
from pipeline_magic.spec.typed import RUN_KEY, TypedSpec

__all__ = ["quarantine"]

KEEP = f'''\
def keep(rows, expectation, table):
    """Append rows to a quarantine table, marked by expectation and run; a repeated run keeps nothing twice."""
    if spark.catalog.tableExists(table):
        mine = (F.col("_expectation") == expectation) & (F.col("{RUN_KEY}") == run_key)
        if not spark.read.table(table).where(mine).limit(1).isEmpty():
            return
    marks = {{
        "_expectation": F.lit(expectation),
        "{RUN_KEY}": F.lit(run_key),
        "_run_time": F.lit(run_time.isoformat()),
    }}
    rows.withColumns(marks).write.format("delta").mode("append").saveAsTable(table)'''


def quarantine(typed: TypedSpec, program: Program) -> Cell | None:
    """Keep dropped rows with the expectation that dropped them; None where nothing is kept."""
    tables = quarantine_parameters(typed)
    items = [item for item in checks_of(typed) if f"quarantine_{item.id}" in tables]
    if not items:
        return None
    kept = "\n".join(_kept(typed, program, item) for item in items)
    return Cell("quarantine", "Quarantine: keep the rows that were left out", f"{KEEP}\n\n\n{kept}")


def _kept(typed: TypedSpec, program: Program, item: Expectation) -> str:
    name = program.unchecked[node_of(item, typed)]
    if isinstance(item, Referential):
        base, calls = orphans(name, program.names[item.to], item)
    else:
        base, calls = name, [f"where({sql_argument(failing_condition(item, typed) or 'FALSE')})"]
    variable = f"quarantine_{item.id}"
    rows = ".".join([base, *calls])
    line = f"keep({rows}, {literal(item.id)}, {variable})"
    if len(line) <= 110 and "\n" not in line:
        return line
    return "\n".join([assign("rows", base, calls), f"keep(rows, {literal(item.id)}, {variable})"])
