"""Lakeflow Jobs of the strict workspace: settings, permissions, runs.

A run goes through its states in a thread of its own. What its notebook does is given by the test (`Jobs.runner`), so
that one test runs it by the local engine and another says what came of it. One-off runs are another room's.
"""

from __future__ import annotations

import base64
import datetime
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.databricks_server.job_settings import as_told, checked_settings
from tests.support.databricks_server.oneoff import Executed
from tests.support.databricks_server.server import DatabricksServer, Handler, NotMine, Refusal, Request
from tests.support.databricks_server.workspace_files import Files, principal_of

__all__ = ["Job", "JobRun", "Jobs"]

_J = r"2\.2/jobs"
_P = r"2\.0/permissions/jobs/([^/]+)"
_LEVELS = ("CAN_VIEW", "CAN_MANAGE_RUN", "CAN_MANAGE", "IS_OWNER")
_RUN_NOW = (
    "job_id", "idempotency_token", "job_parameters", "queue", "only", "pipeline_params", "performance_target",
)  # fmt: skip


@dataclass
class Job:
    """One job."""

    id: int
    settings: dict[str, Any]
    creator: str
    run_as: str
    created: int
    permissions: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.settings.get("tags") or {})


@dataclass
class JobRun:
    """One run of a job; `tasks` holds the attempts at its task."""

    id: int
    job: int
    user: str
    parameters: dict[str, str]
    task: dict[str, Any]
    tasks: list[tuple[int, Executed | None]] = field(default_factory=list)
    state: str = "PENDING"
    code: str = ""
    message: str = ""
    started: int = 0
    ended: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def active(self) -> bool:
        return self.state != "TERMINATED"


def _nothing(notebook: Mapping[str, Any], parameters: Mapping[str, str], user: str) -> Executed:
    return Executed(exit_value="done")


