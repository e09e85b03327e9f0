"""Scratch schemas, history, restore and drop by Spark SQL: the same statements on a SQL warehouse and in a session.

Here: the text of the statements, what their rows mean, and the look at the newest commit before anything is put back or
removed. Not here: how a statement is run; `warehouse` and `session` each give an `Ask`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple, NoReturn, Protocol

from pipeline_magic.errors import EngineError, ForeignWrite, QueryFailed, TableNotFound
from pipeline_magic.ports import TableVersion
from pipeline_magic.spec.names import join_table, quote, quote_table, slug

__all__ = ["Ask", "TableSql", "iso"]

_NOT_THERE = re.compile(
    r"TABLE_OR_VIEW_NOT_FOUND|SCHEMA_NOT_FOUND|NO_SUCH_CATALOG|CATALOG_NOT_FOUND|DELTA_(MISSING|TABLE_NOT_FOUND)"
)
_OWN = "pipeline_magic_"


class Ask(Protocol):
    """Runs our own statements."""

    def rows_of(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a statement that reads, by column."""
        ...

    def execute(self, sql: str, *, timeout: float = 600.0, again: bool = True) -> None:
        """Run one statement that writes.

        Args:
            again: Whether it may be sent a second time when the first answer was lost.
        """
        ...

    def restore_with_note(self, sql: str, key: str) -> None:
        """Run a RESTORE once, with the key as the note of its commit where the engine can keep one."""
        ...


class _Surroundings(NamedTuple):
    catalog: str
    user: str


class TableSql:
    """What an engine does with schemas and tables by SQL alone.

    Args:
        ask: Runs the statements.
        where: Host of the workspace, for errors.
        scratch_catalog: Where scratch schemas are made; the engine's own default catalog when empty.
    """

    def __init__(self, ask: Ask, where: str, *, scratch_catalog: str = "") -> None:
        self._ask = ask
        self._where = where
        self._scratch_catalog = scratch_catalog
        self._around: _Surroundings | None = None

    # --- scratch -----------------------------------------------------------------------------------------------------

    def create_scratch(self, run_id: str) -> str:
        """A schema nobody else uses, ``catalog.pipeline_magic_<run>_<user>``; the same for the same run.

        Raises:
            EngineError: It may not be made; the message names the privilege.
        """
        catalog, schema = self.scratch(run_id)
        try:
            self._ask.execute(
                f"CREATE SCHEMA IF NOT EXISTS {quote(catalog)}.{quote(schema)} "
                "COMMENT 'Scratch tables of one run; removed when it ends'"
            )
        except QueryFailed as error:
            raise EngineError(
                f"The scratch schema of the run cannot be made in the catalog `{catalog}`: {error.message}",
                where=self._where,
                hint="It needs USE CATALOG and CREATE SCHEMA on that catalog.",
            ) from None
        return join_table(catalog, schema, "t")[: -len(".t")]

    def drop_scratch(self, run_id: str) -> None:
        """Remove it and everything in it; nothing happens when it is not there."""
        catalog, schema = self.scratch(run_id)
        self._ask.execute(f"DROP SCHEMA IF EXISTS {quote(catalog)}.{quote(schema)} CASCADE")

    def left_scratch(self, run_ids: Sequence[str]) -> Sequence[str]:
        """The runs among these whose scratch schema is still there."""
        wanted = {self.scratch(run_id): run_id for run_id in run_ids}
        if not wanted:
            return ()
        catalog = next(iter(wanted))[0]
        found = self._ask.rows_of(f"SHOW SCHEMAS IN {quote(catalog)} LIKE '{_OWN}*'")
        names = {str(next(iter(row.values()), "") or "").casefold() for row in found}
        return tuple(run_id for (_, schema), run_id in wanted.items() if schema.casefold() in names)

    def scratch(self, run_id: str) -> tuple[str, str]:
        """Catalog and name of a run's scratch schema, whether it is there or not."""
        if self._around is None:
            [row] = self._ask.rows_of("SELECT current_catalog() AS catalog, current_user() AS user") or [{}]
            self._around = _Surroundings(str(row.get("catalog") or ""), str(row.get("user") or ""))
        # Two people with stores of their own may have runs of the same id.
        user = hashlib.sha256(self._around.user.encode()).hexdigest()[:6]
        return self._scratch_catalog or self._around.catalog, f"{_OWN}{slug(run_id, 'run')}_{user}"

    # --- tables ------------------------------------------------------------------------------------------------------

    def history(self, table: str) -> Sequence[TableVersion]:
        """Commits of a Delta table, newest first; empty when the table does not exist."""
        return tuple(_commit(row) for row in self._commits(table))

    def newest(self, table: str) -> dict[str, Any] | None:
        """The newest commit, as DESCRIBE HISTORY has it; None when the table does not exist."""
        found = self._commits(table, limit=1)
        return found[0] if found else None

    def _commits(self, table: str, limit: int | None = None) -> list[dict[str, Any]]:
        try:
            name = quote_table(table)
        except ValueError:
            return []
        last = f" LIMIT {limit}" if limit is not None else ""
        try:
            rows = self._ask.rows_of(f"DESCRIBE HISTORY {name}{last}")
        except QueryFailed as error:
            if _NOT_THERE.search(error.message):
                return []
            raise
        return sorted(rows, key=lambda row: -int(row["version"]))

    def restore(self, table: str, version: str, *, seen: str = "", key: str = "") -> None:
        """Put a Delta table back to a version, as a new commit.

        A newest commit that carries the key, or put the same version back, is taken for this one.

        Raises:
            TableNotFound: There is no such table.
            ForeignWrite: Somebody has written since `seen`.
            EngineError: There is no such version, its files are gone, or the caller may not write the table.
        """
        if not re.fullmatch(r"\d{1,18}", version):
            raise EngineError(f"`{version}` is not a version of a Delta table.", where=table, hint="Give a number.")
        newest = self.newest(table)
        if newest is None:
            raise TableNotFound(table)
        if str(newest["version"]) == str(int(version)) or _puts_back(newest, version, key):
            return
        _require(table, newest, seen)
        try:
            self._ask.restore_with_note(f"RESTORE TABLE {quote_table(table)} TO VERSION AS OF {int(version)}", key)
        except EngineError as error:
            after = self.newest(table)  # the answer may have been lost, or somebody was faster
            if after is not None and _puts_back(after, version, key) and after["version"] != newest["version"]:
                return
            if after is not None:
                _require(table, after, seen)
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
        newest = self.newest(table) if seen else None
        if newest is not None:
            _require(table, newest, seen)
        self._ask.execute(f"DROP TABLE IF EXISTS {quote_table(table)}")


