"""Rankings: ``top 3 orders per customer by total price``, ``the 5 largest orders``, ``with the most orders``.

Equal values at the edge are cut by the order of the key, which is said; keeping ties is an edit away.
"""

from __future__ import annotations

from dataclasses import replace

from pipeline_magic.agents.specification.planner.adjectives import meant_by
from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.counts import counted
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, Ref, TableInfo
from pipeline_magic.agents.specification.planner.explained import read_explained
from pipeline_magic.agents.specification.planner.grouping import entity_columns, read_group
from pipeline_magic.agents.specification.planner.idioms import state_at, wide_state_at
from pipeline_magic.agents.specification.planner.intent import (
    Filter,
    Group,
    Item,
    Measure,
    Top,
    Use,
    col,
    measure_ref,
    refs_in,
)
from pipeline_magic.agents.specification.planner.measures import read_measure
from pipeline_magic.agents.specification.planner.money import money_column
from pipeline_magic.agents.specification.planner.periods import date_column
from pipeline_magic.agents.specification.planner.text import number_of
from pipeline_magic.agents.specification.planner.values import Condition

__all__ = ["PER", "amounts", "finish", "foreign", "number_at", "partition", "rank_groups", "read_top"]

_BY = (
    "by|based on|ranked by|in terms of|ordered by|sorted by|according to|with the highest|with the "
    "most|with the largest|by their|by the|having the highest|on"
)
_BY_HIGH = "with the highest|with the most|with the largest|with highest|with most"
_LOW = "with the lowest|with the fewest|with the least|with the smallest|having the lowest"
PER = "per|for each|for every|in every|within every|of every|in each|within each|of each|by each|from each"
_DESC = "descending|desc|from highest to lowest|highest first|in descending order"
_ASC = "ascending|asc|from lowest to highest|lowest first|in ascending order"


def read_top(c: Context, i: int) -> Found | None:
    """``top N noun [per X] by Y [per X]``, ``the N largest orders``."""
    for read in (_top_n, _superlative_n):
        found = read(c, i)
        if found is not None:
            return found
    return None


def number_at(c: Context, i: int) -> tuple[int, int] | None:
    if i >= c.end(i):
        return None
    number = number_of(c.tokens[i])
    return (i + 1, int(number)) if number and number.isdigit() and 0 < int(number) <= 1_000_000 else None


def _top_n(c: Context, i: int) -> Found | None:
    at = c.skip(i, "the|only|keep|their|its|keep only|only the")
    low = c.match(at, "bottom|lowest|worst|smallest")
    top = c.match(at, "top|first|highest|largest|best|biggest") if low is None else low
    found = number_at(c, top) if top is not None else None
    if top is None or found is None or c.low(found[0]) in {"%", "percent"}:
        return None
    alone = c.table_at(found[0]) is None and c.linker.column_at(found[0], least=0.8) is None
    if alone and c.of(Measure) and (found[0] >= c.end(i) or c.low(found[0]) in {",", ";", ".", "by", "only"}):
        order = measure_ref(c.of(Measure)[0].name)  # the groups that were asked for, by what was measured first
        return Found(found[0], "measure", (Top(i, found[0], found[1], order, low is None),))
    return _ranked(c, i, found[0], found[1], low is None)


_SIZE = {
    True: "largest|biggest|highest|greatest|most popular|best selling|top selling|"
    "most expensive|most valuable|longest|most delayed|top|best",
    False: "smallest|lowest|cheapest|shortest|least expensive|worst",
}
_TIME = {True: "most recent|latest|newest|last", False: "oldest|earliest|first"}


