# Parameters
import json
from datetime import datetime, timezone

from pyspark.sql import Window
from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "dev.default.t_window_rank")
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

# ranked: Add position = row_number(), place = rank(), previous = lag(price) and step = price - lag(price)
# within each customer_id, by price (highest first) and order_id (lowest first)
ranked_window = Window.partitionBy("customer_id").orderBy(
    F.col("price").desc_nulls_last(),
    F.col("order_id").asc_nulls_last(),
    F.col("quantity").asc_nulls_last(),
    F.col("weight").asc_nulls_last(),
    F.col("ordered").asc_nulls_last(),
    F.col("at").asc_nulls_last(),
    F.col("status").asc_nulls_last(),
    F.col("tags").asc_nulls_last(),
    F.col("detail").asc_nulls_last(),
)
ranked_window2 = Window.partitionBy("customer_id").orderBy(F.col("price").desc_nulls_last(), F.col("order_id").asc_nulls_last())
ranked = orders.withColumns(
    {
        "position": F.row_number().over(ranked_window),
        "place": F.rank().over(ranked_window2),
        "previous": F.lag("price").over(ranked_window),
        "step": F.expr("price - lag(price) OVER (PARTITION BY customer_id ORDER BY price DESC NULLS LAST, order_id ASC NULLS LAST, quantity ASC NULLS LAST, weight ASC NULLS LAST, ordered ASC NULLS LAST, at ASC NULLS LAST, status ASC NULLS LAST, tags ASC NULLS LAST, detail ASC NULLS LAST)"),
    },
)

# No silent loss: compare the columns with those of the table that is there
existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []
known = {name.lower(): kind for name, kind in ranked.dtypes}
lost = [name for name, kind in existing if name.lower() not in known]
if lost:
    raise ValueError(f"{target} has columns that this run would lose: {', '.join(lost)}")

# Write ranked to dev.default.t_window_rank, replacing all of its rows
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
    "position",
    "place",
    "previous",
    "step",
)

result.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(target)
written = spark.read.table(target).count()

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "window_rank",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": {},
}
dbutils.notebook.exit(json.dumps(report))
