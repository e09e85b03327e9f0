"""What one pipeline can hold: a statement that asks for more is told so, in words.

A repeated phrase can be read well and still make more steps, or a longer condition, than a spec takes. Here: the draft
of all that was read, or the reason why there is none. Not here: how long a statement may be; see `plan`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pipeline_magic.errors import StatementError
from pipeline_magic.spec.model import Draft, PipelineSpec
from pipeline_magic.spec.paths import problems_of

__all__ = ["draft_within"]

_HINT = "Say it in fewer words, or describe more than one pipeline."


def draft_within(parts: Mapping[str, Any]) -> Draft:
    """The draft of these parts.

    Raises:
        StatementError: There is more of something than a spec can hold.
    """
    for name in ("sources", "steps", "expectations"):
        limits = [getattr(each, "max_length", None) for each in PipelineSpec.model_fields[name].metadata]
        most = next((limit for limit in limits if limit is not None), None)
        count = len(parts.get(name) or ())
        if most is not None and count > most:
            raise StatementError(
                f"The statement asks for {count} {name}; one pipeline has at most {most}.",
                hint=_HINT,
            )
    try:
        return Draft.model_validate(dict(parts))
    except ValidationError as error:
        problem = problems_of(error, dict(parts))[0]
        raise StatementError(
            f"The statement asks for more than one pipeline can hold: {problem.path}: {problem.message}", hint=_HINT
        ) from None
