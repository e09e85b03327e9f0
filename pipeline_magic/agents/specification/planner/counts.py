"""Counts, shares and ratios: ``number of orders``, ``share of flights that were cancelled``, ``over 10 orders``."""

from __future__ import annotations

import re

from pipeline_magic.agents.specification.planner.backrefs import number_of_those, state_of_those, those_rows
from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.doings import tells_which
from pipeline_magic.agents.specification.planner.entities import TableInfo
from pipeline_magic.agents.specification.planner.grouping import entity_columns, read_group
from pipeline_magic.agents.specification.planner.idioms import (
    named_value,
    state_at,
)
from pipeline_magic.agents.specification.planner.intent import (
    Filter,
    Group,
    Measure,
    Selected,
    Use,
    col,
    measure_ref,
    measures_in,
)
from pipeline_magic.agents.specification.planner.predicates import condition_at
from pipeline_magic.agents.specification.planner.values import (
    Condition,
    comparison_at,
    value_at,
)
from pipeline_magic.spec.names import slug

__all__ = ["count_of", "counted", "counted_behind", "ratio_of", "read_bound", "read_having", "said", "share_of"]

_COUNT = (
    "number of|the number of|count of|the count of|how many|counts of|total number of|the total "
    "number of|total count of|no . of|a count of|numbers of|quantity of|amount of times"
)
_DISTINCT = "distinct|unique|different"
_SHARE = (
    "share of|the share of|percentage of|the percentage of|percent of|fraction of|the fraction of|"
    "proportion of|the proportion of|share|rate of"
)


def counted(c: Context, table: TableInfo, condition: str | None = None, *, distinct: bool = False) -> str:
    """The template that counts rows of a table: by its key where it has one, so that rows without a partner count 0."""
    if not table.key:
        return f"count(CASE WHEN {condition} THEN 1 END)" if condition else "count(*)"
    key = next(column for column in table.columns if column.name.casefold() == table.key[0].casefold())
    inner = f"CASE WHEN {condition} THEN {col(key.ref)} END" if condition else col(key.ref)
    return f"count(DISTINCT {inner})" if distinct else f"count({inner})"


def count_of(c: Context, i: int) -> Found | None:
    bare = number_of_those(c, i)
    if bare is not None:
        table = c.linker.tables[bare[1]]
        made = Measure(
            i, bare[0], f"{'_'.join(table.words)}_count", counted(c, table), table.name, ("number", "count"),
            f"rows of {table.short} are counted",
        )  # fmt: skip
        return Found(bare[0], "measure", (made,))
    at = c.match(i, _COUNT)
    if at is None and i and c.low(i - 1) in {"and", ","} and c.match(i, _DISTINCT) is not None:
        last = c.items[-1] if c.items else None  # `number of orders and distinct customers`
        counting = isinstance(last, Measure) and last.expression.startswith("count(") and i - last.end <= 2
        at = i if counting and c.table_at(i + 1) is not None else None
    if at is None and i and c.low(i - 1) in {"and", ","} and _one_more_state(c, c.skip(i, "the|all|also")):
        at = c.skip(i, "the|all|also")
    if at is None and i and c.low(i - 1) in {"and", ","} and _one_more_table(c, more := c.skip(i, "of all|of")):
        at = c.skip(more, "the|all|their|its")
    if at is None and c.verb(i, "count", "tally"):
        between = _group_between(c, i)
        if between is not None:
            return between
        at = c.skip(i + 1, "of|up|the number of|how many")
    if at is None:
        return None
    return _count_from(c, i, at)


def _one_more_state(c: Context, i: int) -> bool:
    """``count the orders and the open ones``: behind a count, rows of the same table in one state are counted too."""
    last = c.items[-1] if c.items else None
    if not isinstance(last, Measure) or not last.expression.startswith("count(") or not 0 < i - last.end <= 3:
        return False
    state = state_at(c, i, None)
    link = c.table_at(state.end) if state is not None else None
    return link is not None and link.table.name == last.table


_ENDS = {"", ".", ",", "?", ";", "and", "per", "for", "in", "by", "of", "each", "during", "since", "this", "(", "does"}


