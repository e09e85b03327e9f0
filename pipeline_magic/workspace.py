"""Settings -> the adapters of a Databricks workspace, and what a person should know of them. A part of `wiring`.

Catalog, engine and deployer are chosen together. Importing this loads nothing of the SDK; making the adapters does, and
asks the workspace nothing but its public configuration: who calls, and whether the host is there, is found out when it
is first needed.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipeline_magic.errors import EngineUnavailable

if TYPE_CHECKING:
    from pipeline_magic.adapters.databricks.examination import Look
    from pipeline_magic.config import Settings
    from pipeline_magic.ports import Catalog, Clock, Deployer, Engine

__all__ = ["SKEW_S", "Workspace", "clock_warning", "session_of_notebook", "workspace_of"]

SKEW_S = 120.0
"""Seconds by which the clocks may differ before it is warned of: tokens and schedules go by them."""


@dataclass(frozen=True)
class Workspace:
    """The adapters of one workspace.

    Attributes:
        host: Its address.
        identity: Gives the authenticated user or service principal; asked of the workspace once.
        holds: Whether what lies at a path of the workspace is this text, cell for cell; None where nothing lies there.
        examine: Looks at the workspace for `doctor`, given the catalogs that are written to.
        skew: Seconds by which this machine's clock is ahead of the workspace's; None when it cannot be told.
        no_engine: Why nothing can run SQL; None where something can.
    """

    host: str
    catalog: Catalog
    engine: Engine
    deployer: Deployer
    identity: Callable[[], str]
    holds: Callable[[str, str], bool | None]
    examine: Callable[[Sequence[str]], Iterable[Look]]
    skew: Callable[[], float | None]
    no_engine: EngineUnavailable | None = None

    @property
    def server(self) -> str:
        """The host alone, for a person."""
        return urlsplit(self.host).hostname or self.host


def workspace_of(settings: Settings, clock: Clock) -> Workspace:
    """The workspace that the settings name, with its adapters.

    Raises:
        ConfigurationError: There are no credentials.
    """
    from pipeline_magic.adapters.databricks.catalog import UnityCatalog
    from pipeline_magic.adapters.databricks.client import client_of, clock_skew
    from pipeline_magic.adapters.databricks.deployer import deployer_of
    from pipeline_magic.adapters.databricks.engines import engine_of
    from pipeline_magic.adapters.databricks.examination import look_at

    client = client_of(settings, profile=settings.databricks_profile)
    host = str(client.config.host)
    spark = session_of_notebook(settings.databricks_runtime)
    engine: Any = engine_of(settings, client, spark=spark)
    unavailable = getattr(engine, "unavailable", None)
    return Workspace(
        host=host,
        catalog=UnityCatalog(client, engine=None if unavailable else engine),
        engine=engine,
        deployer=deployer_of(client, settings, clock),
        identity=_Identity(client, host),
        holds=lambda path, text: _holds(client, host, path, text),
        examine=lambda catalogs: look_at(client, settings, catalogs),
        skew=lambda: clock_skew(host),
        no_engine=unavailable() if unavailable else None,
    )


def clock_warning(skew: float | None) -> str:
    """What a person is told of clocks that differ; empty where they do not, or where it cannot be told."""
    if skew is None or abs(skew) <= SKEW_S:
        return ""
    way = "ahead of" if skew > 0 else "behind"
    return (
        f"This machine's clock is {abs(skew) / 60:.0f} minutes {way} the workspace's: tokens may seem expired, and "
        "times in the audit are wrong. Set the clock."
    )


def _holds(client: Any, host: str, path: str, text: str) -> bool | None:
    from pipeline_magic.adapters.databricks.calls import Calls
    from pipeline_magic.adapters.databricks.client import clock_skew
    from pipeline_magic.adapters.databricks.jobs import Denied
    from pipeline_magic.adapters.databricks.workspace_files import WorkspaceFiles, same_content
    from pipeline_magic.errors import DeploymentError

    calls = Calls(client, host, error=DeploymentError, denied=Denied, skew=lambda: clock_skew(host))
    found = WorkspaceFiles(calls).read(path, notebook=text.lstrip().startswith("{"))
    return None if found is None else same_content(found, text)


class _Identity:
    """Who the workspace says is calling."""

    def __init__(self, client: Any, host: str) -> None:
        self._client = client
        self._host = host
        self._known = ""
        self._lock = threading.Lock()

    def __call__(self) -> str:
        from pipeline_magic.adapters.databricks.calls import Calls
        from pipeline_magic.adapters.databricks.client import clock_skew
        from pipeline_magic.errors import CatalogError

        with self._lock:
            if not self._known:
                calls = Calls(self._client, self._host, skew=lambda: clock_skew(self._host))
                told = calls.get("asking who the token belongs to", "/api/2.0/preview/scim/v2/Me")
                self._known = str(told.get("userName") or "")
                if not self._known:
                    raise CatalogError("Databricks does not say who the token belongs to.", where=self._host)
            return self._known


def session_of_notebook(runtime: str | None) -> Any:
    """The `spark` that a Databricks notebook has; None elsewhere.

    Args:
        runtime: Version of the runtime that the settings name; None outside of one.
    """
    if not runtime or "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    from pipeline_magic.adapters.databricks.runtime import detect

    found = detect(get_ipython(), {"DATABRICKS_RUNTIME_VERSION": runtime})
    return None if found is None else found.spark
