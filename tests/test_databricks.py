"""The whole job on Databricks and GitHub, with only what a person can configure, over strict servers of both."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.config import load_settings
from pipeline_magic.demo import demo
from pipeline_magic.doctor import examine
from pipeline_magic.errors import Cancelled, ConfigurationError, EngineUnavailable, UsageError
from pipeline_magic.wiring import wire
from tests.support.databricks_server.spark import column
from tests.support.databricks_site import ADA, BOSS, SEED, Site, site

CONFIGURED = "Count the orders per o_orderstatus into analytics.ops.status_counts"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    made = site(tmp_path)
    yield made
    made.close()


# --- what is chosen --------------------------------------------------------------------------------------------------


def test_the_seeds_environment_variables_choose_everything(here: Site) -> None:
    """Host, token, warehouse, repository and its token, each with its own variable, make every port remote."""
    environ = {
        "DATABRICKS_HOST": here.databricks.url,
        "DATABRICKS_TOKEN": "good-token",
        "DATABRICKS_WAREHOUSE_ID": "wh1",
        "GITHUB_TOKEN": "good-token",
        "GITHUB_REPO": "acme/pipelines",
        "GITHUB_API_URL": here.github.url,
    }
    ports = wire(load_settings({"home": here.folder / "home"}, environ=environ, folder=here.folder))
    try:
        said = ports.describe
        assert ports.place == "databricks"
        assert (said["catalog"][:13], said["engine"][:17], said["code host"]) == (
            "Unity Catalog", "SQL warehouse wh1", "GitHub repository acme/pipelines",
        )  # fmt: skip
        leaves = " ".join(ports.leaves_machine)
        assert "Databricks (127.0.0.1), after Approve" in leaves and "GitHub (127.0.0.1), after Approve" in leaves
    finally:
        ports.close()


def test_a_host_in_a_settings_file_is_refused(tmp_path: Path) -> None:
    """A file that somebody else may have written does not say where a token is sent."""
    (tmp_path / "pipeline_magic.toml").write_text('databricks_host = "https://elsewhere.example"\n')
    with pytest.raises(ConfigurationError, match="says where a key is sent"):
        load_settings(environ={"DATABRICKS_TOKEN": "t"}, folder=tmp_path)


def test_without_an_engine_the_run_stops_after_parsing(here: Site) -> None:
    """The statement is read, the three ways are named, and the run goes on once one is given."""
    without = here.open(databricks_warehouse_id=None)
    try:
        run = without.open(CONFIGURED)
        with pytest.raises(EngineUnavailable) as raised:
            without.start(CONFIGURED)
        for way in ("notebook of the workspace", "databricks-connect", "DATABRICKS_WAREHOUSE_ID"):
            assert way in raised.value.hint
        stopped = without.snapshot(run.id)
        assert stopped.parsed is not None and stopped.validated is None and stopped.run.state == "failed"
        found = {item.subject: item for item in examine(without)}
        assert not found["engine answers"].ok and "DATABRICKS_WAREHOUSE_ID" in found["engine answers"].hint
    finally:
        without.close()
    given = here.open()
    try:
        assert given.resume(run.id).validated is not None
    finally:
        given.close()


def test_who_acts_is_whom_the_services_know(here: Site) -> None:
    """With GitHub it is its user; without, the workspace's; never the typed name or the operating system's user."""
    both = here.open()
    alone = here.open(github_repo=None, github_token=None)
    try:
        assert (both.ports.code_host.identity(), alone.ports.code_host.identity()) == ("ada", ADA)
        result = alone.build_pipeline(CONFIGURED)
        decided = alone.reject_pipeline(result.approval_id, "Somebody Else", "no").snapshot.approval.decisions
        assert [(one.identity, one.name) for one in decided] == [(ADA, "Somebody Else")]
    finally:
        both.close()
        alone.close()


def test_a_drivers_disk_is_warned_of(here: Site) -> None:
    """In a runtime of Databricks the store and the repository are asked for, until they are given."""
    given = {name: value for name, value in here.settings.items() if not name.startswith("github")}
    environ = {"DATABRICKS_RUNTIME_VERSION": "16.4"}
    ports = wire(load_settings(given, environ=environ, folder=here.folder))
    try:
        assert [word in " ".join(ports.warnings) for word in ("PIPELINE_MAGIC_STORE_URL", "GITHUB_REPO")] == [True] * 2
    finally:
        ports.close()


def test_cancel_reaches_the_catalog(here: Site) -> None:
    """A run that is stopped while the catalog is listed ends soon, and can be resumed."""
    for place in range(90):
        here.world.add_schema("analytics", f"s{place}", BOSS)
        here.world.fill(f"analytics.s{place}.t", [column(0, "id", "bigint")], [(1,)], BOSS)
    here.databricks.latency = 0.2
    orchestrator = here.open()
    try:
        run = orchestrator.open(CONFIGURED)
        stopped = threading.Timer(1.2, orchestrator.stop, (run.id,))
        stopped.start()
        with pytest.raises(Cancelled):
            orchestrator.start(CONFIGURED)
        stopped.join()
        assert sum(path.endswith("unity-catalog/tables") for _, path in here.databricks.requests) < 90
        here.databricks.latency = 0
        assert orchestrator.resume(run.id).validated is not None
    finally:
        orchestrator.close()


# --- doctor ----------------------------------------------------------------------------------------------------------


def _examined(where: Site, **settings: Any) -> dict[str, Any]:
    orchestrator = where.open(**settings)
    try:
        return {item.subject: item for item in examine(orchestrator)}
    finally:
        orchestrator.close()


def test_doctor_on_a_healthy_workspace(here: Site) -> None:
    """Host, clock, token and warehouse are each looked at; what leaves the machine is said."""
    found = _examined(here)
    assert [found[name].ok for name in ("host", "clock", "token", "warehouse", "engine answers")] == [True] * 5
    assert (found["token"].found, found["code host identity"].found) == (ADA, "ada")
    assert "To Databricks" in found["leaves this machine"].found


@pytest.mark.parametrize(
    ("change", "subject", "words"),
    [
        ({"databricks_host": "http://127.0.0.1:9"}, "host", "DATABRICKS_HOST"),
        ({"databricks_token": "expired-token"}, "token", "DATABRICKS_TOKEN"),
        ({"databricks_warehouse_id": "wh9"}, "warehouse", "DATABRICKS_WAREHOUSE_ID"),
        ({"github_token": "bad-token"}, "code host identity", "GITHUB_TOKEN"),
    ],
)
def test_doctor_names_the_step(here: Site, change: dict[str, str], subject: str, words: str) -> None:
    """What is wrong is named where it is wrong, with the setting to change."""
    found = _examined(here, **change)[subject]
    assert not found.ok and words in found.hint


def test_doctor_on_privileges_and_clock(here: Site) -> None:
    """Privileges on the catalogs that environments write to are told one by one; so is a clock that is off."""
    toml = b'[environments.default]\ncatalogs = { analytics = "other" }\n'
    here.github.push("main", {"pipeline_magic.toml": toml})
    here.world.add_catalog("other", BOSS)
    here.world.grant("catalog", "other", ADA, "USE_CATALOG")
    here.databricks.date = "Mon, 02 Nov 2026 06:00:00 GMT"
    orchestrator = here.open()
    try:
        told = [(item.subject, item.found, item.ok, item.hint) for item in examine(orchestrator)]
    finally:
        orchestrator.close()
    privileges = {found: (ok, hint) for subject, found, ok, hint in told if subject == "catalog other"}
    assert privileges["USE CATALOG is granted"][0]
    assert "GRANT CREATE SCHEMA ON CATALOG `other`" in privileges["CREATE SCHEMA was not found"][1]
    [clock] = [(ok, hint) for subject, _, ok, hint in told if subject == "clock"]
    assert not clock[0] and "clock" in clock[1]


def test_a_clock_that_is_off_is_said_at_the_start(here: Site) -> None:
    """The first stage says that the clocks differ, once."""
    here.databricks.date = "Mon, 02 Nov 2026 06:00:00 GMT"
    said: list[str] = []
    orchestrator = here.open()
    try:
        orchestrator.start(CONFIGURED, progress=lambda event: said.append(event.message))
        assert sum("clock" in message for message in said) == 1
    finally:
        orchestrator.close()


# --- effects before Approve ------------------------------------------------------------------------------------------


def _planned(where: Site, statement: str = CONFIGURED) -> tuple[Any, Any, dict[str, Any]]:
    """The result, the plan, and the findings by id."""
    orchestrator = where.open()
    try:
        result = orchestrator.build_pipeline(statement)
        plan, _ = orchestrator.ports.store.plan(result.approval_id)
        return result, plan, {item.id: item for item in result.snapshot.quality.findings}
    finally:
        orchestrator.close()


def test_a_missing_schema_is_an_effect(here: Site) -> None:
    """It is listed in the plan, and nothing of it is there before Approve."""
    result, plan, found = _planned(here)
    assert plan.settings["creates"] == ["schema `analytics.ops`"]
    assert "analytics.ops" not in here.world.schemas and result.snapshot.quality.verdict == "green", found


def test_a_missing_grant_is_named_and_counts_when_given(here: Site) -> None:
    """A privilege that is missing blocks Approve by name; the next Generate sees that it was granted."""
    here.world.revoke("catalog", "analytics", ADA)
    here.world.grant("catalog", "analytics", ADA, "USE_CATALOG")
    orchestrator = here.open()
    try:
        result = orchestrator.build_pipeline(CONFIGURED)
        [red] = [item for item in result.snapshot.quality.findings if item.severity == "red"]
        assert "GRANT CREATE SCHEMA ON CATALOG `analytics` TO `ada@acme.test`" in red.message
        here.world.grant("catalog", "analytics", ADA, "CREATE_SCHEMA", "CREATE_TABLE", "USE_SCHEMA")
        again = orchestrator.build_pipeline(CONFIGURED)
        assert again.run_id == result.run_id and again.snapshot.quality.verdict == "green"
    finally:
        orchestrator.close()


@pytest.mark.parametrize(("create", "verdict"), [("", "red"), ("create_catalog = true\n", "green")])
def test_a_missing_catalog(here: Site, create: str, verdict: str) -> None:
    """It keeps the plan from being approved, unless the environment lets it be created; then it is listed."""
    toml = f'[environments.default]\ncatalogs = {{ analytics = "fresh" }}\n{create}'
    here.github.push("main", {"pipeline_magic.toml": toml.encode()})
    result, plan, found = _planned(here)
    assert result.snapshot.quality.verdict == verdict, found
    assert plan.settings["creates"] == ["catalog `fresh`", "schema `fresh.ops`"]
    if verdict == "red":
        assert "create_catalog = true" in found["environment:catalog"].hint


def test_another_workspace_is_refused(here: Site) -> None:
    """A plan for an environment of another workspace cannot be approved from this one."""
    here.github.push("main", {"pipeline_magic.toml": b'[environments.default]\nhost = "prod.example.com"\n'})
    _, _, found = _planned(here)
    assert found["environment:host"].severity == "red" and "prod.example.com" in found["environment:host"].hint


def test_the_seeds_statement_is_planned(here: Site) -> None:
    """From the words to a green plan: nothing is written to either service, and no row left the workspace but shown."""
    result, _, found = _planned(here, SEED)
    assert result.snapshot.quality.verdict == "green", found
    assert not [one for one in here.github.requests if one[0] != "GET"]
    assert {item.id for item in result.questions} == {"join:orders", "threshold:high_value", "target:table"}


def test_the_demo_stays_on_the_local_lakehouse(here: Site) -> None:
    """It approves by itself where it cannot ask, and so never on a workspace or a repository that is configured."""
    orchestrator = here.open()
    try:
        with pytest.raises(UsageError, match="local lakehouse") as raised:
            demo(["--yes"], orchestrator, io.StringIO())
        assert "--local" in raised.value.hint and not here.databricks.requests and not here.github.requests
    finally:
        orchestrator.close()
