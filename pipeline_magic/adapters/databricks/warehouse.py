"""A SQL warehouse as engine: Spark SQL where the data lives, one statement at a time. Fulfils `ports.Engine`.

Here: queries as typed rows, scratch schemas, history, restore and drop, and what `catalog` asks of SQL (comments,
statistics). Not here: how a statement lives and dies (`statements`), and notebooks: a warehouse runs none, and
`no_notebooks` says so. Every statement has a session of its own on a warehouse: nothing that one sets is seen by the
next, so that a restore cannot put a note into the table's log; it is known again by its operation and version.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from pipeline_magic.adapters.databricks.calls import Calls
from pipeline_magic.adapters.databricks.client import clock_skew
from pipeline_magic.adapters.databricks.statements import Answer, Statements, shorten
from pipeline_magic.adapters.databricks.values import reader, spark_type
from pipeline_magic.adapters.reading import only_reads
from pipeline_magic.errors import EngineError, EngineUnavailable, ForeignWrite, QueryFailed, TableNotFound
from pipeline_magic.ports import Rows, TableVersion
from pipeline_magic.runs import NotebookRun
from pipeline_magic.spec.names import join_table, quote, quote_table, slug
from pipeline_magic.spec.schema import Column

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

__all__ = ["Statistics", "Warehouse"]

_NOT_THERE = re.compile(
    r"TABLE_OR_VIEW_NOT_FOUND|SCHEMA_NOT_FOUND|NO_SUCH_CATALOG|CATALOG_NOT_FOUND|DELTA_(MISSING|TABLE_NOT_FOUND)"
)
_STATISTICS = re.compile(r"(\d+) bytes(?:, (\d+) rows)?")
_ZONED = re.compile(r"(Z|UTC|[+-]\d{2}:?\d{2}(:\d{2})?)\"?\Z")
_OWN = "pipeline_magic_"


class Statistics(NamedTuple):
    """What SQL tells of a table and the catalog's REST does not; None where it is not known."""

    rows: int | None = None
    bytes: int | None = None
    version: str | None = None
    last_modified: str | None = None