def _one_more_table(c: Context, i: int) -> bool:
    """``the number of employees and orders``, ``count the employees and the orders``: both are counted."""
    last = c.items[-1] if c.items else None
    if not isinstance(last, Measure) or not last.expression.startswith("count(") or not 0 < i - last.end <= 2:
        return False
    link = c.table_at(c.skip(i, "the|all|their|its"))
    if link is None or link.others or link.table.name == last.table or c.low(link.end, c.end(i)) not in _ENDS:
        return False
    column = c.linker.column_at(link.start, least=0.95)
    return c.tokens[link.end - 1].low != c.tokens[link.end - 1].stem and (column is None or column.end <= link.end)


def _count_from(c: Context, i: int, at: int) -> Found | None:
    """The rows or values from `at` on, counted; the words that ask for it start at `i`."""
    distinct = c.match(at, _DISTINCT)
    at = c.skip(distinct or at, "the|all|total|different|distinct|unique|of|their|its|his|her")
    them = _of_them(c, i, at)
    if them is not None:
        return them
    several = _several_states(c, i, at)
    if several is not None:
        return several
    again = c.match(at, "them|these|those|rows|records|entries") if c.verb(i, "count", "tally") else None
    if again is not None and (name := those_rows(c, i)) and c.table_at(at) is None:
        table = c.linker.tables[name]
        made = Measure(
            i, again, f"{'_'.join(table.words)}_count", counted(c, table), name, ("count", *table.words),
            "" if c.low(again - 1) not in {"rows", "records", "entries"} else f"rows of {table.short} are counted",
        )  # fmt: skip
        return Found(again, "measure", (made,))
    state = state_at(c, at, None)
    if state is not None and c.table_at(state.end) is not None:
        at = state.end
    else:
        state = None
    link = c.table_at(at)
    column = c.linker.column_at(at, least=0.55 if distinct else 0.8)
    if link is not None and (column is None or column.end <= link.end):
        table = link.table
        end, condition = link.end, state
        bracket = _in_brackets(c, end, table) if condition is None else None
        if bracket is not None:
            end, condition = bracket
        word = slug(" ".join(token.stem for token in c.tokens[link.start : link.end]))
        name = f"{_state_name(c, state, at)}{word}_count"
        if bracket is not None:
            name = slug("_".join(c.low(j) for j in range(link.start, link.end + 3) if c.low(j).isalpha()) + "_count")
        made = Measure(
            i,
            end,
            name,
            counted(c, table, condition.expression if condition else None, distinct=bool(distinct)),
            table.name,
            said(c, i, end),
        )
        return Found(end, "measure", (Use(link.start, link.end, table.name), made))
    if column is not None and not distinct and tells_which(c, at, column):
        return None  # `armed ships`: the column says which ships, and is not what is counted
    if column is not None:
        name = f"{'distinct_' if distinct else ''}{slug(' '.join(column.column.words))}_count"
        expression = f"count({'DISTINCT ' if distinct else ''}{col(column.ref)})"
        return Found(
            column.end,
            "measure",
            (Measure(i, column.end, name, expression, column.ref.table, said(c, i, column.end)),),
        )
    return None


def _group_between(c: Context, i: int) -> Found | None:
    """``count for each device the alerts``: what is grouped by stands between the verb and what is counted."""
    at = c.skip(i + 1, ",")
    group = read_group(c, at) if c.match(at, "per|for each|for every|by") is not None else None
    if group is None:
        return None
    commas = [j for j in range(at + 1, group.end) if c.low(j) == ","]
    for cut in (group.end, *reversed(commas)):
        keys = group if cut == group.end else read_group(c.until(cut), at)
        behind = c.skip(cut, ",|the|all|how many|number of|its|their")
        found = _count_from(c, i, behind) if keys is not None and keys.end == cut else None
        if keys is not None and found is not None and any(isinstance(item, Measure) for item in found.items):
            return Found(found.end, "measure", (*keys.items, *found.items))
    return None


