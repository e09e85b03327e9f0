"""Cancelling: a run that waits is dropped with what it asked for; what is in place, or being put there, is not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_magic.agents.approval import ApprovalOrchestrator
from pipeline_magic.errors import ApprovalRefused, Cancelled, PipelineMagicError, StaleState, UsageError
from pipeline_magic.runs import Answer
from pipeline_magic.spec.paths import Edit
from tests.support.bound import POLICY, Desk, at_desk, planned_home

NOTEBOOK = "pipelines/city_orders/city_orders.ipynb"


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planned_home(tmp_path_factory.mktemp("planned"))


@pytest.fixture
def desk(planned: Path, tmp_path: Path) -> Iterator[Desk]:
    with at_desk(planned, tmp_path) as made:
        yield made


def test_the_approval_goes_with_the_run(desk: Desk) -> None:
    """Cancelled by anyone: the approval is void with who did it, shown in list and audit; nobody can give it any more,
    and a new plan of the same words asks anew."""
    desk.merge(POLICY, "[environments.default]\nneeded = 2\n")
    asked = desk.generate()
    desk.other("bob").it.approve(asked.id, "Bob")
    assert desk.approval(asked.id).state == "partly_approved"
    shown = desk.other("eve").it.cancel(desk.run_id)
    assert (shown.run.state, shown.run.message) == ("cancelled", f"Cancelled by eve. Approval {asked.id} is void.")
    void = desk.approval(asked.id)
    assert (void.state, void.reason) == ("void", "The run was cancelled by eve.")
    said = [(e.event, e.identity) for e in desk.it.ports.store.audit(desk.run_id)][-2:]
    assert said == [("run.cancel", "eve"), ("approval.void", "eve")]
    with pytest.raises(ApprovalRefused):
        desk.other("cy").it.approve(asked.id, "Cy")
    again = desk.it.resume(desk.run_id).approval
    assert again is not None and (again.state, again.digest) == ("pending", asked.digest) and again.id != asked.id
    assert again.decisions == ()


def test_what_waits_for_a_merge_comes_to_nothing(desk: Desk) -> None:
    """Approved, and waiting for a person to merge: the pull request is closed, the deployment over, the approval void;
    cancelled again, nothing more is done; planned and approved again, it is deployed."""
    desk.merge(POLICY, "[environments.default]\nmerge = false\n")
    asked = desk.generate()
    waiting = desk.it.approve(asked.id, "Ada").deployment
    assert waiting is not None and waiting.state == "waiting" and waiting.pull_request is not None
    shown = desk.it.cancel(desk.run_id)
    assert shown.deployment is not None and shown.deployment.state == "failed"
    assert shown.deployment.message == "The run was cancelled by ada."
    assert desk.approval(asked.id).state == "void"
    host = desk.it.ports.code_host
    closed = host.find_pull_request(waiting.pull_request.branch)
    assert closed is not None and closed.state == "closed" and host.read(NOTEBOOK) is None
    before = desk.events()
    desk.it.cancel(desk.run_id)
    assert desk.events() == before
    desk.merge(POLICY, "[environments.default]\n")
    deployed = desk.it.approve(desk.generate().id, "Ada").deployment
    assert deployed is not None and deployed.state == "deployed"


def test_what_is_deployed_is_not_cancelled(desk: Desk) -> None:
    """It says how to undo it; a new plan of it can be dropped, and what is deployed stays."""
    desk.it.approve(desk.asked, "Ada")
    with pytest.raises(UsageError, match="its deployment is `deployed`"):
        desk.it.cancel(desk.run_id)
    assert desk.approval().state == "approved"
    desk.it.edit(desk.run_id, [Edit(path="target.comment", value="Orders of a city")])
    asked = desk.generate()
    shown = desk.it.cancel(desk.run_id)
    assert desk.approval(asked.id).state == "void"
    assert shown.deployment is not None and shown.deployment.state == "deployed"


def test_somebody_who_deploys_is_not_pulled_away(desk: Desk) -> None:
    """While a living process decides on the run or deploys it, nobody cancels it; a dead one holds nothing back."""
    store, host = desk.it.ports.store, os.uname().nodename
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        store.update_run(store.run(desk.run_id), worker=f"{host}:{other.pid}")
        with pytest.raises(StaleState, match=f"by another process .*{other.pid}"):
            desk.it.cancel(desk.run_id)
        assert desk.approval().state == "pending"
    finally:
        other.kill()
        other.wait()
    assert desk.it.cancel(desk.run_id).run.state == "cancelled"


def test_killed_in_the_middle(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed when the run is cancelled and its approval is not void yet: nobody can give it, and once more finishes."""

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ApprovalOrchestrator, "void", killed)
        with pytest.raises(KeyboardInterrupt):
            desk.it.cancel(desk.run_id)
    assert desk.approval().state == "pending"
    with pytest.raises(ApprovalRefused):
        desk.it.approve(desk.asked, "Ada")
    desk.it.cancel(desk.run_id)
    assert desk.approval().state == "void"
    assert desk.events().count("run.cancel") == 1


def test_an_edit_after_a_deployment_was_cut_off(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the middle of deploying, then edited and approved again: the new plan is deployed."""

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(desk.it.ports.deployer), "deploy", killed)
        with pytest.raises(Cancelled):
            desk.it.approve(desk.asked, "Ada")
    cut = desk.it.ports.store.deployment(desk.run_id)
    assert cut is not None and cut.state == "deploying"
    with pytest.raises(UsageError, match="`deploying`"):
        desk.it.cancel(desk.run_id)
    desk.it.edit(desk.run_id, [Edit(path="target.comment", value="Orders of a city")])
    done = desk.it.approve(desk.generate().id, "Ada").deployment
    assert done is not None and done.state == "deployed"


@pytest.mark.parametrize("what", ["answer", "waive"])
def test_killed_while_the_plan_is_made_anew(desk: Desk, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer or a waiver is written with its audit entry and takes the plan back in one write: killed right after,
    `audit verify` finds nothing wrong, the old plan cannot be approved, and `resume` ends with a new one."""
    from pipeline_magic.agents.approval.records import verify_records
    from pipeline_magic.flow.flow import Flow

    if what == "waive":
        from tests.trust import world

        desk.write("orders", {**world.ORDERS, "customer_id": [9, 9, 9, 9]})
        desk.generate()
    snapshot = desk.it.snapshot(desk.run_id)
    assert snapshot.quality is not None
    reds = [one.id for one in snapshot.quality.findings if one.severity == "red"]

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(Cancelled):
        patch.setattr(Flow, "understand", killed)
        if what == "answer":
            desk.it.answer(desk.run_id, [Answer(question="join:customers", value="left")])
        else:
            desk.it.waive(desk.run_id, reds[0], "A test shop", name="Ada L.")
    run = desk.it.ports.store.run(desk.run_id)
    event = {"answer": "question.answer", "waive": "finding.waive"}[what]
    assert (run.answers if what == "answer" else run.waivers) and desk.events()[-1] == event
    assert list(verify_records(desk.it.ports.store)) == []
    with pytest.raises(PipelineMagicError):
        desk.it.approve(run.approval_id, "Ada")
    resumed = desk.it.resume(desk.run_id)
    assert resumed.run.state == "planned" and resumed.approval is not None and resumed.approval.id != run.approval_id
    plan, _ = desk.it.ports.store.plan(resumed.approval.id)
    assert (plan.answers, plan.waivers) == (run.answers, run.waivers)
    assert desk.events().count(event) == 1 and "Planned." in resumed.run.message
