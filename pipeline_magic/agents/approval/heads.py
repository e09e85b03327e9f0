"""The audit's head as it stands outside the store: in tags of deployed jobs, and in comments of pull requests.

Whoever can write to the store can compute a chain anew, or cut off its end; what was written elsewhere meanwhile no
longer agrees. The newest head speaks for all before it, since every entry's hash covers the one before: so all jobs are
looked at, and of the pull requests the newest `PULL_REQUESTS`, however many there are. Not here: writing heads there
(with the deployment, and with the comment that says who decided), and comparing them (`audit`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from pipeline_magic.agents.approval.audit import Head
from pipeline_magic.agents.approval.policy import FILE, Policy
from pipeline_magic.environments import read_environments
from pipeline_magic.errors import PipelineMagicError
from pipeline_magic.ports import CodeHost, Deployer, Store

__all__ = ["PULL_REQUESTS", "gather", "strangers"]

PULL_REQUESTS = 100
"""Pull requests whose comments are read: at a code host each is a request or two."""

_POLICY = frozenset(Policy.model_fields) - {"environment"}
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


def strangers(store: Store, deployer: Deployer, code_host: CodeHost, deployed: Collection[str]) -> Iterator[str]:
    """Jobs of pipelines on the base branch that the store has no deployment of, by a plan that the audit does not know.

    Where to look is not taken from the store: whoever takes a deployment out of it, with its audit to the last entry
    and every row, leaves the files and the job. Of a pipeline that the store knows, `gather` looks at the job.

    Args:
        deployed: Digests of the plans that the audit says were deployed.
    """
    try:
        text = code_host.read(FILE)
        environments = [one.name for one in read_environments(text, policy_keys=_POLICY).environments]
    except PipelineMagicError:  # a file that nobody can use; whoever plans is told so
        return
    specs = [path.split("/") for path in code_host.paths("pipelines") if path.endswith("/spec.yml")]
    known = {deployment.name for deployment in store.deployments() if deployment.id}
    for name in sorted({parts[1] for parts in specs if len(parts) == 3} - known):
        for environment in environments:
            try:
                found = deployer.find(name, environment)
                digest = deployer.settings(found.id).get("digest") if found is not None else None
            except PipelineMagicError:
                continue
            if found is not None and isinstance(digest, str) and digest and digest not in deployed:
                yield (
                    f"The job {found.id} of `{name}` in `{environment}` was deployed by a plan ({digest[:12]}) that "
                    "this audit knows nothing of: by another store, or it was taken out of this one."
                )


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
    for number in sorted(requests, reverse=True)[:PULL_REQUESTS]:
        try:
            comments = code_host.comments(number)
        except PipelineMagicError:
            continue
        for body in comments:
            for found in _IN_COMMENT.findall(body):
                yield f"a comment of pull request {number}", found
