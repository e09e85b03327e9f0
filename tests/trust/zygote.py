"""Many fresh processes in little time: one clean interpreter that has imported everything, and forks for each call.

The tests' own process cannot be forked (libraries it has used keep threads), and starting an interpreter for each of
hundreds of points would take most of an hour. This one has called nothing of what it imported. A call is the name of a
function and its arguments, as JSON; what it prints goes to a file; what it returns or raises comes back. All calls of
one request are let go at the same moment.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

__all__ = ["Ended", "Zygote"]

_ROOT = Path(__file__).resolve().parents[2]


class Ended(NamedTuple):
    """How a process ended.

    Attributes:
        killed: By SIGKILL.
        value: What the function returned; None when it did not.
        error: ``Class: message`` of what it raised; empty when it did not.
        output: What the process printed, the traceback of what it raised included.
    """

    killed: bool
    value: Any
    error: str
    output: str


class Zygote:
    """Makes processes; used as a context manager.

    Args:
        modules: Imported before the first fork.
        env: Environment variables beside those of this process.
    """

    def __init__(self, *modules: str, env: Mapping[str, str] | None = None) -> None:
        self._modules = modules
        self._env = {**os.environ, "PYTHONPATH": str(_ROOT), **(env or {})}
        self._folder = tempfile.TemporaryDirectory(prefix="pm-zygote-")

    def __enter__(self) -> Zygote:
        self._process = subprocess.Popen(
            [sys.executable, __file__, *self._modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._env,
            cwd=self._folder.name,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def all(self, calls: Sequence[tuple[Any, ...]], *, timeout: float = 120.0) -> list[Ended]:
        """Every call (function, arguments …) in a process of its own, all let go at once."""
        named = [[f"{call[0].__module__}:{call[0].__qualname__}", *map(_plain, call[1:])] for call in calls]
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"calls": named, "timeout": timeout}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the zygote is gone"
        return [Ended(**ended) for ended in json.loads(answer)]

    def one(self, function: Any, *arguments: Any, timeout: float = 120.0) -> Ended:
        """One call."""
        return self.all([(function, *arguments)], timeout=timeout)[0]

    def value(self, function: Any, *arguments: Any, timeout: float = 120.0) -> Any:
        """What one call returns; it must not raise."""
        ended = self.one(function, *arguments, timeout=timeout)
        assert not ended.error and not ended.killed, ended.output
        return ended.value


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def main(modules: Sequence[str]) -> None:
    """Serve requests until the standard input ends."""
    for module in modules:
        importlib.import_module(module)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        asked = json.loads(line)
        answers.write(json.dumps(_serve(asked["calls"], asked["timeout"])) + "\n")
        answers.flush()


def _serve(calls: Sequence[Sequence[Any]], timeout: float) -> list[dict[str, Any]]:
    reader, writer = os.pipe()
    children: list[tuple[int, int, Path]] = []
    for call in calls:
        heard, told = os.pipe()
        output = Path(tempfile.mkstemp(prefix="out-", dir=Path.cwd())[1])
        child = os.fork()
        if child == 0:
            os.close(writer)
            os.close(heard)
            select.select([reader], [], [])  # all of them go on when the other end is closed
            _child(call, told, output)
        os.close(told)
        children.append((child, heard, output))
    os.close(reader)
    os.close(writer)
    until = time.monotonic() + timeout
    return [_ended(*child, until) for child in children]


def _child(call: Sequence[Any], told: int, output: Path) -> None:
    file = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdin.close()
    said: dict[str, Any] = {"value": None, "error": ""}
    try:
        module, _, name = call[0].partition(":")
        said["value"] = getattr(importlib.import_module(module), name)(*call[1:])
    except BaseException as error:  # noqa: BLE001  (whatever it is, it is the result)
        said["error"] = f"{type(error).__name__}: {error}"
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        text = json.dumps(said).encode()
        while text:
            text = text[os.write(told, text) :]
        os._exit(0)


def _ended(child: int, heard: int, output: Path, until: float) -> dict[str, Any]:
    parts, late = [], False
    while True:
        ready, _, _ = select.select([heard], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            late = True
            os.kill(child, signal.SIGKILL)
            break
        part = os.read(heard, 1 << 16)
        if not part:
            break
        parts.append(part)
    os.close(heard)
    _, status = os.waitpid(child, 0)
    text = output.read_text(errors="replace")
    output.unlink()
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL and not late
    said = json.loads(b"".join(parts)) if parts and not late else {"value": None, "error": ""}
    if not said["error"] and not killed and not parts:
        said["error"] = "it took too long" if late else f"it ended with status {status}"
    return {**said, "killed": killed, "output": text}


if __name__ == "__main__":
    main(sys.argv[1:])
