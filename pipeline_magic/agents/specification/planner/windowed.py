"""What a column over neighbouring rows is about: the value, the rows looked at together, and their order.

Not here: which column that becomes; see `windows`.
"""

from __future__ import annotations

from dataclasses import replace

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.entities import Ref
from pipeline_magic.agents.specification.planner.formulas import formula_at
from pipeline_magic.agents.specification.planner.grouping import read_group
from pipeline_magic.agents.specification.planner.idioms import wide_state_at
from pipeline_magic.agents.specification.planner.intent import (
    Filter,
    Group,
    Item,
    Measure,
    Selected,
    col,
    measure_ref,
    refs_in,
)
from pipeline_magic.agents.specification.planner.measures import read_measure
from pipeline_magic.agents.specification.planner.named import named_at
from pipeline_magic.agents.specification.planner.ranking import partition

__all__ = ["key_like", "last_value", "order_at", "over_at", "subject_at", "table_of", "tail_at"]

_BY_ORDER = (
    "in order of|ordered by|in the order of|sorted by|over|along|by|through|across|, ordered by|, in order of|"
    "order by|, sorted by|over the"
)


def subject_at(c: Context, i: int) -> tuple[int, str, str, tuple[Item, ...]] | None:
    """What is summed or compared: the end, a template, words for it, and items that make it (a hidden measure)."""
    i = c.skip(i, "of the|of|for the|for|in the|in|the|each|their|its")
    formula = formula_at(c, i) if named_at(c, i) is None else None
    if (
        formula is not None
        and formula.end <= c.end(i - 1)
        and (formula.operators or not key_like(c, formula.expression))
    ):
        return formula.end, formula.expression, formula.words, ()
    named = named_at(c, i)
    if named is not None:
        end, what = named
        known = next((old for old in c.of(Measure) if old.expression == what.measure.expression), None)
        name = (known or what.measure).name
        items = () if known else (*what.uses, replace(what.measure, start=i, end=end))
        return end, measure_ref(name), name, items
    kind = wide_state_at(c, i)
    summed = read_measure(c, i - 1) if kind is not None and c.low(i - 1) == "total" else None
    if kind is not None and summed is None and c.tokens[i].low != c.tokens[i].stem:
        table = c.linker.tables[refs_in(kind.expression)[0].table]
        amounts = [each for each in table.of_kind("number") if each.type.startswith(("decimal", "double", "float"))]
        if len(amounts) == 1:
            text = f"CASE WHEN {kind.expression} THEN {col(amounts[0].ref)} END"
            return kind.end, text, c.low(i), (Filter(i, kind.end, kind.expression, kind.assumed),)
    found = read_measure(c, i)
    made = [item for item in found.items if isinstance(item, Measure)] if found is not None else []
    if found is not None and len(made) == 1:
        known = next((old for old in c.of(Measure) if old.expression == made[0].expression), None)
        items = tuple(item for item in found.items if item not in made) if known else found.items
        name = (known or made[0]).name
        return found.end, measure_ref(name), name, items
    return None


def key_like(c: Context, template: str) -> bool:
    refs = refs_in(template)
    column = c.linker.tables[refs[0].table].column(refs[0].column) if refs else None
    return column is not None and (column.is_key_like or column.kind not in {"number"})


def last_value(c: Context) -> tuple[str, str] | None:
    """The value that was measured or shown last."""
    measures = c.of(Measure)
    if measures:
        return measure_ref(measures[-1].name), measures[-1].name
    shown = [item.ref for item in c.of(Selected) if not key_like(c, col(item.ref))]
    return (col(shown[-1]), shown[-1].column) if shown else None


def order_at(c: Context, i: int) -> tuple[int, tuple[tuple[str, bool], ...]] | None:
    """``in order of the order date``, ``ordered by txn_date and txn_id``, ``over the months``, ``over time``."""
    at = c.match(i, _BY_ORDER)
    if at is None:
        return None
    if c.low(i) == "by" and c.match(at, "day|week|month|quarter|year|date") is not None:
        return None  # `by day` groups
    at = c.skip(at, "the|its|their|order of")
    after = c.match(at, "time|days|weeks|months|quarters|years|period|periods|month|week|date|day|year")
    if after is not None and c.linker.column_at(at, kinds=("date", "timestamp"), least=0.95) is None:
        return after, ()
    found: list[tuple[str, bool]] = []
    end = at
    while (link := c.linker.column_at(at, least=0.6)) is not None and link.end <= c.end(i):
        end = link.end
        falls = c.match(end, "descending|desc")
        end = falls or c.skip(end, "ascending|asc")
        found.append((col(link.ref), falls is not None))
        more = c.match(end, ", and|and|,|then")
        if more is None:
            break
        at = more
    return (end, tuple(found)) if found else None


def over_at(c: Context, i: int, table: str) -> tuple[int, tuple[str, ...], tuple[Item, ...]] | None:
    """``per customer``, ``within the client's country``: the rows looked at together."""
    within = c.match(i, "within|inside|in")
    found = read_group(c, i) or (_within(c, within) if within is not None else None)
    if found is None:
        return None
    texts: list[str] = []
    items: list[Item] = []
    groups = [item for item in found.items if isinstance(item, Group)]
    if any(text != col(ref) for item in groups for _, text in item.columns for ref in refs_in(text)):
        return None  # a period is what the groups are, and not what parts them
    for item in groups:
        if item.entity and table and item.entity != table:
            texts += partition(c, c.linker.tables[table], item)
        elif item.entity:
            texts += [col(Ref(item.entity, name)) for name in c.linker.tables[item.entity].key]
        else:
            texts += [text for _, text in item.columns]
            refs = [ref for _, text in item.columns for ref in refs_in(text) if text == col(ref)]
            items += [Selected(i, found.end, ref) for ref in refs]
    return found.end, tuple(texts), tuple(items)


def _within(c: Context, i: int) -> Found | None:
    """The column behind ``within``: ``the client's country``, ``its region``."""
    at = c.skip(i, "the|each|their|its|every|same")
    owner = c.table_at(at)
    link = None
    if owner is not None:
        link = c.linker.column_at(owner.end, tables=(owner.table.name,), least=0.5)
        if link is None:
            keys = tuple((name, col(Ref(owner.table.name, name))) for name in owner.table.key)
            return Found(owner.end, "measure", (Group(i, owner.end, keys, owner.table.name),)) if keys else None
    link = link or c.linker.column_at(at, least=0.8)
    if link is None or link.end > c.end(i):
        return None
    return Found(link.end, "measure", (Group(i, link.end, ((link.column.name, col(link.ref)),)),))


def table_of(c: Context, template: str) -> str:
    refs = refs_in(template)
    return refs[0].table if refs else ""


def tail_at(
    c: Context, end: int, table: str
) -> tuple[int, tuple[str, ...] | None, tuple[tuple[str, bool], ...] | None, tuple[Item, ...]]:
    """Partition and order behind a value, in either order."""
    over: tuple[str, ...] | None = None
    order: tuple[tuple[str, bool], ...] | None = None
    items: tuple[Item, ...] = ()
    for _ in range(3):
        sorted_by = order_at(c, end) if order is None else None
        if sorted_by is not None:
            end, order = sorted_by
            continue
        parts = (
            over_at(c, c.skip(end, ",") if c.match(c.skip(end, ","), "per|within") else end, table)
            if over is None
            else None
        )
        if parts is None:
            break
        end, over, items = parts
    return end, over, order or None, items
