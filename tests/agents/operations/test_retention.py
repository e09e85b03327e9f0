"""Which runs nobody needs any more, and that nothing else goes."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.adapters.database import Database
from pipeline_magic.agents.approval.audit import verify
from pipeline_magic.agents.approval.ledger import sha256_of, verify_exchanges
from pipeline_magic.agents.operations.retention import Leftovers, Retention, age
from pipeline_magic.errors import DeploymentError, NotFound, UsageError
from pipeline_magic.runs import Approval, AuditDraft, Exchange, Run
from tests.support.trust import approval, deployment, plan, run

OLD = "2026-01-02T03:04:05+00:00"
NOW = datetime.datetime(2026, 11, 2, tzinfo=datetime.timezone.utc)
DAYS = datetime.timedelta(days=90)
PLANTED = "hunter2-personal-value"


class Clock:
    def now(self) -> datetime.datetime:
        return NOW

    def new_id(self, prefix: str) -> str:
        raise AssertionError("no ids here")


class World:
    """An engine and a deployer: scratch schemas by run, digests (present, previous) by job."""

    def __init__(self) -> None:
        self.scratch: set[str] = set()
        self.jobs: dict[str, tuple[str, str | None]] = {}
        self.broken = False
        self.before_drop: Any = lambda: None

    def left_scratch(self, run_ids: Sequence[str]) -> list[str]:
        return [run_id for run_id in run_ids if run_id in self.scratch]

    def drop_scratch(self, run_id: str) -> None:
        self.before_drop()
        self.scratch.discard(run_id)

    def settings(self, job: str) -> dict[str, Any]:
        if self.broken:
            raise DeploymentError("The service cannot be reached.")
        if job not in self.jobs:
            raise NotFound("no such job")
        return {"digest": self.jobs[job][0]}

    def previous(self, job: str) -> Any:
        digest = self.jobs[job][1]
        return None if digest is None else type("Request", (), {"digest": digest})()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    opened = Database(str(tmp_path / "s.db"))
    yield opened
    opened.close()


@pytest.fixture
def world() -> World:
    return World()


def retention(store: Database, world: World, **changes: Any) -> Retention:
    given: dict[str, Any] = {
        "identity": "ada", "alive": lambda worker: worker == "living", "worker": "me", **changes,
    }  # fmt: skip
    return Retention(store, world, world, Clock(), **given)  # type: ignore[arg-type]  # as much of them as is asked


def add(
    store: Database, run_id: str, *way: str, approved: str = "", deployed: str = "", digest: str = "", **changes: Any
) -> Run:
    """A run in the last state of its way, with stages, and an approval and a deployment in these states."""
    made = store.create_run(run(run_id, created=OLD, updated=OLD, **changes))
    for state in way:
        made = store.update_run(made, state=state)
    for stage in ("parse", "validate", "quality"):
        store.save_stage(run_id, stage, "d", f"{run_id} {stage} {PLANTED}", OLD)  # type: ignore[arg-type]
    if approved:
        asked: Approval = approval(f"a-{run_id}", run_id=run_id, expires="2026-12-01T00:00:00+00:00")
        store.save_plan(asked.id, plan(), {"findings": [PLANTED]})
        store.save_approval(asked, expected_state=None)
        if approved == "expired later":
            store.save_approval(asked.model_copy(update={"expires": OLD}), expected_state="pending")
        elif approved != "pending":
            store.save_approval(asked.model_copy(update={"state": approved}), expected_state="pending")
    if deployed:
        made_at = deployment(id="job-1", run_id=run_id, digest=digest)
        store.save_deployment(made_at, expected_state=None)
        ways = {"deployed": ["deploying", "deployed"], "rolled_back": ["deploying", "deployed", "rolling_back"]}
        before = "waiting"
        for state in [*ways.get(deployed, []), deployed]:
            if state != before:
                store.save_deployment(made_at.model_copy(update={"state": state}), expected_state=before)
                before = state
    return made


PLANNED = ("awaiting_input", "generating", "planned")


@pytest.mark.parametrize(
    ("way", "given", "needed"),
    [
        ((), {}, "not finished"),
        (("awaiting_input",), {}, "not finished"),
        (("awaiting_input", "generating"), {}, "not finished"),
        (PLANNED, {}, "not finished"),
        (("failed",), {}, "failed, and can be resumed"),
        (("cancelled",), {}, ""),
        (("awaiting_input", "superseded"), {}, ""),
        (PLANNED, {"approved": "pending"}, "waiting for an approval"),
        (PLANNED, {"approved": "partly_approved"}, "waiting for an approval"),
        ((*PLANNED, "cancelled"), {"approved": "pending"}, ""),
        (("awaiting_input", "generating"), {"approved": "pending"}, "waiting for an approval"),
        (PLANNED, {"approved": "approved"}, "approved, and not deployed yet"),
        (PLANNED, {"approved": "rejected"}, ""),
        (PLANNED, {"approved": "void"}, ""),
        (PLANNED, {"approved": "expired"}, ""),
        (PLANNED, {"approved": "expired later"}, ""),
        (("cancelled",), {"approved": "approved"}, "approved, and not deployed yet"),
        (PLANNED, {"approved": "approved", "deployed": "waiting"}, "deployment not finished"),
        (PLANNED, {"approved": "approved", "deployed": "failed"}, "deployment not finished"),
        (PLANNED, {"approved": "approved", "deployed": "deployed", "digest": "new"}, "live"),
        (PLANNED, {"approved": "approved", "deployed": "deployed", "digest": "before"}, "live"),
        (PLANNED, {"approved": "approved", "deployed": "deployed", "digest": "old"}, ""),
        (PLANNED, {"approved": "approved", "deployed": "rolled_back", "digest": "old"}, ""),
        (PLANNED, {"approved": "approved", "deployed": "rolled_back", "digest": "new"}, "live"),
        (("cancelled",), {"worker": "living"}, "being worked on"),
        (("cancelled",), {"worker": "dead"}, ""),
    ],
)
def test_who_needs_it(store: Database, world: World, way: tuple[str, ...], given: dict[str, str], needed: str) -> None:
    """Whatever somebody may go on with, decide on, build again or roll back to is kept; the rest can go."""
    world.jobs["job-1"] = ("new", "before")
    add(store, "r-1", *way, **given)
    found = retention(store, world).find(DAYS)
    assert [item.run_id for item in found.runs] == ([] if needed else ["r-1"])
    assert list(found.kept) == [] if not needed else next(iter(found.kept)).startswith(needed)


def test_who_cannot_be_asked_needs_it(store: Database, world: World) -> None:
    """While the deployer cannot say what is live, nothing deployed goes; a job that is gone needs nothing."""
    add(store, "r-1", *PLANNED, approved="approved", deployed="deployed", digest="d")
    world.broken = True
    assert list(retention(store, world).find(DAYS).kept) == ["the deployer cannot say what is live"]
    world.broken = False
    assert [item.why for item in retention(store, world).find(DAYS).runs] == ["its job was deleted"]


def test_younger_runs_stay(store: Database, world: World) -> None:
    """The bound is the last change of a run; a time that cannot be read, or lies in the future, counts as young."""
    for number, updated in enumerate(("2026-08-03T00:00:00+00:00", "2026-08-05T00:00:00+00:00", "2030-01-01", "x")):
        made = add(store, f"r-{number}")
        store.update_run(made, state="cancelled", updated=updated)
    assert [item.run_id for item in retention(store, world).find(DAYS).runs] == ["r-0"]


def test_failed_runs_on_request(store: Database, world: World) -> None:
    """A failed run can be resumed, so it goes only when that is asked for."""
    add(store, "r-1", "failed")
    kept = retention(store, world)
    assert kept.find(DAYS).runs == ()
    found = kept.find(DAYS, failed=True)
    assert [item.why for item in found.runs] == ["failed"]
    assert kept.remove(found, failed=True).runs == ("r-1",)


def test_finding_changes_nothing_and_removing_is_audited(store: Database, world: World, tmp_path: Path) -> None:
    """Stages and evidence go, and not a byte of them stays in the files; run, approval, plan and audit stay."""
    made = add(store, "r-1", *PLANNED, approved="rejected")
    add(store, "r-2", *PLANNED, approved="pending")
    store.append_audit(at=OLD, run_id="r-1", event="approval.reject", identity="bob")
    kept = retention(store, world)
    before = (store.run("r-1"), store.stage("r-1", "parse"), store.audit(), store.plan("a-r-1"))
    found = kept.find(DAYS)
    assert before == (store.run("r-1"), store.stage("r-1", "parse"), store.audit(), store.plan("a-r-1"))
    (item,) = found.runs
    assert (item.data.stages, item.data.measured, item.why) == (3, 1, "rejected") and found.size > 60

    assert kept.remove(found).runs == ("r-1",)
    assert [store.stage("r-1", stage) for stage in ("parse", "validate", "quality")] == [None] * 3  # type: ignore[arg-type]
    assert store.plan("a-r-1") == (plan(), {})
    assert store.approval("a-r-1").state == "rejected"
    after = store.run("r-1")
    assert (after.state, after.statement, after.updated) == ("planned", made.statement, OLD)
    assert after.message == "Its working data were removed on 2026-11-02: rejected, and not changed since 2026-01-02."
    entry = store.audit()[-1]
    assert (entry.event, entry.identity, entry.run_id) == ("run.clean", "ada", "r-1")
    assert entry.detail["removed"] == item.data.model_dump()
    assert verify(store.audit_stream()) == ()
    assert store.stage("r-2", "parse") is not None and store.plan("a-r-2")[1] == {"findings": [PLANTED]}
    assert kept.find(DAYS).runs == ()

    assert kept.remove(found).runs == ("r-1",)  # again, as after a crash: nothing more to remove, nothing more is said
    assert [one.event for one in store.audit()].count("run.clean") == 1
    store.compact()
    store.close()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"r-1 quality" not in written and b"r-2 quality" in written


def test_nothing_of_it_stays_on_the_disk(store: Database, world: World, tmp_path: Path) -> None:
    """What was removed is overwritten in the file at once; compacting makes the file smaller."""
    add(store, "r-1", "cancelled")
    store.save_stage("r-1", "quality", "d", f"{PLANTED} " * 20_000, OLD)
    kept = retention(store, world)
    kept.remove(kept.find(DAYS))
    store.close()
    before = (tmp_path / "s.db").stat().st_size
    assert before > 400_000
    assert PLANTED.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    store.compact()
    store.close()
    assert (tmp_path / "s.db").stat().st_size < before / 2


def test_texts_of_models_go_when_told(store: Database, world: World) -> None:
    """Off, they stay; on, both texts go and their hashes stay, as the audit knows them; removal by hand is seen."""
    add(store, "r-1", "cancelled")
    asked = Exchange(
        id="x-1", run_id="r-1", at=OLD, model="m", host="h", status="answered", request="ask", answer="say",
        request_sha256=sha256_of("ask"), answer_sha256=sha256_of("say"),
    )  # fmt: skip
    for event, digest in (("model.request", asked.request_sha256), ("model.answer", asked.answer_sha256)):
        said = AuditDraft(at=OLD, run_id="r-1", event=event, identity="ada", digest=digest, detail={"id": "x-1"})
        store.save_exchange(asked, audit=said)
    kept = retention(store, world)
    kept.remove(kept.find(DAYS))
    assert list(store.exchanges("r-1")) == [asked]

    told = retention(store, world, texts=True)
    found = told.find(DAYS)
    assert [(item.data.stages, item.data.exchanges, item.data.size) for item in found.runs] == [(0, 1, 6)]
    by_hand = asked.model_copy(update={"request": "", "answer": "", "removed": OLD})
    entries = [entry for entry in store.audit() if entry.event != "run.clean"]
    assert "the audit does not say so" in verify_exchanges([by_hand], entries)[0]
    told.remove(found)
    (bare,) = store.exchanges("r-1")
    assert (bare.request, bare.answer, bare.request_sha256) == ("", "", asked.request_sha256)
    assert verify_exchanges([bare], store.audit()) == ()
    forged = bare.model_copy(update={"request_sha256": "0" * 64})
    assert "is not the one that the audit knows" in verify_exchanges([forged], store.audit())[0]


def test_what_changed_meanwhile_is_passed_over(store: Database, world: World) -> None:
    """Between finding and removing somebody goes on with a run: it stays whole, and that is said."""
    first, second = add(store, "r-1", "cancelled"), add(store, "r-2", "cancelled")
    kept = retention(store, world)
    found = kept.find(DAYS)
    store.update_run(first, state="parsing")
    store.update_run(second, worker="living")
    removed = kept.remove(found)
    assert removed.runs == ()
    assert removed.passed == {"r-1": "not finished", "r-2": "being worked on"}
    assert store.stage("r-1", "parse") is not None


def test_scratch_schemas_of_killed_runs(store: Database, world: World) -> None:
    """A scratch schema goes when nobody works on its run, whatever its age; the run is held meanwhile, and kept."""
    add(store, "r-1", "awaiting_input", "generating", worker="dead")
    add(store, "r-2", "awaiting_input", "generating", worker="living")
    world.scratch |= {"r-1", "r-2", "r-unknown"}
    kept = retention(store, world)
    found = kept.find(DAYS)
    assert (found.runs, found.scratch) == ((), ("r-1",))
    seen: list[str] = []
    world.before_drop = lambda: seen.append(store.run("r-1").worker)
    assert kept.remove(found).scratch == ("r-1",)
    assert seen == ["me"] and store.run("r-1").worker == ""
    assert world.scratch == {"r-2", "r-unknown"}
    assert [entry.event for entry in store.audit()] == ["scratch.drop"]
    late = Leftovers(before=OLD, scratch=("r-2",))
    assert kept.remove(late).passed == {"r-2": "it is being worked on"}
    assert "r-2" in world.scratch


@pytest.mark.parametrize(("text", "hours"), [("90d", 2160), (" 2W ", 336), ("48 hours", 48), ("1 day", 24), ("0d", 0)])
def test_age(text: str, hours: int) -> None:
    """Ages as people write them."""
    assert age(text) == datetime.timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "1.5d", "90 months", "9" * 9 + "d", "１０d x"])
def test_no_age(text: str) -> None:
    """Anything else is refused with the form it should have."""
    with pytest.raises(UsageError, match="is not an age"):
        age(text)
