"""Statements that are no description of a pipeline: SQL, orders to destroy or to hand out rights, impossible times."""

from __future__ import annotations

import re
from datetime import date

from pipeline_magic.errors import StatementError

__all__ = ["refuse"]

_DESTROY = re.compile(
    r"\b(?:(?:drop|truncate|alter|purge|wipe|destroy)\s+(?:(?:the|all|any|every|external|if|exists)\s+)*"
    r"(?:tables?|schemas?|databases?|catalogs?|views?|volumes?)\b|delete\s+(?:all\s+)?(?:the\s+)?(?:tables?|rows\s+)?from\s+[\w.`]+"
    r"|delete\s+(?:the\s+|all\s+)*(?:tables?|schemas?|databases?|catalogs?)\b|vacuum\s+[\w.`]+\s+retain|update\s+[\w.`]+\s+set\s+\w+\s*=)",
    re.IGNORECASE,
)
_RIGHTS = re.compile(r"\b(?:grant|revoke)\s+(?:\w+\s*,?\s*){1,4}\b(?:on|to|from)\b", re.IGNORECASE)
_QUERY = re.compile(
    r"\bselect\b[\s\S]{1,400}?\bfrom\b\s+[\w.`]+|\binsert\s+into\s+[\w.`]+\s*(?:\(|values|select)", re.IGNORECASE
)
_CODE = re.compile(
    r"\b(?:import\s+os\b|os\.system|subprocess\.|eval\s*\(|exec\s*\(|__import__|spark\.sql\s*\(|dbutils\.|curl\s+http|rm\s+-rf)",
    re.IGNORECASE,
)
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget|override)\s+(?:\w+\s+){0,3}(?:instructions?|rules?|prompts?|guardrails?)\b",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"(?<![\w:.\"'“])(\d{1,2}):(\d{2})(?::(\d{2}))?(?![\w:]|\.\d)")
_DAY = re.compile(r"(?<![\w-])(\d{4})-(\d{2})-(\d{2})(?![\w-])")


def _impossible(statement: str) -> str:
    """A time or a day that no clock and no calendar has; empty when there is none."""
    for match in _CLOCK.finditer(statement):
        hour, minute, second = (int(part or 0) for part in match.groups())
        if hour > 24 or minute > 59 or second > 59 or (hour == 24 and minute + second > 0):
            return match.group()
    for match in _DAY.finditer(statement):
        try:
            date(*(int(part) for part in match.groups()))
        except ValueError:
            return match.group()
    return ""


def refuse(statement: str) -> None:
    """Raise for what a pipeline cannot be made of; the words are never carried further.

    Raises:
        StatementError: With what to write instead.
    """
    for pattern, message, hint in (
        (
            _DESTROY,
            "The statement asks to drop, delete or change tables, which a pipeline never does.",
            "Say which rows the target should hold; `overwrite`, `append` and `merge` are the ways to write them.",
        ),
        (
            _RIGHTS,
            "The statement asks to change privileges, which a pipeline never does.",
            "Say what data the target should hold.",
        ),
        (
            _CODE,
            "The statement holds code, and is read as plain English only.",
            "Say in words what the target should hold.",
        ),
        (
            _ORDERS,
            "The statement speaks about instructions instead of data.",
            "Say in words what the target should hold.",
        ),
        (
            _QUERY,
            "The statement is SQL, and is read as plain English only.",
            "Say it in words, or put the query into a `sql` step of the spec.",
        ),
    ):
        if pattern.search(statement):
            raise StatementError(message, hint=hint)
    impossible = _impossible(statement)
    if impossible:
        raise StatementError(
            f"There is no such time or day as “{impossible}”.",
            hint="Write a time from 00:00 to 23:59, and a day of the calendar as 2025-01-31.",
        )
