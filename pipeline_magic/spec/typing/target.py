"""Typing of the target: its keys and layout, and what it would do to the table that is there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline_magic.spec.expressions import nearest
from pipeline_magic.spec.model import Order, PipelineSpec, Target
from pipeline_magic.spec.schema import Column, TableSchema
from pipeline_magic.spec.typed import Node, technical_columns
from pipeline_magic.spec.types import common, parse_type
from pipeline_magic.spec.typing.context import Context, find, type_of, unique_by
from pipeline_magic.spec.typing.groups import unordered

__all__ = ["target"]


def target(
    context: Context, spec: PipelineSpec, existing: TableSchema | None, readers: Mapping[str, Sequence[str]]
) -> Target:
    """The target in canonical text; `readers` are those known of each column of the table that is there."""
    made = spec.target
    for source in spec.sources:
        if source.table.replace("`", "").casefold() == made.table.replace("`", "").casefold():
            context.problem("target.table", f"`{made.table}` is read as `{source.alias}`; write to another table")
    node = context.nodes.get(made.input)
    if node is None:
        if made.input not in {source.alias for source in spec.sources} | {step.id for step in spec.steps}:
            context.problem(
                "target.input", f"there is no source or step `{made.input}`", nearest(made.input, context.nodes)
            )
        return made
    extra = technical_columns(spec, context.nodes)
    _keys(context, made, node)
    _columns(context, made, node, extra)
    update = {
        "keys": context.groupable("target.keys", made.keys, node.columns),
        "partition_by": context.names("target.partition_by", made.partition_by, node.columns),
        "cluster_by": context.names("target.cluster_by", made.cluster_by, node.columns),
    }
    if made.sequence_by is not None:
        column = context.column("target.sequence_by", made.sequence_by, node.columns)
        if column is not None:
            update["sequence_by"] = column.name  # type: ignore[assignment]  # one field is a name, the others are lists
            if not type_of(column).orderable:
                context.problem("target.sequence_by", f"`{column.name}` is of type {column.type}, which has no order")
    made = made.model_copy(update=update)
    _layout(context, made, node)
    if existing is not None:
        _existing(context, made, [*node.columns, *extra], existing, readers)
    return made


def _keys(context: Context, made: Target, node: Node) -> None:
    if made.mode in {"merge", "scd1", "scd2"} and not made.keys:
        known = nearest("", {", ".join(key) for key in node.keys})
        context.problem("target.keys", f"{made.mode} needs the columns that identify a row", known)
    if made.mode == "overwrite" and made.sequence_by is not None:
        context.problem("target.sequence_by", "overwrite replaces all rows, so no version can win over another")
    if made.mode == "merge" and made.keys and made.sequence_by is None and not unique_by(node.keys, made.keys):
        context.warn("target.keys", "the keys are not known to be unique; two rows of one key stop the run")
    _versions(context, made, node)


def _versions(context: Context, made: Target, node: Node) -> None:
    """Whether one of several versions of a key can be chosen, and told from the one before."""
    kinds = {column.name: type_of(column) for column in node.columns}
    loose = [name for name, kind in kinds.items() if not kind.orderable and not kind.ordered_by_entries]
    if made.mode == "scd2" and loose:
        kind = kinds[loose[0]]
        message = f"`{loose[0]}` is of type {kind}, of which no two values compare, so no new version can be told"
        context.problem("target.input", f"{message}; leave it out, or take it apart")
    elif made.sequence_by is not None and made.keys and loose:
        order = [Order(column=made.sequence_by, descending=True)]
        for name in unordered(node, made.keys, order)[:1]:
            context.warn(
                "target.sequence_by",
                f"`{name}` cannot be ordered: of versions that differ only there either may win, run by run",
            )


def _columns(context: Context, made: Target, node: Node, added: tuple[Column, ...]) -> None:
    if not node.columns:
        context.problem("target.input", f"`{node.id}` has no columns")
    for column in node.columns:
        if type_of(column).name in {"void", "interval"} and not _reported(context):
            context.problem("target.input", f"`{column.name}` is of type {column.type}, which no table can hold")
        if any(char in " ,;{}()\n\t=" for char in column.name):
            context.problem(
                "target.input", f"a Delta table takes no column called `{column.name}`; leave out space and ,;{{}}()="
            )
    for extra in added:
        if find(extra.name, node.columns) is not None:
            context.problem("target.input", f"`{extra.name}` is added by the mode {made.mode}; rename this column")


def _reported(context: Context) -> bool:
    """Whether a step had a problem: then a column without a type is its consequence, not one more thing to mend."""
    return any(problem.path.startswith("steps.") for problem in context.problems)


def _layout(context: Context, made: Target, node: Node) -> None:
    if made.partition_by and made.cluster_by:
        context.problem("target.cluster_by", "a table is partitioned or clustered, not both")
    if made.partition_by and len(made.partition_by) == len(node.columns):
        context.problem("target.partition_by", "a table needs a column that it is not partitioned by")
    for name in made.partition_by:
        column = find(name, node.columns)
        if column is not None and type_of(column).parts:
            context.problem("target.partition_by", f"`{name}` is of type {column.type}; partition by a simple type")


def _existing(
    context: Context,
    made: Target,
    new: Sequence[Column],
    existing: TableSchema,
    readers: Mapping[str, Sequence[str]],
) -> None:
    """What readers of the present table would lose."""
    known = {name.casefold(): who for name, who in readers.items()}
    for old in existing.columns:
        column = find(old.name, new)
        if column is None:
            who = known.get(old.name.casefold(), ())
            lost = f"{', '.join(f'`{name}`' for name in who)} would lose it" if who else "readers would lose it"
            context.problem(
                "target.input", f"`{made.table}` has the column `{old.name}`, which the result has not; {lost}"
            )
        elif parse_type(old.type) != parse_type(column.type):
            _changed(context, made, old.name, old.type, column.type)
    if made.mode == "overwrite":
        return
    for column in new:
        if find(column.name, existing.columns) is None:
            context.problem(
                "target.input",
                f"`{made.table}` has no column `{column.name}`; add it there, or take it out here",
            )


def _changed(context: Context, made: Target, name: str, old: str, new: str) -> None:
    message = f"`{name}` is of type {old} in `{made.table}` and of type {new} in the result"
    # digits of a decimal and widths of whole numbers are an engine's own; the notebook compares them as it writes
    before, after = parse_type(old), parse_type(new)
    near = (before.integral and after.integral) or before.name == after.name == "decimal"
    if made.mode == "overwrite":
        if not near:
            context.warn("target.input", f"{message}; the table's column changes its type")
    elif near or common(parse_type(old), parse_type(new)) == parse_type(old):
        context.warn("target.input", f"{message}; values are cast as they are written")
    else:
        context.problem("target.input", f"{message}; cast it")
