"""The write: one cell a mode, each of them re-runnable with the same result.

Before any write the columns are compared with those of the table that is there: a run that would lose a column stops.
`append` marks rows with the key of the run and writes nothing when that key is there already; `merge` and `scd1` update
by key; `scd2` works out the versions of every key that came in, from what came in and what is held, and merges those
that differ. No mode relies on what an earlier attempt left half done: Delta commits a write whole or not at all.
"""

from __future__ import annotations

from pipeline_magic.compiler.describe import describe_target
from pipeline_magic.compiler.expectations import failing_condition, node_of
from pipeline_magic.compiler.pyspark import Cell, Program
from pipeline_magic.compiler.python import assign, call, column, listing, literal, sql_argument
from pipeline_magic.compiler.steps.frames import checks_of, sort_key
from pipeline_magic.compiler.steps.sources import orphans
from pipeline_magic.spec.dialect import identifier
from pipeline_magic.spec.model import Expectation, NotNull, Order, Referential, Target
from pipeline_magic.spec.typed import END_AT, RUN_KEY, START_AT, TypedSpec, technical_columns
from pipeline_magic.spec.typing.groups import tie_breakers

__all__ = ["quarantine", "report", "write"]


def quarantine(typed: TypedSpec, program: Program) -> Cell | None:
    """Keep dropped rows with the expectation that dropped them; None where nothing is kept."""
    items = [item for item in checks_of(typed) if item.quarantine is not None and item.action == "drop"]
    if not items:
        return None
    blocks = [_quarantined(typed, program, item) for item in items]
    return Cell("quarantine", "Quarantine: keep the rows that were left out", "\n\n".join(blocks))


def _quarantined(typed: TypedSpec, program: Program, item: Expectation) -> str:
    node_id = node_of(item, typed)
    name = program.unchecked[node_id]
    if isinstance(item, Referential):
        rows = orphans(name, program.names[item.to], item)
    else:
        rows = f"{name}.where({sql_argument(failing_condition(item, typed) or 'FALSE')})"
    table = literal(item.quarantine or "")
    mark = f'(F.col("_expectation") == {literal(item.id)}) & (F.col({literal(RUN_KEY)}) == run_key)'
    return "\n".join(
        [
            assign(
                "rows",
                rows,
                [
                    f'withColumn("_expectation", F.lit({literal(item.id)}))',
                    f"withColumn({literal(RUN_KEY)}, F.lit(run_key))",
                    'withColumn("_run_time", F.lit(run_time.isoformat()))',
                ],
            ),
            f"before = spark.catalog.tableExists({table})",
            "if before:",
            f"    before = not spark.read.table({table}).where({mark}).limit(1).isEmpty()",
            "if not before:  # a repeated run keeps nothing twice",
            f'    rows.write.format("delta").mode("append").saveAsTable({table})',
        ]
    )


def write(typed: TypedSpec, program: Program) -> Cell:
    """Compare the columns with the table's, then write."""
    target = typed.spec.target
    parts = [_result(typed, program), _schema_check(target), _MODES[target.mode](typed)]
    return Cell("write", describe_target(target), "\n\n".join(parts))


def _result(typed: TypedSpec, program: Program) -> str:
    """The rows in the order of the target's columns, with the technical ones that are constant in a run."""
    node = typed.node(typed.spec.target.input)
    calls = [call("select", [column(item.name) for item in node.columns])]
    if typed.spec.target.mode == "append":
        calls.append(f"withColumn({literal(RUN_KEY)}, F.lit(run_key))")
    for item in technical_columns(typed.spec, {n.id: n for n in typed.nodes}):
        if item.name.startswith("_watermark_"):
            newest = f"newest_{item.name.removeprefix('_watermark_')}"
            calls.append(f"withColumn({literal(item.name)}, F.lit({newest}).cast({literal(item.type)}))")
    return assign("result", program.names[node.id], calls)


