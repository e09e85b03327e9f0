"""Each key of an environment's policy, through the public calls: who, how many, not the author, merge, first run,
waivers, without a person, expiry; and that nothing but the base branch says it.

Who may approve where two are needed, a budget, waivers in prod, drift, and the working copy's file are in
`test_plan_binding`; waiting for a person's merge in `test_waiting`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline_magic.errors import ApprovalRefused, ConfigurationError
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import Answer, Change, File
from pipeline_magic.spec.paths import Edit
from tests.support.bound import POLICY, Desk, at_desk, planned_home
from tests.trust import world

Move = Callable[[datetime.timedelta], None]


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planned_home(tmp_path_factory.mktemp("planned"))


@pytest.fixture
def desk(planned: Path, tmp_path: Path) -> Iterator[Desk]:
    with at_desk(planned, tmp_path) as made:
        yield made


@pytest.fixture
def move(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Move:
    """Moves the clock of everybody at the desk, forwards or backwards from now."""
    real, by = desk.it.ports.clock.now, [datetime.timedelta()]
    monkeypatch.setattr(type(desk.it.ports.clock), "now", lambda self: real() + by[0])

    def to(how_far: datetime.timedelta) -> None:
        by[0] = how_far

    return to


def at(desk: Desk, environment: str, who: str = "ada") -> PipelineBuilderOrchestrator:
    """Somebody at a notebook on the same store, who works for that environment."""
    given = {"home": desk.home, "local": True, "measure_questions": False, "sample_run": False}
    return PipelineBuilderOrchestrator({**given, "environment": environment}, ports=world.ports_at(desk.home, who=who))


THREE = """
[environments.dev]
[environments.staging]
approvers = ["bob"]
[environments.prod]
approvers = ["bob", "cy"]
needed = 2
"""


def test_each_environment_has_its_own(desk: Desk) -> None:
    """One statement in dev, staging and prod: anybody and at once; bob alone; two people, a person's merge, and no
    first run."""
    desk.merge(POLICY, THREE)

    def planned(environment: str, who: str) -> tuple[PipelineBuilderOrchestrator, str]:
        it = at(desk, environment, who)
        return it, it.build_pipeline(world.STATEMENT).approval_id

    dev, asked = planned("dev", "ada")
    made = dev.approve(asked, "Ada").deployment
    assert made is not None and (made.state, made.rows, len(world.ran(desk.home))) == ("deployed", 2, 1)

    _, asked = planned("staging", "ada")
    with pytest.raises(ApprovalRefused, match="`ada` is not among the approvers"):
        dev.approve(asked, "bob")
    made = at(desk, "staging", "bob").approve(asked, "Bob").deployment
    assert made is not None and (made.state, len(world.ran(desk.home))) == ("deployed", 2)

    prod, asked = planned("prod", "bob")
    assert prod.approve(asked, "Bob").deployment is None
    waiting = at(desk, "prod", "cy").approve(asked, "Cy").deployment
    assert waiting is not None and waiting.state == "waiting" and waiting.pull_request is not None
    desk.it.ports.code_host.merge(waiting.pull_request.number, message="By hand")
    made = prod.resume(waiting.run_id).deployment
    assert made is not None and (made.state, made.rows, len(world.ran(desk.home))) == ("deployed", None, 2)


@pytest.mark.parametrize("how", ["edited and answered", "waived"])
def test_whoever_changed_the_plan_is_an_author(desk: Desk, how: str) -> None:
    """Where the author may not approve, neither may somebody who edited, answered or waived in that run: two people
    saw every plan."""
    desk.merge(POLICY, "[environments.default]\nnot_author = true\n")
    if how == "waived":
        desk.write("orders", {**world.ORDERS, "customer_id": [9, 9, 9, 9]})
        desk.generate()
    authors = {"ada"}
    if how == "waived":
        report = desk.it.snapshot(desk.run_id).quality
        assert report is not None
        for red in [one.id for one in report.findings if one.severity == "red"]:
            desk.other("bob").it.waive(desk.run_id, red, "It may stand", name="Robert")
        authors |= {"bob", "BOB "}
    else:
        desk.other("bob").it.edit(desk.run_id, [Edit(path="target.comment", value="Bob's words")])
        desk.other("eve").it.answer(desk.run_id, [Answer(question="join:customers", value="left")])
        authors |= {"bob", "eve"}
    asked = desk.generate()
    for who in sorted(authors):
        with pytest.raises(ApprovalRefused, match="or a part of it, and somebody else must approve"):
            desk.other(who).it.approve(asked.id, "Cy")
    done = desk.other("cy").it.approve(asked.id, "Cy").deployment
    assert done is not None and done.state == "deployed"


def test_without_a_person(desk: Desk) -> None:
    """Only where the policy of the base branch says so; it is audited as the policy's, with who asked; in prod a policy
    that says so cannot be used at all."""
    with pytest.raises(ApprovalRefused, match="asks for a person's approval"):
        desk.it.build_pipeline(world.STATEMENT, require_approval=False)
    desk.merge(POLICY, "[environments.dev]\napproval_by_policy = true\n")
    dev = at(desk, "dev")
    made = dev.build_pipeline(world.STATEMENT, require_approval=False)
    assert made.deployment is not None and made.deployment.state == "deployed"
    said = [one for one in made.snapshot.audit if one.event == "approval.approve_by_policy"]
    assert [(one.identity, one.detail["asked_by"]) for one in said] == [("policy:dev", "ada")]
    desk.merge(POLICY, "[environments.prod]\napproval_by_policy = true\n")
    with pytest.raises(ConfigurationError, match="never possible in production"):
        at(desk, "prod").build_pipeline(world.STATEMENT, require_approval=False)


def test_nothing_but_the_base_branch_says_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument is refused, a variable means nothing, and a pull request that would change the policy changes nothing
    before it is merged."""
    desk.merge(POLICY, '[environments.default]\napprovers = ["bob"]\n')
    monkeypatch.setenv("PIPELINE_MAGIC_APPROVERS", "ada")
    for name in ("approvers", "needed", "policy", "environments"):
        with pytest.raises(ConfigurationError, match=f"no setting `{name}`"):
            PipelineBuilderOrchestrator({"home": desk.home, name: "ada"})
    host = desk.it.ports.code_host
    file = File(path=POLICY, content='[environments.default]\napprovers = ["ada"]\n')
    host.open_pull_request(Change(branch="easier", base="main", title="Easier", body="", files=(file,)))
    asked = desk.generate()
    with pytest.raises(ApprovalRefused, match="`ada` is not among the approvers"):
        desk.it.approve(asked.id, "bob")


