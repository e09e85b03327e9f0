"""Who reads a table, from the specs of other pipelines alone: which of its columns each of them takes.

No catalog is asked, so a name is taken for a column wherever it could be one: the answer may name a column too many,
never one too few. A pipeline that passes all columns on, without choosing among them, reads them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlglot import exp

from pipeline_magic.spec.dialect import NotAnExpression, Tree, parse, parse_query
from pipeline_magic.spec.model import Aggregate, Join, PipelineSpec, Pivot, Select, Sql, Step, Union
from pipeline_magic.spec.names import split_table
from pipeline_magic.spec.schema import Column, Model

__all__ = ["Reader", "readers_by_column", "readers_of"]


class Reader(Model):
    """A pipeline that reads a table.

    Attributes:
        pipeline: Its name.
        columns: Names it may take for columns, in small letters, sorted.
        everything: It passes every column on.
    """

    pipeline: str
    columns: tuple[str, ...]
    everything: bool

    def reads(self, column: str) -> bool:
        """Whether it may read that column."""
        return self.everything or column.casefold() in self.columns


def readers_of(table: str, specs: Iterable[PipelineSpec]) -> tuple[Reader, ...]:
    """The pipelines among `specs` that read `table`, by name.

    Args:
        table: ``catalog.schema.table``.
        specs: The specs of other pipelines; one whose target is the table is no reader for that.
    """
    made = []
    for spec in sorted(specs, key=lambda spec: spec.name):
        aliases = [source.alias for source in spec.sources if _same(source.table, table)]
        if aliases:
            names = tuple(sorted(_names(spec)))
            made.append(Reader(pipeline=spec.name, columns=names, everything=_passes_all(spec, aliases)))
    return tuple(made)


def readers_by_column(readers: Iterable[Reader], columns: Sequence[Column]) -> dict[str, tuple[str, ...]]:
    """For each column that somebody reads: their names; as `type_spec` takes it."""
    listed = list(readers)
    made = {column.name: tuple(item.pipeline for item in listed if item.reads(column.name)) for column in columns}
    return {name: who for name, who in made.items() if who}


def _same(one: str, other: str) -> bool:
    return [part.casefold() for part in split_table(one)] == [part.casefold() for part in split_table(other)]


def _names(spec: PipelineSpec) -> set[str]:
    """Every text in the spec that may be the name of a column."""
    data = spec.model_dump(include={"sources", "steps", "expectations", "target"})
    return {name.casefold() for name in _walk(data)}


def _walk(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, str) and key in {"expression", "condition", "filter", "query"}:
                yield from _of_sql(item, parse_query if key == "query" else parse)
            else:
                yield from _walk(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _walk(item)
    elif isinstance(value, str):
        yield value


def _of_sql(text: str, read: Any) -> Iterator[str]:
    try:
        tree: Tree = read(text)
    except NotAnExpression:
        return
    for node in tree.find_all(exp.Identifier):
        yield str(node.this)


def _passes_all(spec: PipelineSpec, aliases: Sequence[str]) -> bool:
    """Whether the columns of a source reach the target without any step that chooses among them."""
    reached = set(aliases)
    while True:
        more = {step.id for step in spec.steps if step.id not in reached and _passes(step, reached)}
        if not more:
            return spec.target.input in reached
        reached |= more


def _passes(step: Step, reached: set[str]) -> bool:
    if isinstance(step, Join):
        right = step.how not in {"semi", "anti"} and step.columns is None
        return step.left in reached or (right and step.right in reached)
    if isinstance(step, Sql):
        return "*" in step.query and any(name in reached for name in step.inputs)
    if isinstance(step, Union):
        return any(name in reached for name in step.inputs)
    return not isinstance(step, (Aggregate, Pivot, Select)) and step.input in reached
