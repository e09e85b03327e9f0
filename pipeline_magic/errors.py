"""Every error a user can see, in one small tree.

Here: the classes, what each one carries, and how each is drawn in a notebook. Not here: the words of a
particular failure; they are written where the failure is found, because only that place knows what to do next.

    PipelineMagicError
    ├── UsageError                 a magic or command was typed in a way that cannot be understood
    ├── ConfigurationError         a setting is missing, contradictory or has a value that cannot be used
    ├── StatementError             the statement is empty or speaks of nothing in the catalog
    ├── SpecError                  the spec is wrong; holds every Problem at once
    ├── CatalogError
    │   ├── TableNotFound          with the nearest names
    │   └── PermissionDenied       the caller may not read or write; names the privilege
    ├── EngineError
    │   ├── EngineUnavailable      no engine, or it died
    │   ├── QueryFailed            the engine refused or failed one statement
    │   └── ForeignWrite           somebody else has written a table that was to be put back
    ├── LanguageModelError         no answer, a refusal, or an answer that could not be used
    ├── CodeHostError
    │   ├── MergeConflict          the base branch moved under the change
    │   └── HandEditFound          a generated file was edited by hand in the repository
    ├── DeploymentError            a job or pipeline could not be created, or its run failed
    ├── StoreError
    │   ├── StaleState             somebody else moved the run first (compare-and-set lost)
    │   └── StoreUnavailable       cannot be opened or written: full disk, read-only home, newer version
    ├── ApprovalRefused            policy, a red finding, an unmatched clause, a changed plan
    ├── RollbackRefused            nothing to undo, others wrote since, or not by this person
    ├── NotFound                   no run, approval or deployment with that id
    └── Cancelled                  the person stopped the work

Every error says what happened (`message`), where (`where`), and what to do next (`hint`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ApprovalRefused",
    "Cancelled",
    "CatalogError",
    "CodeHostError",
    "ConfigurationError",
    "DeploymentError",
    "EngineError",
    "EngineUnavailable",
    "ForeignWrite",
    "HandEditFound",
    "LanguageModelError",
    "MergeConflict",
    "NotFound",
    "PermissionDenied",
    "PipelineMagicError",
    "Problem",
    "QueryFailed",
    "RollbackRefused",
    "SpecError",
    "StaleState",
    "StatementError",
    "StoreError",
    "StoreUnavailable",
    "TableNotFound",
    "UsageError",
]


_context: Any = BaseException.__dict__["__context__"]


class PipelineMagicError(Exception):
    """What happened, where, and what to do next.

    Args:
        message: What happened, one sentence, without secrets.
        where: The file, table, step or address it happened at; empty when the message says it.
        hint: What the reader can do next, one sentence.
    """

    exit_code = 1
    """Exit status of the command line for this error."""

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    @property
    def __context__(self) -> BaseException | None:
        """What was being handled when this was raised; None where it was translated (``raise … from None``).

        An error of a library may hold what it was given: a connection's password, a request's headers, a row. Tools
        that walk the chain of errors look here, whatever `__suppress_context__` says.
        """
        return None if self.__suppress_context__ and self.__cause__ is None else _context.__get__(self)

    @__context__.setter
    def __context__(self, context: BaseException | None) -> None:
        _context.__set__(self, context)

    def __str__(self) -> str:
        lines = [self.message]
        if self.where:
            lines.append(f"Where: {self.where}")
        if self.hint:
            lines.append(f"Next: {self.hint}")
        return "\n".join(lines)

    def _render_traceback_(self) -> list[str]:
        """Lines that IPython shows instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(PipelineMagicError):
    """A magic or a command was typed in a way that cannot be understood."""

    exit_code = 2


class ConfigurationError(PipelineMagicError):
    """A setting is missing, contradictory, or has a value that cannot be used."""

    exit_code = 2


