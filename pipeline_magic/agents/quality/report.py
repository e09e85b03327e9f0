"""The parts of stage 4 as one report: findings of failed checks, rows to look at. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pipeline_magic.agents.quality.describe import share
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.runs import CheckResult, Finding
from pipeline_magic.spec.names import quote
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["PREVIEW_ROWS", "check_findings", "preview_query", "shown_row"]

PREVIEW_ROWS = 20
_WIDTH = 200
_MANY = 0.01
"""Fraction of rows from which dropping them is worth a look."""


def check_findings(results: Iterable[CheckResult]) -> tuple[Finding, ...]:
    """A finding for each check that failed or could not run; ids are ``check:<expectation>``."""
    return tuple(finding for result in results if (finding := _finding(result)) is not None)


def _finding(result: CheckResult) -> Finding | None:
    what = f"`{result.expectation}` on `{result.on}` ({result.description})"
    if result.status == "error":
        said = result.observed.removeprefix("could not run: ")
        return _made(result, "red", f"The check {what} could not run: {said}", "Repair the check, or switch it off.")
    if result.status != "failed":
        return None
    if result.action == "fail":
        hint = "The run would stop before it writes. Repair the data or the steps, or set the action to warn."
        return _made(result, "red", f"The check {what} fails: {result.observed}.", hint)
    if result.action == "drop":
        return _dropping(result, what)
    return _made(result, "amber", f"The check {what} fails: {result.observed}.", "The run goes on and records it.")


def _dropping(result: CheckResult, what: str) -> Finding:
    rows, failing = result.rows or 0, result.failing or 0
    lost = f"{failing:,} of {rows:,} rows ({share(failing, rows)}) would be dropped by the check {what}."
    if rows and failing == rows:
        return _made(result, "red", f"Every row: {lost}", "Look at the condition: it lets nothing through.")
    return _made(result, "amber" if failing >= _MANY * rows else "info", lost, "")


def _made(result: CheckResult, severity: Any, message: str, hint: str) -> Finding:
    where = f"expectations.{result.expectation}"
    return Finding(id=f"check:{result.expectation}", severity=severity, message=message, where=where, hint=hint)


def preview_query(typed: TypedSpec, *, run_time: str) -> str:
    """The first rows of what feeds the target, in the order of a key where one is known."""
    node = typed.node(typed.spec.target.input)
    keys = node.keys[0] if node.keys else ()
    order = f" ORDER BY {', '.join(map(quote, keys))}" if keys else ""
    return f"SELECT * FROM ({target_query(typed, run_time=run_time)}) AS t{order} LIMIT {PREVIEW_ROWS}"


def shown_row(values: Sequence[Any]) -> tuple[str | None, ...]:
    """A row as texts; None stays None."""
    return tuple(None if value is None else _bounded(_text(value)) for value in values)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, ensure_ascii=False, default=_text)
    return value.hex() if isinstance(value, (bytes, bytearray)) else str(value)


def _bounded(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
