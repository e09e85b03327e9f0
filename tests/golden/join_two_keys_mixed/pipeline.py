# join_two_keys_mixed. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_customers = spark.conf.get("source_customers", "dev.default.customers")
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_join_two_keys_mixed")
def t_join_two_keys_mixed():
    # customers: Read dev.default.customers
    customers = spark.read.table(source_customers)
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders).select("order_id", "customer_id", "price")
    # ids: Rename customer_id to id
    ids = orders.withColumnRenamed("customer_id", "id")
    # regions: Compute area = CASE WHEN price > 10 THEN 'north' ELSE 'east' END
    regions = ids.withColumn("area", F.expr("CASE WHEN price > 10 THEN 'north' ELSE 'east' END"))
    # joined: Keep every row of customers and of regions, matched where they have the same id and region = area
    return (
        customers
        .join(
            regions.select("order_id", F.col("id").alias("_right_id"), "price", "area"),
            (F.col("id") == F.col("_right_id")) & (F.col("region") == F.col("area")),
            "full",
        )
        .withColumn("id", F.coalesce("id", "_right_id"))
        .select("id", "name", "region", "balance", "since", "active", "order_id", "price")
    )
