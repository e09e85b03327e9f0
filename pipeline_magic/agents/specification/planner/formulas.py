"""Formulas in words and signs: ``extended price times (1 - discount)``, ``days between sale date and due date``.

Operators bind as in arithmetic. Not here: functions by their SQL names; a person who writes SQL edits the field.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline_magic.agents.specification.planner.context import Context
from pipeline_magic.agents.specification.planner.durations import duration_at
from pipeline_magic.agents.specification.planner.entities import ColumnInfo, Kind
from pipeline_magic.agents.specification.planner.intent import Derive, Measure, col, measure_ref, refs_in
from pipeline_magic.agents.specification.planner.lateness import days_late_at
from pipeline_magic.agents.specification.planner.listing import column_like
from pipeline_magic.agents.specification.planner.moments import Span, in_unit, unit_at
from pipeline_magic.agents.specification.planner.text import number_of, stems_of

__all__ = ["Formula", "derived_at", "formula_at"]

_DEEPEST = 20
"""Brackets that may open directly inside each other."""
_PLUS = {"+": "+|plus|added to", "-": "-|minus|less"}
_TIMES = {"*": "*|x|times|multiplied by", "/": "/|divided by|over"}


@dataclass(frozen=True)
class Formula:
    """A template up to before token `end`; `operators` counts what was computed (0: a single column)."""

    end: int
    expression: str
    operators: int = 0
    words: str = ""
    table: str = ""


def formula_at(c: Context, i: int) -> Formula | None:
    """The formula at token `i`; a single column or number is one without operators."""
    return _chain(c, i, _PLUS, lambda at: _chain(c, at, _TIMES, lambda inner: _term(c, inner)))


def _chain(c: Context, i: int, operators: dict[str, str], part: object) -> Formula | None:
    read = part
    first: Formula | None = read(i)  # type: ignore[operator]  # a nested reader; mypy cannot name its own type here
    if first is None:
        return None
    made = first
    while made.end < c.end(i):
        sign = next(
            ((s, after) for s, words in operators.items() if (after := c.match(made.end, words)) is not None), None
        )
        counted = sign is not None and sign[1] < len(c.tokens) and c.tokens[sign[1]].kind not in {"word", "punct"}
        if sign is not None and counted and c.low(sign[1] - 1) == "over":
            break  # `an average price over 300` compares
        following: Formula | None = read(sign[1]) if sign else None  # type: ignore[operator]  # as above
        if sign is None or following is None:
            break
        text = f"{made.expression} {sign[0]} {following.expression}"
        if sign[0] == "-" and _is_date(c, made.expression) and _is_date(c, following.expression):
            apart = _apart(c, i, made.expression, following)
            if apart is None:
                return None
            following, text = apart
        made = Formula(
            following.end,
            text,
            made.operators + following.operators + 1,
            made.words,
            made.table or following.table,
        )
    return made


def _apart(c: Context, i: int, late: str, early: Formula) -> tuple[Formula, str] | None:
    """One date minus another, in days; moments may be hours apart, and the words must say what is counted."""
    if {_kind(c, late), _kind(c, early.expression)} != {"timestamp"}:
        return early, f"datediff({_day(c, late)}, {_day(c, early.expression)})"
    said = unit_at(c, early.end)
    columns = [c.linker.tables[ref.table].column(ref.column) for ref in refs_in(f"{late} {early.expression}")]
    if said is None or columns[0] is None or columns[-1] is None:
        return None
    text = in_unit(Span(said[0], columns[0], columns[-1]), said[1])
    return (replace(early, end=said[0]), text) if text is not None else None


def _kind(c: Context, template: str) -> str:
    ref = refs_in(template)[0]
    column = c.linker.tables[ref.table].column(ref.column)
    return column.kind if column is not None else ""


def _is_date(c: Context, template: str) -> bool:
    """A single column that holds a day or a moment."""
    refs = refs_in(template)
    column = c.linker.tables[refs[0].table].column(refs[0].column) if len(refs) == 1 else None
    return column is not None and template == col(refs[0]) and column.kind in {"date", "timestamp"}


def _day(c: Context, template: str) -> str:
    """The day of a moment: days are counted from midnight to midnight."""
    ref = refs_in(template)[0]
    column = c.linker.tables[ref.table].column(ref.column)
    return f"to_date({template})" if column is not None and column.kind == "timestamp" else template


def _date_like(c: Context, i: int, table: str = "") -> tuple[int, ColumnInfo] | None:
    """``date of delivery``, ``billing``: the one date of a table near by that has the word's root."""
    at = c.match(i, "date of the|date of its|date of|day of|time of|moment of") or i
    if at >= c.end(i) or c.tokens[at].kind != "word" or len(c.low(at)) < 4:
        return None
    names = (table,) if table else tuple(dict.fromkeys((*c.linker.scope, *c.linker.near)))
    words = (c.low(at), "date") if at > i else (c.low(at),)
    for name in names:
        column = column_like(c.linker.tables[name], words)
        if column is not None and column.kind in {"date", "timestamp"}:
            end = at + 1 if at > i else c.skip(at + 1, "date|day|time")
            return end, column
    return None