@pytest.mark.parametrize("policy", ["first_run = false", "merge = true\nfirst_run = true"])
def test_the_first_run_is_the_policys(desk: Desk, policy: str) -> None:
    """Deployed without running where it says so; and in prod run once where that is allowed there."""
    name = "default" if "false" in policy else "prod"
    desk.merge(POLICY, f"[environments.{name}]\n{policy}\n")
    it = at(desk, name)
    made = it.approve(it.build_pipeline(world.STATEMENT).approval_id, "Ada").deployment
    assert made is not None and made.state == "deployed"
    assert len(world.ran(desk.home)) == (0 if "false" in policy else 1)


def test_it_expires_as_the_policy_says(desk: Desk, move: Move) -> None:
    """After an hour nobody approves, also not the second of two; set back afterwards the clock revives nothing; a clock
    before the asking takes nothing away."""
    desk.merge(POLICY, "[environments.default]\nexpires_hours = 1\nneeded = 2\n")
    asked = desk.generate()
    move(datetime.timedelta(days=-3))
    assert desk.it.approve(asked.id, "Ada").approval.state == "partly_approved"  # type: ignore[union-attr]
    move(datetime.timedelta(hours=1, seconds=1))
    with pytest.raises(ApprovalRefused, match="expired"):
        desk.other("bob").it.approve(asked.id, "Bob")
    move(datetime.timedelta())
    assert desk.approval(asked.id).state == "expired"
    with pytest.raises(ApprovalRefused, match="expired"):
        desk.other("bob").it.approve(asked.id, "Bob")
    again = desk.generate()
    assert (again.state, again.digest) == ("pending", asked.digest) and again.id != asked.id


def test_what_was_approved_does_not_expire(desk: Desk, move: Move) -> None:
    """Approved in time and merged by a person a month later: it is deployed, if the world is still what it was."""
    desk.merge(POLICY, "[environments.default]\nexpires_hours = 1\nmerge = false\n")
    asked = desk.generate()
    waiting = desk.it.approve(asked.id, "Ada").deployment
    assert waiting is not None and waiting.pull_request is not None
    move(datetime.timedelta(days=30))
    desk.it.ports.code_host.merge(waiting.pull_request.number, message="By hand")
    made = desk.it.resume(desk.run_id)
    assert made.deployment is not None and made.deployment.state == "deployed"
    assert made.approval is not None and made.approval.state == "approved"
