"""What importing loads: the standard library alone, and for `%load_ext` nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = (
    "pandas",
    "databricks",
    "langchain_openai",
    "langchain",
    "github",
    "pyspark",
    "sqlglot",
    "nbdime",
    "sqlalchemy",
    "pydantic",
    "nbformat",
    "anywidget",
    "deltalake",
)


def _loaded(code: str) -> set[str]:
    """Top-level modules in `sys.modules` after `code`, in a fresh interpreter."""
    report = "import sys, json; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True, timeout=120
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_loads_the_standard_library_alone() -> None:
    """`import pipeline_magic` adds no third-party module to a bare interpreter."""
    added = _loaded("import pipeline_magic") - _loaded("pass")
    foreign = {name for name in added if name not in sys.stdlib_module_names} - {"pipeline_magic"}
    assert foreign == set()


def test_load_ext_loads_nothing_heavy() -> None:
    """`%load_ext pipeline_magic` on top of IPython and ipywidgets loads none of the heavy libraries."""
    base = "import ipywidgets\nfrom IPython.core.interactiveshell import InteractiveShell as S\nshell = S.instance()"
    before = _loaded(base)
    after = _loaded(
        f"{base}\nshell.run_line_magic('load_ext', 'pipeline_magic')\nassert shell.find_cell_magic('pipeline')"
    )
    assert "pipeline_magic" in after
    assert (after - before) & set(HEAVY) == set()


def test_public_names_are_there() -> None:
    """Every name in `__all__` can be had, and an unknown one is an AttributeError."""
    import pipeline_magic

    assert all(getattr(pipeline_magic, name) is not None for name in pipeline_magic.__all__)
    assert not hasattr(pipeline_magic, "no_such_name")