def _term(c: Context, i: int) -> Formula | None:
    i = c.skip(i, "the|a|an|its|their")
    if i >= len(c.tokens) or i >= c.end(i):
        return None
    if c.low(i) == "(":
        if i >= _DEEPEST and all(c.low(j) == "(" for j in range(i - _DEEPEST, i)):
            return None
        inner = formula_at(c, i + 1)
        if inner is None or c.low(inner.end) != ")":
            return None
        return Formula(inner.end + 1, f"({inner.expression})", inner.operators, inner.words, inner.table)
    if c.low(i) == "-" and c.low(i + 1) != "-":
        negated = _term(c, i + 1)
        return replace(negated, expression=f"-{negated.expression}", operators=1) if negated is not None else None
    absolute = c.match(i, "absolute value of the|absolute value of|absolute|abs (|abs")
    if absolute is not None:
        value = _term(c, absolute)
        if value is None:
            return None
        end = c.skip(value.end, ")") if c.low(absolute - 1) == "(" else value.end
        return replace(value, end=end, expression=f"abs({value.expression})", operators=1)
    late = days_late_at(c, i)
    if late is not None:
        return Formula(late[0], late[1], 1, "days late", late[2])
    between = _between(c, i)
    if between is not None:
        return between
    lasting = duration_at(c, i)
    if lasting is not None:
        return Formula(lasting[0], lasting[1], 1, lasting[2], lasting[3])
    number = number_of(c.tokens[i])
    if number is not None:
        return Formula(i + 1, number)
    part = c.match(i, "year of|month of|day of|quarter of|hour of")
    if part is not None:
        link = c.linker.column_at(c.skip(part, "the|its"), kinds=("date", "timestamp"))
        if link is not None and link.end <= c.end(i):
            return Formula(link.end, f"{c.low(i)}({col(link.ref)})", 1, c.low(i), link.ref.table)
    computed = _computed(c, i)
    if computed is not None:
        return computed
    dated = _date_like(c, i) if c.match(i, "date of|day of|time of|moment of") is not None else None
    if dated is not None:
        return Formula(dated[0], col(dated[1].ref), 0, " ".join(dated[1].words), dated[1].ref.table)
    link = c.linker.column_at(i, least=0.6)
    if link is None or link.end > c.end(i) or (link.column.kind == "text" and link.score < 0.8):
        return None
    return Formula(link.end, col(link.ref), 0, " ".join(link.column.words), link.ref.table)


def _between(c: Context, i: int) -> Formula | None:
    """``(number of) days between A and B``, ``days from A to B``."""
    for unit, seconds in (("day", 0), ("hour", 3600), ("minute", 60)):
        words = f"{unit}s between|number of {unit}s between|{unit}s from|difference in {unit}s between"
        at = c.match(i, f"{words}|number of {unit}s from|time in {unit}s between")
        if at is None:
            continue
        first = _date_at(c, c.skip(at, "the|its|their"))
        joined = c.match(first[0], "and the|and its|and|to the|to|until") if first is not None else None
        second = None
        if first is not None and joined is not None:
            second = _date_at(c, c.skip(joined, "the|its|their"), first[1].ref.table)
        if first is None or second is None or first[1].ref == second[1].ref:
            return None
        late, early = col(second[1].ref), col(first[1].ref)
        text = f"datediff({_day(c, late)}, {_day(c, early)})"
        if seconds:
            text = f"(unix_timestamp({late}) - unix_timestamp({early})) / {seconds}"
        return Formula(second[0], text, 1, f"{unit}s", first[1].ref.table)
    return None


def _date_at(c: Context, i: int, table: str = "") -> tuple[int, ColumnInfo] | None:
    """A date by its name or by a word of its root; in the table of the first one, where there is one."""
    kinds: tuple[Kind, ...] = ("date", "timestamp")
    own = c.linker.column_at(i, kinds=kinds, tables=(table,), least=0.45) if table else None
    link = own or c.linker.column_at(i, kinds=kinds, least=0.8 if table else 0.45)
    if link is not None and link.end <= c.end(i):
        return link.end, link.column
    return _date_like(c, i, table)


def _computed(c: Context, i: int) -> Formula | None:
    """A measure or new column that was named before, by its name or by its words."""
    for size in (4, 3, 2, 1):
        if i + size > c.end(i):
            continue
        words = [token.stem for token in c.tokens[i : i + size]]
        for name in (*(item.name for item in c.of(Derive)), *(item.name for item in c.of(Measure))):
            if list(stems_of(name)) == words or (size == 1 and c.low(i) == name):
                return Formula(i + size, measure_ref(name), 0, " ".join(words))
    return None


def derived_at(c: Context, i: int) -> tuple[int, Derive] | None:
    """A new column named before, at token `i`."""
    for size in (4, 3, 2, 1):
        if i + size > c.end(i):
            continue
        words = [token.stem for token in c.tokens[i : i + size]]
        for item in c.of(Derive):
            if list(stems_of(item.name)) == words or (size == 1 and c.low(i) == item.name):
                return i + size, item
    return None
