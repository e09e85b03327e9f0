"""Every verb that decides, changes or does something stands in the audit; one that only looks leaves no word there."""

from __future__ import annotations

import contextlib
import datetime
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline_magic.agents.approval.audit import examine
from pipeline_magic.agents.approval.heads import gather
from pipeline_magic.agents.approval.records import verify_records
from pipeline_magic.agents.operations.deploy import HEAD_TAG
from pipeline_magic.errors import LanguageModelError, PipelineMagicError, StoreError
from pipeline_magic.orchestrator import PipelineBuilderOrchestrator
from pipeline_magic.runs import AuditEntry
from pipeline_magic.verbs import VERBS, Outcome, parser_of
from tests.trust import world

Orchestrator = PipelineBuilderOrchestrator

LOOKS = {"review", "list", "status", "audit", "ledger", "rows", "doctor", "replay"}
"""Verbs that only look."""

SAYS: dict[str, list[str]] = {
    "answer": ["question.answer"],
    "edit": ["spec.edit"],
    "change": ["spec.edit"],
    "generate": ["approval.request"],
    "approve": [
        "approval.approve",
        "pull_request.open",
        "pull_request.comment",
        "pull_request.report",
        "pull_request.merge",
        "job.deploy",
        "job.run",
        "deployment.done",
    ],
    "reject": ["approval.reject"],
    "waive": ["finding.waive", "approval.request"],
    "rollback": ["rollback.start", "rollback.done"],
    "cancel": ["run.cancel"],
    "hand-edits": [],
    "resume": [],
    "clean": ["run.clean"],
}
"""What each other verb must at least say, in this order."""


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Orchestrator]:
    world.build_home(tmp_path / "home")
    with contextlib.closing(world.open_world(tmp_path / "home")) as opened:
        yield opened


class Walk:
    """Types verbs, and looks after each at what the audit has got."""

    def __init__(self, it: Orchestrator) -> None:
        self._it = it
        self.walked: set[str] = set()

    def new(self, before: int) -> list[AuditEntry]:
        return list(self._it.ports.store.audit_stream(after=before))

    def __call__(self, name: str, *words: str) -> tuple[Outcome, list[AuditEntry]]:
        verb = next(verb for verb in VERBS if verb.name == name)
        before = self._it.ports.store.audit_head()[0]
        outcome = verb.run(self._it, parser_of(verb, "%pipeline").parse_args(words), lambda event: None)
        entries = self.new(before)
        events = [entry.event for entry in entries]
        assert _in_order(SAYS.get(name, []), events), (name, events)
        assert name not in LOOKS or events == [], (name, events)
        assert all(entry.identity == "ada" for entry in entries), [(e.event, e.identity) for e in entries]
        self.walked.add(name)
        return outcome, entries


def _in_order(wanted: Sequence[str], events: Sequence[str]) -> bool:
    rest = iter(events)
    return all(event in rest for event in wanted)


def _found(entries: Sequence[AuditEntry], event: str) -> AuditEntry:
    (entry,) = [entry for entry in entries if entry.event == event]
    return entry


def test_every_verb_is_known() -> None:
    """A new verb must say here what it says in the audit."""
    assert {verb.name for verb in VERBS} == LOOKS | set(SAYS)


