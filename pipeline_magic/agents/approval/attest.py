"""Whether the rows of an approval are what the audit says of them. Pure.

A row of the store can be written over by whoever may write to its database: a plan together with its digest, a
decision that nobody made. The audit says at every step what was asked for and what was decided, and is chained; so
what the rows say is held against it before anything is decided or done. Not here: whether the chain itself is whole
(`audit`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from pipeline_magic.agents.approval.decisions import Evidence
from pipeline_magic.agents.approval.digest import plan_digest
from pipeline_magic.digests import chain_hash, digest_of
from pipeline_magic.ports import Store
from pipeline_magic.runs import STAGES, Approval, AuditEntry, Plan

__all__ = ["attested_stages", "doubted_stages", "stage_digests", "unsound"]

_ASKED = ("approval.request", "approval.keep")
_DECIDED = ("approval.approve", "approval.approve_by_policy", "approval.reject")
_ENDS = {"approval.reject": "rejected", "approval.void": "void", "approval.expire": "expired"}


def stage_digests(store: Store, run_id: str) -> dict[str, JsonValue]:
    """SHA-256 of what the store holds of each stage of a run, by stage."""
    made: dict[str, JsonValue] = {}
    for stage in STAGES[:-1]:
        stored = store.stage(run_id, stage)
        if stored is not None:
            made[stage] = hashlib.sha256("\n".join(stored).encode("utf-8", "surrogatepass")).hexdigest()
    return made


def attested_stages(entries: Sequence[AuditEntry], approval_id: str) -> dict[str, JsonValue] | None:
    """What the audit says of the stages when the approval was asked for, or kept, last; None where it says nothing."""
    said = [entry for entry in _of(entries, approval_id) if entry.event in _ASKED]
    found = said[-1].detail.get("stages") if said else None
    return found if isinstance(found, dict) else None


def doubted_stages(store: Store, run_id: str, approval_id: str) -> frozenset[str]:
    """Stages whose stored result is not the one that the approval was asked for with."""
    attested = attested_stages(store.audit(run_id), approval_id) or {}
    found = stage_digests(store, run_id)
    return frozenset(stage for stage, digest in attested.items() if found.get(stage) != digest)


def unsound(
    approval: Approval,
    plan: Plan,
    evidence: Evidence,
    entries: Sequence[AuditEntry],
    stages: Mapping[str, JsonValue] | None = None,
) -> list[str]:
    """In what the rows of an approval are not what the audit says, a clause each; empty when they are.

    Args:
        approval: Its row.
        plan: The row of its plan.
        evidence: The row of what was shown beside it.
        entries: The audit of its run, oldest first.
        stages: `stage_digests` of its run; None: not looked at.
    """
    mine = _of(entries, approval.id)
    edited = [entry for entry in mine if chain_hash(entry.previous, entry.model_dump()) != entry.hash]
    if edited:
        return [f"entry {entry.seq} of the audit was edited (`{entry.event}`)" for entry in edited]
    asked = next((entry for entry in mine if entry.event == "approval.request"), None)
    if asked is None:
        return ["the audit does not know that it was asked for"]
    said = []
    if plan_digest(plan) != asked.digest:
        said.append("the stored plan is not the one this approval was asked for")
    if approval.digest != asked.digest:
        said.append("its digest is not the one this approval was asked for")
    if digest_of(evidence) != asked.detail.get("evidence"):
        said.append("what was shown beside the plan was changed in the store")
    if approval.expires != asked.detail.get("expires"):
        said.append("the time it expires at was changed in the store")
    if approval.needed != asked.detail.get("needed", approval.needed):
        said.append("the number of people needed was changed in the store")
    said += _decisions(approval, [entry for entry in mine if entry.event in _DECIDED])
    if approval.state != _state(mine):
        said.append(f"it is `{approval.state}` in the store, and `{_state(mine)}` by the audit")
    if stages is not None:
        attested = attested_stages(entries, approval.id) or {}
        said += (
            f"the stored result of the stage `{stage}` was changed since the plan was made"
            for stage, digest in attested.items()
            if stages.get(stage) != digest
        )
    return said


def _of(entries: Sequence[AuditEntry], approval_id: str) -> list[AuditEntry]:
    return [
        entry
        for entry in entries
        if entry.event.startswith("approval.") and entry.detail.get("approval") == approval_id
    ]


def _decisions(approval: Approval, entries: Sequence[AuditEntry]) -> list[str]:
    """The decisions of the row against those of the audit, one by one."""
    if len(approval.decisions) != len(entries):
        return [f"the store holds {len(approval.decisions)} decisions, and the audit {len(entries)}"]
    said = []
    for number, (one, entry) in enumerate(zip(approval.decisions, entries, strict=True), start=1):
        verb = "reject" if entry.event == "approval.reject" else "approve"
        words = entry.detail.get("reason" if verb == "reject" else "comment")
        confirmed = list(one.confirmed) == entry.detail.get("confirmed", [])
        same = (one.verb, one.identity, one.name, one.at, one.comment) == (
            verb, entry.identity, entry.name, entry.at, words,
        )  # fmt: skip
        if not (same and confirmed and one.digest == entry.digest):
            said.append(f"decision {number} is not the one that the audit holds")
    return said


def _state(entries: Sequence[AuditEntry]) -> str:
    """The state that the entries of an approval lead to."""
    state = "pending"
    for entry in entries:
        if entry.event in _ENDS:
            state = _ENDS[entry.event]
        elif entry.event in _DECIDED:
            state = str(entry.detail.get("state"))
    return state
