# Parameters
import json
from datetime import datetime, timezone

from pyspark.sql import Window
from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "dev.default.t_mode_merge_sequence")
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
merge_staging = target.removesuffix(quote) + "_pipeline_magic_staging_merge" + quote

# Dates and times of day are taken in UTC
spark.conf.set("spark.sql.session.timeZone", "UTC")

# orders: Read dev.default.orders
orders = spark.read.table(source_orders).select("customer_id", "price", "ordered")

# slim: Keep the columns customer_id, price and ordered
slim = orders.select("customer_id", "price", "ordered")

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

# Write slim to dev.default.t_mode_merge_sequence, updating the rows with the same customer_id and inserting
# the others; the highest ordered wins
result = slim

# Of several versions of a key only the newest counts
by_key = Window.partitionBy("customer_id").orderBy(
    F.col("ordered").desc_nulls_last(),
    F.col("price").asc_nulls_last(),
)
incoming = result.withColumn("_row", F.row_number().over(by_key)).where("_row = 1").drop("_row")

# MERGE reads its source more than once
incoming.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(merge_staging)
incoming = spark.read.table(merge_staging)
written = incoming.count()
if not existing:
    result.limit(0).write.format("delta").mode("ignore").saveAsTable(target)
spark.sql(
    f"MERGE INTO {target} AS held USING {merge_staging} AS incoming "
    "ON held.customer_id <=> incoming.customer_id "
    "WHEN MATCHED AND (held.ordered IS NULL OR incoming.ordered >= held.ordered) THEN UPDATE SET * "
    "WHEN NOT MATCHED THEN INSERT *"
)
spark.sql(f"DROP TABLE IF EXISTS {merge_staging}")

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "mode_merge_sequence",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": {},
}
dbutils.notebook.exit(json.dumps(report))
