"""What every repository of ours has in common: how our commits are known, and which names are plain. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from pipeline_magic.errors import CodeHostError

__all__ = ["TRAILER", "UNDOES", "branch_name", "file_path", "written_last"]

TRAILER = "Generated-by: pipeline_magic"
"""Last line of our commits' messages; what we wrote last is found by it."""

UNDOES = "Undoes: an earlier change"
"""Line before the last of a commit that undoes: what it brings back need not be what we wrote."""


def written_last(commits: Iterable[tuple[bool, Callable[[], str | None]]]) -> str | None:
    """What we wrote last at a path; None when we never did, or took it away.

    What an undoing brought back counts only where we wrote it before: it may be an edit by hand that was overwritten.

    Args:
        commits: Ours that changed the path, newest first: whether it undoes, and what gives its text there.
    """
    brought: str | None = None
    newest: str | None = None
    for number, (undoes, text) in enumerate(commits):
        found = text()
        if number == 0 and (not undoes or found is None):
            return found
        if number == 0:
            brought = found
        elif not undoes:
            if found == brought:
                return brought
            newest = newest if newest is not None else found
    return newest


def branch_name(name: str) -> str:
    """A branch name git accepts and nobody can misread.

    Raises:
        CodeHostError: It is none.
    """
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,200}", name)
    if (
        plain is None
        or ".." in name
        or "//" in name
        or any(p.endswith((".lock", ".")) or p[:1] in ("", ".") for p in name.split("/"))
    ):
        raise CodeHostError(f"{name[:100]!r} is not a branch name.")
    return name


def file_path(path: str) -> str:
    """A path inside the repository.

    Raises:
        CodeHostError: It leaves the repository, or is none.
    """
    parts = path.split("/")
    bad = any(part in ("", ".", "..") or part.casefold() == ".git" for part in parts)
    if bad or "\\" in path or any(ord(char) < 32 for char in path) or len(path) > 1000:
        raise CodeHostError(f"{path[:100]!r} is not a path of a file in the repository.")
    return path
