"""Asking, deciding and ending, each with its audit entry; races; no sequence approves what was not asked for."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipeline_magic.adapters.database import Database
from pipeline_magic.adapters.localgit import LocalGit
from pipeline_magic.agents.approval import ApprovalOrchestrator
from pipeline_magic.agents.approval.audit import verify
from pipeline_magic.agents.approval.digest import plan_digest
from pipeline_magic.agents.approval.policy import read_policy
from pipeline_magic.errors import ApprovalRefused, ConfigurationError, NotFound, StaleState
from pipeline_magic.redact import MASK
from pipeline_magic.runs import Change, File, Finding, Plan, Prepared, Run, Waiver
from tests.support.postgres import postgres_url  # noqa: F401  (a fixture)
from tests.support.processes import race
from tests.support.trust import StepClock, change, plan, run

RED = Finding(id="loss", severity="red", message="Rows were lost.")
TWO = '[environments.default]\napprovers = ["bob", "cy", "dee"]\nneeded = 2\nnot_author = true\n'


class Host:
    """A code host of which only the base branch's policy matters here."""

    name = "host"
    base = "main"

    def __init__(self, text: str | None = None) -> None:
        self.text = text
        self.user = "bob"

    def read(self, path: str, *, ref: str = "") -> str | None:
        assert (path, ref) == ("pipeline_magic.toml", "")
        return self.text

    def identity(self) -> str:
        return self.user


class Desk:
    """A store, a clock, a host, and the orchestrator over them."""

    def __init__(self, url: str, text: str | None = None) -> None:
        self.store = Database(url)
        self.clock = StepClock()
        self.host = Host(text)
        self.approvals = ApprovalOrchestrator(self.store, self.clock, self.host)  # type: ignore[arg-type]
        self.run: Run = run(author="ada")

    def prepared(self, **changes: Any) -> Prepared:
        policy = read_policy(self.host.text, "default").model_dump(mode="json")
        made: Plan = plan(**{"policy": policy, **changes})
        return Prepared(plan=made, digest=plan_digest(made), change=Change(**{**change().model_dump()}))

    def events(self) -> list[str]:
        entries = self.store.audit()
        assert verify(entries) == ()
        return [entry.event.removeprefix("approval.") for entry in entries]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(str(tmp_path / "s.db"))
    yield made
    made.store.close()


def test_request_and_approve(desk: Desk) -> None:
    """What is asked for and what is decided is in the store, with identity beside the typed name, and in the audit."""
    asked = desk.approvals.request(desk.run, desk.prepared())
    assert (asked.state, asked.needed, asked.digest) == ("pending", 1, desk.prepared().digest)
    done = desk.approvals.approve(asked.id, "John Doe", "Looks good!")
    assert done == desk.store.approval(asked.id)
    entry = desk.store.audit()[-1]
    assert (entry.event, entry.identity, entry.name) == ("approval.approve", "bob", "John Doe")
    assert (entry.digest, entry.detail["comment"], entry.run_id) == (asked.digest, "Looks good!", "r-1")
    assert desk.events() == ["request", "approve"]


def test_identical_plan_keeps_its_approval(desk: Desk) -> None:
    """Planning the same again keeps the approval, open or given, and says nothing twice."""
    asked = desk.approvals.request(desk.run, desk.prepared())
    assert desk.approvals.request(desk.run, desk.prepared()) == asked
    done = desk.approvals.approve(asked.id, "B")
    assert desk.approvals.request(desk.run, desk.prepared()) == done
    assert desk.events() == ["request", "approve"]


@pytest.mark.parametrize("decided", [False, True])
def test_changed_plan_voids(desk: Desk, decided: bool) -> None:
    """A changed plan voids the old approval, given or not, and says in what it differs."""
    asked = desk.approvals.request(desk.run, desk.prepared())
    if decided:
        desk.approvals.approve(asked.id, "B")
    again = desk.approvals.request(desk.run, desk.prepared(parameters={"run_time": "x"}))
    old = desk.store.approval(asked.id)
    assert again.id != asked.id and again.state == "pending"
    assert old.state == "void"
    assert old.reason == "The plan was changed.\nParameter `run_time` is 'x', and was ''."
    assert desk.store.audit()[-2].detail["changes"] == ["Parameter `run_time` is 'x', and was ''."]
    with pytest.raises(ApprovalRefused, match="is void already"):
        desk.approvals.approve(asked.id, "B")


