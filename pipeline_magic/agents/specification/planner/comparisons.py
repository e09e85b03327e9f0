"""Comparisons that an adjective or a verb makes: ``older than 40``, ``earn more than the average``, ``weigh over 10``.

Here: which column such a word compares (as `adjectives` knows it for superlatives), and what it may be compared with:
a number, or a value over all rows: the average, the highest, that of all rows of one kind. Not here: comparisons that
name their column; see `predicates`.
"""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.adjectives import measured_by
from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, Ref, TableInfo
from pipeline_magic.agents.specification.planner.intent import col, measure_ref
from pipeline_magic.agents.specification.planner.selves import counterpart
from pipeline_magic.agents.specification.planner.text import lemmas, number_of
from pipeline_magic.agents.specification.planner.values import Condition, comparison_at

__all__ = ["against", "compared_before", "compared_by_adjective", "compared_by_verb", "whole_value"]

_COMPARATIVES = {
    "older": "oldest", "elder": "oldest", "younger": "youngest", "more expensive": "most expensive",
    "costlier": "most expensive", "pricier": "most expensive", "dearer": "most expensive",
    "cheaper": "cheapest", "less expensive": "cheapest", "longer": "longest", "shorter": "shortest",
    "taller": "tallest", "heavier": "heaviest", "lighter": "lightest", "larger": "largest", "bigger": "largest",
    "smaller": "smallest", "faster": "fastest", "slower": "slowest", "deeper": "deepest", "wider": "widest",
    "better paid": "best paid", "higher": "highest", "lower": "lowest",
}  # fmt: skip
_PHRASES = "|".join(f"{word} {than}" for word in _COMPARATIVES for than in ("than", "then"))

_VERBS = {
    "earn": "salary wage pay earnings income", "make": "salary wage pay earnings income", "weigh": "weight mass",
    "cost": "price cost fee", "last": "duration length runtime", "hold": "capacity", "seat": "capacity seats",
    "accommodate": "capacity seats",
}  # fmt: skip
_UNITS = {
    "kg": "kg", "kilogram": "kg", "kilo": "kg", "gram": "g", "km": "km", "kilometer": "km", "kilometre": "km",
    "meter": "m", "metre": "m", "cm": "cm", "centimeter": "cm", "second": "second", "minute": "minute", "hour": "hour",
    "foot": "ft", "feet": "ft", "ft": "ft", "mile": "mile", "pound": "lb", "ton": "ton",
}  # fmt: skip
_MANY = "people|persons|dollars|euros|usd|eur|spectators|guests|seats|years|years old|years of age|visitors"


