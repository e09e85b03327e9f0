"""When rows are kept in a staging table, and the code for it: computed once, read by the gate, the write and MERGE.

Spark computes a DataFrame anew for every action, and serverless compute has no cache. So the notebook writes rows that
are dear and read more than once into a Delta table beside the target, reads them from there, and drops it. A run
that is killed leaves the table behind; the next one replaces it, whatever its columns were, before it reads it.

    merge, scd1 without a sequence   the target's rows: MERGE reads its source more than once
    scd2, scd1 with a sequence       what is merged, worked out from the target's rows and what is held
    any mode                         the target's rows, where a group, a join or a sort makes them and the gate reads
                                     them in full (for scd2: in any case)

Rows that come straight from a source, row by row, are cheaper to read again than to write. That there is at least one
row is known from the first, unless rows are grouped before.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline_magic.compiler.columns import upstream
from pipeline_magic.compiler.expectations import node_of
from pipeline_magic.compiler.pyspark import Cell, Program
from pipeline_magic.compiler.steps.frames import checks_of
from pipeline_magic.compiler.tables import suffix
from pipeline_magic.compiler.uniqueness import made_unique_by
from pipeline_magic.spec.model import Expectation, Freshness, RowCount, Segment, Step, Union, Unique
from pipeline_magic.spec.typed import TypedSpec

__all__ = [
    "MERGED",
    "STAGED",
    "by_construction",
    "describe_staging",
    "drop_staging",
    "only_not_empty",
    "stage",
    "stages_merged",
    "stages_rows",
    "staging_cell",
    "staging_names",
]

STAGED, MERGED = "staging", "merge_staging"
"""Variables that name the two tables: the target's rows, and what is merged."""

_GROUPED = frozenset({"aggregate", "pivot", "deduplicate", "top", "window", "sql"})
_MERGING = frozenset({"merge", "scd1", "scd2"})


# --- when --------------------------------------------------------------------------------------------------------


def stages_rows(typed: TypedSpec) -> bool:
    """Whether the target's rows are computed once, into staging, before the gate."""
    target = typed.spec.target
    if target.mode in _MERGING and not stages_merged(typed):
        return True
    reached = {node.id for node in upstream(typed, [target.input])}
    steps = [step for step in typed.spec.steps if step.id in reached]
    grouped = any(_groups(step) for step in steps)
    if not grouped and not any(step.kind == "join" for step in steps):
        return False
    return target.mode == "scd2" or any(_reads_rows(typed, item, grouped) for item in checks_of(typed))


def stages_merged(typed: TypedSpec) -> bool:
    """Whether what is merged is worked out from the target's rows, and staged in its turn."""
    target = typed.spec.target
    return target.mode == "scd2" or (target.mode in _MERGING and target.sequence_by is not None)


def _groups(step: Step) -> bool:
    """Whether the step must have seen all of its rows before it gives the first."""
    if isinstance(step, Segment):
        return any(rule.top is not None for rule in step.rules)
    if isinstance(step, Union):
        return step.distinct
    return step.kind in _GROUPED


def _reads_rows(typed: TypedSpec, item: Expectation, grouped: bool) -> bool:
    """Whether the gate, or quarantine, must see all of the target's rows for this expectation."""
    if node_of(item, typed) != typed.spec.target.input or by_construction(typed, item) is not None:
        return False
    if isinstance(item, Freshness) and item.column is None:
        return False
    return grouped or not only_not_empty(item)


def by_construction(typed: TypedSpec, item: Expectation) -> str | None:
    """Id of the step that makes a `unique` expectation hold; None where it has to be measured."""
    return made_unique_by(typed, node_of(item, typed), item.columns) if isinstance(item, Unique) else None


def only_not_empty(item: Expectation) -> bool:
    """Whether the expectation asks for one row and nothing more."""
    return isinstance(item, RowCount) and item.minimum == 1 and item.maximum is None


# --- the code ----------------------------------------------------------------------------------------------------


def staging_names(typed: TypedSpec) -> Mapping[str, str]:
    """Variables that name a staging table, with what stands behind the target's name in it."""
    made = {}
    if stages_rows(typed):
        made[STAGED] = suffix(typed)
    if stages_merged(typed):
        made[MERGED] = suffix(typed, "_merge")
    return made


def describe_staging(typed: TypedSpec) -> str:
    """One sentence on the tables that a run makes and drops; empty where there are none."""
    tables = " and ".join(f"<target>{end}" for end in staging_names(typed).values())
    return f"A run keeps rows in {tables}, beside the target, and drops it at its end" if tables else ""


def stage(frame: str, variable: str) -> list[str]:
    """Lines that write a DataFrame into a staging table and go on with what was written."""
    return [
        f'{frame}.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable({variable})',
        f"{frame} = spark.read.table({variable})",
    ]


def drop_staging(*variables: str) -> list[str]:
    """Lines that drop staging tables."""
    return [f'spark.sql(f"DROP TABLE IF EXISTS {{{variable}}}")' for variable in variables]


def staging_cell(typed: TypedSpec, program: Program) -> Cell | None:
    """The cell that computes the target's rows once; None where they are not staged."""
    if not stages_rows(typed):
        return None
    node_id = typed.spec.target.input
    lines = [*stage(program.names[node_id], STAGED), *program.late_drops]
    return Cell("staging", f"Staging: compute {node_id} once; what follows reads it from a table", "\n".join(lines))
