"""Deployments to Databricks: a Lakeflow Job that runs the notebook, or one that runs a Lakeflow pipeline.

    <root>/<environment>/pipelines/<name>/<sha256>/<name>      what one deployment runs; never changed
    <root>/<environment>/pipelines/<name>/deployments/*.json   what was deployed, and what was there before (`records`)

`LakeflowDeployer` fulfils `ports.Deployer`: it imports what is to run, keeps the records, and lets a `kinds.Kind` do
the rest. What is put in place comes from the request alone, which holds the approved plan's files. A repeat with the
same key, a crash and two calls at once end in one deployment. Not here: how jobs (`jobs`) and pipelines (`pipelines`)
are made; what was changed by hand, in words (`drift`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from pipeline_magic.adapters.databricks.calls import Calls
from pipeline_magic.adapters.databricks.client import clock_skew
from pipeline_magic.adapters.databricks.drift import drift
from pipeline_magic.adapters.databricks.job_runs import gone
from pipeline_magic.adapters.databricks.jobs import Denied, Jobs
from pipeline_magic.adapters.databricks.kinds import DIGEST, ENVIRONMENT, KEY, PIPELINE, Kind, our_tags
from pipeline_magic.adapters.databricks.records import NoRecord, Record, Records, path_of, plain, record_name
from pipeline_magic.adapters.databricks.requested import check, decisive, folder_of, grants, identity_of, sources_of
from pipeline_magic.adapters.databricks.workspace_files import WorkspaceFiles, is_notebook, same_content
from pipeline_magic.errors import DeploymentError, NotFound
from pipeline_magic.ports import Clock, DeployRequest, TableVersion
from pipeline_magic.redact import redact
from pipeline_magic.runs import Deployment, NotebookRun
from pipeline_magic.spec.schedule import next_run

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from pipeline_magic.config import Settings

__all__ = ["LakeflowDeployer", "deployer_of"]

_ID = re.compile(r"(job|pipeline):(\d{1,20})")
_AGAIN = "Deploy the approved plan again."


def deployer_of(client: WorkspaceClient, settings: Settings, clock: Clock) -> LakeflowDeployer:
    """The deployer that the settings ask for."""
    return LakeflowDeployer(client, root=settings.databricks_workspace_root, clock=clock)


class LakeflowDeployer:
    """Deploys to one workspace; fulfils `ports.Deployer`.

    Args:
        client: Of the workspace.
        root: Workspace folder of all deployments; ``.pipeline_magic`` in the caller's home when empty. Give one that
            is shared where several people deploy the same pipelines.
        clock: The time.
        wait: Waits for an event or so many seconds.
        options: Of `Calls`.
    """

    def __init__(
        self,
        client: WorkspaceClient,
        *,
        root: str = "",
        clock: Clock,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
        **options: Any,
    ) -> None:
        host = str(client.config.host).rstrip("/")
        given: dict[str, Any] = {"skew": lambda: clock_skew(host), **options}
        calls = Calls(client, host, error=DeploymentError, denied=Denied, **given)
        self._client = client
        self._options = {"wait": wait, **options}
        self._host = host
        self._clock = clock
        self._files = WorkspaceFiles(calls)
        self._records = Records(self._files)
        self._jobs = Jobs(calls, self._files, wait=wait)
        self._kinds: dict[str, Kind] = {"job": self._jobs}
        self._given_root = root.rstrip("/")

    def __repr__(self) -> str:
        return f"LakeflowDeployer({self._host!r})"

    @property
    def name(self) -> str:
        """The service and its workspace, for a person."""
        return f"Lakeflow Jobs at {self._host.split('://')[-1]}"

    # --- deploying ---------------------------------------------------------------------------------------------------

    def deploy(self, request: DeployRequest) -> Deployment:
        """Create, or reset to these settings, the job found by its tags; the same key twice is one deployment.

        Raises:
            DeploymentError: The request contradicts itself, or Databricks refuses; a repeat goes on where it stopped.
        """
        check(request)
        folder = f"{self._root()}/{request.environment}/{folder_of(request)}"
        for path, text in sources_of(request).items():
            self._files.put(f"{folder}/{path}", text)
        self._share(request, folder)
        path = path_of(folder, record_name(request))
        there = self._jobs.look(request.pipeline, request.environment)
        record = self._begun(path, request, there)
        word = "pipeline" if request.spec.deployment == "declarative" else "job"
        kind = self._kind(word)
        job = kind.place(request, folder, there[1] if there else None, our_tags(request, record_name(request)))
        if record.before and not grants(request) and self._granted(record.before):
            kind.close(job)
        settings = kind.settings(job)
        self._records.write(path, record, written=plain(settings))
        return self._deployment(word, job, settings, request)

    def _root(self) -> str:
        if not self._given_root:
            self._given_root = f"/Workspace/Users/{self._files.me()}/.pipeline_magic"
        return self._given_root

    def _share(self, request: DeployRequest, folder: str) -> None:
        """Let whoever the job runs as read what it runs, where that is not the caller."""
        identity = identity_of(request)
        if identity and self._files.me() not in identity.values():
            self._files.let_run(str(PurePosixPath(folder).parent), identity)

    def _begun(self, path: str, request: DeployRequest, there: tuple[str, str] | None) -> Record:
        """The record of this deployment, written before anything is changed."""
        before, found = "", None
        if there is not None:
            found = self._kind(there[0]).settings(there[1])
            before = self._record_path(there[0], there[1], found)
        if before == path and (known := self._records.read(path)) is not None:
            return known  # an earlier attempt has come further than this
        made = Record(
            request=request,
            before="" if before == path else before,
            found=None if found is None else plain(found),
            at=self._clock.now().astimezone(timezone.utc).isoformat(timespec="seconds"),
        )
        return self._records.write(path, made)

    def _granted(self, path: str) -> bool:
        """Whether the deployment before gave permissions, so that they are to be taken back."""
        try:
            before = self._records.read(path)
        except DeploymentError:
            return False
        return before is not None and grants(before.request)

    # --- looking -----------------------------------------------------------------------------------------------------

    def find(self, pipeline: str, environment: str) -> Deployment | None:
        """The deployment with these tags; None when there is none."""
        there = self._jobs.look(pipeline, environment)
        if there is None:
            return None
        word, job = there
        settings = self._kind(word).settings(job)
        try:
            record = self._present(word, job, settings)
        except (NoRecord, Denied):  # it is there all the same; `previous` and `run_now` say what is wrong with it
            record = None
        return self._deployment(word, job, settings, record.request if record else None, pipeline)

    def settings(self, deployment_id: str) -> dict[str, JsonValue]:
        """Settings as they are now; ``changed_by_hand`` says what is not as it was deployed.

        Raises:
            NotFound: No such deployment.
        """
        word, job = self._of(deployment_id)
        made = self._kind(word).settings(job)
        tags = made.get("tags")
        changed: list[str] = []
        try:
            record = self._present(word, job, made)
            if record is not None:
                if record.written is not None:
                    changed += map(redact, drift(record.written, plain(made)))
                changed += self._changed_sources(word, job, record)
        except Denied:
            changed.append("what was, cannot be told: its record lies where this user may not read")
        except NoRecord as error:
            changed.append(error.message)
        extra: dict[str, JsonValue] = {
            "digest": str(tags.get(DIGEST, "")) if isinstance(tags, dict) else "",
            "changed_by_hand": list(changed),
        }
        return {**made, **extra}

    def previous(self, deployment_id: str) -> DeployRequest | None:
        """What was deployed before the present settings; None when they are the first.

        Raises:
            NotFound: No such deployment.
            DeploymentError: There were settings, and they were not deployed from here; or their record is gone.
        """
        word, job = self._of(deployment_id)
        settings = self._kind(word).settings(job)
        record = self._present(word, job, settings)
        if record is None:
            raise DeploymentError(
                "The job was not deployed from here, so that nobody knows what it was before.",
                where=deployment_id,
                hint="Look at the job's page in the workspace, and set it by hand.",
            )
        if not record.before and record.found is None:
            return None
        before = self._records.read(record.before) if record.before else None
        if before is None:
            raise DeploymentError(
                "The settings before were not deployed from here, or their record is gone.",
                where=record.before or self._record_path(word, job, settings),
                hint="The record of the present deployment keeps what was found, as `found`: set that by hand.",
            )
        return _own(before.request, record.request, record.before)

    def written(self, deployment_id: str, table: str, commits: Sequence[TableVersion]) -> frozenset[str]:
        """Of these commits, those that runs of this job wrote: Delta's log names the job; none when it is gone."""
        word, job = self._of(deployment_id)
        own = [commit.version for commit in commits if commit.job == job]
        if not own:
            return frozenset()
        try:
            self._kind(word).settings(job)
        except NotFound:
            return frozenset()
        return frozenset(own)

    # --- running -----------------------------------------------------------------------------------------------------

    def run_now(self, deployment_id: str, *, key: str, timeout: float = 3600.0) -> NotebookRun:
        """Run it once, and follow it to its end; the same key twice is one run.

        Raises:
            NotFound: No such deployment.
            DeploymentError: What it runs was changed since it was deployed; or it could not be started or followed.
            Cancelled: `cancel` was called.
        """
        word, job = self._of(deployment_id)
        kind = self._kind(word)
        settings = kind.settings(job)
        record = self._present(word, job, settings)
        changed: list[str] = []
        if record is not None:
            changed += self._changed_sources(word, job, record)
            if record.written is not None:
                was, now = map(decisive, (record.written, plain(settings)))
                changed += map(redact, drift(was, now))
        if changed:
            raise DeploymentError(
                f"What would run is not what was deployed: {'; '.join(changed)}.",
                where=kind.folder(job),
                hint="Deploy the approved plan again, which puts it back; or generate a new plan.",
            )
        return kind.run(job, key=key, timeout=timeout)

    def delete(self, deployment_id: str) -> None:
        """Remove the job; tables, notebooks and records stay. Nothing happens when it is not there."""
        match = _ID.fullmatch(deployment_id)
        if match is not None:
            self._kind(match[1]).delete(match[2])

    def cancel(self) -> None:
        """Stop what runs; `run_now` raises Cancelled in its own thread."""
        for kind in self._kinds.values():
            kind.cancel()

    # --- inside ------------------------------------------------------------------------------------------------------

    def _kind(self, word: str) -> Kind:
        if word not in self._kinds:
            from pipeline_magic.adapters.databricks.pipelines import Pipelines

            self._kinds[word] = Pipelines(self._client, self._jobs, **self._options)
        return self._kinds[word]

    def _of(self, deployment_id: str) -> tuple[str, str]:
        match = _ID.fullmatch(deployment_id)
        if match is None:
            raise gone(deployment_id, self._host)
        return match[1], match[2]

    def _record_path(self, word: str, job: str, settings: dict[str, JsonValue]) -> str:
        """Path of the record that the tags name; empty when they name none."""
        tags = settings.get("tags")
        name = str(tags.get(KEY) or "") if isinstance(tags, dict) else ""
        folder = self._kind(word).folder(job) if name else ""
        return path_of(folder, name) if folder and re.fullmatch(r"[0-9a-f]{20}", name) else ""

    def _present(self, word: str, job: str, settings: dict[str, JsonValue]) -> Record | None:
        """The record of what is deployed; None when it was not deployed from here.

        Raises:
            NoRecord: It was, and the record is gone, or is that of something else.
        """
        path = self._record_path(word, job, settings)
        if not path:
            return None
        record = self._records.read(path)
        if record is None:
            raise NoRecord(
                "The record of what is deployed is gone, or the job runs from another folder.",
                where=path,
                hint=_AGAIN,
            )
        tags = plain(settings)["tags"]
        if (record.request.pipeline, record.request.environment) != (tags.get(PIPELINE), tags.get(ENVIRONMENT)):
            raise NoRecord("The record of what is deployed is that of another pipeline.", where=path, hint=_AGAIN)
        _own(record.request, record.request, path)
        return record

    def _changed_sources(self, word: str, job: str, record: Record) -> list[str]:
        """What lies in the deployment's folder and is not what was deployed."""
        folder = self._kind(word).folder(job)
        if PurePosixPath(folder).name != PurePosixPath(folder_of(record.request)).name:
            return [f"it runs from `{folder}`"]
        return [said for path, text in sources_of(record.request).items() for said in self._changed(folder, path, text)]

    def _changed(self, folder: str, path: str, text: str) -> Iterator[str]:
        found = self._files.read(f"{folder}/{path}", notebook=is_notebook(text))
        if found is None:
            yield f"`{path}` was removed by hand"
        elif not same_content(found, text):
            yield f"`{path}` was changed by hand"

    def _deployment(
        self, word: str, job: str, settings: dict[str, JsonValue], request: DeployRequest | None, pipeline: str = ""
    ) -> Deployment:
        tags = settings.get("tags")
        return Deployment(
            id=f"{word}:{job}",
            run_id="",
            state="deployed",
            digest=str(tags.get(DIGEST, "")) if isinstance(tags, dict) else "",
            name=request.pipeline if request else pipeline,
            notebook_path=request.notebook_path if request else "",
            url=self._kind(word).url(job),
            next_run=self._next_run(settings),
        )

    def _next_run(self, settings: dict[str, JsonValue]) -> str:
        """When the schedule starts it next; empty without one, when paused, or when it cannot be told."""
        schedule = settings.get("schedule")
        if not isinstance(schedule, dict) or schedule.get("pause_status") == "PAUSED":
            return ""
        cron, zone = str(schedule.get("quartz_cron_expression") or ""), str(schedule.get("timezone_id") or "")
        at = next_run(cron, zone, self._clock.now())
        return at.isoformat() if isinstance(at, datetime) else ""


def _own(request: DeployRequest, present: DeployRequest, where: str) -> DeployRequest:
    """The request of a record, if it is one of this pipeline and environment, and does not contradict itself.

    Raises:
        NoRecord: It is not.
    """
    if (request.pipeline, request.environment) != (present.pipeline, present.environment):
        raise NoRecord("The record of the settings before is that of another pipeline.", where=where, hint=_AGAIN)
    try:
        check(request)
    except DeploymentError as error:
        raise NoRecord(f"A record was changed. {error.message}", where=where, hint=_AGAIN) from None
    return request
