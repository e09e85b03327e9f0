"""Locks die with their owner, and writes happen wholly or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline_magic.adapters.files import FileLock, explain, put_folder, read_json, write_json, write_text
from pipeline_magic.errors import StoreUnavailable


def test_lock_excludes(tmp_path: Path) -> None:
    """One holder at a time, several when shared; released, it is free."""
    one, other = FileLock(tmp_path / "l"), FileLock(tmp_path / "l")
    assert one.acquire()
    assert not other.acquire(shared=True)
    one.release()
    assert other.acquire(shared=True)
    assert one.acquire(shared=True)
    third = FileLock(tmp_path / "l")
    assert not third.acquire(timeout=0.05)
    with pytest.raises(StoreUnavailable, match="held here"), third.held(timeout=0.0, otherwise="held here"):
        pass


def test_lock_between_threads(tmp_path: Path) -> None:
    """A waiting thread gets the lock when the first gives it up."""
    order: list[int] = []

    def work(number: int) -> None:
        with FileLock(tmp_path / "l").held(timeout=10):
            order.append(number)
            order.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order[::2] == order[1::2]


def test_lock_of_a_killed_process(tmp_path: Path) -> None:
    """The lock of a process that was killed is free at once."""
    code = (
        "import sys, time; from pathlib import Path; from pipeline_magic.adapters.files import FileLock\n"
        "l = FileLock(Path(sys.argv[1])); l.acquire(); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "l")], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert not FileLock(tmp_path / "l").acquire()
    holder.kill()
    holder.wait()
    assert FileLock(tmp_path / "l").acquire()


def test_write_whole_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails leaves the old text and no other file."""
    write_json(tmp_path / "a.json", {"ä": 1})
    assert read_json(tmp_path / "a.json") == {"ä": 1}
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OSError, match="full"):
        write_text(tmp_path / "a.json", "{")
    assert read_json(tmp_path / "a.json") == {"ä": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_put_folder_keeps_the_old_one(tmp_path: Path) -> None:
    """A folder whose making fails leaves the one that was there."""
    put_folder(tmp_path / "f", lambda made: write_text(made / "x", "old"), temporary=tmp_path / "tmp")

    def fails(made: Path) -> None:
        write_text(made / "x", "new")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        put_folder(tmp_path / "f", fails, temporary=tmp_path / "tmp")
    assert (tmp_path / "f/x").read_text() == "old"
    put_folder(tmp_path / "f", lambda made: write_text(made / "y", "new"), temporary=tmp_path / "tmp")
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["y"]
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "The disk is full: could not do it"),
        (errno.EROFS, "No permission to do it"),
        (errno.EACCES, "No permission to do it"),
        (errno.ENAMETOOLONG, "A name is too long"),
        (errno.EIO, "Could not do it: Input/output error"),
    ],
)
def test_explain(tmp_path: Path, number: int, words: str) -> None:
    """What the system refuses is told in words, with the path and what to do."""
    with pytest.raises(StoreUnavailable, match=words) as raised, explain(tmp_path, "do it"):
        raise OSError(number, os.strerror(number), "/some/file")
    assert raised.value.where == "/some/file"
    assert raised.value.hint
