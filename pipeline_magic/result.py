"""What a build gives back: a result that shows itself as the panel in a notebook, and as text elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline_magic.runs import Deployment, File, PullRequest, QualityReport, Question, Snapshot
from pipeline_magic.spec.model import PipelineSpec

if TYPE_CHECKING:
    from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
    from pipeline_magic.ui.panel import Panel

__all__ = ["PipelineResult", "run"]


class PipelineResult:
    """A run as it stood when the call returned.

    Args:
        orchestrator: What the panel's buttons call.
        snapshot: The run.
    """

    def __init__(self, orchestrator: PipelineBuilderOrchestrator, snapshot: Snapshot) -> None:
        self._orchestrator = orchestrator
        self._panel: Panel | None = None
        self.snapshot = snapshot

    @property
    def run_id(self) -> str:
        """Id for ``%pipeline review``."""
        return self.snapshot.run.id

    @property
    def state(self) -> str:
        """State of the run: ``awaiting_input``, ``planned``, …"""
        return self.snapshot.run.state

    @property
    def approval_id(self) -> str:
        """Id to approve or reject by; empty while there is no plan."""
        return self.snapshot.approval_id

    @property
    def questions(self) -> Sequence[Question]:
        """Open questions, those that must be answered first."""
        return self.snapshot.questions

    @property
    def spec(self) -> PipelineSpec | None:
        """The spec; None while a must-answer question is open or it has problems."""
        return self.snapshot.validated.spec if self.snapshot.validated else None

    @property
    def files(self) -> tuple[File, ...]:
        """The generated files; none before stage 3."""
        return self.snapshot.generated.files if self.snapshot.generated else ()

    @property
    def quality(self) -> QualityReport | None:
        """The quality report; None before stage 4."""
        return self.snapshot.quality

    @property
    def pull_request(self) -> PullRequest | None:
        """The pull request; None before approval."""
        return self.snapshot.pull_request

    @property
    def deployment(self) -> Deployment | None:
        """The deployment; None before approval."""
        return self.snapshot.deployment

    @property
    def panel(self) -> Panel:
        """The interactive panel of this run."""
        if self._panel is None:
            from pipeline_magic.ui.panel import Panel

            orchestrator = self._orchestrator
            identity = orchestrator.ports.code_host.identity()
            self._panel = Panel(orchestrator, self.snapshot, approver=identity, find=orchestrator.find_tables)
        return self._panel

    def refresh(self) -> PipelineResult:
        """Read the run again."""
        self.snapshot = self._orchestrator.snapshot(self.run_id)
        if self._panel is not None:
            self._panel.update(self.snapshot)
        return self

    def __repr__(self) -> str:
        run = self.snapshot.run
        head = f"PipelineResult({run.id}: {run.name or 'unnamed'}, {run.state}"
        lines = [head + (f", approval {self.approval_id})" if self.approval_id else ")")]
        if run.message:
            lines.append(f"  {run.message}")
        for question in self.questions:
            stands = "must be answered" if question.must_answer else f"default {question.default}"
            lines.append(f"  ? {question.text} [{question.id}: {stands}]")
        if self.snapshot.unchanged:
            lines.append("  Nothing changed since the last build.")
        return "\n".join(lines)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Mapping[str, Any]:
        return self.panel._repr_mimebundle_(include=include, exclude=exclude)


def run(
    statement: str,
    *,
    auto: bool = False,
    answers: Mapping[str, str] | None = None,
    new: bool = False,
    config: Mapping[str, Any] | None = None,
    **settings: Any,
) -> PipelineResult:
    """`%%pipeline` as a function, for places without cell magics: serverless notebooks, jobs, scripts.

    Args:
        statement: What is wanted, in plain English.
        auto: Go on past the pause, with the defaults of open questions.
        answers: Answers to questions, by question id.
        new: Begin anew, without the answers and edits of an earlier run of the same statement.
        config: Settings by name; as are further keyword arguments.

    Returns:
        The result; in a notebook it shows itself as the panel.
    """
    from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
    from pipeline_magic.runs import Answer

    orchestrator = PipelineBuilderOrchestrator(config, **settings)
    if auto:
        if new:
            orchestrator.open(statement, new=True)
        return orchestrator.build_pipeline(statement, answers=answers)
    snapshot = orchestrator.start(statement, new=new)
    if answers:
        given = [Answer(question=question, value=value) for question, value in answers.items()]
        snapshot = orchestrator.answer(snapshot.run.id, given)
    return PipelineResult(orchestrator, snapshot)
