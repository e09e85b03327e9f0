"""Where something is: ``in New York``, ``living in Spain or Italy``, ``German customers``.

A name of a country is looked for where countries are kept, by its code where the comment says that codes are kept; any
other name in the remaining columns that hold places. Each says what it took for granted.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.dates import period_at
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.geography import CODES, COUNTRIES, PEOPLES
from pipeline_magic.agents.specification.planner.intent import col
from pipeline_magic.agents.specification.planner.values import Condition, literal, value_at

__all__ = ["in_place", "of_people"]

_PLACES = {"city", "state", "country", "region", "county", "nation", "province", "location", "continent", "town"}
_LANDS = {"country", "nation", "land"}
_IN = (
    "in|from|near|at|within|located in|based in|situated in|located at|living in|who live in|that are in|"
    "that live in|who lives in|live in|lives in|residing in|resident in|registered in|who reside in|home in|"
    "who are in|that lie in|that stand in|standing in|placed in"
)


def in_place(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """Names in capitals behind a word for being somewhere, of the columns that hold places."""
    at = c.match(i, _IN)
    if (
        at is None
        or at >= c.end(i)
        or c.tokens[at].kind not in {"word", "quoted"}
        or period_at(c, at) is not None
        or (c.table_at(at) is not None and c.low(at) not in COUNTRIES)
    ):
        return None
    only_lands: Condition | None = None
    near = by_distance(c) if c.low(at - 1) != c.low(i) or _land(c, at) else ()
    if any(c.low(j) in _LIVING for j in range(i, at)) or c.low(i - 1) in _LIVING:
        near = tuple(table for table in near if _PLACES & set(table.words))  # nobody lives in the city of a shop
    for table in (about,) if about else (*c.focus(i)[:2], *near):
        columns = _place_columns(table)
        names = _names(c, at, columns[0]) if columns else None
        if names is None:
            continue
        if not all(_LANDS & set(column.words) for column in columns) or _known(names[1]):
            return _among(names[0], names[1], columns)
        if only_lands is None and about is None and not near:
            further = _further(c, at)
            if further is not None:
                return further
        only_lands = only_lands or _among(names[0], names[1], columns)
    return only_lands


def _further(c: Context, at: int) -> Condition | None:
    """The nearest table that keeps places other than countries."""
    for table in by_distance(c):
        columns = [column for column in _place_columns(table) if not _LANDS & set(column.words)]
        names = _names(c, at, columns[0]) if columns else None
        if names is not None:
            return _among(names[0], names[1], columns)
    return None


def _known(values: Sequence[str]) -> bool:
    """One of the names is that of a country: `Berlin` is looked for in a city that is further away, if there is one."""
    return any(value.lower().strip("'") in COUNTRIES for value in values)


_LIVING = {"live", "lives", "living", "reside", "residing", "resident", "home"}


def _land(c: Context, at: int) -> bool:
    """The name of a country, of one word or two."""
    return c.low(at) in COUNTRIES or f"{c.low(at)} {c.low(at + 1)}" in COUNTRIES


def _place_columns(table: TableInfo) -> list[ColumnInfo]:
    columns = [column for column in table.of_kind("text") if _PLACES & set(column.words) and not column.values]
    if _PLACES & set(table.words) and not columns:
        columns = [column for column in table.of_kind("text") if column.words == ("name",)]
    return columns


def _names(c: Context, at: int, column: ColumnInfo) -> tuple[int, list[str]] | None:
    """``Spain or Italy``, ``Rome, Paris and Oslo``: the end and the names."""
    found: list[str] = []
    end = at
    while (value := value_at(c, at, column)) is not None and c.tokens[at].kind in {"word", "quoted"}:
        if found and c.linker.column_at(at, least=0.8) is not None:
            break
        found.append(value[1])
        end = value[0]
        more = c.match(end, ", or|, and|or|and|,")
        if more is None:
            break
        at = c.skip(more, "in|from")
    return (end, found) if found else None


def _among(end: int, values: Sequence[str], columns: Sequence[ColumnInfo]) -> Condition | None:
    names = [value.lower().strip("'") for value in values]
    lands = [column for column in columns if _LANDS & set(column.words)]
    others = [column for column in columns if column not in lands]
    known = [name in COUNTRIES for name in names]
    fitting = list(columns)
    if lands and others:
        if any(known) and not all(known):
            return None
        fitting = lands if all(known) else others
    if len(fitting) > 1 and all(known):
        fitting = fitting[:1]
    parts = []
    for column in fitting:
        said = {*column.words, *column.said}
        coded = "code" in said and all(known)
        listed = [literal(CODES[name].lower()) for name in names] if coded else [value.lower() for value in values]
        text = f"lower({col(column.ref)})"
        parts.append(f"{text} = {listed[0]}" if len(listed) == 1 else f"{text} IN ({', '.join(listed)})")
    where = " or ".join(column.name for column in fitting)
    text = parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"
    return Condition(end, text, f"places are looked for in {where}, without regard to case")


def of_people(c: Context, i: int, about: TableInfo | None) -> Condition | None:
    """``German customers``: the country that an adjective belongs to, of the table that follows or stands near."""
    if i >= c.end(i) or not c.tokens[i].text[:1].isupper() or c.low(i) not in PEOPLES:
        return None
    behind = c.table_at(i + 1)
    for table in (about,) if about else ((behind.table,) if behind is not None else c.focus(i)[:1]):
        lands = [column for column in _place_columns(table) if _LANDS & set(column.words)]
        if len(lands) == 1:
            return _among(i + 1, [literal(PEOPLES[c.low(i)].title())], lands)
    return None


def by_distance(c: Context) -> tuple[TableInfo, ...]:
    """The tables near by, those that are joined over fewer others first."""
    paths = {name: c.graph.path(c.linker.scope, name) for name in c.linker.near} if c.linker.scope else {}
    return tuple(c.linker.tables[name] for name in sorted(paths, key=lambda name: len(paths[name] or ()) or 9))