def iso(moment: Any) -> str | None:
    """A time of a commit in UTC, as text; None when there is none."""
    if isinstance(moment, datetime):
        moment = moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return str(moment.isoformat()).replace("+00:00", "Z")
    return str(moment) if moment else None


def _commit(row: Mapping[str, Any]) -> TableVersion:
    job = row.get("job")
    return TableVersion(
        version=str(row["version"]),
        at=iso(row.get("timestamp")) or "",
        operation=str(row.get("operation") or ""),
        by=str(row.get("userName") or row.get("userId") or row.get("engineInfo") or ""),
        note=str(row.get("userMetadata") or ""),
        job=str(job.get("jobId") or "") if isinstance(job, Mapping) else "",
    )


def _puts_back(commit: Mapping[str, Any], version: str, key: str) -> bool:
    """Whether a commit is the restore that is asked for."""
    if key and commit.get("userMetadata") == key:
        return True
    told = commit.get("operationParameters") or {}
    if isinstance(told, str):
        try:
            told = json.loads(told)
        except ValueError:
            return False
    return str(commit.get("operation")) == "RESTORE" and str(told.get("version")) == str(int(version))


def _require(table: str, newest: Mapping[str, Any], seen: str) -> None:
    now = str(newest["version"])
    if seen and now != seen:
        _written_since(table, seen, now)


def _written_since(table: str, seen: str, now: str) -> NoReturn:
    raise ForeignWrite(
        f"`{table}` was written meanwhile: its newest version is {now}, was {seen}. It was not touched.", where=table
    )
