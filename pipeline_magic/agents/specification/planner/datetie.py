"""Which of several dates of a table is meant by a word such as ``per month``: told by the rest, or asked.

A condition that was read before, or a verb of the same sentence, names one of them (``bookings made in 2024 per
month``); else the words leave it open, and the first of two equals is never simply taken.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.intent import Filter, Windowed, refs_in, texts_of
from pipeline_magic.agents.specification.planner.listing import akin
from pipeline_magic.agents.specification.planner.periods import date_column
from pipeline_magic.runs import Option, Question

__all__ = ["date_meant", "which_date"]


def date_meant(
    c: Context, i: int, about: TableInfo | None, avoid: str = ""
) -> tuple[ColumnInfo, tuple[ColumnInfo, ...]] | None:
    """As `date_column`, with ties settled by what stands in the same sentence or was read before."""
    found = date_column(c, i, about, avoid)
    if found is None and about is None and not c.linker.scope:
        owner = _owner(c, i)
        found = date_column(c, i, owner, avoid) if owner is not None else None
    if found is None or not found[1]:
        return found
    columns = (found[0], *found[1])
    for hits in (_read_before(c, columns), _called(c, i, columns)):
        if len(hits) == 1:
            return hits[0], ()
    return found


def _owner(c: Context, i: int) -> TableInfo | None:
    """The one table whose columns the sentence names, where it names no table."""
    names: set[str] = set()
    for j in range(c.starts[i], min(c.end(i), c.starts[i] + 60)):
        link = c.linker.column_at(j, kinds=("number", "text"), least=0.9)
        if link is not None and c.tokens[j].kind == "word":
            names |= {link.ref.table, *(other.ref.table for other in link.others)}
    return c.linker.tables[names.pop()] if len(names) == 1 else None


def _read_before(c: Context, columns: Sequence[ColumnInfo]) -> list[ColumnInfo]:
    items = [*c.of(Filter), *c.of(Windowed)]
    refs = {ref for item in items for text in texts_of(item) for ref in refs_in(text)}
    return [column for column in columns if column.ref in refs]


def _called(c: Context, i: int, columns: Sequence[ColumnInfo]) -> list[ColumnInfo]:
    """Named by a verb or noun of the sentence, but not by a word of the table itself."""
    own = set(c.linker.tables[columns[0].ref.table].words)
    words = [c.low(j) for j in range(c.starts[i], min(c.end(i), i + 40)) if c.tokens[j].kind == "word"]
    said = [word for word in words[-80:] if len(word) > 3 and not any(akin(word, part) for part in own)]
    return [
        column
        for column in columns
        if any(akin(word, part) for word in said for part in column.words if part not in {"date", "time", "at", "on"})
    ]


def which_date(columns: Sequence[ColumnInfo]) -> Question:
    """The question which of them is meant; an answer is taken by `date_column`."""
    return Question(
        id="column:date",
        text="Which date column is meant?",
        why=f"The words fit {', '.join(column.name for column in columns)} alike.",
        options=tuple(Option(id=column.name, label=column.name) for column in columns),
    )
