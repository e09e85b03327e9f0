"""Hostile specs: names, comments, literals and expressions that try to break out of where they stand. None does."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from pipeline_magic.agents.github.body import pull_request_body
from pipeline_magic.compiler import compile_files
from pipeline_magic.compiler.diff import diff_specs
from pipeline_magic.compiler.impact import impact
from pipeline_magic.compiler.ipynb import cells, notebook
from pipeline_magic.compiler.jobs import job_settings
from pipeline_magic.compiler.lineage import column_lineage
from pipeline_magic.compiler.specfile import read_spec
from pipeline_magic.compiler.sql import query, target_query
from pipeline_magic.errors import SpecError
from pipeline_magic.runs import Finding, QualityReport, StepRows
from pipeline_magic.spec.provenance import Clause, Origin, Provenance
from pipeline_magic.spec.typed import TypedSpec
from tests.support import hostile, trust
from tests.support.artefacts import (
    calls,
    check_markdown,
    check_notebook,
    check_python,
    check_sql,
    check_yaml,
    imports,
    sql_texts,
)
from tests.support.compiled import RUN_TIME, cases
from tests.support.random_runs import FULL, SHARDS, tell

CALLS = {
    # of Python
    "int", "float", "open_never", "dict", "list", "ValueError", "join", "items", "get", "lower", "replace", "pop",
    "endswith", "removesuffix",
    "append",
    "timestamp", "isoformat", "astimezone", "date", "now", "fromisoformat", "ZoneInfo", "dumps",
    # of the notebook itself and of dbutils
    "age_of", "keep", "text", "exit",
    # of Spark
    "set", "table", "sql", "tableExists", "select", "where", "withColumn", "withColumns", "withColumnRenamed",
    "withColumnsRenamed", "groupBy", "agg", "alias", "drop", "distinct", "unionByName", "orderBy", "limit",
    "first", "asDict", "crossJoin", "count", "isEmpty", "createOrReplaceTempView", "write", "format",
    "mode", "option",
    "partitionBy",
    "clusterBy", "saveAsTable", "over", "rowsBetween", "rangeBetween", "cast", "isNotNull", "eqNullSafe",
    "desc", "desc_nulls_last", "desc_nulls_first", "asc_nulls_last", "asc_nulls_first",
    "col", "lit", "expr", "sum", "avg", "min", "max", "median", "count_distinct", "coalesce", "explode",
    "explode_outer",     "posexplode", "posexplode_outer", "row_number", "rank", "dense_rank", "percent_rank",
    "cume_dist", "ntile", "lag",
    "lead", "unix_timestamp",
}  # fmt: skip
"""Every name that a generated notebook may call, on whatever object."""

EACH = 27 if FULL else 15
"""Specs of each kind of step and way to join in a shard: 300 in all, and 10,800 where nothing is bounded."""


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("shard", SHARDS)
def test_nothing_escapes(shard: int) -> None:
    """A hostile spec is refused, or each of its artefacts parses and does nothing off the allow-lists.

    And the attacks reach the emitters: a fair part of the specs of every kind is well typed.
    """
    counts = {kind: [0, 0] for kind in hostile.KINDS}
    for number, kind in enumerate(hostile.KINDS):

        @given(data=st.data(), kind=st.just(kind))
        @seed(1000 * shard + number)
        @settings(
            max_examples=EACH,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if FULL else [Phase.generate],
            report_multiple_bugs=False,
        )
        def one(data: st.DataObject, kind: str) -> None:
            counts[kind][0] += 1
            try:
                typed = hostile.typed_spec(data.draw, kind)
            except (ValueError, SpecError):
                return
            counts[kind][1] += 1
            check_artefacts(typed, data.draw)

        one()
    tried, compiled = (sum(pair[part] for pair in counts.values()) for part in (0, 1))
    tell(f"hostile specs, shard {shard}: {compiled} of {tried} compiled")
    assert compiled >= 0.4 * tried, counts
    assert all(compiled for kind, (_, compiled) in counts.items()), counts


def check_artefacts(typed: TypedSpec, draw: Callable[[Any], Any]) -> None:
    """Every artefact parses as what it is, and says nothing it was not given the words for."""
    name = typed.spec.name
    environments = hostile.environments(draw)
    words = [hostile.text(draw, lines=True)]
    for file in compile_files(typed, environments=environments, provenance_summary=words):
        if file.path.endswith(".ipynb"):
            check_notebook(file.content)
        elif file.path.endswith(".py"):
            check_python(file.path, file.content, CALLS)
        elif file.path.endswith(".md"):
            check_markdown(file.content)
        elif file.path.endswith("/spec.yml"):
            assert check_yaml(file.path, file.content)["name"] == name
            assert read_spec(file.content) == typed.spec
        else:
            check_yaml(file.path, file.content)
    check_cells(typed)
    check_sql(target_query(typed, run_time=RUN_TIME))
    for node in typed.nodes:
        check_sql(query(typed, node.id, run_time=RUN_TIME))
    assert set(column_lineage(typed).nodes) == {*(node.id for node in typed.nodes), "target"}
    assert job_settings(typed, environments.environments[0], "x")["tasks"]
    check_markdown(body(typed, draw, words[0]))


def check_cells(typed: TypedSpec) -> None:
    """The code of a notebook calls what it may, also in the SQL texts that it holds."""
    for cell in cells(typed):
        if cell.markdown:
            continue
        tree = ast.parse(cell.source)
        assert calls(tree) <= CALLS, calls(tree) - CALLS
        assert imports(tree) <= {
            "json", "os", "datetime", "timezone", "ZoneInfo", "PySparkException", "Window", "functions", "sha256",
            "uuid4", "DeltaTable",
        }, imports(tree)  # fmt: skip
        for text in sql_texts(tree):
            check_sql(text)


def body(typed: TypedSpec, draw: Callable[[Any], Any], words: str) -> str:
    """A pull request's body in which all that others said is hostile, with the words of a difference and an impact."""
    spec = typed.spec
    other = spec.model_copy(update={"description": "", "steps": spec.steps[:1], "expectations": ()})
    said = [change.text for change in (*diff_specs(spec, other), *diff_specs(other, spec))]
    renamed = typed.model_copy(update={"spec": spec.model_copy(update={"name": "other"})})
    said += [item.reason for item in impact(typed, renamed).columns]
    finding = Finding(id="check", severity="amber", message=words, where=hostile.text(draw))
    rows = StepRows(step="exec", kind="join", rows_in={hostile.text(draw): 1}, rows_out=1, note=words)
    quality = QualityReport(findings=(finding,), engine=hostile.text(draw))
    quality = quality.model_copy(
        update={"reconciliation": quality.reconciliation.model_copy(update={"steps": (rows,)})}
    )
    return pull_request_body(
        trust.plan(spec=spec, files=()),
        digest="d" * 64,
        summary=[words, *said],
        provenance=Provenance(
            statements=(words,),
            clauses=(Clause(id="c1", start=0, end=1, kind="unmatched"),),
            origins={"target.mode": Origin(kind="assumption", reason=words, alternatives=(hostile.text(draw),))},
        ),
        questions=(),
        quality=quality,
        statement=words,
    )


def test_every_golden_notebook_calls_only_what_is_allowed() -> None:
    """The allow-list of calls covers every step, mode and check, and holds for them."""
    for case in cases():
        for cell in cells(case.typed()):
            if not cell.markdown:
                assert calls(ast.parse(cell.source)) <= CALLS, case.name
        assert notebook(case.typed())
