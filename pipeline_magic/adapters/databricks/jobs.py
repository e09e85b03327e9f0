"""Lakeflow Jobs: created, reset, found again by their tags, and read back; fulfils `kinds.Kind` and `kinds.JobKeeper`.

What holds when a call is repeated, raced or cut off: a job is looked for by its tags before one is created, and again
afterwards; the one with the lowest id stays, and a double that this very deployment made is removed. A reset is whole
settings, so that it may be done twice. A reset keeps the old ``run_as``: it is always said, and verified.

Not here: how a run goes (`job_runs`), the notebook that a job runs (`deployer`).
"""

from __future__ import annotations

import copy
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from pydantic import JsonValue

from pipeline_magic.adapters.databricks.calls import Calls, Refusal, may_be_done
from pipeline_magic.adapters.databricks.job_runs import JobRuns, gone
from pipeline_magic.adapters.databricks.kinds import ENVIRONMENT, KEY, PIPELINE
from pipeline_magic.adapters.databricks.workspace_files import WorkspaceFiles
from pipeline_magic.errors import DeploymentError, NotFound
from pipeline_magic.ports import DeployRequest
from pipeline_magic.runs import NotebookRun

__all__ = ["Denied", "Jobs"]

_JOBS = "/api/2.2/jobs"
_PERMISSIONS = "/api/2.0/permissions/jobs"
_WHO = ("user_name", "group_name", "service_principal_name")
_APPLICATION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CREATIONS = 3
"""Attempts to create a job of which nobody knows whether they were taken; each looks first."""


class Denied(DeploymentError):
    """The caller may not do it."""


