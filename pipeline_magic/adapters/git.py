"""The `git` binary as a function: one bare repository, nothing of the user's configuration, every call bounded.

Here: running git with a scrubbed environment (no `GIT_*` variables, no user or system configuration, no hooks, no
signing, no prompts), objects and references, and the errors of git in our words. Not here: what commits and pull
requests mean (`localgit`).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline_magic.errors import CodeHostError
from pipeline_magic.redact import redact

__all__ = ["ABSENT", "Git", "LostRace", "Refused"]

ABSENT = "0" * 40
"""The old value of a reference that must not exist yet."""

_OLDEST = (2, 38)  # the first with `merge-tree --write-tree`
_STALE_SECONDS = 10.0
"""git holds the lock of a reference for milliseconds; one this old was left by a process that was killed."""

_CONFIG = {
    "core.hooksPath": os.devnull,
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "core.autocrlf": "false",
    "core.quotePath": "false",
    "core.logAllRefUpdates": "true",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "init.defaultBranch": "main",
}

_ERRORS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        (
            "not a git repository",
            "invalid gitfile",
            "bad object",
            "corrupt",
            "is empty",
            "unable to read",
            "missing blob",
            "bad ref",
            "broken",
        ),
        "The repository is damaged.",
        "Look with `git fsck`, put back a copy of it, or move it away to start with an empty one.",
    ),
    (
        ("no space left", "disk full", "write error", "sha1 file", "file too large"),
        "The repository cannot be written: its disk is full.",
        "Free some space, then repeat; nothing was left half done.",
    ),
    (
        ("permission denied", "read-only", "insufficient permission"),
        "The repository cannot be written.",
        "Check the rights of its folder, or set PIPELINE_MAGIC_HOME to another one.",
    ),
    (
        ("dubious ownership",),
        "The repository belongs to another user.",
        "Use a repository of your own: set PIPELINE_MAGIC_HOME.",
    ),
)
"""Words in git's errors, what they mean, what to do."""


class LostRace(Exception):
    """A reference was not what it had to be: somebody else was first. Never leaves the adapter."""


