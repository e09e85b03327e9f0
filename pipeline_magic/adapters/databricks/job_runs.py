"""One run of a job: started once for each key, followed to its end, and what it came to.

A run is started with an idempotency token made of the job and the key, so that a lost answer, a repeat and a crash all
lead to the same run. A run that was cancelled is over for good; the same key then starts the next one. Not here: what a
state means (`runs_state`), one-off runs (`oneoff`).
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from pipeline_magic.adapters.databricks.calls import Calls, Refusal
from pipeline_magic.adapters.databricks.oneoff_export import executed, outputs_of
from pipeline_magic.adapters.databricks.runs_state import Ending, ending_of
from pipeline_magic.adapters.databricks.workspace_files import WorkspaceFiles
from pipeline_magic.errors import Cancelled, DeploymentError, NotFound, PipelineMagicError
from pipeline_magic.redact import redact
from pipeline_magic.runs import NotebookRun

__all__ = ["JobRuns"]

_JOBS = "/api/2.2/jobs"
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 15.0
_STARTS = 20
"""Runs of one key that may have been cancelled before another is refused."""
_STOP_S = 20.0
_ERROR, _TRACE = 500, 4000
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class JobRuns:
    """Runs the jobs of one workspace.

    Args:
        calls: Asks the workspace.
        files: Reads the notebook that a run has executed.
        wait: Waits for an event or so many seconds, between two looks at a run.
        clock: Seconds that only go on.
    """

    def __init__(
        self,
        calls: Calls,
        files: WorkspaceFiles,
        *,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls
        self._files = files
        self._wait = wait
        self._clock = clock
        self._followed: set[threading.Event] = set()

    def run(self, job: str, *, key: str, timeout: float) -> NotebookRun:
        """Start the job once for this key, and follow the run to its end.

        Raises:
            NotFound: No such job.
            DeploymentError: It could not be started or followed, or did not end in time; a repeat goes on with it.
            Cancelled: `cancel` was called.
        """
        stop = threading.Event()
        self._followed.add(stop)
        try:
            run = self._started(job, key)
            return self._outcome(self._ended(run, stop, timeout))
        finally:
            self._followed.discard(stop)

    def cancel(self) -> None:
        """Stop the runs that are followed now; each raises Cancelled in its own thread."""
        for stop in list(self._followed):
            stop.set()

    # --- starting ----------------------------------------------------------------------------------------------------

    def _started(self, job: str, key: str) -> dict[str, Any]:
        """The run of this key, as it stands."""
        for attempt in range(1, _STARTS + 1):
            said = key if attempt == 1 else f"{key}/{attempt}"
            run = self._look(self._start(job, hashlib.sha256(f"{job}/{said}".encode()).hexdigest()))
            ending = ending_of(run)
            if ending is None or not ending.cancelled:
                return run
        raise DeploymentError(
            f"The job `{job}` was started and cancelled {_STARTS} times for the same deployment.",
            where=self._calls.host,
            hint="Look who cancels it, then deploy a plan anew.",
        )

    def _start(self, job: str, token: str) -> int:
        what = f"starting the job `{job}`"
        body = {"job_id": int(job), "idempotency_token": token}
        try:
            told = self._calls.send(what, "POST", f"{_JOBS}/run-now", body)
        except (NotFound, Refusal) as error:
            if isinstance(error, NotFound) or "does not exist" in error.said:
                raise gone(job, self._calls.host) from None
            if error.status == 409 and (running := self._running(job)):  # a continuous job has started by itself
                return running
            raise DeploymentError(
                f"Databricks refuses, while {what}: {error.said}.",
                where=self._calls.host,
                hint="Look at the job's page in the workspace, then resume the run.",
            ) from None
        found = told.get("run_id") or self._running(job)  # that of a continuous job may come without
        if not found:
            raise DeploymentError(
                "Databricks did not say which run it started.",
                where=f"job {job} at {self._calls.host}",
                hint="Look at the job's page in the workspace, then resume the run.",
            )
        return int(found)

    def _running(self, job: str) -> int | None:
        """The newest run of the job that goes on."""
        query = {"job_id": int(job), "active_only": "true", "limit": 1}
        with suppress(NotFound, Refusal):
            found = self._calls.get(f"looking for runs of the job `{job}`", f"{_JOBS}/runs/list", query)
            return next((int(run["run_id"]) for run in found.get("runs") or ()), None)
        return None

    # --- following ---------------------------------------------------------------------------------------------------

    def _ended(self, run: dict[str, Any], stop: threading.Event, timeout: float) -> dict[str, Any]:
        """The run once it has ended."""
        end, pause = self._clock() + timeout, _FIRST_WAIT
        while ending_of(run) is None:
            if stop.is_set():
                self._stop(run)
                raise Cancelled("The run of the job was stopped.")
            if self._clock() > end:
                raise DeploymentError(
                    f"The run of the job has not ended within {timeout:g} seconds, and goes on.",
                    where=_page(run, self._calls.host),
                    hint="Resume when it has ended: nothing is started twice. Or cancel it at that page.",
                )
            self._wait(stop, pause)
            pause = min(pause * 1.5, _LONGEST_WAIT)
            run = self._look(int(run["run_id"]))
        return run

    def _look(self, run: int) -> dict[str, Any]:
        try:
            return self._calls.get(f"following the run {run}", f"{_JOBS}/runs/get", {"run_id": run})
        except (NotFound, Refusal) as error:
            said = error.said if isinstance(error, Refusal) else error.message
            raise DeploymentError(
                f"The run {run} cannot be followed: {said}",
                where=self._calls.host,
                hint="It was removed, or may not be seen: look at the job's page in the workspace.",
            ) from None

    def _stop(self, run: Mapping[str, Any]) -> None:
        """Tell a run to end, and give it a moment for it."""
        number = int(run["run_id"])
        with suppress(PipelineMagicError, Refusal):
            self._calls.send(f"stopping the run {number}", "POST", f"{_JOBS}/runs/cancel", {"run_id": number})
            until, never = self._clock() + _STOP_S, threading.Event()
            while ending_of(self._look(number)) is None and self._clock() < until:
                self._wait(never, 1.0)

    # --- afterwards --------------------------------------------------------------------------------------------------

    def _outcome(self, run: Mapping[str, Any]) -> NotebookRun:
        ending = ending_of(run) or Ending(False)
        tasks = sorted(run.get("tasks") or [run], key=lambda one: int(one.get("attempt_number") or 0))
        told = self._told(int(tasks[-1].get("run_id") or run["run_id"]))
        url = _page(run, "")
        error = trace = ""
        if not ending.succeeded:
            late = "it took longer than its settings allow" if ending.timed_out else ""
            error = _line(str(told.get("error") or "") or late or ending.message) or "the run ended without success"
            trace = redact(_COLOURS.sub("", str(told.get("error_trace") or "")))[-_TRACE:]
        output = told.get("notebook_output") or {}
        exit_value = str(output.get("result") or "")
        return NotebookRun(
            succeeded=ending.succeeded,
            executed=self._executed(tasks[-1], {"exit_value": exit_value, "error": error, "run": url}, trace),
            error=error,
            exit_value=exit_value,
            seconds=_seconds(run),
            trace=trace,
            url=url,
        )

    def _told(self, task_run: int) -> dict[str, Any]:
        """Output of a task; what a task without output says is no error."""
        try:
            return self._calls.get("reading what the run gave", f"{_JOBS}/runs/get-output", {"run_id": task_run})
        except (NotFound, Refusal):
            return {}

    def _executed(self, task: Mapping[str, Any], about: Mapping[str, Any], trace: str) -> str:
        """The notebook with its outputs, as far as the run can be exported; empty where it cannot."""
        path = str((task.get("notebook_task") or {}).get("notebook_path") or "")
        if not path:
            return ""
        query = {"run_id": int(task["run_id"]), "views_to_export": "CODE"}
        with suppress(PipelineMagicError, Refusal):
            told = self._calls.get("exporting the run", f"{_JOBS}/runs/export", query)
            text = self._files.read(path, notebook=True)
            if text is not None:
                import json

                return executed(json.loads(text), outputs_of(told), about, trace)
        return ""


def gone(job: str, host: str) -> NotFound:
    """The job is not there."""
    return NotFound(
        f"There is no job `{job}`: it was deleted in the workspace, or may not be seen by this user.",
        where=host,
        hint="Deploy the pipeline again: Generate, then approve.",
    )


def _page(run: Mapping[str, Any], otherwise: str) -> str:
    url = str(run.get("run_page_url") or "")
    return url if url.startswith(("https://", "http://")) else otherwise


def _line(text: str) -> str:
    said = " ".join(redact(_COLOURS.sub("", text)).split())
    return said if len(said) <= _ERROR else f"{said[: _ERROR - 1]}…"


def _seconds(run: Mapping[str, Any]) -> float:
    spent = run.get("run_duration") or (int(run.get("end_time") or 0) - int(run.get("start_time") or 0))
    return round(max(0.0, float(spent)) / 1000, 3)
