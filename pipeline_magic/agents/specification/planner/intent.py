"""What a statement asks for, clause by clause, before it is put together into steps.

Each item keeps the tokens it was read from (`start` to before `end`), so that every field of the draft can be traced to
words. Expressions are templates of Spark SQL in which a column stands as ``⟨table⟩⟨column⟩`` between private-use
characters (`col`), and a measure likewise (`measure_ref`): what a column is called after the joins is only known when
the steps are built.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from pipeline_magic.agents.specification.planner.entities import Ref
from pipeline_magic.runs import Question

__all__ = [
    "Change",
    "Check",
    "Derive",
    "Distinct",
    "Exists",
    "Filter",
    "Flag",
    "Group",
    "Item",
    "JoinWish",
    "Keep",
    "Latest",
    "Measure",
    "Note",
    "Outer",
    "Place",
    "Segment",
    "Selected",
    "Shape",
    "Tally",
    "Timing",
    "Top",
    "Use",
    "Windowed",
    "col",
    "measure_ref",
    "measures_in",
    "refs_in",
    "render",
    "texts_of",
]

_OPEN, _MID, _CLOSE = "\ue000", "\ue001", "\ue002"
_PLACE = re.compile(f"{_OPEN}([^{_MID}]*){_MID}([^{_CLOSE}]*){_CLOSE}")


def col(ref: Ref) -> str:
    """A column, as it stands in a template."""
    return f"{_OPEN}{ref.table}{_MID}{ref.column}{_CLOSE}"


def measure_ref(name: str) -> str:
    """A measure or derived column of that name, as it stands in a template."""
    return f"{_OPEN}{_MID}{name}{_CLOSE}"


def refs_in(template: str) -> tuple[Ref, ...]:
    """The columns a template uses, each once, in order."""
    return tuple(dict.fromkeys(Ref(m[1], m[2]) for m in _PLACE.finditer(template) if m[1]))


def measures_in(template: str) -> tuple[str, ...]:
    """The measures a template uses."""
    return tuple(dict.fromkeys(m[2] for m in _PLACE.finditer(template) if not m[1]))


def render(template: str, name_of: Callable[[Ref], str], quote: Callable[[str], str]) -> str:
    """The template as Spark SQL, columns called as `name_of` says."""

    def one(match: re.Match[str]) -> str:
        return quote(name_of(Ref(match[1], match[2])) if match[1] else match[2])

    return _PLACE.sub(one, template)


@dataclass(frozen=True)
class Item:
    """Something asked for, and the tokens that ask for it."""

    start: int
    end: int


def texts_of(value: Any) -> list[str]:
    """Every text inside an item, templates among them."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Item):
        return [text for part in fields(value) for text in texts_of(getattr(value, part.name))]
    if isinstance(value, (tuple, list)):
        return [text for inner in value for text in texts_of(inner)]
    return [text for inner in value.values() for text in texts_of(inner)] if isinstance(value, dict) else []


@dataclass(frozen=True)
class Use(Item):
    """A table is named; `read` where a verb asks to read or join it."""

    table: str
    read: bool = False


@dataclass(frozen=True)
class JoinWish(Item):
    """Tables are to be joined. `keep` loses no row; `how` is set only where words say it."""

    tables: tuple[str, ...] = ()
    how: Literal["inner", "left", "right", "full", "semi", "anti"] | None = None
    keys: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Keep(Item):
    """``keeping flights whose plane is unknown``: rows of `table` stay without a partner in `other` (or do not)."""

    table: str
    other: str
    how: Literal["left", "inner", "anti", "semi"]


@dataclass(frozen=True)
class Exists(Item):
    """Rows of `subject` with a row in `other` that meets all `conditions`; without one where it is `negated`.

    Each condition is a template over one table; of several in one statement, each looks at rows of its own. The way
    leads over the table `through` where there is a choice, or over `keys` (columns of both) where words name one.
    """

    subject: str
    other: str
    conditions: tuple[str, ...] = ()
    negated: bool = False
    assumed: str = ""
    through: str = ""
    keys: tuple[str, str] | None = None


@dataclass(frozen=True)
class Filter(Item):
    """A condition on rows; on groups where it speaks of measures. `first`: words say that it comes first."""

    expression: str
    assumed: str = ""
    first: bool = False


