"""Notebooks as one-off runs of a workspace: imported into a temporary folder, submitted, followed, and removed.

Here: the run and its folder, its end in our words, and what a killed process has left of both. A run is submitted with
an idempotency token, so that a lost answer leads to no second one. Compute is serverless unless a cluster is named. Not
here: jobs that stay (the deployer's), and what the export of a run holds (`oneoff_export`).

Where Databricks refuses that runs are submitted or notebooks imported at all, `refused` says so from then on, and the
caller goes on without: see `ports.Engine.no_notebooks`.
"""

from __future__ import annotations

import base64
import json
import math
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pipeline_magic.adapters.databricks.calls import Calls, Refusal
from pipeline_magic.adapters.databricks.client import clock_skew
from pipeline_magic.adapters.databricks.oneoff_export import executed, outputs_of
from pipeline_magic.adapters.databricks.runs_state import ending_of
from pipeline_magic.errors import Cancelled, EngineError, EngineUnavailable, NotFound, PipelineMagicError
from pipeline_magic.redact import redact
from pipeline_magic.runs import NotebookRun

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

__all__ = ["OneOffRuns"]

_RUNS = "/api/2.2/jobs/runs"
_FILES = "/api/2.0/workspace"
_OWN = "pipeline_magic "
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 10.0
_STOP_S = 20.0
"""Seconds that a run is given to end once it was told to."""
_GRACE_S = 60.0
"""Seconds after its own timeout for which a run is still followed."""


class _Denied(EngineUnavailable):
    """The caller may not do it."""


