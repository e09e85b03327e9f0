"""TypedSpec: a spec together with the schema and keys of every step; what the compiler accepts."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.schema import Column, Model, TableSchema

__all__ = ["Node", "TypedSpec", "Warning_", "type_spec"]


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


def type_spec(spec: PipelineSpec, tables: Mapping[str, TableSchema], *, target: TableSchema | None = None) -> TypedSpec:
    """Check a spec against the schemas of its sources.

    Args:
        spec: A complete spec.
        tables: Schema of each source, by alias.
        target: Schema of the target where it exists already.

    Raises:
        SpecError: Every problem at once.
    """
    raise NotImplementedError
