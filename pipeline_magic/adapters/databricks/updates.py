"""The life of one update of a Lakeflow pipeline: started, followed, stopped, and what it tells of its end.

An update has no idempotency token. Of one pipeline only one update is active at a time, which Databricks sees to: a
second start is refused while the first goes on. So a start whose answer was lost is looked for among the updates that
are newer than the newest one before; it is started again only where none is there. What that does not cover: an update
that ended before it was looked for and is not listed yet, and another program that starts one by the API in the same
moment, whose update is then taken for ours. Where a job runs the pipeline (`pipelines`), the job's own token is used
instead, and neither can happen.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from pipeline_magic.adapters.databricks.calls import Calls, Refusal, segment
from pipeline_magic.errors import Cancelled, DeploymentError, NotFound, PipelineMagicError
from pipeline_magic.redact import redact

__all__ = ["ENDED", "PATH", "Ended", "NotAllowed", "Updates"]

PATH = "/api/2.0/pipelines"
ENDED = frozenset({"COMPLETED", "FAILED", "CANCELED"})
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 15.0
_STARTS = 3
_EVENTS, _EVENT_PAGES = 250, 8
"""Events of a page, and pages that are read of one update at most."""
_TOLD, _LONGEST = 3, 700
"""Errors of an update that are told, and characters of each."""


class NotAllowed(DeploymentError):
    """A permission is missing, so that asking again is of no use."""


class Ended(NamedTuple):
    """How an update ended; ``RUNNING`` for one that goes on by itself until it is stopped."""

    id: str
    state: str
    seconds: float = 0.0


class Updates:
    """Starts and follows the updates of one workspace's pipelines.

    Args:
        calls: Asks the workspace; its errors are DeploymentErrors, a missing permission is `NotAllowed`.
        wait: Waits for an event or so many seconds.
        clock: Seconds that only go on.
    """

    def __init__(
        self,
        calls: Calls,
        *,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls
        self._wait = wait
        self._clock = clock

    # --- starting ----------------------------------------------------------------------------------------------------

    def newest(self, pipeline: str) -> str:
        """Id of the newest update; empty before the first."""
        return next((str(one["update_id"]) for one in self._listed(pipeline)), "")

    def newer(self, pipeline: str, than: str) -> list[dict[str, Any]]:
        """Updates that were begun since, newest first."""
        found = []
        for one in islice(self._listed(pipeline), 100):
            if one.get("update_id") == than:
                break
            found.append(one)
        return found

    def start(
        self, pipeline: str, *, before: str, stop: threading.Event, deadline: float, validate_only: bool = False
    ) -> str:
        """Start an update, or find the one that was started since `before`.

        An update of somebody else that goes on already is waited for.

        Args:
            before: The newest update that is not the one wanted; empty: there is none.
            deadline: On the clock.

        Raises:
            DeploymentError: It cannot be started.
            Cancelled: `stop` was set.
        """
        body = {"cause": "API_CALL", **({"validate_only": True} if validate_only else {})}
        attempt = 0
        while True:
            found = self._ours(pipeline, before, validate_only) if attempt else ""
            if found:
                return found
            attempt += 1
            try:
                answer = self._calls.send(
                    "starting an update of the pipeline",
                    "POST",
                    f"{PATH}/{segment(pipeline)}/updates",
                    body,
                    again=False,
                )
                return str(answer["update_id"])
            except Refusal as refusal:
                found = self._ours(pipeline, before, validate_only)
                if found:
                    return found
                if refusal.status != 409 or self._clock() > deadline:
                    raise self._not_started(refusal, pipeline) from None
                self._let_end(pipeline, stop, deadline)
            except NotAllowed:
                raise
            except DeploymentError:  # it may have been started all the same
                if attempt >= _STARTS and not self._ours(pipeline, before, validate_only):
                    raise
            self._pause(stop, _FIRST_WAIT)

    def _ours(self, pipeline: str, before: str, validate_only: bool) -> str:
        """The first update since `before` that an API call began for the same purpose."""
        mine = [
            str(one["update_id"])
            for one in self.newer(pipeline, before)
            if one.get("cause", "API_CALL") == "API_CALL" and bool(one.get("validate_only")) == validate_only
        ]
        return mine[-1] if mine else ""

    def _let_end(self, pipeline: str, stop: threading.Event, deadline: float) -> None:
        """Wait until the active update, which is somebody else's, has ended."""
        active = next((one for one in self._listed(pipeline) if one.get("state") not in ENDED), None)
        if active is not None:
            self.follow(pipeline, str(active["update_id"]), stop=stop, deadline=deadline, ours=False)

    def _not_started(self, refusal: Refusal, pipeline: str) -> DeploymentError:
        busy = refusal.status == 409
        return DeploymentError(
            f"An update of the pipeline cannot be started: {refusal.said}.",
            where=pipeline,
            hint="Wait until the update that goes on has ended, or stop it; then resume the run."
            if busy
            else "Look at the pipeline's settings, then resume the run.",
        )

    def _listed(self, pipeline: str) -> Iterator[dict[str, Any]]:
        path = f"{PATH}/{segment(pipeline)}/updates"
        return self._calls.pages("listing the updates of the pipeline", path, {"max_results": 25}, "updates")

    # --- following ---------------------------------------------------------------------------------------------------

    def follow(
        self,
        pipeline: str,
        update: str,
        *,
        stop: threading.Event,
        deadline: float,
        endless: bool = False,
        ours: bool = True,
    ) -> Ended:
        """Look at an update until it has ended.

        Args:
            deadline: On the clock; an update of ours is then stopped.
            endless: It is enough that it runs: the pipeline is continuous.
            ours: Whether it is stopped with us.

        Raises:
            DeploymentError: It has not ended in time, or is gone.
            Cancelled: `stop` was set.
        """
        begun, pause = self._clock(), _FIRST_WAIT
        while True:
            state = self._state(pipeline, update)
            if state in ENDED or (endless and state == "RUNNING"):
                return Ended(update, state, round(self._clock() - begun, 3))
            late = self._clock() > deadline
            if ours and (late or stop.is_set()):
                self.stop(pipeline)
            if stop.is_set():
                raise Cancelled("The update of the pipeline was stopped." if ours else "The waiting was stopped.")
            if late:
                raise DeploymentError(
                    f"The update {update} has not ended in time; it is {state.lower().replace('_', ' ')}.",
                    where=pipeline,
                    hint="It was stopped; allow it more time, then resume the run."
                    if ours
                    else "Resume the run later.",
                )
            self._wait(stop, min(pause, max(deadline - self._clock(), 0.05)))
            pause = min(pause * 1.5, _LONGEST_WAIT)

    def _state(self, pipeline: str, update: str) -> str:
        try:
            told = self._calls.get(
                "following an update of the pipeline", f"{PATH}/{segment(pipeline)}/updates/{segment(update)}"
            )
        except NotFound:
            raise DeploymentError(
                f"The update {update} is gone: it or its pipeline was removed while it ran.",
                where=pipeline,
                hint="Resume the run, which deploys the pipeline again.",
            ) from None
        except Refusal as refusal:
            raise DeploymentError(f"The update {update} cannot be followed: {refusal.said}.", where=pipeline) from None
        return str((told.get("update") or {}).get("state") or "")

    def stop(self, pipeline: str) -> None:
        """Ask for the end of the update that is active; nothing happens when there is none."""
        try:
            self._calls.send("stopping the pipeline", "POST", f"{PATH}/{segment(pipeline)}/stop", {})
        except (PipelineMagicError, Refusal):
            return  # whether it is heard does not matter to who has stopped waiting

    def _pause(self, stop: threading.Event, seconds: float) -> None:
        self._wait(stop, seconds)
        if stop.is_set():
            raise Cancelled("The start of an update was stopped.")

    # --- what it tells -----------------------------------------------------------------------------------------------

    def errors(self, pipeline: str, update: str) -> tuple[str, ...]:
        """What an update failed of, the first cause first: each in one line, without secrets and without frames."""
        found: list[str] = []
        for event in self._events(pipeline, update, "level='ERROR'"):
            thrown = (event.get("error") or {}).get("exceptions") or ()
            line = " ← ".join(_exception(one) for one in thrown if isinstance(one, Mapping))
            said = str(event.get("message") or "")
            found.append(_one_line(f"{said} {line}" if line else said))
        causes = [line for line in found if ": " in line] or found
        return tuple(dict.fromkeys(reversed(causes)))[:_TOLD]  # events come newest first

    def counted(self, pipeline: str, update: str, target: str) -> str:
        """Rows written to the target and failing rows of each expectation, as JSON; empty where it does not say.

        Args:
            target: Name of the target's dataset.
        """
        rows: list[int] = []
        failing: dict[str, int] = {}
        for event in self._events(pipeline, update, "level in ('INFO', 'METRICS')"):
            told = (event.get("details") or {}).get("flow_progress") or {}
            flow = str((event.get("origin") or {}).get("flow_name") or "")
            written = (told.get("metrics") or {}).get("num_output_rows")
            if isinstance(written, int) and flow.rpartition(".")[2].casefold() == target.casefold():
                rows.append(written)
            for one in (told.get("data_quality") or {}).get("expectations") or ():
                if isinstance(one.get("failed_records"), int):
                    failing[str(one.get("name"))] = failing.get(str(one.get("name")), 0) + one["failed_records"]
        made: dict[str, Any] = (
            {"rows": rows[0]} if len(rows) == 1 else {}
        )  # of several, nobody says what they add up to
        made |= {"failing": failing} if failing else {}
        return json.dumps(made, sort_keys=True) if made else ""

    def _events(self, pipeline: str, update: str, wanted: str) -> Iterator[dict[str, Any]]:
        """Events of one update, newest first; at most `_EVENT_PAGES` pages of the pipeline's are read for them."""
        path, query = f"{PATH}/{segment(pipeline)}/events", {"filter": wanted, "max_results": _EVENTS}
        for _ in range(_EVENT_PAGES):
            page = self._calls.get("reading the events of the pipeline", path, query)
            for event in page.get("events") or ():
                if (event.get("origin") or {}).get("update_id") == update:
                    yield event
            token = page.get("next_page_token")
            if not token:
                return
            query = {"max_results": _EVENTS, "page_token": token}  # it excludes the filter, which it stands for


def _exception(one: Mapping[str, Any]) -> str:
    name = str(one.get("class_name") or "").rpartition(".")[2]
    said = str(one.get("message") or "")
    return f"{name}: {said}" if name and not said.startswith(name) else said


def _one_line(text: str) -> str:
    line = " ".join(redact(text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
