"""The life of the local engine: started once, shared, replaced, ended; and what it says when it cannot be there."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline_magic.adapters import sail
from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.adapters.sail import SailServer
from pipeline_magic.errors import EngineUnavailable
from tests.support.local import engine_at, server_of, write_table

pytestmark = pytest.mark.engine


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SailServer]:
    made = SailServer(tmp_path, Lakehouse(tmp_path), idle=20.0)
    yield made
    made.stop()
    assert not made._alive()


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def gone(pid: int) -> bool:
    """The process ended; one that only waits to be collected counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_found_again(server: SailServer, tmp_path: Path) -> None:
    """A second object, as after a kernel restart, finds the same server; another process does too."""
    first = server.ensure()
    again = SailServer(tmp_path, Lakehouse(tmp_path))
    assert again.ensure() == first
    code = (
        "import sys; from pathlib import Path; from pipeline_magic.adapters.lakehouse import Lakehouse\n"
        "from pipeline_magic.adapters.sail import SailServer\n"
        "print(SailServer(Path(sys.argv[1]), Lakehouse(Path(sys.argv[1]))).ensure().pid)"
    )
    said = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(said.stdout) == first.pid


def test_two_processes_start_one(tmp_path: Path) -> None:
    """Two kernels that start at the same moment share one server, and it outlives the first of them."""
    code = (
        "import sys; from pathlib import Path; from pipeline_magic.adapters.lakehouse import Lakehouse\n"
        "from pipeline_magic.adapters.sail import SailServer\n"
        "s = SailServer(Path(sys.argv[1]), Lakehouse(Path(sys.argv[1])), idle=0.5)\n"
        "print(s.ensure().pid, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in "ab"]
    pids = {int(process.stdout.readline()) for process in both if process.stdout}
    assert len(pids) == 1
    pid = pids.pop()
    both[0].kill()
    both[0].wait()
    time.sleep(1.5)
    assert not gone(pid)
    both[1].communicate()
    assert until(lambda: gone(pid)), "nobody uses the server, and it is still there"


def test_ends_when_its_home_goes(server: SailServer, tmp_path: Path) -> None:
    """A home that was deleted takes its server with it."""
    pid = server.ensure().pid
    (tmp_path / "engine/server.json").unlink()
    assert until(lambda: gone(pid))


def test_killed_server_is_replaced(server: SailServer) -> None:
    """After kill -9 the next call starts another server."""
    first = server.ensure()
    os.kill(first.pid, signal.SIGKILL)
    assert until(lambda: not server._alive())
    assert server.ensure().pid != first.pid


def test_new_catalog(server: SailServer, tmp_path: Path) -> None:
    """A catalog that is new makes another server, which has them all; nothing new keeps the server."""
    first = server.ensure()
    Lakehouse(tmp_path).create_schema("analytics", "ops")
    second = server.ensure()
    assert second.pid != first.pid
    assert until(lambda: gone(first.pid))
    assert server.ensure() == second
    assert json.loads((tmp_path / "engine/server.json").read_text())["catalogs"] == ["analytics", "scratch"]


def test_busy_server_is_not_replaced(server: SailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While something runs, a new catalog waits, and then says what it waits for."""
    first = server.ensure()
    Lakehouse(tmp_path).create_schema("analytics", "ops")
    monkeypatch.setattr(sail, "BUSY_S", 0.3)
    other = SailServer(tmp_path, Lakehouse(tmp_path))
    with server.in_use(), pytest.raises(EngineUnavailable, match="still running"):
        other.ensure()
    assert not gone(first.pid)


def test_environment(server: SailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's environment has no credential and nothing of Unity Catalog."""
    for name in ("DATABRICKS_TOKEN", "UNITY_URI", "UC_HOST", "GITHUB_TOKEN", "OPENAI_API_KEY", "DB_PASSWORD"):
        monkeypatch.setenv(name, "hunter2-secret")
    pid = server.ensure().pid
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"hunter2" not in environment
    assert b"SAIL_CATALOG__LIST" in environment


def test_only_this_machine(server: SailServer) -> None:
    """The server listens on 127.0.0.1 and on no other address."""
    port = server.ensure().port
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    mine = [line.split()[1] for line in listening.splitlines() if f":{port:04X} " in line and line.split()[3] == "0A"]
    assert mine == [f"0100007F:{port:04X}"]


def test_port_taken(tmp_path: Path) -> None:
    """A port that somebody else has is named, and no process stays."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = SailServer(tmp_path, Lakehouse(tmp_path), port=port)
        with pytest.raises(EngineUnavailable, match=f"Port {port} of 127.0.0.1 is taken"):
            server.ensure()
        assert not server._alive()


def test_server_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server said before it ended while starting is in the error."""
    server = SailServer(tmp_path, Lakehouse(tmp_path))
    real = server._environment
    monkeypatch.setattr(server, "_environment", lambda catalogs: {**real(catalogs), "SAIL_CATALOG__LIST": "not toml ["})
    with pytest.raises(EngineUnavailable, match="ended while starting") as raised:
        server.ensure()
    assert len(raised.value.message.splitlines()) > 1
    assert not server._alive()


@pytest.mark.parametrize("package", ["pysail", "pyspark", "deltalake"])
def test_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """A missing package is named with the command that installs it."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else real(name))
    with pytest.raises(EngineUnavailable, match=package) as raised:
        SailServer(tmp_path, Lakehouse(tmp_path)).ensure()
    assert "pip install 'pipeline-magic[local]'" in raised.value.hint


def test_another_spark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Databricks Connect beside pyspark-client is named as what is wrong."""
    real = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "17.0" if name == "databricks-connect" else real(name)
    )
    with pytest.raises(EngineUnavailable, match="databricks-connect"):
        SailServer(tmp_path, Lakehouse(tmp_path)).ensure()


def test_odd_home(tmp_path: Path) -> None:
    """A home whose path holds blanks, quotes and other letters works, and its tables are written inside it."""
    home = tmp_path / "it's #my% höme"
    lakehouse = Lakehouse(home)
    write_table(lakehouse.folder("own.data.orders"))
    lakehouse.create_schema("out", "ops")
    with engine_at(home) as engine:
        assert engine.query("SELECT count(*) FROM own.data.orders").rows == ((3,),)
        engine.spark.table("own.data.orders").write.saveAsTable("out.ops.copy")
        assert lakehouse.table("out.ops.copy").rows == 3
        assert server_of(engine)._alive()
    Path(lakehouse.engine_path(home)).unlink()
