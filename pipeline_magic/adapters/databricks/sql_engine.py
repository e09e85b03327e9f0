"""What the engines of Databricks do alike: scratch schemas, history, restore, drop and statistics by Spark SQL, and
notebooks as one-off runs, and the validation of declarative pipelines.

Here: the text of the statements, what their rows mean, and the look at the newest commit before anything is put back or
removed. Not here: how a statement is run (`warehouse`, `session`), how a notebook is (`oneoff`), how a pipeline is
validated (`dry_runs`).
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from pipeline_magic.errors import EngineError, EngineUnavailable, ForeignWrite, QueryFailed, TableNotFound
from pipeline_magic.ports import DryRun, Rows, TableVersion
from pipeline_magic.runs import NotebookRun
from pipeline_magic.spec.names import join_table, quote, quote_table, slug

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pipeline_magic.adapters.databricks.dry_runs import DryRuns
    from pipeline_magic.adapters.databricks.oneoff import OneOffRuns

__all__ = ["SqlEngine", "Statistics"]

_NOT_THERE = re.compile(
    r"TABLE_OR_VIEW_NOT_FOUND|SCHEMA_NOT_FOUND|NO_SUCH_CATALOG|CATALOG_NOT_FOUND|DELTA_(MISSING|TABLE_NOT_FOUND)"
)
_STATISTICS = re.compile(r"(\d+) bytes(?:, (\d+) rows)?")
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


class SqlEngine(ABC):
    """An engine that runs one statement at a time; fulfils `ports.Engine` with what its own kind adds.

    Args:
        where: Host of the workspace, for errors.
        scratch_catalog: Where scratch schemas are made; the engine's own default catalog when empty.
        notebooks: Runs notebooks; None where they may not be run.
        no_notebooks: Why not, to end "The notebook was not executed: ".
        dry_runs: Validates declarative pipelines; None where it may not be done.
    """

    def __init__(
        self,
        where: str,
        *,
        scratch_catalog: str = "",
        notebooks: OneOffRuns | None = None,
        no_notebooks: str = "one-off runs are switched off (`one_off_runs`)",
        dry_runs: DryRuns | None = None,
    ) -> None:
        self._where = where
        self._scratch_catalog = scratch_catalog
        self._notebooks = notebooks
        self._no_notebooks = no_notebooks
        self._dry_runs = dry_runs
        self._no_dry_runs = "" if dry_runs is not None else no_notebooks
        self._around: _Surroundings | None = None
        self._of_thread = threading.local()

    @property
    @abstractmethod
    def name(self) -> str:
        """For a person."""

    @abstractmethod
    def query(self, sql: str, *, limit: int = 1000, timeout: float = 600.0) -> Rows:
        """Run one SELECT (or WITH … SELECT) and return at most `limit` rows."""

    @abstractmethod
    def execute(self, sql: str, *, timeout: float = 600.0, again: bool = True) -> None:
        """Run one statement that writes; for our own statements, never for a person's or a model's.

        Args:
            again: Whether it may be sent a second time when the first answer was lost.
        """

    @abstractmethod
    def rows_of(self, sql: str) -> list[dict[str, Any]]:
        """The rows of one of our own statements that reads, by column."""

    @abstractmethod
    def restore_with_note(self, sql: str, key: str) -> None:
        """Run a RESTORE once, with the key as the note of its commit where the engine can keep one."""

    def cancel(self) -> None:
        """Stop every notebook and validation of now; each raises Cancelled in its own thread."""
        if self._notebooks is not None:
            self._notebooks.cancel()
        if self._dry_runs is not None:
            self._dry_runs.cancel()

    def close(self) -> None:
        """Stop what runs."""
        self.cancel()

    # --- notebooks ---------------------------------------------------------------------------------------------------

    @property
    def no_notebooks(self) -> str:
        """Why `run_notebook` cannot be used here; empty where it can be, as far as it is known now."""
        return self._no_notebooks if self._notebooks is None else self._notebooks.refused

    def run_notebook(self, notebook: str, parameters: Mapping[str, str], *, timeout: float = 3600.0) -> NotebookRun:
        """Run a notebook as a one-off run of the workspace; see `oneoff`.

        Raises:
            EngineUnavailable: Notebooks may not be run; `no_notebooks` says why from then on.
            EngineError: It is no notebook, or the run could not be followed.
            Cancelled: `cancel` was called meanwhile.
        """
        if self._notebooks is None:
            raise EngineUnavailable(
                f"Notebooks are not run here: {self._no_notebooks}.",
                where=self._where,
                hint="Allow one-off runs (`one_off_runs`), and give credentials that may submit them.",
            )
        return self._notebooks.run(notebook, parameters, timeout=timeout, name=getattr(self._of_thread, "scratch", ""))

    # --- declarative pipelines ---------------------------------------------------------------------------------------

    @property
    def no_dry_runs(self) -> str:
        """Why `validate_pipeline` cannot be used here; empty where it can be, as far as it is known now."""
        return self._no_dry_runs

    def validate_pipeline(
        self, run_id: str, sources: Mapping[str, str], settings: Mapping[str, JsonValue], *, timeout: float = 1800.0
    ) -> DryRun:
        """Let Lakeflow validate a declarative pipeline; fulfils `ports.ValidatesPipelines`. See `dry_runs`.

        Raises:
            EngineUnavailable: It may not be done; `no_dry_runs` says why from then on.
            EngineError: It was not found out.
            Cancelled: `cancel` was called meanwhile.
        """
        if self._dry_runs is None:
            raise EngineUnavailable(f"Pipelines are not validated here: {self._no_dry_runs}.", where=self._where)
        catalog, schema = self._scratch(run_id)
        given = {**settings, "catalog": catalog, "schema": schema}
        try:
            return self._dry_runs.run(sources, given, name=schema, timeout=timeout)
        except EngineUnavailable as error:
            self._no_dry_runs = error.message.rstrip(".")
            raise

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
                where=self._where,
                hint="It needs USE CATALOG and CREATE SCHEMA on that catalog.",
            ) from None
        self._of_thread.scratch = schema  # the notebooks of this thread are of this run from now on
        return join_table(catalog, schema, "t")[: -len(".t")]

    def drop_scratch(self, run_id: str) -> None:
        """Remove it and everything in it, and what a killed run has left in the workspace; it may be gone already."""
        catalog, schema = self._scratch(run_id)
        if getattr(self._of_thread, "scratch", "") == schema:
            self._of_thread.scratch = ""
        if self._notebooks is not None:
            self._notebooks.clean(schema)
        if self._dry_runs is not None:
            self._dry_runs.clean(schema)
        self.execute(f"DROP SCHEMA IF EXISTS {quote(catalog)}.{quote(schema)} CASCADE")

    def left_scratch(self, run_ids: Sequence[str]) -> Sequence[str]:
        """The runs among these whose scratch schema is still there, or whose folder in the workspace."""
        wanted = {self._scratch(run_id): run_id for run_id in run_ids}
        if not wanted:
            return ()
        catalog = next(iter(wanted))[0]
        found = self.rows_of(f"SHOW SCHEMAS IN {quote(catalog)} LIKE '{_OWN}*'")
        names = {str(next(iter(row.values()), "") or "").casefold() for row in found}
        if self._notebooks is not None:
            names |= {name.casefold() for name in self._notebooks.left()}
        if self._dry_runs is not None:
            names |= {name.casefold() for name in self._dry_runs.left()}
        return tuple(run_id for (_, schema), run_id in wanted.items() if schema.casefold() in names)

    def _scratch(self, run_id: str) -> tuple[str, str]:
        if self._around is None:
            [row] = self.rows_of("SELECT current_catalog() AS catalog, current_user() AS user") or [{}]
            self._around = _Surroundings(str(row.get("catalog") or ""), str(row.get("user") or ""))
        # Two people with stores of their own may have runs of the same id.
        user = hashlib.sha256(self._around.user.encode()).hexdigest()[:6]
        return self._scratch_catalog or self._around.catalog, f"{_OWN}{slug(run_id, 'run')}_{user}"

    # --- tables ------------------------------------------------------------------------------------------------------

    def history(self, table: str) -> Sequence[TableVersion]:
        """Commits of a Delta table, newest first; empty when the table does not exist."""
        return tuple(_commit(row) for row in self._commits(table))

    def _newest(self, table: str) -> dict[str, Any] | None:
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
            rows = self.rows_of(f"DESCRIBE HISTORY {name}{last}")
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
        newest = self._newest(table)
        if newest is None:
            raise TableNotFound(table)
        if str(newest["version"]) == str(int(version)) or _puts_back(newest, version, key):
            return
        _require(table, newest, seen)
        try:
            self.restore_with_note(f"RESTORE TABLE {quote_table(table)} TO VERSION AS OF {int(version)}", key)
        except EngineError as error:
            after = self._newest(table)  # the answer may have been lost, or somebody was faster
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
        newest = self._newest(table) if seen else None
        if newest is not None:
            _require(table, newest, seen)
        self.execute(f"DROP TABLE IF EXISTS {quote_table(table)}")

    def statistics(self, table: str) -> Statistics:
        """What is known of a table's rows, bytes and newest commit, without reading it.

        Raises:
            EngineError: Nothing could be asked.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="pm-statistics") as pool:  # two statements at once
            asked = pool.submit(self._newest, table)
            extended = self.rows_of(f"DESCRIBE TABLE EXTENDED {quote_table(table)}")
            newest = asked.result()
        pairs = (list(row.values())[:2] for row in extended)
        told = next((str(pair[1] or "") for pair in pairs if str(pair[0] or "").strip() == "Statistics"), "")
        match = _STATISTICS.search(told)
        return Statistics(
            rows=int(match[2]) if match and match[2] else None,
            bytes=int(match[1]) if match else None,
            version=str(newest["version"]) if newest else None,
            last_modified=_iso(newest.get("timestamp")) if newest else None,
        )


def _iso(moment: Any) -> str | None:
    """A time of a commit in UTC, as text; None when there is none."""
    if isinstance(moment, datetime):
        moment = moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return str(moment.isoformat()).replace("+00:00", "Z")
    return str(moment) if moment else None


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