def _superlative_n(c: Context, i: int) -> Found | None:
    """``the 5 largest orders per customer``, ``the 3 most recent orders of each customer``."""
    first = c.skip(i, "the|only|keep|their")
    found = number_at(c, first)
    if found is None:
        return _one_largest(c, i, first)
    for descending, words in _SIZE.items():
        after = c.match(found[0], words)
        if after is not None:
            return _ranked(c, i, after, found[1], descending, _measured_by(c, after, words))
    table = c.table_at(found[0])
    if table is not None and (high := c.match(table.end, _BY_HIGH) or c.match(table.end, _LOW)) is not None:
        return _ranked(c, i, found[0], found[1], c.match(table.end, _LOW) is None) if high else None
    for descending, words in _TIME.items():
        after = c.match(found[0], words)
        link = c.table_at(after) if after is not None else None
        if link is not None and after is not None:
            meant = meant_by(c, found[0], after, link.table)
            if meant is not None and meant[0].kind == "number":
                return None  # `the 3 oldest employees` are so by their age
            date = (meant[0], ()) if meant is not None else date_column(c, after or i, link.table)
            descending = meant[1] if meant is not None else descending
            if date is not None:
                return finish(
                    c,
                    i,
                    link.end,
                    found[1],
                    link.table,
                    col(date[0].ref),
                    descending,
                    [Use(link.start, link.end, link.table.name)],
                )
    return None


_ORDINALS = {"second", "third", "fourth", "fifth", "2nd", "3rd", "4th", "5th", "next"}


def _one_largest(c: Context, i: int, at: int) -> Found | None:
    """``largest deposit per account``, ``for each category the cheapest product``: the one row that has most."""
    if c.low(at - 1) in _ORDINALS:
        return None
    if c.match(at, "|".join(_SIZE.values())) is None:
        return None
    grouped = any(c.starts[item.start] == c.starts[i] for item in c.of(Group))
    for descending, words in _SIZE.items():
        after = c.match(at, words)
        if after is None:
            continue
        state = state_at(c, after, None) or _row_of(c, after)
        inside = state is not None and c.table_at(state.end) is not None
        link = c.table_at(state.end if state is not None and inside else after)
        if link is None and state is not None and c.tokens[after].low != c.tokens[at].low:
            table = c.linker.tables[refs_in(state.expression)[0].table]
            end = state.end
        elif link is not None:
            table, end, state = link.table, link.end, state if inside else None
        else:
            return None
        about = _measured_by(c, after, words)
        fitting = [column for word in about for column in table.of_kind("number") if column.words[-1] == word]
        sizes = fitting[:1] or amounts(table)
        if (c.match(end, PER) is None and not grouped) or len(sizes) != 1:
            return None
        if c.linker.column_at(after, kinds=("number",), least=0.95) is not None and link is None:
            return None
        items: list[Item] = [Use(after, end, table.name)]
        if state is not None:
            items.append(Filter(after, state.end, state.expression, state.assumed))
        items.append(Filter(i, end, f"{col(sizes[0].ref)} IS NOT NULL", "an unknown amount is not the largest"))
        return finish(c, i, end, 1, table, col(sizes[0].ref), descending, items)
    return None


_WITH_ITS = (
    "with its|with their|together with its|along with its|and its|, with its|and when|, and its|with the|and the date|"
    "plus its|, together with its"
)


def _row_of(c: Context, i: int) -> Condition | None:
    """``largest deposit per account with its date``: more of the row is asked for, so that it is no mere maximum."""
    state = wide_state_at(c, i)
    group = read_group(c, state.end) if state is not None and c.match(state.end, PER) is not None else None
    return state if group is not None and c.match(group.end, _WITH_ITS) is not None else None


def amounts(table: TableInfo) -> list[ColumnInfo]:
    money = money_column(table)
    return (
        [money]
        if money is not None
        else [column for column in table.of_kind("number") if column.type.startswith(("decimal", "double", "float"))]
    )


_BY_WORD = {"expensive": ("cost", "price"), "cheapest": ("price", "cost"), "longest": ("duration", "length")}


def _measured_by(c: Context, end: int, words: str) -> tuple[str, ...]:
    """What a superlative is about: ``most expensive`` is a cost or a price."""
    return _BY_WORD.get(c.low(end - 1), ())


