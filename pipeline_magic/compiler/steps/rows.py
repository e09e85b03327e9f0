"""Steps that look at one row at a time as DataFrame code, and the query that a person wrote by hand."""

from __future__ import annotations

from sqlglot import exp

from pipeline_magic.compiler.fragments import case_of_segment, stack_of
from pipeline_magic.compiler.python import call, column, literal, sql_argument
from pipeline_magic.compiler.steps.frames import Frames, with_columns
from pipeline_magic.spec.dialect import identifier, parse
from pipeline_magic.spec.literals import sql_literal
from pipeline_magic.spec.model import Cast, Derive, Explode, Fill, Filter, Rename, Segment, Select, Sql, Unpivot
from pipeline_magic.spec.types import parse_type

__all__ = ["cast", "derive", "explode", "fill", "filter_", "rename", "segment", "select", "sql", "unpivot"]


def filter_(frames: Frames, step: Filter) -> str:
    return frames.from_input(step, [f"where({sql_argument(step.condition)})"])


def derive(frames: Frames, step: Derive) -> str:
    return frames.from_input(step, [with_columns({item.name: _row(item.expression) for item in step.columns})])


def cast(frames: Frames, step: Cast) -> str:
    new = {
        item.column: f"F.expr({literal(f'TRY_CAST({identifier(item.column)} AS {item.type.upper()})')})"
        if step.on_error == "null"
        else f"F.col({column(item.column)}).cast({literal(item.type)})"
        for item in step.columns
    }
    return frames.from_input(step, [with_columns(new)])


def fill(frames: Frames, step: Fill) -> str:
    kinds = {c.name: parse_type(c.type) for c in frames.typed.node(step.input).columns}
    new = {}
    for item in step.columns:
        value = sql_literal(item.value, kinds[item.column])
        new[item.column] = f"F.coalesce(F.col({column(item.column)}), F.expr({literal(value)}))"
    return frames.from_input(step, [with_columns(new)])


def rename(frames: Frames, step: Rename) -> str:
    if len(step.columns) == 1:
        [item] = step.columns
        return frames.from_input(step, [f"withColumnRenamed({literal(item.column)}, {literal(item.name)})"])
    calls = {item.column: item.name for item in step.columns}
    pairs = ", ".join(f"{literal(old)}: {literal(new)}" for old, new in calls.items())
    return frames.from_input(step, [call("withColumnsRenamed", [f"{{{pairs}}}"])])


def select(frames: Frames, step: Select) -> str:
    return frames.from_input(step, [call("select", [column(name) for name in step.columns])])


def unpivot(frames: Frames, step: Unpivot) -> str:
    kept = [column(name) for name in frames.have[step.input] if name not in step.columns]
    stack = stack_of(step, frames.typed.node(step.input), frames.typed.node(step.id))
    names = f"{identifier(step.name_column)}, {identifier(step.value_column)}"
    calls = [call("select", [*kept, f"F.expr({literal(f'{stack} AS ({names})')})"])]
    if not step.keep_nulls:
        calls.append(f"where(F.col({column(step.value_column)}).isNotNull())")
    return frames.from_input(step, calls)


def explode(frames: Frames, step: Explode) -> str:
    kept = [column(name) for name in frames.have[step.input] if name != step.name]
    word = ("posexplode" if step.position else "explode") + ("_outer" if step.outer else "")
    names = ", ".join(literal(name) for name in (step.position, step.name) if name)
    return frames.from_input(step, [call("select", [*kept, f"F.{word}({column(step.column)}).alias({names})"])])


def segment(frames: Frames, step: Segment) -> str:
    text = case_of_segment(step)
    made = " ".join(line.strip() for line in text.split("\n"))
    if len(made) <= 90:
        return frames.from_input(step, [call("withColumn", [literal(step.column), f"F.expr({sql_argument(made)})"])])
    parts = [sql_argument(line.strip() + (" " if line != "END" else "")) for line in text.split("\n")]
    body = "\n".join("    " + part for part in parts)
    return frames.from_input(step, [call("withColumn", [literal(step.column), f"F.expr(\n{body}\n)"])])


def sql(frames: Frames, step: Sql) -> list[str]:
    lines = [f"{frames.names[name]}.createOrReplaceTempView({literal(name)})" for name in step.inputs]
    if "\n" not in step.query:
        return [*lines, f"{frames.names[step.id]} = spark.sql({sql_argument(step.query)})"]
    parts = [sql_argument(line + " ") for line in step.query.split("\n")]
    body = "\n".join("    " + part for part in parts)
    return [*lines, f"{frames.names[step.id]} = spark.sql(\n{body}\n)"]


def _row(text: str) -> str:
    tree = parse(text)
    plain = isinstance(tree, exp.Column) and not tree.table
    return f"F.col({column(tree.name)})" if plain else f"F.expr({sql_argument(text)})"
