# deduplicate_plain. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

spark = SparkSession.active()
source_customers = spark.conf.get("source_customers", "dev.default.customers")


@dp.materialized_view(name="t_deduplicate_plain")
def t_deduplicate_plain():
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
    return (
        customers
        .withColumn("_row", F.row_number().over(one_window))
        .where("_row = 1")
        .select("id", "name", "region", "balance", "since", "active")
    )
