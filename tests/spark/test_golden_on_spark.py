"""What is compiled runs on Apache Spark itself: both forms give the local engine's rows, in the types of typing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from pipeline_magic.compiler.ipynb import python_source
from pipeline_magic.compiler.sql import query, target_query
from pipeline_magic.spec.model import Join
from tests.spark import deviations
from tests.spark.worker import plain_rows
from tests.support.compiled import RUN_TIME, Case, cases, rows_sql
from tests.support.spark_environment import Worker

pytestmark = pytest.mark.spark

FULL = bool(os.environ.get("PIPELINE_MAGIC_TEST_FULL"))
CASES = cases()
PREFIX = "no_catalog.no_schema."
TARGET = "target_of_golden"


def features(case: Case) -> set[str]:
    """What a case has that another may not: kinds of steps and joins, write mode, kinds of checks and their actions."""
    spec = case.spec
    made = {f"{step.kind} {step.how if isinstance(step, Join) else ''}" for step in spec.steps}
    made |= {f"{item.kind} {item.action}" for item in spec.expectations}
    return made | {spec.target.mode, f"{len(spec.sources)} sources"}


def bounded() -> list[Case]:
    """Few cases that together have every feature; all of them where nothing is bounded."""
    left = {name for case in CASES for name in features(case)}
    chosen: list[Case] = []
    while left and not FULL:
        best = max(CASES, key=lambda case: len(features(case) & left))
        chosen.append(best)
        left -= features(best)
    return CASES if FULL else sorted(chosen, key=lambda case: case.name)


def known(some: Iterable[Case], reasons: Mapping[str, str]) -> list[Any]:
    """The cases; those that a list names must fail for as long as they stand there."""
    return [
        pytest.param(
            case,
            id=case.name,
            marks=[pytest.mark.xfail(strict=True, raises=AssertionError, reason=reasons[case.name])]
            if case.name in reasons
            else [],
        )
        for case in some
    ]


def views(case: Case) -> dict[str, str]:
    """Names of the case's tables by alias, the same in both engines."""
    return {alias: f"golden_{index}" for index, alias in enumerate(case.tables)}


def contents(case: Case) -> dict[str, str]:
    """The case's tables as queries by view."""
    names = views(case)
    return {names[alias]: rows_sql(table) for alias, table in case.tables.items()}


def on_views(text: str) -> str:
    """A query over tables of three-part names as one over the temporary views."""
    return text.replace(PREFIX, "")


def queries(case: Case) -> dict[str, str]:
    """The query of every source and step, and of the target."""
    typed, names = case.typed(), {alias: PREFIX + name for alias, name in views(case).items()}
    made = {node.id: query(typed, node.id, run_time=RUN_TIME, tables=names) for node in typed.nodes}
    made[""] = target_query(typed, run_time=RUN_TIME, tables=names)
    return {name: on_views(text) for name, text in made.items()}


def run_dry(apache: Worker, case: Case) -> dict[str, Any]:
    """The notebook on Apache Spark up to its write: the frame, the counts of its gate, the rows it keeps aside."""
    source = python_source(case.typed())
    parameters = {"run_time": RUN_TIME, "run_key": "key", "target": TARGET}
    parameters |= {f"quarantine_{item.id}": f"kept_by_{item.id}" for item in case.spec.expectations}
    parameters |= {f"source_{alias}": name for alias, name in views(case).items()}
    return dict(apache.ask("notebook", source=source, parameters=parameters, dry=True))


@pytest.mark.parametrize("case", known(CASES, deviations.TYPES))
def test_types(case: Case, apache: Worker) -> None:
    """The columns that typing gives each source and step are those that Apache Spark computes, in name and type."""
    typed = case.typed()
    apache.views(contents(case))
    found = apache.ask("types", sql=queries(case))
    expected = {node.id: [[column.name, column.type] for column in node.columns] for node in typed.nodes}
    assert found == {**expected, "": expected[typed.spec.target.input]}


@pytest.mark.engine
@pytest.mark.parametrize("case", known(bounded(), deviations.ROWS))
def test_sql_form(case: Case, apache: Worker, sail: Any) -> None:
    """The SQL form gives the same rows on Apache Spark as on the local engine."""
    apache.views(contents(case))
    for name, text in contents(case).items():
        sail.sql(text).createOrReplaceTempView(name)
    form = queries(case)[""]
    assert apache.rows(form) == plain_rows(sail.sql(form).collect())