class Jobs:
    """Answers for one workspace.

    Attributes:
        jobs: Every job by its id.
        runs: Every run by its id.
        runner: What is done with a notebook: (notebook, parameters, user) -> what came of it.
        pipeline_runner: What is done for a pipeline's task: (pipeline's id, run's id) -> what came of it.
        admins: Who may do everything.
        usable: Service principals that each user may let jobs run as.
        pipelines: Ids of the pipelines that are there; None: any.
        most: A quota of jobs.
        hold: Runs wait for it before they begin; set unless a test clears it.
    """

    def __init__(self, server: DatabricksServer, files: Files) -> None:
        self.server = server
        self.files = files
        self.jobs: dict[int, Job] = {}
        self.runs: dict[int, JobRun] = {}
        self.runner: Callable[[Mapping[str, Any], Mapping[str, str], str], Executed] = _nothing
        self.pipeline_runner: Callable[[str, int], Executed] = lambda pipeline, run: Executed()
        self.admins: set[str] = set()
        self.usable: dict[str, set[str]] = {}
        self.pipelines: Callable[[], Iterable[str]] | None = None
        self.most = 10_000
        self.hold = threading.Event()
        self.hold.set()
        self._tokens: dict[str, int] = {}
        self._ids = itertools.count(700_001)
        self._run_ids = itertools.count(81_001)
        self._lock = threading.RLock()

    def routes(self) -> Iterable[tuple[str, str, Handler]]:
        yield "POST", rf"{_J}/create", self.create
        yield "GET", rf"{_J}/list", self.list
        yield "GET", rf"{_J}/get", self.get
        yield "POST", rf"{_J}/reset", self.reset
        yield "POST", rf"{_J}/update", self.update
        yield "POST", rf"{_J}/delete", self.delete
        yield "POST", rf"{_J}/run-now", self.run_now
        yield "GET", rf"{_J}/runs/get", self.run
        yield "GET", rf"{_J}/runs/get-output", self.output
        yield "GET", rf"{_J}/runs/export", self.exported
        yield "GET", rf"{_J}/runs/list", self.list_runs
        yield "POST", rf"{_J}/runs/cancel", self.cancel
        yield "GET", _P, self.permissions
        yield "PUT", _P, self.set_permissions
        yield "PATCH", _P, self.add_permissions

    # --- settings ----------------------------------------------------------------------------------------------------

    def create(self, request: Request) -> Any:
        request.asks()
        settings = dict(request.body)
        entries = settings.pop("access_control_list", [])
        checked_settings(settings)
        if len(self.jobs) >= self.most:
            raise Refusal(400, "QUOTA_EXCEEDED", f"The quota for the number of jobs has been reached: {self.most}.")
        run_as = self._identity(request.user, settings) or request.user
        self._known_pipelines(settings)
        with self._lock:
            made = Job(next(self._ids), settings, request.user, run_as, self._now())
            made.permissions = {("user_name", request.user): "IS_OWNER"}
            self.jobs[made.id] = made
        for entry in entries:
            kind, name, level = principal_of(entry, _LEVELS)
            made.permissions[kind, name] = level
        return {"job_id": made.id}

    def list(self, request: Request) -> Any:
        request.asks("limit", "name", "page_token", "expand_tasks", "offset")
        limit = request.query.get("limit", "20")
        if not limit.isdigit() or not 0 < int(limit) <= 100:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "limit must be between 1 and 100.")
        wanted = request.query.get("name")
        found = [job for job in self.jobs.values() if self._may(request.user, job, "CAN_VIEW")]
        if wanted is not None:
            found = [job for job in found if str(job.settings.get("name")).casefold() == wanted.casefold()]
        found.sort(key=lambda job: -job.id)
        start = int(request.query.get("page_token") or 0)
        size = min(int(limit), self.server.page)
        more = start + size < len(found)
        whole = request.query.get("expand_tasks") == "true"
        jobs = [self._told(job, tasks=whole, listed=True) for job in found[start : start + size]]
        answer: dict[str, Any] = {"has_more": more, **({"jobs": jobs} if jobs else {})}
        return {**answer, "next_page_token": str(start + size)} if more else answer

    def get(self, request: Request) -> Any:
        request.asks("job_id", "page_token", "include_trigger_state", needs=["job_id"])
        return self._told(self._job(request, request.query["job_id"], "CAN_VIEW"))

    def reset(self, request: Request) -> Any:
        request.only("job_id", "new_settings", needs=["job_id", "new_settings"])
        job = self._job(request, request.body["job_id"], "CAN_MANAGE")
        settings = dict(request.body["new_settings"])
        checked_settings(settings)
        identity = self._identity(request.user, settings)
        self._known_pipelines(settings)
        job.settings = settings
        if identity is not None:  # otherwise the old one stays
            job.run_as = identity
        return {}

    def update(self, request: Request) -> Any:
        request.only("job_id", "new_settings", "fields_to_remove", needs=["job_id"])
        job = self._job(request, request.body["job_id"], "CAN_MANAGE")
        settings = {**job.settings, **(request.body.get("new_settings") or {})}
        for name in request.body.get("fields_to_remove") or ():
            settings.pop(name, None)
        checked_settings(settings)
        identity = self._identity(request.user, request.body.get("new_settings") or {})
        job.settings = settings
        if identity is not None:
            job.run_as = identity
        return {}

    def delete(self, request: Request) -> Any:
        request.only("job_id", needs=["job_id"])
        job = self._job(request, request.body["job_id"], "CAN_MANAGE")
        for run in self.runs.values():
            if run.job == job.id and run.active:
                self._end(run, "CANCELED", "The job was deleted.")
        del self.jobs[job.id]
        return {}

    # --- permissions -------------------------------------------------------------------------------------------------

    def permissions(self, request: Request) -> Any:
        request.asks()
        job = self._job(request, request.parts[0], "CAN_VIEW", missing=404)
        entries = [
            {kind: name, "all_permissions": [{"permission_level": level, "inherited": False}]}
            for (kind, name), level in sorted(job.permissions.items())
        ]
        inherited = {"permission_level": "CAN_MANAGE", "inherited": True, "inherited_from_object": ["/jobs/"]}
        entries.append({"group_name": "admins", "all_permissions": [inherited]})
        return {"object_id": f"/jobs/{job.id}", "object_type": "job", "access_control_list": entries}

    def set_permissions(self, request: Request) -> Any:
        job = self._job(request, request.parts[0], "CAN_MANAGE", missing=404)
        job.permissions = self._entries(request)
        return self.permissions(Request(request.parts, {}, {}, request.user))

    def add_permissions(self, request: Request) -> Any:
        job = self._job(request, request.parts[0], "CAN_MANAGE", missing=404)
        request.only("access_control_list")
        for entry in request.body.get("access_control_list") or ():
            kind, name, level = principal_of(entry, _LEVELS)
            job.permissions[kind, name] = level
        return self.permissions(Request(request.parts, {}, {}, request.user))

    @staticmethod
    def _entries(request: Request) -> dict[tuple[str, str], str]:
        request.only("access_control_list")
        made: dict[tuple[str, str], str] = {}
        for entry in request.body.get("access_control_list") or ():
            kind, name, level = principal_of(entry, _LEVELS)
            if (kind, name) in made:
                raise Refusal(400, "INVALID_PARAMETER_VALUE", f"{name} is named twice.")
            made[kind, name] = level
        owners = [who for who, level in made.items() if level == "IS_OWNER"]
        if len(owners) != 1 or owners[0][0] == "group_name":
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "A job must have exactly one owner, which is no group.")
        return made

    # --- runs --------------------------------------------------------------------------------------------------------

    def run_now(self, request: Request) -> Any:
        request.only(*_RUN_NOW, needs=["job_id"])
        job = self._job(request, request.body["job_id"], "CAN_MANAGE_RUN")
        token = str(request.body.get("idempotency_token") or "")
        if len(token) > 64:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "idempotency_token has at most 64 characters.")
        with self._lock:
            if token in self._tokens:
                if self._tokens[token] not in self.runs:
                    raise Refusal(400, "INVALID_PARAMETER_VALUE", f"Run {self._tokens[token]} was deleted.")
                return {"run_id": self._tokens[token], "number_in_job": self._tokens[token]}
            [task] = job.settings["tasks"]
            now = self._now()
            made = JobRun(next(self._run_ids), job.id, request.user, {}, dict(task), started=now)
            at = datetime.datetime.fromtimestamp(now / 1000, datetime.timezone.utc)
            references = {
                "{{job.run_id}}": str(made.id),
                "{{job.id}}": str(job.id),
                "{{job.start_time.iso_datetime}}": at.strftime("%Y-%m-%dT%H:%M:%S.%f%z"),
            }
            given = {one["name"]: one["default"] for one in job.settings.get("parameters") or ()}
            given |= request.body.get("job_parameters") or {}
            made.parameters = {
                name: re.sub(r"\{\{[^}]*\}\}", lambda found: references.get(found[0], found[0]), value)
                for name, value in given.items()
            }
            self.runs[made.id] = made
            if token:
                self._tokens[token] = made.id
        threading.Thread(target=self._run, args=(made, job.run_as), daemon=True).start()
        return {"run_id": made.id, "number_in_job": made.id}

    def run(self, request: Request) -> Any:
        request.asks("run_id", "include_history", "include_resolved_values", "page_token", needs=["run_id"])
        made = self._run_of(request.query["run_id"])
        made.done.wait(0.02)
        tasks = [
            {"run_id": number, "attempt_number": place, **made.task, **self._state(made)}
            for place, (number, _) in enumerate(made.tasks)
        ]
        return {
            "job_id": made.job,
            "run_id": made.id,
            "creator_user_name": made.user,
            "run_type": "JOB_RUN",
            "run_page_url": f"{self.server.url}/?o=1#job/{made.job}/run/{made.id}",
            "start_time": made.started,
            "end_time": made.ended,
            "run_duration": max(0, made.ended - made.started),
            **self._state(made),
            **({"tasks": tasks} if tasks else {}),
        }

    def output(self, request: Request) -> Any:
        request.asks("run_id", needs=["run_id"])
        made, outcome = self._task_of(request.query["run_id"])
        told: dict[str, Any] = {"metadata": {"run_id": made.id, **self._state(made)}}
        if outcome is not None and outcome.error:
            told |= {"error": outcome.error, "error_trace": outcome.trace}
        elif outcome is not None and "notebook_task" in made.task:
            output = {"result": outcome.exit_value, "truncated": False} if outcome.exit_value else {}
            told["notebook_output"] = output
        return told

    def exported(self, request: Request) -> Any:
        request.asks("run_id", "views_to_export", needs=["run_id"])
        made, outcome = self._task_of(request.query["run_id"])
        if made.active or "notebook_task" not in made.task:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "The run cannot be exported.")
        commands = [
            {
                "version": "CommandV1",
                "position": place + 1.0,
                "command": source,
                "results": {"type": "listResults", "data": [{"type": "ansi", "name": "stdout", "data": text}]},
            }
            for place, (source, text) in enumerate(outcome.printed if outcome else ())
        ]
        model = json.dumps({"version": "NotebookV1", "language": "python", "commands": commands})
        encoded = base64.b64encode(_percent(model).encode()).decode()
        content = f"<html><script>var __DATABRICKS_NOTEBOOK_MODEL = '{encoded}';</script></html>"
        return {"views": [{"content": content, "name": "notebook", "type": "NOTEBOOK"}]}

    def list_runs(self, request: Request) -> Any:
        known = "active_only completed_only job_id run_type limit offset page_token expand_tasks start_time_from"
        request.asks(*known.split(), "start_time_to")
        if request.query.get("run_type") == "SUBMIT_RUN":
            raise NotMine
        if not 1 <= int(request.query.get("limit", "20")) <= 25:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "limit must be between 1 and 25.")
        found = [run for run in self.runs.values() if str(run.job) == request.query.get("job_id", str(run.job))]
        if request.query.get("active_only") == "true":
            found = [run for run in found if run.active]
        runs = [{"run_id": run.id, "job_id": run.job, **self._state(run)} for run in reversed(found)]
        return {"has_more": False, **({"runs": runs[: int(request.query.get("limit", "20"))]} if runs else {})}

    def cancel(self, request: Request) -> Any:
        made = self._run_of(request.body.get("run_id"))
        request.only("run_id", needs=["run_id"])
        if made.active:
            self._end(made, "USER_CANCELED", "Run cancelled.")
        return {}

    # --- inside ------------------------------------------------------------------------------------------------------

    def _run(self, made: JobRun, user: str) -> None:
        self.hold.wait(30)
        while any(run.active and run.job == made.job and run.id < made.id for run in self.runs.values()):
            made.state = "QUEUED"
            self.server.wait(0.01)
        if not made.active:
            return
        made.state = "RUNNING"
        for _ in range(int(made.task.get("max_retries") or 0) + 1):
            made.tasks.append((next(self._run_ids), None))
            try:
                outcome = self._execute(made, user)
            except Refusal as refusal:
                self._end(made, "RESOURCE_NOT_FOUND", refusal.message)
                return
            if not made.active:
                return
            made.tasks[-1] = (made.tasks[-1][0], outcome)
            if not outcome.error:
                break
        failed = bool(made.tasks[-1][1] and made.tasks[-1][1].error)
        if failed:
            self._end(made, "RUN_EXECUTION_ERROR", "Workload failed, see run output for details")
        else:
            self._end(made, "SUCCESS", "")

    def _execute(self, made: JobRun, user: str) -> Executed:
        if "pipeline_task" in made.task:
            return self.pipeline_runner(str(made.task["pipeline_task"]["pipeline_id"]), made.id)
        path = made.task["notebook_task"]["notebook_path"].removeprefix("/Workspace")
        item = self.files.items.get(path)
        if item is None or item.kind != "NOTEBOOK" or not self._reads(user, path):
            message = f"Unable to access the notebook '{path}' in the workspace. It does not exist, or {user} may not."
            raise Refusal(404, "RESOURCE_NOT_FOUND", message)
        return self.runner(json.loads(item.text), made.parameters, user)

    def _reads(self, user: str, path: str) -> bool:
        """Whether who a job runs as may run what is at a path: their own, or let by permission on a folder above."""
        if path.startswith((f"/Users/{user}/", "/Shared/")):
            return True
        while path.count("/") > 1:
            path = path.rpartition("/")[0]
            held = self.files.items[path].permissions if path in self.files.items else {}
            if any(name == user and level != "CAN_READ" for (_, name), level in held.items()):
                return True
        return False

    def _end(self, made: JobRun, code: str, message: str) -> None:
        made.code, made.message, made.state, made.ended = code, message, "TERMINATED", self._now()
        made.done.set()

    def _state(self, made: JobRun) -> dict[str, Any]:
        if made.active:
            return {
                "state": {"life_cycle_state": made.state, "state_message": ""},
                "status": {"state": made.state},
            }
        results = {"SUCCESS": "SUCCESS", "USER_CANCELED": "CANCELED", "CANCELED": "CANCELED"}
        kind = "SUCCESS" if made.code == "SUCCESS" else "CLIENT_ERROR"
        details = {"code": made.code, "type": kind, "message": made.message}
        result = {"life_cycle_state": "TERMINATED", "result_state": results.get(made.code, "FAILED")}
        return {
            "state": {**result, "state_message": made.message},
            "status": {"state": "TERMINATED", "termination_details": details},
        }

    def _run_of(self, said: Any) -> JobRun:
        made = self.runs.get(int(said)) if str(said).isdigit() else None
        if made is None:
            if str(said).isdigit() and int(said) < 81_001:
                raise NotMine
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"Run {said} does not exist.")
        return made

    def _task_of(self, said: str) -> tuple[JobRun, Executed | None]:
        for run in self.runs.values():
            for number, outcome in run.tasks:
                if str(number) == said:
                    return run, outcome
            if str(run.id) == said:
                raise Refusal(
                    400,
                    "INVALID_PARAMETER_VALUE",
                    "Retrieving the output of runs with multiple tasks is not supported.",
                )
        raise NotMine

    def _told(self, job: Job, *, tasks: bool = True, listed: bool = False) -> dict[str, Any]:
        made = {
            "job_id": job.id,
            "creator_user_name": job.creator,
            "created_time": job.created,
            "settings": as_told(job.settings, tasks=tasks),
        }
        return made if listed else {**made, "run_as_user_name": job.run_as}

    def _job(self, request: Request, said: Any, level: str, *, missing: int = 400) -> Job:
        job = self.jobs.get(int(said)) if str(said).isdigit() else None
        if job is None:
            code = "INVALID_PARAMETER_VALUE" if missing == 400 else "RESOURCE_DOES_NOT_EXIST"
            raise Refusal(missing, code, f"Job {said} does not exist.")
        if not self._may(request.user, job, level):
            words = level.removeprefix("CAN_").replace("_", " ").title()
            raise Refusal(
                403, "PERMISSION_DENIED", f"User {request.user} does not have {words} permissions on job {said}."
            )
        return job

    def _may(self, user: str, job: Job, level: str) -> bool:
        mine = {user, *self.server.groups.get(user, ())}
        held = [_LEVELS.index(one) for (_, name), one in job.permissions.items() if name in mine]
        return user in self.admins or any(one >= _LEVELS.index(level) for one in held)

    def _identity(self, user: str, settings: Mapping[str, Any]) -> str | None:
        """Who the settings say a job runs as; None where they do not."""
        said = settings.get("run_as")
        if said is None:
            return None
        name = str(said.get("user_name") or said.get("service_principal_name"))
        if "service_principal_name" in said and name not in self.files.principals:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"Service principal {name} does not exist.")
        if name != user and user not in self.admins and name not in self.usable.get(user, ()):
            raise Refusal(
                403,
                "PERMISSION_DENIED",
                f"User {user} is not authorized to set run_as to {name}: servicePrincipal.user",
            )
        return name

    def _known_pipelines(self, settings: Mapping[str, Any]) -> None:
        for task in settings.get("tasks") or ():
            pipeline = (task.get("pipeline_task") or {}).get("pipeline_id")
            if pipeline is not None and self.pipelines is not None and pipeline not in set(self.pipelines()):
                raise Refusal(400, "INVALID_PARAMETER_VALUE", f"The pipeline {pipeline} does not exist.")

    @staticmethod
    def _now() -> int:
        return int(datetime.datetime.now(datetime.timezone.utc).timestamp() * 1000)


def _percent(text: str) -> str:
    from urllib.parse import quote

    return quote(text)
