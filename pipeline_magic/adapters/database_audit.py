"""The audit inside the store: appended to one chain, whoever writes.

Each entry's hash covers its fields and the hash of the entry before it. One row holds the head of the chain;
locking it puts concurrent writers in a line, so that the chain never forks. Not here: verifying
(`agents.approval.audit`).
"""

from __future__ import annotations

import json
import math
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline_magic.adapters.database_schema import audit, audit_head
from pipeline_magic.digests import canonical_json, chain_hash
from pipeline_magic.runs import AuditDraft, AuditEntry

__all__ = ["append", "entries", "finite", "head", "plain"]


def append(connection: Connection, draft: AuditDraft) -> AuditEntry:
    """Add an entry to the end of the chain, inside the caller's writing transaction."""
    # The row lock (SQLite: the write lock this transaction began with) is held until the commit.
    query = sa.select(audit_head.c.seq, audit_head.c.hash).where(audit_head.c.id == 1).with_for_update()
    last = connection.execute(query).one()
    fields = {"seq": last.seq + 1, **{name: finite(value) for name, value in draft.model_dump().items()}}
    entry = AuditEntry.model_validate({**fields, "previous": last.hash, "hash": chain_hash(last.hash, fields)})
    connection.execute(sa.insert(audit).values({**entry.model_dump(), "detail": canonical_json(entry.detail)}))
    connection.execute(sa.update(audit_head).where(audit_head.c.id == 1).values(seq=entry.seq, hash=entry.hash))
    return entry


def entries(connection: Connection, run_id: str | None) -> tuple[AuditEntry, ...]:
    """Entries oldest first."""
    query = sa.select(audit).order_by(audit.c.seq)
    if run_id is not None:
        query = query.where(audit.c.run_id == run_id)
    return tuple(
        # Not validated: this is read a million at a time, and `verify` recomputes every hash.
        AuditEntry.model_construct(**{**row, "detail": _detail(row["detail"])})
        for row in connection.execute(query).mappings()
    )


def head(connection: Connection) -> tuple[int, str]:
    """Number and hash of the last entry, as the store itself remembers them."""
    row = connection.execute(sa.select(audit_head.c.seq, audit_head.c.hash)).one()
    return int(row.seq), str(row.hash)


def _detail(text: str) -> dict[str, Any]:
    try:
        loaded = json.loads(text)
    except ValueError:
        # Somebody wrote over it; shown as it is, so that verifying names the entry instead of failing on it.
        loaded = {"unreadable": text}
    if not isinstance(loaded, dict):
        loaded = {"unreadable": text}
    return loaded


def plain(text: str) -> str:
    """PostgreSQL keeps no NUL in a text."""
    return text.replace("\x00", "\ufffd")


def finite(value: Any) -> Any:
    """The value as every database and every JSON reader gives it back: no NUL, no infinity."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {plain(str(key)): finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return value
