"""The store's own matters: opening, privacy, migrations, what breaks below it, many processes, kills."""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline_magic.adapters import database_engine, database_schema
from pipeline_magic.adapters.database import Database
from pipeline_magic.agents.approval.audit import verify
from pipeline_magic.errors import ConfigurationError, StaleState, StoreUnavailable
from pipeline_magic.runs import AuditDraft
from tests.support.postgres import postgres_url  # noqa: F401  (a fixture)
from tests.support.processes import race, run_killed
from tests.support.trust import AT, approval, run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "state.db") if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@contextlib.contextmanager
def opened(url: Path | str) -> Iterator[Database]:
    with contextlib.closing(Database(str(url))) as store:
        yield store


def append(store: Database, event: str = "e") -> None:
    store.append_audit(at=AT, run_id="r-1", event=event, identity="ada")


# --- opening -----------------------------------------------------------------------------------------------------


def test_nothing_is_opened_before_the_first_call(file: Path) -> None:
    """Making a store touches no disk."""
    Database(str(file))
    assert not file.exists()


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_files_are_private(tmp_path: Path) -> None:
    """The file, its log and a folder made for it are the user's alone, whatever the umask; a wider file is narrowed."""
    file = tmp_path / "home" / "deep" / "state.db"
    before = os.umask(0)
    try:
        with opened(file) as store:
            store.create_run(run())
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"state.db": 0o600, "state.db-wal": 0o600, "state.db-shm": 0o600}
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (file.parent, file.parent.parent)} == {0o700}
    file.chmod(0o644)
    with opened(file) as store:
        store.run("r-1")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "url", ["", "  ", "sqlite://", "sqlite:///:memory:", "sqlite:///a.db?mode=ro", "mysql://h/d", "://"]
)
def test_addresses_that_cannot_be_used(url: str) -> None:
    """A store that would not outlive the process, or of another kind, is refused with the ways to give one."""
    with pytest.raises(ConfigurationError):
        Database(url)


def test_address_is_shown_without_password() -> None:
    """Neither the name nor an error of an unreachable server holds the password."""
    store = Database("postgresql://ada:hunter2secret@127.0.0.1:1/pipelines")
    assert store.name == "PostgreSQL at 127.0.0.1/pipelines"
    with pytest.raises(StoreUnavailable, match="server cannot be reached") as raised:
        store.runs()
    assert "hunter2" not in f"{raised.value} {store!r} {raised.value.__cause__}"


def test_newer_store_is_refused(url: str) -> None:
    """A store of a newer version is neither read nor written; the error names both versions."""
    with opened(url) as store:
        store.create_run(run())
        with store._db.write() as connection:
            connection.execute(sa.update(database_schema.versions).values(version=99))
    with opened(url) as store, pytest.raises(StoreUnavailable, match="version 99") as raised:
        store.runs()
    assert "Upgrade" in raised.value.hint


def test_older_store_is_migrated_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new migration runs once, on top of what is there, also when eight threads open the store at once."""
    with opened(url) as store:
        store.create_run(run(message="kept"))
    calls: list[int] = []

    def second(connection: sa.Connection) -> None:
        calls.append(1)
        connection.execute(sa.text("ALTER TABLE pm_runs ADD COLUMN colour TEXT"))

    monkeypatch.setattr(database_schema, "MIGRATIONS", (*database_schema.MIGRATIONS, second))
    stores = [Database(url) for _ in range(8)]
    threads = [threading.Thread(target=store.runs) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.run("r-1").message for store in stores] == ["kept"] * 8
    assert calls == [1]
    for store in stores:
        store.close()


def test_failed_migration_leaves_the_old_store(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that fails halfway changes nothing: the old version opens it again."""
    with opened(url) as store:
        store.create_run(run())

    def broken(connection: sa.Connection) -> None:
        connection.execute(sa.text("ALTER TABLE pm_runs ADD COLUMN colour TEXT"))
        connection.execute(sa.text("SELECT nothing FROM nowhere"))

    with monkeypatch.context() as patch:
        patch.setattr(database_schema, "MIGRATIONS", (*database_schema.MIGRATIONS, broken))
        with opened(url) as store, pytest.raises(StoreUnavailable):
            store.runs()
    with opened(url) as store:
        assert store.run("r-1").id == "r-1"
        with store._db.read() as connection:
            assert "colour" not in {column["name"] for column in sa.inspect(connection).get_columns("pm_runs")}