class Jobs:
    """The jobs of one workspace.

    Args:
        calls: Asks the workspace; raises `Denied` for a missing permission.
        files: Of the same workspace; says who the caller is.
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
        self._runs = JobRuns(calls, files, wait=wait, clock=clock)

    def __repr__(self) -> str:
        return f"Jobs({self._calls.host!r})"

    # --- placing -----------------------------------------------------------------------------------------------------

    def place(self, request: DeployRequest, folder: str, owned: str | None, tags: Mapping[str, str]) -> str:
        """Create the job, or reset it; its task runs the notebook in `folder`. See `kinds.Kind.place`.

        Raises:
            DeploymentError: The plan describes no such job, or Databricks refuses it.
        """
        jobs = request.resource.get("jobs")
        found = list(jobs.values()) if isinstance(jobs, dict) else []
        if len(found) != 1 or not isinstance(found[0], dict):
            raise DeploymentError(
                f"The plan's files describe {len(found)} jobs of `{request.pipeline}`, and one is needed.",
                hint="Generate the plan again, and approve that.",
            )
        settings: dict[str, Any] = copy.deepcopy(found[0])
        for task in settings.get("tasks") or ():
            if "notebook_task" in task:
                name = PurePosixPath(task["notebook_task"]["notebook_path"]).stem
                task["notebook_task"]["notebook_path"] = f"{folder}/{name}"
        permissions = settings.pop("permissions", ())
        return self.put(settings, owned=owned, tags=tags, permissions=permissions)

    def put(
        self,
        settings: Mapping[str, Any],
        *,
        owned: str | None,
        tags: Mapping[str, str],
        permissions: Sequence[Mapping[str, str]] = (),
    ) -> str:
        """Create a job, or reset it to these settings. See `kinds.JobKeeper.put`.

        Raises:
            Denied: A permission is missing; the message says for what.
            DeploymentError: Databricks refuses the settings, or holds others afterwards.
        """
        wanted = {**settings, "tags": {**settings.get("tags", {}), **tags}}
        job = owned or self.find(tags[PIPELINE], tags[ENVIRONMENT])
        if job is None or not self._reset(job, wanted):
            made = self._created(wanted)
            there = self._of(wanted)
            job = min([made, *(str(other["job_id"]) for other in there)], key=int)
            if job != made:  # somebody was faster: theirs stays, with these settings
                self._reset(job, wanted)
        else:
            there = self._of(wanted)
        self._remove_doubles(job, wanted, there)
        self._run_as(job, wanted)
        self._permit(job, permissions, wanted)
        return job

    def _reset(self, job: str, wanted: Mapping[str, Any]) -> bool:
        """Whether the job is there, and now has these settings."""
        what = self._what("setting", wanted)
        body = {"job_id": int(job), "new_settings": {**wanted, "run_as": self._identity(wanted)}}
        try:
            self._calls.send(what, "POST", f"{_JOBS}/reset", body)
        except (NotFound, Refusal) as error:
            if _is_gone(error):
                return False
            raise self._refused(what, error) from None
        except Denied as denied:
            raise self._denied(denied, wanted, f"CAN MANAGE on the job {job}") from None
        return True

    def _created(self, wanted: Mapping[str, Any]) -> str:
        """Id of a job that this call, or an earlier attempt of it, has made."""
        what = self._what("creating", wanted)
        for attempt in range(1, _CREATIONS + 1):
            try:
                told = self._calls.send(what, "POST", f"{_JOBS}/create", wanted, again=False)
                return str(int(told["job_id"]))
            except (NotFound, Refusal) as error:
                raise self._refused(what, error) from None
            except Denied as denied:
                raise self._denied(denied, wanted, "to create jobs in this workspace") from None
            except DeploymentError as error:
                if not may_be_done(error):
                    raise
                own = [str(job["job_id"]) for job in self._of(wanted) if _tag(job, KEY) == wanted["tags"].get(KEY)]
                if own:
                    return own[0]
                if attempt == _CREATIONS:
                    raise
                self._wait(threading.Event(), float(attempt))
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def _remove_doubles(self, job: str, wanted: Mapping[str, Any], there: Sequence[Mapping[str, Any]]) -> None:
        """Remove what this deployment made twice. A copy that a person made has another name, and stays."""
        for other in there:
            mine = _tag(other, KEY) == wanted["tags"].get(KEY) and _settings(other).get("name") == wanted["name"]
            if mine and int(other["job_id"]) > int(job):
                self.delete(str(other["job_id"]))

    def _of(self, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
        tags = wanted["tags"]
        return self._tagged(tags[PIPELINE], tags[ENVIRONMENT], wanted["name"])

    # --- identity and permissions ------------------------------------------------------------------------------------

    def _identity(self, wanted: Mapping[str, Any]) -> dict[str, str]:
        """As whom the job runs: as its settings say, otherwise as whoever deploys."""
        said = wanted.get("run_as")
        return dict(said) if said else principal(self._files.me())

    def _run_as(self, job: str, wanted: Mapping[str, Any]) -> None:
        """Make sure that the job runs as its settings say."""
        identity = self._identity(wanted)
        [name] = identity.values()
        if self._job(job).get("run_as_user_name") == name:
            return
        what = f"letting the job {job} run as `{name}`"
        body = {"job_id": int(job), "new_settings": {"run_as": identity}}
        try:
            self._calls.send(what, "POST", f"{_JOBS}/update", body)
        except (NotFound, Refusal) as error:
            raise self._refused(what, error) from None
        except Denied as denied:
            raise self._denied(denied, wanted, "") from None
        now = self._job(job).get("run_as_user_name")
        if now != name and (now or wanted.get("run_as")):
            raise DeploymentError(
                f"The job runs as `{now}`, and was to run as `{name}`.",
                where=self.url(job),
                hint="Set it at that page, or ask the job's owner to; then resume the run.",
            )

    def _permit(self, job: str, permissions: Sequence[Mapping[str, str]], wanted: Mapping[str, Any]) -> None:
        """Give the job these permissions and no others, beside its owner and the caller; none: leave them alone."""
        if not permissions:
            return
        what = f"setting the permissions of the job {job}"
        entries = [
            {**{kind: one[kind] for kind in _WHO if kind in one}, "permission_level": one["level"]}
            for one in permissions
        ]
        try:
            if not any(one["permission_level"] == "IS_OWNER" for one in entries):
                told = self._calls.get(what, f"{_PERMISSIONS}/{int(job)}")
                owners = [one for one in _direct(told) if one["level"] == "IS_OWNER"]
                owner = {k: v for k, v in owners[0].items() if k != "level"} if owners else principal(self._files.me())
                entries = [one for one in entries if not owner.items() <= one.items()]  # the owner may do all of it
                entries.append({**owner, "permission_level": "IS_OWNER"})
            me = principal(self._files.me())
            mine = [one for one in entries if me.items() <= one.items()]
            if not any(one["permission_level"] in ("CAN_MANAGE", "IS_OWNER") for one in mine):
                # Or this would be the last time that the caller may.
                entries = [one for one in entries if one not in mine] + [{**me, "permission_level": "CAN_MANAGE"}]
            self._calls.send(what, "PUT", f"{_PERMISSIONS}/{int(job)}", {"access_control_list": entries})
        except (NotFound, Refusal) as error:
            raise self._refused(what, error) from None
        except Denied as denied:
            raise self._denied(denied, wanted, f"CAN MANAGE on the job {job}") from None

    def close(self, id: str) -> None:
        """Take back every permission that was given on the job, but its owner's and the caller's.

        Raises:
            DeploymentError: The caller may not.
        """
        self._permit(id, ({**principal(self._files.me()), "level": "CAN_MANAGE"},), {})

    # --- looking -----------------------------------------------------------------------------------------------------

    def find(self, pipeline: str, environment: str) -> str | None:
        """Id of the job with these two tags, the lowest where there are several; None when there is none."""
        found = self.look(pipeline, environment)
        return found[1] if found else None

    def look(self, pipeline: str, environment: str) -> tuple[str, str] | None:
        """What the job with these two tags runs, ``job`` or ``pipeline``, and its id."""
        found = self._tagged(pipeline, environment, f"{pipeline} ({environment})")
        if not found:
            return None
        tasks = _settings(found[0]).get("tasks") or ()
        return "pipeline" if any("pipeline_task" in task for task in tasks) else "job", str(found[0]["job_id"])

    def _tagged(self, pipeline: str, environment: str, name: str) -> list[dict[str, Any]]:
        """Jobs with these tags by id; one that was renamed is looked for among all, where none has the name."""
        what = f"looking for the job of `{pipeline}`"
        every = {"limit": 100, "expand_tasks": "true"}
        for query in ({"name": name, **every}, every):
            try:
                jobs = list(self._calls.pages(what, f"{_JOBS}/list", query, "jobs"))
            except (NotFound, Refusal) as error:
                raise self._refused(what, error) from None
            found = {
                int(job["job_id"]): job
                for job in jobs
                if (_tag(job, PIPELINE), _tag(job, ENVIRONMENT)) == (pipeline, environment)
            }
            if found:
                return [found[number] for number in sorted(found)]
        return []

    def settings(self, id: str) -> dict[str, JsonValue]:
        """Settings as they are, with identity and permissions, and without what changes by itself.

        Raises:
            NotFound: No such job.
        """
        job = self._job(id)
        made: dict[str, Any] = dict(_settings(job))
        made["parameters"] = {str(one["name"]): one.get("default") for one in made.get("parameters") or ()}
        made["tags"] = dict(made.get("tags") or {})
        made["run_as"] = str(job.get("run_as_user_name") or "")
        made["permissions"] = self._permissions(id)
        made.pop("format", None)
        return made

    def _permissions(self, job: str) -> list[dict[str, str]]:
        """Who may do what with the job itself; empty where that may not be read."""
        try:
            told = self._calls.get(f"reading the permissions of the job {job}", f"{_PERMISSIONS}/{int(job)}")
        except (NotFound, Refusal, Denied):
            return []
        return _direct(told)

    def _job(self, job: str) -> dict[str, Any]:
        """The job with all of its tasks, as the service tells it."""
        made: dict[str, Any] = {}
        token = ""
        while True:
            query = {"job_id": self._number(job), **({"page_token": token} if token else {})}
            try:
                page = self._calls.get(f"reading the job {job}", f"{_JOBS}/get", query)
            except (NotFound, Refusal) as error:
                if _is_gone(error):
                    raise gone(job, self._calls.host) from None
                raise self._refused(f"reading the job {job}", error) from None
            if not made:
                made = page
            else:
                for part in ("tasks", "job_clusters", "parameters"):
                    more = _settings(page).get(part) or []
                    if more:
                        made["settings"][part] = [*(made["settings"].get(part) or []), *more]
            following = str(page.get("next_page_token") or "")
            if not following or following == token:
                return made
            token = following

    def _number(self, job: str) -> int:
        if not job.isdecimal():
            raise gone(job, self._calls.host)
        return int(job)

    def folder(self, id: str) -> str:
        """Workspace folder of the notebook that the job runs; empty when it runs none."""
        for task in _settings(self._job(id)).get("tasks") or ():
            path = (task.get("notebook_task") or {}).get("notebook_path")
            if path:
                return str(PurePosixPath(path).parent)
        return ""

    def url(self, id: str) -> str:
        """The job's page in the workspace."""
        return f"{self._calls.host.rstrip('/')}/jobs/{id}"

    # --- running -----------------------------------------------------------------------------------------------------

    def run(self, id: str, *, key: str, timeout: float) -> NotebookRun:
        """Run the job, once for each key, and follow it to its end. See `kinds.Kind.run`."""
        return self._runs.run(str(self._number(id)), key=key, timeout=timeout)

    def cancel(self) -> None:
        """Stop the runs that are followed now."""
        self._runs.cancel()

    def delete(self, id: str) -> None:
        """Remove the job with its runs; nothing happens when it is not there.

        Raises:
            Denied: The caller may not.
        """
        what = f"deleting the job {id}"
        try:
            self._calls.send(what, "POST", f"{_JOBS}/delete", {"job_id": self._number(id)})
        except (NotFound, Refusal) as error:
            if not _is_gone(error):
                raise self._refused(what, error) from None
        except Denied as denied:
            hint = "Ask the job's owner, or for CAN MANAGE on it; then resume the run."
            raise Denied(denied.message, where=self.url(id), hint=hint) from None

    # --- errors ------------------------------------------------------------------------------------------------------

    @staticmethod
    def _what(verb: str, wanted: Mapping[str, Any]) -> str:
        said = f"{verb} the job `{wanted['name']}`"
        identity = wanted.get("run_as")
        return f"{said}, which is to run as `{next(iter(identity.values()))}`" if identity else said

    def _refused(self, what: str, error: NotFound | Refusal) -> DeploymentError:
        said = error.said if isinstance(error, Refusal) else error.message
        return DeploymentError(
            f"Databricks refuses, while {what}: {said}.",
            where=self._calls.host,
            hint="Set right what is named, in pipeline_magic.toml (then generate again) or in the workspace.",
        )

    def _denied(self, denied: Denied, wanted: Mapping[str, Any], needed: str) -> Denied:
        identity = wanted.get("run_as") or {}
        needs = [needed] if needed else []
        if "service_principal_name" in identity:
            needs.append(f"the role Service Principal: User on `{identity['service_principal_name']}`")
        elif identity:
            needs.append(f"to be `{next(iter(identity.values()))}`, or a workspace administrator")
        hint = f"It needs the right {' and '.join(needs)}: ask an administrator, then resume the run." if needs else ""
        return Denied(denied.message, where=denied.where, hint=hint or denied.hint)


