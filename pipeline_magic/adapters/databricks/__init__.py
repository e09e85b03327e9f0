"""Databricks: Unity Catalog, engines, and Lakeflow. Importing a module of this room loads `databricks.sdk`, which
takes two seconds; importing the room itself loads nothing.

`client` makes the SDK's client and `calls` asks by it; `catalog` fulfils `ports.Catalog` with `tables` (what a table's
description means), `listing` (many tables with few calls) and `privileges`; `warehouse` fulfils `ports.Engine` with
`statements` (the life of one statement) and `values` (texts into Python's values); `deployer` fulfils `ports.Deployer`
with `jobs` and `pipelines` (each a `kinds.Kind`), `records` (what was there before) and `drift` (changes by hand).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_magic.adapters.databricks.catalog import UnityCatalog
    from pipeline_magic.adapters.databricks.warehouse import Warehouse
    from pipeline_magic.config import Settings

__all__ = ["connect"]


def connect(settings: Settings) -> tuple[UnityCatalog, Warehouse | None]:
    """Unity Catalog, and the SQL warehouse where the settings name one.

    Raises:
        ConfigurationError: There is no host, or there are no credentials.
    """
    from pipeline_magic.adapters.databricks.catalog import UnityCatalog
    from pipeline_magic.adapters.databricks.client import client_of
    from pipeline_magic.adapters.databricks.warehouse import Warehouse

    client = client_of(settings)
    engine = Warehouse(client, settings.databricks_warehouse_id) if settings.databricks_warehouse_id else None
    return UnityCatalog(client, engine=engine), engine
