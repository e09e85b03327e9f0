"""What the state of a run of the Jobs API means: whether it has ended, and how. Pure.

The API tells it twice: as `status` (state, termination details) and, older, as `state` (life cycle, result); what is
there is taken, the newer first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Ending", "ending_of"]

_OVER = frozenset({"TERMINATED", "SKIPPED", "INTERNAL_ERROR"})
_GOOD = frozenset({"SUCCESS", "SUCCESS_WITH_FAILURES"})
_OURS = frozenset({"CLIENT_ERROR"})
"""Kinds of termination that the notebook itself brings about; all others are of compute, clouds and rights."""


class Ending(NamedTuple):
    """How a run ended.

    Attributes:
        succeeded: All went well.
        timed_out: It took longer than it was given.
        cancelled: Somebody stopped it.
        internal: What failed is not known to be the notebook: its compute, the service, a right.
        message: What Databricks says of it.
    """

    succeeded: bool
    timed_out: bool = False
    cancelled: bool = False
    internal: bool = False
    message: str = ""


def ending_of(run: Mapping[str, Any]) -> Ending | None:
    """How a run ended; None as long as it has not.

    >>> ending_of({"state": {"life_cycle_state": "RUNNING"}}) is None
    True
    >>> ending_of({"status": {"state": "TERMINATED", "termination_details": {"code": "SUCCESS"}}}).succeeded
    True
    """
    status: Mapping[str, Any] = run.get("status") or {}
    state: Mapping[str, Any] = run.get("state") or {}
    if (status.get("state") or state.get("life_cycle_state")) not in _OVER:
        return None
    details: Mapping[str, Any] = status.get("termination_details") or {}
    code = str(details.get("code") or state.get("result_state") or state.get("life_cycle_state") or "")
    kind = str(details.get("type") or "")
    result = str(state.get("result_state") or "")
    message = str(state.get("state_message") or details.get("message") or "")
    if code in _GOOD or (result == "SUCCESS" and not details):
        return Ending(True)
    timed_out = "TIMEDOUT" in (code, result) or code == "TIMED_OUT"
    cancelled = code in ("USER_CANCELED", "CANCELED") or result == "CANCELED"
    if cancelled and not message:
        message = "the run was cancelled in the workspace"
    internal = (bool(kind) and kind not in _OURS | {"SUCCESS"}) or state.get("life_cycle_state") in (
        "INTERNAL_ERROR",
        "SKIPPED",
    )
    return Ending(False, timed_out, cancelled, internal and not timed_out and not cancelled, message)