def _in_brackets(c: Context, end: int, table: TableInfo) -> tuple[int, Condition] | None:
    """``payments made late (paid date after due date)``: the brackets say what the words before them mean."""
    opened = next((j for j in range(end, min(end + 4, c.end(end - 1))) if c.low(j) == "("), None)
    if opened is None or any(c.tokens[j].kind != "word" or c.low(j) in _NO_STATE for j in range(end, opened)):
        return None
    inner = condition_at(c, c.skip(opened + 1, "i.e.|with|that is|meaning|="), about=table, opened=True)
    if inner is None or c.low(inner.end) != ")":
        return None
    return inner.end + 1, Condition(inner.end + 1, inner.expression, inner.assumed)


_NO_STATE = {"per", "by", "for", "and", "in", "of", "each", "or"}


def _of_them(c: Context, i: int, at: int) -> Found | None:
    """``how many of them are active``: of the rows that were counted last."""
    found = state_of_those(c, at)
    if found is None:
        return None
    condition, name = found
    table = c.linker.tables[name]
    words = [token.low for token in c.tokens[at : condition.end] if token.kind == "word"]
    word = slug("_".join(word for word in words if word not in _EMPTY and word not in table.words), "such")
    made = Measure(
        i, condition.end, f"{word}_{'_'.join(table.words)}_count", counted(c, table, condition.expression), table.name,
        said(c, i, condition.end), condition.assumed,
    )  # fmt: skip
    return Found(condition.end, "measure", (made,))


_EMPTY = {
    "of", "them", "those", "these", "which", "that", "are", "is", "were", "was", "have", "had", "has", "still",
    "already", "currently", "the", "a", "an",
}  # fmt: skip


def _several_states(c: Context, i: int, at: int) -> Found | None:
    """``open accounts and closed accounts``, ``critical, major and minor alerts``: a count for each state."""
    states: list[tuple[str, Condition]] = []
    link = None
    end = at
    while at < c.end(i):
        state = state_at(c, at, None)
        if state is None:
            break
        states.append((c.low(at), state))
        table = c.table_at(state.end)
        link = table or link
        end = table.end if table is not None else state.end
        after = c.match(end, ", and|and|,|or")
        if after is None:
            break
        at = c.skip(after, "the|of")
    if link is None or len(states) < 2 or c.tokens[end - 1].kind != "word":
        return None
    word = slug(" ".join(link.table.words))
    made = tuple(
        Measure(
            i, end, slug(f"{low}_{word}_count"), counted(c, link.table, state.expression), link.table.name,
            (low, *link.table.words), state.assumed,
        )
        for low, state in states
    )  # fmt: skip
    return Found(end, "measure", (Use(link.start, link.end, link.table.name), *made))


_STOPS = {".", "?", ",", ";", "!"}
_DID = re.compile(r"\w{2,}ed|made|bought|sold|had|took|wrote|gave|held|sent|got|ran|won|own|owns")


def read_having(c: Context, i: int) -> Found | None:
    """``with more than 1000 flights``: a count for each group, and a condition on it."""
    at = c.match(
        i, "with|having|that have|who have|which have|that had|who placed|that placed|who made|have|has|had|do|does|did"
    )
    if at is None and i > c.starts[min(i, len(c.tokens) - 1)] and _DID.fullmatch(c.low(i)) and c.items:
        at = i + 1  # `which customers placed more than 4 orders`
    last = c.items[-1] if c.items else None
    further = isinstance(last, Filter) and last.end == i and bool(measures_in(last.expression))
    if at is None and further and c.low(i) in {"and", "but"}:
        at = c.skip(i + 1, "with|having|have|has|also")  # `… and more than 3 employees`
    compared = comparison_at(c, at) if at is not None else None
    if compared is None:
        return None
    value = value_at(c, compared[0], None)
    if (
        further
        and isinstance(last, Filter)
        and value is not None
        and (value[0] >= c.end(i) or c.low(value[0]) in _STOPS)
    ):
        name = measures_in(last.expression)[0]  # `more than 2 employees and less than 5`
        return Found(value[0], "filter", (Filter(i, value[0], f"{measure_ref(name)} {compared[1]} {value[1]}"),))
    start = c.skip(value[0], "different|distinct|of") if value is not None else None
    state = state_at(c, start, None) if start is not None else None
    inside = state if state is not None and c.table_at(state.end) is not None else None
    link = c.table_at(inside.end if inside is not None else start) if start is not None else None
    if value is None or link is None or not value[1].isdigit():
        return None
    word = f"{_state_name(c, inside, inside.end)}" if inside is not None else ""
    name = word + slug(" ".join(token.stem for token in c.tokens[link.start : link.end])) + "_count"
    text = counted(c, link.table, inside.expression if inside is not None else None)
    measure = Measure(i, link.end, name, text, link.table.name, said(c, i, link.end))
    use = Use(link.start, link.end, link.table.name)
    bound = Filter(i, link.end, f"{measure_ref(name)} {compared[1]} {value[1]}")
    return Found(link.end, "filter", (use, measure, *_subject_group(c, i, link.end, link.table.name), bound))


