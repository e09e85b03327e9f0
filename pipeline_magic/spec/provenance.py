"""Where every field of a spec comes from.

A field is named by a path of stable ids (`paths`), never by a position in a list, so that provenance survives edits.
Its origin is one of four: a clause of the statement, an assumption, an answer to a question, or an edit. The
statement itself lives here, with the run, and not in the spec: it may hold personal words.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline_magic.spec.schema import Model

__all__ = ["Clause", "Origin", "Provenance"]


class Clause(Model):
    """A stretch of a statement that was read as one wish.

    Attributes:
        id: ``c1``, ``c2``, … in reading order.
        statement: Index into `Provenance.statements`: 0 for the first, then one for each `--edit`.
        start: Offset of the first character.
        end: Offset after the last.
        kind: What it was read as: ``source``, ``join``, ``measure``, ``filter``, ``segment``, ``check``,
            ``target``, ``schedule``, ``layout``, ``comment``; ``change`` for words of an `--edit`;
            ``filler`` for words that ask for nothing; ``unmatched``
            for what was not understood.
    """

    id: str
    statement: int = 0
    start: int
    end: int
    kind: str


class Origin(Model):
    """Where one field comes from.

    Attributes:
        kind: ``clause`` (see `clauses`), ``assumption`` (see `reason`), ``answer`` (see `question`) or ``edit``.
        clauses: Ids of the clauses it was read from.
        reason: Why it was assumed, one sentence.
        alternatives: Other values it could have had, as a person would say them.
        question: Id of the question whose answer it is, or that stands open about it.
    """

    kind: Literal["clause", "assumption", "answer", "edit"]
    clauses: tuple[str, ...] = ()
    reason: str = ""
    alternatives: tuple[str, ...] = ()
    question: str = ""


class Provenance(Model):
    """The statements, their clauses, and the origin of each field by its path."""

    statements: tuple[str, ...] = ()
    clauses: tuple[Clause, ...] = ()
    origins: dict[str, Origin] = Field(default_factory=dict)

    def text(self, clause: Clause) -> str:
        """The words of a clause."""
        return self.statements[clause.statement][clause.start : clause.end]

    @property
    def unmatched(self) -> tuple[Clause, ...]:
        """Clauses that became no field; each must be confirmed before approval."""
        return tuple(clause for clause in self.clauses if clause.kind == "unmatched")

    def assumptions(self) -> dict[str, Origin]:
        """Fields that nobody asked for in words, by path."""
        return {path: origin for path, origin in self.origins.items() if origin.kind == "assumption"}
