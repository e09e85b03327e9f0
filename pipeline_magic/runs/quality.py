"""Stage 4: what was checked and run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline_magic.runs.reading import Finding
from pipeline_magic.spec.schema import Model

__all__ = ["CheckResult", "NotebookRun", "QualityReport", "Reconciliation", "SampleRun", "StepRows"]


class CheckResult(Model):
    """What one expectation found.

    Attributes:
        status: ``passed``; ``failed`` (more failing rows than tolerated); ``error`` (could not run, counts as red);
            ``off``.
        rows: Rows looked at; None where the check is not about rows.
        failing: Rows, or groups for uniqueness, that break it.
        observed: What was seen, in words ("newest commit 3 hours ago").
    """

    expectation: str
    kind: str
    on: str
    description: str
    action: Literal["warn", "drop", "fail"]
    automatic: bool = False
    status: Literal["passed", "failed", "error", "off"]
    rows: int | None = None
    failing: int | None = None
    observed: str = ""


class StepRows(Model):
    """Rows through one step.

    Attributes:
        rows_in: Rows of each input, by its id.
        rows_out: Rows of the step.
        unmatched_left: For joins: left rows without a partner; `unmatched_right` likewise.
        widest_match: For joins: partners of the left row that has most (1 = no fan-out).
    """

    step: str
    kind: str
    rows_in: dict[str, int] = Field(default_factory=dict)
    rows_out: int
    unmatched_left: int | None = None
    unmatched_right: int | None = None
    widest_match: int | None = None
    note: str = ""


class Reconciliation(Model):
    """Rows in and out of every step, and what became of every source column."""

    steps: tuple[StepRows, ...] = ()
    unused_columns: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


class NotebookRun(Model):
    """A notebook that was really run.

    Attributes:
        executed: The notebook with its outputs, as JSON text; empty when it did not start.
        error: Name and message of the first failing cell's error; empty when all went well.
        seconds: Wall time.
        exit_value: What the notebook gave to ``dbutils.notebook.exit``; empty when it did not.
        trace: Where the error came from, shortened; empty where `executed` shows it.
        url: Page of the run, where it has one.
    """

    succeeded: bool
    executed: str = ""
    error: str = ""
    exit_value: str = ""
    seconds: float = 0.0
    trace: str = ""
    url: str = ""


class SampleRun(Model):
    """The notebook, run before approval into a scratch schema.

    Attributes:
        status: ``passed`` | ``failed`` | ``not_executed`` (with the reason in `message`).
        rows: Rows the scratch target held.
        sampled: Fraction of the source rows that were read (1 = all).
        repeatable: A second run gave the same rows; None when it was not tried.
    """

    status: Literal["passed", "failed", "not_executed"]
    message: str = ""
    rows: int | None = None
    sampled: float = 1.0
    repeatable: bool | None = None
    seconds: float = 0.0


class QualityReport(Model):
    """Stage 4. What the data and the artefact showed before approval."""

    checks: tuple[CheckResult, ...] = ()
    reconciliation: Reconciliation = Reconciliation()
    sample_run: SampleRun | None = None
    findings: tuple[Finding, ...] = ()
    preview_columns: tuple[str, ...] = ()
    preview_rows: tuple[tuple[str | None, ...], ...] = ()
    engine: str = ""

    @property
    def verdict(self) -> Literal["green", "amber", "red"]:
        """Red when a red finding stands (waivers are counted by the approval), amber when an amber one does."""
        severities = {finding.severity for finding in self.findings}
        return "red" if "red" in severities else "amber" if "amber" in severities else "green"
