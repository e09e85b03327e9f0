"""Stages 1 and 2: what was read out of a statement, and what is asked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline_magic.spec.model import Draft, PipelineSpec
from pipeline_magic.spec.paths import Edit
from pipeline_magic.spec.provenance import Provenance
from pipeline_magic.spec.schema import Model, TableSchema
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["Answer", "Finding", "Option", "Parsed", "Question", "Validated"]


class Option(Model):
    """One answer to a question.

    Attributes:
        id: Stable within its question; what `answers` hold.
        label: As a person would say it.
        edits: What it sets in the draft. With none, the statement is read again with this answer known.
        rows: Rows the target would hold, measured; None when it was not measured.
        effect: What it does, in words and numbers ("1,500 rows; keeps 500 customers without orders").
    """

    id: str
    label: str
    edits: tuple[Edit, ...] = ()
    rows: int | None = None
    effect: str = ""


class Question(Model):
    """Something the statement leaves open, where the readings differ in data.

    Attributes:
        id: Stable for the same statement and catalog ("join:orders", "target:table").
        text: The question, one sentence.
        why: What in the statement or the catalog raises it.
        options: The readings, likeliest first.
        default: Id of the option that stands when nobody answers; None makes it a must-answer question.
        path: The field it is about; with `free`, a typed answer is set there.
        free: A typed answer is allowed.
        clauses: Ids of the clauses it comes from.
    """

    id: str
    text: str
    why: str = ""
    options: tuple[Option, ...] = ()
    default: str | None = None
    path: str = ""
    free: bool = False
    clauses: tuple[str, ...] = ()

    @property
    def must_answer(self) -> bool:
        """No default would be a reading of the words."""
        return self.default is None


class Answer(Model):
    """A person's answer: the id of an option, or with `free` questions any text."""

    question: str
    value: str


class Finding(Model):
    """Something a person should know before approving.

    Attributes:
        id: Stable; waivers name it.
        severity: ``red`` blocks Approve until repaired or waived; ``amber`` is shown; ``info`` is said.
        where: Path of a field, a table, a file or a check.
    """

    id: str
    severity: Literal["red", "amber", "info"]
    message: str
    where: str = ""
    hint: str = ""


class Parsed(Model):
    """Stage 1. The statement as a draft, with the origin of every field."""

    draft: Draft
    provenance: Provenance
    questions: tuple[Question, ...] = ()
    parser: str = "embedded"
    notes: tuple[str, ...] = ()


class Validated(Model):
    """Stage 2. The draft, completed and checked against the catalog.

    Attributes:
        spec: The complete spec; None while a must-answer question is open or problems stand.
        typed: The spec with the schema and keys of every step; None with `spec`.
        tables: Schemas of the sources, by alias.
        target: Schema of the target as it is now; None when it does not exist.
        problems: Why there is no typed spec, as (path, message) in the order of the spec.
        findings: Privileges, missing schemas to be created, warnings of typing.
        answered: Questions that were answered, as they were asked: they are shown, and can be answered otherwise.
        creates: Schemas and catalogs that do not exist and would be created after approval.
    """

    draft: Draft
    provenance: Provenance
    spec: PipelineSpec | None = None
    typed: TypedSpec | None = None
    tables: dict[str, TableSchema] = Field(default_factory=dict)
    target: TableSchema | None = None
    questions: tuple[Question, ...] = ()
    problems: tuple[Finding, ...] = ()
    findings: tuple[Finding, ...] = ()
    creates: tuple[str, ...] = ()
    answered: tuple[Question, ...] = ()
