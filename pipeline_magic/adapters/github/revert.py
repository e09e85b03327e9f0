"""The commit that undoes a merged pull request, by the Git Data API: GitHub's REST has no verb for it.

Whole files are put back. Where the base branch no longer holds what the merge wrote, undoing would lose somebody's
change, and that is a conflict: the files are not merged line by line, as a local git does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import github

from pipeline_magic.adapters.repository import TRAILER, UNDOES
from pipeline_magic.errors import CodeHostError, MergeConflict

if TYPE_CHECKING:
    from github.GitCommit import GitCommit
    from github.GitTree import GitTree
    from github.PullRequest import PullRequest as Request

    from pipeline_magic.adapters.github.access import Access

__all__ = ["Inverse"]

_File = tuple[str, str]
"""Mode and SHA of a file in a tree."""


class Inverse:
    """What undoing a merged pull request would do.

    Args:
        access: The repository.
        request: Merged.
        base: Branch it was merged into.
    """

    def __init__(self, access: Access, request: Request, base: str) -> None:
        self._access = access
        self._request = request
        self._base = base

    def conflicts(self) -> tuple[str, ...]:
        """Paths that were changed again since, sorted; whoever undoes the change would lose that."""
        return self._access.ask(self._what, lambda: self._compared()[3])

    def changed(self) -> tuple[str, ...]:
        """Paths that the pull request changed on the base branch, sorted."""
        return self._access.ask(self._what, lambda: tuple(self._compared()[0]))

    def commit(self, title: str) -> str:
        """SHA of a commit on top of the base branch that takes away what the pull request brought; on no branch yet.

        Raises:
            MergeConflict: What it changed was changed again since, with the paths.
            CodeHostError: GitHub refused.
        """
        repo = self._access.repo

        def write() -> str:
            before, today, now, lost = self._compared()
            if lost:
                raise self._conflict(lost)
            entries = [
                github.InputGitTreeElement(path, (old or today[path])[0], "blob", sha=old[1] if old else None)
                for path, old in before.items()
                if today.get(path) != old
            ]
            tree = repo.create_git_tree(entries, now.tree) if entries else now.tree
            return str(repo.create_git_commit(f"{title.strip()}\n\n{UNDOES}\n{TRAILER}\n", tree, [now]).sha)

        return self._access.ask(self._what, write)

    @property
    def _what(self) -> str:
        return f"undoing pull request {self._request.number}"

    def _compared(self) -> tuple[dict[str, _File | None], dict[str, _File], GitCommit, tuple[str, ...]]:
        """What stood at each changed path before the merge, all files of today, today's commit, and the conflicts."""
        repo, access = self._access.repo, self._access
        merge = repo.get_git_commit(self._request.merge_commit_sha)
        now = repo.get_git_commit(repo.get_branch(self._base).commit.sha)
        old, new, today = (_files(access, one.tree) for one in (_before(access, self._request, merge), merge, now))
        before = {path: old.get(path) for path in sorted({*old, *new}) if old.get(path) != new.get(path)}
        lost = tuple(path for path in before if today.get(path) not in (new.get(path), before[path]))
        return before, today, now, lost

    def _conflict(self, lost: tuple[str, ...]) -> MergeConflict:
        shown = ", ".join(f"`{path}`" for path in lost[:10]) + (f" and {len(lost) - 10} more" if lost[10:] else "")
        return MergeConflict(
            f"Pull request {self._request.number} cannot be undone by itself: changed again since: {shown}.",
            where=self._request.html_url,
            hint="Undo the later changes first, or build the pipeline anew from its earlier spec.",
        )


def _before(access: Access, request: Request, merge: GitCommit) -> GitCommit:
    """What the base branch held before the merge: of rebased commits, before the first of them."""
    repo = access.repo
    commit = merge
    steps = 1 if len(merge.parents) > 1 else _rebased(access, request, merge)
    for _ in range(steps):
        commit = repo.get_git_commit(commit.parents[0].sha)
    return commit


def _rebased(access: Access, request: Request, merge: GitCommit) -> int:
    """How many commits a merge without a merge commit put on the base branch: one when they were squashed."""
    messages = [commit.commit.message for commit in request.get_commits()]
    return len(messages) if messages and messages[-1].strip() == merge.message.strip() else 1


def _files(access: Access, tree: GitTree) -> dict[str, _File]:
    listed = access.repo.get_git_tree(tree.sha, recursive=True)
    if listed.raw_data.get("truncated"):
        raise CodeHostError(
            "The repository has more files than GitHub lists at once, so that a change cannot be undone from here.",
            hint="Revert the pull request on GitHub by its button.",
        )
    return {item.path: (item.mode, item.sha) for item in listed.tree if item.type == "blob"}
