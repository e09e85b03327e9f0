# Parameters
import json
from datetime import datetime, timezone

from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "dev.default.t_expect_fail_passes")
dbutils.widgets.text("source_orders", "dev.default.orders")

# The time of the run is a parameter, so that a repeated run sees the same time
run_time = dbutils.widgets.get("run_time") or datetime.now(timezone.utc).isoformat()
run_time = datetime.fromisoformat(run_time.replace("Z", "+00:00"))
run_time = run_time.replace(tzinfo=run_time.tzinfo or timezone.utc).astimezone(timezone.utc)
run_key = dbutils.widgets.get("run_key") or run_time.isoformat()
target = dbutils.widgets.get("target")
source_orders = dbutils.widgets.get("source_orders")

# Dates and times of day are taken in UTC
spark.conf.set("spark.sql.session.timeZone", "UTC")

# orders: Read dev.default.orders
orders = spark.read.table(source_orders).select("order_id", "customer_id", "price", "status")

# slim: Keep the columns order_id, customer_id, price and status
slim = orders.select("order_id", "customer_id", "price", "status")

# No silent loss: compare the columns with those of the table that is there
existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []
known = {name.lower(): kind for name, kind in slim.dtypes}
lost = [name for name, kind in existing if name.lower() not in known]
if lost:
    raise ValueError(f"{target} has columns that this run would lose: {', '.join(lost)}")

# Quality gate: measure every expectation, and stop before the write
failing = {}  # rows that fail, by expectation; None where it could not be checked
limits = {}  # how many may fail before the run stops

# orders
found = (
    orders
    .agg(
        F.count("*").alias("_rows"),
        F.expr("count_if(price < -10 OR price > 1000.5)").alias("check_range"),
    )
    .first()
    .asDict()
)
rows = found.pop("_rows")
failing |= found
limits["check_range"] = rows / 10

# The target
found = (
    slim
    .groupBy("order_id", "customer_id", "status")
    .agg(
        F.count("*").alias("_rows"),
        F.expr("count_if(order_id IS NULL)").alias("check_not_null"),
    )
    .agg(
        F.sum("_rows").alias("_rows"),
        F.sum("check_not_null").alias("check_not_null"),
        F.expr("count_if(_rows > 1)").alias("check_unique"),
    )
    .first()
)
failing["check_not_null"] = found["check_not_null"] or 0
failing["check_unique"] = found["check_unique"] or 0
rows = found["_rows"] or 0
failing["check_row_count"] = int(rows < 1)
limits["check_not_null"] = 0
limits["check_row_count"] = 0
limits["check_unique"] = rows / 2

broken = [name for name, limit in limits.items() if failing[name] is None or failing[name] > limit]
if broken:
    found = ", ".join(f"{name} ({failing[name]})" for name in broken)
    raise ValueError(f"Nothing was written to {target}: these expectations failed: {found}")

# Write slim to dev.default.t_expect_fail_passes, replacing all of its rows
result = slim

result.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(target)
written = spark.read.table(target).count()

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "expect_fail_passes",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": failing,
}
dbutils.notebook.exit(json.dumps(report))
