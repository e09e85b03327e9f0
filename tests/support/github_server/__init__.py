"""A strict GitHub: the part of its REST API (and the one GraphQL mutation) that the product uses, over real git.

    answers.py      what every answer is made of: names, refusals
    faults.py       what goes wrong with one request
    objects.py      git: branches, references, commits, trees, blobs, contents, comparing
    protection.py   rules of the base branch: statuses, check runs, reviews
    pulls.py        pull requests: opening, editing, merging, comments, labels
    server.py       GitHubServer: who asks, which answer, pages, HTTP

Written from GitHub's documentation, not from what the adapter sends: whatever is asked in another way is refused, as
GitHub would (401 without a token it knows, 403 without the scope, 404, 405, 409, 422 with `errors`, pages by `Link`).
Commits, trees, merges and conflicts are those of a bare git repository, so that a merge is a three-way merge. Not here:
what no test needs (issues, hooks, forks).
"""

from __future__ import annotations

from typing import Any

from tests.support.github_server.answers import FULL, Refusal
from tests.support.github_server.faults import Fault
from tests.support.github_server.server import GitHubServer

__all__ = ["FULL", "Fault", "GitHubServer", "Refusal", "github_at"]


def github_at(server: Any, token: str = "good-token", **options: Any) -> Any:
    """The adapter over whatever has a `url`, which waits for nothing."""
    from github import Auth

    from pipeline_magic.adapters.github import GitHub

    options = {"auth": Auth.Token(token), "base_url": server.url, "timeout": 2.0, **options}
    return GitHub(FULL, sleep=options.pop("sleep", lambda seconds: None), **options)
