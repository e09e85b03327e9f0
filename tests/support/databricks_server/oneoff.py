"""One-off runs of the strict workspace, and the folders their notebooks are imported into.

A run goes through its states in a thread of its own, in which its notebook is really executed, cell by cell. What a
notebook finds there of `spark` is the little that can be done by SQL in the world's DuckDB (`_Spark`); a test that
needs more gives an `execute` of its own. Jobs that stay are not here.
"""

from __future__ import annotations

import base64
import functools
import io
import itertools
import json
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pipeline_magic.adapters.notebook_kernel import Dbutils, NotebookExit
from tests.support.databricks_server.server import Handler, Refusal, Request
from tests.support.databricks_server.spark import Failure, Spark

__all__ = ["Executed", "OneOff", "OneOffRun"]

_W = r"2\.0/workspace"
_R = r"2\.2/jobs/runs"
_SUBMIT = (
    "run_name", "tasks", "timeout_seconds", "idempotency_token", "access_control_list", "environments", "git_source",
    "health", "email_notifications", "webhook_notifications", "notification_settings", "queue", "run_as",
    "budget_policy_id",
)  # fmt: skip
_TASK = (
    "task_key", "notebook_task", "existing_cluster_id", "new_cluster", "environment_key", "libraries",
    "timeout_seconds", "depends_on", "description", "run_if", "health", "email_notifications", "webhook_notifications",
)  # fmt: skip
_LARGEST = 10 * 1024 * 1024


@dataclass
class Executed:
    """What a notebook came to: the value of its exit, the error and its trace, and what each cell printed."""

    exit_value: str = ""
    error: str = ""
    trace: str = ""
    printed: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class OneOffRun:
    """One submitted run."""

    id: int
    task: int
    user: str
    name: str
    path: str
    parameters: dict[str, str]
    cluster: str
    timeout: int
    state: str = "PENDING"
    code: str = ""
    message: str = ""
    outcome: Executed = field(default_factory=Executed)
    done: threading.Event = field(default_factory=threading.Event)
    late: threading.Timer | None = None

    @property
    def active(self) -> bool:
        return self.state in ("PENDING", "QUEUED", "RUNNING", "TERMINATING")


