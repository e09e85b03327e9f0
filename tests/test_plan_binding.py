"""What an approval binds to: every ingredient of the plan, changed by next to nothing, voids it and says why."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline_magic.agents.notebook import NotebookGeneratorAgent
from pipeline_magic.agents.quality import DataQualityAgent
from pipeline_magic.errors import ApprovalRefused
from pipeline_magic.runs import Answer, File, Finding, Plan, QualityReport
from pipeline_magic.spec.paths import Edit
from tests.support.bound import POLICY, Desk, at_desk, planned_home
from tests.trust import world


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planned_home(tmp_path_factory.mktemp("planned"))


@pytest.fixture
def desk(template: Path, tmp_path: Path) -> Iterator[Desk]:
    with at_desk(template, tmp_path) as made:
        yield made


NOTEBOOK = "pipelines/city_orders/city_orders.ipynb"


def _files(desk: Desk, patch: pytest.MonkeyPatch) -> None:
    made = NotebookGeneratorAgent.files

    def with_a_byte_more(self: NotebookGeneratorAgent, *given: object) -> tuple[File, ...]:
        files = made(self, *given)  # type: ignore[arg-type]
        return tuple(
            file.model_copy(update={"content": file.content + "\n"}) if file.path == NOTEBOOK else file
            for file in files
        )

    patch.setattr(NotebookGeneratorAgent, "files", with_a_byte_more)


def _verdict(desk: Desk, patch: pytest.MonkeyPatch) -> None:
    desk.write("orders", {**world.ORDERS, "customer_id": [1, 1, 2, None]})


def _job(desk: Desk, patch: pytest.MonkeyPatch) -> None:
    """Somebody deploys a job of this name by other means."""
    plan = desk.it.ports.store.plan(desk.asked)[0]
    from tests.support.local import request

    made = request("{}", target="shop.reports.city_orders", pipeline="city_orders")
    assert made.environment == plan.environment
    desk.it.ports.deployer.deploy(made)


def _answer(desk: Desk, patch: pytest.MonkeyPatch) -> None:
    """The answer that stood as the default, given."""
    (question,) = (one for one in desk.it.snapshot(desk.run_id).questions if one.id == "join:customers")
    desk.it.answer(desk.run_id, [Answer(question=question.id, value=str(question.default))])


PARTS: dict[str, tuple[Callable[[Desk, pytest.MonkeyPatch], object], str]] = {
    "spec": (
        lambda desk, _: desk.it.edit(desk.run_id, [Edit(path="target.comment", value="x")]),
        "Spec `target.comment` is 'x', and was",
    ),
    "files": (_files, f"The file `{NOTEBOOK}` was changed (1 lines added"),
    "base_files": (
        lambda desk, _: desk.merge("pipelines/city_orders/README.md", ""),
        "The file `pipelines/city_orders/README.md` on the base branch appeared",
    ),
    "schemas": (lambda desk, _: desk.add_column("orders", "x"), "Schema `orders.columns.4` was added: ['x', 'string'"),
    "parameters": (
        lambda desk, _: desk.merge(POLICY, '[environments.default]\ncatalogs = { shop = "shoq" }\n'),
        "Parameter `target` is 'shoq.reports.city_orders', and was 'shop.reports.city_orders'",
    ),
    "settings to be written": (
        lambda desk, _: desk.merge(POLICY, "[environments.default]\nretries = 2\n"),
        "Setting `written.environment.retries` is 2, and was 1",
    ),
    "settings found": (_job, "Setting `found.digest` was added: 'd1'"),
    "policy": (
        lambda desk, _: desk.merge(POLICY, "[environments.default]\nneeded = 2\n"),
        "Policy `needed` is 2, and was 1",
    ),
    "answers": (_answer, "Answer to `join:customers` was added"),
    "compiler_version": (
        lambda _, patch: patch.setattr("pipeline_magic.compiler.VERSION", "0"),
        "The compiler is version 0, and was ",
    ),
    "verdict": (_verdict, "The quality verdict is amber, and was green"),
}

WORLD = sorted(set(PARTS) - {"spec", "files", "answers", "verdict"})
"""What changes without anybody touching the run: it is found out when somebody approves."""


def test_every_part_of_the_plan_is_here() -> None:
    """The cases below speak of every field of a plan; waivers and environment have tests of their own."""
    named = {name.split()[0] for name in PARTS} | {"waivers", "environment"}
    assert named == set(Plan.model_fields)


@pytest.mark.parametrize(
    "part", [pytest.param(part, marks=pytest.mark.full if part in WORLD[1:] else ()) for part in sorted(PARTS)]
)
def test_a_new_plan_voids_the_old_approval(desk: Desk, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ingredient, changed by a byte and planned again: the approval is void and says what changed."""
    change, said = PARTS[part]
    change(desk, monkeypatch)
    again = desk.generate()
    old = desk.approval()
    assert again.id != desk.asked and again.state == "pending"
    assert old.state == "void"
    assert old.reason.startswith("The plan was changed.") and said in old.reason, old.reason
    changes = next(e.detail["changes"] for e in desk.it.ports.store.audit() if e.event == "approval.void")
    assert any(said in str(one) for one in changes)  # type: ignore[union-attr]
    with pytest.raises(ApprovalRefused):
        desk.it.approve(desk.asked, "Ada")
    assert desk.it.snapshot(desk.run_id).deployment is None


