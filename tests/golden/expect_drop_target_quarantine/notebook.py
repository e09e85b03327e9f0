# Parameters
import json
from datetime import datetime, timezone

from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "dev.default.t_expect_drop_target_quarantine")
dbutils.widgets.text("source_orders", "dev.default.orders")
dbutils.widgets.text("quarantine_check_range", "dev.default.q_expect_drop_target_quarantine")
dbutils.widgets.text("quarantine_check_expression", "dev.default.q2_expect_drop_target_quarantine")

# The time of the run is a parameter, so that a repeated run sees the same time
run_time = dbutils.widgets.get("run_time") or datetime.now(timezone.utc).isoformat()
run_time = datetime.fromisoformat(run_time.replace("Z", "+00:00"))
run_time = run_time.replace(tzinfo=run_time.tzinfo or timezone.utc).astimezone(timezone.utc)
run_key = dbutils.widgets.get("run_key") or run_time.isoformat()
target = dbutils.widgets.get("target")
source_orders = dbutils.widgets.get("source_orders")
quarantine_check_range = dbutils.widgets.get("quarantine_check_range")
quarantine_check_expression = dbutils.widgets.get("quarantine_check_expression")

# Dates and times of day are taken in UTC
spark.conf.set("spark.sql.session.timeZone", "UTC")

# orders: Read dev.default.orders
orders = spark.read.table(source_orders)

orders_unchecked = orders
# Leave out the rows that fail check_expression
orders = orders.where("NOT coalesce(NOT coalesce(status IS NOT NULL, FALSE), FALSE)")

# slim: Keep the columns order_id, customer_id, price and status
slim = orders.select("order_id", "customer_id", "price", "status")

slim_unchecked = slim
# Leave out the rows that fail check_range
slim = slim.where("NOT coalesce(price < 0, FALSE)")

# No silent loss: compare the columns with those of the table that is there
existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []
known = {name.lower(): kind for name, kind in slim.dtypes}
lost = [name for name, kind in existing if name.lower() not in known]
if lost:
    raise ValueError(f"{target} has columns that this run would lose: {', '.join(lost)}")

# Quality gate: measure every expectation, and stop before the write
failing = {}  # rows that fail, by expectation; None where it could not be checked

# orders
failing |= (
    orders_unchecked
    .agg(F.expr("count_if(NOT coalesce(status IS NOT NULL, FALSE))").alias("check_expression"))
    .first()
    .asDict()
)

# The target
failing |= slim_unchecked.agg(F.expr("count_if(price < 0)").alias("check_range")).first().asDict()

# Quarantine: keep the rows that were left out
def keep(rows, expectation, table):
    """Append rows to a quarantine table, marked by expectation and run; a repeated run keeps nothing twice."""
    if spark.catalog.tableExists(table):
        mine = (F.col("_expectation") == expectation) & (F.col("_run_key") == run_key)
        if not spark.read.table(table).where(mine).limit(1).isEmpty():
            return
    marks = {
        "_expectation": F.lit(expectation),
        "_run_key": F.lit(run_key),
        "_run_time": F.lit(run_time.isoformat()),
    }
    rows.withColumns(marks).write.format("delta").mode("append").saveAsTable(table)


keep(slim_unchecked.where("price < 0"), "check_range", quarantine_check_range)
rows = orders_unchecked.where("NOT coalesce(status IS NOT NULL, FALSE)")
keep(rows, "check_expression", quarantine_check_expression)

# Write slim to dev.default.t_expect_drop_target_quarantine, replacing all of its rows
result = slim

result.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(target)
written = spark.read.table(target).count()

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "expect_drop_target_quarantine",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": failing,
}
dbutils.notebook.exit(json.dumps(report))