def _subject_group(c: Context, i: int, end: int, other: str) -> tuple[Group, ...]:
    """``devices with more than 5 alerts``: one group for each device, where no grouping is named."""
    if any(isinstance(item, (Group, Selected)) for item in c.items):
        return ()
    subject = next((item.table for item in reversed(c.of(Use)) if item.table != other), None)
    if subject is None:
        return ()
    columns = tuple((column.name, col(column.ref)) for column in entity_columns(c.linker.tables[subject]))
    return (Group(i, end, columns, subject),)


def read_bound(c: Context, i: int) -> Found | None:
    """``an average delay above 15 minutes``: a condition right behind the measure it is about."""
    last = next((item for item in reversed(c.items) if isinstance(item, Measure)), None)
    at = c.skip(i, "is|are|of|that is|which is")
    compared = comparison_at(c, at) if last is not None and last.end == i else None
    value = value_at(c, compared[0], None) if compared is not None else None
    if last is None or compared is None or value is None or c.low(at) in {"older", "younger"}:
        return None
    if last.expression.startswith("count(") and (c.low(at) in _OF_ROWS or c.low(value[0] - 1) in _UNITS):
        return None  # `how many tracks are longer than 5 minutes` is about the tracks
    return Found(value[0], "filter", (Filter(i, value[0], f"{measure_ref(last.name)} {compared[1]} {value[1]}"),))


_OF_ROWS = {
    "longer",
    "shorter",
    "heavier",
    "lighter",
    "taller",
    "cheaper",
    "faster",
    "slower",
    "wider",
    "deeper",
    "older",
}
_UNITS = {"minutes", "hours", "seconds", "years", "miles", "feet", "inches", "mph", "dollars", "euros", "usd", "eur"}


def _state_name(c: Context, state: Condition | None, at: int) -> str:
    return slug(c.tokens[at - 1].low) + "_" if state is not None else ""


def said(c: Context, start: int, end: int) -> tuple[str, ...]:
    return tuple(token.stem for token in c.tokens[start:end] if token.kind == "word")


def counted_behind(c: Context, i: int) -> Found | None:
    """``order count``, ``sales count``."""
    at = c.skip(i, "the|total|overall")
    link = c.table_at(at)
    if link is None or c.match(link.end, "count|counts|volume") is None:
        return None
    name = slug(" ".join(token.stem for token in c.tokens[link.start : link.end])) + "_count"
    made = Measure(i, link.end + 1, name, counted(c, link.table), link.table.name, said(c, i, link.end + 1))
    return Found(link.end + 1, "measure", (Use(link.start, link.end, link.table.name), made))


