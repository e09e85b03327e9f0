"""The clock tells UTC, and ids do not repeat."""

from __future__ import annotations

import datetime
import re

from pipeline_magic.adapters.clock import SystemClock


def test_now() -> None:
    """Now, with the zone set to UTC."""
    now = SystemClock().now()
    assert now.tzinfo is datetime.timezone.utc
    assert abs((datetime.datetime.now(datetime.timezone.utc) - now).total_seconds()) < 5


def test_ids() -> None:
    """Ids have the prefix, lower-case base32, and are all different."""
    made = {SystemClock().new_id("r") for _ in range(2000)}
    assert len(made) == 2000
    assert all(re.fullmatch(r"r-[a-z2-7]{8}", one) for one in made)
