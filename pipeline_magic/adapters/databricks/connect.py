"""Databricks Connect: a session on a cluster or on serverless compute, from anywhere. An optional package.

Here: whether the package is there and alone, and one maker of sessions from the settings. Not here: what is done in a
session (`session`), which way is taken (`engines`).

The package brings a module `pyspark` of its own, so that it cannot live beside the local engine's `pyspark-client`, and
each of its releases wants one version of Python; both are found out before anything is imported.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from pipeline_magic.adapters.databricks.calls import says
from pipeline_magic.errors import EngineUnavailable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pipeline_magic.config import Settings

__all__ = ["check_connect", "connect_session", "wants_connect"]

OTHER_WAYS = "or work in a notebook of the workspace, whose session is used; or set DATABRICKS_WAREHOUSE_ID"


def wants_connect(settings: Settings) -> bool:
    """Whether the settings name what Databricks Connect would speak to."""
    return bool(settings.databricks_cluster_id or settings.databricks_serverless)


def check_connect() -> None:
    """Whether Databricks Connect can be used in this environment. Imports nothing of it.

    Raises:
        EngineUnavailable: It is missing, or another `pyspark` is beside it; says what to do, and the other ways.
    """
    have = _version("databricks-connect")
    for other in ("pyspark-client", "pyspark"):
        found = _version(other)
        if found is None:
            continue
        if have is None:
            raise EngineUnavailable(
                f"Databricks Connect is not installed, and cannot be beside `{other}` {found}: both bring a module "
                "`pyspark`.",
                hint=f"Make an environment of its own and install there: {_install()}; {OTHER_WAYS}.",
            )
        raise EngineUnavailable(
            f"`{other}` {found} is installed beside `databricks-connect` {have}: both bring a module `pyspark`, and "
            "one is wrong.",
            hint=f"Run: pip uninstall -y {other} databricks-connect && {_install()} — or use an environment of its "
            f"own; {OTHER_WAYS}.",
        )
    if have is None:
        raise EngineUnavailable("Databricks Connect is not installed.", hint=f"Run: {_install()}; {OTHER_WAYS}.")
    if importlib.util.find_spec("pyspark") is None:
        raise EngineUnavailable(
            f"`databricks-connect` {have} is damaged: its module `pyspark` is missing, as after the removal of another "
            "package that brings one.",
            hint=f"Run: pip uninstall -y databricks-connect && {_install()}.",
        )


def connect_session(settings: Settings) -> SparkSession:
    """A new session on the cluster, or on the serverless compute, that the settings name.

    Raises:
        EngineUnavailable: The package, the compute or the credentials cannot be used.
    """
    check_connect()
    host = (settings.databricks_host or settings.databricks_profile or "").split("://")[-1]
    try:
        made: Any = importlib.import_module("databricks.connect").DatabricksSession
        builder: Any = made.builder.sdkConfig(_config(settings)).userAgent(_agent())
        session: SparkSession = builder.create() if hasattr(builder, "create") else builder.getOrCreate()
    except ImportError as error:
        raise EngineUnavailable(
            f"Databricks Connect {_version('databricks-connect')} cannot be imported on Python "
            f"{sys.version_info.major}.{sys.version_info.minor}: {says(error)}.",
            hint=f"Run: {_install()}; {OTHER_WAYS}.",
        ) from error
    except Exception as error:  # noqa: BLE001 - the library raises anything; each is one of ours
        raise EngineUnavailable(
            f"No session could be opened through Databricks Connect on {_compute(settings)}: {says(error)}.",
            where=host,
            hint="The cluster must run (or serverless compute be allowed), be of a runtime at least as new as "
            f"databricks-connect, and you must be allowed to attach to it; {OTHER_WAYS}.",
        ) from None  # its own words may hold the address with the token in it
    return session


def _config(settings: Settings) -> Any:
    """The SDK's configuration, with one kind of compute alone, whatever else the environment names."""
    from databricks.sdk.config import Config

    from pipeline_magic import __version__

    given: dict[str, Any] = {}
    if settings.databricks_host:
        given["host"] = settings.databricks_host
    if settings.databricks_token:
        given |= {"token": settings.databricks_token.get_secret_value(), "auth_type": "pat"}
    elif settings.databricks_profile:
        given["profile"] = settings.databricks_profile
    # Otherwise a host that is not there is asked for five minutes.
    given |= {"retry_timeout_seconds": 30, "http_timeout_seconds": 30}
    config: Any = Config(product="pipeline_magic", product_version=__version__, **given)
    # Databricks Connect refuses two kinds of compute; an attribute that is set to None would become the text "None".
    for other in ("cluster_id", "serverless_compute_id"):
        config._inner.pop(other, None)
    if settings.databricks_cluster_id:
        config.cluster_id = settings.databricks_cluster_id
    else:
        config.serverless_compute_id = "auto"
    return config


def _agent() -> str:
    from pipeline_magic import __version__

    return f"pipeline_magic/{__version__}"


def _compute(settings: Settings) -> str:
    cluster = settings.databricks_cluster_id
    return f"the cluster {cluster}" if cluster else "serverless compute"


def _install() -> str:
    """What fits this Python: a release of Databricks Connect wants the Python of its runtime, and packages of its time.

    It needs numpy 1, which later releases of pyarrow do not take and do not say so.
    """
    wanted = {(3, 10): "14.3.*", (3, 11): "16.1.*", (3, 12): "16.4.*"}.get(sys.version_info[:2], "")
    if not wanted:
        return "pip install databricks-connect (of the version of your runtime, with the Python that it wants)"
    return f"pip install 'databricks-connect=={wanted}' 'pyarrow<20' 'pandas<3'"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