def _ranked(c: Context, i: int, at: int, n: int, descending: bool, about: tuple[str, ...] = ()) -> Found | None:
    """What is ranked (a table's rows, or the values of a column), and by what."""
    at = c.skip(at, "the|best|selling|most|performing|best selling|of")
    link = c.table_at(at)
    column = c.linker.column_at(at, least=0.8)
    entity: TableInfo | None = None
    group: ColumnInfo | None = None
    items: list[Item] = []
    if column is not None and (link is None or column.end > link.end):
        group, end = column.column, column.end
    elif link is not None:
        entity, end = link.table, link.end
        items.append(Use(link.start, link.end, link.table.name))
    else:
        return None
    per, end = _per(c, end)
    items += per
    by = c.match(end, _BY)
    if by is None and (lowest := c.match(end, _LOW)) is not None:
        by, descending = lowest, False
    if by is None and entity is not None and about:
        fitting = [column for word in about for column in entity.of_kind("number") if column.words[-1] == word]
        if fitting:
            return finish(c, i, end, n, entity, col(fitting[0].ref), descending, items)
    if by is None:
        return _without_order(c, i, end, n, entity, descending, items)
    by = (
        c.skip(by, "the|their|its|total number of")
        if c.match(by, "the total number of|total number of") is None
        else c.skip(by, "the")
    )
    counting = _rows_counted(c, by) if c.low(by - 1) in {"most", "fewest", "least"} else None
    measure = counting or _named(c, by) or read_measure(c, by) or read_explained(c, by)
    aggregated = measure is not None and _is_aggregate(c, by, measure, entity)
    if not aggregated:
        plain = c.linker.column_at(by, tables=(entity.name,)) if entity is not None else None
        plain = plain or c.linker.column_at(by, kinds=("number", "date", "timestamp"))
        if plain is not None and ((entity is not None and plain.ref.table == entity.name) or measure is None):
            if entity is not None and plain.ref.table == entity.name:
                return finish(c, i, plain.end, n, entity, col(plain.ref), descending, items)
            summed = Measure(by, plain.end, f"total_{plain.column.name}", f"sum({col(plain.ref)})", plain.ref.table)
            measure = Found(plain.end, "measure", (summed,))
        elif measure is None:
            computed = _named_measure(c, by)
            if computed is None:
                return None
            measure = Found(computed[0], "measure", ())
            return rank_groups(c, i, computed[0], n, entity, group, measure_ref(computed[1]), descending, items)
    assert measure is not None
    made = [item for item in measure.items if isinstance(item, Measure)]
    items += measure.items
    return rank_groups(c, i, measure.end, n, entity, group, measure_ref(made[0].name), descending, items)


def _rows_counted(c: Context, i: int) -> Found | None:
    """``with the most posted transactions``: of rows, most is a number of them."""
    state = state_at(c, i, None)
    inside = state if state is not None and c.table_at(state.end) is not None else None
    link = c.table_at(inside.end if inside is not None else i)
    if link is None:
        return None
    text = counted(c, link.table, inside.expression if inside is not None else None)
    made = Measure(i, link.end, f"{link.table.words[-1]}_count", text, link.table.name)
    return Found(link.end, "measure", (Use(link.start, link.end, link.table.name), made))


def _named(c: Context, i: int) -> Found | None:
    from pipeline_magic.agents.specification.planner.named import named_at

    found = named_at(c, i)
    if found is None:
        return None
    end = found[1].end if found[1].bracket and found[1].start == found[0] else found[0]
    return Found(end, "measure", (*found[1].uses, replace(found[1].measure, start=i, end=end)))


def _is_aggregate(c: Context, by: int, measure: Found, entity: TableInfo | None) -> bool:
    """A measure by words; of a row's own table it is a column unless a function is named."""
    made = [item for item in measure.items if isinstance(item, Measure)]
    if not made:
        return False
    link = c.linker.column_at(by, least=0.95)
    return not (entity is not None and link is not None and link.ref.table == entity.name and link.end >= measure.end)


