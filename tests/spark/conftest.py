"""One Apache Spark for the session, and the local engine beside it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from tests.compiler.conftest import spark as sail
from tests.support.spark_environment import Worker, why_not

__all__ = ["apache", "sail"]


def pytest_configure(config: pytest.Config) -> None:
    """The markers of this folder."""
    config.addinivalue_line("markers", "spark: needs Apache Spark (Java; made on first use)")
    config.addinivalue_line("markers", "delta: needs Delta's jars from Maven Central; `make test-spark`")


@pytest.fixture(scope="session", autouse=True)
def _in_utc() -> Iterator[None]:
    """Both engines hand times over in the zone of the process."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.fixture(scope="session")
def apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Apache Spark; started once."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    worker = Worker(tmp_path_factory.mktemp("spark"))
    yield worker
    worker.close()
