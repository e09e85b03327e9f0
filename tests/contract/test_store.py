"""What every store must do: SQLite in a file, and a real PostgreSQL server."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import JsonValue

from pipeline_magic.adapters import database, database_audit, database_schema
from pipeline_magic.adapters.database import Database
from pipeline_magic.agents.approval.audit import verify
from pipeline_magic.digests import GENESIS, chain_hash
from pipeline_magic.errors import NotFound, StaleState, UsageError
from pipeline_magic.runs import Answer, AuditDraft, Decision, Deployment, Exchange, Run
from pipeline_magic.spec.paths import Edit
from pipeline_magic.states import TRANSITIONS
from tests.support.postgres import postgres_url  # noqa: F401  (a fixture)
from tests.support.trust import AT, approval, deployment, plan, run


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = str(tmp_path / "state.db") if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with contextlib.closing(Database(url)) as opened:
        yield opened


def decision(identity: str = "ada", **changes: str) -> Decision:
    return Decision(
        **{"verb": "approve", "identity": identity, "name": identity, "at": AT, "digest": "d" * 64, **changes}
    )


def draft(event: str = "approved") -> AuditDraft:
    return AuditDraft(at=AT, run_id="r-1", event=event, identity="ada")


# --- runs ----------------------------------------------------------------------------------------------------------


def test_run_round_trip(store: Database) -> None:
    """A run comes back as it was written, hostile text included."""
    hostile = 'drop table; -- \'"; \x00 \u202e 💥 {"a": 1}'
    made = store.create_run(
        run(
            statement=hostile,
            answers=(Answer(question="q", value=hostile),),
            edits=(Edit(path="name", value=[1.5, None]),),
        )
    )
    assert made == store.run("r-1")
    assert hostile == store.run("r-1").statement


def test_half_a_character(store: Database) -> None:
    """A text with half a pair of surrogates is refused with a sentence; in an audit entry it is replaced."""
    with pytest.raises(UsageError, match="half a character"):
        store.create_run(run(statement="count \ud83d orders"))
    assert list(store.runs()) == []
    entry = store.append_audit(at=AT, run_id="r-1", event="e", identity="ada", name="\udfffA", detail={"\ud800": "😀"})
    assert (entry.name, entry.detail) == ("\ufffdA", {"\ufffd": "😀"})
    assert store.audit() == (entry,) and verify(store.audit()) == ()


def test_unknown_ids(store: Database) -> None:
    """What is not there is NotFound, or None where the port says so."""
    for call in (store.run, store.approval, store.plan):
        with pytest.raises(NotFound):
            call("x-1")
    with pytest.raises(NotFound):
        store.update_run(run("x-1"), message="m")
    with pytest.raises(NotFound):
        store.save_approval(approval(), expected_state="pending")
    with pytest.raises(NotFound):
        store.save_deployment(deployment(), expected_state="waiting")
    with pytest.raises(NotFound):
        store.finish_effect("k", None, AT)
    assert (
        store.deployment("x-1"),
        store.stage("x-1", "parse"),
        tuple(store.effects("x-1")),
        tuple(store.runs()),
        tuple(store.approvals("x-1")),
        tuple(store.audit("x-1")),
    ) == (None, None, (), (), (), ())


def test_run_is_created_once(store: Database) -> None:
    """A second run with the id is refused and the first one stays; a run begins in `parsing`."""
    store.create_run(run(message="first"))
    with pytest.raises(StaleState):
        store.create_run(run(message="second"))
    with pytest.raises(StaleState):
        store.create_run(run("r-2", state="planned"))
    assert store.run("r-1").message == "first"


def test_update_is_compare_and_set(store: Database) -> None:
    """The second of two writers that read the same run is told who is where, and changes nothing."""
    read = store.create_run(run())
    moved = store.update_run(read, state="awaiting_input", message="asks", updated="later")
    assert (moved.version, moved.state) == (2, "awaiting_input")
    with pytest.raises(StaleState, match=r"`awaiting_input` \(change 2 at later\).*`parsing` \(change 1\)"):
        store.update_run(read, message="lost")
    assert moved == store.run("r-1")
    assert store.update_run(moved, message="same state").version == 3


def test_no_update_is_lost(store: Database) -> None:
    """Two writers that read the same run and leave its state alone: the second is told all the same."""
    read = store.create_run(run())
    store.update_run(read, answers=(Answer(question="q", value="first"),))
    with pytest.raises(StaleState):
        store.update_run(read, answers=(Answer(question="q", value="second"),))
    assert store.run("r-1").answers == (Answer(question="q", value="first"),)


def test_run_and_its_audit_are_one_write(store: Database) -> None:
    """A change of a run that is refused leaves no audit entry, a done one leaves exactly one."""
    read = store.create_run(run())
    store.update_run(read, message="first", audit=draft("spec.edit"))
    for changes in ({"message": "late"}, {"state": "planned"}):
        with pytest.raises(StaleState):
            store.update_run(read, **changes, audit=draft("spec.edit"))
    assert [entry.event for entry in store.audit()] == ["spec.edit"]


def test_every_run(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """All runs oldest first, also over several pages."""
    assert list(store.every_run()) == []
    monkeypatch.setattr(database, "_PAGE", 2)
    for number in range(5):
        store.create_run(run(f"r-{number}"))
    assert [one.id for one in store.every_run()] == ["r-0", "r-1", "r-2", "r-3", "r-4"]


def test_forged_state_is_refused(store: Database) -> None:
    """A run object that claims another state than the stored one cannot be moved on."""
    made = store.create_run(run())
    with pytest.raises(StaleState):
        store.update_run(made.model_copy(update={"state": "generating"}), state="planned")
    assert store.run("r-1").state == "parsing"


def test_fixed_fields(store: Database) -> None:
    """The id, the creation and the version are not the caller's to change; unknown fields are refused."""
    made = store.create_run(run())
    for name in ("id", "created", "version"):
        with pytest.raises(TypeError):
            store.update_run(made, **{name: "x"})
    with pytest.raises(ValueError, match="colour"):
        store.update_run(made, colour="blue")


