"""The local code host: a real bare git repository, with pull requests as branches and a record of each.

Two processes at once need no lock: every write ends in one compare-and-set of a reference, and whoever loses it looks
again; a killed process leaves nothing but unused objects. A change is one commit on its branch; a merge is a real
three-way merge with two parents; an undo is an inverse commit on a branch of its own.

Not here: how git is called (`git`), how pull requests are kept (`localgit_records`), what stands in one
(`agents.github`).
"""

from __future__ import annotations

import datetime
import functools
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from pipeline_magic.adapters.git import ABSENT, Git, LostRace, Refused
from pipeline_magic.adapters.localgit_records import ATTEMPTS, Comment, Record, Records
from pipeline_magic.adapters.repository import TRAILER, UNDOES, branch_name, file_path, written_last
from pipeline_magic.errors import CodeHostError, MergeConflict
from pipeline_magic.runs import Change, File, PlanReport, PullRequest

__all__ = ["LocalGit", "system_user"]


_README = """# Pipelines

Generated and reviewed with pipeline_magic: one folder a pipeline under `pipelines/`, one pull request a change.
"""


_AGAIN = "Build again: the new change starts from what the base branch holds now."
_BY_HAND = "Undo the later changes of these files first, or undo this one by hand in the repository; then repeat."


