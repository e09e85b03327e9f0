"""Local jobs: found by tag, deployed and run once for each key, and finished by the same call after a crash."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.adapters.localjobs import LocalJobs
from pipeline_magic.adapters.sail_engine import SailEngine
from pipeline_magic.errors import Cancelled, DeploymentError, NotFound
from pipeline_magic.ports import DeployRequest
from pipeline_magic.runs import NotebookRun
from tests.support.local import lakehouse_of, notebook, outputs, request
from tests.support.trust import StepClock

APPEND = notebook(
    "spark.table('own.data.orders').write.mode('append').saveAsTable('out.ops.t')",
    "print('key', dbutils.widgets.get('run_key'), 'time', dbutils.widgets.get('run_time'))",
    "dbutils.notebook.exit('{\"rows\": 3}')",
)


@pytest.fixture
def jobs(engine: SailEngine, tmp_path: Path) -> LocalJobs:
    return LocalJobs(tmp_path, engine, lakehouse_of(engine), StepClock())


@pytest.fixture
def target(engine: SailEngine) -> str:
    """A target that is not there yet."""
    import shutil

    shutil.rmtree(lakehouse_of(engine).folder("out.ops.t"), ignore_errors=True)
    return "out.ops.t"


class Recorder:
    """An engine that only counts its runs."""

    def __init__(self, engine: SailEngine, fails: BaseException | None = None) -> None:
        self.seen: list[dict[str, str]] = []
        self._engine = engine
        self.fails = fails

    def run_notebook(self, text: str, parameters: dict[str, str], *, timeout: float = 0.0) -> NotebookRun:
        self.seen.append(dict(parameters))
        if self.fails:
            raise self.fails
        self._engine.spark.sql("SELECT 1 AS a").write.mode("append").saveAsTable("out.ops.t")
        return NotebookRun(succeeded=True, executed="{}", exit_value="v")

    def history(self, table: str) -> Any:
        return self._engine.history(table)


@pytest.mark.engine
def test_run(jobs: LocalJobs, engine: SailEngine, target: str) -> None:
    """A run writes the target, sets its comment, keeps the executed copy, rows and versions; its key makes it one."""
    made = jobs.deploy(request(APPEND))
    first = jobs.run_now(made.id, key="run-1")
    assert (first.succeeded, first.exit_value) == (True, '{"rows": 3}')
    assert "key run-1 time 2026-11-02T01:0" in outputs(first.executed)
    assert jobs.run_now(made.id, key="run-1") == first
    assert lakehouse_of(engine).table(target).rows == 3
    assert lakehouse_of(engine).table(target).comment == "Orders, copied"
    second = jobs.run_now(made.id, key="run-2")
    assert second != first
    record = jobs.run_record(made.id, "run-2")
    assert (record["version_before"], record["version_after"], record["rows"]) == ("0", "1", 6)
    found = jobs.find("daily", "default")
    assert found is not None
    assert (found.rows, found.target_version_after) == (6, "1")
    assert "on demand" in found.message


@pytest.mark.engine
def test_failed_run(jobs: LocalJobs, target: str) -> None:
    """A run that fails is kept with its notebook, and a notebook that forgets its target has failed."""
    made = jobs.deploy(request(notebook("1/0")))
    failed = jobs.run_now(made.id, key="r")
    assert (failed.succeeded, failed.error) == (False, "ZeroDivisionError: division by zero")
    assert jobs.run_now(made.id, key="r") == failed
    jobs.deploy(request(notebook("1"), key="k2"))
    empty = jobs.run_now(made.id, key="r2")
    assert not empty.succeeded
    assert f"`{target}` is not there" in empty.error


@pytest.mark.engine
def test_crash_in_a_run(engine: SailEngine, tmp_path: Path, target: str) -> None:
    """A run that was cut off is run again by the same call with the same key and time, then never again."""
    cut = Recorder(engine, fails=KeyboardInterrupt())
    jobs = LocalJobs(tmp_path, cut, lakehouse_of(engine), StepClock())  # type: ignore[arg-type]
    made = jobs.deploy(request(APPEND))
    with pytest.raises(KeyboardInterrupt):
        jobs.run_now(made.id, key="r")
    again = Recorder(engine)
    jobs = LocalJobs(tmp_path, again, lakehouse_of(engine), StepClock("2026-12-24T00:00:00+00:00"))  # type: ignore[arg-type]
    assert jobs.run_now(made.id, key="r").exit_value == "v"
    assert jobs.run_now(made.id, key="r").exit_value == "v"
    assert cut.seen == again.seen


@pytest.mark.engine
def test_two_callers_one_run(engine: SailEngine, tmp_path: Path, target: str) -> None:
    """Two calls with one key at the same moment make one run, and both get its outcome."""
    counted = Recorder(engine)
    jobs = LocalJobs(tmp_path, counted, lakehouse_of(engine), StepClock())  # type: ignore[arg-type]
    made = jobs.deploy(request(APPEND))
    got: list[NotebookRun] = []
    threads = [threading.Thread(target=lambda: got.append(jobs.run_now(made.id, key="r"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(counted.seen), len(got), len({run.model_dump_json() for run in got})) == (1, 3, 1)


@pytest.mark.engine
def test_cancel(jobs: LocalJobs, target: str) -> None:
    """A cancelled run raises Cancelled, and its key may be used again."""
    made = jobs.deploy(request(notebook("import time\ntime.sleep(60)")))
    threading.Timer(2.0, jobs.cancel).start()
    with pytest.raises(Cancelled):
        jobs.run_now(made.id, key="r")
    assert jobs.run_record(made.id, "r")["status"] == "started"


@pytest.mark.engine
def test_missing_schema(jobs: LocalJobs) -> None:
    """A target whose schema is missing is refused before the notebook runs."""
    made = jobs.deploy(request(APPEND, target="nocat.nosch.t"))
    with pytest.raises(DeploymentError, match=r"schema `nocat\.nosch`"):
        jobs.run_now(made.id, key="r")


@pytest.mark.engine
def test_changed_notebook(jobs: LocalJobs, target: str) -> None:
    """Bytes that are not the approved ones never run."""
    made = jobs.deploy(request(APPEND))
    file = jobs.root / made.id / "notebooks" / made.notebook_path
    file.write_text(file.read_text() + " ")
    assert jobs.settings(made.id)["notebook_sha256"] not in made.notebook_path
    with pytest.raises(DeploymentError, match="changed by hand"):
        jobs.run_now(made.id, key="r")
    file.unlink()
    with pytest.raises(DeploymentError, match="missing"):
        jobs.run_now(made.id, key="r")
    jobs.deploy(request(APPEND))
    assert file.read_text() == APPEND


def quiet(tmp_path: Path) -> LocalJobs:
    """Jobs that are never run."""
    from pipeline_magic.adapters.lakehouse import Lakehouse

    return LocalJobs(tmp_path, None, Lakehouse(tmp_path), StepClock())  # type: ignore[arg-type]


def test_wrong_notebook(tmp_path: Path) -> None:
    """A notebook that is not the one its path names, or a path out of the folder, is not deployed."""
    jobs = quiet(tmp_path)
    right = request(APPEND)
    for changes in ({"notebook": APPEND + " "}, {"notebook_path": "../../x.ipynb"}, {"notebook_path": "/etc/x"}):
        with pytest.raises(DeploymentError):
            jobs.deploy(right.model_copy(update=changes))
    assert jobs.find("daily", "default") is None


@pytest.mark.parametrize("fails_at", [1, 2])
def test_crash_while_deploying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int) -> None:
    """Cut off by a full disk at any write, the job is as it was before, and the same call then finishes it."""
    jobs = quiet(tmp_path)
    before = jobs.deploy(request(APPEND))
    changed = request(notebook("2"), key="k2", digest="d2")
    real, calls = os.replace, []

    def full(source: str, target: str) -> None:
        calls.append(target)
        if len(calls) == fails_at:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(DeploymentError, match="The disk is full: could not deploy `daily`"):
            jobs.deploy(changed)
    assert jobs.find("daily", "default") == before
    assert jobs.deploy(changed).digest == "d2"
    assert len(list(jobs.root.glob("job-*/"))) == 1


def test_history_of_settings(tmp_path: Path) -> None:
    """Deploying the previous request again is a rollback, and is history itself."""
    jobs = quiet(tmp_path)
    one, two = request(APPEND), request(notebook("2"), key="k2", digest="d2")
    made = jobs.deploy(one)
    assert jobs.previous(made.id) is None
    jobs.deploy(two)
    jobs.deploy(two)
    back = jobs.previous(made.id)
    assert back == one
    assert jobs.deploy(back).digest == "d1"
    assert jobs.previous(made.id) == two


def test_schedule(tmp_path: Path) -> None:
    """A schedule is kept and its next time shown; paused, there is none."""
    jobs = quiet(tmp_path)
    made = jobs.deploy(request(APPEND))
    assert made.next_run.startswith("2026-11-02T11:00:00")
    assert jobs.deploy(request(APPEND, key="k2", paused=True)).next_run == ""
    assert jobs.settings(made.id)["pause_status"] == "PAUSED"
    assert jobs.settings(made.id)["trigger"] == {
        "kind": "schedule",
        "cron": "0 0 6 * * ?",
        "timezone": "America/New_York",
    }


def test_two_environments(tmp_path: Path) -> None:
    """One pipeline in two environments is two jobs; odd names stay inside the folder."""
    jobs = quiet(tmp_path)
    one = jobs.deploy(request(APPEND))
    other = jobs.deploy(request(APPEND, environment="../../prod"))
    assert one.id != other.id
    assert sorted(path.name for path in jobs.root.glob("job-*/")) == sorted([one.id, other.id])
    assert not list(tmp_path.parent.glob("prod*"))
    jobs.delete(one.id)
    jobs.delete(one.id)
    assert jobs.find("daily", "default") is None
    assert jobs.find("daily", "../../prod") is not None


@pytest.mark.parametrize("job_id", ["job-none", "", "../jobs", "job-../../x"])
def test_unknown_job(tmp_path: Path, job_id: str) -> None:
    """A job that is not there is NotFound, whatever its id looks like."""
    jobs = quiet(tmp_path)
    for call in (jobs.settings, jobs.previous, lambda one: jobs.run_now(one, key="r")):
        with pytest.raises(NotFound):
            call(job_id)
    jobs.delete(job_id)


def test_damaged_file(tmp_path: Path) -> None:
    """A settings file that was cut off is no job, and deploying makes it whole."""
    jobs = quiet(tmp_path)
    made = jobs.deploy(request(APPEND))
    (jobs.root / made.id / "job.json").write_text('{"id"')
    assert jobs.find("daily", "default") is None
    assert jobs.deploy(request(APPEND)) == made


def test_request_round_trip(tmp_path: Path) -> None:
    """What was deployed is told again exactly."""
    jobs = quiet(tmp_path)
    asked: DeployRequest = request(APPEND, parameters={"target": "a.b.c"}, tags={"owner": "me"})
    made = jobs.deploy(asked)
    jobs.deploy(request(notebook("2"), key="k2"))
    assert jobs.previous(made.id) == asked


@pytest.mark.engine
def test_what_a_job_wrote(jobs: LocalJobs, engine: SailEngine, target: str) -> None:
    """Commits of the job's own runs are known. What others wrote is not among them, be it before a run, after it or
    in the middle of it, nor is anything of a run in which more was written than it can have written."""
    table = "out.ops.whose"
    engine.drop(table)
    others = "spark.sql('SELECT 9L AS id, \"x\" AS name').write.mode('append').saveAsTable('out.ops.whose')"
    copy = "spark.table('own.data.orders').write.mode('append').saveAsTable('out.ops.whose')"
    made = jobs.deploy(request(notebook(copy), parameters={"target": table}))
    jobs.run_now(made.id, key="one")
    assert engine.run_notebook(notebook(others), {}).succeeded
    jobs.run_now(made.id, key="two")
    assert jobs.written(made.id, table, engine.history(table)) == {"0", "2"}
    other = jobs.deploy(request(notebook(copy), environment="prod", key="k2", parameters={"target": table}))
    jobs.run_now(other.id, key="one")
    assert jobs.written(other.id, table, engine.history(table)) == {"3"}
    assert jobs.written(made.id, table, engine.history(table)) == {"0", "2"}
    in_the_middle = jobs.deploy(request(notebook(copy, others), key="k3", digest="d3", parameters={"target": table}))
    jobs.run_now(in_the_middle.id, key="three")
    assert jobs.written(made.id, table, engine.history(table)) == {"0", "2"}
    assert jobs.written(made.id, "out.ops.other", engine.history(table)) == frozenset()
    engine.drop(table)
    assert engine.run_notebook(notebook(others, others), {}).succeeded
    assert jobs.written(made.id, table, engine.history(table)) == frozenset(), "another table of the same name"


@pytest.mark.engine
def test_what_a_run_that_was_cut_off_wrote(jobs: LocalJobs, engine: SailEngine, target: str) -> None:
    """A run that failed or was stopped after its write has written it; one that is still open has written nothing."""
    table = "out.ops.cut"
    engine.drop(table)
    copy = "spark.table('own.data.orders').write.mode('append').saveAsTable('out.ops.cut')"
    made = jobs.deploy(request(notebook(copy, "raise ValueError('late')"), parameters={"target": table}))
    assert not jobs.run_now(made.id, key="one").succeeded
    assert jobs.written(made.id, table, engine.history(table)) == {"0"}
    stopped = Recorder(engine, fails=Cancelled("Stopped."))
    again = LocalJobs(jobs.root.parent, stopped, lakehouse_of(engine), StepClock())
    with pytest.raises(Cancelled):
        again.run_now(made.id, key="two")
    assert again.written(made.id, table, engine.history(table)) == {"0"}
