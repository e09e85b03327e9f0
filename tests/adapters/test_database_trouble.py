"""What may happen to a store under way: its server restarts or goes, its file is locked, old, or of a newer version.

Every failure is a sentence with what to do, nothing is half written, and what passes by itself is waited for.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline_magic.adapters import database_engine, database_schema
from pipeline_magic.adapters.database import Database
from pipeline_magic.agents.approval.audit import Head, verify
from pipeline_magic.digests import GENESIS, chain_hash
from pipeline_magic.errors import StaleState, StoreUnavailable
from pipeline_magic.runs import AuditDraft, Exchange
from tests.support.postgres import own_server, postgres_url  # noqa: F401  (a fixture)
from tests.support.processes import race
from tests.support.trust import AT, approval, deployment, plan, run


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "state.db") if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@contextlib.contextmanager
def opened(url: Path | str) -> Iterator[Database]:
    with contextlib.closing(Database(str(url))) as store:
        yield store


def append(store: Database, event: str = "e") -> None:
    store.append_audit(at=AT, run_id="r-1", event=event, identity="ada")


def draft(event: str) -> AuditDraft:
    return AuditDraft(at=AT, run_id="r-1", event=event, identity="ada")


# --- many at once ----------------------------------------------------------------------------------------------------


def _run(store: Database, who: str) -> None:
    store.update_run(run(version=1), state="cancelled", message=who, audit=draft("moved"))


def _approval(store: Database, who: str) -> None:
    store.save_approval(approval(state="rejected", reason=who), expected_state="pending", audit=draft("moved"))


def _deployment(store: Database, who: str) -> None:
    store.save_deployment(deployment(state="deploying", message=who), expected_state="waiting", audit=draft("moved"))


def _plan(store: Database, who: str) -> None:
    store.save_plan("a-new", plan(parameters={"who": who}), {})
    append(store, "moved")


def _clean(store: Database, who: str) -> None:
    store.clean_run(run(version=1), texts=False, message=who, audit=draft("moved"))


@pytest.mark.parametrize("move", [_run, _approval, _deployment, _plan, _clean])
def test_one_of_many_wins(url: str, move: Callable[[Database, str], None]) -> None:
    """Eight processes make the same move from the same state, each its own way: one is kept, seven are told."""
    with opened(url) as store:
        store.create_run(run())
        store.save_approval(approval(), expected_state=None)
        store.save_deployment(deployment(), expected_state=None)

    def work(who: str) -> str:
        with opened(url) as store:
            try:
                move(store, who)
                return who
            except StaleState:
                return ""

    said = [one for one in race([lambda who=f"p{number}": work(who) for number in range(8)]) if one]
    with opened(url) as store:
        kept = {
            _run: lambda: store.run("r-1").message,
            _approval: lambda: store.approval("a-1").reason,
            _deployment: lambda: store.deployment("r-1").message,  # type: ignore[union-attr]
            _plan: lambda: store.plan("a-new")[0].parameters["who"],
            _clean: lambda: store.run("r-1").message,
        }[move]()
        assert said == [kept]
        assert [entry.event for entry in store.audit()] == ["moved"]
        assert verify(store.audit_stream()) == ()


def test_the_same_row_from_many_sides(url: str) -> None:
    """Eight processes that write the same new stage, exchange and effect at once: all come through, one row each."""

    def work() -> str:
        with opened(url) as store:
            store.save_stage("r-1", "parse", "d", "{}", AT)
            store.save_exchange(
                Exchange(id="x-1", run_id="r-1", at=AT, model="m", host="h", request="r", request_sha256="0")
            )
            store.begin_effect("k", "r-1", "open", AT)
            store.finish_effect("k", 1, AT, audit=draft("open"))
            return "done"

    assert race([work] * 8) == ["done"] * 8
    with opened(url) as store:
        assert (len(store.exchanges("r-1")), len(store.effects("r-1")), len(store.audit())) == (1, 1, 1)


def test_readers_are_quick_while_somebody_writes(url: str) -> None:
    """With a write open that changed everything, every reader answers at once, one that opens the store then too."""
    with opened(url) as store:
        store.create_run(run())
        store.save_approval(approval(), expected_state=None)
        for _ in range(5):
            append(store)
        with store._db.write() as connection:
            for table in (database_schema.runs, database_schema.approvals, database_schema.audit):
                connection.execute(sa.delete(table))
            connection.execute(sa.update(database_schema.audit_head).values(seq=0))
            for reader in (store, Database(url)):
                start = time.monotonic()
                assert reader.run("r-1").id == "r-1"
                assert len(list(reader.audit_stream())) == reader.audit_head()[0] == 5
                assert len(reader.approvals("r-1")) == len(reader.runs()) == len(list(reader.every_run())) == 1
                assert time.monotonic() - start < 2
                if reader is not store:
                    reader.close()
            connection.rollback()


# --- older and newer stores ------------------------------------------------------------------------------------------


OLD_ROWS: tuple[tuple[int, str, dict[str, Any]], ...] = (
    (1, "pm_runs", {"seq": 7, "id": "r-1", "name": "daily", "statement_digest": "x", "state": "planned", "version": 4,
                    "body": run(state="planned", version=4, name="daily").model_dump_json()}),
    (1, "pm_stages", {"run_id": "r-1", "stage": "parse", "inputs_digest": "d", "result": '{"a":"é"}', "at": AT}),
    (1, "pm_approvals", {"seq": 3, "id": "a-1", "run_id": "r-1", "state": "pending", "version": 1,
                         "body": approval().model_dump_json()}),
    (1, "pm_plans", {"approval_id": "a-1", "plan": plan().model_dump_json(), "evidence": '{"n":1}'}),
    (1, "pm_deployments", {"run_id": "r-1", "state": "waiting", "version": 1, "body": deployment().model_dump_json()}),
    (1, "pm_effects", {"seq": 2, "key": "k", "run_id": "r-1", "status": "started",
                       "body": json.dumps({"key": "k", "run_id": "r-1", "kind": "open", "status": "started"})}),
    (2, "pm_exchanges", {"seq": 5, "id": "x-1", "run_id": "r-1", "status": "sent",
                         "body": json.dumps({"id": "x-1", "run_id": "r-1", "at": AT, "model": "m", "host": "h",
                                             "request": "r", "request_sha256": "0"})}),
    (3, "pm_workers", {"worker": "h:1", "seen": 1.5}),
)  # fmt: skip
"""A row of each table, as the version that brought the table wrote it."""


@pytest.mark.parametrize("version", range(1, len(database_schema.MIGRATIONS) + 1))
def test_store_of_an_older_version(url: str, version: int) -> None:
    """What any older version wrote is there after the first opening by this one, the chain whole, and goes on."""
    engine = database_engine.connect(database_engine.parse_url(url))
    entry = {"seq": 1, "at": AT, "run_id": "r-1", "event": "old", "identity": "ada", "name": "", "digest": ""}
    digest = chain_hash(GENESIS, {**entry, "detail": {}})
    with engine.connect().execution_options(pm_write=True) as connection, connection.begin():
        database_schema.versions.create(connection)
        connection.execute(sa.insert(database_schema.versions).values(id=1, version=version))
        for step in database_schema.MIGRATIONS[:version]:
            step(connection)
        rows = [(name, row) for since, name, row in OLD_ROWS if since <= version]
        rows.append(("pm_audit", {**entry, "detail": "{}", "previous": GENESIS, "hash": digest}))
        for name, row in rows:
            names = ", ".join(row)
            connection.execute(sa.text(f"INSERT INTO {name} ({names}) VALUES (:{', :'.join(row)})"), row)
        connection.execute(sa.update(database_schema.audit_head).values(seq=1, hash=digest))
    engine.dispose()
    with opened(url) as store:
        assert store.run("r-1") == run(state="planned", version=4, name="daily")
        assert store.stage("r-1", "parse") == ("d", '{"a":"é"}')
        assert (store.approval("a-1"), store.plan("a-1")) == (approval(), (plan(), {"n": 1}))
        assert (store.deployment("r-1"), store.effects("r-1")[0].status) == (deployment(), "started")
        assert [item.id for item in store.exchanges("r-1")] == (["x-1"] if version >= 2 else [])
        append(store)
        assert verify(store.audit_stream()) == () and store.audit_head()[0] == 2
        with store._db.read() as connection:
            found = connection.execute(sa.select(database_schema.versions.c.version)).scalar()
        assert found == len(database_schema.MIGRATIONS)


def test_every_table_has_an_old_row() -> None:
    """The test above knows every table there is."""
    known = {name for _, name, _ in OLD_ROWS} | {"pm_audit", "pm_audit_head", "pm_schema_version"}
    assert known == set(database_schema.metadata.tables)


def test_store_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    """Its file stays as it is byte for byte, and nothing appears beside it, whatever journal it was written with."""
    file = tmp_path / "state.db"
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE pm_schema_version (id INTEGER PRIMARY KEY, version INTEGER NOT NULL)")
        other.execute("INSERT INTO pm_schema_version VALUES (1, 99)")
        other.commit()
    before = file.read_bytes()
    for call in (lambda store: store.runs(), append, lambda store: store.compact()):
        with opened(file) as store, contextlib.suppress(StoreUnavailable):
            call(store)
            assert call is not append
    with opened(file) as store, pytest.raises(StoreUnavailable, match=r"version 99, and .* up to \d"):
        append(store)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["state.db"]


# --- a store that an older version really wrote ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "file", sorted((Path(__file__).parent / "stores").glob("*.sql.gz")), ids=lambda file: file.name
)
def test_store_that_an_older_version_wrote(tmp_path: Path, file: Path) -> None:
    """A kept file, not written by this test's own code: every row is read, every digest still fits (of plans, of what
    was shown, of the chain), and the run is drawn and goes on."""
    from pipeline_magic.agents.approval.records import verify_records
    from pipeline_magic.flow.replay import replay

    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as old:
        old.executescript(gzip.decompress(file.read_bytes()).decode())
    with opened(tmp_path / "state.db") as store:
        (kept,) = store.runs()
        states = [one.state for one in store.approvals(kept.id)]
        deployment = store.deployment(kept.id)
        assert (kept.state, states) == ("planned", ["pending", "void", "void"])
        assert deployment is not None and (deployment.state, deployment.rows) == ("deployed", 2)
        assert store.audit_head()[0] == 20 and verify(store.audit_stream(), [Head(*store.audit_head())]) == ()
        assert list(verify_records(store)) == []
        assert len(store.exchanges(kept.id)) == 1 and all(one.status == "done" for one in store.effects(kept.id))
        replay(store, kept.id)
        moved = store.update_run(kept, state="generating")
        append(store)
        assert store.run(kept.id) == moved and verify(store.audit_stream()) == ()
        with store._db.read() as connection:
            found = connection.execute(sa.select(database_schema.versions.c.version)).scalar()
        assert found == len(database_schema.MIGRATIONS)


# --- locked files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["unix-dotfile", "unix-none"])
def test_file_system_without_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Where SQLite would quietly make readers wait for writers, as on many network drives, it is refused, with what to
    set instead; asked again, it is still refused."""
    made = database_engine.connect

    def without(url: sa.URL) -> sa.Engine:
        engine = made(url)
        creator = sa.create_engine(
            url, creator=lambda: sqlite3.connect(f"file:{url.database}?vfs={kind}", uri=True, check_same_thread=False)
        )
        sa.event.listen(creator, "connect", database_engine._set_up_sqlite)
        sa.event.listen(creator, "begin", database_engine._begin_sqlite)
        engine.dispose()
        return creator

    monkeypatch.setattr(database_engine, "connect", without)
    with opened(tmp_path / "state.db") as store:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="no memory that processes share") as raised:
                append(store)
            assert "PIPELINE_MAGIC_STORE_URL" in raised.value.hint and "state.db" in raised.value.where