def _day(text: str | None) -> dict[str, str] | None:
    return {"date": text} if text else None


BY_HAND: dict[str, list[Any]] = {
    # a row without a watermark is not read
    "mode_append_watermark": [
        [number, {"decimal": price}]
        for number, price in [
            (10, "20.00"), (11, "35.25"), (12, "5.00"), (13, "100.10"), (14, "1.00"), (16, "-4.00"), (16, "-4.00"),
            (17, "20.00"),
        ]
    ],
    # of several versions of a key only the newest is written
    "mode_merge_sequence": [
        [key, {"decimal": price}, _day(day)]
        for key, price, day in [
            (1, "20.00", "2024-03-08"), (2, "5.00", "2024-02-01"), (3, "100.10", "2023-12-31"),
            (5, "-4.00", "2024-03-10"), (9, "1.00", "2024-03-09"), (None, "8.80", None),
        ]
    ],
    "mode_scd1": [
        [key, name, _day(day)]
        for key, name, day in [
            (1, "Ada", "2020-01-15"), (2, "Ben", "2021-06-30"), (3, "Cem", "2023-12-31"), (4, "Dee", None),
            (5, "Eva", "2022-02-28"), (None, "Nil", "2024-03-01"),
        ]
    ],
}  # fmt: skip
"""Rows that a notebook writes where they are not those of the SQL form: the write chooses among them."""


@pytest.mark.parametrize("case", known(bounded(), deviations.NOTEBOOKS))
def test_notebook(case: Case, apache: Worker) -> None:
    """The frame that the notebook is about to write on Apache Spark has the rows of the SQL form, in typing's types."""
    typed = case.typed()
    apache.views(contents(case))
    written = run_dry(apache, case)["written"]
    columns = [[column.name, column.type] for column in typed.node(typed.spec.target.input).columns]
    assert written["columns"][: len(columns)] == columns
    rows = sorted((row[: len(columns)] for row in written["rows"]), key=repr)
    expected = BY_HAND[case.name] if case.name in BY_HAND else apache.rows(queries(case)[""])
    assert rows == sorted(expected, key=repr)


FAILING = {
    "expect_drop_accepted_values": {"check_accepted_values": 1},
    "expect_drop_expression": {"check_expression": 5},
    "expect_drop_not_null": {"check_not_null": 1},
    "expect_drop_pattern": {"check_pattern": 5},
    "expect_drop_range": {"check_range": 2},
    "expect_drop_referential": {"check_referential": 1},
    "expect_drop_target_quarantine": {"check_range": 2, "check_expression": 1},
    "expect_fail_passes": {"check_not_null": 0, "check_row_count": 0, "check_unique": 1, "check_range": 0},
    "expect_run_time": {"check_expression": 0},
    "expect_warn_all": {
        "check_not_null": 1,
        "check_unique": 1,
        "check_range": 3,
        "check_accepted_values": 1,
        "check_pattern": 1,
        "check_row_count": 1,
        "check_freshness": 0,
        "commit": None,  # a temporary view has no history
        "check_referential": 1,
        "check_expression": 2,
    },
}
"""Failing rows of each expectation, counted by hand."""


@pytest.mark.parametrize("name", FAILING)
def test_gate(name: str, apache: Worker) -> None:
    """The gate counts on Apache Spark what a person counts, and quarantine gets exactly the rows that were left out."""
    [case] = [item for item in CASES if item.name == name]
    apache.views(contents(case))
    found = run_dry(apache, case)
    assert found["failing"] == FAILING[name]
    kept = {}
    for table, frame in found["kept"].items():
        names = [column for column, _ in frame["columns"]]
        kept[table] = [(row[names.index("order_id")], row[names.index("_expectation")]) for row in frame["rows"]]
    wanted = {"kept_by_check_range": [(16, "check_range")] * 2, "kept_by_check_expression": [(15, "check_expression")]}
    assert kept == (wanted if name == "expect_drop_target_quarantine" else {})
