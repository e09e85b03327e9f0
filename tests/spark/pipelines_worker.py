"""Runs in the environment of Apache Spark: declared pipelines, a job a line, on one Connect server in this process.

It does what `spark-pipelines run` does, by the same functions, but keeps its server between pipelines: a start costs
more than a pipeline. Each pipeline has a session and a database of its own. Apache Spark has neither expectations nor
private datasets: `shim` stands in for them, and its counts come out with the answer.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from worker import answer_of  # beside this file


def session(options: Mapping[str, Any]) -> Any:
    """A session of a Connect server on two cores, small and quiet."""
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    home = Path(options["home"])
    settings = {
        "spark.driver.memory": "2g",
        "spark.driver.extraJavaOptions": f"-XX:TieredStopAtLevel=1 -Duser.timezone=UTC -Dderby.system.home={home}",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(home / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.pipelines.maxFlowRetryAttempts": "0",  # what fails here fails again
        "spark.sql.pipelines.execution.streamstate.pollingInterval": "1",
        "spark.sql.pipelines.execution.watchdog.minRetryTime": "1s",
    }
    settings |= options["settings"]
    # A port of its own: PySpark takes one only where it is tested itself. The JVM is there before it could see that.
    SparkContext._ensure_initialized(conf=SparkConf().setAll(list(settings.items())))
    os.environ["SPARK_TESTING"] = "1"
    builder = SparkSession.builder.remote("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def shim(dp: Any, seen: list[dict[str, str]]) -> None:
    """Give Apache Spark's `pipelines` expectations as Databricks documents them, and datasets that can be private."""
    from pyspark.sql import functions as F

    def decorator(action: str, change: Callable[[Any, str, str], Any]) -> Callable[[str, str], Any]:
        def expect(name: str, condition: str) -> Any:
            def decorate(function: Any) -> Any:
                seen.append({"name": name, "action": action, "condition": condition, "on": function.__name__})

                @functools.wraps(function)
                def made() -> Any:
                    return change(function(), name, condition)

                return made

            return decorate

        return expect

    def failing(frame: Any, name: str, condition: str) -> Any:
        return frame.where(F.expr(f"assert_true({condition}, '{name} failed') IS NULL"))

    dp.expect = decorator("warn", lambda frame, name, condition: frame)
    dp.expect_or_drop = decorator("drop", lambda frame, name, condition: frame.where(condition))
    dp.expect_or_fail = decorator("fail", failing)
    plain = dp.materialized_view if not hasattr(dp, "_plain") else dp._plain
    dp._plain = plain

    def materialized_view(*args: Any, private: bool = False, **words: Any) -> Any:
        return plain(*args, **words)

    dp.materialized_view = materialized_view


def changes_only(dp: Any, spark: Any) -> None:
    """In place of AUTO CDC a streaming table of the changes that it would read."""

    def create_auto_cdc_flow(target: str, source: str, **_: Any) -> None:
        @dp.append_flow(target=target, name=target)
        def changes_of() -> Any:
            return spark.readStream.table(source)

    dp.create_auto_cdc_flow = create_auto_cdc_flow


def run(spark: Any, job: Mapping[str, Any]) -> dict[str, Any]:
    """One update of one pipeline; what its expectations were."""
    from pyspark import pipelines as dp
    from pyspark.pipelines.cli import LibrariesGlob, PipelineSpec, register_definitions
    from pyspark.pipelines.spark_connect_graph_element_registry import SparkConnectGraphElementRegistry
    from pyspark.pipelines.spark_connect_pipeline import create_dataflow_graph, handle_pipeline_events, start_run
    from pyspark.sql import SparkSession

    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pipeline.py").write_text(job["source"], "utf-8")
    seen: list[dict[str, str]] = []
    shim(dp, seen)
    own = spark.newSession() if spark.version >= "4.3" else spark
    for name, value in job["configuration"].items():
        own.conf.set(name, value)
    words = {
        "name": job["database"], "configuration": dict(job["configuration"]),
        "libraries": [LibrariesGlob("pipeline.py")], "storage": (folder / "storage").as_uri(),
    }  # fmt: skip
    spec = PipelineSpec(**{name: words.get(name) for name in PipelineSpec.__dataclass_fields__})
    graph = create_dataflow_graph(
        own, default_catalog=job.get("catalog"), default_database=job["database"], sql_conf=spec.configuration
    )
    registry = SparkConnectGraphElementRegistry(own, graph)
    active, auto_cdc = SparkSession.active, dp.create_auto_cdc_flow
    if job.get("changes_only"):
        changes_only(dp, own)
    SparkSession.active = classmethod(lambda cls: own)
    try:
        register_definitions(folder / "spec.yml", registry, spec, own, graph)
    finally:
        SparkSession.active, dp.create_auto_cdc_flow = active, auto_cdc
    done = start_run(own, graph, full_refresh=[], full_refresh_all=False, refresh=[], dry=False, storage=spec.storage)
    handle_pipeline_events(done)
    return {"expectations": seen}


def answer(spark: Any, job: Mapping[str, Any]) -> Any:
    """What a job asks for."""
    op = job["op"]
    if op == "hello":
        return {"version": spark.version}
    if op == "sql":
        for text in job["statements"]:
            spark.sql(text).collect()
        return None
    if op == "query":
        return answer_of(spark.sql(job["sql"]))
    if op == "run":
        return run(spark, job)
    raise ValueError(f"no such job: {op}")


def main() -> None:
    """Answer until standard input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    spark = session(json.loads(sys.argv[1]))
    for line in sys.stdin:
        try:
            said = {"answer": answer(spark, json.loads(line))}
        except Exception as error:  # noqa: BLE001  (told to the test, whose business it is)
            said = {"error": f"{type(error).__name__}: {error}"[:4000]}
        out.write(json.dumps(said) + "\n")
        out.flush()
    spark.stop()


if __name__ == "__main__":
    main()
