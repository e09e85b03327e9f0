"""The files of a plan: everything that is committed for one pipeline, with its path in the repository."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_magic.compiler.bundle import bundle_files
from pipeline_magic.compiler.declarative import declarative_source
from pipeline_magic.compiler.document import readme
from pipeline_magic.compiler.environments import DEFAULT, Environments
from pipeline_magic.compiler.ipynb import notebook
from pipeline_magic.compiler.specfile import write_spec
from pipeline_magic.compiler.tests import test_source
from pipeline_magic.runs import File
from pipeline_magic.spec.typed import TypedSpec

__all__ = ["compile_files"]


def compile_files(
    typed: TypedSpec,
    *,
    environments: Environments = DEFAULT,
    repository: str = "pipelines",
    branch: str = "main",
    provenance_summary: Sequence[str] = (),
) -> tuple[File, ...]:
    """The files of a typed spec, in a fixed order.

    Args:
        typed: The typed spec.
        environments: Where it is deployed to.
        repository: Name of the repository, and so of its bundle.
        branch: The branch that changes are merged into.
        provenance_summary: What was assumed, a sentence each; goes into the README.

    Returns:
        Below ``pipelines/<name>/`` the notebook, ``README.md`` and ``spec.yml``; for ``declarative`` also the
        pipeline's source, while the notebook stays as the form that a sample run executes. Then the bundle: the
        pipeline's resource file, and the files that all pipelines of the repository share.
    """
    name = typed.spec.name
    root = f"pipelines/{name}"
    files = [File(path=f"{root}/{name}.ipynb", content=notebook(typed))]
    if typed.spec.deployment == "declarative":
        files.append(File(path=f"{root}/{name}_pipeline.py", content=declarative_source(typed)))
    files += [
        File(path=f"{root}/README.md", content=readme(typed, provenance_summary)),
        File(path=f"{root}/test_{name}.py", content=test_source(typed)),
        *bundle_files(typed, environments, repository=repository, branch=branch),
        File(path=f"{root}/spec.yml", content=write_spec(typed.spec)),
    ]
    return tuple(files)