class OneOffRuns:
    """Runs notebooks in one workspace, each once.

    Args:
        client: Of the workspace.
        cluster: Id of the cluster that runs them; serverless compute when empty.
        root: Workspace folder below which the temporary folders are; one in the caller's home when empty.
        wait: Waits for an event or so many seconds, between two looks at a run.
        clock: Seconds that only go on.
        options: Of `Calls`.
    """

    def __init__(
        self,
        client: WorkspaceClient,
        *,
        cluster: str = "",
        root: str = "",
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
        clock: Callable[[], float] = time.monotonic,
        **options: Any,
    ) -> None:
        host = str(client.config.host)
        given: dict[str, Any] = {"skew": lambda: clock_skew(host), **options}
        self._calls = Calls(client, host, error=EngineUnavailable, denied=_Denied, **given)
        self._host = host.split("://")[-1]
        self._cluster = cluster
        self._root = root.rstrip("/")
        self._wait = wait
        self._clock = clock
        self._running: dict[str, threading.Event] = {}
        self._refused = ""

    def __repr__(self) -> str:
        return f"OneOffRuns({self._host!r})"

    @property
    def refused(self) -> str:
        """Why no notebook can be run, to end "The notebook was not executed: "; empty as long as none was refused."""
        return self._refused

    def run(
        self, notebook: str, parameters: Mapping[str, str], *, timeout: float = 3600.0, name: str = ""
    ) -> NotebookRun:
        """Run a notebook to its end, its first error, or the timeout.

        Args:
            notebook: Text of an .ipynb file.
            parameters: Values of its widgets.
            timeout: Seconds for the run, the start of its compute among them.
            name: Of the folder and the run; notebooks of one name run one after another. A name of its own when empty.

        Raises:
            EngineUnavailable: Runs may not be submitted, or there is no compute.
            EngineError: It is no notebook, or the run cannot be followed.
            Cancelled: `cancel` was called meanwhile.
        """
        document = _read(notebook)
        key = secrets.token_hex(16)
        folder = name or f"notebook_{key[:12]}"
        stop = self._running[key] = threading.Event()
        started = self._clock()
        try:
            path = self._import(document, folder)
            run_id = self._submit(path, parameters, timeout, folder, key)
            try:
                ended = self._followed(run_id, stop, timeout)
            except BaseException:
                self._cancel(run_id)
                raise
            return self._outcome(document, parameters, ended, timeout, self._clock() - started)
        except _Denied as denied:
            self._refused = f"Databricks does not allow a one-off run ({denied.message.rstrip('.')})"
            raise
        except NotFound as error:
            raise EngineUnavailable(
                f"The notebook could not be run: {error.message}", where=self._host, hint=_COMPUTE
            ) from None
        except BaseException:
            self._stop_named(folder)  # one whose answer never came
            raise
        finally:
            del self._running[key]
            self._remove(folder)

    def cancel(self) -> None:
        """Stop every run of now; each raises Cancelled in its own thread."""
        for stop in list(self._running.values()):
            stop.set()

    def clean(self, name: str) -> None:
        """Stop the runs of that name and remove their folder; nothing happens where there is neither.

        Raises:
            EngineError: The folder cannot be removed.
        """
        if self._refused:
            return
        try:
            if name in self.left():
                self._stop_named(name)
                self._delete(name)
        except _Denied:
            return  # who may not look there has left nothing there

    def left(self) -> set[str]:
        """Names of the folders that are there.

        Raises:
            EngineUnavailable: The workspace cannot be asked.
        """
        try:
            root = self._home()
            listed = self._calls.get("looking for temporary folders", f"{_FILES}/list", {"path": root})
        except (NotFound, _Denied):
            return set()
        except Refusal as refusal:
            raise self._unforeseen("looking for temporary folders", refusal) from None
        return {str(one.get("path") or "").rpartition("/")[2] for one in listed.get("objects") or ()}

    # --- before ------------------------------------------------------------------------------------------------------

    def _home(self) -> str:
        if not self._root:
            me = self._calls.get("asking who the caller is", "/api/2.0/preview/scim/v2/Me")
            user = str(me.get("userName") or "")
            if not user:
                raise EngineUnavailable("Databricks does not say who the caller is.", where=self._host)
            self._root = f"/Users/{user}/.pipeline_magic"
        return f"{self._root}/scratch"

    def _import(self, document: Mapping[str, Any], folder: str) -> str:
        """The notebook in its folder; gives its path."""
        place = f"{self._home()}/{folder}"
        path = f"{place}/notebook"
        content = base64.b64encode(json.dumps(document, ensure_ascii=False).encode()).decode()
        body = {"path": path, "format": "JUPYTER", "content": content, "overwrite": True}
        try:
            self._calls.send("making a temporary folder", "POST", f"{_FILES}/mkdirs", {"path": place})
            self._calls.send("importing a notebook", "POST", f"{_FILES}/import", body)
        except Refusal as refusal:
            raise self._unforeseen("importing a notebook", refusal) from None
        return path

    def _submit(self, path: str, parameters: Mapping[str, str], timeout: float, name: str, key: str) -> int:
        task: dict[str, Any] = {
            "task_key": "notebook",
            "notebook_task": {"notebook_path": path, "base_parameters": dict(parameters), "source": "WORKSPACE"},
        }
        if self._cluster:
            task["existing_cluster_id"] = self._cluster
        body = {
            "run_name": f"{_OWN}{name}",
            "idempotency_token": key,
            "timeout_seconds": max(1, math.ceil(timeout)),
            "tasks": [task],
        }
        try:
            return int(self._calls.send("submitting a one-off run", "POST", f"{_RUNS}/submit", body)["run_id"])
        except Refusal as refusal:
            if "serverless" in refusal.said.casefold():
                self._refused = f"the workspace has no serverless compute for it ({refusal.said})"
            raise EngineUnavailable(
                f"The one-off run was refused: {refusal.said}.", where=self._host, hint=_COMPUTE
            ) from None

    # --- meanwhile ---------------------------------------------------------------------------------------------------

    def _followed(self, run_id: int, stop: threading.Event, timeout: float) -> dict[str, Any]:
        """The run once it has ended."""
        end, pause = self._clock() + timeout + _GRACE_S, _FIRST_WAIT
        while True:
            run = self._look(run_id)
            if ending_of(run) is not None:
                return run
            if stop.is_set():
                self._stopped(run_id)
                raise Cancelled("The notebook was stopped.")
            if self._clock() > end:
                self._stopped(run_id)
                return {**run, "late": True}
            self._wait(stop, pause)
            pause = min(pause * 1.5, _LONGEST_WAIT)

    def _look(self, run_id: int) -> dict[str, Any]:
        try:
            return self._calls.get("following a one-off run", f"{_RUNS}/get", {"run_id": run_id})
        except (NotFound, Refusal) as error:
            said = error.said if isinstance(error, Refusal) else error.message
            raise EngineError(f"The one-off run {run_id} cannot be followed: {said}.", where=self._host) from None

    def _stopped(self, run_id: int) -> None:
        """Tell a run to end, and give it a moment for it."""
        self._cancel(run_id)
        until, never = self._clock() + _STOP_S, threading.Event()
        with suppress(PipelineMagicError):
            while ending_of(self._look(run_id)) is None and self._clock() < until:
                self._wait(never, 1.0)

    def _cancel(self, run_id: int) -> None:
        with suppress(PipelineMagicError, Refusal):
            self._calls.send("stopping a one-off run", "POST", f"{_RUNS}/cancel", {"run_id": run_id})

    def _stop_named(self, name: str) -> None:
        """Stop what still runs under that name: of a process that was killed, or of a submission without an answer."""
        query = {"active_only": "true", "run_type": "SUBMIT_RUN", "limit": 25}
        with suppress(PipelineMagicError, Refusal):
            for run in self._calls.pages("looking for one-off runs", f"{_RUNS}/list", query, "runs"):
                if run.get("run_name") == f"{_OWN}{name}":
                    self._cancel(int(run["run_id"]))

    # --- afterwards --------------------------------------------------------------------------------------------------

    def _outcome(
        self,
        document: Mapping[str, Any],
        parameters: Mapping[str, str],
        run: Mapping[str, Any],
        timeout: float,
        seconds: float,
    ) -> NotebookRun:
        """What the run came to.

        Raises:
            EngineUnavailable: Not the notebook failed but what it was to run on.
        """
        ending = ending_of(run)
        tasks = run.get("tasks") or [run]
        task_run = int(tasks[-1].get("run_id") or run["run_id"])
        told = self._told(task_run)
        exit_value = str((told.get("notebook_output") or {}).get("result") or "")
        error = ""
        if run.get("late") or (ending is not None and ending.timed_out):
            error = f"TimeoutError: the notebook took over {timeout:g} s and was stopped"
        elif ending is None or not ending.succeeded:
            said = str(told.get("error") or "")
            if not said and ending is not None and ending.internal:
                raise EngineUnavailable(
                    f"Databricks could not run the notebook: {_line(ending.message) or 'it gave no reason'}.",
                    where=str(run.get("run_page_url") or self._host),
                    hint=_COMPUTE,
                )
            error = _line(said or (ending.message if ending else "")) or "the run ended without success, and no reason"
        about = {"parameters": dict(parameters), "exit_value": exit_value, "error": error}
        trace = redact(str(told.get("error_trace") or ""))[:20_000] if error else ""
        if run.get("run_page_url"):
            about["run"] = str(run["run_page_url"])
        return NotebookRun(
            succeeded=not error,
            executed=executed(document, self._outputs(task_run), about, trace),
            error=error,
            exit_value=exit_value,
            seconds=round(seconds, 3),
        )

    def _told(self, task_run: int) -> dict[str, Any]:
        try:
            return self._calls.get("reading what a run gave", f"{_RUNS}/get-output", {"run_id": task_run})
        except (NotFound, Refusal) as error:
            said = error.said if isinstance(error, Refusal) else error.message
            return {"error": f"what the run gave cannot be read: {said}"}

    def _outputs(self, task_run: int) -> list[tuple[str, str]]:
        """Source and printed text of each cell, where the run can be exported; nothing is lost where it cannot."""
        query = {"run_id": task_run, "views_to_export": "CODE"}
        with suppress(PipelineMagicError, Refusal):
            return outputs_of(self._calls.get("exporting a run", f"{_RUNS}/export", query))
        return []

    def _remove(self, name: str) -> None:
        """What could not be removed now is found and removed by `clean`."""
        with suppress(PipelineMagicError):
            self._delete(name)

    def _delete(self, name: str) -> None:
        path = f"{self._home()}/{name}"
        with suppress(NotFound):
            try:
                body = {"path": path, "recursive": True}
                self._calls.send("removing a temporary folder", "POST", f"{_FILES}/delete", body)
            except Refusal as refusal:
                raise self._unforeseen("removing a temporary folder", refusal) from None

    def _unforeseen(self, what: str, refusal: Refusal) -> EngineError:
        return EngineError(f"Databricks refuses, while {what}: {refusal.said}.", where=self._host)


_COMPUTE = (
    "Serverless compute must be allowed for jobs in the workspace, or DATABRICKS_CLUSTER_ID must name a cluster that "
    "you may attach to; `one_off_runs = false` leaves the notebook unexecuted."
)


def _read(notebook: str) -> dict[str, Any]:
    """The notebook as it is sent: without outputs."""
    try:
        document = json.loads(notebook)
        cells = [dict(cell) for cell in document["cells"]]
    except (ValueError, TypeError, KeyError):
        raise EngineError("Not a notebook: it holds no cells.", hint="Give the text of an .ipynb file.") from None
    for cell in cells:
        if cell.get("cell_type") == "code":
            cell |= {"outputs": [], "execution_count": None}
    return {**document, "cells": cells}


def _line(text: str) -> str:
    line = " ".join(redact(text).split())
    return line.rstrip(". ") if len(line) <= 1000 else line[:999] + "…"
