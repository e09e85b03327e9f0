"""Rolling back in every case: who may, what refuses, what is left; and a crash at every call of it is finished."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.agents.approval import audit
from pipeline_magic.errors import (
    ApprovalRefused,
    CodeHostError,
    DeploymentError,
    ForeignWrite,
    NotFound,
    RollbackRefused,
)
from pipeline_magic.flow.undoing import run_to_undo
from tests.support import trust
from tests.support.light import World

TARGET = "analytics.default.daily"
KEPT = "analytics.default.daily_rejected"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()


def policy(world: World, text: str) -> None:
    """Put a policy on the base branch, as a merged change."""
    change = trust.change("policy", files=trust.change().files[:0])
    from pipeline_magic.runs import File

    change = change.model_copy(update={"files": (File(path="pipeline_magic.toml", content=text),)})
    world.git.merge(world.git.open_pull_request(change).number, message="Policy")


def actions(world: World, run_id: str = "r-1", **given: Any) -> list[str]:
    return [f"{step.action} {step.subject}" for step in world.rollback.plan(run_id, **given).steps]


def test_a_change_goes_back(world: World) -> None:
    """Table, comment, tags and job are as before; the pull request that undoes it is merged."""
    world.deploy("r-1", notebook="1", spec=trust.spec(description="First"))
    before = world.tables.rows[TARGET][-1], world.tables.comments[TARGET]
    world.deploy("r-2", notebook="2", spec=trust.spec(description="Second"))
    assert world.tables.comments[TARGET] != before[1]
    assert actions(world, "r-2") == ["put_back daily", f"restore {TARGET}", "revert 2"]
    done = world.undo("r-2", reason="wrong")
    assert done.state == "rolled_back" and done.revert is not None and done.revert.state == "merged"
    assert (world.tables.rows[TARGET][-1], world.tables.comments[TARGET]) == before
    assert world.jobs.settings("job-daily")["notebook"] == "1"
    assert world.git.read("pipelines/daily/daily.ipynb") == "1\n"
    assert [entry.event for entry in world.store.audit("r-2")][-1] == "rollback.done"
    [said] = [body for body in world.git.comments(2) if body.startswith("Rolled back")]
    assert "> wrong" in said and "back to version 0" in said
    [head] = re.findall("Audit head `(.*)`", said)
    assert not audit.verify(world.store.audit(), [audit.Head.parse(head, "a comment")])
    assert world.store.approval(world.store.run("r-2").approval_id).state == "void"
    # what is then there can be rolled back in its turn, though other things were deployed in between
    assert actions(world, "r-1") == ["remove daily", f"drop {TARGET}", "revert 1"]
    assert world.undo("r-1").state == "rolled_back" and TARGET not in world.tables.commits


def test_one_after_the_other(world: World) -> None:
    """Each rollback puts back what its own deployment replaced, whatever was deployed and undone since."""
    for number in ("1", "2", "3"):
        world.deploy(f"r-{number}", notebook=number)
    world.undo("r-3")
    assert world.jobs.settings("job-daily")["notebook"] == "2"
    world.undo("r-2")
    assert world.jobs.settings("job-daily")["notebook"] == world.tables.rows[TARGET][-1][0] == "1"
    assert world.git.read("pipelines/daily/daily.ipynb") == "1\n"


def test_who_may(world: World) -> None:
    """Whoever may approve may roll back, by the authenticated identity; nobody else, whatever name is typed."""
    world.deploy()
    me = world.git.identity()
    for text, says in (
        ('[environments.default]\napprovers = ["ada"]\n', "among the approvers"),
        (f'[environments.default]\napprovers = ["ada", "{me}"]\nnot_author = true\n', ""),
    ):
        policy(world, text)
        if says:
            with pytest.raises(RollbackRefused, match=says):
                world.undo(name="ada")
            assert world.store.deployment("r-1").state == "deployed"
            assert "rollback.start" not in {entry.event for entry in world.store.audit()}
            policy_gone = world.git.find_pull_request("policy")
            world.git.merge(world.git.revert(policy_gone.number, title="x").number, message="x")
    assert world.undo().state == "rolled_back"
    assert {entry.identity for entry in world.store.audit("r-1") if entry.event.startswith("rollback.")} == {me}


def test_the_author_where_the_policy_says_so(world: World) -> None:
    """Where the author may not approve, the author may not roll back either."""
    policy(world, "[environments.default]\nnot_author = true\n")
    world.store.create_run(trust.run("r-9", author=world.git.identity()))
    with pytest.raises(RollbackRefused, match="somebody else"):
        world.approvals.require_may_undo("default", world.git.identity())
    assert world.approvals.require_may_undo("default", "ada") == world.git.identity()


@pytest.mark.parametrize("by", ["before", "between"])
def test_others_wrote(world: World, by: str) -> None:
    """A table that was there and was written by others since refuses everything, and says who wrote when."""
    world.deploy("r-1")
    world.deploy("r-2", notebook="2")
    world.tables.write(TARGET, "theirs", by="bob")
    if by == "between":
        world.jobs.run_now("job-daily", key="later")
    before = dict(world.tables.rows), world.jobs.settings("job-daily"), world.store.audit()
    with pytest.raises(RollbackRefused, match="version 2, WRITE by bob at 2026-11-22T09:00:02"):
        world.undo("r-2")
    assert (dict(world.tables.rows), world.jobs.settings("job-daily"), world.store.audit()) == before
    done = world.undo("r-2", parts=("job", "files"))
    assert done.state == "rolled_back" and "as you asked" in done.message
    assert "theirs" in world.tables.rows[TARGET][2]


def test_later_runs_of_the_job_are_undone_too(world: World) -> None:
    """What the job wrote by its schedule since the deployment is this pipeline's own."""
    world.deploy("r-1")
    world.deploy("r-2", notebook="2")
    world.jobs.run_now("job-daily", key="tomorrow")
    assert world.undo("r-2").state == "rolled_back"
    assert world.tables.rows[TARGET][-1][0] == "1"


