"""The engine of a workspace to which no way leads yet: it answers every call with the ways to give one.

A workspace runs SQL in the notebook's own session, through Databricks Connect, or on a SQL warehouse. Without any of
them statements can still be read, for that asks the catalog alone; everything else stops here and says what to set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from pipeline_magic.errors import EngineUnavailable
from pipeline_magic.ports import Rows, TableVersion
from pipeline_magic.runs import NotebookRun

__all__ = ["WAYS", "NoEngine"]

WAYS = (
    "Give one of three: work in a notebook of the workspace, whose session is used; install databricks-connect and set "
    "DATABRICKS_CLUSTER_ID (or DATABRICKS_SERVERLESS_COMPUTE_ID=auto); or set DATABRICKS_WAREHOUSE_ID to the id of a "
    "SQL warehouse. Then resume the run."
)


class NoEngine:
    """A `ports.Engine` that says why there is none.

    Args:
        where: Address of the workspace.
        reason: Why, where more is known than that nothing was set.
    """

    name = "none: neither a session, nor Databricks Connect, nor a SQL warehouse"
    no_notebooks = "there is no engine"

    def __init__(self, where: str, reason: str = "") -> None:
        self._where = where
        self._reason = reason

    def unavailable(self) -> EngineUnavailable:
        """What every call raises."""
        message = self._reason or "Nothing is configured that could run SQL in the workspace."
        return EngineUnavailable(message, where=self._where, hint=WAYS)

    def _refuse(self) -> NoReturn:
        raise self.unavailable()

    def query(self, sql: str, *, limit: int = 1000, timeout: float = 600.0) -> Rows:
        """Raises EngineUnavailable, as every call that needs an engine."""
        self._refuse()

    def run_notebook(self, notebook: str, parameters: Mapping[str, str], *, timeout: float = 3600.0) -> NotebookRun:
        """Raises EngineUnavailable."""
        self._refuse()

    def create_scratch(self, run_id: str) -> str:
        """Raises EngineUnavailable."""
        self._refuse()

    def drop_scratch(self, run_id: str) -> None:
        """Nothing: no scratch schema was made."""

    def left_scratch(self, run_ids: Sequence[str]) -> Sequence[str]:
        """None that could be seen."""
        return ()

    def history(self, table: str) -> Sequence[TableVersion]:
        """Raises EngineUnavailable."""
        self._refuse()

    def restore(self, table: str, version: str, *, seen: str = "", key: str = "") -> None:
        """Raises EngineUnavailable."""
        self._refuse()

    def drop(self, table: str, *, seen: str = "") -> None:
        """Raises EngineUnavailable."""
        self._refuse()

    def cancel(self) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing is held."""
