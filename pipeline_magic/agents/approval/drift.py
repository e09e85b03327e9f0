"""Numbers that a person saw when deciding, and how far they may move before it is asked again. Pure.

Counts and costs are no part of the digest: data moves every day, and a plan stays what it is. They are evidence. Within
the policy's tolerance an approval stands; beyond it the person would decide on something else, and is asked again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline_magic.runs import Finding, QualityReport
from pipeline_magic.spec.schema import TableSchema

__all__ = ["appeared", "moved", "shown_counts", "source_counts"]


def shown_counts(report: QualityReport, tables: Mapping[str, TableSchema]) -> dict[str, float]:
    """Every number of the report and of the sources' statistics that a decision may rest on, by what it counts."""
    made = source_counts({table.table: table.rows for table in tables.values() if table.rows is not None})
    for check in report.checks:
        if check.failing is not None:
            made[f"failing rows of the check `{check.expectation}`"] = check.failing
    for step in report.reconciliation.steps:
        made[f"rows out of `{step.step}`"] = step.rows_out
        for side, rows in (("left", step.unmatched_left), ("right", step.unmatched_right)):
            if rows is not None:
                made[f"{side} rows without a partner in `{step.step}`"] = rows
    return made


def source_counts(rows: Mapping[str, int]) -> dict[str, float]:
    """Rows of tables, named as `shown_counts` names them."""
    return {f"rows of `{table}`": count for table, count in rows.items()}


def moved(
    shown: Mapping[str, float],
    now: Mapping[str, float],
    tolerance: float,
    *,
    costs: tuple[float | None, float | None] = (None, None),
) -> tuple[str, ...]:
    """What moved beyond the tolerance, one sentence each; what was not shown, or is not known now, is let be.

    Args:
        shown: What was shown.
        now: What there is now.
        tolerance: Share of the shown number: 0.1 lets 1,000 become 1,100. Nothing may only become nothing.
        costs: The forecast as shown, and now.

    >>> moved({"rows of `a`": 1000.0}, {"rows of `a`": 1100.0}, 0.1)
    ()
    >>> moved({"rows of `a`": 1000.0}, {"rows of `a`": 1101.0}, 0.1)
    ('There are 1,101 rows of `a`; 1,000 were shown.',)
    """
    said = [
        f"There are {now[what]:,.0f} {what}; {before:,.0f} were shown."
        for what, before in sorted(shown.items())
        if what in now and abs(now[what] - before) > tolerance * abs(before)
    ]
    before_cost, cost = costs
    if cost is not None and before_cost is None:
        said.append(f"There is a forecast now, of {cost:g} a month; none was shown.")
    elif before_cost is not None and cost is None:
        said.append(f"There is no forecast any more; {before_cost:g} a month was shown.")
    elif before_cost is not None and cost is not None and not abs(cost - before_cost) <= tolerance * abs(before_cost):
        said.append(f"The forecast is {cost:g} a month; {before_cost:g} was shown.")
    return tuple(said)


def appeared(shown: Sequence[Finding], now: Sequence[Finding]) -> tuple[str, ...]:
    """Red and amber findings that were not shown, or not as severe, one sentence each."""
    rank = {"info": 0, "amber": 1, "red": 2}
    before = {finding.id: rank[finding.severity] for finding in shown}
    return tuple(
        f"The {one.severity} finding `{one.id}` was not shown: {one.message.rstrip('.')}."
        for one in now
        if rank[one.severity] > max(before.get(one.id, 0), 0)
    )
