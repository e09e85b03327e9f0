"""One stage of one run: reuse its stored result, or compute and store it; say how far it is; move the run's state.

A stage's inputs are hashed; when the hash is that of the stored result, the result stands and nothing is computed.
Every result is stored before the next stage starts, so that a killed kernel loses one stage at most. Every move of the
run's state is a compare-and-set along the table of `runs`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline_magic.agents.approval.attest import doubted_stages
from pipeline_magic.digests import digest_of
from pipeline_magic.errors import Cancelled, PipelineMagicError, StaleState
from pipeline_magic.flow.workers import beating, this_worker, worker_alive
from pipeline_magic.logs import current_run
from pipeline_magic.ports import Clock, Progress, Store
from pipeline_magic.redact import redact
from pipeline_magic.runs import AuditDraft, Run, Stage, StageEvent, StageState
from pipeline_magic.states import TRANSITIONS

__all__ = ["Work", "load_event", "load_result"]

Result = TypeVar("Result", bound=BaseModel)

log = logging.getLogger("pipeline_magic")

_lock = threading.Lock()
_in_hand: set[tuple[int, str, str]] = set()
"""Runs that this process works on. A run's `worker` names the process alone, and one notebook may have two panels, each
over an orchestrator of its own."""


class Work:
    """The work on one run, from taking it to letting it go. Used as a context manager.

    Args:
        store: Where the run is.
        clock: For times.
        run: As read from the store.
        progress: Told of every stage.
        cancelled: Set from another thread to stop at the next boundary.

    Raises:
        StaleState: Another living process works on this run.
    """

    def __init__(self, store: Store, clock: Clock, run: Run, progress: Progress, cancelled: threading.Event) -> None:
        self.run = run
        self.recomputed: list[Stage] = []
        self._store = store
        self._clock = clock
        self._progress = progress
        self._cancelled = cancelled
        self._stage: Stage = "parse"
        self._doubted: frozenset[str] = frozenset()

    def __enter__(self) -> Work:
        self._here = (os.getpid(), self._store.name, self.run.id)
        with _lock:
            if self._here in _in_hand:
                raise StaleState(
                    f"Run `{self.run.id}` is being worked on by another panel or call of this notebook.",
                    hint=f"Wait for it, then look at it with `%pipeline review {self.run.id}`.",
                )
            _in_hand.add(self._here)
        self._held = contextlib.ExitStack()
        try:
            self._held.enter_context(beating(self._store))
            self._take()
        except BaseException:
            self._let_go()
            raise
        self._token = current_run.set(self.run.id)
        return self

    def _take(self) -> None:
        holder = self.run.worker
        if holder and holder != this_worker() and worker_alive(holder, self._store):
            raise StaleState(
                f"Run `{self.run.id}` is being worked on by another process ({holder}).",
                hint=f"Wait for it, or look at it with `%pipeline review {self.run.id}`.",
            )
        self.update(worker=this_worker())
        if self.run.state == "planned" and self.run.approval_id:
            # Rows that the audit knows otherwise were written by somebody else: they are made anew, never used again.
            self._doubted = doubted_stages(self._store, self.run.id, self.run.approval_id)

    def _let_go(self) -> None:
        self._held.close()
        with _lock:
            _in_hand.discard(self._here)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            self._close(error)
        finally:
            self._let_go()
            current_run.reset(self._token)

    def _close(self, error: BaseException | None) -> None:
        if error is None:
            self.update(worker="")
            return
        stopped = isinstance(error, (Cancelled, KeyboardInterrupt))
        state: StageState = "cancelled" if stopped else "failed"
        message = "Stopped by you." if stopped else redact(str(error))  # kept in the store, and it may be a library's
        log.log(logging.INFO if stopped else logging.ERROR, "%s: %s", self._stage, message, exc_info=_surprise(error))
        self._progress(
            StageEvent(stage=self._stage, state=state, message=message.splitlines()[0] if message else "failed")
        )
        try:
            current = self._store.run(self.run.id)
            wanted = state if current.state in {"parsing", "generating"} else current.state
            self._store.update_run(current, state=wanted, message=message, worker="")
        except StaleState:
            log.info("somebody else moved the run; its state is theirs")

    def update(self, **changes: Any) -> None:
        """Write changes of the run, if nobody else did meanwhile."""
        self.run = self._store.update_run(self.run, updated=self._clock.now().isoformat(), **changes)

    def move(self, state: str, **changes: Any) -> None:
        """Move the run to `state` by the shortest way the table allows; `changes` come with the last step."""
        steps = tuple(_way(self.run.state, state))
        for step in steps[:-1]:
            self.update(state=step)
        last = {"state": steps[-1]} if steps else {}
        if last or changes:
            self.update(**last, **changes)

    def take_back(self, state: str, **changes: Any) -> None:
        """Write changes, and with them take a plan back that does not hold them: no run stands as planned with other
        answers, edits or waivers than its plan has."""
        self.update(**changes, **({"state": state} if self.run.state == "planned" else {}))

    def drop(self, message: str, audit: AuditDraft | None = None) -> None:
        """Cancel a run that nobody works on, and say so in the audit."""
        for step in _way(self.run.state, "cancelled"):
            last = step == "cancelled"
            self.update(state=step, **({"message": message, "worker": "", "audit": audit} if last else {}))

    def say(self, message: str, *, state: StageState = "running", stage: Stage | None = None) -> None:
        """Tell the progress, and stop here if the person asked to."""
        log.info("%s: %s", stage or self._stage, message)
        self._progress(StageEvent(stage=stage or self._stage, state=state, message=message))
        if state == "running":
            self.check()

    def check(self) -> None:
        """Raises Cancelled when the person asked to stop."""
        if self._cancelled.is_set():
            raise Cancelled("The work was stopped.", hint=f"`%pipeline resume {self.run.id}` goes on with it.")

    def stage(
        self,
        stage: Stage,
        inputs: dict[str, Any],
        model: type[Result],
        compute: Callable[[], Result],
        *,
        during: str,
        done: Callable[[Result], str],
    ) -> Result:
        """The stored result when `inputs` are those it was made from; else a new one, stored.

        Args:
            inputs: Everything the result depends on.
            during: The run's state while it is computed.
            done: The stage's closing message.
        """
        self._stage = stage
        self.check()
        digest = digest_of(inputs)
        stored = self._store.stage(self.run.id, stage)
        if stored is not None and stored[0] == digest and stage not in self._doubted:
            result = load_result(stored[1], model)
            if result is not None:
                event = load_event(stored[1], stage).model_copy(update={"state": "unchanged"})
                self._progress(event)
                return result
        self.move(during)
        self.recomputed.append(stage)
        self._progress(StageEvent(stage=stage, state="running"))
        log.info("%s: started", stage)
        started = time.monotonic()
        result = compute()
        self.check()
        event = StageEvent(
            stage=stage, state="done", message=done(result), seconds=round(time.monotonic() - started, 3)
        )
        kept = json.dumps({"event": event.model_dump(mode="json"), "result": result.model_dump(mode="json")})
        self._store.save_stage(self.run.id, stage, digest, kept, self._clock.now().isoformat())
        log.info("%s: done in %.2f s", stage, event.seconds)
        self._progress(event)
        return result


def _surprise(error: BaseException) -> bool:
    """Whether the log should hold the traceback: not for errors that are part of the interface."""
    return not isinstance(error, (PipelineMagicError, KeyboardInterrupt))


def load_result(stored: str, model: type[Result]) -> Result | None:
    """The result of a stage from its stored text; None when an older version wrote it in another form."""
    try:
        return model.model_validate(json.loads(stored)["result"])
    except (ValidationError, ValueError, KeyError, TypeError):
        return None


def load_event(stored: str, stage: Stage) -> StageEvent:
    """The closing event of a stage from its stored text."""
    try:
        return StageEvent.model_validate(json.loads(stored)["event"])
    except (ValidationError, ValueError, KeyError, TypeError):
        return StageEvent(stage=stage, state="done")


def _way(source: str, target: str) -> tuple[str, ...]:
    """States from `source` (left out) to `target` by the shortest way in the table of runs."""
    if source == target:
        return ()
    queue: deque[tuple[str, ...]] = deque([(source,)])
    seen = {source}
    while queue:
        path = queue.popleft()
        for move in TRANSITIONS:
            if move.machine == "run" and move.source == path[-1] and move.target not in seen:
                if move.target == target:
                    return (*path[1:], target)
                seen.add(move.target)
                queue.append((*path, move.target))
    raise StaleState(f"A run that is `{source}` cannot become `{target}`.", hint="Start a new run.")
