"""Who works on a run: the name of a process, and whether it still lives.

    host:pid:machine:started

`machine` is of this start of this system (and this container), `started` of the process, so that neither a number that
was given again nor a container of the same name passes for a worker. On the same machine the system says whether the
process is there. Of any other one its heartbeat in the store does: a process that works on runs says so every
`BEAT_SECONDS`, and one that has not for `LEASE_SECONDS` is taken to be gone. Both times are the store's, so that clocks
of two machines need not agree. Not here: taking a run (`stages`), which is a compare-and-set whoever lives.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from pipeline_magic.errors import PipelineMagicError

__all__ = ["BEAT_SECONDS", "LEASE_SECONDS", "Beats", "beating", "this_worker", "worker_alive"]

BEAT_SECONDS = 20.0
LEASE_SECONDS = 120.0

log = logging.getLogger("pipeline_magic")


class Beats(Protocol):
    """Where heartbeats are kept; a part of `ports.Store`."""

    @property
    def name(self) -> str: ...

    def beat(self, worker: str) -> None: ...

    def last_beat(self, worker: str) -> float | None: ...


def this_worker() -> str:
    """Name of this process, as a run holds it."""
    return f"{socket.gethostname()}:{os.getpid()}:{_machine()}:{_started(os.getpid())}"


def worker_alive(worker: str, beats: Beats | None = None) -> bool:
    """Whether the process of that name lives; where nothing can be said of it, it is taken to live.

    Args:
        worker: As `this_worker` names it; ``host:pid`` of an earlier version too.
        beats: The store whose run it holds.
    """
    host, pid, machine, started = (*worker.split(":", 3), "", "", "")[:4]
    if host == socket.gethostname() and pid.isdigit() and machine in {"", _machine()}:
        now = _started(int(pid))
        return _there(int(pid)) and (started == now or not started or not now)
    silent = beats.last_beat(worker) if beats is not None else None
    return silent is None or silent < LEASE_SECONDS


# --- heartbeats ----------------------------------------------------------------------------------------------------


class _Heart:
    """One thread for all runs of one store that this process works on."""

    def __init__(self, beats: Beats) -> None:
        self.runs = 0
        self.stop = threading.Event()
        self._beats = beats
        threading.Thread(target=self._go, name="pipeline-magic-heartbeat", daemon=True).start()

    def _go(self) -> None:
        while not self.stop.wait(BEAT_SECONDS):
            try:
                self._beats.beat(this_worker())
            except PipelineMagicError as error:  # the work itself meets it, where it stays
                log.info("heartbeat: %s", error.message)


_lock = threading.Lock()
_hearts: dict[tuple[int, str], _Heart] = {}
"""By process and store: after a fork there is no thread, whatever the memory says."""


@contextlib.contextmanager
def beating(beats: Beats) -> Iterator[None]:
    """Say now, and from time to time until this ends, that this process lives."""
    beats.beat(this_worker())
    key = (os.getpid(), beats.name)
    with _lock:
        heart = _hearts.get(key) or _hearts.setdefault(key, _Heart(beats))
        heart.runs += 1
    try:
        yield
    finally:
        with _lock:
            heart.runs -= 1
            if not heart.runs:
                heart.stop.set()
                _hearts.pop(key, None)


# --- this machine --------------------------------------------------------------------------------------------------


def _machine() -> str:
    """This start of this system, and this container; empty where the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return hashlib.sha256(f"{boot} {Path('/proc/self/ns/pid').readlink()}".encode()).hexdigest()[:8]
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When the process began, in the system's own count; empty where it does not say, or there is none."""
    stat = _stat(pid)
    if stat:
        return stat[19]
    try:
        import psutil  # type: ignore[import-untyped]  # beside every notebook; no dependency of ours, nor are its stubs
    except ImportError:
        return ""
    try:
        return str(int(psutil.Process(pid).create_time()))
    except (psutil.Error, OSError):  # it is gone, or not ours to look at
        return ""


def _there(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    if os.name != "posix":  # there, a signal would end it
        try:
            import psutil
        except ImportError:
            return True
        return bool(psutil.pid_exists(pid))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _stat(pid)[:1] not in (["Z"], ["X"])


def _stat(pid: int) -> list[str]:
    """Fields of the process that follow its name; none without ``/proc``."""
    try:
        # The name of the program, in parentheses, may hold anything; what follows it does not.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
