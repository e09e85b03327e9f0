"""The local code host's own matters: real git underneath, its environment, damage, races, kills."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_magic.adapters import git as git_module
from pipeline_magic.adapters.git import Git, Refused
from pipeline_magic.adapters.localgit import LocalGit, system_user
from pipeline_magic.errors import CodeHostError, MergeConflict
from pipeline_magic.runs import File
from tests.support.processes import race, run_killed
from tests.support.trust import change

MOMENT = datetime.datetime(2026, 11, 2, 6, 0, tzinfo=datetime.timezone.utc)
NOTEBOOK = "pipelines/daily/daily.ipynb"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "repo.git"


def host(folder: Path, **options: Any) -> LocalGit:
    return LocalGit(folder, **{"author": "Ada <ada@example.org>", "now": lambda: MOMENT, **options})


def git(folder: Path, *arguments: str) -> str:
    """An independent git, as a person would call it."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, env=environment, timeout=60
    )
    return done.stdout.strip()


def hand_edit(folder: Path, scratch: Path, path: str, content: str) -> None:
    """What a colleague does: clone, change, push."""
    shutil.rmtree(scratch, ignore_errors=True)
    git(folder, "clone", "--quiet", str(folder), str(scratch))
    (scratch / path).parent.mkdir(parents=True, exist_ok=True)
    (scratch / path).write_text(content)
    git(scratch, "add", path)
    git(scratch, "-c", "user.name=Bob", "-c", "user.email=bob@example.org", "commit", "--quiet", "-m", "By hand")
    git(scratch, "push", "--quiet", "origin", "main")


# --- what git sees ------------------------------------------------------------------------------------------------


def test_repository_is_real(folder: Path, tmp_path: Path) -> None:
    """git itself finds a sound repository: one commit a change, a merge with two parents, and it can be cloned."""
    local = host(folder)
    opened = local.open_pull_request(change())
    done = local.merge(opened.number, message="Merge daily")
    git(folder, "fsck", "--strict")
    assert git(folder, "log", "--format=%s", "--first-parent", "main").splitlines() == [
        "Merge daily",
        "Begin the repository",
    ]
    assert git(folder, "rev-list", "--count", "--no-merges", f"{done.merge_commit}^1..{done.merge_commit}") == "1"
    parents = git(folder, "rev-list", "--parents", "-1", "main").split()
    assert parents == [done.merge_commit, git(folder, "rev-parse", "main^1"), opened.commit]
    git(folder, "clone", "--quiet", str(folder), str(tmp_path / "clone"))
    assert (tmp_path / "clone" / NOTEBOOK).read_text() == '{"cells": []}\n'
    assert (tmp_path / "clone" / "README.md").exists()


def test_same_calls_make_the_same_commits(tmp_path: Path) -> None:
    """Author, time and content are arguments: two repositories that were told the same hold the same commits."""
    ends = []
    for name in ("a.git", "b.git"):
        local = host(tmp_path / name)
        local.merge(local.open_pull_request(change()).number, message="m")
        ends.append(git(tmp_path / name, "rev-parse", "main", "refs/pull-requests/1"))
    assert ends[0] == ends[1]
    who = git(tmp_path / "a.git", "log", "-1", "--format=%an <%ae> %cn %ct", "main")
    assert who == f"Ada <ada@example.org> Ada {int(MOMENT.timestamp())}"


