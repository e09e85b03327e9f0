"""Small pipelines over tables in memory, for the tests of the quality agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline_magic.runs import Finding
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.schema import TableSchema
from pipeline_magic.spec.typed import TypedSpec, type_spec

NOW = "2026-11-22T15:00:00+00:00"


def pipeline(
    tables: Mapping[str, TableSchema],
    steps: Sequence[Mapping[str, Any]] = (),
    expectations: Sequence[Mapping[str, Any]] = (),
    *,
    target: Mapping[str, Any] | None = None,
    sources: Mapping[str, Mapping[str, Any]] | None = None,
) -> TypedSpec:
    """A typed spec that reads `tables` by alias, and writes what the last step gives."""
    last = steps[-1]["id"] if steps else next(iter(tables))
    spec = PipelineSpec.model_validate(
        {
            "name": "tried",
            "sources": [
                {"alias": alias, "table": table.table, **(sources or {}).get(alias, {})}
                for alias, table in tables.items()
            ],
            "steps": list(steps),
            "expectations": list(expectations),
            "target": {"table": "analytics.default.tried", "input": last, **(target or {})},
        }
    )
    return type_spec(spec, tables)


def join(left: str, right: str, *keys: str, how: str = "inner", id: str = "joined", **more: Any) -> dict[str, Any]:
    """A join on columns of one name, or ``left=right``."""
    pairs = [key.partition("=") for key in keys]
    made = [{"left": one, "right": other or one} for one, _, other in pairs]
    return {"id": id, "kind": "join", "left": left, "right": right, "how": how, "keys": made, **more}


def aggregate(input: str, by: Sequence[str], id: str = "metrics", **measures: str) -> dict[str, Any]:
    """An aggregate with measures by name."""
    made = [{"name": name, "expression": text} for name, text in measures.items()]
    return {"id": id, "kind": "aggregate", "input": input, "group_by": list(by), "measures": made}


def severities(findings: Sequence[Finding]) -> dict[str, str]:
    """Severity by id."""
    return {finding.id: finding.severity for finding in findings}