class Refused(Exception):
    """git ended with a status that is not zero. Never leaves the adapter.

    Args:
        status: Exit status.
        text: What git wrote to its error output.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Git:
    """One bare repository.

    Args:
        folder: The repository.
        timeout: Seconds for one call.
    """

    def __init__(self, folder: Path, *, timeout: float = 60.0) -> None:
        self.folder = folder
        self._timeout = timeout
        self._binary = ""

    # --- running -----------------------------------------------------------------------------------------------------

    def run(
        self,
        *arguments: str,
        data: bytes = b"",
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> bytes:
        """What git prints.

        Raises:
            Refused: git ended with an error; the caller knows what it means.
            CodeHostError: git is missing, too old or does not answer.
        """
        settings = [part for key, value in _CONFIG.items() for part in ("-c", f"{key}={value}")]
        command = [self._find(), *settings, f"--git-dir={folder or self.folder}", *arguments]
        # Its own session: a Ctrl-C in the notebook must not stop git in the middle of an update.
        try:
            done = subprocess.run(
                command,
                input=data,
                capture_output=True,
                env=_environment(environment or {}),
                timeout=self._timeout,
                start_new_session=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CodeHostError(
                f"git did not answer within {self._timeout:.0f} seconds (`git {arguments[0]}`).",
                where=str(self.folder),
                hint="Look for a git process that hangs, or for a slow disk; then repeat.",
            ) from None
        except OSError as error:
            raise CodeHostError(f"git could not be started: {error.strerror}.", where=str(self.folder)) from None
        if done.returncode:
            raise Refused(done.returncode, (done.stderr or done.stdout).decode("utf-8", "replace").strip())
        return done.stdout

    def text(self, *arguments: str, data: bytes = b"", environment: Mapping[str, str] | None = None) -> str:
        """What git prints, as text without the last line break; errors of git are translated."""
        try:
            return self.run(*arguments, data=data, environment=environment).decode("utf-8", "replace").rstrip("\n")
        except Refused as error:
            raise self.failed(error, arguments[0]) from None

    def failed(self, error: Refused, command: str) -> CodeHostError:
        """An error of git in our words."""
        whole = error.text.casefold()
        text = redact(error.text)[:500]
        for words, message, hint in _ERRORS:
            if any(word in whole for word in words):
                return CodeHostError(f"{message} git says: {text}", where=str(self.folder), hint=hint)
        return CodeHostError(f"`git {command}` failed: {text or error.status}", where=str(self.folder))

    def _find(self) -> str:
        if self._binary:
            return self._binary
        found = shutil.which("git")
        if found is None:
            raise CodeHostError(
                "The program `git` is not installed, and the local code host needs it.",
                hint="Install git (for example `apt-get install git`), then repeat.",
            )
        said = subprocess.run(
            [found, "--version"], capture_output=True, env=_environment({}), timeout=self._timeout, check=False
        ).stdout.decode("utf-8", "replace")
        match = re.search(r"(\d+)\.(\d+)", said)
        if match is None or (int(match[1]), int(match[2])) < _OLDEST:
            raise CodeHostError(
                f"git {_OLDEST[0]}.{_OLDEST[1]} or newer is needed, and {said.strip() or found} was found.",
                hint="Install a newer git, then repeat.",
            )
        self._binary = found
        return found

    # --- objects -----------------------------------------------------------------------------------------------------

    def blob(self, content: bytes) -> str:
        """Write a file's content and return its id."""
        return self.text("hash-object", "-w", "--stdin", data=content)

    def tree(self, start: str, files: Mapping[str, bytes]) -> str:
        """The tree of a commit (empty text: no tree) with these files written into it."""
        with tempfile.TemporaryDirectory(prefix="pm-index-") as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            if start:
                self.text("read-tree", start, environment=index)
            entries = b"".join(
                b"100644 " + self.blob(content).encode() + b"\t" + path.encode() + b"\0"
                for path, content in files.items()
            )
            self.text("update-index", "-z", "--add", "--replace", "--index-info", data=entries, environment=index)
            return self.text("write-tree", environment=index)

    def commit(self, tree: str, parents: Sequence[str], message: str, who: Mapping[str, str]) -> str:
        """A commit; `who` holds author, committer and times as git's environment variables."""
        arguments = [part for parent in parents for part in ("-p", parent)]
        return self.text("commit-tree", tree, *arguments, "-F", "-", data=message.encode(), environment=who)

    def content(self, commit: str, path: str) -> bytes | None:
        """A file of a commit; None when there is no file at the path."""
        listed = self.text("ls-tree", "-z", "--full-tree", commit, "--", path)
        for entry in listed.split("\0"):
            head, _, name = entry.partition("\t")
            parts = head.split()
            if name == path and len(parts) == 3 and parts[1] == "blob":
                try:
                    return self.run("cat-file", "blob", parts[2])
                except Refused as error:
                    raise self.failed(error, "cat-file") from None
        return None

    def files(self, commit: str, folder: str) -> list[str]:
        """Paths of the files of a commit below a folder."""
        listed = self.text("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, "--", f"{folder}/")
        return [path for path in listed.split("\0") if path]

    def contents(self, names: Sequence[str]) -> list[bytes | None]:
        """Many files at once, each named ``<commit>:<path>``; None where there is no such file."""
        if not names:
            return []
        try:
            said = self.run("cat-file", "--batch", data="".join(f"{name}\n" for name in names).encode())
        except Refused as error:
            raise self.failed(error, "cat-file") from None
        found: list[bytes | None] = []
        while len(found) < len(names) and said:
            head, _, rest = said.partition(b"\n")
            parts = head.split()
            size = int(parts[2]) if len(parts) == 3 and parts[1] == b"blob" else None
            found.append(None if size is None else rest[:size])
            said = rest if size is None else rest[size + 1 :]
        return [*found, *[None] * (len(names) - len(found))]

    # --- references --------------------------------------------------------------------------------------------------

    def resolve(self, reference: str) -> str | None:
        """The commit a reference points at; None when there is no such reference."""
        listed = self.text("for-each-ref", "--format=%(refname) %(objectname)", reference)
        for line in listed.splitlines():
            name, _, commit = line.partition(" ")
            if name == reference:
                return commit
        return None

    def references(self, prefix: str) -> dict[str, str]:
        """Every reference below a prefix, with what it points at."""
        listed = self.text("for-each-ref", "--format=%(refname) %(objectname)", prefix)
        return dict(line.split(" ", 1) for line in listed.splitlines() if line)

    def move(self, reference: str, new: str, old: str, reason: str) -> None:
        """Set a reference if it is still `old` (ABSENT: if it does not exist).

        Raises:
            LostRace: It is something else by now.
        """
        deadline = time.monotonic() + _STALE_SECONDS + 5
        while True:
            try:
                self.run("update-ref", "--no-deref", "-m", reason, reference, new, old)
                return
            except Refused as error:
                text = error.text
                if "File exists" in text and ".lock" in text and time.monotonic() < deadline:
                    self._remove_stale_lock(text)
                    time.sleep(0.05)
                    continue
                if (
                    "but expected" in text
                    or "reference already exists" in text
                    or "unable to resolve reference" in text
                ):
                    raise LostRace(text) from None
                raise self.failed(error, "update-ref") from None

    def _remove_stale_lock(self, text: str) -> None:
        match = re.search(r"'([^']+\.lock)'", text)
        if match is None:
            return
        lock = Path(match[1])
        with contextlib.suppress(OSError):
            if (
                lock.resolve().is_relative_to(self.folder.resolve())
                and time.time() - lock.stat().st_mtime > _STALE_SECONDS
            ):
                lock.unlink()


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP") if key in os.environ}
    return {
        **kept,
        "HOME": os.devnull,
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        **extra,
    }