@pytest.mark.parametrize("part", WORLD)
def test_a_changed_world_voids_when_approving(desk: Desk, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ingredient that the world holds, changed after planning: approving refuses, shows it, and voids."""
    change, said = PARTS[part]
    change(desk, monkeypatch)
    with pytest.raises(ApprovalRefused) as raised:
        desk.it.approve(desk.asked, "Ada")
    assert said in raised.value.message, raised.value.message
    assert desk.approval().state == "void" and said in desk.approval().reason
    assert "approval.approve" not in desk.events() and "pull_request.open" not in desk.events()
    again = desk.generate()
    assert again.state == "pending" and again.id != desk.asked


@pytest.mark.parametrize("part", ["base_files", "schemas", "settings to be written", "policy"])
def test_a_world_that_changes_after_the_approval(desk: Desk, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Approved, and not deployed yet since the process was stopped: what changes meanwhile refuses the deployment."""
    merge = desk.it.ports.code_host.merge

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pipeline_magic.agents.github.agent.GitHubAgent.open", stopped)
        with pytest.raises(Exception, match="stopped"):
            desk.it.approve(desk.asked, "Ada")
    assert desk.approval().state == "approved" and merge
    PARTS[part][0](desk, monkeypatch)
    with pytest.raises(ApprovalRefused) as raised:
        desk.it.resume(desk.run_id)
    assert PARTS[part][1] in raised.value.message
    assert desk.approval().state == "void"
    assert desk.it.snapshot(desk.run_id).deployment is None


def test_the_environment_is_in_the_plan(desk: Desk) -> None:
    """Another environment is another run: the same statement in `dev` asks for an approval of its own."""
    desk.merge(POLICY, "[environments.default]\n[environments.dev]\n")
    asked = desk.generate()
    dev = Desk(desk.home, environment="dev")
    snapshot = dev.it.build_pipeline(world.STATEMENT).snapshot
    assert snapshot.run.id != desk.run_id and snapshot.approval is not None
    plans = [desk.it.ports.store.plan(one)[0] for one in (asked.id, snapshot.approval.id)]
    assert [plan.environment for plan in plans] == ["default", "dev"]
    assert plans[0].settings["written"] != plans[1].settings["written"]


# --- what is kept -------------------------------------------------------------------------------------------------


def test_an_identical_plan_keeps_its_approval(desk: Desk) -> None:
    """Generated again, in another process, the plan is the same, and so is its approval; the audit says nothing new."""
    before = desk.events()
    assert desk.generate().id == desk.asked
    assert desk.other("bob").generate().id == desk.asked
    assert desk.events() == before


def test_what_the_plan_wrote_is_no_change(desk: Desk) -> None:
    """After the deployment, and after the job ran again, the same cell finds its plan approved and nothing to do."""
    desk.it.approve(desk.asked, "Ada")
    ports = desk.it.ports
    for turn in range(2):
        again = desk.it.build_pipeline(world.STATEMENT).snapshot
        assert again.unchanged and again.approval is not None
        assert (again.approval.id, again.approval.state) == (desk.asked, "approved")
        deployment = again.deployment
        assert deployment is not None and deployment.state == "deployed"
        ports.deployer.run_now(deployment.id, key=f"by-schedule-{turn}")


def test_hands_on_the_deployed_job_are_a_change(desk: Desk) -> None:
    """Settings of the job that somebody changed after the deployment void the approval with the next plan."""
    desk.it.approve(desk.asked, "Ada")
    (file,) = (desk.home / "jobs").glob("job-*/job.json")
    job = json.loads(file.read_text())
    job["requests"][-1]["paused"] = True
    file.write_text(json.dumps(job))
    assert desk.generate().id != desk.asked
    assert "Setting `found.pause_status` was added: 'PAUSED'" in desk.approval().reason


def test_a_second_version_is_planned_upon_the_first(desk: Desk) -> None:
    """Edited after its deployment, the pipeline is planned on what the first plan wrote, approved, and deployed."""
    desk.it.approve(desk.asked, "Ada")
    desk.it.edit(desk.run_id, [Edit(path="target.comment", value="How many orders a city has")])
    asked = desk.generate()
    plan = desk.it.ports.store.plan(asked.id)[0]
    assert plan.base_files[NOTEBOOK] is not None and plan.schemas[""] is not None
    assert isinstance(plan.settings["found"], dict)
    done = desk.it.approve(asked.id, "Ada")
    assert done.deployment is not None and done.deployment.state == "deployed"
    assert desk.it.build_pipeline(world.STATEMENT).snapshot.unchanged


# --- what was shown ------------------------------------------------------------------------------------------------


def _more_orders(count: int) -> dict[str, list[object]]:
    return {
        "id": list(range(1, count + 1)),
        "customer_id": [1 + number % 3 for number in range(count)],
        "amount": [1.0] * count,
    }


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with 100 orders."""
    home = planned_home(tmp_path_factory.mktemp("larger"))
    with at_desk(home, tmp_path_factory.mktemp("hundred")) as desk:
        desk.write("orders", _more_orders(100))
        desk.generate()
        return desk.home


def test_counts_may_drift_within_the_tolerance(larger: Path, tmp_path: Path) -> None:
    """110 orders instead of the 100 that were shown keep the approval, and it can be given."""
    with at_desk(larger, tmp_path) as desk:
        desk.write("orders", _more_orders(110))
        assert desk.generate().id == desk.asked
        assert desk.events()[-1] == "approval.keep"
        assert desk.it.approve(desk.asked, "Ada").deployment is not None


def test_counts_that_drift_further_ask_again(larger: Path, tmp_path: Path) -> None:
    """111 orders void the approval, when it is given and when it is planned again; both numbers are said."""
    with at_desk(larger, tmp_path) as desk:
        desk.write("orders", _more_orders(111))
        with pytest.raises(ApprovalRefused, match=r"111 rows of `shop\.sales\.orders`; 100 were shown"):
            desk.it.approve(desk.asked, "Ada")
        assert desk.approval().state == "void"
        assert desk.generate().id != desk.asked


def test_small_steps_do_not_add_up_unseen(larger: Path, tmp_path: Path) -> None:
    """Twice ten per cent is measured against what was shown, and asks again."""
    with at_desk(larger, tmp_path) as desk:
        desk.write("orders", _more_orders(109))
        assert desk.generate().id == desk.asked
        desk.write("orders", _more_orders(118))
        assert desk.generate().id != desk.asked
        assert "118 rows out of" in desk.approval().reason or "118 rows of" in desk.approval().reason


def test_the_policy_says_how_far(larger: Path, tmp_path: Path) -> None:
    """With `drift = 0.5` another half is within what was shown."""
    with at_desk(larger, tmp_path) as desk:
        desk.merge(POLICY, "[environments.default]\ndrift = 0.5\n")
        asked = desk.generate()
        desk.write("orders", _more_orders(150))
        assert desk.generate().id == asked.id
        desk.write("orders", _more_orders(151))
        assert desk.generate().id != asked.id


def test_a_finding_that_was_not_shown_asks_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same verdict with another finding is not what was shown."""
    check = DataQualityAgent.check
    found: list[Finding] = []

    def with_more(self: DataQualityAgent, *given: object, **named: object) -> QualityReport:
        report = check(self, *given, **named)  # type: ignore[arg-type]
        return report.model_copy(update={"findings": (*report.findings, *found)})

    monkeypatch.setattr(DataQualityAgent, "check", with_more)
    found.append(Finding(id="late", severity="amber", message="A source is late."))
    desk.write("orders", {**world.ORDERS, "amount": [1.0] * 4})
    first = desk.generate()
    found.append(Finding(id="odd", severity="amber", message="Odd values."))
    desk.write("orders", {**world.ORDERS, "amount": [2.0] * 4})
    second = desk.generate()
    assert second.id != first.id and first.digest == second.digest
    assert "The amber finding `odd` was not shown: Odd values." in desk.approval(first.id).reason


# --- people --------------------------------------------------------------------------------------------------------

TWO = '[environments.default]\napprovers = ["bob", "cy"]\nneeded = 2\nnot_author = true\n'


def test_two_people_from_other_notebooks(desk: Desk) -> None:
    """Planned by one, approved by two others, each in a notebook of their own; the author and a guest cannot."""
    desk.merge(POLICY, TWO)
    asked = desk.generate()
    for who, why in (("ada", "somebody else must approve"), ("eve", "not among the approvers")):
        with pytest.raises(ApprovalRefused, match=why):
            desk.other(who).it.approve_pipeline(asked.id, "bob")
    first = desk.other("bob").it.approve_pipeline(asked.id, "Bob").snapshot
    assert first.approval is not None and first.approval.state == "partly_approved" and first.deployment is None
    with pytest.raises(ApprovalRefused, match="has approved it already"):
        desk.other("BOB ").it.approve_pipeline(asked.id, "Robert")
    done = desk.other("cy").it.approve_pipeline(asked.id, "Cy").snapshot
    assert done.deployment is not None and done.deployment.state == "deployed"
    assert [one.identity for one in done.approval.decisions] == ["bob", "cy"]  # type: ignore[union-attr]


def test_another_person_on_the_command_line(desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: object) -> None:
    """`pipeline-magic approve` by another user goes on where the notebook stopped."""
    from pipeline_magic.cli import main

    desk.merge(POLICY, '[environments.default]\napprovers = ["bob"]\n')
    asked = desk.generate()
    monkeypatch.setattr("pipeline_magic.wiring.wire", lambda settings: world.ports_at(desk.home, who="bob"))
    monkeypatch.setenv("PIPELINE_MAGIC_HOME", str(desk.home))
    assert main(["approve", asked.id, "--name", "Bob B", "--comment", "fine"]) == 0
    assert desk.approval(asked.id).decisions[0].identity == "bob"
    deployment = desk.it.snapshot(desk.run_id).deployment
    assert deployment is not None and deployment.state == "deployed"


def test_a_policy_in_the_working_copy_is_not_read(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A settings file beside the notebook says nothing of who may approve."""
    desk.merge(POLICY, '[environments.default]\napprovers = ["bob"]\n')
    (tmp_path / POLICY).write_text('[environments.default]\napprovers = ["ada"]\n')
    monkeypatch.chdir(tmp_path)
    asked = desk.generate()
    with pytest.raises(ApprovalRefused, match="`ada` is not among the approvers"):
        desk.it.approve(asked.id, "bob")


def test_a_budget_without_a_forecast_blocks(desk: Desk) -> None:
    """A budget that nobody can hold the plan against keeps it from being approved, and the panel says so."""
    desk.merge(POLICY, "[environments.default]\nbudget = 20.0\n")
    asked = desk.generate()
    with pytest.raises(ApprovalRefused, match="a budget of 20 a month is set, and there is no forecast"):
        desk.it.approve(asked.id, "Ada")
    assert desk.approval(asked.id).state == "pending"
    assert "a budget of 20 a month" in desk.it.snapshot(desk.run_id).blocked[0]


def test_reject_plan_again_approve(desk: Desk) -> None:
    """Rejected with a reason; edited, planned again and approved."""
    rejected = desk.it.reject(desk.asked, "Ada", "Say what it is.")
    assert rejected.approval is not None and rejected.approval.state == "rejected"
    with pytest.raises(ApprovalRefused, match="rejected"):
        desk.it.approve(desk.asked, "Ada")
    assert desk.it.resume(desk.run_id).approval == rejected.approval
    desk.it.edit(desk.run_id, [Edit(path="target.comment", value="Orders of a city")])
    again = desk.generate()
    assert desk.it.approve(again.id, "Ada").deployment is not None


@pytest.mark.parametrize("state", ["planned", "generating"])
def test_a_rejection_takes_no_run_from_its_worker(desk: Desk, state: str) -> None:
    """Somebody edits at this moment: the rejection stands, and the run is as they know it, so that they can go on."""
    store = desk.it.ports.store
    theirs = store.update_run(store.run(desk.run_id), state=state, worker="elsewhere:1:00000000:5")
    desk.it.reject(desk.asked, "Ada", "Say what it is.")
    assert desk.approval().state == "rejected"
    assert store.run(desk.run_id) == theirs


def test_expired(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a week nobody can approve; a new plan can be."""
    late = desk.it.ports.clock.now() + datetime.timedelta(days=7, seconds=1)
    with monkeypatch.context() as patch:
        patch.setattr(desk.it.ports.clock, "now", lambda: late)
        with pytest.raises(ApprovalRefused, match="expired"):
            desk.it.approve(desk.asked, "Ada")
        assert desk.approval().state == "expired"
        asked = desk.generate()
        assert asked.id != desk.asked
        assert desk.it.approve(asked.id, "Ada").deployment is not None


def test_a_waiver_is_in_digest_and_audit(desk: Desk) -> None:
    """A red finding blocks; waived by name with a reason, it stands in the plan and the audit, and asks again."""
    desk.write("orders", {**world.ORDERS, "customer_id": [9, 9, 9, 9]})
    red = desk.generate()
    with pytest.raises(ApprovalRefused, match="the red finding"):
        desk.it.approve(red.id, "Ada")
    reds = [one.id for one in desk.it.snapshot(desk.run_id).quality.findings if one.severity == "red"]  # type: ignore[union-attr]
    assert reds
    for finding in reds:
        desk.it.waive(desk.run_id, finding, "A test shop")
    waived = desk.it.snapshot(desk.run_id).approval
    assert waived is not None and waived.digest != red.digest
    assert "Waiver of" in desk.approval(red.id).reason
    plan = desk.it.ports.store.plan(waived.id)[0]
    assert {(one.finding, one.by, one.reason) for one in plan.waivers} == {(one, "ada", "A test shop") for one in reds}
    assert desk.events().count("finding.waive") == len(reds)
    assert desk.it.approve(waived.id, "Ada").approval.state == "approved"  # type: ignore[union-attr]


def test_prod_forbids_waivers(desk: Desk) -> None:
    """In prod a red finding cannot be waived unless the policy says otherwise."""
    desk.write("orders", {**world.ORDERS, "customer_id": [9, 9, 9, 9]})
    desk.merge(POLICY, "[environments.prod]\n")
    prod = Desk(desk.home, environment="prod")
    snapshot = prod.it.build_pipeline(world.STATEMENT).snapshot
    (red, *_) = [one.id for one in snapshot.quality.findings if one.severity == "red"]  # type: ignore[union-attr]
    with pytest.raises(ApprovalRefused, match="allows no waivers"):
        prod.it.waive(snapshot.run.id, red, "It will be fine")
    desk.merge(POLICY, "[environments.prod]\nwaivers_allowed = true\n")
    assert prod.it.waive(snapshot.run.id, red, "Known").run.waivers[0].finding == red


def test_another_file_after_the_deployment_is_planned_upon(desk: Desk) -> None:
    """With a file of it merged anew by others, the next plan is another, upon the world as it is; it is deployed."""
    desk.it.approve(desk.asked, "Ada")
    text = desk.it.ports.code_host.read(NOTEBOOK)
    assert text is not None
    desk.merge(NOTEBOOK, text.replace("city", "town"))
    asked = desk.generate()
    assert asked.id != desk.asked and "on the base branch appeared" in desk.approval().reason
    assert desk.it.approve(asked.id, "Ada").deployment is not None
    assert desk.it.ports.code_host.read(NOTEBOOK) == text
