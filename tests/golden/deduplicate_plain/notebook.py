# Parameters
import json
from datetime import datetime, timezone

from pyspark.sql import Window
from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "dev.default.t_deduplicate_plain")
dbutils.widgets.text("source_customers", "dev.default.customers")

# The time of the run is a parameter, so that a repeated run sees the same time
run_time = dbutils.widgets.get("run_time") or datetime.now(timezone.utc).isoformat()
run_time = datetime.fromisoformat(run_time.replace("Z", "+00:00"))
run_time = run_time.replace(tzinfo=run_time.tzinfo or timezone.utc).astimezone(timezone.utc)
run_key = dbutils.widgets.get("run_key") or run_time.isoformat()
target = dbutils.widgets.get("target")
source_customers = dbutils.widgets.get("source_customers")

# Dates and times of day are taken in UTC
spark.conf.set("spark.sql.session.timeZone", "UTC")

# customers: Read dev.default.customers
customers = spark.read.table(source_customers)

# one: Keep one row for each id
one_window = Window.partitionBy("id").orderBy(
    F.col("name").asc_nulls_last(),
    F.col("region").asc_nulls_last(),
    F.col("balance").asc_nulls_last(),
    F.col("since").asc_nulls_last(),
    F.col("active").asc_nulls_last(),
)
one = customers.withColumn("_row", F.row_number().over(one_window)).where("_row = 1").drop("_row")

# No silent loss: compare the columns with those of the table that is there
existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []
known = {name.lower(): kind for name, kind in one.dtypes}
lost = [name for name, kind in existing if name.lower() not in known]
if lost:
    raise ValueError(f"{target} has columns that this run would lose: {', '.join(lost)}")

# Write one to dev.default.t_deduplicate_plain, replacing all of its rows
result = one.select("id", "name", "region", "balance", "since", "active")

result.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(target)
written = spark.read.table(target).count()

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "deduplicate_plain",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": {},
}
dbutils.notebook.exit(json.dumps(report))
