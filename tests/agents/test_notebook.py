"""The files of a plan beside what the code host has: names, shared files, and those that a person keeps."""

from __future__ import annotations

from pathlib import Path

import yaml

from pipeline_magic.adapters.localgit import LocalGit
from pipeline_magic.agents.notebook import NotebookGeneratorAgent
from pipeline_magic.compiler.bundle import BUNDLE, WORKFLOW
from pipeline_magic.compiler.environments import DEFAULT, Environment, Environments
from pipeline_magic.runs import Change, File
from pipeline_magic.spec.provenance import Provenance
from tests.support.compiled import GOLDEN, load_case

TYPED = load_case(GOLDEN / "seed_customer_revenue").typed()
BY_CI = Environments(environments=(Environment(name="prod", deploy_via="bundle"),))


class ByHand(LocalGit):
    """A repository with a file that somebody else wrote."""

    def read(self, path: str, *, ref: str = "") -> str | None:
        return "bundle: {name: mine}\n" if path == BUNDLE else super().read(path, ref=ref)


def paths(agent: NotebookGeneratorAgent, environments: Environments = DEFAULT) -> list[str]:
    """Paths of the files of the seed's plan."""
    return [file.path for file in agent.files(TYPED, Provenance(), environments)]


def test_the_files_of_a_plan(tmp_path: Path) -> None:
    """Notebook, README, test, bundle and spec; with an environment that CI deploys its workflow too."""
    agent = NotebookGeneratorAgent(LocalGit(tmp_path / "data.git"))
    folder = "pipelines/customer_revenue"
    own = [f"{folder}/customer_revenue.ipynb", f"{folder}/README.md", f"{folder}/test_customer_revenue.py"]
    assert paths(agent) == [*own, "resources/customer_revenue.job.yml", BUNDLE, f"{folder}/spec.yml"]
    assert WORKFLOW in paths(agent, BY_CI)
    root = next(file for file in agent.files(TYPED, Provenance()) if file.path == BUNDLE)
    assert yaml.safe_load(root.content)["bundle"] == {"name": "data"}
    assert agent.kept_by_hand(TYPED) == ()


def test_a_bundle_written_by_hand_is_left_alone(tmp_path: Path) -> None:
    """A `databricks.yml` that we never wrote is not among the files, and the report says so."""
    agent = NotebookGeneratorAgent(ByHand(tmp_path / "data.git"))
    assert BUNDLE not in paths(agent) and "resources/customer_revenue.job.yml" in paths(agent)
    [said] = agent.kept_by_hand(TYPED)
    assert said.where == BUNDLE and said.severity == "info" and "left as it is" in said.message


def test_a_bundle_of_ours_is_written_again(tmp_path: Path) -> None:
    """A `databricks.yml` that we wrote before is ours to change."""
    host = LocalGit(tmp_path / "data.git")
    change = Change(branch="b", base="main", title="t", body="b", files=(File(path=BUNDLE, content="bundle: {}\n"),))
    host.merge(host.open_pull_request(change).number, message="m")
    agent = NotebookGeneratorAgent(host)
    assert BUNDLE in paths(agent) and agent.kept_by_hand(TYPED) == ()
