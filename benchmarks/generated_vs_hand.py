"""How fast the generated notebook is against the best PySpark a person would write for the same job.

    python benchmarks/generated_vs_hand.py [--quick] [--engine sail|spark] [--pairs N] [--only NAME]

Six pipelines over TPC-H tables at scale 1 (`--quick`: 0.05), typed and compiled as they are for a user, with the
automatic expectations. Each stands beside a function written by hand that does the same job and no less: it measures
the same expectations before anything is written, stops where a `fail` one is broken, refuses to lose a column of the
table that is there, writes the same table in the same mode (append: once a run key), and counts what it wrote. It may
do so as an expert would: prune, ask one query for several checks, keep a result that is dear in a staging table rather
than compute it again, look for one row where only emptiness matters. Both know that o_orderkey is unique: the catalog
declares it.

Both run in one session of one engine, in turn (generated, hand, generated, hand, ...). First both run once, and their
tables must hold the same rows. `ratio` is the median over the pairs of generated / hand in wall time; `cpu_ratio` the
same in CPU seconds of the engine's processes, which other work on the machine disturbs less. Sail is the default;
`--engine spark` is Apache Spark with Delta, whose jars come from Maven Central. The tables are made once and kept in
`$XDG_CACHE_HOME` (or `~/.cache`) `/pipeline_magic/tpch-<scale>`. The last line is JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

from pipeline_magic.adapters.lakehouse import Lakehouse
from pipeline_magic.adapters.sample_data import ensure_samples
from pipeline_magic.adapters.samples import TPCH
from pipeline_magic.compiler.ipynb import python_source
from pipeline_magic.spec.automatic import automatic_expectations
from pipeline_magic.spec.model import PipelineSpec
from pipeline_magic.spec.typed import TypedSpec, type_spec
from tests.spark.worker import run_notebook
from tests.support.spark_environment import Worker, cache


def _join(name: str, left: str, right: str, *keys: tuple[str, str], **more: Any) -> dict[str, Any]:
    pairs = [{"left": one, "right": two} for one, two in keys]
    return {"id": name, "kind": "join", "left": left, "right": right, "keys": pairs, **more}


def _measures(**named: str) -> list[dict[str, str]]:
    return [{"name": name, "expression": text} for name, text in named.items()]


SPECS: dict[str, dict[str, Any]] = {
    "pricing_summary": {
        "sources": [
            {"alias": "lineitem", "table": "samples.tpch.lineitem", "filter": "l_shipdate <= date '1998-09-02'"}
        ],
        "steps": [
            {
                "id": "priced",
                "kind": "derive",
                "input": "lineitem",
                "columns": _measures(
                    disc_price="l_extendedprice * (1 - l_discount)",
                    charge="l_extendedprice * (1 - l_discount) * (1 + l_tax)",
                ),
            },
            {
                "id": "summary",
                "kind": "aggregate",
                "input": "priced",
                "group_by": ["l_returnflag", "l_linestatus"],
                "measures": _measures(
                    sum_qty="sum(l_quantity)",
                    sum_base_price="sum(l_extendedprice)",
                    sum_disc_price="sum(disc_price)",
                    sum_charge="sum(charge)",
                    avg_qty="avg(l_quantity)",
                    avg_price="avg(l_extendedprice)",
                    orders="count(*)",
                ),
            },
        ],
        "target": {"input": "summary", "mode": "overwrite"},
    },
    "customer_revenue": {
        "sources": [
            {"alias": "customer", "table": "samples.tpch.customer"},
            {"alias": "orders", "table": "samples.tpch.orders"},
        ],
        "steps": [
            _join("join_orders", "customer", "orders", ("c_custkey", "o_custkey"), how="left"),
            {
                "id": "revenue",
                "kind": "aggregate",
                "input": "join_orders",
                "group_by": ["c_custkey", "c_name", "c_mktsegment"],
                "measures": _measures(
                    revenue="sum(o_totalprice)",
                    order_count="count(o_orderkey)",
                    average_order_value="avg(o_totalprice)",
                ),
            },
            {
                "id": "segment",
                "kind": "segment",
                "input": "revenue",
                "column": "segment",
                "by": "revenue",
                "rules": [{"label": "high value", "top": 0.2}],
                "otherwise": "standard",
            },
        ],
        "target": {"input": "segment", "mode": "overwrite"},
    },
    "nation_revenue": {
        "sources": [
            {"alias": "region", "table": "samples.tpch.region", "filter": "r_name = 'ASIA'"},
            {"alias": "nation", "table": "samples.tpch.nation"},
            {"alias": "customer", "table": "samples.tpch.customer"},
            {
                "alias": "orders",
                "table": "samples.tpch.orders",
                "filter": "o_orderdate >= date '1994-01-01' and o_orderdate < date '1995-01-01'",
            },
            {"alias": "lineitem", "table": "samples.tpch.lineitem"},
            {"alias": "supplier", "table": "samples.tpch.supplier"},
        ],
        "steps": [
            _join("nations", "nation", "region", ("n_regionkey", "r_regionkey")),
            _join("customers", "customer", "nations", ("c_nationkey", "n_nationkey")),
            _join("placed", "orders", "customers", ("o_custkey", "c_custkey")),
            _join("bought", "lineitem", "placed", ("l_orderkey", "o_orderkey")),
            _join("sold", "bought", "supplier", ("l_suppkey", "s_suppkey"), ("c_nationkey", "s_nationkey")),
            {
                "id": "revenue",
                "kind": "aggregate",
                "input": "sold",
                "group_by": ["n_name"],
                "measures": _measures(revenue="sum(l_extendedprice * (1 - l_discount))"),
            },
        ],
        "target": {"input": "revenue", "mode": "overwrite"},
    },
    "late_orders": {
        "sources": [
            {
                "alias": "orders",
                "table": "samples.tpch.orders",
                "filter": "o_orderdate >= date '1993-07-01' and o_orderdate < date '1993-10-01'",
            },
            {"alias": "lineitem", "table": "samples.tpch.lineitem", "filter": "l_commitdate < l_receiptdate"},
        ],
        "steps": [
            _join("late", "orders", "lineitem", ("o_orderkey", "l_orderkey"), how="semi"),
            {
                "id": "by_priority",
                "kind": "aggregate",
                "input": "late",
                "group_by": ["o_orderpriority"],
                "measures": _measures(order_count="count(*)"),
            },
        ],
        "target": {"input": "by_priority", "mode": "overwrite"},
    },
    "latest_order": {
        "sources": [
            {"alias": "orders", "table": "samples.tpch.orders"},
            {"alias": "customer", "table": "samples.tpch.customer"},
        ],
        "steps": [
            {
                "id": "latest",
                "kind": "deduplicate",
                "input": "orders",
                "keys": ["o_custkey"],
                "order_by": [
                    {"column": "o_orderdate", "descending": True},
                    {"column": "o_orderkey", "descending": True},
                ],
            },
            _join("named", "latest", "customer", ("o_custkey", "c_custkey"), columns=["c_name", "c_mktsegment"]),
            {
                "id": "slim",
                "kind": "select",
                "input": "named",
                "columns": ["o_custkey", "c_name", "c_mktsegment", "o_orderkey", "o_orderdate", "o_totalprice"],
            },
        ],
        "target": {"input": "slim", "mode": "merge", "keys": ["o_custkey"]},
    },
    "returned_items": {
        "sources": [
            {"alias": "lineitem", "table": "samples.tpch.lineitem", "filter": "l_returnflag = 'R'"},
            {"alias": "part", "table": "samples.tpch.part"},
        ],
        "steps": [
            _join("with_parts", "lineitem", "part", ("l_partkey", "p_partkey"), columns=["p_brand", "p_type"]),
            {
                "id": "net",
                "kind": "derive",
                "input": "with_parts",
                "columns": _measures(net_price="l_extendedprice * (1 - l_discount)"),
            },
            {
                "id": "slim",
                "kind": "select",
                "input": "net",
                "columns": ["l_orderkey", "l_linenumber", "p_brand", "p_type", "l_quantity", "net_price"],
            },
        ],
        "expectations": [
            {
                "id": "sane_quantity",
                "kind": "range",
                "on": "lineitem",
                "column": "l_quantity",
                "minimum": 1,
                "maximum": 50,
                "action": "drop",
            }
        ],
        "target": {"input": "slim", "mode": "append"},
    },
}


KEYS = {"samples.tpch.orders": (("o_orderkey",),)}
"""Declared keys: what the job written by hand knows of the data, the compiler is told by the catalog."""


# --- by hand -----------------------------------------------------------------------------------------------------
# This part is sent to the engine's process as text, so it names nothing but itself, PySpark and the standard library.


class Job:
    """What the jobs written by hand share."""

    def __init__(self, spark: Any, dbutils: Any, tables: dict[str, str]) -> None:
        self.spark, self.dbutils, self.tables = spark, dbutils, tables
        for name in ("target", "run_time", "run_key"):
            dbutils.widgets.text(name, "")
        self.target, self.run_key = dbutils.widgets.get("target"), dbutils.widgets.get("run_key")
        self.run_time = dbutils.widgets.get("run_time")
        spark.conf.set("spark.sql.session.timeZone", "UTC")

    def read(self, alias: str) -> Any:
        """A source."""
        return self.spark.read.table(self.tables[alias])

    def fresh(self) -> dict[str, int | None]:
        """Whether the last commit of each source is over a week old."""
        return {f"{name}_fresh": self._too_old(table) for name, table in self.tables.items()}

    def _too_old(self, table: str) -> int | None:
        from datetime import datetime

        from pyspark.errors import PySparkException
        from pyspark.sql import functions as F

        try:
            history = self.spark.sql(f"DESCRIBE HISTORY {table} LIMIT 1")
            last = history.select(F.unix_timestamp("timestamp")).first()[0]
        except PySparkException:
            return None
        return int((datetime.fromisoformat(self.run_time).timestamp() - last) / 3600 > 168)

    def missing(self, *frames: tuple[Any, ...]) -> dict[str, Any]:
        """NULLs in the given columns of several frames, asked in one query."""
        from pyspark.sql import functions as F

        made: Any = None
        for frame, *names in frames:
            one = frame.agg(*(F.expr(f"count_if({name} IS NULL)").alias(name) for name in names))
            made = one if made is None else made.crossJoin(one)
        return dict(made.first().asDict())

    def staged(self, frame: Any) -> Any:
        """The frame, computed once."""
        name = f"{self.target}_staging"
        frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(name)
        return self.spark.read.table(name)

    def keys(self, frame: Any, *keys: str) -> tuple[int, int]:
        """Rows, and failing rows or keys: with a NULL in the key, or with a key that occurs more than once."""
        from pyspark.sql import functions as F

        lacking = " OR ".join(f"{key} IS NULL" for key in keys)
        by_key = frame.groupBy(*keys).agg(F.count("*").alias("n"), F.expr(f"count_if({lacking})").alias("lacking"))
        found = by_key.agg(F.expr("sum(n)"), F.expr("sum(lacking)"), F.expr("count_if(n > 1)")).first()
        return found[0] or 0, (found[1] or 0) + found[2]

    def stop_unless(self, good: bool) -> None:
        """Nothing is written where a check that must hold does not."""
        if not good:
            raise ValueError(f"nothing was written to {self.target}")

    def held(self, frame: Any) -> bool:
        """Whether the target is there; one that would lose a column stops the job."""
        if not self.spark.catalog.tableExists(self.target):
            return False
        new = {name.lower() for name in frame.columns}
        lost = [name for name in self.spark.read.table(self.target).columns if name.lower() not in new]
        if lost:
            raise ValueError(f"{self.target} would lose {lost}")
        return True

    def overwrite(self, frame: Any) -> None:
        """Replace the target."""
        self.held(frame)
        frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(self.target)

    def done(self, rows: int, failing: dict[str, Any]) -> None:
        """Report."""
        import json

        self.dbutils.notebook.exit(json.dumps({"rows": rows, "failing": failing}))


def pricing_summary(job: Job) -> None:
    """Four rows out of six million: computed once, into staging."""
    from pyspark.sql import functions as F

    price = F.expr("l_extendedprice * (1 - l_discount)")
    summary = (
        job.read("lineitem")
        .where("l_shipdate <= DATE '1998-09-02'")
        .groupBy("l_returnflag", "l_linestatus")
        .agg(
            F.sum("l_quantity").alias("sum_qty"),
            F.sum("l_extendedprice").alias("sum_base_price"),
            F.sum(price).alias("sum_disc_price"),
            F.sum(price * F.expr("1 + l_tax")).alias("sum_charge"),
            F.avg("l_quantity").alias("avg_qty"),
            F.avg("l_extendedprice").alias("avg_price"),
            F.count("*").alias("orders"),
        )
    )
    failing = job.fresh()
    result = job.staged(summary)
    rows, bad = job.keys(result, "l_returnflag", "l_linestatus")
    job.stop_unless(rows > 0 and not bad)
    job.overwrite(result)
    job.done(rows, failing)


def customer_revenue(job: Job) -> None:
    """A row a customer: one row a key by its grouping, so that only NULLs are looked for, without the measures."""
    from pyspark.sql import functions as F

    customer = job.read("customer").select("c_custkey", "c_name", "c_mktsegment")
    orders = job.read("orders").select("o_custkey", "o_totalprice", "o_orderkey")
    failing = job.missing((customer, "c_custkey"), (orders, "o_custkey")) | job.fresh()
    revenue = (
        customer.join(orders, F.col("c_custkey") == F.col("o_custkey"), "left")
        .groupBy("c_custkey", "c_name", "c_mktsegment")
        .agg(
            F.sum("o_totalprice").alias("revenue"),
            F.count("o_orderkey").alias("order_count"),
            F.avg("o_totalprice").alias("average_order_value"),
        )
    )
    top = "revenue IS NOT NULL AND percent_rank() OVER (ORDER BY revenue DESC NULLS LAST) < 0.2"
    label = F.expr(f"CASE WHEN {top} THEN 'high value' ELSE 'standard' END")
    keys = ("c_custkey", "c_name", "c_mktsegment")
    lacking = " OR ".join(f"{key} IS NULL" for key in keys)
    rows, bad = revenue.select(*keys).agg(F.count("*"), F.expr(f"count_if({lacking})")).first()
    job.stop_unless(rows > 0 and not bad)
    job.overwrite(revenue.withColumn("segment", label))
    job.done(rows, failing)


def nation_revenue(job: Job) -> None:
    """Small tables first; the checks of six sources in one query."""
    from pyspark.sql import functions as F

    region = job.read("region").where("r_name = 'ASIA'").select("r_regionkey")
    nation = job.read("nation").select("n_nationkey", "n_name", "n_regionkey")
    customer = job.read("customer").select("c_custkey", "c_nationkey")
    year = "o_orderdate >= DATE '1994-01-01' AND o_orderdate < DATE '1995-01-01'"
    orders = job.read("orders").where(year).select("o_orderkey", "o_custkey")
    wanted = ("l_orderkey", "l_suppkey", "l_extendedprice", "l_discount")
    lineitem = job.read("lineitem").select(*wanted)
    supplier = job.read("supplier").select("s_suppkey", "s_nationkey")
    failing = (
        job.missing(
            (region, "r_regionkey"),
            (nation, "n_nationkey", "n_regionkey"),
            (customer, "c_custkey", "c_nationkey"),
            (orders, "o_orderkey", "o_custkey"),
            (lineitem, "l_orderkey", "l_suppkey"),
            (supplier, "s_suppkey", "s_nationkey"),
        )
        | job.fresh()
    )
    nations = nation.join(region, F.col("n_regionkey") == F.col("r_regionkey")).select("n_nationkey", "n_name")
    customers = customer.join(nations, F.col("c_nationkey") == F.col("n_nationkey")).drop("n_nationkey")
    placed = orders.join(customers, F.col("o_custkey") == F.col("c_custkey")).drop("o_custkey", "c_custkey")
    bought = lineitem.join(placed, F.col("l_orderkey") == F.col("o_orderkey")).drop("l_orderkey", "o_orderkey")
    same = (F.col("l_suppkey") == F.col("s_suppkey")) & (F.col("c_nationkey") == F.col("s_nationkey"))
    price = F.expr("l_extendedprice * (1 - l_discount)")
    result = job.staged(bought.join(supplier, same).groupBy("n_name").agg(F.sum(price).alias("revenue")))
    rows, bad = job.keys(result, "n_name")
    job.stop_unless(rows > 0 and not bad)
    job.overwrite(result)
    job.done(rows, failing)


def late_orders(job: Job) -> None:
    """A semi join of a quarter's orders."""
    from pyspark.sql import functions as F

    quarter = "o_orderdate >= DATE '1993-07-01' AND o_orderdate < DATE '1993-10-01'"
    orders = job.read("orders").where(quarter).select("o_orderkey", "o_orderpriority")
    lineitem = job.read("lineitem").where("l_commitdate < l_receiptdate").select("l_orderkey")
    failing = job.missing((orders, "o_orderkey"), (lineitem, "l_orderkey")) | job.fresh()
    late = orders.join(lineitem, F.col("o_orderkey") == F.col("l_orderkey"), "left_semi")
    result = job.staged(late.groupBy("o_orderpriority").agg(F.count("*").alias("order_count")))
    rows, bad = job.keys(result, "o_orderpriority")
    job.stop_unless(rows > 0 and not bad)
    job.overwrite(result)
    job.done(rows, failing)


