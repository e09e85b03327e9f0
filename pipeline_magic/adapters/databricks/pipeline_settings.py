"""What the settings of a Lakeflow pipeline say, as plain data; nothing is asked here.

Databricks adds to settings what they leave out, so that two questions are kept apart: whether a pipeline has what was
wanted (`has_settings`), and whether it has nothing else (`same_settings`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, cast

from pipeline_magic.errors import DeploymentError
from pipeline_magic.ports import DeployRequest

__all__ = [
    "direct_grants",
    "folder_of",
    "has_settings",
    "placed_at",
    "principal_of",
    "resource_of_kind",
    "same_settings",
]

_WHO = ("user_name", "group_name", "service_principal_name")
_ADDED = {"spark.sql.ansi.enabled"}
"""What Databricks adds to every pipeline's configuration by itself."""


def resource_of_kind(request: DeployRequest, kind: str) -> list[tuple[str, dict[str, Any]]]:
    """The resources of a kind, as copies: exactly one.

    Raises:
        DeploymentError: The plan holds another number of them.
    """
    found = request.resource.get(kind)
    made = [(name, copy.deepcopy(one)) for name, one in found.items()] if isinstance(found, dict) else []
    if len(made) != 1 or not isinstance(made[0][1], dict):
        raise DeploymentError(
            f"The plan's files describe {len(made)} {kind} of `{request.pipeline}`, and one is needed.",
            hint="Press Generate again: the files were made by another version.",
        )
    return cast("list[tuple[str, dict[str, Any]]]", made)


def placed_at(resource: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """The settings with the paths of their sources below a workspace folder."""
    libraries = [
        {kind: {**told, "path": f"{folder}/{PurePosixPath(told['path']).name}"} for kind, told in library.items()}
        for library in resource.get("libraries", ())
    ]
    return {**resource, "libraries": libraries}


def has_settings(found: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether a pipeline, as the service tells it, has these settings; it may have others beside them."""
    spec = found.get("spec") or {}
    for name, wanted in settings.items():
        held = found.get("run_as") if name == "run_as" else spec.get(name)
        if name == "configuration" and isinstance(held, Mapping):
            held = {key: value for key, value in held.items() if key in wanted}
        if held != wanted:
            return False
    return True


def same_settings(found: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether a pipeline has these settings and no others, but for what is known to be added by itself."""
    spec = found.get("spec") or {}
    more = spec.keys() - settings.keys() - {"id"}
    configured = (spec.get("configuration") or {}).keys() - settings.get("configuration", {}).keys() - _ADDED
    return not more and not configured and has_settings(found, settings)


def folder_of(told: Mapping[str, Any]) -> str:
    """The workspace folder of the first source; empty when there is none."""
    for library in (told.get("spec") or {}).get("libraries") or ():
        path = (library.get("file") or library.get("notebook") or {}).get("path")
        if path:
            return str(PurePosixPath(path).parent)
    return ""


def principal_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """Who an entry of an access list is about."""
    return {name: str(entry[name]) for name in _WHO if entry.get(name)}


def direct_grants(told: Mapping[str, Any]) -> list[dict[str, str]]:
    """What is granted on the pipeline itself, and not inherited, in a steady order."""
    found = [
        {"permission_level": str(one["permission_level"]), **principal_of(entry)}
        for entry in told.get("access_control_list") or ()
        for one in entry.get("all_permissions") or ()
        if not one.get("inherited")
    ]
    return sorted(found, key=lambda one: sorted(one.items()))
