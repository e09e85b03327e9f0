# lakeflow_scd1. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
# Each row of customers is read once; a source that is changed or rewritten stops the update.
# A check beside the target that fails makes the update fail, after the target was written: it is not rolled
# back.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_customers = spark.conf.get("source_customers", "dev.default.customers")


@dp.temporary_view(name="changes")
@dp.expect_or_drop("key_known", "id IS NOT NULL")
def changes():
    # customers: Read dev.default.customers
    customers = spark.readStream.table(source_customers).select("id", "name", "since")
    # slim: Keep the columns id, name and since
    slim = customers.select("id", "name", "since")
    # dated: Keep the rows of slim where since IS NOT NULL
    dated = slim.where("since IS NOT NULL")
    return dated.select("id", "name", "since")


dp.create_streaming_table(name="t_lakeflow_scd1")
dp.create_auto_cdc_flow(
    target="t_lakeflow_scd1",
    source="changes",
    keys=["id"],
    sequence_by=F.col("since"),
    stored_as_scd_type=1,
)


# some: There is at least 1 row in the target
@dp.materialized_view(name="some", private=True)
@dp.expect_or_fail("some", "_rows >= 1")
def some():
    dated = spark.read.table("t_lakeflow_scd1")
    return dated.agg(F.count("*").alias("_rows"))