def latest_order(job: Job) -> None:
    """The newest order of each customer, ordered by two columns; counted, checked and merged from staging."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    orders = job.read("orders").select("o_custkey", "o_orderdate", "o_orderkey", "o_totalprice")
    customer = job.read("customer").select("c_custkey", "c_name", "c_mktsegment")
    failing = job.missing((orders, "o_custkey"), (customer, "c_custkey")) | job.fresh()
    newest = Window.partitionBy("o_custkey").orderBy(F.col("o_orderdate").desc(), F.col("o_orderkey").desc())
    latest = orders.withColumn("_row", F.row_number().over(newest)).where("_row = 1").drop("_row")
    named = latest.join(customer, F.col("o_custkey") == F.col("c_custkey"))
    wanted = ("o_custkey", "c_name", "c_mktsegment", "o_orderkey", "o_orderdate", "o_totalprice")
    result = job.staged(named.select(*wanted))
    rows, bad = job.keys(result, "o_custkey")
    failing["target_rows"] = int(not rows)
    job.stop_unless(not bad)
    if not job.held(result):
        result.limit(0).write.format("delta").saveAsTable(job.target)
    job.spark.sql(
        f"MERGE INTO {job.target} AS held USING {job.target}_staging AS new ON held.o_custkey = new.o_custkey "
        "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    )
    job.done(rows, failing)


def returned_items(job: Job) -> None:
    """A million and a half rows, row by row: staging would cost more than looking for one row."""
    from pyspark.sql import functions as F

    wanted = ("l_orderkey", "l_partkey", "l_linenumber", "l_quantity", "l_extendedprice", "l_discount")
    lineitem = job.read("lineitem").where("l_returnflag = 'R'").select(*wanted)
    part = job.read("part").select("p_partkey", "p_brand", "p_type")
    wrong = "l_quantity < 1 OR l_quantity > 50"
    checks = lineitem.agg(
        F.expr(f"count_if({wrong})").alias("sane_quantity"), F.expr("count_if(l_partkey IS NULL)").alias("l_partkey")
    )
    failing = checks.crossJoin(part.agg(F.expr("count_if(p_partkey IS NULL)").alias("p_partkey"))).first().asDict()
    failing |= job.fresh()
    result = (
        lineitem.where(f"NOT coalesce({wrong}, FALSE)")
        .join(part, F.col("l_partkey") == F.col("p_partkey"))
        .withColumn("net_price", F.expr("l_extendedprice * (1 - l_discount)"))
        .select("l_orderkey", "l_linenumber", "p_brand", "p_type", "l_quantity", "net_price")
        .withColumn("_run_key", F.lit(job.run_key))
    )
    failing["target_rows"] = int(result.limit(1).isEmpty())
    mine = F.col("_run_key") == job.run_key
    rows = 0
    if not job.held(result) or job.spark.read.table(job.target).where(mine).limit(1).isEmpty():
        result.write.format("delta").mode("append").saveAsTable(job.target)
        rows = job.spark.read.table(job.target).where(mine).count()
    job.done(rows, failing)


BY_HAND: dict[str, Callable[[Job], None]] = {
    made.__name__: made
    for made in (pricing_summary, customer_revenue, nation_revenue, late_orders, latest_order, returned_items)
}


# --- engines -----------------------------------------------------------------------------------------------------

CATALOGS = '[{name="samples",type="memory",initial_database=["_"]},{name="bench",type="memory",initial_database=["_"]}]'


SERVER = """
import pathlib, sys, time
from pysail.spark import SparkConnectServer
server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
pathlib.Path(sys.argv[1]).write_text(str(server.listening_address[1]))
time.sleep(1e6)
"""


class Sail:
    """A Sail server of its own, and a session on it."""

    source, target = "samples.tpch", "bench.made"

    def __init__(self, folder: Path) -> None:
        from pipeline_magic.adapters.sail_session import connect
        from pipeline_magic.adapters.scrub import scrubbed_environment

        environment = {**scrubbed_environment(), "SAIL_CATALOG__LIST": CATALOGS}
        environment |= {"SAIL_CATALOG__DEFAULT_CATALOG": "bench", "SAIL_CATALOG__DEFAULT_DATABASE": '["_"]'}
        ready = folder / "port"
        with (folder / "sail.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVER, str(ready)], env=environment, stdout=log, stderr=log, cwd=folder
            )
        until = time.monotonic() + 60
        while not (ready.exists() and ready.read_text()):
            if self._process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"Sail did not start: {(folder / 'sail.log').read_text()[-2000:]}")
            time.sleep(0.05)
        self.session = connect(f"sc://127.0.0.1:{ready.read_text()}")
        self.pid = self._process.pid
        self.folder = folder

    def sql(self, text: str) -> list[Any]:
        """The rows of a statement."""
        return [tuple(row) for row in self.session.sql(text).collect()]

    def run(self, source: str, parameters: dict[str, str]) -> dict[str, Any]:
        """The report of a notebook."""
        found = run_notebook(self.session, {"source": source, "parameters": parameters, "dry": False})
        return dict(found["report"])

    def close(self) -> None:
        """End the server."""
        self.session.stop()
        self._process.terminate()
        self._process.wait(timeout=30)


class Spark:
    """Apache Spark with Delta in a process of its own, as it is when nobody tunes it for tests."""

    source, target = "spark_catalog.tpch", "spark_catalog.made"

    def __init__(self, folder: Path) -> None:
        java = f"-Duser.timezone=UTC -Dderby.system.home={folder}"
        settings = {"spark.driver.extraJavaOptions": java, "spark.sql.shuffle.partitions": "2"}
        self._worker = Worker(folder, delta=True, settings=settings)
        self.pid = self._worker.pid
        self.folder = folder

    def sql(self, text: str) -> list[Any]:
        """The rows of a statement."""
        return list(self._worker.ask("query", sql=text)["rows"])

    def run(self, source: str, parameters: dict[str, str]) -> dict[str, Any]:
        """The report of a notebook."""
        found = self._worker.ask("notebook", source=source, parameters=parameters, dry=False)
        return dict(found["report"])

    def close(self) -> None:
        """End the process."""
        self._worker.close()


Engine = Sail | Spark


@contextlib.contextmanager
def engine_on(kind: type[Engine], lakehouse: Lakehouse) -> Iterator[Engine]:
    """The engine, with the TPC-H tables in it and an empty schema for what is made."""
    with tempfile.TemporaryDirectory() as folder:
        engine = kind(Path(folder))
        try:
            made = Path(folder) / "made"
            engine.sql(f"CREATE DATABASE IF NOT EXISTS {engine.source} LOCATION '{lakehouse.root}/samples/tpch'")
            engine.sql(f"CREATE DATABASE IF NOT EXISTS {engine.target} LOCATION '{made}'")
            for schema in TPCH:
                name = schema.table.rsplit(".", 1)[1]
                where = lakehouse.folder(schema.table)
                engine.sql(f"CREATE TABLE IF NOT EXISTS {engine.source}.{name} USING delta LOCATION '{where}'")
            yield engine
        finally:
            engine.close()


def cpu_of(pid: int) -> float:
    """CPU seconds that a process and those it started have used so far."""
    root = psutil.Process(pid)
    times = [one.cpu_times() for one in (root, *root.children(recursive=True))]
    return sum(one.user + one.system for one in times)


# --- the comparison ----------------------------------------------------------------------------------------------


def compiled(name: str) -> TypedSpec:
    """The pipeline of that name as a user gets it: typed, with its automatic expectations."""
    by_name = {schema.table: schema.model_copy(update={"unique_keys": KEYS.get(schema.table, ())}) for schema in TPCH}
    document = SPECS[name]
    target = {"table": f"bench.made.{name}", **document["target"]}
    spec = PipelineSpec.model_validate({"name": name, **document, "target": target})
    tables = {source.alias: by_name[source.table] for source in spec.sources}
    typed = type_spec(spec, tables)
    expectations = (*spec.expectations, *automatic_expectations(typed))
    return type_spec(spec.model_copy(update={"expectations": expectations}), tables)


def both_sources(name: str, typed: TypedSpec, engine: Engine) -> dict[str, str]:
    """The generated notebook's code and the hand-written one's."""
    tables = {s.alias: f"{engine.source}.{s.table.rsplit('.', 1)[1]}" for s in typed.spec.sources}
    written = "\n\n".join(inspect.getsource(made) for made in (Job, BY_HAND[name]))
    call = f"{name}(Job(spark, dbutils, {tables!r}))"
    hand = f"from __future__ import annotations\nfrom typing import Any\n\n{written}\n\n{call}\n"
    return {"generated": python_source(typed), "hand": hand}


def compare(name: str, engine: Engine, pairs: int) -> dict[str, Any]:
    """Run both in turn; the figures of one pipeline.

    Raises:
        SystemExit: The two tables do not hold the same rows.
    """
    typed = compiled(name)
    sources = both_sources(name, typed, engine)
    widgets = {f"source_{s.alias}": f"{engine.source}.{s.table.rsplit('.', 1)[1]}" for s in typed.spec.sources}
    times: dict[str, list[tuple[float, float]]] = {"generated": [], "hand": []}
    for turn in range(pairs + 1):
        for kind, source in sources.items():
            target = f"{engine.target}.{name}_{kind}"
            parameters = {
                "run_time": "2026-01-01T00:00:00+00:00",
                "run_key": f"run-{turn}",
                "target": target,
                **widgets,
            }
            cpu, wall = cpu_of(engine.pid), time.perf_counter()
            engine.run(source, parameters)
            times[kind].append((time.perf_counter() - wall, cpu_of(engine.pid) - cpu))
        if turn == 0:
            same_rows(name, engine)
    return figures(times)


def same_rows(name: str, engine: Engine) -> None:
    """Stop unless both tables hold the same rows."""
    one, two = (f"{engine.target}.{name}_{kind}" for kind in ("generated", "hand"))
    [(rows,)] = engine.sql(f"SELECT count(*) FROM {one}")
    for left, right in ((one, two), (two, one)):
        [(differing,)] = engine.sql(
            f"SELECT count(*) FROM (SELECT * FROM {left} EXCEPT ALL SELECT * FROM {right}) AS differing"
        )
        if differing or not rows:
            raise SystemExit(f"{name}: {differing} of the {rows} rows of {left} are not in {right}")


def figures(times: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    """Medians over the pairs; the first pair warmed the engine and is not counted."""
    pairs = list(zip(times["generated"][1:], times["hand"][1:], strict=True))
    made: dict[str, Any] = {"ratio": statistics.median(one[0] / two[0] for one, two in pairs)}
    made["cpu_ratio"] = statistics.median(one[1] / max(two[1], 0.001) for one, two in pairs)
    for at, kind in enumerate(("generated", "hand")):
        made[f"{kind}_s"] = round(statistics.median(pair[at][0] for pair in pairs), 4)
        made[f"{kind}_cpu_s"] = round(statistics.median(pair[at][1] for pair in pairs), 3)
    return {name: round(value, 4) for name, value in made.items()}


def main() -> None:
    """Print a table, the last line as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="scale 0.05 instead of 1, three pairs instead of seven")
    parser.add_argument("--engine", choices=("sail", "spark"), default="sail")
    parser.add_argument("--pairs", type=int, help="counted pairs of runs a pipeline")
    parser.add_argument("--only", choices=sorted(SPECS), action="append", help="only this pipeline; may be repeated")
    asked = parser.parse_args()
    os.environ["TZ"] = "UTC"
    time.tzset()
    scale = 0.05 if asked.quick else 1.0
    lakehouse = Lakehouse(cache() / f"tpch-{scale:g}", sample_scale=scale)
    ensure_samples(lakehouse, print)
    found: dict[str, dict[str, Any]] = {}
    print(f"{'':<18}{'ratio':>8}{'cpu':>8}{'generated':>12}{'hand':>10}{'  (CPU s)'}")
    with engine_on(Sail if asked.engine == "sail" else Spark, lakehouse) as engine:
        for name in asked.only or SPECS:
            one = found[name] = compare(name, engine, asked.pairs or (3 if asked.quick else 7))
            ratios = f"{one['ratio']:>8.3f}{one['cpu_ratio']:>8.3f}"
            wall = f"{one['generated_s']:>10.3f} s{one['hand_s']:>8.3f} s"
            print(f"{name:<18}{ratios}{wall}  ({one['generated_cpu_s']:.2f}, {one['hand_cpu_s']:.2f})", flush=True)
    of = {key: [one[key] for one in found.values()] for key in ("ratio", "cpu_ratio")}
    print(
        json.dumps(
            {
                "ratio_median": round(statistics.median(of["ratio"]), 4),
                "ratio_max": max(of["ratio"]),
                "cpu_ratio_median": round(statistics.median(of["cpu_ratio"]), 4),
                "cpu_ratio_max": max(of["cpu_ratio"]),
                "engine": asked.engine,
                "scale": scale,
                "pipelines": found,
            }
        )
    )


if __name__ == "__main__":
    main()
