# mode_scd1. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
# Each row of customers is read once; a source that is changed or rewritten stops the update.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_customers = spark.conf.get("source_customers", "dev.default.customers")


@dp.temporary_view(name="changes")
@dp.expect_or_fail("sequence_known", "since IS NOT NULL")
def changes():
    # customers: Read dev.default.customers
    customers = spark.readStream.table(source_customers).select("id", "name", "since")
    # slim: Keep the columns id, name and since
    return customers.select("id", "name", "since")


dp.create_streaming_table(name="t_mode_scd1")
dp.create_auto_cdc_flow(
    target="t_mode_scd1",
    source="changes",
    keys=["id"],
    sequence_by=F.col("since"),
    stored_as_scd_type=1,
)
