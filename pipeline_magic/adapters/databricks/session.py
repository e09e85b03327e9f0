"""A Spark session of Databricks as engine: the notebook's own, or one of Databricks Connect. Fulfils `ports.Engine`.

Here: queries as typed rows, and statements, in a session that was given or can be opened. It works on classic sessions
and on those of Spark Connect, from Spark 3.5 on, and changes nothing of a session that is not its own: no setting stays
changed, and times are turned to UTC here and not by the session's time zone. Not here: how work is waited for and
stopped (`spark_work`), what is made of statements (`sql_engine`), how Databricks Connect is set up (`connect`), and
notebooks (`oneoff`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline_magic.adapters.databricks.session_values import value_reader
from pipeline_magic.adapters.databricks.sql_engine import SqlEngine
from pipeline_magic.adapters.databricks.statements import DENIED, words_of
from pipeline_magic.adapters.reading import only_reads
from pipeline_magic.adapters.spark_work import SparkWork, shorten
from pipeline_magic.errors import EngineError, EngineUnavailable, QueryFailed
from pipeline_magic.ports import Rows
from pipeline_magic.spec.schema import Column

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from pyspark.sql import SparkSession

    from pipeline_magic.adapters.databricks.dry_runs import DryRuns
    from pipeline_magic.adapters.databricks.oneoff import OneOffRuns

__all__ = ["SparkSessionEngine"]

T = TypeVar("T")
_LOST = re.compile(
    r"SESSION_(NOT_FOUND|CLOSED|CHANGED)|INVALID_HANDLE|StatusCode\.UNAVAILABLE|failed to connect|Connection refused"
    r"|Socket closed|stopped SparkContext|SparkContext was shut down|Cannot call methods on a stopped|Py4JNetworkError"
    r"|No active Spark session|session \S+ is not running|session not found"
    r"|cluster .*(terminated|not (usable|running))",
    re.I,
)
_LOG_IN = re.compile(r"StatusCode\.UNAUTHENTICATED|invalid access token|token (is|has) (expired|invalid)", re.I)
_OPEN_S = 600.0
_USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"


class SparkSessionEngine(SqlEngine):
    """Runs SQL in one Spark session.

    Args:
        spark: The session; None where `open_session` makes it when it is first needed.
        client: Of the workspace; None without credentials for it.
        kind: What the session is, for a person: ``Spark session of this notebook``.
        open_session: Makes a session, again when one was lost; one that it made ends with the engine.
        scratch_catalog: Where scratch schemas are made; the session's current catalog when empty.
        notebooks: Runs notebooks as one-off runs.
        no_notebooks: Why not, where there is none.
        dry_runs: Validates declarative pipelines.
    """

    def __init__(
        self,
        spark: SparkSession | None,
        client: WorkspaceClient | None = None,
        *,
        kind: str = "Spark session of this notebook",
        open_session: Callable[[], SparkSession] | None = None,
        scratch_catalog: str = "",
        notebooks: OneOffRuns | None = None,
        no_notebooks: str = "no one-off run may be made beside the session",
        dry_runs: DryRuns | None = None,
    ) -> None:
        host = str(client.config.host).split("://")[-1] if client is not None else ""
        super().__init__(
            host, scratch_catalog=scratch_catalog, notebooks=notebooks, no_notebooks=no_notebooks, dry_runs=dry_runs
        )
        self._kind = kind
        self._session = spark
        self._open = open_session
        self._lock = threading.Lock()
        self._work = SparkWork(_translated)

    def __repr__(self) -> str:
        return f"SparkSessionEngine({self.name!r})"

    @property
    def name(self) -> str:
        """The session and its workspace, for a person."""
        return f"{self._kind} at {self._where}" if self._where else self._kind

    @property
    def spark(self) -> SparkSession:
        """The session; opened when there is none.

        Raises:
            EngineUnavailable: It cannot be opened.
            Cancelled: `cancel` was called meanwhile.
        """
        with self._lock:
            if self._session is None:
                if self._open is None:
                    raise EngineUnavailable("The Spark session has ended.", where=self._where, hint=_RESTART)
                opener = self._open
                try:  # in a thread of its own: a cluster may have to start first, and a person may not want to wait
                    what = "opening the session"
                    self._session = self._work.run(None, lambda _: opener(), sql=what, timeout=_OPEN_S)
                except QueryFailed as error:
                    raise EngineUnavailable(
                        f"The session could not be opened within {_OPEN_S:g} s.", where=self._where, hint=error.hint
                    ) from None
            return self._session

    # --- statements --------------------------------------------------------------------------------------------------

    def query(self, sql: str, *, limit: int = 1000, timeout: float = 600.0) -> Rows:
        """Run one SELECT (or WITH … SELECT) and return at most `limit` rows.

        A `timestamp` comes as a datetime in UTC, a `timestamp_ntz` as one without a zone, a struct as a dict.

        Raises:
            QueryFailed: Refused, failed, or longer than `timeout` seconds.
            EngineUnavailable: The session has ended, or cannot be opened.
            Cancelled: `cancel` was called meanwhile.
        """
        if not only_reads(sql):
            raise QueryFailed("Only a SELECT is run here.", where=shorten(sql, 200), hint="Write one SELECT.")
        text = sql.strip().rstrip(";")
        return self._do(lambda session: _read(session.sql(text), limit), sql, timeout)

    def execute(self, sql: str, *, timeout: float = 600.0, again: bool = True) -> None:
        """Run one statement that writes; for our own statements, never for a person's or a model's."""
        self._do(lambda session: session.sql(sql), sql, timeout, again=again)

    def rows_of(self, sql: str) -> list[dict[str, Any]]:
        """The rows of one of our own statements that reads, by column."""
        found = self._do(lambda session: _read(session.sql(sql), None), sql, 600.0)
        return [dict(zip((one.name for one in found.columns), row, strict=True)) for row in found.rows]

    def restore_with_note(self, sql: str, key: str) -> None:
        """Run a RESTORE once; the key is the note of its commit where the session takes such a setting.

        A classic session gets a sister for it, so that nobody else's commit carries the note; on Connect the setting is
        put back afterwards. Serverless compute takes no such setting: there the restore is known by its version.
        """
        self._do(lambda session: _noted(session, sql, key), sql, 600.0, again=False)

    def cancel(self) -> None:
        """Stop every query and notebook that runs now; each raises Cancelled in its own thread."""
        self._work.cancel()
        super().cancel()

    def close(self) -> None:
        """Stop what runs, and end the session if it was opened here; that of a notebook stays."""
        self.cancel()
        self._forget()

    def _do(self, action: Callable[[SparkSession], T], sql: str, timeout: float, *, again: bool = True) -> T:
        """Run in the session; once more in a new one if it was lost and a new one can be opened."""
        try:
            return self._work.run(self.spark, action, sql=sql, timeout=timeout)
        except _Lost as lost:
            self._forget()
            if self._open is None or not again:
                hint = _RESTART if self._open is None else "Look first whether it was done, then resume the run."
                raise EngineUnavailable(lost.message, where=self._where, hint=hint) from lost
        return self._work.run(self.spark, action, sql=sql, timeout=timeout)

    def _forget(self) -> None:
        """Let go of a session that was opened here; one that was given is its owner's, who may have renewed it."""
        if self._open is None:
            return
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            with suppress(Exception):  # it may be gone already
                session.stop()