def test_quarantine(world: World) -> None:
    """Quarantine tables are treated like the target: put back, dropped where they are new, left where others wrote."""
    check = {
        "id": "low", "kind": "range", "on": "orders", "columns": ["x"], "column": "x", "minimum": 0, "action": "drop",
        "quarantine": KEPT,
    }  # fmt: skip
    check.pop("columns")
    spec = trust.spec(expectations=[check])
    given = {"target": TARGET, "quarantine_low": KEPT}
    world.deploy("r-1", spec=spec, parameters=given)
    world.deploy("r-2", spec=spec, parameters=given, notebook="2")
    assert actions(world, "r-2") == ["put_back daily", f"restore {TARGET}", f"restore {KEPT}", "revert 2"]
    world.undo("r-2")
    assert world.tables.rows[KEPT][-1][0] == "1"
    world.tables.write(KEPT, "looked at", by="bob")
    plan = world.rollback.plan("r-1")
    assert [step.subject for step in plan.steps if step.part == "tables"] == [TARGET]
    assert any(KEPT in said and "bob" in said for said in plan.left)
    assert world.undo("r-1").state == "rolled_back"
    assert KEPT in world.tables.commits and TARGET not in world.tables.commits


@pytest.mark.parametrize("mode", ["append", "merge", "scd1", "scd2"])
def test_modes(world: World, mode: str) -> None:
    """A table that is added to or merged into goes back to its version, as one that is overwritten does."""
    keys = [] if mode == "append" else ["o_orderkey"]
    target = {"table": TARGET, "input": "orders", "mode": mode, "keys": keys}
    world.tables.write(TARGET, "old")
    world.deploy(spec=trust.spec(target=target))
    assert actions(world) == ["remove daily", f"restore {TARGET}", "revert 1"]
    world.undo()
    assert world.tables.rows[TARGET][-1] == ("old",)


@pytest.mark.parametrize(("mode", "says"), [("overwrite", "computes it anew"), ("append", "rows that were read into")])
def test_declarative(world: World, mode: str, says: str) -> None:
    """What a Lakeflow pipeline keeps cannot be put back; that is said before, and the rest is undone."""
    target = {"table": TARGET, "input": "orders", "mode": mode}
    spec = trust.spec(target=target, deployment="declarative")
    world.deploy(spec=spec)
    first = world.rollback.plan("r-1")
    assert [step.part for step in first.steps] == ["job", "files"]
    assert any("nothing updates it any more" in said for said in first.left)
    world.deploy("r-2", spec=spec, notebook="2")
    plan = world.rollback.plan("r-2")
    assert [step.action for step in plan.steps if step.part == "job"] == ["put_back"]
    assert any(says in said for said in plan.left)
    assert world.undo("r-2").state == "rolled_back" and TARGET in world.tables.commits