def test_file_system_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that refuses what a database asks of it is said to be so."""

    def refuse(path: Path) -> None:
        raise OSError(95, "Operation not supported", str(path))

    monkeypatch.setattr(database_engine, "_private_file", refuse)
    with opened(tmp_path / "state.db") as store, pytest.raises(StoreUnavailable, match="does not do what a database"):
        append(store)


def test_file_that_another_program_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that holds the file alone: it is waited for, then said; when it lets go, all is as before."""
    monkeypatch.setattr(database_engine, "WAIT_SECONDS", 0.2)
    file = tmp_path / "state.db"
    with opened(file) as store:
        store.create_run(run())
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("DELETE FROM pm_runs")
        with opened(file) as store:
            for call in (lambda: store.run("r-1"), lambda: append(store)):
                with pytest.raises(StoreUnavailable, match="busy for too long") as raised:
                    call()
                assert "look for a process" in raised.value.hint and str(file) in raised.value.where
        other.execute("ROLLBACK")
    with opened(file) as store:
        assert store.run("r-1").id == "r-1"


def test_short_lock_is_waited_for(tmp_path: Path) -> None:
    """A writer that another one keeps waiting for a moment comes through by itself."""
    file = tmp_path / "state.db"
    with opened(file) as store:
        append(store)
        other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.3, lambda: other.execute("ROLLBACK")).start()
        start = time.monotonic()
        append(store)
        assert time.monotonic() - start >= 0.2
        other.close()
        assert store.audit_head()[0] == 2


