"""A few hand-sized rows for each source of a pipeline, made from schemas and spec alone; for the tests it comes with.

The rows are there to be awkward: NULLs, a row that stands twice, keys without a partner, values on and beside every
bound that an expression of the spec names. Declared keys are respected: a catalog that declares one is believed. Where
the spec divides, no zero is among them, and a text that is cast to a number is one: a row that fails the run tells
nothing about the others. Pure and deterministic; values are SQL literals. Nothing here is real data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlglot import exp

from pipeline_magic.compiler.expectations import moment, node_of
from pipeline_magic.compiler.lineage import Lineage, column_lineage
from pipeline_magic.spec.dialect import parse
from pipeline_magic.spec.literals import sql_literal, sql_text
from pipeline_magic.spec.model import AcceptedValues, Cast, Deduplicate, Pivot, Range, Sql
from pipeline_magic.spec.schema import Column
from pipeline_magic.spec.typed import TypedSpec
from pipeline_magic.spec.types import Type, parse_type

__all__ = ["example_rows"]

_LEAST, _MOST = 8, 14
"""Rows of one source."""


@dataclass
class _Wanted:
    """What expressions say about one source column."""

    values: list[Any] = field(default_factory=list)
    castto: str = ""
    groups: bool = False


def example_rows(typed: TypedSpec, columns: Mapping[str, Sequence[str]], run_time: str) -> dict[str, list[list[str]]]:
    """Rows of each source, as SQL literals in the order of its columns.

    Args:
        typed: The typed spec.
        columns: For each source alias the columns to fill.
        run_time: ISO 8601: dates fall around it.
    """
    wanted = _wanted(typed)
    texts = list(_texts(typed))
    queries = [step.query for step in typed.spec.steps if isinstance(step, Sql)]
    careful = any(mark in text for text in (*queries, *(t for _, t in texts)) for mark in ("/", "%", " div ", "mod("))
    days = sorted({int(n) for _, text in texts for n in _whole_numbers(text) if "run_time()" in text and n < 4000})
    made: dict[str, list[list[str]]] = {}
    for place, (alias, names) in enumerate(columns.items()):
        node = typed.node(alias)
        keyed = {name for key in node.keys for name in key}
        kinds = {column.name: column for column in node.columns}
        pools = []
        for name in names:
            asked = wanted.get((alias, name), _Wanted())
            pools.append(_pool(kinds[name], asked, moment(run_time), days, careful, place, name in keyed))
        made[alias] = _rows(pools, [name in keyed for name in names], bool(node.keys))
    return made


def _rows(pools: list[list[str]], keyed: list[bool], unique: bool) -> list[list[str]]:
    longest = max((len(pool) for pool, key in zip(pools, keyed, strict=True) if not key), default=_LEAST)
    count = max(_LEAST, min(_MOST, longest))
    rows = []
    for number in range(count):
        row = []
        for place, (pool, key) in enumerate(zip(pools, keyed, strict=True)):
            # each round through a pool starts one further, so that values of two columns meet in several pairs
            index = number if key else number + place * (1 + number // len(pool))
            row.append(pool[index % len(pool)])
        rows.append(row)
    return rows if unique else [*rows, list(rows[0])]


# --- what the spec says of a column ------------------------------------------------------------------------------


def _texts(typed: TypedSpec) -> Iterator[tuple[str, str]]:
    """Every expression of the spec, with the node whose columns it reads."""
    for source in typed.spec.sources:
        if source.filter is not None:
            yield source.alias, source.filter
    for step in typed.spec.steps:
        node = getattr(step, "input", "")
        if isinstance(getattr(step, "condition", None), str):
            yield node, getattr(step, "condition")  # noqa: B009  # of one kind only
        for name in ("columns", "measures", "rules"):
            for item in getattr(step, name, None) or ():
                text = getattr(item, "expression", None) or getattr(item, "condition", None)
                if isinstance(text, str):
                    yield node, text
    for expectation in typed.spec.expectations:
        if isinstance(getattr(expectation, "condition", None), str):
            yield node_of(expectation, typed), getattr(expectation, "condition")  # noqa: B009  # of one kind only


def _whole_numbers(text: str) -> Iterator[int]:
    for found in parse(text).find_all(exp.Literal):
        if re.fullmatch("[0-9]{1,9}", str(found.this)):
            yield int(str(found.this))


def _wanted(typed: TypedSpec) -> dict[tuple[str, str], _Wanted]:
    lineage = column_lineage(typed)
    made: dict[tuple[str, str], _Wanted] = {}

    def places(node: str, column: str) -> Iterable[_Wanted]:
        for place in _sources(typed, lineage, node, column):
            yield made.setdefault(place, _Wanted())

    for node, text in _texts(typed):
        if not node:
            continue
        for column, value in _compared(text):
            for one in places(node, column):
                one.values.append(value)
        for cast in parse(text).find_all(exp.Cast, exp.TryCast):
            if isinstance(cast.this, exp.Column):
                for one in places(node, cast.this.name):
                    one.castto = str(cast.to.this.value).lower() if isinstance(cast.to, exp.DataType) else ""
    for step in typed.spec.steps:
        if isinstance(step, Cast):
            for changed in step.columns:
                for one in places(step.input, changed.column):
                    one.castto = parse_type(changed.type).name
        if isinstance(step, Pivot):
            for one in places(step.input, step.column):
                one.values += step.values
        groups = (getattr(step, name, ()) for name in ("group_by", "partition_by"))
        keys = step.keys if isinstance(step, Deduplicate) else ()
        for name in (*keys, *(name for names in groups for name in names)):
            for one in places(step.input, name):  # type: ignore[union-attr]  # steps with groups have one input
                one.groups = True
    for item in typed.spec.expectations:
        if isinstance(item, (AcceptedValues, Range)):
            for one in places(node_of(item, typed), item.column):
                bounds = item.values if isinstance(item, AcceptedValues) else (item.minimum, item.maximum)
                one.values += [value for value in bounds if value is not None]
    return made


def _sources(typed: TypedSpec, lineage: Lineage, node: str, column: str) -> tuple[tuple[str, str], ...]:
    name = next((c.name for c in typed.node(node).columns if c.name.casefold() == column.casefold()), None)
    return lineage.sources_of(name, node) if name is not None else ()


def _compared(text: str) -> Iterator[tuple[str, Any]]:
    """Columns and the literals they are compared with."""
    for pair in parse(text).find_all(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Between, exp.Like):
        inner = [pair.this, pair.args.get("expression"), *(pair.expressions or ())]
        inner += [pair.args.get("low"), pair.args.get("high")]
        columns = [item for item in inner if isinstance(item, exp.Column)]
        for item in inner:
            literal = item.find(exp.Literal) if isinstance(item, exp.Expression) and item not in columns else None
            if literal is not None and len(columns) == 1 and item.find(exp.Column) is None:
                value: Any = str(literal.this) if literal.is_string else Decimal(str(literal.this))
                if isinstance(value, Decimal) and item.find(exp.Neg) is not None:
                    value = -value
                yield (
                    columns[0].name,
                    value.replace("%", "z") if isinstance(pair, exp.Like) and literal.is_string else (value),
                )


# --- values ------------------------------------------------------------------------------------------------------


def _pool(
    column: Column, asked: _Wanted, now: datetime, days: Sequence[int], careful: bool, place: int, key: bool
) -> list[str]:
    kind = parse_type(column.type)
    if key:
        return [_nth(kind, number, now) for number in range(1, _MOST + 2)]
    values = [*_around(kind, asked.values), *_usual(kind, asked.castto, now, days, place)]
    made = list(dict.fromkeys(text for value in values if (text := _sql(value, kind)) is not None))
    if careful and kind.numeric:
        made = [text for text in made if Decimal(text) > 0]
    if asked.groups:  # few groups, so that each has several rows
        made = made[: max(3, len(asked.values))]
    made = made[: _MOST - 1] or [_nested(kind, now, place)]
    if kind.name in {"array", "map", "struct"} and len(made) == 1:
        made += [text for text in (_nested(kind, now, place + 1), _empty(kind)) if text]
    return [*made[:2], "NULL", *made[2:]] if column.nullable else made


def _around(kind: Type, values: Iterable[Any]) -> Iterator[Any]:
    """Each bound with its neighbours."""
    for value in values:
        yield value
        if kind.numeric and not isinstance(value, bool):
            try:
                number = Decimal(str(value))
            except ArithmeticError:
                continue
            step = Decimal(1) if kind.integral or not kind.scale else Decimal(1).scaleb(-kind.scale)
            yield from (number + step, number - step)
        elif kind.temporal and isinstance(value, str):
            try:
                day = datetime.fromisoformat(value.strip())
            except ValueError:
                continue
            one = timedelta(days=1) if kind.name == "date" else timedelta(seconds=1)
            yield from (day + one, day - one)


def _usual(kind: Type, castto: str, now: datetime, days: Sequence[int], place: int) -> list[Any]:
    """Values that suit most columns of a type; the last of the numbers and texts is this source's alone."""
    today = now.replace(tzinfo=None)
    if kind.temporal:
        around = [today - timedelta(days=n + extra) for n in days[:3] for extra in (0, 1, -1)]
        return [*around, today, today - timedelta(days=1), datetime(2023, 12, 31, 23, 59, 59), datetime(2024, 2, 29)]
    if kind.name == "boolean":
        return [True, False]
    if kind.name == "string":
        return {
            "": ["a", "b", "it's", "A ", f"only {place}"],
            "date": ["2024-02-29", "2023-12-31"],
            "timestamp": ["2024-02-29 01:02:03", "2023-12-31 23:59:59"],
            "timestamp_ntz": ["2024-02-29 01:02:03"],
            "boolean": ["true", "false"],
        }.get(castto if castto != "string" else "", ["1", "2", "3"])
    if kind.integral:
        return [1, 2, 3, 4, 5, 100 + place]
    if kind.name == "decimal":
        return ["1", "2.5", "10.25", "3", f"{20 + place}"]
    return [1.5, 2, 10.25, 3, 20 + place]