def test_going_back_asks_again(desk: Desk) -> None:
    """A plan that was changed and changed back needs a new approval: the void one stays void."""
    first = desk.approvals.request(desk.run, desk.prepared())
    desk.approvals.request(desk.run, desk.prepared(environment="default", parameters={"a": "b"}))
    third = desk.approvals.request(desk.run, desk.prepared())
    assert third.id != first.id and third.state == "pending"


def test_other_runs_are_left_alone(desk: Desk) -> None:
    """A plan of one run voids nothing of another."""
    asked = desk.approvals.request(desk.run, desk.prepared())
    desk.approvals.request(run("r-2"), desk.prepared(parameters={"a": "b"}))
    assert desk.store.approval(asked.id).state == "pending"


def test_plan_that_does_not_fit_its_digest(desk: Desk) -> None:
    """A prepared plan that was changed after it was hashed is not even asked for."""
    with pytest.raises(ApprovalRefused):
        desk.approvals.request(desk.run, desk.prepared().model_copy(update={"digest": "0" * 64}))


def test_reject_then_plan_again(desk: Desk) -> None:
    """Rejected with a reason, planned again (the same or not), approved: each is in the audit."""
    asked = desk.approvals.request(desk.run, desk.prepared())
    assert desk.approvals.reject(asked.id, "Bob B", "Wrong join").reason == "Wrong join"
    again = desk.approvals.request(desk.run, desk.prepared())
    assert again.id != asked.id
    assert desk.approvals.approve(again.id, "Bob B").state == "approved"
    assert desk.events() == ["request", "reject", "request", "approve"]


def test_two_people(desk: Desk) -> None:
    """With two people needed the first approval waits for the second, from another process or notebook."""
    desk.host.text = TWO
    asked = desk.approvals.request(desk.run, desk.prepared())
    assert desk.approvals.approve(asked.id, "Bob").state == "partly_approved"
    other = ApprovalOrchestrator(desk.store, desk.clock, desk.host, identity=lambda: "cy")  # type: ignore[arg-type]
    assert other.approve(asked.id, "Bob").state == "approved"
    assert [one.identity for one in desk.store.approval(asked.id).decisions] == ["bob", "cy"]


def test_typed_name_decides_nothing(desk: Desk) -> None:
    """The author cannot approve by typing another name."""
    desk.host.text = TWO
    desk.host.user = "ada"
    asked = desk.approvals.request(desk.run, desk.prepared())
    with pytest.raises(ApprovalRefused, match="somebody else must approve"):
        desk.approvals.approve(asked.id, "bob")
    assert desk.events() == ["request"]


def test_policy_is_read_when_deciding(desk: Desk) -> None:
    """A policy that was merged after the plan holds: the plan has to be made again."""
    asked = desk.approvals.request(desk.run, desk.prepared())
    desk.host.text = TWO
    with pytest.raises(ApprovalRefused, match="policy on the base branch was changed"):
        desk.approvals.approve(asked.id, "B")
    desk.host.text = "[environments"
    with pytest.raises(ConfigurationError):
        desk.approvals.approve(asked.id, "B")


def test_findings_and_clauses_come_from_the_request(desk: Desk) -> None:
    """Red findings and clauses not understood block an approval from any kernel: they are stored with the plan."""
    asked = desk.approvals.request(desk.run, desk.prepared(verdict="red"), findings=[RED], unmatched=["c3"])
    other = ApprovalOrchestrator(desk.store, desk.clock, desk.host)  # type: ignore[arg-type]
    with pytest.raises(ApprovalRefused) as raised:
        other.approve(asked.id, "B")
    assert "`loss`" in raised.value.message and "`c3`" in raised.value.message
    assert len(other.missing(asked.id)) == 1
    waived = desk.prepared(verdict="red", waivers=(Waiver(finding="loss", by="bob", reason="known"),))
    again = desk.approvals.request(desk.run, waived, findings=[RED], unmatched=["c3"])
    assert other.missing(again.id) == ()
    done = other.approve(again.id, "B", confirmed=["c3"])
    assert done.decisions[0].confirmed == ("c3",)
    assert desk.store.audit()[-1].detail["confirmed"] == ["c3"]


