"""Ports that count what passes through them, and kill this process at a chosen moment.

Counted is every write to the store and every call of code host, deployer, engine and catalog, before it and after it;
and, inside the local adapters, every move of a git reference and every file put in place. Reading the store is not
counted: nothing lies between it and the next call.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pipeline_magic.adapters import files, git, localjobs
from pipeline_magic.wiring import Ports

__all__ = ["Counter", "counting"]

READS_OF_THE_STORE = frozenset(
    {"run", "runs", "stage", "approval", "approvals", "plan", "deployment", "effects", "audit", "audit_head"}
    | {"exchanges", "close", "name"}
)
_QUIET = frozenset({"close", "cancel"})


class Counter:
    """Names every moment, and kills at one.

    Args:
        kill_at: Number of the moment (from 1); 0 kills never.
    """

    def __init__(self, kill_at: int = 0) -> None:
        self.moments: list[str] = []
        self._kill_at = kill_at

    def reached(self, moment: str) -> None:
        """Count it; does not return if it is the chosen one."""
        self.moments.append(moment)
        if len(self.moments) == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, with a moment before and after it."""

        def counted(*arguments: Any, **named: Any) -> Any:
            self.reached(f"before {name}")
            result = call(*arguments, **named)
            self.reached(f"after {name}")
            return result

        return counted


class _Counted:
    """A port whose calls are counted."""

    def __init__(self, port: Any, name: str, counter: Counter, quiet: frozenset[str]) -> None:
        self._port, self._name, self._counter, self._silent = port, name, counter, quiet

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name.startswith("_") or name in self._silent or not callable(found):
            return found
        return self._counter.around(f"{self._name}.{name}", found)


def counting(ports: Ports, counter: Counter) -> Ports:
    """The ports with every call counted. Changes the adapters' modules: only for a process that ends afterwards."""
    git.Git.move = _method(git.Git.move, "git.move", counter)  # type: ignore[method-assign]
    # Every file of the local adapters is put in place by this function; one module holds it under a name of its own.
    files.write_text = localjobs.write_text = counter.around("file.write", files.write_text)  # type: ignore[attr-defined]
    engine = _Counted(ports.engine, "engine", counter, _QUIET)
    ports.deployer._engine = engine  # type: ignore[attr-defined]
    return replace(
        ports,
        catalog=_Counted(ports.catalog, "catalog", counter, _QUIET),
        engine=engine,
        code_host=_Counted(ports.code_host, "code_host", counter, _QUIET),
        deployer=_Counted(ports.deployer, "deployer", counter, _QUIET),
        store=_Counted(ports.store, "store", counter, READS_OF_THE_STORE),
    )


def _method(method: Callable[..., Any], name: str, counter: Counter) -> Callable[..., Any]:
    def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        return counter.around(name, method)(self, *arguments, **named)

    return counted
