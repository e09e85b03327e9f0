"""A validate-only update: what Lakeflow finds is told, and nothing of it stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from pipeline_magic.adapters.databricks.dry_runs import TAG, DryRuns
from pipeline_magic.errors import Cancelled, EngineError, EngineUnavailable
from pipeline_magic.ports import DryRun, ValidatesPipelines
from tests.adapters.databricks.conftest import ADA, Site
from tests.support.databricks_server import Refusal
from tests.support.databricks_server.pipelines import Outcome, Pipeline, Pipelines, Update
from tests.support.databricks_server.workspace_files import Files

NAME = "pipeline_magic_r_1_abc123"
HOME = f"/Users/{ADA}/.pipeline_magic/dry_runs"
SOURCES = {"revenue_pipeline.py": "from pyspark import pipelines as dp\n"}
SETTINGS: dict[str, Any] = {
    "name": "revenue (default)",
    "catalog": "shop",
    "schema": "pipeline_magic_r_1_abc123",
    "serverless": True,
    "continuous": True,
    "channel": "CURRENT",
    "configuration": {"target": "shop.sales.revenue"},
    "libraries": [{"file": {"path": "../pipelines/revenue/revenue_pipeline.py"}}],
    "tags": {"pipeline_magic": "revenue", "pipeline_magic_environment": "default"},
    "notifications": [{"email_recipients": ["a@acme.test"], "alerts": ["on-update-failure"]}],
    "run_as": {"service_principal_name": "app-1"},
}


@dataclass
class Lake:
    site: Site
    room: Pipelines
    files: Files
    seen: list[tuple[Pipeline, Update]] = field(default_factory=list)

    def adapter(self, token: str = "good-token", **options: Any) -> DryRuns:
        def wait(event: threading.Event, seconds: float) -> None:
            self.site.slept.append(seconds)

        return DryRuns(self.site.client(token), **{"sleep": self.site.slept.append, "wait": wait, **options})

    def meets(self, outcome: Outcome) -> None:
        """What every update meets from now on; each is kept."""

        def does(pipeline: Pipeline, update: Update) -> Outcome:
            self.seen.append((pipeline, update))
            return outcome

        self.room.does = does

    def empty(self) -> bool:
        """Whether nothing is left."""
        return not self.room.pipelines and not [path for path in self.files.items if path.startswith(f"{HOME}/")]


@pytest.fixture
def lake(site: Site) -> Iterator[Lake]:
    room, files = Pipelines(site.world), Files(site.server)
    site.server.add(room)
    site.server.add(files)
    room.source = files.text
    made = Lake(site, room, files)
    made.meets(Outcome())
    yield made


def _run(adapter: DryRuns, **changes: Any) -> DryRun:
    return adapter.run(SOURCES, {**SETTINGS, **changes}, name=NAME, timeout=600)


def test_a_valid_pipeline(lake: Lake) -> None:
    """It is validated only, by a pipeline of its own in development mode, and nothing is left."""
    assert _run(lake.adapter()).valid
    pipeline, update = lake.seen[-1]
    assert (update.validate_only, update.state) == (True, "COMPLETED")
    assert pipeline.spec["name"].endswith(NAME) and pipeline.spec["tags"] == {TAG: NAME}
    assert (pipeline.spec["development"], pipeline.spec["continuous"]) == (True, False)
    assert pipeline.spec["libraries"] == [{"file": {"path": f"/Workspace{HOME}/{NAME}/revenue_pipeline.py"}}]
    assert pipeline.spec["schema"] == SETTINGS["schema"] and pipeline.run_as is None
    assert "notifications" not in pipeline.spec and not lake.room.published
    assert lake.empty()


def test_what_lakeflow_finds(lake: Lake) -> None:
    """Its errors are told, each in one line, and nothing is left."""
    error = ("org.apache.spark.sql.AnalysisException", "[UNRESOLVED_COLUMN] A column `x`\ncannot be resolved.")
    lake.meets(Outcome(errors=(error,)))
    found = _run(lake.adapter())
    assert not found.valid and len(found.errors) == 1
    assert found.errors[0].endswith("AnalysisException: [UNRESOLVED_COLUMN] A column `x` cannot be resolved.")
    assert lake.empty()


def test_a_source_that_is_no_python(lake: Lake) -> None:
    """The imported source is what is looked at."""
    found = lake.adapter().run({"revenue_pipeline.py": "def ("}, SETTINGS, name=NAME, timeout=600)
    assert not found.valid and "SyntaxError" in found.errors[0] and lake.empty()


def test_the_live_pipeline_is_left_alone(lake: Lake) -> None:
    """A pipeline of the real deployment, of whatever name, is neither changed nor removed."""
    for name in ("revenue (default)", f"pipeline_magic dry run {NAME}"):
        lake.site.client().pipelines.create(name=name, catalog="shop", schema="sales", tags=SETTINGS["tags"])
    before = {id_: dict(one.spec) for id_, one in lake.room.pipelines.items()}
    with pytest.raises(EngineError, match="settings are refused"):  # the temporary one's name is taken
        _run(lake.adapter())
    assert {id_: one.spec for id_, one in lake.room.pipelines.items()} == before


def test_cancelled(lake: Lake) -> None:
    """Whoever stops it hears of it, the update is stopped, and nothing is left."""
    lake.meets(Outcome(errors=(("X", "never"),), at="STOPPED"))
    adapter = lake.adapter()
    waits = iter(range(100))

    def wait(event: threading.Event, seconds: float) -> None:
        if next(waits) == 1:
            adapter.cancel()

    adapter._updates._wait = wait
    with pytest.raises(Cancelled):
        _run(adapter)
    assert lake.empty()


def test_too_slow(lake: Lake) -> None:
    """An update that does not end in time is stopped; that is no finding about the code."""
    ticks = iter(range(0, 10_000, 400))
    with pytest.raises(EngineError, match="has not ended in time"):
        _run(lake.adapter(clock=lambda: float(next(ticks))))
    assert lake.empty()


def test_not_allowed(lake: Lake) -> None:
    """Who may not make a pipeline is told so; it is no error of the plan."""
    lake.site.server.refuse["POST", "/pipelines$"] = Refusal(403, "PERMISSION_DENIED", "No permission to create.")
    with pytest.raises(EngineUnavailable, match="does not allow a temporary pipeline"):
        _run(lake.adapter())
    assert lake.empty()


def test_no_serverless_compute(lake: Lake) -> None:
    """The same where the workspace has no compute for it."""
    lake.site.server.refuse["POST", "/pipelines$"] = Refusal(400, "BAD_REQUEST", "Serverless compute is not enabled.")
    with pytest.raises(EngineUnavailable, match="no serverless compute"):
        _run(lake.adapter())


def test_left_by_a_killed_process(lake: Lake) -> None:
    """What a process left that was killed is found by its name, and removed; by the next attempt too."""
    for done in ("/updates$", "/pipelines$", "/import$"):
        gone = lake.adapter()
        gone._remove = lambda name: None  # type: ignore[method-assign] # killed: nothing is removed
        lake.site.server.refuse["POST", done] = Refusal(500, "INTERNAL_ERROR", "down")
        with pytest.raises(EngineError):
            _run(gone)
        lake.site.server.refuse.clear()
        assert lake.adapter().left() == {NAME}
        lake.adapter().clean(NAME)
        assert lake.empty() and lake.adapter().left() == set()
    lake.adapter().clean(NAME)  # a second time nothing happens


def test_an_attempt_after_a_crash(lake: Lake) -> None:
    """The next attempt removes what the last one left, and ends well."""
    gone = lake.adapter()
    gone._remove = lambda name: None  # type: ignore[method-assign]
    assert _run(gone).valid and lake.adapter().left() == {NAME}
    assert _run(lake.adapter(), configuration={"target": "shop.sales.later"}).valid and lake.empty()
    assert lake.seen[-1][0].spec["configuration"]["target"] == "shop.sales.later"


@pytest.mark.parametrize("kind", ["429", "500", "502", "reset", "lost", "truncated", "twice"])
def test_each_single_fault(lake: Lake, kind: str) -> None:
    """After a fault at any request the same is found, by one update, and nothing is left."""
    _run(lake.adapter())
    for after in range(1, len(lake.site.server.requests) + 1):
        lake.seen.clear()
        lake.site.fault(kind, after=after)
        assert _run(lake.adapter()).valid, after
        assert lake.site.server.faults == [], after
        assert len({id(update) for _, update in lake.seen}) == 1, after
        assert lake.empty(), after


# --- by the engine ----------------------------------------------------------------------------------------------------


def _engine(lake: Lake) -> Any:
    lake.site.world.grant("catalog", "shop", ADA, "CREATE_SCHEMA")
    return lake.site.warehouse(scratch_catalog="shop", dry_runs=lake.adapter())


def test_the_engine_validates_into_its_scratch_schema(lake: Lake) -> None:
    """The temporary pipeline publishes to the run's scratch schema, and its name tells of run and user."""
    engine = _engine(lake)
    scratch = engine.create_scratch("r-1")
    assert isinstance(engine, ValidatesPipelines) and engine.no_dry_runs == ""
    assert engine.validate_pipeline("r-1", SOURCES, SETTINGS).valid
    pipeline, _ = lake.seen[-1]
    assert f"{pipeline.spec['catalog']}.{pipeline.spec['schema']}" == scratch
    assert pipeline.spec["tags"] == {TAG: scratch.partition(".")[2]}


