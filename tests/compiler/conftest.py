"""One Sail server for all engine tests, and the switch that rewrites golden files."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CATALOGS = (
    '[{name="dev",type="memory",initial_database=["default"]},'
    '{name="analytics",type="memory",initial_database=["default"]}]'
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the expected files of tests/golden")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether expected files are rewritten; a plain failure never does."""
    return bool(request.config.getoption("--update-golden", default=False))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session on a Sail server of its own; the catalog is `dev`."""
    from pyspark.sql import SparkSession

    home = tmp_path_factory.mktemp("sail")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DATABRICKS_", "UNITY_", "UC_", "SPARK_"))}
    environment = {**kept, "SAIL_CATALOG__LIST": CATALOGS, "SAIL_CATALOG__DEFAULT_CATALOG": '"dev"', "TZ": "UTC"}
    binary = Path(sys.executable).parent / "sail"
    log = (home / "sail.log").open("wb")
    server = subprocess.Popen(
        [str(binary), "spark", "server", "--port", str(port)], env=environment, stdout=log, stderr=log, cwd=home
    )
    try:
        _wait(port, server)
        session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create()
        session.conf.set("spark.sql.warehouse.dir", str(home / "warehouse"))
        session.conf.set("spark.sql.sources.default", "delta")
        session.conf.set("spark.sql.session.timeZone", "UTC")
        for schema in ("analytics.default", "analytics.ops"):
            session.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        yield session
        session.stop()
    finally:
        server.terminate()
        server.wait(timeout=20)
        log.close()


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if server.poll() is not None:
            raise RuntimeError("the Sail server ended at once")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("the Sail server did not come up")
