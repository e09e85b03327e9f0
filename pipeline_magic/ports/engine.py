"""Where SQL and notebooks run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from pydantic import JsonValue

from pipeline_magic.runs import NotebookRun
from pipeline_magic.spec.schema import Column, Model

__all__ = ["DryRun", "Engine", "Rows", "TableVersion", "ValidatesPipelines"]


class Rows(Model):
    """Rows of a query: values as Python objects (int, float, Decimal, str, bool, date, datetime, None, …)."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool = False


class TableVersion(Model):
    """One commit of a Delta table.

    Attributes:
        by: Who wrote it, as far as the log says: a user, or an engine.
        note: What its writer put into the commit (Delta's ``userMetadata``); `Engine.restore` puts its key there.
        job: Id of the job whose run wrote it, where the log says so.
    """

    version: str
    at: str
    operation: str
    by: str = ""
    note: str = ""
    job: str = ""


class Engine(Protocol):
    """Runs Spark SQL and notebooks where the data lives."""

    @property
    def name(self) -> str:
        """For a person."""
        ...

    @property
    def no_notebooks(self) -> str:
        """Why `run_notebook` cannot be used here, to end "The notebook was not executed: "; empty where it can be."""
        ...

    def query(self, sql: str, *, limit: int = 1000, timeout: float = 600.0) -> Rows:
        """Run one SELECT (or WITH … SELECT) and return at most `limit` rows.

        Raises:
            QueryFailed: With the engine's message, shortened.
            EngineUnavailable: No engine; the message names the ways to give one.
            Cancelled: `cancel` was called meanwhile.
        """
        ...

    def run_notebook(self, notebook: str, parameters: Mapping[str, str], *, timeout: float = 3600.0) -> NotebookRun:
        """Run a notebook (JSON text) in a fresh process that has `spark` and `dbutils` as on Databricks."""
        ...

    def create_scratch(self, run_id: str) -> str:
        """A schema nobody else uses, as ``catalog.schema``; the same for the same run."""
        ...

    def drop_scratch(self, run_id: str) -> None:
        """Remove it and everything in it; nothing happens when it is not there."""
        ...

    def left_scratch(self, run_ids: Sequence[str]) -> Sequence[str]:
        """Of these runs, those whose scratch schema is there."""
        ...

    def history(self, table: str) -> Sequence[TableVersion]:
        """Commits of a Delta table, newest first; empty when the table does not exist."""
        ...

    def restore(self, table: str, version: str, *, seen: str = "", key: str = "") -> None:
        """Put a Delta table back to a version (a new commit; nothing is lost).

        Args:
            version: What comes back.
            seen: The table's newest version as the caller knows it; any when empty.
            key: Kept as the note of the new commit; when the newest commit has it, the table is back already.

        Raises:
            ForeignWrite: Somebody has written since `seen`; nothing was touched.
        """
        ...

    def drop(self, table: str, *, seen: str = "") -> None:
        """Remove a table with its rows; nothing happens when it is not there.

        Raises:
            ForeignWrite: Somebody has written since `seen`; nothing was touched.
        """
        ...

    def cancel(self) -> None:
        """Stop what is running; it raises Cancelled in its own thread."""
        ...

    def close(self) -> None: ...


class DryRun(Model):
    """What Lakeflow says of a declarative pipeline that it was only to validate: nothing was computed or written.

    Attributes:
        valid: It found no error.
        errors: What it found, the first cause first, each in one line.
        seconds: Wall time.
    """

    valid: bool
    errors: tuple[str, ...] = ()
    seconds: float = 0.0


@runtime_checkable
class ValidatesPipelines(Protocol):
    """What an engine may offer beside `Engine`: to have Lakeflow validate a declarative pipeline."""

    @property
    def no_dry_runs(self) -> str:
        """Why `validate_pipeline` cannot be used here, to end "Lakeflow did not validate the pipeline: "; or empty."""
        ...

    def validate_pipeline(
        self, run_id: str, sources: Mapping[str, str], settings: Mapping[str, JsonValue], *, timeout: float = 1800.0
    ) -> DryRun:
        """Validate a pipeline by a temporary one, which `Engine.drop_scratch` removes too where a crash left it.

        Args:
            run_id: Whose scratch schema, already created, the pipeline is said to publish to.
            sources: Text of each source file by its name.
            settings: In the words of the Pipelines API, with the paths of the sources by their names.
            timeout: Seconds, the start of the compute among them.

        Raises:
            EngineUnavailable: It may not be done here; `no_dry_runs` says why from then on.
            EngineError: It was not found out.
            Cancelled: `cancel` was called meanwhile.
        """
        ...