def share_of(c: Context, i: int) -> Found | None:
    """``share of all flights that were cancelled``, ``percentage of open orders``."""
    at = c.match(i, _SHARE)
    if at is None:
        return None
    percent = c.low(i if c.low(i) != "the" else i + 1).startswith("percent")
    at = c.skip(at, "all|the|of|total")
    before = state_at(c, at, None)
    start = at
    if before is not None and c.table_at(before.end) is not None:
        at = before.end
    else:
        before = None
    link = c.table_at(at)
    if link is None:
        return None
    end, word = link.end, c.low(start) if before else ""
    condition: Condition | None = before
    between = _between(c, link.end) if condition is None else None
    end = between.end if between is not None else end
    if condition is None:
        opened = c.match(
            end,
            (
                "that were|that are|which were|which are|that was|who are|that have|who have|that had|with|whose|that|"
                "got|get|that got|have been|has been|had been|that have been|"
                "where|having|being|was|were|is|are|that is"
            ),
        )
        condition = condition_at(
            c, opened if opened is not None else end, about=link.table, opened=opened is not None
        ) or (condition_at(c, opened, opened=True) if opened is not None else None)
        if condition is None:
            return None
        word = c.low(opened) if opened is not None and condition.end == opened + 1 else ""
        end = condition.end
    end, condition = _explained(c, end, condition, link.table)
    name = (
        f"{slug(word)}_{'percentage' if percent else 'share'}"
        if word
        else f"{slug(link.table.words[-1])}_{'percentage' if percent else 'share'}"
    )
    top = counted(c, link.table, condition.expression)
    share = f"{top} / {counted(c, link.table)}"
    made = Measure(
        i, end, name, f"100 * {share}" if percent else share, link.table.name, said(c, i, end), condition.assumed
    )
    groups = between.items if between is not None else ()
    return Found(end, "measure", (Use(link.start, link.end, link.table.name), made, *groups))


def _between(c: Context, i: int) -> Found | None:
    """``share of the alerts of each device is critical``: the grouping stands before the condition."""
    if c.low(i) not in {"of", "per", "for", "by", "in"}:
        return None
    found = read_group(c, i)
    groups = [item for item in found.items if isinstance(item, Group)] if found is not None else []
    if found is None or not groups or c.match(found.end, "is|are|was|were|has|have|that|which|with|whose|who") is None:
        return None
    return found


def ratio_of(c: Context, i: int) -> Found | None:
    """``ratio of restaurants with rating > 4.5 to all restaurants``: two counts, each with its condition."""
    at = c.match(i, "ratio of|the ratio of|ratio between")
    first = _counted_part(c, at) if at is not None else None
    over = c.match(first[0], "to|out of|over|and|versus|vs|compared to|divided by") if first is not None else None
    second = _counted_part(c, c.skip(over, "the|total|number of|all|of")) if over is not None else None
    if first is None or second is None or first[1].name != second[1].name:
        return None
    top, bottom = counted(c, first[1], first[2]), counted(c, second[1], second[2])
    end = c.skip(second[0], "in the database|in total|overall|in the table")
    made = Measure(
        i, end, f"{slug(first[1].words[-1])}_ratio", f"{top} / nullif({bottom}, 0)", first[1].name, said(c, i, end)
    )
    return Found(end, "measure", (Use(i, end, first[1].name), made))


def _counted_part(c: Context, i: int) -> tuple[int, TableInfo, str | None] | None:
    """``[open] orders [with a rating above 4]``: the end, the table, the condition."""
    at = c.skip(i, "the|all|number of|total|total number of|count of")
    state = state_at(c, at, None)
    link = c.table_at(state.end if state is not None else at)
    if link is None:
        return None
    if state is not None:
        return link.end, link.table, state.expression
    opened = c.match(
        link.end, "with a|with an|with|that have a|that have|that are|that were|whose|having a|having|which are"
    )
    condition = condition_at(c, opened, about=link.table, opened=True) if opened is not None else None
    condition = condition or (named_value(c, link.end, link.table, 0.5) if opened is None else None)
    if opened is not None and condition is None:
        return None
    return (condition.end, link.table, condition.expression) if condition is not None else (link.end, link.table, None)


def _explained(c: Context, end: int, condition: Condition, table: TableInfo) -> tuple[int, Condition]:
    """``cancelled (no departure time)``: what stands in brackets says what the word means."""
    if c.low(end) != "(" or end >= c.end(end):
        return end, condition
    inner = condition_at(c, c.skip(end + 1, "i.e.|ie|that is|meaning|with|="), about=table, opened=True)
    if inner is None or c.low(inner.end) != ")":
        return end, condition
    return inner.end + 1, Condition(inner.end + 1, inner.expression)
