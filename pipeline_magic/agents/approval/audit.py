"""The audit read: is the chain whole.

Each entry's hash covers its number, its fields and the hash of the entry before it. Verifying therefore finds an entry
that was edited, removed, moved or slipped in. A tail that was cut off, or a chain that somebody computed anew, hangs
together in itself: it is found by a head (number and hash) that was written outside the store. One pass over a stream,
in memory that does not grow with it. Pure; the chain is written by the store, heads are gathered by `heads`, exports
are made by `export`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline_magic.digests import GENESIS, chain_hash
from pipeline_magic.runs import AuditEntry

__all__ = ["MOST", "Head", "Verdict", "examine", "head_of", "verify"]

MOST = 1000
"""Problems that are listed; more are only counted."""

_WINDOW = 64
"""How many numbers away an entry is looked for that was renumbered."""

_FIELDS = tuple(name for name in AuditEntry.model_fields if name not in ("previous", "hash"))


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
        if (
            not (number.isascii() and number.isdigit())
            or len(digest) != 64
            or not set(digest) <= set("0123456789abcdef")
        ):
            raise ValueError(f"{text[:80]!r} is not the head of an audit")
        return cls(int(number), digest, where)


class Verdict(NamedTuple):
    """What verifying found.

    Attributes:
        entries: How many entries there are.
        problems: Everything that is wrong, in the order of the audit; empty when it holds.
        backwards: Numbers of the first entries that are dated before the one before them. That is no problem: a clock
            was set back, or two machines do not agree, and the order is that of the numbers.
    """

    entries: int
    problems: tuple[str, ...]
    backwards: tuple[int, ...]


def head_of(entries: Sequence[AuditEntry]) -> Head:
    """The head to write outside the store."""
    return Head(entries[-1].seq, entries[-1].hash) if entries else Head(0, GENESIS)


def verify(entries: Iterable[AuditEntry], heads: Iterable[Head] = ()) -> tuple[str, ...]:
    """Everything that is wrong with the whole audit, in its order; empty when it holds. See `examine`."""
    return examine(entries, heads).problems


def examine(entries: Iterable[AuditEntry], heads: Iterable[Head] = ()) -> Verdict:
    """Read the whole audit once, and say whether it holds.

    Args:
        entries: All entries of the store, as `Store.audit_stream()` gives them.
        heads: Heads that were written elsewhere; read them before the entries.
    """
    known: defaultdict[int, list[Head]] = defaultdict(list)
    for head in heads:
        known[head.seq].append(head)
    problems, backwards = _Problems(), list[int]()
    count, expected, previous, previous_sound, at = 0, 1, GENESIS, True, ""
    for entry in entries:
        count += 1
        sound = _hash(entry, _fields(entry)) == entry.hash
        if not sound:
            problems.add(_own(entry) if problems.room else "")
        if entry.seq > expected:
            gone = f"Entry {expected} is" if entry.seq == expected + 1 else f"Entries {expected} to {entry.seq - 1} are"
            problems.add(f"{gone} missing: removed from the store.")
        elif entry.seq < expected:
            before = f"after entry {expected - 1}" if expected > 1 else "before the first entry"
            problems.add(f"Entry {entry.seq} comes {before}: it was inserted or moved.")
        elif entry.previous != previous and sound and previous_sound:
            problems.add(
                f"Entry {entry.seq} does not follow the entry before it: one was inserted, removed or replaced there."
            )
        for head in known.get(entry.seq, ()):
            if head.seq > 0 and head.hash != entry.hash:
                problems.add(f"Entry {head.seq} is not the one that {head.where} knows: the chain was hashed anew.")
        if entry.at < at and len(backwards) < MOST:
            backwards.append(entry.seq)
        expected, previous, previous_sound, at = max(expected, entry.seq + 1), entry.hash, sound, entry.at
    for head in sorted(head for some in known.values() for head in some if head.seq >= expected):
        problems.add(
            f"The audit ends at entry {expected - 1}, and {head.where} knows entry {head.seq}: its tail was cut off."
        )
    return Verdict(count, problems.listed(), tuple(backwards))


class _Problems:
    """A list that does not grow without end."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._more = 0

    @property
    def room(self) -> bool:
        return len(self._said) < MOST

    def add(self, text: str) -> None:
        if self.room:
            self._said.append(text)
        else:
            self._more += 1

    def listed(self) -> tuple[str, ...]:
        return (*self._said, *([f"And {self._more:,} more problems."] if self._more else []))


def _own(entry: AuditEntry) -> str:
    """What is wrong with an entry whose hash is not that of what it says."""
    fields = _fields(entry)
    for seq in range(max(1, entry.seq - _WINDOW), entry.seq + _WINDOW + 1):
        if _hash(entry, {**fields, "seq": seq}) == entry.hash:
            return f"Entry {entry.seq} was reordered: it was written as entry {seq}."
    return f"Entry {entry.seq} ({entry.event}, {entry.at}) was edited: its hash is not that of what it says."


def _fields(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in _FIELDS}


def _hash(entry: AuditEntry, fields: Mapping[str, Any]) -> str:
    try:
        return chain_hash(entry.previous, fields)
    except (ValueError, TypeError):
        return ""
