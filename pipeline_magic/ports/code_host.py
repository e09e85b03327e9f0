"""A repository with pull requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pipeline_magic.runs import Change, PlanReport, PullRequest

__all__ = ["CodeHost"]


class CodeHost(Protocol):
    """A repository with pull requests. Every write is idempotent by branch name."""

    @property
    def name(self) -> str:
        """For a person."""
        ...

    @property
    def repository(self) -> str:
        """Short name of the repository, without its owner."""
        ...

    @property
    def base(self) -> str:
        """The branch that changes go into."""
        ...

    def read(self, path: str, *, ref: str = "") -> str | None:
        """Text of a file on a branch (the base branch when empty); None when it is not there."""
        ...

    def paths(self, folder: str) -> Sequence[str]:
        """Paths of the files below a folder of the base branch, sorted; empty when it is not there."""
        ...

    def last_generated(self, path: str) -> str | None:
        """Text of a file as we wrote it last, found by our commits; None when we never wrote it."""
        ...

    def open_pull_request(self, change: Change, *, draft: bool = False) -> PullRequest:
        """One commit on a new branch, and a pull request; the existing one when the branch has it already."""
        ...

    def find_pull_request(self, branch: str) -> PullRequest | None:
        """The newest pull request of a branch as it stands, however it was merged or closed."""
        ...

    def changed(self, number: int) -> Sequence[str]:
        """Paths of the files that a pull request changes, as its branch is now, sorted."""
        ...

    def mark_ready(self, number: int) -> PullRequest: ...

    def comment(self, number: int, body: str, *, key: str) -> None:
        """Add a comment once: a second call with the same key changes nothing."""
        ...

    def comments(self, number: int) -> Sequence[str]:
        """Texts of the comments, oldest first."""
        ...

    def report(self, number: int, report: PlanReport) -> str:
        """Say on the plan's commit how the plan stands, in place of what was said before; the same twice changes
        nothing.

        Returns:
            What is missing, where the code host does not let us say it; empty otherwise. Nothing depends on it.
        """
        ...

    def reported(self, number: int) -> str:
        """What stands on the head commit of a pull request, as ``state: text``; empty where nothing does."""
        ...

    def merge(self, number: int, *, message: str) -> PullRequest:
        """Merge into the base branch; returns the merged one when it already is.

        Raises:
            MergeConflict: With the paths.
        """
        ...

    def close_pull_request(self, number: int, *, reason: str) -> PullRequest: ...

    def revert(self, number: int, *, title: str) -> PullRequest:
        """A pull request that undoes a merged one; idempotent."""
        ...

    def revert_conflicts(self, number: int) -> Sequence[str]:
        """Paths at which `revert` would fail, since they were changed again; empty when it would work."""
        ...

    def identity(self) -> str:
        """The authenticated user."""
        ...
