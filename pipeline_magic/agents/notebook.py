"""Notebook Generator Agent: stage 3, the files of a plan and their difference from the base branch.

The compiler writes every byte; this agent only lays them beside what the code host has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pipeline_magic import compiler
from pipeline_magic.compiler.bundle import SHARED, bundle_files
from pipeline_magic.compiler.environments import DEFAULT, Environments
from pipeline_magic.ports import CodeHost
from pipeline_magic.runs import File, FileDiff, Finding, Generated
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

    def files(self, typed: TypedSpec, provenance: Provenance, environments: Environments = DEFAULT) -> tuple[File, ...]:
        """The files of the spec, as the compiler writes them; without those a person keeps, see `kept_by_hand`."""
        assumptions = tuple(
            f"`{path}`: {origin.reason}" for path, origin in sorted(provenance.assumptions().items()) if origin.reason
        )
        made = compiler.compile_files(
            typed,
            environments=environments,
            repository=self._code_host.repository,
            branch=self._code_host.base,
            provenance_summary=assumptions,
        )
        return tuple(file for file in made if not self._by_hand(file))

    def kept_by_hand(self, typed: TypedSpec, environments: Environments = DEFAULT) -> tuple[Finding, ...]:
        """What a person must know of files all pipelines share, which were there before us and are left alone."""
        host = self._code_host
        shared = bundle_files(typed, environments, repository=host.repository, branch=host.base)
        return tuple(
            Finding(
                id=f"kept_by_hand:{file.path}",
                severity="info",
                where=file.path,
                message=f"`{file.path}` was written by hand and is left as it is.",
                hint="Let it include `resources/*.yml` and have the targets of the environments.",
            )
            for file in shared
            if self._by_hand(file)
        )

    def _by_hand(self, file: File) -> bool:
        """Whether a file that is not of one pipeline alone was there before we wrote one, and says something else."""
        if file.path not in SHARED:
            return False
        seen = self._code_host.read(file.path)
        return seen not in {None, file.content} and self._code_host.last_generated(file.path) is None

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
