"""No sequence of calls deploys what was not approved.

Walks by seed, and in the whole run Hypothesis too, call build, answer, edit, generate, waive, approve and reject (as
several people), edit, reject, cancel and change the policy in the middle of an approval, move the clock, change policy
and files of the base branch, add columns to sources and turn their rows red, let deployments fail or be cut off,
resume, replay, clean up, merge by hand, roll back, and write into the store's tables with SQL. Whenever the deployer is
asked for a deployment, an account that this test keeps by itself must justify it: who approved what they were shown,
under the policy of that moment, and what the world was. Store, lakehouse and jobs are real; the repository is in memory
and the engine light (see `world`).
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pipeline_magic.agents.approval import audit
from pipeline_magic.agents.approval.digest import plan_digest
from pipeline_magic.agents.approval.policy import FILE, read_policy
from pipeline_magic.config import Settings
from pipeline_magic.errors import PipelineMagicError
from pipeline_magic.ports import DeployRequest
from pipeline_magic.runs import Answer, Plan, Snapshot
from pipeline_magic.spec.paths import Edit
from tests.support.random_runs import tell
from tests.trust import memory, world

FULL = bool(os.environ.get("PIPELINE_MAGIC_TEST_FULL"))
EXAMPLES, STEPS = 150, 60
WALKS = range(12 if FULL else 1)

PEOPLE = ("ada", "bob", "eve")
POLICIES = (
    "",
    'approvers = ["ada", "bob"]',
    "needed = 2",
    'not_author = true\napprovers = ["bob", "eve"]',
    "waivers_allowed = false",
    "merge = false",
    "approval_by_policy = true",
    "expires_hours = 1\nfirst_run = false",
)
MEANWHILE = ("edit", "answer", "reject", "cancel", "approve", "policy", "base", "schema")
COUNTED: dict[str, int] = {"steps": 0, "deployments": 0, "refusals": 0, "tampered": 0}
MOVES = ("waived", "expired", "void", "rejected", "rolled back", "resumed", "cleaned", "replayed", "cancelled",
         "meanwhile", "cut off", "another policy")  # fmt: skip
"""What must really have happened, and not only been refused, at least once."""


@dataclass
class Approved:
    """What this test knows of an approval: the plan as it was shown to whoever approved, and who did."""

    plan: Plan
    reds: frozenset[str]
    author: str
    people: set[str] = field(default_factory=set)
    by_policy: bool = False


class Machine(RuleBasedStateMachine):
    """One pipeline and everybody who does something to it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="pm-machine-"))
        home = self.folder / "home"
        shutil.copytree(_template(), home)
        self.clock, self.host = memory.MovedClock(), memory.MemoryHost()
        ports = world.ports_at(home, clock=self.clock)
        self.jobs = memory.NotingJobs(home, ports.engine, ports.catalog, self.clock)  # type: ignore[arg-type]
        self.jobs.tell(self.deploying)
        self.store = ports.store
        self.lakehouse = ports.catalog
        shown = Settings(home=home, local=True, measure_questions=False, sample_run=False)
        ports = replace(ports, code_host=self.host, deployer=self.jobs)
        self.it = world.open_world(home, ports, shown)
        self.other = world.open_world(home, ports, shown)  # somebody at another notebook, on the same store
        self.approved: dict[str, Approved] = {}
        self.deployed: list[str] = []
        self.unjustified: list[str] = []
        self.forged = False

    def teardown(self) -> None:
        for entry in self.store.audit():
            if entry.event in ("approval.expire", "approval.void"):
                COUNTED[{"approval.expire": "expired", "approval.void": "void"}[entry.event]] += 1
        self.it.close()
        shutil.rmtree(self.folder)

    # --- the account -------------------------------------------------------------------------------------------------

    def deploying(self, request: DeployRequest) -> None:
        """The deployer was asked: who approved that?"""
        COUNTED["deployments"] += 1
        if request.key.startswith("rollback-"):
            again = [one for one in self.approved.values() if plan_digest(one.plan) == request.digest]
            wrong = [] if any(self._same(one.plan, request) for one in again) else ["a rollback to what never was"]
        else:
            candidates = [self._wrong(one, request) for one in self.approved.values()]
            wrong = min(candidates, key=len, default=["nobody approved anything"])
        if wrong:
            self.unjustified.append(f"{request.key} of {request.digest[:8]}: {'; '.join(wrong)}")
        self.deployed.append(request.digest)

    def _same(self, plan: Plan, request: DeployRequest) -> bool:
        notebook = next(file.content for file in plan.files if file.path.endswith(".ipynb"))
        asked = (request.notebook, request.parameters, request.spec, request.digest)
        return asked == (notebook, plan.parameters, plan.spec, plan_digest(plan))

    def _wrong(self, known: Approved, request: DeployRequest) -> list[str]:
        """Why this approval does not justify the request."""
        if plan_digest(known.plan) != request.digest:
            return ["another digest was approved", "so nothing about it can be said", "at all"]
        policy = read_policy(self.host.files.get(FILE), "default")
        wrong = [] if self._same(known.plan, request) else ["not the bytes that were shown"]
        people = {one for one in known.people if not policy.approvers or one in policy.approvers}
        people -= {known.author} if policy.not_author else set()
        if len(people) < policy.needed and not (known.by_policy and policy.approval_by_policy):
            wrong.append(f"{sorted(known.people)} approved, and the policy asks for {policy.in_words()}")
        if known.plan.policy != policy.model_dump(mode="json"):
            wrong.append("the policy was changed since")
        waived = {one.finding for one in known.plan.waivers}
        if known.reds - waived or (waived and not policy.waivers_allowed):
            wrong.append(f"red: {sorted(known.reds - waived)}, waived: {sorted(waived)}")
        for source in known.plan.spec.sources:
            if self.lakehouse.table(source.table).shape() != known.plan.schemas[source.alias]:
                wrong.append(f"`{source.table}` has other columns than were planned for")
        wrong += [
            f"`{file.path}` on the base branch is not what was approved"
            for file in known.plan.files
            if self.host.files.get(file.path) != file.content
        ]
        return wrong

    # --- calls -------------------------------------------------------------------------------------------------------

    def call(self, who: str, action: Callable[[], Any], done: str = "") -> Any:
        """Call as somebody; an error of ours is an answer, any other is a failure of this test."""
        before, self.host.who = self.host.who, who
        COUNTED["steps"] += 1
        try:
            made = action()
            COUNTED[done or "done"] = COUNTED.get(done or "done", 0) + 1
            return made
        except PipelineMagicError as error:
            COUNTED["refusals"] += 1
            assert error.message and (error.hint or error.where or len(error.message) > 20), repr(error)
            return None
        finally:
            self.host.who = before

    def snapshot(self) -> Snapshot | None:
        runs = self.it.runs()
        try:
            return self.it.snapshot(runs[0].id) if runs else None
        except PipelineMagicError:
            return None

    def shown(self) -> tuple[str, Approved] | None:
        """The plan that waits for approval, as it is shown now."""
        snapshot = self.snapshot()
        if snapshot is None or snapshot.approval is None or snapshot.generated is None or snapshot.quality is None:
            return None
        try:
            plan, _ = self.store.plan(snapshot.approval.id)
        except PipelineMagicError:
            return None
        reds = frozenset(one.id for one in snapshot.quality.findings if one.severity == "red")
        return snapshot.approval.id, Approved(plan, reds, snapshot.run.author)

    def decide(self, who: str, action: Callable[[], Any], *, by_policy: bool = False) -> None:
        """An approval: who approves is noted before, since the deployment follows in the same call."""
        found = self.shown()
        if found is None:
            self.call(who, action)
            return
        approval, now = found
        known = self.approved.setdefault(approval, now)
        before, mine = set(known.people), who not in known.people and not by_policy
        known.people |= {who} if mine else set()
        self.call(who, action)
        try:
            written = self.store.approval(approval)
        except PipelineMagicError:
            written = None
        if mine and not self.forged and (written is None or who not in {one.identity for one in written.decisions}):
            known.people = before

    # --- what people do ----------------------------------------------------------------------------------------------

    @initialize(people=st.permutations(PEOPLE), policy=st.sampled_from(POLICIES))
    def begin(self, people: list[str], policy: str) -> None:
        self.set_policy(policy)
        self.call("ada", lambda: self.it.build_pipeline(world.STATEMENT))
        for who in people[:2]:
            self.approve(who, False)

    def set_policy(self, policy: str) -> None:
        self.host.files[FILE] = f"[environments.default]\n{policy}\n"

    @rule(who=st.sampled_from(PEOPLE))
    def build(self, who: str) -> None:
        self.call(who, lambda: self.it.build_pipeline(world.STATEMENT))

    @rule(who=st.sampled_from(PEOPLE))
    def build_without_approval(self, who: str) -> None:
        """Built first, so that what is then approved by policy is what this test has seen."""
        self.call(who, lambda: self.it.build_pipeline(world.STATEMENT))
        found = self.shown()
        if found is not None:
            self.approved.setdefault(*found).by_policy = True
        self.decide(who, lambda: self.it.build_pipeline(world.STATEMENT, require_approval=False), by_policy=True)

    @rule(value=st.sampled_from(["left", "inner"]))
    def answer(self, value: str) -> None:
        run = self._run()
        self.call("ada", lambda: self.it.answer(run, [Answer(question="join:customers", value=value)]))

    @rule(value=st.sampled_from(["one", "two", "three"]))
    def edit(self, value: str) -> None:
        self.call("ada", lambda: self.it.edit(self._run(), [Edit(path="target.comment", value=value)]))

    @rule()
    def generate(self) -> None:
        self.call("ada", lambda: self.it.generate(self._run()))

    @rule(who=st.sampled_from(PEOPLE))
    def waive(self, who: str) -> None:
        found = self.shown()
        for red in sorted(found[1].reds)[:1] if found else ():
            self.call(who, lambda red=red: self.it.waive(self._run(), red, "It may stand"), "waived")

    @rule(who=st.sampled_from(PEOPLE), old=st.booleans())
    def approve(self, who: str, old: bool) -> None:
        found = self.shown()
        approval = min(self.approved, default="a-none") if old else found[0] if found else "a-none"
        self.decide(who, lambda: self.it.approve_pipeline(approval, who, "Looks good"))

    @rule(people=st.permutations(PEOPLE), policy=st.sampled_from((None, *POLICIES)))
    def plan_and_approve(self, people: list[str], policy: str | None) -> None:
        """What people mostly do: plan, and approve one after the other, until it is enough."""
        if policy is not None:
            self.set_policy(policy)
        self.build("ada")
        self.generate()
        for who in people:
            self.approve(who, False)

    @rule(who=st.sampled_from(PEOPLE))
    def approve_and_fail(self, who: str) -> None:
        self.jobs.fails = True
        self.approve(who, False)
        self.jobs.fails = False

    @rule(who=st.sampled_from(PEOPLE))
    def approve_and_be_cut_off(self, who: str) -> None:
        self.jobs.stops = True
        self.approve(who, False)
        COUNTED["cut off"] += not self.jobs.stops
        self.jobs.stops = False

    @rule(
        who=st.sampled_from(PEOPLE),
        what=st.sampled_from(MEANWHILE),
    )
    def approve_and_meanwhile(self, who: str, what: str) -> None:
        """In the middle of what follows an approval somebody else does something."""
        run, found, it = self._run(), self.shown(), self.other
        done: dict[str, Callable[[], Any]] = {
            "edit": lambda: it.edit(run, [Edit(path="target.comment", value="meanwhile")]),
            "answer": lambda: it.answer(run, [Answer(question="join:customers", value="inner")]),
            "reject": lambda: it.reject_pipeline(found[0] if found else "a-none", "Eve", "No, wait"),
            "cancel": lambda: it.cancel(run),
            "approve": lambda: it.approve_pipeline(found[0] if found else "a-none", "Eve"),
            "policy": lambda: self.set_policy('approvers = ["cy"]'),
            "base": lambda: self.change_base_branch("README.md", "meanwhile\n"),
            "schema": lambda: self.change_schema("orders"),
        }

        def meanwhile() -> None:
            COUNTED["meanwhile"] += 1
            self.call("eve", done[what])

        self.host.during = meanwhile
        self.approve(who, False)
        self.host.during = None

    @rule(who=st.sampled_from(PEOPLE))
    def reject(self, who: str) -> None:
        found = self.shown()
        self.call(who, lambda: self.it.reject_pipeline(found[0] if found else "a-none", who, "No"), "rejected")

    @rule(who=st.sampled_from(PEOPLE))
    def resume(self, who: str) -> None:
        self.call(who, lambda: self.it.resume(self._run()), "resumed")

    @rule(who=st.sampled_from(PEOPLE))
    def roll_back(self, who: str) -> None:
        self.call(who, lambda: self.it.rollback(self._run(), who, "Undo it"), "rolled back")

    @rule()
    def cancel(self) -> None:
        self.call("ada", lambda: self.it.cancel(self._run()), "cancelled")

    @rule(failed=st.booleans())
    def clean(self, failed: bool) -> None:
        removed = self.call("bob", lambda: self.it.clean("0d", failed=failed, remove=True))
        COUNTED["cleaned"] += removed is not None

    @rule()
    def replay(self) -> None:
        self.call("bob", lambda: self.it.replay(self._run()), "replayed")

    @rule(number=st.integers(1, 6))
    def merge_by_hand(self, number: int) -> None:
        self.call("bob", lambda: self.host.merge(number, message="By hand"))

    # --- what happens to the world -----------------------------------------------------------------------------------

    @rule(hours=st.sampled_from([0.5, 2, 200]))
    def later(self, hours: float) -> None:
        self.clock.time += timedelta(hours=hours)

    @rule(policy=st.sampled_from(POLICIES))
    def change_policy(self, policy: str) -> None:
        COUNTED["another policy"] += policy not in self.host.files[FILE]
        self.set_policy(policy)

    @rule(red=st.booleans())
    def change_rows(self, red: bool) -> None:
        """Orders that match no customer make a red finding; others do not."""
        import pyarrow as pa
        from deltalake import write_deltalake

        rows = {**world.ORDERS, "customer_id": [9] * 4} if red else world.ORDERS
        folder = str(self.lakehouse.folder("shop.sales.orders"))
        write_deltalake(folder, pa.table(dict(rows)), mode="overwrite", schema_mode="overwrite")

    @rule(end=st.sampled_from(["README.md", "spec.yml", ".ipynb"]), text=st.sampled_from(["by hand\n", None]))
    def change_base_branch(self, end: str, text: str | None) -> None:
        path = next((one for one in sorted(self.host.files) if one.startswith("pipelines/") and one.endswith(end)), "")
        if path and text is None:
            del self.host.files[path]
        elif text is not None:
            self.host.files[path or f"pipelines/city_orders/{end}"] = text

    @rule(table=st.sampled_from(["orders", "customers"]))
    def change_schema(self, table: str) -> None:
        from deltalake import DeltaTable, Field
        from deltalake.schema import PrimitiveType

        found = DeltaTable(str(self.lakehouse.folder(f"shop.sales.{table}")))
        columns = len(found.schema().fields)
        if columns < 6:
            found.alter.add_columns([Field(f"extra_{columns}", PrimitiveType("string"), nullable=True)])

    @precondition(lambda self: self.approved and not self.forged)
    @rule(what=st.sampled_from(["plan", "prepared", "state", "digest", "decision", "deployment"]))
    def tamper(self, what: str) -> None:
        """Somebody with a database client writes what suits them."""
        self.forged = True
        COUNTED["tampered"] += 1
        with sqlite3.connect(self.folder / "home" / "state.db") as store:
            _FORGERIES[what](store)

    # --- what always holds -------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_deployed_unapproved(self) -> None:
        assert not self.unjustified, self.unjustified

    @invariant()
    def the_chain_is_whole(self) -> None:
        assert list(audit.verify(self.store.audit())) == []

    def _run(self) -> str:
        runs = self.it.runs()
        return runs[0].id if runs else "r-none"