def test_closed_store_opens_again(file: Path) -> None:
    """Closing is no end: the next call works."""
    store = Database(str(file))
    store.create_run(run())
    store.close()
    assert store.run("r-1").id == "r-1"
    store.close()


# --- what breaks below --------------------------------------------------------------------------------------------


def test_full_disk(file: Path) -> None:
    """When no page can be added any more, the error says so, nothing is half written, and reading goes on."""
    with opened(file) as store:
        store.create_run(run())
        engine = store._db._engine()

        def limit(connection: Any, _record: object, _proxy: object) -> None:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages + 1}")

        sa.event.listen(engine, "checkout", limit)
        big = AuditDraft(at=AT, run_id="r-1", event="e", identity="ada", detail={"text": "x" * 200_000})
        with pytest.raises(StoreUnavailable, match="disk is full") as raised:
            store.save_approval(approval(), expected_state=None, audit=big)
        assert "Free some space" in raised.value.hint
        assert (tuple(store.approvals("r-1")), tuple(store.audit())) == ((), ())
    with opened(file) as store:
        append(store)
        assert verify(store.audit()) == ()


def test_operating_system_refuses_to_write(file: Path) -> None:
    """A write that the operating system refuses (a file size limit here) is an error of ours and loses nothing."""
    with opened(file) as store:
        append(store)

    def work() -> str:
        # Python ignores SIGXFSZ, so the write fails instead.
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
        with opened(file) as store:
            store.save_stage("r-1", "parse", "d", "x" * 500_000, AT)
        return "written"

    (said,) = race([work])
    assert said.startswith("StoreUnavailable: The store cannot be used")
    with opened(file) as store:
        assert store.stage("r-1", "parse") is None
        append(store)
        assert [entry.seq for entry in store.audit()] == [1, 2]


@pytest.mark.skipif(os.name != "posix", reason="changes its user")
def test_home_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder without write permission: a clear error that names it, and what to do."""
    home = tmp_path / "home"
    home.mkdir()
    with opened(home / "state.db") as store:
        store.create_run(run())
    for path in home.iterdir():
        path.chmod(0o444)
    home.chmod(0o555)
    if os.geteuid() == 0:
        for folder in tmp_path.parents:
            if folder.stat().st_uid == 0 and "pytest" in folder.name:
                folder.chmod(0o755)
        tmp_path.chmod(0o755)

    def work(name: str) -> str:
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        with opened(home / name) as store:
            store.create_run(run("r-2"))
        return "written"

    for said in race([lambda: work("state.db"), lambda: work("new.db")]):
        assert said.startswith("StoreUnavailable: The store cannot be used: it cannot be written.")
        assert str(home) in said and "PIPELINE_MAGIC_HOME" in said
    home.chmod(0o755)


@pytest.mark.parametrize("damage", ["text", "middle"])
def test_damaged_file(file: Path, damage: str) -> None:
    """A file that is no database, or one with garbage inside, is named as damaged and left as it is."""
    with opened(file) as store:
        for number in range(60):
            store.create_run(run(f"r-{number}", message="x" * 500))
    for extra in ("-wal", "-shm"):
        file.with_name(file.name + extra).unlink(missing_ok=True)
    content = bytearray(file.read_bytes())
    content[:] = b"not a database at all" * 50 if damage == "text" else content
    if damage == "middle":
        content[4096:] = os.urandom(len(content) - 4096)
    file.write_bytes(content)
    with opened(file) as store, pytest.raises(StoreUnavailable, match="damaged") as raised:
        store.runs()
    assert "copy" in raised.value.hint
    assert file.read_bytes() == bytes(content)


def test_row_changed_from_outside(file: Path) -> None:
    """A row that holds no model any more is an error of the store, not of its caller."""
    with opened(file) as store:
        store.create_run(run())
        store.close()
        with contextlib.closing(sqlite3.connect(file)) as other:
            other.execute("UPDATE pm_runs SET body = '{}'")
            other.commit()
        with pytest.raises(StoreUnavailable, match="changed from outside"):
            store.run("r-1")


def test_readers_never_wait(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process holds the write lock, reading works at once; writing says it is busy after the wait."""
    monkeypatch.setattr(database_engine, "WAIT_SECONDS", 0.2)
    with opened(file) as store:
        store.create_run(run())
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("DELETE FROM pm_runs")
            assert store.run("r-1").id == "r-1"
            with pytest.raises(StoreUnavailable, match="busy"):
                append(store)
            other.execute("ROLLBACK")
        append(store)
        assert len(store.audit()) == 1


