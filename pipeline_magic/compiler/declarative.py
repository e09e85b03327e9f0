"""The Lakeflow form: the pipeline as declared datasets, ``from pyspark import pipelines as dp``.

Sources and steps are temporary views; expectations stand below a dataset's decorator. The target is a materialized view
(`overwrite`), a streaming table fed by a stream (`append`) or by AUTO CDC (`scd1`, `scd2`). The code of a step is the
notebook's own. Definitions are evaluated several times and have no side effect. What a Lakeflow expectation cannot say
(uniqueness, row counts, freshness, references) is listed by `not_carried` and in the head of the file.

Not tried on Databricks: the tests run it with stand-ins for the decorators, so AUTO CDC and streaming are not executed.
"""

from __future__ import annotations

from pipeline_magic.compiler.describe import comment, describe_expectation, describe_trigger
from pipeline_magic.compiler.expectations import failing_condition, node_of, zone_of
from pipeline_magic.compiler.ipynb import headed
from pipeline_magic.compiler.pyspark import Cell, checks_of, program
from pipeline_magic.compiler.python import call, column, literal, sql_argument
from pipeline_magic.spec.model import Expectation
from pipeline_magic.spec.names import split_table
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["declarative_source", "not_carried"]

_EXPECT = {"warn": "expect", "drop": "expect_or_drop", "fail": "expect_or_fail"}


def not_carried(typed: TypedSpec) -> tuple[Expectation, ...]:
    """Expectations that Lakeflow's cannot say: they are about more than one row."""
    return tuple(item for item in checks_of(typed) if failing_condition(item, typed) is None)


def declarative_source(typed: TypedSpec) -> str:
    """The pipeline's source file, Python.

    Args:
        typed: A typed spec whose deployment is ``declarative``.
    """
    made = program(typed, drops=False)
    blocks = [_datasets(typed, cell, made.names[cell.id]) for cell in made.cells]
    blocks.append(_target(typed, made.names[typed.spec.target.input]))
    text = "\n\n\n".join(blocks)
    return "\n".join([*_head(typed, text), "", "", text, ""])


def _head(typed: TypedSpec, text: str) -> list[str]:
    timed = "{run_time}" in text or "{run_date}" in text
    lines = [f"# {comment(typed.spec.name)}. {comment(describe_trigger(typed.spec.trigger))}."]
    lines.append("# Generated from spec.yml; a change made here is not taken over.")
    lines += [
        f"# Not checked by Lakeflow: {item.id}. {comment(describe_expectation(item))}" for item in not_carried(typed)
    ]
    lines += ["from datetime import datetime, timezone"] if timed else []
    lines += ["from zoneinfo import ZoneInfo"] if "{run_date}" in text else []
    names = "Window" if "Window." in text else ""
    lines += [
        *([""] if timed else []),
        "from pyspark import pipelines as dp",
        f"from pyspark.sql import SparkSession{', ' + names if names else ''}",
        "from pyspark.sql import functions as F",
        "",
    ]
    lines += ["spark = SparkSession.active()"]
    if timed:
        lines.append(
            'run_time = datetime.fromisoformat(spark.conf.get("run_time", datetime.now(timezone.utc).isoformat()))'
        )
        lines.append("run_time = run_time.replace(tzinfo=run_time.tzinfo or timezone.utc).astimezone(timezone.utc)")
    if "{run_date}" in text:
        lines.append(f"run_date = run_time.astimezone(ZoneInfo({literal(zone_of(typed))})).date()")
    for source in typed.spec.sources:
        if f"source_{source.alias})" in text:
            name = literal(f"source_{source.alias}")
            lines.append(f"source_{source.alias} = spark.conf.get({name}, {literal(source.table)})")
    return lines


def _streams(typed: TypedSpec) -> set[str]:
    """Nodes read as streams: from the target back along the first input, down to one source."""
    if typed.spec.target.mode not in {"append", "scd1", "scd2"}:
        return set()
    found: set[str] = set()
    node = typed.node(typed.spec.target.input)
    while True:
        found.add(node.id)
        if not node.inputs:
            return found
        node = typed.node(node.inputs[0])


