"""Sources as DataFrame code: what is read, by watermark where there is one, and the rows that are left out after.

A row whose watermark is NULL is never read: nothing says whether an earlier run has seen it.
"""

from __future__ import annotations

from pipeline_magic.compiler.describe import comment
from pipeline_magic.compiler.expectations import failing_condition, node_of
from pipeline_magic.compiler.python import assign, call, column, literal, sql_argument
from pipeline_magic.compiler.steps.frames import Frames, aliased, checks_of, equal
from pipeline_magic.spec.dialect import identifier
from pipeline_magic.spec.model import Expectation, Referential, Source
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["drop_lines", "drops_of", "orphans", "source_lines"]


def source_lines(frames: Frames, source: Source) -> list[str]:
    name, calls, lines = frames.names[source.alias], [], []
    if source.filter is not None:
        calls.append(f"where({sql_argument(source.filter)})")
    have = frames.have[source.alias]
    whole = tuple(column.name for column in frames.typed.node(source.alias).columns)
    pruned = [call("select", [column(item) for item in have])] if have != whole else []
    base = f"spark.read.table(source_{source.alias})"
    if source.watermark is None:
        return [assign(name, base, [*calls, *pruned])]
    kind = next(c.type for c in frames.typed.node(source.alias).columns if c.name == source.watermark)
    mark, own = f"F.col({column(source.watermark)})", literal(f"_watermark_{source.alias}")
    seen, newest = f"seen_{source.alias}", f"newest_{source.alias}"
    lines.append(assign(name, base, calls))
    lines += [
        f"# Rows whose {comment(source.watermark)} is NULL are never read: nothing says whether a run has seen them",
        f'{newest} = {name}.agg(F.max({column(source.watermark)}).cast("string")).first()[0]',
        f"{seen} = None",
        "if spark.catalog.tableExists(target):",
        f'    {seen} = spark.read.table(target).agg(F.max({own}).cast("string")).first()[0]',
        f"{name} = {name}.where({mark} <= F.lit({newest}).cast({literal(kind)}))",
        f"if {seen} is not None:",
        f"    {name} = {name}.where({mark} > F.lit({seen}).cast({literal(kind)}))",
    ]
    if pruned:
        lines.append(f"{name} = {name}.{pruned[0]}")
    return lines


def drops_of(typed: TypedSpec, node_id: str) -> list[Expectation]:
    """The `drop` expectations of a node."""
    return [item for item in checks_of(typed) if item.action == "drop" and node_of(item, typed) == node_id]


def drop_lines(frames: Frames, node_id: str, before: str) -> list[str]:
    """Leave out what the node's `drop` expectations leave out; `before` keeps its rows as they were."""
    name = frames.names[node_id]
    lines = ["", f"{before} = {name}"]
    for item in drops_of(frames.typed, node_id):
        lines.append(f"# Leave out the rows that fail {item.id}")
        if isinstance(item, Referential):
            lines.append(_with_parent(frames, name, item))
        else:
            text = failing_condition(item, frames.typed)
            assert text is not None
            lines.append(f"{name} = {name}.where({sql_argument(f'NOT coalesce({text}, FALSE)')})")
    return lines


def _with_parent(frames: Frames, name: str, item: Referential) -> str:
    """Rows whose columns are NULL somewhere, or that have a parent."""
    names = [(one, two, f"_parent_{two}") for one, two in zip(item.columns, item.to_columns, strict=True)]
    parents = f"{frames.names[item.to]}.select({', '.join(aliased(two, own) for _, two, own in names)}).distinct()"
    on = equal([(one, own) for one, _, own in names])
    kept = " OR ".join(
        [f"{identifier(names[0][2])} IS NOT NULL", *(f"{identifier(one)} IS NULL" for one in item.columns)]
    )
    calls = [call("join", [parents, on, literal("left")]), f"where({literal(kept)})"]
    return assign(name, name, [*calls, f"drop({', '.join(literal(own) for _, _, own in names)})"])


def orphans(name: str, parent: str, item: Referential) -> tuple[str, list[str]]:
    """Rows of `name` with values in all of the columns that `parent` does not have: a DataFrame, and calls on it."""
    names = [(one, two, f"_parent_{two}") for one, two in zip(item.columns, item.to_columns, strict=True)]
    select = ", ".join(aliased(two, own) for _, two, own in names)
    on = equal([(one, own) for one, _, own in names])
    filled = " AND ".join(f"{identifier(one)} IS NOT NULL" for one in item.columns)
    return name, [f"where({literal(filled)})", call("join", [f"{parent}.select({select})", on, '"left_anti"'])]
