"""A strict Databricks workspace: the part of its REST API that the product uses, over DuckDB.

Written from the vendor's API reference and the SDK's generated code, not from what the adapters send: a query parameter
or field that is not documented, a page size or timeout out of bounds, or a missing header is refused, and so it is
stricter than Databricks. `server` answers HTTP, knows tokens and makes faults; each room (`unity`, `sql`) brings its
routes. A new room is a class with `routes()`, added by `DatabricksServer.add`.
"""

from __future__ import annotations

from tests.support.databricks_server.server import DatabricksServer, Fault, Refusal, Request
from tests.support.databricks_server.world import Table, World, workspace

__all__ = ["DatabricksServer", "Fault", "Refusal", "Request", "Table", "World", "workspace"]
