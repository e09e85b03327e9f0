"""Conditions on dates: ``only 1997 on`` beside those that are there, ``change the date filter to 1998`` instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from pipeline_magic.agents.specification.editing.present import Choice, Present, Unclear, sql_name
from pipeline_magic.spec.dialect import NotAnExpression, Tree, parse, render
from pipeline_magic.spec.model import Filter
from pipeline_magic.spec.paths import Edit

__all__ = ["add_filter", "refilter", "years"]

_WHEN = "from|since|after|before|until|up to|in|of"
_YEARS = (
    rf"(?:only |just |keep |take )*(?:the )?(?:(?!(?:{_WHEN})\b)(\w+) )?(?:({_WHEN}) )?(\d{{4}})"
    r"( on| onwards?| and later| or later)?(?: only)?"
)
_REFILTER = (
    r"(?:change|set|move|make|adjust|update|replace) (?:the )?(?:(\w+) )?(?:dates?|times?|periods?|years?) "
    r"(?:filter|condition|range|limit|window)s?(?: of (?:the )?(\w+))?(?:,? (?:to|with|by|so that it is|into) (.+))?"
)
_DATE = r"(\d{4}-\d{2}-\d{2})"
_DATES = ("date", "timestamp", "timestamp_ntz")


def years(wish: str, present: Present) -> list[Edit] | None:
    match = re.fullmatch(_YEARS, wish.strip(), re.IGNORECASE)
    if match is None or not re.match(r"(?:only|just|from|since|keep)\b", wish, re.IGNORECASE):
        return None
    table = match[1] if (match[1] or "").lower() not in {"", "data", "rows"} else ""
    word, year, on = (match[2] or "").lower(), int(match[3]), bool(match[4])
    if word in {"until", "up to"}:
        raise Unclear(f"Is {year} itself meant? Write “before {year}” or “before {year + 1}”.")

    def edits(alias: str, column: str) -> list[Edit]:
        return add_filter(alias, _in_years(sql_name(column), word, year, on), present)

    return edits(*_date_of(table, present, edits))


def _in_years(name: str, word: str, year: int, on: bool) -> str:
    start, end = f"DATE '{year:04d}-01-01'", f"DATE '{year + 1:04d}-01-01'"
    if on or word in {"since"} or (word == "from" and on):
        return f"{name} >= {start}"
    if word == "before":
        return f"{name} < {start}"
    if word == "after":
        return f"{name} >= {end}"
    return f"{name} >= {start} AND {name} < {end}"


def _date_of(table: str, present: Present, edits: Callable[[str, str], list[Edit]]) -> tuple[str, str]:
    """The one date column of what is read, of `table` where that is said.

    Raises:
        Unclear: There is none, or several; then each is a choice, with the edits that it would make.
    """
    found = [
        (source.alias, column.name)
        for source in present.spec.sources
        if not table or table.lower().rstrip("s") == source.alias.rstrip("s")
        for column in present.columns(source.alias)
        if column.type in {"date", "timestamp", "timestamp_ntz"}
    ]
    if not found and table:
        raise Unclear(f"“{table}” is no table that is read with a date.")
    if len(found) != 1:
        if not found:
            raise Unclear("No table that is read has a date.")
        names = ", ".join(f"`{alias}.{column}`" for alias, column in found)
        choices = [Choice(f"{a}.{c}", f"{c} of {a}", edits=tuple(edits(a, c))) for a, c in found]
        written = f"Write “only where {found[0][1]} >= 1997-01-01”; the dates are {names}."
        raise Unclear(f"Which date? {written}", choices=choices)
    return found[0]


def add_filter(alias: str, condition: str, present: Present) -> list[Edit]:
    """The source's filter, with what it had before."""
    before = next(source.filter for source in present.spec.sources if source.alias == alias)
    return [Edit(path=f"sources.{alias}.filter", value=f"({before}) AND ({condition})" if before else condition)]


@dataclass(frozen=True)
class _Dated:
    """A condition on a date that is there: its field, the column, and what else the field asks for."""

    path: str
    owner: str
    column: str
    rest: tuple[str, ...]

    def edits(self, condition: str) -> tuple[Edit, ...]:
        return (Edit(path=self.path, value=" AND ".join([*self.rest, condition])),)


