"""Whether the rows of every run are what the audit says: what `audit verify` looks at beside the chain.

A row is held against entries of the chain, so that whoever writes over a row would have to write over the chain too;
and that is found by a head outside the store. Reads only. Not here: the chain (`audit`), one approval's rows
(`attest`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from pipeline_magic.agents.approval.attest import stage_digests, unsound
from pipeline_magic.agents.approval.decisions import Evidence
from pipeline_magic.digests import digest_of
from pipeline_magic.errors import PipelineMagicError
from pipeline_magic.flow.snapshots import stage_result
from pipeline_magic.ports import Store
from pipeline_magic.runs import Approval, AuditEntry, Deployment, Effect, Parsed, Run, Waiver

__all__ = ["verify_records"]


def verify_records(store: Store) -> Iterator[str]:
    """Everything in which rows are not what the audit says, a sentence each."""
    for run in store.every_run():
        entries = store.audit(run.id)
        try:
            yield from _approvals(store, run, entries)
            yield from _of_run(store, run, entries)
            yield from _effects(run, store.effects(run.id), entries)
            deployment = store.deployment(run.id)
            if deployment is not None:
                yield from _deployment(run, deployment, store.effects(run.id), entries)
        except (PipelineMagicError, ValidationError) as error:
            message = error.message if isinstance(error, PipelineMagicError) else "A row cannot be read."
            yield f"Run `{run.id}`: {message}"


def _approvals(store: Store, run: Run, entries: Sequence[AuditEntry]) -> Iterator[str]:
    cleaned = any(entry.event == "run.clean" for entry in entries)
    for approval in store.approvals(run.id):
        plan, evidence = store.plan(approval.id)
        current = approval.id == run.approval_id and run.state == "planned" and not cleaned
        stages = stage_digests(store, run.id) if current else None
        for clause in unsound(approval, plan, Evidence.model_validate(evidence), entries, stages):
            yield f"Approval `{approval.id}` of run `{run.id}`: {clause}."
    known = {approval.id for approval in store.approvals(run.id)}
    for entry in entries:
        gone = entry.detail.get("approval")
        if entry.event == "approval.request" and gone not in known and not cleaned:
            yield f"Approval `{gone}` of run `{run.id}` was asked for at entry {entry.seq}, and is not in the store."


def _of_run(store: Store, run: Run, entries: Sequence[AuditEntry]) -> Iterator[str]:
    """Answers, edits, waivers and the statement of the run's own row."""
    given = _last(entries, ("question.answer",), "answers")
    if given is not None and not run.adopted and given != _plain(run.answers):
        yield f"Run `{run.id}`: its answers are not those that were given last."
    edited = _last(entries, ("spec.edit", "hand_edit.take"), "edits")
    if edited is not None and not run.changes and edited != _plain(run.edits)[-len(edited) :]:
        yield f"Run `{run.id}`: its edits are not those that were made last."
    for waiver in run.waivers:
        if not any(_waived(entry, waiver) for entry in entries):
            yield f"Run `{run.id}`: nobody waived `{waiver.finding}` for that reason."
    parsed = stage_result(store, run.id, "parse", Parsed)
    if parsed is not None and parsed.provenance.statements[:1] not in ((), (run.statement,)):
        yield f"Run `{run.id}`: its statement is not the one that was read."
    if run.state == "planned" and run.approval_id:
        approval: Approval = store.approval(run.approval_id)
        plan, _ = store.plan(run.approval_id)
        same = (run.digest, run.answers, run.waivers) == (approval.digest, plan.answers, plan.waivers)
        if not same or approval.run_id != run.id:
            yield f"Run `{run.id}`: digest, answers or waivers are not those of its plan."


def _effects(run: Run, effects: Sequence[Effect], entries: Sequence[AuditEntry]) -> Iterator[str]:
    said: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for entry in entries:
        said.setdefault((entry.event, str(entry.detail.get("subject"))), []).append(entry.detail)
    for effect in effects:
        subject = effect.key.partition(f"/{effect.kind}/")[2]
        known = said.get((effect.kind, subject), [])
        digests = [one["result"] for one in known if "result" in one]
        if effect.status == "done" and not known:
            yield f"The effect `{effect.key}` is done in the store, and the audit knows nothing of it."
        elif effect.status == "done" and digests and digest_of(effect.result) not in digests:
            yield f"The result of the effect `{effect.key}` was changed."
        elif effect.status == "started" and effect.key.startswith(f"{run.id}/{effect.kind}/") and known:
            yield f"The effect `{effect.key}` is not done in the store, and the audit says that it is."


def _deployment(
    run: Run, deployment: Deployment, effects: Sequence[Effect], entries: Sequence[AuditEntry]
) -> Iterator[str]:
    placed = [effect.result for effect in effects if effect.kind == "job.deploy" and effect.status == "done"]
    jobs = {one["id"] for one in placed if isinstance(one, dict) and "id" in one}
    if deployment.state != "deployed":
        return
    if not any(entry.event == "job.deploy" and entry.digest == deployment.digest for entry in entries):
        yield f"Run `{run.id}` is deployed in the store, and the audit knows of no deployment of that plan."
    elif jobs and deployment.id not in jobs:
        yield f"Run `{run.id}`: its deployment names the job `{deployment.id}`, which it did not make."


def _last(entries: Sequence[AuditEntry], events: tuple[str, ...], name: str) -> list[Any] | None:
    found = [entry.detail[name] for entry in entries if entry.event in events and name in entry.detail]
    return found[-1] if found and isinstance(found[-1], list) else None


def _waived(entry: AuditEntry, waiver: Waiver) -> bool:
    said = (entry.event, entry.identity, entry.detail.get("finding"), entry.detail.get("reason"))
    return said == ("finding.waive", waiver.by, waiver.finding, waiver.reason)


def _plain(items: Sequence[Any]) -> list[Any]:
    return [item.model_dump(mode="json") for item in items]
