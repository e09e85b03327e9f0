"""Words that point back at rows or numbers named before: ``the posted ones``, ``what percentage is that``.

Here: what such a word stands for, and the counts that are made of it. Which rows are meant is known only where one
table, or one count, can be meant; else nothing is read, and the words are asked about.
"""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.intent import Group, Measure, Use
from pipeline_magic.agents.specification.planner.predicates import condition_at
from pipeline_magic.agents.specification.planner.values import Condition
from pipeline_magic.spec.names import slug

__all__ = ["number_of_those", "read_percentage_of_that", "state_of_those", "those_rows"]

_PRONOUN = "of them|of those|of these|them|those|these|of which|of it"
_COPULA = (
    "that are|that were|which are|which were|who are|are|is|were|was|that have|which have|who have|have|had|has|"
    "that had|did|do|that"
)
_ADVERBS = "still|already|currently|now|actually|also|really|in fact|ever"


def those_rows(c: Context, i: int) -> str:
    """The table whose rows a pronoun at `i` stands for: what was counted last, else the only one named."""
    counts = [item for item in c.of(Measure) if item.expression.startswith("count(") and item.table]
    if counts:
        return counts[-1].table
    named = list(dict.fromkeys(item.table for item in c.of(Use) if item.end <= i))
    return named[0] if len(named) == 1 else ""


def state_of_those(c: Context, i: int) -> tuple[Condition, str] | None:
    """``of them are still open``, ``of those readings were not good``, ``are late``: a condition on the rows counted.

    Args:
        i: The token behind ``how many`` or ``number of``.

    Returns:
        The condition, and the table; None without rows counted before.
    """
    pronoun = c.match(i, _PRONOUN)
    if pronoun is None and c.match(i, _COPULA) is None:
        return None
    table = those_rows(c, i)
    if not table or not any(item.expression.startswith("count(") for item in c.of(Measure)):
        return None
    at = pronoun if pronoun is not None else i
    noun = c.table_at(at) if pronoun is not None else None
    if noun is not None and noun.table.name == table:
        at = noun.end
    verb = c.match(at, _COPULA)
    if verb is None:
        return None
    about = c.linker.tables[table]
    for start in (c.skip(verb, _ADVERBS), at):
        found = condition_at(c, start, about=about, opened=True)
        if found is not None and found.end > start:
            return found, table
    return None


_PERCENTAGE = (
    "what percentage|which percentage|what percent|what share|what fraction|what proportion|the percentage|percentage|"
    "the share|the fraction|the proportion|which share|how many percent"
)
_THAT = (
    "is that|that is|are those|those are|are they|they are|this is|is this|they represent|that represents|"
    "they make up|that makes|this represents|that corresponds to|is it|it is|these are|are these"
)
_OF_ALL = "of all of them|of all|of the total|of the whole|of the total number|in total|overall|of all rows|of them"


def read_percentage_of_that(c: Context, i: int) -> Found | None:
    """``…, how many of them are open, and what percentage is that?``: the last count in the whole count before it."""
    at = c.match(c.skip(i, ",|and|also|as well as"), _PERCENTAGE)
    if at is None:
        return None
    counts = [item for item in c.of(Measure) if item.expression.startswith("count(")]
    if len(counts) < 2:
        return None
    said = c.match(at, _THAT)
    end = c.match(said if said is not None else at, _OF_ALL) or said
    if end is None or (end < c.end(i) and c.low(end) not in {".", ",", "?", ";", "!", "per", "by", "for"}):
        return None
    part = counts[-1]
    whole = next((item for item in reversed(counts[:-1]) if item.table == part.table and _whole(item)), None)
    if whole is None or not part.expression.startswith("count(") or _whole(part):
        return None
    percent = "percent" in " ".join(c.low(j) for j in range(i, at))
    text = f"{part.expression} / nullif({whole.expression}, 0)"
    name = slug(f"{part.name.removesuffix('_count')}_{'percentage' if percent else 'share'}")
    made = Measure(i, end, name, f"100 * {text}" if percent else text, part.table, part.words)
    return Found(end, "measure", (made,))


def number_of_those(c: Context, i: int) -> tuple[int, str] | None:
    """``orders per store: number and revenue``: a bare number in a list is of the rows that are grouped.

    Returns:
        Where it ends, and the table; None where nothing is grouped or the rows are not known.
    """
    at = c.skip(i, "the|their|its")
    if c.low(at) not in {"number", "count"} or c.low(i - 1) not in {",", ":", "and"} or not c.of(Group):
        return None
    if at + 1 < c.end(i) and c.low(at + 1) not in {",", "and", ".", ";"}:
        return None
    entities = {item.entity for item in c.of(Group)}
    named = [item.table for item in c.of(Use) if item.table not in entities]
    return (at + 1, named[0]) if len(set(named)) == 1 else None


def _whole(item: Measure) -> bool:
    return "CASE WHEN" not in item.expression
