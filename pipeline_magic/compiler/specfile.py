"""`spec.yml`: a spec as YAML that a person can read, and back. Defaults are left out; the round trip is exact."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from pipeline_magic.spec.model import PipelineSpec

__all__ = ["read_spec", "write_spec"]

_ALWAYS = frozenset({"spec_version", "kind", "mode", "how", "action", "deployment", "trigger"})


def write_spec(spec: PipelineSpec) -> str:
    """The spec as YAML."""
    import yaml

    head = "# What the pipeline is. The notebook beside it is compiled from this file.\n"
    data = _data(spec)
    text = str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110))
    try:
        exact = yaml.safe_load(text) == data
    except yaml.YAMLError:
        exact = False
    if not exact:  # characters that YAML folds or refuses as they are, such as a byte order mark: write them as escapes
        text = str(yaml.safe_dump(data, sort_keys=False, allow_unicode=False, width=110))
    return head + text


def read_spec(text: str) -> PipelineSpec:
    """The spec in a YAML text.

    Raises:
        pydantic.ValidationError: It is no spec; see `spec.paths.problems_of`.
    """
    import yaml

    return PipelineSpec.model_validate(yaml.safe_load(text))


def _data(value: Any) -> Any:
    if isinstance(value, BaseModel):
        made = {}
        for name, field in type(value).model_fields.items():
            item = getattr(value, name)
            if item is None or (name not in _ALWAYS and not field.is_required() and item == field.default):
                continue
            made[name] = _data(item)
        return made
    return [_data(item) for item in value] if isinstance(value, tuple) else value
