"""Single rows that a superlative points out: ``the oldest employee``, ``which product is the most expensive``.

Also here: the value that most rows have (``the most common job title``). Not here: what an adjective measures
(`adjectives`), superlatives that name their column (`extremes`), and ``top N … by …`` (`ranking`).
"""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.adjectives import ADJECTIVES, meant_by
from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.counts import counted
from pipeline_magic.agents.specification.planner.entities import ColumnInfo
from pipeline_magic.agents.specification.planner.idioms import state_at
from pipeline_magic.agents.specification.planner.intent import (
    Filter,
    Group,
    Item,
    Measure,
    Note,
    Selected,
    Use,
    col,
    measure_ref,
    refs_in,
)
from pipeline_magic.agents.specification.planner.linking import TableLink
from pipeline_magic.agents.specification.planner.ranking import PER, finish, number_at, rank_groups

__all__ = ["read_superlative"]


def read_superlative(c: Context, i: int) -> Found | None:
    """One of the ways to say it."""
    for read in (_row_before, _row_behind, _commonest):
        found = read(c, i)
        if found is not None:
            return found
    return None


_LEAD = "the|top|very|single|one|only"
_PART = "date|dates|time|timestamp|day|amount|amounts|value|values|total|number|count|price|name|id|key|status|type"


def _row_before(c: Context, i: int) -> Found | None:
    """``the oldest employee``, ``the 3 cheapest red products``, ``the top 5 most expensive products``."""
    at = c.skip(i, _LEAD)
    number = number_at(c, at)
    at = number[0] if number is not None else at
    after = c.match(at, ADJECTIVES)
    if after is None or c.low(i - 1) in {"their", "its", "his", "her", "whose"}:
        return None
    again = number_at(c, after) if number is None else None
    number = number or again
    noun = again[0] if again is not None else after
    conditions: list[Item] = []
    while c.table_at(noun) is None and (state := state_at(c, noun, None)) is not None:
        conditions.append(Filter(noun, state.end, state.expression, state.assumed))
        noun = state.end
    link = c.table_at(noun)
    if link is None or link.others or not _alone(c, i, link, conditions):
        return None
    if number is None and c.tokens[link.end - 1].low != c.tokens[link.end - 1].stem:
        return None  # `the oldest employees`: how many is not said
    found = meant_by(c, at, after, link.table)
    if found is None:
        return None
    use = Use(link.start, link.end, link.table.name)
    return _pointed_out(c, i, link.end, number[1] if number is not None else 1, found, [use, *conditions])


def _alone(c: Context, i: int, link: TableLink, conditions: list[Item]) -> bool:
    """The table is what the sentence asks for, or what the things asked for hang on; and no column is named by it."""
    column = c.linker.column_at(link.start, tables=(link.table.name,), least=0.8)
    if (column is not None and column.end > link.end) or c.match(link.end, _PART) is not None:
        return False
    texts = [item.expression for item in conditions if isinstance(item, Filter)]
    if any(ref.table != link.table.name for text in texts for ref in refs_in(text)):
        return False
    for item in c.items:
        if c.starts[item.start] != c.starts[i]:
            continue
        if not isinstance(item, (Use, Selected, Note)):
            return False
        name = item.table if isinstance(item, Use) else item.ref.table if isinstance(item, Selected) else ""
        if name and name != link.table.name and not _hangs_on(c, link.table.name, name):
            return False
    return True


def _hangs_on(c: Context, table: str, other: str) -> bool:
    """Each row of `table` has at most one row of `other`."""
    path = c.graph.path([table], other)
    return bool(path) and all(link.one in {"right", "both"} for link in path or ())


def _pointed_out(
    c: Context, i: int, end: int, n: int, found: tuple[ColumnInfo, bool], items: list[Item]
) -> Found | None:
    column, descending = found
    ranked = Filter(i, end, f"{col(column.ref)} IS NOT NULL", f"rows are ranked by {column.name}; unknown is no rank")
    table = c.linker.tables[column.ref.table]
    if any(isinstance(item, (Measure, Group)) and c.starts[item.start] == c.starts[i] for item in c.items):
        return None
    return finish(c, i, end, n, table, col(column.ref), descending, [*items, ranked])


def _row_behind(c: Context, i: int) -> Found | None:
    """``which product is the most expensive``, ``the employee who is oldest``."""
    at = c.match(i, "is|was|that is|who is|which is|that was|who was|which was")
    at = c.skip(at, "the|our") if at is not None else None
    after = c.match(at, ADJECTIVES) if at is not None else None
    last = c.items[-1] if c.items else None
    if at is None or after is None or not isinstance(last, Use) or last.end != i:
        return None
    after = c.skip(after, "one|of all|overall|in price|in age|of them all")
    if after < c.end(i) and c.low(after) not in {"?", ".", ",", ";", "!", "and"} and c.match(after, PER) is None:
        return None
    link = c.table_at(last.start) or c.table_at(last.end - 1)
    found = meant_by(c, at, c.match(at, ADJECTIVES) or at, c.linker.tables[last.table])
    if found is None or link is None or not _alone(c, i, link, []):
        return None
    return _pointed_out(c, i, after, 1, found, [])


_COMMON = "most common|most frequent|most often used|most frequently used|most commonly used"
_RARE = "least common|least frequent|rarest"
_AMONG = "among|amongst|of|for|in|across|over|used by|used in|used for|held by|used on"


def _commonest(c: Context, i: int) -> Found | None:
    """``the 2 most common job titles among employees``: values by the number of rows that have them."""
    at = c.skip(i, _LEAD)
    number = number_at(c, at)
    at = number[0] if number is not None else at
    most, least = c.match(at, _COMMON), c.match(at, _RARE)
    after = most or least
    link = c.linker.column_at(after, least=0.6) if after is not None else None
    if link is None or link.end > c.end(i) or any(isinstance(item, (Measure, Group)) for item in c.items):
        return None
    if number is None and c.tokens[link.end - 1].low != c.tokens[link.end - 1].stem:
        return None
    among = c.match(link.end, _AMONG)
    owner = c.table_at(c.skip(among, "the|all|our|all the|any")) if among is not None else None
    column, table, end = link.column, c.linker.tables[link.ref.table], link.end
    uses: list[Item] = []
    if owner is not None and not owner.others:
        own = [each for each in (link.column, *link.others) if each.ref.table == owner.table.name]
        if not own and (link.others or not _hangs_on(c, owner.table.name, table.name)):
            return None
        column, table, end = own[0] if own else column, owner.table, owner.end
        uses = [Use(owner.start, owner.end, owner.table.name)]
    elif link.others:
        return None
    name = f"{table.words[-1]}_count"
    measure = Measure(i, end, name, counted(c, table), table.name, (), f"rows of {table.short} are counted")
    known = Filter(i, end, f"{col(column.ref)} IS NOT NULL", "an unknown value is not the most common one")
    n = number[1] if number is not None else 1
    items: list[Item] = [*uses, measure, known]
    return rank_groups(c, i, end, n, None, column, measure_ref(name), most is not None, items)
