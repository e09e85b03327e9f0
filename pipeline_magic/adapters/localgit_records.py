"""Pull requests of the local code host, kept inside its repository.

Each is the reference `refs/pull-requests/<number>`: a line of commits whose tree holds `pull-request.json`, so that
every change of it is kept, is one atomic compare-and-set, survives a kill at any point, and travels with a mirror of
the repository (a folder beside it would do none of these). Numbers have no gaps and are taken by compare-and-set too:
whoever inserts has seen every record there was. Not here: branches, merging, undoing (`localgit`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import ValidationError

from pipeline_magic.adapters.git import ABSENT, Git, LostRace
from pipeline_magic.errors import CodeHostError, NotFound
from pipeline_magic.runs import PlanReport
from pipeline_magic.spec.schema import Model

__all__ = ["ATTEMPTS", "Comment", "Record", "Records"]

ATTEMPTS = 50
"""Lost races in a row before we say so; each means that somebody else got on."""

_PREFIX = "refs/pull-requests/"
_FILE = "pull-request.json"


class Comment(Model):
    """A comment on a pull request; `key` says what it is, so that it is added once."""

    key: str
    at: str
    body: str


class Record(Model):
    """A pull request as it is kept.

    Attributes:
        commit: Head of the branch when it was opened.
        before: What the base branch held before it was merged; the merge's first parent when empty.
        reverts: Number of the pull request that this one undoes.
        closed_because: Reason of the last closing.
        report: What was said last of its plan, with the commit that it was said of.
    """

    number: int
    branch: str
    base: str
    title: str
    body: str
    state: Literal["draft", "open", "merged", "closed"]
    commit: str
    merge_commit: str = ""
    before: str = ""
    reverts: int | None = None
    closed_because: str = ""
    comments: tuple[Comment, ...] = ()
    report: PlanReport | None = None

    def changed(self, **changes: Any) -> Record:
        """The record with other values, checked."""
        return Record.model_validate({**{name: getattr(self, name) for name in Record.model_fields}, **changes})


class Records:
    """The pull requests of one repository.

    Args:
        git: The repository.
        who: Gives author, committer and time of a commit as git's environment variables.
    """

    def __init__(self, git: Git, who: Callable[[], Mapping[str, str]]) -> None:
        self._git = git
        self._who = who

    def all(self) -> list[Record]:
        """Every record, in no order."""
        commits = list(self._git.references(_PREFIX).values())
        contents = self._git.contents([f"{commit}:{_FILE}" for commit in commits])
        return [self._parse(commit, content) for commit, content in zip(commits, contents, strict=True)]

    def get(self, number: int) -> Record:
        """Raises NotFound."""
        return self._load(self._commit(number))

    def of_branch(self, branch: str) -> Record | None:
        """The newest record of a branch."""
        found = [record for record in self.all() if record.branch == branch]
        return max(found, key=lambda record: record.number, default=None)

    def undone(self, record: Record) -> bool:
        """Whether a merged change is out of the base branch again (and its undoing was not undone in turn)."""
        undoing = [other for other in self.all() if other.reverts == record.number and other.state == "merged"]
        return any(not self.undone(other) for other in undoing)

    def insert(self, new: Record) -> Record:
        """The record under the next number, or the one that its branch has for the same commit.

        Raises:
            LostRace: Somebody took the number; look again.
        """
        known = self.all()
        record = new.changed(number=max((other.number for other in known), default=0) + 1)
        same = [other for other in known if (other.branch, other.commit) == (record.branch, record.commit)]
        if same:
            return max(same, key=lambda other: other.number)
        self._write(record, ABSENT)
        return record

    def change(self, number: int, change: Callable[[Record], Record]) -> Record:
        """Apply a change to the record as it is, again when somebody else was first.

        Raises:
            NotFound: No such pull request.
        """
        for _ in range(ATTEMPTS):
            commit = self._commit(number)
            old = self._load(commit)
            new = change(old)
            if new == old:
                return old
            try:
                self._write(new, commit)
            except LostRace:
                continue
            return new
        raise self.busy()

    def busy(self) -> CodeHostError:
        """Too many lost races."""
        return CodeHostError(
            "Others change the repository all the time.", where=str(self._git.folder), hint="Repeat in a moment."
        )

    def _commit(self, number: int) -> str:
        commit = self._git.resolve(f"{_PREFIX}{int(number)}")
        if commit is None:
            raise NotFound(f"There is no pull request {number}.", where=str(self._git.folder))
        return commit

    def _load(self, commit: str) -> Record:
        return self._parse(commit, self._git.content(commit, _FILE))

    def _parse(self, commit: str, content: bytes | None) -> Record:
        try:
            return Record.model_validate_json(content or b"")
        except ValidationError:
            raise CodeHostError(
                "The record of a pull request cannot be read.",
                where=f"{self._git.folder}, commit {commit}",
                hint=f"Look at the references under {_PREFIX}; an older record is one commit back.",
            ) from None

    def _write(self, record: Record, old: str) -> None:
        content = json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False).encode() + b"\n"
        tree = self._git.tree("", {_FILE: content})
        parents = [] if old == ABSENT else [old]
        commit = self._git.commit(tree, parents, f"Pull request {record.number}: {record.state}\n", self._who())
        self._git.move(f"{_PREFIX}{record.number}", commit, old, record.state)
