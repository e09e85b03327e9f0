"""A declarative pipeline looked at by Lakeflow itself before it is approved: a validate-only update, which reads the
code, resolves every table and column, and computes and publishes nothing.

It needs a pipeline. A temporary one is made for it in development mode, over the source in a temporary folder, and both
are removed however it ends. The folder is made first and removed last, so that whatever a killed process has left is
found by it (`left`, `clean`). The pipeline is to publish to the run's scratch schema: a table can belong to one
pipeline alone, and the real target may be another's already. Not here: what its errors mean for the plan
(`agents.quality`).
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from pipeline_magic.adapters.databricks.calls import Calls, Refusal, segment
from pipeline_magic.adapters.databricks.client import clock_skew
from pipeline_magic.adapters.databricks.pipeline_calls import PipelineCalls, name_taken
from pipeline_magic.adapters.databricks.pipeline_settings import placed_at
from pipeline_magic.adapters.databricks.updates import PATH, NotAllowed, Updates
from pipeline_magic.errors import DeploymentError, EngineError, EngineUnavailable, NotFound, PipelineMagicError
from pipeline_magic.ports import DryRun

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

__all__ = ["DryRuns"]

_FILES = "/api/2.0/workspace"
_NAME = "pipeline_magic dry run "
TAG = "pipeline_magic_dry_run"
"""Tag with the name of the run, by which a temporary pipeline is known; never by its name alone."""
_LEFT_OUT = ("name", "tags", "notifications", "run_as", "permissions", "continuous", "development")
"""What the temporary pipeline has of its own, or not at all."""


class DryRuns:
    """Validates pipelines in one workspace.

    Args:
        client: Of the workspace.
        root: Workspace folder below which the temporary folders are; one in the caller's home when empty.
        wait: Waits for an event or so many seconds, between two looks at an update.
        clock: Seconds that only go on.
        options: Of `Calls`.
    """

    def __init__(
        self,
        client: WorkspaceClient,
        *,
        root: str = "",
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
        clock: Callable[[], float] = time.monotonic,
        **options: Any,
    ) -> None:
        self._host = str(client.config.host).rstrip("/")
        given: dict[str, Any] = {"skew": lambda: clock_skew(self._host), **options}
        self._calls = Calls(client, self._host, error=DeploymentError, denied=NotAllowed, **given)
        self._updates = Updates(self._calls, wait=wait, clock=clock)
        self._pipelines = PipelineCalls(self._calls, self._updates, clock)
        self._root = root.rstrip("/")
        self._clock = clock
        self._running: set[threading.Event] = set()

    def __repr__(self) -> str:
        return f"DryRuns({self._host!r})"

    def run(
        self, sources: Mapping[str, str], settings: Mapping[str, JsonValue], *, name: str, timeout: float
    ) -> DryRun:
        """Let Lakeflow validate a pipeline.

        Args:
            sources: Text of each source file by its name.
            settings: In the words of the Pipelines API, with the paths of the sources by their names.
            name: Of the run: of its folder, its pipeline and its tag.
            timeout: Seconds for the update, the start of its compute among them.

        Returns:
            Whether Lakeflow found no error, and otherwise which.

        Raises:
            EngineUnavailable: A pipeline may not be made here, or there is no compute for it.
            EngineError: It was not found out.
            Cancelled: `cancel` was called meanwhile.
        """
        stop = threading.Event()
        self._running.add(stop)
        try:
            self.clean(name)  # of an attempt that was killed
            folder = self._import(sources, name)
            try:
                return self._validated(self._created(settings, folder, name), stop, timeout)
            finally:
                with suppress(PipelineMagicError):  # what stopped the work must come through; `clean` does it later
                    self._remove(name)
        except NotAllowed as denied:
            raise EngineUnavailable(
                f"Databricks does not allow a temporary pipeline: {denied.message}", where=self._host, hint=denied.hint
            ) from None
        except (DeploymentError, NotFound) as error:
            raise EngineError(
                f"The pipeline could not be validated: {error.message}", where=error.where, hint=error.hint
            ) from None
        finally:
            self._running.discard(stop)

    def cancel(self) -> None:
        """Stop every validation of now; each raises Cancelled in its own thread."""
        for stop in list(self._running):
            stop.set()

    def clean(self, name: str) -> None:
        """Remove what a validation of that name has left; nothing happens where there is nothing.

        Raises:
            EngineError: It cannot be removed.
        """
        try:
            if name in self.left():
                self._remove(name)
        except DeploymentError as error:
            raise EngineError(
                f"What a validation left cannot be removed: {error.message}", where=error.where, hint=error.hint
            ) from None

    def left(self) -> set[str]:
        """Names of the validations that have left something.

        Raises:
            EngineError: The workspace cannot be asked.
        """
        try:
            path = self._home()
            listed = self._calls.get("looking for temporary folders", f"{_FILES}/list", {"path": path})
        except (NotFound, NotAllowed):
            return set()
        except (Refusal, DeploymentError) as error:
            said = error.said if isinstance(error, Refusal) else error.message
            raise EngineError(f"Temporary folders cannot be looked for: {said}", where=self._host) from None
        return {str(one.get("path") or "").rpartition("/")[2] for one in listed.get("objects") or ()}

    # --- one validation ----------------------------------------------------------------------------------------------

    def _validated(self, pipeline: str, stop: threading.Event, timeout: float) -> DryRun:
        begun = self._clock()
        deadline = begun + timeout
        update = self._updates.start(pipeline, before="", stop=stop, deadline=deadline, validate_only=True)
        ended = self._updates.follow(pipeline, update, stop=stop, deadline=deadline)
        seconds = round(self._clock() - begun, 3)
        if ended.state == "COMPLETED":
            return DryRun(valid=True, seconds=seconds)
        errors = self._updates.errors(pipeline, update)
        if ended.state == "CANCELED":
            raise DeploymentError("its update was cancelled by somebody else.", where=self._host)
        return DryRun(valid=False, errors=errors or ("Lakeflow gives no reason.",), seconds=seconds)

    def _created(self, settings: Mapping[str, JsonValue], folder: str, name: str) -> str:
        """Id of the temporary pipeline."""
        kept = {key: value for key, value in settings.items() if key not in _LEFT_OUT}
        own = {"name": _NAME + name, "tags": {TAG: name}, "continuous": False, "development": True}
        body = {**placed_at(kept, folder), **own}
        try:
            return str(self._calls.send("making a temporary pipeline", "POST", PATH, body)["pipeline_id"])
        except Refusal as refusal:
            found = self._ours(name) if name_taken(refusal) else []
            if found:  # the answer to the first attempt was lost
                return found[0]
            if "serverless" in refusal.said.casefold():
                raise NotAllowed(
                    f"the workspace has no serverless compute for it ({refusal.said}).", where=self._host
                ) from None
            raise DeploymentError(f"its settings are refused: {refusal.said}.", where=self._host) from None

    def _ours(self, name: str) -> list[str]:
        """Ids of the temporary pipelines of that run."""
        found = []
        for one in self._pipelines.named(_NAME + name):
            with suppress(NotFound):
                told = self._pipelines.get(str(one["pipeline_id"]))
                if ((told.get("spec") or {}).get("tags") or {}).get(TAG) == name:
                    found.append(str(told["pipeline_id"]))
        return found

    def _remove(self, name: str) -> None:
        """The pipelines first, then the folder that tells of them."""
        for pipeline in self._ours(name):
            self._pipelines.remove(pipeline, cascade=True)  # a validation publishes nothing; what is there is its own
        try:
            body = {"path": f"{self._home()}/{name}", "recursive": True}
            self._calls.send("removing a temporary folder", "POST", f"{_FILES}/delete", body)
        except NotFound:
            return
        except Refusal as refusal:
            raise DeploymentError(f"A temporary folder cannot be removed: {refusal.said}.", where=self._host) from None

    # --- files -------------------------------------------------------------------------------------------------------

    def _home(self) -> str:
        if not self._root:
            me = self._calls.get("asking who the caller is", "/api/2.0/preview/scim/v2/Me")
            user = str(me.get("userName") or "")
            if not user:
                raise DeploymentError("Databricks does not say who the caller is.", where=self._host)
            self._root = f"/Workspace/Users/{user}/.pipeline_magic"
        return f"{self._root}/dry_runs"

    def _import(self, sources: Mapping[str, str], name: str) -> str:
        """The sources in the folder of that name, which is new; gives its path."""
        folder = f"{self._home()}/{segment(name)}"
        try:
            self._calls.send("making a temporary folder", "POST", f"{_FILES}/mkdirs", {"path": folder})
            for file, text in sources.items():
                content = base64.b64encode(text.encode()).decode()
                body = {"path": f"{folder}/{file}", "format": "AUTO", "content": content, "overwrite": True}
                self._calls.send(f"importing `{file}`", "POST", f"{_FILES}/import", body)
        except Refusal as refusal:
            raise DeploymentError(f"its source cannot be imported: {refusal.said}.", where=self._host) from None
        return folder
