"""The writes by key: `merge` and `scd1` update and insert, `scd2` keeps every version.

`scd2` works out the versions of every key that came in, from what came in and what is held, and merges those that
differ. What MERGE reads is a table, see `staging`: it reads its source more than once.
"""

from __future__ import annotations

from pipeline_magic.compiler.expectations import node_of
from pipeline_magic.compiler.python import assign, call, column, listing, literal
from pipeline_magic.compiler.staging import MERGED, STAGED, drop_staging, stage, stages_rows
from pipeline_magic.compiler.steps.frames import checks_of, sort_key
from pipeline_magic.spec.dialect import identifier
from pipeline_magic.spec.model import NotNull, Order
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.typed import END_AT, START_AT, TypedSpec
from pipeline_magic.spec.types import parse_type
from pipeline_magic.spec.typing.groups import tie_breakers

__all__ = ["merge_lines", "scd2_lines", "validity"]


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


def _merge_statement(source: str, on: list[str], when: str = "") -> list[str]:
    words = [
        *(f"{'ON' if index == 0 else 'AND'} {text} " for index, text in enumerate(on)),
        f"WHEN MATCHED{when} THEN UPDATE SET * ",
        "WHEN NOT MATCHED THEN INSERT *",
    ]
    return [
        "spark.sql(",
        f'    f"MERGE INTO {{target}} AS held USING {source} AS incoming "',
        *(f"    {literal(word)}" for word in words),
        ")",
    ]


def merge_lines(typed: TypedSpec, create: list[str], *, staged_whole: bool) -> list[str]:
    """Lines that update and insert by key.

    Args:
        create: Lines that make the target where it is not there.
        staged_whole: The staging table holds exactly what is merged.
    """
    target = typed.spec.target
    if target.sequence_by is not None:
        return _newest_merged(typed, create, target.sequence_by)
    lines = ["written = result.count()", *create]
    source = f"{{{STAGED}}}"
    if not staged_whole:
        lines.append('result.createOrReplaceTempView("to_merge")')
        source = "to_merge"
    return [*lines, *_merge_statement(source, _same_key(typed)), *drop_staging(STAGED)]


def _newest_merged(typed: TypedSpec, create: list[str], sequence_by: str) -> list[str]:
    """`merge` and `scd1` with a sequence: an older version that comes late changes nothing."""
    target, node = typed.spec.target, typed.node(typed.spec.target.input)
    newest = Order(column=sequence_by, descending=True)
    orders = (newest, *tie_breakers(node, target.keys, [newest]))
    calls = ['withColumn("_row", F.row_number().over(by_key))', 'where("_row = 1")', 'drop("_row")']
    sequence = identifier(sequence_by)
    when = f" AND (held.{sequence} IS NULL OR incoming.{sequence} >= held.{sequence})"
    return [
        "# Of several versions of a key only the newest counts",
        f"by_key = {call(f'Window.partitionBy({listing(target.keys)}).orderBy', [sort_key(o) for o in orders], 9)}",
        assign("incoming", "result", calls),
        *_staged(),
        *create,
        *_merge_statement(f"{{{MERGED}}}", _same_key(typed), when),
        *_dropped(typed),
    ]


def _staged() -> list[str]:
    return ["", "# MERGE reads its source more than once", *stage("incoming", MERGED), "written = incoming.count()"]


def _dropped(typed: TypedSpec) -> list[str]:
    return drop_staging(MERGED, *([STAGED] if stages_rows(typed) else []))


def _as_before(item: Column) -> str:
    """That a column has the value which the version before has; a map is compared by its entries."""
    now, before = f"F.col({column(item.name)})", f"F.lag({column(item.name)}).over(by_start)"
    if parse_type(item.type).ordered_by_entries:
        now, before = (f"F.sort_array(F.map_entries({value}))" for value in (now, before))
    return f"{now}.eqNullSafe({before})"


def validity(typed: TypedSpec) -> list[str]:
    """Calls that add when a row's version begins, and that no end of it is known."""
    target = typed.spec.target
    columns = typed.node(target.input).columns
    kind = next((c.type for c in columns if c.name == target.sequence_by), "timestamp")
    start = (
        f"F.col({column(target.sequence_by)})"
        if target.sequence_by
        else 'F.lit(run_time.isoformat()).cast("timestamp")'
    )
    end = f"F.lit(None).cast({literal(kind)})"
    return [f'withColumn("{START_AT}", {start})', f'withColumn("{END_AT}", {end})']


def scd2_lines(typed: TypedSpec, create: list[str]) -> list[str]:
    """Lines that keep every version of a row; `create` makes the target where it is not there."""
    target = typed.spec.target
    node = typed.node(target.input)
    attributes = [c for c in node.columns if c.name not in {*target.keys, target.sequence_by}]
    keys = listing(target.keys)
    same = [_as_before(item) for item in attributes]
    ties = tie_breakers(node, target.keys, [Order(column=target.sequence_by)] if target.sequence_by else [])
    newest = call("orderBy", ['F.col("_new").desc()', *(sort_key(order) for order in ties)], 11)
    names = ", ".join(column(item.name) for item in node.columns)
    lines = [
        *create,
        "",
        "# What is held of the keys that came in, and what came in; where both have a version, what came in counts",
        f'held = spark.read.table(target).join(result.select({keys}).distinct(), [{keys}], "left_semi")',
        'versions = result.withColumn("_new", F.lit(1)).unionByName(held.withColumn("_new", F.lit(0)))',
        f'by_version = Window.partitionBy({keys}, "{START_AT}")',
        f"newest_first = by_version.{newest}",
        assign(
            "versions",
            "versions",
            [
                'withColumn("_held", F.min("_new").over(by_version) == 0)',
                f'withColumn("_was", F.max("{END_AT}").over(by_version))',
                'withColumn("_row", F.row_number().over(newest_first))',
                'where("_row = 1")',
            ],
        ),
        "",
        "# A version that changes nothing is none; each ends where the next begins",
        f'by_start = Window.partitionBy({keys}).orderBy("{START_AT}")',
    ]
    steps = []
    if same:
        repeats = "\n& ".join(f"({test})" for test in ("F.row_number().over(by_start) > 1", *same))
        steps = [call("withColumn", ['"_same"', repeats]), 'where("_held OR NOT _same")']
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
        *_staged(),
        *_merge_statement(f"{{{MERGED}}}", [*_same_key(typed), f"held.{START_AT} = incoming.{START_AT}"]),
        *_dropped(typed),
    ]
    return lines
