"""The expectations that nobody asked for and everybody wants. Each is an assumption and can be switched off.

    keys of the target not null and unique        fail      declared keys, else those that determine a row
    join keys of sources not null                 warn      a NULL key silently matches nothing
    rows in the target                            fail      `warn` where a run may rightly bring none
    newest commit of each source not too old      warn      on a column only where a watermark names it

A check that the spec has already, in the same words, is not proposed again.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline_magic.spec.model import (
    Aggregate,
    Derive,
    Expectation,
    Explode,
    Freshness,
    Join,
    NotNull,
    Pivot,
    Rename,
    RowCount,
    Schedule,
    Sql,
    Step,
    Union,
    Unique,
    Unpivot,
)
from pipeline_magic.spec.names import slug
from pipeline_magic.spec.typed import Node, TypedSpec
from pipeline_magic.spec.typing.sets import join_columns

__all__ = ["automatic_expectations"]


def automatic_expectations(typed: TypedSpec) -> tuple[Expectation, ...]:
    """The automatic expectations of a typed spec, in a fixed order; ids start with ``auto_``.

    Args:
        typed: The typed spec; expectations it has already are not proposed again.
    """
    have = {_meaning(item) for item in typed.spec.expectations}
    taken = {item.id for item in typed.spec.expectations}
    made = []
    for item in (*_target(typed), *_join_keys(typed), *_freshness(typed)):
        if _meaning(item) not in have and item.id not in taken:
            have.add(_meaning(item))
            taken.add(item.id)
            made.append(item)
    return tuple(made)


def _meaning(item: Expectation) -> tuple[object, ...]:
    if isinstance(item, (RowCount, Freshness)):
        return item.kind, item.on
    columns = getattr(item, "columns", None)
    return (item.kind, item.on, frozenset(columns)) if columns else (item.kind, item.on, item.id)


def _target(typed: TypedSpec) -> Iterator[Expectation]:
    target = typed.spec.target
    known = typed.node(target.input).keys
    keys = target.keys or (known[0] if known else ())
    if keys:
        yield NotNull(id="auto_target_key_not_null", on="target", columns=keys, action="fail", automatic=True)
    if keys and (target.mode not in {"scd1", "scd2"} or target.sequence_by is None):
        yield Unique(id="auto_target_key_unique", on="target", columns=keys, action="fail", automatic=True)
    action = "fail" if target.mode == "overwrite" else "warn"
    yield RowCount(id="auto_target_rows", on="target", minimum=1, action=action, automatic=True)


def _join_keys(typed: TypedSpec) -> Iterator[Expectation]:
    for step in typed.spec.steps:
        if not isinstance(step, Join):
            continue
        sides = ((step.left, [key.left for key in step.keys]), (step.right, [key.right for key in step.keys]))
        for node_id, names in sides:
            for name in names:
                found = origin(typed, node_id, name)
                if found is None:
                    continue
                alias, column = found
                nullable = next(c.nullable for c in typed.node(alias).columns if c.name == column)
                if nullable:
                    yield NotNull(
                        id=slug(f"auto_{alias}_{column}_not_null", "auto"),
                        on=alias,
                        columns=(column,),
                        action="warn",
                        automatic=True,
                    )


def _freshness(typed: TypedSpec) -> Iterator[Expectation]:
    hours = _patience(typed)
    read = _read(typed)
    for source in typed.spec.sources:
        if source.alias not in read:
            continue
        watermark = next((c for c in typed.node(source.alias).columns if c.name == source.watermark), None)
        column = watermark.name if watermark and watermark.type.startswith(("date", "timestamp")) else None
        yield Freshness(
            id=slug(f"auto_{source.alias}_fresh", "auto"),
            on=source.alias,
            column=column,
            max_age_hours=hours,
            action="warn",
            automatic=True,
        )


def _read(typed: TypedSpec) -> set[str]:
    found: set[str] = set()
    pending = [typed.spec.target.input]
    while pending:
        node = typed.node(pending.pop())
        if node.id not in found:
            found.add(node.id)
            pending.extend(node.inputs)
    return found


def _patience(typed: TypedSpec) -> float:
    """Hours a source may rest: twice the time between runs, as far as the fields of the cron expression show it."""
    trigger = typed.spec.trigger
    if not isinstance(trigger, Schedule):
        return 168.0
    fields = trigger.cron.split()
    hour, day, month, weekday = (fields + ["*"] * 6)[2:6]
    if month not in {"*", "?"} or (day not in {"*", "?"} and "/" not in day):
        return 24.0 * 62
    if weekday not in {"*", "?"}:
        return 24.0 * 14 if weekday.isalnum() else 96.0
    return 48.0 if hour.isdecimal() else 24.0


def origin(typed: TypedSpec, node_id: str, column: str) -> tuple[str, str] | None:
    """The source and its column that a column is, unchanged; None where a step computed it."""
    steps: dict[str, Step] = {step.id: step for step in typed.spec.steps}
    while node_id in steps:
        found = one_back(typed, steps[node_id], column)
        if found is None:
            return None
        node_id, column = found
    return node_id, column


def one_back(typed: TypedSpec, step: Step, column: str) -> tuple[str, str] | None:
    if isinstance(step, Join):
        left, right = typed.node(step.left), typed.node(step.right)
        if _has(left, column):
            return (step.left, column) if step.how not in {"right", "full"} else None
        back = {new: old for old, new in join_columns(step, left.columns, right.columns)}
        return (step.right, back[column]) if column in back else None
    if isinstance(step, (Union, Sql, Unpivot, Pivot)):
        return None
    if isinstance(step, Rename):
        column = next((item.column for item in step.columns if item.name == column), column)
    computed = {item.name for item in step.columns} if isinstance(step, Derive) else set[str]()
    if isinstance(step, Aggregate):
        computed = {item.name for item in step.measures}
    if isinstance(step, Explode):
        computed = {step.name, *([step.position] if step.position else [])}
    if step.kind in {"cast", "fill"}:
        computed = {item.column for item in step.columns}
    if column in computed or not _has(typed.node(step.input), column):
        return None
    return step.input, column


def _has(node: Node, column: str) -> bool:
    return any(other.name == column for other in node.columns)
