"""What a must-answer question offers, out of the tables at hand, and what an answer becomes.

The statement is read again with the answer: it stands in for words that were missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.counts import counted
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, Ref, TableInfo
from pipeline_magic.agents.specification.planner.grouping import entity_columns
from pipeline_magic.agents.specification.planner.intent import Group, Item, Measure, Segment, Selected, col
from pipeline_magic.runs import Option

__all__ = ["answered", "group_options", "measure_options", "number_options"]

_MOST = 12
_FUNCTIONS = {"sum": "The sum", "avg": "The average"}


def _amounts(table: TableInfo) -> list[ColumnInfo]:
    pointing = {"year", "month", "day", "number"}
    return [
        column
        for column in table.of_kind("number")
        if not column.is_key_like and column.name not in table.key and not pointing & set(column.words)
    ]


def measure_options(tables: Mapping[str, TableInfo], wanted: Sequence[str]) -> tuple[Option, ...]:
    """Counts of the tables at hand, sums and averages of their amounts."""
    found = [Option(id=f"count:{name}", label=f"The number of rows of {tables[name].short}") for name in wanted]
    for name in wanted:
        for column in _amounts(tables[name]):
            found += [
                Option(id=f"{function}:{name}:{column.name}", label=f"{words} of {column.name}")
                for function, words in _FUNCTIONS.items()
            ]
    return tuple(found[:_MOST])


def group_options(tables: Mapping[str, TableInfo], wanted: Sequence[str], *, as_said: bool) -> tuple[Option, ...]:
    """One row for each row of a table at hand, or for each value of a column; or as the words have it."""
    found = [
        Option(id=f"table:{name}", label=f"One row for each row of {tables[name].short}")
        for name in wanted
        if tables[name].key
    ]
    for name in wanted:
        found += [
            Option(id=f"column:{name}:{column.name}", label=f"One row for each {column.name}")
            for column in tables[name].of_kind("text")
            if column.values
            or set(column.words) & {"type", "status", "category", "segment", "country", "city", "region"}
        ]
    last = [Option(id="as_said", label="One row for each combination of the columns that are named")] if as_said else []
    return (*found[: _MOST - 1], *last)


def number_options(tables: Mapping[str, TableInfo], wanted: Sequence[str]) -> tuple[Option, ...]:
    """The amounts of the tables at hand."""
    return tuple(
        Option(id=f"column:{name}:{column.name}", label=f"{column.name} of {tables[name].short}")
        for name in wanted
        for column in _amounts(tables[name])
    )[:_MOST]


def answered(c: Context, items: Sequence[Item]) -> list[Item]:
    """The items, with what answers say in place of words."""
    made = list(items)
    for question, change in (("measure:missing", _measure), ("group:by", _group), ("segment:by", _segment)):
        answer = c.answers.get(question, "")
        if answer:
            made = change(c, made, answer)
    return made


def _column(c: Context, answer: str) -> ColumnInfo | None:
    parts = answer.split(":")
    table = c.linker.tables.get(parts[1]) if len(parts) == 3 else None
    return table.column(parts[2]) if table is not None else None


def _measure(c: Context, items: list[Item], answer: str) -> list[Item]:
    place = next((item for item in items if isinstance(item, Group)), None)
    start, end = (place.start, place.end) if place is not None else (0, 1)
    parts = answer.split(":")
    table = c.linker.tables.get(parts[1]) if len(parts) > 1 else None
    if parts[0] == "count" and table is not None:
        name = f"{'_'.join(table.words)}_count"
        return [*items, Measure(start, end, name, counted(c, table), table.name, assumed="as was answered")]
    column = _column(c, answer)
    if column is None or parts[0] not in _FUNCTIONS:
        return items
    name = f"{'total' if parts[0] == 'sum' else 'average'}_{column.name}"
    text = f"{parts[0]}({col(column.ref)})"
    return [*items, Measure(start, end, name, text, column.ref.table, assumed="as was answered")]


def _group(c: Context, items: list[Item], answer: str) -> list[Item]:
    table = c.linker.tables.get(answer.removeprefix("table:")) if answer.startswith("table:") else None
    column = _column(c, answer) if answer.startswith("column:") else None
    if table is not None:
        keys = tuple((each.name, col(each.ref)) for each in entity_columns(table))
        group = Group(0, 1, keys, table.name)
    elif column is not None:
        group = Group(0, 1, ((column.name, col(column.ref)),))
    else:
        return items
    return [group, *(_summed(c, item) for item in items)]


def _summed(c: Context, item: Item) -> Item:
    """An amount that was shown beside groups is summed in the groups that were answered."""
    if not isinstance(item, Selected) or item.ref.table not in c.linker.tables:
        return item
    column = c.linker.tables[item.ref.table].column(item.ref.column)
    if column is None or column not in _amounts(c.linker.tables[item.ref.table]):
        return item
    ref = Ref(item.ref.table, item.ref.column)
    return Measure(
        item.start, item.end, f"total_{ref.column}", f"sum({col(ref)})", ref.table, assumed="as was answered"
    )


def _segment(c: Context, items: list[Item], answer: str) -> list[Item]:
    column = _column(c, answer)
    if column is None:
        return items
    return [
        replace(item, by=col(column.ref)) if isinstance(item, Segment) and item.by is None else item for item in items
    ]