_RESTART = (
    "Attach the notebook to its compute again (or run a cell that uses `spark`), load the extension anew, and resume."
)


class _Lost(EngineUnavailable):
    """The session or what it runs on is gone."""


def _read(frame: Any, limit: int | None) -> Rows:
    """The first rows of a DataFrame; all of a statement's when there is no limit."""
    fields = frame.schema.fields
    columns = tuple(Column(name=f.name, type=f.dataType.simpleString(), nullable=f.nullable) for f in fields)
    readers = [value_reader(field.dataType) for field in fields]
    taken = frame if limit is None else frame.limit(limit + 1)
    if hasattr(taken, "toArrow"):  # from Spark 4 on
        listed = [column.to_pylist() for column in taken.toArrow().columns]
        rows = zip(*listed, strict=True) if listed else iter(())
    else:
        rows = iter(tuple(row) for row in taken.collect())
    made = tuple(tuple(read(value) for read, value in zip(readers, row, strict=True)) for row in rows)
    return Rows(columns=columns, rows=made[:limit], truncated=limit is not None and len(made) > limit)


def _noted(session: Any, sql: str, key: str) -> None:
    if not key:
        session.sql(sql)
        return
    sister = None
    with suppress(Exception):  # Connect has none, and says so in several ways
        sister = session.newSession()
    used = sister or session
    before, noted = None, False
    with suppress(Exception):  # serverless compute refuses settings it does not know
        before = used.conf.get(_USER_METADATA, None)
        used.conf.set(_USER_METADATA, key)
        noted = True
    try:
        used.sql(sql)
    finally:
        if noted and sister is None:
            with suppress(Exception):
                if before is None:
                    used.conf.unset(_USER_METADATA)
                else:
                    used.conf.set(_USER_METADATA, before)


def _translated(error: BaseException, sql: str) -> EngineError:
    """An error of Spark as one of ours."""
    if isinstance(error, EngineError):
        return error
    said = str(error)
    if _LOG_IN.search(said):
        return EngineUnavailable(
            f"Databricks does not accept the credentials of the session: {words_of(said)}.",
            hint="They are wrong or expired: set a new DATABRICKS_TOKEN, or log in anew.",
        )
    if _LOST.search(said):
        return _Lost(f"The Spark session was lost: {words_of(said)}.")
    hint = "Ask the owner of the object or an administrator for the privilege that is named."
    return QueryFailed(
        f"The query failed: {words_of(said) or 'no reason was given'}.",
        where=shorten(sql, 200),
        hint=hint if DENIED.search(said) else "",
    )
