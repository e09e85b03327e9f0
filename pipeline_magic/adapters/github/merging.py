"""Why a pull request cannot be merged, in words, with what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline_magic.adapters.repository import TRAILER
from pipeline_magic.errors import CodeHostError, MergeConflict

if TYPE_CHECKING:
    from github.PullRequest import PullRequest as Request

    from pipeline_magic.adapters.github.access import Access

__all__ = ["blocked", "checks", "conflict", "moved", "require_ours"]


def require_ours(access: Access, request: Request, base: str) -> None:
    """Every commit that the branch would bring is one of ours; somebody else's was not approved.

    Raises:
        CodeHostError: One is not.
    """
    repo, head = access.repo, request.head.sha
    commits = access.ask("reading the commits", lambda: list(repo.compare(base, head).commits))
    if any(TRAILER not in commit.commit.message for commit in commits):
        raise moved(request)


def moved(request: Request) -> CodeHostError:
    """Somebody wrote on the branch."""
    return CodeHostError(
        f"The branch `{request.head.ref}` of pull request {request.number} is not what was reviewed.",
        where=request.html_url,
        hint="Look at the commits on it; build again to get a change that holds what you approve.",
    )


def conflict(access: Access, request: Request, base: str) -> MergeConflict:
    """The base branch has moved: with the files that both sides changed."""
    repo, head = access.repo, request.head.sha

    def both() -> list[str]:
        ours = repo.compare(base, head)
        theirs = repo.compare(ours.merge_base_commit.sha, base)
        return sorted({file.filename for file in ours.files} & {file.filename for file in theirs.files})

    paths = access.find("comparing the branches", both) or []
    shown = ", ".join(f"`{path}`" for path in paths[:10]) + (f" and {len(paths) - 10} more" if paths[10:] else "")
    return MergeConflict(
        f"`{base}` has moved, and pull request {request.number} no longer merges cleanly"
        + (f": {shown}." if shown else "."),
        where=request.html_url,
        hint="Build again: the new change starts from what the base branch holds now.",
    )


def checks(access: Access, request: Request) -> Literal["none", "pending", "passed", "failed"]:
    """How the rules of the base branch stand, as `PullRequest.checks` says it; a review that is missing is pending."""
    if request.merged_at or request.state != "open" or request.draft:
        return "none"
    if request.mergeable_state not in ("blocked", "behind"):
        return "none"
    return "failed" if any(bad for _, bad in _unfinished(access, request)) else "pending"


def blocked(access: Access, request: Request, base: str) -> CodeHostError:
    """What the rules of the base branch still ask for, as far as the token may see it."""
    listed = [text for text, _ in _unfinished(access, request)]
    if request.mergeable_state == "behind":
        listed.insert(0, f"the branch is behind `{base}`")
    return CodeHostError(
        f"The rules of `{base}` do not let pull request {request.number} be merged yet: "
        + ("; ".join(listed[:10]) or "GitHub does not say why")
        + ".",
        where=request.html_url,
        hint="Resume the run when that is done.",
    )


def _unfinished(access: Access, request: Request) -> list[tuple[str, bool]]:
    """Checks, statuses and reviews that are not as they should be, and whether they have failed."""
    repo = access.repo

    def missing() -> list[tuple[str, bool]]:
        commit = repo.get_commit(request.head.sha)
        found = [
            (f"check `{run.name}` is {run.conclusion or run.status}", bool(run.conclusion))
            for run in commit.get_check_runs()
            if run.conclusion not in ("success", "neutral", "skipped")
        ]
        found += [
            (f"status `{one.context}` is {one.state}", one.state != "pending")
            for one in commit.get_combined_status().statuses
            if one.state != "success"
        ]
        if not any(review.state == "APPROVED" for review in request.get_reviews()):
            found.append(("nobody has approved it in a review", False))
        return found

    try:
        return access.find("reading checks and reviews", missing) or []
    except CodeHostError:
        return []  # the token may not see them