def test_postgres_readers_never_wait(postgres_url: str) -> None:  # noqa: F811
    """A reader sees the last committed state while a writer holds the head of the audit."""
    with opened(postgres_url) as store:
        append(store)
        with store._db.write() as connection:
            connection.execute(sa.select(database_schema.audit_head).with_for_update())
            connection.execute(sa.update(database_schema.audit).values(event="changed"))
            assert [entry.event for entry in store.audit()] == ["e"]
            connection.rollback()


# --- many processes, kills ----------------------------------------------------------------------------------------


def test_processes_never_fork_the_chain(url: str) -> None:
    """Eight processes that open a store nobody made yet and append at once make one chain without gaps."""

    def work() -> int:
        with opened(url) as store:
            for _ in range(8):
                append(store)
        return os.getpid()

    pids = race([work] * 8)
    assert len(set(pids)) == 8, pids
    with opened(url) as store:
        entries = store.audit()
        assert [entry.seq for entry in entries] == list(range(1, 65))
        assert verify(entries) == ()
        assert store.audit_head() == (64, entries[-1].hash)


def test_fork_does_not_share_connections(url: str) -> None:
    """A child of a process that has the store open uses connections of its own."""
    with opened(url) as store:
        append(store)

        def work() -> int:
            append(store)
            return len(store.audit())

        assert max(race([work] * 3)) == 4
        append(store)
        assert verify(store.audit()) == () and len(store.audit()) == 5


def _count(engine: sa.Engine, reached: Callable[[], None]) -> None:
    """Call `reached` before and after every statement, and before and after every commit."""
    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        sa.event.listen(engine, name, lambda *_arguments: reached())
    commit = engine.dialect.do_commit

    def after(connection: Any) -> None:
        commit(connection)
        reached()

    engine.dialect.do_commit = after  # type: ignore[method-assign]


def test_kill_inside_a_write(url: str) -> None:
    """Killed at any point of a move with its audit entry: both are there or neither, and the second call finishes."""
    with opened(url) as store:
        append(store, "first")
    points = 0
    for point in range(1, 100):
        key = f"a-{point}"

        def write(reached: Callable[[], None], key: str = key) -> None:
            with opened(url) as store:
                store.runs()
                _count(store._db._engine(), reached)
                draft = AuditDraft(at=AT, run_id="r-1", event=key, identity="ada")
                store.save_approval(approval(key), expected_state=None, audit=draft)

        killed = run_killed(write, point)
        with opened(url) as store:
            there = any(one.id == key for one in store.approvals("r-1"))
            said = [entry.event for entry in store.audit()].count(key)
            assert said == int(there)
            with contextlib.suppress(StaleState):
                draft = AuditDraft(at=AT, run_id="r-1", event=key, identity="ada")
                store.save_approval(approval(key), expected_state=None, audit=draft)
            assert [entry.event for entry in store.audit()].count(key) == 1
            assert verify(store.audit()) == ()
        if not killed:
            break
        points += 1
    print(f"{points} kill points")
    assert points >= 8


def test_kill_inside_the_first_opening(file: Path) -> None:
    """Killed while the tables are made: the next process finds none of them, or all."""
    points = 0
    for point in range(1, 200, 9):
        target = file.with_name(f"{point}.db")

        def make(reached: Callable[[], None], target: Path = target) -> None:
            connect = database_engine.connect

            def counted(url: Any) -> sa.Engine:
                engine = connect(url)
                _count(engine, reached)
                return engine

            database_engine.connect = counted
            with opened(target) as store:
                store.runs()

        killed = run_killed(make, point)
        with opened(target) as store:
            append(store)
            assert verify(store.audit()) == ()
        if not killed:
            break
        points += 1
    print(f"{points} kill points")
    assert points >= 4
