"""Lakeflow pipelines: the kind of a ``declarative`` deployment, fulfilling `kinds.Kind`.

A deployment is a pipeline and the job whose ``pipeline_task`` runs it; both have the same tags. The job's id stands for
the deployment. The pipeline is found through its job, and where the job is gone by its own tags: the list of pipelines
has none, so that candidates are taken by name and their settings read; a name alone decides nothing.

What holds when a call is repeated or cut off: Databricks takes a name for one pipeline only, so that a creation whose
answer was lost is found and not made twice; an edit says which state of the settings it replaces, so that nobody's
change in between is lost; a run is the job's, which has an idempotency token. An update of a continuous pipeline is
begun by Databricks, and only followed.

Deleting leaves the tables, as with every kind: they can be read, and nothing refreshes them any more. Not here: the
update itself (`updates`), a trial before approval (`dry_runs`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from pipeline_magic.adapters.databricks.calls import Calls, Refusal, segment
from pipeline_magic.adapters.databricks.client import clock_skew
from pipeline_magic.adapters.databricks.jobs import principal
from pipeline_magic.adapters.databricks.kinds import ENVIRONMENT, PIPELINE, JobKeeper
from pipeline_magic.adapters.databricks.pipeline_calls import PipelineCalls, name_taken
from pipeline_magic.adapters.databricks.pipeline_settings import (
    direct_grants,
    folder_of,
    has_settings,
    placed_at,
    principal_of,
    resource_of_kind,
    same_settings,
)
from pipeline_magic.adapters.databricks.updates import PATH, NotAllowed, Updates
from pipeline_magic.adapters.databricks.workspace_files import WorkspaceFiles
from pipeline_magic.errors import DeploymentError, NotFound, PipelineMagicError
from pipeline_magic.ports import DeployRequest
from pipeline_magic.runs import NotebookRun

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

__all__ = ["Pipelines"]

_BY_JOB = ("JOB_TASK", "RETRY_ON_FAILURE")
_RESTARTS, _RESTART_S = 6, 5.0
"""Looks for the next update of a continuous pipeline whose update was cancelled, and seconds between them."""


class Pipelines:
    """Puts pipelines in place, and their jobs by `jobs`; fulfils `kinds.Kind`.

    Args:
        client: Of the workspace.
        jobs: Keeps the job of each pipeline.
        wait: Waits for an event or so many seconds.
        clock: Seconds that only go on.
        options: Of `Calls`.
    """

    def __init__(
        self,
        client: WorkspaceClient,
        jobs: JobKeeper,
        *,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
        clock: Callable[[], float] = time.monotonic,
        **options: Any,
    ) -> None:
        self._host = str(client.config.host).rstrip("/")
        given: dict[str, Any] = {"skew": lambda: clock_skew(self._host), **options}
        self._calls = Calls(client, self._host, error=DeploymentError, denied=NotAllowed, **given)
        self._jobs = jobs
        self._updates = Updates(self._calls, wait=wait, clock=clock)
        self._files = WorkspaceFiles(self._calls)
        self._pipelines = PipelineCalls(self._calls, self._updates, clock)
        self._wait = wait
        self._clock = clock
        self._running: set[threading.Event] = set()

    def __repr__(self) -> str:
        return f"Pipelines({self._host!r})"

    # --- placing -----------------------------------------------------------------------------------------------------

    def place(self, request: DeployRequest, folder: str, owned: str | None, tags: Mapping[str, str]) -> str:
        """Create, or set to these settings, the pipeline and the job that runs it.

        Args:
            folder: Workspace folder that holds the pipeline's source.
            owned: Id of the job that is there.
            tags: Laid over those of the resource.

        Returns:
            Id of the job.

        Raises:
            DeploymentError: Databricks refuses the settings, or somebody changed them in the same moment.
        """
        [(name, resource)] = resource_of_kind(request, "pipelines")
        [(_, job)] = resource_of_kind(request, "jobs")
        granted = resource.pop("permissions", ())
        settings = placed_at(resource, folder) | {"tags": {**resource.get("tags", {}), **tags}}
        pipeline = self._placed(request, owned, settings)
        self._grant(pipeline, granted)
        reference = f"${{resources.pipelines.{name}.id}}"
        for task in job.get("tasks", ()):
            if (task.get("pipeline_task") or {}).get("pipeline_id") == reference:
                task["pipeline_task"] = {**task["pipeline_task"], "pipeline_id": pipeline}
        of_job = job.pop("permissions", ())
        return self._jobs.put(job, owned=owned, tags=tags, permissions=of_job)

    def _placed(self, request: DeployRequest, owned: str | None, settings: dict[str, Any]) -> str:
        """Id of the pipeline, with these settings."""
        found = self._of_job(owned) if owned else None
        found = found or self._tagged(request.pipeline, request.environment, settings["name"])
        if found is None:
            try:
                return str(self._calls.send("creating the pipeline", "POST", PATH, settings)["pipeline_id"])
            except Refusal as refusal:
                if not name_taken(refusal):
                    raise _refused(refusal, settings["name"]) from None
            # A creation whose answer was lost, or somebody else's pipeline.
            found = self._tagged(request.pipeline, request.environment, settings["name"], patient=True)
            if found is None:
                raise DeploymentError(
                    f"A pipeline named `{settings['name']}` is there already, and is not of this deployment.",
                    where=self._host,
                    hint="Rename or remove it, or give this pipeline another name; then resume the run.",
                )
        self._edit(found, settings)
        return str(found["pipeline_id"])

    def _edit(self, found: dict[str, Any], settings: dict[str, Any]) -> None:
        """Give a pipeline these settings, unless it has them; what is not in them goes back to its default."""
        if "run_as" not in settings and found.get("run_as_user_name") not in (None, self._files.me()):
            settings = {**settings, "run_as": principal(self._files.me())}  # left out, it would stay as it is
        if same_settings(found, settings):
            return
        pipeline = str(found["pipeline_id"])
        body = {**settings, "id": pipeline}
        if found.get("last_modified") is not None:
            body["expected_last_modified"] = found["last_modified"]
        try:
            self._calls.send("setting the pipeline", "PUT", f"{PATH}/{segment(pipeline)}", body)
        except Refusal as refusal:
            conflict = refusal.status == 409 and not name_taken(refusal)
            if conflict and has_settings(self._pipelines.get(pipeline), settings):
                return  # the answer to the first attempt was lost
            raise _refused(refusal, pipeline) from None

    def _grant(self, pipeline: str, wanted: Any) -> None:
        """Exactly the permissions that the settings name, beside its owner's and the caller's; none: left alone."""
        if not wanted:
            return
        path = f"/api/2.0/permissions/pipelines/{segment(pipeline)}"
        what = "setting the permissions of the pipeline"
        me = principal(self._files.me())
        entries = [{"permission_level": one["level"], **principal_of(one)} for one in wanted]
        try:
            if not any(one["permission_level"] == "IS_OWNER" for one in entries):
                owners = [one for one in direct_grants(self._calls.get(what, path)) if _owns(one)]
                owner = owners[0] if owners else {**me, "permission_level": "IS_OWNER"}
                entries = [one for one in entries if principal_of(one) != principal_of(owner)] + [owner]
            mine = [one for one in entries if principal_of(one) == me]
            if not any(one["permission_level"] in ("CAN_MANAGE", "IS_OWNER") for one in mine):
                # Or this would be the last time that the caller may.
                entries = [one for one in entries if one not in mine] + [{**me, "permission_level": "CAN_MANAGE"}]
            self._calls.send(what, "PUT", path, {"access_control_list": entries})
        except Refusal as refusal:
            raise DeploymentError(
                f"The permissions of the pipeline are refused: {refusal.said}.",
                where=pipeline,
                hint="Look at `permissions` of this environment in pipeline_magic.toml.",
            ) from None

    def close(self, id: str) -> None:
        """Take back every permission that was given on the pipeline and its job, but the owner's and the caller's.

        Raises:
            DeploymentError: The caller may not.
        """
        pipeline = self._pipeline_of(id)
        if pipeline:
            self._grant(pipeline, ({**principal(self._files.me()), "level": "CAN_MANAGE"},))
        self._jobs.close(id)

    # --- finding -----------------------------------------------------------------------------------------------------

    def find(self, pipeline: str, environment: str) -> str | None:
        """Id of the job with these two tags that runs a pipeline; None when there is none."""
        job = self._jobs.find(pipeline, environment)
        return job if job is not None and self._pipeline_of(job) else None

    def _pipeline_of(self, job: str) -> str:
        """Id of the pipeline that a job runs; empty when it runs none."""
        for task in _list(self._jobs.settings(job).get("tasks")):
            told = task.get("pipeline_task") if isinstance(task, dict) else None
            if isinstance(told, dict) and told.get("pipeline_id"):
                return str(told["pipeline_id"])
        return ""

    def _of_job(self, job: str) -> dict[str, Any] | None:
        try:
            pipeline = self._pipeline_of(job)
            return self._pipelines.get(pipeline) if pipeline else None
        except NotFound:
            return None

    def _tagged(self, pipeline: str, environment: str, name: str, *, patient: bool = False) -> dict[str, Any] | None:
        """The pipeline with these tags, among those whose name holds the deployment's.

        One that was renamed by hand to something else altogether, and has lost its job, is not found: the settings of
        every pipeline of the workspace would have to be read for it.

        Args:
            name: The name it is deployed under.
            patient: It is surely there; the list may only not show it yet.
        """
        wanted = {PIPELINE: pipeline, ENVIRONMENT: environment}
        for pause in (0.0, 1.0, 3.0) if patient else (0.0,):
            self._wait(threading.Event(), pause)
            named = self._pipelines.named(pipeline)
            for one in sorted(named, key=lambda one: one.get("name") != name):
                try:
                    found = self._pipelines.get(str(one["pipeline_id"]))
                except (NotFound, NotAllowed):
                    continue  # removed meanwhile, or another's
                tags = (found.get("spec") or {}).get("tags") or {}
                if wanted.items() <= tags.items():
                    return found
        return None

    # --- looking -----------------------------------------------------------------------------------------------------

    def settings(self, id: str) -> dict[str, JsonValue]:
        """Those of the job, and under ``pipeline`` those of the pipeline with its permissions; null when it is gone.

        Raises:
            NotFound: There is no such job.
        """
        job = self._jobs.settings(id)
        told = self._of_job(id)
        if told is None:
            return {**job, "pipeline": None}
        spec = {name: value for name, value in (told.get("spec") or {}).items() if name != "id"}
        if told.get("run_as"):
            spec["run_as"] = told["run_as"]
        try:
            path = f"/api/2.0/permissions/pipelines/{segment(str(told['pipeline_id']))}"
            spec["permissions"] = direct_grants(self._calls.get("reading the permissions of the pipeline", path))
        except (NotAllowed, Refusal):
            spec["permissions"] = "not visible"
        return {**job, "pipeline": spec}

    def folder(self, id: str) -> str:
        """The folder that holds the pipeline's source; empty when its settings name none, or it is gone.

        Raises:
            NotFound: There is no such job.
        """
        self._jobs.settings(id)
        told = self._of_job(id)
        return folder_of(told) if told is not None else ""

    def url(self, id: str) -> str:
        """The pipeline's page; the job's where it cannot be told."""
        try:
            pipeline = self._pipeline_of(id)
        except PipelineMagicError:
            pipeline = ""
        return f"{self._host}/pipelines/{pipeline}" if pipeline else self._jobs.url(id)

    # --- running -----------------------------------------------------------------------------------------------------

    def run(self, id: str, *, key: str, timeout: float) -> NotebookRun:
        """Run the pipeline once for each key, by its job; of a continuous one, see that its update runs.

        Where it fails, the errors of its update are told, from the events; where it ends well, `exit_value` holds what
        they say of rows and expectations.

        Raises:
            NotFound: There is no such job, or its pipeline is gone.
            DeploymentError: It could not be started, or has not ended in time.
            Cancelled: `cancel` was called.
        """
        told = self._of_job(id)
        if told is None:
            raise NotFound(f"The job {id} runs no pipeline that is there.", hint="Deploy it again.")
        pipeline, spec = str(told["pipeline_id"]), told.get("spec") or {}
        if spec.get("continuous"):
            return self._kept_running(pipeline, timeout)
        before = self._updates.newest(pipeline)
        done = self._jobs.run(id, key=key, timeout=timeout)
        begun = [one for one in self._updates.newer(pipeline, before) if one.get("cause") in _BY_JOB]
        # The run may have begun before a crash of ours: then its update is not new, and surely known only by its end.
        update = str(begun[0]["update_id"]) if begun else ""
        if not done.succeeded:
            return self._explained(done, pipeline, update or before)
        target = str((spec.get("configuration") or {}).get("target") or "").rpartition(".")[2]
        counted = self._updates.counted(pipeline, update, target) if update and target else ""
        return done.model_copy(update={"exit_value": counted, "url": self._page(pipeline, update) or done.url})

    def _kept_running(self, pipeline: str, timeout: float) -> NotebookRun:
        """A continuous pipeline: its update is begun by Databricks, and goes on."""
        deadline = self._clock() + timeout
        with self._counted() as stop:
            newest = self._updates.newest(pipeline)
            if not newest:
                newest = self._updates.start(pipeline, before="", stop=stop, deadline=deadline)
            ended = self._updates.follow(pipeline, newest, stop=stop, deadline=deadline, endless=True, ours=False)
            for _ in range(_RESTARTS):  # an edit ends the update with the settings before, and begins another
                if ended.state != "CANCELED":
                    break
                self._wait(stop, _RESTART_S)
                newest = self._updates.newest(pipeline)
                ended = self._updates.follow(pipeline, newest, stop=stop, deadline=deadline, endless=True, ours=False)
        done = NotebookRun(
            succeeded=ended.state in ("RUNNING", "COMPLETED"),
            error="" if ended.state in ("RUNNING", "COMPLETED") else f"the update is {ended.state.lower()}",
            seconds=ended.seconds,
            url=self._page(pipeline, ended.id),
        )
        return done if done.succeeded else self._explained(done, pipeline, ended.id)

    def _explained(self, done: NotebookRun, pipeline: str, update: str) -> NotebookRun:
        """A failed run with what the events of its update say."""
        errors = self._updates.errors(pipeline, update) if update else ()
        if not errors:
            return done
        told = {"error": errors[0], "trace": "\n".join(errors), "url": self._page(pipeline, update)}
        return done.model_copy(update=told)

    def _page(self, pipeline: str, update: str) -> str:
        return f"{self._host}/pipelines/{pipeline}/updates/{update}" if update else ""

    @contextmanager
    def _counted(self) -> Iterator[threading.Event]:
        mine = threading.Event()
        self._running.add(mine)
        try:
            yield mine
        finally:
            self._running.discard(mine)

    def cancel(self) -> None:
        """Stop what is followed now; each raises Cancelled in its own thread."""
        self._jobs.cancel()
        for one in list(self._running):
            one.set()

    # --- deleting ----------------------------------------------------------------------------------------------------

    def delete(self, id: str) -> None:
        """Remove the pipeline and its job; the tables stay. Nothing happens when they are not there."""
        try:
            pipeline = self._pipeline_of(id)
        except NotFound:
            return
        if pipeline:
            self._pipelines.remove(pipeline, cascade=False)
        self._jobs.delete(id)


def _owns(entry: Mapping[str, str]) -> bool:
    return entry["permission_level"] == "IS_OWNER"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _refused(refusal: Refusal, where: str) -> DeploymentError:
    if name_taken(refusal):
        return DeploymentError(
            f"The pipeline cannot be renamed: {refusal.said}.", where=where, hint="Rename or remove the other one."
        )
    if refusal.status == 409:
        return DeploymentError(
            f"Somebody changed the pipeline while it was deployed: {refusal.said}.",
            where=where,
            hint="Look at the pipeline's settings; resume the run to set it as it was approved.",
        )
    return DeploymentError(
        f"Databricks refuses the settings of the pipeline: {refusal.said}.",
        where=where,
        hint="Look at this environment in pipeline_magic.toml, then plan again.",
    )
