"""The three state machines: of a run, of an approval, of a deployment. Every move that is not in the table is refused.

`docs/states.md` draws them from this table. Not here: who makes a move happen (`stages`, `agents.approval`,
`agents.operations`), and that two do not make it at once (the store's compare-and-set).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["APPROVAL_STATES", "DEPLOYMENT_STATES", "RUN_STATES", "TRANSITIONS", "Transition", "allowed"]

RUN_STATES = ("parsing", "awaiting_input", "generating", "planned", "failed", "cancelled", "superseded")
APPROVAL_STATES = ("pending", "partly_approved", "approved", "rejected", "void", "expired")
DEPLOYMENT_STATES = (
    "waiting",
    "deploying",
    "deployed",
    "rolling_back",
    "rolled_back",
    "failed",
    "rollback_failed",
)


class Transition(NamedTuple):
    """A move that is allowed: every other is refused.

    Attributes:
        who: ``system``, ``approver`` (as the environment's policy says) or ``anyone``. Whoever changes a run becomes
            an author of its plan, whom a policy may keep from approving it.
    """

    machine: Literal["run", "approval", "deployment"]
    source: str
    target: str
    verb: str
    who: str


TRANSITIONS: tuple[Transition, ...] = (
    Transition("run", "parsing", "awaiting_input", "parsed", "system"),
    Transition("run", "parsing", "failed", "fail", "system"),
    Transition("run", "parsing", "cancelled", "cancel", "anyone"),
    Transition("run", "awaiting_input", "parsing", "answer", "anyone"),
    Transition("run", "awaiting_input", "generating", "generate", "anyone"),
    Transition("run", "awaiting_input", "cancelled", "cancel", "anyone"),
    Transition("run", "awaiting_input", "superseded", "supersede", "system"),
    Transition("run", "generating", "planned", "planned", "system"),
    Transition("run", "generating", "awaiting_input", "ask", "system"),
    Transition("run", "generating", "failed", "fail", "system"),
    Transition("run", "generating", "cancelled", "cancel", "anyone"),
    Transition("run", "planned", "generating", "edit", "anyone"),
    Transition("run", "planned", "parsing", "answer", "anyone"),
    Transition("run", "planned", "superseded", "supersede", "system"),
    Transition("run", "planned", "cancelled", "cancel", "anyone"),
    Transition("run", "failed", "parsing", "resume", "anyone"),
    Transition("run", "failed", "generating", "resume", "anyone"),
    Transition("run", "cancelled", "parsing", "resume", "anyone"),
    Transition("run", "cancelled", "generating", "resume", "anyone"),
    Transition("approval", "pending", "partly_approved", "approve", "approver"),
    Transition("approval", "pending", "approved", "approve", "approver"),
    Transition("approval", "pending", "rejected", "reject", "approver"),
    Transition("approval", "pending", "void", "void", "system"),
    Transition("approval", "pending", "expired", "expire", "system"),
    Transition("approval", "partly_approved", "partly_approved", "approve", "approver"),
    Transition("approval", "partly_approved", "approved", "approve", "approver"),
    Transition("approval", "partly_approved", "rejected", "reject", "approver"),
    Transition("approval", "partly_approved", "void", "void", "system"),
    Transition("approval", "partly_approved", "expired", "expire", "system"),
    Transition("approval", "approved", "void", "void", "system"),
    Transition("deployment", "waiting", "deploying", "deploy", "system"),
    Transition("deployment", "waiting", "failed", "fail", "system"),
    Transition("deployment", "deploying", "deployed", "deployed", "system"),
    Transition("deployment", "deploying", "failed", "fail", "system"),
    Transition("deployment", "failed", "deploying", "resume", "anyone"),
    Transition("deployment", "deployed", "waiting", "redeploy", "system"),
    Transition("deployment", "failed", "waiting", "redeploy", "system"),
    Transition("deployment", "deploying", "waiting", "redeploy", "system"),
    Transition("deployment", "rolled_back", "waiting", "redeploy", "system"),
    Transition("deployment", "deployed", "rolling_back", "rollback", "approver"),
    Transition("deployment", "failed", "rolling_back", "rollback", "approver"),
    Transition("deployment", "rolling_back", "rolled_back", "rolled_back", "system"),
    Transition("deployment", "rolling_back", "rollback_failed", "fail", "system"),
    Transition("deployment", "rollback_failed", "rolling_back", "resume", "approver"),
)


def allowed(machine: str, source: str, target: str) -> bool:
    """Whether the table has a move from `source` to `target`."""
    return any((t.machine, t.source, t.target) == (machine, source, target) for t in TRANSITIONS)
