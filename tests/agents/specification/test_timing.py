"""Schedules in words: the Quartz expression and zone, and what cron cannot say."""

from __future__ import annotations

import pytest

from pipeline_magic.agents.specification.planner.timing import read_timing
from pipeline_magic.spec.schedule import validate


@pytest.mark.parametrize(
    ("text", "cron", "zone"),
    [
        ("every weekday at 6:30 Pacific", "0 30 6 ? * MON-FRI", "America/Los_Angeles"),
        ("every morning at 6 New York time", "0 0 6 * * ?", "America/New_York"),
        ("run it hourly", "0 0 * * * ?", None),
        ("daily at midnight UTC", "0 0 0 * * ?", "UTC"),
        ("every day at 5:45 pm in Tokyo", "0 45 17 * * ?", "Asia/Tokyo"),
        ("at 7am every Monday", "0 0 7 ? * MON", None),
        ("on Mondays and Thursdays at noon London time", "0 0 12 ? * MON,THU", "Europe/London"),
        ("every 15 minutes", "0 0/15 * * * ?", None),
        ("every 6 hours", "0 0 0/6 * * ?", None),
        ("on the first of the month", "0 0 6 1 * ?", None),
        ("on the last day of each month at 23:00", "0 0 23 L * ?", None),
        ("the last Friday of every month at 4pm", "0 0 16 ? * FRIL", None),
        ("on the first Monday of the month", "0 0 6 ? * MON#1", None),
        ("on the last business day of the month", "0 0 6 LW * ?", None),
        ("every Sunday at 3 am Europe/Berlin", "0 0 3 ? * SUN", "Europe/Berlin"),
        ("quarterly", "0 0 6 1 1/3 ?", None),
        ("nightly at 2:30", "0 30 2 * * ?", None),
        ("every weekend at 10", "0 0 10 ? * SAT,SUN", None),
        ("twice a day", "0 0 6,18 * * ?", None),
        ("every evening at 8", "0 0 20 * * ?", None),
    ],
)
def test_schedules(text: str, cron: str, zone: str | None) -> None:
    """The words become this expression, which Quartz accepts."""
    (found,) = read_timing(f"Read orders. {text[:1].upper() + text[1:]}.")
    assert (found.cron, found.timezone) == (cron, zone)
    assert validate(cron) == ()
    assert ("timezone" in found.assumed) == (zone is None)


@pytest.mark.parametrize(
    "text", ["every 45 minutes", "every 7 hours", "every other week", "every 10 seconds", "every 3 days"]
)
def test_what_cron_cannot_say(text: str) -> None:
    """It is a question whose options are schedules that cron can say."""
    (found,) = read_timing(text)
    question = found.question()
    assert found.cron is None and question is not None and question.must_answer
    assert question.options
    for _, _, cron in found.options:
        assert validate(cron) == ()


@pytest.mark.parametrize(
    "text",
    [
        "revenue per month",
        "orders by week",
        "payments made on weekends",
        "for each day",
        "daily total amount",
        "in the last week",
    ],
)
def test_groupings_are_no_schedules(text: str) -> None:
    """Words about the data are left alone."""
    assert read_timing(text) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("don't schedule it yet", "manual"),
        ("run it manually", "manual"),
        ("whenever the source table is updated", "table_update"),
        ("run continuously", "continuous"),
    ],
)
def test_other_triggers(text: str, kind: str) -> None:
    """Triggers without a clock."""
    (found,) = read_timing(text)
    assert found.kind == kind
