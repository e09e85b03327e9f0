"""Runs in the environment of Apache Spark: a job a line on standard input, an answer a line on standard output.

Nothing of the project is imported here, for that environment does not have it; the tests import `plain` from here, so
that rows of two engines are written alike. A notebook is run whole; without Delta's jars, up to its write: the frame
it was about to write is the answer.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """A value as JSON that keeps its kind apart: decimals with their scale, floats to nine digits, structs as lists."""
    if isinstance(value, bool) or value is None or isinstance(value, (int, str)):
        return value
    if isinstance(value, float):
        return {"float": "NaN" if value != value else f"{value:.9g}"}
    if isinstance(value, Decimal):
        return {"decimal": format(value, "f")}
    if isinstance(value, (bytes, bytearray)):
        return {"binary": bytes(value).hex()}
    if isinstance(value, (datetime, date, timedelta)):
        return {type(value).__name__: str(value)}
    if isinstance(value, Mapping):
        return {"map": sorted(([plain(k), plain(v)] for k, v in value.items()), key=repr)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return {"other": f"{type(value).__name__}: {value!r}"}


def plain_rows(rows: Iterable[Any]) -> list[Any]:
    """Rows as sorted lists of plain values."""
    return sorted(([plain(value) for value in row] for row in rows), key=repr)


class _Exit(Exception):
    pass


class _Stopped(Exception):
    pass


class _Dbutils:
    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters, self._defaults = dict(parameters), {}
        self.widgets = self.notebook = self

    def text(self, name: str, default: str) -> None:
        self._defaults[name] = default

    def get(self, name: str) -> str:
        return self._parameters.get(name, self._defaults[name])

    def exit(self, text: str) -> None:
        raise _Exit(text)


def session(options: Mapping[str, Any]) -> Any:
    """One local session on two cores; small and quiet."""
    from pyspark.sql import SparkSession

    home = Path(options["home"])
    settings = {
        "spark.driver.memory": "2g",
        # the second compiler pays only after minutes; the tests are over by then
        "spark.driver.extraJavaOptions": f"-XX:TieredStopAtLevel=1 -Duser.timezone=UTC -Dderby.system.home={home}",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(home / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
    }
    if options["delta"]:
        settings |= {
            "spark.jars.packages": options["delta"],
            "spark.jars.ivy": options["ivy"],
            "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
            "spark.sql.sources.default": "delta",
            "spark.databricks.delta.snapshotPartitions": "1",
        }
    settings |= options["settings"]
    builder = SparkSession.builder.master("local[2]").appName("tests")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def answer_of(frame: Any, rows: bool = True) -> dict[str, Any]:
    """Column names and types of a frame, and its rows unless only the types were asked for."""
    made: dict[str, Any] = {"columns": [list(pair) for pair in frame.dtypes]}
    if rows:
        made["rows"] = plain_rows(frame.collect())
    return made


def run_notebook(spark: Any, job: Mapping[str, Any]) -> dict[str, Any]:
    """Run a notebook's code; with `dry`, stop where it would write its target."""
    from pyspark.sql.readwriter import DataFrameWriter

    space = {"spark": spark, "dbutils": _Dbutils(job["parameters"]), "__name__": "notebook"}
    made: dict[str, Any] = {"report": None, "kept": {}}
    save = DataFrameWriter.saveAsTable

    def caught(writer: Any, name: str, *_: Any, **__: Any) -> Any:
        if name == job["parameters"]["target"]:
            raise _Stopped
        if "_pipeline_magic_staging" in name:  # what the notebook reads again
            return writer._df.createOrReplaceTempView(name)
        made["kept"][name] = answer_of(writer._df)

    if job["dry"]:
        DataFrameWriter.saveAsTable = caught
    try:
        exec(compile(job["source"], "notebook", "exec"), space)
        raise AssertionError("the notebook ended without a report")
    except _Exit as end:
        made["report"] = json.loads(str(end))
    except _Stopped:
        made["written"] = answer_of(space.get("incoming", space["result"]))
        made["failing"] = space.get("failing", {})
    finally:
        DataFrameWriter.saveAsTable = save
    return made


def pair(spark: Any, job: Mapping[str, Any]) -> dict[str, Any]:
    """Columns and rows of a query, and those of a notebook's frame, over the same views; what failed says so."""
    try:
        for name, text in job["views"].items():
            spark.sql(text).createOrReplaceTempView(name)
        space = {"spark": spark, "dbutils": _Dbutils(job["parameters"]), "__name__": "notebook"}
        for source in job["cells"]:
            exec(compile(source, "notebook", "exec"), space)
        frame = space[job["frame"]].select(*("`" + name.replace("`", "``") + "`" for name in job["columns"]))
        return {"query": answer_of(spark.sql(job["sql"])), "cells": answer_of(frame)}
    except Exception as error:  # noqa: BLE001  (told to the test, whose business it is)
        return {"error": f"{type(error).__name__}: {error}"[:2000]}


def answer(spark: Any, job: Mapping[str, Any]) -> Any:
    """What a job asks for."""
    op = job["op"]
    if op == "hello":
        return {"version": spark.version}
    if op == "views":
        for name, text in job["sql"].items():
            spark.sql(text).createOrReplaceTempView(name)
        return None
    if op == "tables":
        for name, text in job["sql"].items():
            writer = spark.sql(text).coalesce(1).write.mode("overwrite").option("overwriteSchema", "true")
            writer.saveAsTable(name)
        return None
    if op == "types":
        return {name: answer_of(spark.sql(text), rows=False)["columns"] for name, text in job["sql"].items()}
    if op == "query":
        return answer_of(spark.sql(job["sql"]))
    if op == "pairs":
        return [pair(spark, one) for one in job["jobs"]]
    if op == "notebook":
        return run_notebook(spark, job)
    raise ValueError(f"no such job: {op}")


def main() -> None:
    """Answer until standard input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what Spark prints goes to the log, not between the answers
    spark = session(json.loads(sys.argv[1]))
    for line in sys.stdin:
        try:
            said = {"answer": answer(spark, json.loads(line))}
        except Exception as error:  # noqa: BLE001  (told to the test, whose business it is)
            said = {"error": f"{type(error).__name__}: {error}"[:2000]}
        out.write(json.dumps(said) + "\n")
        out.flush()
    spark.stop()


if __name__ == "__main__":
    main()
