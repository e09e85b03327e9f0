"""How a plan stands, on its commit: a commit status where a person's token acts, a check run where an App does.

The checks API takes Apps alone. A status is replaced by a later one of the same context; of check runs of one name the
newest counts, so that one which has ended is followed by a new one and never opened again. What a token may not say is
given back as words: nothing depends on it. Not here: what is said (`flow.reporting`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_magic.adapters.github.calls import Forbidden
from pipeline_magic.errors import NotFound
from pipeline_magic.runs import PlanReport

if TYPE_CHECKING:
    from github.CheckRun import CheckRun
    from github.Commit import Commit

    from pipeline_magic.adapters.github.access import Access

__all__ = ["CONTEXT", "report_plan", "reported_plan"]

CONTEXT = "pipeline_magic/plan"
"""Context of the status, and name of the check run: what a rule of a branch asks for."""

_WHAT = "reporting the plan"


def report_plan(access: Access, report: PlanReport, *, app: bool) -> str:
    """Say it, unless it stands there already.

    Args:
        access: The repository.
        report: What is said.
        app: We act as a GitHub App.

    Returns:
        What is missing, where we may not; empty otherwise.

    Raises:
        CodeHostError: GitHub gave no usable answer.
    """
    repo = access.repo

    def say() -> None:
        commit = repo.get_commit(report.commit)
        if app:
            _check_run(access, commit, report)
        else:
            _status(commit, report)

    try:
        access.ask(_WHAT, say)
    except (Forbidden, NotFound):  # to a token that may not write it, GitHub says the one or the other
        return _missing(app)
    return ""


def reported_plan(access: Access, commit: str, *, app: bool) -> str:
    """What stands there, as ``state: text``; empty where nothing does, or where we may not look."""
    repo = access.repo

    def look() -> str:
        there = repo.get_commit(commit)
        if app:
            run = _newest(there)
            return "" if run is None else f"{_state(run)}: {run.output.summary}"
        said = _standing(there)
        return "" if said is None else f"{said.state}: {said.description}"

    try:
        return access.find("reading what is said of the plan", look) or ""
    except Forbidden:
        return ""


# --- statuses --------------------------------------------------------------------------------------------------------


def _status(commit: Commit, report: PlanReport) -> None:
    there = _standing(commit)
    if there is not None and (there.state, there.description) == (report.state, report.text):
        return
    link = {"target_url": report.url} if report.url else {}
    commit.create_status(report.state, description=report.text, context=CONTEXT, **link)


def _standing(commit: Commit) -> Any:
    return next((one for one in commit.get_combined_status().statuses if one.context == CONTEXT), None)


# --- check runs ------------------------------------------------------------------------------------------------------


def _check_run(access: Access, commit: Commit, report: PlanReport) -> None:
    there = _newest(commit)
    if there is not None and (_state(there), there.output.summary) == (report.state, report.text):
        return
    said: dict[str, Any] = {
        "external_id": report.digest,
        "output": {"title": report.summary, "summary": report.text},
        **({"details_url": report.url} if report.url else {}),
    }
    if report.state == "pending":
        said["status"] = "in_progress"
    else:
        said |= {"status": "completed", "conclusion": report.state}
    if there is None or (there.status == "completed" and report.state == "pending"):
        access.repo.create_check_run(CONTEXT, commit.sha, **said)
    else:
        there.edit(**said)


def _newest(commit: Commit) -> CheckRun | None:
    runs = commit.get_check_runs(check_name=CONTEXT)
    return max((run for run in runs if run.name == CONTEXT), key=lambda run: run.id, default=None)


def _state(run: CheckRun) -> str:
    return str(run.conclusion) if run.status == "completed" else "pending"


def _missing(app: bool) -> str:
    needed = "`Checks: read and write`" if app else "`Commit statuses: read and write` (classic: `repo:status`)"
    kind = "app" if app else "token"
    return (
        f"The {kind} may not say on the commit how the plan stands: it needs {needed}. A rule of the branch that asks "
        f"for `{CONTEXT}` cannot be fulfilled until then; all else goes on."
    )