def _expectations(typed: TypedSpec, items: list[Expectation]) -> list[str]:
    lines = []
    for item in items:
        text = failing_condition(item, typed)
        if text is not None:
            holds = f"NOT coalesce({text}, FALSE)"
            lines.append(f"@dp.{_EXPECT[item.action]}({literal(item.id)}, {sql_argument(holds)})")
    return lines


def _on(typed: TypedSpec, node_id: str) -> list[Expectation]:
    last = typed.spec.target.input
    return [item for item in checks_of(typed) if node_of(item, typed) == node_id and node_id != last]


def _datasets(typed: TypedSpec, cell: Cell, name: str) -> str:
    """A source or step as a temporary view whose body is the notebook's code."""
    node = typed.node(cell.id)
    body = cell.source
    if node.kind == "source" and cell.id in _streams(typed):
        body = body.replace("spark.read.table(", "spark.readStream.table(")
    inputs = [
        f"{made} = spark.{'readStream' if other in _streams(typed) else 'read'}.table({literal(other)})"
        for other, made in _inputs(typed, cell.id)
    ]
    lines = [
        f"@dp.temporary_view(name={literal(cell.id)})",
        *_expectations(typed, _on(typed, cell.id)),
        f"def make_{cell.id}():",
    ]
    lines += ["    " + line if line else "" for line in [*inputs, *body.split("\n")]]
    return "\n".join([*headed(cell.id, cell.title), *lines, f"    return {name}"])


def _inputs(typed: TypedSpec, node_id: str) -> list[tuple[str, str]]:
    from pipeline_magic.compiler.python import variables

    names = variables(typed)
    return [(other, names[other]) for other in dict.fromkeys(typed.node(node_id).inputs)]


def _target(typed: TypedSpec, name: str) -> str:
    target = typed.spec.target
    node = typed.node(target.input)
    table = ".".join(split_table(target.table))
    checks = [item for item in checks_of(typed) if node_of(item, typed) == node.id]
    layout = []
    if target.partition_by:
        layout.append(f"partition_cols=[{', '.join(literal(item) for item in target.partition_by)}]")
    if target.cluster_by:
        layout.append(f"cluster_by=[{', '.join(literal(item) for item in target.cluster_by)}]")
    if target.comment:
        layout.append(f"comment={literal(comment(target.comment))}")
    columns = call("select", [column(item.name) for item in node.columns])
    if target.mode in {"overwrite", "append"}:
        kind, reader = ("materialized_view", "read") if target.mode == "overwrite" else ("table", "readStream")
        return "\n".join(
            [
                f"@{call(f'dp.{kind}', [f'name={literal(table)}', *layout])}",
                *_expectations(typed, checks),
                "def make_target():",
                f"    return spark.{reader}.table({literal(node.id)}).{columns}".replace("\n", "\n    "),
            ]
        )
    return _auto_cdc(typed, table, layout, checks, columns)


def _auto_cdc(typed: TypedSpec, table: str, layout: list[str], checks: list[Expectation], columns: str) -> str:
    """AUTO CDC reads a stream of changes; expectations stand on the view it reads."""
    target = typed.spec.target
    changes = "changes_of_target"
    while any(node.id == changes for node in typed.nodes):
        changes += "_"
    arguments = [
        f"target={literal(table)}",
        f"source={literal(changes)}",
        f"keys=[{', '.join(literal(item) for item in target.keys)}]",
        f"sequence_by=F.col({column(target.sequence_by or '')})",
        f"stored_as_scd_type={2 if target.mode == 'scd2' else 1}",
    ]
    return "\n".join(
        [
            f"@dp.temporary_view(name={literal(changes)})",
            *_expectations(typed, checks),
            "def make_changes_of_target():",
            f"    return spark.readStream.table({literal(target.input)}).{columns}".replace("\n", "\n    "),
            "",
            "",
            call("dp.create_streaming_table", [f"name={literal(table)}", *layout]),
            call("dp.create_auto_cdc_flow", arguments),
        ]
    )
