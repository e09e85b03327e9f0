"""How a month or a weekday is shown: ``as YYYY-MM``, ``give the month as a number``, ``the name of the weekday``.

A month as a number or a name is only the month where all rows are of one year, or the year stands beside it; and a name
has no order in which one row could be compared with the row before. Else the words are asked about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.entities import Ref
from pipeline_magic.agents.specification.planner.intent import Filter, Group, Item, Note, Windowed, col, refs_in
from pipeline_magic.runs import Option, Question

__all__ = ["Form", "form_questions", "formed", "parts_of_year", "read_form"]

_LEAD = (
    r"(?:[,(;:] |and )*(?:(?:please|with|give|show|return|use|write|having|list|print|name|display) )*(?:the |its )?"
)
_SHOWN = r"(?:(?:is|are|should be|must be|shall be|be|shown|given|written|displayed|formatted|to be|being|itself) )*"
_AS = re.compile(
    _LEAD + r"(?:(?P<unit>months?|weekdays?|days?|days? of the week) " + _SHOWN + r")?"
    r"(?:as|in the form|in the form of|in the format|in format|in) (?:a |an |the |its )?(?:calendar )?"
    r"(?P<form>(?:month )?numbers?(?: \( ?1 (?:to|-) 12 \)| from 1 to 12| between 1 and 12| from 1 to 7)?|"
    r"(?:full )?names?|month names?|weekday names?|text|yyyy-mm|yyyy - mm)(?: (?:such as|like) [\w-]+)?(?: \))?"
)
_NAME = re.compile(
    _LEAD + r"(?:names? of (?:the |each )?(?P<day>weekdays?|days? of the week|days?|months?)|"
    r"(?P<noun>weekday|month|day) names?)(?: \))?"
)
_OPENS = {
    ",", "(", ";", ":", "and", "please", "with", "give", "show", "return", "use", "write", "having", "list", "print",
    "name", "names", "display", "the", "its", "month", "months", "weekday", "weekdays", "day", "days", "as", "in",
}  # fmt: skip
_UNITS = {"month": ("month", "month_of_year"), "weekday": ("weekday",)}


@dataclass(frozen=True)
class Form(Item):
    """A `unit` of the groups is shown as ``number``, ``name`` or ``yyyy-mm``."""

    unit: str
    form: str


def read_form(c: Context, i: int) -> Found | None:
    """The words, where the groups have such a unit, or where it is named."""
    if c.low(i) not in _OPENS:
        return None
    grouped = [unit for unit, names in _UNITS.items() if any(name in names for name, _ in _columns(c.items))]
    found = c.words(i, _AS)
    if found is not None:
        said = found[1]["unit"] or ""
        form = found[1]["form"]
        kind = "yyyy-mm" if "yyyy" in form else "number" if "number" in form else "name"
        of_one = "month" if "month" in form else "weekday" if "weekday" in form else ""
        unit = _unit(said, grouped) if said else of_one or (grouped[0] if len(grouped) == 1 else "")
        if form in {"text", "name", "names", "full name"} and not said and c.low(i) not in {"(", ",", "as"}:
            return None
    else:
        found = c.words(i, _NAME)
        if found is None:
            return None
        unit, kind = _unit(found[1]["day"] or found[1]["noun"], grouped), "name"
    if not unit or (unit not in grouped and found[1].re is _NAME):
        return None
    return Found(found[0], "select", (Form(i, found[0], unit, kind),))


def _unit(said: str, grouped: Sequence[str]) -> str:
    if said.startswith("month"):
        return "month"
    if said.startswith(("weekday", "day of", "days of")) or "weekday" in grouped:
        return "weekday"
    return ""


def _columns(items: Sequence[Item]) -> Iterator[tuple[str, str]]:
    return (column for item in items if isinstance(item, Group) for column in item.columns)


def _shown(items: Sequence[Item], form: Form) -> dict[tuple[str, str], tuple[str, str]]:
    """The columns of the groups that the words change, and what they become; none where they cannot be."""
    made: dict[tuple[str, str], tuple[str, str]] = {}
    if form.form == "name" and any(isinstance(item, Windowed) for item in items):
        return made
    for name, text in _columns(items):
        refs = refs_in(text)
        if name not in _UNITS[form.unit] or len(refs) != 1:
            continue
        shown = _as(items, form, name, refs[0])
        if shown is not None:
            made[name, text] = name, shown
    return made


def _as(items: Sequence[Item], form: Form, name: str, ref: Ref) -> str | None:
    day = col(ref)
    if form.unit == "weekday":
        return f"date_format({day}, 'EEEE')" if form.form == "name" else None  # which day is the first, is not said
    if form.form == "yyyy-mm":
        return f"date_format({day}, 'yyyy-MM')" if name == "month" else None
    if name == "month" and not (_one_year(items, ref) or any(other == "year" for other, _ in _columns(items))):
        return None
    return f"month({day})" if form.form == "number" else f"date_format({day}, 'MMMM')"


_DAY = re.compile(r"DATE '(\d{4}-\d\d-\d\d)'")


def _one_year(items: Sequence[Item], ref: Ref) -> bool:
    """A condition leaves only days of one year."""
    for item in items:
        if not isinstance(item, Filter) or " OR " in item.expression or "NOT " in item.expression:
            continue
        days = [date.fromisoformat(text) for text in _DAY.findall(item.expression)]
        if len(days) == 2 and refs_in(item.expression) == (ref,) and "<" in item.expression:
            low, high = min(days), max(days) - timedelta(days=1)
            if low.year == high.year:
                return True
    return False


def form_questions(c: Context) -> list[Question]:
    """What is asked of words about a form that the groups cannot have."""
    lost = {form.unit for form in c.of(Form) if not _shown(c.items, form)}
    return [
        Question(
            id=f"form:{unit}",
            text=f"How should the {unit} be shown?",
            why=f"Rows may be of more than one year, or are compared by their {unit}; or nothing is grouped by it.",
            options=(Option(id="leave_out", label="As it is"),),
        )
        for unit in sorted(lost)
        if c.answers.get(f"form:{unit}") != "leave_out"
    ]


def formed(c: Context, items: Sequence[Item]) -> list[Item]:
    """The items, with the units of the groups as they are to be shown."""
    made = list(items)
    for form in [item for item in items if isinstance(item, Form)]:
        shown = _shown(made, form)
        made = [
            replace(item, columns=tuple(shown.get(column, column) for column in item.columns))
            if isinstance(item, Group)
            else Note(form.start, form.end)
            if item is form
            else item
            for item in made
        ]
    return made


def parts_of_year(columns: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """``per year and month``: beside the year, a month or quarter is its number."""
    years = {refs_in(text) for name, text in columns if name == "year"}
    return [
        (name, f"{name}({col(refs_in(text)[0])})")
        if name in {"month", "quarter"} and "date_trunc(" in text and refs_in(text) in years
        else (name, text)
        for name, text in columns
    ]