def test_damage_found_on_the_way(tmp_path: Path) -> None:
    """A page that goes bad while the audit is read is an error of ours, wherever it is in the stream."""
    file = tmp_path / "state.db"
    with opened(file) as store:
        for number in range(3000):
            store.append_audit(at=AT, run_id=f"r-{number}", event="e", identity="ada", detail={"text": "x" * 200}) if (
                number % 1000 == 0
            ) else None
        with store._db.write() as connection:
            previous = store.audit_head()
            rows = []
            for seq in range(previous[0] + 1, 3001):
                fields = {"seq": seq, "at": AT, "run_id": "r", "event": "e", "identity": "a", "name": "", "digest": ""}
                rows.append({**fields, "detail": "{}", "previous": f"p{seq}", "hash": f"h{seq}"})
            connection.execute(sa.insert(database_schema.audit), rows)
        store.compact()
    content = bytearray(file.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 40 * 4096] = os.urandom(40 * 4096)
    file.write_bytes(bytes(content))
    with opened(file) as store, pytest.raises(StoreUnavailable, match="damaged"):
        for _ in store.audit_stream():
            pass


# --- a PostgreSQL server that goes -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Any:
    return own_server()


def _start(server: Any) -> None:
    """Start it; its package looks for it once too early now and then."""
    for last in (False, False, True):
        try:
            server.start()
            return
        except AssertionError:
            if last:
                raise
            time.sleep(0.3)


