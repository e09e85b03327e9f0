"""Which engine a workspace gets, and what is said where Databricks Connect cannot be used."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import pytest

from pipeline_magic.adapters.databricks import connect
from pipeline_magic.adapters.databricks.engines import engine_of
from pipeline_magic.adapters.databricks.session import SparkSessionEngine
from pipeline_magic.adapters.databricks.warehouse import Warehouse
from pipeline_magic.adapters.no_engine import NoEngine
from pipeline_magic.config import Settings
from pipeline_magic.errors import EngineUnavailable


def installed(monkeypatch: pytest.MonkeyPatch, **packages: str) -> None:
    """Only these packages are installed, as far as Databricks Connect asks."""

    def version(name: str) -> str:
        if name.replace("-", "_") not in packages:
            raise importlib.metadata.PackageNotFoundError(name)
        return packages[name.replace("-", "_")]

    monkeypatch.setattr(connect.importlib.metadata, "version", version)


def chosen(site: Any, spark: Any = None, **settings: Any) -> Any:
    return engine_of(Settings(databricks_host=site.server.url, **settings), site.client(), spark=spark)


def test_the_session_goes_first(site: Any) -> None:
    """In a notebook its own session runs, whatever else is named."""
    made = chosen(site, spark=object(), databricks_warehouse_id="wh1", databricks_cluster_id="c1")
    assert isinstance(made, SparkSessionEngine) and made.name.startswith("Spark session of this notebook at 127.0.0.1")


def test_connect_goes_before_a_warehouse(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it can be used; no session is opened before one is needed."""
    installed(monkeypatch, databricks_connect="16.1.7")
    monkeypatch.setattr(connect.importlib.util, "find_spec", lambda name: object())
    made = chosen(site, databricks_warehouse_id="wh1", databricks_cluster_id="c1")
    assert isinstance(made, SparkSessionEngine) and "Databricks Connect (cluster c1)" in made.name
    assert "(serverless)" in chosen(site, databricks_serverless="auto").name
    assert not site.server.requests


def test_a_warehouse(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a cluster is named and Databricks Connect is not there to speak to it."""
    installed(monkeypatch)
    assert isinstance(chosen(site, databricks_warehouse_id="wh1"), Warehouse)
    assert isinstance(chosen(site, databricks_warehouse_id="wh1", databricks_cluster_id="c1"), Warehouse)


def test_none(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call names the three ways; why the one that was asked for is no way is said too."""
    installed(monkeypatch)
    made = chosen(site)
    assert isinstance(made, NoEngine)
    with pytest.raises(EngineUnavailable) as raised:
        made.query("SELECT 1")
    for way in ("notebook of the workspace", "databricks-connect", "DATABRICKS_WAREHOUSE_ID"):
        assert way in raised.value.hint
    asked = chosen(site, databricks_serverless="auto")
    assert isinstance(asked, NoEngine) and "not installed" in asked.unavailable().message


def test_notebooks(site: Any) -> None:
    """One-off runs are allowed unless they are switched off, and it is said why a notebook is not executed."""
    assert chosen(site, databricks_warehouse_id="wh1").no_notebooks == ""
    off = chosen(site, databricks_warehouse_id="wh1", one_off_runs=False)
    assert off.no_notebooks == "one-off runs are switched off (`one_off_runs`)"
    with pytest.raises(EngineUnavailable, match="switched off"):
        off.run_notebook("{}", {})
    alone = engine_of(Settings(databricks_runtime="14.3"), None, spark=object())
    assert alone.no_notebooks == "there are no credentials for jobs"


@pytest.mark.parametrize(
    ("packages", "says"),
    [
        ({}, "not installed"),
        ({"pyspark_client": "4.2.0"}, "cannot be beside `pyspark-client` 4.2.0"),
        ({"databricks_connect": "16.1.7", "pyspark": "3.5.1"}, "`pyspark` 3.5.1 is installed beside"),
        ({"databricks_connect": "16.1.7"}, "is damaged"),
    ],
)
def test_packages(monkeypatch: pytest.MonkeyPatch, packages: dict[str, str], says: str) -> None:
    """What is wrong with the environment is told before anything is imported, with a command that puts it right."""
    installed(monkeypatch, **packages)
    monkeypatch.setattr(connect.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineUnavailable, match=says) as raised:
        connect.connect_session(Settings(databricks_cluster_id="c1"))
    assert "pip" in raised.value.hint


def test_connect_beside_the_local_engine() -> None:
    """In this very environment, which has the local engine, it is refused for that."""
    with pytest.raises(EngineUnavailable, match="pyspark-client"):
        connect.check_connect()


def test_one_kind_of_compute(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK takes both kinds from the environment; the session gets the one that the settings name first."""
    monkeypatch.setenv("DATABRICKS_CLUSTER_ID", "from-environment")
    monkeypatch.setenv("DATABRICKS_SERVERLESS_COMPUTE_ID", "auto")
    given = {"databricks_host": site.server.url, "databricks_token": "good-token"}
    cluster = connect._config(Settings(**given, databricks_cluster_id="c1"))
    serverless = connect._config(Settings(**given, databricks_serverless="auto"))
    assert (cluster.cluster_id, cluster.serverless_compute_id) == ("c1", None)
    assert (serverless.cluster_id, serverless.serverless_compute_id) == (None, "auto")
