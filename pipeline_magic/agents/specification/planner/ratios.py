"""One measure divided by another: ``the number of orders that have a refund divided by the number of all orders``.

Here: reading both parts with their conditions, each inside its own count or sum, so that one grouping has both. The
words must be read to their end; half a ratio is none. Where such words explain a name, see `named`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.counts import counted, said
from pipeline_magic.agents.specification.planner.entities import Ref
from pipeline_magic.agents.specification.planner.harmless import links
from pipeline_magic.agents.specification.planner.intent import Exists, Item, Keep, Measure, Use, col, refs_in
from pipeline_magic.agents.specification.planner.measures import read_measure
from pipeline_magic.agents.specification.planner.predicates import condition_at
from pipeline_magic.agents.specification.planner.relations import relation

__all__ = ["Ratio", "ratio_at", "read_ratio"]

_OVER = "divided by|divided through|over the number of|over the total|over the sum of|over the count of"
_PERCENT = (
    "in percent|in %|as a percentage|as percentage|as a percent|times 100|* 100|x 100|multiplied by 100|"
    ", in percent|, as a percentage|, times 100|expressed as a percentage|, expressed as a percentage"
)
_AGAIN = "of its|of their|of the|of all|in it|in them|of it|of them|of that|of those"


_FARTHEST = 40
"""The most tokens of one part."""
_MOST = 12
"""Ratios that one statement may have: each is read from several ends."""


@dataclass(frozen=True)
class Ratio:
    """Up to before token `end`: the template of the ratio, the table it is about, and the tables named."""

    end: int
    expression: str
    table: str
    uses: tuple[Item, ...]
    assumed: str = ""


@dataclass(frozen=True)
class _Part:
    expression: str
    table: str
    uses: tuple[Item, ...]
    assumed: str
    once: bool = False


def ratio_at(c: Context, i: int, limit: int) -> Ratio | None:
    """The ratio at token `i`; both parts are read wholly, the second up to `limit` or to a comma, or nothing is."""
    far = min(c.end(i), limit, i + _FARTHEST)
    over = next((j for j in range(i + 1, far) if c.match(j, _OVER) is not None), None)
    if over is None or sum(token.low == "divided" for token in c.tokens) > _MOST:
        return None
    limit = min(limit, over + _FARTHEST)
    start = c.match(over, "divided by|divided through") or over + 1
    first = _part(c, i, over)
    if first is None:
        return None
    for stop in (
        limit,
        *(j for j in range(limit - 1, start, -1) if c.low(j) in {",", "for", "per", "by", "and", ")", "in"}),
    ):
        percent = next((j for j in range(start + 1, stop) if c.match(j, _PERCENT) == stop), None)
        second = _part(c, start, percent if percent is not None else stop)
        if second is None:
            continue
        if first.once or second.once:
            parts = _each_once(first.expression), _each_once(second.expression)
            if first.table != second.table or None in parts:
                continue
            text = f"{parts[0]} / nullif({parts[1]}, 0)"
        else:
            text = f"{first.expression} / nullif({second.expression}, 0)"
        end = stop
        behind = c.match(stop, _PERCENT) if percent is None else None
        if percent is not None or behind is not None:
            text, end = f"100 * {text}", behind or stop
        table = first.table or second.table
        return Ratio(end, text, table, (*first.uses, *second.uses), first.assumed or second.assumed)
    return None


def _part(c: Context, i: int, limit: int) -> _Part | None:
    """A count, sum or average with its conditions, from `i` to just before `limit`."""
    while limit > i and c.tokens[limit - 1].kind == "punct" and c.low(limit - 1) != ")":
        limit -= 1
    inner = c.until(limit)
    at = inner.skip(i, "the|a|an|all|(")
    distinct = inner.match(at, "distinct|unique|different")
    found = read_measure(inner, at) if distinct is None else None
    if found is None and distinct is not None:
        link = inner.table_at(inner.skip(distinct, "of|the"))
        if link is None:
            return None
        made = Measure(i, link.end, "part", counted(c, link.table, distinct=True), link.table.name)
        found = Found(link.end, "measure", (Use(link.start, link.end, link.table.name), made))
    measures = [item for item in found.items if isinstance(item, Measure)] if found is not None else []
    if found is None or len(measures) != 1 or any(not isinstance(item, (Measure, Use)) for item in found.items):
        return None
    measure, end = measures[0], found.end
    table = measure.table or next((ref.table for ref in refs_in(measure.expression)), "")
    if not table:
        return None
    texts: list[str] = []
    once = False
    kept: list[Item] = []
    assumed = measure.assumed
    while end < limit:
        condition = condition_at(inner, end, about=c.linker.tables[table], opened=c.low(end) in _OPENED)
        if condition is not None and condition.end <= limit and condition.tied is None:
            texts.append(condition.expression)
            end, assumed = condition.end, assumed or condition.assumed
            continue
        related = _with_a_row(inner, end, table)
        if related is not None:
            texts.append(related[1])
            kept.append(Keep(end, related[0], table, related[2], "left"))
            end, once = related[0], True
            continue
        step = _again(inner, end, table)
        if step is None:
            return None
        end = step
    if end > limit:
        return None
    uses = (*(item for item in found.items if isinstance(item, Use)), *kept)
    if once and not measure.expression.startswith("count("):
        return None
    return _Part(_only(measure.expression, " AND ".join(texts)), table, uses, assumed, once)


_OPENED = {"that", "which", "who", "with", "whose", "having", "where", "are", "is", "were", "was", "of"}


def _again(c: Context, i: int, table: str) -> int | None:
    """Words that say once more what is there: ``of its shipments``, ``in it``, a verb that only links."""
    again = c.match(i, _AGAIN)
    if again is not None:
        link = c.table_at(again)
        if link is not None:
            return link.end if link.table.name == table else None
        return again if c.low(again - 1) in {"it", "them", "that", "those"} else None
    return i + 1 if c.tokens[i].kind == "word" and links(c.low(i)) else None


def _only(expression: str, condition: str) -> str:
    """The aggregate over the rows that meet a condition."""
    if not condition:
        return expression
    head, _, rest = expression.partition("(")
    inner = rest[:-1]
    if inner.startswith("CASE WHEN "):
        return f"{head}(CASE WHEN {condition} AND {inner.removeprefix('CASE WHEN ')})"
    distinct = "DISTINCT " if inner.startswith("DISTINCT ") else ""
    value = "1" if inner == "*" else inner.removeprefix("DISTINCT ")
    return f"{head}({distinct}CASE WHEN {condition} THEN {value} END)"


def _with_a_row(c: Context, i: int, table: str) -> tuple[int, str, str] | None:
    """``that have a refund``: the other table is joined, and its own key is there where it has a row."""
    found = relation(c, i, table)
    wish = found.items[0] if found is not None and len(found.items) == 1 else None
    if found is None or not isinstance(wish, Exists) or wish.conditions or wish.through or wish.keys is not None:
        return None
    path = c.graph.path([table], wish.other) or ()
    other = c.linker.tables[wish.other]
    if len(path) != 1 or len(other.key) != 1 or other.key[0] in {right for _, right in path[0].keys}:
        return None
    return found.end, f"{col(Ref(other.name, other.key[0]))} IS {'' if wish.negated else 'NOT '}NULL", other.name


def _each_once(expression: str) -> str | None:
    """A count in which a row counts once, however often a join repeats it; None where there is nothing to tell rows."""
    if not expression.startswith("count(") or expression in {"count(*)"} or " THEN 1 END" in expression:
        return None
    return expression if "DISTINCT" in expression else f"count(DISTINCT {expression.removeprefix('count(')}"


def read_ratio(c: Context, i: int) -> Found | None:
    """``the sum of the claims divided by the sum of the freight cost``, as a measure."""
    if c.low(i - 1) in {"is", "as", "means", "="} or not any(
        c.match(j, "divided by") for j in range(i + 2, min(c.end(i), i + 24))
    ):
        return None
    found = ratio_at(c, i, c.end(i))
    if found is None:
        return None
    named = c.match(found.end, "as|called|named")
    name = c.low(named) if named is not None and named < c.end(i) and c.tokens[named].kind == "word" else "ratio"
    end = named + 1 if named is not None and name != "ratio" else found.end
    made = Measure(i, end, name, found.expression, found.table, said(c, i, end), found.assumed)
    return Found(end, "measure", (*found.uses, made))
