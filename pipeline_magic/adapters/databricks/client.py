"""One maker of the SDK's client: the host with or without ``https://``, a token or any unified authentication.

Here: timeouts, the product's name in the user agent, and a clock that switches the SDK's own repeating off (it repeats
whatever was asked, also what must not be done twice; `calls` knows which is which). Not here: what is asked.
"""

from __future__ import annotations

import threading
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.clock import Clock
from databricks.sdk.config import Config

from pipeline_magic.adapters.databricks.calls import says
from pipeline_magic.errors import ConfigurationError
from pipeline_magic.redact import register

if TYPE_CHECKING:
    from pipeline_magic.config import Settings

__all__ = ["clock_skew", "client_of", "workspace_client"]

HTTP_TIMEOUT = 70.0
"""Seconds for one request; a statement may keep one open for 50."""

_PROBE_SECONDS = 2
"""What the SDK may spend on looking for the host's own configuration, before any call."""


def workspace_client(
    host: str | None,
    token: str | None = None,
    *,
    profile: str | None = None,
    http_timeout: float = HTTP_TIMEOUT,
    connections: int = 20,
) -> WorkspaceClient:
    """A client of one workspace. Nothing is asked of it yet but its public configuration.

    Args:
        host: Address, with or without ``https://``; that of the profile when None.
        token: A personal access token or an OAuth token; without one the SDK looks where unified authentication says
            (environment, profile, cloud's own login, the notebook's runtime).
        profile: Name of a profile in ``~/.databrickscfg``.
        http_timeout: Seconds for one request.
        connections: Connections that are kept open.

    Raises:
        ConfigurationError: There are no credentials, or they contradict each other.
    """
    from pipeline_magic import __version__

    given: dict[str, Any] = {}
    if host:
        address = host.strip().rstrip("/")
        given["host"] = address if "://" in address else f"https://{address}"
    if token:
        register([token])
        given |= {"token": token, "auth_type": "pat"}  # whatever else the environment holds
    elif profile:
        given["profile"] = profile
    try:
        config = Config(
            product="pipeline_magic",
            product_version=__version__,
            clock=_Once(),
            http_timeout_seconds=http_timeout,
            retry_timeout_seconds=_PROBE_SECONDS,
            max_connection_pools=connections,
            max_connections_per_pool=connections,
            **given,
        )
        return WorkspaceClient(config=config)
    except (ValueError, ImportError) as error:  # an ImportError: the log-in of a runtime that is not wholly there
        raise ConfigurationError(
            f"There are no credentials for Databricks that can be used: {says(error)}.",
            where=given.get("host", ""),
            hint="Set DATABRICKS_TOKEN, or name a profile of ~/.databrickscfg by DATABRICKS_CONFIG_PROFILE.",
        ) from None


def client_of(settings: Settings, **options: Any) -> WorkspaceClient:
    """The client that the settings ask for.

    Raises:
        ConfigurationError: There are no credentials.
    """
    token = settings.databricks_token.get_secret_value() if settings.databricks_token else None
    return workspace_client(settings.databricks_host, token, **options)


def clock_skew(host: str) -> float | None:
    """Seconds by which this machine's clock is ahead of a server's; None when it cannot be told."""
    try:
        before = time.time()
        said = requests.head(host, timeout=5, allow_redirects=False).headers.get("Date", "")
        return (before + time.time()) / 2 - parsedate_to_datetime(said).timestamp()
    except (requests.RequestException, ValueError, TypeError):
        return None


class _Once(Clock):
    """A clock on which any pause lasts too long, so that the SDK tries once and gives the error to `calls`."""

    def __init__(self) -> None:
        self._of_thread = threading.local()

    def time(self) -> float:
        return time.time() + float(getattr(self._of_thread, "ahead", 0.0))

    def sleep(self, seconds: float) -> None:
        self._of_thread.ahead = getattr(self._of_thread, "ahead", 0.0) + 10 * _PROBE_SECONDS
