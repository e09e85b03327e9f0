# Parameters
import json
from datetime import datetime, timezone

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "analytics.ops.carrier_delays")
dbutils.widgets.text("source_flights", "samples.nycflights.flights")
dbutils.widgets.text("source_airlines", "samples.nycflights.airlines")
dbutils.widgets.text("source_planes", "samples.nycflights.planes")

# The time of the run is a parameter, so that a repeated run sees the same time
run_time = dbutils.widgets.get("run_time") or datetime.now(timezone.utc).isoformat()
run_time = datetime.fromisoformat(run_time.replace("Z", "+00:00"))
run_time = run_time.replace(tzinfo=run_time.tzinfo or timezone.utc).astimezone(timezone.utc)
run_key = dbutils.widgets.get("run_key") or run_time.isoformat()
target = dbutils.widgets.get("target")
source_flights = dbutils.widgets.get("source_flights")
source_airlines = dbutils.widgets.get("source_airlines")
source_planes = dbutils.widgets.get("source_planes")

# Rows that are read more than once are kept beside the target while the notebook runs
quote = "`" if target.endswith("`") else ""
staging = target.removesuffix(quote) + "_pipeline_magic_staging" + quote

# Dates and times of day are taken in UTC
spark.conf.set("spark.sql.session.timeZone", "UTC")

# flights: Read samples.nycflights.flights
flights = spark.read.table(source_flights).select("month", "dep_time", "dep_delay", "carrier", "tailnum")

# airlines: Read samples.nycflights.airlines
airlines = spark.read.table(source_airlines)

# planes: Read samples.nycflights.planes
planes = spark.read.table(source_planes).select("tailnum")

# with_airlines: Match each row of flights with the rows of airlines that have the same carrier; rows without
# a match leave
with_airlines = flights.join(airlines, "carrier", "inner")

# with_planes: Keep every row of with_airlines and add what planes has for the same tailnum
with_planes = with_airlines.join(planes, "tailnum", "left")

# delays: One row for each carrier, name and month: average_delay = avg(dep_delay) FILTER (WHERE dep_time IS
# NOT NULL), p90_delay = percentile(CASE WHEN dep_time IS NOT NULL THEN dep_delay END, 0.9) and
# cancelled_share = count_if(dep_time IS NULL) / count(*)
delays = (
    with_planes
    .groupBy("carrier", "name", "month")
    .agg(
        F.expr("avg(dep_delay) FILTER (WHERE dep_time IS NOT NULL)").alias("average_delay"),
        F.expr("percentile(CASE WHEN dep_time IS NOT NULL THEN dep_delay END, 0.9)").alias("p90_delay"),
        F.expr("count_if(dep_time IS NULL) / count(*)").alias("cancelled_share"),
    )
)

# flag: Compute late = average_delay > 20
flag = delays.withColumn("late", F.expr("average_delay > 20"))

# No silent loss: compare the columns with those of the table that is there
existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []
known = {name.lower(): kind for name, kind in flag.dtypes}
lost = [name for name, kind in existing if name.lower() not in known]
if lost:
    raise ValueError(f"{target} has columns that this run would lose: {', '.join(lost)}")

# Staging: compute flag once; what follows reads it from a table
flag.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(staging)
flag = spark.read.table(staging)

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

# flights, airlines, planes
failing |= (
    flights
    .agg(
        F.expr("count_if(carrier IS NULL)").alias("auto_flights_carrier_not_null"),
        F.expr("count_if(tailnum IS NULL)").alias("auto_flights_tailnum_not_null"),
    )
    .crossJoin(airlines.agg(F.expr("count_if(carrier IS NULL)").alias("auto_airlines_carrier_not_null")))
    .crossJoin(planes.agg(F.expr("count_if(tailnum IS NULL)").alias("auto_planes_tailnum_not_null")))
    .first()
    .asDict()
)

# flights
age_flights = age_of(source_flights)
failing["auto_flights_fresh"] = None if age_flights is None else int(age_flights > 48.0)

# airlines
age_airlines = age_of(source_airlines)
failing["auto_airlines_fresh"] = None if age_airlines is None else int(age_airlines > 48.0)

# planes
age_planes = age_of(source_planes)
failing["auto_planes_fresh"] = None if age_planes is None else int(age_planes > 48.0)

# The target
found = (
    flag
    .agg(
        F.count("*").alias("_rows"),
        F.expr(
            "count_if(carrier IS NULL OR name IS NULL OR month IS NULL)",
        ).alias("auto_target_key_not_null"),
    )
    .first()
    .asDict()
)
rows = found.pop("_rows")
failing |= found
failing["auto_target_key_unique"] = 0  # delays leaves each of these keys once, and nothing after it repeats rows
failing["auto_target_rows"] = int(rows < 1)
limits["auto_target_key_not_null"] = 0
limits["auto_target_key_unique"] = 0
limits["auto_target_rows"] = 0

broken = [name for name, limit in limits.items() if failing[name] is None or failing[name] > limit]
if broken:
    spark.sql(f"DROP TABLE IF EXISTS {staging}")
    found = ", ".join(f"{name} ({failing[name]})" for name in broken)
    raise ValueError(f"Nothing was written to {target}: these expectations failed: {found}")

# Write flag to analytics.ops.carrier_delays, replacing all of its rows
result = flag.select("carrier", "name", "month", "average_delay", "p90_delay", "cancelled_share", "late")

result.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(target)
written = spark.read.table(target).count()
spark.sql(f"DROP TABLE IF EXISTS {staging}")

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "carrier_delays",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": failing,
}
dbutils.notebook.exit(json.dumps(report))
