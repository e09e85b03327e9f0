"""Sessions of the local engine: how one is made, what it is told, and what its errors mean.

Shared by the engine of this process (`sail_engine`) and by notebooks' kernels (`notebook_kernel`), which start faster
the less they load: at import there is the standard library and our errors.
"""

from __future__ import annotations

import contextlib
import re
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline_magic.adapters.spark_work import shorten
from pipeline_magic.errors import EngineError, EngineUnavailable, QueryFailed
from pipeline_magic.spec.names import quote, quote_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pipeline_magic.adapters.lakehouse import Lakehouse

__all__ = ["SessionLost", "connect", "folder_of", "registrations", "schema_of", "shorten", "translated"]

_LOST = re.compile(
    r"UNAVAILABLE|failed to connect|Connection refused|Socket closed|Connection reset"
    r"|SESSION_(NOT_FOUND|CLOSED|CHANGED)|\bsession \S+ is not running|\bsession not found"
)
_ENGINE_WORDS = re.compile(r"^((error in DataFusion|invalid argument|Error during planning|internal error)\s*:\s*)+")
_TRACE = re.compile(r"\s*(at |File \"|Traceback|JVM stacktrace|stack backtrace|\d+: )")


class SessionLost(EngineUnavailable):
    """The server or the session is gone; a new one may do."""


def connect(url: str) -> SparkSession:
    """A new session: times in UTC, new tables in Delta, and few retries, so that a dead server is told at once."""
    with _main_with_a_file():
        from pyspark.sql import SparkSession
        from pyspark.sql.connect.client.retries import DefaultPolicy

    # A dead server is told by an error of ours, not by a warning about retries.
    warnings.filterwarnings("ignore", message=r"\[RETRIES_EXCEEDED\]")
    session = SparkSession.builder.remote(url).create()
    # Ten minutes of retries are the default, also at the end of a process whose server is gone.
    session.client.set_retry_policies([DefaultPolicy(max_retries=3, initial_backoff=50, max_backoff=200)])
    session.conf.set("spark.sql.session.timeZone", "UTC")
    session.conf.set("spark.sql.sources.default", "delta")
    return session


@contextlib.contextmanager
def _main_with_a_file() -> Iterator[None]:
    """Spark's client takes a process whose main module comes from no file (`python -c`, a worker that runs functions)
    for its own doctests, looks for a full Spark beside it, finds none, and ends the process."""
    main = sys.modules["__main__"]
    if hasattr(main, "__file__"):
        yield
        return
    main.__file__ = "<none>"
    try:
        yield
    finally:
        del main.__file__


def registrations(lakehouse: Lakehouse) -> dict[str, str]:
    """Statements that tell a session what there is, by name: schemas first, then tables."""
    made: dict[str, str] = {}
    for catalog, schema, folder in (*lakehouse.schemas(), *lakehouse.scratch_schemas()):
        where = _text(lakehouse.engine_path(folder))
        name = f"{quote(catalog)}.{quote(schema)}"
        made[name] = f"CREATE DATABASE IF NOT EXISTS {name} LOCATION {where}"
    for location in (*lakehouse.locations(), *lakehouse.scratch_locations()):
        where = _text(lakehouse.engine_path(location.folder))
        name = quote_table(location.name)
        made[name] = f"CREATE TABLE IF NOT EXISTS {name} USING delta LOCATION {where}"
    return made


def folder_of(statement: str) -> tuple[str, str] | None:
    """Name and folder of the table that a statement of `registrations` tells of; None where it tells of a schema."""
    match = re.fullmatch(r"CREATE TABLE IF NOT EXISTS (.+) USING delta LOCATION '(.+)'", statement, re.DOTALL)
    return None if match is None else (match[1], _unescaped(match[2]))


def schema_of(statement: str) -> tuple[str, str] | None:
    """Name and folder of the schema that a statement of `registrations` tells of; None where it tells of a table."""
    match = re.fullmatch(r"CREATE DATABASE IF NOT EXISTS (.+) LOCATION '(.+)'", statement, re.DOTALL)
    return None if match is None else (match[1], _unescaped(match[2]))


def translated(error: BaseException, sql: str) -> EngineError:
    """An error of Spark Connect as one of ours."""
    if isinstance(error, EngineError):
        return error
    text = str(error)
    if _LOST.search(text):
        return SessionLost(shorten(text, 300))
    return QueryFailed(_plain(text), where=shorten(sql, 300))


def _plain(text: str) -> str:
    """An engine's message without stack traces, in one line, bounded."""
    kept = []
    for line in text.splitlines():
        if _TRACE.match(line):
            break
        kept.append(line.strip())
    message = _ENGINE_WORDS.sub("", " ".join(filter(None, kept))) or "the engine gave no reason"
    return shorten(f"The query failed: {message}", 600)


def _unescaped(text: str) -> str:
    return text.replace("\\'", "'").replace("\\\\", "\\")


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
