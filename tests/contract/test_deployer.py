"""What every deployer must do. A new adapter adds a fixture that gives a deployer on the world of `_fill`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.adapters.databricks.client import workspace_client
from pipeline_magic.adapters.databricks.deployer import LakeflowDeployer
from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.adapters.localjobs import LocalJobs
from pipeline_magic.errors import DeploymentError, NotFound
from pipeline_magic.ports import Deployer, DeployRequest, Engine
from tests.support import local as at_home
from tests.support.databricks_server import DatabricksServer
from tests.support.databricks_server.forward import Forward, MirroredFiles
from tests.support.databricks_server.oneoff import Executed
from tests.support.databricks_standins import allowed, standin
from tests.support.lakeflow_site import job_site, with_resource
from tests.support.local import engine_at, notebook, outputs, write_table
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
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("deployer")
    _fill(Lakehouse(made))
    return made


@pytest.fixture(scope="module")
def engine(home: Path) -> Iterator[Engine]:
    with engine_at(home) as made:
        yield made


@pytest.fixture(scope="module")
def local(home: Path, engine: Engine) -> Deployer:
    return LocalJobs(home, engine, Lakehouse(home), StepClock())


def _run_by(engine: Engine, parsed: Mapping[str, Any], parameters: Mapping[str, str]) -> Executed:
    """A notebook of the strict workspace, really run by the local engine."""
    document = json.loads(json.dumps(parsed))
    for place, cell in enumerate(document["cells"]):
        cell["id"] = f"c{place}"
    run = engine.run_notebook(json.dumps({**document, "nbformat_minor": 5}), parameters)
    cells = [cell for cell in json.loads(run.executed)["cells"] if cell["cell_type"] == "code"]
    printed = [
        ("".join(cell["source"]), "".join("".join(one.get("text", "")) for one in cell["outputs"])) for cell in cells
    ]
    return Executed(run.exit_value, run.error, "", printed)


@pytest.fixture(scope="module")
def lakeflow(engine: Engine) -> Iterator[Deployer]:
    """Lakeflow Jobs of the strict workspace, whose runs run their notebook by the local engine."""
    with job_site() as site:
        site.jobs.runner = lambda parsed, parameters, user: _run_by(engine, parsed, parameters)
        yield site.deployer(clock=StepClock())


MINILAKE = {
    "test_run": "its runs have neither `spark` nor `dbutils`, and a token that it knows starts a second one",
    "test_failing_run": "the error of a failed notebook stands among its logs alone",
}
"""What minilake 1.9.0 does otherwise than Lakeflow Jobs; and it imports no notebook in the form JUPYTER, so that the
folders before it are those of the strict workspace."""


@pytest.fixture(scope="module")
def minilake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    """Jobs of minilake."""
    with standin("minilake", tmp_path_factory.mktemp("minilake")) as url:
        server = DatabricksServer()
        server.users = {"good-token": "minilake-user"}
        behind = Forward(url)
        for room in (MirroredFiles(server, behind), behind):
            server.add(room)
        try:
            yield LakeflowDeployer(workspace_client(server.url, "good-token"), clock=StepClock())
        finally:
            server.close()


def request(text: str, **changes: Any) -> DeployRequest:
    """A request with the settings that the compiler makes for it."""
    return with_resource(at_home.request(text, **changes))


@pytest.fixture(params=["local", "lakeflow", "minilake"])
def deployer(request: pytest.FixtureRequest) -> Iterator[Deployer]:
    allowed(request, {"minilake": MINILAKE}.get(request.param, {}))
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
    assert _parameters(deployer, made.id) == {"target": "out.ops.other"}
    previous = deployer.previous(made.id)
    assert previous == first
    deployer.deploy(previous)
    assert _parameters(deployer, made.id) == {}


def _parameters(deployer: Deployer, deployment_id: str) -> dict[str, Any]:
    """Parameters of the settings, without those that are the run's own."""
    found = deployer.settings(deployment_id)["parameters"]
    assert isinstance(found, dict)
    return {name: value for name, value in found.items() if not name.startswith("run_")}


def test_settings(deployer: Deployer) -> None:
    """Settings hold the schedule, whether it is paused, the notebook's path, the parameters and the tags."""
    made = deployer.deploy(request(COPY, paused=True, tags={"owner": "me"}))
    settings = deployer.settings(made.id)
    assert settings == deployer.settings(made.id)
    assert settings["digest"] == made.digest
    text = str(settings)
    for part in ("0 0 6 * * ?", "America/New_York", "PAUSED", made.notebook_path.removesuffix(".ipynb"), "owner"):
        assert part in text


def test_run(deployer: Deployer) -> None:
    """A run runs the notebook to its end and brings its outcome; the same key twice is one run."""
    made = deployer.deploy(request(COPY, parameters={"target": "out.ops.runs"}))
    first = deployer.run_now(made.id, key="run-1")
    assert (first.succeeded, first.error, first.exit_value) == (True, "", "done")
    said = re.search(r"run \S+", outputs(first.executed))
    assert said is not None
    assert deployer.run_now(made.id, key="run-1") == first
    second = deployer.run_now(made.id, key="run-2")
    assert second.succeeded
    assert said[0] not in outputs(second.executed)  # a run has a key of its own


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
