"""Golden cases as declarative pipelines."""

from __future__ import annotations

from pipeline_magic.errors import SpecError
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.support.compiled import Case

__all__ = ["declared"]


def declared(case: Case) -> TypedSpec | None:
    """The case as a declarative deployment; None where that is not legal."""
    try:
        spec = case.spec.model_copy(update={"deployment": "declarative"})
        return type_spec(spec, {alias: table.schema for alias, table in case.tables.items()})
    except SpecError:
        return None