def test_runs_newest_first(store: Database) -> None:
    """Lists are newest first, bounded, and filtered by statement and by name, whatever the clock said."""
    for number in range(5):
        store.create_run(
            run(f"r-{number}", statement=f"s{number % 2}", name=f"n{number}", created=f"2026-01-0{9 - number}")
        )
    assert [one.id for one in store.runs(limit=2)] == ["r-4", "r-3"]
    assert [one.id for one in store.runs(statement="s1")] == ["r-3", "r-1"]
    assert [one.id for one in store.runs(name="n2")] == ["r-2"]


def test_stage_results(store: Database) -> None:
    """The latest result of a stage replaces the one before; stages do not mix."""
    store.save_stage("r-1", "parse", "d1", '{"a":"ü\\u0000"}', AT)
    store.save_stage("r-1", "parse", "d2", '{"a":2}', AT)
    store.save_stage("r-1", "validate", "d3", "x" * 2_000_000, AT)
    assert store.stage("r-1", "parse") == ("d2", '{"a":2}')
    result = store.stage("r-1", "validate")
    assert result is not None and (result[0], len(result[1])) == ("d3", 2_000_000)


# --- approvals, plans, deployments ------------------------------------------------------------------------------------


def test_approval_and_its_audit_are_one_write(store: Database) -> None:
    """A refused move leaves no audit entry, a done one leaves exactly one."""
    store.save_approval(approval(), expected_state=None, audit=draft("requested"))
    approved = approval(state="approved", decisions=(decision(),))
    store.save_approval(approved, expected_state="pending", audit=draft())
    with pytest.raises(StaleState, match="`approved`, by ada at"):
        store.save_approval(approved, expected_state="pending", audit=draft())
    with pytest.raises(StaleState):
        store.save_approval(approval(), expected_state=None, audit=draft())
    assert approved == store.approval("a-1")
    assert [entry.event for entry in store.audit()] == ["requested", "approved"]


