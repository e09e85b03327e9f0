"""GitHub as code host; see `host`. Importing this room loads PyGithub."""

from __future__ import annotations

from pipeline_magic.adapters.github.host import GitHub, MergeMethod

__all__ = ["GitHub", "MergeMethod"]
