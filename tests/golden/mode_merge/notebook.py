# Parameters
import json
from datetime import datetime, timezone

from pyspark.sql import Window
from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "dev.default.t_mode_merge")
dbutils.widgets.text("source_orders", "dev.default.orders")

# The time of the run is a parameter, so that a repeated run sees the same time
run_time = dbutils.widgets.get("run_time") or datetime.now(timezone.utc).isoformat()
run_time = datetime.fromisoformat(run_time.replace("Z", "+00:00"))
run_time = run_time.replace(tzinfo=run_time.tzinfo or timezone.utc).astimezone(timezone.utc)
run_key = dbutils.widgets.get("run_key") or run_time.isoformat()
target = dbutils.widgets.get("target")
source_orders = dbutils.widgets.get("source_orders")

# Rows that are read more than once are kept beside the target while the notebook runs
quote = "`" if target.endswith("`") else ""
staging = target.removesuffix(quote) + "_pipeline_magic_staging" + quote

# Dates and times of day are taken in UTC
spark.conf.set("spark.sql.session.timeZone", "UTC")

# orders: Read dev.default.orders
orders = spark.read.table(source_orders)

# latest: Keep one row for each order_id
latest_window = Window.partitionBy("order_id").orderBy(
    F.col("customer_id").asc_nulls_last(),
    F.col("price").asc_nulls_last(),
    F.col("quantity").asc_nulls_last(),
    F.col("weight").asc_nulls_last(),
    F.col("ordered").asc_nulls_last(),
    F.col("at").asc_nulls_last(),
    F.col("status").asc_nulls_last(),
    F.col("tags").asc_nulls_last(),
    F.col("detail").asc_nulls_last(),
)
latest = orders.withColumn("_row", F.row_number().over(latest_window)).where("_row = 1").drop("_row")

# slim: Keep the columns order_id, price and status
slim = latest.select("order_id", "price", "status")

# No silent loss: compare the columns with those of the table that is there
existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []
known = {name.lower(): kind for name, kind in slim.dtypes}
lost = [name for name, kind in existing if name.lower() not in known]
if lost:
    raise ValueError(f"{target} has columns that this run would lose: {', '.join(lost)}")
held = {name.lower(): kind for name, kind in existing}
changed = [name for name, kind in known.items() if existing and held.get(name) != kind]
if changed:
    raise ValueError(f"{target} lacks these columns or has them in another type: {', '.join(changed)}")

# Staging: compute slim once; what follows reads it from a table
slim.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(staging)
slim = spark.read.table(staging)

# Write slim to dev.default.t_mode_merge, updating the rows with the same order_id and inserting the others
result = slim

written = result.count()
if not existing:
    result.limit(0).write.format("delta").mode("ignore").saveAsTable(target)
spark.sql(
    f"MERGE INTO {target} AS held USING {staging} AS incoming "
    "ON held.order_id <=> incoming.order_id "
    "WHEN MATCHED THEN UPDATE SET * "
    "WHEN NOT MATCHED THEN INSERT *"
)
spark.sql(f"DROP TABLE IF EXISTS {staging}")

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "mode_merge",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": {},
}
dbutils.notebook.exit(json.dumps(report))