def _sql(value: Any, kind: Type) -> str | None:
    """The value as a literal of the type, or None where it is none of it."""
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else str(value)
    if isinstance(value, datetime):
        value = value.date().isoformat() if kind.name == "date" else value.isoformat(" ", "seconds")
    if kind.name == "timestamp" and isinstance(value, str) and "+" not in value:
        value += "+00:00"
    if kind.name == "string" and not isinstance(value, str):
        value = str(value)
    try:
        made = sql_literal(value, kind)
    except ValueError:
        return None
    if kind.numeric:  # it is cast where it stands
        return format(Decimal(str(value)), "f")
    return sql_text(str(value)) if kind.name == "timestamp_ntz" else made


def _nth(kind: Type, number: int, now: datetime) -> str:
    """The `number`-th of a type's values, each another, for a key."""
    first = date(now.year, 1, 1) + timedelta(days=number)
    value: Any = first.isoformat() if kind.temporal else f"k{number}" if kind.name == "string" else number
    return _sql(value, kind) or _nested(kind, now, number)


def _nested(kind: Type, now: datetime, place: int) -> str:
    if kind.name == "array":
        one, two = _nested(kind.parts[0], now, place), _nested(kind.parts[0], now, place + 1)
        return f"array({one}, {two})"
    if kind.name == "map":
        return f"map({_nested(kind.parts[0], now, place)}, {_nested(kind.parts[1], now, place)})"
    if kind.name == "struct":
        pairs = (f"{sql_text(n)}, {_nested(p, now, place)}" for n, p in zip(kind.fields, kind.parts, strict=True))
        return f"named_struct({', '.join(pairs)})"
    if kind.name == "binary":
        return f"X'{place % 256:02X}'"
    if kind.name in {"void", "variant", "interval"}:
        return "NULL"
    values = [_sql(value, kind) for value in _usual(kind, "", now, (), 0)]
    found = [value for value in values if value is not None]
    return found[place % len(found)] if found else "NULL"


def _empty(kind: Type) -> str:
    return f"{kind.name}()" if kind.name in {"array", "map"} else ""