class StatementError(PipelineMagicError):
    """The statement is empty, or speaks of nothing in the catalog."""

    exit_code = 3


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a spec.

    Attributes:
        path: The field, as a path of stable ids: ``steps.join_orders.keys``, ``target.table``.
        message: What is wrong, one sentence.
        available: Names that would have been right, nearest first; empty when there is no such list.
        position: Offset in characters inside the expression, where the field is one.
    """

    path: str
    message: str
    available: tuple[str, ...] = ()
    position: int | None = None

    def __str__(self) -> str:
        text = f"{self.path}: {self.message}"
        if self.position is not None:
            text += f" (at character {self.position + 1})"
        if self.available:
            shown = ", ".join(f"`{name}`" for name in self.available[:12])
            more = len(self.available) - 12
            text += f". Available: {shown}" + (f" and {more} more." if more > 0 else ".")
        return text


class SpecError(PipelineMagicError):
    """The spec is wrong. All problems come at once, each naming its step and field.

    Args:
        problems: At least one problem, in the order of the spec.
    """

    exit_code = 3

    def __init__(self, problems: Iterable[Problem], *, hint: str = "") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "The spec has one problem:" if count == 1 else f"The spec has {count} problems:"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]), hint=hint)


class CatalogError(PipelineMagicError):
    """The catalog could not answer."""

    exit_code = 4


class TableNotFound(CatalogError):
    """No such table; `nearest` holds the names that come closest, best first."""

    def __init__(self, table: str, nearest: Iterable[str] = (), *, where: str = "") -> None:
        self.table = table
        self.nearest = tuple(nearest)
        shown = ", ".join(f"`{name}`" for name in self.nearest[:5])
        super().__init__(
            f"There is no table `{table}` in the catalog.",
            where=where,
            hint=f"Did you mean {shown}?" if shown else "List the tables with `%pipeline doctor`.",
        )


class PermissionDenied(CatalogError):
    """The caller lacks a privilege; the message names it and the object."""


class EngineError(PipelineMagicError):
    """The engine that reads and writes tables failed."""

    exit_code = 5


class EngineUnavailable(EngineError):
    """There is no engine to talk to, or it died."""


class QueryFailed(EngineError):
    """The engine refused or failed one statement."""


class ForeignWrite(EngineError):
    """Somebody else has written a table that was to be put back or dropped; it was not touched."""


class LanguageModelError(PipelineMagicError):
    """The language model gave no answer, refused, or answered something unusable.

    Args:
        kind: What went wrong: ``timeout``, ``unreachable``, ``rate_limited``, ``server``, ``key``, ``model``,
            ``request``, ``parameter``, ``refused``, ``filtered``, ``cut_off``, ``unreadable``, ``unusable`` or
            ``budget``.
        retry_after: Seconds after which the same request may succeed; None where repeating it is of no use.
        answer: What the model said, where it said something; for the ledger, never for an artefact.
        tokens: Tokens read and written, where they were counted.
    """

    exit_code = 6

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        hint: str = "",
        kind: str = "",
        retry_after: float | None = None,
        answer: str = "",
        tokens: tuple[int | None, int | None] = (None, None),
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.kind = kind
        self.retry_after = retry_after
        self.answer = answer
        self.tokens = tokens


class CodeHostError(PipelineMagicError):
    """The code host refused or could not be reached."""

    exit_code = 7


class MergeConflict(CodeHostError):
    """The base branch has moved, and the change no longer merges cleanly.

    Attributes:
        paths: Where it does not.
    """

    def __init__(self, message: str, *, where: str = "", hint: str = "", paths: Iterable[str] = ()) -> None:
        super().__init__(message, where=where, hint=hint)
        self.paths = tuple(paths)


class HandEditFound(CodeHostError):
    """A generated file was edited by hand in the repository; it is not overwritten."""


class DeploymentError(PipelineMagicError):
    """A job or pipeline could not be created, or its run failed."""

    exit_code = 8


class StoreError(PipelineMagicError):
    """The store that keeps runs, approvals and the audit could not be used."""

    exit_code = 9


class StaleState(StoreError):
    """Somebody else moved this run first; nothing was changed by this call."""


class StoreUnavailable(StoreError):
    """The store cannot be opened or written."""


class ApprovalRefused(PipelineMagicError):
    """The plan may not be approved now; the message says what is missing."""

    exit_code = 10


class RollbackRefused(PipelineMagicError):
    """A rollback cannot be done, or not by this person; nothing was touched."""

    exit_code = 10


class NotFound(PipelineMagicError):
    """No run, approval or deployment has that id."""

    exit_code = 11


class Cancelled(PipelineMagicError):
    """The person stopped the work; what was finished is kept."""

    exit_code = 130
