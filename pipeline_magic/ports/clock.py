"""The time, ids, and what is being done."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from pipeline_magic.runs import StageEvent

__all__ = ["Clock", "Progress"]


class Clock(Protocol):
    """The time and fresh ids, so that everything else can be pure."""

    def now(self) -> datetime:
        """Now, in UTC, with the zone set."""
        ...

    def new_id(self, prefix: str) -> str:
        """A short id that was never given before: ``r-7f3k2m``."""
        ...


class Progress(Protocol):
    """Where stages say how far they are. Called from any thread; must return at once."""

    def __call__(self, event: StageEvent) -> None: ...