def test_new_red_finding_voids_a_given_approval(desk: Desk) -> None:
    """The same plan with a red finding nobody waived is not what was approved."""
    waived = desk.prepared(verdict="red", waivers=(Waiver(finding="loss", by="bob", reason="known"),))
    asked = desk.approvals.request(desk.run, waived, findings=[RED])
    desk.approvals.approve(asked.id, "B")
    more = Finding(id="dupes", severity="red", message="Duplicates.")
    again = desk.approvals.request(desk.run, waived, findings=[RED, more])
    assert desk.store.approval(asked.id).state == "void"
    assert again.state == "pending"


def test_waive(desk: Desk) -> None:
    """A waiver names a red finding and a reason, is by the authenticated identity, and comes with its audit entry."""
    asked = desk.approvals.request(desk.run, desk.prepared(verdict="red"), findings=[RED])
    planned = desk.run.model_copy(update={"approval_id": asked.id})
    waiver, said = desk.approvals.waive(planned, "loss", "Known gap", name="Bob B")
    assert waiver == Waiver(finding="loss", by="bob", reason="Known gap")
    assert (said.event, said.identity, said.name) == ("finding.waive", "bob", "Bob B")
    assert desk.store.audit()[-1].event == "approval.request", "written by whoever writes the waiver, in one write"
    for finding, reason in (("other", "r"), ("loss", " ")):
        with pytest.raises(ApprovalRefused):
            desk.approvals.waive(planned, finding, reason)
    with pytest.raises(ApprovalRefused, match="there are: none"):
        desk.approvals.waive(desk.run, "loss", "r")
    desk.host.text = "[environments.default]\nwaivers_allowed = false\n"
    with pytest.raises(ApprovalRefused, match="allows no waivers"):
        desk.approvals.waive(planned, "loss", "r")


def test_expires(desk: Desk) -> None:
    """After its time nobody can approve or reject; it becomes expired, once, and a new plan asks anew."""
    asked = desk.approvals.request(desk.run, desk.prepared())
    assert desk.approvals.expire(asked.id).state == "pending"
    desk.clock.time += datetime.timedelta(days=7)
    with pytest.raises(ApprovalRefused, match="is expired already: Nobody decided"):
        desk.approvals.approve(asked.id, "B")
    with pytest.raises(ApprovalRefused):
        desk.approvals.reject(asked.id, "B", "late")
    assert desk.events() == ["request", "expire"]
    assert desk.approvals.request(desk.run, desk.prepared()).id != asked.id


def test_given_approval_does_not_expire(desk: Desk) -> None:
    """What was approved in time stays approved."""
    asked = desk.approvals.request(desk.run, desk.prepared())
    desk.approvals.approve(asked.id, "B")
    desk.clock.time += datetime.timedelta(days=70)
    assert desk.approvals.expire(asked.id).state == "approved"


def test_by_policy(desk: Desk) -> None:
    """Approval without a person is said to be one, and names who asked for it."""
    with pytest.raises(ApprovalRefused):
        desk.approvals.approve(desk.approvals.request(desk.run, desk.prepared()).id, "", by_policy=True)
    desk.host.text = "[environments.default]\napproval_by_policy = true\n"
    asked = desk.approvals.request(desk.run, desk.prepared())
    done = desk.approvals.approve(asked.id, "", by_policy=True)
    assert (done.state, done.decisions[0].identity) == ("approved", "policy:default")
    entry = desk.store.audit()[-1]
    assert (entry.event, entry.detail["asked_by"]) == ("approval.approve_by_policy", "bob")


