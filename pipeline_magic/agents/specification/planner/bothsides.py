"""Who did one thing and not another: ``bought Shoes but never Jackets``, ``orders in 2024 but none in 2025``.

Each thing is counted for each row of the table that the statement is about; rows with at least one of the first and
none of the second are what is asked for. The things are told apart by conditions (a state, a period) or by values of a
column that is named; where no column is named and no comment lists the values, it is asked.
"""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.grouping import entity_columns
from pipeline_magic.agents.specification.planner.idioms import wide_state_at
from pipeline_magic.agents.specification.planner.intent import Filter, Group, Measure, Use, col, measure_ref, refs_in
from pipeline_magic.agents.specification.planner.predicates import condition_at
from pipeline_magic.agents.specification.planner.values import value_at

__all__ = ["read_both_sides"]

_VERB = re.compile(r"\w{2,}ed|bought|made|had|took|sold|sent|paid|got|have|has|ordered|held|used")
_BUT = (
    "but never|but not|but no|but did not|but none|and never|but have never|but has never|and not|but had no|"
    "but have no|but has no|and none|but without|yet never|yet not|yet none|but didn't"
)


def read_both_sides(c: Context, i: int) -> Found | None:
    """``[who] VERB [nouns] FIRST but never [VERB] [nouns] SECOND [by COLUMN]``, behind the table that it is about."""
    subject = next((use.table for use in reversed(c.of(Use)) if c.starts[use.start] == c.starts[i]), None)
    if subject is None or any(isinstance(item, (Measure, Group)) for item in c.items):
        return None
    table = c.linker.tables[subject]
    at = c.skip(i, "who|that|which|with|having|have|has")
    if at >= c.end(i) or not table.key or (at == i and not _VERB.fullmatch(c.low(i))):
        return None
    noun: TableInfo | None = None
    at, noun = _things(c, at, noun)
    but = next((j for j in range(at + 1, min(at + 9, c.end(i))) if c.match(j, _BUT) is not None), None)
    if but is None:
        return None
    second, other = _things(c, c.match(but, _BUT) or but, noun)
    noun = noun or other
    named = _column_named(c, second)
    sides = _values(c, at, but, second, named) if named is not None else _conditions(c, at, but, second, noun)
    if sides is None:
        return None
    end, first_text, second_text, fact, reason = sides
    counted_in = noun.name if noun is not None else fact
    if counted_in == subject or c.graph.path([subject], counted_in) is None:
        return None
    words = [_slug(c, at, but), _slug(c, second, end if named is None else named[0])]
    names = [f"having_{words[0]}", f"not_having_{words[1]}"]
    measures = tuple(
        Measure(i, end, name, f"count(CASE WHEN {text} THEN 1 END)", counted_in, (), reason)
        for name, text in zip(names, (first_text, second_text), strict=True)
    )
    columns = tuple((column.name, col(column.ref)) for column in entity_columns(table))
    return Found(
        end,
        "filter",
        (
            *measures,
            Group(i, end, columns, subject),
            Filter(i, end, f"{measure_ref(names[0])} > 0"),
            Filter(i, end, f"{measure_ref(names[1])} = 0"),
        ),
    )


def _slug(c: Context, start: int, end: int) -> str:
    return "_".join(token.low for token in c.tokens[start:end] if re.fullmatch(r"\w+", token.low))[:40] or "it"


def _things(c: Context, i: int, known: TableInfo | None) -> tuple[int, TableInfo | None]:
    """Behind a verb and the table of the things: ``placed orders``, ``bought products of category``."""
    at = c.skip(i, "ever|never|also|any|a|an|the")
    if at < c.end(i) and _VERB.fullmatch(c.low(at)) and wide_state_at(c, at) is None:
        at = c.skip(at + 1, "any|a|an|the|something|anything|one|some")
    link = c.table_at(at)
    if link is not None:
        return link.end, link.table
    return at, known


def _column_named(c: Context, i: int) -> tuple[int, int, ColumnInfo] | None:
    """``Jackets (by category name)``: where the words about the column begin and end, and the column."""
    for j in range(i + 1, min(i + 5, c.end(i))):
        by = c.match(j, "( by|( by the|( as|( in|( category|( see|as a|in the column|by the|by")
        link = c.linker.column_at(by, kinds=("text",), least=0.8) if by is not None else None
        if link is not None and link.end <= c.end(i) and not link.others:
            return j, c.skip(link.end, ")"), link.column
    return None


def _values(
    c: Context, at: int, but: int, second: int, named: tuple[int, int, ColumnInfo]
) -> tuple[int, str, str, str, str] | None:
    start, end, column = named
    first, other = value_at(c, at, column), value_at(c, second, column)
    if first is None or other is None or first[0] != but or other[0] != start:
        return None
    name = col(column.ref)
    return end, f"{name} = {first[1]}", f"{name} = {other[1]}", column.ref.table, ""


def _conditions(
    c: Context, at: int, but: int, second: int, noun: TableInfo | None
) -> tuple[int, str, str, str, str] | None:
    """Two conditions about the rows of one table: states that comments list, or periods."""
    from pipeline_magic.agents.specification.planner.dates import period_at

    first = wide_state_at(c, at) or condition_at(c, at, about=noun, opened=True)
    if first is None:
        return None
    stop = first.end
    behind = c.table_at(stop)
    stop = behind.end if behind is not None else stop
    noun = noun or (behind.table if behind is not None else None)
    if stop != c.skip(but, ",") and c.skip(stop, ",") != but:
        return None
    other = wide_state_at(c, second) or condition_at(c, second, about=noun, opened=True)
    if other is None and noun is not None and period_at(c, second) is not None:
        other = condition_at(c, second, about=noun)
    if other is None:
        return None
    end = other.end
    behind = c.table_at(end)
    end = behind.end if behind is not None and (noun is None or behind.table.name == noun.name) else end
    tables = {ref.table for text in (first.expression, other.expression) for ref in refs_in(text)}
    columns = [set(refs_in(text)) for text in (first.expression, other.expression)]
    if len(tables) != 1 or columns[0] != columns[1] or first.tied is not None:
        return None
    return end, first.expression, other.expression, tables.pop(), first.assumed
