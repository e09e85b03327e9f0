"""With `open_pull_request = "build"`: a draft for each approval that is asked for, closed when it comes to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic.adapters.localgit_records import Record
from pipeline_magic.errors import ApprovalRefused, PipelineMagicError
from pipeline_magic.spec.paths import Edit
from tests.support.bound import POLICY, Desk, at_desk, planned_home


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planned_home(tmp_path_factory.mktemp("planned"))


@pytest.fixture
def desk(template: Path, tmp_path: Path) -> Iterator[Desk]:
    with at_desk(template, tmp_path, open_pull_request="build") as made:
        made.generate()
        yield made


def requests(desk: Desk) -> list[Record]:
    """The pull requests of the repository, oldest first; those by hand left out."""
    found = desk.it.ports.code_host.pull_requests()  # type: ignore[attr-defined]  # of the local host
    return [one for one in reversed(found) if one.title != "By hand"]


def states(desk: Desk) -> list[str]:
    return [one.state for one in requests(desk)]


def test_the_draft_becomes_ready(desk: Desk) -> None:
    """Planning opens a draft, once; approving makes that one ready and merges it."""
    desk.generate()
    assert states(desk) == ["draft"]
    shown = desk.it.snapshot(desk.run_id).pull_request
    assert shown is not None and shown.state == "draft"
    desk.it.approve(desk.asked, "Ada")
    assert states(desk) == ["merged"]
    assert desk.events().count("pull_request.draft") == 1 and "pull_request.close" not in desk.events()


def test_without_the_setting_there_is_none(template: Path, tmp_path: Path) -> None:
    """By default nothing is written to the code host before the approval."""
    with at_desk(template, tmp_path) as desk:
        desk.generate()
        assert states(desk) == []


def test_rejected(desk: Desk) -> None:
    """A rejection closes the draft and says why; the same plan, asked for again, opens it again."""
    desk.it.reject(desk.asked, "Ada", "Not this week")
    (request,) = requests(desk)
    assert request.state == "closed" and "Not this week" in request.comments[-1].body
    shown = desk.it.snapshot(desk.run_id).pull_request
    assert shown is not None and shown.state == "closed"
    again = desk.generate()
    assert states(desk) == ["draft"]
    desk.it.approve(again.id, "Ada")
    assert states(desk) == ["merged"]


def test_void_by_a_new_plan(desk: Desk) -> None:
    """A new plan closes the draft of the old one and opens its own."""
    desk.it.edit(desk.run_id, [Edit(path="target.comment", value="Orders of a city")])
    desk.generate()
    assert states(desk) == ["closed", "draft"]
    assert "The plan was changed" in requests(desk)[0].comments[-1].body


def test_void_by_the_world(desk: Desk) -> None:
    """What is found out when somebody approves voids the approval, and closes its draft."""
    desk.merge(POLICY, "[environments.default]\nneeded = 2\n")
    with pytest.raises(ApprovalRefused):
        desk.it.approve(desk.asked, "Ada")
    assert states(desk) == ["closed"]


def test_cancelled(desk: Desk) -> None:
    """A run that is dropped takes its draft along."""
    desk.it.cancel(desk.run_id)
    assert states(desk) == ["closed"]


def test_superseded(desk: Desk) -> None:
    """So does one that is changed in words."""
    desk.it.edit_pipeline(desk.run_id, "make it weekly")
    assert states(desk) == ["closed", "draft"]


def test_closing_is_finished_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the rejection and the closing, `resume` closes what was left open; nothing is said twice."""

    def stopped(*_: object, **__: object) -> None:
        raise PipelineMagicError("The code host is gone.")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline_magic.agents.github.agent.GitHubAgent.close", stopped)
        with pytest.raises(PipelineMagicError, match="is gone"):
            desk.it.reject(desk.asked, "Ada", "No")
    assert states(desk) == ["draft"] and desk.approval().state == "rejected"
    desk.it.resume(desk.run_id)
    assert states(desk) == ["closed"]
    desk.it.edit(desk.run_id, [Edit(path="target.comment", value="Orders of a city")])
    desk.generate()
    desk.generate()
    assert states(desk) == ["closed", "draft"]
    assert desk.events().count("pull_request.close") == 1


def reports(desk: Desk) -> list[str]:
    """What stands on the commit of each pull request."""
    return [f"{one.report.state}: {one.report.summary}" if one.report else "" for one in requests(desk)]


def test_the_commit_says_how_the_plan_stands(desk: Desk) -> None:
    """It waits, is refused, waits anew, is approved and deployed, rolled back; with digest and verdict of the plan."""
    assert reports(desk) == ["pending: Waits for approval."]
    desk.it.reject(desk.asked, "Ada", "Not this week")
    assert reports(desk) == ["failure: Rejected."]
    desk.generate()
    assert reports(desk) == ["pending: Waits for approval."]
    desk.it.approve(desk.it.snapshot(desk.run_id).approval_id, "Ada")
    snapshot = desk.it.snapshot(desk.run_id)
    approval, request = snapshot.approval, snapshot.pull_request
    assert approval is not None and request is not None
    assert request.report == f"success: Deployed. Quality green. Plan {approval.digest}"
    assert request.report == desk.it.ports.code_host.reported(request.number)
    desk.it.rollback(desk.run_id, "Ada")
    assert reports(desk)[0] == "failure: Deployed, and rolled back."


def test_another_plan_takes_back_what_was_said(desk: Desk) -> None:
    """An edit makes another plan: the old commit is refused, the new one waits."""
    desk.it.edit(desk.run_id, [Edit(path="description", value="Another")])
    desk.generate()
    assert reports(desk) == ["failure: Not approved any more.", "pending: Waits for approval."]
