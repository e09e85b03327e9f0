"""How long something took: by its two ends, by a name that the statement explains, and compared with a length."""

from __future__ import annotations

import pytest

from tests.support.questions import asked, check


def _minutes(early: str, late: str) -> str:
    return f"((julianday({late}) - julianday({early})) * 1440)"


_DEPARTURE = _minutes("scheduled_departure", "actual_departure")
_ARRIVAL = _minutes("scheduled_arrival", "actual_arrival")
_SOLVED = _minutes("reported_at", "resolved_at")


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        (
            "What is the average departure delay in minutes of the crossings? The delay is the time from the scheduled "
            "to the actual departure.",
            f"SELECT round(avg({_DEPARTURE}), 4) FROM crossing",
        ),
        (
            "What is the average resolution time in hours for each severity? Resolution time means from reported to "
            "resolved.",
            f"SELECT severity, round(avg({_SOLVED}) / 60, 4) FROM incident GROUP BY 1",
        ),
        (
            "What was the longest delay in minutes? The delay of a crossing is actual arrival minus scheduled arrival.",
            f"SELECT round(max({_ARRIVAL}), 4) FROM crossing",
        ),
        (
            "What is the average resolution time (from reported to resolved, in hours) by severity?",
            f"SELECT severity, round(avg({_SOLVED}) / 60, 4) FROM incident GROUP BY 1",
        ),
        (
            "For each sailor id, give the average delay in minutes and the longest delay in minutes, where the delay "
            "is actual arrival minus scheduled arrival.",
            f"SELECT sailor_id, round(avg({_ARRIVAL}), 4), round(max({_ARRIVAL}), 4) FROM crossing GROUP BY 1",
        ),
    ],
)
def test_a_name_for_a_time_is_read_where_it_is_used(text: str, gold: str) -> None:
    """The unit is said where the name is used, or where it is explained."""
    check("ferry", text, gold)


@pytest.mark.parametrize(
    ("catalog", "text", "gold"),
    [
        (
            "ferry", "What is the average time in hours between the report and the resolution of an incident?",
            f"SELECT round(avg({_SOLVED}) / 60, 4) FROM incident",
        ),
        (
            "ferry", "For each severity, how many hours did it take on average from reported to resolved?",
            f"SELECT severity, round(avg({_SOLVED}) / 60, 4) FROM incident GROUP BY 1",
        ),
        (
            "ferry", "Show the crossing id and the number of minutes between scheduled arrival and actual arrival.",
            f"SELECT crossing_id, round({_ARRIVAL}) FROM crossing",
        ),
        (
            "ferry", "What is the average duration of a crossing in minutes, from actual departure to actual arrival?",
            f"SELECT round(avg({_minutes('actual_departure', 'actual_arrival')}), 4) FROM crossing",
        ),
        (
            "shop", "What is the average number of days from order to shipment of the delivered orders, per payment "
            "method?",
            "SELECT payment_method, avg(julianday(shipped_date) - julianday(order_date)) FROM orders WHERE "
            "status = 'delivered' GROUP BY 1",
        ),
    ],
)  # fmt: skip
def test_two_ends_tell_a_time(catalog: str, text: str, gold: str) -> None:
    """Nouns and verbs of one root name the column: ``the resolution``, ``resolved``."""
    check(catalog, text, gold)


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        (
            "How many incidents took longer than 24 hours from reported to resolved?",
            f"SELECT count(*) FROM incident WHERE round({_SOLVED}) > 24 * 60",
        ),
        (
            "Which crossings had a departure delay of more than 1 hour? Return the crossing id. A departure delay is "
            "the time from the scheduled departure to the actual departure.",
            f"SELECT crossing_id FROM crossing WHERE round({_DEPARTURE}) > 60",
        ),
        (
            "List the ids of the crossings that departed more than 30 minutes late.",
            f"SELECT crossing_id FROM crossing WHERE round({_DEPARTURE}) > 30",
        ),
        (
            "How many crossings arrived more than 2 hours after the scheduled arrival?",
            f"SELECT count(*) FROM crossing WHERE round({_ARRIVAL}) > 120",
        ),
    ],
)
def test_a_time_is_compared_in_its_own_unit(text: str, gold: str) -> None:
    """Hours are compared with hours, whatever unit a column or a name has."""
    check("ferry", text, gold)


@pytest.mark.parametrize(
    "text",
    [
        "What is the average delay of the crossings? The delay is the time from the scheduled to the actual departure.",
        "What is the average time between the scheduled and the actual time?",
        "How many incidents were resolved within 12 hours?",
        "Which sailors had an average delay of more than 1 hour? The delay is the time in minutes from scheduled to "
        "actual arrival.",
    ],
)
def test_a_time_without_a_unit_or_an_end_is_asked(text: str) -> None:
    """Neither a unit nor a column is guessed."""
    assert asked("ferry", text)


def test_moments_are_not_subtracted_in_days() -> None:
    """Two moments may be minutes apart: without a unit, one minus the other is asked."""
    assert asked("ferry", "Add wait as actual arrival minus scheduled arrival to the crossings.")
    assert not asked("shop", "Add wait as shipped date minus order date to the orders.")


def test_a_month_of_two_dates_is_asked() -> None:
    """``per month`` is of the date that a verb or a condition names; where nothing does, it is asked."""
    assert asked("ferry", "Number of incidents per month")
    check(
        "ferry", "Number of incidents reported in 2024 per month",
        "SELECT date(reported_at, 'start of month'), count(*) FROM incident WHERE reported_at LIKE '2024%' GROUP BY 1",
    )  # fmt: skip


def test_a_verb_with_nothing_behind_it_says_which_rows() -> None:
    """``that happened`` adds nothing to a count; ``that landed`` does, and is no word to pass over."""
    assert asked("ferry", "What is the average number of passengers of the crossings that landed?")
