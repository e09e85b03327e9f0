"""Typing of the sql step."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_magic.spec.model import Sql
from pipeline_magic.spec.typed import Node
from pipeline_magic.spec.typing.context import Context, Typed

__all__ = ["sql"]


def sql(context: Context, step: Sql, nodes: Sequence[Node]) -> Typed:
    context.problem(f"steps.{step.id}.query", "sql steps are not compiled yet; write it as other steps")
    return Typed(step, ())
