"""Databricks' REST API by other people's hands: minilake and brickhouse, each a server in an environment of its own.

Both pin what we use in other versions, so each is installed into a virtual environment outside the tree
(`$XDG_CACHE_HOME` or `~/.cache`, `/pipeline_magic/<name>-<version>`), made on first use beside its place and then
renamed. Where that cannot be done (no network), the tests over it skip and say so. Not here: what each gets wrong; the
lists stand beside the contract suites, as strict xfail.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.spark_environment import cache

__all__ = ["standin"]


class _Kind(NamedTuple):
    version: str
    wants: tuple[str, ...]
    health: str


_KINDS = {
    "minilake": _Kind(
        "1.9.0", ("minilake==1.9.0", "duckdb==1.4.4", "duckdb-ext-delta==1.4.4.20260205"), "/_minilake/health"
    ),
    "brickhouse": _Kind("0.1.0", ("brickhouse[notebooks]==0.1.0",), "/health"),
}
_MAIN = "import sys; from {0}.cli import main; sys.exit(main())"


@contextlib.contextmanager
def standin(name: str, folder: Path) -> Iterator[str]:
    """The address of a fresh server of that name, which keeps its files in `folder`. Skips where there is none."""
    kind = _KINDS[name]
    python = str(_environment(name) / "bin/python")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [python, "-c", _MAIN.format(name)]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DATABRICKS_", "PYTHON", "MINILAKE_"))}
    if name == "brickhouse":
        workspace = ["--workspace", str(folder / "workspace")]
        subprocess.run([*command, "init", *workspace], check=True, capture_output=True, env=kept, timeout=120)
        command += ["serve", *workspace]
    else:
        kept |= {
            "MINILAKE_DATA_DIR": str(folder),
            "MINILAKE_BIND_HOST": "127.0.0.1",
            "MINILAKE_JOB_EXECUTOR": "subprocess",
            "MINILAKE_SPARK_PREWARM": "0",
            "MINILAKE_NOTEBOOK": "0",
            "MINILAKE_DUCKDB_EXTENSION_DIR": str(folder / "extensions"),
        }
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", port], stdout=log, stderr=log, env=kept, cwd=folder
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url + kind.health, process, folder)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _wait(url: str, process: subprocess.Popen[Any], folder: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    log = (folder / "server.log").read_text("utf-8", "replace")[-2000:]
    raise RuntimeError(f"The stand-in at {url} did not start. Its log ends:\n{log}")


def _environment(name: str) -> Path:
    """The virtual environment of a stand-in; made when it is not there."""
    kind = _KINDS[name]
    place = cache() / f"{name}-{kind.version}"
    if _whole(place, name):
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f"{place.name}.making.", dir=place.parent))
    pip = [str(making / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *kind.wants]
    try:
        for command in ([sys.executable, "-m", "venv", str(making)], pip):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                said = done.stderr.strip().splitlines()
                pytest.skip(f"{name} {kind.version} could not be installed: {said[-1] if said else 'pip failed'}")
        shutil.rmtree(place, ignore_errors=True)  # only one that is not whole comes here
        with contextlib.suppress(OSError):  # another session was faster
            making.rename(place)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return place


def _whole(folder: Path, name: str) -> bool:
    python = folder / "bin/python"
    return python.exists() and bool(list(folder.glob(f"lib/python*/site-packages/{name}/cli.py")))


def allowed(request: pytest.FixtureRequest, deviations: Mapping[str, str]) -> None:
    """Expect the failure of a test that is in the list of deviations; one that passes all the same fails."""
    name = request.node.name.partition("[")[0]
    reason = deviations.get(name) or deviations.get(request.node.name)
    if reason:
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
