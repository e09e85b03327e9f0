# Parameters
import json
from datetime import datetime, timezone

from pyspark.sql import Window
from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "dev.default.t_lakeflow_scd2")
dbutils.widgets.text("source_customers", "dev.default.customers")

# The time of the run is a parameter, so that a repeated run sees the same time
run_time = dbutils.widgets.get("run_time") or datetime.now(timezone.utc).isoformat()
run_time = datetime.fromisoformat(run_time.replace("Z", "+00:00"))
run_time = run_time.replace(tzinfo=run_time.tzinfo or timezone.utc).astimezone(timezone.utc)
run_key = dbutils.widgets.get("run_key") or run_time.isoformat()
target = dbutils.widgets.get("target")
source_customers = dbutils.widgets.get("source_customers")

# Rows that are read more than once are kept beside the target while the notebook runs
quote = "`" if target.endswith("`") else ""
merge_staging = target.removesuffix(quote) + "_pipeline_magic_staging_merge" + quote

# Dates and times of day are taken in UTC
spark.conf.set("spark.sql.session.timeZone", "UTC")

# customers: Read dev.default.customers
customers = spark.read.table(source_customers).select("id", "name", "since")

# slim: Keep the columns id, name and since
slim = customers.select("id", "name", "since")

slim_unchecked = slim
# Leave out the rows that fail key_known
slim = slim.where("NOT coalesce(id IS NULL, FALSE)")

# No silent loss: compare the columns with those of the table that is there
existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []
known = {name.lower(): kind for name, kind in slim.dtypes}
lost = [name for name, kind in existing if name.lower() not in known and name not in ("__START_AT", "__END_AT")]
if lost:
    raise ValueError(f"{target} has columns that this run would lose: {', '.join(lost)}")
held = {name.lower(): kind for name, kind in existing}
changed = [name for name, kind in known.items() if existing and held.get(name) != kind]
if changed:
    raise ValueError(f"{target} lacks these columns or has them in another type: {', '.join(changed)}")

# Quality gate: measure every expectation, and stop before the write
failing = {}  # rows that fail, by expectation; None where it could not be checked
limits = {}  # how many may fail before the run stops

# The target
found = (
    slim_unchecked
    .agg(
        F.count("*").alias("_rows"),
        F.expr("count_if(id IS NULL)").alias("key_known"),
    )
    .first()
    .asDict()
)
rows = found.pop("_rows")
failing |= found
failing["some"] = int(rows < 1)
limits["some"] = 0

broken = [name for name, limit in limits.items() if failing[name] is None or failing[name] > limit]
if broken:
    found = ", ".join(f"{name} ({failing[name]})" for name in broken)
    raise ValueError(f"Nothing was written to {target}: these expectations failed: {found}")

# Write slim to dev.default.t_lakeflow_scd2, keeping every version of a row with the same id; the highest
# since wins
result = slim.withColumn("__START_AT", F.col("since")).withColumn("__END_AT", F.lit(None).cast("date"))

if not existing:
    result.limit(0).write.format("delta").mode("ignore").saveAsTable(target)

# What is held of the keys that came in, and what came in; where both have a version, what came in counts
held = spark.read.table(target).join(result.select("id").distinct(), ["id"], "left_semi")
versions = result.withColumn("_new", F.lit(1)).unionByName(held.withColumn("_new", F.lit(0)))
by_version = Window.partitionBy("id", "__START_AT")
newest_first = by_version.orderBy(F.col("_new").desc(), F.col("name").asc_nulls_last())
versions = (
    versions
    .withColumn("_held", F.min("_new").over(by_version) == 0)
    .withColumn("_was", F.max("__END_AT").over(by_version))
    .withColumn("_row", F.row_number().over(newest_first))
    .where("_row = 1")
)

# A version that changes nothing is none; each ends where the next begins
by_start = Window.partitionBy("id").orderBy("__START_AT")
versions = (
    versions
    .withColumn(
        "_same",
        (F.row_number().over(by_start) > 1)
        & (F.col("name").eqNullSafe(F.lag("name").over(by_start))),
    )
    .where("_held OR NOT _same")
    .withColumn("__END_AT", F.lead("__START_AT").over(by_start))
)

# Only what differs from what is held is written
incoming = (
    versions
    .where("_new = 1 OR NOT (__END_AT <=> _was)")
    .select("id", "name", "since", "__START_AT", "__END_AT")
)

# MERGE reads its source more than once
incoming.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(merge_staging)
incoming = spark.read.table(merge_staging)
written = incoming.count()
spark.sql(
    f"MERGE INTO {target} AS held USING {merge_staging} AS incoming "
    "ON held.id = incoming.id "
    "AND held.__START_AT = incoming.__START_AT "
    "WHEN MATCHED THEN UPDATE SET * "
    "WHEN NOT MATCHED THEN INSERT *"
)
spark.sql(f"DROP TABLE IF EXISTS {merge_staging}")

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "lakeflow_scd2",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": failing,
}
dbutils.notebook.exit(json.dumps(report))
