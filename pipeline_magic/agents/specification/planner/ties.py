"""Words that fit columns of several tables alike: decided by what the words stand beside, or asked.

A tie is decided by an answer, by the table whose rows the groups are, or by the only fitting table named nearby in the
same sentence. Anything else is a must-answer question; the first of two equals is never simply taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, Ref
from pipeline_magic.agents.specification.planner.intent import (
    Check,
    Exists,
    Group,
    Item,
    Latest,
    Measure,
    Selected,
    Top,
    col,
    refs_in,
    texts_of,
)
from pipeline_magic.agents.specification.planner.linking import ColumnLink
from pipeline_magic.runs import Option, Question
from pipeline_magic.spec.names import slug

__all__ = ["resolve"]

_NEAR = 8
_UNITS = {"day", "hour", "minute", "week", "month", "year"}
"""Of a time between two dates, the unit is no column."""


def resolve(c: Context, items: Sequence[Item]) -> tuple[list[Item], list[Question]]:
    """The items with every tie decided, and a question for each that cannot be."""
    made: list[Item] = []
    questions: list[Question] = []
    for item in items:
        for link in _ties(c, item, items):
            if {column.ref for column in (link.column, *link.others)} <= _used_beside(items, item):
                continue  # `first and last name` uses both
            winner = _decide(c, items, item, link)
            if winner is None:
                questions.append(_ask(c, link))
            elif winner.ref != link.ref:
                item = _rewritten(item, link.ref, winner.ref)
        made.append(item)
    return made, questions


def _used(item: Item) -> set[Ref]:
    return {item.ref} if isinstance(item, Selected) else {ref for text in texts_of(item) for ref in refs_in(text)}


def _used_beside(items: Sequence[Item], item: Item) -> set[Ref]:
    """Columns that the same words give, in this item or others."""
    return {ref for other in items if (other.start, other.end) == (item.start, item.end) for ref in _used(other)}


def _ties(c: Context, item: Item, items: Sequence[Item] = ()) -> list[ColumnLink]:
    if isinstance(item, Latest):
        return []
    used = _used(item)
    found: dict[Ref, ColumnLink] = {}
    skip_to = item.start
    for i in range(item.start, item.end):
        if i < skip_to or (c.tokens[i].stem in _UNITS and c.low(i + 1) in {"between", "from", "since", "to", "until"}):
            continue
        for kind in {c.linker.tables[ref.table].column(ref.column).kind for ref in used}:  # type: ignore[union-attr]  # refs are of known columns
            link = c.linker.column_at(i, kinds=(kind,))
            if link is None or link.ref not in used or link.end > item.end:
                continue
            others = tuple(
                other
                for other in link.others
                if other.ref.table == link.ref.table
                or not _partners(c, link.column, other, one=_both_counted(items, item, link, other))
            )
            skip_to = max(skip_to, link.end)
            if others:
                found.setdefault(link.ref, replace(link, others=others))
    return list(found.values())


def _both_counted(items: Sequence[Item], item: Item, link: ColumnLink, other: ColumnInfo) -> bool:
    """Rows are grouped by one of two columns, and rows of both tables are measured."""
    measured = {each.table for each in items if isinstance(each, Measure)}
    return isinstance(item, Group) and {link.ref.table, other.ref.table} <= measured


def _partners(c: Context, first: ColumnInfo, other: ColumnInfo, *, one: bool) -> bool:
    """Both sides of a join hold the same values: it does not matter which is meant; of groups, only over a key."""
    links = c.graph.links(first.ref.table, other.ref.table)
    return any((first.name, other.name) in link.keys and (link.one != "none" or not one) for link in links)


def _decide(c: Context, items: Sequence[Item], item: Item, link: ColumnLink) -> ColumnInfo | None:
    same = [column for column in link.others if column.ref.table == link.ref.table]
    if same:
        answer = c.answers.get(_id(c, link))
        return next((column for column in (link.column, *same) if column.name == answer), None)
    options = {column.ref.table: column for column in (link.column, *link.others)}
    answer = c.answers.get(_id(c, link))
    if answer in options:
        return options[answer]
    owner = _owner(c, link)
    if owner in options:
        return options[owner]
    measured = {other.table for other in items if isinstance(other, Measure)}
    if isinstance(item, Group) and len(measured & set(options)) > 1:
        return None  # `per city the number of customers and of stores`: each has a city of its own
    subjects = [other.subject for other in items if isinstance(other, Exists)]
    if isinstance(item, Selected) and subjects and subjects[-1] in options:
        return options[subjects[-1]]
    entities = [other.entity for other in items if isinstance(other, (Group, Top)) and other.entity]
    if isinstance(item, (Selected, Check)) and entities and entities[-1] in options:
        return options[entities[-1]]
    stems = {token.stem for token in c.tokens[c.starts[link.start] : c.end(link.start)]}
    said = [name for name in options if set(c.linker.tables[name].words) <= stems]
    if len(said) == 1:
        return options[said[0]]
    for reach in (
        range(link.start - 1, max(c.starts[link.start], link.start - _NEAR) - 1, -1),
        range(link.end, min(c.end(link.start), link.end + _NEAR)),
    ):
        for i in reach:
            named = c.table_at(i)
            if named is not None and named.table.name in options:
                return options[named.table.name]
    named_all = [name for name in c.linker.scope if name in options]
    return options[named_all[0]] if len(named_all) == 1 else None


def _owner(c: Context, link: ColumnLink) -> str:
    """``the name of their manager``, ``the manager's name``: the table that the words are said to be of."""
    of = c.match(link.end, "of the|of their|of its|of his or her|of her or his|of his|of her|of each|of every|of")
    named = c.table_at(of) if of is not None else None
    if named is None and link.start > c.starts[link.start]:
        before = c.table_at(link.start - 1)
        owned = before is not None and c.tokens[link.start - 1].text.casefold().endswith(("'s", "’s"))
        named = before if owned else None
    return named.table.name if named is not None and not named.others else ""


def _rewritten(item: Item, old: Ref, new: Ref) -> Item:
    if isinstance(item, Selected):
        return replace(item, ref=new)

    def one(value: Any) -> Any:
        if isinstance(value, str):
            return (
                value.replace(col(old), col(new)) if col(old) in value else new.table if value == old.table else value
            )
        if isinstance(value, tuple):
            return tuple(one(inner) for inner in value)
        return {key: one(inner) for key, inner in value.items()} if isinstance(value, dict) else value

    return replace(
        item, **{part.name: one(getattr(item, part.name)) for part in fields(item) if part.name not in {"start", "end"}}
    )


def _id(c: Context, link: ColumnLink) -> str:
    kind = "column" if any(column.ref.table == link.ref.table for column in link.others) else "table"
    return f"{kind}:" + slug("_".join(token.stem for token in c.tokens[link.start : link.end]), "word")


def _ask(c: Context, link: ColumnLink) -> Question:
    words = " ".join(token.text for token in c.tokens[link.start : link.end])
    columns = (link.column, *link.others)
    same = tuple(column for column in columns if column.ref.table == link.ref.table)
    if len(same) > 1:
        return Question(
            id=_id(c, link),
            text=f"Which column is “{words}”?",
            why=f"The words fit {' and '.join(column.name for column in same)} alike.",
            options=tuple(Option(id=column.name, label=column.name) for column in same),
        )
    return Question(
        id=_id(c, link),
        text=f"Which table's “{words}” is meant?",
        why="The words fit columns of several tables alike.",
        options=tuple(Option(id=column.ref.table, label=f"{column.name} of {column.ref.table}") for column in columns),
    )
