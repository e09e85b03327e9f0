"""Plain English in a notebook cell becomes a reviewed, tested, deployed Databricks pipeline.

    %load_ext pipeline_magic

Public names are loaded when they are first used: importing this package loads the standard library alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from pipeline_magic.orchestrator import PipelineBuilderOrchestrator as PipelineBuilderOrchestrator
    from pipeline_magic.result import PipelineResult as PipelineResult
    from pipeline_magic.result import run as run

__version__ = "0.1.0"
__all__ = ["PipelineBuilderOrchestrator", "PipelineResult", "__version__", "run"]

_PUBLIC = {
    "PipelineBuilderOrchestrator": "pipeline_magic.orchestrator",
    "PipelineResult": "pipeline_magic.result",
    "run": "pipeline_magic.result",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register ``%%pipeline`` and ``%pipeline``; called by ``%load_ext pipeline_magic``."""
    from pipeline_magic.magic import register

    register(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take both magics away again."""
    from pipeline_magic.magic import unregister

    unregister(shell)
