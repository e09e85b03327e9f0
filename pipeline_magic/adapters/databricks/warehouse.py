"""A SQL warehouse as engine: Spark SQL where the data lives, one statement at a time. Fulfils `ports.Engine`.

Here: queries as typed rows, scratch schemas, history, restore and drop, and what `catalog` asks of SQL (comments,
statistics). Not here: how a statement lives and dies (`statements`), and notebooks: a warehouse runs none, and
`no_notebooks` says so. Every statement has a session of its own on a warehouse: nothing that one sets is seen by the
next, so that a restore cannot put a note into the table's log; it is known again by its operation and version.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timezone, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline_magic.adapters.databricks.calls import Calls
from pipeline_magic.adapters.databricks.client import clock_skew
from pipeline_magic.adapters.databricks.statements import Answer, Statements, shorten
from pipeline_magic.adapters.databricks.table_sql import TableSql, iso
from pipeline_magic.adapters.databricks.values import reader, spark_type
from pipeline_magic.adapters.reading import only_reads
from pipeline_magic.errors import EngineError, EngineUnavailable, QueryFailed
from pipeline_magic.ports import Rows, TableVersion
from pipeline_magic.runs import NotebookRun
from pipeline_magic.spec.names import quote_table
from pipeline_magic.spec.schema import Column

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

__all__ = ["Statistics", "Warehouse"]

_STATISTICS = re.compile(r"(\d+) bytes(?:, (\d+) rows)?")
_ZONED = re.compile(r"(Z|UTC|[+-]\d{2}:?\d{2}(:\d{2})?)\"?\Z")


class Statistics(NamedTuple):
    """What SQL tells of a table and the catalog's REST does not; None where it is not known."""

    rows: int | None = None
    bytes: int | None = None
    version: str | None = None
    last_modified: str | None = None


