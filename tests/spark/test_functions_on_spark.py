"""Every function and operator of expressions exists on Apache Spark, with the type and NULLs that typing says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline_magic.spec.dialect import identifier
from pipeline_magic.spec.expressions import Expression, check
from pipeline_magic.spec.functions import FUNCTIONS
from pipeline_magic.spec.types import parse_type
from tests.support.function_samples import COLUMNS, MORE, VALUES, samples
from tests.support.spark_environment import SparkError, Worker

pytestmark = pytest.mark.spark

_FULL_ROW = "SELECT " + ", ".join(f"CAST({VALUES[c.name]} AS {c.type}) AS {identifier(c.name)}" for c in COLUMNS)
_NULL_ROW = "SELECT " + ", ".join(f"CAST(NULL AS {c.type}) AS {identifier(c.name)}" for c in COLUMNS)


def checked() -> dict[str, Expression]:
    """Every sample, typed."""
    made: dict[str, Expression] = {}
    for name, function in FUNCTIONS.items():
        place = {"row": "row", "aggregate": "aggregate", "window": "window"}[function.kind]
        for text in samples(name):
            found, faults = check(text, COLUMNS, place)  # type: ignore[arg-type]  # one of the three
            assert found is not None, (text, faults)
            made[text] = found
    for text in MORE:
        found, faults = check(text, COLUMNS)
        assert found is not None, (text, faults)
        made[text] = found
    return made


def query(found: dict[str, Expression], kind: str) -> str:
    """One query of a column for each sample."""
    over = " OVER (PARTITION BY i ORDER BY l)" if kind == "window" else ""
    columns = [f"{item.text}{over} AS v{i}" for i, item in enumerate(found.values())]
    return f"SELECT {', '.join(columns)} FROM samples".replace("run_time()", "TIMESTAMP '2024-03-10 06:30:00'")


def wrong(apache: Worker, found: dict[str, Expression], kind: str) -> Iterator[str]:
    """What Spark says otherwise; a query that fails is halved until the sample is found."""
    try:
        answer = apache.ask("query", sql=query(found, kind))
    except SparkError as error:
        items = list(found.items())
        if len(items) == 1:
            yield f"{items[0][0]}: {str(error)[:200]}"
        else:
            for half in (items[: len(items) // 2], items[len(items) // 2 :]):
                yield from wrong(apache, dict(half), kind)
        return
    for i, (text, item) in enumerate(found.items()):
        _, said = answer["columns"][i]
        if parse_type(said) != item.type:
            yield f"{text}: Spark says {said}, typing {item.type}"
        if not item.nullable and any(row[i] is None for row in answer["rows"]):
            yield f"{text}: NULL, which typing rules out"


def test_types_and_nulls(apache: Worker) -> None:
    """Spark gives each sample the type that typing gives it, and NULL only where typing says that it may."""
    apache.views({"samples": f"{_FULL_ROW} UNION ALL {_NULL_ROW}"})
    kinds = {text: function.kind for name, function in FUNCTIONS.items() for text in samples(name)}
    found = checked()
    said: list[str] = []
    for kind in ("row", "aggregate", "window"):
        said += wrong(apache, {text: item for text, item in found.items() if kinds.get(text, "row") == kind}, kind)
    assert not said, "\n".join(said)
    assert len(found) > 300
