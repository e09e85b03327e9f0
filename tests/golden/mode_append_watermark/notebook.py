# Parameters
import json
from datetime import datetime, timezone

from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "dev.default.t_mode_append_watermark")
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

# orders: Read dev.default.orders, only rows past the highest at of the last run
orders = spark.read.table(source_orders)
# Rows whose at is NULL are never read: nothing says whether a run has seen them
newest_orders = orders.agg(F.max("at").cast("string")).first()[0]
seen_orders = None
if spark.catalog.tableExists(target):
    seen_orders = spark.read.table(target).agg(F.max("_watermark_orders").cast("string")).first()[0]
orders = orders.where(F.col("at") <= F.lit(newest_orders).cast("timestamp"))
if seen_orders is not None:
    orders = orders.where(F.col("at") > F.lit(seen_orders).cast("timestamp"))
orders = orders.select("order_id", "price")

# slim: Keep the columns order_id and price
slim = orders.select("order_id", "price")

# No silent loss: compare the columns with those of the table that is there
existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []
known = {name.lower(): kind for name, kind in slim.dtypes} | {"_run_key": "string", "_watermark_orders": "timestamp"}
lost = [name for name, kind in existing if name.lower() not in known]
if lost:
    raise ValueError(f"{target} has columns that this run would lose: {', '.join(lost)}")
held = {name.lower(): kind for name, kind in existing}
changed = [name for name, kind in known.items() if existing and held.get(name) != kind]
if changed:
    raise ValueError(f"{target} lacks these columns or has them in another type: {', '.join(changed)}")

# Write slim to dev.default.t_mode_append_watermark, adding to its rows; a repeated run adds nothing twice
result = (
    slim
    .withColumn("_run_key", F.lit(run_key))
    .withColumn("_watermark_orders", F.lit(newest_orders).cast("timestamp"))
)

written = 0
# A repeated run finds its own key and adds nothing
if not existing or spark.read.table(target).where(F.col("_run_key") == run_key).limit(1).isEmpty():
    result.write.format("delta").mode("append").saveAsTable(target)
    written = spark.read.table(target).where(F.col("_run_key") == run_key).count()

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "mode_append_watermark",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": {},
}
dbutils.notebook.exit(json.dumps(report))
