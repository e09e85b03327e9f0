"""The life of one statement on a SQL warehouse: sent, waited for, read chunk by chunk, or stopped.

A statement that fails is an answer with HTTP 200 and the state FAILED; a stopped warehouse starts by itself, and the
statement waits as PENDING meanwhile. Not here: which statements are run; see `warehouse`.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pipeline_magic.adapters.databricks.calls import Calls, Refusal, segment
from pipeline_magic.adapters.spark_work import shorten
from pipeline_magic.errors import Cancelled, EngineError, EngineUnavailable, NotFound, PipelineMagicError, QueryFailed
from pipeline_magic.redact import redact

__all__ = ["DENIED", "Answer", "Statements", "words_of"]

_PATH = "/api/2.0/sql/statements"
_WAREHOUSES = "/api/2.0/sql/warehouses"
_TRACE = re.compile(r"\s*(== SQL|JVM stacktrace|at (org|com|java|scala)\.)")
_STATE_CODE = re.compile(r"\s*SQLSTATE: \w{5}\b")
_BUSY = frozenset({"TEMPORARILY_UNAVAILABLE", "WORKSPACE_TEMPORARILY_UNAVAILABLE", "SERVICE_UNDER_MAINTENANCE"})
DENIED = re.compile(r"INSUFFICIENT_PERMISSIONS|PERMISSION_DENIED|UNAUTHORIZED_ACCESS|SQLSTATE: 42501|does not have")
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0
_LATE = 15.0
"""Seconds after which a statement that still waits is looked into."""


@dataclass(frozen=True)
class Answer:
    """The result of a statement as it came: texts, with the types of the manifest."""

    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()
    truncated: bool = False


@dataclass
class _Running:
    stop: threading.Event = field(default_factory=threading.Event)
    statement: str = ""


class Statements:
    """Runs statements on one warehouse.

    Args:
        calls: Asks the workspace.
        warehouse: Id of the warehouse.
        wait: Waits for an event or so many seconds.
        say: Told that a warehouse is starting.
        clock: Seconds that only go on.
    """

    def __init__(
        self,
        calls: Calls,
        warehouse: str,
        *,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
        say: Callable[[str], None] = lambda message: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls
        self._warehouse = warehouse
        self._wait = wait
        self._say = say
        self._clock = clock
        self._running: dict[int, _Running] = {}

    def run(
        self,
        sql: str,
        *,
        parameters: Mapping[str, tuple[str | None, str]] | None = None,
        limit: int | None = None,
        timeout: float = 600.0,
        again: bool = True,
    ) -> Answer:
        """Run one statement to its end.

        Args:
            parameters: Value (None: NULL) and type of each ``:name`` in the statement.
            limit: The most rows that come back; whether there are more is said.
            timeout: Seconds for all of it, the start of a stopped warehouse among them.
            again: Whether it may be sent a second time when the first answer was lost.

        Raises:
            QueryFailed: Refused, failed, or longer than `timeout`.
            EngineUnavailable: There is no such warehouse, it may not be used, or it did not start.
            Cancelled: `cancel` was called meanwhile.
        """
        body: dict[str, Any] = {
            "warehouse_id": self._warehouse,
            "statement": sql,
            "wait_timeout": "5s",  # the shortest there is, so that a wish to stop is soon heard
            "on_wait_timeout": "CONTINUE",
            "disposition": "INLINE",
            "format": "JSON_ARRAY",
        }
        if parameters:
            body["parameters"] = [
                {"name": name, "value": value, "type": kind} for name, (value, kind) in parameters.items()
            ]
        if limit is not None:
            body["row_limit"] = limit
        with self._counted() as mine:
            try:
                answer = self._finished(self._sent(body, sql, again=again), mine, sql, timeout)
                return self._read(answer, mine, sql)
            except BaseException:
                if mine.statement:
                    self._stop(mine.statement)
                raise

    def cancel(self) -> None:
        """Stop every statement that runs now; each raises Cancelled in its own thread."""
        for one in list(self._running.values()):
            one.stop.set()

    # --- sending, waiting --------------------------------------------------------------------------------------------

    @contextmanager
    def _counted(self) -> Iterator[_Running]:
        mine = _Running()
        self._running[id(mine)] = mine
        try:
            yield mine
        finally:
            del self._running[id(mine)]

    def _sent(self, body: dict[str, Any], sql: str, *, again: bool) -> dict[str, Any]:
        try:
            return self._calls.send("sending a statement", "POST", _PATH, body, again=again)
        except NotFound as error:
            raise self._no_warehouse(error.message.partition(": ")[2] or error.message) from None
        except Refusal as refusal:
            if re.search(r"warehouse|endpoint", refusal.said, re.I):
                raise self._no_warehouse(refusal.said) from None
            raise QueryFailed(f"The statement was refused: {refusal.said}.", where=shorten(sql, 200)) from None

    def _finished(self, answer: dict[str, Any], mine: _Running, sql: str, timeout: float) -> dict[str, Any]:
        """The answer once the statement has ended well."""
        started, pause, looked = self._clock(), _FIRST_WAIT, False
        while True:
            mine.statement = str(answer.get("statement_id") or mine.statement)
            status = answer.get("status") or {}
            state = status.get("state")
            if state not in ("PENDING", "RUNNING"):
                mine.statement = ""  # nothing is left to stop
            if mine.stop.is_set():
                if mine.statement:
                    self._stop(mine.statement)
                    mine.statement = ""
                raise Cancelled("The query was stopped.")
            if state == "SUCCEEDED":
                mine.statement = str(answer.get("statement_id") or "")
                return answer
            if state not in ("PENDING", "RUNNING"):
                raise _failed(status, sql)
            passed = self._clock() - started
            if passed > timeout:
                raise self._late(state, sql, timeout)
            if state == "PENDING" and passed > _LATE and not looked:
                looked = True
                self._say(self._waiting())
            self._wait(mine.stop, min(pause, max(timeout - passed, 0.05)))
            pause = min(pause * 1.6, _LONGEST_WAIT)
            if mine.stop.is_set():
                continue
            answer = self._again(mine.statement)

    def _again(self, statement: str) -> dict[str, Any]:
        try:
            return self._calls.get("waiting for a statement", f"{_PATH}/{segment(statement)}")
        except NotFound:
            raise QueryFailed(
                "The warehouse no longer knows the statement it was running.",
                hint="It was restarted or removed meanwhile; run it again.",
            ) from None
        except Refusal as refusal:
            raise QueryFailed(f"The statement cannot be followed: {refusal.said}.") from None

    def _stop(self, statement: str) -> None:
        """Ask for its end; whether it is heard does not matter to who has stopped waiting."""
        with suppress(PipelineMagicError, Refusal):
            self._calls.send("stopping a statement", "POST", f"{_PATH}/{segment(statement)}/cancel", {})

    # --- reading -----------------------------------------------------------------------------------------------------

    def _read(self, answer: dict[str, Any], mine: _Running, sql: str) -> Answer:
        """Every chunk of the result, counted against what the manifest says."""
        manifest = answer.get("manifest") or {}
        columns = (manifest.get("schema") or {}).get("columns") or []
        names = tuple(str(column.get("name") or "") for column in columns)
        types = tuple(str(column.get("type_text") or column.get("type_name") or "STRING") for column in columns)
        part: dict[str, Any] = answer.get("result") or {}
        rows: list[tuple[str | None, ...]] = []
        seen = {int(part.get("chunk_index") or 0)}
        while True:
            rows.extend(tuple(row) for row in part.get("data_array") or ())
            following = part.get("next_chunk_index")
            if following is None:
                break
            if mine.stop.is_set():
                raise Cancelled("The query was stopped.")
            if int(following) in seen:
                raise EngineError("The warehouse gives the same part of a result again.", where=shorten(sql, 200))
            seen.add(int(following))
            part = self._chunk(str(answer.get("statement_id")), int(following), sql)
        mine.statement = ""
        told = manifest.get("total_row_count")
        truncated = bool(manifest.get("truncated"))
        if told is not None and not truncated and int(told) != len(rows):
            raise EngineError(
                f"The warehouse gave {len(rows):,} of {int(told):,} rows of a result.",
                where=shorten(sql, 200),
                hint="Run it again; if it happens again, ask for fewer rows.",
            )
        return Answer(names, types, tuple(rows), truncated)

    def _chunk(self, statement: str, index: int, sql: str) -> dict[str, Any]:
        path = f"{_PATH}/{segment(statement)}/result/chunks/{index}"
        try:
            return self._calls.get("reading a result", path)
        except (NotFound, Refusal):
            raise QueryFailed(
                "The rest of a result is no longer there.", where=shorten(sql, 200), hint="Run the query again."
            ) from None

    # --- what is wrong -----------------------------------------------------------------------------------------------

    def _state(self) -> tuple[str, str]:
        """Name and state of the warehouse; empty where it cannot be told."""
        try:
            told = self._calls.get("looking at the SQL warehouse", f"{_WAREHOUSES}/{segment(self._warehouse)}")
        except (PipelineMagicError, Refusal):
            return self._warehouse, ""
        return str(told.get("name") or self._warehouse), str(told.get("state") or "")

    def _waiting(self) -> str:
        name, state = self._state()
        if state in ("STOPPED", "STARTING", "STOPPING"):
            return f"The SQL warehouse `{name}` is starting; that may take some minutes"
        return f"Waiting for the SQL warehouse `{name}`"

    def _late(self, state: str, sql: str, timeout: float) -> EngineError:
        if state == "RUNNING":
            return QueryFailed(f"The query took over {timeout:g} s and was stopped.", where=shorten(sql, 200))
        name, now = self._state()
        return EngineUnavailable(
            f"The SQL warehouse `{name}` did not begin the query within {timeout:g} s"
            + (f"; it is {now}." if now else "."),
            where=self._calls.host,
            hint="Start it in the workspace (SQL Warehouses), or raise `query_timeout`, and try again.",
        )

    def _no_warehouse(self, said: str) -> EngineUnavailable:
        listed = ""
        with suppress(PipelineMagicError, Refusal):
            told = self._calls.get("listing the SQL warehouses", _WAREHOUSES)
            found = [f"`{one.get('id')}` ({one.get('name')})" for one in told.get("warehouses") or ()]
            listed = f" You may use {', '.join(found[:5])}." if found else " You may use no SQL warehouse here."
        return EngineUnavailable(
            f"The SQL warehouse `{self._warehouse}` cannot be used: {said.rstrip('.')}.",
            where=self._calls.host,
            hint=f"It was deleted, or the id is of another workspace: set DATABRICKS_WAREHOUSE_ID.{listed}",
        )


def _failed(status: Mapping[str, Any], sql: str) -> PipelineMagicError:
    """What a statement that did not end well means."""
    state, error = str(status.get("state") or "no state"), status.get("error") or {}
    code, said = str(error.get("error_code") or ""), str(error.get("message") or "")
    where = shorten(sql, 200)
    if state == "CANCELED":
        return QueryFailed("The query was stopped by somebody else, or by the warehouse's time limit.", where=where)
    if state == "CLOSED":
        return QueryFailed("The warehouse has closed the result of the query.", where=where, hint="Run it again.")
    if state != "FAILED":
        return EngineError(f"The warehouse told of a query that it is in `{shorten(state, 40)}`.", where=where)
    if code in _BUSY:
        return EngineUnavailable(
            f"The SQL warehouse is not available now: {words_of(said) or code}.", hint="Try again."
        )
    hint = ""
    if DENIED.search(said) or status.get("sql_state") == "42501":
        hint = "Ask the owner of the object or an administrator for the privilege that is named."
    elif code == "RESOURCE_EXHAUSTED" or re.search(r"inline.*(limit|exceed)|25 ?MiB|26214400", said, re.I):
        hint = "Ask for fewer rows or columns."
    return QueryFailed(f"The query failed: {words_of(said) or code or 'no reason was given'}.", where=where, hint=hint)


def words_of(said: str) -> str:
    """The first lines of a message, without what is for the developers of the engine."""
    kept = _TRACE.split(said, maxsplit=1)[0]
    return shorten(redact(_STATE_CODE.sub("", kept)), 400).rstrip(". ")
