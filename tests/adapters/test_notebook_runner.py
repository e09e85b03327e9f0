"""A notebook runs in a fresh kernel as on Databricks, without credentials, and never longer than it may."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic.adapters.notebook_kernel import Dbutils, NotebookExit
from pipeline_magic.adapters.sail_engine import SailEngine
from pipeline_magic.errors import Cancelled, EngineError, EngineUnavailable
from tests.support.local import lakehouse_of, notebook, outputs, server_of

pytestmark = pytest.mark.engine


@pytest.fixture(autouse=True)
def _no_kernel_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After each test no kernel of this process is left, and no folder of one."""
    with tempfile.TemporaryDirectory(prefix="pm-") as own:
        monkeypatch.setattr(tempfile, "tempdir", own)
        yield
        assert kernels() == []
        assert not list(Path(own).iterdir())


def kernels() -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rsplit(")", 1)[1].split()[1])
            if parent == os.getpid() and b"ipykernel" in (status.parent / "cmdline").read_bytes():
                found.append(int(status.parent.name))
        except OSError:
            continue
    return found


def test_spark_and_parameters(engine: SailEngine) -> None:
    """`spark` knows the tables, widgets give the parameters, and what the notebook writes is there afterwards."""
    run = engine.run_notebook(
        notebook(
            "dbutils.widgets.text('run_time', 'now')\ndbutils.widgets.text('target', 'nowhere')",
            "print(dbutils.widgets.get('run_time'), dbutils.widgets.get('target'))",
            "orders = spark.table('own.data.orders')\ndisplay(orders)",
            "orders.write.mode('overwrite').saveAsTable(dbutils.widgets.get('target'))",
            "print(sql('select 1 as a').count(), table('samples.tpch.region').count())",
        ),
        {"target": "out.ops.copied"},
    )
    assert (run.succeeded, run.error, run.exit_value) == (True, "", "")
    assert "now out.ops.copied" in outputs(run.executed)
    assert "1 5" in outputs(run.executed)
    assert engine.query("SELECT count(*) FROM out.ops.copied").rows == ((3,),)
    assert lakehouse_of(engine).table("out.ops.copied").rows == 3
    assert "text/html" in run.executed


def test_history(engine: SailEngine) -> None:
    """`DESCRIBE HISTORY` answers from the Delta log, as on Databricks; of an unknown table it fails as any query."""
    run = engine.run_notebook(
        notebook(
            "last = spark.sql('DESCRIBE HISTORY samples.tpch.region LIMIT 1').first()",
            "print(last['version'], last['timestamp'].year >= 2020)",
            "try:\n    spark.sql('DESCRIBE HISTORY no.such.table').first()\nexcept Exception:\n    print('refused')",
            "print(spark.sql('SELECT 7 AS n').first()['n'])",
        ),
        {},
    )
    assert run.succeeded, run.error
    assert outputs(run.executed) == "0 True\nrefused\n7\n"


def test_drop(engine: SailEngine) -> None:
    """`DROP TABLE` takes a table's files with it, as on Databricks, whether this notebook made it or an earlier one."""
    write = "spark.sql('SELECT 1 AS a').write.mode('overwrite').saveAsTable('{}')"
    made = ["out.ops.kept", "out.ops.killed", "out.ops.`Upper`"]
    assert engine.run_notebook(notebook(*(write.format(table) for table in made)), {}).succeeded
    drops = [f"spark.sql('DROP TABLE IF EXISTS {table}')" for table in (*made[1:], "out.ops.own", "out.ops.never")]
    run = engine.run_notebook(notebook(write.format("out.ops.own"), *drops), {})
    assert run.succeeded, run.error
    left = {location.name for location in lakehouse_of(engine).locations()}
    assert left & {*made, "out.ops.own", "out.ops.never"} == {"out.ops.kept"}


def test_exit(engine: SailEngine) -> None:
    """`dbutils.notebook.exit` ends the notebook in success with its value, which no `except Exception` stops."""
    value = json.dumps({"rows": 3, "text": "ä\n" * 2000})
    text = notebook(
        f"try:\n    dbutils.notebook.exit({value!r})\nexcept Exception:\n    print('caught')", "print('not reached')"
    )
    run = engine.run_notebook(text, {})
    assert (run.succeeded, run.exit_value) == (True, value)
    assert "not reached" not in outputs(run.executed)
    assert "Notebook exited" in outputs(run.executed)
    assert json.loads(run.executed)["metadata"]["pipeline_magic"]["exit_value"] == value
    assert '"output_type": "error"' not in run.executed


def test_failure(engine: SailEngine) -> None:
    """The first error stops the notebook; it is named, and the executed copy shows it."""
    run = engine.run_notebook(notebook("print('one')", "spark.table('own.data.nope').count()", "print('three')"), {})
    assert not run.succeeded
    assert run.error.startswith("AnalysisException: ")
    assert "nope" in run.error
    assert "\x1b" not in run.error
    assert outputs(run.executed) == "one\n"