def principal(name: str) -> dict[str, str]:
    """A user, or a service principal where the name is an application id.

    >>> principal("ada@acme.test"), principal("0a1b2c3d-0000-4000-8000-000000000001")
    ({'user_name': 'ada@acme.test'}, {'service_principal_name': '0a1b2c3d-0000-4000-8000-000000000001'})
    """
    return {"service_principal_name" if _APPLICATION.fullmatch(name) else "user_name": name}


def _settings(job: Mapping[str, Any]) -> dict[str, Any]:
    found = job.get("settings")
    return found if isinstance(found, dict) else {}


def _tag(job: Mapping[str, Any], name: str) -> str | None:
    return (_settings(job).get("tags") or {}).get(name)


def _direct(told: Mapping[str, Any]) -> list[dict[str, str]]:
    """What is granted on the thing itself, in a steady order; what it inherits is left out."""
    found = [
        {**{kind: str(entry[kind]) for kind in _WHO if entry.get(kind)}, "level": str(one["permission_level"])}
        for entry in told.get("access_control_list") or ()
        for one in entry.get("all_permissions") or ()
        if not one.get("inherited")
    ]
    return sorted(found, key=lambda one: sorted(one.items()))


def _is_gone(error: NotFound | Refusal) -> bool:
    return isinstance(error, NotFound) or ("does not exist" in error.said and error.said.startswith("Job"))
