# aggregate_all. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_aggregate_all")
def t_aggregate_all():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders).select("customer_id", "price")
    # sums: One row in all: revenue = sum(price) and customers = count(DISTINCT customer_id)
    return orders.agg(
        F.sum("price").alias("revenue"),
        F.count_distinct("customer_id").alias("customers"),
    )
