# Parameters
import json
from datetime import datetime, timezone

from pyspark.sql import Window
from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "dev.default.t_window_running")
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

# ranked: Add moving = sum(price), n = count(*) and first_price = first_value(price) within each status, by
# ordered (lowest first)
ranked_window = Window.partitionBy("status").orderBy(
    F.col("ordered").asc_nulls_last(),
    F.col("order_id").asc_nulls_last(),
    F.col("customer_id").asc_nulls_last(),
    F.col("price").asc_nulls_last(),
    F.col("quantity").asc_nulls_last(),
    F.col("weight").asc_nulls_last(),
    F.col("at").asc_nulls_last(),
    F.col("tags").asc_nulls_last(),
    F.col("detail").asc_nulls_last(),
).rowsBetween(-1, Window.currentRow)
ranked = orders.withColumns(
    {
        "moving": F.sum("price").over(ranked_window),
        "n": F.count("*").over(ranked_window),
        "first_price": F.expr("first_value(price) OVER (PARTITION BY status ORDER BY ordered ASC NULLS LAST, order_id ASC NULLS LAST, customer_id ASC NULLS LAST, price ASC NULLS LAST, quantity ASC NULLS LAST, weight ASC NULLS LAST, at ASC NULLS LAST, tags ASC NULLS LAST, detail ASC NULLS LAST ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"),
    },
)

# No silent loss: compare the columns with those of the table that is there
existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []
known = {name.lower(): kind for name, kind in ranked.dtypes}
lost = [name for name, kind in existing if name.lower() not in known]
if lost:
    raise ValueError(f"{target} has columns that this run would lose: {', '.join(lost)}")

# Write ranked to dev.default.t_window_running, replacing all of its rows
result = ranked.select(
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
    "moving",
    "n",
    "first_price",
)

result.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(target)
written = spark.read.table(target).count()

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "window_running",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": {},
}
dbutils.notebook.exit(json.dumps(report))
