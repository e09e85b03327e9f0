"""Stage 3: the files of a plan."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from pipeline_magic.runs.reading import Finding
from pipeline_magic.spec.schema import Model

__all__ = ["File", "FileDiff", "Generated", "HandEdit"]


class File(Model):
    """A text file of the plan; `path` is relative to the repository's root, with forward slashes."""

    path: str
    content: str


class FileDiff(Model):
    """A file of the plan beside what the base branch has at its path (`old` None: nothing)."""

    path: str
    status: Literal["added", "changed", "unchanged"]
    old: str | None = None
    new: str


class Generated(Model):
    """Stage 3. The files of a plan, and their difference from the base branch.

    Attributes:
        notebook: Path of the file among `files` that runs.
        base: Name of the base branch.
        lines: For each step id, the first and last line of its cell in the notebook's Python source (1-based).
        environments: What the compiler was given of the environments (`compiler.environments.Environments`).
        repository: Name of the repository, which stands in the files.
    """

    files: tuple[File, ...]
    notebook: str
    diffs: tuple[FileDiff, ...] = ()
    base: str = "main"
    environments: dict[str, JsonValue] = Field(default_factory=dict)
    repository: str = ""
    findings: tuple[Finding, ...] = ()

    def file(self, path: str) -> File:
        """The file at that path."""
        return next(file for file in self.files if file.path == path)


class HandEdit(Model):
    """What was decided of a file that somebody edited in the repository; discarding is a waiver of its finding.

    Attributes:
        path: The generated file.
        sha256: Of what stood there, so that no other edit is meant.
        how: ``take``: its meaning went into the spec. ``keep``: its text went into `custom`.
        by: Authenticated identity of who decided.
        custom: Path of the custom file; empty when it was taken.
        custom_sha256: Of the custom file as it was written.
    """

    path: str
    sha256: str
    how: Literal["take", "keep"]
    by: str
    custom: str = ""
    custom_sha256: str = ""
