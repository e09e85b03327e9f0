# Parameters
import json
import os
from datetime import datetime, timezone

from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "dev.default.t_lakeflow_append")
dbutils.widgets.text("source_orders", "dev.default.orders")
dbutils.widgets.text("source_customers", "dev.default.customers")

# The time of the run is a parameter, so that a repeated run sees the same time
run_time = dbutils.widgets.get("run_time") or datetime.now(timezone.utc).isoformat()
run_time = datetime.fromisoformat(run_time.replace("Z", "+00:00"))
run_time = run_time.replace(tzinfo=run_time.tzinfo or timezone.utc).astimezone(timezone.utc)
run_key = dbutils.widgets.get("run_key") or run_time.isoformat()
target = dbutils.widgets.get("target")
source_orders = dbutils.widgets.get("source_orders")
source_customers = dbutils.widgets.get("source_customers")

# Rows that are read more than once are kept beside the target while the notebook runs
quote = "`" if target.endswith("`") else ""
staging = target.removesuffix(quote) + "_pipeline_magic_staging" + quote

# Dates and times of day are taken in UTC
spark.conf.set("spark.sql.session.timeZone", "UTC")

# orders: Read dev.default.orders
orders = spark.read.table(source_orders)

orders_unchecked = orders
# Leave out the rows that fail order_known
orders = orders.where("NOT coalesce(order_id IS NULL, FALSE)")

# customers: Read dev.default.customers
customers = spark.read.table(source_customers).select("id", "region")

# paid: Keep the rows of orders where price > 0
paid = orders.where("price > 0")

paid_unchecked = paid
# Leave out the rows that fail customer_known
paid = (
    paid
    .join(
        customers.select(F.col("id").alias("_parent_id")).distinct(),
        F.col("customer_id") == F.col("_parent_id"),
        "left",
    )
    .where("_parent_id IS NOT NULL OR customer_id IS NULL")
    .drop("_parent_id")
)

# with_region: Keep every row of paid and add what customers has for the same customer_id = id
with_region = paid.join(customers, F.col("customer_id") == F.col("id"), "left").drop("id")

# No silent loss: compare the columns with those of the table that is there
existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []
known = {name.lower(): kind for name, kind in with_region.dtypes} | {"_run_key": "string"}
lost = [name for name, kind in existing if name.lower() not in known]
if lost:
    raise ValueError(f"{target} has columns that this run would lose: {', '.join(lost)}")
held = {name.lower(): kind for name, kind in existing}
changed = [name for name, kind in known.items() if existing and held.get(name) != kind]
if changed:
    raise ValueError(f"{target} lacks these columns or has them in another type: {', '.join(changed)}")

# Staging: compute with_region once; what follows reads it from a table
with_region.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(staging)
with_region = spark.read.table(staging)

# Quality gate: measure every expectation, and stop before the write
failing = {}  # rows that fail, by expectation; None where it could not be checked

# orders
failing |= orders_unchecked.agg(F.expr("count_if(order_id IS NULL)").alias("order_known")).first().asDict()

# paid
failing["customer_known"] = (
    paid_unchecked
    .where("customer_id IS NOT NULL")
    .join(
        customers.select(F.col("id").alias("_parent_id")),
        F.col("customer_id") == F.col("_parent_id"),
        "left_anti",
    )
    .count()
)

# The target
found = (
    with_region
    .groupBy("order_id")
    .agg(
        F.count("*").alias("_rows"),
        F.expr("count_if(price > 1000)").alias("small"),
    )
    .agg(
        F.sum("small").alias("small"),
        F.expr("count_if(_rows > 1)").alias("once"),
    )
    .first()
)
failing["small"] = found["small"] or 0
failing["once"] = found["once"] or 0

# Write with_region to dev.default.t_lakeflow_append, adding to its rows; a repeated run adds nothing twice
result = (
    with_region
    .select(
        "order_id",
        "customer_id",
        "price",
        "quantity",
        "weight",
        "ordered",
        "at",
        "status",
        "tags",
        "detail",
        "region",
    )
    .withColumn("_run_key", F.lit(run_key))
)

written = 0
# A repeated run finds its own key and adds nothing
if not existing or spark.read.table(target).where(F.col("_run_key") == run_key).limit(1).isEmpty():
    writer = result.write.format("delta").mode("append")
    if "DATABRICKS_RUNTIME_VERSION" in os.environ:  # liquid clustering is a feature of Databricks
        writer = writer.clusterBy("region")
    writer.saveAsTable(target)
    written = result.count()
spark.sql(f"DROP TABLE IF EXISTS {staging}")

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "lakeflow_append",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": failing,
}
dbutils.notebook.exit(json.dumps(report))
