"""Copies the front end (`widgets/*.js`, `widgets/*.css`) into the wheel as `pipeline_magic/static/`.

An editable install reads `widgets/` itself, so nothing is copied there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WidgetAssets(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's class is generic over its own config
    """Adds the front-end files to a standard wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name every file that goes along; hatchling copies them."""
        if version == "editable":
            return
        for file in sorted(Path(self.root, "widgets").iterdir()):
            if file.suffix in {".js", ".css"} and not file.name.endswith(".test.js"):
                build_data["force_include"][str(file)] = f"pipeline_magic/static/{file.name}"
