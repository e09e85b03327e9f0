"""The parts of a pull request's body that need no data: what changed since the earlier spec, its impact, the lineage.

Pure. What was measured (checks, rows, the verdict) is put beside them by `agents.github.body`, which also escapes: here
are names and sentences as they are, but for the picture, which stands in a fence.
"""

from __future__ import annotations

from pipeline_magic.compiler.diff import diff_specs
from pipeline_magic.compiler.document import mermaid
from pipeline_magic.compiler.impact import Impact, impact
from pipeline_magic.compiler.lineage import TARGET, column_lineage
from pipeline_magic.errors import SpecError
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.schema import Model
from pipeline_magic.spec.typed import TypedSpec, type_spec

__all__ = ["ColumnSources", "PullRequestParts", "column_sources", "pull_request_parts"]


class ColumnSources(Model):
    """A column of the target, and the columns of source tables its value is made of, as ``table.column``."""

    column: str
    sources: tuple[str, ...] = ()


class PullRequestParts(Model):
    """What the compiler says of a change.

    Attributes:
        changes: A sentence for each difference from the earlier spec; empty for a new pipeline.
        impact: What readers of the target meet; None for a new pipeline, or where the earlier spec no longer types.
        lineage: Where each column of the target comes from.
        picture: Sources, steps and target as a Mermaid flowchart.
    """

    changes: tuple[str, ...] = ()
    impact: Impact | None = None
    lineage: tuple[ColumnSources, ...] = ()
    picture: str = ""


def pull_request_parts(typed: TypedSpec, earlier: PipelineSpec | None = None) -> PullRequestParts:
    """The parts for a typed spec.

    Args:
        typed: What is to be merged.
        earlier: What the base branch has, where it has any.
    """
    changes = diff_specs(earlier, typed.spec) if earlier is not None else ()
    return PullRequestParts(
        changes=tuple(change.text for change in changes),
        impact=None if earlier is None else _impact(earlier, typed),
        lineage=column_sources(typed),
        picture=mermaid(typed),
    )


def _impact(earlier: PipelineSpec, typed: TypedSpec) -> Impact | None:
    """The impact, by the tables as they are now; None where the earlier spec does not fit them any more."""
    by_name = {table.table: table for table in typed.tables.values()}
    tables = {source.alias: by_name[source.table] for source in earlier.sources if source.table in by_name}
    if len(tables) != len(earlier.sources):
        return None
    try:
        return impact(type_spec(earlier, tables), typed)
    except SpecError:
        return None


def column_sources(typed: TypedSpec) -> tuple[ColumnSources, ...]:
    """Where each column of the target comes from, technical columns left out."""
    lineage = column_lineage(typed)
    tables = {source.alias: source.table for source in typed.spec.sources}
    last = typed.node(typed.spec.target.input)
    return tuple(
        ColumnSources(
            column=column.name,
            sources=tuple(f"{tables[alias]}.{name}" for alias, name in lineage.sources_of(column.name, TARGET)),
        )
        for column in last.columns
    )