def test_every_verb_says_what_it_did(it: Orchestrator, tmp_path: Path) -> None:
    """All verbs, once through: who, under which name, on which digest, with the words that were given."""
    walk = Walk(it)
    result = it.build_pipeline(world.STATEMENT)
    run_id = result.run_id
    for name in sorted(LOOKS - {"rows", "audit", "replay"}):
        walk(name)
    walk("rows", "shop.sales.orders")
    assert walk("hand-edits")[1] == []  # it lists; what it decides is in tests/test_hand_edits.py
    for words in ((), ("verify",), ("export", str(tmp_path / "audit.csv")), ("--export", str(tmp_path / "a.jsonl"))):
        walk("audit", *words)

    _, entries = walk("reject", "--name", "Ada L.", "--reason", "Customers without orders are missing")
    said = _found(entries, "approval.reject")
    assert (said.name, said.detail["reason"]) == ("Ada L.", "Customers without orders are missing")
    assert said.digest == result.snapshot.run.digest

    _, entries = walk("answer", "join:customers=left")
    assert _found(entries, "question.answer").detail["answers"] == [{"question": "join:customers", "value": "left"}]
    _, entries = walk("edit", "target.comment=How many orders a city has")
    (edit,) = _found(entries, "spec.edit").detail["edits"]  # type: ignore[misc]
    assert (edit["path"], edit["value"]) == ("target.comment", "How many orders a city has")  # type: ignore[index,call-overload]
    walk("generate")
    _, entries = walk("approve", "--name", "Ada L.", "--comment", "Looks good")
    said = _found(entries, "approval.approve")
    digest = it.ports.store.run(run_id).digest
    assert (said.name, said.detail["comment"], said.digest) == ("Ada L.", "Looks good", digest)
    assert {entry.digest for entry in entries if not entry.event.startswith("pull_request.land")} == {digest}
    assert _found(entries, "job.run").detail["succeeded"] is True
    walk("replay")
    walk("resume")

    _, entries = walk("change", "city_orders", "make it weekly")
    assert _found(entries, "spec.edit").run_id != run_id
    walk("cancel")
    before = it.ports.store.audit_head()
    rollback = next(verb for verb in VERBS if verb.name == "rollback")
    rollback.run(it, parser_of(rollback, "%pipeline").parse_args([run_id]), lambda event: None)
    assert it.ports.store.audit_head() == before, "without `--yes` it only says what it would do"
    _, entries = walk("rollback", run_id, "--yes", "--reason", "Too many rows")
    assert "Too many rows" in str(_found(entries, "rollback.start").detail)

    empty = it.build_pipeline(
        "Take the orders with an amount above 1000000 and count them per customer_id into shop.reports.rich"
    )
    reds = [finding.id for finding in empty.snapshot.quality.findings if finding.severity == "red"]
    assert reds
    _, entries = walk(
        "waive", reds[0], "--run", empty.run_id, "--name", "Ada L.", "--reason", "Nobody is that rich yet"
    )
    said = _found(entries, "finding.waive")
    assert (said.name, said.detail) == ("Ada L.", {"finding": reds[0], "reason": "Nobody is that rich yet"})
    walk("reject", empty.run_id, "--reason", "Only tried")
    walk("clean", "--older-than", "0d", "--yes")
    assert walk.walked == LOOKS | set(SAYS)

    ports = it.ports
    known, unreadable = gather(ports.store, ports.deployer, ports.code_host, HEAD_TAG)
    verdict = examine(ports.store.audit_stream(), known)
    assert (verdict.problems, unreadable, verdict.backwards) == ((), [], ())
    assert len(known) >= 2, "the store's own, and a comment's; the job went with the rollback, and its tag with it"


def test_confirmation_is_said(it: Orchestrator) -> None:
    """A clause that nobody understood and somebody accepted stands in the entry of the approval."""
    result = it.build_pipeline("Count the orders per customer_id into shop.reports.counts. Frobnicate it gently.")
    clauses = [clause.id for clause in result.snapshot.validated.provenance.unmatched]
    assert clauses
    it.approve_pipeline(result.approval_id, "Ada", confirm=clauses)
    said = _found(it.ports.store.audit(), "approval.approve")
    assert said.detail["confirmed"] == clauses


class Silent:
    """A language model that refuses every request."""

    name, model, host = "silent", "silent-1", "127.0.0.1:1"

    def complete(self, **request: Any) -> Any:
        raise LanguageModelError("It refuses to answer.", kind="refused")


def test_every_request_to_a_model_is_said(tmp_path: Path) -> None:
    """A request that leaves is in ledger and audit before it is answered; so is that no answer came."""
    from dataclasses import replace

    from pipeline_magic.agents.approval.ledger import verify_exchanges

    world.build_home(tmp_path / "home")
    ports = world.ports_at(tmp_path / "home")
    with contextlib.closing(world.open_world(tmp_path / "home", replace(ports, language_model=Silent()))) as it:  # type: ignore[arg-type]
        run = it.open(world.STATEMENT, planner="llm")
        with contextlib.suppress(PipelineMagicError):
            it.resume(run.id)
        exchanges, entries = it.ports.store.exchanges(run.id), it.ports.store.audit(run.id)
        events = [entry.event for entry in entries if entry.event.startswith("model.")]
        assert events == ["model.request", "model.failure"] * len(exchanges) and exchanges
        assert verify_exchanges(exchanges, entries) == ()


