"""What a changed target means for those who read it: breaking, partly breaking or not, a column at a time, with why.

    of a column                                        of the table
    gone, or called otherwise      breaking            another table                  breaking (every column)
    narrower or another type       breaking            another grain (known key)      breaking
    wider type                     partly breaking     other target keys              breaking
    can be NULL from now on        partly breaking     to or from scd2                breaking
    computed otherwise             partly breaking     another write mode             partly breaking
    never NULL from now on         non-breaking        other rows (filter, join, …)   partly breaking
    new                            non-breaking        another sequence_by            partly breaking
                                                       layout, comment, trigger       nothing

Partly breaking: a reader's query still runs, and may give other results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pipeline_magic.spec.schema import Column, Model
from pipeline_magic.spec.typed import TypedSpec
from pipeline_magic.spec.types import common, parse_type

if TYPE_CHECKING:
    from pipeline_magic.compiler.lineage import Lineage

__all__ = ["ColumnImpact", "Impact", "TableImpact", "impact", "impact_of"]

Severity = Literal["breaking", "partly breaking", "non-breaking"]
_ORDER: tuple[Severity, ...] = ("non-breaking", "partly breaking", "breaking")


class ColumnImpact(Model):
    """What happens to one column of the target."""

    column: str
    severity: Severity
    reason: str


class TableImpact(Model):
    """What happens to the table as a whole."""

    severity: Severity
    reason: str


class Impact(Model):
    """The columns that change, what changes of the table, and the worst of it."""

    columns: tuple[ColumnImpact, ...] = ()
    table: tuple[TableImpact, ...] = ()

    @property
    def meaning(self) -> tuple[str, ...]:
        """What changes of the table, as sentences."""
        return tuple(item.reason for item in self.table)

    @property
    def severity(self) -> Severity:
        """The worst that happens to the table or any column."""
        found = [
            _ORDER.index(said) for said in (*(c.severity for c in self.columns), *(t.severity for t in self.table))
        ]
        return _ORDER[max(found, default=0)]


def impact(old: TypedSpec, new: TypedSpec) -> Impact:
    """What readers of the target meet when `new` takes the place of `old`.

    A target of another name breaks every column of the old one. Columns whose expression changed keep their type but
    mean something else: partly breaking.
    """
    from pipeline_magic.compiler.diff import diff_specs
    from pipeline_magic.compiler.lineage import column_lineage

    if old.spec.target.table != new.spec.target.table:
        reason = f"the rows go to {new.spec.target.table} from now on"
        columns = [ColumnImpact(column=c.name, severity="breaking", reason=reason) for c in old.target_columns()]
        return Impact(columns=tuple(columns))
    before, after = column_lineage(old), column_lineage(new)
    made = {item.column: item for item in impact_of(old.target_columns(), new.target_columns()).columns}
    made.update(_renamed(old, new, before, after, made))
    paths = [change.path.split(".", 3) for change in diff_specs(old.spec, new.spec)]
    paths = [parts for parts in paths if parts[0] in {"steps", "sources"}]
    single = {(parts[1], parts[3]) for parts in paths if len(parts) == 4 and parts[2] in {"columns", "measures"}}
    changed = {parts[1] for parts in paths if not (len(parts) == 4 and parts[2] in {"columns", "measures"})}
    for column in new.target_columns():
        if column.name in made or column.name not in {c.name for c in old.target_columns()}:
            continue
        touched = before.computed_in(column.name) | after.computed_in(column.name)
        found = sorted({name for name, own in touched if name in changed or (name, own) in single})
        if found:
            reason = f"it is computed otherwise: {', '.join(found)} changed"
            made[column.name] = ColumnImpact(column=column.name, severity="partly breaking", reason=reason)
    order = [column.name for column in (*old.target_columns(), *new.target_columns())]
    told = tuple(sorted(made.values(), key=lambda item: order.index(item.column)))
    return Impact(columns=told, table=tuple(_of_table(old, new, before, after, changed)))


def _renamed(
    old: TypedSpec, new: TypedSpec, before: Lineage, after: Lineage, made: Mapping[str, ColumnImpact]
) -> dict[str, ColumnImpact]:
    """Lost columns of which exactly one new column has the type and the sources."""
    have = {column.name.casefold() for column in new.target_columns()}
    had = {column.name.casefold() for column in old.target_columns()}
    found = {}
    for lost in old.target_columns():
        if lost.name.casefold() in have or lost.name not in made:
            continue
        sources = before.sources_of(lost.name)
        like = [
            column.name
            for column in new.target_columns()
            if column.name.casefold() not in had
            and column.type == lost.type
            and after.sources_of(column.name) == sources
        ]
        if sources and len(like) == 1:
            reason = f"the column is gone; `{like[0]}` seems to be its new name"
            found[lost.name] = ColumnImpact(column=lost.name, severity="breaking", reason=reason)
    return found


def _of_table(
    old: TypedSpec, new: TypedSpec, before: Lineage, after: Lineage, changed: set[str]
) -> Iterator[TableImpact]:
    one, other = old.spec.target, new.spec.target
    grain = [spec.node(spec.spec.target.input).keys[:1] for spec in (old, new)]
    if one.mode == other.mode and grain[0] != grain[1]:
        said = [f"one row for each {' and '.join(keys[0])}" if keys else "rows of no known key" for keys in grain]
        yield TableImpact(severity="breaking", reason=f"The table holds {said[1]}, before {said[0]}")
    if one.mode != other.mode:
        several = "scd2" in {one.mode, other.mode}
        why = "; readers meet several versions of a key" if other.mode == "scd2" else ""
        yield TableImpact(
            severity="breaking" if several else "partly breaking",
            reason=f"The table is written in mode {other.mode}, before {one.mode}{why}",
        )
    if one.keys != other.keys and one.keys and other.keys:
        names = [", ".join(item.keys) for item in (one, other)]
        yield TableImpact(severity="breaking", reason=f"A row is identified by {names[1]}, before by {names[0]}")
    if one.sequence_by != other.sequence_by and one.mode == other.mode:
        reason = (
            f"The row with the highest {other.sequence_by or 'nothing'} wins, before {one.sequence_by or 'nothing'}"
        )
        yield TableImpact(severity="partly breaking", reason=reason)
    rows = sorted({*((before.deciding_steps() | after.deciding_steps()) & changed), *_other_sources(old, new)})
    if rows:
        yield TableImpact(
            severity="partly breaking", reason=f"Which rows there are may change: {', '.join(rows)} changed"
        )
    drops = [{item for item in spec.spec.expectations if item.enabled and item.action == "drop"} for spec in (old, new)]
    if drops[0] != drops[1]:
        names = sorted({item.id for item in drops[0] ^ drops[1]})
        reason = f"Which rows are dropped may change: {', '.join(names)} changed"
        yield TableImpact(severity="partly breaking", reason=reason)


def _other_sources(old: TypedSpec, new: TypedSpec) -> set[str]:
    """Sources that read another table, or other rows of it."""
    before = {source.alias: source for source in old.spec.sources}
    return {source.alias for source in new.spec.sources if source.alias in before and source != before[source.alias]}


def impact_of(old: Sequence[Column], new: Sequence[Column]) -> Impact:
    """The same for two schemas alone."""
    after = {column.name.casefold(): column for column in new}
    before = {column.name.casefold() for column in old}
    made = []
    for column in old:
        other = after.get(column.name.casefold())
        if other is None:
            made.append(ColumnImpact(column=column.name, severity="breaking", reason="the column is gone"))
        elif (found := _changed(column, other)) is not None:
            made.append(found)
    for column in new:
        if column.name.casefold() not in before:
            made.append(ColumnImpact(column=column.name, severity="non-breaking", reason="the column is new"))
    return Impact(columns=tuple(made))


def _changed(old: Column, new: Column) -> ColumnImpact | None:
    before, after = parse_type(old.type), parse_type(new.type)
    if before != after:
        wider = common(before, after) == after and before.name != "string"
        severity: Severity = "partly breaking" if wider else "breaking"
        how = "which holds all of its values" if wider else "which does not hold all of its values"
        return ColumnImpact(column=old.name, severity=severity, reason=f"{old.type} becomes {new.type}, {how}")
    if not old.nullable and new.nullable:
        return ColumnImpact(column=old.name, severity="partly breaking", reason="it can be NULL from now on")
    if old.nullable and not new.nullable:
        return ColumnImpact(column=old.name, severity="non-breaking", reason="it is never NULL from now on")
    return None
