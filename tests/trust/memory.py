"""A code host in memory, a clock that can be moved, and a deployer that notes what the world was when it was asked.

For the test of all sequences of calls, which needs thousands of steps. The code host keeps to the port's contract as
far as one repository with one writer at a time needs it; it is no adapter, and is held to no suite.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline_magic.adapters.localjobs import LocalJobs
from pipeline_magic.errors import CodeHostError, DeploymentError, MergeConflict, NotFound
from pipeline_magic.ports import DeployRequest
from pipeline_magic.runs import Change, Deployment, PullRequest

__all__ = ["MemoryHost", "MovedClock", "NotingJobs"]


class MovedClock:
    """Moves a second a look, and as far as it is told; ids count."""

    def __init__(self) -> None:
        self.time = datetime.datetime(2026, 11, 2, 6, tzinfo=datetime.timezone.utc)
        self._ids = itertools.count(1)

    def now(self) -> datetime.datetime:
        self.time += datetime.timedelta(seconds=1)
        return self.time

    def new_id(self, prefix: str) -> str:
        return f"{prefix}-{next(self._ids):08d}"


@dataclass
class _Request:
    number: int
    change: Change
    before: dict[str, str | None]
    state: Any = "open"
    reverts: int | None = None
    comments: dict[str, str] = field(default_factory=dict)
    reported: Any = None


class MemoryHost:
    """A `ports.CodeHost` whose base branch is a dict.

    Attributes:
        who: Who is signed in.
        files: The base branch.
        during: Done once, in the middle of the next opening or merging of a pull request.
    """

    name, repository, base = "a repository in memory", "pipelines", "main"

    def __init__(self) -> None:
        self.who = "ada"
        self.files: dict[str, str] = {"README.md": "# Pipelines\n"}
        self.requests: list[_Request] = []
        self.during: Callable[[], None] | None = None
        self._ours: dict[str, str] = {}

    def _meanwhile(self) -> None:
        meanwhile, self.during = self.during, None
        if meanwhile is not None:
            meanwhile()

    def identity(self) -> str:
        return self.who

    def read(self, path: str, *, ref: str = "") -> str | None:
        if ref in ("", self.base):
            return self.files.get(path)
        found = self._of(ref)
        return None if found is None else {file.path: file.content for file in found.change.files}.get(path)

    def paths(self, folder: str) -> Sequence[str]:
        return sorted(path for path in self.files if path.startswith(f"{folder}/"))

    def last_generated(self, path: str) -> str | None:
        return self._ours.get(path)

    def find_pull_request(self, branch: str) -> PullRequest | None:
        found = self._of(branch)
        return None if found is None else self._shown(found)

    def changed(self, number: int) -> Sequence[str]:
        return sorted(file.path for file in self._get(number).change.files)

    def open_pull_request(self, change: Change, *, draft: bool = False) -> PullRequest:
        self._meanwhile()
        found = self._of(change.branch)
        if found is not None and not (found.state == "merged" and self._undone(found)):
            if found.change.files != change.files:
                raise CodeHostError(f"The branch `{change.branch}` is there already and holds something else.")
            found.state = "open" if found.state == "closed" else found.state
            return self._shown(found)
        return self._add(change, "draft" if draft else "open", None)

    def mark_ready(self, number: int) -> PullRequest:
        found = self._get(number)
        found.state = "open" if found.state == "draft" else found.state
        return self._shown(found)

    def comment(self, number: int, body: str, *, key: str) -> None:
        self._get(number).comments.setdefault(key, body)

    def comments(self, number: int) -> Sequence[str]:
        return list(self._get(number).comments.values())

    def report(self, number: int, report: Any) -> str:
        self._get(number).reported = report
        return ""

    def reported(self, number: int) -> str:
        said = self._get(number).reported
        return "" if said is None else f"{said.state}: {said.summary}"

    def merge(self, number: int, *, message: str) -> PullRequest:
        self._meanwhile()
        found = self._get(number)
        if found.state == "merged":
            return self._shown(found)
        if found.state != "open":
            raise CodeHostError(f"Pull request {number} is {found.state} and cannot be merged.")
        moved = [
            path
            for path, before in found.before.items()
            if self.files.get(path) not in (before, self._new(found, path))
        ]
        if moved:
            raise MergeConflict(f"Pull request {number} cannot be merged: {moved}", paths=moved)
        for path in found.before:
            self._put(path, self._new(found, path))
        found.state = "merged"
        return self._shown(found)

    def close_pull_request(self, number: int, *, reason: str) -> PullRequest:
        found = self._get(number)
        found.state = "closed" if found.state in ("open", "draft") else found.state
        return self._shown(found)

    def revert(self, number: int, *, title: str) -> PullRequest:
        found = self._get(number)
        branch = f"revert-{number}-{found.change.branch}"
        known = self._of(branch)
        if known is not None:
            known.state = "open" if known.state == "closed" else known.state
            return self._shown(known)
        conflicts = self.revert_conflicts(number)
        if conflicts:
            raise MergeConflict(f"Pull request {number} cannot be undone: {conflicts}", paths=conflicts)
        change = found.change.model_copy(update={"branch": branch, "title": title})
        return self._add(change, "open", number)

    def revert_conflicts(self, number: int) -> Sequence[str]:
        found = self._get(number)
        return [
            path for path in found.before if self.files.get(path) not in (self._new(found, path), found.before[path])
        ]

    # --- inside ------------------------------------------------------------------------------------------------------

    def _add(self, change: Change, state: str, reverts: int | None) -> PullRequest:
        before = {file.path: self.files.get(file.path) for file in change.files}
        self.requests.append(_Request(len(self.requests) + 1, change, before, state, reverts))
        return self._shown(self.requests[-1])

    def _new(self, request: _Request, path: str) -> str | None:
        """What merging the request makes of a path."""
        if request.reverts is not None:
            return self._get(request.reverts).before[path]
        return next(file.content for file in request.change.files if file.path == path)

    def _put(self, path: str, text: str | None) -> None:
        for known in (self.files, self._ours):
            if text is None:
                known.pop(path, None)
            else:
                known[path] = text

    def _of(self, branch: str) -> _Request | None:
        return next((one for one in reversed(self.requests) if one.change.branch == branch), None)

    def _get(self, number: int) -> _Request:
        if not 1 <= number <= len(self.requests):
            raise NotFound(f"There is no pull request {number}.")
        return self.requests[number - 1]

    def _undone(self, request: _Request) -> bool:
        return any(one.reverts == request.number and one.state == "merged" for one in self.requests)

    def _shown(self, request: _Request) -> PullRequest:
        commit = f"{request.number:040x}"
        merged = commit if request.state == "merged" else ""
        return PullRequest(
            number=request.number, url=f"memory:{request.number}", branch=request.change.branch, state=request.state,
            commit=commit, merge_commit=merged,
        )  # fmt: skip


class NotingJobs(LocalJobs):
    """Local jobs that tell, at every deployment, what was asked for.

    Attributes:
        fails: The next deployment fails before it does anything.
        stops: The next deployment is cut off before it does anything, as by Ctrl-C.
    """

    fails = stops = False

    def tell(self, told: Callable[[DeployRequest], None]) -> None:
        """Whom to tell."""
        self._told = told

    def deploy(self, request: DeployRequest) -> Deployment:
        if self.fails:
            self.fails = False
            raise DeploymentError("The workspace cannot be reached.", hint="Try again.")
        if self.stops:
            self.stops = False
            raise KeyboardInterrupt
        self._told(request)
        return super().deploy(request)
