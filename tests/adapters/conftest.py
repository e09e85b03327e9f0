"""One home directory with the sample tables and one engine for all tests of the local adapters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.adapters.sail_engine import SailEngine
from tests.support.local import engine_at, write_table


@pytest.fixture(scope="session")
def samples_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("samples") / "home"
    Lakehouse(home).ensure_samples()
    return home


@pytest.fixture(scope="session")
def engine(samples_home: Path) -> Iterator[SailEngine]:
    lakehouse = Lakehouse(samples_home)
    lakehouse.create_schema("out", "ops")
    write_table(lakehouse.folder("own.data.orders"))
    with engine_at(samples_home) as made:
        yield made
