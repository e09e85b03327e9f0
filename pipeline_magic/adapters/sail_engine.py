"""The local engine: Spark SQL over the lakehouse, spoken to a Sail server by Spark Connect. Fulfils `ports.Engine`.

Here: sessions with every table registered, queries with a timeout and a way to stop them, scratch schemas, history and
restore (by `deltalake`: Sail has neither). Not here: the server's life (`sail`), how a notebook runs
(`notebook_runner`). Sail keeps its catalog in the session: each new session is told where every table is, and each
query first tells it of tables that are new since.
"""

from __future__ import annotations

import logging
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline_magic.adapters.files import explain
from pipeline_magic.adapters.lakehouse import SCRATCH, Lakehouse, folder_name
from pipeline_magic.adapters.reading import only_reads
from pipeline_magic.adapters.sail import SailServer, ServerAddress
from pipeline_magic.adapters.sail_session import SessionLost, connect, registrations, shorten, translated
from pipeline_magic.adapters.spark_work import SparkWork
from pipeline_magic.errors import EngineError, EngineUnavailable, ForeignWrite, QueryFailed, TableNotFound
from pipeline_magic.ports import Rows, TableVersion
from pipeline_magic.runs import NotebookRun
from pipeline_magic.spec.names import quote, slug
from pipeline_magic.spec.schema import Column

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["SailEngine"]

T = TypeVar("T")
_log = logging.getLogger(__name__)


