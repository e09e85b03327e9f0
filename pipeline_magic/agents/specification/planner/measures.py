"""Measures in words: ``average and 90th percentile departure delay of departed flights``, ``number of orders``.

Aggregates are written out as Spark SQL templates; a condition on one measure becomes a CASE inside it, so that other
measures of the same group keep all rows. Revenue and order value are idioms: the column that holds money is looked for
by what such columns are called, and the choice is an assumption.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, Kind, TableInfo
from pipeline_magic.agents.specification.planner.formulas import derived_at, formula_at
from pipeline_magic.agents.specification.planner.intent import (
    Derive,
    Filter,
    Item,
    Measure,
    Use,
    col,
    measure_ref,
    refs_in,
)
from pipeline_magic.agents.specification.planner.lexicon import MONEY
from pipeline_magic.agents.specification.planner.predicates import (
    Condition,
    comparison_at,
    condition_at,
    named_value,
    state_at,
    value_at,
)
from pipeline_magic.agents.specification.planner.text import number_of, stem
from pipeline_magic.spec.names import slug

__all__ = ["counted", "money_column", "read_having", "read_measure"]

_FUNCTIONS = {
    "avg": "average|mean|avg|the average|average of|mean of|the mean",
    "sum": "total|sum|the total|sum of|the sum of|total of|overall|the sum|combined|totals of",
    "max": (
        "maximum|max|highest|largest|greatest|biggest|the highest|latest|most recent|newest|longest|the "
        "maximum|the latest"
    ),
    "min": "minimum|min|lowest|smallest|least|earliest|oldest|shortest|the lowest|first|the minimum|cheapest",
    "median": "median|the median|median of",
}
_NAMES = {"avg": "average", "sum": "total", "max": "max", "min": "min", "median": "median"}
_COUNT = (
    "number of|the number of|count of|the count of|how many|counts of|total number of|the total "
    "number of|total count of|no . of|a count of|numbers of|quantity of|amount of times"
)
_DISTINCT = "distinct|unique|different"
_SHARE = (
    "share of|the share of|percentage of|the percentage of|percent of|fraction of|the fraction of|"
    "proportion of|the proportion of|share|rate of"
)
_METRICS = "metrics|metric|statistics|figures|kpis|numbers|measures"


@dataclass(frozen=True)
class _Function:
    end: int
    name: str
    argument: float | None = None


def money_column(table: TableInfo) -> ColumnInfo | None:
    """The column of a table that holds revenue, by what such columns are called."""
    for words in MONEY:
        for column in table.of_kind("number"):
            if column.words == tuple(stem(word) for word in words):
                return column
    return None


def counted(c: Context, table: TableInfo, condition: str | None = None, *, distinct: bool = False) -> str:
    """The template that counts rows of a table: by its key where it has one, so that rows without a partner count 0."""
    if not table.key:
        return f"count(CASE WHEN {condition} THEN 1 END)" if condition else "count(*)"
    key = next(column for column in table.columns if column.name.casefold() == table.key[0].casefold())
    inner = f"CASE WHEN {condition} THEN {col(key.ref)} END" if condition else col(key.ref)
    return f"count(DISTINCT {inner})" if distinct else f"count({inner})"


def read_measure(c: Context, i: int) -> Found | None:
    """A measure, or several that share their column."""
    for read in (_pronoun, _count, _ratio, _share, _functions, _revenue, _suffix_count):
        found = read(c, i)
        if found is not None:
            return _alias(c, _rounded(c, _based_on(c, found)))
    return _defined(c, i)


def _based_on(c: Context, found: Found) -> Found:
    """``total revenue (based on sale price)``: the column that the words behind name."""
    after = c.match(found.end, "( based on|based on|( using|, based on")
    link = c.linker.column_at(c.skip(after, "the|their"), kinds=("number",), least=0.8) if after is not None else None
    measures = [item for item in found.items if isinstance(item, Measure)]
    if (
        link is None
        or link.end > c.end(found.end - 1)
        or len(measures) != 1
        or len(refs_in(measures[0].expression)) != 1
    ):
        return found
    old = measures[0]
    end = c.skip(link.end, ")")
    text = old.expression.replace(col(refs_in(old.expression)[0]), col(link.ref))
    made = replace(old, end=end, expression=text, table=link.ref.table, assumed="")
    return Found(end, found.kind, tuple(made if item is old else item for item in found.items), found.questions)


def _rounded(c: Context, found: Found) -> Found:
    """``rounded to 2 decimal places``."""
    at = c.match(found.end, ", rounded to|rounded to|( rounded to|, rounded|rounded")
    if at is None or at >= c.end(found.end - 1):
        return found
    digits = number_of(c.tokens[at])
    end = c.match(at + 1, "decimal places|decimals|decimal|digits|decimal place|places") if digits else None
    if digits is None or end is None or not digits.isdigit():
        return found
    items = tuple(
        replace(item, end=end, expression=f"round({item.expression}, {digits})") if isinstance(item, Measure) else item
        for item in found.items
    )
    return Found(c.skip(end, ")"), found.kind, items, found.questions)


def _defined(c: Context, i: int) -> Found | None:
    """A short name that the statement explains elsewhere: ``ASP = average sale price``; the whole of it must be read."""
    place = c.definitions.get(c.low(i)) if i < len(c.tokens) else None
    if place is None or place[0] <= i < place[1]:
        return None
    total = _sum_of(c, place[0], place[1])
    if total is None:
        return None
    again = {token.low for j, token in enumerate(c.tokens) if c.starts[j] != c.starts[place[0]]} | _TRAILING
    if any(c.tokens[j].kind != "punct" and c.low(j) not in again for j in range(total[0], place[1])):
        return None
    _, expression, uses = total
    tables = [ref.table for ref in refs_in(expression)]
    table = tables[0] if tables else next((item.table for item in uses if isinstance(item, Use)), "")
    made = Measure(i, i + 1, slug(c.low(i)), expression, table, (c.low(i),))
    return Found(i + 1, "measure", (*(replace(item, start=i, end=i + 1) for item in uses), made))


_TRAILING = {"in", "the", "for", "each", "of", "table", "tables"}
_Part = tuple[int, str, tuple[Item, ...]]


def _sum_of(c: Context, i: int, end: int, *, products: bool = False) -> _Part | None:
    """Measures with signs between them: ``(total revenue - total cost) / total cost * 100``."""
    first = _one_of(c, i, end) if products else _sum_of(c, i, end, products=True)
    signs = (
        {"/": "/|divided by|over", "*": "*|x|times|multiplied by"} if products else {"-": "-|minus|less", "+": "+|plus"}
    )
    while first is not None and first[0] < end:
        sign = next(((s, after) for s, words in signs.items() if (after := c.match(first[0], words)) is not None), None)
        if sign is None:
            break
        following = _one_of(c, sign[1], end) if products else _sum_of(c, sign[1], end, products=True)
        if following is None:
            return None
        right = f"nullif({following[1]}, 0)" if sign[0] == "/" else following[1]
        first = following[0], f"{first[1]} {sign[0]} {right}", (*first[2], *following[2])
    return first


def _one_of(c: Context, i: int, end: int) -> _Part | None:
    i = c.skip(i, "the")
    if c.low(i) == "(":
        inner = _sum_of(c, i + 1, end)
        return (inner[0] + 1, f"({inner[1]})", inner[2]) if inner is not None and c.low(inner[0]) == ")" else None
    found = next((made for read in _SIMPLE if (made := read(c, i)) is not None), None)
    measures = [item for item in found.items if isinstance(item, Measure)] if found is not None else []
    if found is not None and len(measures) == 1 and found.end <= end:
        return found.end, measures[0].expression, tuple(item for item in found.items if isinstance(item, Use))
    number = number_of(c.tokens[i]) if i < end else None
    return (i + 1, number, ()) if number is not None else None


def _alias(c: Context, found: Found) -> Found:
    """``… as total_sales``: the name a person gives."""
    measures = [item for item in found.items if isinstance(item, Measure)]
    after = c.match(found.end, "as|called|named|, called|, named|( called")
    if after is None or after >= c.end(found.end - 1) or len(measures) != 1:
        return found
    token = c.tokens[after]
    if (
        token.kind not in {"word", "quoted"}
        or token.low in {"a", "an", "the", "well", "of"}
        or not re.fullmatch(r"\w+", token.low)
    ):
        return found
    old = measures[0]
    renamed = Measure(
        old.start, after + 1, token.low, old.expression, old.table, (*old.words, *token.low.split("_")), old.assumed
    )
    items = tuple(renamed if item is old else item for item in found.items)
    return Found(after + 1, found.kind, items, found.questions)


# --- counts ------------------------------------------------------------------------------------------------------


def _count(c: Context, i: int) -> Found | None:
    at = c.match(i, _COUNT)
    if at is None and c.verb(i, "count", "tally"):
        at = c.skip(i + 1, "of|up")
    if at is None:
        return None
    distinct = c.match(at, _DISTINCT)
    at = c.skip(distinct or at, "the|all|total|different|distinct|unique|of")
    state = state_at(c, at, None)
    if state is not None and c.table_at(state.end) is not None:
        at = state.end
    else:
        state = None
    link = c.table_at(at)
    column = c.linker.column_at(at, least=0.8)
    if link is not None and (column is None or column.end <= link.end):
        table = link.table
        end, condition = _condition_after(c, link.end, table, state)
        word = slug(" ".join(token.stem for token in c.tokens[link.start : link.end]))
        prefix = slug(c.tokens[i].low) + "_" if False else ""
        name = f"{prefix}{_state_name(c, state, at)}{word}_count"
        made = Measure(
            i,
            end,
            name,
            counted(c, table, condition.expression if condition else None, distinct=bool(distinct)),
            table.name,
            _said(c, i, end),
        )
        return Found(end, "measure", (Use(link.start, link.end, table.name), made))
    if column is not None:
        name = f"{'distinct_' if distinct else ''}{slug(' '.join(column.column.words))}_count"
        expression = f"count({'DISTINCT ' if distinct else ''}{col(column.ref)})"
        return Found(
            column.end,
            "measure",
            (Measure(i, column.end, name, expression, column.ref.table, _said(c, i, column.end)),),
        )
    return None


def read_having(c: Context, i: int) -> Found | None:
    """``with more than 1000 flights``: a count for each group, and a condition on it."""
    at = c.match(
        i, "with|having|that have|who have|which have|that had|who placed|that placed|who made|have|has|had|do|does|did"
    )
    compared = comparison_at(c, at) if at is not None else None
    if compared is None:
        return None
    value = value_at(c, compared[0], None)
    link = c.table_at(c.skip(value[0], "different|distinct|of")) if value is not None else None
    if value is None or link is None or not value[1].isdigit():
        return None
    name = slug(" ".join(token.stem for token in c.tokens[link.start : link.end])) + "_count"
    measure = Measure(i, link.end, name, counted(c, link.table), link.table.name, _said(c, i, link.end))
    use = Use(link.start, link.end, link.table.name)
    return Found(
        link.end, "filter", (use, measure, Filter(i, link.end, f"{measure_ref(name)} {compared[1]} {value[1]}"))
    )


def _state_name(c: Context, state: Condition | None, at: int) -> str:
    return slug(c.tokens[at - 1].low) + "_" if state is not None else ""


def _said(c: Context, start: int, end: int) -> tuple[str, ...]:
    return tuple(token.stem for token in c.tokens[start:end] if token.kind == "word")


def _suffix_count(c: Context, i: int) -> Found | None:
    """``order count``, ``sales count``."""
    at = c.skip(i, "the|total|overall")
    link = c.table_at(at)
    if link is None or c.match(link.end, "count|counts|volume") is None:
        return None
    name = slug(" ".join(token.stem for token in c.tokens[link.start : link.end])) + "_count"
    made = Measure(i, link.end + 1, name, counted(c, link.table), link.table.name, _said(c, i, link.end + 1))
    return Found(link.end + 1, "measure", (Use(link.start, link.end, link.table.name), made))


# --- shares ------------------------------------------------------------------------------------------------------


def _share(c: Context, i: int) -> Found | None:
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
    if condition is None:
        opened = c.match(
            end,
            (
                "that were|that are|which were|which are|that was|who are|that have|that had|with|whose|that|"
                "where|having|being"
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
        i, end, name, f"100 * {share}" if percent else share, link.table.name, _said(c, i, end), condition.assumed
    )
    return Found(end, "measure", (Use(link.start, link.end, link.table.name), made))


def _ratio(c: Context, i: int) -> Found | None:
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
        i, end, f"{slug(first[1].words[-1])}_ratio", f"{top} / nullif({bottom}, 0)", first[1].name, _said(c, i, end)
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


def _condition_after(c: Context, end: int, table: TableInfo, state: Condition | None) -> tuple[int, Condition | None]:
    return end, state


# --- functions ---------------------------------------------------------------------------------------------------


def _function(c: Context, i: int) -> _Function | None:
    at = c.skip(i, "the|a|an|its|their")
    for name, phrases in _FUNCTIONS.items():
        after = c.match(at, phrases)
        if after is not None:
            return _Function(after, name)
    match = re.fullmatch(r"(\d{1,2}(?:\.\d+)?)(?:th|st|nd|rd)", c.low(at)) if at < c.end(i) else None
    after = c.match(at + 1, "percentile|percentile of|%ile|quantile") if match else None
    if match and after is not None:
        return _Function(after, "percentile", float(match[1]))
    match = re.fullmatch(r"p(\d{1,2})", c.low(at)) if at < c.end(i) else None
    if match:
        return _Function(c.skip(at + 1, "of"), "percentile", float(match[1]))
    return None


def _functions(c: Context, i: int, *, formulas: bool = True) -> Found | None:
    found: list[_Function] = []
    at = i
    while (function := _function(c, at)) is not None and function.end < c.end(i):
        found.append(function)
        joined = c.match(function.end, ", and|and|,|as well as|or|/")
        if joined is None or _function(c, joined) is None:
            at = function.end
            break
        at = joined
    if not found or (found[0].name in {"max", "min"} and i and c.low(i - 1) in {"with", "having"}):
        return None
    whole = c.linker.column_at(i, kinds=("number",), least=0.95)
    if whole is not None and len(found) == 1 and whole.end > found[0].end and found[0].name != "avg":
        found, at = [_Function(i, found[0].name)], i
    at = c.skip(at, "of|the|for|all|their|its|in")
    computed = _of_formula(c, i, at, found) if formulas else None
    if computed is not None:
        return computed
    noun = _noun(c, at, found)
    if noun is None:
        return None
    end, column, words, assumed, uses = noun
    end, condition, _ = _of_rows(c, end, column)
    inner = f"CASE WHEN {condition.expression} THEN {col(column.ref)} END" if condition else col(column.ref)
    made: list[Item] = list(uses)
    for function in found:
        made.append(
            Measure(
                i,
                end,
                _name(function, words),
                _expression(function, inner),
                column.ref.table,
                _said(c, i, end),
                condition.assumed if condition else assumed,
            )
        )
    return Found(end, "measure", tuple(made))


def _pronoun(c: Context, i: int) -> Found | None:
    """``and sums it per brand``: of the column computed last."""
    name = "sum" if c.verb(i, "sum", "total") else "avg" if c.verb(i, "average") else ""
    after = c.match(i + 1, "it|them|this|these|it up|them up") if name else None
    derives = c.of(Derive)
    if after is None or not derives:
        return None
    last = derives[-1]
    table = next((ref.table for ref in refs_in(last.expression)), "")
    function = _Function(after, name)
    return Found(
        after,
        "measure",
        (Measure(i, after, _name(function, last.name), _expression(function, measure_ref(last.name)), table),),
    )


def _of_formula(c: Context, i: int, at: int, functions: list[_Function]) -> Found | None:
    """``total net price`` of a column computed before, ``sum of extended price * (1 - discount)``."""
    new = derived_at(c, at)
    formula = formula_at(c, at) if new is None else None
    if new is not None:
        end, inner, words, table = new[0], measure_ref(new[1].name), new[1].name, ""
        table = next((ref.table for ref in refs_in(new[1].expression)), "")
    elif formula is not None and formula.operators:
        end, inner, table = formula.end, formula.expression, formula.table
        words = formula.words if formula.words == "days" else f"{formula.words} computed"
    else:
        return None
    made = tuple(Measure(i, end, _name(f, words), _expression(f, inner), table, _said(c, i, end)) for f in functions)
    return Found(end, "measure", made)


def _expression(function: _Function, inner: str) -> str:
    if function.name == "percentile" and function.argument is not None:
        return f"percentile({inner}, {function.argument / 100:.6g})"
    return f"median({inner})" if function.name == "median" else f"{function.name}({inner})"


def _name(function: _Function, words: str) -> str:
    if function.name == "percentile" and function.argument is not None:
        return slug(f"p{function.argument:g}_{words}".replace(".", "_"))
    lead = _NAMES[function.name]
    return slug(words if words.startswith(lead) or (lead == "total" and words == "revenue") else f"{lead}_{words}")


def _noun(c: Context, i: int, functions: list[_Function]) -> tuple[int, ColumnInfo, str, str, tuple[Use, ...]] | None:
    """The column a function is about: by name, or money in words (``order value``, ``revenue``)."""
    money = _money(c, i)
    if money is not None:
        end, column, words, assumed, uses = money
        return end, column, words, assumed, uses
    dated = any(function.name in {"max", "min"} for function in functions)
    kinds: tuple[Kind, ...] = ("number", "date", "timestamp") if dated else ("number",)
    link = c.linker.column_at(i, kinds=kinds)
    if link is None or link.end > c.end(i):
        return None
    words = " ".join(link.column.words)
    return link.end, link.column, words, "", ()


def _money(c: Context, i: int) -> tuple[int, ColumnInfo, str, str, tuple[Use, ...]] | None:
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
            rank = next(
                place for place, words in enumerate(MONEY) if tuple(stem(word) for word in words) == column.words
            )
            near.append((len(path), rank, name))
    return [c.linker.tables[name] for _, _, name in sorted(near)]


_ROWS = "of|for|among|over|across|in"


def _of_rows(c: Context, end: int, column: ColumnInfo) -> tuple[int, Condition | None, str]:
    """``… of departed flights``: a condition on this measure alone."""
    at = c.match(end, _ROWS)
    if at is None:
        return end, None, ""
    at = c.skip(at, "the|all|only")
    state = state_at(c, at, None)
    if state is None:
        return end, None, ""
    link = c.table_at(state.end)
    if link is None:
        return end, None, ""
    return link.end, state, c.low(at)


# --- revenue -----------------------------------------------------------------------------------------------------


def _revenue(c: Context, i: int) -> Found | None:
    """``revenue`` alone is a sum; ``revenue metrics`` are the sum, the count and the average."""
    money = _money(c, c.skip(i, "the|total|overall"))
    if money is None or "revenue" not in money[2]:
        return None
    end, column, _, assumed, _ = money
    table = c.linker.tables[column.ref.table]
    words = _said(c, i, end)
    first = Measure(i, end, "revenue", f"sum({col(column.ref)})", table.name, words, assumed, ("another column",))
    after = c.match(end, _METRICS)
    if after is None:
        return Found(end, "measure", (first,))
    noun = slug(" ".join(table.words))
    reason = f"revenue {c.low(after - 1)} are read as revenue, {noun} count and average {noun} value"
    return Found(
        after,
        "measure",
        (
            Measure(i, after, "revenue", first.expression, table.name, words, assumed),
            Measure(i, after, f"{noun}_count", counted(c, table), table.name, ("count", noun), reason),
            Measure(
                i,
                after,
                f"average_{noun}_value",
                f"avg({col(column.ref)})",
                table.name,
                ("average", "value", noun),
                reason,
            ),
        ),
    )


def _plain(c: Context, i: int) -> Found | None:
    return _functions(c, i, formulas=False)


_SIMPLE = (_count, _plain, _revenue, _suffix_count)
