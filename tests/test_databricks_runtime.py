"""In a Databricks notebook: the wheel installs beside what a runtime ships, and the magics run there.

Proven as far as it can be without Databricks: an environment with the packages of DBR 14.3 LTS and 16.4 LTS (lists and
their sources: `tests/support/dbr`), a real kernel, `spark`, `dbutils` and `display` injected as a runtime does, the
SDK's own log-in of a runtime, and the strict workspace behind all of it. Not proven: Databricks' own kernel and front
end, and its builds of packages that PyPI does not have.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.databricks_site import SEED, Site, site
from tests.support.environments import cache, made

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "tests/support/dbr"
PYTHONS = {"14.3": "3.10", "16.4": "3.12"}
RUNTIME = {
    "__init__.py": """
class UserNamespaceInitializer:
    @staticmethod
    def getOrCreate():
        return UserNamespaceInitializer()

    def get_namespace_globals(self):
        from IPython import get_ipython

        return get_ipython().user_ns
""",
    "sdk_credential_provider.py": """
import os


def init_runtime_native_auth():
    return os.environ["DBR_WORKSPACE"], lambda: {"Authorization": "Bearer good-token"}
""",
}
"""The part of a runtime's own package that the SDK logs in by."""


def interpreter(version: str) -> str:
    """A Python of that version on this machine; skips where there is none."""
    wanted = [shutil.which(f"python{version}"), *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        wanted.insert(0, sys.executable)
    for found in filter(None, wanted):
        told = subprocess.run([found, "-c", "import sys; print(sys.version[:4])"], capture_output=True, text=True)
        if told.stdout.strip() == version:
            return found
    pytest.skip(f"there is no Python {version} on this machine")


def environment(runtime: str) -> Path:
    """The packages of a runtime, and those that our wheel brings beside them; without our wheel."""
    python = interpreter(PYTHONS[runtime])
    lists = [word for name in (f"{runtime}.txt", f"{runtime}-added.txt") for word in ("-r", str(PINS / name))]
    install = ["{place}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    commands = [[python, "-m", "venv", "{place}"], [*install, *lists]]
    try:
        return made(cache() / f"dbr-{runtime}", lambda place: bool(list(place.glob("bin/ipython"))), commands)
    except RuntimeError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our wheel, as it is published."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    [found] = folder.glob("*.whl")
    return found


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Site]:
    opened = site(tmp_path / "site")
    yield opened
    opened.close()


def notebook(runtime: str, wheel: Path, workspace: Site, folder: Path, cells: list[str]) -> list[dict[str, Any]]:
    """What the cells of a notebook give, with the wheel put on the path as `%pip install` puts it."""
    place = environment(runtime)
    shutil.unpack_archive(wheel, folder / "installed", "zip")
    (folder / "runtime/dbruntime").mkdir(parents=True)
    for name, text in RUNTIME.items():
        (folder / "runtime/dbruntime" / name).write_text(text)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DATABRICKS_", "PIPELINE_MAGIC_", "PYTHON", "GITHUB_", "OPENAI_", "AZURE_"))
    }
    env = {
        **kept,
        "DATABRICKS_RUNTIME_VERSION": runtime,
        "DBR_WORKSPACE": workspace.databricks.url,
        "PYTHONPATH": os.pathsep.join((str(folder / "installed"), str(folder / "runtime"))),
        "HOME": str(folder),
        "IPYTHONDIR": str(folder / "ipython"),
        "PIPELINE_MAGIC_ONE_OFF_RUNS": "false",
    }
    (folder / "workspace").mkdir()
    done = subprocess.run(
        [str(place / "bin/python"), str(PINS / "run_notebook.py"), str(PINS / "startup.py")],
        input=json.dumps(cells), capture_output=True, text=True, env=env, cwd=folder / "workspace", timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


RUNTIMES = [pytest.param("14.3", id="14.3"), pytest.param("16.4", id="16.4", marks=pytest.mark.full)]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_magics_run_in_a_runtime(runtime: str, wheel: Path, workspace: Site, tmp_path: Path) -> None:
    """The cell of the example gives its panel there, by the notebook's session and log-in; nothing is warned of but
    the driver's disk."""
    folder = tmp_path / "driver"
    folder.mkdir()
    cells = [
        "%load_ext pipeline_magic",
        f"%%pipeline\n{SEED}",
        "%pipeline review",
        "import json; print(json.dumps(spark_calls))",
        "import ipywidgets, pandas, IPython; print(IPython.__version__, ipywidgets.__version__)",
    ]
    load, built, review, calls, versions = notebook(runtime, wheel, workspace, folder, cells)
    for cell in (load, built, review):
        assert (cell["error"], cell["stderr"]) == ("", "")
    for cell in (built, review):
        shown = cell["data"][-1]
        assert set(shown) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
        assert "2 tables checked" in shown["text/plain"]
        assert (
            "is on the driver's disk, which is lost with the cluster: set PIPELINE_MAGIC_STORE_URL"
            in shown["text/plain"]
        )
    asked = json.loads(calls["stdout"])
    assert {"DESCRIBE", "SELECT"} <= {one.split()[0] for one in asked}
    # Nothing went to a SQL warehouse beside the session: every statement the workspace saw, the session sent.
    sent = [one.sql for one in workspace.sql.statements.values()]
    assert sorted(set(sent)) == sorted(set(asked))
    assert (folder / ".pipeline_magic/state.db").exists() and not list((folder / "workspace").iterdir())
    assert versions["stdout"].split() == [
        line.split("==")[1]
        for name in ("ipython", "ipywidgets")
        for line in (PINS / f"{runtime}.txt").read_text().splitlines()
        if line.startswith(f"{name}==")
    ]


@pytest.mark.parametrize("runtime", sorted(PYTHONS))
def test_what_must_give_way(runtime: str) -> None:
    """What the runtime ships and its kernel, its front end and Spark are built on satisfies our wheel's bounds."""
    from packaging.requirements import Requirement

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = dict(
        line.split("==") for line in (PINS / f"{runtime}.txt").read_text().splitlines() if line and line[0] != "#"
    )
    bounds = {one.name.lower(): one.specifier for one in map(Requirement, project["dependencies"])}
    kept = {name: version for name, version in pinned.items() if name in bounds}
    assert {"ipython", "ipywidgets", "pandas"} <= set(kept)
    assert not {name: version for name, version in kept.items() if not bounds[name].contains(version)}
