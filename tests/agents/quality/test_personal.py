"""What of the preview speaks of a person is not kept; what speaks of things is."""

from __future__ import annotations

from pipeline_magic.agents.quality.personal import PERSONAL, masked


def test_columns_that_are_called_so() -> None:
    """Addresses, numbers and names of people are masked whatever their type; names of things are not."""
    people = ("email", "c_phone", "customer_name", "c_name", "birth_date", "shipping_address", "ip", "lastName")
    things = ("city_name", "product_name", "status", "order_count", "shipping_mode", "file_name", "zone")
    assert masked(people, [1] * len(people)) == (PERSONAL,) * len(people)
    assert masked(things, [1] * len(things)) == (1,) * len(things)


def test_values_that_look_so() -> None:
    """An e-mail or a telephone number is masked wherever it stands; dates, keys, sums and NULL stay."""
    values = ["ask zoe@example.org", "+49 170 5550199", {"by": "zoe@example.org"}, "2026-11-22", "0815", None, 12.5]
    names = [f"c{n}" for n in range(len(values))]
    assert masked(names, values) == (PERSONAL, PERSONAL, PERSONAL, "2026-11-22", "0815", None, 12.5)
