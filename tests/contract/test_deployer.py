"""What every deployer must do. A new adapter adds a fixture that gives a deployer on the world of `_fill`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.adapters.localjobs import LocalJobs
from pipeline_magic.errors import DeploymentError, NotFound
from pipeline_magic.ports import Deployer
from tests.support.local import engine_at, notebook, outputs, request, write_table
from tests.support.trust import StepClock

pytestmark = pytest.mark.engine

COPY = notebook(
    "dbutils.widgets.text('target', 'out.ops.t')\ndbutils.widgets.text('run_key', '')",
    "spark.table('own.data.orders').write.mode('append').saveAsTable(dbutils.widgets.get('target'))",
    "print('run', dbutils.widgets.get('run_key'))",
    "dbutils.notebook.exit('done')",
)


def _fill(lakehouse: Lakehouse) -> None:
    """`own.data.orders` with 3 rows, and an empty schema `out.ops`."""
    write_table(lakehouse.folder("own.data.orders"))
    lakehouse.create_schema("out", "ops")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    home: Path = tmp_path_factory.mktemp("deployer")
    _fill(Lakehouse(home))
    with engine_at(home) as engine:
        yield LocalJobs(home, engine, Lakehouse(home), StepClock())


@pytest.fixture(params=["local"])
def deployer(request: pytest.FixtureRequest) -> Iterator[Deployer]:
    made: Deployer = request.getfixturevalue(request.param)
    yield made
    for environment in ("default", "prod"):
        found = made.find("daily", environment)
        if found is not None:
            made.delete(found.id)


def test_deploy_is_idempotent(deployer: Deployer) -> None:
    """The same key twice is one deployment, found again by its tags and not by those of another environment."""
    made = deployer.deploy(request(COPY))
    assert deployer.deploy(request(COPY)) == made
    assert (made.state, made.digest, made.name) == ("deployed", "d1", "daily")
    assert made.notebook_path == request(COPY).notebook_path
    assert deployer.find("daily", "default") == made
    assert deployer.find("daily", "prod") is None
    assert deployer.find("other", "default") is None
    assert deployer.previous(made.id) is None


def test_reset(deployer: Deployer) -> None:
    """Another request resets the same job; what was there before is told, and can be deployed again."""
    first = request(COPY)
    second = request(notebook("2"), key="k2", digest="d2", parameters={"target": "out.ops.other"})
    made = deployer.deploy(first)
    assert deployer.deploy(second).id == made.id
    assert deployer.settings(made.id)["parameters"] == {"target": "out.ops.other"}
    previous = deployer.previous(made.id)
    assert previous == first
    deployer.deploy(previous)
    assert deployer.settings(made.id)["parameters"] == {}


def test_settings(deployer: Deployer) -> None:
    """Settings hold the schedule, whether it is paused, the notebook's path, the parameters and the tags."""
    made = deployer.deploy(request(COPY, paused=True, tags={"owner": "me"}))
    settings = deployer.settings(made.id)
    assert settings == deployer.settings(made.id)
    text = str(settings)
    for part in ("0 0 6 * * ?", "America/New_York", "PAUSED", made.notebook_path, "owner"):
        assert part in text


def test_run(deployer: Deployer) -> None:
    """A run runs the notebook to its end and brings its outcome; the same key twice is one run."""
    made = deployer.deploy(request(COPY, parameters={"target": "out.ops.runs"}))
    first = deployer.run_now(made.id, key="run-1")
    assert (first.succeeded, first.error, first.exit_value) == (True, "", "done")
    assert "run run-1" in outputs(first.executed)
    assert deployer.run_now(made.id, key="run-1") == first
    second = deployer.run_now(made.id, key="run-2")
    assert "run run-2" in outputs(second.executed)


def test_failing_run(deployer: Deployer) -> None:
    """A run whose notebook fails did not succeed, and says why."""
    made = deployer.deploy(request(notebook("raise ValueError('bad rows')")))
    run = deployer.run_now(made.id, key="run-failing")
    assert not run.succeeded
    assert "bad rows" in run.error


def test_delete(deployer: Deployer) -> None:
    """A deleted job is not found; deleting again is fine; what is not there is NotFound."""
    made = deployer.deploy(request(COPY))
    deployer.delete(made.id)
    deployer.delete(made.id)
    assert deployer.find("daily", "default") is None
    for call in (deployer.settings, deployer.previous, lambda job: deployer.run_now(job, key="x")):
        with pytest.raises(NotFound):
            call(made.id)


def test_notebook_must_be_the_one_its_path_names(deployer: Deployer) -> None:
    """Bytes that do not have the hash in the notebook's path are refused."""
    asked = request(COPY)
    with pytest.raises(DeploymentError):
        deployer.deploy(asked.model_copy(update={"notebook": COPY.replace("done", "else")}))
    assert deployer.find("daily", "default") is None