def refilter(wish: str, present: Present) -> list[Edit] | None:
    """The condition on a date that is there, with another period; where none is, as `years` has it."""
    match = re.fullmatch(_REFILTER, wish.strip(), re.IGNORECASE)
    if match is None:
        return None
    said = (match[3] or "").strip()
    whose = (match[2] or match[1] or "").casefold().rstrip("s")
    if not said:
        raise Unclear("Say what it should be: “change the date filter to 1998 on”.")
    found = [item for item in _dated(present) if not whose or item.owner.rstrip("s") == whose or item.column == whose]
    if not found:
        return years(f"only {said}", present)
    for item in found:
        if _period(sql_name(item.column), said) is None:
            raise Unclear(f"“{said}” is no period: write a year, a date as 1998-01-31, or “the last 30 days”.")
    if len(found) == 1:
        return list(found[0].edits(_period(sql_name(found[0].column), said) or ""))
    choices = [
        Choice(f"{item.owner}.{item.column}", f"{item.column} of {item.owner}",
               edits=item.edits(_period(sql_name(item.column), said) or ""))
        for item in found
    ]  # fmt: skip
    names = " and ".join(f"`{choice.id}`" for choice in choices)
    raise Unclear(f"There are conditions on {names}; say “the date filter of” and one of them.", choices=choices)


def _dated(present: Present) -> Iterator[_Dated]:
    """Conditions that compare a date column with something, one for each column of a field."""
    fields = [(f"sources.{s.alias}.filter", s.alias, s.alias, s.filter) for s in present.spec.sources if s.filter]
    fields += [
        (f"steps.{s.id}.condition", s.input, s.input, s.condition) for s in present.spec.steps if isinstance(s, Filter)
    ]
    for path, node, owner, text in fields:
        try:
            tree = parse(text)
        except NotAnExpression:
            continue
        kinds = {column.name: column.type for column in present.columns(node)}
        parts = [*tree.flatten()] if isinstance(tree, exp.And) else [tree]
        named = [_date_column(part, kinds) for part in parts]
        for name in dict.fromkeys(each for each in named if each is not None):
            rest = [part for part, each in zip(parts, named, strict=True) if each != name]
            yield _Dated(path, owner, name, tuple(_whole(part) for part in rest))


def _whole(tree: Tree) -> str:
    return f"({render(tree)})" if isinstance(tree, exp.Or) else render(tree)


def _date_column(tree: Tree, kinds: dict[str, str]) -> str | None:
    """The date column that a comparison is of, and of nothing else."""
    inner = tree.unnest()
    if not isinstance(inner, (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ, exp.Between, exp.And)):
        return None
    names = {column.name for column in inner.find_all(exp.Column)}
    return names.pop() if len(names) == 1 and all(kinds.get(name) in _DATES for name in names) else None


def _period(name: str, said: str) -> str | None:
    """A condition for words such as ``since 1998``, ``from 1998-01-31 to 1998-02-28``, ``the last 30 days``."""
    year = re.fullmatch(_YEARS, said, re.IGNORECASE)
    if year is not None and not year[1] and (year[2] or "").lower() not in {"until", "up to"}:
        return _in_years(name, (year[2] or "").lower(), int(year[3]), bool(year[4]))
    between = re.fullmatch(rf"(?:from |between )?{_DATE} (?:to|and|until) {_DATE}", said, re.IGNORECASE)
    if between is not None:
        return f"{name} >= DATE '{between[1]}' AND {name} < date_add(DATE '{between[2]}', 1)"
    day = re.fullmatch(rf"(since|from|after|before)? ?{_DATE}(?: on| onwards?)?", said, re.IGNORECASE)
    if day is not None:
        if (day[1] or "since").lower() == "before":
            return f"{name} < DATE '{day[2]}'"
        start = f"DATE '{day[2]}'"
        return f"{name} >= date_add({start}, 1)" if (day[1] or "").lower() == "after" else f"{name} >= {start}"
    last = re.fullmatch(r"(?:only )?(?:the )?(?:last|past) (\d{1,4}) (day|week|month)s?", said, re.IGNORECASE)
    if last is None:
        return None
    number, unit = int(last[1]), last[2].lower()
    if unit == "month":
        return f"{name} >= add_months(to_date(run_time()), -{number})"
    return f"{name} >= date_sub(to_date(run_time()), {number * (7 if unit == 'week' else 1)})"
