# Parameters
import json
from datetime import datetime, timezone

from pyspark.sql import functions as F

dbutils.widgets.text("run_time", "")
dbutils.widgets.text("run_key", "")
dbutils.widgets.text("target", "dev.default.t_derive_strings")
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

# more: Compute u = upper(name), s = substring(name, 1, 2), l = length(name), rep = replace(name, 'a', 'ä'), x
# = regexp_replace(name, '[aeiou]', '_'), q = name || '\'s "quote" {brace} \\ back' and sp = split(name,
# 'e')[0]
more = customers.withColumns(
    {
        "u": F.expr("upper(name)"),
        "s": F.expr("substring(name, 1, 2)"),
        "l": F.expr("length(name)"),
        "rep": F.expr("replace(name, 'a', 'ä')"),
        "x": F.expr("regexp_replace(name, '[aeiou]', '_')"),
        "q": F.expr("name || '\\'s \"quote\" {brace} \\\\ back'"),
        "sp": F.expr("split(name, 'e')[0]"),
    },
)

# No silent loss: compare the columns with those of the table that is there
existing = spark.read.table(target).dtypes if spark.catalog.tableExists(target) else []
known = {name.lower(): kind for name, kind in more.dtypes}
lost = [name for name, kind in existing if name.lower() not in known]
if lost:
    raise ValueError(f"{target} has columns that this run would lose: {', '.join(lost)}")

# Write more to dev.default.t_derive_strings, replacing all of its rows
result = (
    more
    .select("id", "name", "region", "balance", "since", "active", "u", "s", "l", "rep", "x", "q", "sp")
)

result.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(target)
written = spark.read.table(target).count()

# Report: rows written, and failing rows by expectation
report = {
    "pipeline": "derive_strings",
    "target": target,
    "run_key": run_key,
    "run_time": run_time.isoformat(),
    "rows": written,
    "failing": {},
}
dbutils.notebook.exit(json.dumps(report))
