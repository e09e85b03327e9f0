"""One stage of one run: reuse, progress, states, interruption."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pipeline_magic.adapters.database import Database
from pipeline_magic.errors import Cancelled, PipelineMagicError, StaleState
from pipeline_magic.flow.stages import Work
from pipeline_magic.flow.workers import this_worker
from pipeline_magic.runs import QualityReport, Run, StageEvent


class Ticking:
    """A clock that moves a second with every look, and counts its ids."""

    def __init__(self) -> None:
        self._ticks = itertools.count()

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=next(self._ticks))

    def new_id(self, prefix: str) -> str:
        return f"{prefix}-{next(self._ticks)}"


@pytest.fixture
def store(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'state.db'}")


@pytest.fixture
def run(store: Database) -> Run:
    return store.create_run(Run(id="r-1", statement="count orders", created="2026-01-01", updated="2026-01-01"))


def _work(store: Database, run: Run, events: list[StageEvent], stop: threading.Event | None = None) -> Work:
    return Work(store, Ticking(), run, events.append, stop or threading.Event())


def _stage(work: Work, inputs: dict[str, object], made: list[int]) -> QualityReport:
    def compute() -> QualityReport:
        made.append(1)
        return QualityReport(engine="here")

    return work.stage("quality", inputs, QualityReport, compute, during="parsing", done=lambda report: report.engine)


def test_equal_inputs_are_not_computed_again(store: Database, run: Run) -> None:
    """A stage whose inputs have the same digest gives the stored result and says `unchanged`; other inputs do not."""
    made: list[int] = []
    events: list[StageEvent] = []
    with _work(store, run, events) as work:
        first = _stage(work, {"a": 1, "b": 2}, made)
        assert _stage(work, {"b": 2, "a": 1}, made) == first
        assert made == [1]
        assert work.recomputed == ["quality"]
        _stage(work, {"a": 1, "b": 3}, made)
    assert made == [1, 1]
    assert [event.state for event in events] == ["running", "done", "unchanged", "running", "done"]
    assert events[1].message == "here" and events[1].seconds is not None


def test_a_result_of_another_form_is_computed_again(store: Database, run: Run) -> None:
    """A stored result that cannot be read any more is made anew, not shown."""
    made: list[int] = []
    with _work(store, run, []) as work:
        _stage(work, {"a": 1}, made)
        digest, _ = store.stage("r-1", "quality") or ("", "")
        store.save_stage("r-1", "quality", digest, '{"event": {}, "result": {"no": "such"}}', "2026-01-01")
        _stage(work, {"a": 1}, made)
    assert made == [1, 1]


def test_an_error_fails_the_run_and_keeps_what_was_done(store: Database, run: Run) -> None:
    """The run becomes `failed` with the error's words, nobody holds it, and finished stages stay."""
    events: list[StageEvent] = []
    with pytest.raises(PipelineMagicError), _work(store, run, events) as work:
        _stage(work, {"a": 1}, [])
        raise PipelineMagicError("No room left.", hint="Make room.")
    failed = store.run("r-1")
    assert (failed.state, failed.worker) == ("failed", "")
    assert "No room left." in failed.message and "Make room." in failed.message
    assert store.stage("r-1", "quality") is not None
    assert events[-1].state == "failed"


def test_cancel_stops_at_the_next_boundary(store: Database, run: Run) -> None:
    """Once asked to stop, the next stage is not begun and the run is `cancelled`."""
    made: list[int] = []
    stop = threading.Event()
    with pytest.raises(Cancelled), _work(store, run, [], stop) as work:
        _stage(work, {"a": 1}, made)
        stop.set()
        _stage(work, {"a": 2}, made)
    assert made == [1]
    assert store.run("r-1").state == "cancelled"


def test_a_living_worker_keeps_its_run(store: Database, run: Run) -> None:
    """Another living process that holds the run is named; a dead one is taken over from."""
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    host = this_worker().partition(":")[0]
    try:
        held = store.update_run(run, worker=f"{host}:{sleeper.pid}")
        with pytest.raises(StaleState, match=str(sleeper.pid)):
            _work(store, held, []).__enter__()
    finally:
        sleeper.kill()
        sleeper.wait()
    with _work(store, held, []) as work:
        assert work.run.worker == this_worker()
    assert store.run("r-1").worker == ""


def test_a_run_moves_only_along_the_table(store: Database, run: Run) -> None:
    """`move` finds the way through the table, and refuses where there is none."""
    with _work(store, run, []) as work:
        work.move("generating")
        assert work.run.state == "generating"
        work.move("planned")
        with pytest.raises(StaleState, match="cannot become"):
            work.move("nowhere")
