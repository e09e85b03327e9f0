"""Days of the week, the busiest period, and the difference of two values."""

from __future__ import annotations

import pytest

from tests.support.questions import asked, check

_DAY = "CAST(strftime('%w', booked_at) AS INT)"
_BUSY = "FROM booking WHERE booked_at {} GROUP BY 1 ORDER BY {} DESC LIMIT 1"


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("How many bookings were made on a Monday?", f"{_DAY} = 1"),
        ("How many bookings were made on Saturdays or Sundays?", f"{_DAY} IN (0, 6)"),
        ("How many bookings were made at the weekend?", f"{_DAY} IN (0, 6)"),
        ("How many bookings were made on weekdays?", f"{_DAY} IN (1, 2, 3, 4, 5)"),
    ],
)
def test_days_of_any_week(text: str, condition: str) -> None:
    """A day of the week is a condition on the date of the rows."""
    check("ferry", text, f"SELECT count(*) FROM booking WHERE {condition}")


@pytest.mark.parametrize(
    "text",
    [
        "Compare the average fare of bookings made on weekdays and on weekends.",
        "How many bookings were made on Monday, 6 January 2025?",
    ],
)
def test_days_that_are_no_condition_are_asked(text: str) -> None:
    """All days together leave nothing out; a day with its date is that one day."""
    assert asked("ferry", text)


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        (
            "In which month of 2024 were the most bookings made?",
            f"SELECT date(booked_at, 'start of month') {_BUSY.format('LIKE ' + repr('2024%'), 'count(*)')}",
        ),
        (
            "Which month of 2024 had the highest total fare of bookings?",
            f"SELECT date(booked_at, 'start of month') {_BUSY.format('LIKE ' + repr('2024%'), 'sum(fare)')}",
        ),
        (
            "At which hour of the day are the most bookings made?",
            f"SELECT CAST(strftime('%H', booked_at) AS INT) {_BUSY.format('IS NOT NULL', 'count(*)')}",
        ),
    ],
)
def test_the_period_with_most_is_one_row(text: str, gold: str) -> None:
    """Rows without a date are of no period, however many they are."""
    check("ferry", text, gold)


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        (
            "What is the difference between the highest and the lowest salary?",
            "SELECT max(salary) - min(salary) FROM employee",
        ),
        (
            "For each job title, the difference between the lowest salary and the highest salary.",
            "SELECT job_title, max(salary) - min(salary) FROM employee GROUP BY 1",
        ),
        (
            "What is the average salary of the employees, rounded to the nearest integer?",
            "SELECT round(avg(salary)) FROM employee",
        ),
    ],
)
def test_a_spread_is_the_largest_less_the_smallest(text: str, gold: str) -> None:
    """In whatever order the two are said."""
    check("shop", text, gold)


@pytest.mark.parametrize(
    "text",
    [
        "What is the difference between the highest salary and the lowest age?",
        "How many stores are in Paris and London respectively?",
    ],
)
def test_two_things_are_not_made_one(text: str) -> None:
    """Two columns have no spread; `respectively` asks for a number each."""
    assert asked("shop", text)
