"""Real processes for tests: many at once, and one that is killed at a chosen point.

They are forked, so that twenty of them start in a moment; each must open what it uses itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

_context = multiprocessing.get_context("fork")


def race(actions: Sequence[Callable[[], Any]], timeout: float = 120.0) -> list[Any]:
    """Run every action in a process of its own, all released at once; what each returned or raised, in order."""
    barrier = _context.Barrier(len(actions))
    results: Any = _context.Queue()

    def work(number: int, action: Callable[[], Any]) -> None:
        barrier.wait(timeout)
        try:
            results.put((number, action()))
        except Exception as error:  # noqa: BLE001  whatever it is, it is the result
            results.put((number, f"{type(error).__name__}: {error}"))

    processes = [_context.Process(target=work, args=item, daemon=True) for item in enumerate(actions)]
    for process in processes:
        process.start()
    found = dict(results.get(timeout=timeout) for _ in processes)
    for process in processes:
        process.join(timeout)
    return [found[number] for number in range(len(actions))]


def run_killed(action: Callable[[Callable[[], None]], Any], point: int, timeout: float = 60.0) -> bool:
    """Run `action` in a process that kills itself (SIGKILL) at the `point`-th call of the function it is given.

    Returns:
        Whether it was killed; False means that the action has no such point and ended by itself.
    """

    def work() -> None:
        count = 0

        def reached() -> None:
            nonlocal count
            count += 1
            if count == point:
                os.kill(os.getpid(), signal.SIGKILL)

        action(reached)

    process = _context.Process(target=work, daemon=True)
    process.start()
    process.join(timeout)
    assert process.exitcode in (0, -signal.SIGKILL), f"the action failed by itself: {process.exitcode}"
    return process.exitcode == -signal.SIGKILL
