"""The IANA time zone of the machine: whose days a person means who names no zone. Empty where it is not known."""

from __future__ import annotations

import os
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["local_zone"]

_LINK = Path("/etc/localtime")


def local_zone(environ: dict[str, str] | None = None, link: Path = _LINK) -> str:
    """As ``TZ`` or the system says it; empty for a machine without either, as servers often are.

    Args:
        environ: The environment; that of the process where None.
        link: The system's link to a file below ``zoneinfo/``.
    """
    said = (os.environ if environ is None else environ).get("TZ", "").removeprefix(":")
    if not said:
        try:
            said = str(link.readlink()).rpartition("zoneinfo/")[2]
        except OSError:
            return ""
    try:
        ZoneInfo(said)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ""
    return said
