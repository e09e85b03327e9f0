"""Filters: ``only orders since 1995``, ``where total price exceeds 1000``, ``excluding cancelled flights``."""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.datetie import which_date
from pipeline_magic.agents.specification.planner.deeds import bracketed
from pipeline_magic.agents.specification.planner.idioms import state_at
from pipeline_magic.agents.specification.planner.intent import Filter, Item, Note, Use, refs_in
from pipeline_magic.agents.specification.planner.predicates import condition_at
from pipeline_magic.agents.specification.planner.values import Condition
from pipeline_magic.runs import Question

__all__ = ["read_filter"]

_INTRO = (
    "where|whose|with|having|that|which|who|for|only|only for|only from|only those|keep only|only "
    "keep|filter to|filter for|filter on|filter|restrict to|"
    "restricted to|limited to|limit to|if|when|of|from|considering|consider only|in which|for which|"
    "but only|and only|as long as|only where|only when|whenever|keep|keeps|keeps only|takes only|take only|takes|"
    "select only|consider|retain|retain only|restricts to|filters|filters to|ignoring all but|keeping|keeping only"
)
_OUT = (
    "all but|all except|everything but|everyone but|all except for|any but|all other than|everything except|"
    "exclude|excluding|except|except for|without|ignore|ignoring|leave out|leaving out|drop|"
    "throw away|throwing away|throw out|get rid of|omit|omitting|cut|disregard|"
    "dropping|remove|removing|filter out|filtering out|skip|skipping|other than|but not|not "
    "including|discard|discarding|drops|removes|excludes|ignores|skips|leaves out|leave away|not counting|except those|"
    "without counting|drop the ones|leaving away"
)


def read_filter(c: Context, i: int) -> Found | None:
    """A condition on rows, positive or negative; with the table it is about, where it is named."""
    again = _again(c, i)
    if again is not None:
        return again
    explained = bracketed(c, i, lambda at: condition_at(c, at, opened=True))
    if explained is not None:
        return _found(c, i, explained)
    out = c.match(i, _OUT)
    intro = c.match(i, _INTRO) if out is None else None
    if out is not None:
        return _excluded(c, i, out)
    at = c.skip(intro, "the|all|those|only|any|rows|row|records|data|to") if intro is not None else i
    if intro is not None:
        table = c.table_at(at)
        if table is not None and (state := None) is None:
            found = condition_at(c, table.end, about=table.table, opened=True) or condition_at(
                c, table.end, opened=True
            )
            other = found is not None and any(ref.table != table.table.name for ref in refs_in(found.expression))
            if other and found is not None and found.end == table.end + 1:
                return None  # `which customers returned an order` says what they did, and not what customers are
            if found is not None and _attached(c, table.end):
                return _found(c, i, found, Use(table.start, table.end, table.table.name))
        state = state_at(c, at, None)
        if state is not None and (table := c.table_at(state.end)) is not None:
            return _found(
                c,
                i,
                Condition(table.end, state.expression, state.assumed),
                Use(table.start, table.end, table.table.name),
            )
    found = condition_at(c, at if intro is not None and at > intro else i, opened=intro is not None)
    if found is None and intro is not None:
        found = condition_at(c, at, opened=True)
    if found is None or found.end <= i:
        return None
    single = found.end == i + 1
    behind = found.end
    while single and (further := state_at(c, behind, None)) is not None:
        behind = further.end  # `active sea carriers`
    told = c.low(i - 1) in {"is", "are", "was", "were", "been", "being", "got"} and i > c.starts[i]
    if single and intro is None and c.table_at(behind) is None and not told and not (i and c.table_at(i - 1)):
        return None
    noun = c.table_at(i - 1) if single and intro is None and not told and i and c.table_at(behind) is None else None
    if noun is not None and any(ref.table != noun.table.name for ref in refs_in(found.expression)):
        return None  # as above
    return _found(c, i, found)


_SAME = (
    "in that year|in that month|in that period|in this period|in the same year|in the same period|during that time|"
    "during that period|within that period|in that time|in that quarter|in the same month|in that week|on that day"
)


def _again(c: Context, i: int) -> Found | None:
    """``… in 2024 and a total cost over 500 in that year``: the period that was said before."""
    at = c.match(i, _SAME)
    dated = [item for item in c.of(Filter) if "DATE '" in item.expression or "run_time()" in item.expression]
    return Found(at, "comment", (Note(i, at),)) if at is not None and len(dated) == 1 else None


