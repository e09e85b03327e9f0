"""Rounding, wherever it is said; and averages of single rows, which need no group of their own."""

from __future__ import annotations

import pytest

from tests.agents.specification.test_constructs_rows import check


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "iot",
            "Average cost per technician. Round the averages to one decimal place.",
            "SELECT technician, round(avg(cost), 1) FROM maintenance_jobs GROUP BY 1",
        ),
        (
            "finance",
            "Number of loans and the average principal for each loan status, rounded to 2 decimals.",
            "SELECT loan_status, count(*), round(avg(principal), 2) FROM loans GROUP BY 1",
        ),
        (
            "logistics",
            "By carrier_id: average weight_kg and average freight_cost, both rounded to 1 decimal.",
            "SELECT carrier_id, round(avg(weight_kg), 1), round(avg(freight_cost), 1) FROM shipments GROUP BY 1",
        ),
        (
            "media",
            "Average stars per title_id with 2 decimals.",
            "SELECT title_id, round(avg(stars), 2) FROM ratings GROUP BY 1",
        ),
    ],
)
def test_rounding_apart_from_the_value(source: str, text: str, gold: str) -> None:
    """The values of the sentence that can have decimals are rounded."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "iot",
            "Per technician the total cost, number of jobs and average cost per job.",
            "SELECT technician, sum(cost), count(*), avg(cost) FROM maintenance_jobs GROUP BY 1",
        ),
        (
            "media",
            "Average minutes watched per play by device.",
            "SELECT device, avg(minutes_watched) FROM plays GROUP BY 1",
        ),
        (
            "logistics",
            "For each mode of the carrier, the average freight cost per shipment.",
            "SELECT mode, avg(freight_cost) FROM shipments JOIN carriers USING (carrier_id) GROUP BY 1",
        ),
        ("tpch", "Average total price per order.", "SELECT avg(o_totalprice) FROM orders"),
        (
            "iot",
            "For each technician the total cost, the number of jobs and the cost per job.",
            "SELECT technician, sum(cost), count(*), avg(cost) FROM maintenance_jobs GROUP BY 1",
        ),
        (
            "logistics",
            "Per state: number of shipments and freight cost per shipment.",
            "SELECT state, count(*), avg(freight_cost) FROM shipments GROUP BY 1",
        ),
    ],
)
def test_an_average_per_row_is_the_average(source: str, text: str, gold: str) -> None:
    """``per job`` behind an average over jobs is no group."""
    check(source, text, gold)
