"""Random specs over random data on Apache Spark itself: the notebook's rows are the SQL form's, and the local engine's.

Many specs go to Apache Spark in one request, for a request each would cost more than the queries. Rows may differ from
the local engine's only for a reason in `deviations.RANDOM`, and only where the spec has what the reason speaks of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pipeline_magic.compiler.python import variables
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.spec.typed import TypedSpec
from tests.compiler.test_differential import load, notebook_cells, on_views, rows_of
from tests.spark import deviations
from tests.spark.worker import plain_rows
from tests.support import random_runs
from tests.support.compiled import RUN_TIME, Table, rows_sql
from tests.support.spark_environment import Worker

pytestmark = [pytest.mark.spark, pytest.mark.engine]

SHARDS = range(20 if random_runs.FULL else 1)
"""22 specs each, one of each kind of step and way to join."""


@pytest.mark.parametrize("shard", SHARDS)
def test_both_forms_on_both_engines(shard: int, apache: Worker, sail: Any) -> None:
    """On Apache Spark both forms give the same rows, in the types of typing, and they are the local engine's rows."""
    specs: list[tuple[TypedSpec, Mapping[str, Table]]] = []
    random_runs.run(200 + shard, lambda typed, tables: specs.append((typed, tables)), each=2)
    specs = specs[1::2]  # the first that hypothesis draws of a kind is the simplest there is
    jobs = [job(typed, tables) for typed, tables in specs]
    counts = {"compared": 0, "local engine failed": 0, "deviations": 0}
    answers = apache.ask("pairs", jobs=jobs)
    for (typed, tables), answer in zip(specs, answers, strict=True):
        text = target_query(typed, run_time=RUN_TIME)
        assert "error" not in answer, f"{answer['error']}\n{text}"
        assert answer["cells"]["rows"] == answer["query"]["rows"], text
        columns = [[column.name, column.type] for column in typed.node(typed.spec.target.input).columns]
        assert answer["query"]["columns"] == columns, text
        assert answer["cells"]["columns"] == columns, text
        counts["compared"] += 1
        names = load(sail, tables)
        frame = on_views(text, names)
        rows = rows_of(lambda frame=frame: sail.sql(frame))
        if rows is None:
            counts["local engine failed"] += 1
        elif plain_rows(rows) != answer["query"]["rows"]:
            known = [reason for words, reason in deviations.RANDOM.items() if words in text]
            assert known, f"{plain_rows(rows)}\n{answer['query']['rows']}\n{text}"
            counts["deviations"] += 1
    assert counts["compared"] >= 10 * (counts["local engine failed"] + counts["deviations"]), counts
    random_runs.tell(f"both forms on Apache Spark and on Sail, shard {shard}: {counts}")


def job(typed: TypedSpec, tables: Mapping[str, Table]) -> dict[str, Any]:
    """What the worker needs of one spec."""
    names = {alias: f"random_{alias}" for alias in tables}
    return {
        "views": {names[alias]: rows_sql(table) for alias, table in tables.items()},
        "sql": on_views(target_query(typed, run_time=RUN_TIME), names),
        "cells": notebook_cells(typed),
        "parameters": {"run_time": RUN_TIME, **{f"source_{alias}": name for alias, name in names.items()}},
        "frame": variables(typed)[typed.spec.target.input],
        "columns": [column.name for column in typed.node(typed.spec.target.input).columns],
    }
