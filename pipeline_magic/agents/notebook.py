"""Notebook Generator Agent: stage 3, the files of a plan and their difference from the base branch.

The compiler writes every byte; this agent only lays them beside what the code host has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pipeline_magic import compiler
from pipeline_magic.ports import CodeHost
from pipeline_magic.runs import File, FileDiff, Generated
from pipeline_magic.spec.provenance import Provenance
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["NotebookGeneratorAgent", "base_digests"]


class NotebookGeneratorAgent:
    """Writes the files of a plan and compares them with the base branch.

    Args:
        code_host: Read only here.
    """

    def __init__(self, code_host: CodeHost) -> None:
        self._code_host = code_host

    def files(self, typed: TypedSpec, provenance: Provenance) -> tuple[File, ...]:
        """The files of the spec: the notebook, the spec itself and a README, as the compiler writes them."""
        assumptions = tuple(
            f"`{path}`: {origin.reason}" for path, origin in sorted(provenance.assumptions().items()) if origin.reason
        )
        return compiler.compile_files(typed, provenance_summary=assumptions)

    def compare(self, files: Sequence[File], typed: TypedSpec) -> Generated:
        """The files beside what the base branch has at their paths."""
        return Generated(
            files=tuple(files),
            notebook=f"pipelines/{typed.spec.name}/{typed.spec.name}.ipynb",
            diffs=tuple(self._diff(file) for file in files),
            base=self._code_host.base,
        )

    def base(self, files: Sequence[File]) -> dict[str, str | None]:
        """SHA-256 of what the base branch has at each path of the plan; None where it has nothing."""
        return base_digests({file.path: self._code_host.read(file.path) for file in files})

    def _diff(self, file: File) -> FileDiff:
        old = self._code_host.read(file.path)
        status = "added" if old is None else "unchanged" if old == file.content else "changed"
        return FileDiff(path=file.path, status=status, old=old, new=file.content)


def base_digests(contents: dict[str, str | None]) -> dict[str, str | None]:
    """SHA-256 in hexadecimal of each text; None stays None."""
    return {
        path: None if text is None else hashlib.sha256(text.encode()).hexdigest() for path, text in contents.items()
    }
