"""Databricks' REST API by other people's hands: minilake and brickhouse, each a server in an environment of its own.

Both pin what we use in other versions, so each is installed into a virtual environment outside the tree
(`$XDG_CACHE_HOME` or `~/.cache`, `/pipeline_magic/<name>-<version>`), made on first use beside its place and then
renamed. Where that cannot be done (no network), the tests over it skip and say so. Not here: what each gets wrong; the
lists stand beside the contract suites, as strict xfail.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.environments import cache, virtual

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
    try:
        return virtual(cache() / f"{name}-{kind.version}", lambda folder: _whole(folder, name), *kind.wants)
    except RuntimeError as error:
        pytest.skip(str(error))


def _whole(folder: Path, name: str) -> bool:
    python = folder / "bin/python"
    return python.exists() and bool(list(folder.glob(f"lib/python*/site-packages/{name}/cli.py")))


def allowed(request: pytest.FixtureRequest, deviations: Mapping[str, str]) -> None:
    """Expect the failure of a test that is in the list of deviations; one that passes all the same fails."""
    name = request.node.name.partition("[")[0]
    reason = deviations.get(name) or deviations.get(request.node.name)
    if reason:
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