class OneOff:
    """Answers for one world.

    Attributes:
        files: Content of each notebook by its path; None where it is a folder.
        runs: Every run, by the id of the run and by that of its task.
        submitters: Who may submit runs; everybody when empty.
        serverless: Whether there is serverless compute for jobs.
        clusters: Ids of the clusters that are there.
        starting: Looks at a run that the start of its compute takes.
        broken: What stops the run before the notebook: termination code and message.
        export: Whether a run can be exported.
        execute: What is done with a notebook's cells: (notebook, parameters, user) -> Executed.
    """

    def __init__(self, spark: Spark) -> None:
        self.spark = spark
        self.files: dict[str, str | None] = {"/Users": None, "/Shared": None}
        self.runs: dict[int, OneOffRun] = {}
        self.tokens: dict[str, OneOffRun] = {}
        self.submitters: set[str] = set()
        self.serverless = True
        self.clusters = {"0101-cluster"}
        self.starting = 1
        self.broken: tuple[str, str] | None = None
        self.export = True
        self.execute: Callable[[Mapping[str, Any], Mapping[str, str], str], Executed] = self._execute
        self._ids = itertools.count(501)

    def routes(self) -> Iterable[tuple[str, str, Handler]]:
        yield "POST", rf"{_W}/mkdirs", self.mkdirs
        yield "POST", rf"{_W}/import", self.import_
        yield "POST", rf"{_W}/delete", self.delete
        yield "GET", rf"{_W}/list", self.list
        yield "POST", rf"{_R}/submit", self.submit
        yield "GET", rf"{_R}/get", self.get
        yield "GET", rf"{_R}/get-output", self.output
        yield "GET", rf"{_R}/export", self.exported
        yield "GET", rf"{_R}/list", self.listed
        yield "POST", rf"{_R}/cancel", self.cancel

    def notebooks(self) -> list[str]:
        """Paths of everything below the homes."""
        return sorted(path for path in self.files if path.startswith("/Users/") and path.count("/") > 2)

    # --- the workspace -----------------------------------------------------------------------------------------------

    def mkdirs(self, request: Request) -> Any:
        request.only("path", needs=["path"])
        path = self._mine(request)
        for parent in _chain(path):
            if self.files.get(parent, None) is not None:
                raise Refusal(400, "RESOURCE_ALREADY_EXISTS", f"{parent} is no directory.")
            self.files.setdefault(parent, None)
        return {}

    def import_(self, request: Request) -> Any:
        request.only("path", "content", "format", "language", "overwrite", needs=["path", "content"])
        path, body = self._mine(request), request.body
        if body.get("format") != "JUPYTER":
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "Only the format JUPYTER is known here.")
        if path.rpartition("/")[0] not in self.files:
            raise Refusal(
                404, "RESOURCE_DOES_NOT_EXIST", f"The parent folder ({path.rpartition('/')[0]}) does not exist."
            )
        if path in self.files and (self.files[path] is None or not body.get("overwrite")):
            raise Refusal(400, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")
        try:
            content = base64.b64decode(body["content"], validate=True).decode()
            cells = json.loads(content)["cells"]
        except (ValueError, KeyError, TypeError):
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "The content is no notebook of the format JUPYTER.") from None
        if len(content) > _LARGEST or not isinstance(cells, list):
            raise Refusal(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", "The notebook is larger than 10485760 bytes.")
        self.files[path] = content
        return {}

    def delete(self, request: Request) -> Any:
        request.only("path", "recursive", needs=["path"])
        path = self._mine(request)
        below = [one for one in self.files if one.startswith(f"{path}/")]
        if path not in self.files:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({path}) doesn't exist.")
        if below and request.body.get("recursive") is not True:
            raise Refusal(400, "DIRECTORY_NOT_EMPTY", f"Folder ({path}) is not empty")
        for one in (path, *below):
            del self.files[one]
        return {}

    def list(self, request: Request) -> Any:
        request.asks("path", "notebooks_modified_after", needs=["path"])
        path = request.query["path"]
        if path not in self.files:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({path}) doesn't exist.")
        found = [one for one in self.files if one.rpartition("/")[0] == path]
        if not found:
            return {}
        return {
            "objects": [
                {"path": one, "object_type": "DIRECTORY" if self.files[one] is None else "NOTEBOOK", "object_id": place}
                for place, one in enumerate(sorted(found))
            ]
        }

    def _mine(self, request: Request) -> str:
        path = str(request.body["path"])
        if not path.startswith("/") or path.endswith("/") or "//" in path:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"Path ({path}) must be absolute.")
        if not path.startswith((f"/Users/{request.user}/", "/Shared/")):
            raise Refusal(403, "PERMISSION_DENIED", f"{request.user} does not have Manage permissions on {path}.")
        return path

    # --- runs --------------------------------------------------------------------------------------------------------

    def submit(self, request: Request) -> Any:
        request.only(*_SUBMIT, needs=["tasks"])
        body = request.body
        [task] = body["tasks"]
        Request((), {}, task, request.user).only(*_TASK, needs=["task_key", "notebook_task"])
        told = task["notebook_task"]
        Request((), {}, told, request.user).only(
            "notebook_path", "base_parameters", "source", "warehouse_id", needs=["notebook_path"]
        )
        token = str(body.get("idempotency_token") or "")
        if len(token) > 64:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "idempotency_token has at most 64 characters.")
        if token and token in self.tokens:
            return {"run_id": self.tokens[token].id}
        if self.submitters and request.user not in self.submitters:
            raise Refusal(403, "PERMISSION_DENIED", f"{request.user} is not allowed to submit runs.")
        cluster = str(task.get("existing_cluster_id") or "")
        if cluster and cluster not in self.clusters:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"Cluster {cluster} does not exist.")
        if not cluster and not self.serverless:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "Serverless compute is not enabled for this workspace.")
        parameters = told.get("base_parameters") or {}
        if not all(isinstance(value, str) for value in parameters.values()):
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "base_parameters are texts.")
        made = OneOffRun(
            next(self._ids), next(self._ids), request.user, str(body.get("run_name") or "Untitled"),
            told["notebook_path"], dict(parameters), cluster, int(body.get("timeout_seconds") or 0),
        )  # fmt: skip
        self.runs[made.id] = self.runs[made.task] = made
        if token:
            self.tokens[token] = made
        threading.Thread(target=self._run, args=(made, self.starting), daemon=True).start()
        return {"run_id": made.id}

    def get(self, request: Request) -> Any:
        request.asks("run_id", "include_history", "include_resolved_values", "page_token", needs=["run_id"])
        made = self._run_of(request, request.query["run_id"])
        made.done.wait(0.02)
        state = self._state(made)
        return {
            "run_id": made.id,
            "run_name": made.name,
            "run_type": "SUBMIT_RUN",
            "run_page_url": f"{self.spark.world.server.url}/?o=1#job/0/run/{made.id}",
            **state,
            "tasks": [{"run_id": made.task, "task_key": "notebook", "attempt_number": 0, **state}],
        }

    def output(self, request: Request) -> Any:
        request.asks("run_id", needs=["run_id"])
        made = self._task_of(request)
        told: dict[str, Any] = {"metadata": {"run_id": made.task, **self._state(made)}}
        if made.outcome.error:
            told |= {"error": made.outcome.error, "error_trace": made.outcome.trace}
        elif made.code == "SUCCESS":
            output = {"result": made.outcome.exit_value, "truncated": False} if made.outcome.exit_value else {}
            told["notebook_output"] = output
        return told

    def exported(self, request: Request) -> Any:
        request.asks("run_id", "views_to_export", needs=["run_id"])
        made = self._task_of(request)
        if not self.export or made.active:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "The run cannot be exported.")
        commands = [
            {
                "version": "CommandV1",
                "position": place + 1.0,
                "command": source,
                "results": {"type": "listResults", "data": [{"type": "ansi", "name": "stdout", "data": text}]},
            }
            for place, (source, text) in enumerate(made.outcome.printed)
        ]
        model = quote(json.dumps({"version": "NotebookV1", "language": "python", "commands": commands}))
        encoded = base64.b64encode(model.encode()).decode()
        content = f"<html><script>var __DATABRICKS_NOTEBOOK_MODEL = '{encoded}';</script></html>"
        return {"views": [{"content": content, "name": "notebook", "type": "NOTEBOOK"}]}

    def listed(self, request: Request) -> Any:
        known = "active_only completed_only job_id run_type limit offset page_token expand_tasks start_time_from"
        request.asks(*known.split(), "start_time_to")
        if not 1 <= int(request.query.get("limit", "20")) <= 25:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "limit must be between 1 and 25.")
        found = [one for place, one in self.runs.items() if place == one.id and one.user == request.user]
        if request.query.get("active_only") == "true":
            found = [one for one in found if one.active]
        answer: dict[str, Any] = {"has_more": False}
        if found:
            answer["runs"] = [{"run_id": one.id, "run_name": one.name, **self._state(one)} for one in found[::-1]]
        return answer

    def cancel(self, request: Request) -> Any:
        request.only("run_id", needs=["run_id"])
        made = self._run_of(request, request.body["run_id"])
        if made.active:
            self._end(made, "USER_CANCELED", "Run cancelled.")
        return {}

    # --- inside ------------------------------------------------------------------------------------------------------

    def _run_of(self, request: Request, said: Any) -> OneOffRun:
        made = self.runs.get(int(said)) if str(said).isdigit() else None
        if made is None:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", f"Run {said} does not exist.")
        if made.user != request.user:
            raise Refusal(403, "PERMISSION_DENIED", f"{request.user} does not have View permissions on run {said}.")
        return made

    def _task_of(self, request: Request) -> OneOffRun:
        made = self._run_of(request, request.query["run_id"])
        if int(request.query["run_id"]) != made.task:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "The run has tasks: give the id of the run of a task.")
        return made

    def _state(self, made: OneOffRun) -> dict[str, Any]:
        if made.active:
            return {"state": {"life_cycle_state": made.state, "state_message": ""}, "status": {"state": made.state}}
        kinds = {"SUCCESS": "SUCCESS", "CLUSTER_ERROR": "CLOUD_FAILURE", "INTERNAL_ERROR": "INTERNAL_ERROR"}
        results = {"SUCCESS": "SUCCESS", "USER_CANCELED": "CANCELED", "TIMED_OUT": "TIMEDOUT"}
        cycle = "INTERNAL_ERROR" if made.code in ("CLUSTER_ERROR", "INTERNAL_ERROR") else "TERMINATED"
        details = {"code": made.code, "type": kinds.get(made.code, "CLIENT_ERROR"), "message": made.message}
        result = {
            "life_cycle_state": cycle,
            "result_state": results.get(made.code, "FAILED"),
            "state_message": made.message,
        }
        return {"state": result, "status": {"state": "TERMINATED", "termination_details": details}}

    def _end(self, made: OneOffRun, code: str, message: str) -> None:
        made.code, made.message, made.state = code, message, "TERMINATED"
        if made.late is not None:
            made.late.cancel()
        made.done.set()

    def _run(self, made: OneOffRun, starting: int) -> None:
        self.spark.world.server.wait(0.01 * starting)
        if self.broken is not None:
            self._end(made, *self.broken)
            return
        if not made.active:
            return
        made.state = "RUNNING"
        if made.timeout:
            made.late = threading.Timer(made.timeout, self._end, (made, "TIMED_OUT", "Timed out."))
            made.late.daemon = True
            made.late.start()
        content = self.files.get(made.path)
        if content is None:
            self._end(made, "RESOURCE_NOT_FOUND", f"Unable to access the notebook {made.path!r}.")
            return
        outcome = self.execute(json.loads(content), made.parameters, made.user)
        if made.active:
            made.outcome = outcome
            failed = "Workload failed, see run output for details"
            self._end(made, "RUN_EXECUTION_ERROR" if outcome.error else "SUCCESS", failed if outcome.error else "")

    def _execute(self, notebook: Mapping[str, Any], parameters: Mapping[str, str], user: str) -> Executed:
        names: dict[str, Any] = {"spark": _Spark(self.spark, user), "dbutils": Dbutils(parameters)}
        outcome = Executed()
        for cell in notebook["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] != "code":
                continue
            said = io.StringIO()
            names["print"] = functools.partial(print, file=said)  # what the process prints is not the notebook's
            try:
                exec(compile(source, "<cell>", "exec"), names)
            except NotebookExit as left:
                outcome.exit_value = str(left)
                outcome.printed.append((source, said.getvalue()))
                break
            except Exception as error:  # noqa: BLE001  (whatever a notebook raises is its error)
                outcome.error = f"{type(error).__name__}: {error}"
                outcome.trace = traceback.format_exc()
                outcome.printed.append((source, said.getvalue()))
                break
            outcome.printed.append((source, said.getvalue()))
        return outcome


class _Spark:
    """What can be done by SQL alone."""

    def __init__(self, spark: Spark, user: str) -> None:
        self._spark = spark
        self._user = user

    def run(self, sql: str) -> Any:
        try:
            return self._spark.run(sql, self._user, {}, lambda cursor: None)
        except Failure as failure:
            raise RuntimeError(str(failure)) from None

    def sql(self, text: str) -> _Frame:
        if not text.lstrip().upper().startswith(("SELECT", "WITH")):
            self.run(text)
        return _Frame(self, text)

    def table(self, name: str) -> _Frame:
        return _Frame(self, f"SELECT * FROM {name}")


class _Frame:
    """A query, which is run when its rows are asked for or written."""

    def __init__(self, spark: _Spark, sql: str) -> None:
        self._spark = spark
        self._sql = sql
        self._mode = "errorifexists"

    def count(self) -> int:
        return len(self._spark.run(self._sql).rows)

    def collect(self) -> list[list[str | None]]:
        rows: list[list[str | None]] = self._spark.run(self._sql).rows
        return rows

    @property
    def write(self) -> _Frame:
        return self

    def mode(self, mode: str) -> _Frame:
        self._mode = mode
        return self

    def format(self, name: str) -> _Frame:
        return self

    def option(self, name: str, value: Any) -> _Frame:
        return self

    def saveAsTable(self, name: str) -> None:
        if self._mode == "append":
            self._spark.run(f"INSERT INTO {name} {self._sql}")
            return
        replace = "OR REPLACE " if self._mode == "overwrite" else ""
        self._spark.run(f"CREATE {replace}TABLE {name} USING DELTA AS {self._sql}")


def _chain(path: str) -> list[str]:
    parts = path.strip("/").split("/")
    return ["/" + "/".join(parts[: place + 1]) for place in range(len(parts))]
