"""Approval Orchestrator: stage 6, from a plan to a decision that binds.

    digest.py        what an approval binds to, and in what two plans differ
    policy.py        who may approve in an environment; read from the base branch alone
    decisions.py     what one more decision makes of an approval: pure
    drift.py         numbers that were shown, and how far they may move
    attest.py        whether the store's rows are what the audit says of them
    records.py       the same over every run, for `audit verify`
    audit.py         verifying, and showing, the chain of what was decided and done
    ledger.py        what left for a language model and what came back, in the store and the audit
    orchestrator.py  asks, decides, voids, expires: each together with its audit entry

Here: decisions. The effects that follow them (pull request, merge, deployment) belong to other agents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_magic.agents.approval.orchestrator import ApprovalOrchestrator as ApprovalOrchestrator

__all__ = ["ApprovalOrchestrator"]


def __getattr__(name: str) -> object:
    if name == "ApprovalOrchestrator":
        from pipeline_magic.agents.approval.orchestrator import ApprovalOrchestrator

        return ApprovalOrchestrator
    raise AttributeError(name)
