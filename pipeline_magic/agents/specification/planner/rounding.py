"""Rounding said apart from what is rounded: ``…, rounded to 2 decimals``, ``round the averages to one decimal place``.

What counts is left as it is: only values that can have decimals are rounded. Where it is open which of several values
is meant, those of the sentence are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.intent import Derive, Item, Measure, Note, Windowed
from pipeline_magic.agents.specification.planner.text import number_of

__all__ = ["Rounded", "read_rounding", "rounded"]

_ROUND = re.compile(
    r"(?:, |\( |and )*(?P<all>(?:all|both|each|everything|all values|all figures|all numbers|all amounts) )?"
    r"(?:(?:is |are |must be |should be |to be )?rounded(?: off)?(?: to)?"
    r"|round(?: off)?(?: (?P<what>it|them|this|that|the results?|the values?|the averages?|the percentages?|"
    r"the ratios?|the shares?|the rates?|the totals?|the numbers?|all values|everything|all amounts|"
    r"the percentage|the average))?(?: to)?|with|to|using)"
    r" (?P<digits>\w+) (?:decimal places?|decimals?|decimal digits?|digits after the (?:decimal )?point|places)(?: \))?"
)
_WHOLE = re.compile(
    r"(?:, |\( |and )*(?:(?:is |are |must be |should be |to be )?rounded(?: off)?(?: to)?|"
    r"round(?: off)?(?: (?:it|them|this|that|the results?|the values?|the averages?|the totals?))?(?: to)?)"
    r"(?: the nearest| nearest| an?)? (?:integers?|whole numbers?|full numbers?)(?: \))?"
)


_OPENS = {
    ",", "(", "and", "all", "both", "each", "everything", "is", "are", "must", "should", "to", "be", "with", "using",
}  # fmt: skip


@dataclass(frozen=True)
class Rounded(Item):
    """Values read before are rounded; `every` where the words say all of them."""

    digits: int
    every: bool = False


def read_rounding(c: Context, i: int) -> Found | None:
    """The words, wherever they stand behind what is rounded."""
    found = c.words(i, _ROUND) if c.low(i) in _OPENS or c.low(i).startswith("round") else None
    whole = c.words(i, _WHOLE) if found is None and (c.low(i) in _OPENS or c.low(i).startswith("round")) else None
    if whole is not None and _fractions(c.items):
        return Found(whole[0], "comment", (Rounded(i, whole[0], 0, "s" in whole[1].group()[-3:]),))
    if found is None:
        return None
    end, match = found
    at = next(j for j in range(end - 1, i - 1, -1) if c.low(j) == match["digits"])
    number = number_of(c.tokens[at])
    if number is None or not number.isdigit() or not _fractions(c.items):
        return None
    every = bool(match["all"]) or (match["what"] or "").endswith("s") or match["what"] in {"them", "everything"}
    return Found(end, "comment", (Rounded(i, end, int(number), every),))


def _fractions(items: Sequence[Item]) -> list[Item]:
    """Items whose values can have decimals."""
    return [
        item
        for item in items
        if (isinstance(item, Measure) and (not item.expression.startswith("count(") or " / " in item.expression))
        or (isinstance(item, Derive) and re.search(r" [*/+-] |/", item.expression) is not None)
        or (isinstance(item, Windowed) and (item.columns or item.expression.startswith("avg(")))
    ]


def rounded(c: Context, items: Sequence[Item]) -> list[Item]:
    """The items, with the values rounded that the words are about: all of a sentence but for what they stand beside."""
    made = list(items)
    for order in [item for item in items if isinstance(item, Rounded)]:
        before = [item for item in _fractions(made) if item.start <= order.start]
        here = [item for item in before if c.starts[item.start] == c.starts[order.start]] or before
        if len(here) > 1 and not order.every:
            near = [item for item in here if "," not in _between(c, item.end, order.start)]
            here = near if len(near) == 1 and c.low(order.start) != "," else here
        for item in here:
            made[made.index(item)] = _of(item, order)
        made[made.index(order)] = Note(order.start, order.end)
    return made


def _between(c: Context, start: int, end: int) -> set[str]:
    return {c.low(j) for j in range(start, end)}


def _of(item: Item, order: Rounded) -> Item:
    if isinstance(item, (Measure, Derive)):
        return replace(item, expression=f"round({item.expression}, {order.digits})")
    if isinstance(item, Windowed):
        return replace(item, columns=tuple((name, f"round({text}, {order.digits})") for name, text in item.columns))
    return item