def test_a_table_that_is_gone_or_too_old(world: World) -> None:
    """Where the version before is not there any more, nothing is touched."""
    world.deploy("r-1")
    world.deploy("r-2", notebook="2")
    kept = world.tables.commits[TARGET]
    world.tables.commits[TARGET] = kept[1:]
    with pytest.raises(RollbackRefused, match="not in its history"):
        world.undo("r-2")
    world.tables.commits.pop(TARGET)
    with pytest.raises(RollbackRefused, match="is gone"):
        world.undo("r-2")


def test_a_failed_first_run(world: World) -> None:
    """A deployment whose first run failed after its write is undone like any other."""
    world.deploy("r-1")
    world.jobs.fails = True
    with pytest.raises(DeploymentError, match="rollback r-2"):
        world.deploy("r-2", notebook="2")
    assert world.store.deployment("r-2").state == "failed"
    assert world.undo("r-2").state == "rolled_back"
    assert world.tables.rows[TARGET][-1][0] == "1" and world.jobs.settings("job-daily")["notebook"] == "1"


def test_what_a_cut_off_run_left_is_dropped(world: World) -> None:
    """A staging table that stayed behind goes with the rollback."""
    world.deploy()
    world.tables.write(f"{TARGET}_pipeline_magic_staging", "half")
    world.undo()
    assert not world.tables.commits


def test_nothing_to_undo(world: World) -> None:
    """Nothing deployed, a rollback that is done, a job that others deployed since: each says so and touches nothing."""
    world.store.create_run(trust.run("r-0"))
    with pytest.raises(RollbackRefused, match="deployed nothing"):
        world.undo("r-0")
    with pytest.raises(NotFound, match="Nothing of a pipeline"):
        run_to_undo(world.ports, "daily")
    world.deploy("r-1")
    world.deploy("r-2", notebook="2")
    assert run_to_undo(world.ports, "daily").id == "r-2"
    with pytest.raises(RollbackRefused, match="deployed again since"):
        world.undo("r-1")
    world.undo("r-2")
    assert run_to_undo(world.ports, "daily").id == "r-1"
    with pytest.raises(RollbackRefused, match="already"):
        world.undo("r-2")
    world.undo("r-1")


def conflict(world: World) -> None:
    """Somebody changes a merged file by hand."""
    at = world.home
    who = ["-c", "user.name=Bob", "-c", "user.email=bob@example.org"]

    def git(*words: str, folder: Path) -> None:
        subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, timeout=60)

    git("clone", "-q", str(at / "repo.git"), str(at / "clone"), folder=at)
    (at / "clone" / "pipelines" / "daily" / "daily.ipynb").write_text("by hand\n")
    git("commit", "-qam", "By hand", folder=at / "clone")
    git("push", "-q", "origin", "main", folder=at / "clone")


def test_conflict(world: World) -> None:
    """Files that were changed again are left and named, before and after; job and tables are undone."""
    world.deploy()
    conflict(world)
    plan = world.rollback.plan("r-1")
    assert [step.part for step in plan.steps] == ["job", "tables"]
    assert any("`pipelines/daily/daily.ipynb`" in said and "by hand" in said for said in plan.left)
    done = world.undo(shown=plan)
    assert done.state == "rolled_back" and "daily.ipynb" in done.message
    assert world.git.read("pipelines/daily/daily.ipynb") == "by hand\n"


def test_a_person_merges_the_undoing(world: World) -> None:
    """Where a person merges, the pull request that undoes the files is opened and left open."""
    policy(world, "[environments.default]\nmerge = false\n")
    world.deploy(policy={**trust.plan().policy, "environment": "default", "merge": False})
    done = world.undo()
    assert (done.state, done.revert.state) == ("rolled_back", "open")
    assert world.git.read("pipelines/daily/daily.ipynb") == "1\n"


