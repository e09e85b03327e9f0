"""Work in a Spark session that can be waited for, given up after a time, and stopped from another thread.

Shared by the local engine and by those on Databricks: each piece of work runs in a thread of its own, under a tag of
its own, so that whoever asked can stop waiting at once and the server is told to stop too. Not here: what the work is,
how a session is made, and what its errors mean.

What a session offers to stop work differs: tags (Spark Connect, and classic sessions of Spark 4), or job groups of the
context (classic sessions before). Where it has neither, the waiting ends and the server finishes what it does.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Any, TypeVar

from pipeline_magic.errors import Cancelled, EngineError, QueryFailed

__all__ = ["SparkWork", "shorten"]

T = TypeVar("T")


class SparkWork:
    """What runs now in the sessions of one engine.

    Args:
        translated: An error of Spark, and the statement, as one of ours.
    """

    def __init__(self, translated: Callable[[BaseException, str], EngineError]) -> None:
        self._translated = translated
        self._running: dict[str, Callable[[], None]] = {}

    def run(self, session: Any, action: Callable[[Any], T], *, sql: str, timeout: float) -> T:
        """The result of `action(session)`.

        Args:
            sql: The statement, for errors.
            timeout: Seconds.

        Raises:
            QueryFailed: Refused, failed, or longer than `timeout`; or what `translated` makes of it.
            Cancelled: `cancel` was called meanwhile.
        """
        tag = f"pm-{secrets.token_hex(8)}"
        outcome: Future[T] = Future()
        cancelled = threading.Event()

        def work() -> None:
            with suppress(InvalidStateError):  # when the work was stopped, nobody waits for its outcome
                try:
                    _name(session, tag)
                    outcome.set_result(action(session))
                except InvalidStateError:
                    raise
                except BaseException as error:  # noqa: BLE001  (raised in the thread that waits)
                    outcome.set_exception(error)

        def stop() -> None:
            cancelled.set()
            _interrupt(session, tag)
            if not outcome.done():
                outcome.cancel()

        self._running[tag] = stop
        try:
            threading.Thread(target=work, name=tag, daemon=True).start()
            return _result(outcome, timeout, cancelled)
        except FutureTimeout:
            _interrupt(session, tag)
            message = f"The query took over {timeout:g} s and was stopped."
            raise QueryFailed(message, where=shorten(sql, 200)) from None
        except Cancelled:
            raise
        except KeyboardInterrupt:
            _interrupt(session, tag)
            raise
        except Exception as error:  # noqa: BLE001 - Spark raises anything; each is one of ours
            if cancelled.is_set():
                raise Cancelled("The query was stopped.") from None
            raise self._translated(error, sql) from None  # its own words may quote values of rows
        finally:
            self._running.pop(tag, None)

    def add(self, key: str, stop: Callable[[], None]) -> None:
        """Something else that `cancel` stops, until `remove`."""
        self._running[key] = stop

    def remove(self, key: str) -> None:
        """It has ended."""
        self._running.pop(key, None)

    def cancel(self) -> None:
        """Stop everything that runs now; each raises Cancelled in its own thread."""
        for stop in list(self._running.values()):
            stop()


def shorten(text: str, most: int) -> str:
    """Text in one line, of at most that many characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _result(outcome: Future[T], timeout: float, cancelled: threading.Event) -> T:
    try:
        return outcome.result(timeout)
    except FutureTimeout:
        raise
    except BaseException:
        if cancelled.is_set():
            raise Cancelled("The query was stopped.") from None
        raise


def _name(session: Any, tag: str) -> None:
    """Let the work of this thread be stopped by its tag."""
    with suppress(Exception):  # what a session does not have, it says in many ways
        session.addTag(tag)
        return
    with suppress(Exception):
        session.sparkContext.setJobGroup(tag, "pipeline_magic", interruptOnCancel=True)


def _interrupt(session: Any, tag: str) -> None:
    """Ask the server to stop, without waiting for its answer."""

    def ask() -> None:
        with suppress(Exception):  # nothing may be left to stop
            session.interruptTag(tag)
            return
        with suppress(Exception):
            session.sparkContext.cancelJobGroup(tag)

    threading.Thread(target=ask, daemon=True).start()
