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
from pipeline_magic.errors import SpecError
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


def stream_of(*steps: dict[str, Any], mode: str = "append", **more: Any) -> dict[str, Any]:
    """A declarative spec that reads `orders`, runs the steps and writes the last of them."""
    last = steps[-1]["id"] if steps else "orders"
    target = {"table": "dev.default.out", "input": last, "mode": mode}
    target |= {"keys": ["order_id"], "sequence_by": "ordered"} if mode != "append" else {}
    sources = [{"alias": alias, "table": f"dev.default.{alias}"} for alias in ("orders", "customers")]
    data = {"name": "streamed", "sources": sources, "steps": list(steps), "target": target}
    return data | {"deployment": "declarative"} | more


def compiled(data: dict[str, Any]) -> str:
    """Its source."""
    [case] = [case for case in cases() if case.name == "lakeflow_append"]
    tables = {alias: table.schema for alias, table in case.tables.items()}
    return declarative_source(type_spec(PipelineSpec.model_validate(data), tables))


def joined(how: str, right: str = "customers") -> dict[str, Any]:
    """A join of the stream."""
    keys = [{"left": "customer_id", "right": "id" if right == "customers" else "customer_id"}]
    return {"id": "both", "kind": "join", "left": "orders", "right": right, "how": how, "keys": keys}


ORDER = [{"column": "order_id"}]
NOT_IN_A_STREAM: list[tuple[dict[str, Any], str]] = [
    ({"kind": "aggregate", "input": "orders", "measures": [{"name": "n", "expression": "count(*)"}]}, "steps.one"),
    (
        {
            "kind": "window",
            "input": "orders",
            "order_by": ORDER,
            "columns": [{"name": "n", "expression": "row_number()"}],
        },
        "steps.one",
    ),
    ({"kind": "top", "input": "orders", "n": 3, "order_by": ORDER}, "steps.one"),
    ({"kind": "deduplicate", "input": "orders", "keys": ["order_id"], "order_by": ORDER}, "steps.one"),
    ({"kind": "union", "inputs": ["orders", "orders"], "distinct": True}, "steps.one.distinct"),
    ({"kind": "sql", "inputs": ["orders"], "query": "SELECT order_id FROM orders"}, "steps.one"),
]


@pytest.mark.parametrize(("step", "path"), NOT_IN_A_STREAM, ids=[step["kind"] for step, _ in NOT_IN_A_STREAM])
@pytest.mark.parametrize("mode", ["append", "scd1", "scd2"])
def test_a_stream_refuses_what_it_cannot_run(step: dict[str, Any], path: str, mode: str) -> None:
    """A step that needs every row at once is refused by name where its input is a stream."""
    with pytest.raises(SpecError) as caught:
        compiled(stream_of({"id": "one", **step}, mode=mode))
    assert path in {problem.path for problem in caught.value.problems}


@pytest.mark.parametrize("how", ["inner", "left", "semi", "anti", "right", "full"])
def test_joins_of_a_stream(how: str) -> None:
    """A stream is joined with a table from its side only; the table is read whole."""
    if how in {"right", "full"}:
        with pytest.raises(SpecError, match=f"cannot run a {how} join"):
            compiled(stream_of(joined(how)))
        return
    text = compiled(stream_of(joined(how)))
    assert "spark.readStream.table(source_orders)" in text
    assert "spark.read.table(source_customers)" in text


def test_a_source_is_stream_and_table_at_once() -> None:
    """What is aggregated beside the stream is read as a table, in a view of its own."""
    totals = {
        "id": "totals", "kind": "aggregate", "input": "orders", "group_by": ["customer_id"],
        "measures": [{"name": "spent", "expression": "sum(price)"}],
    }  # fmt: skip
    text = compiled(stream_of(totals, joined("left", "totals")))
    assert "spark.readStream.table(source_orders)" in text
    assert "spark.read.table(source_orders)" in text
    assert '@dp.temporary_view(name="totals")' in text
    assert 'totals = spark.read.table("totals")' in text


def test_every_input_of_a_union_is_a_stream() -> None:
    """A stream cannot be put together with a table, so all parts are streams."""
    cheap = {"id": "cheap", "kind": "filter", "input": "orders", "condition": "price < 10"}
    dear = {"id": "dear", "kind": "filter", "input": "orders", "condition": "price >= 10"}
    text = compiled(stream_of(cheap, dear, {"id": "all_of_them", "kind": "union", "inputs": ["cheap", "dear"]}))
    assert text.count("spark.readStream.table(source_orders)") == 1
    assert "spark.read.table(" not in text


def test_a_step_named_as_the_target_gives_way() -> None:
    """Views and the target have one namespace: a view of the target's name is called otherwise, for queries too."""
    kept = {"id": "out", "kind": "filter", "input": "orders", "condition": "price > 0"}
    asked = {"id": "asked", "kind": "sql", "inputs": ["out"], "query": "SELECT order_id FROM out"}
    text = compiled(stream_of(kept, asked) | {"target": {"table": "dev.default.out", "input": "asked"}})
    assert '@dp.temporary_view(name="out_rows")' in text
    assert '@dp.materialized_view(name="out")' in text
    assert "WITH out AS (SELECT * FROM out_rows) SELECT" in text


def test_the_target_is_named_without_its_catalog() -> None:
    """Catalog and schema are the pipeline's settings, so that the same bytes serve every environment."""
    assert "dev.default.out" not in compiled(stream_of())


def test_a_continuous_pipeline_has_no_time_of_its_run() -> None:
    """run_time() would stand still for as long as the pipeline runs: refused."""
    recent = {"id": "recent", "kind": "filter", "input": "orders", "condition": "at > run_time() - INTERVAL '1' DAY"}
    assert "run_time" in compiled(stream_of(recent))
    with pytest.raises(SpecError, match="no time of its run"):
        compiled(stream_of(recent, trigger={"kind": "continuous"}))


def test_every_function_has_a_name_of_its_own() -> None:
    """No function hides another, or a name the module uses."""
    for case in cases():
        typed = declared(case)
        if typed is not None:
            tree = ast.parse(declarative_source(typed))
            names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
            assert len(names) == len(set(names)), case.name
            assert not {"dp", "spark", "run_time"} & set(names)
