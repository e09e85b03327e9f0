"""``or`` between two conditions that were read apart: ``from Asia or whose lifespan is more than 40``.

Two conditions that stand beside each other both hold; with ``or`` between them one is enough. They are one condition
where both are about the same rows; else the ``or`` was not understood, and is asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.intent import Filter, Item, measures_in, refs_in

__all__ = ["joined_by_or"]

_READ = {"filter", "join"}


def joined_by_or(c: Context, items: list[Item], kinds: Sequence[str | None]) -> tuple[list[Item], list[int]]:
    """The items with such conditions as one, and the tokens ``or`` that were not understood."""
    made, lost = list(items), []
    for i, token in enumerate(c.tokens):
        if kinds[i] is not None or token.low != "or" or i == c.starts[i] or kinds[i - 1] not in _READ:
            continue
        before = [item for item in made if isinstance(item, Filter) and item.end == i]
        start = next((j for j in range(i + 1, min(i + 4, c.end(i))) if kinds[j] is not None), None)
        behind = [item for item in made if isinstance(item, Filter) and item.start == start]
        if len(before) != 1 or len(behind) != 1 or not _alike(c, made, before[0], behind[0]):
            lost.append(i)
            continue
        first, second = before[0], behind[0]
        text = f"({_bracketed(first.expression)} OR {_bracketed(second.expression)})"
        both = replace(first, end=second.end, expression=text, assumed=first.assumed or second.assumed)
        made[made.index(first)] = both
        made.remove(second)
    return made, lost


def _bracketed(text: str) -> str:
    return f"({text})" if " AND " in text or " OR " in text else text


def _alike(c: Context, items: Sequence[Item], first: Filter, second: Filter) -> bool:
    """Both are about single rows of one table, or of tables of which each row has one; and nothing binds closer."""
    if measures_in(first.expression) or measures_in(second.expression):
        return False
    for item in items:
        near = (
            isinstance(item, Filter) and item not in (first, second) and c.starts[item.start] == c.starts[first.start]
        )
        if near and (item.end in {first.start, first.start - 1} or second.end in {item.start, item.start - 1}):
            return False  # `A and B or C`: which belongs together is not said
    tables = {ref.table for text in (first.expression, second.expression) for ref in refs_in(text)}
    return any(all(name == other or _one(c, name, other) for other in tables) for name in tables)


def _one(c: Context, table: str, other: str) -> bool:
    path = c.graph.path([table], other)
    return bool(path) and all(link.one in {"right", "both"} for link in path or ())