def test_environment(engine: SailEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel has none of the credentials of this process, and not a person's startup files."""
    for name in ("DATABRICKS_TOKEN", "GITHUB_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "MY_PASSWORD"):
        monkeypatch.setenv(name, "hunter2-secret")
    monkeypatch.setenv("DATABASE", "postgresql://me:hunter2@db/x")
    monkeypatch.setenv("PLAIN", "kept")
    run = engine.run_notebook(
        notebook("import os\nprint(sorted(os.environ.items()))", "print(open('/proc/self/environ').read())"), {}
    )
    assert run.succeeded, run.error
    assert "hunter2" not in run.executed
    assert "kept" in run.executed


def test_timeout(engine: SailEngine) -> None:
    """A notebook that takes too long is stopped with its kernel, and what it printed is kept."""
    start = time.monotonic()
    run = engine.run_notebook(notebook("print('begun')", "import time\ntime.sleep(60)"), {}, timeout=3)
    assert time.monotonic() - start < 10
    assert run.error == "TimeoutError: the notebook took over 3 s and was stopped"
    assert not run.succeeded
    assert outputs(run.executed) == "begun\n"


def test_cancel(engine: SailEngine) -> None:
    """`cancel` from another thread raises Cancelled, and the engine stops what the notebook had asked for."""
    text = notebook(
        "spark.sql('select count(*) from range(100000000) a cross join range(1000) b where a.id*b.id%7=3').show()"
    )
    threading.Timer(2.5, engine.cancel).start()
    start = time.monotonic()
    with pytest.raises(Cancelled):
        engine.run_notebook(text, {})
    assert time.monotonic() - start < 15


def test_interrupt(engine: SailEngine) -> None:
    """Ctrl-C ends the run with its kernel."""
    threading.Timer(2.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        engine.run_notebook(notebook("import time\ntime.sleep(60)"), {})


def test_kernel_that_dies(engine: SailEngine) -> None:
    """A kernel that is killed is a failed run that says so."""
    run = engine.run_notebook(notebook("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"), {})
    assert not run.succeeded
    assert "process ended" in run.error


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}', '{"nbformat": 9, "nbformat_minor": 0, "cells": []}'])
def test_not_a_notebook(engine: SailEngine, text: str) -> None:
    """Text that is no notebook is refused before a kernel starts."""
    with pytest.raises(EngineError, match="Not a notebook"):
        engine.run_notebook(text, {})


def test_missing_package(engine: SailEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without nbclient the error names it and the command that installs it."""
    monkeypatch.setitem(sys.modules, "nbclient", None)
    with pytest.raises(EngineUnavailable, match="nbclient") as raised:
        engine.run_notebook(notebook("1"), {})
    assert "pip install" in raised.value.hint


def test_inside_a_running_loop(engine: SailEngine) -> None:
    """It runs where an event loop is running already, as in Jupyter."""

    async def inside() -> str:
        return engine.run_notebook(notebook("dbutils.notebook.exit('fine')"), {}).exit_value

    assert asyncio.run(inside()) == "fine"


def test_no_orphan(engine: SailEngine, samples_home: Path) -> None:
    """When the process that runs a notebook is killed, the kernel ends by itself."""
    code = """
import sys; from pathlib import Path
from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.adapters.sail import SailServer
from pipeline_magic.adapters.sail_engine import SailEngine
from tests.support.local import notebook
home, told = Path(sys.argv[1]), sys.argv[2]
tell = f"import os, time; open({told!r}, 'w').write(str(os.getpid()))"
SailEngine(SailServer(home, Lakehouse(home)), Lakehouse(home)).run_notebook(notebook(tell, "time.sleep(60)"), {})
"""
    told = samples_home / "kernel.pid"
    server_of(engine).ensure()
    runner = subprocess.Popen([sys.executable, "-c", code, str(samples_home), str(told)])
    end = time.monotonic() + 30
    while not (told.exists() and told.read_text()) and time.monotonic() < end:
        time.sleep(0.1)
    pid = int(told.read_text())
    private = Path(f"/proc/{pid}/cwd").resolve()
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            break
        time.sleep(0.1)
    else:
        assert not Path(f"/proc/{pid}").exists()
    shutil.rmtree(private)


def test_dbutils() -> None:
    """Widgets as on Databricks: a given value goes first, and what was neither declared nor given is an error."""
    dbutils = Dbutils({"given": "1"})
    dbutils.widgets.text("given", "0")
    dbutils.widgets.dropdown("declared", "a", ["a", "b"])
    assert (dbutils.widgets.get("given"), dbutils.widgets.get("declared")) == ("1", "a")
    assert dbutils.widgets.getAll() == {"given": "1", "declared": "a"}
    with pytest.raises(ValueError, match="InputWidgetNotDefined"):
        dbutils.widgets.get("nope")
    with pytest.raises(AttributeError, match=r"dbutils\.fs"):
        dbutils.fs.ls("/")
    with pytest.raises(NotebookExit):
        dbutils.notebook.exit(3)
