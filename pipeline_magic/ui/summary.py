"""A run in a few lines: for a terminal, and for a notebook that shows text alone. `document` has all of it."""

from __future__ import annotations

from pipeline_magic.runs import Snapshot
from pipeline_magic.ui.header import header_text, header_view
from pipeline_magic.ui.markup import plain
from pipeline_magic.ui.questions import questions_text, questions_view

__all__ = ["summary_text"]


def summary_text(snapshot: Snapshot) -> str:
    """Stages, questions, what the pipeline does, what stands in the way, checks, rows, and what to do next."""
    parts = [
        header_text(header_view(snapshot)),
        questions_text(questions_view(snapshot)),
        "\n".join(_problems(snapshot)),
        "\n".join(_steps(snapshot)),
        "\n".join(_quality(snapshot)),
        "\n".join(_effects(snapshot)),
        _next(snapshot),
    ]
    return "\n\n".join(part for part in parts if part)


def _problems(snapshot: Snapshot) -> list[str]:
    if snapshot.validated is None or not snapshot.validated.problems:
        return []
    shown = [f"  ✗ {p.where}: {p.message}" + (f" {p.hint}" if p.hint else "") for p in snapshot.validated.problems]
    return ["Problems", *map(plain, shown)]


def _steps(snapshot: Snapshot) -> list[str]:
    if snapshot.validated is None or snapshot.validated.spec is None:
        return []
    from pipeline_magic.compiler.describe import describe_pipeline

    said = describe_pipeline(snapshot.validated.spec)
    count = len(snapshot.validated.provenance.assumptions())
    unmatched = snapshot.validated.provenance.unmatched
    lines = ["What it does", *(f"  {number}. {plain(text)}" for number, text in enumerate(said, start=1))]
    lines.append(f"  {count} of its fields are assumptions; `review {snapshot.run.id}` lists each with its reason.")
    lines += [
        f"  ? not understood [{clause.id}]: {plain(snapshot.validated.provenance.text(clause))}" for clause in unmatched
    ]
    return lines


def _quality(snapshot: Snapshot) -> list[str]:
    report = snapshot.quality
    if report is None:
        return []
    ran = [check for check in report.checks if check.status != "off"]
    passed = sum(check.status == "passed" for check in ran)
    lines = [f"Quality: {report.verdict}, {passed} of {len(ran)} checks passed"]
    lines += [f"  {finding.severity}: {plain(finding.message)} [{finding.id}]" for finding in report.findings]
    for step in report.reconciliation.steps:
        rows = " + ".join(f"{count:,}" for count in step.rows_in.values())
        note = f": {plain(step.note)}" if step.note else ""
        lines.append(f"  {step.step}: {rows} rows in, {step.rows_out:,} out{note}")
    if report.sample_run is not None:
        lines.append(f"  The notebook was run into a scratch schema: {report.sample_run.status}.")
    return lines


def _effects(snapshot: Snapshot) -> list[str]:
    change = snapshot.change
    if change is None:
        return []
    return [f"Change: {change.title} ({change.branch})", *(f"  {plain(file.path)}" for file in change.files)]


def _next(snapshot: Snapshot) -> str:
    run = snapshot.run
    if any(question.must_answer for question in snapshot.questions):
        question = next(question for question in snapshot.questions if question.must_answer)
        return f"Next: answer {question.id}=ANSWER --run {run.id}"
    if snapshot.validated is not None and snapshot.validated.problems:
        return f"Next: edit PATH=VALUE --run {run.id}"
    if run.state in {"failed", "cancelled"}:
        return f"Next: resume {run.id}"
    if run.state == "awaiting_input":
        return f"Next: edit, answer, or generate {run.id}"
    if snapshot.approval is not None and snapshot.approval.state in {"pending", "partly_approved"}:
        return f"Next: approve {run.id}, or reject {run.id} --reason WHY"
    return ""