def test_no_decision_is_lost(store: Database) -> None:
    """Two people who approve the same partly approved plan: the second is told, the first decision stays."""
    store.save_approval(approval(needed=3), expected_state=None)
    first = approval(needed=3, state="partly_approved", decisions=(decision("ada"),))
    store.save_approval(first, expected_state="pending")
    second = first.model_copy(update={"decisions": (*first.decisions, decision("bob"))})
    store.save_approval(second, expected_state="partly_approved")
    with pytest.raises(StaleState, match="another decision meanwhile, by bob"):
        third = first.model_copy(update={"decisions": (*first.decisions, decision("cy"))})
        store.save_approval(third, expected_state="partly_approved")
    assert second == store.approval("a-1")


@pytest.mark.parametrize("field", ["run_id", "digest", "created"])
def test_approval_binds(store: Database, field: str) -> None:
    """An approval can never be carried over to another run or digest."""
    store.save_approval(approval(), expected_state=None)
    with pytest.raises(StaleState, match="never changes"):
        store.save_approval(approval(**{field: "other"}), expected_state="pending")


def test_approvals_of_a_run(store: Database) -> None:
    """Newest first, of that run alone."""
    for key, of in (("a-1", "r-1"), ("a-2", "r-2"), ("a-3", "r-1")):
        store.save_approval(approval(key, run_id=of), expected_state=None)
    assert [one.id for one in store.approvals("r-1")] == ["a-3", "a-1"]


def test_plan_never_changes(store: Database) -> None:
    """The plan of an approval is written once; its evidence may be measured again."""
    store.save_plan("a-1", plan(), {"findings": ["\x00é"]})
    store.save_plan("a-1", plan(), {"findings": []})
    with pytest.raises(StaleState):
        store.save_plan("a-1", plan(environment="prod"), {})
    assert (plan(), {"findings": []}) == store.plan("a-1")


def test_deployment_moves(store: Database) -> None:
    """A deployment belongs to its run, moves by compare-and-set, and may gain facts without moving."""
    store.save_deployment(deployment(), expected_state=None, audit=draft("deploy"))
    with pytest.raises(StaleState):
        store.save_deployment(deployment(), expected_state=None)
    store.save_deployment(deployment(state="deploying"), expected_state="waiting")
    store.save_deployment(deployment(state="deploying", rows=7), expected_state="deploying")
    with pytest.raises(StaleState, match="is `deploying`"):
        store.save_deployment(deployment(state="deploying"), expected_state="waiting", audit=draft())
    with pytest.raises(StaleState, match="from `deploying` to `rolled_back`"):
        store.save_deployment(deployment(state="rolled_back"), expected_state="deploying")
    kept = store.deployment("r-1")
    assert kept == deployment(state="deploying", rows=7)
    store.save_deployment(deployment(run_id="r-2"), expected_state=None)  # the same job, another run
    assert len(store.audit()) == 1
    assert list(store.deployments()) == [kept, deployment(run_id="r-2")]


@pytest.mark.parametrize("machine", ["run", "approval", "deployment"])
def test_only_moves_of_the_table(machine: str, tmp_path: Path) -> None:
    """For every pair of states: the store makes the move exactly when the table has it."""
    moves = {(t.source, t.target) for t in TRANSITIONS if t.machine == machine}
    states = sorted({state for move in moves for state in move})
    with contextlib.closing(Database(str(tmp_path / "s.db"))) as store:
        for number, (source, target) in enumerate((a, b) for a in states for b in states if a != b):
            key = f"k-{number}"
            done = _move(store, machine, key, source, target, moves)
            assert done == ((source, target) in moves), (source, target)


def _path(source: str, start: str, moves: set[tuple[str, str]]) -> list[str]:
    reached: dict[str, list[str]] = {start: []}
    queue = [start]
    while queue:
        state = queue.pop(0)
        for a, b in sorted(moves):
            if a == state and b not in reached:
                reached[b] = [*reached[state], b]
                queue.append(b)
    return reached[source]


def _move(store: Database, machine: str, key: str, source: str, target: str, moves: set[tuple[str, str]]) -> bool:
    start = {"run": "parsing", "approval": "pending", "deployment": "waiting"}[machine]
    steps = [start, *_path(source, start, moves), target]
    if machine == "run":
        item: Run = store.create_run(run(key))
    elif machine == "approval":
        store.save_approval(approval(key), expected_state=None)
    else:
        store.save_deployment(deployment(run_id=key), expected_state=None)
    for before, after in itertools.pairwise(steps):
        try:
            if machine == "run":
                item = store.update_run(item, state=after)
            elif machine == "approval":
                store.save_approval(approval(key, state=after), expected_state=before)
            else:
                made: Deployment = deployment(run_id=key, state=after)
                store.save_deployment(made, expected_state=before)
        except StaleState:
            assert (before, after) == (source, target)
            return False
    return True


