"""Which engine runs the SQL and the notebooks of a workspace: the notebook's session, Databricks Connect, a warehouse.

Here: the choice, from the settings and what is there. Not here: the engines. Nothing is asked of the workspace, and no
session is opened, before the first statement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_magic.adapters.databricks.connect import check_connect, connect_session, wants_connect
from pipeline_magic.adapters.databricks.oneoff import OneOffRuns
from pipeline_magic.errors import EngineUnavailable

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from pipeline_magic.adapters.databricks.dry_runs import DryRuns
    from pipeline_magic.adapters.databricks.sql_engine import SqlEngine
    from pipeline_magic.adapters.no_engine import NoEngine
    from pipeline_magic.config import Settings

__all__ = ["engine_of"]


def engine_of(settings: Settings, client: WorkspaceClient | None, *, spark: Any = None) -> SqlEngine | NoEngine:
    """The engine of a workspace: session, else Databricks Connect, else SQL warehouse, else one that says the ways.

    Databricks Connect is taken where the settings name a cluster or serverless compute. Where it cannot be used and a
    warehouse is named too, the warehouse is taken: a cluster may be named for notebooks alone.

    Args:
        settings: Name the compute.
        client: Of the workspace; None where there are no credentials, which a session does not need.
        spark: The notebook's own session; None outside a notebook of Databricks.

    Returns:
        An engine. One that cannot run anything raises EngineUnavailable at every call, and has `unavailable()`.
    """
    host = str(client.config.host) if client is not None else str(settings.databricks_host or "")
    given: dict[str, Any] = {"scratch_catalog": settings.databricks_scratch_catalog}
    notebooks = _notebooks(settings, client)
    given["notebooks"] = notebooks
    given["dry_runs"] = _dry_runs(settings, client)
    if notebooks is None:
        given["no_notebooks"] = (
            "one-off runs are switched off (`one_off_runs`)"
            if client is not None
            else "there are no credentials for jobs"
        )
    if spark is not None:
        from pipeline_magic.adapters.databricks.session import SparkSessionEngine

        return SparkSessionEngine(spark, client, **given)
    reason = ""
    if wants_connect(settings):
        try:
            check_connect()
        except EngineUnavailable as error:
            reason = f"{error.message} {error.hint}"
        else:
            from pipeline_magic.adapters.databricks.session import SparkSessionEngine

            cluster = settings.databricks_cluster_id
            kind = f"Databricks Connect ({'cluster ' + cluster if cluster else 'serverless'})"
            return SparkSessionEngine(None, client, kind=kind, open_session=lambda: connect_session(settings), **given)
    if settings.databricks_warehouse_id and client is not None:
        from pipeline_magic.adapters.databricks.warehouse import Warehouse

        return Warehouse(client, settings.databricks_warehouse_id, **given)
    from pipeline_magic.adapters.no_engine import NoEngine

    return NoEngine(host, reason)


def _dry_runs(settings: Settings, client: WorkspaceClient | None) -> DryRuns | None:
    from pipeline_magic.adapters.databricks.dry_runs import DryRuns

    return DryRuns(client) if client is not None and settings.one_off_runs else None


def _notebooks(settings: Settings, client: WorkspaceClient | None) -> OneOffRuns | None:
    if client is None or not settings.one_off_runs:
        return None
    return OneOffRuns(client, cluster=settings.databricks_cluster_id or "")
