"""Who works on a run: a number given again, a container of the same name and a machine that went pass for nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pipeline_magic.adapters.clock import SystemClock
from pipeline_magic.adapters.database import Database
from pipeline_magic.errors import StaleState, StoreUnavailable
from pipeline_magic.flow import workers
from pipeline_magic.flow.stages import Work
from pipeline_magic.flow.workers import LEASE_SECONDS, beating, this_worker, worker_alive
from pipeline_magic.runs import Run

HOST, _, MACHINE, STARTED = this_worker().split(":")
LINUX = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="the system tells when a process began by /proc"
)


class Silence:
    """A store that knows for how long each worker was silent."""

    name = "here"

    def __init__(self, **seconds: float) -> None:
        self.seconds, self.beats = seconds, list[str]()

    def beat(self, worker: str) -> None:
        self.beats.append(worker)

    def last_beat(self, worker: str) -> float | None:
        return self.seconds.get(worker.partition(":")[0])


@contextmanager
def sleeper() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def test_this_process_lives() -> None:
    """Its name says host, number, machine and beginning, and stays the same."""
    assert worker_alive(this_worker()) and this_worker() == this_worker()
    assert this_worker().startswith(f"{HOST}:{os.getpid()}:")


@LINUX
def test_a_number_given_again() -> None:
    """A living process with the number of a worker that ended is not that worker, however fresh its heartbeat."""
    with sleeper() as pid:
        began = workers._started(pid)
        assert worker_alive(f"{HOST}:{pid}:{MACHINE}:{began}")
        assert not worker_alive(f"{HOST}:{pid}:{MACHINE}:{int(began) - 1}", Silence(**{HOST: 1.0}))
        assert worker_alive(f"{HOST}:{pid}"), "as an earlier version named it"
    assert not worker_alive(f"{HOST}:{pid}:{MACHINE}:{began}")
    assert not worker_alive(f"{HOST}:{pid}")


@LINUX
def test_an_ended_process_that_nobody_waited_for() -> None:
    """A kernel that was killed and whose parent has not noticed does not hold its run."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    name = f"{HOST}:{process.pid}:{MACHINE}:{workers._started(process.pid)}"
    until = time.monotonic() + 10
    while worker_alive(name) and time.monotonic() < until:
        time.sleep(0.01)
    assert not worker_alive(name) and process.returncode is None
    process.wait()


@pytest.mark.parametrize(
    "name", ["elsewhere:1:00000000:5", f"{HOST}:{os.getpid()}:00000000:{STARTED}"], ids=["elsewhere", "here"]
)
def test_of_another_machine_its_heartbeat_speaks(name: str) -> None:
    """Of another host, or a container of this name, or this one before it was started anew: silent for longer than the
    lease, it is gone; a clock that was set back is no silence; where nothing is known, it lives."""
    host = name.partition(":")[0]
    assert worker_alive(name) and worker_alive(name, Silence())
    assert worker_alive(name, Silence(**{host: 1.0})) and worker_alive(name, Silence(**{host: -50.0}))
    assert not worker_alive(name, Silence(**{host: LEASE_SECONDS + 1}))


def test_heartbeats_come_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """One at once, then one after the other for as long as any run is worked on, by one thread; a store that is away
    for a moment stops nothing."""
    monkeypatch.setattr(workers, "BEAT_SECONDS", 0.01)
    store = Silence()
    failing = threading.Event()

    def beat(worker: str) -> None:
        store.beats.append(worker)
        if failing.is_set():
            raise StoreUnavailable("away")

    store.beat = beat  # type: ignore[method-assign]
    with beating(store):
        with beating(store):
            threads = [one for one in threading.enumerate() if one.name == "pipeline-magic-heartbeat"]
            assert len(threads) == 1 and store.beats[:2] == [this_worker()] * 2
        failing.set()
        before, until = len(store.beats), time.monotonic() + 10
        while len(store.beats) < before + 3 and time.monotonic() < until:
            time.sleep(0.005)
        assert len(store.beats) >= before + 3
    threads[0].join(10)
    assert not threads[0].is_alive() and workers._hearts == {}


def test_a_run_of_a_machine_that_went(tmp_path: Path) -> None:
    """A run held from another machine is waited for while that one speaks, and taken over once it was silent."""
    gone = "driver-7:12:00000000:99"
    with closing(Database(str(tmp_path / "state.db"))) as store:
        run = store.create_run(Run(id="r-1", statement="s", created="2026-01-01", updated="2026-01-01"))
        store.beat(gone)
        held = store.update_run(run, worker=gone)

        def work() -> Work:
            return Work(store, SystemClock(), held, lambda event: None, threading.Event())

        with pytest.raises(StaleState, match="driver-7:12"):
            work().__enter__()
        assert workers._hearts == {} and store.run("r-1").worker == gone
        with store._db.write() as connection:
            connection.exec_driver_sql(f"UPDATE pm_workers SET seen = seen - {LEASE_SECONDS + 1}")
        with work() as taken:
            assert taken.run.worker == this_worker() and store.last_beat(this_worker()) is not None
        assert store.run("r-1").worker == ""