@dataclass(frozen=True)
class Measure(Item):
    """A value for each group. `table` is what is counted or summed, where the expression does not say it."""

    name: str
    expression: str
    table: str = ""
    words: tuple[str, ...] = ()
    assumed: str = ""
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group(Item):
    """One row for each value of these (name, expression); `entity` is a table whose rows are the groups.

    `pointer` is the column of the measured table that points at the entity, where rows are grouped by that: then a row
    that points at nothing is in a group of its own, and not lost.
    """

    columns: tuple[tuple[str, str], ...]
    entity: str = ""
    pointer: Ref | None = None


@dataclass(frozen=True)
class Derive(Item):
    """A new column."""

    name: str
    expression: str


@dataclass(frozen=True)
class Flag(Item):
    """A true or false column."""

    name: str
    expression: str


@dataclass(frozen=True)
class Segment(Item):
    """Labels by rule. `rules` are (label, condition or None, top fraction or None)."""

    column: str
    rules: tuple[tuple[str, str | None, float | None], ...]
    by: str | None = None
    otherwise: str | None = None
    entity: str = ""
    asked: str = ""


@dataclass(frozen=True)
class Top(Item):
    """The first `n` by `order` (a template), in each group of `per`."""

    n: int
    order: str | None
    descending: bool = True
    per: tuple[str, ...] = ()
    entity: str = ""


@dataclass(frozen=True)
class Change(Item):
    """A column of the result is changed: ``rename`` (to a name), ``cast`` (to a type), ``fill`` (with a value).

    `set` replaces it by the template `value`.
    """

    kind: Literal["rename", "cast", "fill", "set"]
    ref: Ref
    value: str


@dataclass(frozen=True)
class Outer(Item):
    """``average number of alerts per device``: groups of groups. `inner` are the keys that are then given up."""

    function: str
    inner: tuple[str, ...]
    periods: bool = False


@dataclass(frozen=True)
class Tally(Item):
    """``how many stores have more than 3 employees``: the groups that are left are counted."""

    name: str


@dataclass(frozen=True)
class Windowed(Item):
    """Columns over neighbouring rows: running totals, the row before, the share of all, ranks.

    Attributes:
        name: Of the column that `expression` (a window function without OVER) fills.
        over: Templates of the rows it looks at together; empty for all, None where the statement leaves it to the rest.
        order: Templates with whether they fall; empty for none, None where it is the period of the groups.
        rows: First and last row looked at, from the current one on; None for the whole partition or the default.
        columns: Columns computed from it, by name and template.
        shown: Whether `name` itself is asked for.
    """

    name: str
    expression: str
    over: tuple[str, ...] | None = None
    order: tuple[tuple[str, bool], ...] | None = ()
    rows: tuple[int | None, int | None] | None = None
    columns: tuple[tuple[str, str], ...] = ()
    shown: bool = True
    assumed: str = ""


@dataclass(frozen=True)
class Latest(Item):
    """One row a key: the newest."""

    table: str
    keys: tuple[Ref, ...]
    order: Ref | None
    descending: bool = True


@dataclass(frozen=True)
class Distinct(Item):
    """Rows that are equal become one."""


@dataclass(frozen=True)
class Selected(Item):
    """A column to be shown."""

    ref: Ref


@dataclass(frozen=True)
class Check(Item):
    """An expectation: its fields but for `id` and `on`; columns are templates of one column each."""

    kind: str
    columns: tuple[str, ...] = ()
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Place(Item):
    """Where the result goes: the parts of the name that are known, and how it is written."""

    catalog: str = ""
    schema: str = ""
    table: str = ""


@dataclass(frozen=True)
class Shape(Item):
    """A field of the target or the deployment: mode, keys, sequence, deployment."""

    field: str
    value: Any


@dataclass(frozen=True)
class Timing(Item):
    """When it runs. `assumed` says what the words leave open (``hour``, ``timezone``)."""

    cron: str | None
    timezone: str | None
    assumed: tuple[str, ...] = ()
    kind: str = "schedule"
    question: Question | None = None


@dataclass(frozen=True)
class Note(Item):
    """Something understood that becomes no field, with a sentence for the person (empty: nothing to say)."""

    text: str = ""
