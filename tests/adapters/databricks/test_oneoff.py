"""Notebooks as one-off runs: what comes back, and that nothing stays in the workspace, whatever goes wrong."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from pipeline_magic.adapters.databricks.oneoff import OneOffRuns
from pipeline_magic.errors import Cancelled, EngineError, EngineUnavailable
from tests.support.databricks_server import Refusal
from tests.support.databricks_server.oneoff import Executed, OneOff
from tests.support.local import notebook, outputs

ADA = "ada@acme.test"
FINE = notebook("print('hello')", "dbutils.notebook.exit('7 rows')")


@pytest.fixture
def room(site: Any) -> OneOff:
    made = OneOff(site.sql.spark)
    site.server.add(made)
    return made


@pytest.fixture
def runs(site: Any, room: OneOff) -> OneOffRuns:
    return made(site)


def made(site: Any, token: str = "good-token", **options: Any) -> OneOffRuns:
    def wait(event: threading.Event, seconds: float) -> None:
        event.wait(min(seconds, 0.02))

    return OneOffRuns(site.client(token), wait=wait, sleep=site.slept.append, **options)


def test_a_run(site: Any, room: OneOff, runs: OneOffRuns) -> None:
    """Exit value, printed text and the page of the run come back; parameters went there; the folder is gone."""
    text = notebook("print(dbutils.widgets.get('target'))", "dbutils.notebook.exit('7 rows')")
    done = runs.run(text, {"target": "shop.sales.copy"}, name="pipeline_magic_r_1_ab")
    assert (done.succeeded, done.error, done.exit_value) == (True, "", "7 rows")
    assert outputs(done.executed) == "shop.sales.copy\n"
    assert "/run/" in json.loads(done.executed)["metadata"]["pipeline_magic"]["run"]
    [submitted] = {id(one): one for one in room.runs.values()}.values()
    assert (submitted.name, submitted.cluster) == ("pipeline_magic pipeline_magic_r_1_ab", "")
    assert submitted.path.startswith(f"/Users/{ADA}/.pipeline_magic/scratch/pipeline_magic_r_1_ab/")
    assert runs.left() == set()
    assert runs.refused == ""


def test_what_was_sent_has_no_outputs(room: OneOff, runs: OneOffRuns) -> None:
    """Outputs of an earlier run do not leave the machine."""
    document = json.loads(FINE)
    document["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "a person's row"}]
    seen: list[Any] = []
    room.execute = lambda text, parameters, user: seen.append(text) or Executed()  # type: ignore[func-returns-value]
    runs.run(json.dumps(document), {})
    assert "person" not in json.dumps(seen)


def test_a_failing_cell(runs: OneOffRuns) -> None:
    """The error comes back with its trace, as a run that did not succeed."""
    done = runs.run(notebook("print('before')", "raise ValueError('bad rows')", "print('after')"), {})
    assert (done.succeeded, done.error, done.exit_value) == (False, "ValueError: bad rows", "")
    assert outputs(done.executed) == "before\n"
    [error] = [out for cell in json.loads(done.executed)["cells"] for out in cell["outputs"] if "ename" in out]
    assert (error["ename"], error["evalue"]) == ("ValueError", "bad rows")
    assert error["traceback"][-1] == "ValueError: bad rows"
    assert runs.left() == set()


def test_a_run_that_cannot_be_exported(room: OneOff, runs: OneOffRuns) -> None:
    """Without an export the executed notebook is the sent one, with the end of the run beside it."""
    room.export = False
    done = runs.run(FINE, {})
    assert (done.exit_value, outputs(done.executed)) == ("7 rows", "")
    assert json.loads(done.executed)["metadata"]["pipeline_magic"]["exit_value"] == "7 rows"


@pytest.mark.parametrize(
    "content", ["<html>", "__DATABRICKS_NOTEBOOK_MODEL = 'bm8='", "__DATABRICKS_NOTEBOOK_MODEL = '%'"]
)
def test_an_export_of_another_form(room: OneOff, runs: OneOffRuns, content: str) -> None:
    """What an export holds is not documented: another form costs the printed text alone."""
    room.exported = lambda request: {"views": [{"content": content}]}  # type: ignore[method-assign]
    runs._calls.get = _instead(runs._calls.get, "/export", {"views": [{"content": content}]})  # type: ignore[method-assign]
    done = runs.run(FINE, {})
    assert (done.succeeded, done.exit_value, outputs(done.executed)) == (True, "7 rows", "")


def _instead(get: Any, path: str, answer: Any) -> Any:
    return lambda what, address, query=None: answer if path in address else get(what, address, query)


@pytest.mark.parametrize("kind", ["429", "500", "503", "reset", "lost", "timeout", "truncated", "twice"])
@pytest.mark.parametrize("path", ["Me$", "/mkdirs", "/import", "/submit", "/runs/get$", "get-output", "/delete"])
def test_faults(site: Any, room: OneOff, runs: OneOffRuns, kind: str, path: str) -> None:
    """After any single fault there was one run, its outcome is known, and nothing is left."""
    site.fault(kind, path=path)
    done = runs.run(FINE, {}, name="pipeline_magic_r_1_ab")
    assert (done.succeeded, done.exit_value) == (True, "7 rows")
    assert len({one.id for one in room.runs.values()}) == 1
    assert runs.left() == set()


def test_cancel(site: Any, room: OneOff, runs: OneOffRuns) -> None:
    """A stopped notebook is Cancelled in its own thread, its run ends, its folder is gone."""
    room.execute = lambda text, parameters, user: site.server.wait(20) or Executed()
    timer = threading.Timer(0.3, runs.cancel)
    timer.start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        runs.run(FINE, {})
    assert time.monotonic() - started < 10
    assert {one.code for one in room.runs.values()} == {"USER_CANCELED"}
    assert runs.left() == set()


def test_an_interrupt(site: Any, room: OneOff) -> None:
    """Ctrl-C ends the run and removes its folder."""

    def interrupted(event: threading.Event, seconds: float) -> None:
        raise KeyboardInterrupt

    room.execute = lambda text, parameters, user: site.server.wait(20) or Executed()
    runs = OneOffRuns(site.client(), wait=interrupted, sleep=site.slept.append)
    with pytest.raises(KeyboardInterrupt):
        runs.run(FINE, {})
    assert {one.code for one in room.runs.values()} == {"USER_CANCELED"}
    assert runs.left() == set()


def test_timeout(room: OneOff, runs: OneOffRuns, site: Any) -> None:
    """Databricks itself stops a run that takes too long; that is a failed run, not an exception."""
    room.execute = lambda text, parameters, user: site.server.wait(20) or Executed()
    done = runs.run(FINE, {}, timeout=0.2)
    assert (done.succeeded, done.error) == (False, "TimeoutError: the notebook took over 0.2 s and was stopped")


def test_a_run_that_does_not_end_in_time(room: OneOff, site: Any) -> None:
    """One that Databricks lets run on is stopped from here."""
    ticks = iter(range(0, 100_000, 40))
    room.execute = lambda text, parameters, user: site.server.wait(20) or Executed()
    runs = made(site, clock=lambda: float(next(ticks)))
    done = runs.run(FINE, {}, timeout=100)
    assert done.error == "TimeoutError: the notebook took over 100 s and was stopped"
    assert {one.code for one in room.runs.values()} == {"USER_CANCELED"}


def test_stopped_by_somebody_else(room: OneOff, runs: OneOffRuns) -> None:
    """A run that was cancelled in the workspace is a failed run that says so."""
    room.broken = ("USER_CANCELED", "Run cancelled.")
    done = runs.run(FINE, {})
    assert (done.succeeded, done.error) == (False, "Run cancelled")


def test_compute_that_does_not_start(room: OneOff, runs: OneOffRuns) -> None:
    """Not the notebook is to blame, and what to do is said."""
    room.broken = ("CLUSTER_ERROR", "Cluster terminated. Reason: quota exceeded")
    with pytest.raises(EngineUnavailable, match="quota exceeded") as raised:
        runs.run(FINE, {})
    assert "DATABRICKS_CLUSTER_ID" in raised.value.hint
    assert runs.left() == set()


@pytest.mark.parametrize(
    ("verb", "path"), [("POST", "/workspace/mkdirs"), ("POST", "/workspace/import"), ("POST", "/runs/submit")]
)
def test_refused_for_want_of_permission(site: Any, room: OneOff, runs: OneOffRuns, verb: str, path: str) -> None:
    """Who may not do one of it is told so once, and the engine is from then on one without notebooks."""
    site.server.refuse[(verb, path)] = Refusal(403, "PERMISSION_DENIED", "ada does not have Can Use on it")
    with pytest.raises(EngineUnavailable, match="does not have Can Use"):
        runs.run(FINE, {})
    assert "does not have Can Use" in runs.refused and not runs.refused.endswith(".")
    assert room.notebooks() == [f"/Users/{ADA}/.pipeline_magic", f"/Users/{ADA}/.pipeline_magic/scratch"] * (
        "mkdirs" not in path
    )


def test_no_serverless_compute(room: OneOff, runs: OneOffRuns, site: Any) -> None:
    """A workspace without it is told; a cluster serves instead."""
    room.serverless = False
    with pytest.raises(EngineUnavailable, match="Serverless compute is not enabled"):
        runs.run(FINE, {})
    assert "no serverless compute" in runs.refused
    assert made(site, cluster="0101-cluster").run(FINE, {}).exit_value == "7 rows"
    with pytest.raises(EngineUnavailable, match="0202-gone"):
        made(site, cluster="0202-gone").run(FINE, {})


def test_not_a_notebook(runs: OneOffRuns, site: Any) -> None:
    """Nothing is sent."""
    for text in ("", "[]", "{}", '{"cells": 3}'):
        with pytest.raises(EngineError, match="Not a notebook"):
            runs.run(text, {})
    assert not site.server.requests


def test_what_a_killed_process_left(site: Any, room: OneOff, runs: OneOffRuns) -> None:
    """Its run is stopped and its folder removed by name; those of others stay."""
    room.execute = lambda text, parameters, user: site.server.wait(20) or Executed()
    for name in ("pipeline_magic_r_1_ab", "pipeline_magic_r_2_ab"):
        runs._submit(runs._import(json.loads(FINE), name), {}, 60, name, name)
    assert made(site).left() == {"pipeline_magic_r_1_ab", "pipeline_magic_r_2_ab"}
    made(site).clean("pipeline_magic_r_1_ab")
    made(site).clean("pipeline_magic_r_1_ab")
    assert made(site).left() == {"pipeline_magic_r_2_ab"}
    assert {one.name: one.code for one in room.runs.values()} == {
        "pipeline_magic pipeline_magic_r_1_ab": "USER_CANCELED",
        "pipeline_magic pipeline_magic_r_2_ab": "",
    }


def test_the_engine_cleans(site: Any, room: OneOff) -> None:
    """What an engine finds and removes of a run is its scratch schema and its folder, each also alone."""
    site.world.grant("catalog", "shop", ADA, "CREATE_SCHEMA")
    runs = made(site)
    engine = site.warehouse(notebooks=runs)
    schema = engine.create_scratch("r-1").partition(".")[2]
    runs._import(json.loads(FINE), schema)
    assert list(engine.left_scratch(["r-0", "r-1"])) == ["r-1"]
    engine.execute(f"DROP SCHEMA IF EXISTS shop.{schema} CASCADE")
    assert list(engine.left_scratch(["r-0", "r-1"])) == ["r-1"]
    engine.drop_scratch("r-1")
    assert list(engine.left_scratch(["r-0", "r-1"])) == [] and room.notebooks()[2:] == []


def test_secrets_of_a_trace(runs: OneOffRuns) -> None:
    """A token in an error reaches neither the error nor the executed notebook."""
    token = "dapi" + "0123456789abcdef" * 2
    done = runs.run(notebook(f"print('{token}'.upper())", f"raise ValueError('{token}')"), {})
    assert token not in done.error
    assert token not in json.dumps([out for cell in json.loads(done.executed)["cells"] for out in cell["outputs"]])