# --- the same flow where the machine is unkind -----------------------------------------------------------------------


class Backwards:
    """A clock that jumps back an hour at every look, now and then."""

    def __init__(self) -> None:
        from pipeline_magic.adapters.clock import SystemClock

        self._real, self._looks, self._back = SystemClock(), 0, datetime.timedelta()

    def now(self) -> datetime.datetime:
        self._looks += 1
        if self._looks % 3 == 0:
            self._back += datetime.timedelta(hours=1)
        return self._real.now() - self._back

    def new_id(self, prefix: str) -> str:
        return self._real.new_id(prefix)


def test_clock_that_goes_backwards(tmp_path: Path) -> None:
    """The whole flow under a clock that goes back: one deployment, a whole chain, and the verdict says where it did."""
    world.build_home(tmp_path / "home")
    with contextlib.closing(world.open_world(tmp_path / "home", clock=Backwards())) as it:  # type: ignore[arg-type]
        result = it.build_pipeline(world.STATEMENT)
        done = it.approve_pipeline(result.approval_id, "Ada")
        assert done.deployment is not None and done.deployment.state == "deployed"
        walk = Walk(it)
        outcome, _ = walk("audit", "verify")
        assert outcome.data["problems"] == [] and len(outcome.data["backwards"]) >= 3
        assert "Dated before the entry that precedes them, since a clock went back" in outcome.text
        assert [run.id for run in it.runs()] == [result.run_id]


def test_disk_that_is_full_again_and_again(it: Orchestrator) -> None:
    """Approve on a disk with room for nothing, and then for a little more each time: refused with what to do, until it
    goes through; then one decision, one pull request, one deployment, and a whole chain."""
    asked = it.build_pipeline(world.STATEMENT)
    engine = it.ports.store._db._engine()  # type: ignore[attr-defined]
    room = [0]

    @sa.event.listens_for(engine, "begin")
    def bound(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {room[0] or 1_000_000}")

    with engine.connect() as connection:
        pages = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())
    refused = 0
    for more in range(0, 400, 2):
        room[0] = pages + more
        try:
            it.approve(asked.approval_id, "Ada")
            break
        except StoreError as error:
            assert "its disk is full" in error.message and "Free some space" in error.hint
            refused += 1
    room[0] = 0
    done = it.resume(asked.run_id)
    assert refused >= 2 and done.deployment is not None and done.deployment.state == "deployed"
    entries = it.ports.store.audit()
    assert examine(entries).problems == () and list(verify_records(it.ports.store)) == []
    events = [entry.event for entry in entries]
    assert [events.count(one) for one in ("approval.approve", "pull_request.merge", "job.deploy")] == [1, 1, 1]
    assert len(world.ran(it.settings.home)) == 1 and it.ports.store.run(asked.run_id).worker == ""


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_files_are_the_users_alone(tmp_path: Path) -> None:
    """With no umask at all, in a home that others may look into: store, log, index, locks, jobs, exports are 0600."""
    home = tmp_path / "home"
    home.mkdir()
    before = os.umask(0)
    try:
        home.chmod(0o755)
        from pipeline_magic.logs import log_to_file

        log_to_file(home)
        made = world.build_home
        made(home)
        with contextlib.closing(world.open_world(home)) as it:
            result = it.build_pipeline(world.STATEMENT)
            it.approve_pipeline(result.approval_id, "Ada")
            Walk(it)("audit", "--export", str(home / "audit.jsonl"))
            Walk(it)("audit", "--export", str(home / "audit.csv"))
            found = {path.relative_to(home): stat.S_IMODE(path.stat().st_mode) for path in home.rglob("*")}
    finally:
        os.umask(before)
    names = {path.name for path in found}
    assert {"state.db", "state.db-wal", "state.db-shm", "pipeline_magic.log", "audit.jsonl", "audit.csv"} <= names
    ours = {
        path: mode
        for path, mode in found.items()
        if path.parts[0] not in {"lakehouse", "repo.git", "tmp", "ran.jsonl"} and (home / path).is_file()
    }
    assert {path: oct(mode) for path, mode in ours.items() if mode & 0o077} == {}
    assert found[Path("repo.git")] & 0o077 == 0