def _template() -> Path:
    """A home with the shop's tables, made once."""
    if not _made:
        folder = Path(tempfile.mkdtemp(prefix="pm-machine-template-"))
        world.build_home(folder / "home")
        _made.append(folder)
    return _made[0] / "home"


_made: list[Path] = []


# --- forgeries -------------------------------------------------------------------------------------------------------


def _swap(store: sqlite3.Connection, table: str, column: str, where: str = "1") -> None:
    """Other rows than were approved: what is counted is counted twice."""
    for rowid, text in store.execute(f"SELECT rowid, {column} FROM {table} WHERE {where}").fetchall():
        store.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (text.replace("count(", "2 * count("), rowid))


def _rewrite(store: sqlite3.Connection, table: str, change: Callable[[dict[str, Any]], None]) -> None:
    for rowid, body in store.execute(f"SELECT rowid, body FROM {table}").fetchall():
        value = json.loads(body)
        change(value)
        state = value.get("state")
        store.execute(f"UPDATE {table} SET body = ?, state = ? WHERE rowid = ?", (json.dumps(value), state, rowid))


def _forge_decision(value: dict[str, Any]) -> None:
    decision = {"verb": "approve", "identity": "bob", "name": "Bob", "at": value["created"], "digest": value["digest"]}
    value.update(state="approved", decisions=[decision, {**decision, "identity": "eve"}])


