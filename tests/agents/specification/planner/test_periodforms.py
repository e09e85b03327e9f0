"""How months and weekdays are shown, and what ``each day`` means in a question."""

from __future__ import annotations

import pytest

from tests.support.questions import asked, check, read

_MONTHS = "SELECT {}, count(*) FROM booking WHERE booked_at LIKE '2024%' GROUP BY 1"


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        (
            "How many bookings were made in each calendar month of 2024? Give the month as a number from 1 to 12 and "
            "the number of bookings.",
            _MONTHS.format("CAST(strftime('%m', booked_at) AS INT)"),
        ),
        ("Number of bookings per month in 2024, with the month as YYYY-MM.", _MONTHS.format("substr(booked_at, 1, 7)")),
        (
            "For each month of 2024 (as YYYY-MM), show the number of bookings and the change from the month before.",
            "SELECT month, n, n - lag(n) OVER (ORDER BY month) FROM (SELECT substr(booked_at, 1, 7) AS month, count(*) "
            "AS n FROM booking WHERE booked_at LIKE '2024%' GROUP BY 1)",
        ),
        (
            "Total fare by year and month.",
            "SELECT CAST(strftime('%Y', booked_at) AS INT), CAST(strftime('%m', booked_at) AS INT), sum(fare) "
            "FROM booking GROUP BY 1, 2",
        ),
        (
            "How many bookings were made on each day of the week? Give the name of the weekday.",
            "SELECT CASE strftime('%w', booked_at) WHEN '0' THEN 'Sunday' WHEN '1' THEN 'Monday' WHEN '2' THEN "
            "'Tuesday' WHEN '3' THEN 'Wednesday' WHEN '4' THEN 'Thursday' WHEN '5' THEN 'Friday' WHEN '6' THEN "
            "'Saturday' END, count(*) FROM booking GROUP BY 1",
        ),
    ],
)
def test_a_month_is_shown_as_it_is_wished(text: str, gold: str) -> None:
    """The groups stay the same; only how they are written changes."""
    check("ferry", text, gold)


@pytest.mark.parametrize(
    "text",
    [
        "How many bookings per month? Give the month as a number.",
        "Number of bookings per month in 2023 and 2024, with the month as a name.",
        "How many bookings per weekday? Give the weekday as a number.",
        "For each month of 2024, give the month as a name, the number of bookings and the change from the last month.",
    ],
)
def test_a_form_that_would_change_the_rows_is_asked(text: str) -> None:
    """Months of two years would become one; names have no order; where weeks begin is not said."""
    assert asked("ferry", text)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("How many bookings were made each day?", "date(booked_at)"),
        ("Number of bookings every month", "date(booked_at, 'start of month')"),
        ("How many bookings are made daily?", "date(booked_at)"),
    ],
)
def test_each_day_of_a_question_is_a_group(text: str, day: str) -> None:
    """A question does not say when a pipeline runs."""
    check("ferry", text, f"SELECT {day}, count(*) FROM booking GROUP BY 1")


def test_each_day_of_a_pipeline_is_a_schedule() -> None:
    """Where something is loaded or written, the words say when."""
    made = read("ferry", "Load the bookings each day and write them to a.b.c.")
    assert "GROUP BY" not in made["query"]
