"""Rows that are equal in everything become one, and no key is asked for; without a word for it, a key is needed."""

from __future__ import annotations

import pytest

from tests.agents.specification.test_constructs_rows import check, read


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        ("iot", "Remove exact duplicate rows from readings.", "SELECT DISTINCT * FROM readings"),
        (
            "iot",
            "1. Take the readings with quality good.\n2. Drop all duplicate records.\n3. Count them per metric.",
            "SELECT metric, count(*) FROM (SELECT DISTINCT * FROM readings WHERE quality = 'good') GROUP BY 1",
        ),
        (
            "iot",
            "Read readings. Fully identical rows must be removed. Average value per device_id and metric.",
            "SELECT device_id, metric, avg(value) FROM (SELECT DISTINCT * FROM readings) GROUP BY 1, 2",
        ),
        (
            "logistics",
            "Eliminate identical rows from scan_events, then count the scan_events per event_type.",
            "SELECT event_type, count(*) FROM (SELECT DISTINCT * FROM scan_events) GROUP BY 1",
        ),
        (
            "media",
            "Keep each row only once in ratings, and show the average stars per title_id.",
            "SELECT title_id, avg(stars) FROM (SELECT DISTINCT * FROM ratings) GROUP BY 1",
        ),
    ],
)
def test_equal_rows_become_one(source: str, text: str, gold: str) -> None:
    """Every column is the key, before anything is counted."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("iot", "Deduplicate the alerts."),
        ("finance", "Remove duplicates from transactions."),
        ("retail", "Drop duplicate customers and count them per country."),
    ],
)
def test_duplicates_of_a_thing_need_a_key(source: str, text: str) -> None:
    """Duplicates of a thing are not rows that are equal: what makes two the same is asked."""
    assert read(source, text).get("asked")