_FORGERIES: dict[str, Callable[[sqlite3.Connection], None]] = {
    "plan": lambda store: _swap(store, "pm_plans", "plan"),
    "prepared": lambda store: _swap(store, "pm_stages", "result", "stage = 'pull_request'"),
    "state": lambda store: _rewrite(store, "pm_approvals", lambda value: value.update(state="approved")),
    "digest": lambda store: _rewrite(store, "pm_approvals", lambda value: value.update(digest="0" * 64)),
    "decision": lambda store: _rewrite(store, "pm_approvals", _forge_decision),
    "deployment": lambda store: _rewrite(store, "pm_deployments", lambda value: value.update(state="waiting")),
}


# --- walks -----------------------------------------------------------------------------------------------------------


def _anybody(draw: random.Random) -> str:
    return draw.choice(PEOPLE)


def _planned(it: Machine, draw: random.Random, policy: str = "") -> None:
    """A plan that nobody approved yet, under a policy that lets anybody."""
    it.set_policy(policy)
    it.edit(f"{draw.random():.6f}")
    it.generate()


def _waived(it: Machine, draw: random.Random) -> None:
    it.change_rows(True)
    _planned(it, draw)
    for _ in range(3):
        it.waive(_anybody(draw))
    it.approve(_anybody(draw), False)
    it.change_rows(False)


