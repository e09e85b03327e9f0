"""A run is made again from the store alone, byte for byte; and what is not the same is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline_magic import verbs
from pipeline_magic.errors import NotFound
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import Answer
from pipeline_magic.spec.paths import Edit
from tests.support.bound import POLICY, Desk, at_desk, planned_home


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planned_home(tmp_path_factory.mktemp("planned"))


@pytest.fixture
def desk(template: Path, tmp_path: Path) -> Iterator[Desk]:
    with at_desk(template, tmp_path) as made:
        yield made


class _Nothing:
    """A port that nobody may ask."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"asked for {name}")


def offline(desk: Desk) -> PipelineBuilderOrchestrator:
    """The store alone."""
    nothing: Any = _Nothing()
    ports = replace(
        desk.it.ports, catalog=nothing, engine=nothing, code_host=nothing, deployer=nothing, language_model=nothing
    )
    return PipelineBuilderOrchestrator(desk.it.settings, ports=ports)


def test_everything_is_made_again(desk: Desk) -> None:
    """Spec, every file, digest, branch and text of the pull request are the same, with no other port asked."""
    found = offline(desk).replay(desk.run_id)
    assert found.same, found.reasons or found.differing
    names = {one.name for one in found.artefacts}
    plan = desk.it.ports.store.plan(desk.asked)[0]
    assert {f"file {file.path}" for file in plan.files} < names
    assert {"spec", "plan digest", "pull request, branch", "pull request, title", "pull request, body"} < names


def test_answers_edits_environments_and_what_was_there_before(desk: Desk) -> None:
    """So is a second version, answered and edited, in a repository with environments, after a deployment."""
    desk.it.approve(desk.asked, "Ada")
    policy = '[environments.default]\nretries = 2\n[environments.prod]\ncatalogs = { shop = "shop_prod" }\n'
    desk.merge(POLICY, policy)
    desk.it.answer(desk.run_id, [Answer(question="join:customers", value="left")])
    desk.it.edit(desk.run_id, [Edit(path="target.comment", value="Orders of a city")])
    asked = desk.generate()
    found = offline(desk).replay(desk.run_id)
    assert found.same, found.reasons or found.differing
    desk.it.approve(asked.id, "Ada")
    found = offline(desk).replay(desk.run_id)
    assert found.same and "path of the deployed notebook" in {one.name for one in found.artefacts}


def test_a_shared_file_kept_by_hand(desk: Desk) -> None:
    """A file that a person keeps is no artefact of the run, and the rest is made again without it."""
    import subprocess

    clone = desk.home.parent / "clone"
    repository = str(desk.home / "repo.git")
    for words, at in (
        (["clone", "-q", repository, str(clone)], desk.home),
        (["-c", "user.name=x", "-c", "user.email=x@y", "commit", "-q", "--allow-empty", "-m", "x"], clone),
    ):
        subprocess.run(["git", *words], cwd=at, check=True, timeout=60)
    (clone / "databricks.yml").write_text("bundle: { name: mine }\n")
    for words in (
        ["add", "-A"],
        ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "Mine"],
        ["push", "-q"],
    ):
        subprocess.run(["git", *words], cwd=clone, check=True, timeout=60)
    desk.generate()
    found = offline(desk).replay(desk.run_id)
    assert found.same, found.reasons or found.differing
    assert "file databricks.yml" not in {one.name for one in found.artefacts}


def test_another_compiler_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made again with another version, the digest differs, and the reason is said."""
    monkeypatch.setattr("pipeline_magic.compiler.VERSION", "0")
    found = offline(desk).replay(desk.run_id)
    assert not found.same and found.compiler[1] == "0"
    assert found.reasons == (f"The plan was made with compiler {found.compiler[0]}; this is 0.",)
    assert "plan digest" in {one.name for one in found.differing}


def test_a_changed_copy_is_named(desk: Desk) -> None:
    """One character of one stored copy: that copy differs, with the place; the others are the same."""
    engine = sa.create_engine(f"sqlite:///{desk.home / 'state.db'}")
    with engine.begin() as connection:
        text = connection.execute(sa.text("SELECT result FROM pm_stages WHERE stage = 'generate'")).scalar_one()
        made = json.loads(text)
        file = next(one for one in made["result"]["files"] if one["path"].endswith(".ipynb"))
        file["content"] = file["content"].replace("city", "citz", 1)
        connection.execute(
            sa.text("UPDATE pm_stages SET result = :text WHERE stage = 'generate'"), {"text": json.dumps(made)}
        )
    engine.dispose()
    found = offline(desk).replay(desk.run_id)
    (one,) = found.differing
    assert (one.name, one.kept_in) == ("file pipelines/city_orders/city_orders.ipynb", "stage generate")
    assert "'z" in one.said and "They part at character" in one.said
    assert any("stage `generate` was changed" in reason for reason in found.reasons)


def test_a_run_that_only_waits(desk: Desk) -> None:
    """Before the plan there is a spec to make again; of a run that was never read there is nothing, and it is said."""
    desk.it.edit(desk.run_id, [Edit(path="target.comment", value="Orders of a city")])
    found = offline(desk).replay(desk.run_id)
    assert found.same and {one.name for one in found.artefacts} == {"spec"}
    run = desk.it.open("Something else", new=True)
    with pytest.raises(NotFound, match="was never read"):
        offline(desk).replay(run.id)


def test_the_verb(desk: Desk) -> None:
    """`replay ID` says that all is the same, and in which copy it is not."""
    verb = next(one for one in verbs.VERBS if one.name == "replay")
    given: Any = SimpleNamespace(id=desk.run_id)
    outcome = verb.run(offline(desk), given, lambda event: None)
    assert "copies are the same, byte for byte" in outcome.text
    assert outcome.data["same"] is True and outcome.data["artefacts"]
