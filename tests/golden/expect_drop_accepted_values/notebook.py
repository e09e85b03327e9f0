# Parameters
import json
from datetime import datetime, timezone

from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "dev.default.t_expect_drop_accepted_values")
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

orders_unchecked = orders
# Leave out the rows that fail check_accepted_values
orders = orders.where("NOT coalesce(status NOT IN ('F', 'O'), FALSE)")

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

# orders
failing |= (
    orders_unchecked
    .agg(F.expr("count_if(status NOT IN ('F', 'O'))").alias("check_accepted_values"))
    .first()
    .asDict()
)

# Write slim to dev.default.t_expect_drop_accepted_values, replacing all of its rows
result = slim

result.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(target)
written = spark.read.table(target).count()

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "expect_drop_accepted_values",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": failing,
}
dbutils.notebook.exit(json.dumps(report))
