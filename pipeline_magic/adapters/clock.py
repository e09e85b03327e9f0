"""The real clock, and ids that were never given before."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime, timezone

__all__ = ["SystemClock"]


class SystemClock:
    """The time of this machine and random ids; fulfils `ports.Clock`."""

    def now(self) -> datetime:
        """Now, in UTC, with the zone set."""
        return datetime.now(timezone.utc)

    def new_id(self, prefix: str) -> str:
        """An id such as ``r-7f3k2mqa``: the prefix and 40 random bits in lower-case base32."""
        return f"{prefix}-{base64.b32encode(secrets.token_bytes(5)).decode().lower()}"
