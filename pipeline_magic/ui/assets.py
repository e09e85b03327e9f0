"""Finds the front end: `widgets/` in an editable install, ``pipeline_magic/static/`` in a wheel.

Why two places: a top-level package `widgets` would be shadowed by any user's ``widgets.py``, so a wheel carries
copies (``widgets/hatch_build.py``), and an editable install reads the files that are being worked on.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

__all__ = ["folder", "read"]


def folder() -> Path:
    """The folder of the front end.

    Raises:
        FileNotFoundError: The installation has neither; it is damaged.
    """
    package = Path(__file__).resolve().parent.parent
    for place in (package / "static", package.parent / "widgets"):
        if (place / "panel.css").is_file():
            return place
    raise FileNotFoundError(f"no front end beside {package}: install pipeline-magic again")


@lru_cache(maxsize=8)
def read(name: str) -> str:
    """Text of one file of the front end: ``panel.css``, ``trace.js``, ``lineage.js``."""
    return (folder() / name).read_text(encoding="utf-8")
