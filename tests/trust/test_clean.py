"""Cleaning up through the verbs: what can go is shown first, and all that somebody needs still works afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.agents.approval.audit import verify
from pipeline_magic.config import load_settings
from pipeline_magic.errors import ConfigurationError, UsageError
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.verbs import VERBS, Outcome, parser_of
from tests.trust import world

Orchestrator = PipelineBuilderOrchestrator

OTHER = "Count the orders per customer_id into shop.reports.per_customer"
THIRD = "Sum the amount of orders per customer_id into shop.reports.amounts"


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Orchestrator]:
    world.build_home(tmp_path / "home")
    with contextlib.closing(world.open_world(tmp_path / "home")) as opened:
        yield opened


def verb(it: Orchestrator, name: str, *words: str) -> Outcome:
    found = next(verb for verb in VERBS if verb.name == name)
    return found.run(it, parser_of(found, "%pipeline").parse_args(words), lambda event: None)


def test_what_is_needed_still_works(it: Orchestrator) -> None:
    """A deployed pipeline can be replayed, changed and rolled back, and an open plan approved, after a clean-up of
    everything else; a cancelled run that was cleaned is read and planned anew."""
    live = it.build_pipeline(world.STATEMENT)
    it.approve_pipeline(live.approval_id, "Ada")
    asked = it.build_pipeline(OTHER)
    dropped = it.build_pipeline(THIRD)
    it.cancel(dropped.run_id)

    shown = verb(it, "clean", "--older-than", "0d")
    assert [item["run_id"] for item in shown.data["runs"]] == [dropped.run_id] and shown.data["removed"] is None
    assert dropped.run_id in shown.text and "Nothing was removed. The same with `--yes`" in shown.text
    assert "1 live, or what a rollback goes back to; 1 waiting for an approval" in shown.text
    assert it.ports.store.stage(dropped.run_id, "parse") is not None

    done = verb(it, "clean", "--older-than", "0d", "--yes")
    assert done.data["removed"]["runs"] == [dropped.run_id] and "Removed: 1 working data" in done.text
    assert it.ports.store.stage(dropped.run_id, "parse") is None
    assert "Nothing from before" in verb(it, "clean", "--older-than", "0d", "--yes").text

    assert verb(it, "review", dropped.run_id).text
    assert verb(it, "replay", live.run_id).text
    assert it.approve_pipeline(asked.approval_id, "Ada").deployment.state == "deployed"
    again = it.resume(dropped.run_id)
    assert again.validated is not None and again.validated.typed is not None
    assert it.generate(dropped.run_id).approval is not None
    assert it.rollback(live.run_id, "Ada", "Tried").deployment.state == "rolled_back"  # type: ignore[union-attr]
    assert verify(it.ports.store.audit_stream()) == ()


def test_scratch_schema_of_a_killed_run(it: Orchestrator) -> None:
    """What a killed process left in the scratch catalog goes with the next clean-up."""
    run = it.build_pipeline(OTHER).snapshot.run
    folder = it.settings.home / "scratch" / run.id.replace("-", "_")
    folder.mkdir(parents=True)
    (folder / "part.parquet").write_bytes(b"rows")
    it.ports.store.update_run(run, worker="another-host:1")
    assert verb(it, "clean", "--older-than", "90d").data["scratch"] == [], "nobody knows whether that process lives"
    it.ports.store.update_run(it.ports.store.run(run.id), worker="")
    shown = verb(it, "clean", "--older-than", "90d")
    assert shown.data["scratch"] == [run.id] and "scratch schema was left over" in shown.text
    verb(it, "clean", "--older-than", "90d", "--yes")
    assert not folder.exists() and it.ports.store.run(run.id).worker == ""


@pytest.mark.parametrize(("words", "says"), [((), "how old"), (("--older-than", "soon"), "`soon` is not an age")])
def test_age_must_be_said(it: Orchestrator, words: tuple[str, ...], says: str) -> None:
    """Without an age and without the setting nothing is looked at."""
    with pytest.raises(UsageError, match=says):
        verb(it, "clean", *words)


def _with(home: Path, **settings: Any) -> PipelineBuilderOrchestrator:
    given = {"home": home, "local": True, "measure_questions": False, "sample_run": False, **settings}
    return PipelineBuilderOrchestrator(given, ports=world.ports_at(home))


def test_setting_cleans_by_itself(tmp_path: Path) -> None:
    """Off by default; with `retention` set, ended runs of that age are cleaned once when a statement is built."""
    home = tmp_path / "home"
    world.build_home(home)
    with contextlib.closing(_with(home)) as it:
        ended = it.build_pipeline(THIRD)
        it.cancel(ended.run_id)
        it.build_pipeline(OTHER)
        assert it.ports.store.stage(ended.run_id, "parse") is not None
    with contextlib.closing(_with(home, retention="90d")) as it:
        it.build_pipeline(OTHER)
        assert it.ports.store.stage(ended.run_id, "parse") is not None
    with contextlib.closing(_with(home, retention="0d")) as it:
        it.build_pipeline(OTHER)
        assert it.ports.store.stage(ended.run_id, "parse") is None
        assert [entry.event for entry in it.ports.store.audit(ended.run_id)][-1] == "run.clean"
        assert verb(it, "clean").text.startswith("Older and kept: 1 waiting for an approval")
        assert it.ports.store.stage(ended.run_id, "generate") is None


def test_setting_that_fails_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clean-up by setting that goes wrong is logged, and the statement is built all the same."""
    from pipeline_magic.errors import StoreUnavailable

    home = tmp_path / "home"
    world.build_home(home)
    with contextlib.closing(_with(home, retention="0d")) as it:

        def fails() -> Any:
            raise StoreUnavailable("The store is gone.")

        monkeypatch.setattr(it.ports.store, "every_run", fails)
        assert it.build_pipeline(OTHER).approval_id


def test_setting_is_checked(tmp_path: Path) -> None:
    """An age that is none is refused where the settings are read."""
    assert load_settings({"retention": "90d"}, environ={}, folder=tmp_path).retention == "90d"
    assert load_settings({}, environ={"PIPELINE_MAGIC_RETENTION": "2w"}, folder=tmp_path).retention == "2w"
    with pytest.raises(ConfigurationError, match="`retention` cannot be used"):
        load_settings({"retention": "soon"}, environ={}, folder=tmp_path)
