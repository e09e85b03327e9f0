"""The write: one cell a mode, each of them re-runnable with the same result.

Before anything is computed the columns are compared with those of the table that is there: a run that would lose a
column stops. `append` marks rows with the key of the run and writes nothing when that key is there already; the modes
that write by key are in `merge`. No mode relies on what an earlier attempt left half done: Delta commits a write whole
or not at all.
"""

from __future__ import annotations

from pipeline_magic.compiler.describe import describe_target
from pipeline_magic.compiler.merge import merge_lines, scd2_lines, validity
from pipeline_magic.compiler.pyspark import ORDERED, Cell, Program
from pipeline_magic.compiler.python import assign, call, column, listing, literal
from pipeline_magic.compiler.staging import STAGED, drop_staging, stages_rows
from pipeline_magic.compiler.steps.sources import drops_of
from pipeline_magic.spec.model import Target
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.typed import END_AT, RUN_KEY, START_AT, TypedSpec, technical_columns

__all__ = ["columns_check", "report", "write"]


def columns_check(typed: TypedSpec, program: Program) -> Cell:
    """Compare the columns with those of the table that is there: no column is lost silently."""
    target = typed.spec.target
    added = {c.name.lower(): c.type for c in _constants(typed)}
    known = f"{{name.lower(): kind for name, kind in {program.names[target.input]}.dtypes}}"
    more = f" | {{{', '.join(f'{literal(n)}: {literal(t)}' for n, t in added.items())}}}" if added else ""
    ours = f' and name not in ("{START_AT}", "{END_AT}")' if target.mode == "scd2" else ""
    lines = [
        "existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []",
        f"known = {known}{more}",
        f"lost = [name for name, kind in existing if name.lower() not in known{ours}]",
        "if lost:",
        "    raise ValueError(f\"{target} has columns that this run would lose: {', '.join(lost)}\")",
    ]
    if target.mode != "overwrite":
        lines += [
            "held = {name.lower(): kind for name, kind in existing}",
            "changed = [name for name, kind in known.items() if existing and held.get(name) != kind]",
            "if changed:",
            "    raise ValueError(f\"{target} lacks these columns or has them in another type: {', '.join(changed)}\")",
        ]
    title = "No silent loss: compare the columns with those of the table that is there"
    return Cell("columns", title, "\n".join(lines))


def _constants(typed: TypedSpec) -> list[Column]:
    """Columns of the target that hold one value in a run: its key, and how far it read."""
    # A notebook marks its rows also where it only tries out what a Lakeflow pipeline will do.
    spec = typed.spec.model_copy(update={"deployment": "job"})
    made = technical_columns(spec, {node.id: node for node in typed.nodes})
    return [item for item in made if item.name not in {START_AT, END_AT}]


def write(typed: TypedSpec, program: Program) -> Cell:
    """Write the rows in the target's mode."""
    target = typed.spec.target
    lines = _MODES[target.mode](typed)
    return Cell("write", describe_target(target), "\n".join([_result(typed, program), "", *lines]))


def _result(typed: TypedSpec, program: Program) -> str:
    """The rows in the order of the target's columns, with those that are constant in a run."""
    node = typed.node(typed.spec.target.input)
    wanted = tuple(item.name for item in node.columns)
    there = node.kind in ORDERED and program.columns[node.id] == wanted
    calls = [] if there else [call("select", [column(name) for name in wanted])]
    for item in _constants(typed):
        if item.name == RUN_KEY:
            calls.append(f"withColumn({literal(RUN_KEY)}, F.lit(run_key))")
        else:
            newest = f"newest_{item.name.removeprefix('_watermark_')}"
            calls.append(f"withColumn({literal(item.name)}, F.lit({newest}).cast({literal(item.type)}))")
    calls += validity(typed) if typed.spec.target.mode == "scd2" else []
    return assign("result", program.names[node.id], calls)


def _write_lines(target: Target, rows: str, mode: str, option: str = "") -> list[str]:
    """Lines that write rows, with the layout the target asks for."""
    calls = ["write", 'format("delta")', f'mode("{mode}")', *([option] if option else [])]
    if target.partition_by:
        calls.append(f"partitionBy({listing(target.partition_by)})")
    if not target.cluster_by:
        return [f"{rows}.{'.'.join(calls)}.saveAsTable(target)"]
    return [
        assign("writer", rows, calls),
        'if "DATABRICKS_RUNTIME_VERSION" in os.environ:  # liquid clustering is a feature of Databricks',
        f"    writer = writer.clusterBy({listing(target.cluster_by)})",
        "writer.saveAsTable(target)",
    ]


def _overwrite(typed: TypedSpec) -> list[str]:
    # legal to replace the schema: no column is lost, as was checked before
    return [
        *_write_lines(typed.spec.target, "result", "overwrite", 'option("overwriteSchema", "true")'),
        "written = spark.read.table(target).count()",
        *(drop_staging(STAGED) if stages_rows(typed) else []),
    ]


def _append(typed: TypedSpec) -> list[str]:
    mine = f"spark.read.table(target).where(F.col({literal(RUN_KEY)}) == run_key)"
    staged = stages_rows(typed)
    return [
        "written = 0",
        "# A repeated run finds its own key and adds nothing",
        f"if not existing or {mine}.limit(1).isEmpty():",
        *("    " + line.replace("\n", "\n    ") for line in _write_lines(typed.spec.target, "result", "append")),
        f"    written = {'result' if staged else mine}.count()",
        *(drop_staging(STAGED) if staged else []),
    ]


def _create(target: Target) -> list[str]:
    """Lines that make the target, empty, where it is not there."""
    lines = _write_lines(target, "result.limit(0)", "ignore")
    return ["if not existing:", *("    " + line.replace("\n", "\n    ") for line in lines)]


def _merge(typed: TypedSpec) -> list[str]:
    target = typed.spec.target
    whole = not _constants(typed) and not drops_of(typed, target.input)
    return merge_lines(typed, _create(target), staged_whole=whole)


def _scd2(typed: TypedSpec) -> list[str]:
    return scd2_lines(typed, _create(typed.spec.target))


_MODES = {"overwrite": _overwrite, "append": _append, "merge": _merge, "scd1": _merge, "scd2": _scd2}


def report(typed: TypedSpec, gated: bool) -> Cell:
    """What the run did, as JSON, for whoever started it."""
    lines = [
        "report = {",
        f'    "pipeline": {literal(typed.spec.name)},',
        '    "target": target,',
        '    "run_key": run_key,',
        '    "run_time": run_time.isoformat(),',
        '    "rows": written,',
        f'    "failing": {"failing" if gated else "{}"},',
        "}",
        "dbutils.notebook.exit(json.dumps(report))",
    ]
    return Cell("report", "Report: rows written, and failing rows by expectation", "\n".join(lines))