def compared_by_adjective(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``older than the average``, ``more expensive than 50``, ``cheaper than all products in the Toys category``."""
    after = c.match(i, _PHRASES)
    if after is None:
        return None
    words = _COMPARATIVES[" ".join(c.low(j) for j in range(i, after - 1))]
    for table in (about,) if about else c.focus(i)[:1]:
        found = measured_by(c, i, words, table)
        if found is not None and found[0].kind == "number":
            return _against(c, after, found[0], ">" if found[1] else "<")
    return None


_GREATER = "higher|larger|bigger|greater|longer|heavier"
_LESSER = "lower|smaller|shorter|lighter"


def compared_before(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``a higher hourly wage than the average``, ``get a lower grade than 5``: the comparison around its column."""
    at = c.skip(i, "get|gets|got|has|have|had|earn|earns|with|a|an")
    high, low = c.match(at, _GREATER), c.match(at, _LESSER)
    start = high or low
    tables = (about.name,) if about is not None else tuple(table.name for table in c.focus(i)[:1])
    link = c.linker.column_at(start, kinds=("number",), tables=tables, least=0.8) if start is not None else None
    than = c.match(link.end, "than|then") if link is not None and not link.others else None
    if link is None or than is None:
        return None
    return _against(c, than, link.column, ">" if high is not None else "<")


def compared_by_verb(c: Context, i: int, about: TableInfo | None, least: float) -> Condition | None:
    """``earn more than 800``, ``weighs at least 2 kg``, ``last longer than the average``."""
    if i >= c.end(i) or c.tokens[i].kind != "word":
        return None
    verb = next((verb for verb in _VERBS if verb in lemmas(c.low(i))), "")
    compared = comparison_at(c, i + 1) if verb else None
    if compared is None:
        return None
    words = set(_VERBS[verb].split())
    for table in (about,) if about else c.focus(i)[:1]:
        hits = [column for column in table.of_kind("number") if words & set(column.words) and not column.is_key_like]
        if len(hits) == 1:
            return _against(c, compared[0], hits[0], compared[1])
    return None


def _against(c: Context, at: int, column: ColumnInfo, operator: str) -> Condition | None:
    """The column compared with what stands at `at`."""
    reason = f"what is compared is {column.name}"
    whole = whole_value(c, at, column)
    if whole is not None:
        return Condition(whole[0], against(column, operator, whole[1]), reason)
    other = counterpart(c, at, column)
    if other is not None:
        return Condition(other[0], f"{col(column.ref)} {operator} {other[1]}", reason)
    number = number_of(c.tokens[at]) if at < c.end(at - 1) else None
    if c.low(at) in {"$", "€", "£"} and at + 1 < c.end(at):
        at, number = at + 1, number_of(c.tokens[at + 1])
    if number is None or c.tokens[at].kind != "number":
        return None
    end = at + 1
    unit = _UNITS.get(c.tokens[end].stem, "") if end < c.end(at) else ""
    if unit:
        own = set(column.words) & set(_UNITS.values() | _UNITS.keys())
        if own and not {unit, c.tokens[end].stem} & own:
            return None  # hours against a column of minutes
        return Condition(end + 1, f"{col(column.ref)} {operator} {number}", reason)
    end = c.match(end, _MANY) or end
    return Condition(end, f"{col(column.ref)} {operator} {number}", reason)


def against(column: ColumnInfo, operator: str, name: str) -> str:
    """The column compared with the value that `whole_value` found; a row without a group is in none."""
    head = name.partition("_of_all_")[0]
    part = head.partition("_by_")[2]
    text = f"{col(column.ref)} {operator} {measure_ref(name)}"
    return f"{text} AND {col(Ref(column.ref.table, part))} IS NOT NULL" if part else text


_FUNCTIONS = {
    "avg": "average|mean|avg",
    "median": "median",
    "max": "highest|maximum|largest|greatest|biggest|max",
    "min": "lowest|minimum|smallest|min",
}


def whole_value(c: Context, i: int, column: ColumnInfo) -> tuple[int, str] | None:
    """``the average [salary] [of all employees]``: a value over all rows, of the column that is compared.

    Returns:
        Where it ends, and the name that stands for it; `wishes` makes the column of that name.
    """
    at = c.skip(i, "the|overall|their|its|an|that of the")
    function = next((name for name, words in _FUNCTIONS.items() if c.match(at, words) is not None), "")
    if not function:
        return None
    end = c.match(at, _FUNCTIONS[function]) or at
    link = c.linker.column_at(end, kinds=("number",), least=0.6)
    if link is not None and link.column.name != column.name:
        return None
    owner = c.table_at(end) if link is None else None
    if owner is not None and owner.table.name != column.ref.table:
        return None
    end = link.end if link is not None else owner.end if owner is not None else end
    of = c.match(end, "of all the|of all|across all|over all|among all|for all|of the|overall|of every|of")
    owner = c.table_at(of) if of is not None else None
    if owner is not None and owner.table.name == column.ref.table:
        end = owner.end
    elif of is not None and c.low(of - 1) == "overall":
        end = of
    elif (own := _own_group(c, end, column)) is not None:
        return own[0], f"{function}_by_{own[1]}_of_all_{column.name}"
    elif c.match(end, "of|in|for|per|from|within|among|by|at") is not None:
        return None  # the average of some rows only
    if owner is not None and (own := _own_group(c, end, column)) is not None:
        return own[0], f"{function}_by_{own[1]}_of_all_{column.name}"
    return end, f"{function}_of_all_{column.name}"


def _own_group(c: Context, i: int, column: ColumnInfo) -> tuple[int, str] | None:
    """``in their store``, ``of the same category``: the column of the row that its group has in common."""
    at = c.match(i, "in|of|for|within|among|at")
    if at is None:
        return None
    start = c.match(at, "their|its|his or her|his|her|the same|that|their own|its own|the respective|their respective")
    if start is None or start >= c.end(i):
        return None
    table = c.linker.tables[column.ref.table]
    link = c.linker.column_at(start, tables=(table.name,), least=0.8)
    named = c.table_at(start)
    if link is not None and link.end <= c.end(i) and (named is None or link.end >= named.end) and not link.others:
        return (link.end, link.column.name) if link.column.kind == "text" or link.column.is_key_like else None
    links_to = c.graph.links(table.name, named.table.name) if named is not None else ()
    if named is None or not links_to or links_to[0].one not in {"right", "both"} or len(links_to[0].keys) != 1:
        return None
    if len(links_to) > 1 and links_to[1].score >= links_to[0].score:
        return None
    return named.end, links_to[0].keys[0][0]
