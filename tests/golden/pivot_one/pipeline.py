# pivot_one. When somebody starts it.
# Generated from spec.yml; a change made here is not taken over.
from pyspark import pipelines as dp
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.active()
source_orders = spark.conf.get("source_orders", "dev.default.orders")


@dp.materialized_view(name="t_pivot_one")
def t_pivot_one():
    # orders: Read dev.default.orders
    orders = spark.read.table(source_orders).select("customer_id", "price", "status")
    # wide: One row for each customer_id, with columns for the values of status: total = sum(price)
    return (
        orders
        .groupBy("customer_id")
        .agg(
            F.expr("sum(price) FILTER (WHERE status = 'F')").alias("F"),
            F.expr("sum(price) FILTER (WHERE status = 'O')").alias("O"),
            F.expr("sum(price) FILTER (WHERE status = 'it\\'s')").alias("it's"),
        )
    )
