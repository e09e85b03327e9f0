"""The audit's head as it stands outside the store: in tags of deployed jobs, and in comments of pull requests.

Whoever can write to the store can compute a chain anew, or cut off its end; what was written elsewhere meanwhile no
longer agrees. Not here: writing heads there (with the deployment, and with the comment that says who decided), and
comparing them (`audit`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline_magic.agents.approval.audit import Head
from pipeline_magic.errors import PipelineMagicError
from pipeline_magic.ports import CodeHost, Deployer, Store

__all__ = ["gather"]

_IN_COMMENT = re.compile(r"^Audit head `([^`\n]{1,100})`", re.MULTILINE)


def gather(store: Store, deployer: Deployer, code_host: CodeHost, tag: str) -> tuple[list[Head], list[str]]:
    """Every head that is known: the store's own note, and those outside it.

    Args:
        tag: Name of the jobs' tag that holds it.

    Returns:
        The heads; and what stands in their place and is none, one sentence each. Where a job or a pull request is gone
        or cannot be read, its head is gone with it.
    """
    heads, unreadable = [Head(*store.audit_head(), "the store's own note of its last entry")], list[str]()
    for where, text in dict.fromkeys(_outside(store, deployer, code_host, tag)):
        try:
            heads.append(Head.parse(text, where))
        except ValueError as error:
            unreadable.append(f"{where[:1].upper()}{where[1:]}: {error}.")
    return heads, unreadable


def _outside(store: Store, deployer: Deployer, code_host: CodeHost, tag: str) -> Iterator[tuple[str, str]]:
    jobs: dict[str, None] = {}
    requests: dict[int, None] = {}
    for deployment in store.deployments():
        if deployment.id:
            jobs.setdefault(deployment.id)
        if deployment.pull_request is not None:
            requests.setdefault(deployment.pull_request.number)
    for job in jobs:
        try:
            tags = deployer.settings(job).get("tags")
        except PipelineMagicError:
            continue
        if isinstance(tags, dict) and tag in tags:
            yield f"a tag of {job}", str(tags[tag])
    for number in requests:
        try:
            comments = code_host.comments(number)
        except PipelineMagicError:
            continue
        for body in comments:
            for found in _IN_COMMENT.findall(body):
                yield f"a comment of pull request {number}", found
