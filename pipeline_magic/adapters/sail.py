"""The life of the local engine: one Sail server for each home directory, shared by every kernel and command there.

Here: starting the server when it is needed, finding it again, replacing it when a catalog is new, saying why it is not
there. Not here: sessions and queries (`sail_engine`), the process itself (`sail_supervisor`, which also says which
files and locks there are). The server ends by itself some time after the last process that used it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pipeline_magic.adapters.files import FileLock, explain, read_json
from pipeline_magic.adapters.lakehouse import SCRATCH, Lakehouse
from pipeline_magic.adapters.scrub import scrubbed_environment
from pipeline_magic.errors import EngineUnavailable

__all__ = ["SailServer", "ServerAddress", "check_packages"]

INSTALL = "Install the local parts: pip install 'pipeline-magic[local]'."
START_S = 60.0
BUSY_S = 120.0


class ServerAddress(NamedTuple):
    """A server that runs; another pid is another server, with sessions of its own."""

    pid: int
    port: int

    @property
    def url(self) -> str:
        """What Spark Connect calls it."""
        return f"sc://127.0.0.1:{self.port}"


class SailServer:
    """The server of a home directory.

    Args:
        home: The home directory.
        lakehouse: Its catalogs become the server's.
        port: A port of 127.0.0.1; 0 takes a free one.
        idle: Seconds after which a server that no process uses ends.
    """

    def __init__(self, home: Path, lakehouse: Lakehouse, *, port: int = 0, idle: float = 60.0) -> None:
        self.home = Path(home).expanduser().absolute()
        self.folder = self.home / "engine"
        self._lakehouse = lakehouse
        self._port = port
        self._idle = idle
        self._use = FileLock(self.folder / "in_use.lock")
        self._used = False
        self._process: subprocess.Popen[bytes] | None = None

    def ensure(self) -> ServerAddress:
        """The server, started or replaced where needed, with every catalog of the lakehouse.

        Raises:
            EngineUnavailable: A package is missing, the port is taken, or the server died.
        """
        wanted = {SCRATCH, *self._lakehouse.catalogs()}
        self._hold()
        found = self._running(wanted)
        if found is not None:
            return found
        check_packages()
        lock = FileLock(self.folder / "start.lock")
        late = "Another process has been starting the engine for a long time."
        with lock.held(timeout=START_S + BUSY_S, otherwise=late, kind=EngineUnavailable):
            found = self._running(wanted)
            if found is not None:
                return found
            self._stop_for_restart()
            return self._start(sorted(wanted))

    def current(self) -> ServerAddress | None:
        """The server as it is now; None when there is none. Starts nothing."""
        return self._running(set())

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """While held, the server is not replaced for the sake of a new catalog."""
        busy = FileLock(self.folder / "busy.lock")
        with busy.held(
            shared=True, timeout=BUSY_S, otherwise="The engine has been restarting for long.", kind=EngineUnavailable
        ):
            yield

    def stop(self) -> None:
        """End the server now, for everybody; nothing happens when there is none."""
        self.release()
        self._terminate(5.0)

    def release(self) -> None:
        """This object needs the server no more; it ends once nobody does."""
        self._used = False
        self._use.release()

    def log(self, lines: int = 8) -> str:
        """The last lines the server said."""
        try:
            text = (self.folder / "server.log").read_text("utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.strip().splitlines()[-lines:])[-2000:]

    def _hold(self) -> None:
        if not self._used:
            with explain(self.home, "start the local engine", EngineUnavailable):
                if not self._use.acquire(shared=True, timeout=10.0):
                    raise EngineUnavailable("The engine's files are held by another process.", where=str(self.folder))
            self._used = True

    def _alive(self) -> bool:
        if self._process is not None:
            self._process.poll()  # a child that ended must be collected, or it stays in the list of processes
        life = FileLock(self.folder / "server.lock")
        if life.acquire(shared=True):
            life.release()
            return False
        return True

    def _running(self, wanted: set[str]) -> ServerAddress | None:
        said = read_json(self.folder / "server.json")
        if not isinstance(said, dict) or not wanted <= set(said.get("catalogs", ())) or not self._alive():
            return None
        return ServerAddress(said["pid"], said["port"])

    def _stop_for_restart(self) -> None:
        if not self._alive():
            return
        busy = "A new catalog needs the engine to start again, and another query or notebook is still running."
        with FileLock(self.folder / "busy.lock").held(timeout=BUSY_S, otherwise=busy, kind=EngineUnavailable):
            self._terminate(5.0)

    def _terminate(self, wait: float) -> None:
        if not self.folder.exists():
            return
        until = time.monotonic() + wait
        for number in (signal.SIGTERM, signal.SIGKILL):
            while self._alive():
                said = read_json(self.folder / "server.json")
                if isinstance(said, dict) and isinstance(said.get("pid"), int):
                    try:
                        os.kill(said["pid"], number)
                    except ProcessLookupError:
                        return
                if time.monotonic() > until:
                    break
                time.sleep(0.05)
            until = time.monotonic() + wait

    def _start(self, catalogs: list[str]) -> ServerAddress:
        with explain(self.home, "start the local engine", EngineUnavailable):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "server.json").unlink(missing_ok=True)
            log = os.fdopen(os.open(self.folder / "server.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        with log:
            arguments = [str(self.folder), str(self._port), str(self._idle)]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipeline_magic.adapters.sail_supervisor", *arguments],
                env=self._environment(catalogs),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            said = read_json(self.folder / "server.json")
            if isinstance(said, dict) and said.get("pid") == self._process.pid:
                return ServerAddress(said["pid"], said["port"])
            if self._process.poll() is not None:
                raise self._died()
            time.sleep(0.02)
        self._process.kill()
        self._process.wait()
        raise EngineUnavailable(
            f"The local engine did not start within {START_S:.0f} s.\n{self.log()}", where=str(self.folder)
        )

    def _died(self) -> EngineUnavailable:
        said = self.log()
        if "in use" in said.lower():
            return EngineUnavailable(
                f"Port {self._port} of 127.0.0.1 is taken.",
                where=str(self.folder / "server.log"),
                hint="Free the port, or choose none so that a free one is found.",
            )
        return EngineUnavailable(
            f"The local engine ended while starting. It said:\n{said}",
            where=str(self.folder / "server.log"),
            hint="Run `pipeline-magic doctor`.",
        )

    def _environment(self, catalogs: list[str]) -> dict[str, str]:
        package = str(Path(__file__).resolve().parents[2])
        listed = ",".join(
            f'{{name={_toml(name)},type="memory",initial_database=["_"]}}' for name in catalogs
        )  # "default" would have no folder, and could not be given one later
        return {
            **scrubbed_environment(),
            "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")])),
            "PIPELINE_MAGIC_CATALOGS": json.dumps(catalogs),
            "SAIL_CATALOG__LIST": f"[{listed}]",
            "SAIL_CATALOG__DEFAULT_CATALOG": SCRATCH,
            "SAIL_CATALOG__DEFAULT_DATABASE": '["_"]',
            "SAIL_SPARK__SESSION_TIMEOUT_SECS": "3600",
        }


def _toml(text: str) -> str:
    return json.dumps(text)  # the same escapes, for names without control characters


def check_packages() -> None:
    """Whether the local engine's packages are here, and no other Spark in their place.

    Raises:
        EngineUnavailable: Names the package and the command that puts it right.
    """
    for package, module in (("pysail", "pysail"), ("pyspark-client", "pyspark"), ("deltalake", "deltalake")):
        if importlib.util.find_spec(module) is None:
            raise EngineUnavailable(f"The local engine needs the package `{package}`, which is missing.", hint=INSTALL)
    for other in ("databricks-connect", "pyspark"):
        try:
            importlib.metadata.version(other)
        except importlib.metadata.PackageNotFoundError:
            continue
        raise EngineUnavailable(
            f"`{other}` is installed beside `pyspark-client`: both bring a module `pyspark`, and one is wrong.",
            hint=f"Run: pip uninstall -y {other} && pip install --force-reinstall pyspark-client==4.2.0 — or use an "
            "environment of its own for Databricks.",
        )
