"""Checks in words: ``validates data quality``, ``order_id must be unique and never null``."""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.context import Context, Found
from pipeline_magic.agents.specification.planner.intent import Note

__all__ = ["read_check"]


def read_check(c: Context, i: int) -> Found | None:
    """An expectation; words that name no rule ask for the automatic checks."""
    if c.verb(i, "validate", "check", "ensure", "test", "verify", "run", "perform", "apply", "monitor"):
        at = c.skip(i + 1, "the|all|for|its|their|basic|standard|usual|some")
        after = c.match(at, "data quality|quality|quality checks|data quality checks|the data|data|results|the results|output|quality of the data|quality of the result|checks")
        if after is not None:
            return Found(after, "check", (Note(i, after),))
    return None
