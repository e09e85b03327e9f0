"""The audit inside the store: appended to one chain, whoever writes.

Each entry's hash covers its fields and the hash of the entry before it. One row holds the head of the chain;
locking it puts concurrent writers in a line, so that the chain never forks. Not here: verifying
(`agents.approval.audit`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline_magic.adapters.database_schema import audit, audit_head
from pipeline_magic.digests import canonical_json, chain_hash
from pipeline_magic.runs import AuditDraft, AuditEntry

__all__ = ["PAGE", "append", "entries", "finite", "head", "plain"]

PAGE = 1000
"""Entries that are read at once."""

# Made once: building a statement costs more than running it.
_LAST = sa.select(audit_head.c.seq, audit_head.c.hash).where(audit_head.c.id == 1).with_for_update()
_ADD = sa.insert(audit)
_MOVE = (
    sa.update(audit_head).where(audit_head.c.id == 1).values(seq=sa.bindparam("new_seq"), hash=sa.bindparam("new_hash"))
)
_FIELDS = tuple(AuditDraft.model_fields)


def append(connection: Connection, draft: AuditDraft) -> AuditEntry:
    """Add an entry to the end of the chain, inside the caller's writing transaction."""
    # The row lock (SQLite: the write lock this transaction began with) is held until the commit.
    last = connection.execute(_LAST).one()
    fields: dict[str, Any] = {"seq": last.seq + 1, **{name: finite(getattr(draft, name)) for name in _FIELDS}}
    links = {"previous": last.hash, "hash": chain_hash(last.hash, fields)}
    connection.execute(_ADD, {**fields, **links, "detail": canonical_json(fields["detail"])})
    connection.execute(_MOVE, {"new_seq": fields["seq"], "new_hash": links["hash"]})
    return AuditEntry.model_validate({**fields, **links})


def entries(
    read: Callable[[], AbstractContextManager[Connection]], run_id: str | None, after: int | None
) -> Iterator[AuditEntry]:
    """Entries oldest first, a page at a time.

    Each page is a read of its own: what is appended only grows, and a reader that takes its time holds nothing back.
    The first page has no lower bound, so that an entry somebody put before the first one is seen too.
    """
    query = sa.select(audit).order_by(audit.c.seq).limit(PAGE)
    if run_id is not None:
        query = query.where(audit.c.run_id == run_id)
    while True:
        with read() as connection:
            rows = connection.execute(query if after is None else query.where(audit.c.seq > after)).all()
        for row in rows:
            fields = row._asdict()
            # Not validated: this is read a million at a time, and `verify` recomputes every hash.
            yield AuditEntry.model_construct(**{**fields, "detail": _detail(fields["detail"])})
        if len(rows) < PAGE:
            return
        after = rows[-1].seq


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
    """The text as every database keeps it: PostgreSQL has no NUL, and none has half a pair of surrogates."""
    text = text.replace("\x00", "\ufffd")
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


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
