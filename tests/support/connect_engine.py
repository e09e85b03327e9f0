"""The engine over Databricks Connect, which lives in an environment of its own: made once, and spoken to by calls.

`databricks-connect` brings a module `pyspark` that would overwrite the local engine's, so that it is installed into a
virtual environment outside the tree (see `environments`). The Sail server it speaks to runs in this environment. Every
call of the contract suite is made there, in the product's own code, and its value or error comes back here. Where the
environment cannot be made (no network), the tests over it skip and say so.
"""

from __future__ import annotations

import itertools
import os
import pickle
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic import errors
from tests.support.environments import cache, virtual

__all__ = ["RemoteEngine", "connect_environment"]

CONNECT = "16.1.7"
"""The newest release for Python 3.11."""

_WANTS = (f"databricks-connect=={CONNECT}", "pyarrow<20", "pandas<3", "pydantic>=2.7", "sqlglot>=30,<31")
_ROOT = Path(__file__).resolve().parents[2]


def connect_environment() -> Path:
    """The virtual environment; made when it is not there. Skips where it cannot be made."""
    try:
        return virtual(cache() / f"databricks-connect-{CONNECT}", _whole, *_WANTS)
    except RuntimeError as error:
        pytest.skip(str(error))


def _whole(folder: Path) -> bool:
    packages = list(folder.glob("lib/python*/site-packages"))
    wanted = ("databricks/connect", "pydantic", "sqlglot")
    return bool(packages) and all((packages[0] / name).exists() for name in wanted)


class RemoteEngine:
    """A `ports.Engine` that makes each call in the other environment.

    Args:
        url: Of the server, as Spark Connect calls it.
        statements: Tell the session of the tables.
        log: Where the process says what it says.
    """

    def __init__(self, url: str, statements: Sequence[str], log: Path) -> None:
        python = connect_environment() / "bin/python"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DATABRICKS_", "PYTHON", "SPARK_"))}
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                [str(python), str(Path(__file__).with_name("connect_worker.py")), url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env={**kept, "PYTHONPATH": str(_ROOT), "TZ": "America/New_York"},
            )
        self._log = log
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[threading.Event, list[Any]]] = {}
        threading.Thread(target=self._read, daemon=True).start()
        self.name = str(self._call("tell", *statements))
        self.no_notebooks = str(self._call("no_notebooks"))

    def __getattr__(self, method: str) -> Any:
        if method.startswith("_"):
            raise AttributeError(method)
        return lambda *arguments, **options: self._call(method, *arguments, **options)

    def end(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        assert self._process.stdin is not None
        with self._lock:
            number = next(self._numbers)
            done, found = self._waiting[number] = (threading.Event(), [])
            pickle.dump((number, method, arguments, options), self._process.stdin)
            self._process.stdin.flush()
        if not done.wait(120) or not found:
            raise RuntimeError(f"The other environment did not answer. It said:\n{self._log.read_text()[-2000:]}")
        kind, value = found
        if kind == "error":
            raise _error(*value)
        return value

    def _read(self) -> None:
        assert self._process.stdout is not None
        while True:
            try:
                number, kind, value = pickle.load(self._process.stdout)
            except (EOFError, pickle.UnpicklingError):
                break
            done, found = self._waiting.pop(number)
            found.extend((kind, value))
            done.set()
        for done, _ in self._waiting.values():
            done.set()


def _error(message: str, told: Sequence[str]) -> BaseException:
    """The error of the other process; one that is none of ours is no error a caller may see."""
    name, text, where, hint = told
    kind: Mapping[str, Any] = vars(errors)
    if name not in errors.__all__:
        return AssertionError(f"an error of somebody else's came through: {name}: {text}")
    if name == "TableNotFound":
        return errors.TableNotFound(text)
    made: BaseException = kind[name](message, where=where, hint=hint)
    return made
