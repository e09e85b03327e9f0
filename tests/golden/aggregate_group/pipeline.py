# aggregate_group. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_aggregate_group")
def t_aggregate_group():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders).select("customer_id", "price", "quantity", "ordered", "status")
    # sums: One row for each customer_id and status: revenue = sum(price), orders = count(*), filled =
    # count(quantity), mean = avg(price), least = min(ordered) and most = max(price)
    return (
        orders
        .groupBy("customer_id", "status")
        .agg(
            F.sum("price").alias("revenue"),
            F.count("*").alias("orders"),
            F.count("quantity").alias("filled"),
            F.avg("price").alias("mean"),
            F.min("ordered").alias("least"),
            F.max("price").alias("most"),
        )
    )
