"""SQL warehouses and statements of the strict workspace.

A statement runs in a thread of its own. Waiting is `hurry` times as long as asked, so that tests need not wait.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import duckdb

from tests.support.databricks_server.server import Handler, Refusal, Request
from tests.support.databricks_server.spark import Failure, Result, Spark
from tests.support.databricks_server.world import World

__all__ = ["Sql", "Statement"]

_S = r"2\.0/sql/statements"
_W = r"2\.0/sql/warehouses"
_FIELDS = (
    "statement", "warehouse_id", "byte_limit", "catalog", "disposition", "format", "on_wait_timeout", "parameters",
    "query_tags", "row_limit", "schema", "wait_timeout",
)  # fmt: skip
_ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "CLOSED")


@dataclass
class Statement:
    """One statement and what became of it."""

    id: str
    sql: str
    user: str
    limit: int | None = None
    state: str = "PENDING"
    result: Result = field(default_factory=Result)
    truncated: bool = False
    failure: tuple[str, str, str] = ("", "", "")
    cursor: Any = None
    done: threading.Event = field(default_factory=threading.Event)


class Sql:
    """Answers for one world.

    Attributes:
        state: Of the warehouse ``wh1``: ``RUNNING``, ``STOPPED``, ``DELETED`` and the others of the API.
        startup: How many looks at a statement a stopped warehouse takes to start; None: it never does.
        chunk: Rows of one chunk.
        inline: Bytes a result may have.
        hurry: What waiting is multiplied with.
        users: Who may use the warehouse; everybody when empty.
        statements: Everything that was sent.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.spark = Spark(world)
        self.state = "RUNNING"
        self.startup: int | None = 2
        self.chunk = 1000
        self.inline = 25 * 1024 * 1024
        self.hurry = 0.05
        self.users: set[str] = set()
        self.statements: dict[str, Statement] = {}
        self.answers: dict[str, Result] = {}
        self._ids = itertools.count(1)

    def routes(self) -> Iterable[tuple[str, str, Handler]]:
        yield "POST", _S, self.execute
        yield "GET", rf"{_S}/([^/]+)", self.get
        yield "POST", rf"{_S}/([^/]+)/cancel", self.cancel
        yield "GET", rf"{_S}/([^/]+)/result/chunks/(\d+)", self.chunk_n
        yield "GET", _W, self.warehouses
        yield "GET", rf"{_W}/([^/]+)", self.warehouse

    # --- warehouses --------------------------------------------------------------------------------------------------

    def warehouses(self, request: Request) -> Any:
        request.asks("run_as_user_id", "page_size", "page_token")
        return {"warehouses": [] if self.state == "DELETED" else [self._warehouse()]}

    def warehouse(self, request: Request) -> Any:
        request.asks()
        if request.parts[0] != "wh1" or self.state == "DELETED":
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"SQL warehouse {request.parts[0]} does not exist.")
        return self._warehouse()

    def _warehouse(self) -> dict[str, Any]:
        return {"id": "wh1", "name": "Starter Warehouse", "state": self.state, "cluster_size": "2X-Small"}

    # --- statements --------------------------------------------------------------------------------------------------

    def execute(self, request: Request) -> Any:
        request.only(*_FIELDS, needs=["statement", "warehouse_id"])
        body = request.body
        wait = re.fullmatch(r"(\d+)s", str(body.get("wait_timeout", "10s")))
        if wait is None or not (int(wait[1]) == 0 or 5 <= int(wait[1]) <= 50):
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "wait_timeout must be 0s, or between 5s and 50s.")
        if body.get("on_wait_timeout", "CONTINUE") not in ("CONTINUE", "CANCEL"):
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "on_wait_timeout must be CONTINUE or CANCEL.")
        if (body.get("disposition", "INLINE"), body.get("format", "JSON_ARRAY")) != ("INLINE", "JSON_ARRAY"):
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "INLINE disposition allows the format JSON_ARRAY alone.")
        if body["warehouse_id"] != "wh1" or self.state in ("DELETED", "DELETING"):
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"SQL warehouse {body['warehouse_id']} does not exist.")
        if self.users and request.user not in self.users:
            raise Refusal(403, "PERMISSION_DENIED", "You do not have permission to use the SQL Warehouse.")
        parameters = {one["name"]: (one.get("value"), one.get("type", "STRING")) for one in body.get("parameters", ())}
        if any(value is not None and not isinstance(value, str) for value, _ in parameters.values()):
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "The value of a parameter is a string.")
        made = Statement(f"01ef-{next(self._ids)}", body["statement"], request.user, body.get("row_limit"))
        self.statements[made.id] = made
        threading.Thread(target=self._run, args=(made, parameters), daemon=True).start()
        if int(wait[1]):
            made.done.wait(int(wait[1]) * self.hurry)
        return self._told(made) if int(wait[1]) else {"statement_id": made.id, "status": {"state": "PENDING"}}

    def get(self, request: Request) -> Any:
        request.asks()
        made = self._mine(request)
        if self.state == "STOPPED" and self.startup is not None:
            self.startup -= 1
            if self.startup <= 0:
                self.state = "RUNNING"
                made.done.wait(2)
        return self._told(made)

    def cancel(self, request: Request) -> Any:
        made = self._mine(request)
        if made.state not in _ENDED:
            made.state = "CANCELED"
            if made.cursor is not None:
                made.cursor.interrupt()
            made.done.set()
        return {}

    def chunk_n(self, request: Request) -> Any:
        request.asks()
        made, index = self._mine(request), int(request.parts[1])
        if made.state != "SUCCEEDED" or index * self.chunk >= max(len(made.result.rows), 1):
            raise Refusal(404, "NOT_FOUND", f"Chunk {index} of statement {made.id} does not exist.")
        return self._part(made, index)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _mine(self, request: Request) -> Statement:
        made = self.statements.get(request.parts[0])
        if made is None or made.user != request.user:
            raise Refusal(404, "NOT_FOUND", f"The statement {request.parts[0]} was not found.")
        return made

    def _run(self, made: Statement, parameters: dict[str, tuple[str | None, str]]) -> None:
        while self.state in ("STOPPED", "STARTING") and made.state == "PENDING":
            self.world.server.wait(0.01)
        if made.state != "PENDING":
            return
        made.state = "RUNNING"
        try:
            scripted = next((found for text, found in self.answers.items() if text in made.sql), None)
            result = scripted or self.spark.run(
                made.sql, made.user, parameters, lambda cursor: setattr(made, "cursor", cursor)
            )
            made.truncated = made.limit is not None and len(result.rows) > made.limit
            made.result = Result(result.columns, result.rows[: made.limit] if made.limit is not None else result.rows)
            size = sum(len(value or "") for row in made.result.rows for value in row)
            if size > self.inline:
                raise Failure(f"Inline byte limit exceeded. Statements are limited to {self.inline} bytes.", "54000")
            if made.state == "RUNNING":
                made.state = "SUCCEEDED"
        except Failure as failure:
            if made.state == "RUNNING":
                made.state, made.failure = "FAILED", (failure.code, str(failure), failure.state)
        except duckdb.Error as error:
            if made.state == "RUNNING":
                made.state, made.failure = "FAILED", ("INTERNAL_ERROR", str(error), "XX000")
        finally:
            made.done.set()

    def _told(self, made: Statement) -> dict[str, Any]:
        told: dict[str, Any] = {"statement_id": made.id, "status": {"state": made.state}}
        if made.state == "FAILED":
            code, message, state = made.failure
            told["status"] |= {"error": {"error_code": code, "message": message}, "sql_state": state}
        if made.state == "SUCCEEDED":
            told |= {"manifest": self._manifest(made), "result": self._part(made, 0)}
        return told

    def _manifest(self, made: Statement) -> dict[str, Any]:
        columns = [
            {"name": name, "position": place, "type_text": kind, "type_name": re.split(r"[(<]", kind)[0]}
            for place, (name, kind) in enumerate(made.result.columns)
        ]
        rows = len(made.result.rows)
        return {
            "format": "JSON_ARRAY",
            "schema": {"column_count": len(columns), "columns": columns},
            "total_chunk_count": -(-rows // self.chunk),
            "total_row_count": rows,
            "truncated": made.truncated,
        }

    def _part(self, made: Statement, index: int) -> dict[str, Any]:
        start = index * self.chunk
        rows = made.result.rows[start : start + self.chunk]
        told: dict[str, Any] = {"chunk_index": index, "row_offset": start, "row_count": len(rows)}
        if rows:
            told["data_array"] = rows
        if start + self.chunk < len(made.result.rows):
            told["next_chunk_index"] = index + 1
            told["next_chunk_internal_link"] = f"/api/2.0/sql/statements/{made.id}/result/chunks/{index + 1}"
        return told