def _schema_check(target: Target) -> str:
    lines = [
        "# No silent loss: compare the columns with those of the table that is there",
        "existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []",
    ]
    before = f'"{START_AT}", "{END_AT}"' if target.mode == "scd2" else ""
    known = "known = {name.lower(): kind for name, kind in result.dtypes}"
    lines.append(known)
    missing = f"name.lower() not in known and name not in ({before})" if before else "name.lower() not in known"
    lines += [
        f"lost = [name for name, kind in existing if {missing}]",
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
    return "\n".join(lines)


def _writer(target: Target, rows: str, mode: str, option: str = "") -> list[str]:
    """Lines that make `writer`, with the layout the target asks for."""
    calls = ["write", 'format("delta")', f'mode("{mode}")', *([option] if option else [])]
    if target.partition_by:
        calls.append(f"partitionBy({listing(target.partition_by)})")
    if not target.cluster_by:
        return [assign("writer", rows, calls)]
    return [
        assign("writer", rows, calls),
        'if "DATABRICKS_RUNTIME_VERSION" in os.environ:  # liquid clustering is a feature of Databricks',
        f"    writer = writer.clusterBy({listing(target.cluster_by)})",
    ]


def _overwrite(typed: TypedSpec) -> str:
    # legal to replace the schema: no column is lost, as was checked before
    return "\n".join(
        [
            *_writer(typed.spec.target, "result", "overwrite", 'option("overwriteSchema", "true")'),
            "writer.saveAsTable(target)",
            "written = spark.read.table(target).count()",
        ]
    )


def _append(typed: TypedSpec) -> str:
    mine = f"spark.read.table(target).where(F.col({literal(RUN_KEY)}) == run_key)"
    writer = _writer(typed.spec.target, "result", "append")
    return "\n".join(
        [
            "written = 0",
            "# A repeated run finds its own key and adds nothing",
            f"if not existing or {mine}.limit(1).isEmpty():",
            *("    " + line.replace("\n", "\n    ") for line in writer),
            "    writer.saveAsTable(target)",
            f"    written = {mine}.count()",
        ]
    )


def _same_key(typed: TypedSpec) -> list[str]:
    """Equality of keys, in a way that NULL equals NULL unless a check rules NULL out."""
    target = typed.spec.target
    node = typed.node(target.input)
    sure = {item.name for item in node.columns if not item.nullable}
    for item in checks_of(typed):
        if (
            isinstance(item, NotNull)
            and node_of(item, typed) == node.id
            and item.action != "warn"
            and not item.tolerance
        ):
            sure |= set(item.columns)
    return [
        f"held.{identifier(name)} {'=' if name in sure else '<=>'} incoming.{identifier(name)}" for name in target.keys
    ]


def _create(target: Target) -> list[str]:
    return [
        "if not existing:",
        *("    " + line.replace("\n", "\n    ") for line in _writer(target, "result.limit(0)", "ignore")),
        "    writer.saveAsTable(target)",
    ]


def _merge_statement(on: list[str], when: str = "") -> list[str]:
    words = [
        "USING incoming ",
        *(f"{'ON' if index == 0 else 'AND'} {text} " for index, text in enumerate(on)),
        f"WHEN MATCHED{when} THEN UPDATE SET * ",
        "WHEN NOT MATCHED THEN INSERT *",
    ]
    return [
        'incoming.createOrReplaceTempView("incoming")',
        "spark.sql(",
        '    f"MERGE INTO {target} AS held "',
        *(f"    {literal(word)}" for word in words),
        ")",
    ]


def _merge(typed: TypedSpec) -> str:
    target = typed.spec.target
    lines = ["incoming = result"]
    when = ""
    if target.sequence_by is not None:
        node = typed.node(target.input)
        newest = Order(column=target.sequence_by, descending=True)
        orders = (newest, *tie_breakers(node, target.keys, [newest]))
        sort = ", ".join(sort_key(order) for order in orders)
        lines = [
            "# Of several versions of a key only the newest counts",
            f"by_key = Window.partitionBy({listing(target.keys)}).orderBy({sort})",
            assign(
                "incoming",
                "result",
                ['withColumn("_row", F.row_number().over(by_key))', 'where("_row = 1")', 'drop("_row")'],
            ),
        ]
        sequence = identifier(target.sequence_by)
        when = f" AND (held.{sequence} IS NULL OR incoming.{sequence} >= held.{sequence})"
    lines += ["written = incoming.count()", *_create(target), *_merge_statement(_same_key(typed), when)]
    return "\n".join(lines)


def _scd2(typed: TypedSpec) -> str:
    target = typed.spec.target
    node = typed.node(target.input)
    kind = next((c.type for c in node.columns if c.name == target.sequence_by), "timestamp")
    attributes = [c.name for c in node.columns if c.name not in {*target.keys, target.sequence_by}]
    start = (
        f"F.col({column(target.sequence_by)})"
        if target.sequence_by
        else 'F.lit(run_time.isoformat()).cast("timestamp")'
    )
    keys = listing(target.keys)
    unchanged = " & ".join(
        f"F.col({column(name)}).eqNullSafe(F.lag({column(name)}).over(by_start))" for name in attributes
    )
    ties = tie_breakers(node, target.keys, [Order(column=target.sequence_by)] if target.sequence_by else [])
    tie_sort = "".join(f", {sort_key(order)}" for order in ties)
    names = ", ".join(column(item.name) for item in node.columns)
    lines = [
        f'result = result.withColumn("{START_AT}", {start}).withColumn("{END_AT}", F.lit(None).cast({literal(kind)}))',
        *_create(target),
        "",
        "# What is held of the keys that came in, and what came in; where both have a version, what came in counts",
        f'held = spark.read.table(target).join(result.select({keys}).distinct(), [{keys}], "left_semi")',
        'versions = result.withColumn("_new", F.lit(1)).unionByName(held.withColumn("_new", F.lit(0)))',
        f'by_version = Window.partitionBy({keys}, "{START_AT}")',
        assign(
            "versions",
            "versions",
            [
                'withColumn("_held", F.min("_new").over(by_version) == 0)',
                f'withColumn("_was", F.max("{END_AT}").over(by_version))',
                f'withColumn("_row", F.row_number().over(by_version.orderBy(F.col("_new").desc(){tie_sort})))',
                'where("_row = 1")',
            ],
        ),
        "",
        "# A version that changes nothing is none; each ends where the next begins",
        f'by_start = Window.partitionBy({keys}).orderBy("{START_AT}")',
    ]
    steps = []
    if unchanged:
        steps = [
            f'withColumn("_same", ({unchanged}) & (F.row_number().over(by_start) > 1))',
            'where("_held OR NOT _same")',
        ]
    else:
        steps = ['withColumn("_first", F.row_number().over(by_start) == 1)', 'where("_held OR _first")']
    lines += [
        assign("versions", "versions", [*steps, f'withColumn("{END_AT}", F.lead("{START_AT}").over(by_start))']),
        "",
        "# Only what differs from what is held is written",
        assign(
            "incoming",
            "versions",
            [
                f"where('_new = 1 OR NOT ({END_AT} <=> _was)')".replace("'", '"'),
                call("select", [names, f'"{START_AT}"', f'"{END_AT}"']),
            ],
        ),
        "written = incoming.count()",
        *_merge_statement([*_same_key(typed), f"held.{START_AT} = incoming.{START_AT}"]),
    ]
    return "\n".join(lines)


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
