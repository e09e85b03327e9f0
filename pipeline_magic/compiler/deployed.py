"""The settings of one environment, read back from a plan's bundle files: the other direction of `bundle`.

The deployer puts in place what the approved files say, so that there is one truth whichever route deploys: fields of
``resources`` and of the environment's ``targets`` are put together, variables and the target's name are put in. The
relative path of the notebook and the reference to a pipeline's id stay as they are; only who deploys knows them. Not
here: references that the compiler never writes; one that is not known is an error, as it is for the bundle's CLI.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline_magic.errors import DeploymentError

__all__ = ["resource_of"]

_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_KINDS = ("job", "pipeline")


def resource_of(files: Mapping[str, str], name: str, environment: str) -> dict[str, Any]:
    """The bundle's resources of one pipeline in one environment, as plain data.

    Args:
        files: Text of the plan's files by path.
        name: Of the pipeline.
        environment: Name of the environment, which is the bundle's target.

    Returns:
        ``{"jobs": {key: settings}, "pipelines": {key: settings}}``; a kind that the file has not is left out. Equal to
        `bundle.resource` of the typed spec that the files were compiled from.

    Raises:
        DeploymentError: The files hold no such resource, or one that cannot be read.
    """
    import yaml

    paths = [path for path in (f"resources/{name}.{kind}.yml" for kind in _KINDS) if path in files]
    if len(paths) != 1:
        raise _unusable(f"The plan's files hold {'no' if not paths else 'two'} settings of `{name}`.", "resources/")
    path = paths[0]
    try:
        data = yaml.load(files[path], Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise _unusable(f"The settings of `{name}` are no YAML: {type(error).__name__}.", path) from None
    if not isinstance(data, dict):
        raise _unusable(f"The settings of `{name}` hold no fields.", path)
    own = _mapping(_mapping(data.get("targets")).get(environment))
    variables = {key: _mapping(item).get("default") for key, item in _mapping(data.get("variables")).items()}
    variables |= _mapping(own.get("variables"))
    words = {f"var.{key}": str(value) for key, value in variables.items() if value is not None}
    words["bundle.target"] = environment
    made: dict[str, Any] = {}
    for part in (data.get("resources"), own.get("resources")):
        for kind, resources in _mapping(part).items():
            for key, settings in _mapping(resources).items():
                made.setdefault(kind, {}).setdefault(key, {}).update(_filled(_mapping(settings), words, path))
    if not made.get("jobs"):
        raise _unusable(f"The settings of `{name}` hold no job for `{environment}`.", path)
    return made


def _filled(value: Any, words: Mapping[str, str], path: str) -> Any:
    """The data with every reference replaced, but those to other resources."""
    if isinstance(value, dict):
        return {key: _filled(item, words, path) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, words, path) for item in value]
    if not isinstance(value, str):
        return value

    def replaced(match: re.Match[str]) -> str:
        known = match[1]
        if known.startswith("resources."):
            return match[0]
        if known not in words:
            raise _unusable(f"The settings refer to `{known}`, which they do not hold.", path)
        return words[known]

    return _REFERENCE.sub(replaced, value)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _unusable(message: str, where: str) -> DeploymentError:
    return DeploymentError(message, where=where, hint="Generate the plan again, and approve that.")