def test_void_and_unknown(desk: Desk) -> None:
    """Voiding twice is voiding once; what was rejected is not voided; an unknown id is NotFound."""
    asked = desk.approvals.request(desk.run, desk.prepared())
    assert desk.approvals.void(asked.id, "Edited").state == "void"
    assert desk.approvals.void(asked.id, "Again").reason == "Edited"
    assert desk.events() == ["request", "void"]
    for call in (
        lambda: desk.approvals.approve("x", "B"),
        lambda: desk.approvals.reject("x", "B", "r"),
        lambda: desk.approvals.void("x", "r"),
    ):
        with pytest.raises(NotFound):
            call()


def test_secrets_in_comments(desk: Desk) -> None:
    """A token pasted into a comment reaches neither store nor audit."""
    token = "ghp_" + "a1" * 18
    asked = desk.approvals.request(desk.run, desk.prepared())
    desk.approvals.approve(asked.id, "B", f"use {token}")
    assert desk.store.approval(asked.id).decisions[0].comment == f"use {MASK}"
    assert token not in str(desk.store.audit())


# --- races ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_twenty_processes_decide(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Twenty people approve, reject and void at once: one decision wins, nineteen are told, the chain holds."""
    url = str(tmp_path / "s.db") if kind == "sqlite" else request.getfixturevalue("postgres_url")
    desk = Desk(url)
    asked = desk.approvals.request(desk.run, desk.prepared())
    desk.store.close()

    def act(number: int) -> str:
        with contextlib.closing(Database(url)) as store:
            approvals = ApprovalOrchestrator(store, StepClock(), Host(), lambda: f"user{number}")  # type: ignore[arg-type]
            decided = approvals.reject(asked.id, "", "no") if number % 2 else approvals.approve(asked.id, "")
            return f"won {decided.decisions[-1].identity}"

    found = race([lambda number=number: act(number) for number in range(20)])  # type: ignore[misc]
    winners = [one for one in found if one.startswith("won")]
    assert len(winners) == 1, found
    told = [one for one in found if one.startswith("ApprovalRefused")]
    winner = winners[0].removeprefix("won ")
    assert len(told) == 19 and all(f"already by `{winner}`" in one for one in told), found
    (decision,) = desk.store.approval(asked.id).decisions
    assert decision.identity == winner
    assert len(desk.events()) == 2
    desk.store.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize("same", [True, False])
