"""Notebook Generator Agent: stage 3, the files of a plan and their difference from the base branch.

The compiler writes every byte; this agent only lays them beside what the code host has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pipeline_magic import compiler
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

    def generate(self, typed: TypedSpec, provenance: Provenance) -> Generated:
        """The files of the spec, each with what the base branch has at its path."""
        assumptions = tuple(
            f"`{path}`: {origin.reason}" for path, origin in sorted(provenance.assumptions().items()) if origin.reason
        )
        files = compiler.compile_files(typed, provenance_summary=assumptions)
        diffs = tuple(self._diff(file) for file in files)
        return Generated(
            files=files,
            notebook=f"pipelines/{typed.spec.name}/{typed.spec.name}.ipynb",
            diffs=diffs,
            base=self._code_host.base,
            findings=self.hand_edits(files),
        )

    def hand_edits(self, files: Sequence[File]) -> tuple[Finding, ...]:
        """A red finding for each file that somebody changed in the repository since we wrote it."""
        found: list[Finding] = []
        for file in files:
            now = self._code_host.read(file.path)
            ours = self._code_host.last_generated(file.path)
            if now is None or now == file.content or now == ours:
                continue
            how = "was edited by hand" if ours is not None else "was there before and is not ours"
            found.append(
                Finding(
                    id=f"hand_edit:{file.path}",
                    severity="red",
                    message=f"`{file.path}` {how} on `{self._code_host.base}`; it is not overwritten.",
                    where=file.path,
                    hint="Take the edit into the spec, keep it under another path, or undo it in the repository.",
                )
            )
        return tuple(found)

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