def _expired(it: Machine, draw: random.Random) -> None:
    _planned(it, draw, "expires_hours = 1\nneeded = 2")
    it.approve("ada", False)
    it.later(2)
    it.approve("bob", False)


def _cut_off(it: Machine, draw: random.Random) -> None:
    _planned(it, draw)
    it.approve_and_be_cut_off(_anybody(draw))
    if draw.random() < 0.5:
        _planned(it, draw)
        it.approve(_anybody(draw), False)
    else:
        it.resume(_anybody(draw))


def _undone(it: Machine, draw: random.Random) -> None:
    _planned(it, draw)
    it.approve("bob", False)
    it.roll_back(_anybody(draw))


def _cleaned(it: Machine, draw: random.Random) -> None:
    _planned(it, draw)
    it.cancel()
    it.clean(True)


def _rejected(it: Machine, draw: random.Random) -> None:
    _planned(it, draw)
    it.reject(_anybody(draw))
    it.resume("ada")
    it.approve("bob", False)


def _merged_by_hand(it: Machine, draw: random.Random) -> None:
    _planned(it, draw, "merge = false")
    it.approve(_anybody(draw), False)
    it.merge_by_hand(len(it.host.requests))
    draw.choice([lambda: it.resume("eve"), it.cancel, lambda: it.change_schema("orders")])()
    it.resume("ada")


