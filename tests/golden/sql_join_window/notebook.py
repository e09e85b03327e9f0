# Parameters
import json
from datetime import datetime, timezone

from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "dev.default.t_sql_join_window")
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
orders = spark.read.table(source_orders)

# customers: Read dev.default.customers
customers = spark.read.table(source_customers)

# mine: A query written by hand over orders and customers
orders.createOrReplaceTempView("orders")
customers.createOrReplaceTempView("customers")
mine = spark.sql(
    "WITH sums AS ( "
    "  SELECT "
    "    orders.customer_id, "
    "    sum(orders.price) AS revenue, "
    "    count(*) AS n "
    "  FROM orders "
    "  WHERE "
    "    orders.price > 0 "
    "  GROUP BY "
    "    orders.customer_id "
    "  HAVING "
    "    count(*) >= 1 "
    ") "
    "SELECT "
    "  c.id, "
    "  c.name, "
    "  s.revenue, "
    "  rank() OVER (ORDER BY s.revenue DESC) AS place, "
    "  coalesce(s.n, 0) AS n, "
    "  'it\\'s {x}' AS note "
    "FROM customers AS c "
    "LEFT JOIN sums AS s "
    "  ON c.id = s.customer_id "
)

# No silent loss: compare the columns with those of the table that is there
existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []
known = {name.lower(): kind for name, kind in mine.dtypes}
lost = [name for name, kind in existing if name.lower() not in known]
if lost:
    raise ValueError(f"{target} has columns that this run would lose: {', '.join(lost)}")

# Write mine to dev.default.t_sql_join_window, replacing all of its rows
result = mine

result.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(target)
written = spark.read.table(target).count()

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "sql_join_window",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": {},
}
dbutils.notebook.exit(json.dumps(report))
