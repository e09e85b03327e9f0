"""Days of a moment: a timestamp is cut to days in UTC, while the schedule, or who reads, lives in another zone.

A timestamp without a zone is a clock's face, not a moment, and has one reading only.
"""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlglot import exp

from pipeline_magic.agents.catalog.readings.reading import Field, Reading, Scene, tree_of
from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.dialect import Tree, identifier, parse, render
from pipeline_magic.spec.expressions import check
from pipeline_magic.spec.model import ExpressionCheck, Schedule
from pipeline_magic.spec.names import slug
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.schema import Column

__all__ = ["readings"]

_DAYS = {
    "to_date", "year", "month", "day", "dayofmonth", "dayofweek", "dayofyear", "weekday", "quarter", "weekofyear",
    "last_day", "trunc", "datediff", "date_diff", "dayname", "monthname",
}  # fmt: skip
_HOURS = {"hour", "minute", "date_trunc", "date_format", "date_part"}
_COMPARED = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ, exp.NEQ, exp.Between)


def readings(scene: Scene) -> list[Reading]:
    """One reading for all timestamps: there is one zone in which days begin."""
    trigger = scene.typed.spec.trigger
    scheduled = trigger.timezone if isinstance(trigger, Schedule) else ""
    zone = scene.chosen_zone if _differs(scene.chosen_zone) else scheduled or scene.zone
    if not zone or not _differs(zone):
        return []
    edits: list[Edit] = []
    moments: dict[tuple[str, str], bool] = {}
    for field in scene.fields():
        changed = _moved(scene, field, zone, moments)
        if changed is not None:
            edits.append(Edit(path=field.path, value=changed))
    if not edits:
        return []
    names = " and ".join(f"`{name}`" for _, name in sorted(moments))
    where = "The schedule is in" if scheduled else "The clock here is set to"
    return [
        Reading(
            Question(
                id="zone:days",
                text=f"In which time zone does a day of {names} begin?",
                why=f"{where} {zone}, and the timestamps are moments: near midnight a row falls on another day there.",
                options=(
                    Option(id="utc", label="UTC"),
                    Option(id=zone, label=zone, edits=tuple(edits)),
                ),
                default="utc",
                path=edits[0].path,
            ),
            f"days of {names.replace('`', '')} begin at midnight UTC",
            tuple(_watch(alias, name, zone, hours) for (alias, name), hours in sorted(moments.items())),
        )
    ]


def _differs(zone: str) -> bool:
    """Whether the zone is ever another time than UTC."""
    from datetime import datetime, timedelta

    try:
        info = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    return any(info.utcoffset(datetime(2024, month, 1)) != timedelta(0) for month in range(1, 13))


def _watch(alias: str, name: str, zone: str, hours: bool) -> ExpressionCheck:
    column = identifier(name)
    cut = "hour" if hours else "to_date"
    return ExpressionCheck(
        id=slug(f"auto_readings_{alias}_{name}_same_day")[:63],
        on=alias,
        condition=f"coalesce({cut}({column}) = {cut}(from_utc_timestamp({column}, '{zone}')), TRUE)",
        action="warn",
        automatic=True,
    )


def _moved(scene: Scene, field: Field, zone: str, moments: dict[tuple[str, str], bool]) -> str | None:
    """The expression with each timestamp that is cut moved to the zone; None where none is."""
    tree = tree_of(field.text)
    if tree is None:
        return None
    columns = scene.typed.node(field.node).columns
    root = exp.Paren(this=tree)  # a parent, so that the root itself can be replaced
    changed = False
    for column in list(root.find_all(exp.Column)):
        base = scene.plain(field.node, column.name)
        found = scene.column(*base) if base is not None else None
        hours = _cut(column, columns) if found is not None and found.type == "timestamp" else None
        if hours is None or base is None:
            continue
        moments[base] = moments.get(base, False) or hours
        column.replace(parse(f"from_utc_timestamp({identifier(column.name)}, '{zone}')"))
        changed = True
    return render(root.this) if changed else None


def _cut(column: exp.Column, columns: Sequence[Column]) -> bool | None:
    """Whether parts of a day are cut from the timestamp; None where nothing is cut."""
    parent = column.parent
    if isinstance(parent, exp.Anonymous):
        name = str(parent.this).casefold()
        if name in _DAYS:
            return False
        if name in _HOURS:
            unit = next((str(item.this).upper() for item in parent.expressions if isinstance(item, exp.Literal)), "")
            coarse = ("YEAR", "QUARTER", "MONTH", "MON", "WEEK", "DAY", "YYYY", "YYYY-MM", "YYYY-MM-DD")
            return unit not in coarse
        return None
    if isinstance(parent, exp.Cast):
        return False if str(parent.to.this.value).casefold() == "date" else None
    if isinstance(parent, _COMPARED):
        others = [item for key in ("this", "expression", "low", "high") if (item := parent.args.get(key)) is not None]
        return False if any(_is_date(item, columns) for item in others if item is not column) else None
    return None


def _is_date(tree: Tree, columns: Sequence[Column]) -> bool:
    found, _ = check(render(tree), columns)
    return found is not None and str(found.type) == "date"
