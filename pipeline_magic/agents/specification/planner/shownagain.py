"""Words that show again what is there: ``keeper name and the number``, ``together with that total``, ``in kg``.

A number that was asked for is a column of the result anyway: saying it again asks for nothing more. The unit of what
was read is its column's own; another unit would be another number, and is asked about.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.intent import (
    Group,
    Measure,
    Note,
    Selected,
    Windowed,
    refs_in,
    texts_of,
)
from pipeline_magic.agents.specification.planner.lexicon import UNITS

__all__ = ["lost_each", "lost_roles", "read_shown_again", "read_unit"]

_KINDS = {
    "number": ("count(",), "numbers": ("count(",), "count": ("count(",), "counts": ("count(",),
    "total": ("sum(", "count("), "totals": ("sum(", "count("), "sum": ("sum(",), "amount": ("sum(",),
    "average": ("avg(",), "averages": ("avg(",),
}  # fmt: skip
_SAME = (
    {"kg", "kgs", "kilogram", "kilo"}, {"g", "gram"}, {"km", "kilometer", "kilometre"}, {"m", "meter", "metre"},
    {"mile", "mi"}, {"ft", "foot", "feet"}, {"min", "minute", "mins"}, {"sec", "second"}, {"hour", "hr", "hrs"},
    {"day"}, {"usd", "dollar"}, {"eur", "euro"}, {"lb", "lbs", "pound"}, {"sqm"}, {"liter", "litre", "l"}, {"cm"},
)  # fmt: skip


def read_shown_again(c: Context, i: int) -> Found | None:
    """``the number``, ``that total``: of the one measure of that kind that was read before."""
    at = c.match(i, "the|that|this|their|its")
    kinds = _KINDS.get(c.low(at)) if at is not None and at < c.end(i) else None
    if at is None or kinds is None or c.low(i - 1) not in {"and", ",", "with", "plus", "&"}:
        return None
    if at + 1 < c.end(i) and c.low(at + 1) not in {".", ",", "and", "?", "!", ")", ";"}:
        return None
    measures = c.of(Measure)
    fitting = [item for item in measures if item.expression.startswith(kinds)]
    if len(measures) != 1 or len(fitting) != 1:
        return None
    return Found(at + 1, "select", (Note(i, at + 1),))


def read_unit(c: Context, i: int) -> Found | None:
    """``in kg`` behind what was read, of a column whose name says that unit."""
    at = c.match(i, "in")
    if at is None or at >= c.end(i) or c.tokens[at].kind != "word" or i == c.starts[i]:
        return None
    same = next((units for units in _SAME if c.tokens[at].stem in units), None)
    if same is None:
        return None
    read = [item for item in c.items if isinstance(item, (Measure, Selected)) and item.end <= i]
    last = read[-1] if read and c.starts[read[-1].start] == c.starts[i] else None
    if last is None:
        return None
    refs = [last.ref] if isinstance(last, Selected) else [ref for text in texts_of(last) for ref in refs_in(text)]
    columns = [c.linker.tables[ref.table].column(ref.column) for ref in refs]
    units = [set(column.words) & UNITS for column in columns if column is not None]
    if not units or not all(said & same for said in units):
        return None
    return Found(at + 1, "select", (Note(i, at + 1),))


def lost_roles(c: Context) -> list[int]:
    """``the titles of the prerequisites``: a role that rows of one table have for another of them, not told apart.

    The table between (``course_prerequisites``) points at the same rows twice; what is shown may be of either.
    """
    found = []
    for item in c.of(Selected):
        at = c.match(item.end, "of|for")
        at = c.skip(at, "the|all|its|their|any|every|each") if at is not None else None
        link = c.table_at(at) if at is not None and at < len(c.tokens) else None
        if at is None or link is None or link.table.name == item.ref.table or len(link.table.key) < 2:
            continue
        word = c.tokens[at].stem
        owner = set(c.linker.tables[item.ref.table].words)
        plain = [set(column.words) - {"id", "key", "code", "number"} for column in link.table.columns]
        if {word} in plain and owner in plain and word not in owner and c.table_at(at) is not None:
            found.append(at)
    return found


def lost_each(c: Context, kinds: Sequence[str | None]) -> list[int]:
    """``the number of checks each did``: for each of something that was named before, where nothing groups."""
    if not c.of(Measure) or any(isinstance(item, (Group, Windowed)) for item in c.items):
        return []
    return [i for i, token in enumerate(c.tokens) if kinds[i] in {None, "comment", "source"} and token.low == "each"]
