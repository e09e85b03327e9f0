"""Typing of the steps that work on one row at a time: filter, derive, select, rename, cast, fill, explode, unpivot."""

from __future__ import annotations

from sqlglot import exp

from pipeline_magic.spec.dialect import Tree, is_reserved
from pipeline_magic.spec.expressions import Expression, castable, nearest
from pipeline_magic.spec.model import Cast, Derive, Explode, Fill, Filter, Rename, Select, Unpivot
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.typed import Node
from pipeline_magic.spec.types import STRING, Type, common, parse_type
from pipeline_magic.spec.typing.context import Context, Keys, Typed, find, minimal, type_of

__all__ = ["cast", "derive", "explode", "fill", "filter_", "not_null_after", "rename", "reserved", "select", "unpivot"]


def reserved(context: Context, path: str, name: str) -> None:
    """Warn of a new name that is a word of SQL: it works, but whoever queries the table must quote it."""
    if is_reserved(name):
        context.warn(path, f"`{name}` is a word of SQL; readers of the table will have to put it in backticks")


def not_null_after(condition: Expression, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Columns after a filter: those that the condition demands to be NOT NULL cannot be NULL any more."""
    sure: set[str] = set()
    pending: list[Tree] = [condition.tree]
    while pending:
        node = pending.pop()
        if isinstance(node, exp.Paren):
            pending.append(node.this)
        elif isinstance(node, exp.And):
            pending.extend((node.left, node.right))
        elif isinstance(node, exp.Not) and isinstance(node.this, exp.Is) and isinstance(node.this.this, exp.Var):
            sure.add(str(node.this.this.this).strip("`"))
    return tuple(c.model_copy(update={"nullable": False}) if c.name in sure else c for c in columns)


def filter_(context: Context, step: Filter, node: Node) -> Typed:
    found = context.expression(f"steps.{step.id}.condition", step.condition, node.columns, wants="boolean")
    if found is None:
        return Typed(step, node.columns, node.keys)
    made = step.model_copy(update={"condition": found.text})
    return Typed(made, not_null_after(found, node.columns), node.keys)


def derive(context: Context, step: Derive, node: Node) -> Typed:
    columns = {column.name: column for column in node.columns}
    made, touched = [], set[str]()
    for item in step.columns:
        path = f"steps.{step.id}.columns.{item.name}"
        found = context.expression(f"{path}.expression", item.expression, node.columns)
        old = find(item.name, node.columns)
        name = old.name if old else item.name
        if name.casefold() in touched:
            context.problem(path, f"two columns of the result are called `{name}`; give one another name")
        touched.add(name.casefold())
        reserved(context, path, name)
        kind = found.type if found else Type("void")
        if found is not None and kind.name == "void":
            context.problem(f"{path}.expression", "NULL alone has no type; write CAST(NULL AS …)")
        text = found.text if found else item.expression
        columns[name] = Column(name=name, type=str(kind), nullable=found.nullable if found else True)
        made.append(item.model_copy(update={"name": name, "expression": text}))
    keys = minimal(key for key in node.keys if not touched & {name.casefold() for name in key})
    return Typed(step.model_copy(update={"columns": tuple(made)}), tuple(columns.values()), keys)


def select(context: Context, step: Select, node: Node) -> Typed:
    names = context.names(f"steps.{step.id}.columns", step.columns, node.columns)
    kept = tuple(column for name in names if (column := find(name, node.columns)))
    keys = minimal(key for key in node.keys if set(key) <= set(names))
    return Typed(step.model_copy(update={"columns": names}), kept, keys)


def rename(context: Context, step: Rename, node: Node) -> Typed:
    names: dict[str, str] = {}
    made = []
    for item in step.columns:
        path = f"steps.{step.id}.columns.{item.column}"
        old = context.column(path, item.column, node.columns)
        if old is None:
            continue
        if old.name in names:
            context.problem(path, f"`{old.name}` is renamed twice")
        reserved(context, path, item.name)
        names[old.name] = item.name
        made.append(item.model_copy(update={"column": old.name}))
    columns = tuple(c.model_copy(update={"name": names.get(c.name, c.name)}) for c in node.columns)
    context.distinct(f"steps.{step.id}.columns", columns)
    keys = minimal(tuple(names.get(name, name) for name in key) for key in node.keys)
    return Typed(step.model_copy(update={"columns": tuple(made)}), columns, keys)


_WIDER = {"tinyint": 0, "smallint": 1, "int": 2, "bigint": 3}


def _injective(old: Type, new: Type) -> bool:
    """Whether a cast keeps different values different."""
    if old == new or (new == STRING and (old.integral or old.name in {"date", "boolean"})):
        return True
    return old.integral and new.integral and _WIDER[old.name] <= _WIDER[new.name]


def cast(context: Context, step: Cast, node: Node) -> Typed:
    columns = {column.name: column for column in node.columns}
    made, lost = [], set[str]()
    for item in step.columns:
        path = f"steps.{step.id}.columns.{item.column}"
        old = context.column(path, item.column, node.columns)
        try:
            kind = parse_type(item.type)
        except ValueError as error:
            context.problem(f"{path}.type", str(error))
            continue
        if old is None:
            continue
        before = type_of(old)
        if not castable(before, kind):
            context.problem(f"{path}.type", f"`{old.name}` is of type {old.type}, which cannot be cast to {kind}")
        if not _injective(before, kind):
            lost.add(old.name)
        nullable = old.nullable or step.on_error == "null"
        columns[old.name] = old.model_copy(update={"type": str(kind), "nullable": nullable})
        made.append(item.model_copy(update={"column": old.name, "type": str(kind)}))
    keys = minimal(key for key in node.keys if not lost & set(key))
    return Typed(step.model_copy(update={"columns": tuple(made)}), tuple(columns.values()), keys)


def fill(context: Context, step: Fill, node: Node) -> Typed:
    columns = {column.name: column for column in node.columns}
    made, touched = [], set[str]()
    for item in step.columns:
        path = f"steps.{step.id}.columns.{item.column}"
        old = context.column(path, item.column, node.columns)
        if old is None:
            continue
        if old.name in touched:
            context.problem(path, f"`{old.name}` is filled twice")
        touched.add(old.name)
        context.literal(f"{path}.value", item.value, type_of(old))
        columns[old.name] = old.model_copy(update={"nullable": False})
        made.append(item.model_copy(update={"column": old.name}))
    changed = {column.name for column in node.columns if column.nullable} & touched
    keys = minimal(key for key in node.keys if not changed & set(key))
    return Typed(step.model_copy(update={"columns": tuple(made)}), tuple(columns.values()), keys)


def explode(context: Context, step: Explode, node: Node) -> Typed:
    path = f"steps.{step.id}"
    column = context.column(f"{path}.column", step.column, node.columns)
    if column is None:
        return Typed(step, node.columns)
    kind = type_of(column)
    if kind.name != "array":
        arrays = [other.name for other in node.columns if other.type.startswith("array")]
        context.problem(
            f"{path}.column", f"`{column.name}` is of type {column.type}, no array", nearest(column.name, arrays)
        )
        return Typed(step, node.columns)
    kept = tuple(other for other in node.columns if other.name.casefold() != step.name.casefold() or other != column)
    extra = [Column(name=step.position, type="int", nullable=step.outer)] if step.position else []
    for name in filter(None, (step.position, step.name)):
        reserved(context, f"{path}.name", name)
    columns = (*kept, *extra, Column(name=step.name, type=str(kind.parts[0])))
    context.distinct(f"{path}.name", columns)
    made = step.model_copy(update={"column": column.name})
    keys: Keys = ()
    if step.position:
        held = {other.name for other in kept}
        keys = minimal((*key, step.position) for key in node.keys if set(key) <= held)
    return Typed(made, columns, keys)


def unpivot(context: Context, step: Unpivot, node: Node) -> Typed:
    path = f"steps.{step.id}"
    names = context.names(f"{path}.columns", step.columns, node.columns)
    kept = tuple(column for column in node.columns if column.name not in names)
    kind: Type | None = Type("void")
    for name in names:
        column = find(name, node.columns)
        if column is not None and kind is not None:
            kind = common(kind, type_of(column))
    if kind is None:
        kinds = ", ".join(f"`{c.name}` {c.type}" for c in node.columns if c.name in names)
        context.problem(f"{path}.columns", f"the columns have types that do not fit into one: {kinds}")
    nullable = step.keep_nulls and any(c.nullable for c in node.columns if c.name in names)
    columns = (
        *kept,
        Column(name=step.name_column, type="string", nullable=False),
        Column(name=step.value_column, type=str(kind or STRING), nullable=nullable),
    )
    context.distinct(f"{path}.name_column", columns)
    held = {column.name for column in kept}
    keys = minimal((*key, step.name_column) for key in node.keys if set(key) <= held)
    return Typed(step.model_copy(update={"columns": names}), columns, keys)
