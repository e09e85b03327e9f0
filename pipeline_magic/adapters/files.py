"""Files that several processes share: locks that die with their owner, and writes that happen wholly or not at all.

Here: the three things every local adapter needs. Not here: anything about tables or servers. Locks are `flock`: the
system gives them up when a process dies, however it dies, so that nothing must be cleaned up after a crash.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline_magic.errors import PipelineMagicError, StoreUnavailable

try:
    import fcntl
except ImportError:  # pragma: no cover  (not a POSIX system)
    fcntl = None  # type: ignore[assignment]  # the engine's packages have no wheel there either

__all__ = ["FileLock", "explain", "put_folder", "read_json", "write_json", "write_text"]


class FileLock:
    """A lock on a file, between processes and between threads of one.

    Args:
        path: Made when it is not there, and left there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def acquire(self, *, shared: bool = False, timeout: float | None = 0.0) -> bool:
        """Take the lock.

        Args:
            timeout: Seconds to wait; 0 tries once, None waits for ever.

        Returns:
            Whether it was taken.
        """
        if fcntl is None:  # pragma: no cover
            return True
        with explain(self.path.parent, "prepare the home directory"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        mode = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
        until = None if timeout is None else time.monotonic() + timeout
        try:
            while True:
                try:
                    fcntl.flock(handle, mode)
                except OSError as error:
                    if error.errno not in {errno.EACCES, errno.EAGAIN}:
                        raise
                else:
                    self._handle, handle = handle, -1
                    return True
                if until is not None and time.monotonic() >= until:
                    return False
                time.sleep(0.02)
        finally:
            if handle >= 0:
                os.close(handle)

    def release(self) -> None:
        """Give it up; nothing happens when it is not held."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    @contextmanager
    def held(
        self,
        *,
        shared: bool = False,
        timeout: float | None = None,
        otherwise: str = "",
        kind: type[PipelineMagicError] = StoreUnavailable,
    ) -> Iterator[None]:
        """Hold the lock for a block.

        Raises:
            PipelineMagicError: It was not free in time; of that kind, with the message `otherwise`.
        """
        if not self.acquire(shared=shared, timeout=timeout):
            raise kind(
                otherwise or "Another process holds this home directory.",
                where=str(self.path),
                hint="Wait until the other notebook or command has ended, then try again.",
            )
        try:
            yield
        finally:
            self.release()


@contextmanager
def explain(path: Path, doing: str, kind: type[PipelineMagicError] = StoreUnavailable) -> Iterator[None]:
    """Turn the operating system's refusals into sentences that say what to do."""
    try:
        yield
    except OSError as error:
        where = str(error.filename or path)
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            message, hint = f"The disk is full: could not {doing}.", "Free some space, then try again."
        elif error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            message = f"No permission to {doing}."
            hint = f"Allow writing to {path}, or set PIPELINE_MAGIC_HOME to a folder of your own."
        elif error.errno == errno.ENAMETOOLONG:
            message, hint = f"A name is too long to {doing}.", "Choose a shorter name."
        else:
            message, hint = f"Could not {doing}: {error.strerror or error}.", "Look at the path, then try again."
        raise kind(message, where=where, hint=hint) from error


def read_json(path: Path) -> Any:
    """What a JSON file holds; None when it is not there or was cut off."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def write_text(path: Path, text: str) -> None:
    """Write a file so that readers see the old text or the new, never a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}")
    try:
        # The user's alone: executed notebooks hold data, whatever the folder's rights are.
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)  # noqa: PTH105  (one name for tests to fill the disk at)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """`write_text` of a value as JSON."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def put_folder(path: Path, make: Callable[[Path], None], *, temporary: Path) -> None:
    """Make a folder elsewhere and move it into place when it is whole; an older one is replaced.

    Args:
        make: Fills the folder it is given.
        temporary: On the same disk as `path`; what a crash leaves there may be deleted at any time.
    """
    temporary.mkdir(parents=True, exist_ok=True)
    made, aside = (temporary / secrets.token_hex(8) for _ in range(2))
    try:
        made.mkdir()
        make(made)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            os.replace(path, aside)  # noqa: PTH105  (as above)
        try:
            os.replace(made, path)  # noqa: PTH105  (as above)
        except OSError:
            if aside.exists():
                aside.rename(path)
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)