# --- effects ---------------------------------------------------------------------------------------------------------


def test_effect_once(store: Database) -> None:
    """The key is written before and the result after; a second call finds both, and the first result stays."""
    started = store.begin_effect("open:b", "r-1", "open", AT)
    assert (started.status, started.at) == ("started", AT)
    assert started == store.begin_effect("open:b", "r-1", "open", "later")
    done = store.finish_effect("open:b", {"number": 1}, "later")
    assert (done.status, done.result) == ("done", {"number": 1})
    assert done == store.finish_effect("open:b", {"number": 2}, "last") == store.begin_effect("open:b", "r-1", "o", "x")
    store.begin_effect("merge:b", "r-1", "merge", AT)
    assert [effect.key for effect in store.effects("r-1")] == ["open:b", "merge:b"]


def test_effect_is_said_once(store: Database) -> None:
    """Its result and its audit entry are one write; who finishes it again adds no second entry."""
    store.begin_effect("open:b", "r-1", "open", AT)
    for number in range(3):
        store.finish_effect("open:b", {"number": number}, AT, audit=draft("pull_request.open"))
    assert [entry.event for entry in store.audit()] == ["pull_request.open"]


# --- retention -------------------------------------------------------------------------------------------------------


def test_heartbeats(store: Database) -> None:
    """A worker that never spoke is not known; one that did was silent since then by the store's own clock, and is
    forgotten after a week."""
    assert store.last_beat("h:1") is None
    store.beat("h:1")
    silent = store.last_beat("h:1")
    assert silent is not None and 0 <= silent < 5
    with store._db.write() as connection:
        connection.exec_driver_sql("UPDATE pm_workers SET seen = seen - 600")
    assert 600 <= (store.last_beat("h:1") or 0) < 610
    with store._db.write() as connection:
        connection.exec_driver_sql("UPDATE pm_workers SET seen = seen - 700000")
    store.beat("h:2")
    assert store.last_beat("h:1") is None and store.last_beat("h:2") is not None


def test_clean_run(store: Database) -> None:
    """Stages, evidence and, when told, texts go in one write with the audit entry; other runs keep theirs."""
    for number in (1, 2):
        key = f"r-{number}"
        store.create_run(run(key))
        store.save_stage(key, "parse", "d", "x" * 10, AT)
        store.save_approval(approval(f"a-{number}", run_id=key), expected_state=None)
        store.save_plan(f"a-{number}", plan(), {"a": 1})
        store.save_exchange(
            Exchange(id=f"x-{number}", run_id=key, at=AT, model="m", host="h", request="ask", request_sha256="0")
        )
    read = store.run("r-1")
    assert store.working_data("r-1").size == 10 + len('{"a": 1}')
    full = store.working_data("r-1", texts=True)
    assert (full.stages, full.measured, full.exchanges, full.size) == (1, 1, 1, 13 + len('{"a": 1}'))
    cleaned = store.clean_run(read, texts=True, message="gone", audit=draft("run.clean"))
    assert cleaned == store.run("r-1") and (cleaned.message, cleaned.version) == ("gone", 2)
    assert store.working_data("r-1", texts=True).size == 0
    assert (store.stage("r-1", "parse"), store.plan("a-1")[1], store.exchanges("r-1")[0].request) == (None, {}, "")
    assert store.working_data("r-2", texts=True) == full
    with pytest.raises(StaleState, match="was changed meanwhile"):
        store.clean_run(read, texts=True, message="late", audit=draft("run.clean"))
    assert [entry.event for entry in store.audit()] == ["run.clean"]
    store.compact()
    assert store.run("r-1").message == "gone"


# --- audit -----------------------------------------------------------------------------------------------------------


