"""Tab Quality: checks, rows through every step, the sample run, findings, and rows to look at."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_magic.runs import CheckResult, Finding, SampleRun, Snapshot, StepRows
from pipeline_magic.ui.markup import Html, code, data, details, items, mark, note, number, plain, prose, table, tag

__all__ = [
    "FindingView",
    "QualityView",
    "finding_html",
    "findings_of",
    "quality_html",
    "quality_text",
    "quality_view",
]

_VERDICT = {
    "green": ("✓", "green: nothing stands against it", "done"),
    "amber": ("!", "amber: look at the findings", "waiting"),
    "red": ("✗", "red: repair or waive before Approve", "failed"),
}
_SEVERITY = {"red": ("✗", "red", "failed"), "amber": ("!", "amber", "waiting"), "info": ("i", "info", "pending")}
_STATUS = {
    "passed": ("✓", "passed", "done"),
    "failed": ("✗", "failed", "failed"),
    "error": ("✗", "could not run", "failed"),
    "off": ("⊘", "off", "pending"),
}


@dataclass(frozen=True)
class FindingView:
    """A finding; `waived` says by whom and why, empty where it stands."""

    finding: Finding
    waived: str = ""

    @property
    def blocks(self) -> bool:
        """It keeps Approve from being pressed."""
        return self.finding.severity == "red" and not self.waived


@dataclass(frozen=True)
class QualityView:
    """The tab; `ready` is False before there is a report."""

    ready: bool
    verdict: str
    findings: tuple[FindingView, ...]
    checks: tuple[CheckResult, ...]
    steps: tuple[StepRows, ...]
    unused: tuple[tuple[str, tuple[str, ...]], ...]
    sample: SampleRun | None
    preview_columns: tuple[str, ...]
    preview_rows: tuple[tuple[str | None, ...], ...]
    engine: str


def quality_view(snapshot: Snapshot) -> QualityView:
    """The tab of a run."""
    report = snapshot.quality
    if report is None:
        return QualityView(False, "", findings_of(snapshot), (), (), (), None, (), (), "")
    findings = findings_of(snapshot)
    severities = {view.finding.severity for view in findings if not view.waived}
    verdict = "red" if "red" in severities else "amber" if "amber" in severities else "green"
    ledger = report.reconciliation
    return QualityView(
        ready=True,
        verdict=verdict,
        findings=findings,
        checks=report.checks,
        steps=ledger.steps,
        unused=tuple(ledger.unused_columns.items()),
        sample=report.sample_run,
        preview_columns=report.preview_columns,
        preview_rows=report.preview_rows,
        engine=report.engine,
    )


def findings_of(snapshot: Snapshot) -> tuple[FindingView, ...]:
    """Findings of every stage, each once, red ones first; waivers beside them."""
    found: dict[str, Finding] = {}
    report = snapshot.quality
    sources = (
        (*report.findings, *report.reconciliation.findings) if report else (),
        snapshot.generated.findings if snapshot.generated else (),
        snapshot.validated.findings if snapshot.validated else (),
    )
    for source in sources:
        for finding in source:
            found.setdefault(finding.id, finding)
    waived = {waiver.finding: f"waived by {waiver.by}: {waiver.reason}" for waiver in snapshot.run.waivers}
    order = {"red": 0, "amber": 1, "info": 2}
    ordered = sorted(found.values(), key=lambda finding: order[finding.severity])
    return tuple(FindingView(finding, waived.get(finding.id, "")) for finding in ordered)


def finding_html(view: FindingView) -> Html:
    """One finding."""
    finding = view.finding
    kind = {"red": "error", "amber": "warn"}.get(finding.severity, "info")
    parts: list[object] = [mark(*_SEVERITY[finding.severity]), " ", prose(finding.message)]
    if finding.where:
        parts += [" · ", code(finding.where)]
    if finding.hint:
        parts.append(tag("div", prose(finding.hint), class_="pm-quiet"))
    if view.waived:
        parts.append(tag("div", mark("✓", "waived", "done"), " ", data(view.waived), class_="pm-quiet"))
    return tag("div", *parts, class_=f"pm-note pm-note-{'info' if view.waived else kind}")


def quality_html(view: QualityView, *, findings: bool = True) -> Html:
    """The tab as HTML; without `findings` where they are drawn beside their Waive buttons."""
    said = [finding_html(shown) for shown in view.findings] if findings else []
    if not view.ready:
        wait = note("No report yet. Press Generate: the checks run on your data and their results appear here.")
        return tag("div", *said, wait, class_="pm-tab pm-tab-quality")
    where = f" · measured on {view.engine}" if view.engine else ""
    head = tag("p", tag("strong", "Verdict "), mark(*_VERDICT[view.verdict]), data(where))
    return tag(
        "div",
        head,
        *said,
        _checks(view.checks),
        _steps(view.steps),
        _sample(view.sample),
        _preview(view),
        _unused(view.unused),
        class_="pm-tab pm-tab-quality",
    )


def _checks(checks: tuple[CheckResult, ...]) -> Html:
    rows = (
        (
            mark(*(("!", "failed", "waiting") if c.status == "failed" and c.action == "warn" else _STATUS[c.status])),
            tag("span", prose(c.description or c.expectation), tag("div", code(c.expectation), class_="pm-quiet")),
            code(c.on),
            c.action,
            tag("span", number(c.failing), class_="pm-number"),
            tag("span", number(c.rows), class_="pm-number"),
            data(c.observed or ("automatic" if c.automatic else "")),
        )
        for c in checks
    )
    head = ("Status", "Check", "On", "Action", "Failing", "Of rows", "Seen")
    drawn = table(head, rows, label="Checks") if checks else note("No checks were run.")
    return tag("section", tag("h4", f"Checks ({len(checks)})"), drawn)


def _steps(steps: tuple[StepRows, ...]) -> Html:
    if not steps:
        return Html("")
    rows = (
        (
            code(step.step),
            step.kind,
            Html(", ".join(tag("span", data(name), " ", number(rows)) for name, rows in step.rows_in.items())),
            tag("span", number(step.rows_out), class_="pm-number"),
            _losses(step),
            prose(step.note),
        )
        for step in steps
    )
    head = ("Step", "Kind", "Rows in", "Rows out", "Losses and fan-out", "Note")
    return tag("section", tag("h4", "Rows through every step"), table(head, rows, label="Reconciliation"))


def losses(step: StepRows) -> tuple[tuple[bool, str], ...]:
    """What a step lost or multiplied, as (needs a look, words)."""
    said: list[tuple[bool, str]] = []
    for side, rows in (("left", step.unmatched_left), ("right", step.unmatched_right)):
        if rows is not None:
            said.append((rows > 0, f"{rows:,} {side} without partner"))
    if step.widest_match is not None:
        wide = step.widest_match > 1
        said.append((False, f"up to {step.widest_match:,} partners" if wide else "no fan-out"))
    if step.kind != "join" and len(step.rows_in) == 1:
        change = step.rows_out - next(iter(step.rows_in.values()))
        if change:
            said.append((False, f"{abs(change):,} {'fewer' if change < 0 else 'more'}"))
    return tuple(said)


def _losses(step: StepRows) -> object:
    said = losses(step)
    if not said:
        return "–"
    return Html(
        "".join(tag("div", mark("!", words, "waiting") if look else tag("span", words)) for look, words in said)
    )


def _sample(sample: SampleRun | None) -> Html:
    if sample is None:
        return Html("")
    words = {
        "passed": ("✓", "passed", "done"),
        "failed": ("✗", "failed", "failed"),
        "not_executed": ("⊘", "notebook not executed", "waiting"),
    }
    facts = [f"{sample.rows:,} rows"] if sample.rows is not None else []
    if sample.status != "not_executed":
        facts.append("all source rows" if sample.sampled >= 1 else f"{sample.sampled:.1%} of the source rows")
    if sample.repeatable is not None:
        facts.append("a second run gave the same rows" if sample.repeatable else "a second run gave OTHER rows")
    facts += [f"{sample.seconds:.1f} s"] if sample.seconds or sample.status != "not_executed" else []
    body = tag("p", mark(*words[sample.status]), " ", " · ".join(facts))
    said = note(prose(sample.message), kind="warn" if sample.status != "passed" else "info") if sample.message else None
    return tag("section", tag("h4", "Sample run"), body, said)


def _preview(view: QualityView) -> Html:
    if not view.preview_columns:
        return Html("")
    rows = (
        tuple(tag("em", "NULL", class_="pm-quiet") if value is None else data(value[:300]) for value in row)
        for row in view.preview_rows
    )
    head = tuple(map(data, view.preview_columns))
    drawn = table(head, rows, label="Preview of the target", limit=100)
    return tag("section", tag("h4", f"Rows to look at ({min(len(view.preview_rows), 100)})"), drawn)


def _unused(unused: tuple[tuple[str, tuple[str, ...]], ...]) -> Html:
    shown = [(alias, columns) for alias, columns in unused if columns]
    if not shown:
        return Html("")
    lines = [tag("span", code(alias), ": ", data(", ".join(columns[:200]))) for alias, columns in shown]
    return details("Source columns that reach no output", items(lines))


def quality_text(view: QualityView) -> str:
    """The tab as plain text."""
    lines = [f"Verdict: {view.verdict}"] if view.ready else []
    for shown in view.findings:
        tail = f" ({shown.waived})" if shown.waived else ""
        lines.append(f"  [{shown.finding.severity}] {shown.finding.id}: {shown.finding.message}{tail}")
    for check in view.checks:
        rows = f", {number(check.failing)} of {number(check.rows)} rows fail" if check.failing else ""
        lines.append(f"  {_STATUS[check.status][0]} {check.description or check.expectation} ({check.action}){rows}")
    for step in view.steps:
        taken = ", ".join(f"{name} {rows:,}" for name, rows in step.rows_in.items())
        said = "; ".join(words for _, words in losses(step))
        lines.append(f"  {step.step}: {taken} -> {step.rows_out:,}" + (f" ({said})" if said else ""))
    if view.sample is not None:
        lines.append(f"  sample run: {view.sample.status.replace('_', ' ')} {view.sample.message}".rstrip())
    return plain("\n".join(lines))
