"""What a run worked with, in the store: how much it is, and its removal inside the caller's transaction.

Rows that others point to stay: of a plan only what was measured beside it goes, of an exchange only its texts. Not
here: which runs nobody needs any more (`agents.operations.retention`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline_magic.adapters.database_schema import approvals, exchanges, plans, stages
from pipeline_magic.ports import WorkingData
from pipeline_magic.runs import Exchange

__all__ = ["measure", "remove"]

_NOTHING = "{}"

Load: TypeAlias = Callable[[str], Exchange]
"""Reads a stored exchange; raises an error of ours."""


def measure(connection: Connection, run_id: str, load: Load, *, texts: bool) -> WorkingData:
    """How much `remove` would remove."""
    results = connection.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(sa.func.length(stages.c.result)), 0)).where(
            stages.c.run_id == run_id
        )
    ).one()
    measured = connection.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(sa.func.length(plans.c.evidence)), 0)).where(
            _plans_of(run_id)
        )
    ).one()
    held = [item for _, item in _exchanges(connection, run_id, load)] if texts else []
    return WorkingData(
        stages=results[0],
        measured=measured[0],
        exchanges=len(held),
        size=results[1] + measured[1] + sum(len(item.request) + len(item.answer) for item in held),
    )


def remove(connection: Connection, run_id: str, load: Load, *, texts: bool, at: str) -> None:
    """Remove results of stages and what was measured; with `texts` those of the exchanges too."""
    connection.execute(sa.delete(stages).where(stages.c.run_id == run_id))
    connection.execute(sa.update(plans).where(_plans_of(run_id)).values(evidence=_NOTHING))
    for seq, item in _exchanges(connection, run_id, load) if texts else []:
        bare = item.model_copy(update={"request": "", "answer": "", "removed": at})
        connection.execute(sa.update(exchanges).where(exchanges.c.seq == seq).values(body=bare.model_dump_json()))


def _plans_of(run_id: str) -> sa.ColumnElement[bool]:
    of_run = sa.select(approvals.c.id).where(approvals.c.run_id == run_id)
    return plans.c.approval_id.in_(of_run) & (plans.c.evidence != _NOTHING)


def _exchanges(connection: Connection, run_id: str, load: Load) -> list[tuple[int, Exchange]]:
    """Those whose texts are there."""
    query = sa.select(exchanges.c.seq, exchanges.c.body).where(exchanges.c.run_id == run_id)
    found = [(row.seq, load(row.body)) for row in connection.execute(query)]
    return [(seq, item) for seq, item in found if item.request or item.answer]
