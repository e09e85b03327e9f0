"""`audit verify`: the chain, the heads outside the store, and every row that the chain speaks of, in one go.

Memory does not grow with the audit, and what is asked of code host and deployer is bounded but for one look at each
job (`heads`). Not here: how a chain is verified (`agents.approval.audit`), and rows (`agents.approval.records`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from pipeline_magic.agents.approval import audit, heads
from pipeline_magic.agents.approval.records import verify_records
from pipeline_magic.agents.operations.deploy import HEAD_TAG
from pipeline_magic.runs import AuditEntry

if TYPE_CHECKING:
    from pipeline_magic.wiring import Ports

__all__ = ["Verified", "verify_store"]


class Verified(NamedTuple):
    """What was found.

    Attributes:
        entries: How many entries the audit has.
        outside: Heads that were found outside the store.
        problems: What is wrong, a sentence each; empty when all holds.
        unknown: What is deployed and this store knows nothing of, a sentence each: by another store, or taken out of
            this one with every trace. No problem by itself.
        backwards: Entries that are dated before the one before them.
    """

    entries: int
    outside: int
    problems: tuple[str, ...]
    unknown: tuple[str, ...]
    backwards: tuple[int, ...]


def verify_store(ports: Ports) -> Verified:
    """Read all of it."""
    store = ports.store
    known, unreadable = heads.gather(store, ports.deployer, ports.code_host, HEAD_TAG)
    deployed: set[str] = set()
    found = audit.examine(_noting(store.audit_stream(), deployed), known)
    problems = (*unreadable, *found.problems, *verify_records(store))
    unknown = tuple(heads.strangers(store, ports.deployer, ports.code_host, deployed))
    return Verified(found.entries, len(known) - 1, problems, unknown, found.backwards)


def _noting(entries: Iterable[AuditEntry], deployed: set[str]) -> Iterator[AuditEntry]:
    """The entries as they come; the digests of the plans that were deployed are kept."""
    for entry in entries:
        if entry.event == "job.deploy":
            deployed.add(entry.digest)
        yield entry
