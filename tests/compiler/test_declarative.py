"""The Lakeflow form: its Python parses, calls nothing unknown, and its datasets hold the rows of the SQL form.

It is run with stand-ins for the decorators: each dataset becomes a temporary view, expectations filter as Lakeflow
says. Streams and AUTO CDC are not executed here; for `append`, `scd1` and `scd2` the text is checked.
"""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_magic.compiler import compile_files
from pipeline_magic.compiler.declarative import declarative_source, not_carried
from pipeline_magic.compiler.sql import target_query
from pipeline_magic.spec.model import Filter, NotNull, PipelineSpec, Source, Target
from pipeline_magic.spec.typed import type_spec
from tests.support.compiled import RUN_TIME, Case, cases, comparable_rows, rows_sql
from tests.support.lakeflow import declared


RUNNABLE = [case for case in cases() if case.spec.target.mode == "overwrite" and declared(case) is not None]


class Pipelines(types.ModuleType):
    """`pyspark.pipelines` as far as an overwrite pipeline needs it: datasets become temporary views in their order."""

    def __init__(self) -> None:
        super().__init__("pyspark.pipelines")
        self.tables: dict[str, Any] = {}
        self.expected: dict[Callable[[], Any], list[tuple[str, str]]] = {}

    def temporary_view(self, name: str) -> Callable[[Callable[[], Any]], Any]:
        def wrap(make: Callable[[], Any]) -> Any:
            frame = make()
            for action, text in self.expected.get(make, []):
                frame = frame.where(text) if action == "drop" else frame
            frame.createOrReplaceTempView(name)
            return make

        return wrap

    def materialized_view(self, name: str, private: bool = False, **_: Any) -> Callable[[Callable[[], Any]], Any]:
        """A check is only declared here: Sail fails on two aggregations in a row; Apache Spark runs it elsewhere."""

        def wrap(make: Callable[[], Any]) -> Any:
            frame = make()
            frame.createOrReplaceTempView(name)
            for action, text in self.expected.get(make, []):
                frame = frame.where(text) if action == "drop" else frame
            if not private:
                self.tables[name] = frame
            return make

        return wrap

    def _expect(self, action: str, text: str) -> Callable[[Callable[[], Any]], Any]:
        def wrap(make: Callable[[], Any]) -> Any:
            self.expected.setdefault(make, []).append((action, text))
            return make

        return wrap

    def expect(self, name: str, text: str) -> Any:
        return self._expect("warn", text)

    def expect_or_drop(self, name: str, text: str) -> Any:
        return self._expect("drop", text)

    def expect_or_fail(self, name: str, text: str) -> Any:
        return self._expect("fail", text)


@pytest.mark.engine
@pytest.mark.parametrize("case", RUNNABLE, ids=lambda case: case.name)
def test_datasets_equal_sql(case: Case, spark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The materialized view holds the rows that the SQL form selects."""
    import pyspark
    from pyspark.sql import SparkSession

    typed = declared(case)
    assert typed is not None
    names = {}
    for alias, table in case.tables.items():
        names[alias] = f"dev.default.d_{case.name}_{alias}"
        frame = spark.sql(rows_sql(table))
        frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(names[alias])
    fake = Pipelines()
    monkeypatch.setitem(sys.modules, "pyspark.pipelines", fake)
    monkeypatch.setattr(pyspark, "pipelines", fake, raising=False)
    monkeypatch.setattr(SparkSession, "active", classmethod(lambda cls: spark))
    for alias, name in names.items():
        spark.conf.set(f"source_{alias}", name)
    spark.conf.set("run_time", RUN_TIME)
    exec(compile(declarative_source(typed), case.name, "exec"), {})
    [frame] = fake.tables.values()
    expected = spark.sql(target_query(typed, run_time=RUN_TIME, tables=names)).collect()
    assert comparable_rows(frame.collect()) == comparable_rows(expected)


@pytest.mark.parametrize("mode", ["append", "scd1", "scd2"])
def test_streaming_targets(mode: str) -> None:
    """Append is a streaming table, scd1 and scd2 are AUTO CDC with keys, sequence and type; sources are streams."""
    spec = PipelineSpec(
        name="changes",
        deployment="declarative",
        sources=(Source(alias="orders", table="dev.default.orders"),),
        steps=(Filter(id="recent", input="orders", condition="price > 1"),),
        expectations=(NotNull(id="known", on="target", columns=("order_id",), action="drop"),),
        target=Target(
            table="dev.default.out",
            input="recent",
            mode=mode,  # type: ignore[arg-type]  # one of the three
            keys=() if mode == "append" else ("order_id",),
            sequence_by=None if mode == "append" else "ordered",
        ),
    )
    orders = next(case.tables["orders"] for case in cases() if case.name == "source_only")
    text = declarative_source(type_spec(spec, {"orders": orders.schema}))
    called = {
        node.func.attr: node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert "spark.readStream.table(source_orders)" in text
    assert "expect_or_drop" in called
    if mode == "append":
        assert "@dp.table(" in text
        return
    flow = {word.arg: ast.unparse(word.value) for word in called["create_auto_cdc_flow"].keywords}
    assert flow["keys"] == "['order_id']"
    assert flow["sequence_by"] == "F.col('ordered')"
    assert flow["stored_as_scd_type"] == ("2" if mode == "scd2" else "1")
    assert ast.unparse(called["create_streaming_table"].keywords[0].value) == flow["target"]


def test_what_lakeflow_cannot_say_is_listed() -> None:
    """The last commit of a table is named in the file's head, not silently lost; the file is part of the plan."""
    [case] = [case for case in cases() if case.name == "expect_warn_all"]
    typed = declared(case)
    assert typed is not None
    assert [item.id for item in not_carried(typed)] == ["commit"]
    [file] = [file for file in compile_files(typed) if file.path.endswith("_pipeline.py")]
    assert "# Not checked by Lakeflow: commit. The last commit is at most 24 hours old in orders." in file.content
