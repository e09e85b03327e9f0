"""Pivots in words: ``pivot the segments into columns``, ``the average value for temperature and humidity in columns``.

A pivot is a measure for each value: the values must be said, or listed in the column's comment, because what columns a
table has must not depend on its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.entities import ColumnInfo
from pipeline_magic.agents.specification.planner.intent import Group, Item, Measure, Note, Selected, Use, col, refs_in
from pipeline_magic.agents.specification.planner.values import literal, value_at
from pipeline_magic.runs import Question
from pipeline_magic.spec.names import slug

__all__ = ["Pivoted", "read_pivot", "spread"]

_INTO = (
    "into separate columns|into columns|to columns|in separate columns|in columns|as separate columns|as columns|"
    "in their own columns|as its own column|across columns|into one column each|in its own column"
)


@dataclass(frozen=True)
class Pivoted(Item):
    """The measures stand in one column for each value of `column`; None where only the values are said."""

    column: ColumnInfo | None
    values: tuple[str, ...] = ()


def read_pivot(c: Context, i: int) -> Found | None:
    """One of the ways to ask for it."""
    for read in (_verb, _columns_named, _one_row, _values_in_columns):
        found = read(c, i)
        if found is not None:
            return found
    return None


def _verb(c: Context, i: int) -> Found | None:
    """``pivot the market segments into columns``, ``pivot the readings``, ``pivot by metric``."""
    if not c.verb(i, "pivot"):
        return None
    at = c.skip(i + 1, "the|on|by|out|them|it|result|results|table|rows|data|over|values of|values|this")
    table = c.table_at(at)
    link = c.linker.column_at(at, kinds=("text",), least=0.5)
    if table is not None and (link is None or link.end <= table.end):
        return Found(table.end, "measure", (Use(table.start, table.end, table.table.name), Pivoted(i, table.end, None)))
    if link is None or link.end > c.end(i):
        return Found(at, "measure", (Pivoted(i, at, None),)) if at > i + 1 or c.low(at) in {":", ","} else None
    end = c.match(link.end, _INTO) or link.end
    return Found(end, "measure", (Pivoted(i, end, link.column),))


def _columns_named(c: Context, i: int) -> Found | None:
    """``with columns BUILDING, AUTOMOBILE and MACHINERY``: the values of the pivot read before."""
    pivots = c.of(Pivoted)
    at = c.match(
        c.skip(i, ",|and|with|using|for|the"), "columns for|columns|column for|a column for each of|a column for|values"
    )
    if not pivots or pivots[-1].column is None or at is None:
        return None
    end, values = _values(c, at, pivots[-1].column)
    if not values:
        return None
    return Found(end, "measure", (replace(pivots[-1], start=i, end=end, values=values),))


def _values(c: Context, at: int, column: ColumnInfo) -> tuple[int, tuple[str, ...]]:
    values: list[str] = []
    at = end = c.skip(at, "the|:|values|(")
    while (value := value_at(c, at, column)) is not None:
        values.append(value[1])
        end = value[0]
        more = c.match(end, ", and|and|,|or")
        if more is None:
            break
        at = c.skip(more, "the")
    return c.skip(end, ")"), tuple(values)


def _one_row(c: Context, i: int) -> Found | None:
    """``one row per device``: what the groups are."""
    at = c.match(c.skip(i, ",|with|in|to|get|so that there is"), "one row|a row|a single row|one line|exactly one row")
    if at is None or c.match(at, "per|for each|for every|by|a|each") is None:
        return None
    from pipeline_magic.agents.specification.planner.grouping import read_group

    found = read_group(c, at)
    return Found(found.end, "measure", found.items) if found is not None else None


def _values_in_columns(c: Context, i: int) -> Found | None:
    """``for temperature, humidity and pressure in separate columns``: values that a comment lists, of one column."""
    at = c.match(i, "for each of|for the|for|of|by|split into|with")
    if at is None:
        return None
    column = _listing(c, at)
    if column is None:
        return None
    end, values = _values(c, at, column)
    after = c.match(end, _INTO)
    if len(values) < 2 or after is None:
        return None
    return Found(after, "measure", (Pivoted(i, after, column, values),))


def _listing(c: Context, i: int) -> ColumnInfo | None:
    """The one column near by whose comment lists the value at `i`."""
    if i >= c.end(i - 1):
        return None
    for names in (c.linker.scope, c.linker.near):
        found = [
            column for name in names for column in c.linker.tables[name].columns if c.low(i) in dict(column.values)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            return None
    return None


def spread(c: Context, items: Sequence[Item]) -> tuple[list[Item], list[Question]]:
    """The items with every measure spread over the values of the pivot."""
    pivots = [item for item in items if isinstance(item, Pivoted)]
    if not pivots:
        return list(items), []
    column = next((item.column for item in pivots if item.column is not None), None)
    values = next((item.values for item in reversed(pivots) if item.values), ())
    first = pivots[0]
    rest = [item for item in items if not isinstance(item, Pivoted)]
    if column is None:
        return rest, [_ask(first, "Which column's values become columns?")]
    values = values or tuple(literal(value) for value in dict(column.values).values())
    if not values:
        return rest, [_ask(first, f"Which values of {column.name} become columns?")]
    start = Note(first.start, first.end)
    made: list[Item] = [start]
    several = sum(isinstance(item, Measure) for item in rest) > 1
    for item in rest:
        if isinstance(item, Selected) and item.ref == column.ref:
            continue
        if isinstance(item, Group):
            kept = tuple(pair for pair in item.columns if pair[1] != col(column.ref))
            if kept or item.entity:
                made.append(replace(item, columns=kept))
            continue
        if not isinstance(item, Measure):
            made.append(item)
            continue
        made += [_of_value(item, column, value, several) for value in values]
    return made, []


def _of_value(item: Measure, column: ColumnInfo, value: str, several: bool) -> Measure:
    head, _, rest = item.expression.partition("(")
    inner = rest[:-1]
    distinct = "DISTINCT " if inner.startswith("DISTINCT ") else ""
    inner = "1" if inner == "*" else inner.removeprefix("DISTINCT ")
    name = slug(value.strip("'").casefold(), "value")
    return replace(
        item,
        name=f"{name}_{item.name}" if several else name,
        expression=f"{head}({distinct}CASE WHEN {col(column.ref)} = {value} THEN {inner} END)",
        table=item.table or (refs_in(item.expression)[0].table if refs_in(item.expression) else ""),
    )


def _ask(item: Pivoted, text: str) -> Question:
    return Question(
        id="pivot:values",
        text=text,
        why="The columns of a table must be known before its rows are; the statement and the catalog do not list them.",
        path="steps",
        free=True,
    )
