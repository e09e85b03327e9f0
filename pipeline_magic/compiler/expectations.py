"""Expectations as SQL conditions. Pure; running them is the notebook's gate and the quality agent's work."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

from pipeline_magic.spec.dialect import identifier
from pipeline_magic.spec.expressions import with_run_time
from pipeline_magic.spec.literals import sql_literal, sql_text
from pipeline_magic.spec.model import (
    AcceptedValues,
    Expectation,
    ExpressionCheck,
    Freshness,
    NotNull,
    Pattern,
    Range,
    Schedule,
)
from pipeline_magic.spec.typed import TypedSpec
from pipeline_magic.spec.types import Type, parse_type

__all__ = ["failing_condition", "node_of", "run_literals"]


def node_of(expectation: Expectation, typed: TypedSpec) -> str:
    """Id of the node whose rows the expectation is about; for ``target`` what feeds it."""
    return typed.spec.target.input if expectation.on == "target" else expectation.on


def failing_condition(expectation: Expectation, typed: TypedSpec, *, run_time: str | None = None) -> str | None:
    """The condition that is true for exactly the rows that fail.

    Args:
        expectation: One of the typed spec's.
        typed: The typed spec.
        run_time: ISO 8601; without it the text may hold ``run_time()``.

    Returns:
        Spark SQL over the columns of the expectation's node, which may be NULL for a row that passes; None when the
        kind says nothing of single rows (unique, row_count, freshness, referential).
    """
    kinds = {column.name: parse_type(column.type) for column in typed.node(node_of(expectation, typed)).columns}
    text: str | None = None
    if isinstance(expectation, NotNull):
        text = " OR ".join(f"{identifier(name)} IS NULL" for name in expectation.columns)
    elif isinstance(expectation, Range):
        text = _outside(expectation, kinds[expectation.column])
    elif isinstance(expectation, AcceptedValues):
        values = ", ".join(_value(value, kinds[expectation.column]) for value in expectation.values)
        text = f"{identifier(expectation.column)} NOT IN ({values})"
    elif isinstance(expectation, Pattern):
        text = f"NOT {identifier(expectation.column)} RLIKE {sql_text(expectation.regex)}"
    elif isinstance(expectation, ExpressionCheck):
        text = f"NOT coalesce({expectation.condition}, FALSE)"
    if text is not None and run_time is not None:
        text = with_run_time(text, *run_literals(typed, run_time))
    return text


def _outside(item: Range, kind: Type) -> str:
    name, parts = identifier(item.column), []
    if item.minimum is not None:
        parts.append(f"{name} {'<' if item.minimum_inclusive else '<='} {_value(item.minimum, kind)}")
    if item.maximum is not None:
        parts.append(f"{name} {'>' if item.maximum_inclusive else '>='} {_value(item.maximum, kind)}")
    return " OR ".join(parts)


def _value(value: bool | int | float | str, kind: Type) -> str:
    """A literal to compare with a column of type `kind`; a number stands as it is written."""
    if kind.numeric and not isinstance(value, bool):
        return format(Decimal(str(value).strip()), "f")
    return sql_literal(value, kind)


def oldest(expectation: Freshness, run_time: str) -> datetime:
    """The moment that the newest value must not be before."""
    return moment(run_time) - timedelta(hours=expectation.max_age_hours)


def moment(run_time: str) -> datetime:
    """A run time as text as a moment in UTC; a text without offset is taken as UTC."""
    made = datetime.fromisoformat(run_time.strip().replace("Z", "+00:00"))
    return (made if made.tzinfo else made.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)


def zone_of(typed: TypedSpec) -> str:
    """IANA zone in which the run's date is taken."""
    trigger = typed.spec.trigger
    return trigger.timezone if isinstance(trigger, Schedule) else "UTC"


def run_literals(typed: TypedSpec, run_time: str) -> tuple[str, str]:
    """SQL for the time of the run, and for its date in the trigger's zone.

    Raises:
        ValueError: `run_time` is not ISO 8601.
    """
    at = moment(run_time)
    local = at.astimezone(ZoneInfo(zone_of(typed)))
    return f"TIMESTAMP '{at.isoformat(' ')}'", f"DATE '{local.date().isoformat()}'"
