"""What stands in a pull request: from the models of a run to Markdown. Pure; the same plan gives the same text.

Written for a person who has to say yes or no: what it does, what nobody asked for in words, what was measured, what
happens next. The statement is left out unless it is given here: it may hold personal words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline_magic.agents.github.markdown import bullets, code, prose, table
from pipeline_magic.compiler.pull_request import PullRequestParts
from pipeline_magic.runs import CheckResult, File, Plan, QualityReport, Question, StepRows
from pipeline_magic.spec.provenance import Provenance

__all__ = ["LONGEST", "pull_request_body"]

LONGEST = 60_000
"""Characters of a body; GitHub refuses more than 65,536."""

_MARKS = {"passed": "✅ passed", "failed": "❌ failed", "error": "❌ could not run", "off": "off"}
_VERDICTS = {"green": "🟢 green", "amber": "🟠 amber", "red": "🔴 red"}


def pull_request_body(
    plan: Plan,
    *,
    digest: str,
    summary: str | Sequence[str],
    provenance: Provenance,
    questions: Sequence[Question],
    quality: QualityReport,
    parts: PullRequestParts | None = None,
    statement: str | None = None,
) -> str:
    """The body of a plan's pull request.

    Args:
        plan: What is to be approved.
        digest: Its digest.
        summary: What the pipeline does in plain words: a text, or a line for each step.
        provenance: For the assumptions and the clauses nobody understood.
        questions: Those still open; approving takes their defaults.
        quality: Checks, rows, findings.
        parts: What the compiler says of the change, which needs no data.
        statement: Shown where that is allowed.
    """
    sections = (
        ("What it does", _summary(plan, summary)),
        ("What changes", _changes(parts)),
        ("What readers of the target meet", _impact(parts)),
        ("Asked for", [prose(statement, 4000)] if statement else []),
        ("Assumed, because nobody said otherwise", _assumptions(provenance)),
        ("Open questions, taken by their defaults", _questions(questions)),
        ("Not understood", _unmatched(provenance)),
        ("Quality", _quality(plan, quality)),
        ("Rows through the steps", _rows(quality.reconciliation.steps)),
        ("Where the columns come from", _lineage(parts)),
        ("Files", _files(plan.files)),
        ("How to review and how to undo", _how(plan, digest)),
    )
    text = ""
    for title, lines in sections:
        if not lines:
            continue
        section = f"## {title}\n\n" + "\n".join(lines) + "\n\n"
        if len(text) + len(section) > LONGEST:
            text += f"## {title}\n\nToo long to be shown here; `%pipeline review` has it.\n\n"
        else:
            text += section
    return text.rstrip() + "\n"


def _summary(plan: Plan, summary: str | Sequence[str]) -> list[str]:
    lines = [summary] if isinstance(summary, str) else list(summary)
    spec = plan.spec
    said = bullets(prose(line, 600) for line in lines) if len(lines) > 1 else [prose(line, 4000) for line in lines]
    reads = ", ".join(code(source.table, 250) for source in spec.sources[:20])
    return [*said, "", f"Reads {reads}; writes {code(spec.target.table, 250)} ({spec.target.mode})."]


def _changes(parts: PullRequestParts | None) -> list[str]:
    return bullets(prose(_sentence(text), 600) for text in parts.changes) if parts else []


def _impact(parts: PullRequestParts | None) -> list[str]:
    if parts is None or parts.impact is None or not (parts.impact.columns or parts.impact.meaning):
        return []
    rows = [(code(item.column), item.severity, prose(item.reason)) for item in parts.impact.columns]
    said = table(("Column", "Impact", "Why"), rows) if rows else []
    lines = [f"Taken together: **{parts.impact.severity}**."] if rows else []
    return [*lines, *([""] if rows else []), *said, *([""] if rows else []), *bullets(map(prose, parts.impact.meaning))]


def _lineage(parts: PullRequestParts | None) -> list[str]:
    if parts is None:
        return []
    rows = [(code(item.column), ", ".join(map(code, item.sources)) or "a literal") for item in parts.lineage]
    return ["```mermaid", parts.picture, "```", "", *table(("Column", "Made of"), rows)]


def _assumptions(provenance: Provenance) -> list[str]:
    items = []
    for path, origin in provenance.assumptions().items():
        others = (
            f" Could also be: {', '.join(code(value) for value in origin.alternatives[:5])}."
            if origin.alternatives
            else ""
        )
        items.append(f"{code(path)}: {prose(_sentence(origin.reason or 'a default'))}{others}")
    return bullets(items)


def _sentence(text: str) -> str:
    """The text with a capital letter and a full stop."""
    ended = text if text.endswith((".", "!", "?")) else f"{text}."
    return ended[:1].upper() + ended[1:]


def _questions(questions: Sequence[Question]) -> list[str]:
    items = []
    for question in questions:
        chosen = next((option for option in question.options if option.id == question.default), None)
        answer = prose(chosen.label) if chosen else "no default"
        effect = f" ({prose(chosen.effect)})" if chosen and chosen.effect else ""
        items.append(f"{prose(question.text)} **{answer}**{effect}")
    return bullets(items)


def _unmatched(provenance: Provenance) -> list[str]:
    # The words themselves are the statement's and stay out.
    return bullets(f"clause {code(clause.id)}: to be confirmed by whoever approves" for clause in provenance.unmatched)


def _quality(plan: Plan, quality: QualityReport) -> list[str]:
    lines = [
        f"Verdict: **{_VERDICTS[plan.verdict]}**."
        + (f" Measured by {prose(quality.engine)}." if quality.engine else "")
    ]
    if quality.sample_run is not None:
        run = quality.sample_run
        rows = f", {run.rows:,} rows" if run.rows is not None else ""
        again = {True: ", a second run gave the same", False: ", a second run gave other rows", None: ""}[
            run.repeatable
        ]
        word = run.status.replace("_", " ")
        said = f": {prose(run.message)}" if run.message else ""
        lines.append(f"Run before approval: {word}{rows}{again}{said}.")
    if quality.findings:
        marks = {"red": "🔴", "amber": "🟠", "info": "ℹ️"}
        found = sorted(quality.findings, key=lambda finding: ("red", "amber", "info").index(finding.severity))
        lines += ["", *bullets(f"{marks[one.severity]} {code(one.id)} {prose(one.message)}" for one in found)]
    if plan.waivers:
        lines += ["", "Waived by name:", ""]
        lines += bullets(
            f"{code(waiver.finding)} by {code(waiver.by)}: {prose(waiver.reason)}" for waiver in plan.waivers
        )
    if quality.checks:
        rows_ = [_check(check) for check in quality.checks]
        lines += ["", *table(("Check", "On", "What", "If it fails", "Result", "Failing"), rows_)]
    return lines


def _check(check: CheckResult) -> tuple[str, ...]:
    failing = (
        ""
        if check.failing is None
        else f"{check.failing:,}" + (f" of {check.rows:,}" if check.rows is not None else "")
    )
    what = prose(check.description or check.kind) + (f" ({prose(check.observed)})" if check.observed else "")
    return (code(check.expectation), code(check.on), what, check.action, _MARKS[check.status], failing)


def _rows(steps: Sequence[StepRows]) -> list[str]:
    rows = [
        (code(step.step), prose(step.kind), _rows_in(step), f"{step.rows_out:,}", ", ".join(_join(step)))
        for step in steps
    ]
    return table(("Step", "Kind", "Rows in", "Rows out", "Note"), rows) if rows else []


def _rows_in(step: StepRows) -> str:
    return ", ".join(f"{code(name)} {count:,}" for name, count in step.rows_in.items())


def _join(step: StepRows) -> Iterator[str]:
    if step.unmatched_left:
        yield f"{step.unmatched_left:,} left without a partner"
    if step.unmatched_right:
        yield f"{step.unmatched_right:,} right without a partner"
    if step.widest_match is not None and step.widest_match > 1:
        yield f"up to {step.widest_match:,} partners"
    if step.note:
        yield prose(step.note)


def _files(files: Sequence[File]) -> list[str]:
    return bullets(f"{code(file.path, 250)} ({file.content.count(chr(10)):,} lines)" for file in files)


def _how(plan: Plan, digest: str) -> list[str]:
    lines = [
        f"Plan digest {code(digest)}, environment {code(plan.environment)}, compiler {code(plan.compiler_version)}.",
        "The files are compiler output: a change belongs into the spec, not into them.",
        "",
        "- Review: read the notebook's diff; `%pipeline review` shows the same plan with its measurements.",
        "- Approve or reject: the panel's buttons, `%pipeline approve` or `pipeline-magic approve`. What was approved "
        "is what runs: any change of the plan needs a new approval.",
        "- Undo: a revert of this pull request takes the files back. The deployment's record names the version of the "
        f"target before its first write: `RESTORE TABLE … TO VERSION AS OF …` on {code(plan.spec.target.table, 250)} "
        "takes the rows back.",
    ]
    return lines
