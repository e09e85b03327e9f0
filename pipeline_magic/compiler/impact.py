"""What a changed target means for those who read it: breaking, partly breaking or not, a column at a time, with why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pipeline_magic.spec.schema import Column, Model
from pipeline_magic.spec.typed import TypedSpec
from pipeline_magic.spec.types import common, parse_type

__all__ = ["ColumnImpact", "Impact", "impact", "impact_of"]

Severity = Literal["breaking", "partly breaking", "non-breaking"]
_ORDER: tuple[Severity, ...] = ("non-breaking", "partly breaking", "breaking")


class ColumnImpact(Model):
    """What happens to one column of the target."""

    column: str
    severity: Severity
    reason: str


class Impact(Model):
    """The columns that change, and the worst of them."""

    columns: tuple[ColumnImpact, ...] = ()
    meaning: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity:
        """The worst that happens to any column."""
        found = [_ORDER.index(item.severity) for item in self.columns]
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
    made = {item.column: item for item in impact_of(old.target_columns(), new.target_columns()).columns}
    paths = [change.path.split(".", 3) for change in diff_specs(old.spec, new.spec)]
    paths = [parts for parts in paths if parts[0] in {"steps", "sources"}]
    single = {(parts[1], parts[3]) for parts in paths if len(parts) == 4 and parts[2] in {"columns", "measures"}}
    changed = {parts[1] for parts in paths if not (len(parts) == 4 and parts[2] in {"columns", "measures"})}
    before, after = column_lineage(old), column_lineage(new)
    for column in new.target_columns():
        if column.name in made or column.name not in {c.name for c in old.target_columns()}:
            continue
        touched = before.computed_in(column.name) | after.computed_in(column.name)
        found = sorted({name for name, own in touched if name in changed or (name, own) in single})
        if found:
            reason = f"it is computed otherwise: {', '.join(found)} changed"
            made[column.name] = ColumnImpact(column=column.name, severity="partly breaking", reason=reason)
    rows = sorted((before.deciding_steps() | after.deciding_steps()) & changed)
    meaning = (f"Which rows there are may change: {', '.join(rows)} changed",) if rows else ()
    order = [column.name for column in (*old.target_columns(), *new.target_columns())]
    return Impact(columns=tuple(sorted(made.values(), key=lambda item: order.index(item.column))), meaning=meaning)


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
