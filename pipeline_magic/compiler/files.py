"""The files of a plan: everything that is committed for one pipeline, with its path in the repository."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_magic.compiler.declarative import declarative_source
from pipeline_magic.compiler.document import readme
from pipeline_magic.compiler.ipynb import notebook
from pipeline_magic.compiler.specfile import write_spec
from pipeline_magic.runs import File
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["compile_files"]


def compile_files(typed: TypedSpec, *, provenance_summary: Sequence[str] = ()) -> tuple[File, ...]:
    """The files of a typed spec, in a fixed order.

    Args:
        typed: The typed spec.
        provenance_summary: What was assumed, a sentence each; goes into the README.

    Returns:
        The notebook, ``spec.yml`` and ``README.md``, all below ``pipelines/<name>/``; for ``declarative`` also the
        pipeline's source, while the notebook stays as the form that a sample run executes.
    """
    name = typed.spec.name
    root = f"pipelines/{name}"
    files = [
        File(path=f"{root}/{name}.ipynb", content=notebook(typed)),
        File(path=f"{root}/spec.yml", content=write_spec(typed.spec)),
        File(path=f"{root}/README.md", content=readme(typed, provenance_summary)),
    ]
    if typed.spec.deployment == "declarative":
        files.append(File(path=f"{root}/{name}_pipeline.py", content=declarative_source(typed)))
    return tuple(files)