def test_a_hostile_user_environment_changes_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither GIT_* variables nor the user's configuration, hooks, signing or attributes reach our git."""
    marker = tmp_path / "hooked"
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("reference-transaction", "post-update", "pre-receive", "update"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {marker}\nexit 1\n")
        (hooks / name).chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f"[core]\n hooksPath = {hooks}\n autocrlf = true\n[commit]\n gpgSign = true\n[user]\n name = Eve\n[init]\n"
        f" defaultBranch = evil\n templateDir = {hooks}\n"
    )
    for name, value in {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "GIT_DIR": str(tmp_path / "elsewhere"),
        "GIT_INDEX_FILE": str(tmp_path / "index"),
        "GIT_AUTHOR_NAME": "Eve",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": str(hooks),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "objects"),
        "GIT_NAMESPACE": "evil",
        "LANG": "de_DE.UTF-8",
    }.items():
        monkeypatch.setenv(name, value)
    local = host(folder)
    opened = local.open_pull_request(change(files=(File(path="a.txt", content="1\r\n2\n"),)))
    for name in ("reference-transaction", "update"):
        (folder / "hooks").mkdir(exist_ok=True)
        shutil.copy(hooks / name, folder / "hooks" / name)
    local.merge(opened.number, message="m")
    assert local.read("a.txt") == "1\r\n2\n"
    assert not marker.exists()
    assert "Eve" not in git(folder, "log", "--all", "--format=%an%cn")


def test_hand_edit_is_kept_by_the_merge(folder: Path, tmp_path: Path) -> None:
    """A colleague's push to another part of a file survives our merge; to the same part it conflicts, by name."""
    local = host(folder)
    text = "".join(f"line {number}\n" for number in range(30))
    first = local.open_pull_request(change("b/1", files=(File(path="a.txt", content=text),)))
    local.merge(first.number, message="m")
    ours = local.open_pull_request(change("b/2", files=(File(path="a.txt", content=text.replace("line 29", "ours")),)))
    clash = local.open_pull_request(change("b/3", files=(File(path="a.txt", content=text.replace("line 1\n", "c\n")),)))
    hand_edit(folder, tmp_path / "clone", "a.txt", text.replace("line 1\n", "by hand\n"))
    assert local.last_generated("a.txt") == text
    local.merge(ours.number, message="m")
    merged = local.read("a.txt") or ""
    assert "by hand\n" in merged and "ours\n" in merged
    with pytest.raises(MergeConflict, match=r"a\.txt"):
        local.merge(clash.number, message="m")


def test_what_an_undoing_brings_back_need_not_be_ours(folder: Path, tmp_path: Path) -> None:
    """An edit by hand that was overwritten and comes back is still by hand; what we wrote before is ours again."""
    local = host(folder)

    def write(content: str) -> int:
        number = local.open_pull_request(
            change(f"b/{content.strip()}", files=(File(path="a.txt", content=content),))
        ).number
        local.merge(number, message="m")
        return number

    def undo(number: int) -> None:
        local.merge(local.revert(number, title="Undo").number, message="undo")

    write("1\n")
    undo(write("2\n"))
    assert local.last_generated("a.txt") == "1\n"
    hand_edit(folder, tmp_path / "clone", "a.txt", "by hand\n")
    undo(write("3\n"))
    assert (local.read("a.txt"), local.last_generated("a.txt")) == ("by hand\n", "3\n")


def test_branch_that_moved_is_not_merged(folder: Path, tmp_path: Path) -> None:
    """A commit that somebody adds to the branch was not reviewed: merging refuses."""
    local = host(folder)
    opened = local.open_pull_request(change())
    clone = tmp_path / "clone"
    git(folder, "clone", "--quiet", "--branch", opened.branch, str(folder), str(clone))
    (clone / "extra.txt").write_text("slipped in")
    git(clone, "add", "extra.txt")
    git(clone, "-c", "user.name=Bob", "-c", "user.email=b@example.org", "commit", "--quiet", "-m", "More")
    git(clone, "push", "--quiet", "origin", opened.branch)
    with pytest.raises(CodeHostError, match="not what was reviewed"):
        local.merge(opened.number, message="m")
    assert local.read("extra.txt") is None


def test_comments_once_per_key(folder: Path) -> None:
    """The same key twice is one comment; the record keeps every state it had, as commits."""
    local = host(folder)
    number = local.open_pull_request(change(), draft=True).number
    for body in ("first", "again"):
        local.comment(number, body, key="k1")
    local.comment(number, "second", key="k2")
    local.close_pull_request(number, reason="not needed")
    (record,) = local.pull_requests()
    assert [comment.body for comment in record.comments] == ["first", "second"]
    assert record.closed_because == "not needed"
    assert git(folder, "rev-list", "--count", f"refs/pull-requests/{number}") == "4"


