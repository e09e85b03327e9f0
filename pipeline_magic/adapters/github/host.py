"""GitHub as code host: github.com or an Enterprise address, by PyGithub.

A change is one commit, made by the Git Data API (blobs, tree, commit, reference), so that a branch appears whole or
not at all. Nothing is remembered here: every verb looks at what GitHub has, and then does what is missing, so that a
verb that was cut off is simply called again. Not here: repeating and the words of refusals (`calls`), single steps
(`access`), what is said of a plan (`reporting`), why something cannot be merged (`merging`), the inverse commit
(`revert`), what stands in a pull request (`agents.github`).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import github

from pipeline_magic.adapters.github.access import Access
from pipeline_magic.adapters.github.calls import Calls, says
from pipeline_magic.adapters.github.merging import blocked, checks, conflict, moved, require_ours
from pipeline_magic.adapters.github.reporting import report_plan, reported_plan
from pipeline_magic.adapters.github.revert import Inverse
from pipeline_magic.adapters.repository import TRAILER, UNDOES, branch_name, file_path, written_last
from pipeline_magic.errors import CodeHostError
from pipeline_magic.runs import Change, PlanReport, PullRequest

if TYPE_CHECKING:
    from github.PullRequest import PullRequest as Request

__all__ = ["GitHub", "MergeMethod"]

MergeMethod = Literal["merge", "squash", "rebase"]

_COMPUTED = 6
"""How often we ask whether a pull request can be merged, until GitHub has computed it."""


_MARKER = re.compile(r"\n\n<!-- pipeline_magic [0-9a-f]{24} -->$")


class GitHub:
    """A `ports.CodeHost` over one repository.

    Args:
        repository: ``owner/name``.
        auth: A token, or an installation of a GitHub App.
        base_url: ``https://api.github.com``, or ``https://HOST/api/v3`` of an Enterprise Server.
        base: The branch that changes go into; the repository's default branch when empty.
        method: How a pull request is merged.
        labels: Given to every pull request.
        reviewers: Users asked for a review; ``team/NAME`` asks a team of the owner.
        delete_branch: Remove the branch of a merged pull request.
        timeout: Seconds for one request.
        app: Login of the GitHub App that authenticates; empty for a user's token.
        sleep: Waits between attempts.

    Raises:
        CodeHostError: `repository` is not ``owner/name``.
    """

    def __init__(
        self,
        repository: str,
        auth: github.Auth.Auth,
        *,
        base_url: str = "https://api.github.com",
        base: str = "",
        method: MergeMethod = "merge",
        labels: Sequence[str] = (),
        reviewers: Sequence[str] = (),
        delete_branch: bool = False,
        timeout: float = 30.0,
        app: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        owner, _, name = repository.partition("/")
        if not (owner and name) or "/" in name:
            raise CodeHostError(f"{repository[:100]!r} is not owner/name.", where="github_repo")
        address = base_url.rstrip("/")
        self._full = repository
        self._method: MergeMethod = method
        self._labels, self._reviewers = tuple(labels), tuple(reviewers)
        self._delete_branch = delete_branch
        self._sleep = sleep
        self._client = github.Github(
            auth=auth,
            base_url=address,
            timeout=max(1, round(timeout)),
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
            user_agent="pipeline_magic",
            per_page=100,
        )
        self._calls = Calls(f"{address}, repository {repository}", sleep=sleep)
        self._access = Access(self._client, repository, self._calls)
        self._base = base
        self._login = app
        self._app = bool(app)

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """For a person."""
        return f"GitHub repository {self._full}"

    @property
    def repository(self) -> str:
        """Short name of the repository, without its owner."""
        return self._full.partition("/")[2]

    @property
    def base(self) -> str:
        """The branch that changes go into."""
        if not self._base:
            self._base = self._access.repo.default_branch
        return self._base

    def read(self, path: str, *, ref: str = "") -> str | None:
        """Text of a file on a branch (the base branch when empty); None when it is not there."""
        return self._access.text(file_path(path), ref or self.base)

    def paths(self, folder: str) -> Sequence[str]:
        """Paths of the files below a folder of the base branch, sorted; empty when it is not there."""
        repo, base = self._access.repo, self.base
        parts = file_path(folder).split("/")

        def list_them() -> tuple[str, ...]:
            tree = repo.get_git_tree(repo.get_branch(base).commit.sha)
            for part in parts:
                found = [item for item in tree.tree if item.path == part and item.type == "tree"]
                if not found:
                    return ()
                tree = repo.get_git_tree(found[0].sha)
            tree = repo.get_git_tree(tree.sha, recursive=True)
            if tree.raw_data.get("truncated"):
                raise CodeHostError(f"`{folder}` has more files than GitHub lists at once.", where=self._full)
            return tuple(sorted(f"{folder}/{item.path}" for item in tree.tree if item.type == "blob"))

        return self._access.find("listing a folder", list_them) or ()

    def last_generated(self, path: str) -> str | None:
        """Text of a file as we wrote it last, found by our commits; None when we never wrote it."""
        repo, base, path = self._access.repo, self.base, file_path(path)

        def ours() -> Iterator[tuple[bool, str]]:
            for commit in repo.get_commits(sha=base, path=path):
                if TRAILER in commit.commit.message:
                    yield UNDOES in commit.commit.message, str(commit.sha)

        def look() -> list[tuple[bool, str]]:
            """The newest alone, unless that undoes: then all of them."""
            found = list(itertools.islice(ours(), 1))
            return found if not found or not found[0][0] else list(ours())

        commits = self._access.find("looking for our last commit", look) or []
        text = self._access.text
        return written_last((undoes, functools.partial(text, path, commit)) for undoes, commit in commits)

    def find_pull_request(self, branch: str) -> PullRequest | None:
        """The newest pull request of a branch as it stands, with what the base branch's rules still ask for."""
        found = self._access.newest(branch_name(branch), self.base)
        if found is None:
            return None
        settled = self._settled(found.number)
        return _shown(settled).model_copy(update={"checks": checks(self._access, settled)})

    def identity(self) -> str:
        """The user whose token it is, or the app."""
        if not self._login:
            self._login = self._access.ask("asking who we are", lambda: self._client.get_user().login)
        return self._login

    # --- writing -----------------------------------------------------------------------------------------------------

    def open_pull_request(self, change: Change, *, draft: bool = False) -> PullRequest:
        """One commit on a new branch, and a pull request; the existing one when the branch has it already.

        A closed one is opened again; text that is not what is asked for is replaced. A merged one that was undone since
        gets a successor: the same change once more.
        """
        branch, access = branch_name(change.branch), self._access
        if change.base != self.base or branch == self.base:
            raise CodeHostError(f"A change goes from a branch of its own into `{self.base}`, not as `{branch}`.")
        for file in change.files:
            file_path(file.path)
        found = access.newest(branch, self.base)
        if found is not None and not (found.merged_at and access.undone(found, self.base)):
            access.require_same(branch, found.head.sha, change.files)
            return _shown(self._as_asked(found, change))
        before = found.head.sha if found else ""
        there = access.reference(branch)
        if there is None or there.object.sha == before:
            access.point(branch, access.commit(change.title, change.files, self.base), replaces=before)
        access.require_same(branch, branch, change.files)
        after = found.number if found else 0
        made = access.create(change.title, change.body, branch, self.base, draft=draft, after=after)
        self._dress(made)
        return _shown(access.pull(made.number))

    def mark_ready(self, number: int) -> PullRequest:
        """A draft becomes open; any other state stays."""
        request = self._access.pull(number)
        if request.draft and request.state == "open":

            def ready() -> None:
                now = self._access.repo.get_pull(number)
                if now.draft:
                    now.mark_ready_for_review()

            self._access.ask(f"marking pull request {number} ready", ready)
        return _shown(self._access.pull(number))

    def comment(self, number: int, body: str, *, key: str) -> None:
        """Add a comment once: a second call with the same key changes nothing."""
        marker = _marker(key)
        request = self._access.pull(number)

        def add() -> None:
            if not any(marker in (one.body or "") for one in request.get_issue_comments()):
                request.create_issue_comment(f"{body}\n\n{marker}")
            # The one verb that GitHub does twice when it hears it twice: what is too much goes away again.
            for extra in [one for one in request.get_issue_comments() if marker in (one.body or "")][1:]:
                extra.delete()

        self._access.ask(f"commenting on pull request {number}", add)

    def comments(self, number: int) -> Sequence[str]:
        """Texts of its comments, oldest first."""
        request = self._access.pull(number)
        listed = self._access.ask("reading the comments", lambda: list(request.get_issue_comments()))
        return tuple(_MARKER.sub("", one.body or "") for one in listed)

    def report(self, number: int, report: PlanReport) -> str:
        """Say on the plan's commit how the plan stands: as a commit status, or as a check run where an App acts.

        Returns:
            The scope that is missing; empty where it was said.
        """
        self._access.pull(number)
        return report_plan(self._access, report, app=self._app)

    def reported(self, number: int) -> str:
        """What stands on the head commit, as ``state: text``; empty where nothing does."""
        return reported_plan(self._access, self._access.pull(number).head.sha, app=self._app)

    def merge(self, number: int, *, message: str) -> PullRequest:
        """Merge into the base branch; returns the merged one when it already is.

        Raises:
            MergeConflict: With the paths that both sides changed.
            CodeHostError: It is a draft or closed, its branch is not what we wrote, or the rules of the base branch are
                not fulfilled yet: with what is missing.
        """
        access = self._access
        request = self._settled(number)
        if request.merged_at:
            return self._merged(request)
        if request.draft or request.state != "open":
            what = "a draft" if request.state == "open" else "closed"
            raise CodeHostError(f"Pull request {number} is {what} and cannot be merged.", where=request.html_url)
        require_ours(access, request, self.base)
        if request.mergeable is False and request.mergeable_state in ("dirty", "unknown"):
            raise conflict(access, request, self.base)
        if request.mergeable_state in ("blocked", "behind"):
            raise blocked(access, request, self.base)
        title, _, text = message.strip().partition("\n")
        trailer = f"{UNDOES}\n{TRAILER}" if request.head.ref.startswith("revert-") else TRAILER

        def merge() -> None:
            now = access.repo.get_pull(number)
            if not now.merged_at:
                now.merge(
                    commit_title=title,
                    commit_message=f"{text.strip()}\n\n{trailer}".strip(),
                    merge_method=self._method,
                    sha=request.head.sha,
                )

        try:
            self._calls(f"merging pull request {number}", merge)
        except github.GithubException as error:
            now = self._settled(number)
            if now.merged_at:
                return self._merged(now)
            if now.head.sha != request.head.sha:
                raise moved(now) from None
            if now.mergeable is False:
                raise conflict(access, now, self.base) from None
            raise CodeHostError(
                f"GitHub does not merge pull request {number}: {says(error)}.",
                where=request.html_url,
                hint=f"Look there what is missing; the repository may not allow the method `{self._method}`.",
            ) from None
        return self._merged(access.pull(number))

    def close_pull_request(self, number: int, *, reason: str) -> PullRequest:
        """Close without merging; the branch stays, so that nothing is lost. A merged one stays merged."""
        request = self._access.pull(number)
        if request.state == "open":
            self._access.ask(f"closing pull request {number}", lambda: request.edit(state="closed"))
        return _shown(self._access.pull(number))

    def revert(self, number: int, *, title: str) -> PullRequest:
        """A pull request that undoes a merged one; the same one when called again.

        Raises:
            MergeConflict: What it changed was changed again since.
        """
        access = self._access
        request = access.pull(number)
        if not request.merged_at:
            raise CodeHostError(f"Pull request {number} is not merged, so there is nothing to undo.")
        branch = f"revert-{number}-{request.head.ref}"
        found = access.newest(branch, self.base)
        if found is not None and not (found.merged_at and access.undone(found, self.base)):
            if not found.merged_at and found.state == "closed":
                access.ask("opening the pull request again", lambda: found.edit(state="open"))
            return _shown(access.pull(found.number))
        before = found.head.sha if found else ""
        there = access.reference(branch)
        if there is None or there.object.sha == before:
            access.point(branch, Inverse(access, request, self.base).commit(title), replaces=before)
        body = f"Undoes pull request #{number}."
        made = access.create(title, body, branch, self.base, draft=False, after=found.number if found else 0)
        self._dress(made)
        return _shown(access.pull(made.number))

    def revert_conflicts(self, number: int) -> Sequence[str]:
        """Paths at which `revert` would fail, since they were changed again; empty when it would work."""
        request = self._access.pull(number)
        if not request.merged_at:
            raise CodeHostError(f"Pull request {number} is not merged, so there is nothing to undo.")
        return Inverse(self._access, request, self.base).conflicts()

    def changed(self, number: int) -> Sequence[str]:
        """Paths of the files that a pull request changes, sorted; of a merged one those that its merge changed."""
        access = self._access
        request = access.pull(number)
        if request.merged_at:
            return Inverse(access, request, self.base).changed()
        found = access.ask("comparing the branch", lambda: access.repo.compare(self.base, request.head.sha).files)
        return sorted(file.filename for file in found)

    # --- parts -------------------------------------------------------------------------------------------------------

    def _as_asked(self, request: Request, change: Change) -> Request:
        """A pull request that is there already: open, and with the text that is asked for."""
        access = self._access
        if request.merged_at:
            return request
        if request.state == "closed":
            access.point(change.branch, request.head.sha, replaces="")
            access.ask("opening the pull request again", lambda: request.edit(state="open"))
        if (request.title, request.body or "") != (change.title, change.body):
            access.ask("writing the text", lambda: request.edit(title=change.title, body=change.body))
        return access.pull(request.number)

    def _dress(self, request: Request) -> None:
        """Labels and reviewers: wished for, so that a refusal is said and is no reason to stop."""
        people = [one for one in self._reviewers if not one.startswith("team/") and one != request.user.login]
        teams = [one.removeprefix("team/") for one in self._reviewers if one.startswith("team/")]

        def dress() -> None:
            if self._labels:
                request.add_to_labels(*self._labels)
            if people or teams:
                request.create_review_request(reviewers=people, team_reviewers=teams)

        try:
            self._access.find("setting labels and reviewers", dress)
        except CodeHostError as error:
            self.comment(request.number, f"Labels or reviewers could not be set. {error.message}", key="dress")

    def _settled(self, number: int) -> Request:
        """The pull request once GitHub knows whether it can be merged."""
        request = self._access.pull(number)
        for attempt in range(_COMPUTED):
            if request.merged_at or request.state != "open" or request.mergeable is not None:
                break
            self._sleep(0.5 * 2**attempt)
            request = self._access.pull(number)
        return request

    def _merged(self, request: Request) -> PullRequest:
        branch = self._access.reference(request.head.ref) if self._delete_branch else None
        if branch is not None and branch.object.sha == request.head.sha:
            with contextlib.suppress(CodeHostError):  # it is gone already, or a rule keeps it: nothing depends on it
                self._access.find("removing the branch", branch.delete)
        return _shown(request)


def _marker(key: str) -> str:
    """Stands in a comment, where nobody sees it, and says which comment it is."""
    return f"<!-- pipeline_magic {hashlib.sha256(key.encode()).hexdigest()[:24]} -->"


def _shown(request: Request) -> PullRequest:
    state: Literal["draft", "open", "merged", "closed"]
    if request.merged_at:
        state = "merged"
    elif request.state != "open":
        state = "closed"
    else:
        state = "draft" if request.draft else "open"
    return PullRequest(
        number=request.number,
        url=request.html_url,
        branch=request.head.ref,
        state=state,
        commit=request.head.sha,
        merge_commit=(request.merge_commit_sha or "") if state == "merged" else "",
    )
