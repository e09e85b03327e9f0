# Parameters
import json
from datetime import datetime, timezone

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "dev.default.t_expect_warn_all")
dbutils.widgets.text("source_orders", "dev.default.orders")
dbutils.widgets.text("source_customers", "dev.default.customers")

# The time of the run is a parameter, so that a repeated run sees the same time
run_time = dbutils.widgets.get("run_time") or datetime.now(timezone.utc).isoformat()
run_time = datetime.fromisoformat(run_time.replace("Z", "+00:00"))
run_time = run_time.replace(tzinfo=run_time.tzinfo or timezone.utc).astimezone(timezone.utc)
run_key = dbutils.widgets.get("run_key") or run_time.isoformat()
target = dbutils.widgets.get("target")
source_orders = dbutils.widgets.get("source_orders")
source_customers = dbutils.widgets.get("source_customers")

# Dates and times of day are taken in UTC
spark.conf.set("spark.sql.session.timeZone", "UTC")

# orders: Read dev.default.orders
orders = (
    spark.read.table(source_orders)
    .select("order_id", "customer_id", "price", "quantity", "at", "status")
)

# customers: Read dev.default.customers
customers = spark.read.table(source_customers).select("id")

# slim: Keep the columns order_id, customer_id, price and status
slim = orders.select("order_id", "customer_id", "price", "status")

# No silent loss: compare the columns with those of the table that is there
existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []
known = {name.lower(): kind for name, kind in slim.dtypes}
lost = [name for name, kind in existing if name.lower() not in known]
if lost:
    raise ValueError(f"{target} has columns that this run would lose: {', '.join(lost)}")

# Quality gate: measure every expectation, and stop before the write
def age_of(table):
    """Hours since the last commit of a table; None where the engine keeps no history of it."""
    try:
        last = spark.sql(f"DESCRIBE HISTORY {table} LIMIT 1").select(F.unix_timestamp("timestamp")).first()[0]
    except PySparkException:
        return None
    return (run_time.timestamp() - last) / 3600

failing = {}  # rows that fail, by expectation; None where it could not be checked

# orders
found = (
    orders
    .agg(
        F.count("*").alias("_rows"),
        F.expr("count_if(customer_id IS NULL OR status IS NULL)").alias("check_not_null"),
        F.expr("count_if(price < 0 OR price >= 50)").alias("check_range"),
        F.expr("count_if(status NOT IN ('F', 'O'))").alias("check_accepted_values"),
        F.expr("count_if(NOT status RLIKE '^[FO]$')").alias("check_pattern"),
        F.expr(
            f"CAST(coalesce(max(at) < TIMESTAMP '{run_time}' - INTERVAL '1440' MINUTES, TRUE) AS INT)",
        ).alias("check_freshness"),
        F.expr("count_if(NOT coalesce(price > 0 OR quantity IS NULL, FALSE))").alias("check_expression"),
    )
    .first()
    .asDict()
)
rows = found.pop("_rows")
failing |= found
failing["check_unique"] = orders.groupBy("order_id").count().where("count > 1").count()
failing["check_row_count"] = int(rows < 1 or rows > 5)
age_orders = age_of(source_orders)
failing["commit"] = None if age_orders is None else int(age_orders > 24.0)
failing["check_referential"] = (
    orders
    .where("customer_id IS NOT NULL")
    .join(
        customers.select(F.col("id").alias("_parent_id")),
        F.col("customer_id") == F.col("_parent_id"),
        "left_anti",
    )
    .count()
)

# Write slim to dev.default.t_expect_warn_all, replacing all of its rows
result = slim

result.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(target)
written = spark.read.table(target).count()

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "expect_warn_all",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": failing,
}
dbutils.notebook.exit(json.dumps(report))
