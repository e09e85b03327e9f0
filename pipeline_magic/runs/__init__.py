"""A run: everything between a statement and a deployed pipeline, as frozen models.

    statement -> Parsed -> Validated -> Generated -> QualityReport -> Change -> Approval -> Deployment

Here: what stages hand to each other, and what the store keeps. Not here: which state may follow which (`states`),
and how any of it is made; that is the agents' work. Times are ISO 8601 in UTC. Ids and times are passed in, never made
here.
"""

from __future__ import annotations

from pipeline_magic.runs.change import Change, PlanReport, PullRequest
from pipeline_magic.runs.deployment import ROLLBACK_PARTS, Deployment, RollbackPart, RollbackPlan, RollbackStep
from pipeline_magic.runs.files import File, FileDiff, Generated, HandEdit
from pipeline_magic.runs.plan import Approval, Decision, Plan, Prepared, Waiver
from pipeline_magic.runs.quality import CheckResult, NotebookRun, QualityReport, Reconciliation, SampleRun, StepRows
from pipeline_magic.runs.reading import Answer, Finding, Option, Parsed, Question, Validated
from pipeline_magic.runs.record import AuditDraft, AuditEntry, Effect, Exchange, Run
from pipeline_magic.runs.snapshot import Snapshot
from pipeline_magic.runs.stages import STAGE_TITLES, STAGES, Stage, StageEvent, StageState

__all__ = [
    "STAGES",
    "STAGE_TITLES",
    "Answer",
    "Approval",
    "AuditDraft",
    "AuditEntry",
    "Change",
    "CheckResult",
    "Decision",
    "Deployment",
    "Effect",
    "Exchange",
    "File",
    "FileDiff",
    "Finding",
    "Generated",
    "HandEdit",
    "NotebookRun",
    "Option",
    "Parsed",
    "Plan",
    "PlanReport",
    "Prepared",
    "PullRequest",
    "QualityReport",
    "Question",
    "ROLLBACK_PARTS",
    "Reconciliation",
    "RollbackPart",
    "RollbackPlan",
    "RollbackStep",
    "Run",
    "SampleRun",
    "Snapshot",
    "Stage",
    "StageEvent",
    "StageState",
    "StepRows",
    "Validated",
    "Waiver",
]
