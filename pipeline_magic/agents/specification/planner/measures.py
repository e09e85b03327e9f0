"""Measures in words: ``average and 90th percentile departure delay of departed flights``, ``number of orders``.

Aggregates are written out as Spark SQL templates; a condition on one measure becomes a CASE inside it, so that other
measures of the same group keep all rows. Revenue and order value are idioms: the column that holds money is looked for
by what such columns are called, and the choice is an assumption.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.counts import (
    count_of,
    counted,
    counted_behind,
    ratio_of,
    said,
    share_of,
)
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, Kind
from pipeline_magic.agents.specification.planner.formulas import derived_at, formula_at
from pipeline_magic.agents.specification.planner.idioms import (
    state_at,
    wide_state_at,
)
from pipeline_magic.agents.specification.planner.intent import (
    Derive,
    Group,
    Item,
    Measure,
    Use,
    col,
    measure_ref,
    refs_in,
)
from pipeline_magic.agents.specification.planner.linking import TableLink
from pipeline_magic.agents.specification.planner.money import money_at, units_at
from pipeline_magic.agents.specification.planner.periods import date_column
from pipeline_magic.agents.specification.planner.text import number_of
from pipeline_magic.agents.specification.planner.values import (
    Condition,
    comparison_at,
)
from pipeline_magic.spec.names import slug

__all__ = ["functions_of", "read_measure", "revenue_of"]

_FUNCTIONS = {
    "avg": "average|mean|avg|averaged|the averaged|the average|average of|mean of|the mean",
    "sum": (
        "total|sum|sum up|sums up|add up|adds up|the total|sum of|the sum of|total of|overall|the sum|combined|"
        "totals of|summed|the summed|summed up|accumulated|the accumulated|added up"
    ),
    "max": (
        "last|maximum|max|highest|largest|greatest|biggest|the highest|latest|most recent|newest|longest|the "
        "maximum|the latest"
    ),
    "min": "minimum|min|lowest|smallest|least|earliest|oldest|shortest|the lowest|first|the minimum|cheapest",
    "median": "median|the median|median of",
}
_NAMES = {"avg": "average", "sum": "total", "max": "max", "min": "min", "median": "median"}
_METRICS = "metrics|metric|statistics|figures|kpis|numbers|measures"


@dataclass(frozen=True)
class _Function:
    end: int
    name: str
    argument: float | None = None


def read_measure(c: Context, i: int) -> Found | None:
    """A measure, or several that share their column."""
    for read in (
        _pronoun,
        _date_of,
        _state_sums,
        _units,
        count_of,
        ratio_of,
        share_of,
        functions_of,
        revenue_of,
        counted_behind,
        _amount_per_row,
    ):
        found = read(c, i)
        if found is not None:
            return _alias(c, _rounded(c, _per_own_row(c, _based_on(c, found))))
    return None


def _units(c: Context, i: int) -> Found | None:
    """``units sold`` are the sum of the quantity."""
    found = units_at(c, i)
    if found is None:
        return None
    end, column = found
    name = slug("_".join(token.low for token in c.tokens[c.skip(i, "the|total|number of") : end]))
    reason = f"{' '.join(token.low for token in c.tokens[i:end])} are read from {column.name}"
    made = Measure(i, end, name, f"sum({col(column.ref)})", column.ref.table, said(c, i, end), reason)
    return Found(end, "measure", (made,))


def _date_of(c: Context, i: int) -> Found | None:
    """``the date of its last maintenance``, ``last maintenance date``: the newest date of a table."""
    at = c.match(c.skip(i, "the|a"), "date of|time of|day of|timestamp of")
    at = c.skip(at, "the|its|their|each|his|her") if at is not None else None
    if at is None:
        return None
    newest = c.match(at, "last|latest|most recent|newest")
    oldest = c.match(at, "first|earliest|oldest") if newest is None else None
    found = newest or oldest
    link = (c.table_at(found) or _by_first_word(c, found)) if found is not None else None
    own = date_column(c, i, link.table) if link is not None else None
    if link is None or own is None or own[1]:
        return None
    name = slug(f"{'last' if newest else 'first'}_{link.table.words[0]}_date")
    text = f"{'max' if newest else 'min'}({col(own[0].ref)})"
    reason = f"the date of {link.table.short} is {own[0].name}"
    made = Measure(i, link.end, name, text, link.table.name, said(c, i, link.end), reason)
    return Found(link.end, "measure", (Use(link.start, link.end, link.table.name), made))


def _by_first_word(c: Context, i: int) -> TableLink | None:
    """``maintenance`` for `maintenance_jobs`, where one table near by begins so."""
    if i >= c.end(i - 1):
        return None
    fitting = [c.linker.tables[name] for name in c.linker.near if c.linker.tables[name].words[0] == c.tokens[i].stem]
    return TableLink(i, i + 1, fitting[0], 0.8) if len(fitting) == 1 else None


def _state_sums(c: Context, i: int) -> Found | None:
    """``total deposits``, ``average temperature``: the one amount of a table, of the rows of one kind."""
    at = c.match(c.skip(i, "the|their"), "total amount of|total|sum of|sum of the|total value of")
    name = "sum"
    if at is None:
        function = _function(c, i)
        if function is None or function.name not in {"avg", "min", "max"}:
            return None
        at, name = c.skip(function.end, "of|the|of the"), function.name
    if c.linker.column_at(at, kinds=("number",), least=0.6) is not None or c.table_at(at) is not None:
        return None
    state = wide_state_at(c, at)
    refs = refs_in(state.expression) if state is not None else ()
    if state is None or not refs or c.table_at(state.end) is not None:
        return None
    if name == "sum" and c.tokens[at].low == c.tokens[at].stem:
        return None
    table = c.linker.tables[refs[0].table]
    amounts = [column for column in table.of_kind("number") if column.type.startswith(("decimal", "double", "float"))]
    if len(amounts) != 1:
        return None
    text = f"{name}(CASE WHEN {state.expression} THEN {col(amounts[0].ref)} END)"
    reason = f"{state.assumed}; of their {amounts[0].name}"
    end = c.skip(state.end, "value|values|reading")
    label = slug(f"{_NAMES[name]}_{c.low(at)}")
    return Found(end, "measure", (Measure(i, end, label, text, table.name, said(c, i, end), reason),))


def _based_on(c: Context, found: Found) -> Found:
    """``total revenue (based on sale price)``: the column that the words behind name."""
    after = c.match(found.end, "( based on|based on|( using|, based on")
    if after is None and any(isinstance(item, Measure) and item.assumed for item in found.items):
        after = c.match(found.end, "from the|from|taken from the|taken from|out of the|measured by the|measured by")
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


def _per_own_row(c: Context, found: Found) -> Found:
    """``average cost per job`` over jobs: the average of single rows needs no group of its own."""
    at = c.match(found.end, "per|for each|for every|of each|of a single|for a single")
    measures = [item for item in found.items if isinstance(item, Measure)]
    if at is None or not measures or not all(item.expression.startswith(("avg(", "median(")) for item in measures):
        return found
    at = c.skip(at, "single|individual|given")
    owners = {item.table for item in measures}
    if len(owners) != 1 or at >= c.end(found.end - 1) or not c.linker.tables.get(measures[0].table):
        return found
    table = c.linker.tables[measures[0].table]
    link = c.table_at(at)
    own = link is not None and link.table.name == table.name
    end = link.end if link is not None and own else at + 1
    if not own and (link is not None or c.tokens[at].stem != table.words[-1]):
        return found
    if c.linker.column_at(at, tables=(table.name,), least=0.95) is not None and not own:
        return found  # `per job_id` names a column
    more = c.match(end, ", and|and|,")
    if more is not None and (c.table_at(more) is not None or c.linker.column_at(more, least=0.8) is not None):
        return found  # `per job and technician` groups
    items = tuple(replace(item, end=end) if isinstance(item, Measure) else item for item in found.items)
    return Found(end, found.kind, items, found.questions)


def _amount_per_row(c: Context, i: int) -> Found | None:
    """``cost per job`` beside other measures of groups: what a single row has on average."""
    if c.match(i - 1, "total|average|sum|maximum|minimum|highest|lowest|mean|median") is not None:
        return None
    link = c.linker.column_at(i, kinds=("number",), least=0.55)
    if link is None or link.column.is_key_like or (not c.of(Group) and not c.of(Measure)):
        return None
    table = c.linker.tables[link.ref.table]
    at = c.match(link.end, "per|for each|a")
    owner = c.table_at(at) if at is not None else None
    own = owner is not None and owner.table.name == table.name
    if at is None or at >= c.end(i) or not (own or (owner is None and c.tokens[at].stem == table.words[-1])):
        return None
    end = owner.end if owner is not None and own else at + 1
    name = slug(f"{link.column.name}_per_{table.words[-1]}")
    reason = f"{link.column.name} of a single row, on average"
    made = Measure(i, end, name, f"avg({col(link.ref)})", table.name, said(c, i, end), reason)
    return Found(end, "measure", (made,))


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


def functions_of(c: Context, i: int, *, formulas: bool = True) -> Found | None:
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
    columns, end = _further(c, end, column)
    if len(columns) > 1:
        measures = tuple(
            Measure(
                i, end, _name(f, " ".join(each.words)), _expression(f, col(each.ref)), each.ref.table, said(c, i, end)
            )
            for each in columns
            for f in found
        )
        return Found(end, "measure", (*uses, *measures))
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
                said(c, i, end),
                condition.assumed if condition else assumed,
            )
        )
    return Found(end, "measure", tuple(made))


def _further(c: Context, end: int, first: ColumnInfo) -> tuple[list[ColumnInfo], int]:
    """``average temperature and humidity``: the columns of the same table that share the function."""
    columns = [first]
    while first.kind == "number":
        after = c.match(end, ", and|and|,")
        if after is not None and c.match(after, "number of|the number of|count of|total number of") is not None:
            break
        link = c.linker.column_at(after, kinds=("number",), tables=(first.ref.table,), least=0.85) if after else None
        if link is None or link.end > c.end(end - 1) or comparison_at(c, link.end) is not None or link.others:
            break
        columns.append(link.column)
        end = link.end
    return columns, end


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
    made = tuple(Measure(i, end, _name(f, words), _expression(f, inner), table, said(c, i, end)) for f in functions)
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
    money = money_at(c, i)
    if money is not None:
        end, column, words, assumed, uses = money
        return end, column, words, assumed, uses
    dated = any(function.name in {"max", "min"} for function in functions)
    kinds: tuple[Kind, ...] = ("number", "date", "timestamp") if dated else ("number",)
    owner = c.table_at(i) if dated else None
    behind = c.match(owner.end, "date|dates|time|timestamp|day") if owner is not None else None
    exact = c.linker.column_at(i, kinds=("date", "timestamp"), least=0.9) if dated else None
    if owner is not None and behind is not None and exact is None:
        own = date_column(c, i, owner.table)
        if own is not None and not own[1]:
            use = Use(owner.start, owner.end, owner.table.name)
            name = f"{' '.join(owner.table.words)} date"
            return behind, own[0], name, f"the date of {owner.table.short} is {own[0].name}", (use,)
    link = c.linker.column_at(i, kinds=kinds)
    if link is None or link.end > c.end(i):
        return None
    if link.column.is_key_like and link.score < 0.95:
        return None  # the smallest key of a product is not the cheapest product
    words = " ".join(link.column.words)
    return link.end, link.column, words, "", ()


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


def revenue_of(c: Context, i: int) -> Found | None:
    """``revenue`` alone is a sum; ``revenue metrics`` are the sum, the count and the average."""
    money = money_at(c, c.skip(i, "the|total|overall"))
    if money is None or "revenue" not in money[2]:
        return None
    end, column, _, assumed, _ = money
    table = c.linker.tables[column.ref.table]
    words = said(c, i, end)
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
