"""Conditions of a statement that no row can meet together: asked about, because no reading of the words is left."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pipeline_magic.agents.specification.planner.intent import Filter, Item, refs_in
from pipeline_magic.runs import Option, Question

__all__ = ["consistent"]

_MOST = 60
"""Most conditions that are compared with each other."""
_COLUMN = "\ue000[^\ue002]*\ue002"
_ONE = re.compile(rf"({_COLUMN}) (=|<>|>=|<=|>|<) (?:DATE )?('[^']*'|-?\d+(?:\.\d+)?)")
_LIST = re.compile(rf"({_COLUMN}) IN \(([^()]*)\)")


def consistent(
    items: Sequence[Item], answers: Mapping[str, str], words_of: Mapping[int, str]
) -> tuple[list[Item], list[Question]]:
    """The items without conditions that an answer leaves out, and a question where two exclude each other.

    Args:
        words_of: The words of each item, by its place in `items`.
    """
    answer = answers.get("filter:contradiction", "")
    kept = list(items)
    filters = [(place, item) for place, item in enumerate(items) if isinstance(item, Filter)][:_MOST]
    for first, (place, one) in enumerate(filters):
        inner = _impossible([one.expression])
        for other_place, other in [*filters[first + 1 :], *([(place, one)] if inner else [])]:
            if not inner and not _impossible([one.expression, other.expression]):
                continue
            options = (
                Option(id="first", label=f"Only: {words_of[place]}"),
                Option(id="second", label=f"Only: {words_of[other_place]}"),
            )
            if answer == "first" and other is not one:
                kept.remove(other)
                return kept, []
            if answer == "second" and other is not one:
                kept.remove(one)
                return kept, []
            question = Question(
                id="filter:contradiction",
                text=f"No row can be both “{words_of[place]}” and “{words_of[other_place]}”. Which is meant?",
                why="The conditions exclude each other, so that the result would always be empty.",
                options=options if other is not one else (),
                path="steps",
                free=other is one,
            )
            return kept, [question]
    return kept, []


def _impossible(expressions: Sequence[str]) -> bool:
    """Whether plain comparisons of one column exclude each other."""
    allowed: dict[str, set[str]] = {}
    low: dict[str, tuple[float | str, bool]] = {}
    high: dict[str, tuple[float | str, bool]] = {}
    for expression in expressions:
        if " OR " in expression or expression.startswith("NOT ") or not refs_in(expression):
            continue
        for column, listed in _LIST.findall(expression):
            values = {value.strip() for value in listed.split(",")}
            allowed[column] = allowed[column] & values if column in allowed else values
        for column, sign, value in _ONE.findall(expression):
            if sign == "=":
                allowed[column] = allowed[column] & {value} if column in allowed else {value}
            if sign in {">", ">="}:
                low[column] = max(low.get(column, (_number(value), False)), (_number(value), sign == ">"))
            if sign in {"<", "<="}:
                bound = (_number(value), sign == "<=")
                high[column] = min(high.get(column, bound), bound)
    if any(not values for values in allowed.values()):
        return True
    for column in low.keys() & high.keys():
        (bottom, open_low), (top, closed_high) = low[column], high[column]
        if type(bottom) is not type(top):
            continue
        if bottom > top or (bottom == top and (open_low or not closed_high)):  # type: ignore[operator]  # of one type
            return True
    return False


def _number(text: str) -> float | str:
    return text if text.startswith("'") else float(text)