@pytest.fixture
def own_url(server: Any) -> str:
    """The server's database, emptied."""
    _start(server)
    uri: str = server.get_uri()
    engine = sa.create_engine(database_engine.parse_url(uri), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()
    return uri


def test_server_that_restarts(server: Any, own_url: str) -> None:
    """A restart between two calls is waited for: neither reading nor writing fails, and the chain goes on."""
    with opened(own_url) as store:
        append(store)
        for call in (lambda: append(store), lambda: store.audit_head()):
            server.stop()
            starting = threading.Timer(0.3, _start, [server])
            starting.start()
            call()
            starting.join()
        assert store.audit_head()[0] == 2
        assert verify(store.audit_stream()) == ()


def test_server_that_stays_away(server: Any, own_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the pauses it is said that the server cannot be reached; when it is back, the same store works again."""
    monkeypatch.setattr(database_engine, "RETRY_SECONDS", (0.01, 0.02))
    with opened(own_url) as store:
        append(store)
        server.stop()
        for call in (lambda: append(store), lambda: store.runs()):
            with pytest.raises(StoreUnavailable, match="server cannot be reached") as raised:
                call()
            assert "Check the store's URL" in raised.value.hint
        _start(server)
        append(store)
        assert [entry.seq for entry in store.audit()] == [1, 2]


@pytest.mark.parametrize("when", ["before_commit", "at_commit"])
def test_server_that_goes_in_the_middle(server: Any, own_url: str, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the commit nothing is kept and that is sure; at the commit it is said that nobody can know. Either way the
    move is there with its entry or not at all, and making it again ends well."""
    monkeypatch.setattr(database_engine, "RETRY_SECONDS", (0.01,))
    with opened(own_url) as store:
        store.create_run(run())
        if when == "before_commit":
            with pytest.raises(StoreUnavailable, match="cannot be reached"), store._db.write() as connection:
                connection.execute(sa.update(database_schema.runs).values(state="cancelled"))
                server.stop()
                connection.execute(sa.select(database_schema.runs))
        else:
            engine = store._db._engine()
            commit = engine.dialect.do_commit

            def gone(connection: Any) -> None:
                server.stop()
                commit(connection)

            monkeypatch.setattr(engine.dialect, "do_commit", gone)
            with pytest.raises(StoreUnavailable, match="may have been kept, or not") as raised:
                _approval_asked(store)
            assert "not done twice" in raised.value.hint
            monkeypatch.setattr(engine.dialect, "do_commit", commit)
        _start(server)
        assert store.run("r-1").state == "parsing"
        assert len(store.approvals("r-1")) == len(store.audit())
        with contextlib.suppress(StaleState):
            _approval_asked(store)
        assert len(store.approvals("r-1")) == len(store.audit()) == 1


def _approval_asked(store: Database) -> None:
    store.save_approval(approval(), expected_state=None, audit=draft("approval.request"))


def test_connection_that_was_dropped(postgres_url: str) -> None:  # noqa: F811
    """A connection that the server ended while it was idle is replaced without a word."""
    with opened(postgres_url) as store, opened(postgres_url) as other:
        append(store)
        with other._db.write() as connection:
            ended = sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert connection.execute(ended).rowcount >= 1
        append(store)
        assert store.audit_head()[0] == 2


def test_user_without_rights(postgres_url: str) -> None:  # noqa: F811
    """A user who may not read the tables, and a server that only lets itself be read, are said as what they are."""
    with opened(postgres_url) as store:
        append(store)
        with store._db.write() as connection:
            connection.execute(sa.text("DROP ROLE IF EXISTS pm_guest"))
            connection.execute(sa.text("CREATE ROLE pm_guest LOGIN"))
    guest = sa.make_url(postgres_url).set(username="pm_guest").render_as_string(hide_password=False)
    with opened(guest) as store, pytest.raises(StoreUnavailable, match="refuses it to this user") as raised:
        store.runs()
    assert "pm_*" in raised.value.hint
    only_read = sa.make_url(postgres_url).update_query_dict({"options": "-c default_transaction_read_only=on"})
    with opened(only_read.render_as_string(hide_password=False)) as store:
        assert store.audit_head()[0] == 1
        with pytest.raises(StoreUnavailable, match="only lets it be read"):
            append(store)
    with opened(postgres_url) as store, store._db.write() as connection:
        connection.execute(sa.text("DROP ROLE pm_guest"))
