"""A SQL warehouse as engine: Spark SQL where the data lives, one statement at a time. Fulfils `ports.Engine`.

Here: queries as typed rows. Not here: how a statement lives and dies (`statements`), what is made of statements
(`sql_engine`), and notebooks: a warehouse runs none, a one-off run beside it does (`oneoff`), and where none may be
made `no_notebooks` says so. Every statement has a session of its own on a warehouse: nothing that one sets is seen by
the next, so that a restore cannot put a note into the table's log; it is known again by its operation and version.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from datetime import timezone, tzinfo
from typing import TYPE_CHECKING, Any

from pipeline_magic.adapters.databricks.calls import Calls
from pipeline_magic.adapters.databricks.client import clock_skew
from pipeline_magic.adapters.databricks.sql_engine import SqlEngine
from pipeline_magic.adapters.databricks.statements import Answer, Statements
from pipeline_magic.adapters.databricks.values import reader, spark_type
from pipeline_magic.adapters.reading import only_reads
from pipeline_magic.adapters.spark_work import shorten
from pipeline_magic.errors import EngineError, EngineUnavailable, QueryFailed
from pipeline_magic.ports import Rows
from pipeline_magic.spec.schema import Column

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from pipeline_magic.adapters.databricks.dry_runs import DryRuns
    from pipeline_magic.adapters.databricks.oneoff import OneOffRuns

__all__ = ["Warehouse"]

NO_NOTEBOOKS = "a SQL warehouse runs SQL alone, and no one-off run may be made beside it"

_ZONED = re.compile(r"(Z|UTC|[+-]\d{2}:?\d{2}(:\d{2})?)\"?\Z")


class Warehouse(SqlEngine):
    """Runs SQL on one warehouse of a workspace.

    Args:
        client: Of the workspace.
        warehouse: Id of the SQL warehouse.
        scratch_catalog: Where scratch schemas are made; the warehouse's own default catalog when empty.
        notebooks: Runs notebooks beside the warehouse, as one-off runs.
        no_notebooks: Why not, where there is none.
        dry_runs: Validates declarative pipelines.
        say: Told that the warehouse is starting.
        options: Of `Calls`.
        wait: Waits for an event or so many seconds, between two looks at a statement.
    """

    def __init__(
        self,
        client: WorkspaceClient,
        warehouse: str,
        *,
        scratch_catalog: str = "",
        notebooks: OneOffRuns | None = None,
        no_notebooks: str = NO_NOTEBOOKS,
        dry_runs: DryRuns | None = None,
        say: Callable[[str], None] = lambda message: None,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
        **options: Any,
    ) -> None:
        host = str(client.config.host)
        self._id = warehouse
        self._host = host.split("://")[-1]
        super().__init__(
            self._host,
            scratch_catalog=scratch_catalog,
            notebooks=notebooks,
            no_notebooks=no_notebooks,
            dry_runs=dry_runs,
        )
        given: dict[str, Any] = {"skew": lambda: clock_skew(host), **options}
        calls = Calls(client, host, error=EngineUnavailable, denied=EngineUnavailable, **given)
        self._statements = Statements(calls, warehouse, say=say, wait=wait)
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

    def cancel(self) -> None:
        """Stop every statement and notebook that runs now; each raises Cancelled in its own thread."""
        self._statements.cancel()
        super().cancel()

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
