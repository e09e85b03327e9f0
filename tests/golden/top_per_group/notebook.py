# Parameters
import json
from datetime import datetime, timezone

from pyspark.sql import Window
from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "dev.default.t_top_per_group")
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
orders = spark.read.table(source_orders)

# first: Keep the first 2 rows of each status by price (highest first) and ordered (lowest first)
first_window = Window.partitionBy("status").orderBy(
    F.col("price").desc_nulls_last(),
    F.col("ordered").asc_nulls_first(),
    F.col("order_id").asc_nulls_last(),
    F.col("customer_id").asc_nulls_last(),
    F.col("quantity").asc_nulls_last(),
    F.col("weight").asc_nulls_last(),
    F.col("at").asc_nulls_last(),
    F.col("tags").asc_nulls_last(),
    F.col("detail").asc_nulls_last(),
)
first = orders.withColumn("_row", F.row_number().over(first_window)).where("_row <= 2").drop("_row")

# No silent loss: compare the columns with those of the table that is there
existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []
known = {name.lower(): kind for name, kind in first.dtypes}
lost = [name for name, kind in existing if name.lower() not in known]
if lost:
    raise ValueError(f"{target} has columns that this run would lose: {', '.join(lost)}")

# Write first to dev.default.t_top_per_group, replacing all of its rows
result = first.select(
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
)

result.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(target)
written = spark.read.table(target).count()

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "top_per_group",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": {},
}
dbutils.notebook.exit(json.dumps(report))