def _meanwhile(what: str) -> Callable[[Machine, random.Random], None]:
    def scene(it: Machine, draw: random.Random) -> None:
        _planned(it, draw)
        it.approve_and_meanwhile(_anybody(draw), what)
        it.resume(_anybody(draw))

    return scene


SCENES: tuple[Callable[[Machine, random.Random], None], ...] = (
    _waived, _expired, _cut_off, _undone, _cleaned, _rejected, _merged_by_hand,
    *map(_meanwhile, MEANWHILE[:-2]),
    lambda it, draw: it.build(_anybody(draw)),
    lambda it, draw: it.change_policy(draw.choice(POLICIES)),
    lambda it, draw: it.build_without_approval(_anybody(draw)),
    lambda it, draw: it.answer(draw.choice(["left", "inner"])),
    lambda it, draw: it.approve(_anybody(draw), True),
    lambda it, draw: it.approve_and_fail(_anybody(draw)),
    lambda it, draw: it.plan_and_approve(draw.sample(PEOPLE, 3), draw.choice(POLICIES)),
    lambda it, draw: it.replay(),
)  # fmt: skip
"""What people do one after the other; in any order, and each leaves the next one whatever it leaves."""

LAST: tuple[Callable[[Machine, random.Random], None], ...] = (
    *map(_meanwhile, MEANWHILE[-2:]),
    lambda it, draw: it.change_base_branch(draw.choice(["README.md", ".ipynb"]), draw.choice(["by hand\n", None])),
    lambda it, draw: it.change_schema("customers"),
    lambda it, draw: it.plan_and_approve(draw.sample(PEOPLE, 3), draw.choice(POLICIES)),
)
"""The same, of which the first makes most of what follows a refusal."""


