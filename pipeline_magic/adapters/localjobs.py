"""Jobs of a home directory: what is deployed, what was deployed before, and every run with its executed notebook.

    <home>/jobs/<id>/job.json             present and earlier settings in one file, written whole or not at all
    <home>/jobs/<id>/notebooks/<path>     notebooks, at paths that hold the SHA-256 of their bytes; never changed
    <home>/jobs/<id>/runs/<run>/          run.json and executed.ipynb, one folder for each key

Here: `ports.Deployer` for the local lakehouse. Not here: a scheduler. A schedule is kept and shown, and the job runs
when it is told to. Each call may be repeated after a crash with the same key, and then ends where it would have ended.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from pipeline_magic.adapters.files import FileLock, explain, read_json, write_json, write_text
from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.errors import DeploymentError, NotFound
from pipeline_magic.ports import Clock, DeployRequest, Engine, TableVersion
from pipeline_magic.runs import Deployment, NotebookRun
from pipeline_magic.spec.model import Schedule
from pipeline_magic.spec.names import slug, split_table

__all__ = ["LocalJobs"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEPT = 100
_ENGINE = "sail-delta-lake"
"""How the commits of the local engine begin to name their writer."""

_TAGS = ("pipeline_magic.pipeline", "pipeline_magic.environment")


class LocalJobs:
    """Deploys to folders of the home directory and runs there; fulfils `ports.Deployer`.

    Args:
        home: The home directory.
        engine: Runs the notebooks.
        lakehouse: Where their tables are.
        clock: Gives the time of a run.
    """

    def __init__(self, home: Path, engine: Engine, lakehouse: Lakehouse, clock: Clock) -> None:
        self.root = Path(home).expanduser().absolute() / "jobs"
        self.name = f"local jobs in {self.root} (run on demand)"
        self._engine = engine
        self._lakehouse = lakehouse
        self._clock = clock

    # --- deploying -------------------------------------------------------------------------------------------------

    def deploy(self, request: DeployRequest) -> Deployment:
        """Create the job of this pipeline and environment, or set it to this request.

        Raises:
            DeploymentError: The notebook is not the one its path names, or the home cannot be written.
        """
        path = _checked(request)
        job_id = self._found(request.pipeline, request.environment) or _new_id(request)
        with explain(self.root, f"deploy `{request.pipeline}`", DeploymentError), self._lock(job_id):
            job = self._read(job_id) or {"requests": []}
            file = self.root / job_id / "notebooks" / path
            if not file.exists() or file.read_text("utf-8") != request.notebook:
                write_text(file, request.notebook)
            present = job["requests"][-1] if job["requests"] else None
            if present is None or present["key"] != request.key:
                entry = {**request.model_dump(mode="json", exclude={"notebook"}), "deployed": self._now()}
                write_json(self._file(job_id), {"id": job_id, "requests": [*job["requests"], entry][-_KEPT:]})
        return self._deployment(job_id)

    def find(self, pipeline: str, environment: str) -> Deployment | None:
        """The job with these tags; None when there is none."""
        job_id = self._found(pipeline, environment)
        return None if job_id is None else self._deployment(job_id)

    def settings(self, deployment_id: str) -> dict[str, JsonValue]:
        """Settings as they are now, in the words of a Lakeflow Job; the notebook's hash is taken from its file.

        Raises:
            NotFound: No such job.
        """
        entry = self._entries(deployment_id)[-1]
        made: dict[str, JsonValue] = {
            "name": entry["pipeline"],
            "tags": {**entry["tags"], **dict(zip(_TAGS, (entry["pipeline"], entry["environment"]), strict=True))},
            "notebook_path": entry["notebook_path"],
            "notebook_sha256": self._hash(deployment_id, entry["notebook_path"]),
            "parameters": entry["parameters"],
            "trigger": entry["spec"]["trigger"],
            "digest": entry["digest"],
            "pause_status": "PAUSED" if entry["paused"] else "UNPAUSED",
        }
        return made

    def previous(self, deployment_id: str) -> DeployRequest | None:
        """What was deployed before the present settings; None when they are the first.

        Raises:
            NotFound: No such job.
        """
        entries = self._entries(deployment_id)
        return self._request(deployment_id, entries[-2]) if len(entries) > 1 else None

    def delete(self, deployment_id: str) -> None:
        """Remove the job with its runs; tables stay. Nothing happens when it is not there."""
        folder = self.root / deployment_id
        if not self._known(deployment_id):
            return
        with explain(self.root, "delete a job", DeploymentError), self._lock(deployment_id):
            gone = self.root / f".gone-{secrets.token_hex(6)}"
            folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    # --- running ---------------------------------------------------------------------------------------------------

    def run_now(self, deployment_id: str, *, key: str, timeout: float = 3600.0) -> NotebookRun:
        """Run the job's notebook once; a second call with the same key gives the first one's outcome.

        A run that a crash cut off is run again with the same `run_key` and `run_time`, so that it sees the same data
        bounds and appends nothing twice.

        Raises:
            NotFound: No such job.
            DeploymentError: The notebook was changed since it was deployed, or its target's schema is missing.
            Cancelled: `cancel` was called.
        """
        entry = self._entries(deployment_id)[-1]
        folder = self._run_folder(deployment_id, key)
        with explain(self.root, "keep a run of the job", DeploymentError):
            folder.mkdir(parents=True, exist_ok=True)
            lock, late = FileLock(folder / "run.lock"), "The same run is going on in another process."
            with lock.held(timeout=timeout, otherwise=late, kind=DeploymentError):
                record = read_json(folder / "run.json") or {}
                if record.get("status") == "done":
                    executed = (folder / "executed.ipynb").read_text("utf-8")
                    return NotebookRun.model_validate({**record["result"], "executed": executed})
                return self._run(deployment_id, entry, folder, key, record, timeout)

    def written(self, deployment_id: str, table: str, commits: Sequence[TableVersion]) -> frozenset[str]:
        """Of these commits, those that this job's runs wrote: in a run's span of versions, no more of them than the run
        can make, by the local engine, and in no span of another job's run. The engine's commits name no writer, so
        that whatever could be somebody else's is left out."""
        mine = self._spans(deployment_id, table)
        others = [span for job_id, _ in self._jobs() if job_id != deployment_id for span in self._spans(job_id, table)]
        found: set[str] = set()
        for span in mine:
            inside = [commit for commit in commits if span.holds(commit)]
            last = max(inside, key=lambda commit: int(commit.version), default=None)
            if last is None or last.at != span.at or len(inside) > span.most:
                continue
            found |= {
                commit.version
                for commit in inside
                if commit.by.startswith(_ENGINE) and not any(other.holds(commit) for other in others)
            }
        return frozenset(found)

    def _spans(self, job_id: str, table: str) -> list[_Span]:
        made = []
        for file in (self.root / job_id / "runs").glob("*/run.json"):
            for name, noted in ((read_json(file) or {}).get("tables") or {}).items():
                if _same(name, table) and noted.get("after") is not None:
                    made.append(_Span(noted["before"], noted["after"], noted["at"], noted["most"]))
        return made

    def run_record(self, deployment_id: str, key: str) -> dict[str, JsonValue]:
        """What is kept of a run: parameters, times, target, its versions before and after, its rows; empty if none."""
        record = read_json(self._run_folder(deployment_id, key) / "run.json")
        return record if isinstance(record, dict) else {}

    def cancel(self) -> None:
        """Stop what runs; `run_now` raises Cancelled in its own thread."""
        self._engine.cancel()

    def _run(
        self, job_id: str, entry: dict[str, Any], folder: Path, key: str, record: dict[str, Any], timeout: float
    ) -> NotebookRun:
        request = self._request(job_id, entry)
        target = request.parameters.get("target") or request.spec.target.table
        catalog, schema, _ = split_table(target)
        if not self._lakehouse.has_schema(catalog, schema):
            raise DeploymentError(
                f"The schema `{catalog}.{schema}` of the target does not exist.",
                where=target,
                hint="Create the schema, then run the job again.",
            )
        if not record:
            given = {name: value for name, value in request.parameters.items() if value}
            record = {
                "status": "started",
                "started": self._now(),
                "parameters": {"run_time": self._run_time(request), "run_key": key, **given},
                "digest": request.digest,
                "target": target,
                "version_before": self._version(target),
                "tables": {name: {"before": self._newest(name)[0], "most": 0} for name in _writes(request)},
            }
        for name, noted in record.get("tables", {}).items():
            noted["most"] += _writes(request).get(name, 0)  # once more for an attempt that was cut off
        write_json(folder / "run.json", record)
        try:
            result = self._engine.run_notebook(request.notebook, record["parameters"], timeout=timeout)
        finally:
            self._note(folder, record)
        state = self._lakehouse.state(target)
        if result.succeeded and state is None:
            message = f"the notebook ended well, and its target `{target}` is not there"
            result = result.model_copy(update={"succeeded": False, "error": message})
        comment = request.spec.target.comment or request.spec.description
        if result.succeeded and comment:
            self._lakehouse.describe(target, comment=comment, columns={}, tags={})
        write_text(folder / "executed.ipynb", result.executed)
        done = {
            "status": "done",
            "ended": self._now(),
            "version_after": str(state.version) if state else None,
            "rows": state.rows if state else None,
            "result": result.model_dump(mode="json", exclude={"executed"}),
        }
        write_json(folder / "run.json", {**record, **done})
        return result

    def _note(self, folder: Path, record: dict[str, Any]) -> None:
        """Write down which versions of its tables a run has made, however it ended."""
        for name, noted in record.get("tables", {}).items():
            noted["after"], noted["at"] = self._newest(name)
        write_json(folder / "run.json", record)

    def _newest(self, table: str) -> tuple[str | None, str]:
        newest = next(iter(self._engine.history(table)), None)
        return (newest.version, newest.at) if newest else (None, "")

    def _run_time(self, request: DeployRequest) -> str:
        """Start of the run in the zone of the schedule: "last 30 days" is counted in the days of that zone."""
        trigger = request.spec.trigger
        zone = ZoneInfo(trigger.timezone) if isinstance(trigger, Schedule) else timezone.utc
        return self._clock.now().astimezone(zone).isoformat(timespec="seconds")

    # --- what is kept ----------------------------------------------------------------------------------------------

    def _deployment(self, job_id: str) -> Deployment:
        entry = self._entries(job_id)[-1]
        last = self._last_run(job_id, entry["digest"])
        return Deployment(
            id=job_id,
            run_id="",
            state="deployed",
            digest=entry["digest"],
            name=entry["pipeline"],
            notebook_path=entry["notebook_path"],
            url=(self.root / job_id).as_uri(),
            next_run=self._next_run(entry),
            rows=last.get("rows"),
            target_version_before=last.get("version_before"),
            target_version_after=last.get("version_after"),
            message="Runs on demand here; its schedule starts where a scheduler runs.",
        )

    def _next_run(self, entry: dict[str, Any]) -> str:
        """When the schedule would start it next; empty without one, when paused, or when it cannot be told."""
        trigger = entry["spec"]["trigger"]
        if trigger["kind"] != "schedule" or entry["paused"]:
            return ""
        try:
            from pipeline_magic.spec.schedule import next_run
        except ImportError:
            return ""
        at = next_run(trigger["cron"], trigger["timezone"], self._clock.now())
        return at.isoformat() if isinstance(at, datetime) else str(at or "")

    def _last_run(self, job_id: str, digest: str) -> dict[str, Any]:
        records = [read_json(path) for path in (self.root / job_id / "runs").glob("*/run.json")]
        done = [record for record in records if record and record["status"] == "done" and record["digest"] == digest]
        return max(done, key=lambda record: str(record["ended"]), default={})

    def _request(self, job_id: str, entry: dict[str, Any]) -> DeployRequest:
        path = entry["notebook_path"]
        found = self._hash(job_id, path)
        named = _SHA256.search(path)
        if found is None or (named and named.group() != found):
            raise DeploymentError(
                "The deployed notebook is missing." if found is None else "The deployed notebook was changed by hand.",
                where=str(self.root / job_id / "notebooks" / path),
                hint="Deploy the approved plan again.",
            )
        notebook = (self.root / job_id / "notebooks" / path).read_text("utf-8")
        values = {name: value for name, value in entry.items() if name != "deployed"}
        return DeployRequest.model_validate({**values, "notebook": notebook})

    def _hash(self, job_id: str, path: str) -> str | None:
        file = self.root / job_id / "notebooks" / path
        return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None

    def _entries(self, job_id: str) -> list[dict[str, Any]]:
        job = self._read(job_id)
        if job is None or not job["requests"]:
            raise NotFound(f"There is no job `{job_id}`.", where=str(self.root), hint="Deploy the pipeline again.")
        entries: list[dict[str, Any]] = job["requests"]
        return entries

    def _found(self, pipeline: str, environment: str) -> str | None:
        """By its tags, wherever it lies."""
        for job_id, job in self._jobs():
            entry = job["requests"][-1]
            if (entry["pipeline"], entry["environment"]) == (pipeline, environment):
                return job_id
        return None

    def _jobs(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for file in sorted(self.root.glob("job-*/job.json")):
            job = read_json(file)
            if job and job.get("requests"):
                yield file.parent.name, job

    def _known(self, job_id: str) -> bool:
        return bool(re.fullmatch(r"job-[a-z0-9_-]{1,100}", job_id)) and self._file(job_id).exists()

    def _read(self, job_id: str) -> dict[str, Any] | None:
        job = read_json(self._file(job_id)) if self._known(job_id) else None
        return job if isinstance(job, dict) else None

    def _file(self, job_id: str) -> Path:
        return self.root / job_id / "job.json"

    def _run_folder(self, job_id: str, key: str) -> Path:
        return self.root / job_id / "runs" / f"{slug(key, 'run')[:40]}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"

    def _lock(self, job_id: str) -> Any:
        return FileLock(self.root / f"{job_id}.lock").held(
            timeout=60.0, otherwise="The job is being changed elsewhere."
        )

    def _version(self, table: str) -> str | None:
        state = self._lakehouse.state(table)
        return str(state.version) if state else None

    def _now(self) -> str:
        return self._clock.now().astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


class _Span(NamedTuple):
    """Versions of a table between the begin and the end of a run.

    Attributes:
        before: Newest version when it began; None when there was no table.
        after: Newest version when it ended; `at` is that commit's time.
        most: Commits that the run can have made.
    """

    before: str | None
    after: str
    at: str
    most: int

    def holds(self, commit: TableVersion) -> bool:
        return int(self.before or -1) < int(commit.version) <= int(self.after)


def _writes(request: DeployRequest) -> dict[str, int]:
    """Tables that a run writes and keeps, with the number of commits it can make there."""
    spec, given = request.spec, request.parameters
    made = {given.get("target") or spec.target.table: 1 if spec.target.mode in ("overwrite", "append") else 2}
    for item in spec.expectations:
        table = given.get(f"quarantine_{item.id}") or item.quarantine
        if table is not None:
            made[table] = made.get(table, 0) + 1
    return made


def _same(one: str, other: str) -> bool:
    return [part.casefold() for part in split_table(one)] == [part.casefold() for part in split_table(other)]


def _new_id(request: DeployRequest) -> str:
    """The same for the same tags, so that a call cut off by a crash leaves nothing that the next one cannot find."""
    told = hashlib.sha256(f"{request.pipeline}\0{request.environment}".encode()).hexdigest()[:8]
    return f"job-{slug(request.pipeline)[:40]}-{told}"


def _checked(request: DeployRequest) -> str:
    path = PurePosixPath(request.notebook_path)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise DeploymentError("The notebook's path leads out of the job's folder.", where=request.notebook_path)
    named = _SHA256.search(request.notebook_path)
    if named and named.group() != hashlib.sha256(request.notebook.encode()).hexdigest():
        raise DeploymentError("The notebook is not the one that its path names.", where=request.notebook_path)
    return str(path)
