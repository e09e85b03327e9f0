"""A small home directory with tables, and notebooks, for the tests of the local adapters."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.adapters.sail import SailServer
from pipeline_magic.adapters.sail_engine import SailEngine
from pipeline_magic.ports import DeployRequest
from pipeline_magic.spec.model import PipelineSpec

NOBODY = 65534


def notebook(*cells: str) -> str:
    """A notebook of code cells, as JSON text."""
    made = [
        {"id": f"c{n}", "cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": cell}
        for n, cell in enumerate(cells)
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made})


def outputs(executed: str) -> str:
    """What the cells of an executed notebook printed."""
    cells = json.loads(executed)["cells"]
    return "".join("".join(out.get("text", "")) for cell in cells for out in cell["outputs"])


def write_table(folder: Path, rows: dict[str, list[Any]] | None = None, **options: Any) -> None:
    """A Delta table of these columns."""
    import pyarrow as pa
    from deltalake import write_deltalake

    write_deltalake(str(folder), pa.table(rows or {"id": [1, 2, 3], "name": ["a", "b", None]}), **options)


@contextlib.contextmanager
def engine_at(home: Path, *, idle: float = 5.0) -> Iterator[SailEngine]:
    """An engine on that home, whose server is gone afterwards."""
    lakehouse = Lakehouse(home)
    server = SailServer(home, lakehouse, idle=idle)
    engine = SailEngine(server, lakehouse)
    try:
        yield engine
    finally:
        engine.close()
        server.stop()


def server_of(engine: SailEngine) -> SailServer:
    return engine._server


def lakehouse_of(engine: SailEngine) -> Lakehouse:
    return engine._lakehouse


def request(
    text: str, *, key: str = "k1", digest: str = "d1", target: str = "out.ops.t", **changes: Any
) -> DeployRequest:
    """A request to deploy that notebook."""
    spec = PipelineSpec.model_validate(
        {
            "name": "daily",
            "description": "Copies orders",
            "sources": [{"alias": "orders", "table": "own.data.orders"}],
            "target": {"table": target, "input": "orders", "comment": "Orders, copied"},
            "trigger": {"kind": "schedule", "cron": "0 0 6 * * ?", "timezone": "America/New_York"},
        }
    )
    values: dict[str, Any] = {
        "pipeline": "daily",
        "environment": "default",
        "spec": spec,
        "notebook": text,
        "notebook_path": f"pipelines/daily/{hashlib.sha256(text.encode()).hexdigest()}/daily.ipynb",
        "parameters": {},
        "digest": digest,
        "key": key,
    }
    return DeployRequest.model_validate({**values, **changes})


def as_nobody(action: Callable[[], str]) -> str:
    """What an action returns in a child process that runs as a user without rights of their own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            said = action()
        except BaseException as error:  # noqa: BLE001  (told to the parent, which fails the test)
            said = f"Traceback {error!r}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as lines:
        said = lines.read()
    os.waitpid(child, 0)
    return said