class SailEngine:
    """Runs SQL and notebooks on the lakehouse of a home directory.

    Args:
        server: The server of the same home.
        lakehouse: Where the tables are.
    """

    no_notebooks = ""

    def __init__(self, server: SailServer, lakehouse: Lakehouse) -> None:
        self._server = server
        self._lakehouse = lakehouse
        self._lock = threading.RLock()
        self._session: SparkSession | None = None
        self._address: ServerAddress | None = None
        self._registered: dict[str, str] = {}
        self._running = SparkWork(translated)

    @property
    def name(self) -> str:
        """Engine, version and address, for a person."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            release = ".".join(version("pysail").split(".")[:2])
        except PackageNotFoundError:
            return "Sail (not installed)"
        at = f" at 127.0.0.1:{self._address.port}" if self._address else ""
        return f"Sail {release}{at}"

    @property
    def spark(self) -> SparkSession:
        """A session with every table registered; the same one until the server changes."""
        with self._lock:
            address = self._server.ensure()
            if self._session is None or address != self._address:
                self._forget()
                try:
                    self._session = connect(address.url)
                except Exception as error:
                    raise translated(error, "") from error
                self._address = address
            self._register(self._session)
            if self._session is None:
                raise SessionLost("The engine's session was lost.")
            return self._session

    # --- queries ---------------------------------------------------------------------------------------------------

    def query(self, sql: str, *, limit: int = 1000, timeout: float = 600.0) -> Rows:
        """Run one SELECT (or WITH … SELECT) and return at most `limit` rows.

        A `timestamp` comes as a datetime in UTC, a `timestamp_ntz` as one without a zone, a struct as a dict.

        Raises:
            QueryFailed: Refused, failed, or longer than `timeout` seconds.
            EngineUnavailable: The engine could not be started, or died twice.
            Cancelled: `cancel` was called meanwhile.
        """
        if not only_reads(sql):
            raise QueryFailed("Only a SELECT is run here.", where=shorten(sql, 200), hint="Write one SELECT.")

        def read(session: SparkSession) -> Rows:
            frame = session.sql(sql.strip().rstrip(";"))
            fields = frame.schema.fields
            table = frame.limit(limit + 1).toArrow()
            columns = tuple(Column(name=f.name, type=f.dataType.simpleString(), nullable=f.nullable) for f in fields)
            values = [column.to_pylist(**_maps()) for column in table.columns]
            rows = tuple(zip(*values, strict=True)) if values else ()
            return Rows(columns=columns, rows=rows[:limit], truncated=len(rows) > limit)

        return self._work(read, sql, timeout)

    def execute(self, sql: str, *, timeout: float = 600.0) -> None:
        """Run one statement that writes; for our own statements, never for a person's or a model's."""
        self._work(lambda session: session.sql(sql), sql, timeout)

    def _work(self, action: Callable[[SparkSession], T], sql: str, timeout: float) -> T:
        """Run in a thread of its own, so that this one can stop waiting; once more if the server was lost."""
        for attempt in (1, 2):
            try:
                return self._attempt(action, sql, timeout)
            except SessionLost as lost:
                with self._lock:
                    self._forget()
                if attempt == 2:
                    raise EngineUnavailable(
                        f"The local engine went away twice during one query. It said:\n{self._server.log()}",
                        where=shorten(sql, 200),
                        hint="The query may need more memory than there is; try it on less data.",
                    ) from lost
        raise AssertionError("unreachable")

    def _attempt(self, action: Callable[[SparkSession], T], sql: str, timeout: float) -> T:
        session = self.spark
        with self._server.in_use():
            return self._running.run(session, action, sql=sql, timeout=timeout)

    def cancel(self) -> None:
        """Stop every query and notebook that runs now; each raises Cancelled in its own thread."""
        self._running.cancel()

    # --- notebooks -------------------------------------------------------------------------------------------------

    def run_notebook(self, notebook: str, parameters: Mapping[str, str], *, timeout: float = 3600.0) -> NotebookRun:
        """Run a notebook in a fresh kernel that has `spark` and `dbutils`; see `notebook_runner`."""
        from pipeline_magic.adapters.notebook_runner import NotebookProcess

        key = f"notebook-{secrets.token_hex(4)}"
        with self._kept_server() as address:
            process = NotebookProcess(address.url, list(registrations(self._lakehouse).values()))
            self._running.add(key, process.cancel)
            try:
                return process.run(notebook, parameters, timeout)
            finally:
                self._running.remove(key)

    @contextmanager
    def _kept_server(self) -> Iterator[ServerAddress]:
        """The server, which nobody replaces meanwhile: a notebook, unlike a query, cannot be run again."""
        for _ in range(5):
            address = self._server.ensure()
            with self._server.in_use():
                if self._server.current() == address:
                    yield address
                    return
        raise EngineUnavailable("The local engine was replaced again and again.", hint="Try again.")

    # --- scratch, history ------------------------------------------------------------------------------------------

    def create_scratch(self, run_id: str) -> str:
        """A schema nobody else uses, as ``scratch.<run>``; the same for the same run."""
        schema = slug(run_id, "run")
        folder = self._lakehouse.scratch_root / folder_name(schema)
        with explain(folder, "make a scratch schema", EngineError):
            folder.mkdir(parents=True, exist_ok=True)
        return f"{SCRATCH}.{schema}"

    def left_scratch(self, run_ids: Sequence[str]) -> Sequence[str]:
        """Of these runs, those whose scratch schema is there."""
        root = self._lakehouse.scratch_root
        with explain(root, "look for scratch schemas", EngineError):
            there = {folder.name for folder in root.iterdir()} if root.is_dir() else set()
        return [run_id for run_id in run_ids if folder_name(slug(run_id, "run")) in there]

    def drop_scratch(self, run_id: str) -> None:
        """Remove the schema with its tables and files; nothing happens when it is not there."""
        schema = slug(run_id, "run")
        folder = self._lakehouse.scratch_root / folder_name(schema)
        with explain(folder, "remove a scratch schema", EngineError):
            if folder.exists():
                shutil.rmtree(folder)
        with self._lock:
            start = f"{quote(SCRATCH)}.{quote(schema)}."
            self._unregister([name for name in self._registered if name.startswith(start)])

    def history(self, table: str) -> Sequence[TableVersion]:
        """Commits of a Delta table, newest first; empty when the table does not exist."""
        location = self._lakehouse.locate(table)
        if location is None:
            return ()
        from datetime import datetime, timezone

        found = []
        for commit in self._delta(location.folder).history():
            at = datetime.fromtimestamp((commit.get("timestamp") or 0) / 1000, timezone.utc)
            found.append(
                TableVersion(
                    version=str(commit["version"]),
                    at=at.isoformat().replace("+00:00", "Z"),
                    operation=str(commit.get("operation") or ""),
                    by=str(commit.get("userName") or commit.get("engineInfo") or commit.get("clientVersion") or ""),
                    note=str(commit.get("userMetadata") or ""),
                )
            )
        return tuple(sorted(found, key=lambda commit: -int(commit.version)))

    def restore(self, table: str, version: str, *, seen: str = "", key: str = "") -> None:
        """Put a Delta table back to a version, as a new commit.

        Args:
            seen: The newest version as the caller knows it; any when empty.
            key: Note of the new commit; when the newest commit has it, nothing happens.

        Raises:
            TableNotFound: There is no such table.
            ForeignWrite: Somebody has written since `seen`.
            EngineError: There is no such version, or its files are gone.
        """
        location = self._lakehouse.locate(table)
        if location is None:
            raise TableNotFound(table, self._lakehouse.nearest(table))
        if not re.fullmatch(r"\d{1,18}", version):
            raise EngineError(f"`{version}` is not a version of a Delta table.", where=table, hint="Give a number.")
        delta = self._delta(location.folder)
        if int(version) == delta.version() or (key and delta.history(1)[0].get("userMetadata") == key):
            return
        if seen and str(delta.version()) != seen:
            raise _written_since(table, seen, str(delta.version()))
        from deltalake import CommitProperties

        note = CommitProperties(custom_metadata={"userMetadata": key}) if key else None
        try:
            delta.restore(int(version), commit_properties=note)
        except Exception as error:
            now = self._delta(location.folder).version()
            if seen and str(now) != seen:
                raise _written_since(table, seen, str(now)) from error
            raise EngineError(
                f"`{table}` cannot be put back to version {version}: {shorten(str(error), 300)}", where=table
            ) from error

    def drop(self, table: str, *, seen: str = "") -> None:
        """Remove a table with its files; nothing happens when it is not there.

        Raises:
            ForeignWrite: Somebody has written since `seen`.
            EngineError: The home cannot be written.
        """
        folder = self._lakehouse.folder(table)
        gone = folder.with_name(f".gone-{folder.name}")
        with explain(folder, f"drop `{table}`", EngineError):
            if self._lakehouse.locate(table) is not None:
                _throw_away(gone)
                folder.rename(gone)
            if gone.exists():  # or left so by a process that was killed here
                # Looked at after it was moved out of reach: whoever writes now finds no table.
                now = str(self._delta(gone).version())
                if seen and now != seen:
                    gone.rename(folder)
                    raise _written_since(table, seen, now)
                _throw_away(gone)

    def close(self) -> None:
        """Stop what runs and leave the server; it ends when nobody else uses it."""
        self.cancel()
        with self._lock:
            self._forget(release=True)
            self._server.release()

    # --- inside ----------------------------------------------------------------------------------------------------

    @staticmethod
    def _delta(folder: Any) -> Any:
        from deltalake import DeltaTable

        try:
            return DeltaTable(str(folder))
        except Exception as error:
            message = f"A Delta table cannot be read: {shorten(str(error), 300)}"
            raise EngineError(message, where=str(folder)) from error

    def _register(self, session: SparkSession) -> None:
        """Tell the session of what is new since it was last told, and of what is gone.

        A table that cannot be told (its log is damaged) is left out: a query that needs it says that it is not there,
        and every other query works.
        """
        wanted = registrations(self._lakehouse)
        self._unregister([name for name in self._registered if name not in wanted])
        for name, statement in wanted.items():
            if self._registered.get(name) != statement:
                self._tell(session, statement)
                self._registered[name] = statement

    def _unregister(self, names: Sequence[str]) -> None:
        for name in names:
            statement = self._registered.pop(name)
            if self._session is not None and statement.startswith("CREATE TABLE"):
                try:
                    self._tell(self._session, f"DROP TABLE IF EXISTS {name}")
                except SessionLost:
                    self._forget()  # the next session will not know any of them
                    return

    @staticmethod
    def _tell(session: SparkSession, statement: str) -> None:
        try:
            session.sql(statement).collect()
        except Exception as error:
            told = translated(error, statement)
            if isinstance(told, SessionLost):
                raise told from error
            _log.warning("left out of the engine: %s", told.message)

    def _forget(self, *, release: bool = False) -> None:
        session, self._session, self._address, self._registered = self._session, None, None, {}
        if session is not None:
            with suppress(Exception):  # it may have been lost with its server
                session.release_session_on_close = release  # type: ignore[attr-defined]  # only Connect sessions have it
                session.stop()


def _throw_away(folder: Path) -> None:
    """Remove a folder: first under a name that only rubbish has, which the next call clears away if this one dies."""
    if folder.exists():
        folder.rename(folder.with_name(f".rubbish-{secrets.token_hex(6)}"))
    for rubbish in folder.parent.glob(".rubbish-*"):
        shutil.rmtree(rubbish, ignore_errors=True)


def _written_since(table: str, seen: str, now: str) -> ForeignWrite:
    return ForeignWrite(
        f"`{table}` was written meanwhile: its newest version is {now}, was {seen}. It was not touched.", where=table
    )


def _maps() -> dict[str, str]:
    """Maps as dicts, where this pyarrow can."""
    import pyarrow as pa

    return {"maps_as_pydicts": "lossy"} if int(pa.__version__.split(".")[0]) >= 17 else {}
