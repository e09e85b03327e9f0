"""Wishes that words leave half said, completed after the scan: ``alerts per severity`` counts alerts.

Each rule looks at the items that were read and adds or changes one, and says what it took for granted. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.counts import counted
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, Ref
from pipeline_magic.agents.specification.planner.grouping import entity_columns
from pipeline_magic.agents.specification.planner.intent import (
    Change,
    Derive,
    Distinct,
    Filter,
    Group,
    Item,
    Keep,
    Latest,
    Measure,
    Outer,
    Selected,
    Tally,
    Top,
    Use,
    Windowed,
    col,
    measure_ref,
    measures_in,
    refs_in,
    texts_of,
)
from pipeline_magic.agents.specification.planner.ownkeys import keys_instead, own_keys, pointers, shown_here
from pipeline_magic.agents.specification.planner.text import stem

__all__ = ["completed"]


def completed(c: Context, items: Sequence[Item]) -> list[Item]:
    """The items, with what they leave half said."""
    made = _wholes(c, own_keys(c, shown_here(c, _named_source(c, list(items)))))
    made = _with_head(c, _own_values(c, made))
    made = _groups_of_bounds(c, _groups_of_head(c, made))
    made = _sums_beside_groups(c, made)
    made = _sums_under_windows(made)
    made = _counts_beside_groups(c, made)
    made = _one_kind(_lost_formulas(made))
    made = _groups_counted(c, _conditions_of_counts(c, made))
    return pointers(c, keys_instead(c, made))


def _column(c: Context, ref: Ref) -> ColumnInfo | None:
    table = c.linker.tables.get(ref.table)
    return table.column(ref.column) if table is not None else None


def _named_source(c: Context, items: list[Item]) -> list[Item]:
    """``history of customers … using customer_updates as the source``: what is read is said, the rest is a topic."""
    sources = [
        item
        for item in items
        if isinstance(item, Use) and c.match(item.end, "as the source|as source|as its source|as input|as the input")
    ]
    if len(sources) != 1:
        return items
    held = {ref.table for item in items for text in texts_of(item) for ref in refs_in(text)}
    held |= {item.ref.table for item in items if isinstance(item, Selected)} | {sources[0].table}
    return [item for item in items if not isinstance(item, Use) or item.table in held]


def _wholes(c: Context, items: list[Item]) -> list[Item]:
    """``above the average of all``: the value over all rows, which the condition compares with."""
    made = list(items)
    for item in items:
        if not isinstance(item, Filter):
            continue
        for name in measures_in(item.expression):
            head, mark, column = name.partition("_of_all_")
            function, _, part = head.partition("_by_")
            ref = next((ref for ref in refs_in(item.expression) if ref.column == column), None)
            if mark and ref is not None and function in {"avg", "median", "max", "min"}:
                text = f"{function}({col(ref)})"
                over = (col(Ref(ref.table, part)),) if part else ()
                reason = f"over the rows of the same {part}" if part else "over all rows that are read"
                made.insert(0, Windowed(item.start, item.end, name, text, over, (), assumed=reason))
    return made


def _own_values(c: Context, items: list[Item]) -> list[Item]:
    """``for each order show the total price``: of a single row, a sum of one column is that column."""
    groups = [item for item in items if isinstance(item, Group)]
    windows = [item for item in items if isinstance(item, Windowed)]
    entities = {group.entity for group in groups}
    rows = [item.table for item in items if isinstance(item, Latest)]
    if rows and not groups:
        entities = set(rows)
    elif len(entities) != 1 or "" in entities or not windows:
        return items
    entity = entities.pop()
    measures = [item for item in items if isinstance(item, Measure)]
    if not all(_plain_sum(item, entity) for item in measures):
        return items
    return [
        Selected(item.start, item.end, refs_in(item.expression)[0]) if isinstance(item, Measure) else item
        for item in items
    ]


def _plain_sum(item: Measure, table: str) -> bool:
    refs = refs_in(item.expression)
    return len(refs) == 1 and refs[0].table == table and item.expression == f"sum({col(refs[0])})"


_ROWS_TOO = {"with", "together", "along", "plus", "including", "include", "and", "their", "its", "the"}


def _with_head(c: Context, items: list[Item]) -> list[Item]:
    """``active devices with their site name``: the rows of the first table, and what is shown beside them."""
    if any(isinstance(item, (Measure, Group, Top, Latest, Change, Distinct)) for item in items):
        return items
    if any(isinstance(item, Windowed) and "_of_all_" not in item.name for item in items):
        return items
    shown = [item for item in items if isinstance(item, Selected)]
    uses = sorted((item for item in items if isinstance(item, Use)), key=lambda item: item.start)
    if not shown or not uses or uses[0].start > shown[0].start:
        return items
    head, first = uses[0].table, shown[0]
    derived = [item for item in items if isinstance(item, Derive)]
    if any(item.start < first.start or {ref.table for ref in refs_in(item.expression)} - {head} for item in derived):
        return items
    before = c.low(first.start - 1)
    if before not in _ROWS_TOO or any(item.ref.table == head for item in shown):
        return items
    paths = [c.graph.path([head], item.ref.table) for item in shown]
    if not all(path and all(link.one in {"right", "both"} for link in path) for path in paths):
        return items
    columns = c.linker.tables[head].columns
    own = [Selected(uses[0].start, uses[0].end, column.ref) for column in columns]
    place = items.index(first)
    return [*items[:place], *own, *items[place:]]


_WITH_THEIR = "with their|and their|with its|and its|, with their|together with their|along with their|, their|, its"
_WITH_THE = (
    "and the number of|with the number of|and how many|together with the number of|along with the number of|"
    "and the total|with the total|and the average|with the average|, the number of|and number of|and how often|"
    "with how many|, how many|and the total number of|with the total number of|and the count of|with the count of"
)
_EACH = {"each", "every", "all"}


def _groups_of_head(c: Context, items: list[Item]) -> list[Item]:
    """``orders with their number of line items``: measured for each row of the table that they belong to."""
    measured = [item for item in items if isinstance(item, Measure)]
    if not measured or any(isinstance(item, (Group, Top, Latest, Outer)) for item in items):
        return items
    for use in (item for item in items if isinstance(item, Use)):
        each = c.low(use.start) in _EACH or c.low(use.start - 1) in _EACH
        if c.match(use.end, _WITH_THEIR) is None and not (each and c.match(use.end, _WITH_THE) is not None):
            continue
        table = c.linker.tables[use.table]
        following = min((item.start for item in measured if item.start >= use.end), default=None)
        if not table.key or following is None or following - use.end > 3 or all(m.table == use.table for m in measured):
            continue
        columns = tuple((column.name, col(column.ref)) for column in entity_columns(table))
        return [*items, Group(use.start, use.end, columns, table.name)]
    return items


def _groups_of_bounds(c: Context, items: list[Item]) -> list[Item]:
    """``stores whose total salary exceeds 1000``: what is measured for a condition is measured for each of them."""
    measures = {item.name: item for item in items if isinstance(item, Measure)}
    if any(isinstance(item, (Group, Top, Latest, Outer, Keep)) for item in items):
        return items
    bounds = [item for item in items if isinstance(item, Filter) and set(measures_in(item.expression)) & set(measures)]
    named = [item for item in items if isinstance(item, Use) and bounds and item.end <= bounds[0].start]
    used = {measures[name].table for item in bounds for name in measures_in(item.expression) if name in measures}
    if not bounds or not named or len(used) != 1 or len(measures) > len(bounds):
        return items
    table = c.linker.tables[named[0].table]
    fact = used.pop()
    path = c.graph.path([fact], table.name) if fact != table.name else None
    if not table.key or not path or not all(link.one in {"right", "both"} for link in path):
        return items
    columns = tuple((column.name, col(column.ref)) for column in entity_columns(table))
    return [*items, Group(named[0].start, named[0].end, columns, table.name)]


def _sums_beside_groups(c: Context, items: list[Item]) -> list[Item]:
    """``net amount per client``, ``monthly sales amount``: an amount beside a grouping is summed."""
    if any(isinstance(item, (Measure, Top, Latest)) for item in items):
        return items
    groups = [item for item in items if isinstance(item, Group)]
    made: list[Item] = []
    for item in items:
        beside = isinstance(item, Selected) and any(
            group.start in {item.end} or group.end == item.start for group in groups
        )
        column = _column(c, item.ref) if isinstance(item, Selected) else None
        if isinstance(item, Selected) and beside and column is not None and _is_amount(column):
            name = f"total_{column.name}" if not column.name.startswith("total") else column.name
            made.append(
                Measure(
                    item.start,
                    item.end,
                    name,
                    f"sum({col(item.ref)})",
                    item.ref.table,
                    tuple(column.words),
                    f"{column.name} of a group is its sum",
                    ("the average",),
                )
            )
        else:
            made.append(item)
    if not any(isinstance(item, Measure) for item in made):
        return made
    return [_of_measure(item, made) for item in made]


def _sums_under_windows(items: list[Item]) -> list[Item]:
    """``running total of the amount by day``: each day has one sum, and those are added up."""
    periods = [
        item
        for item in items
        if isinstance(item, Group) and any(text != col(ref) for _, text in item.columns for ref in refs_in(text))
    ]
    if not periods or any(isinstance(item, Measure) for item in items):
        return items
    made = list(items)
    for item in items:
        refs = refs_in(item.expression) if isinstance(item, Windowed) else ()
        if isinstance(item, Windowed) and len(refs) == 1 and item.expression == f"sum({col(refs[0])})":
            name = f"total_{refs[0].column}"
            made.append(Measure(item.start, item.end, name, item.expression, refs[0].table))
    return [_of_measure(item, made) for item in made]


def _of_measure(item: Item, items: Sequence[Item]) -> Item:
    """A window over the amount that is now summed looks at the sums."""
    if not isinstance(item, Windowed):
        return item
    sums = {
        col(refs_in(other.expression)[0]): other.name
        for other in items
        if isinstance(other, Measure) and refs_in(other.expression)
    }
    text = item.expression
    for column, name in sums.items():
        text = text.replace(column, measure_ref(name))
    columns = tuple(
        (name, next((old.replace(key, measure_ref(new)) for key, new in sums.items() if key in old), old))
        for name, old in item.columns
    )
    return replace(item, expression=text, columns=columns)


def _is_amount(column: ColumnInfo) -> bool:
    return column.kind == "number" and not column.is_key_like and not {"year", "month", "day"} & set(column.words)


def _counts_beside_groups(c: Context, items: list[Item]) -> list[Item]:
    """``alerts per severity``, ``distinct customers per channel``: rows named right before a grouping are counted."""
    if any(isinstance(item, (Measure, Top, Latest, Windowed)) for item in items):
        return items
    for place, group in enumerate(items):
        if not isinstance(group, Group) or c.low(group.start) not in {"per", "for", "each"}:
            continue
        before = [item for item in items[:place] if c.starts[item.start] == c.starts[group.start]]
        end = group.start
        while (
            step := next((item for item in before if item.end == end and isinstance(item, Filter)), None)
        ) is not None:
            end = step.start
        use = next((item for item in before if isinstance(item, Use) and item.end == end), None)
        if use is None or use.table == group.entity or use.read:
            continue
        if c.tokens[use.end - 1].low == c.tokens[use.end - 1].stem:
            continue  # rows are counted, and rows are many: the word is a plural
        if any(isinstance(item, Selected) for item in before):
            continue
        table = c.linker.tables[use.table]
        distinct = [item for item in before if isinstance(item, Distinct) and item.end == use.start]
        name = f"{'distinct_' if distinct else ''}{'_'.join(table.words)}_count"
        measure = Measure(
            distinct[0].start if distinct else use.start,
            use.end,
            name,
            counted(c, table, distinct=bool(distinct)),
            table.name,
            ("count", *table.words),
            "" if distinct else f"rows of {table.short} are counted, because nothing else is asked of the groups",
        )
        made = [item for item in items if item not in distinct]
        made.insert(made.index(use) + 1, measure)
        return made
    return items


def _lost_formulas(items: list[Item]) -> list[Item]:
    """``net revenue as quantity * unit_price per order``: a formula of single rows beside a grouping is summed."""
    groups = [item for item in items if isinstance(item, Group)]
    if not groups:
        return items
    measures = {item.name for item in items if isinstance(item, Measure)}
    made: list[Item] = []
    for item in items:
        text = item.expression if isinstance(item, Derive) else ""
        used = isinstance(item, Derive) and any(
            item.name in measures_in(each) for other in items if other is not item for each in texts_of(other)
        )
        if (
            isinstance(item, Derive)
            and not used
            and not set(measures_in(text)) & measures
            and not any(sign in text for sign in ("/", "datediff"))
            and not {"price", "rate", "average", "ratio", "percent", "margin"} & set(item.name.split("_"))
        ):
            refs = refs_in(text)
            made.append(
                Measure(
                    item.start,
                    item.end,
                    item.name,
                    f"sum({text})",
                    refs[0].table if refs else "",
                    tuple(stem(word) for word in item.name.split("_")),
                    "summed over each group",
                    ("the average",),
                )
            )
        else:
            made.append(item)
    return made


_CASE = re.compile(r"(avg|min|max|sum)\(CASE WHEN (.+) THEN ([^ ]+) END\)")


def _one_kind(items: list[Item]) -> list[Item]:
    """``average temperature per site``: where all that is measured are rows of one kind, the others are left out."""
    measures = [item for item in items if isinstance(item, Measure)]
    cases = [_CASE.fullmatch(item.expression) for item in measures]
    conditions = {match[2] for match in cases if match is not None}
    if not measures or not all(cases) or len(conditions) != 1 or any(isinstance(item, Keep) for item in items):
        return items
    first = measures[0]
    made: list[Item] = [Filter(first.start, first.end, conditions.pop(), first.assumed)]
    for item in items:
        match = _CASE.fullmatch(item.expression) if isinstance(item, Measure) else None
        if isinstance(item, Measure) and match is not None:
            made.append(replace(item, expression=f"{match[1]}({match[3]})"))
        else:
            made.append(item)
    return made


def _groups_counted(c: Context, items: list[Item]) -> list[Item]:
    """``how many stores have more than 3 employees``: stores are measured first, and those that are left counted."""
    for measure in items:
        if not isinstance(measure, Measure) or not measure.table:
            continue
        if measure.expression != counted(c, c.linker.tables[measure.table]):
            continue
        bounds = [
            item
            for item in items
            if isinstance(item, Filter) and item.start == measure.end and measures_in(item.expression)
        ]
        groups = [item for item in items if isinstance(item, Group)]
        shown = any(isinstance(item, (Selected, Top, Outer, Windowed)) for item in items)
        rest = {name for item in bounds for name in measures_in(item.expression)}
        if not bounds or shown or len(groups) != 1 or groups[0].entity != measure.table or measure.name in rest:
            continue
        if groups[0].start not in {item.start for item in bounds}:
            continue  # `number of stores with … per store`: the groups were asked for
        tally = Tally(measure.start, measure.end, measure.name)
        return [tally if item is measure else item for item in items]
    return items


_OPENS_OWN = {
    "with", "that", "who", "which", "having", "where", "whose", "not", "without", "have", "has", "had", "are", "is",
    "were", "was", "cost", "costs", "weigh", "earn", "older", "younger", "longer", "over", "under", "above", "below",
}  # fmt: skip


def _conditions_of_counts(c: Context, items: list[Item]) -> list[Item]:
    """``number of customers, number of customers with an email``: the condition is of the second count alone."""
    made = list(items)
    for item in items:
        if not isinstance(item, Filter) or measures_in(item.expression):
            continue
        measure = next((m for m in made if isinstance(m, Measure) and m.end == item.start), None)
        word = c.low(item.start)
        if measure is None or not (word in _OPENS_OWN or word.endswith("ed")):
            continue
        if not measure.expression.startswith("count(") or "CASE" in measure.expression:
            continue
        others = [
            m for m in made if isinstance(m, Measure) and m is not measure and m.table == measure.table and m.table
        ]
        inner = measure.expression[len("count(") : -1]
        if not others or {ref.table for ref in refs_in(item.expression)} - {measure.table}:
            continue
        distinct = "DISTINCT " if inner.startswith("DISTINCT ") else ""
        value = "1" if inner == "*" else inner.removeprefix("DISTINCT ")
        words = "_".join(token.low for token in c.tokens[item.start : item.end] if token.kind == "word")
        changed = replace(
            measure,
            end=item.end,
            name=f"{measure.name}_{words}"[:60].rstrip("_"),
            expression=f"count({distinct}CASE WHEN {item.expression} THEN {value} END)",
            assumed=item.assumed,
        )
        made[made.index(measure)] = changed
        made.remove(item)
    return made
