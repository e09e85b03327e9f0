"""The README of a pipeline: what it does, its lineage as a picture, what was assumed, and what is checked."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_magic.compiler.describe import (
    comment,
    describe,
    describe_expectation,
    describe_source,
    describe_target,
    describe_trigger,
    markdown,
)
from pipeline_magic.compiler.lineage import column_lineage
from pipeline_magic.compiler.staging import describe_staging
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["mermaid", "readme"]

_MANY = 12
"""Columns that are named in one place; of more only the number is said."""

_TRY = """\
## Try it

The tests run the notebook up to its quality gate on a few rows of their own, with any Spark, and write nothing:

    pip install pytest pyspark
    pytest pipelines/{name}/test_{name}.py"""

_SHAPES = {"source": ('[("', '")]'), "target": ('[["', '"]]')}


def _label(text: str) -> str:
    """A label that Mermaid shows as it is: every character it or HTML could read is written as an entity."""
    clean = comment(text, 120)
    return "".join(char if char.isalnum() or char in " ._-,:/" else f"#{ord(char)};" for char in clean)


def mermaid(typed: TypedSpec) -> str:
    """The flow from sources to target as a Mermaid flowchart, without the fence."""
    tables = {source.alias: source.table for source in typed.spec.sources}
    lines = ["flowchart LR"]
    for index, node in enumerate(typed.nodes):
        before, after = _SHAPES.get(node.kind, ('["', '"]'))
        text = tables.get(node.id, f"{node.id} ({node.kind})")
        lines.append(f"  n{index}{before}{_label(text)}{after}")
    before, after = _SHAPES["target"]
    lines.append(f"  target{before}{_label(typed.spec.target.table)}{after}")
    places = {node.id: f"n{index}" for index, node in enumerate(typed.nodes)}
    for node in typed.nodes:
        lines += [f"  {places[name]} --> {places[node.id]}" for name in node.inputs]
    lines.append(f"  {places[typed.spec.target.input]} --> target")
    return "\n".join(lines)


def readme(typed: TypedSpec, assumptions: Sequence[str] = ()) -> str:
    """The README as Markdown.

    Args:
        typed: The typed spec.
        assumptions: What was assumed, a sentence each; shown as text, whatever they hold.
    """
    spec = typed.spec
    parts = [f"# {markdown(spec.name)}"]
    if spec.description:
        parts.append(markdown(spec.description))
    parts.append(
        f"{markdown(describe_target(spec.target))}. Runs: {markdown(describe_trigger(spec.trigger))}. "
        + (f"{markdown(staging)}. " if (staging := describe_staging(typed)) and spec.deployment == "job" else "")
        + "Generated from `spec.yml`; a change made here or in the notebook is not taken over."
    )
    parts.append(f"## Lineage\n\n```mermaid\n{mermaid(typed)}\n```")
    parts.append("## Steps\n\n" + "\n".join(_steps(typed)))
    parts.append("## Columns\n\n" + "\n".join(_columns(typed)))
    deciding = column_lineage(typed).deciding()
    if deciding:
        names = ", ".join(markdown(f"{alias}.{name}") for alias, name in deciding[:_MANY])
        more = f" and {len(deciding) - _MANY} more" if len(deciding) > _MANY else ""
        parts.append(f"Which rows there are is decided by {names}{more}.")
    if spec.expectations:
        lines = [
            f"- **{markdown(item.id)}** {'' if item.enabled else '(off) '}"
            f"{markdown(describe_expectation(item))}{' (automatic)' if item.automatic else ''}"
            for item in spec.expectations
        ]
        parts.append("## Checks\n\n" + "\n".join(lines))
    noted = [*assumptions, *(f"{warning.path}: {warning.message}" for warning in typed.warnings)]
    if noted:
        parts.append("## Assumptions and notes\n\n" + "\n".join(f"- {markdown(text)}" for text in noted))
    parts.append(_TRY.format(name=spec.name))
    return "\n\n".join(parts) + "\n"


def _steps(typed: TypedSpec) -> list[str]:
    sentences = {source.alias: describe_source(source) for source in typed.spec.sources}
    sentences.update({step.id: describe(step) for step in typed.spec.steps})
    return [
        f"{number}. **{markdown(node.id)}** {markdown(sentences[node.id])}"
        for number, node in enumerate(typed.nodes, 1)
    ]


def _columns(typed: TypedSpec) -> list[str]:
    lineage = column_lineage(typed)
    own = {column.name for column in typed.node(typed.spec.target.input).columns}
    lines = ["| Column | Type | Made of | |", "| --- | --- | --- | --- |"]
    for column in typed.target_columns():
        note = markdown(column.comment) or ("" if column.nullable else "never NULL")
        sources = lineage.sources_of(column.name) if column.name in own else ()
        made = ", ".join(markdown(f"{alias}.{name}") for alias, name in sources[:_MANY])
        made += f" and {len(sources) - _MANY} more" if len(sources) > _MANY else ""
        lines.append(f"| {markdown(column.name)} | {markdown(column.type)} | {made} | {note} |")
    return lines
