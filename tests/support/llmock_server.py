"""llmock, a third party's stand-in for OpenAI's API, in an environment of its own that is made on first use.

It lives outside the tree: `$XDG_CACHE_HOME` (or `~/.cache`) `/pipeline_magic/llmock-<version>`. Its script is spoken to
over HTTP: `POST /_llmock/scenario` and `/_llmock/reset`.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.environments import cache, virtual

VERSION = "0.2.2"


def environment() -> Path:
    """The folder of the virtual environment with llmock; made when it is not there.

    Raises:
        RuntimeError: pip could not install it.
    """
    return virtual(cache() / f"llmock-{VERSION}", _whole, f"llmock=={VERSION}")


def _whole(folder: Path) -> bool:
    return (folder / "bin/llmock").exists() and (folder / "bin/python").exists()


class Llmock:
    """A running llmock."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.url = address + "/v1"

    def will(self, *behaviours: dict[str, Any]) -> None:
        """Forget what was, and do this with the next requests."""
        self._post("/_llmock/reset", {})
        if behaviours:
            self._post("/_llmock/scenario", {"behaviors": list(behaviours)})

    def _post(self, path: str, data: dict[str, Any]) -> None:
        request = urllib.request.Request(
            self.address + path, json.dumps(data).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10):
            pass


@contextlib.contextmanager
def llmock() -> Iterator[Llmock]:
    """llmock on a free port, for the time of a test session."""
    place = environment()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Its scripts start with the interpreter that made the environment, which was renamed since: run as a module.
    command = [str(place / "bin/python"), "-c", "from llmock.cli import *; app()", "serve"]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "--log-level", "error"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LLMOCK"))},
    )
    made = Llmock(f"http://127.0.0.1:{port}")
    try:
        for _ in range(300):
            with contextlib.suppress(urllib.error.URLError, OSError):
                made._post("/_llmock/reset", {})
                break
            if process.poll() is not None:
                raise RuntimeError(f"llmock ended with status {process.returncode}")
            time.sleep(0.1)
        yield made
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