def _walk(seed: int) -> None:
    """Every scene once, in an order by seed; at the end somebody writes into the store, and goes on."""
    draw, it = random.Random(seed), Machine()
    try:
        it.begin(draw.sample(PEOPLE, 3), draw.choice(POLICIES))
        for scene in (*draw.sample(SCENES, len(SCENES)), *draw.sample(LAST, len(LAST))):
            scene(it, draw)
            it.nothing_is_deployed_unapproved()
        it.the_chain_is_whole()
        it.tamper(draw.choice(sorted(_FORGERIES)))
        for _ in range(2):
            it.approve(_anybody(draw), False)
            it.resume(_anybody(draw))
            it.nothing_is_deployed_unapproved()
    finally:
        it.teardown()


@pytest.mark.timeout(1500)
def test_nothing_is_deployed_that_was_not_approved() -> None:
    """Walks by seed through everything that people do: each deployment is justified by an approval of these bytes under
    its policy, and no move was only refused."""
    COUNTED.update(dict.fromkeys((*COUNTED, *MOVES), 0))
    try:
        for seed in WALKS:
            _walk(seed)
    finally:
        while _made:
            shutil.rmtree(_made.pop())
    tell(f"walks: {COUNTED}")
    print(COUNTED)
    assert COUNTED["deployments"] >= 3 * len(WALKS), COUNTED
    missing = [move for move in MOVES if not COUNTED[move]]
    assert missing == [], (missing, COUNTED)


@pytest.mark.full
@pytest.mark.timeout(7000)
def test_no_sequence_of_calls_deploys_what_was_not_approved() -> None:
    """The same with thousands of steps in any order that is thought of, and the shortest one that breaks it."""
    COUNTED.update(dict.fromkeys((*COUNTED, *MOVES), 0))
    try:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate, Phase.shrink],
            ),
        )
    finally:
        while _made:
            shutil.rmtree(_made.pop())
    tell(f"state machine: {COUNTED}")
    print(COUNTED)
    assert COUNTED["deployments"] >= EXAMPLES // 2, COUNTED
