"""Top and latest: ``top 3 orders per customer by total price``, ``keep the latest order per customer``."""

from __future__ import annotations

from pipeline_magic.agents.specification.planner.context import Context, Found

__all__ = ["read_latest", "read_top"]


def read_top(c: Context, i: int) -> Found | None:
    """The first rows by an order."""
    return None


def read_latest(c: Context, i: int) -> Found | None:
    """One row a key, the newest."""
    return None