def test_processes_ask_at_once(kind: str, same: bool, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Eight kernels that ask for one run's approval at once leave exactly one open, for the same plan or for eight."""
    url = str(tmp_path / "s.db") if kind == "sqlite" else request.getfixturevalue("postgres_url")

    def act(number: int) -> str:
        desk = Desk(url)
        desk.clock.new_id = lambda prefix: f"{prefix}-{number}"  # type: ignore[method-assign]
        prepared = desk.prepared(parameters={} if same else {"a": str(number)})
        with contextlib.closing(desk.store):
            return desk.approvals.request(desk.run, prepared).state

    found = race([lambda number=number: act(number) for number in range(8)])  # type: ignore[misc]
    assert set(found) <= ({"pending"} if same else {"pending", "void"}), found
    desk = Desk(url)
    every = desk.store.approvals("r-1")
    assert [one.state for one in every].count("pending") == 1
    assert {one.state for one in every} <= {"pending", "void"}
    desk.events()
    desk.store.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_five_people_are_needed(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Eight approve at once where five are needed: exactly five decisions are kept, none lost, none too many."""
    url = str(tmp_path / "s.db") if kind == "sqlite" else request.getfixturevalue("postgres_url")
    text = "[environments.default]\nneeded = 5\n"
    desk = Desk(url, text)
    asked = desk.approvals.request(desk.run, desk.prepared())
    desk.store.close()

    def act(number: int) -> str:
        with contextlib.closing(Database(url)) as store:
            approvals = ApprovalOrchestrator(store, StepClock(), Host(text), lambda: f"user{number}")  # type: ignore[arg-type]
            return approvals.approve(asked.id, "").state

    found = race([lambda number=number: act(number) for number in range(8)])  # type: ignore[misc]
    assert (
        sorted(one.partition(":")[0] for one in found)
        == ["ApprovalRefused"] * 3 + ["approved"] + ["partly_approved"] * 4
    )
    assert len({one.identity for one in desk.store.approval(asked.id).decisions}) == 5
    assert desk.events() == ["request", *["approve"] * 5]
    desk.store.close()


def test_over_the_real_code_host(tmp_path: Path) -> None:
    """The policy is the base branch's: one that is only on a branch, or in the working copy, does not count."""
    host = LocalGit(tmp_path / "repo.git")
    store = Database(str(tmp_path / "s.db"))
    approvals = ApprovalOrchestrator(store, StepClock(), host)
    assert approvals.policy("default").needed == 1
    text = "[environments.default]\nneeded = 3\n"
    opened = host.open_pull_request(change(files=(File(path="pipeline_magic.toml", content=text),)))
    assert approvals.policy("default").needed == 1
    host.merge(opened.number, message="policy")
    assert approvals.policy("default").needed == 3
    store.close()


# --- no sequence of calls ------------------------------------------------------------------------------------------


class Decisions(RuleBasedStateMachine):
    """Any sequence of plans, decisions, voids and waiting: what is approved was approved by enough people, as it is."""

    @initialize()
    def begin(self) -> None:
        self.folder = contextlib.ExitStack()
        import tempfile

        where = self.folder.enter_context(tempfile.TemporaryDirectory())
        self.desk = Desk(str(Path(where) / "s.db"), TWO)
        self.asked: dict[str, Plan] = {}
        self.said: dict[str, set[str]] = {}
        self.ended: dict[str, str] = {}

    @rule(value=st.sampled_from(["x", "y"]), red=st.booleans())
    def plan(self, value: str, red: bool) -> None:
        prepared = self.desk.prepared(parameters={"a": value}, verdict="red" if red else "green")
        asked = self.desk.approvals.request(self.desk.run, prepared, findings=[RED] if red else [])
        self.asked[asked.id] = prepared.plan
        self.current = asked.id

    @rule(who=st.sampled_from(["ada", "bob", "cy", "dee", "eve"]), newest=st.booleans(), data=st.data())
    def approve(self, who: str, newest: bool, data: st.DataObject) -> None:
        if self.asked:
            key = self.current if newest else data.draw(st.sampled_from(sorted(self.asked)))
            self.desk.host.user = who
            with contextlib.suppress(ApprovalRefused, StaleState):
                self.desk.approvals.approve(key, "anybody")
                self.said.setdefault(key, set()).add(who)

    @rule(who=st.sampled_from(["bob", "eve"]))
    def reject(self, who: str) -> None:
        if self.asked:
            self.desk.host.user = who
            with contextlib.suppress(ApprovalRefused, StaleState):
                self.desk.approvals.reject(self.current, "anybody", "no")

    @rule(hours=st.sampled_from([1, 200]))
    def wait(self, hours: int) -> None:
        self.desk.clock.time += datetime.timedelta(hours=hours)

    @invariant()
    def approved_means_approved(self) -> None:
        for key, made in getattr(self, "asked", {}).items():
            approval = self.desk.store.approval(key)
            if self.ended.setdefault(key, approval.state) in ("rejected", "void", "expired"):
                assert approval.state == self.ended[key]
            self.ended[key] = approval.state
            people = {one.identity for one in approval.decisions if one.verb == "approve"}
            assert people <= {"bob", "cy", "dee"}
            if approval.state == "approved":
                assert len(people) == 2 and people == self.said[key]
                assert made.verdict == "green"
                assert approval.digest == plan_digest(made)
                assert key == self.current, "an approval of a plan that was replaced"
        assert len([1 for key in self.asked if self.ended[key] in ("pending", "partly_approved", "approved")]) <= 1

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.desk.events()
            self.desk.store.close()
            self.folder.close()


TestDecisions = Decisions.TestCase
TestDecisions.settings = settings(
    max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
