"""Money in words: ``revenue``, ``order value``: the column that holds it, by what such columns are called."""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, TableInfo
from pipeline_magic.agents.specification.planner.intent import (
    Use,
)
from pipeline_magic.agents.specification.planner.lexicon import MONEY
from pipeline_magic.agents.specification.planner.text import stem

__all__ = ["money_at", "money_column", "units_at"]


def money_column(table: TableInfo) -> ColumnInfo | None:
    """The column of a table that holds revenue, by what such columns are called; money given back is none."""
    if _NO_REVENUE & set(table.words):
        return None
    numbers = {column.words: column for column in reversed(table.of_kind("number"))}
    return next((numbers[words] for words in _MONEY if words in numbers), None)


_NO_REVENUE = {
    "refund", "return", "fine", "expense", "cost", "salary", "wage", "payroll", "budget", "discount", "credit", "loss",
    "chargeback", "penalty", "donation", "debt",
}  # fmt: skip
_MONEY = tuple(tuple(stem(word) for word in words) for words in MONEY)


def money_at(c: Context, i: int) -> tuple[int, ColumnInfo, str, str, tuple[Use, ...]] | None:
    """``order value``, ``revenue``, ``spend``: the column of the table that holds money."""
    after = c.match(
        i,
        "revenue|turnover|spend|spending|sales revenue|sales amount|order revenue|revenue amount|sales revenue amount",
    )
    if after is not None and c.linker.column_at(i, kinds=("number",), least=0.95) is None:
        for table in _money_tables(c, i):
            column = money_column(table)
            if column is not None:
                return (
                    after,
                    column,
                    _said_money(c, i, after),
                    f"{_said_money(c, i, after)} is read from {column.name}",
                    (),
                )
        return None
    link = c.table_at(i)
    after = c.match(link.end, "value|amount|total|values|amounts|size in money|worth") if link is not None else None
    if link is not None and after is not None:
        column = money_column(link.table)
        if column is not None and c.linker.column_at(i, kinds=("number",), least=0.95) is None:
            word = " ".join(token.stem for token in c.tokens[link.start : link.end])
            use = Use(link.start, link.end, link.table.name)
            return after, column, f"{word} value", f"{word} value is read from {column.name}", (use,)
    return None


def _said_money(c: Context, i: int, end: int) -> str:
    words = [token.low for token in c.tokens[i:end]]
    return "revenue" if "revenue" in words else words[-1]


def _money_tables(c: Context, i: int) -> list[TableInfo]:
    """Tables that may hold revenue: those in scope, else those that can be joined to it, nearest first."""
    found = [table for table in c.scope if money_column(table) is not None]
    if found:
        return found
    near = []
    for name in c.linker.near:
        table = c.linker.tables[name]
        column = money_column(table)
        path = c.graph.path(c.linker.scope, name) if column is not None and c.linker.scope else None
        if column is not None and path is not None:
            rank = _MONEY.index(column.words)
            near.append((len(path), rank, name))
    return [c.linker.tables[name] for _, _, name in sorted(near)]


_UNITS = (
    "units sold|units|pieces sold|pieces|quantity sold|items sold|number of units|number of units sold|sold units|"
    "number of pieces|sold quantity|units ordered|volume sold"
)
_UNIT_WORDS = ({"quantity"}, {"unit"}, {"piece"}, {"units", "sold"})


def units_at(c: Context, i: int) -> tuple[int, ColumnInfo] | None:
    """``units sold``: the one column of the tables near by that holds a quantity."""
    at = c.skip(i, "the|total|number of")
    after = c.match(at, _UNITS)
    if after is None or after > c.end(i) or c.linker.column_at(at, kinds=("number",), least=0.95) is not None:
        return None
    for names in (c.linker.scope, c.linker.near):
        found = [
            column
            for name in names
            for column in c.linker.tables[name].of_kind("number")
            if set(column.words) in _UNIT_WORDS
        ]
        if len(found) == 1:
            return after, found[0]
        if found:
            return None
    return None