def _attached(c: Context, i: int) -> bool:
    return c.low(i) not in {",", ";"}


def _excluded(c: Context, i: int, at: int) -> Found | None:
    if c.match(at, "ones without|one without|those without|rows without|records without|all without") is not None:
        at += 1
        opened = condition_at(c, at, opened=True)
        if opened is not None and opened.expression.endswith(" IS NULL"):
            end = c.skip(opened.end, "first")
            text = opened.expression[: -len(" IS NULL")] + " IS NOT NULL"
            return _found(c, i, Condition(end, text, opened.assumed, opened.tied))
    at = c.skip(at, "all|the|any|those|rows|row|records|for|with|where|that|which|are|were|ones|come|comes|arrive")
    listed = _states(c, at)
    if listed is not None:
        return _found(c, i, Condition(listed.end, f"NOT coalesce({listed.expression}, false)", listed.assumed))
    state = state_at(c, at, None)
    table = c.table_at(state.end) if state is not None else c.table_at(at)
    if state is not None and table is not None:
        found: Condition | None = Condition(table.end, state.expression, state.assumed)
    elif table is not None:
        found = condition_at(c, table.end, about=table.table, opened=True) or condition_at(c, table.end, opened=True)
    else:
        found = condition_at(c, at, opened=True)
        if found is None and c.low(i) == "without":
            lacking = condition_at(c, i, opened=True)  # `without phone`
            return _found(c, i, lacking) if lacking is not None and lacking.expression.endswith("IS NULL") else None
    if found is None:
        return None
    expression = found.expression
    if expression.endswith(" IS NULL"):
        expression = expression[: -len(" IS NULL")] + " IS NOT NULL"
    elif c.low(i) == "without" and expression.endswith(" IS NOT NULL"):
        expression = expression[: -len(" IS NOT NULL")] + " IS NULL"
    else:
        expression = f"NOT coalesce({expression}, false)"
    uses = (Use(table.start, table.end, table.table.name),) if table is not None else ()
    return _found(c, i, Condition(found.end, expression, found.assumed, found.tied), *uses)


def _states(c: Context, at: int) -> Condition | None:
    """``pending and reversed ones``, ``cancelled or pending orders``: several states of one column."""
    parts: list[Condition] = []
    while (state := state_at(c, at, None)) is not None:
        parts.append(state)
        more = c.match(state.end, "and|or|, and|, or|,")
        if more is None:
            break
        at = more
    if not parts or (len(parts) < 2 and c.low(parts[-1].end) not in {"ones", "one"}):
        return None
    end = parts[-1].end
    table = c.table_at(end)
    end = table.end if table is not None else c.skip(end, "ones|one|rows|records")
    if end == parts[-1].end or len({refs_in(part.expression) for part in parts}) != 1:
        return None
    return Condition(end, "(" + " OR ".join(part.expression for part in parts) + ")", parts[0].assumed)


def _found(c: Context, i: int, found: Condition, *uses: Use) -> Found | None:
    last = c.items[-1] if c.items else None
    negated = found.expression.startswith("NOT ")
    if isinstance(last, Filter) and last.expression.replace("(", "").replace(")", "") == found.expression.replace(
        "(", ""
    ).replace(")", ""):
        return Found(found.end, "filter", (Note(i, found.end),))  # said once more, in other words
    if negated and isinstance(last, Filter) and refs_in(last.expression) == refs_in(found.expression):
        return None  # `in 1995 but not in 1996` is about all rows of a thing, which one row cannot tell
    first = c.match(found.end, "first") or found.end
    if first > found.end:
        first = first if c.low(first) in {"", ".", ",", ";"} else found.end
    said_first = first > found.end or c.low(found.end - 1) == "first" or c.low(i - 1) == "first"
    items: tuple[Item, ...] = (*uses, Filter(i, first, found.expression, found.assumed, said_first))
    return Found(first, "filter", items, tied(c, found))


def tied(c: Context, found: Condition) -> tuple[Question, ...]:
    """A must-answer question where a period fits several date columns alike; other ties are settled later."""
    link = found.tied
    if link is None or not link.others or link.column.kind not in {"date", "timestamp"}:
        return ()
    return (which_date((link.column, *link.others)),)
