"""TypedSpec: a spec together with the schema and keys of every step; what the compiler accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.schema import Column, Model, TableSchema

__all__ = ["END_AT", "RUN_KEY", "START_AT", "Node", "TypedSpec", "Warning_", "technical_columns", "type_spec"]


class Warning_(Model):
    """Something legal that a person should see: path of the field and one sentence."""

    path: str
    message: str


class Node(Model):
    """A source or a step, typed.

    Attributes:
        id: Alias of the source, or id of the step.
        kind: ``source`` or the step's kind.
        inputs: Ids of its inputs.
        columns: Schema of its rows, in order.
        keys: Column sets known to be unique (declared, or made so by a step), smallest first.
    """

    id: str
    kind: str
    inputs: tuple[str, ...]
    columns: tuple[Column, ...]
    keys: tuple[tuple[str, ...], ...] = ()


class TypedSpec(Model):
    """A checked spec: expressions in canonical text, and the nodes in an order in which inputs come first.

    Attributes:
        spec: The spec, every expression rendered again from its syntax tree, column names as the catalog spells them.
        nodes: Sources and steps, inputs before users; ties in the order of the spec.
        tables: The catalog's schema of each source, by alias.
    """

    spec: PipelineSpec
    nodes: tuple[Node, ...]
    tables: dict[str, TableSchema]
    warnings: tuple[Warning_, ...] = ()

    def node(self, node_id: str) -> Node:
        """The node of that id."""
        return next(node for node in self.nodes if node.id == node_id)

    def target_columns(self) -> tuple[Column, ...]:
        """Columns of the target table: those of its input, then the technical ones."""
        nodes = {node.id: node for node in self.nodes}
        return (*nodes[self.spec.target.input].columns, *technical_columns(self.spec, nodes))


def type_spec(
    spec: PipelineSpec,
    tables: Mapping[str, TableSchema],
    *,
    target: TableSchema | None = None,
    readers: Mapping[str, Sequence[str]] | None = None,
) -> TypedSpec:
    """Check a spec against the schemas of its sources.

    Args:
        spec: A complete spec.
        tables: Schema of each source, by alias.
        target: Schema of the target where it exists already.
        readers: For each column of that target that others are known to read, their names; they are named when the
            column would be lost. See `compiler.readers`.

    Raises:
        SpecError: Every problem at once.
    """
    from pipeline_magic.spec.typing.pipeline import type_pipeline  # parses SQL: loaded only when a spec is typed

    return type_pipeline(spec, tables, target, readers or {})


RUN_KEY = "_run_key"
START_AT, END_AT = "__START_AT", "__END_AT"
_WATERMARK = "_watermark_"


def technical_columns(spec: PipelineSpec, nodes: Mapping[str, Node]) -> tuple[Column, ...]:
    """Columns that the target has beside those of its input.

    `append` marks each row with the key of the run that wrote it; a Lakeflow pipeline keeps its own place instead.
    `scd2` gives each version its validity, under the names that Lakeflow uses, so that moving a pipeline there breaks
    no reader; a version that is valid has no end.
    A source read by watermark leaves the highest value that was read, so that target and place move in one commit.

    Args:
        nodes: Typed nodes by id; those that could not be typed may be missing.
    """
    made: list[Column] = []
    if spec.target.mode == "append" and spec.deployment == "job":
        made.append(Column(name=RUN_KEY, type="string", comment="Key of the run that wrote the row"))
    if spec.target.mode == "scd2":
        node, wanted = nodes.get(spec.target.input), (spec.target.sequence_by or "").casefold()
        found = next((c for c in node.columns if c.name.casefold() == wanted), None) if node else None
        kind = found.type if found else "timestamp"
        made.append(Column(name=START_AT, type=kind, comment="First moment at which this version is valid"))
        made.append(Column(name=END_AT, type=kind, comment="Moment at which the next version began; NULL while valid"))
    if spec.target.mode in {"append", "merge", "scd1"}:
        for source in spec.sources:
            source_node = nodes.get(source.alias)
            if source.watermark is None or source_node is None:
                continue
            kind = next((c.type for c in source_node.columns if c.name == source.watermark), "timestamp")
            comment = f"Highest {source.watermark} that was read from {source.alias}"
            made.append(Column(name=f"{_WATERMARK}{source.alias}", type=kind, comment=comment))
    return tuple(made)
