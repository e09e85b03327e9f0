# Parameters
import json
from datetime import datetime, timezone

from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "dev.default.t_unpivot_drop")
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
orders = spark.read.table(source_orders).select("order_id", "quantity", "weight")

# slim: Keep the columns order_id, quantity and weight
slim = orders.select("order_id", "quantity", "weight")

# long: Turn quantity and weight into rows of what and amount, leaving out NULLs
long = (
    slim
    .select(
        "order_id",
        F.expr("stack(2, 'quantity', CAST(quantity AS DOUBLE), 'weight', weight) AS (what, amount)"),
    )
    .where(F.col("amount").isNotNull())
)

# No silent loss: compare the columns with those of the table that is there
existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []
known = {name.lower(): kind for name, kind in long.dtypes}
lost = [name for name, kind in existing if name.lower() not in known]
if lost:
    raise ValueError(f"{target} has columns that this run would lose: {', '.join(lost)}")

# Write long to dev.default.t_unpivot_drop, replacing all of its rows
result = long.select("order_id", "what", "amount")

result.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(target)
written = spark.read.table(target).count()

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "unpivot_drop",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": {},
}
dbutils.notebook.exit(json.dumps(report))