class Warehouse:
    """Runs SQL on one warehouse of a workspace.

    Args:
        client: Of the workspace.
        warehouse: Id of the SQL warehouse.
        scratch_catalog: Where scratch schemas are made; the warehouse's own default catalog when empty.
        say: Told that the warehouse is starting.
        options: Of `Calls`.
        wait: Waits for an event or so many seconds, between two looks at a statement.
    """

    no_notebooks = "a SQL warehouse runs SQL alone; Databricks Connect or a cluster's own session would run it"

    def __init__(
        self,
        client: WorkspaceClient,
        warehouse: str,
        *,
        scratch_catalog: str = "",
        say: Callable[[str], None] = lambda message: None,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
        **options: Any,
    ) -> None:
        host = str(client.config.host)
        self._id = warehouse
        self._host = host.split("://")[-1]
        given: dict[str, Any] = {"skew": lambda: clock_skew(host), **options}
        calls = Calls(client, host, error=EngineUnavailable, denied=EngineUnavailable, **given)
        self._statements = Statements(calls, warehouse, say=say, wait=wait)
        self._tables = TableSql(self, self._host, scratch_catalog=scratch_catalog)
        self._own_zone: tzinfo | None = None

    def __repr__(self) -> str:
        return f"Warehouse({self._id!r} at {self._host!r})"

    @property
    def name(self) -> str:
        """The warehouse and its workspace, for a person."""
        return f"SQL warehouse {self._id} at {self._host}"

    # --- queries -----------------------------------------------------------------------------------------------------

    def query(
        self,
        sql: str,
        *,
        limit: int = 1000,
        timeout: float = 600.0,
        parameters: Mapping[str, tuple[str | None, str]] | None = None,
    ) -> Rows:
        """Run one SELECT (or WITH … SELECT) and return at most `limit` rows.

        A `timestamp` comes as a datetime in UTC, a `timestamp_ntz` as one without a zone, a struct as a dict.

        Args:
            parameters: Value (None: NULL) and Spark type of each ``:name`` in the query.

        Raises:
            QueryFailed: Refused, failed, or longer than `timeout` seconds.
            EngineUnavailable: The warehouse cannot be used or did not start.
            Cancelled: `cancel` was called meanwhile.
        """
        if not only_reads(sql):
            raise QueryFailed("Only a SELECT is run here.", where=shorten(sql, 200), hint="Write one SELECT.")
        text = sql.strip().rstrip(";")
        answer = self._statements.run(text, parameters=parameters, limit=limit + 1, timeout=timeout)
        zone = self._zone(answer)
        readers = [reader(kind, zone) for kind in answer.types]
        rows = tuple(
            tuple(read(value) for read, value in zip(readers, row, strict=True)) for row in answer.rows[:limit]
        )
        columns = tuple(
            Column(name=name, type=spark_type(kind)) for name, kind in zip(answer.names, answer.types, strict=True)
        )
        return Rows(columns=columns, rows=rows, truncated=answer.truncated or len(answer.rows) > limit)

    def execute(self, sql: str, *, timeout: float = 600.0, again: bool = True) -> None:
        """Run one statement that writes; for our own statements, never for a person's or a model's.

        Args:
            again: Whether it may be sent a second time when the first answer was lost.
        """
        self._statements.run(sql, timeout=timeout, again=again)

    def run_notebook(self, notebook: str, parameters: Mapping[str, str], *, timeout: float = 3600.0) -> NotebookRun:
        """A warehouse runs no notebooks.

        Raises:
            EngineUnavailable: Always, with the ways to run one.
        """
        raise EngineUnavailable(
            "A SQL warehouse does not run notebooks.",
            where=self._host,
            hint="Install databricks-connect, or work in a notebook of the workspace: its own session runs them.",
        )

    def cancel(self) -> None:
        """Stop every statement that runs now; each raises Cancelled in its own thread."""
        self._statements.cancel()

    def close(self) -> None:
        """Stop what runs. The warehouse stays as it is: it stops by itself."""
        self.cancel()

    # --- scratch -----------------------------------------------------------------------------------------------------

    def create_scratch(self, run_id: str) -> str:
        """A schema nobody else uses; the same for the same run. See `TableSql`."""
        return self._tables.create_scratch(run_id)

    def drop_scratch(self, run_id: str) -> None:
        """Remove it and everything in it; nothing happens when it is not there."""
        self._tables.drop_scratch(run_id)

    def left_scratch(self, run_ids: Sequence[str]) -> Sequence[str]:
        """The runs among these whose scratch schema is still there."""
        return self._tables.left_scratch(run_ids)

    def _one_row(self, sql: str) -> list[str]:
        answer = self._statements.run(sql)
        return [value or "" for value in (answer.rows[0] if answer.rows else [""] * len(answer.names))]

    def _zone(self, answer: Answer) -> tzinfo:
        """Of timestamps; asked for only where they come without one."""
        plain = any(
            row[place] and not _ZONED.search(row[place] or "")
            for place, kind in enumerate(answer.types)
            if kind.strip().casefold() in ("timestamp", "timestamp_ltz")
            for row in answer.rows
        )
        if not plain:
            return timezone.utc
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        if self._own_zone is None:
            [name] = self._one_row("SELECT current_timezone()")
            try:
                self._own_zone = ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise EngineError(
                    "The warehouse gives timestamps without a zone, and its own zone is not known here.",
                    where=shorten(name, 60),
                ) from error
        return self._own_zone

    # --- tables ------------------------------------------------------------------------------------------------------

    def history(self, table: str) -> Sequence[TableVersion]:
        """Commits of a Delta table, newest first; empty when the table does not exist."""
        return self._tables.history(table)

    def restore(self, table: str, version: str, *, seen: str = "", key: str = "") -> None:
        """Put a Delta table back to a version, as a new commit; the key is not kept, see the module and `TableSql`."""
        self._tables.restore(table, version, seen=seen, key=key)

    def drop(self, table: str, *, seen: str = "") -> None:
        """Remove a table with its rows; nothing happens when it is not there. See `TableSql`."""
        self._tables.drop(table, seen=seen)

    def rows_of(self, sql: str) -> list[dict[str, Any]]:
        """The rows of one of our own statements that reads, by column."""
        answer = self._statements.run(sql)
        readers = [reader(kind) for kind in answer.types]
        return [
            {name: read(value) for name, read, value in zip(answer.names, readers, row, strict=True)}
            for row in answer.rows
        ]

    def restore_with_note(self, sql: str, key: str) -> None:
        """Run a RESTORE; a note could not be kept."""
        self.execute(sql, again=False)

    def statistics(self, table: str) -> Statistics:
        """What is known of a table's rows, bytes and newest commit, without reading it.

        Raises:
            EngineError: Nothing could be asked.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="pm-statistics") as pool:  # two statements at once
            asked = pool.submit(self._tables.newest, table)
            extended = self._statements.run(f"DESCRIBE TABLE EXTENDED {quote_table(table)}")
            newest = asked.result()
        told = next((row[1] or "" for row in extended.rows if (row[0] or "").strip() == "Statistics"), "")
        match = _STATISTICS.search(told)
        return Statistics(
            rows=int(match[2]) if match and match[2] else None,
            bytes=int(match[1]) if match else None,
            version=str(newest["version"]) if newest else None,
            last_modified=iso(newest.get("timestamp")) if newest else None,
        )