class _Surroundings(NamedTuple):
    catalog: str
    user: str


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
        self._scratch_catalog = scratch_catalog
        self._around: _Surroundings | None = None
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
        """A schema nobody else uses, ``catalog.pipeline_magic_<run>_<user>``; the same for the same run.

        Raises:
            EngineError: It may not be made; the message names the privilege.
        """
        catalog, schema = self._scratch(run_id)
        try:
            self.execute(
                f"CREATE SCHEMA IF NOT EXISTS {quote(catalog)}.{quote(schema)} "
                "COMMENT 'Scratch tables of one run; removed when it ends'"
            )
        except QueryFailed as error:
            raise EngineError(
                f"The scratch schema of the run cannot be made in the catalog `{catalog}`: {error.message}",
                where=self._host,
                hint="It needs USE CATALOG and CREATE SCHEMA on that catalog.",
            ) from None
        return join_table(catalog, schema, "t")[: -len(".t")]

    def drop_scratch(self, run_id: str) -> None:
        """Remove it and everything in it; nothing happens when it is not there."""
        catalog, schema = self._scratch(run_id)
        self.execute(f"DROP SCHEMA IF EXISTS {quote(catalog)}.{quote(schema)} CASCADE")

    def left_scratch(self, run_ids: Sequence[str]) -> Sequence[str]:
        """The runs among these whose scratch schema is still there."""
        wanted = {self._scratch(run_id): run_id for run_id in run_ids}
        if not wanted:
            return ()
        catalog = next(iter(wanted))[0]
        found = self._statements.run(f"SHOW SCHEMAS IN {quote(catalog)} LIKE '{_OWN}*'")
        names = {(row[0] or "").casefold() for row in found.rows}
        return tuple(run_id for (_, schema), run_id in wanted.items() if schema.casefold() in names)

    def _scratch(self, run_id: str) -> tuple[str, str]:
        around = self._surroundings()
        # Two people with stores of their own may have runs of the same id.
        user = hashlib.sha256(around.user.encode()).hexdigest()[:6]
        return self._scratch_catalog or around.catalog, f"{_OWN}{slug(run_id, 'run')}_{user}"

    def _surroundings(self) -> _Surroundings:
        if self._around is None:
            self._around = _Surroundings(*self._one_row("SELECT current_catalog(), current_user()"))
        return self._around

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
        return tuple(_commit(row) for row in self._commits(table))

    def _commits(self, table: str, limit: int | None = None) -> list[dict[str, Any]]:
        try:
            name = quote_table(table)
        except ValueError:
            return []
        last = f" LIMIT {limit}" if limit is not None else ""
        try:
            answer = self._statements.run(f"DESCRIBE HISTORY {name}{last}")
        except QueryFailed as error:
            if _NOT_THERE.search(error.message):
                return []
            raise
        readers = [reader(kind) for kind in answer.types]
        rows = [
            {name: read(value) for name, read, value in zip(answer.names, readers, row, strict=True)}
            for row in answer.rows
        ]
        return sorted(rows, key=lambda row: -int(row["version"]))

    def restore(self, table: str, version: str, *, seen: str = "", key: str = "") -> None:
        """Put a Delta table back to a version, as a new commit.

        The key is not kept: see the module. A newest commit that put the same version back is taken for this one.

        Raises:
            TableNotFound: There is no such table.
            ForeignWrite: Somebody has written since `seen`.
            EngineError: There is no such version, its files are gone, or the caller may not write the table.
        """
        if not re.fullmatch(r"\d{1,18}", version):
            raise EngineError(f"`{version}` is not a version of a Delta table.", where=table, hint="Give a number.")
        newest = self._newest(table)
        if newest is None:
            raise TableNotFound(table)
        if str(newest["version"]) == str(int(version)) or _puts_back(newest, version):
            return
        self._require(table, newest, seen)
        try:
            self.execute(f"RESTORE TABLE {quote_table(table)} TO VERSION AS OF {int(version)}", again=False)
        except EngineError as error:
            after = self._newest(table)  # the answer may have been lost, or somebody was faster
            if after is not None and _puts_back(after, version) and after["version"] != newest["version"]:
                return
            if after is not None:
                self._require(table, after, seen)
            raise EngineError(
                f"`{table}` cannot be put back to version {version}: {error.message}", where=table, hint=error.hint
            ) from None

    def drop(self, table: str, *, seen: str = "") -> None:
        """Remove a table with its rows; nothing happens when it is not there.

        Who writes between the look at the newest version and the drop is not seen: SQL drops without condition.

        Raises:
            ForeignWrite: Somebody has written since `seen`; nothing was touched.
            EngineError: The caller may not drop it.
        """
        newest = self._newest(table) if seen else None
        if newest is not None:
            self._require(table, newest, seen)
        self.execute(f"DROP TABLE IF EXISTS {quote_table(table)}")

    def _newest(self, table: str) -> dict[str, Any] | None:
        found = self._commits(table, limit=1)
        return found[0] if found else None

    @staticmethod
    def _require(table: str, newest: Mapping[str, Any], seen: str) -> None:
        now = str(newest["version"])
        if seen and now != seen:
            _written_since(table, seen, now)

    def statistics(self, table: str) -> Statistics:
        """What is known of a table's rows, bytes and newest commit, without reading it.

        Raises:
            EngineError: Nothing could be asked.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="pm-statistics") as pool:  # two statements at once
            asked = pool.submit(self._newest, table)
            extended = self._statements.run(f"DESCRIBE TABLE EXTENDED {quote_table(table)}")
            newest = asked.result()
        told = next((row[1] or "" for row in extended.rows if (row[0] or "").strip() == "Statistics"), "")
        match = _STATISTICS.search(told)
        return Statistics(
            rows=int(match[2]) if match and match[2] else None,
            bytes=int(match[1]) if match else None,
            version=str(newest["version"]) if newest else None,
            last_modified=_iso(newest.get("timestamp")) if newest else None,
        )


def _commit(row: Mapping[str, Any]) -> TableVersion:
    job = row.get("job")
    return TableVersion(
        version=str(row["version"]),
        at=_iso(row.get("timestamp")) or "",
        operation=str(row.get("operation") or ""),
        by=str(row.get("userName") or row.get("userId") or row.get("engineInfo") or ""),
        note=str(row.get("userMetadata") or ""),
        job=str(job.get("jobId") or "") if isinstance(job, Mapping) else "",
    )


def _puts_back(commit: Mapping[str, Any], version: str) -> bool:
    """Whether a commit is a restore of that version."""
    told = commit.get("operationParameters") or {}
    if isinstance(told, str):
        try:
            told = json.loads(told)
        except ValueError:
            return False
    return str(commit.get("operation")) == "RESTORE" and str(told.get("version")) == str(int(version))


def _iso(moment: Any) -> str | None:
    if isinstance(moment, datetime):
        moment = moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return str(moment.isoformat()).replace("+00:00", "Z")
    return str(moment) if moment else None


def _written_since(table: str, seen: str, now: str) -> NoReturn:
    raise ForeignWrite(
        f"`{table}` was written meanwhile: its newest version is {now}, was {seen}. It was not touched.", where=table
    )