def test_exchanges_with_language_models(store: Database) -> None:
    """In the order they were sent, each replaced by what came back, with its audit entry; of one run alone."""
    first = Exchange(id="x-1", run_id="r-1", at=AT, model="m", host="h", request="a\x00b", request_sha256="0" * 64)
    other = first.model_copy(update={"id": "x-2", "run_id": "r-2"})
    store.save_exchange(first, audit=draft("model.request"))
    store.save_exchange(first.model_copy(update={"id": "x-3"}))
    store.save_exchange(other)
    done = first.model_copy(update={"status": "answered", "answer": "\U0001f600 é", "tokens_in": 3, "cost_usd": 0.5})
    store.save_exchange(done, audit=draft("model.answer"))
    assert list(store.exchanges("r-1")) == [done, first.model_copy(update={"id": "x-3"})]
    assert list(store.exchanges("r-2")) == [other]
    assert [entry.event for entry in store.audit()] == ["model.request", "model.answer"]


def test_audit_chain(store: Database) -> None:
    """Every entry holds the hash of the one before, and comes back so that its hash can be computed again."""
    detail: dict[str, JsonValue] = {"b": [1, 1.0, None, True], "a": "ü\x00\u2028", "n": float("inf"), "z": 1e300}
    for number in range(4):
        store.append_audit(at=AT, run_id=f"r-{number % 2}", event="e", identity="ada", name="A\x00da", detail=detail)
    previous = GENESIS
    for number, entry in enumerate(store.audit(), start=1):
        assert (number, previous) == (entry.seq, entry.previous)
        previous = chain_hash(previous, entry.model_dump())
        assert previous == entry.hash
    assert [entry.seq for entry in store.audit("r-0")] == [1, 3]
    assert json.loads(store.audit()[0].model_dump_json())["detail"]["n"] == "inf"


@pytest.mark.parametrize("count", [0, 1, 3, 4, 7])
def test_audit_stream(store: Database, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Page after page the same entries as at once; of one run; after a number; one slipped in below too."""
    monkeypatch.setattr(database_audit, "PAGE", 3)
    for number in range(count):
        store.append_audit(at=AT, run_id=f"r-{number % 2}", event="e", identity="ada", detail={"n": number})
    every = list(store.audit_stream())
    assert [entry.seq for entry in every] == list(range(1, count + 1))
    assert every == list(store.audit())
    assert [entry.seq for entry in store.audit_stream("r-0")] == list(range(1, count + 1, 2))
    assert [entry.seq for entry in store.audit_stream(after=2)] == list(range(3, count + 1))
    with store._db.write() as connection:
        fields = {"at": AT, "run_id": "r-1", "event": "e", "identity": "", "name": "", "digest": "", "detail": "{}"}
        connection.execute(sa.insert(database_schema.audit).values(seq=-5, previous="x", hash="x", **fields))
    assert next(entry.seq for entry in store.audit_stream()) == -5


def test_audit_stream_holds_nothing_back(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two pages others write; what they append comes at the end, in its place."""
    monkeypatch.setattr(database_audit, "PAGE", 2)
    for _ in range(4):
        store.append_audit(at=AT, run_id="r-1", event="e", identity="ada")
    seen = []
    for entry in store.audit_stream():
        seen.append(entry.seq)
        if entry.seq <= 3:
            store.append_audit(at=AT, run_id="r-1", event="late", identity="bob")
    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_threads_never_fork_the_chain(store: Database) -> None:
    """Eight threads that append at once make one chain without gaps."""

    def work(number: int) -> None:
        for _ in range(5):
            store.append_audit(at=AT, run_id=f"r-{number}", event="e", identity="ada")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = store.audit()
    assert list(range(1, 41)) == [entry.seq for entry in entries]
    assert [entry.hash for entry in entries[:-1]] == [entry.previous for entry in entries[1:]]


def test_threads_update_one_run(store: Database) -> None:
    """Of eight threads that move the run they all read, one wins and seven are told."""
    read = store.create_run(run())
    told: list[str] = []

    def work(number: int) -> None:
        try:
            store.update_run(read, state="cancelled", message=str(number))
        except StaleState:
            told.append(str(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 7
    assert store.run("r-1").message not in told