def test_identity_is_the_process_owner(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who decides cannot be set by an environment variable."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "GIT_AUTHOR_NAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert host(folder).identity() == system_user() != "somebody-else"
    local = LocalGit(folder)
    local.open_pull_request(change())
    assert git(folder, "log", "-1", "--format=%an", "main") == system_user()


def test_binary_file_is_read_as_different(folder: Path, tmp_path: Path) -> None:
    """A file that is no UTF-8 comes back as some text that is not ours, and no error."""
    local = host(folder)
    local.merge(local.open_pull_request(change()).number, message="m")
    clone = tmp_path / "clone"
    git(folder, "clone", "--quiet", str(folder), str(clone))
    (clone / NOTEBOOK).write_bytes(b"\xff\xfe\x00")
    git(clone, "-c", "user.name=B", "-c", "user.email=b@example.org", "commit", "--quiet", "-am", "Binary")
    git(clone, "push", "--quiet", "origin", "main")
    assert local.read(NOTEBOOK) == "\ufffd\ufffd\x00"


# --- what breaks --------------------------------------------------------------------------------------------------


def test_git_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git the error says what to install, and nothing is created."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(CodeHostError, match="not installed") as raised:
        host(folder).read("a")
    assert "Install git" in raised.value.hint
    assert not folder.exists() and not list(folder.parent.iterdir())


def _fake_git(tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def test_git_too_old(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A git that cannot merge trees is refused by its version."""
    _fake_git(tmp_path, "echo git version 2.25.1", monkeypatch)
    with pytest.raises(CodeHostError, match=r"2\.38 or newer is needed, and git version 2\.25\.1"):
        host(folder).read("a")


def test_git_hangs(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A git that does not answer is given up after the timeout."""
    host(folder).read("a")
    _fake_git(tmp_path, 'case "$1" in --version) echo git version 2.39.5;; *) sleep 20;; esac', monkeypatch)
    started = time.monotonic()
    with pytest.raises(CodeHostError, match="did not answer"):
        host(folder, timeout=0.3).read("a")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("damage", ["empty objects", "no HEAD", "a file", "another folder"])
def test_damaged_repository(folder: Path, damage: str) -> None:
    """A repository that is none any more gives an error that names it, and is left alone."""
    local = host(folder)
    local.merge(local.open_pull_request(change()).number, message="m")
    if damage == "empty objects":
        for path in (folder / "objects").glob("??/*"):
            path.chmod(0o644)
            path.write_bytes(b"")
    elif damage == "no HEAD":
        (folder / "HEAD").unlink()
    else:
        shutil.rmtree(folder)
        if damage == "a file":
            folder.write_text("x")
        else:
            folder.mkdir()
            (folder / "notes.txt").write_text("mine")
    with pytest.raises(CodeHostError) as raised:
        host(folder).read(NOTEBOOK)
    assert str(folder) in raised.value.where
    assert raised.value.hint


def test_empty_folder_is_used(folder: Path) -> None:
    """An empty folder at the path becomes the repository."""
    folder.mkdir()
    assert host(folder).read("README.md")


def test_lock_of_a_killed_git_is_removed(folder: Path) -> None:
    """A lock that a killed git left behind long ago does not stop us; a fresh one is waited for."""
    local = host(folder)
    local.read("a")
    lock = folder / "refs/heads/main.lock"
    opened = local.open_pull_request(change())
    lock.touch()
    old = time.time() - 60
    os.utime(lock, (old, old))
    assert local.merge(opened.number, message="m").state == "merged"
    assert not lock.exists()


# --- many processes, kills -----------------------------------------------------------------------------------------


def test_processes_open_one_change(folder: Path) -> None:
    """Eight processes that open the same change on a repository nobody made yet: one branch, one pull request."""

    def work() -> Any:
        return host(folder).open_pull_request(change()).model_dump()

    found = race([work] * 8)
    assert all(one == found[0] for one in found), found
    assert len(host(folder).pull_requests()) == 1
    assert [path.name for path in folder.parent.iterdir()] == ["repo.git"]
    git(folder, "fsck", "--strict")


def test_processes_open_different_changes(folder: Path) -> None:
    """Eight different changes at once get eight numbers, and all are merged, whoever moves the base meanwhile."""
    host(folder).read("a")

    def work(number: int) -> Callable[[], int]:
        def act() -> int:
            local = host(folder)
            files = (File(path=f"{number}.txt", content=f"{number}\n"),)
            opened = local.open_pull_request(change(f"b/{number}", files=files))
            local.comment(opened.number, "done", key="k")
            return int(local.merge(opened.number, message=f"merge {number}").number)

        return act

    numbers = race([work(number) for number in range(8)])
    assert sorted(numbers) == list(range(1, 9)), numbers
    local = host(folder)
    assert [local.read(f"{number}.txt") for number in range(8)] == [f"{number}\n" for number in range(8)]
    git(folder, "fsck", "--strict")


def _count(reached: Callable[[], None]) -> None:
    """Call `reached` before and after every call of git, and at the rename that puts a new repository in place."""
    run, rename = Git.run, Path.rename

    def counted(self: Git, *arguments: str, **options: Any) -> bytes:
        reached()
        try:
            return run(self, *arguments, **options)
        except Refused:
            raise
        finally:
            reached()

    def renamed(self: Path, target: Path) -> Path:
        reached()
        done = rename(self, target)
        reached()
        return done

    Git.run = counted  # type: ignore[method-assign]
    Path.rename = renamed  # type: ignore[method-assign,assignment]


def _points(total: int, wanted: int) -> list[int]:
    """Spread over all points, bounded, always the same."""
    step = max(1, total // wanted)
    return list(range(1, total + 1, step))


@pytest.mark.parametrize("bound", [10, pytest.param(10_000, marks=pytest.mark.full)])
def test_kill_anywhere(tmp_path: Path, bound: int) -> None:
    """Killed at any call of git while opening, merging or undoing: a second call ends with one of each."""

    def whole(folder: Path) -> str:
        local = host(folder)
        undone = local.find_pull_request(f"revert-1-{change().branch}")
        if undone is not None and undone.state == "merged":
            return git(folder, "rev-parse", "main")
        opened = local.open_pull_request(change())
        local.comment(opened.number, "approved", key="decision")
        local.merge(opened.number, message="m")
        undo = local.revert(opened.number, title="Undo")
        local.merge(undo.number, message="undo")
        return git(folder, "rev-parse", "main")

    total = 0

    def counting(folder: Path) -> Callable[[Callable[[], None]], None]:
        def act(reached: Callable[[], None]) -> None:
            _count(reached)
            whole(folder)

        return act

    def number() -> int:
        count = 0

        def reached() -> None:
            nonlocal count
            count += 1

        _count(reached)
        whole(tmp_path / "count.git")
        return count

    (total,) = race([number])
    expected = git(tmp_path / "count.git", "rev-parse", "main")
    points = _points(total, bound)
    for point in points:
        folder = tmp_path / f"{point}.git"
        assert run_killed(counting(folder), point)
        assert whole(folder) == expected
        local = host(folder)
        assert [(one.number, one.state) for one in local.pull_requests()] == [(2, "merged"), (1, "merged")]
        assert [len(one.comments) for one in local.pull_requests()] == [0, 1]
        assert git(folder, "rev-list", "--count", "--merges", "main") == "2"
        shutil.rmtree(folder)
    print(f"{len(points)} of {total} kill points")


def test_waiting_ends(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that somebody really holds is waited for, and then named."""
    monkeypatch.setattr(git_module, "_STALE_SECONDS", 0.3)
    local = host(folder)
    opened = local.open_pull_request(change())
    lock = folder / "refs/heads/main.lock"
    lock.touch()
    future = time.time() + 1000
    os.utime(lock, (future, future))
    monkeypatch.setattr(git_module.time, "monotonic", _fast_clock())
    with pytest.raises(CodeHostError, match="update-ref"):
        local.merge(opened.number, message="m")
    assert lock.exists()
    assert local.find_pull_request(opened.branch) == opened


def _fast_clock() -> Callable[[], float]:
    """A clock on which every look is a second later."""
    now = 0.0

    def tick() -> float:
        nonlocal now
        now += 1.0
        return now

    return tick


# --- merged by hand ----------------------------------------------------------------------------------------------


def _clone(repository: Path, at: Path) -> Path:
    clone = at / "clone"
    _plain("clone", "-q", str(repository), str(clone), at=at)
    return clone


def _plain(*words: str, at: Path) -> str:
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    done = subprocess.run(["git", *who, *words], cwd=at, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


@pytest.mark.parametrize("how", ["--no-ff", "--ff-only", "--squash"])
@pytest.mark.parametrize("more", [False, True])
def test_merged_by_hand(tmp_path: Path, how: str, more: bool) -> None:
    """A change that somebody merged with git alone is merged, whatever way it went; it can be undone as any other."""
    host = LocalGit(tmp_path / "repo.git", author="Ada <ada@example.org>")
    opened = host.open_pull_request(change())
    assert host.find_pull_request(opened.branch).state == "open"
    clone = _clone(tmp_path / "repo.git", tmp_path)
    if more:
        _plain("checkout", "-q", opened.branch, at=clone)
        (clone / "extra.txt").write_text("more")
        _plain("add", "-A", at=clone)
        _plain("commit", "-qm", "More", at=clone)
        _plain("push", "-q", "origin", opened.branch, at=clone)
        _plain("checkout", "-q", "main", at=clone)
    elif how != "--ff-only":
        (clone / "other.txt").write_text("meanwhile")
        _plain("add", "-A", at=clone)
        _plain("commit", "-qm", "Meanwhile", at=clone)
    _plain("merge", "-q", how, f"origin/{opened.branch}", *(["-m", "Land"] if how == "--no-ff" else []), at=clone)
    if how == "--squash":
        _plain("commit", "-qm", "Land", at=clone)
    (clone / "later.txt").write_text("later")
    _plain("add", "-A", at=clone)
    _plain("commit", "-qm", "Later", at=clone)
    _plain("push", "-q", "origin", "main", at=clone)
    found = host.find_pull_request(opened.branch)
    assert found.state == "merged"
    assert (found.commit != opened.commit) == more
    files = sorted(file.path for file in change().files)
    assert host.changed(found.number) == sorted([*files, *(["extra.txt"] if more else [])])
    assert host.merge(found.number, message="again") == found
    assert host.revert_conflicts(found.number) == ()
    undone = host.revert(found.number, title="Undo")
    host.merge(undone.number, message="Undo")
    assert [host.read(path) for path in (*files, "extra.txt")] == [None] * 3
    assert host.read("later.txt") == "later"


def test_revert_conflicts(tmp_path: Path) -> None:
    """What was changed again since is named beforehand, nothing is written by asking, and `revert` says the same."""
    host = LocalGit(tmp_path / "repo.git", author="Ada <ada@example.org>")
    opened = host.open_pull_request(change())
    host.merge(opened.number, message="Land")
    assert host.revert_conflicts(opened.number) == ()
    clone = _clone(tmp_path / "repo.git", tmp_path)
    path = change().files[0].path
    (clone / path).write_text("by hand")
    _plain("commit", "-qam", "By hand", at=clone)
    _plain("push", "-q", "origin", "main", at=clone)
    before = _plain("for-each-ref", at=tmp_path / "repo.git")
    assert host.revert_conflicts(opened.number) == (path,)
    assert _plain("for-each-ref", at=tmp_path / "repo.git") == before
    with pytest.raises(MergeConflict, match=r"daily\.ipynb") as caught:
        host.revert(opened.number, title="Undo")
    assert caught.value.paths == (path,)