def test_a_step_that_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deployment says what failed; what was done stays done, and `resume` does the rest."""
    world.deploy("r-1")
    world.deploy("r-2", notebook="2")
    restore = world.tables.restore

    def foreign(table: str, version: str, **given: Any) -> None:
        raise ForeignWrite("Somebody wrote just now.")

    monkeypatch.setattr(world.tables, "restore", foreign)
    with pytest.raises(ForeignWrite):
        world.undo("r-2")
    with pytest.raises(ApprovalRefused, match="not come to its end"):
        world.rollback.require_settled("r-2")
    failed = world.store.deployment("r-2")
    assert failed.state == "rollback_failed" and "just now" in failed.message
    assert world.jobs.settings("job-daily")["notebook"] == "1"
    monkeypatch.setattr(world.tables, "restore", restore)
    merge = world.git.merge

    def down(*given: Any, **named: Any) -> None:
        raise CodeHostError("The code host is down.")

    monkeypatch.setattr(world.git, "merge", down)
    with pytest.raises(CodeHostError):
        world.undo("r-2")
    monkeypatch.setattr(world.git, "merge", merge)
    assert world.undo("r-2").state == "rolled_back"
    assert world.tables.rows[TARGET][-1][0] == "1" and len(world.tables.commits[TARGET]) == 3
    assert world.git.read("pipelines/daily/daily.ipynb") == "1\n"
    events = Counter(entry.event for entry in world.store.audit("r-2"))
    assert (events["rollback.start"], events["rollback.fail"], events["rollback.done"]) == (3, 2, 1)
    assert events["rollback.put_back"] == events["rollback.restore"] == events["rollback.revert"] == 1


def test_others_write_after_a_failed_step(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Going on looks again: a table that others wrote since is not put back; without the tables it comes to its end."""
    world.deploy("r-1")
    world.deploy("r-2", notebook="2")

    def gone(*given: Any, **named: Any) -> None:
        world.tables.write(TARGET, "theirs", by="bob")
        raise ForeignWrite("Somebody wrote just now.")

    with monkeypatch.context() as patch:
        patch.setattr(world.tables, "restore", gone)
        with pytest.raises(ForeignWrite):
            world.undo("r-2")
    with pytest.raises(RollbackRefused, match="bob"):
        world.undo("r-2")
    assert world.store.deployment("r-2").state == "rollback_failed"
    assert world.undo("r-2", parts=("job", "files")).state == "rolled_back"
    assert "theirs" in world.tables.rows[TARGET][-1]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two deployments, to be copied."""
    made = World(tmp_path_factory.mktemp("deployed"))
    made.deploy("r-1", notebook="1")
    made.deploy("r-2", notebook="2")
    made.store.close()
    return made


def _crash(deployed: World, home: Path, at: int) -> int:
    """Crash at a moment of a rollback, go on, look; the number of moments there were until then."""
    world = deployed.copy(home)
    crashed = world.crashing(at, lambda: world.undo("r-2"))
    world.store.close()
    world.open()
    assert crashed == (at > 0), "there are fewer moments"
    if world.store.deployment("r-2").state != "rolled_back":
        world.undo("r-2")
    assert world.tables.rows[TARGET][-1][0] == "1" and len(world.tables.commits[TARGET]) == 3
    assert len(world.jobs.jobs["job-daily"]) == 3
    assert len(world.git.pull_requests()) == 3
    assert world.git.read("pipelines/daily/daily.ipynb") == "1\n"
    entries = world.store.audit()
    assert not audit.verify(entries)
    events = Counter(entry.event for entry in entries if entry.run_id == "r-2")
    where = world.moments[-1]
    for event in ("start", "put_back", "restore", "revert", "merge", "comment", "done"):
        assert events[f"rollback.{event}"] == 1, (where, event)
    assert events["approval.void"] == 1, where
    world.store.close()
    return len(world.moments)


def test_a_crash_at_some_calls(deployed: World, tmp_path: Path) -> None:
    """Wherever the process ends, going on ends with each thing undone once, and said once in a chain that holds."""
    total = _crash(deployed, tmp_path / "0", 0)
    for at in range(3, total + 1, total // 10):
        _crash(deployed, tmp_path / str(at), at)


@pytest.mark.full
def test_a_crash_at_every_call(deployed: World, tmp_path: Path) -> None:
    """The same before and after each call of a port."""
    total = _crash(deployed, tmp_path / "0", 0)
    for at in range(1, total + 1):
        _crash(deployed, tmp_path / str(at), at)
    assert total > 60
    print(f"{total} moments of a rollback")
