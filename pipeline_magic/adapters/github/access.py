"""One repository on GitHub, as the verbs of `host` need it: looked at, and written in steps that can be done again.

Every method is one or more calls through `Calls`. Nothing is remembered but the repository itself.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import github

from pipeline_magic.adapters.github.calls import Calls, says
from pipeline_magic.adapters.repository import TRAILER
from pipeline_magic.errors import CodeHostError, NotFound
from pipeline_magic.runs import File

if TYPE_CHECKING:
    from github.GitRef import GitRef
    from github.PullRequest import PullRequest as Request
    from github.Repository import Repository

__all__ = ["Access"]

_T = TypeVar("_T")


class Access:
    """One repository.

    Args:
        client: Authenticated; does not repeat anything itself.
        repository: ``owner/name``.
        calls: Repeats, and says what went wrong.
    """

    def __init__(self, client: github.Github, repository: str, calls: Calls) -> None:
        self._client = client
        self._full = repository
        self._calls = calls
        self._repository: Repository | None = None

    @property
    def repo(self) -> Repository:
        """The repository, looked up once.

        Raises:
            NotFound: There is none, or the token may not see it.
        """
        if self._repository is None:
            self._repository = self.ask("looking for the repository", lambda: self._client.get_repo(self._full))
        return self._repository

    # --- calls -------------------------------------------------------------------------------------------------------

    def ask(self, what: str, action: Callable[[], _T]) -> _T:
        """A call whose 405, 409 and 422 mean nothing of their own.

        Raises:
            NotFound: 404.
            CodeHostError: Anything else.
        """
        try:
            return self._calls(what, action)
        except github.GithubException as error:
            empty = error.status == 409 and "empty" in says(error).casefold()
            raise CodeHostError(
                f"GitHub refuses, while {what}: {says(error)}.",
                where=self._full,
                hint="The repository has no commit yet: add a README on GitHub first." if empty else "",
            ) from None

    def find(self, what: str, action: Callable[[], _T]) -> _T | None:
        """The same; None where GitHub has no such thing."""
        _ = self.repo  # a repository that is not there is no file that is not there
        try:
            return self.ask(what, action)
        except NotFound:
            return None

    # --- pull requests -----------------------------------------------------------------------------------------------

    def pull(self, number: int) -> Request:
        """A pull request as it is now."""
        repo = self.repo
        return self.ask(f"reading pull request {number}", lambda: repo.get_pull(number))

    def newest(self, branch: str, base: str) -> Request | None:
        """The newest pull request from a branch into `base`."""
        repo = self.repo

        def look() -> Request | None:
            # Not every server filters by head: what it gives is looked through again.
            listed = repo.get_pulls(state="all", head=f"{repo.owner.login}:{branch}")
            ours = [one for one in listed if one.head.ref == branch and one.base.ref == base]
            return max(ours, key=lambda one: one.number, default=None)

        found = self.ask("looking for the pull request", look)
        return None if found is None else self.pull(found.number)

    def undone(self, request: Request, base: str) -> bool:
        """Whether a merged change is out of the base branch again (and its undoing was not undone in turn)."""
        undoing = self.newest(f"revert-{request.number}-{request.head.ref}", base)
        return undoing is not None and undoing.merged_at is not None and not self.undone(undoing, base)

    def create(self, title: str, body: str, branch: str, base: str, *, draft: bool, after: int) -> Request:
        """The pull request of a branch that is newer than number `after`: the one that is there, or a new one."""
        repo = self.repo

        def make() -> Request:
            found = self.newest(branch, base)
            if found is not None and found.number > after:
                return found
            return repo.create_pull(base, branch, title=title, body=body, draft=draft)

        try:
            return self._calls("opening the pull request", make)
        except github.GithubException as error:
            found = self.newest(branch, base)  # somebody else was faster, which GitHub refuses with 422
            if found is not None and found.number > after:
                return found
            said = says(error)
            hint = "Look at the branch on GitHub; rules of the repository may forbid it."
            if draft and "draft" in said.casefold():
                hint = 'Set open_pull_request = "approval": this repository has no draft pull requests.'
            raise CodeHostError(f"The pull request cannot be opened: {said}.", where=self._full, hint=hint) from None

    # --- files and branches ------------------------------------------------------------------------------------------

    def text(self, path: str, ref: str) -> str | None:
        """Text of a file on a branch or commit; None when it is not there."""
        repo = self.repo

        def read() -> str | None:
            there = repo.get_contents(path, ref=ref)
            if isinstance(there, list) or there.type != "file":
                return None
            if there.encoding != "base64":  # over a megabyte: the contents are left out
                return base64.b64decode(repo.get_git_blob(there.sha).content).decode("utf-8", "replace")
            return there.decoded_content.decode("utf-8", "replace")

        return self.find(f"reading {path}", read)

    def reference(self, branch: str) -> GitRef | None:
        """A branch; None when there is none."""
        repo = self.repo
        found = self.find("looking for the branch", lambda: repo.get_git_ref(f"heads/{branch}"))
        # Asked for a branch that is not there, some servers answer with the branches that begin alike.
        return found if found is not None and found.ref == f"refs/heads/{branch}" else None

    def head(self, branch: str) -> str:
        """The commit that a branch is now."""
        repo = self.repo
        return self.ask("reading the branch", lambda: repo.get_branch(branch).commit.sha)

    def commit(self, message: str, files: Sequence[File], base: str) -> str:
        """A commit on top of `base` that holds these files; on no branch yet. Gives its SHA."""
        repo = self.repo

        def write() -> str:
            parent = repo.get_git_commit(repo.get_branch(base).commit.sha)
            entries = [
                github.InputGitTreeElement(
                    file.path,
                    "100644",
                    "blob",
                    sha=repo.create_git_blob(base64.b64encode(file.content.encode()).decode(), "base64").sha,
                )
                for file in files
            ]
            tree = repo.create_git_tree(entries, parent.tree)
            return str(repo.create_git_commit(f"{message.strip()}\n\n{TRAILER}\n", tree, [parent]).sha)

        return self.ask("writing the commit", write)

    def point(self, branch: str, commit: str, *, replaces: str) -> None:
        """Let the branch be this commit, where it is absent or still is the commit `replaces`.

        Whoever comes second changes nothing: the caller looks at what the branch holds.
        """
        repo = self.repo
        there = self.reference(branch)

        def point() -> None:
            if there is None:
                repo.create_git_ref(f"refs/heads/{branch}", commit)
            elif there.object.sha == replaces:
                there.edit(commit, force=True)

        try:
            self._calls("making the branch", point)
        except github.GithubException as error:
            if error.status != 422 or self.reference(branch) is None:
                raise CodeHostError(f"The branch `{branch}` cannot be made: {says(error)}.", where=self._full) from None

    def require_same(self, branch: str, ref: str, files: Sequence[File]) -> None:
        """What stands on the branch must be what is asked for: an approval is for these bytes.

        Raises:
            CodeHostError: It holds something else.
        """
        for file in files:
            if self.text(file.path, ref) != file.content:
                raise CodeHostError(
                    f"The branch `{branch}` is there already and holds something else at `{file.path}`.",
                    where=self._full,
                    hint="Remove the branch if nobody needs it, or build again.",
                )
