"""Environments of their own for what cannot live beside the project: made once, outside the tree, under a lock.

`$XDG_CACHE_HOME` (or `~/.cache`) `/pipeline_magic/<name>`. Each is made in a folder beside its place and then renamed,
so that a killed test leaves nothing half made; of two sessions that need the same one, the second waits for the first.
Not here: what is in them (the modules of the stand-ins say so).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["cache", "made", "virtual"]

_TIMEOUT = 280
"""Seconds for one command: less than the time limit of a test."""


def cache() -> Path:
    """The folder outside the tree in which environments and jars are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pipeline_magic"


def made(
    place: Path,
    whole: Callable[[Path], bool],
    commands: Sequence[Sequence[str]],
    *,
    env: Mapping[str, str] | None = None,
) -> Path:
    """The folder at that place; made by the commands when it is not whole.

    Args:
        place: Where it is, or is to be.
        whole: Whether a folder holds all that the commands make.
        commands: Run one after the other; `{place}` in a word is the folder they work on.
        env: Environment variables of the commands; those of this process when None.

    Raises:
        RuntimeError: A command failed; with the end of what it said.
    """
    if whole(place):
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / f".{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if whole(place):  # another session was faster
            return place
        making = Path(tempfile.mkdtemp(prefix=f"{place.name}.making.", dir=place.parent))
        try:
            for command in commands:
                _run([word.replace("{place}", str(making)) for word in command], place.name, env)
            shutil.rmtree(place, ignore_errors=True)  # only one that is not whole comes here
            making.rename(place)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return place


def virtual(place: Path, whole: Callable[[Path], bool], *wants: str) -> Path:
    """A virtual environment with those packages, of this interpreter; made when it is not whole.

    Raises:
        RuntimeError: pip could not install them.
    """
    pip = ["{place}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return made(place, whole, [[sys.executable, "-m", "venv", "{place}"], [*pip, *wants]])


def _run(words: Sequence[str], name: str, env: Mapping[str, str] | None) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, env=env, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{name} could not be installed: {words[0]} took over {_TIMEOUT} s.") from None
    if done.returncode:
        raise RuntimeError(f"{name} could not be installed: {(done.stderr or done.stdout).strip()[-800:]}")
