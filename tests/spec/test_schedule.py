"""Quartz schedules: right and wrong expressions, words, next runs against days counted by hand."""

from datetime import datetime, timezone

import pytest

from pipeline_magic.spec.schedule import describe, interval_hours, next_run, validate

START = datetime(2025, 6, 2, tzinfo=timezone.utc)  # a Monday


@pytest.mark.parametrize(
    "cron",
    [
        "0 0 6 * * ?",
        "0 30 6 ? * MON-FRI",
        "0 0/15 * * * ?",
        "0 0 6 1 * ?",
        "0 0 6 L * ?",
        "0 0 6 LW * ?",
        "0 0 6 L-3 * ?",
        "0 0 6 15W * ?",
        "0 0 6 ? * 6L",
        "0 0 6 ? * FRI#2",
        "0 0 6 ? * 2#1",
        "0 0 6 29 2 ? 2028",
        "0 0 8,12,18 ? JAN,JUL SAT,SUN",
    ],
)
def test_right_expressions(cron: str) -> None:
    """What Quartz accepts is accepted."""
    assert validate(cron, "Europe/Berlin") == ()


@pytest.mark.parametrize(
    ("cron", "says"),
    [
        ("0 6 * * *", "lacks the seconds"),
        ("0 0 6 * * *", "exactly one"),
        ("0 0 6 ? * ?", "exactly one"),
        ("0 0 24 * * ?", "`24`"),
        ("0 60 6 * * ?", "`60`"),
        ("0 0 6 32 * ?", "`32`"),
        ("0 0 6 ? * 8", "`8`"),
        ("0 0 6 ? * MO", "`MO`"),
        ("0 0/0 6 * * ?", "step"),
        ("0 0/99 6 * * ?", "step"),
        ("? 0 6 * * ?", "only stand for a day"),
        ("0 0 6 31 2,4 ?", "never run"),
        ("", "has 0"),
        ("0 0 6 ? * FRI#6", "FRI#6"),
        ("0 0 ٣ * * ?", "not a value"),
    ],
)
def test_wrong_expressions(cron: str, says: str) -> None:
    """What Quartz refuses is refused, and the problem names what is wrong."""
    assert any(says in problem for problem in validate(cron))


def test_wrong_zone() -> None:
    """A zone that is no IANA name is a problem, also one that leads out of the zone directory."""
    for zone in ("Pacific", "Mars/Phobos", "../../etc/passwd", ""):
        assert any("IANA" in problem for problem in validate("0 0 6 * * ?", zone))


@pytest.mark.parametrize(
    ("cron", "zone", "expected"),
    [
        ("0 0 6 * * ?", "UTC", "2025-06-02T06:00"),
        ("0 30 6 ? * MON-FRI", "America/Los_Angeles", "2025-06-02T13:30"),
        ("0 0 6 ? * 1", "UTC", "2025-06-08T06:00"),  # 1 is Sunday
        ("0 0 6 ? * 7", "UTC", "2025-06-07T06:00"),
        ("0 0 6 ? * 6L", "UTC", "2025-06-27T06:00"),  # the last Friday
        ("0 0 6 ? * 2#1", "UTC", "2025-06-02T06:00"),  # the first Monday
        ("0 0 6 ? * SAT-MON", "UTC", "2025-06-02T06:00"),
        ("0 0 6 ? * 3/2", "UTC", "2025-06-03T06:00"),  # Tuesday, Thursday, Saturday
        ("0 0 6 L * ?", "UTC", "2025-06-30T06:00"),
        ("0 0/15 * * * ?", "UTC", "2025-06-02T00:15"),
        ("0 0 6 1 1/3 ?", "UTC", "2025-07-01T06:00"),
    ],
)
def test_next_run(cron: str, zone: str, expected: str) -> None:
    """The next run falls on the day a calendar shows."""
    found = next_run(cron, zone, START)
    assert found is not None and found.isoformat()[:16] == expected


@pytest.mark.parametrize("cron", ["0 0 6 LW * ?", "0 0 6 L-3 * ?", "0 0 6 15W * ?", "0 0 6 1 1 ? 2030", "nonsense"])
def test_next_run_unknown(cron: str) -> None:
    """Where it cannot be computed the next run is unknown, not wrong."""
    assert next_run(cron, "UTC", START) is None


def test_next_run_keeps_local_time_over_a_change_of_clocks() -> None:
    """6 in New York is 11 UTC in winter and 10 UTC in summer."""
    before = datetime(2025, 3, 8, 12, tzinfo=timezone.utc)
    found = next_run("0 0 6 * * ?", "America/New_York", before)
    assert found == datetime(2025, 3, 9, 10, tzinfo=timezone.utc)


def test_describe() -> None:
    """Words name the right day: 1 is Sunday."""
    assert describe("0 30 6 ? * MON-FRI", "UTC") == "At 06:30, Monday through Friday (UTC)"
    assert "Sunday" in describe("0 0 6 ? * 1", "UTC")
    assert describe("rubbish", "UTC") == "rubbish (UTC)"


@pytest.mark.parametrize(
    ("cron", "hours"),
    [
        ("0 0 6 * * ?", 24.0),
        ("0 0 6 ? * MON-FRI", 72.0),
        ("0 0 * * * ?", 1.0),
        ("0 0 6 ? * MON", 168.0),
        ("0 0 6 1 * ?", 744.0),
        ("0 0 6 LW * ?", None),
    ],
)
def test_interval_hours(cron: str, hours: float | None) -> None:
    """The longest gap between two runs."""
    assert interval_hours(cron) == hours
