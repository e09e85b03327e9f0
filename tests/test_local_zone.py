"""The zone of the machine: named by the environment or the system's link, and never guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_magic.local_zone import local_zone


@pytest.mark.parametrize(
    ("said", "expected"),
    [("Europe/Berlin", "Europe/Berlin"), (":Asia/Tokyo", "Asia/Tokyo"), ("CET-1CEST", ""), ("../../etc/passwd", "")],
)
def test_the_environment(said: str, expected: str, tmp_path: Path) -> None:
    """``TZ`` where it names a zone of the IANA; anything else is no zone."""
    assert local_zone({"TZ": said}, tmp_path / "none") == expected


def test_the_link(tmp_path: Path) -> None:
    """Without ``TZ`` the system's link; without that nothing."""
    link = tmp_path / "localtime"
    assert local_zone({}, link) == ""
    link.symlink_to("/usr/share/zoneinfo/America/New_York")
    assert local_zone({}, link) == "America/New_York"
