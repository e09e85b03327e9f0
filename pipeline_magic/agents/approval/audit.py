"""The audit read: is the chain whole, and what does it say.

Each entry's hash covers its number, its fields and the hash of the entry before it. Verifying therefore finds an entry
that was edited, removed, moved or slipped in. A tail that was cut off, or a chain that somebody computed anew, hangs
together in itself: it is found by a head (number and hash) that was written outside the store. Pure; the chain is
written by the store.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline_magic.digests import GENESIS, chain_hash
from pipeline_magic.runs import AuditEntry

__all__ = ["Head", "head_of", "to_json_lines", "to_table", "verify"]

_WINDOW = 64
"""How many numbers away an entry is looked for that was renumbered."""


class Head(NamedTuple):
    """The last entry as somebody outside the store knew it.

    Attributes:
        where: Where it was written: a tag of the job, a comment of pull request 7.
    """

    seq: int
    hash: str
    where: str = "outside the store"

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str, where: str = "outside the store") -> Head:
        """From the form of `str`.

        Raises:
            ValueError: It is none.

        >>> Head.parse("3:" + "a" * 64).seq
        3
        """
        number, _, digest = text.strip().partition(":")
        if not number.isdigit() or len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise ValueError(f"{text[:80]!r} is not the head of an audit")
        return cls(int(number), digest, where)


def head_of(entries: Sequence[AuditEntry]) -> Head:
    """The head to write outside the store."""
    return Head(entries[-1].seq, entries[-1].hash) if entries else Head(0, GENESIS)


def verify(entries: Sequence[AuditEntry], heads: Iterable[Head] = ()) -> tuple[str, ...]:
    """Everything that is wrong with the whole audit, in its order; empty when it holds.

    Args:
        entries: All entries of the store, as `Store.audit()` gives them.
        heads: Heads that were written elsewhere.
    """
    problems: list[str] = []
    expected, previous = 1, GENESIS
    previous_sound = True
    for entry in entries:
        sound, problem = _own(entry)
        if problem:
            problems.append(problem)
        if entry.seq > expected:
            gone = f"Entry {expected} is" if entry.seq == expected + 1 else f"Entries {expected} to {entry.seq - 1} are"
            problems.append(f"{gone} missing: removed from the store.")
        elif entry.seq < expected:
            problems.append(f"Entry {entry.seq} comes after entry {expected - 1}: it was inserted or moved.")
        elif entry.previous != previous and sound and previous_sound:
            problems.append(
                f"Entry {entry.seq} does not follow the entry before it: one was inserted, removed or replaced there."
            )
        expected, previous, previous_sound = max(expected, entry.seq + 1), entry.hash, sound
    return (*problems, *_against(entries, heads))


def _own(entry: AuditEntry) -> tuple[bool, str]:
    fields = entry.model_dump()
    if _hash(entry, fields) == entry.hash:
        return True, ""
    for seq in range(max(1, entry.seq - _WINDOW), entry.seq + _WINDOW + 1):
        if _hash(entry, {**fields, "seq": seq}) == entry.hash:
            return False, f"Entry {entry.seq} was reordered: it was written as entry {seq}."
    return False, f"Entry {entry.seq} ({entry.event}, {entry.at}) was edited: its hash is not that of what it says."


def _hash(entry: AuditEntry, fields: Mapping[str, Any]) -> str:
    try:
        return chain_hash(entry.previous, fields)
    except (ValueError, TypeError):
        return ""


def _against(entries: Sequence[AuditEntry], heads: Iterable[Head]) -> list[str]:
    by_seq = {entry.seq: entry for entry in entries}
    last = entries[-1].seq if entries else 0
    problems = []
    for head in heads:
        found = by_seq.get(head.seq)
        if head.seq == 0:
            continue
        if head.seq > last:
            problems.append(
                f"The audit ends at entry {last}, and {head.where} knows entry {head.seq}: its tail was cut off."
            )
        elif found is not None and found.hash != head.hash:
            problems.append(f"Entry {head.seq} is not the one that {head.where} knows: the chain was hashed anew.")
    return problems


def to_json_lines(entries: Iterable[AuditEntry]) -> str:
    """One JSON object a line, with every field; what `verify` needs can be read back from it."""
    return "".join(
        json.dumps(entry.model_dump(mode="json"), sort_keys=True, ensure_ascii=False) + "\n" for entry in entries
    )


def to_table(entries: Iterable[AuditEntry]) -> str:
    """Lines for a person: number, time, run, event, who, digest."""
    heading = ("seq", "at (UTC)", "run", "event", "identity", "name", "digest")
    rows = [heading] + [
        (str(e.seq), e.at[:19].replace("T", " "), e.run_id, e.event, e.identity, e.name, e.digest[:12]) for e in entries
    ]
    rows = [tuple(_cell(text) for text in row) for row in rows]  # type: ignore[misc]  # same length as the heading
    widths = [max(len(row[column]) for row in rows) for column in range(len(heading))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _cell(text: str) -> str:
    clean = "".join(char if char.isprintable() else "\ufffd" for char in text)
    return clean if len(clean) <= 40 else clean[:39] + "…"