class LocalGit:
    """A `ports.CodeHost` over a bare repository, which is created on first use.

    Args:
        path: Folder of the repository.
        base: The branch that changes go into.
        author: ``Name <address>`` of our commits; the operating system user when empty.
        identity: Who acts here, where something else than the operating system knows it.
        now: Gives the time of commits and comments; the system's clock when None.
        timeout: Seconds for one call of git.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        base: str = "main",
        author: str = "",
        identity: Callable[[], str] | None = None,
        now: Callable[[], datetime.datetime] | None = None,
        timeout: float = 60.0,
    ) -> None:
        self.base = branch_name(base)
        self._path = Path(path).absolute()
        self.name = f"git repository at {self._path}"
        self.repository = self._path.stem
        self._author = author
        self._identity = identity or system_user
        self._now = now or (lambda: datetime.datetime.now(datetime.timezone.utc))
        self._git = Git(self._path, timeout=timeout)
        self._records = Records(self._git, self._who)
        self._ready = False

    def __repr__(self) -> str:
        return f"LocalGit({str(self._path)!r}, base={self.base!r})"

    # --- reading -----------------------------------------------------------------------------------------------------

    def read(self, path: str, *, ref: str = "") -> str | None:
        """Text of a file on a branch (the base branch when empty); None when it is not there."""
        commit = self._open().resolve(f"refs/heads/{branch_name(ref or self.base)}")
        return None if commit is None else self._text(commit, path)

    def paths(self, folder: str) -> Sequence[str]:
        """Paths of the files below a folder of the base branch, sorted; empty when it is not there."""
        git = self._open()
        commit = git.resolve(f"refs/heads/{self.base}")
        return () if commit is None else tuple(sorted(git.files(commit, file_path(folder))))

    def last_generated(self, path: str) -> str | None:
        """Text of a file as we wrote it last into the base branch; None when we never did, or took it away."""
        git = self._open()
        base = git.resolve(f"refs/heads/{self.base}")
        if base is None:
            return None
        listed = git.text(
            "log", "--format=%H %(trailers:key=Undoes)%x00", "--full-history", "--topo-order", "--no-merges",
            "--fixed-strings", f"--grep={TRAILER}", base, "--", file_path(path),
        )  # fmt: skip
        ours = (line.strip().partition(" ") for line in listed.split("\0") if line.strip())
        return written_last((bool(undoes), functools.partial(self._text, commit, path)) for commit, _, undoes in ours)

    def find_pull_request(self, branch: str) -> PullRequest | None:
        """The newest pull request of a branch; one that somebody merged with plain git is found to be merged."""
        record = self._requests.of_branch(branch_name(branch))
        return None if record is None else self._shown(self._observed(record))

    def changed(self, number: int) -> Sequence[str]:
        """Paths that a pull request changes: between where its branch left the base branch and its head."""
        record = self._observed(self._requests.get(number))
        if record.state == "merged":
            return self._differing(self._before(record), record.merge_commit)
        head = self._git.resolve(f"refs/heads/{record.branch}") or record.commit
        return self._differing(self._git.text("merge-base", self._base(), head), head)

    def pull_requests(self) -> Sequence[Record]:
        """Every pull request with its text and comments, newest first."""
        return sorted(self._requests.all(), key=lambda record: -record.number)

    def identity(self) -> str:
        """The operating system user, or whoever the workspace says it is."""
        return self._identity()

    # --- writing -----------------------------------------------------------------------------------------------------

    def open_pull_request(self, change: Change, *, draft: bool = False) -> PullRequest:
        """One commit on a new branch, and a pull request; the existing one when the branch has it already.

        A closed one is opened again. A merged one that was undone since gets a successor: the same change once more.
        """
        branch = branch_name(change.branch)
        if change.base != self.base or branch == self.base:
            raise CodeHostError(f"A change goes from a branch of its own into `{self.base}`, not as `{branch}`.")
        files = {file_path(file.path): file.content.encode() for file in change.files}
        state: Literal["draft", "open"] = "draft" if draft else "open"
        for _ in range(ATTEMPTS):
            found = self._requests.of_branch(branch)
            try:
                if found is not None and not (found.state == "merged" and self._requests.undone(found)):
                    self._same(branch, found.commit, change.files)
                    return self._shown(self._reopened(found, state))
                commit = self._branch_commit(change, files, replaces=found.commit if found else None)
                new = Record(
                    number=0, branch=branch, base=self.base, title=change.title, body=change.body, state=state,
                    commit=commit,
                )  # fmt: skip
                return self._shown(self._requests.insert(new))
            except LostRace:
                continue
        raise self._requests.busy()

    def mark_ready(self, number: int) -> PullRequest:
        """A draft becomes open; any other state stays."""
        return self._shown(
            self._requests.change(number, lambda r: r.changed(state="open") if r.state == "draft" else r)
        )

    def comment(self, number: int, body: str, *, key: str) -> None:
        """Add a comment once: a second call with the same key changes nothing."""

        def add(record: Record) -> Record:
            if any(comment.key == key for comment in record.comments):
                return record
            return record.changed(comments=(*record.comments, Comment(key=key, at=self._at(), body=body)))

        self._requests.change(number, add)

    def comments(self, number: int) -> Sequence[str]:
        """Texts of the comments, oldest first."""
        return tuple(comment.body for comment in self._requests.get(number).comments)

    def report(self, number: int, report: PlanReport) -> str:
        """Keep in the record how the plan stands; nothing refuses it, so that nothing is ever missing."""
        self._requests.change(number, lambda r: r.changed(report=report))
        return ""

    def reported(self, number: int) -> str:
        """What was said last of the commit that is the head; empty where nothing was."""
        record = self._requests.get(number)
        said = record.report
        head = record.commit if record.state == "merged" else self._git.resolve(f"refs/heads/{record.branch}")
        return f"{said.state}: {said.text}" if said is not None and said.commit == (head or record.commit) else ""

    def merge(self, number: int, *, message: str) -> PullRequest:
        """Merge into the base branch by a real three-way merge; returns the merged one when it already is.

        Raises:
            MergeConflict: With the paths.
            CodeHostError: It is a draft or closed, or its branch has moved since it was opened.
        """
        git = self._open()
        for _ in range(ATTEMPTS):
            record = self._observed(self._requests.get(number))
            if record.state == "merged":
                return self._shown(record)
            if record.state != "open":
                what = "a draft" if record.state == "draft" else "closed"
                raise CodeHostError(f"Pull request {number} is {what} and cannot be merged.")
            branch = git.resolve(f"refs/heads/{record.branch}")
            if branch != record.commit:
                raise CodeHostError(
                    f"The branch `{record.branch}` of pull request {number} is not what was reviewed.",
                    hint="Look at the commits on it; build again to get a change that holds what you approve.",
                )
            base = self._base()
            try:
                merged = self._merge_commit(base, record.commit)
                if merged is None:
                    tree = self._merged_tree(base, record.commit, f"pull request {number}")
                    merged = git.commit(tree, [base, record.commit], f"{message.strip()}\n", self._who())
                    git.move(f"refs/heads/{self.base}", merged, base, f"merge pull request {number}")
                done = functools.partial(Record.changed, state="merged", merge_commit=merged)
                return self._shown(self._requests.change(number, done))
            except LostRace:
                continue
        raise self._requests.busy()

    def close_pull_request(self, number: int, *, reason: str) -> PullRequest:
        """Close without merging; the branch stays, so that nothing is lost. A merged one stays merged."""
        return self._shown(
            self._requests.change(
                number,
                lambda r: r if r.state in ("merged", "closed") else r.changed(state="closed", closed_because=reason),
            )
        )

    def revert(self, number: int, *, title: str) -> PullRequest:
        """A pull request that undoes a merged one; the same one when called again.

        Raises:
            MergeConflict: What it changed was changed again since.
        """
        git = self._open()
        for _ in range(ATTEMPTS):
            record = self._requests.get(number)
            if record.state != "merged":
                raise CodeHostError(f"Pull request {number} is not merged, so there is nothing to undo.")
            branch = f"revert-{number}-{record.branch}"
            found = self._requests.of_branch(branch)
            try:
                if found is not None:
                    return self._shown(self._reopened(found, "open"))
                commit = git.resolve(f"refs/heads/{branch}")
                if commit is None:
                    base = self._base()
                    what = f"the undoing of pull request {number}"
                    tree = self._merged_tree(base, self._inverse(record), what, _BY_HAND)
                    commit = git.commit(tree, [base], f"{title.strip()}\n\n{UNDOES}\n{TRAILER}\n", self._who())
                    git.move(f"refs/heads/{branch}", commit, ABSENT, f"undo pull request {number}")
                body = f"Undoes pull request {number} ({record.title})."
                new = Record(
                    number=0, branch=branch, base=self.base, title=title, body=body, state="open", commit=commit,
                    reverts=number,
                )  # fmt: skip
                return self._shown(self._requests.insert(new))
            except LostRace:
                continue
        raise self._requests.busy()

    def revert_conflicts(self, number: int) -> Sequence[str]:
        """Paths that were changed again since the pull request was merged, so that git cannot undo it by itself."""
        record = self._requests.get(number)
        branch = f"revert-{number}-{record.branch}"
        if record.state != "merged" or self._requests.of_branch(branch) is not None:
            return ()
        base = self._base()
        try:
            self._merged_tree(base, self._inverse(record), f"the undoing of pull request {number}")
        except MergeConflict as error:
            return error.paths
        return ()

    def _inverse(self, record: Record) -> str:
        """A commit on top of the merge that has the tree from before it: merging it into today's base takes away
        exactly what the merge brought."""
        before = self._git.text("rev-parse", f"{self._before(record)}^{{tree}}")
        return self._git.commit(before, [record.merge_commit], "inverse", self._who())

    # --- merged by hand ----------------------------------------------------------------------------------------------

    def _observed(self, record: Record) -> Record:
        """The record as the branches say: one whose change somebody brought into the base branch is merged."""
        if record.state in ("merged", "closed"):
            return record
        found = self._landed(record)
        if found is None:
            return record
        merge, before, head = found
        return self._requests.change(
            record.number,
            lambda r: (
                r
                if r.state in ("merged", "closed")
                else r.changed(state="merged", merge_commit=merge, before=before, commit=head)
            ),
        )

    def _landed(self, record: Record) -> tuple[str, str, str] | None:
        """Where the change came into the base branch: the commit, what stood there before it, and the branch's head.

        By a merge commit, by moving the base branch forward, or squashed: then it holds the very same files.
        """
        git, base = self._git, self._base()
        head = git.resolve(f"refs/heads/{record.branch}") or record.commit
        mainline = git.text("rev-list", "--first-parent", base).split()
        if self._holds(base, record.commit):
            head = head if self._holds(base, head) else record.commit
            if record.commit in mainline:
                return head, f"{record.commit}^", head
            after = set(git.text("rev-list", "--ancestry-path", f"{record.commit}..{base}").split())
            merge = [commit for commit in mainline if commit in after][-1]
            return merge, f"{merge}^1", head
        start = git.text("merge-base", base, head)
        paths = self._differing(start, head)
        if not paths or any(git.content(base, path) != git.content(head, path) for path in paths):
            return None
        last = git.text("log", "-1", "--first-parent", "--format=%H", base, "--", *paths)
        return last, f"{last}^1", head

    def _holds(self, commit: str, other: str) -> bool:
        try:
            self._git.run("merge-base", "--is-ancestor", other, commit)
        except Refused as error:
            if error.status != 1:
                raise self._git.failed(error, "merge-base") from None
            return False
        return True

    def _differing(self, old: str, new: str) -> Sequence[str]:
        return sorted(filter(None, self._git.text("diff", "--name-only", "-z", "--no-renames", old, new).split("\0")))

    @staticmethod
    def _before(record: Record) -> str:
        return record.before or f"{record.merge_commit}^1"

    # --- the repository ----------------------------------------------------------------------------------------------

    def _open(self) -> Git:
        """The repository, with a base branch; made in a folder beside it and put in place in one move."""
        if self._ready:
            return self._git
        if not self._path.exists() or (self._path.is_dir() and not any(self._path.iterdir())):
            self._create()
        try:
            bare = self._git.run("rev-parse", "--is-bare-repository").strip() == b"true"
        except Refused as error:
            raise self._git.failed(error, "rev-parse") from None
        if not bare or self._git.resolve(f"refs/heads/{self.base}") is None:
            raise CodeHostError(
                f"The folder is not a bare git repository with a branch `{self.base}`.",
                where=str(self._path),
                hint="Give another folder, or move this one away to start with an empty repository.",
            )
        self._ready = True
        return self._git

    def _create(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = Path(tempfile.mkdtemp(prefix=f".{self._path.name}-", dir=self._path.parent))
        except OSError as error:
            raise CodeHostError(
                f"The repository cannot be created: {error.strerror}.",
                where=str(self._path),
                hint="Check the rights of the folder, or set PIPELINE_MAGIC_HOME to another one.",
            ) from None
        try:
            git = Git(made)
            git.text("init", "--bare", "--quiet", "--template=", f"--initial-branch={self.base}")
            commit = git.commit(
                git.tree("", {"README.md": _README.encode()}), [], "Begin the repository\n", self._who()
            )
            git.move(f"refs/heads/{self.base}", commit, ABSENT, "begin")
            # Only over nothing or an empty folder: of two processes one wins, and the other uses what it made.
            made.rename(self._path)
        except OSError:
            if not (self._path / "HEAD").exists():
                raise CodeHostError("The repository cannot be created.", where=str(self._path)) from None
        finally:
            shutil.rmtree(made, ignore_errors=True)

    @property
    def _requests(self) -> Records:
        self._open()
        return self._records

    def _base(self) -> str:
        commit = self._open().resolve(f"refs/heads/{self.base}")
        if commit is None:
            raise CodeHostError(f"The repository has no branch `{self.base}` any more.", where=str(self._path))
        return commit

    def _text(self, commit: str, path: str) -> str | None:
        content = self._git.content(commit, file_path(path))
        return None if content is None else content.decode("utf-8", "replace")

    def _branch_commit(self, change: Change, files: dict[str, bytes], *, replaces: str | None) -> str:
        """The commit of a change on its branch; one that a killed process left there is taken up."""
        git = self._open()
        reference = f"refs/heads/{branch_name(change.branch)}"
        there = git.resolve(reference)
        if there is not None and there != replaces:
            self._same(change.branch, there, change.files)
            return there
        base = self._base()
        message = f"{change.title.strip()}\n\n{TRAILER}\n"
        commit = git.commit(git.tree(base, files), [base], message, self._who())
        git.move(reference, commit, there or ABSENT, "write the change")
        return commit

    def _same(self, branch: str, commit: str, files: Sequence[File]) -> None:
        """What stands on the branch must be what is asked for: an approval is for these bytes."""
        for file in files:
            if self._text(commit, file.path) != file.content:
                raise CodeHostError(
                    f"The branch `{branch}` is there already and holds something else at `{file.path}`.",
                    where=str(self._path),
                    hint="Remove the branch if nobody needs it, or build again.",
                )

    def _merged_tree(self, ours: str, theirs: str, what: str, hint: str = _AGAIN) -> str:
        try:
            said = self._git.run("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs)
        except Refused as error:
            if error.status != 1:
                raise self._git.failed(error, "merge-tree") from None
            paths = sorted({part for part in error.text.split("\0")[1:] if part})
            shown = ", ".join(f"`{path}`" for path in paths[:10]) + (
                f" and {len(paths) - 10} more" if paths[10:] else ""
            )
            raise MergeConflict(
                f"`{self.base}` has moved, and {what} no longer merges cleanly: {shown}.",
                where=str(self._path),
                hint=hint,
                paths=paths,
            ) from None
        return said.split(b"\0")[0].decode().strip()

    def _merge_commit(self, base: str, head: str) -> str | None:
        """The commit that merged `head` into the base branch; None when it is not in there."""
        listed = self._git.text("rev-list", "--merges", "--first-parent", "--parents", base)
        for line in listed.splitlines():
            commit, _first, *others = line.split()
            if head in others:
                return commit
        return None

    def _reopened(self, record: Record, state: Literal["draft", "open"]) -> Record:
        if record.state != "closed":
            return record
        return self._requests.change(record.number, lambda r: r.changed(state=state) if r.state == "closed" else r)

    def _shown(self, record: Record) -> PullRequest:
        return PullRequest(
            number=record.number,
            url=f"{self._path.as_uri()}#pull-request-{record.number}",
            branch=record.branch,
            state=record.state,
            commit=record.commit,
            merge_commit=record.merge_commit,
        )

    def _at(self) -> str:
        return self._now().astimezone(datetime.timezone.utc).isoformat(timespec="seconds")

    def _who(self) -> dict[str, str]:
        name, _, address = (self._author or system_user()).partition("<")
        address = address or f"{system_user()}@localhost"
        clean = {"NAME": re.sub(r"[<>\n\0]", "", name).strip() or "unknown", "EMAIL": re.sub(r"[<>\n\0]", "", address)}
        clean["DATE"] = f"@{int(self._now().timestamp())} +0000"
        return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in clean.items()}


def system_user() -> str:
    """Name of the operating system user: by the process, not by an environment variable anybody can set."""
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):
        import getpass

        return getpass.getuser()
