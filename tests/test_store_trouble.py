"""Trouble with the store as a person meets it: a sentence in the terminal and in the notebook, never a traceback."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import resource
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from pipeline_magic.adapters import database_engine
from pipeline_magic.adapters.database import Database
from pipeline_magic.cli import main
from pipeline_magic.logs import log_to_file
from tests.support.local import as_nobody
from tests.support.trust import AT, run

Trouble = Callable[[Path], contextlib.AbstractContextManager[None]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose store holds one run that waits."""
    made = tmp_path / "home"
    with contextlib.closing(Database(str(made / "state.db"))) as store:
        for number in range(50):
            first = store.create_run(run(f"r-{number}", message="x" * 400))
            store.update_run(first, state="awaiting_input")
            store.append_audit(at=AT, run_id=f"r-{number}", event="e", identity="ada")
    return made


@contextlib.contextmanager
def damaged(home: Path) -> Iterator[None]:
    content = bytearray((home / "state.db").read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    (home / "state.db").write_bytes(bytes(content))
    yield


@contextlib.contextmanager
def no_database(home: Path) -> Iterator[None]:
    (home / "state.db").write_text("Dear diary")
    yield


@contextlib.contextmanager
def newer(home: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(home / "state.db")) as other:
        other.execute("UPDATE pm_schema_version SET version = 99")
        other.commit()
    yield


@contextlib.contextmanager
def held(home: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(home / "state.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("DELETE FROM pm_runs")
        yield
        other.execute("ROLLBACK")


@contextlib.contextmanager
def full(home: Path) -> Iterator[None]:
    """No file may grow beyond what the store has: as on a full disk, each write fails."""
    before, size = resource.getrlimit(resource.RLIMIT_FSIZE), (home / "state.db").stat().st_size
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (min(size, 8192), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


@contextlib.contextmanager
def no_server(home: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPELINE_MAGIC_STORE_URL", "postgresql://ada:hunter2secret@127.0.0.1:1/pipelines")
        patch.setattr(database_engine, "RETRY_SECONDS", (0.01,))
        yield


TROUBLES: list[tuple[Trouble, str, str]] = [
    (damaged, "its file is damaged", "Put back a copy"),
    (no_database, "its file is damaged", "Put back a copy"),
    (newer, "The store has version 99", "Upgrade pipeline_magic"),
    (held, "busy for too long", "look for a process"),
    (full, "The store cannot be used: its disk", "then repeat"),
    (no_server, "server cannot be reached", "Check the store's URL"),
]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_engine, "WAIT_SECONDS", 0.2)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("trouble", "says", "hint"), TROUBLES)
def test_in_the_terminal(
    home: Path, capsys: pytest.CaptureFixture[str], trouble: Trouble, says: str, hint: str
) -> None:
    """Every trouble: exit status 9, what happened, where, and what to do; no traceback and no password."""
    with trouble(home):
        status = main(["--home", str(home), "--local", "cancel", "r-7"])
        out, err = capsys.readouterr()
        assert (status, out) == (9, "")
        assert says in err and hint in err and "Where: " in err
        assert "Traceback" not in err and "Logging error" not in err and "hunter2" not in err
    if trouble in (held, full):
        # Afterwards it works again, and nothing was lost.
        assert main(["--home", str(home), "--local", "cancel", "r-7"]) == 0
        assert main(["--home", str(home), "--local", "audit", "verify"]) == 0
        assert "The audit holds: 51 entries" in capsys.readouterr().out


@pytest.fixture
def shell(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("PIPELINE_MAGIC_HOME", str(home))
    monkeypatch.setenv("PIPELINE_MAGIC_LOCAL", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance()
    made.run_line_magic("load_ext", "pipeline_magic")
    yield made
    InteractiveShell.clear_instance()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("trouble", "says", "hint"), TROUBLES)
def test_in_the_notebook(shell: InteractiveShell, home: Path, trouble: Trouble, says: str, hint: str) -> None:
    """The same sentence under the cell."""
    with trouble(home), capture_output() as shown:
        shell.run_cell("%pipeline cancel r-7")
    text = shown.stdout + shown.stderr
    assert says in text and hint in text and "StoreUnavailable" in text
    assert "Traceback" not in text and "Logging error" not in text and "hunter2" not in text


@pytest.mark.skipif(os.name != "posix", reason="changes its user")
def test_home_that_can_only_be_read(home: Path, tmp_path: Path) -> None:
    """A home without write permission: a sentence that names it, and nothing printed by the log."""
    for path in home.iterdir():
        path.chmod(0o444)
    home.chmod(0o555)
    for folder in (tmp_path, *tmp_path.parents):
        if os.geteuid() == 0 and "pytest" in str(folder):
            folder.chmod(0o755)

    def command() -> str:
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
            status = main(["--home", str(home), "--local", "cancel", "r-7"])
        return f"{status}\n{shown.getvalue()}"

    try:
        said = as_nobody(command)
    finally:
        home.chmod(0o755)
    assert said.startswith("2\nConfigurationError: The home folder cannot be written")
    assert str(home) in said and "PIPELINE_MAGIC_HOME" in said
    assert "Traceback" not in said and "Logging error" not in said


def test_log_on_a_full_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log that cannot be written stops nothing and prints nothing; the file is the user's alone."""
    before = os.umask(0)
    try:
        log_to_file(tmp_path)
        log = logging.getLogger("pipeline_magic")
        log.error("first")
        (tmp_path / "state.db").write_bytes(b"")
        with full(tmp_path):
            log.error("x" * 100_000)
        log.error("last")
    finally:
        os.umask(before)
    assert "Logging error" not in capsys.readouterr().err
    file = tmp_path / "pipeline_magic.log"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "first" in file.read_text() and "last" in file.read_text()