def _named_measure(c: Context, i: int) -> tuple[int, str] | None:
    from pipeline_magic.agents.specification.planner.formulas import _computed
    from pipeline_magic.agents.specification.planner.intent import measures_in

    found = _computed(c, i)
    return (found.end, measures_in(found.expression)[0]) if found is not None else None


def _per(c: Context, end: int) -> tuple[list[Item], int]:
    if c.match(end, PER) is None:
        return [], end
    found = read_group(c, end)
    return (list(found.items), found.end) if found is not None else ([], end)


def _without_order(
    c: Context, i: int, end: int, n: int, entity: TableInfo | None, descending: bool, items: list[Item]
) -> Found | None:
    """``top 10 customers`` alone: by what was measured, else by the table's money column."""
    if entity is None:
        return None
    measures = c.of(Measure)
    if measures:
        return rank_groups(c, i, end, n, entity, None, measure_ref(measures[0].name), descending, items)
    money = money_column(entity)
    return finish(c, i, end, n, entity, col(money.ref), descending, items) if money is not None else None


def rank_groups(
    c: Context,
    i: int,
    end: int,
    n: int,
    entity: TableInfo | None,
    group: ColumnInfo | None,
    order: str,
    descending: bool,
    items: list[Item],
) -> Found:
    """The groups are ranked: one row for each entity or value, the first `n` in each ``per``."""
    more, end = _per(c, end)
    pers = [item for item in (*items, *more) if isinstance(item, Group)]
    items = [item for item in (*items, *more) if not isinstance(item, Group)]
    per = tuple(key for item in pers for key in item.columns)
    if entity is not None:
        keys = tuple((column.name, col(column.ref)) for column in entity_columns(entity))
    else:
        assert group is not None
        keys = ((group.name, col(group.ref)),)
    end, descending = _direction(c, end, descending)
    items.append(Group(i, end, (*per, *keys), entity.name if entity else ""))
    items.append(Top(i, end, n, order, descending, tuple(name for name, _ in per), entity.name if entity else ""))
    return Found(end, "measure", tuple(items))


def finish(
    c: Context, i: int, end: int, n: int, entity: TableInfo, order: str, descending: bool, items: list[Item]
) -> Found:
    """Rows of the table are ranked; ``per`` names the partition."""
    more, end = _per(c, end)
    pers = [item for item in (*items, *more) if isinstance(item, Group)]
    items = [item for item in (*items, *more) if not isinstance(item, Group)]
    end, descending = _direction(c, end, descending)
    per = [text for item in pers for text in partition(c, entity, item)]
    if any(item.entity for item in pers):
        owners = {item.entity for item in pers}
        items = [item for item in items if not (isinstance(item, Use) and item.table in owners and not item.read)]
    items.append(Top(i, end, n, order, descending, tuple(per), entity.name))
    return Found(end, "measure", tuple(items))


def foreign(c: Context, table: TableInfo, owner: str) -> str:
    """The column of `table` that points at `owner`; the owner's key where there is none."""
    if owner == table.name:
        return col(Ref(owner, table.key[0]))
    links = c.graph.links(table.name, owner)
    if links and links[0].one in {"right", "both"}:
        return col(Ref(table.name, links[0].keys[0][0]))
    return col(Ref(owner, c.linker.tables[owner].key[0]))


def partition(c: Context, table: TableInfo, group: Group) -> list[str]:
    """The columns of rows of `table` that a grouping parts them by: ``per device and metric``."""
    if not group.entity:
        return [text for _, text in group.columns]
    owner = c.linker.tables[group.entity]
    own = {col(column.ref) for column in owner.columns}
    rest = [text for _, text in group.columns if text not in own]
    return [foreign(c, table, group.entity), *rest]


def _direction(c: Context, end: int, descending: bool) -> tuple[int, bool]:
    if (after := c.match(end, _DESC)) is not None:
        return after, True
    if (after := c.match(end, _ASC)) is not None:
        return after, False
    return end, descending
