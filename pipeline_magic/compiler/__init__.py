"""The compiler: a typed spec becomes artefacts. Pure: the same spec gives the same bytes.

`VERSION` is part of every plan's digest; it grows whenever the same spec would compile to other bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline_magic.compiler.files import compile_files

__all__ = ["VERSION", "compile_files"]

VERSION = "2"


def __getattr__(name: str) -> Any:
    if name == "compile_files":
        from pipeline_magic.compiler.files import compile_files

        return compile_files
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
