"""Conditions on tables that are far from the rows asked for: ``artists who performed in Berlin``, over concerts.

Where only rows of one table are asked for, what is said of tables that hang on them with many rows each only says which
rows: one row of the first such table has to meet all that is said behind it. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.intent import (
    Derive,
    Distinct,
    Exists,
    Filter,
    Item,
    Note,
    Selected,
    Use,
    measures_in,
    refs_in,
)
from pipeline_magic.agents.specification.planner.joingraph import Link

__all__ = ["far_conditions"]


def far_conditions(c: Context, items: Sequence[Item]) -> list[Item]:
    """The items, with such conditions as relations; unchanged where anything but rows of one table is asked for."""
    made = list(items)
    if not all(
        isinstance(item, (Use, Filter, Selected, Derive, Exists, Note, Distinct)) for item in made if _speaks(item)
    ):
        return made
    if any(item.read for item in made if isinstance(item, Use)):
        return made
    subject = _subject(made)
    if not subject:
        return made
    paths = {item: _path(c, subject, item) for item in made if isinstance(item, Filter)}
    first = {item: path[0].right for item, path in paths.items() if path and _many(path[0])}
    far = {name for item, name in first.items() if len(paths[item]) > 1}
    for name in far:
        mine = [item for item in made if isinstance(item, Filter) and first.get(item) == name]
        if any(not _clear(c, paths[item]) for item in mine):
            continue
        texts = tuple(item.expression for item in mine)
        reason = next((item.assumed for item in mine if item.assumed), "")
        wish = Exists(mine[0].start, mine[-1].end, subject, name, texts, False, reason)
        made[made.index(mine[0])] = wish
        passed = {link.right for item in mine for link in paths[item]}
        made = [
            item
            for item in made
            if item not in mine and not (isinstance(item, Use) and item.table in passed and item.table != subject)
        ]
    return made


def _speaks(item: Item) -> bool:
    """It is about rows and columns, and not about where the result goes or when."""
    return type(item).__name__ not in {"Place", "Shape", "Timing", "Check"}


def _subject(items: Sequence[Item]) -> str:
    """The one table whose columns are shown; else the one table that is named."""
    shown = {item.ref.table for item in items if isinstance(item, Selected)}
    shown |= {ref.table for item in items if isinstance(item, Derive) for ref in refs_in(item.expression)}
    named = {item.table for item in items if isinstance(item, Use)}
    found = shown or named
    return found.pop() if len(found) == 1 else ""


def _path(c: Context, subject: str, item: Filter) -> tuple[Link, ...]:
    tables = {ref.table for ref in refs_in(item.expression)}
    if measures_in(item.expression) or len(tables) != 1 or subject in tables:
        return ()
    return c.graph.path([subject], tables.pop()) or ()


def _many(link: Link) -> bool:
    return link.one not in {"right", "both"}


def _clear(c: Context, path: tuple[Link, ...]) -> bool:
    """Behind its first step, each row has at most one row of the next table; and there is no other way."""
    return not any(_many(link) for link in path[1:]) and not c.graph.ambiguous(path, c.linker.scope)
