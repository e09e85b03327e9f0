"""Everything there is to see of a run at one moment."""

from __future__ import annotations

from pydantic import Field, JsonValue

from pipeline_magic.runs.change import Change, PullRequest
from pipeline_magic.runs.deployment import Deployment
from pipeline_magic.runs.files import Generated
from pipeline_magic.runs.plan import Approval
from pipeline_magic.runs.quality import QualityReport
from pipeline_magic.runs.reading import Parsed, Question, Validated
from pipeline_magic.runs.record import AuditEntry, Run
from pipeline_magic.runs.stages import StageEvent
from pipeline_magic.spec.schema import Model

__all__ = ["Snapshot"]


class Snapshot(Model):
    """A run as it stands: what the panel draws, what the command line prints, what `%pipeline review` rebuilds.

    Attributes:
        stages: Latest event of each stage, in their order.
        ports: What every port is ("engine": "Sail 0.7 at 127.0.0.1"), for the header.
        leaves_machine: What goes elsewhere, as sentences; empty when all is local.
        policy: What the environment asks for (the fields of `agents.approval.policy.Policy`); empty: default.
        blocked: What keeps the plan from being approved whoever asks, beside findings and questions: the budget.
        changed_by_hand: What somebody changed in the deployed job since it was deployed; approving overwrites it.
        unchanged: The last build found nothing changed and recomputed nothing.
        error: Why the run failed, for a person; empty otherwise.
    """

    run: Run
    stages: tuple[StageEvent, ...] = ()
    parsed: Parsed | None = None
    validated: Validated | None = None
    generated: Generated | None = None
    quality: QualityReport | None = None
    change: Change | None = None
    pull_request: PullRequest | None = None
    approval: Approval | None = None
    deployment: Deployment | None = None
    audit: tuple[AuditEntry, ...] = ()
    ports: dict[str, str] = Field(default_factory=dict)
    leaves_machine: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    policy: dict[str, JsonValue] = Field(default_factory=dict)
    blocked: tuple[str, ...] = ()
    changed_by_hand: tuple[str, ...] = ()
    unchanged: bool = False
    error: str = ""

    @property
    def questions(self) -> tuple[Question, ...]:
        """Questions still open, must-answer ones first."""
        asked = self.validated.questions if self.validated else self.parsed.questions if self.parsed else ()
        answered = {answer.question for answer in self.run.answers}
        return tuple(sorted((q for q in asked if q.id not in answered), key=lambda q: not q.must_answer))

    @property
    def answered(self) -> tuple[tuple[Question, str], ...]:
        """Questions that were answered, each with its answer."""
        given = {answer.question: answer.value for answer in self.run.answers}
        known = self.validated.answered if self.validated else ()
        return tuple((question, given[question.id]) for question in known if question.id in given)

    @property
    def approval_id(self) -> str:
        """Id to approve or reject by; empty while there is no plan."""
        return self.approval.id if self.approval else ""
