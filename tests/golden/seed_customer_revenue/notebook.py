# Parameters
import json
from datetime import datetime, timezone

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "analytics.default.customer_revenue")
dbutils.widgets.text("source_customer", "samples.tpch.customer")
dbutils.widgets.text("source_orders", "samples.tpch.orders")

# The time of the run is a parameter, so that a repeated run sees the same time
run_time = dbutils.widgets.get("run_time") or datetime.now(timezone.utc).isoformat()
run_time = datetime.fromisoformat(run_time.replace("Z", "+00:00"))
run_time = run_time.replace(tzinfo=run_time.tzinfo or timezone.utc).astimezone(timezone.utc)
run_key = dbutils.widgets.get("run_key") or run_time.isoformat()
target = dbutils.widgets.get("target")
source_customer = dbutils.widgets.get("source_customer")
source_orders = dbutils.widgets.get("source_orders")

# Rows that are read more than once are kept beside the target while the notebook runs
quote = "`" if target.endswith("`") else ""
staging = target.removesuffix(quote) + "_pipeline_magic_staging" + quote

# Dates and times of day are taken in UTC
spark.conf.set("spark.sql.session.timeZone", "UTC")

# customer: Read samples.tpch.customer
customer = spark.read.table(source_customer).select("c_custkey", "c_name", "c_mktsegment")

# orders: Read samples.tpch.orders
orders = spark.read.table(source_orders).select("o_orderkey", "o_custkey", "o_totalprice")

# join_orders: Keep every row of customer and add what orders has for the same c_custkey = o_custkey
join_orders = customer.join(orders, F.col("c_custkey") == F.col("o_custkey"), "left").drop("o_custkey")

# revenue: One row for each c_custkey, c_name and c_mktsegment: revenue = sum(o_totalprice), order_count =
# count(o_orderkey) and average_order_value = avg(o_totalprice)
revenue = (
    join_orders
    .groupBy("c_custkey", "c_name", "c_mktsegment")
    .agg(
        F.sum("o_totalprice").alias("revenue"),
        F.count("o_orderkey").alias("order_count"),
        F.avg("o_totalprice").alias("average_order_value"),
    )
)

# segment: Label each row in segment: 'high value' for the top 20 % by revenue, else 'standard'
segment = revenue.withColumn(
    "segment",
    F.expr(
        "CASE "
        "WHEN revenue IS NOT NULL AND percent_rank() OVER (ORDER BY revenue DESC NULLS LAST) < 0.2 THEN 'high value' "
        "ELSE 'standard' "
        "END"
    ),
)

# No silent loss: compare the columns with those of the table that is there
existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []
known = {name.lower(): kind for name, kind in segment.dtypes}
lost = [name for name, kind in existing if name.lower() not in known]
if lost:
    raise ValueError(f"{target} has columns that this run would lose: {', '.join(lost)}")

# Staging: compute segment once; what follows reads it from a table
segment.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(staging)
segment = spark.read.table(staging)

# Quality gate: measure every expectation, and stop before the write
def age_of(table):
    """Hours since the last commit of a table; None where the engine keeps no history of it."""
    try:
        last = spark.sql(f"DESCRIBE HISTORY {table} LIMIT 1").select(F.unix_timestamp("timestamp")).first()[0]
    except PySparkException:
        return None
    return (run_time.timestamp() - last) / 3600

failing = {}  # rows that fail, by expectation; None where it could not be checked
limits = {}  # how many may fail before the run stops

# customer, orders
failing |= (
    customer
    .agg(F.expr("count_if(c_custkey IS NULL)").alias("auto_customer_c_custkey_not_null"))
    .crossJoin(orders.agg(F.expr("count_if(o_custkey IS NULL)").alias("auto_orders_o_custkey_not_null")))
    .first()
    .asDict()
)

# customer
age_customer = age_of(source_customer)
failing["auto_customer_fresh"] = None if age_customer is None else int(age_customer > 48.0)

# orders
age_orders = age_of(source_orders)
failing["auto_orders_fresh"] = None if age_orders is None else int(age_orders > 48.0)

# The target
found = (
    segment
    .agg(
        F.count("*").alias("_rows"),
        F.expr(
            "count_if(c_custkey IS NULL OR c_name IS NULL OR c_mktsegment IS NULL)",
        ).alias("auto_target_key_not_null"),
    )
    .first()
    .asDict()
)
rows = found.pop("_rows")
failing |= found
failing["auto_target_key_unique"] = 0  # revenue leaves each of these keys once, and nothing after it repeats rows
failing["auto_target_rows"] = int(rows < 1)
limits["auto_target_key_not_null"] = 0
limits["auto_target_key_unique"] = 0
limits["auto_target_rows"] = 0

broken = [name for name, limit in limits.items() if failing[name] is None or failing[name] > limit]
if broken:
    spark.sql(f"DROP TABLE IF EXISTS {staging}")
    found = ", ".join(f"{name} ({failing[name]})" for name in broken)
    raise ValueError(f"Nothing was written to {target}: these expectations failed: {found}")

# Write segment to analytics.default.customer_revenue, replacing all of its rows
result = (
    segment
    .select("c_custkey", "c_name", "c_mktsegment", "revenue", "order_count", "average_order_value", "segment")
)

result.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(target)
written = spark.read.table(target).count()
spark.sql(f"DROP TABLE IF EXISTS {staging}")

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "customer_revenue",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": failing,
}
dbutils.notebook.exit(json.dumps(report))