def test_scratch_covers_what_a_validation_left(lake: Lake) -> None:
    """What a killed validation left counts as the run's scratch: it is found, and removed with it."""
    engine = _engine(lake)
    engine.create_scratch("r-1")
    engine._dry_runs._remove = lambda name: None
    engine.validate_pipeline("r-1", SOURCES, SETTINGS)
    again = _engine(lake)
    again.execute("DROP SCHEMA IF EXISTS shop.pipeline_magic_r_1 CASCADE")
    assert again.left_scratch(["r-1", "r-2"]) == ("r-1",)
    again.drop_scratch("r-1")
    assert lake.empty() and again.left_scratch(["r-1"]) == ()


def test_the_engine_remembers_a_refusal(lake: Lake) -> None:
    """Once it is refused, the reason is known before the next attempt; so it is where it is switched off."""
    lake.site.server.refuse["POST", "/pipelines$"] = Refusal(403, "PERMISSION_DENIED", "No permission to create.")
    engine = _engine(lake)
    engine.create_scratch("r-1")
    with pytest.raises(EngineUnavailable):
        engine.validate_pipeline("r-1", SOURCES, SETTINGS)
    assert "No permission to create" in engine.no_dry_runs
    bare = lake.site.warehouse(scratch_catalog="shop")
    assert bare.no_dry_runs
    with pytest.raises(EngineUnavailable):
        bare.validate_pipeline("r-1", SOURCES, SETTINGS)
