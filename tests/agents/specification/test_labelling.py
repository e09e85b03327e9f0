"""New columns whose values rules give, in every order in which English says them; half a rule is never read."""

from __future__ import annotations

import pytest

from tests.agents.specification.test_constructs_rows import check, read


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "iot",
            "Show device_id, serial_no and a column state that is 'broken' if the status is faulty, 'gone' if the "
            "status is retired, and 'ok' otherwise.",
            "SELECT device_id, serial_no, CASE status WHEN 'faulty' THEN 'broken' WHEN 'retired' THEN 'gone' ELSE 'ok' "
            "END FROM devices",
        ),
        (
            "iot",
            "Label the alerts. If severity is critical the label is 'urgent', otherwise it is 'normal'. "
            "Output alert_id and label.",
            "SELECT alert_id, CASE severity WHEN 'critical' THEN 'urgent' ELSE 'normal' END FROM alerts",
        ),
        (
            "finance",
            "Return client_id and risk, where risk is 'high' if the client has kyc status rejected and 'low' "
            "otherwise.",
            "SELECT client_id, CASE kyc_status WHEN 'rejected' THEN 'high' ELSE 'low' END FROM clients",
        ),
        (
            "finance",
            "Add a column size to the loans: 'small' when the principal is below 20000, 'large' when it is at least "
            "60000, otherwise 'medium'. Show loan_id and size.",
            "SELECT loan_id, CASE WHEN principal < 20000 THEN 'small' WHEN principal >= 60000 THEN 'large' "
            "ELSE 'medium' END FROM loans",
        ),
        (
            "tpch",
            "Classify the orders as 'big' when the total price is at least 200000, 'mid' when it is at least 100000 "
            "and 'small' otherwise. Then count the orders per class.",
            "SELECT CASE WHEN o_totalprice >= 200000 THEN 'big' WHEN o_totalprice >= 100000 THEN 'mid' ELSE 'small' "
            "END, count(*) FROM orders GROUP BY 1",
        ),
        (
            "iot",
            "Bucket the maintenance jobs by cost: below 300 'low', 300 to 600 'mid', above 600 'high'. Per bucket I "
            "want the number of jobs and the total cost.",
            "SELECT CASE WHEN cost < 300 THEN 'low' WHEN cost <= 600 THEN 'mid' WHEN cost > 600 THEN "
            "'high' END, count(*), sum(cost) FROM maintenance_jobs GROUP BY 1",
        ),
    ],
)
def test_rules_before_and_behind_their_labels(source: str, text: str, gold: str) -> None:
    """Each row has the label of the first rule that fits."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text", "gold"),
    [
        (
            "iot",
            "Show alert_id and a flag long_open that is true when cleared_at is empty and false otherwise.",
            "SELECT alert_id, cleared_at IS NULL FROM alerts",
        ),
        (
            "finance",
            "Loans with a column called big which is true if the principal is over 50000. Output loan_id and big.",
            "SELECT loan_id, principal > 50000 FROM loans",
        ),
        (
            "logistics",
            "Put a boolean column heavy, true where weight_kg is above 500, on shipments: shipment_id, heavy.",
            "SELECT shipment_id, coalesce(weight_kg > 500, 0) FROM shipments",
        ),
    ],
)
def test_flags_are_true_or_false(source: str, text: str, gold: str) -> None:
    """A flag is false where its condition is not known to be true."""
    check(source, text, gold)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("iot", "A column grade on devices: 'good' if the blorp is high, 'bad' otherwise."),
        ("finance", "Add a column size to the loans: 'small' when it feels small, otherwise 'large'."),
        ("tpch", "Label the orders 'big' when the total price is huge and 'small' otherwise."),
    ],
)
def test_half_a_rule_is_asked(source: str, text: str) -> None:
    """A condition that is not understood leaves the whole set of rules unread."""
    assert read(source, text).get("asked")
